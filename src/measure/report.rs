//! The report of a run: `report.json`, `.hlog` files and the table at the end.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::Path;
use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2Serializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use serde::{Deserialize, Serialize};

use super::Histogram;

/// The summary of a histogram in `report.json`, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HistogramSummary {
    /// How many values were recorded.
    pub count: u64,
    /// Their mean, in nanoseconds like all that follow.
    pub mean: f64,
    /// Their standard deviation.
    pub stdev: f64,
    /// Their median.
    pub p50: u64,
    /// The 90th percentile.
    pub p90: u64,
    /// The 99th percentile.
    pub p99: u64,
    /// The 99.9th percentile.
    pub p999: u64,
    /// The largest.
    pub max: u64,
}

impl From<&Histogram> for HistogramSummary {
    fn from(histogram: &Histogram) -> HistogramSummary {
        let inner = histogram.inner();
        let at = |quantile| inner.value_at_quantile(quantile);
        HistogramSummary {
            count: inner.len(),
            mean: inner.mean(),
            stdev: inner.stdev(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: inner.max(),
        }
    }
}

/// Latency: from the arrival of a row, or the close of a message's bucket, to completion.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Latency {
    /// Nanoseconds a message.
    #[serde(serialize_with = "summary")]
    pub message: Histogram,
    /// Nanoseconds a row.
    #[serde(serialize_with = "summary")]
    pub row: Histogram,
}

/// Service time.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Service {
    /// Nanoseconds a message.
    #[serde(serialize_with = "summary")]
    pub message: Histogram,
    /// Nanoseconds a row.
    #[serde(serialize_with = "summary")]
    pub row: Histogram,
    /// Nanoseconds a message, by subtask.
    #[serde(serialize_with = "summaries")]
    pub subtask: Vec<(String, Histogram)>,
}

fn summary<S: serde::Serializer>(histogram: &Histogram, serializer: S) -> Result<S::Ok, S::Error> {
    HistogramSummary::from(histogram).serialize(serializer)
}

fn summaries<S: serde::Serializer>(subtasks: &[(String, Histogram)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(subtasks.iter().map(|(name, histogram)| (name, HistogramSummary::from(histogram))))
}

/// The rows of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRows {
    /// Its name.
    pub source: String,
    /// Rows that have entered the dataflow from it.
    pub rows_in: u64,
}

/// The rows of one sink.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkRows {
    /// Its name, or its address.
    pub sink: String,
    /// Rows that it has taken.
    pub rows_out: u64,
    /// Rows that it has refused; each is a dead letter.
    pub refused: u64,
}

/// A file of fitted params that serves from a message on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedModel {
    /// Its path, as the dataflow file gives it.
    pub file: String,
    /// The SHA-256 of its contents, as `sha256sum` prints it.
    pub sha256: String,
    /// The first message that it serves.
    pub from_message: u64,
    /// The place of the first row that it serves in the input, from 0.
    pub from_row: u64,
}

impl fmt::Display for ServedModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ServedModel { file, sha256, from_message, from_row } = self;
        write!(f, "{file} serves from row {from_row} on (message {from_message}): sha256 {sha256}")
    }
}

/// The result of a run. Always `rows_in = rows_out + rows_dropped + dead_letters + rows_too_late`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The dataflow's name.
    pub dataflow: String,
    /// The program's version.
    pub version: &'static str,
    /// Worker threads of all processes.
    pub workers: usize,
    /// The number of processes.
    pub processes: usize,
    /// Rows that have entered the dataflow.
    pub rows_in: u64,
    /// How many of them each source has delivered; empty if there is one source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceRows>,
    /// Rows of results.
    pub rows_out: u64,
    /// What each sink has taken of them, or of the rows behind an earlier step.
    pub sinks: Vec<SinkRows>,
    /// The files of fitted params that have served, in the order of their first messages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ServedModel>,
    /// Rows that subtasks dropped, by subtask.
    pub rows_dropped: BTreeMap<String, u64>,
    /// Rows that became dead letters.
    pub dead_letters: u64,
    /// Rows that were dropped as too late for a table.
    pub rows_too_late: u64,
    /// Cells that could not be read, and are missing as `bad_cell` says.
    pub bad_cells: u64,
    /// Messages, which are epochs.
    pub messages: u64,
    /// How long the run took, from the first row to the last completion.
    pub seconds: f64,
    /// Throughput: rows a second over the whole run.
    pub rows_per_second: f64,
    /// Peak memory in bytes, the sum over the processes.
    pub peak_memory_bytes: u64,
    /// Arrival rate in rows a second.
    pub lambda: f64,
    /// Busy time of all workers together in seconds: service, and what is between messages.
    pub busy_seconds: f64,
    /// Rows a second that one worker can serve, with what is between messages.
    pub mu: f64,
    /// lambda / (workers mu): the share of their time that workers were busy.
    pub rho: f64,
    /// Nanoseconds from arrival to completion.
    pub latency_ns: Latency,
    /// Service time in nanoseconds.
    pub service_ns: Service,
}

impl Report {
    /// Sets the rates. `busy` is the busy time of the workers of all processes, at least their service time.
    pub fn set_rates(&mut self, duration: Duration, busy: Duration) {
        self.seconds = duration.as_secs_f64();
        self.rows_per_second = if self.seconds > 0.0 { self.rows_in as f64 / self.seconds } else { 0.0 };
        self.lambda = self.rows_per_second;
        let service = self.service_ns.row.inner();
        let busy = busy.as_secs_f64().max(service.mean() * service.len() as f64 / 1e9);
        // Processes count from their own start to their own end, and the mean of a histogram is rounded.
        self.busy_seconds = busy.min(self.seconds * self.workers as f64);
        self.mu = if self.busy_seconds > 0.0 { self.rows_in as f64 / self.busy_seconds } else { 0.0 };
        self.rho = if self.mu > 0.0 { self.lambda / (self.workers as f64 * self.mu) } else { 0.0 };
    }

    /// Writes `report.json`, `summary.csv` and a `.hlog` file for each histogram into a directory.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        let json = serde_json::to_vec_pretty(self)?;
        fs::write(directory.join("report.json"), json)?;
        self.write_summary(&directory.join("summary.csv"))?;
        let Report { latency_ns, service_ns, .. } = self;
        self.write_log(directory, "latency-message", &[("message", &latency_ns.message)])?;
        self.write_log(directory, "latency-row", &[("row", &latency_ns.row)])?;
        self.write_log(directory, "service-message", &[("message", &service_ns.message)])?;
        self.write_log(directory, "service-row", &[("row", &service_ns.row)])?;
        let subtasks: Vec<(&str, &Histogram)> =
            service_ns.subtask.iter().map(|(name, histogram)| (name.as_str(), histogram)).collect();
        self.write_log(directory, "service-subtask", &subtasks)
    }

    /// Removes the files of an earlier report from a directory, with the charts that stand beside it. Files of others, and
    /// those of a directory without a `report.json`, stay.
    ///
    /// # Errors
    /// A directory that can't be read, or a file that can't be removed.
    pub fn remove(directory: &Path) -> io::Result<()> {
        if !directory.join("report.json").exists() {
            return Ok(());
        }
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let is_named = ["report.json", "summary.csv"].iter().any(|name| path.ends_with(name));
            if is_named || path.extension().is_some_and(|ending| ending == "hlog" || ending == "svg") {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Writes a line for each histogram, in nanoseconds.
    fn write_summary(&self, path: &Path) -> io::Result<()> {
        let mut writer = csv::Writer::from_path(path).map_err(io::Error::other)?;
        let Report { latency_ns, service_ns, .. } = self;
        let whole = [
            ("latency-message", &latency_ns.message),
            ("latency-row", &latency_ns.row),
            ("service-message", &service_ns.message),
            ("service-row", &service_ns.row),
        ];
        let subtasks = service_ns.subtask.iter().map(|(name, histogram)| (format!("service-{name}"), histogram));
        let whole = whole.into_iter().map(|(name, histogram)| (name.to_owned(), histogram));
        writer.write_record(["histogram", "count", "mean", "stdev", "p50", "p90", "p99", "p999", "max"])?;
        for (name, histogram) in whole.chain(subtasks) {
            let HistogramSummary { count, mean, stdev, p50, p90, p99, p999, max } = histogram.into();
            writer.serialize((name, count, mean, stdev, p50, p90, p99, p999, max))?;
        }
        writer.flush()
    }

    /// Writes an HdrHistogram V2 interval log with one interval: the whole run.
    fn write_log(&self, directory: &Path, name: &str, histograms: &[(&str, &Histogram)]) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(directory.join(format!("{name}.hlog")))?);
        let mut serializer = V2Serializer::new();
        let duration = Duration::from_secs_f64(self.seconds);
        let start = SystemTime::now() - duration;
        let mut writer = IntervalLogWriterBuilder::new()
            .with_start_time(start)
            .with_max_value_divisor(1e6)
            .begin_log_with(&mut file, &mut serializer)?;
        for (tag, histogram) in histograms {
            writer
                .write_histogram(histogram.inner(), Duration::ZERO, duration, Tag::new(tag))
                .map_err(|error| io::Error::other(format!("{error:?}")))?;
        }
        Ok(())
    }
}

/// Nanoseconds as text, in a unit that fits their size.
pub fn shown(nanoseconds: f64) -> String {
    match nanoseconds {
        x if x < 1e3 => format!("{x:.0} ns"),
        x if x < 1e6 => format!("{:.1} us", x / 1e3),
        x if x < 1e9 => format!("{:.1} ms", x / 1e6),
        x => format!("{:.2} s", x / 1e9),
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, histogram: &Histogram) -> fmt::Result {
    let HistogramSummary { count, mean, p50, p90, p99, p999, max, .. } = HistogramSummary::from(histogram);
    write!(f, "  {name:<22}{count:>10}{:>11}", shown(mean))?;
    for value in [p50, p90, p99, p999, max] {
        write!(f, "{:>11}", shown(value as f64))?;
    }
    writeln!(f)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ["count", "mean", "p50", "p90", "p99", "p99.9", "max"];
        write!(f, "  {:<22}{:>10}", "", header[0])?;
        header[1..].iter().try_for_each(|name| write!(f, "{name:>11}"))?;
        writeln!(f)?;
        row(f, "latency, row", &self.latency_ns.row)?;
        row(f, "latency, message", &self.latency_ns.message)?;
        row(f, "service, row", &self.service_ns.row)?;
        row(f, "service, message", &self.service_ns.message)?;
        for (name, histogram) in &self.service_ns.subtask {
            row(f, &format!("  {name}"), histogram)?;
        }
        writeln!(f)?;
        write!(f, "  rows in {}, rows out {}", self.rows_in, self.rows_out)?;
        for (name, rows) in &self.rows_dropped {
            write!(f, ", dropped by {name} {rows}")?;
        }
        if self.rows_too_late > 0 {
            write!(f, ", too late {}", self.rows_too_late)?;
        }
        write!(f, ", dead letters {}", self.dead_letters)?;
        if self.bad_cells > 0 {
            write!(f, ", bad cells {}", self.bad_cells)?;
        }
        writeln!(f, "; {} messages", self.messages)?;
        for SourceRows { source, rows_in } in &self.sources {
            writeln!(f, "  rows in from {source}: {rows_in}")?;
        }
        for SinkRows { sink, rows_out, .. } in self.sinks.iter().filter(|_| self.sinks.len() > 1) {
            writeln!(f, "  rows out to {sink}: {rows_out}")?;
        }
        self.models.iter().try_for_each(|model| writeln!(f, "  {model}"))?;
        writeln!(
            f,
            "  {:.0} rows/s over {:.2} s; mean service time {} a message, {} a row; peak memory {:.0} MiB",
            self.rows_per_second,
            self.seconds,
            shown(self.service_ns.message.inner().mean()),
            shown(self.service_ns.row.inner().mean()),
            self.peak_memory_bytes as f64 / (1 << 20) as f64,
        )?;
        write!(
            f,
            "  lambda {:.0} rows/s, mu {:.0} rows/s a worker, {} workers in {} processes: rho {:.3}",
            self.lambda, self.mu, self.workers, self.processes, self.rho
        )
    }
}
