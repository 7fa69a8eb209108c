//! Fills missing values.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::by_column::{ColumnSubtask, Flaw};
use super::{Refusal, Subtask, Traits};
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
    /// How many are filled at the most: in a row for `ffill` and `bfill`, in the column otherwise.
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
    const TRAITS: Traits<Fillna> = Traits::by_column();

    fn check(&self) -> Result<(), Refusal> {
        Refusal::unless_positive(self.limit)?;
        match (self.value, self.method) {
            (None, None) => Err(Refusal::new("value", "give a fill `value` or a `method`")),
            (Some(_), Some(_)) => Err(Refusal::new("method", "give either `value` or `method`, not both")),
            _ => Ok(()),
        }
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
            Some(FillMethod::Ffill) => carry(values[first.saturating_sub(1)..].iter_mut(), limit),
            Some(FillMethod::Bfill) => carry(values.iter_mut().rev(), limit),
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

fn carry<'a>(column: impl Iterator<Item = &'a mut f64>, limit: usize) {
    let (mut last, mut carried) = (f64::NAN, 0);
    for x in column {
        if !x.is_nan() {
            (last, carried) = (*x, 0);
        } else if carried < limit {
            *x = last;
            carried += 1;
        }
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

    #[test]
    fn one_of_value_and_method() {
        assert!(Fillna::default().check().is_err());
        let both = Fillna { value: Some(1.0), method: Some(FillMethod::Mean), limit: None };
        assert_eq!(both.check().unwrap_err().parameter, "method");
    }
}
