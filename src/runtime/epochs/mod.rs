//! What becomes of each epoch: counted, written to the sink, acknowledged to the source, durable in the checkpoint.
//!
//! - `ledger`: epochs in flight and all counters; `outcomes`: enters outcomes, writes dead letters.
//! - `acknowledgement`: when the checkpoint is committed and deliveries are acknowledged, in that order.
//! - `checkpoint`: opens, reads and commits the database; `checkpoint_file`: its file and lock; `checkpoint_tables`:
//!   its tables and checksum; `stored`: what it holds; `checkpoint_change`: its next
//!   commit, in a sink's transaction; `migration`: what another dataflow keeps of it.
//! - `resume`: the resume point of a run; `numbering`: the numbers of rows; `sink_writer`: a sink, shared;
//!   `sink_writers`: all sinks of a run.
//! - `never_came`, `without_column`: tell of columns that no row has a value of, and of keys that no column has;
//!   `caught`: a panic of another crate as an error.
//!
//! Never here: operators, connections, and whatever acknowledges a delivery before its results are durable.

pub(crate) mod acknowledgement;
pub(crate) mod caught;
pub(crate) mod checkpoint;
pub(crate) mod checkpoint_change;
mod checkpoint_file;
mod checkpoint_tables;
pub(crate) mod ledger;
mod migration;
mod never_came;
pub(crate) mod numbering;
pub(crate) mod outcomes;
pub(crate) mod resume;
pub(crate) mod sink_writer;
pub(crate) mod sink_writers;
pub(crate) mod stored;
mod without_column;
