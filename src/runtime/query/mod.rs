//! The answers of running tables, to other programs on this machine.

mod server;

pub use server::{QueryServer, SnapshotFormat, TableQuery, TableSnapshot, names, snapshot};
