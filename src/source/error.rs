//! Why a source ended before its end.

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that cannot be read.
    #[error("{path}: {error}")]
    File {
        /// As the dataflow file gives it.
        path: String,
        /// What the machine says.
        error: std::io::Error,
    },
    /// The broker refuses the run, or is not there.
    #[error("{0}")]
    Broker(String),
    /// A source of the registry.
    #[error("{url}: {reason}")]
    Custom { url: String, reason: String },
}
