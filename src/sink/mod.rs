//! Where results and dead letters go: each sink takes encoded messages in the order of epochs and makes them durable.
//!
//! - `kind`: the traits of all sinks; `custom`: the traits and registry of those that a program adds.
//! - `opening`: what a sink of the registry knows of the run. `url`, `settings`, `error`: a sink's address, its other
//!   settings and how it is opened, and why it failed.
//! - `line_file`, `lines`, `parquet` with `row_log`, `mqtt`, `postgres`, `influxdb`: the kinds of sinks.
//! - `claimed_file`, `existing`, `unfinished`, `tail`: what happens to a file that exists, and where its results end.
//! - `trusted_authorities`: whose certificates are trusted. `known_secrets`: logins in a server's words. `underway`: results that
//!   a database has not taken yet.
//! - `dead_letter`: rows that did not become results. `deadline`, `progress`, `pause`: waiting for slow
//!   receivers and those that are away.
//!
//! Never here: what a row means, timely, or which epochs are complete.

mod claimed_file;
mod custom;
mod dead_letter;
mod deadline;
mod error;
mod existing;
#[cfg(feature = "influxdb")]
mod influxdb;
mod kind;
#[cfg(any(feature = "postgres", feature = "influxdb"))]
mod known_secrets;
mod line_file;
mod lines;
mod mqtt;
mod opening;
mod parquet;
#[cfg(any(feature = "postgres", feature = "influxdb"))]
mod pause;
#[cfg(feature = "postgres")]
mod postgres;
mod progress;
mod registry;
mod row_log;
mod settings;
mod tail;
#[cfg(any(feature = "postgres", feature = "influxdb"))]
mod trusted_authorities;
#[cfg(any(feature = "postgres", feature = "influxdb"))]
mod underway;
mod unfinished;
mod url;

pub use custom::{CsvLines, CustomSink, JsonLines, OpenSink, ResultInput, SinkConfig};
pub use dead_letter::{DeadLetter, DeadLetters};
pub use deadline::Deadline;
pub use error::Error;
pub use existing::{Existing, FileEnd};
pub use kind::{LastTransaction, RefusedLine, Sink, Takes, TransactionProgress, TransactionState, TypedSink};
pub use mqtt::{LinePosition, Publisher, SinkTopic, check_topic};
pub use opening::RowsOrigin;
pub use progress::SinkProgress;
pub use registry::Sinks;
pub use settings::{SinkSettings, replace};
pub use tail::Tail;
pub use url::{SinkUrl, part};
