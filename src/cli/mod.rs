//! The command line: one file a command, with its arguments and its help.
//!
//! - `command`: the list of commands; `failure`: why one failed, and its exit code.
//! - `launcher`: the processes of a run on this machine; `claim`: directories that one process writes to at a time.
//! - `signals`, `panics`, `stuck`: what ends a process, and how; `terminal`: durations and standard output.
//!
//! Only here: signal handlers, panic hooks, and the end of the process. Never here: what a program on the library
//! needs.

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
mod new;
mod panics;
mod peek;
mod plan;
mod query;
mod reload;
mod replay;
mod rescale;
mod run;
mod schema;
#[cfg(feature = "web")]
mod serve;
mod signals;
mod stuck;
mod subtasks;
mod terminal;
#[cfg(feature = "web")]
mod token;
#[cfg(feature = "web")]
mod user;

pub use command::{main, main_with};
use failure::Failure;
use terminal::{duration, print, print_error};
