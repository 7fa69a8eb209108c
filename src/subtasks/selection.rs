//! Columns that are kept, under a name and in an order.

use super::{BatchSubtask, Fault, Refusal, Scope};
use crate::data::{Column, Kind, Message, Schema, did_you_mean};

/// The columns of a message that stay, in their new order.
#[derive(Clone, Debug)]
pub struct Selection {
    numbers: Vec<usize>,
    texts: Vec<usize>,
    /// Whether it changes no more than names.
    in_place: bool,
    after: Schema,
}

impl Selection {
    /// Columns of a message, each with its name after this step. A message has so many number and text columns before.
    pub fn new<'a>(columns: impl IntoIterator<Item = (&'a str, Kind, usize)>, before: (usize, usize)) -> Selection {
        let (mut numbers, mut texts, mut named) = (Vec::new(), Vec::new(), Vec::new());
        for (name, kind, slot) in columns {
            if kind == Kind::Number {
                numbers.push(slot)
            } else {
                texts.push(slot)
            }
            named.push((name, kind));
        }
        let in_place = numbers.iter().copied().eq(0..before.0) && texts.iter().copied().eq(0..before.1);
        Selection { numbers, texts, in_place, after: Schema::new(named) }
    }

    /// Some columns of a schema, under their own names.
    pub fn of<'a>(schema: &Schema, columns: impl IntoIterator<Item = &'a Column>) -> Selection {
        let columns = columns.into_iter().map(|column| (column.name.as_str(), column.kind, column.slot));
        Selection::new(columns, (schema.number_count(), schema.text_count()))
    }

    /// Keeps the columns of a message.
    pub fn select(&self, message: &mut Message) {
        if !self.in_place {
            message.select_columns(&self.numbers);
            message.select_texts(&self.texts);
        }
    }

    /// Refuses to leave no column.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn unless_empty(self, parameter: &'static str) -> Result<Selection, Refusal> {
        if self.after.columns().is_empty() { Err(Refusal::new(parameter, "no column is left")) } else { Ok(self) }
    }
}

/// The column of this name.
///
/// # Errors
/// That the schema has none, with the nearest name.
pub(super) fn column_of<'a>(schema: &'a Schema, parameter: &'static str, name: &str) -> Result<&'a Column, Refusal> {
    schema.get(name).ok_or_else(|| {
        let help = did_you_mean(name, schema.names());
        Refusal { help, ..Refusal::new(parameter, format!("there is no column `{name}`")) }
    })
}

impl BatchSubtask for Selection {
    fn apply(&self, message: &mut Message, _: &Scope) -> Result<(), Fault> {
        self.select(message);
        Ok(())
    }

    fn columns_after(&self, _: &Schema, _: &Scope) -> Schema {
        self.after.clone()
    }
}
