//! Brings buckets from the source's connections, in this process and others, into the graph.
//!
//! - `connections`: all connections, on the first worker, where buckets get epochs and rows their numbers.
//! - `remote`: the connections that another process reads; `protocol`: the messages between the two; `channel`: the
//!   dataflow that carries them; `held_buckets`: the rows, which stay in that process.
//! - `arrival`: a bucket with its deliveries, and the backlog.
//!
//! Never here: parsing of rows, and when a delivery is complete.

pub(crate) mod arrival;
pub(crate) mod channel;
pub(crate) mod connections;
pub(crate) mod held_buckets;
pub(crate) mod protocol;
pub(crate) mod remote;
