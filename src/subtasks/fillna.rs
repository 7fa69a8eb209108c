//! Fills missing values.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::by_column::{ColumnSubtask, Flaw};
use super::{Learner, PartialFit, Refusal, Subtask, Traits};
use crate::data::{from_bytes, to_bytes};
use crate::kernels::select::{fill_missing, next_missing};
use crate::kernels::{moments, order::Selector};

/// Fills missing values with a constant, a neighbour, or the column's mean or median.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Fillna {
    /// The constant to fill with; either this or `method` is given.
    value: Option<f64>,
    /// `ffill` and `bfill` carry the neighbour before or after on; `mean` and `median` are the column's.
    method: Option<FillMethod>,
    /// How many are filled at the most: in a row for `ffill` and `bfill`, over messages too with `fit = "stream"`; in the
    /// column otherwise.
    limit: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum FillMethod {
    Ffill,
    Bfill,
    Mean,
    Median,
}

impl Subtask for Fillna {
    const EQUALS: &'static str = "pandas.DataFrame.fillna, ffill, bfill";
    const TRAITS: Traits<Fillna> = Traits::by_column().partial_fit();

    fn check(&self) -> Result<(), Refusal> {
        Refusal::unless_positive(self.limit)?;
        match (self.value, self.method) {
            (None, None) => Err(Refusal::new("value", "give a fill `value` or a `method`")),
            (Some(_), Some(_)) => Err(Refusal::new("method", "give either `value` or `method`, not both")),
            _ => Ok(()),
        }
    }
}

impl PartialFit for Fillna {
    fn learner(&self) -> Box<dyn Learner> {
        Box::new(ForwardFill::with(self.limit.unwrap_or(usize::MAX)))
    }

    fn check_stream(&self) -> Result<(), Refusal> {
        let reason = match self.method {
            Some(FillMethod::Ffill) => return Ok(()),
            Some(FillMethod::Bfill) => "the rows of the next message are not known yet: `ffill` over the stream",
            _ => "only `ffill` carries values from one message to the next: leave out `fit`",
        };
        Err(Refusal::new(if self.method.is_some() { "method" } else { "value" }, reason))
    }
}

impl ColumnSubtask for Fillna {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        let Some(first) = next_missing(values, 0) else { return Ok(()) };
        let limit = self.limit.unwrap_or(usize::MAX);
        match self.method {
            None => fill(values, self.value.unwrap_or(f64::NAN), limit),
            Some(FillMethod::Mean) => {
                let moments = moments::moments(values);
                fill(values, moments.mean, limit);
            }
            Some(FillMethod::Median) => {
                let median = Selector::new(values).median();
                fill(values, median, limit);
            }
            Some(FillMethod::Ffill) => ForwardFill::with(limit).fill(values[first.saturating_sub(1)..].iter_mut()),
            Some(FillMethod::Bfill) => ForwardFill::with(limit).fill(values.iter_mut().rev()),
        }
        Ok(())
    }

    fn apply_row(&self, values: &mut [f64]) -> Result<(), (usize, Flaw)> {
        // A column whose only value is missing has no other to fill it with, and one is within every limit.
        if self.method.is_none() {
            fill_missing(values, self.value.unwrap_or(f64::NAN));
        }
        Ok(())
    }
}

fn fill(column: &mut [f64], value: f64, limit: usize) {
    if limit >= column.len() {
        return fill_missing(column, value);
    }
    column.iter_mut().filter(|x| x.is_nan()).take(limit).for_each(|x| *x = value);
}

/// The last value of a column, and how many missing ones behind it were filled with it.
struct ForwardFill {
    last: f64,
    filled: usize,
    limit: usize,
}

impl ForwardFill {
    fn with(limit: usize) -> ForwardFill {
        ForwardFill { last: f64::NAN, filled: 0, limit }
    }

    fn fill<'a>(&mut self, column: impl Iterator<Item = &'a mut f64>) {
        for x in column {
            if !x.is_nan() {
                (self.last, self.filled) = (*x, 0);
            } else if self.filled < self.limit {
                *x = self.last;
                self.filled += 1;
            }
        }
    }
}

impl Learner for ForwardFill {
    fn learn_and_transform(&mut self, values: &mut [f64]) {
        self.fill(values.iter_mut());
    }

    fn takes_infinity(&self) -> bool {
        true
    }

    fn save(&self) -> Vec<u8> {
        to_bytes(&(self.last, self.filled as u64))
    }

    fn load(&mut self, saved: &[u8]) -> Result<(), String> {
        let (last, filled): (f64, u64) = from_bytes(saved)?;
        (self.last, self.filled) = (last, filled as usize);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;

    const N: f64 = f64::NAN;

    fn filled(method: Option<FillMethod>, value: Option<f64>, limit: Option<usize>) -> String {
        let column = vec![N, 1.0, N, N, 4.0, 7.0, N];
        format!("{:?}", applied(&Fillna { value, method, limit }, &[column]).unwrap()[0])
    }

    #[test]
    fn each_method() {
        assert_eq!(filled(None, Some(0.0), Some(2)), "[0.0, 1.0, 0.0, NaN, 4.0, 7.0, NaN]");
        assert_eq!(filled(Some(FillMethod::Ffill), None, Some(1)), "[NaN, 1.0, 1.0, NaN, 4.0, 7.0, 7.0]");
        assert_eq!(filled(Some(FillMethod::Bfill), None, None), "[1.0, 1.0, 4.0, 4.0, 4.0, 7.0, NaN]");
        assert_eq!(filled(Some(FillMethod::Mean), None, None), "[4.0, 1.0, 4.0, 4.0, 4.0, 7.0, 4.0]");
        assert_eq!(filled(Some(FillMethod::Median), None, None), "[4.0, 1.0, 4.0, 4.0, 4.0, 7.0, 4.0]");
    }

    /// `pandas.Series(values).ffill(limit=2)`, whatever messages the values come in.
    #[test]
    fn over_the_stream_the_last_value_is_carried_on() {
        let fillna = Fillna { method: Some(FillMethod::Ffill), limit: Some(2), ..Fillna::default() };
        let values = [N, 1.0, N, N, N, f64::INFINITY, N, 4.0, 5.0, N];
        for size in 1..values.len() {
            let (mut filled, mut saved) = (Vec::new(), None::<Vec<u8>>);
            for message in values.chunks(size) {
                // Each message after a restart.
                let mut learner = fillna.learner();
                saved.iter().for_each(|saved| learner.load(saved).unwrap());
                let mut message = message.to_vec();
                learner.learn_and_transform(&mut message);
                filled.extend(message);
                saved = Some(learner.save());
            }
            assert_eq!(format!("{filled:?}"), "[NaN, 1.0, 1.0, 1.0, NaN, inf, inf, 4.0, 5.0, 5.0]", "{size}");
        }
        assert!(fillna.check_stream().is_ok());
        for method in [FillMethod::Bfill, FillMethod::Mean] {
            let refused = Fillna { method: Some(method), ..Fillna::default() }.check_stream().unwrap_err();
            assert_eq!(refused.parameter, "method");
        }
        assert_eq!(Fillna { value: Some(0.0), ..Fillna::default() }.check_stream().unwrap_err().parameter, "value");
    }

    #[test]
    fn one_of_value_and_method() {
        assert!(Fillna::default().check().is_err());
        let both = Fillna { value: Some(1.0), method: Some(FillMethod::Mean), limit: None };
        assert_eq!(both.check().unwrap_err().parameter, "method");
    }
}
