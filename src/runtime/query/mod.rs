//! Queries of running tables by other programs on this machine.
//!
//! - `server`: the Unix socket in the run's directory, its protocol, and the client.
//!
//! Never here: changes of tables, and access over a network.

mod server;

pub use server::{QueryServer, SnapshotFormat, TableQuery, TableSnapshot, names, snapshot};
