//! What a sweep varies, and what one repeat of a case measured.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::dataflow::Placement;

/// One point of a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Case {
    pub placement: Placement,
    pub processes: usize,
    /// Threads a process.
    pub workers: usize,
    pub bucket_size: usize,
}

impl Case {
    /// All combinations.
    pub fn all(placements: &[Placement], processes: &[usize], workers: &[usize], bucket_sizes: &[usize]) -> Vec<Case> {
        let mut cases = Vec::new();
        for placement in placements {
            for processes in processes {
                for workers in workers {
                    // One worker has nowhere else to run a subtask.
                    if *placement == Placement::Subtask && processes * workers == 1 {
                        continue;
                    }
                    cases.extend(bucket_sizes.iter().map(|size| Case {
                        placement: *placement,
                        processes: *processes,
                        workers: *workers,
                        bucket_size: *size,
                    }));
                }
            }
        }
        cases
    }

    /// What of it stays the same along a curve over bucket sizes.
    pub fn setting(&self) -> String {
        format!("-n {} -w {}, {}", self.processes, self.workers, self.placement)
    }

    /// The directory of one repeat's report.
    pub fn directory(&self, repeat: usize) -> String {
        let Case { placement, processes, workers, bucket_size } = self;
        format!("n{processes}-w{workers}-{placement}-b{bucket_size}-{repeat}")
    }
}

/// A line of `raw.csv`: one repeat of a case. Times in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Of the source, with `dirty-` before it where it has changed since; empty if unknown.
    pub commit: String,
    pub version: String,
    pub cpu: String,
    pub cores: usize,
    pub source: String,
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
    /// Of all processes.
    pub cpu_seconds: f64,
}

impl Measurement {
    pub fn case(&self) -> Case {
        Case {
            placement: self.placement,
            processes: self.processes,
            workers: self.workers,
            bucket_size: self.bucket_size,
        }
    }
}

/// What all lines of a run have in common.
#[derive(Clone, Debug)]
pub struct Machine {
    pub commit: String,
    pub cpu: String,
    pub cores: usize,
}

impl Machine {
    pub fn look() -> Machine {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Machine {
            commit: commit().unwrap_or_default(),
            cpu: cpu.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned()),
            cores: cores(),
        }
    }
}

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
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

/// Reads the lines of a `raw.csv`; none if there is no such file.
///
/// # Errors
/// A file that is no `raw.csv` of this version.
pub fn read(path: &Path) -> Result<Vec<Measurement>, String> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let named = |error: csv::Error| format!("{}: {error}", path.display());
    let mut reader = csv::Reader::from_path(path).map_err(named)?;
    reader.deserialize().collect::<Result<Vec<Measurement>, _>>().map_err(named)
}

/// Appends a line to a `raw.csv`, after a header if it is the first.
///
/// # Errors
/// A file that can't be written.
pub fn append(path: &Path, measurement: &Measurement) -> Result<(), String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let first = !path.exists();
    let file = std::fs::File::options().create(true).append(true).open(path).map_err(|error| named(&error))?;
    let mut writer = csv::WriterBuilder::new().has_headers(first).from_writer(file);
    writer.serialize(measurement).map_err(|error| named(&error))?;
    writer.flush().map_err(|error| named(&error))
}
