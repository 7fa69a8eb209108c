//! Errors of sinks.

use std::path::Path;

/// Why a sink could not write.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be written.
    #[error("{path}: {error}")]
    File {
        /// The path as the dataflow file gives it.
        path: String,
        /// The operating system's error.
        error: std::io::Error,
    },
    /// The broker refuses a publish or the connection, or cannot be reached.
    #[error("{0}")]
    Broker(String),
    /// A sink of the registry failed.
    #[error("{url}: {reason}")]
    Custom {
        /// Its address.
        url: String,
        /// What it says.
        reason: String,
    },
    /// Results came in another encoding than the sink's.
    #[error("results came as lines for a sink of columns, or as columns for a sink of lines")]
    Encoding,
    /// The deadline has passed.
    #[error("{url}: the broker has not taken {left} publishes in time")]
    Undelivered {
        /// The broker's address and topic.
        url: String,
        /// Publishes that are not acknowledged.
        left: u64,
    },
    /// A topic names what is no text column of the rows.
    #[error("{url}: the rows have no text column {column} for the topic")]
    TopicColumn {
        /// The broker's address and topic.
        url: String,
        /// The name in the topic.
        column: String,
    },
    /// Results must not be replaced: the command lacks `--fresh`.
    #[error("{0}")]
    Results(String),
    /// The reader of standard output is gone: not an error of the run.
    #[error("the reader of standard output has gone")]
    BrokenPipe,
}

impl Error {
    pub(super) fn holds_results(path: &Path) -> Error {
        let path = path.display();
        Error::Results(format!("{path}: holds results of an earlier run: move it away, or pass --fresh to replace it"))
    }
}

/// An error in its own words, with those of its causes.
#[cfg(any(feature = "postgres", feature = "influxdb"))]
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(inner) = cause {
        if !text.contains(&inner.to_string()) {
            text += &format!(": {inner}");
        }
        cause = inner.source();
    }
    text
}
