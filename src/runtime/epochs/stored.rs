//! The contents of a checkpoint, as the next run reads them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::data::Schema;
use crate::runtime::graph::operator_state::OperatorState;
use crate::sink::FileEnd;
use crate::source::SourcePosition;

/// Sessions at a broker, by client id, with what they are subscribed to.
pub type Sessions = BTreeMap<String, String>;

/// The committed progress: all that is complete is before these ends of the files.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Whether the lines after the ends stay, for their rows are not redelivered.
    pub keeps_tail: bool,
    pub next_epoch: u64,
    pub next_row: u64,
    /// By connection, the number of its next row.
    pub numbers: Vec<u64>,
    /// By path, the committed ends of the files of the sinks and of tables' changes.
    pub files: BTreeMap<String, FileEnd>,
    /// How many transactions the sink has committed, where it takes results so. Not a part of what a transaction holds.
    #[serde(skip)]
    pub transactions: Option<u64>,
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
