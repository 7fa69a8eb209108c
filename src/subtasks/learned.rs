//! Fitted params: what a subtask learns from rows, to be applied to other rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Fitted params: a value for each column, under the names of scikit-learn's attributes such as `mean_`; NaN is null.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Learned(BTreeMap<String, Value>);

impl Learned {
    /// Adds an attribute with these values.
    pub fn with(mut self, name: &str, values: impl Serialize) -> Learned {
        self.0.insert(name.into(), serde_json::to_value(values).expect("numbers and texts are values"));
        self
    }

    /// The names of all attributes.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The value of an attribute.
    ///
    /// # Errors
    /// If it is not there.
    pub fn get(&self, name: &str) -> Result<&Value, String> {
        self.0.get(name).ok_or_else(|| format!("{name} is missing"))
    }

    /// The numbers of an attribute, one for each of `columns`.
    ///
    /// # Errors
    /// If they are not there, or not as many.
    pub fn numbers(&self, name: &str, columns: usize) -> Result<Vec<f64>, String> {
        let numbers: Vec<Option<f64>> = self.each(name, columns)?;
        Ok(numbers.into_iter().map(|x| x.unwrap_or(f64::NAN)).collect())
    }

    /// The values of an attribute, one for each of `columns`.
    ///
    /// # Errors
    /// As [`Learned::numbers`].
    pub fn each<T: for<'de> Deserialize<'de>>(&self, name: &str, columns: usize) -> Result<Vec<T>, String> {
        let value = self.get(name)?;
        let values: Vec<T> = Deserialize::deserialize(value).map_err(|error| format!("{name}: {error}"))?;
        if values.len() != columns {
            return Err(format!("{name} has {} values for {columns} columns", values.len()));
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_and_missing_ones_are_named() {
        let learned = Learned::default().with("mean_", [0.1, f64::NAN]);
        let text = serde_json::to_string(&learned).unwrap();
        let learned: Learned = serde_json::from_str(&text).unwrap();
        let numbers = learned.numbers("mean_", 2).unwrap();
        assert!(numbers[0] == 0.1 && numbers[1].is_nan());
        assert_eq!(learned.numbers("scale_", 2).unwrap_err(), "scale_ is missing");
        assert_eq!(learned.numbers("mean_", 3).unwrap_err(), "mean_ has 2 values for 3 columns");
    }
}
