//! Why a run failed.

use std::path::PathBuf;

use crate::config::Diagnostic;
use crate::{sink, source};

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The dataflow file does not fit its source.
    #[error("{0}")]
    Dataflow(#[from] Diagnostic),
    /// The source failed.
    #[error("{0}")]
    Source(#[from] source::Error),
    /// A process could not read rows again in the source's file.
    #[error("{0}")]
    Unread(String),
    /// A sink failed.
    #[error("{0}")]
    Sink(#[from] sink::Error),
    /// A sink of another process failed.
    #[error("{0}")]
    Unwritten(String),
    /// An earlier run's progress can't be used.
    #[error("{0}")]
    Checkpoint(String),
    /// Files of fitted params cannot be read or followed.
    #[error("{0}")]
    Params(String),
    /// The processes could not connect, or one was lost.
    #[error("{0}")]
    Cluster(String),
    /// Another run on this machine uses a client id.
    #[error("{what}: {reason}")]
    ClientId {
        /// Whose client id: that of the source, or of a sink.
        what: String,
        /// Who uses it, and what to do.
        reason: String,
    },
    /// The trace could not be written.
    #[error("the trace {}: {}", .0.display(), .1)]
    Trace(PathBuf, std::io::Error),
}
