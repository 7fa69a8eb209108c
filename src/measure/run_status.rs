//! The status of a running dataflow: `live.json`, which `rowmill serve` reads, and its outcome.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::LazyLock;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{BrokerLink, Histogram, HistogramSummary, SinkLink, SinkRows, SourceRows};
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
    /// How many of them each source has delivered; empty if there is one source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceRows>,
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
    /// Cells that could not be read, and are missing as `bad_cell` says.
    #[serde(default)]
    pub bad_cells: u64,
    /// Messages that have entered the dataflow.
    pub messages: u64,
    /// Messages that are in flight.
    pub in_flight: usize,
    /// Messages that are queued before the dataflow.
    pub queued: usize,
    /// The capacity of that queue.
    pub queue_capacity: usize,
    /// How the source stands to its broker.
    #[serde(default)]
    pub broker: BrokerLink,
    /// How the sinks that need a broker or a database stand to it.
    #[serde(default)]
    pub links: Vec<SinkLink>,
    /// Since when no row has come further though some wait, in milliseconds since 1970.
    #[serde(default)]
    pub stalled_ms: Option<u64>,
    /// The sink that takes nothing, if that is why: as [`SinkLink::sink`] has it.
    #[serde(default)]
    pub stalled_by: Option<String>,
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
    /// By sink, where it takes its rows, and which.
    #[serde(default)]
    pub branches: Vec<SinkBranch>,
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
    /// Of several sources, the one whose rows alone it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
}

/// A table beside the chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TableAddress {
    /// The table's name.
    pub name: String,
    /// The subtask after which it takes its rows.
    pub after: String,
}

/// A sink at the chain or beside it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SinkBranch {
    /// The subtask behind which it takes its rows.
    pub after: String,
    /// Which of them, in words; empty if all.
    pub takes: String,
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
        let (rows, messages) = (up_to_bounds(row), up_to_bounds(message));
        let bucket =
            |((seconds, rows), messages): ((&f64, u64), u64)| LatencyBucket { seconds: *seconds, rows, messages };
        self.buckets = BOUNDS.iter().zip(rows).zip(messages).map(bucket).collect();
    }

    /// The status of a run that has not told any.
    pub fn of_none() -> RunStatus {
        let mut status = RunStatus::default();
        status.set_latency(&Histogram::default(), &Histogram::default());
        status
    }

    /// Replaces the file in a directory.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        disk::replace_json(&directory.join(RunStatus::FILE), self)
    }
}

/// Upper bounds of a status' `buckets`, in seconds, from 10 microseconds to more than a minute. They are less than 10 %
/// apart, so that a quantile that is interpolated between them is as near.
static BOUNDS: LazyLock<Vec<f64>> = LazyLock::new(|| {
    const A_DECADE: i32 = 25;
    const LEAST: f64 = 1e-5;
    const MOST: f64 = 60.0;
    let bound = |step| LEAST * 10_f64.powf(f64::from(step) / f64::from(A_DECADE));
    // Four digits: a bound is a label.
    let short = |bound: f64| format!("{bound:.3e}").parse().expect("a number");
    let below = (0..).map(bound).take_while(|bound| *bound < MOST).count() as i32;
    (0..=below).map(bound).map(short).collect()
});

/// How many values were recorded up to each bound.
fn up_to_bounds(histogram: &Histogram) -> Vec<u64> {
    let mut recorded = histogram.inner().iter_recorded().peekable();
    let mut count = 0;
    let up_to = |seconds: &f64| {
        while let Some(value) = recorded.next_if(|value| value.value_iterated_to() as f64 <= seconds * 1e9) {
            count += value.count_since_last_iteration();
        }
        count
    };
    BOUNDS.iter().map(up_to).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As Prometheus has it: linear within the bucket that holds the rank.
    fn histogram_quantile(buckets: &[LatencyBucket], quantile: f64) -> f64 {
        let total = buckets.last().map_or(0, |bucket| bucket.rows) as f64;
        let rank = quantile * total;
        let at = buckets.iter().position(|bucket| bucket.rows as f64 >= rank).expect("a bucket");
        let (low, below) = at.checked_sub(1).map_or((0.0, 0), |before| (buckets[before].seconds, buckets[before].rows));
        let within = (rank - below as f64) / (buckets[at].rows - below) as f64;
        low + (buckets[at].seconds - low) * within
    }

    #[test]
    fn quantiles_of_the_buckets_are_near_the_true_ones_up_to_a_minute() {
        let bound = |at: usize| BOUNDS[at];
        assert!(bound(0) <= 1e-5 && bound(BOUNDS.len() - 1) >= 60.0);
        let mut seconds = 1.1e-5;
        while seconds <= 60.0 {
            // All at one value, and spread around it: the interpolation is worst where a bucket holds all.
            for values in [vec![seconds; 100], (1..=1000).map(|part| seconds * f64::from(part) / 1000.0).collect()] {
                let mut row = Histogram::default();
                values.iter().for_each(|value| row.record((value * 1e9) as u64, 1));
                let mut status = RunStatus::default();
                status.set_latency(&row, &Histogram::default());
                let truth = row.inner().value_at_quantile(0.99) as f64 / 1e9;
                let estimate = histogram_quantile(&status.buckets, 0.99);
                assert!((estimate / truth - 1.0).abs() <= 0.1, "{estimate} of {truth}");
                assert_eq!(status.buckets.last().unwrap().rows, values.len() as u64);
            }
            seconds *= 1.013;
        }
    }
}
