//! Differences between rows.

use schemars::JsonSchema;
use serde::Deserialize;

use super::by_column::{ColumnSubtask, Flaw};
use super::streaming::Carried;
use super::{Learner, PartialFit, Refusal, Subtask, Traits, periods};

/// Replaces each value by its difference to the value some rows before; the first rows are then missing.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Diff {
    /// How many rows before; negative for rows after.
    periods: i64,
}

impl Default for Diff {
    fn default() -> Diff {
        Diff { periods: 1 }
    }
}

impl Subtask for Diff {
    const EQUALS: &'static str = "pandas.DataFrame.diff";
    const TRAITS: Traits<Diff> = Traits::by_column().partial_fit();
}

impl PartialFit for Diff {
    fn learner(&self) -> Box<dyn Learner> {
        let own = self.clone();
        Box::new(Carried::new(self.periods.unsigned_abs() as usize, move |column: &mut [f64]| own.differences(column)))
    }

    fn check_stream(&self) -> Result<(), Refusal> {
        periods::check_stream(self.periods)
    }
}

impl ColumnSubtask for Diff {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        self.differences(values);
        Ok(())
    }
}

impl Diff {
    fn differences(&self, column: &mut [f64]) {
        periods::combine(column, self.periods, |x, other| x - other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;

    #[test]
    fn over_the_stream_the_last_rows_are_carried_over() {
        let mut learner = Diff { periods: 2 }.learner();
        let mut apply = |mut values: Vec<f64>| {
            learner.learn_and_transform(&mut values);
            format!("{values:?}")
        };
        assert_eq!(apply(vec![1.0]), "[NaN]");
        assert_eq!(apply(vec![2.0, 5.0]), "[NaN, 4.0]");
        assert_eq!(apply(vec![3.0]), "[1.0]");
        assert!(Diff { periods: -1 }.check_stream().is_err());
    }

    #[test]
    fn forwards_and_backwards() {
        let out = applied(&Diff::default(), &[vec![1.0, 4.0, 9.0]]).unwrap();
        assert_eq!(format!("{out:?}"), "[[NaN, 3.0, 5.0]]");
        let out = applied(&Diff { periods: i64::MIN }, &[vec![1.0]]).unwrap();
        assert!(out[0][0].is_nan());
        let out = applied(&Diff { periods: -2 }, &[vec![1.0, 4.0, 9.0]]).unwrap();
        assert_eq!(format!("{out:?}"), "[[-8.0, NaN, NaN]]");
    }
}
