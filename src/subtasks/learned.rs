//! What a subtask learns from rows, to be used on other rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Subtask;
use super::by_column::{ByColumn, Flaw, refuse_infinite};

/// Values a column under the names of scikit-learn's attributes, such as `mean_`; NaN is null.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Learned(BTreeMap<String, Value>);

impl Learned {
    pub fn with(mut self, name: &str, values: impl Serialize) -> Learned {
        self.0.insert(name.into(), serde_json::to_value(values).expect("numbers and texts are values"));
        self
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
        let value = self.0.get(name).ok_or_else(|| format!("{name} is missing"))?;
        let values: Vec<T> = Deserialize::deserialize(value).map_err(|error| format!("{name}: {error}"))?;
        if values.len() != columns {
            return Err(format!("{name} has {} values for {columns} columns", values.len()));
        }
        Ok(values)
    }
}

/// A subtask that changes columns value by value, each by a function of its own.
struct Frozen<F> {
    columns: Vec<F>,
    refuse: Refuse,
}

type Refuse = fn(&[f64]) -> Result<(), Flaw>;

/// A subtask of one function a column; infinities are refused, as scikit-learn does.
pub(super) fn frozen<F>(columns: impl IntoIterator<Item = F>) -> Arc<dyn Subtask>
where
    F: Fn(f64) -> f64 + Send + Sync + 'static,
{
    frozen_unless(refuse_infinite, columns)
}

/// As [`frozen`], with a refusal of its own.
pub(super) fn frozen_unless<F>(refuse: Refuse, columns: impl IntoIterator<Item = F>) -> Arc<dyn Subtask>
where
    F: Fn(f64) -> f64 + Send + Sync + 'static,
{
    Arc::new(Frozen { columns: columns.into_iter().collect(), refuse })
}

impl<F: Fn(f64) -> f64 + Send + Sync> Subtask for Frozen<F> {
    fn by_column(&self) -> Option<&dyn ByColumn> {
        Some(self)
    }
}

impl<F: Fn(f64) -> f64 + Send + Sync> ByColumn for Frozen<F> {
    fn apply_column(&self, place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        (self.refuse)(values)?;
        let map = &self.columns[place];
        values.iter_mut().for_each(|x| *x = map(*x));
        Ok(())
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
