//! Values of other rows.

use schemars::JsonSchema;
use serde::Deserialize;

use super::by_column::{ColumnSubtask, Flaw};
use super::streaming::Carried;
use super::{Learner, PartialFit, Refusal, Subtask, Traits, periods};

/// Moves values down by some rows; the first rows are then missing.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Shift {
    /// How many rows down; negative for up.
    periods: i64,
    /// What stands in the rows that get no value; missing if not given.
    fill_value: Option<f64>,
}

impl Default for Shift {
    fn default() -> Shift {
        Shift { periods: 1, fill_value: None }
    }
}

impl Subtask for Shift {
    const EQUALS: &'static str = "pandas.DataFrame.shift";
    const TRAITS: Traits<Shift> = Traits::by_column().partial_fit();
}

impl PartialFit for Shift {
    fn learner(&self) -> Box<dyn Learner> {
        let own = self.clone();
        Box::new(Carried::new(self.periods.unsigned_abs() as usize, move |column: &mut [f64]| own.shift(column)))
    }

    fn check_stream(&self) -> Result<(), Refusal> {
        periods::check_stream(self.periods)
    }
}

impl ColumnSubtask for Shift {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        self.shift(values);
        Ok(())
    }
}

impl Shift {
    fn shift(&self, column: &mut [f64]) {
        let rows = column.len();
        let fill = self.fill_value.unwrap_or(f64::NAN);
        let by = periods::apart(self.periods, rows);
        if self.periods >= 0 {
            column.copy_within(..rows - by, by);
            column[..by].fill(fill);
        } else {
            column.copy_within(by.., 0);
            column[rows - by..].fill(fill);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;

    #[test]
    fn down_up_and_over_the_end() {
        let shifted = |periods, fill_value| {
            let out = applied(&Shift { periods, fill_value }, &[vec![1.0, 4.0, 9.0]]).unwrap();
            format!("{:?}", out[0])
        };
        assert_eq!(shifted(1, None), "[NaN, 1.0, 4.0]");
        assert_eq!(shifted(-2, Some(0.0)), "[9.0, 0.0, 0.0]");
        assert_eq!(shifted(i64::MIN, Some(0.0)), "[0.0, 0.0, 0.0]");
        assert_eq!(shifted(0, Some(0.0)), "[1.0, 4.0, 9.0]");
    }

    #[test]
    fn over_the_stream_the_last_rows_are_carried_over() {
        let mut learner = Shift { periods: 2, fill_value: Some(-1.0) }.learner();
        let mut apply = |mut values: Vec<f64>| {
            learner.learn_and_transform(&mut values);
            values
        };
        assert_eq!(apply(vec![1.0]), [-1.0]);
        assert_eq!(apply(vec![2.0, 5.0]), [-1.0, 1.0]);
        assert_eq!(apply(vec![3.0]), [2.0]);
        assert!(Shift { periods: -1, fill_value: None }.check_stream().is_err());
    }
}
