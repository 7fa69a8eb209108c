//! The columns a subtask acts on.

use std::collections::HashMap;
use std::ops::Range;

use crate::data::{Column, Kind, Message, Schema, event_time};

/// Slots of the columns in scope, with their names for messages to people and for new columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The slots of number columns.
    pub numbers: Vec<usize>,
    /// The slots of text columns.
    pub texts: Vec<usize>,
    names: Vec<String>,
    text_names: Vec<String>,
    /// The column of the rows' event times, for a subtask that acts by time.
    time: Option<Column>,
    /// The column that a model learns to predict.
    pub target: Option<Column>,
    /// The column that says of which rows a model learns: where it is 0 or missing, it only predicts.
    pub train: Option<Column>,
}

impl Scope {
    /// The first `count` number columns, without names from a schema.
    pub fn numbers(count: usize) -> Scope {
        let names = (0..count).map(|slot| format!("column {slot}")).collect();
        Scope { numbers: (0..count).collect(), names, ..Scope::default() }
    }

    /// The columns of a schema that `wanted` selects.
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

    /// The same columns, numbers and texts each in the order of `names`; those that it lacks come last.
    pub fn in_order(&self, names: &[String]) -> Scope {
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (name, place) in names.iter().zip(0..) {
            places.entry(name).or_insert(place);
        }
        let place = |name: &String| places.get(name.as_str()).copied().unwrap_or(usize::MAX);
        let sorted = |slots: &[usize], own: &[String]| {
            let mut all: Vec<(usize, String)> = slots.iter().copied().zip(own.iter().cloned()).collect();
            all.sort_by_key(|(_, name)| place(name));
            all.into_iter().unzip()
        };
        let (numbers, own) = sorted(&self.numbers, &self.names);
        let (texts, text_names) = sorted(&self.texts, &self.text_names);
        Scope { numbers, texts, names: own, text_names, ..self.clone() }
    }

    /// This scope with the column of the rows' event times.
    pub fn with_time(self, time: Option<Column>) -> Scope {
        Scope { time, ..self }
    }

    /// The event time of each row, in milliseconds since 1970; `None` if the subtask does not act by time.
    pub fn times(&self, message: &Message) -> Option<Vec<Option<i64>>> {
        let time = self.time.as_ref()?;
        Some((0..message.rows()).map(|row| event_time(message, time, row)).collect())
    }

    /// The name of the column of event times, for a subtask that acts by time.
    pub fn time_name(&self) -> Option<&str> {
        self.time.as_ref().map(|time| time.name.as_str())
    }

    /// The slots of the number columns where one follows the other, as those of all columns do.
    pub(super) fn consecutive(&self) -> Option<Range<usize>> {
        let first = *self.numbers.first()?;
        // Without a branch a column: this is asked for each message of one row.
        let follows = |all: bool, (slot, next): (&usize, usize)| all & (*slot == next);
        self.numbers.iter().zip(first..).fold(true, follows).then_some(first..first + self.numbers.len())
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
}

/// scikit-learn's `_handle_zeros_in_scale`: a scale too small to divide by counts as 1.
pub(super) fn unless_zero(scale: f64) -> f64 {
    if scale < 10.0 * f64::EPSILON { 1.0 } else { scale }
}
