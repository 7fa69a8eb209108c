//! What a sink of the registry knows of the run that opens it.

use std::path::PathBuf;
use std::time::Duration;

use super::deadline::Deadline;
use super::existing::Existing;

/// The rows whose results a sink gets, by the dataflow that makes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowsOrigin {
    /// The dataflow's name.
    pub dataflow: String,
    /// The source's address, without its password.
    pub source: String,
    /// The source's file, if it is one.
    pub file: Option<PathBuf>,
    /// The column that says when a row was measured, if the dataflow names one.
    pub time: Option<String>,
}

/// What a sink of the registry knows of the run that opens it.
#[cfg_attr(
    not(any(feature = "postgres", feature = "influxdb")),
    allow(dead_code, reason = "sinks of programs know less")
)]
#[derive(Clone, Debug)]
pub struct Opening {
    /// Whose results it gets.
    pub origin: RowsOrigin,
    /// What to do with results of an earlier run.
    pub existing: Existing,
    /// How long the first connection may take; unlimited if not given.
    pub connect_timeout: Option<Duration>,
    /// When waiting for the receiver ends.
    pub deadline: Deadline,
}
