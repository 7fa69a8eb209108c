//! One value of a key or of a table's line.

use ordered_float::OrderedFloat;
use serde::{Deserialize, Serialize};

use crate::data::{Column, Kind, Message};

/// A value that can be compared, hashed and sent to another process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Cell {
    Missing,
    Number(OrderedFloat<f64>),
    Text(Box<str>),
}

impl Cell {
    /// The value of a column in a row of a message.
    pub fn of(message: &Message, column: &Column, row: usize) -> Cell {
        match column.kind {
            Kind::Number => message.column(column.slot)[row].into(),
            Kind::Text => message.texts[column.slot].get(row).map_or(Cell::Missing, Cell::from),
        }
    }

    /// The number; NaN if it is none.
    pub fn number(&self) -> f64 {
        match self {
            Cell::Number(value) => value.0,
            _ => f64::NAN,
        }
    }

    /// The text; `None` if it is none.
    pub fn text(&self) -> Option<&str> {
        match self {
            Cell::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl From<f64> for Cell {
    /// NaN is missing.
    fn from(value: f64) -> Cell {
        if value.is_nan() { Cell::Missing } else { Cell::Number(value.into()) }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.into())
    }
}
