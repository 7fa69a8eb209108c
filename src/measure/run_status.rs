//! What a run tells while it runs: `live.json`, which `rowmill serve` reads.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Histogram, HistogramSummary};
use crate::disk;
use crate::measure::Excerpt;

/// Where a run stands. Times in nanoseconds unless their names say otherwise.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunStatus {
    /// That of the program.
    pub version: String,
    /// The dataflow's name.
    pub dataflow: String,
    /// The process id of process 0.
    pub pid: u32,
    /// Milliseconds since 1970.
    pub written_ms: u64,
    /// How long the run has lasted.
    pub seconds: f64,
    /// Of all processes.
    pub workers: usize,
    /// How many processes take part.
    pub processes: usize,
    /// Rows a message.
    pub bucket_size: usize,
    /// Rows that the source was handed.
    pub rows_in: u64,
    /// Rows whose messages are complete.
    pub rows_done: u64,
    /// Rows of results.
    pub rows_out: u64,
    /// Rows that subtasks have dropped, by subtask.
    pub rows_dropped: BTreeMap<String, u64>,
    /// Rows that became dead letters.
    pub dead_letters: u64,
    /// Rows that were too late for a table that drops those.
    #[serde(default)]
    pub rows_too_late: u64,
    /// Messages that are complete.
    pub messages: u64,
    /// Messages in the dataflow.
    pub in_flight: usize,
    /// Messages that wait for the dataflow, and how many may.
    pub queued: usize,
    /// Messages that may wait.
    pub queue_capacity: usize,
    /// Over the last interval.
    pub now: IntervalStatus,
    /// Over the whole run.
    pub latency_row: HistogramSummary,
    /// Nanoseconds from a message's first row to its completion.
    pub latency_message: HistogramSummary,
    /// Nanoseconds of work a row.
    pub service_row: HistogramSummary,
    /// Nanoseconds of work a message.
    pub service_message: HistogramSummary,
    /// What workers are busy with between two messages, in nanoseconds a message, over the whole run.
    #[serde(default)]
    pub between_messages: f64,
    /// The latencies by quantile, for a curve.
    pub curve: Vec<CurvePoint>,
    /// How many rows and messages took no longer than each of some bounds.
    pub buckets: Vec<LatencyBucket>,
    /// Service times of the first worker, in the order of the chain.
    pub subtasks: Vec<SubtaskTime>,
    /// The tables that answer, and where.
    #[serde(default)]
    pub tables: Vec<TableAddress>,
    /// The last minutes, a moment a second.
    pub history: VecDeque<IntervalStatus>,
    /// A message that was looked at before and after the chain.
    pub sample: Option<Sample>,
    /// The last rows that could not be used.
    pub letters: VecDeque<serde_json::Value>,
}

/// One interval of a run.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct IntervalStatus {
    /// Since the start, at its end.
    pub seconds: f64,
    /// Rows that were completed a second.
    pub rows_per_second: f64,
    /// The share of the workers' time that was work, from 0 to 1.
    pub rho: f64,
    /// Messages in the dataflow and before it.
    pub waiting: usize,
    /// The median of the row's latency, in nanoseconds.
    pub row_p50: u64,
    /// What 99 of 100 rows stayed under, in nanoseconds.
    pub row_p99: u64,
    /// The median of the message's latency, in nanoseconds.
    pub message_p50: u64,
    /// What 99 of 100 messages stayed under, in nanoseconds.
    pub message_p99: u64,
}

/// A point of the curve of latencies.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct CurvePoint {
    /// From 0 to 1.
    pub quantile: f64,
    /// The row's latency there, in nanoseconds.
    pub row: u64,
    /// The message's latency there, in nanoseconds.
    pub message: u64,
}

/// How many rows and messages took no longer than a bound.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct LatencyBucket {
    /// The bound, in seconds.
    pub seconds: f64,
    /// How many rows took no longer.
    pub rows: u64,
    /// How many messages took no longer.
    pub messages: u64,
}

/// What a subtask takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SubtaskTime {
    /// The subtask's label.
    pub name: String,
    /// How many messages it has worked on.
    pub messages: u64,
    /// Nanoseconds a message, on average.
    pub mean: f64,
    /// Whether messages may come to it from another worker.
    #[serde(default)]
    pub exchange: bool,
}

/// A table beside the chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TableAddress {
    /// The table's name.
    pub name: String,
    /// The subtask it takes its rows after.
    pub after: String,
}

/// Rows of one message before the first subtask after prepare, and at the end of the chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// The message's epoch.
    pub epoch: u64,
    /// Some of its rows before the chain.
    pub before: Excerpt,
    /// The same rows behind it.
    pub after: Excerpt,
}

impl RunStatus {
    /// The file's name in its directory.
    pub const FILE: &'static str = "live.json";
    /// Intervals of `history`.
    pub const HISTORY: usize = 300;
    /// Upper bounds of `buckets`, in seconds.
    const BOUNDS: [f64; 14] =
        [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 10.0];
    const QUANTILES: [f64; 16] =
        [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.9975, 0.999, 0.9995, 0.9999, 0.99999, 1.0];

    /// Fills in all that the histograms of latency tell.
    pub fn set_latency(&mut self, row: &Histogram, message: &Histogram) {
        (self.latency_row, self.latency_message) = (row.into(), message.into());
        let point = |quantile| CurvePoint {
            quantile,
            row: row.inner().value_at_quantile(quantile),
            message: message.inner().value_at_quantile(quantile),
        };
        self.curve = RunStatus::QUANTILES.into_iter().map(point).collect();
        let up_to = |histogram: &Histogram, seconds: f64| histogram.inner().count_between(0, (seconds * 1e9) as u64);
        let bucket = |seconds| LatencyBucket { seconds, rows: up_to(row, seconds), messages: up_to(message, seconds) };
        self.buckets = RunStatus::BOUNDS.into_iter().map(bucket).collect();
    }

    /// Replaces the file in a directory.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        disk::replace_json(&directory.join(RunStatus::FILE), self)
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOutcome {
    /// The exit code.
    pub code: u8,
    /// Why it failed; empty if it did not.
    pub reason: String,
    /// Milliseconds since 1970.
    pub ended_ms: u64,
}

impl RunOutcome {
    /// The file's name in its directory.
    pub const FILE: &'static str = "outcome.json";

    /// An end at this moment.
    pub fn now(code: u8, reason: String) -> RunOutcome {
        RunOutcome { code, reason, ended_ms: now_ms() }
    }

    /// Writes it into the directory of the live figures.
    ///
    /// # Errors
    /// A directory that cannot be written into.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        disk::replace_json(&directory.join(RunOutcome::FILE), self)
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |passed| passed.as_millis() as u64)
}
