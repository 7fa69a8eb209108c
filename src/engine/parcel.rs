//! What travels along the edges of the graph.

use serde::{Deserialize, Serialize};

use crate::data::Message;
use crate::subtasks::result::Output;

/// What has happened to a message so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Receipt {
    pub epoch: u64,
    pub rows_out: u64,
    /// Nanoseconds that its subtasks have worked on it.
    pub service: u64,
    /// Rows that an operator of the chain dropped.
    pub dropped: Vec<(usize, u64)>,
    pub rejected: Vec<Rejected>,
}

/// Rows that go to the dead letters. Their bytes are still where they came in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rejected {
    /// Places in the input.
    pub rows: Vec<u64>,
    /// The operator of the chain that rejects them.
    pub operator: usize,
    pub reason: String,
}

/// A message on its way through the chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Parcel {
    pub message: Message,
    pub receipt: Receipt,
}

/// A message at the end of the chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finished {
    pub output: Output,
    pub receipt: Receipt,
}
