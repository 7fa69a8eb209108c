//! The status of a running dataflow: `live.json`, which `rowmill serve` reads, and its outcome.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Histogram, HistogramSummary, SinkRows};
use crate::disk;
use crate::measure::Excerpt;

/// The status of a run. Times in nanoseconds unless their names say otherwise.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunStatus {
    /// The program's version.
    pub version: String,
    /// The dataflow's name.
    pub dataflow: String,
    /// The process id of process 0.
    pub pid: u32,
    /// Milliseconds since 1970.
    pub written_ms: u64,
    /// How long the run has lasted, in seconds.
    pub seconds: f64,
    /// Worker threads of all processes.
    pub workers: usize,
    /// The number of processes.
    pub processes: usize,
    /// Rows a message.
    pub bucket_size: usize,
    /// Rows that have entered the dataflow.
    pub rows_in: u64,
    /// Rows whose messages are complete.
    pub rows_done: u64,
    /// Rows of results.
    pub rows_out: u64,
    /// What each sink has taken of them, or of the rows behind an earlier step.
    #[serde(default)]
    pub sinks: Vec<SinkRows>,
    /// Rows that subtasks dropped, by subtask.
    pub rows_dropped: BTreeMap<String, u64>,
    /// Rows that became dead letters.
    pub dead_letters: u64,
    /// Rows that were dropped as too late for a table.
    #[serde(default)]
    pub rows_too_late: u64,
    /// Messages that have entered the dataflow.
    pub messages: u64,
    /// Messages that are in flight.
    pub in_flight: usize,
    /// Messages that are queued before the dataflow.
    pub queued: usize,
    /// The capacity of that queue.
    pub queue_capacity: usize,
    /// The last interval.
    pub now: IntervalStatus,
    /// Nanoseconds from a row's arrival to its completion, over the whole run.
    pub latency_row: HistogramSummary,
    /// Nanoseconds from the close of a message's bucket to its completion.
    pub latency_message: HistogramSummary,
    /// Service time of a row in nanoseconds.
    pub service_row: HistogramSummary,
    /// Service time of a message in nanoseconds.
    pub service_message: HistogramSummary,
    /// Mean busy time of a message beside its service, in nanoseconds, over the whole run.
    #[serde(default)]
    pub between_messages: f64,
    /// Latencies by quantile, for a plot.
    pub curve: Vec<CurvePoint>,
    /// Cumulative counts of latencies, by upper bound.
    pub buckets: Vec<LatencyBucket>,
    /// Service times of the first worker, in the order of the chain.
    pub subtasks: Vec<SubtaskTime>,
    /// The tables that can be queried.
    #[serde(default)]
    pub tables: Vec<TableAddress>,
    /// The last minutes, one interval a second.
    pub history: VecDeque<IntervalStatus>,
    /// The last sampled message, before and after the chain.
    pub sample: Option<Sample>,
    /// The last dead letters.
    pub letters: VecDeque<serde_json::Value>,
}

/// One interval of a run.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct IntervalStatus {
    /// Seconds from the start of the run to the end of the interval.
    pub seconds: f64,
    /// Completed rows a second.
    pub rows_per_second: f64,
    /// The share of the workers' time that was work, from 0 to 1.
    pub rho: f64,
    /// Messages in flight and queued before the dataflow.
    pub waiting: usize,
    /// The median latency of rows, in nanoseconds.
    pub row_p50: u64,
    /// The 99th percentile of the latency of rows, in nanoseconds.
    pub row_p99: u64,
    /// The median latency of messages, in nanoseconds.
    pub message_p50: u64,
    /// The 99th percentile of the latency of messages, in nanoseconds.
    pub message_p99: u64,
}

/// The latencies at a quantile.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct CurvePoint {
    /// The quantile, from 0 to 1.
    pub quantile: f64,
    /// The latency of rows, in nanoseconds.
    pub row: u64,
    /// The latency of messages, in nanoseconds.
    pub message: u64,
}

/// How many rows and messages had a latency up to a bound.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct LatencyBucket {
    /// The bound, in seconds.
    pub seconds: f64,
    /// Rows up to the bound.
    pub rows: u64,
    /// Messages up to the bound.
    pub messages: u64,
}

/// The service time of a subtask.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SubtaskTime {
    /// The subtask's label.
    pub name: String,
    /// Messages that it has processed.
    pub messages: u64,
    /// Mean service time of a message, in nanoseconds.
    pub mean: f64,
    /// Whether messages are exchanged between workers before it.
    #[serde(default)]
    pub exchange: bool,
}

/// A table beside the chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TableAddress {
    /// The table's name.
    pub name: String,
    /// The subtask after which it takes its rows.
    pub after: String,
}

/// Rows of one message after prepare, and at the end of the chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// The message's epoch.
    pub epoch: u64,
    /// Some of its rows before the chain.
    pub before: Excerpt,
    /// The first rows after the chain.
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

    /// Sets all that follows from the histograms of latency.
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
    /// The exit code of the process.
    pub code: u8,
    /// Why it failed; empty if it did not.
    pub reason: String,
    /// Milliseconds since 1970.
    pub ended_ms: u64,
}

impl RunOutcome {
    /// The file's name in its directory.
    pub const FILE: &'static str = "outcome.json";

    /// The outcome of a run that ends now.
    pub fn now(code: u8, reason: String) -> RunOutcome {
        RunOutcome { code, reason, ended_ms: now_ms() }
    }

    /// Writes it into the directory of the run's status.
    ///
    /// # Errors
    /// A directory that can't be written to.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        disk::replace_json(&directory.join(RunOutcome::FILE), self)
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |passed| passed.as_millis() as u64)
}
