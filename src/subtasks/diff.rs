//! Differences between rows.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Fault, Scope, Subtask};
use crate::data::Message;

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
    fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
        for slot in &scope.numbers {
            let column = message.column_mut(*slot);
            let before = column.to_vec();
            for (row, x) in column.iter_mut().enumerate() {
                let other = usize::try_from(row as i64 - self.periods).ok().and_then(|other| before.get(other));
                *x -= other.unwrap_or(&f64::NAN);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;

    #[test]
    fn forwards_and_backwards() {
        let out = applied(&Diff::default(), &[vec![1.0, 4.0, 9.0]]).unwrap();
        assert_eq!(format!("{out:?}"), "[[NaN, 3.0, 5.0]]");
        let out = applied(&Diff { periods: -2 }, &[vec![1.0, 4.0, 9.0]]).unwrap();
        assert_eq!(format!("{out:?}"), "[[-8.0, NaN, NaN]]");
    }
}
