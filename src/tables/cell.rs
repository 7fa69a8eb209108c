//! One value of a key or of a table's line.

use ordered_float::OrderedFloat;
use serde::{Deserialize, Serialize};

use crate::data::{Column, Kind, Message};

/// A value that can be compared, hashed and sent to another process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum KeyCell {
    /// No value.
    Missing,
    /// A number.
    Number(OrderedFloat<f64>),
    /// A text.
    Text(Box<str>),
}

impl KeyCell {
    /// The value of a column in a row of a message.
    pub fn of(message: &Message, column: &Column, row: usize) -> KeyCell {
        match column.kind {
            Kind::Number => message.column(column.slot)[row].into(),
            Kind::Text => message.texts[column.slot].get(row).map_or(KeyCell::Missing, KeyCell::from),
        }
    }

    /// The number; NaN if it is none.
    pub fn number(&self) -> f64 {
        match self {
            KeyCell::Number(value) => value.0,
            _ => f64::NAN,
        }
    }

    /// The text; `None` if it is none.
    pub fn text(&self) -> Option<&str> {
        match self {
            KeyCell::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl From<f64> for KeyCell {
    /// NaN is missing.
    fn from(value: f64) -> KeyCell {
        if value.is_nan() { KeyCell::Missing } else { KeyCell::Number(value.into()) }
    }
}

impl From<&str> for KeyCell {
    fn from(text: &str) -> KeyCell {
        KeyCell::Text(text.into())
    }
}
