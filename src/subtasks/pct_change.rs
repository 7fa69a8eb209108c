//! Relative changes between rows.

use schemars::JsonSchema;
use serde::Deserialize;

use super::by_column::{ColumnSubtask, Flaw};
use super::streaming::Carried;
use super::{Learner, PartialFit, Refusal, Subtask, Traits};
use crate::pool::Scratch;

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
        if self.periods >= 0 {
            return Ok(());
        }
        Err(Refusal::new("periods", "the rows of the next message are not known yet: 0 or more over the stream"))
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
        let before: Scratch<f64> = column.iter().copied().collect();
        for (row, x) in column.iter_mut().enumerate() {
            let other = (row as i64).checked_sub(self.periods).and_then(|other| usize::try_from(other).ok());
            let other = other.and_then(|other| before.get(other));
            *x = *x / other.unwrap_or(&f64::NAN) - 1.0;
        }
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
