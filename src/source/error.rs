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
