//! Runs a dataflow on timely: the graph, the workers, the processes.
//!
//! - `run`: this process' part of a run; `coordinator`: the first worker of all; `worker`: every other one.
//! - `builder`: runs from other programs; `options`: how to run; `error`, `first_error`: why a run failed.
//! - `background_thread`: a thread beside the workers.
//! - `look`: a few rows of a source, beside any run; `draft`: a first dataflow file for them.
//! - `preview`: the chain over a few rows, without timely; `simulation`: a run under faults that a seed gives.
//! - `graph`, `epochs`, `ingest`, `cluster`, `observe`, `query`, `reload`: rooms of their own.
//!
//! All that knows timely is here. Never here: how bytes become rows (`format`), what a subtask computes (`subtasks`),
//! how results are stored (`sink`), and what people see of a run (`web`, `cli`).

mod background_thread;
mod builder;
pub(crate) mod cluster;
mod coordinator;
mod draft;
pub(crate) mod epochs;
mod error;
mod first_error;
pub(crate) mod graph;
mod ingest;
mod look;
mod observe;
mod options;
mod preview;
pub mod query;
mod reload;
mod run;
#[cfg(test)]
mod simulation;
mod worker;

pub use builder::{Runtime, RuntimeBuilder};
pub use cluster::secret::Secret;
pub use cluster::topology::Cluster;
pub use draft::{Proposal, propose};
pub use epochs::caught::panic_is_caught;
pub use error::Error;
pub use graph::alone::{through_graph, time_to_completion};
pub use graph::preprocessed::preprocessed;
pub use look::{first_rows, look, raw_sample};
pub use observe::status_line::StatusLine;
pub use options::{CONNECT_TIMEOUT, DRAIN_TIMEOUT, OnLive, OnProgress, OnReady, OnStuck, Options, STALL_TIMEOUT};
pub use preview::{Preview, PreviewStep, preview, preview_among};
pub use reload::{ReloadAnswer, ReloadRequest};
pub use run::run;
