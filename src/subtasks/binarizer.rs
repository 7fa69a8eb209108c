//! Turns numbers into 0 and 1.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Fault, Scope, Subtask};
use crate::data::Message;

/// Maps values above a threshold to 1 and all others to 0.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Binarizer {
    /// The greatest value that becomes 0.
    threshold: f64,
}

impl Subtask for Binarizer {
    fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
        scope.refuse_not_finite(message)?;
        for slot in &scope.numbers {
            message.column_mut(*slot).iter_mut().for_each(|x| *x = f64::from(*x > self.threshold));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;

    #[test]
    fn the_threshold_itself_becomes_zero() {
        assert_eq!(applied(&Binarizer { threshold: 1.0 }, &[vec![0.5, 1.0, 1.5]]).unwrap(), [[0.0, 0.0, 1.0]]);
    }
}
