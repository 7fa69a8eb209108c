//! Errors of sources.

/// Why a source failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("{path}: {error}")]
    File {
        /// The path as the dataflow file gives it.
        path: String,
        /// The operating system's error.
        error: std::io::Error,
    },
    /// A file that a run goes on with is not the one that an earlier run has read.
    #[error(
        "{path}: an earlier run has taken {taken} rows of it, and they are not there any more: put the file back, or pass \
         --fresh to begin anew"
    )]
    FileChanged {
        /// The path as the dataflow file gives it.
        path: String,
        /// The rows that the earlier run has taken.
        taken: u64,
    },
    /// The broker refuses the connection or cannot be reached.
    #[error("{0}")]
    Broker(String),
    /// A source of the registry failed.
    #[error("{url}: {reason}")]
    Custom {
        /// Its address.
        url: String,
        /// What it says.
        reason: String,
    },
}
