//! Replaces sentinel values.

use schemars::JsonSchema;
use serde::Deserialize;

use super::by_column::{ColumnSubtask, Flaw};
use super::{Subtask, Traits};
use crate::kernels::select::{fill_missing, replace};

/// Replaces listed values, such as sentinels, by missing or by one value.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Replace {
    /// The values to replace; `nan` stands for missing.
    to_replace: Vec<f64>,
    /// What stands in their place; missing if not given.
    value: Option<f64>,
}

impl Subtask for Replace {
    const EQUALS: &'static str = "pandas.DataFrame.replace";
    const TRAITS: Traits<Replace> = Traits::by_column();
}

impl ColumnSubtask for Replace {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        let value = self.value.unwrap_or(f64::NAN);
        replace(values, &self.to_replace, value);
        if !value.is_nan() && self.to_replace.iter().any(|x| x.is_nan()) {
            fill_missing(values, value);
        }
        Ok(())
    }

    fn apply_row(&self, values: &mut [f64]) -> Result<(), (usize, Flaw)> {
        // What becomes of a value depends on nothing else.
        self.apply_column(0, values).map_err(|flaw| (0, flaw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;

    #[test]
    fn sentinels_become_missing_and_missing_a_value() {
        let sentinels = Replace { to_replace: vec![-9999.0, 32767.0], value: None };
        let out = applied(&sentinels, &[vec![-9999.0, 1.0, 32767.0]]).unwrap();
        assert!(out[0][0].is_nan() && out[0][1] == 1.0 && out[0][2].is_nan());
        let missing = Replace { to_replace: vec![f64::NAN], value: Some(0.0) };
        assert_eq!(applied(&missing, &out).unwrap(), [[0.0, 1.0, 0.0]]);
    }
}
