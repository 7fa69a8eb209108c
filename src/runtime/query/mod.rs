//! The answers of running tables, to other programs on this machine.

mod server;

pub use server::{Format, Question, Server, Snapshot, names, snapshot};
