//! Scales columns to a range.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Fault, Refusal, Scope, Subtask};
use crate::data::Message;

/// Maps the smallest value of a column to one end of a range and the largest to the other.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MinMaxScaler {
    /// The range of the result: its lower and upper end.
    feature_range: (f64, f64),
    /// Whether results are clipped to the range.
    clip: bool,
}

impl Default for MinMaxScaler {
    fn default() -> MinMaxScaler {
        MinMaxScaler { feature_range: (0.0, 1.0), clip: false }
    }
}

impl Subtask for MinMaxScaler {
    fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
        scope.refuse_infinite(message)?;
        let (low, high) = self.feature_range;
        for slot in &scope.numbers {
            let column = message.column_mut(*slot);
            let (min, max) = extremes(column);
            let scale = (high - low) / super::scope::unless_zero(max - min);
            let shift = low - min * scale;
            for x in column {
                *x = *x * scale + shift;
                if self.clip {
                    *x = x.clamp(low, high);
                }
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Refusal> {
        let (low, high) = self.feature_range;
        if low < high {
            return Ok(());
        }
        Err(Refusal::new("feature_range", "the minimum of the range must be smaller than its maximum"))
    }
}

/// Least and greatest value present; NaN if there is none.
fn extremes(column: &[f64]) -> (f64, f64) {
    column.iter().fold((f64::NAN, f64::NAN), |(min, max), x| (min.min(*x), max.max(*x)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;
    use proptest::prelude::*;

    #[test]
    fn constants_go_to_the_lower_end() {
        let scaler = MinMaxScaler { feature_range: (-1.0, 1.0), clip: false };
        assert_eq!(applied(&scaler, &[vec![3.0, 3.0], vec![0.0, 4.0]]).unwrap(), [[-1.0, -1.0], [-1.0, 1.0]]);
    }

    #[test]
    fn a_range_upside_down_is_refused() {
        let scaler = MinMaxScaler { feature_range: (1.0, 0.0), clip: false };
        assert_eq!(scaler.check().unwrap_err().parameter, "feature_range");
    }

    proptest! {
        #[test]
        fn clipped_results_lie_in_the_range(column in proptest::collection::vec(-1e3..1e3f64, 1..60)) {
            let scaler = MinMaxScaler { clip: true, ..Default::default() };
            let out = applied(&scaler, &[column]).unwrap().remove(0);
            prop_assert!(out.iter().all(|x| (0.0..=1.0).contains(x)));
        }
    }
}
