//! The command line: one file a command.

mod batch;
#[cfg(feature = "bench")]
mod bench;
#[cfg(feature = "broker")]
mod broker;
mod check;
mod claim;
mod command;
mod completions;
#[cfg(all(feature = "web", feature = "broker"))]
mod demo;
mod failure;
mod fit;
mod generate;
mod launcher;
mod panics;
mod plan;
mod query;
mod replay;
mod run;
mod schema;
#[cfg(feature = "web")]
mod serve;
mod signals;
mod stuck;
mod subtasks;
mod terminal;
#[cfg(feature = "web")]
mod user;

pub use command::{main, main_with};
use failure::Failure;
use terminal::{duration, print};
