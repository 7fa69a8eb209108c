//! Rowmill: stream preprocessing of sensor rows as a timely dataflow.
//!
//! The way of a row: [`source`] → bucket → prepare → [`subtasks`] → result → [`sink`]. The [`runtime`] connects them as
//! the TOML file says that [`config`] reads; [`measure`] times them.

#![warn(missing_docs)]

#[cfg(feature = "bench")]
pub mod bench;
#[cfg(feature = "charts")]
mod charts;
pub mod cli;
pub mod config;
pub mod data;
pub mod disk;
pub mod expressions;
pub mod format;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod inlined_schema;
pub mod kernels;
pub mod measure;
pub mod mqtt;
pub mod planner;
pub mod pool;
pub mod proc;
mod registry;
pub mod runtime;
pub mod schemes;
pub mod sink;
pub mod source;
pub mod subtasks;
pub mod tables;
#[cfg(feature = "web")]
pub mod web;

pub use config::Dataflow;
pub use registry::Registry;
pub use runtime::Runtime;
