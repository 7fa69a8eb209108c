//! Scales rows to unit norm.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::by_column::{Flaw, change_row, refuse_not_finite, refuse_row};
use super::scope::unless_zero;
use super::{BatchSubtask, Fault, Scope, Subtask, Traits};
use crate::data::Message;
use crate::kernels::affine::{divide_each, shift_and_divide};
use crate::kernels::norms;
use crate::kernels::select::any_not_finite;
use crate::pool::Scratch;

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
    const EQUALS: &'static str = "sklearn.preprocessing.Normalizer";
    const TRAITS: Traits<Normalizer> = Traits::by_message().by_row();
}

impl BatchSubtask for Normalizer {
    fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
        if message.rows() == 1 {
            return change_row(message, scope, |values| self.scale_row(values));
        }
        let mut norms: Scratch<f64> = Scratch::default();
        norms.resize(message.rows(), 0.0);
        for slot in &scope.numbers {
            let column = message.column(*slot);
            match self.norm {
                Norm::L1 => norms::add_magnitudes(column, &mut norms),
                Norm::L2 => norms::add_squares(column, &mut norms),
                Norm::Max => norms::take_largest(column, &mut norms),
            }
        }
        // A missing or infinite value makes the norm of its row NaN or infinite.
        if any_not_finite(&norms) {
            scope.refuse(message, refuse_not_finite)?;
        }
        norms.iter_mut().for_each(|norm| *norm = self.divisor(*norm));
        for slot in &scope.numbers {
            divide_each(message.column_mut(*slot), &norms);
        }
        Ok(())
    }

    fn refuses_first(&self) -> bool {
        true
    }
}

impl Normalizer {
    /// Divides the only row of a message by its norm.
    fn scale_row(&self, values: &mut [f64]) -> Result<(), (usize, Flaw)> {
        let norm = match self.norm {
            Norm::L1 => values.iter().fold(0.0, |norm, x| norm + x.abs()),
            Norm::L2 => values.iter().fold(0.0, |norm, x| norm + x * x),
            Norm::Max => values.iter().fold(0.0, |norm, x| norms::larger(norm, *x)),
        };
        if !norm.is_finite() {
            refuse_row(values, refuse_not_finite)?;
        }
        shift_and_divide(values, 0.0, self.divisor(norm));
        Ok(())
    }

    /// What the values of a row are divided by, whose norm was summed up.
    fn divisor(&self, norm: f64) -> f64 {
        unless_zero(if self.norm == Norm::L2 { norm.sqrt() } else { norm })
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
        for norm in [Norm::L1, Norm::L2, Norm::Max] {
            let refused = applied(&Normalizer { norm }, &[vec![f64::NAN, 1.0], vec![1.0, 1.0]]).unwrap_err();
            assert!(refused.to_string().contains("NaN"));
            let refused = applied(&Normalizer { norm }, &[vec![1.0, f64::NEG_INFINITY], vec![1.0, 1.0]]).unwrap_err();
            assert!(refused.to_string().contains("infinity") && refused.to_string().contains("row 1"), "{refused}");
        }
        // The norm overflows to infinity, and values are divided by it all the same, as in the original.
        assert_eq!(applied(&Normalizer::default(), &[vec![1e200]]).unwrap(), [[0.0]]);
    }
}
