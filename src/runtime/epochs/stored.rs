//! The contents of a checkpoint, as the next run reads them.

use std::collections::BTreeMap;

use crate::data::Schema;
use crate::runtime::graph::operator_state::OperatorState;
use crate::sink::FileEnd;
use crate::source::SourcePosition;

/// Sessions at a broker, by client id, with what they are subscribed to.
pub type Sessions = BTreeMap<String, String>;

/// The committed progress: all that is complete is within the first `length` bytes of the sink's file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    pub length: u64,
    /// Hash of the bytes before `length`.
    pub fingerprint: u64,
    /// Whether the lines after `length` stay, for their rows are not redelivered.
    pub keeps_tail: bool,
    pub next_epoch: u64,
    pub next_row: u64,
    /// By connection, the number of its next row.
    pub numbers: Vec<u64>,
    /// By path, the committed ends of the files of tables' changes.
    pub tables: BTreeMap<String, FileEnd>,
}

/// What a checkpoint holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredCheckpoint {
    /// `None` if its run has not opened the sink.
    pub progress: Option<Progress>,
    /// The rows' columns, if they were inferred.
    pub schema: Option<Schema>,
    /// By connection.
    pub positions: Vec<SourcePosition>,
    pub states: Vec<OperatorState>,
    /// After a migration, in words: what is kept of the checkpoint and what is discarded.
    pub changes: Vec<String>,
}
