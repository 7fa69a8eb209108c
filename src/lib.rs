//! Rowmill: stream preprocessing of sensor rows as a timely dataflow.
//!
//! A row's way: [`source`] → bucket → prepare → [`subtasks`] → result → [`sink`], wired up by [`engine`] from
//! the TOML file that [`dataflow`] reads, and timed by [`measure`].

pub mod bench;
pub mod cli;
pub mod data;
pub mod dataflow;
pub mod disk;
pub mod engine;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
pub mod kernels;
pub mod measure;
pub mod mqtt;
pub mod queueing;
pub mod sink;
pub mod source;
pub mod subtasks;
pub mod tables;
pub mod web;
