//! Short runs under a load in this process, and the behaviour they measure.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Demand, ServiceBehaviour};
use crate::config::{Dataflow, Override};
use crate::measure::{Report, median};
use crate::registry::Registry;
use crate::runtime::{self, Cluster, Options};
use crate::source::{Arrivals, Load, SourceUrl, Stop};

/// The dataflow that is measured: a file and overrides, or the built-in `dataflows/weather.toml`.
#[derive(Clone, Debug)]
pub struct TrialDataflow {
    /// The dataflow file; the built-in one if not given.
    pub file: Option<PathBuf>,
    /// Settings that override the file.
    pub overrides: Vec<Override>,
    /// The subtasks, sources and sinks that it may name.
    pub registry: Registry,
}

impl TrialDataflow {
    /// Reads it with more overrides.
    ///
    /// # Errors
    /// A file that can't be read, or is not valid.
    pub fn read(&self, more: impl IntoIterator<Item = Override>) -> Result<Dataflow, runtime::Error> {
        let overrides: Vec<Override> = self.overrides.iter().cloned().chain(more).collect();
        Ok(match &self.file {
            Some(file) => Dataflow::read(file, &overrides, &self.registry)?,
            None => Dataflow::weather(&overrides, &self.registry)?,
        })
    }
}

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A load in the terms of the queueing model.
pub fn demand(load: &Load, bucket_size: usize, delay: Duration) -> Demand {
    Demand {
        rate: load.rate,
        burst: load.burst as f64,
        bucket_variation: load.bucket_variation(bucket_size),
        delay: delay.as_secs_f64(),
    }
}

/// A run of generated rows into a null sink.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// Worker threads.
    pub workers: usize,
    /// Rows a message.
    pub bucket_size: usize,
    /// How rows arrive.
    pub load: Load,
    /// How long rows arrive.
    pub duration: Duration,
}

impl Trial {
    /// Generated rows in place of each of so many sources, among which the load is shared.
    fn sources(&self, count: usize) -> Vec<Override> {
        let load = Load { rate: self.load.rate / count as f64, ..self.load };
        let of = |number: usize| {
            let source = SourceUrl::Generate { rows: u64::MAX, seed: 1 + number as u64, load: Some(load) };
            let key = if count == 1 { "source.url".to_owned() } else { format!("source.{number}.url") };
            Override::text("the trial", &key, &source.to_string())
        };
        (0..count).map(of).collect()
    }

    /// Runs until the duration is over, and drains.
    ///
    /// # Errors
    /// As [`runtime::run`].
    pub fn run(&self, flow: &TrialDataflow) -> Result<Report, runtime::Error> {
        let as_written = flow.read([])?;
        let others = [
            // In place of all sinks.
            Override::null_sink("the trial", "sink"),
            Override::null_sink("the trial", "dead_letter"),
            Override::number("the trial", "buffer.bucket_size", self.bucket_size as u64),
        ];
        let sources = self.sources(as_written.sources.len()).into_iter();
        let dataflow = flow.read(sources.chain(as_written.tables_to_null("the trial")).chain(others))?;
        let stop = Stop::default();
        let (end, duration) = (stop.clone(), self.duration);
        let end_in_time = move || {
            let end = end.clone();
            std::thread::spawn(move || {
                std::thread::sleep(duration);
                end.now();
            });
        };
        let cluster = Cluster::threads(self.workers);
        let options = Options { stop, on_ready: Some(Arc::new(end_in_time)), ..Options::new(cluster) };
        let report = runtime::run(dataflow, options)?;
        Ok(report.expect("process 0 has the report"))
    }
}

/// Measures the behaviour of a dataflow on a number of workers: three saturated runs, one nearly idle, and five at a
/// load between. Also returns the range of the throughput of the first three, relative to their median.
///
/// # Errors
/// As [`runtime::run`].
pub fn measure(
    flow: &TrialDataflow,
    workers: usize,
    bucket_size: usize,
) -> Result<(ServiceBehaviour, f64), runtime::Error> {
    /// Rows a second: more than any machine serves.
    const FLOOD: f64 = 1e9;
    /// Share of the capacity: many messages wait, and the queue stays stable if the machine slows down a little.
    const BETWEEN: f64 = 0.6;
    let burst = bucket_size as u64;
    let run = |load: Load, seconds: f64| {
        Trial { workers, bucket_size, load, duration: Duration::from_secs_f64(seconds) }.run(flow)
    };
    let trial = |rate: f64, seconds: f64| run(Load { rate, arrivals: Arrivals::Uniform, burst }, seconds);
    let mut busy = (0..3).map(|_| trial(FLOOD, 0.7)).collect::<Result<Vec<Report>, _>>()?;
    busy.sort_by(|a, b| a.rows_per_second.total_cmp(&b.rows_per_second));
    let [slow, busy, fast] = &busy[..] else { unreachable!("there are three") };
    let idle = trial(0.1 * busy.rows_per_second / workers as f64, 2.0)?;
    let seconds = |nanoseconds: f64| nanoseconds / 1e9;
    let service = |report: &Report| seconds(report.service_ns.message.inner().mean());
    let deviation = seconds(idle.service_ns.message.inner().stdev());
    let behaviour = ServiceBehaviour {
        workers,
        bucket_size,
        service_idle: service(&idle),
        service_busy: service(busy),
        service_variation: (deviation / service(&idle)).powi(2),
        overhead: (seconds(idle.latency_ns.message.inner().mean()) - service(&idle)).max(0.0),
        capacity: busy.messages as f64 / busy.seconds,
        congestion: 1.0,
    };
    let load = Load { rate: BETWEEN * busy.rows_per_second, arrivals: Arrivals::Poisson, burst };
    let wait = |report: Report| seconds(report.latency_ns.message.inner().mean()) - service(&report);
    let waits = (0..5).map(|_| Ok(wait(run(load, 1.0)?))).collect::<Result<Vec<f64>, runtime::Error>>()?;
    let behaviour = behaviour.calibrated(&demand(&load, bucket_size, Duration::MAX), median(waits));
    Ok((behaviour, (fast.rows_per_second - slow.rows_per_second) / busy.rows_per_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression: generated rows went to where the tables of the file go.
    #[test]
    fn a_trial_leaves_nothing_where_results_go() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let text = "schema = \"davis\"\nsource.url = \"-\"\nsink.url = \"out.csv\"\ndead_letter.url = \"dead.ndjson\"\n\
                    [[table]]\nname = \"t\"\nkey = [\"usUnits\"]\ncolumns = [\"outTemp\"]\nsink = { url = \"t.csv\" }\n";
        std::fs::write(at("t.toml"), text).unwrap();
        let registry = Registry::builtin();
        let flow = TrialDataflow { file: Some(at("t.toml")), overrides: Vec::new(), registry };
        let load = Load { rate: 1000.0, arrivals: Arrivals::Uniform, burst: 10 };
        let trial = Trial { workers: 1, bucket_size: 10, load, duration: Duration::from_millis(200) };
        assert!(trial.run(&flow).unwrap().rows_in > 0);
        let left = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 1, "the dataflow file alone");
    }
}
