//! What a checkpoint tells the next run.

use std::collections::BTreeMap;

use crate::data::Schema;
use crate::runtime::graph::operator_state::OperatorState;
use crate::sink::FileEnd;
use crate::source::SourcePosition;

/// Sessions at a broker, by client id, with what they are subscribed to.
pub type Sessions = BTreeMap<String, String>;

/// Where a run stands: all that is complete is in the sink's file, within its first `length` bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    pub length: u64,
    /// Of the bytes before `length`.
    pub fingerprint: u64,
    /// Whether nobody delivers again what the lines behind `length` stand for: they stay.
    pub keeps_tail: bool,
    pub next_epoch: u64,
    pub next_row: u64,
    /// By connection, the number that its next row goes out with.
    pub numbers: Vec<u64>,
    /// By path, where in the files of tables' changes those of what is complete end.
    pub tables: BTreeMap<String, FileEnd>,
}

/// What a checkpoint holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredCheckpoint {
    /// `None` if its run has not opened the sink.
    pub progress: Option<Progress>,
    /// The rows' columns, where they were inferred.
    pub schema: Option<Schema>,
    /// By the number of the connection.
    pub positions: Vec<SourcePosition>,
    pub states: Vec<OperatorState>,
    /// In words: what becomes of what it held, if it was that of another dataflow.
    pub changes: Vec<String>,
}
