//! The cases of a sweep, and the measurement of one repeat.

use itertools::iproduct;
use serde::{Deserialize, Serialize};

use crate::config::Placement;
use crate::planner::cores;
use crate::proc;

/// The file with a line for each repeat of a case.
pub const RAW: &str = "raw.csv";

/// The transport of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// A file, as fast as it is read.
    File,
    /// A broker that gets them as fast as it takes them.
    Mqtt,
}

impl Transport {
    /// The name in tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Transport::File => "file",
            Transport::Mqtt => "mqtt",
        }
    }
}

/// One point of a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Case {
    /// The transport of rows.
    pub over: Transport,
    /// Where messages are processed.
    pub placement: Placement,
    /// The number of processes.
    pub processes: usize,
    /// Worker threads of each process.
    pub workers: usize,
    /// Rows a message.
    pub bucket_size: usize,
}

impl Case {
    /// All combinations that make sense.
    pub fn all(
        overs: &[Transport],
        placements: &[Placement],
        processes: &[usize],
        workers: &[usize],
        bucket_sizes: &[usize],
    ) -> Vec<Case> {
        let cases = iproduct!(overs, placements, processes, workers, bucket_sizes);
        // With one worker, both placements are the same.
        let cases = cases.filter(|(_, placement, processes, workers, _)| {
            **placement == Placement::Message || *processes * *workers > 1
        });
        let case = |(&over, &placement, &processes, &workers, &bucket_size)| Case {
            over,
            placement,
            processes,
            workers,
            bucket_size,
        };
        cases.map(case).collect()
    }

    /// All of it but the bucket size, which is the x axis of a curve.
    pub fn setting(&self) -> String {
        let over = if self.over == Transport::Mqtt { ", MQTT" } else { "" };
        format!("-n {} -w {}, {}{over}", self.processes, self.workers, self.placement)
    }

    /// The directory of one repeat's report.
    pub fn directory(&self, repeat: usize) -> String {
        let Case { over, placement, processes, workers, bucket_size } = self;
        format!("{}-n{processes}-w{workers}-{placement}-b{bucket_size}-{repeat}", over.name())
    }
}

/// A line of `raw.csv`: one repeat of a case. Times in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The commit of the source, with the prefix `dirty-` if the tree was not clean; empty if unknown.
    pub commit: String,
    /// The day it was measured, in UTC; empty if unknown.
    #[serde(default)]
    pub date: String,
    pub version: String,
    pub cpu: String,
    pub cores: usize,
    pub source: String,
    pub over: Transport,
    pub placement: Placement,
    pub processes: usize,
    pub workers: usize,
    pub bucket_size: usize,
    pub repeat: usize,
    pub rows: u64,
    pub messages: u64,
    pub seconds: f64,
    pub rows_per_second: f64,
    pub service_message_mean: f64,
    pub service_message_p50: f64,
    pub service_message_p99: f64,
    pub service_row_mean: f64,
    pub service_row_p50: f64,
    pub service_row_p99: f64,
    pub latency_message_mean: f64,
    pub latency_message_p50: f64,
    pub latency_message_p99: f64,
    pub latency_message_p999: f64,
    pub latency_row_mean: f64,
    pub latency_row_p50: f64,
    pub latency_row_p99: f64,
    pub latency_row_p999: f64,
    pub rho: f64,
    pub peak_memory_bytes: u64,
    /// CPU time of all processes.
    pub cpu_seconds: f64,
}

impl Measurement {
    pub fn case(&self) -> Case {
        Case {
            over: self.over,
            placement: self.placement,
            processes: self.processes,
            workers: self.workers,
            bucket_size: self.bucket_size,
        }
    }
}

/// The machine and the commit of a measurement.
#[derive(Clone, Debug)]
pub struct Host {
    pub commit: String,
    pub cpu: String,
    pub cores: usize,
}

impl Host {
    pub fn look() -> Host {
        Host {
            commit: commit().unwrap_or_default(),
            cpu: proc::processor().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: cores(),
        }
    }
}

fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changed.is_empty() { commit } else { format!("dirty-{commit}") })
}
