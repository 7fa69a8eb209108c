//! Why a command failed, and its exit code.

use crate::config::Diagnostic;
use crate::{runtime, sink};

/// Why a command failed, and so its exit code.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The command or the dataflow file is wrong.
    #[error("{0}")]
    Wrong(String),
    /// The run failed.
    #[error("error: {0}")]
    Failed(String),
}

impl Failure {
    /// The exit code.
    pub(super) fn code(&self) -> u8 {
        match self {
            Failure::Failed(_) => 1,
            Failure::Wrong(_) => 2,
        }
    }
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Failure {
        Failure::Wrong(diagnostic.to_string())
    }
}

impl From<runtime::Error> for Failure {
    fn from(error: runtime::Error) -> Failure {
        match error {
            runtime::Error::Dataflow(diagnostic) => diagnostic.into(),
            // The command lacks a --fresh: another start would end the same way.
            runtime::Error::Sink(sink::Error::Results(reason)) => Failure::Wrong(format!("error: {reason}")),
            error => Failure::Failed(error.to_string()),
        }
    }
}
