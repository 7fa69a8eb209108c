//! Scales rows to unit norm.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::by_column::refuse_not_finite;
use super::scope::unless_zero;
use super::{Fault, Scope, Subtask};
use crate::data::{Message, Scratch};

/// Divides each row by its norm over the columns in scope.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Normalizer {
    /// The norm: sum of magnitudes, Euclidean, or largest magnitude.
    norm: Norm,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Norm {
    L1,
    #[default]
    L2,
    Max,
}

impl Subtask for Normalizer {
    fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
        scope.refuse(message, refuse_not_finite)?;
        let mut norms: Scratch<f64> = Scratch::default();
        norms.resize(message.rows(), 0.0);
        for slot in &scope.numbers {
            let pairs = norms.iter_mut().zip(message.column(*slot));
            match self.norm {
                Norm::L1 => pairs.for_each(|(norm, x)| *norm += x.abs()),
                Norm::L2 => pairs.for_each(|(norm, x)| *norm += x * x),
                Norm::Max => pairs.for_each(|(norm, x)| *norm = norm.max(x.abs())),
            }
        }
        for norm in norms.iter_mut() {
            *norm = unless_zero(if self.norm == Norm::L2 { norm.sqrt() } else { *norm });
        }
        for slot in &scope.numbers {
            message.column_mut(*slot).iter_mut().zip(norms.iter()).for_each(|(x, norm)| *x /= norm);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;

    #[test]
    fn each_norm_and_a_row_of_zeros() {
        let columns = [vec![3.0, 0.0], vec![-4.0, 0.0]];
        let of = |norm| applied(&Normalizer { norm }, &columns).unwrap();
        assert_eq!(of(Norm::L2), [[0.6, 0.0], [-0.8, 0.0]]);
        assert_eq!(of(Norm::Max), [[0.75, 0.0], [-1.0, 0.0]]);
        assert_eq!(of(Norm::L1), [[3.0 / 7.0, 0.0], [-4.0 / 7.0, 0.0]]);
    }

    #[test]
    fn missing_is_refused() {
        assert!(applied(&Normalizer::default(), &[vec![f64::NAN]]).unwrap_err().0.contains("NaN"));
    }
}
