//! A step: a subtask with its label, its columns and the key of its state.

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
    /// The key of a step with keyed state.
    pub stream: Option<StreamKey>,
}

/// The key by which a step's state is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKey {
    /// None: one state for all rows.
    All,
    /// The values of the text column in this slot.
    Text(usize),
    /// The compared columns of a row.
    Row {
        /// The dedup window, in rows.
        horizon: u64,
    },
}
