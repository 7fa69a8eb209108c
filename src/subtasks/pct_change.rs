//! Relative changes between rows.

use schemars::JsonSchema;
use serde::Deserialize;

use super::by_column::{ColumnSubtask, Flaw};
use super::streaming::Carried;
use super::{Learner, PartialFit, Refusal, Subtask, Traits, periods};

/// Replaces each value by its relative change since the value some rows before, as a fraction; the first rows are then
/// missing.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PctChange {
    /// How many rows before; negative for rows after.
    periods: i64,
}

impl Default for PctChange {
    fn default() -> PctChange {
        PctChange { periods: 1 }
    }
}

impl Subtask for PctChange {
    const EQUALS: &'static str = "pandas.DataFrame.pct_change";
    const TRAITS: Traits<PctChange> = Traits::by_column().partial_fit();
}

impl PartialFit for PctChange {
    fn learner(&self) -> Box<dyn Learner> {
        let own = self.clone();
        Box::new(Carried::new(self.periods.unsigned_abs() as usize, move |column: &mut [f64]| own.changes(column)))
    }

    fn check_stream(&self) -> Result<(), Refusal> {
        periods::check_stream(self.periods)
    }
}

impl ColumnSubtask for PctChange {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        self.changes(values);
        Ok(())
    }
}

impl PctChange {
    fn changes(&self, column: &mut [f64]) {
        periods::combine(column, self.periods, |x, other| x / other - 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;

    #[test]
    fn forwards_backwards_and_from_zero() {
        let changes =
            |periods, values: &[f64]| format!("{:?}", applied(&PctChange { periods }, &[values.to_vec()]).unwrap()[0]);
        assert_eq!(changes(1, &[2.0, 3.0, 0.0, 1.0]), "[NaN, 0.5, -1.0, inf]");
        assert_eq!(changes(-1, &[2.0, 4.0]), "[-0.5, NaN]");
        let mut learner = PctChange { periods: 1 }.learner();
        let mut values = [2.0];
        learner.learn_and_transform(&mut values);
        let mut values = [3.0];
        learner.learn_and_transform(&mut values);
        assert_eq!(values, [0.5]);
    }
}
