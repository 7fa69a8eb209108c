//! Turns numbers into 0 and 1.

use schemars::JsonSchema;
use serde::Deserialize;

use super::by_column::{ColumnSubtask, Flaw, refuse_not_finite, refuse_row};
use super::{Subtask, Traits};
use crate::kernels::select::binarize;

/// Maps values above a threshold to 1 and all others to 0.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Binarizer {
    /// The greatest value that becomes 0.
    threshold: f64,
}

impl Subtask for Binarizer {
    const EQUALS: &'static str = "sklearn.preprocessing.Binarizer";
    const TRAITS: Traits<Binarizer> = Traits::by_column().by_row();
}

impl ColumnSubtask for Binarizer {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        if binarize(values, self.threshold) { Ok(()) } else { refuse_not_finite(values) }
    }

    fn apply_row(&self, values: &mut [f64]) -> Result<(), (usize, Flaw)> {
        if binarize(values, self.threshold) { Ok(()) } else { refuse_row(values, refuse_not_finite) }
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
