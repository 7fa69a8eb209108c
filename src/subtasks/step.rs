//! A subtask in its place in a chain.

use super::{DynSubtask, Scope};

/// One operator of the chain.
#[derive(Clone)]
pub struct Step {
    /// The subtask's name, numbered from the second of that name on.
    pub label: String,
    /// The subtask, with its parameters.
    pub subtask: DynSubtask,
    /// The columns that it works on.
    pub scope: Scope,
    /// For a step that remembers earlier messages: what tells its rows apart.
    pub stream: Option<StreamKey>,
}

/// What tells the rows of a step apart that remembers earlier messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKey {
    /// Nothing: all rows belong together.
    All,
    /// The values of the text column in this slot.
    Text(usize),
    /// All that the step compares of a row, with one of so many rows before it.
    Row {
        /// Rows.
        horizon: u64,
    },
}
