//! Why a sink could not write.

use std::path::Path;

/// Why a sink could not write.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that cannot be written.
    #[error("{path}: {error}")]
    File {
        /// As the dataflow file gives it.
        path: String,
        /// What the machine says.
        error: std::io::Error,
    },
    /// The broker refuses what is published, or is not there.
    #[error("{0}")]
    Broker(String),
    /// A sink of the registry.
    #[error("{url}: {reason}")]
    Custom { url: String, reason: String },
    /// The deadline was over.
    #[error("{url}: the broker has not taken {left} publishes in time")]
    Undelivered {
        /// The broker's address and topic.
        url: String,
        /// Publishes that it has not taken.
        left: u64,
    },
    /// Results that must not be replaced: the command lacks its `--fresh`.
    #[error("{0}")]
    Results(String),
    /// Whoever read our output has gone: not an error of the run.
    #[error("the reader of standard output has gone")]
    BrokenPipe,
}

impl Error {
    pub(super) fn holds_results(path: &Path) -> Error {
        let path = path.display();
        Error::Results(format!("{path}: holds results of an earlier run: move it away, or pass --fresh to replace it"))
    }
}
