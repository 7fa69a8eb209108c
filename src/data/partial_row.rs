//! A row whose values come one by one, before it is complete.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Bytes counted for a value beside its name and its text, and for a row.
const OVERHEAD: usize = 64;

/// A row that lacks values still.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PartialRow {
    /// What its values' topics have in common.
    pub key: String,
    /// The topic of its last value.
    pub topic: Arc<str>,
    /// The position of its last value at the source.
    pub position: u64,
    /// Whether some of its values came at quality of service 0, and are never redelivered.
    pub once: bool,
    /// The names of its columns and their values, as JSON.
    pub cells: Vec<(String, String)>,
    /// What columns have beside the values in their payloads, of the last payload.
    #[serde(default)]
    pub beside: Vec<(String, String)>,
    /// Whether a value came that belongs to the next row.
    pub closed: bool,
    /// When its first value arrived, in nanoseconds of the source's clock.
    #[serde(skip)]
    pub began: u64,
}

impl PartialRow {
    /// Takes in the value of a column, and what columns have `beside` it.
    pub fn take(&mut self, name: &str, cell: String, beside: Vec<(String, String)>) {
        self.cells.push((name.to_owned(), cell));
        for (name, cell) in beside {
            self.beside.retain(|(known, _)| *known != name);
            self.beside.push((name, cell));
        }
    }

    /// The bytes it holds.
    pub fn byte_len(&self) -> usize {
        let cells = self.cells.iter().chain(&self.beside).map(|(name, cell)| name.len() + cell.len() + OVERHEAD);
        OVERHEAD + self.key.len() + cells.sum::<usize>()
    }
}
