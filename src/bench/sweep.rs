//! A sweep: every case several times, in shuffled order, each repeat a run of its own.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rustix::process::{Pid, Signal, kill_process};

use super::case::{self, Case, Machine, Measurement};
use super::page;
use crate::measure::WrittenReport;

/// What to sweep, and how long.
#[derive(Clone, Debug)]
pub struct Sweep {
    pub dataflow: PathBuf,
    pub cases: Vec<Case>,
    pub repeats: usize,
    /// The rows of a file, or so many generated ones.
    pub rows: Rows,
    /// A repeat that takes longer is ended; what it has done counts.
    pub time: Duration,
    /// Where `raw.csv` and all else goes; what is there already is not measured again.
    pub directory: PathBuf,
}

/// Where rows come from.
#[derive(Clone, Debug)]
pub enum Rows {
    File(PathBuf),
    Generated(u64),
}

impl Sweep {
    /// Runs what is not there yet, then writes the summary and the report.
    ///
    /// # Errors
    /// A run that fails, or files that can't be written.
    pub fn run(&self) -> Result<(), String> {
        fs::create_dir_all(&self.directory).map_err(|error| format!("{}: {error}", self.directory.display()))?;
        let raw = self.directory.join("raw.csv");
        let done: HashSet<(Case, usize)> = case::read(&raw)?.iter().map(|line| (line.case(), line.repeat)).collect();
        let mut left: Vec<(&Case, usize)> = (0..self.repeats)
            .flat_map(|repeat| self.cases.iter().map(move |case| (case, repeat)))
            .filter(|(case, repeat)| !done.contains(&((*case).clone(), *repeat)))
            .collect();
        // What a machine does over time must not look like what a case does.
        left.shuffle(&mut ChaCha8Rng::seed_from_u64(0));
        let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
        let source = self.source(scratch.path())?;
        let machine = Machine::look();
        if let Some((case, _)) = left.first() {
            self.repeat(case, &source, &scratch.path().join("warm-up"))?;
        }
        let bar = ProgressBar::new(left.len() as u64);
        let style = ProgressStyle::with_template("{bar:30} {pos} of {len}, {eta} left: {msg}");
        bar.set_style(style.expect("a constant template"));
        for (case, repeat) in left {
            bar.set_message(format!("{}, {} rows a message", case.setting(), case.bucket_size));
            let directory = self.directory.join("reports").join(case.directory(repeat));
            let cpu_seconds = self.repeat(case, &source, &directory)?;
            let measurement = read_report(&directory, case, repeat, &machine, &self.rows, cpu_seconds)?;
            case::append(&raw, &measurement)?;
            bar.inc(1);
        }
        bar.finish_and_clear();
        page::write(&self.directory, &case::read(&raw)?)
    }

    /// The file that rows are read from: generating them takes longer than serving them.
    fn source(&self, scratch: &Path) -> Result<PathBuf, String> {
        let count = match &self.rows {
            Rows::File(path) => return Ok(path.clone()),
            Rows::Generated(count) => *count,
        };
        let path = scratch.join("rows.ndjson");
        let mut generate = program()?;
        generate.args(["generate", "--rows", &count.to_string(), "--seed", "1", "-o"]).arg(&path);
        let output = generate.output().map_err(|error| format!("rows cannot be generated: {error}"))?;
        if output.status.success() { Ok(path) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    /// One run; the CPU seconds of its processes.
    fn repeat(&self, case: &Case, source: &Path, report: &Path) -> Result<f64, String> {
        let before = children_cpu_seconds();
        let mut command = program()?;
        command.arg("run").arg(&self.dataflow).arg("--source").arg(source).arg("--report").arg(report);
        command.args(["--sink", "null", "--dead-letter", "null", "--quiet"]);
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
                // It finishes what is in flight, and reports.
                let pid = Pid::from_child(&child);
                kill_process(pid, Signal::TERM).map_err(|error| error.to_string())?;
                told = true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(format!("{}, {} rows a message: {said}", case.setting(), case.bucket_size));
        }
        Ok(children_cpu_seconds() - before)
    }
}

/// This program, for a run of its own.
fn program() -> Result<Command, String> {
    std::env::current_exe().map(Command::new).map_err(|error| error.to_string())
}

/// CPU seconds of all children that have ended, and theirs; 0 where Linux's `/proc` is not there.
fn children_cpu_seconds() -> f64 {
    /// Linux's USER_HZ is 100 on every machine that Rust runs on.
    const TICKS: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name before may hold spaces; cutime and cstime are fields 16 and 17.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks = fields.split(' ').skip(13).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS
}

fn read_report(
    directory: &Path,
    case: &Case,
    repeat: usize,
    machine: &Machine,
    rows: &Rows,
    cpu_seconds: f64,
) -> Result<Measurement, String> {
    let report = WrittenReport::read(directory)?;
    let number = |pointer: &str| report.number(pointer);
    Ok(Measurement {
        commit: machine.commit.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        cpu: machine.cpu.clone(),
        cores: machine.cores,
        source: match rows {
            Rows::File(path) => path.display().to_string(),
            Rows::Generated(count) => format!("generated:rows={count},seed=1"),
        },
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
