//! A sweep: every case several times, in shuffled order, each repeat in a process of its own.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use indicatif::{ProgressBar, ProgressStyle};
use itertools::iproduct;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rustix::process::{Pid, Signal, kill_process};

use super::case::{Case, Host, Measurement, RAW, Transport};
use super::feed::Feed;
use super::peer::{Comparison, PEERS, PeerCommand};
use super::program::program;
use super::{lines, page};
use crate::config::Override;
use crate::measure::WrittenReport;
use crate::mqtt;
use crate::proc;

/// The parameters of a sweep.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The dataflow file.
    pub dataflow: PathBuf,
    /// What is put over its values.
    pub overrides: Vec<Override>,
    /// The cases that are measured.
    pub cases: Vec<Case>,
    /// Peers that are measured on the same rows, at the same bucket sizes.
    pub peers: Vec<PeerCommand>,
    /// How long a repeat of a peer may take.
    pub peer_time: Duration,
    /// Repeats of each case and peer.
    pub repeats: usize,
    /// Where rows come from.
    pub rows: RowOrigin,
    /// A repeat that takes longer is stopped, and counts; over MQTT, where rows do not end, every one is.
    pub time: Duration,
    /// Where rows are published; an embedded broker for each repeat if not given.
    pub broker: Option<mqtt::MqttUrl>,
    /// The directory of `raw.csv` and all other results; what it already holds is not measured again.
    pub directory: PathBuf,
}

/// Where rows come from.
#[derive(Clone, Debug)]
pub enum RowOrigin {
    /// Those of a file.
    File(PathBuf),
    /// This many generated ones.
    Generated(u64),
}

/// What a repeat measures.
#[derive(Clone, Copy)]
enum Job<'a> {
    Case(&'a Case),
    Peer(&'a PeerCommand, usize),
}

impl Sweep {
    /// Measures what is missing, then writes the summary and the report.
    ///
    /// # Errors
    /// A run that fails, or files that can't be written.
    pub fn run(&self) -> Result<(), String> {
        fs::create_dir_all(&self.directory).map_err(|error| format!("{}: {error}", self.directory.display()))?;
        let mut left = self.left()?;
        // Shuffled, so that drift of the machine is not taken for an effect of a case.
        left.shuffle(&mut ChaCha8Rng::seed_from_u64(0));
        let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
        let source = self.source(scratch.path())?;
        let machine = Host::look();
        if let Some(case) = self.cases.first().filter(|_| !left.is_empty()) {
            self.repeat(case, &source, &scratch.path().join("warm-up"))?;
        }
        let bar = ProgressBar::new(left.len() as u64);
        let style = ProgressStyle::with_template("{bar:30} {pos} of {len}, {eta} left: {msg}");
        bar.set_style(style.expect("a constant template"));
        for (job, repeat) in left {
            bar.set_message(job.shown());
            match job {
                Job::Case(case) => {
                    let directory = self.directory.join("reports").join(case.directory(repeat));
                    let cpu_seconds = self.repeat(case, &source, &directory)?;
                    let measurement = read_report(&directory, case, repeat, &machine, &self.rows, cpu_seconds)?;
                    lines::append(&self.raw(), &measurement)?;
                }
                Job::Peer(peer, bucket_size) => {
                    // Other languages may have only signed integers.
                    let rows = self.rows.count().unwrap_or(i64::MAX as u64);
                    let line = peer.run(&source, bucket_size, rows, self.peer_time, repeat)?;
                    lines::append(&self.compared(), &line)?;
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        page::write(&self.directory)
    }

    fn raw(&self) -> PathBuf {
        self.directory.join(RAW)
    }

    fn compared(&self) -> PathBuf {
        self.directory.join(PEERS)
    }

    /// The repeats that are not measured yet.
    fn left(&self) -> Result<Vec<(Job<'_>, usize)>, String> {
        let measured: Vec<Measurement> = lines::read(&self.raw())?;
        let compared: Vec<Comparison> = lines::read(&self.compared())?;
        let measured: HashSet<(Case, usize)> = measured.iter().map(|line| (line.case(), line.repeat)).collect();
        let compared: HashSet<(&str, usize, usize)> =
            compared.iter().map(|line| (line.peer.as_str(), line.bucket_size, line.repeat)).collect();
        let sizes: BTreeSet<usize> = self.cases.iter().map(|case| case.bucket_size).collect();
        let cases = self.cases.iter().map(Job::Case);
        let peers = iproduct!(&self.peers, &sizes).map(|(peer, size)| Job::Peer(peer, *size));
        let jobs: Vec<Job<'_>> = cases.chain(peers).collect();
        let is_left = |job: &Job<'_>, repeat: usize| match job {
            Job::Case(case) => !measured.contains(&((*case).clone(), repeat)),
            Job::Peer(peer, size) => !compared.contains(&(&peer.name, *size, repeat)),
        };
        let all = iproduct!(jobs, 0..self.repeats);
        Ok(all.filter(|(job, repeat)| is_left(job, *repeat)).collect())
    }

    /// The file that rows are read from; they are generated once, for that takes longer than a run.
    fn source(&self, scratch: &Path) -> Result<PathBuf, String> {
        let count = match &self.rows {
            RowOrigin::File(path) => return Ok(path.clone()),
            RowOrigin::Generated(count) => *count,
        };
        let path = scratch.join("rows.ndjson");
        let mut generate = program()?;
        generate.args(["generate", "--rows", &count.to_string(), "--seed", "1", "-o"]).arg(&path);
        let output = generate.output().map_err(|error| format!("rows cannot be generated: {error}"))?;
        if output.status.success() { Ok(path) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    /// Runs a case once; returns the CPU seconds of its processes.
    fn repeat(&self, case: &Case, source: &Path, report: &Path) -> Result<f64, String> {
        let feed = match case.over {
            Transport::File => None,
            Transport::Mqtt => Some(Feed::start(source, self.broker.as_ref())?),
        };
        let source = feed.as_ref().map_or_else(|| source.display().to_string(), |feed| feed.url.to_string());
        let before = proc::children_cpu_seconds();
        let mut command = program()?;
        command.arg("run").arg(&self.dataflow).args(["--source", &source]).arg("--report").arg(report);
        command.args(["--sink", "null", "--dead-letter", "null", "--quiet"]);
        command.args(self.overrides.iter().flat_map(|set| ["--set".to_owned(), format!("{}={}", set.key, set.value)]));
        command.args(["--bucket-size", &case.bucket_size.to_string(), "--placement", &case.placement.to_string()]);
        command.args(["-n", &case.processes.to_string(), "-w", &case.workers.to_string()]);
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("a run cannot be started: {error}"))?;
        let since = Instant::now();
        let mut told = false;
        while child.try_wait().map_err(|error| error.to_string())?.is_none() {
            if !told && since.elapsed() > self.time {
                // It drains, and writes its report.
                let pid = Pid::from_child(&child);
                kill_process(pid, Signal::TERM).map_err(|error| error.to_string())?;
                told = true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(format!("{}: {said}", Job::Case(case).shown()));
        }
        let cpu_seconds = proc::children_cpu_seconds() - before;
        feed.map_or(Ok(()), Feed::end)?;
        Ok(cpu_seconds)
    }
}

impl Job<'_> {
    fn shown(&self) -> String {
        match self {
            Job::Case(case) => format!("{}, {} rows a message", case.setting(), case.bucket_size),
            Job::Peer(peer, bucket_size) => format!("{}, {bucket_size} rows a message", peer.name),
        }
    }
}

impl RowOrigin {
    /// The number of rows, if it is known.
    fn count(&self) -> Option<u64> {
        match self {
            RowOrigin::File(_) => None,
            RowOrigin::Generated(count) => Some(*count),
        }
    }
}

fn read_report(
    directory: &Path,
    case: &Case,
    repeat: usize,
    machine: &Host,
    rows: &RowOrigin,
    cpu_seconds: f64,
) -> Result<Measurement, String> {
    let report = WrittenReport::read(directory)?;
    let number = |pointer: &str| report.number(pointer);
    Ok(Measurement {
        commit: machine.commit.clone(),
        date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string()[..10].to_owned(),
        version: env!("CARGO_PKG_VERSION").into(),
        cpu: machine.cpu.clone(),
        cores: machine.cores,
        source: match rows {
            RowOrigin::File(path) => path.display().to_string(),
            RowOrigin::Generated(count) => format!("generated:rows={count},seed=1"),
        },
        over: case.over,
        placement: case.placement,
        processes: case.processes,
        workers: case.workers,
        bucket_size: case.bucket_size,
        repeat,
        rows: number("/rows_in")? as u64,
        messages: number("/messages")? as u64,
        seconds: number("/seconds")?,
        rows_per_second: number("/rows_per_second")?,
        service_message_mean: number("/service_ns/message/mean")?,
        service_message_p50: number("/service_ns/message/p50")?,
        service_message_p99: number("/service_ns/message/p99")?,
        service_row_mean: number("/service_ns/row/mean")?,
        service_row_p50: number("/service_ns/row/p50")?,
        service_row_p99: number("/service_ns/row/p99")?,
        latency_message_mean: number("/latency_ns/message/mean")?,
        latency_message_p50: number("/latency_ns/message/p50")?,
        latency_message_p99: number("/latency_ns/message/p99")?,
        latency_message_p999: number("/latency_ns/message/p999")?,
        latency_row_mean: number("/latency_ns/row/mean")?,
        latency_row_p50: number("/latency_ns/row/p50")?,
        latency_row_p99: number("/latency_ns/row/p99")?,
        latency_row_p999: number("/latency_ns/row/p999")?,
        rho: number("/rho")?,
        peak_memory_bytes: number("/peak_memory_bytes")? as u64,
        cpu_seconds,
    })
}
