//! A few rows of a message, for display.

use serde::{Deserialize, Serialize};

/// The first rows of a message, in the order of the schema's columns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Excerpt {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The place of each row in the input, from 0.
    pub ids: Vec<u64>,
    /// The cells, by row.
    pub rows: Vec<Vec<ExcerptCell>>,
}

/// A cell; a number that JSON can't write is its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ExcerptCell {
    /// No value.
    Missing,
    /// A finite number.
    Number(f64),
    /// A text.
    Text(String),
}

impl ExcerptCell {
    pub(crate) fn number(value: f64) -> ExcerptCell {
        match value {
            value if value.is_nan() => ExcerptCell::Missing,
            value if value.is_infinite() => ExcerptCell::Text(value.to_string()),
            value => ExcerptCell::Number(value),
        }
    }
}
