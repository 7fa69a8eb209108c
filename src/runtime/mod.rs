//! Runs a dataflow on timely: the graph, the workers, the processes.
//!
//! Here is all that knows timely. How bytes become rows, what a subtask computes and where results go is said below, by
//! `format`, `subtasks` and `sink`; what people see of a run is above.

mod builder;
pub(crate) mod cluster;
mod coordinator;
pub(crate) mod epochs;
mod error;
mod first_error;
pub(crate) mod graph;
mod ingest;
mod observe;
mod options;
mod preview;
pub mod query;
mod run;
#[cfg(test)]
mod simulation;
mod worker;

pub use builder::{Runtime, RuntimeBuilder};
pub use cluster::secret::Secret;
pub use cluster::topology::Cluster;
pub use epochs::caught::panic_is_caught;
pub use error::Error;
pub use graph::alone::{through_graph, time_to_completion};
pub use graph::preprocessed::preprocessed;
pub use observe::status_line::StatusLine;
pub use options::{CONNECT_TIMEOUT, DRAIN_TIMEOUT, OnLive, OnProgress, OnReady, OnStuck, Options, STALL_TIMEOUT};
pub use preview::{Preview, PreviewStep, preview};
pub use run::run;
