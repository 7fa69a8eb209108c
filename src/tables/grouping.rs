//! How rows become lines of a table.

use ordered_float::OrderedFloat;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{KeyCell, Window};
use crate::data::{Column, Message};

/// Which rows a table is made of, and what they are grouped by. Tables with equal groupings share what is kept of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Grouping {
    /// The operator after which rows are taken; 0 is prepare.
    pub input: usize,
    /// The columns whose values name a line.
    pub keys: Vec<Column>,
    /// The time that a line stands for; one line for all time if not given.
    pub window: Option<Window>,
    /// A row replaces the one before it that has the same values here; if there are none, all rows count.
    pub upsert: Vec<Column>,
    /// A row with a value other than 0 here takes the row away that it would replace.
    pub delete: Option<Column>,
    /// How long after the end of a window it is kept, in milliseconds of the times of the rows of its key.
    pub retention: Option<i64>,
    /// How far ahead of this machine's clock a row may be dated, in milliseconds.
    pub max_future: i64,
    /// What becomes of rows whose window has gone.
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

/// What a line stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Group {
    /// The values that name the line.
    pub keys: Vec<KeyCell>,
    /// The start of the window, in milliseconds since 1970.
    pub window: Option<i64>,
}

/// The numbers of a row.
pub type Values = Vec<OrderedFloat<f64>>;

/// A row of a table that rows can be replaced in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableRow {
    /// What it replaces.
    pub upsert: Vec<KeyCell>,
    /// The values that name the line.
    pub keys: Vec<KeyCell>,
    /// When it was measured, in milliseconds since 1970; 0 if there are no windows.
    pub time: i64,
    /// The row's values, column by column.
    pub values: Values,
    /// Whether the row is taken out.
    pub deleted: bool,
}

impl Grouping {
    /// The keys of a row.
    pub fn keys(&self, message: &Message, row: usize) -> Vec<KeyCell> {
        cells(&self.keys, message, row)
    }

    /// When a row was measured, 0 if there are no windows; `None` if it can't be told.
    pub fn time(&self, message: &Message, row: usize) -> Option<i64> {
        self.window.as_ref().map_or(Some(0), |window| window.time(message, row))
    }

    /// The windows that hold a time: one without a start if there are no windows.
    pub fn windows(&self, time: i64) -> impl Iterator<Item = Option<i64>> + use<> {
        let starts = self.window.as_ref().map(|window| window.starts(time));
        let none = starts.is_none().then_some(None);
        starts.into_iter().flatten().map(Some).chain(none)
    }

    /// A row, measured at `time`, as it replaces another one, with its values in `slots`.
    pub fn row(&self, message: &Message, row: usize, time: i64, slots: &[usize]) -> TableRow {
        let deleted = self.delete.as_ref().is_some_and(|column| match KeyCell::of(message, column, row) {
            KeyCell::Missing => false,
            KeyCell::Number(value) => value.0 != 0.0,
            KeyCell::Text(text) => !["0", "false", "False"].contains(&&*text),
        });
        TableRow {
            upsert: cells(&self.upsert, message, row),
            keys: self.keys(message, row),
            time,
            values: slots.iter().map(|slot| message.column(*slot)[row].into()).collect(),
            deleted,
        }
    }
}

fn cells(columns: &[Column], message: &Message, row: usize) -> Vec<KeyCell> {
    columns.iter().map(|column| KeyCell::of(message, column, row)).collect()
}
