//! Scales columns by their largest magnitude.

use schemars::JsonSchema;
use serde::Deserialize;

use super::scope::unless_zero;
use super::{Fault, Scope, Subtask};
use crate::data::Message;

/// Divides a column by its largest absolute value.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MaxAbsScaler {
    /// Whether results are clipped to -1 to 1.
    clip: bool,
}

impl Subtask for MaxAbsScaler {
    fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
        scope.refuse_infinite(message)?;
        for slot in &scope.numbers {
            let column = message.column_mut(*slot);
            let largest = column.iter().fold(f64::NAN, |most, x| most.max(x.abs()));
            let scale = unless_zero(largest);
            for x in column {
                *x /= scale;
                if self.clip {
                    *x = x.clamp(-1.0, 1.0);
                }
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
    fn the_largest_magnitude_becomes_one() {
        let out = applied(&MaxAbsScaler::default(), &[vec![-4.0, 2.0], vec![0.0, 0.0]]).unwrap();
        assert_eq!(out, [[-1.0, 0.5], [0.0, 0.0]]);
    }
}
