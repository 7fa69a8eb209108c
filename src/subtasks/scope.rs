//! The columns a subtask acts on.

use super::Fault;
use crate::data::{Kind, Message, Schema};
use crate::kernels::moments::any_infinite;

/// Slots of the columns in scope, with their names for messages to people and for new columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    pub numbers: Vec<usize>,
    pub texts: Vec<usize>,
    names: Vec<String>,
    text_names: Vec<String>,
}

impl Scope {
    /// The first `count` number columns, without names from a schema.
    pub fn numbers(count: usize) -> Scope {
        let names = (0..count).map(|slot| format!("column {slot}")).collect();
        Scope { numbers: (0..count).collect(), names, ..Scope::default() }
    }

    /// The columns of a schema that `wanted` lets through.
    pub fn of(schema: &Schema, wanted: impl Fn(&str) -> bool) -> Scope {
        let mut scope = Scope::default();
        for column in schema.columns().iter().filter(|column| wanted(&column.name)) {
            match column.kind {
                Kind::Number => {
                    scope.numbers.push(column.slot);
                    scope.names.push(column.name.clone());
                }
                Kind::Text => {
                    scope.texts.push(column.slot);
                    scope.text_names.push(column.name.clone());
                }
            }
        }
        scope
    }

    /// Slots and names of the number columns.
    pub fn named(&self) -> impl Iterator<Item = (usize, &str)> {
        self.numbers.iter().copied().zip(self.names.iter().map(String::as_str))
    }

    /// Slots and names of the text columns.
    pub fn named_texts(&self) -> impl Iterator<Item = (usize, &str)> {
        self.texts.iter().copied().zip(self.text_names.iter().map(String::as_str))
    }

    /// The names of all columns: numbers, then texts.
    pub fn all_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().chain(&self.text_names).map(String::as_str)
    }

    /// Refuses infinities, as scikit-learn does everywhere.
    pub fn refuse_infinite(&self, message: &Message) -> Result<(), Fault> {
        let reason = "Input X contains infinity or a value too large for dtype('float64').";
        self.refuse(message, any_infinite, f64::is_infinite, reason)
    }

    /// Refuses missing values and infinities, as scikit-learn does where NaN is not allowed.
    pub fn refuse_not_finite(&self, message: &Message) -> Result<(), Fault> {
        let any_missing = |values: &[f64]| values.iter().fold(false, |any, x| any | x.is_nan());
        self.refuse(message, any_missing, f64::is_nan, "Input X contains NaN.")?;
        self.refuse_infinite(message)
    }

    /// Refuses a column that has `any` bad value, and names the first of them.
    fn refuse(
        &self,
        message: &Message,
        any: impl Fn(&[f64]) -> bool,
        bad: impl Fn(f64) -> bool,
        reason: &str,
    ) -> Result<(), Fault> {
        for (slot, name) in self.named().filter(|(slot, _)| any(message.column(*slot))) {
            if let Some(row) = message.column(slot).iter().position(|x| bad(*x)) {
                return Err(Fault(format!("{reason} Column {name}, row {}.", message.ids[row])));
            }
        }
        Ok(())
    }
}

/// scikit-learn's `_handle_zeros_in_scale`: a scale too small to divide by counts as 1.
pub(super) fn unless_zero(scale: f64) -> f64 {
    if scale < 10.0 * f64::EPSILON { 1.0 } else { scale }
}
