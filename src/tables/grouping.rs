//! How rows are grouped to the lines of a table.

use ordered_float::OrderedFloat;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{KeyCell, Window};
use crate::data::{Column, Kind, Message, fingerprint};

/// The rows of a table, and their grouping. Tables with equal groupings share their state.
#[derive(Clone, Debug, PartialEq)]
pub struct Grouping {
    /// The operator whose output is the table's input; 0 is prepare.
    pub input: usize,
    /// The key columns of a line.
    pub keys: Vec<Column>,
    /// The window of a line; one line for all time if not given.
    pub window: Option<Window>,
    /// A row replaces the one before it with the same values here; if there are no columns, all rows count.
    pub upsert: Vec<Column>,
    /// Whether values that a row lacks are those of the row that it replaces.
    pub combine_first: bool,
    /// A row with a value other than 0 here deletes the row that it would replace.
    pub delete: Option<Column>,
    /// How long a window is retained after its end, in milliseconds of the event times of its key.
    pub retention: Option<i64>,
    /// How far ahead of this machine's clock an event time may be, in milliseconds.
    pub max_future: i64,
    /// What happens to rows whose windows have expired.
    pub late: Late,
}

/// What becomes of a row whose windows have all gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Late {
    /// They are dead letters.
    #[default]
    DeadLetter,
    /// It is counted as too late.
    Drop,
}

/// The key and window of a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Group {
    /// The values of the key columns.
    pub keys: Vec<KeyCell>,
    /// The start of the window, in milliseconds since 1970.
    pub window: Option<i64>,
}

/// The values of a row.
pub type Values = Vec<OrderedFloat<f64>>;

/// A row of a table with upserts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableRow {
    /// The upsert key.
    pub upsert: Vec<KeyCell>,
    /// The values of the key columns.
    pub keys: Vec<KeyCell>,
    /// The event time, in milliseconds since 1970; 0 if there are no windows.
    pub time: i64,
    /// The row's values, column by column.
    pub values: Values,
    /// Whether it deletes.
    pub deleted: bool,
}

impl Grouping {
    /// The keys of a row.
    pub fn keys(&self, message: &Message, row: usize) -> Vec<KeyCell> {
        cells(&self.keys, message, row)
    }

    /// The event time of a row, 0 if there are no windows; `None` if it has none.
    pub fn time(&self, message: &Message, row: usize) -> Option<i64> {
        self.window.as_ref().map_or(Some(0), |window| window.time(message, row))
    }

    /// The windows that hold a time: one without a start if there are no windows.
    pub fn windows(&self, time: i64) -> impl Iterator<Item = Option<i64>> + use<> {
        let starts = self.window.as_ref().map(|window| window.starts(time));
        let none = starts.is_none().then_some(None);
        starts.into_iter().flatten().map(Some).chain(none)
    }

    /// A row, measured at `time`, with its upsert key and its values of `columns`.
    pub fn row(&self, message: &Message, row: usize, time: i64, columns: &[Column]) -> TableRow {
        let deleted = self.delete.as_ref().is_some_and(|column| match KeyCell::of(message, column, row) {
            KeyCell::Missing => false,
            KeyCell::Number(value) => value.0 != 0.0,
            KeyCell::Text(text) => !["0", "false", "False"].contains(&&*text),
        });
        TableRow {
            upsert: cells(&self.upsert, message, row),
            keys: self.keys(message, row),
            time,
            values: columns.iter().map(|column| value(message, column, row).into()).collect(),
            deleted,
        }
    }
}

/// The value of a row: a number, or one that stands for a text; NaN if it is missing.
pub(super) fn value(message: &Message, column: &Column, row: usize) -> f64 {
    match column.kind {
        Kind::Number => message.column(column.slot)[row],
        Kind::Text => message.texts[column.slot].get(row).map_or(f64::NAN, text_value),
    }
}

/// The number that stands for a text where texts are only compared: 53 bits of its hash.
pub fn text_value(text: &str) -> f64 {
    (fingerprint(text.as_bytes()) as u64 >> 11) as f64
}

fn cells(columns: &[Column], message: &Message, row: usize) -> Vec<KeyCell> {
    columns.iter().map(|column| KeyCell::of(message, column, row)).collect()
}
