//! `rowmill bench`: scaling curves that anyone can repeat.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;

use super::{Failure, claim};
use crate::bench::{
    Case, CheckedLoad, LoadPoint, LoadSweep, Part, PeerCommand, PlannerCheck, RowOrigin, Sweep, Transport, scale_cases,
    scale_report, write_latency, write_page,
};
use crate::config::{Dataflow, Override, Placement};
use crate::measure::shown;
use crate::planner::TrialDataflow;
use crate::proc;
use crate::registry::Registry;
use crate::source::Arrivals;

/// Measure how a dataflow scales.
#[derive(clap::Args)]
pub struct BenchArguments {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(clap::Subcommand)]
enum BenchCommand {
    Sweep(Box<SweepArguments>),
    Scale(ScaleArguments),
    Latency(LatencyArguments),
    Planner(PlannerArguments),
    Alone(AloneArguments),
}

/// Run a dataflow with every combination of bucket size, workers, processes, placement, and file or MQTT.
///
/// Writes raw.csv (a line a repeat), peers.csv, reports/ (report.json and .hlog files a repeat), summary.md, report.html
/// and its pictures. A sweep that was interrupted goes on where it was, if it is started again with the same -o. What
/// `bench latency -o` has put there stands in the report, too.
#[derive(clap::Args)]
struct SweepArguments {
    /// The dataflow file, such as dataflows/weather.toml.
    file: PathBuf,
    /// Rows a message.
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1,10,100,1000,10000", value_parser = positive)]
    bucket_sizes: Vec<usize>,
    /// Worker threads a process.
    #[arg(short, long, value_name = "N,...", value_delimiter = ',', default_value = "1,2", value_parser = positive)]
    workers: Vec<usize>,
    /// Processes.
    #[arg(short = 'n', long, value_name = "N,...", value_delimiter = ',', default_value = "1", value_parser = positive)]
    processes: Vec<usize>,
    /// Where subtasks run.
    #[arg(long, value_enum, value_name = "P,...", value_delimiter = ',', default_value = "message")]
    placement: Vec<Placement>,
    /// What rows come over: the file itself, or a broker to which its first rows are published again and again.
    #[arg(long, value_enum, value_name = "O,...", value_delimiter = ',', default_value = "file")]
    over: Vec<Transport>,
    /// The broker and topic for --over mqtt; an embedded broker if not given.
    #[arg(long, value_name = "URL")]
    broker: Option<crate::mqtt::MqttUrl>,
    /// Also run parts alone: the chain as a plain loop in one thread, parsing, and broker and client.
    #[arg(long)]
    baselines: bool,
    /// Also run this program, given INPUT BUCKET_SIZE ROWS SECONDS; bench/peers has some. May be repeated.
    #[arg(long, value_name = "NAME=COMMAND")]
    peer: Vec<PeerCommand>,
    /// How long a repeat of a peer or baseline may take.
    #[arg(long, value_name = "D", value_parser = super::duration, default_value = "10s")]
    peer_time: Duration,
    /// How often each case runs; medians count.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
    /// Rows from this file instead of generated ones.
    #[arg(long, value_name = "FILE", conflicts_with = "rows")]
    source: Option<PathBuf>,
    /// Generated rows a repeat.
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..))]
    rows: u64,
    /// End a repeat that takes longer; the rows it has done count.
    #[arg(long, value_name = "D", value_parser = super::duration, default_value = "10s")]
    time: Duration,
    /// Where to put it; runs/DATE-HOST if not given.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Measure 1 to 4 processes, and tell what more machines would bring.
///
/// A model of what a row and a message cost, measured here; it says where the first worker, the network or the broker
/// saturates, and stands beside what was measured. Writes scale.md beside what a sweep writes.
#[derive(clap::Args)]
struct ScaleArguments {
    /// The dataflow file, such as dataflows/weather.toml.
    file: PathBuf,
    /// Rows a message.
    #[arg(long, value_name = "N", default_value = "100", value_parser = positive)]
    bucket_size: usize,
    /// Generated rows a repeat.
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..))]
    rows: u64,
    /// How often each number of processes runs; medians count.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
    /// How long a repeat of a part alone may take.
    #[arg(long, value_name = "D", value_parser = super::duration, default_value = "10s")]
    peer_time: Duration,
    /// Megabits a second of the first machine's link.
    #[arg(long, value_name = "N", default_value = "1000", value_parser = positive)]
    link: usize,
    /// Where to put it; runs/DATE-HOST if not given.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Offer rows at growing rates, and find the highest that holds a bound on latency.
///
/// Rows are offered on a schedule, whatever becomes of the ones before: latency counts from when a row was due.
#[derive(clap::Args)]
struct LatencyArguments {
    /// The dataflow file; dataflows/weather.toml if not given.
    file: Option<PathBuf>,
    /// The latency that 99 of 100 rows must stay under.
    #[arg(long, value_name = "D", value_parser = super::duration, default_value = "50ms")]
    p99: Duration,
    /// Rows a message; that of the dataflow if not given.
    #[arg(long, value_name = "N")]
    bucket_size: Option<u64>,
    /// Worker threads.
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: u16,
    /// How the times between arrivals vary.
    #[arg(long, value_enum, default_value_t = Arrivals::Poisson)]
    arrivals: Arrivals,
    /// Rows that arrive at the same time, such as those of one publish.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    burst: u64,
    /// How long each rate is held.
    #[arg(long, value_name = "D", value_parser = super::duration, default_value = "4s")]
    duration: Duration,
    /// Put the figures here, and make the report of this directory anew.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// Set what `plan` predicts beside what is measured, in many rounds.
///
/// A round holds each load once, in shuffled order, between two measurements of the dataflow. Medians of all rounds
/// count: a machine that becomes faster or slower meanwhile does not decide.
#[derive(clap::Args)]
struct PlannerArguments {
    /// The dataflow file; dataflows/weather.toml if not given.
    file: Option<PathBuf>,
    /// Worker threads.
    #[arg(short, long, value_name = "N,...", value_delimiter = ',', default_value = "1,2", value_parser = positive)]
    workers: Vec<usize>,
    /// Loads, as shares of the capacity.
    #[arg(long, value_name = "S,...", value_delimiter = ',', default_value = "0.3,0.6,0.8", value_parser = share)]
    loads: Vec<f64>,
    /// Rows a message, and rows that arrive at the same time.
    #[arg(long, value_name = "N", default_value = "100", value_parser = positive)]
    bucket_size: usize,
    /// How often each load is held.
    #[arg(long, value_name = "N", default_value = "7", value_parser = positive)]
    rounds: usize,
    /// How long each time.
    #[arg(long, value_name = "D", value_parser = super::duration, default_value = "3s")]
    duration: Duration,
}

/// Run one part of a dataflow alone, and print rows, messages, seconds and mean service time as JSON.
#[derive(clap::Args)]
struct AloneArguments {
    /// Which part.
    part: Part,
    /// The dataflow file.
    file: PathBuf,
    /// A file with rows.
    input: PathBuf,
    /// Rows a message.
    #[arg(value_parser = positive)]
    bucket_size: usize,
    /// How many rows, at most.
    rows: u64,
    /// How many seconds, at most.
    #[arg(value_parser = seconds)]
    seconds: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse().map_err(|_| format!("{text:?} is no number of seconds"))?;
    Duration::try_from_secs_f64(number).map_err(|error| error.to_string())
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..1.0).contains(share) && *share > 0.0);
    share.ok_or_else(|| format!("{text:?} is no share between 0 and 1"))
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("{text:?} is no whole number from 1"))
}

pub fn run(arguments: &BenchArguments, registry: &Registry) -> Result<ExitCode, Failure> {
    match &arguments.command {
        BenchCommand::Sweep(arguments) => sweep(arguments, registry),
        BenchCommand::Scale(arguments) => scale(arguments, registry),
        BenchCommand::Latency(arguments) => latency(arguments, registry),
        BenchCommand::Planner(arguments) => planner(arguments, registry),
        BenchCommand::Alone(arguments) => alone(arguments, registry),
    }
}

fn sweep(arguments: &SweepArguments, registry: &Registry) -> Result<ExitCode, Failure> {
    // What is wrong with the file is said before anything runs.
    let overrides = checked(&arguments.file, registry)?.tables_to_null("bench sweep");
    let directory = arguments.output.clone().unwrap_or_else(directory);
    let _claimed = claim::claim([("-o", Some(&*directory))])?;
    let SweepArguments { over, placement, processes, workers, bucket_sizes, .. } = arguments;
    let baselines = if arguments.baselines { baselines(&arguments.file)? } else { Vec::new() };
    let sweep = Sweep {
        dataflow: arguments.file.clone(),
        overrides,
        cases: Case::all(over, placement, processes, workers, bucket_sizes),
        peers: baselines.into_iter().chain(arguments.peer.iter().cloned()).collect(),
        peer_time: arguments.peer_time,
        broker: arguments.broker.clone(),
        repeats: arguments.repeats.into(),
        rows: arguments.source.clone().map_or(RowOrigin::Generated(arguments.rows), RowOrigin::File),
        time: arguments.time,
        directory: directory.clone(),
    };
    sweep.run().map_err(|reason| Failure::Failed(format!("bench sweep: {reason}")))?;
    super::print(&format!("{0}/report.html, {0}/summary.md, {0}/raw.csv", directory.display()));
    Ok(ExitCode::SUCCESS)
}

fn scale(arguments: &ScaleArguments, registry: &Registry) -> Result<ExitCode, Failure> {
    /// A repeat ends with its rows.
    const TIMEOUT: Duration = Duration::from_secs(3600);
    let overrides = checked(&arguments.file, registry)?.tables_to_null("bench scale");
    let directory = arguments.output.clone().unwrap_or_else(directory);
    let _claimed = claim::claim([("-o", Some(&*directory))])?;
    let sweep = Sweep {
        dataflow: arguments.file.clone(),
        overrides,
        cases: scale_cases(arguments.bucket_size),
        peers: baselines(&arguments.file)?,
        peer_time: arguments.peer_time,
        broker: None,
        repeats: arguments.repeats.into(),
        rows: RowOrigin::Generated(arguments.rows),
        time: TIMEOUT,
        directory: directory.clone(),
    };
    let megabit = 1e6 / 8.0;
    let report =
        sweep.run().and_then(|()| scale_report(&directory, arguments.bucket_size, arguments.link as f64 * megabit));
    super::print(report.map_err(|reason| Failure::Failed(format!("bench scale: {reason}")))?.trim_end());
    Ok(ExitCode::SUCCESS)
}

/// The dataflow of a file. Refuses one that is not valid, and one whose rows would not all come from the file or topic that
/// is measured.
fn checked(file: &std::path::Path, registry: &Registry) -> Result<Dataflow, Failure> {
    let dataflow = Dataflow::read(file, &[], registry)?;
    if dataflow.has_several_sources() {
        return Err(Failure::Wrong(format!(
            "error: {}: rows of one file or topic are measured, and it has several sources: give a file with one [source] \
             (bench latency, bench planner and plan measure several)",
            file.display()
        )));
    }
    Ok(dataflow)
}

/// The parts of a dataflow as peers: this program, once more.
fn baselines(file: &std::path::Path) -> Result<Vec<PeerCommand>, Failure> {
    let program = std::env::current_exe().map_err(|error| Failure::Failed(error.to_string()))?;
    let command = |part: Part| {
        let value = part.to_possible_value().expect("no part is hidden");
        let arguments = ["bench", "alone", value.get_name()].map(str::to_owned);
        let program = [program.display().to_string()].into_iter();
        program.chain(arguments).chain([file.display().to_string()]).collect()
    };
    Ok(Part::ALL.map(|part| PeerCommand { name: part.name().into(), command: command(part) }).to_vec())
}

fn alone(arguments: &AloneArguments, registry: &Registry) -> Result<ExitCode, Failure> {
    let AloneArguments { part, file, input, bucket_size, rows, seconds } = arguments;
    checked(file, registry)?;
    let flow = TrialDataflow { file: Some(file.clone()), overrides: Vec::new(), registry: registry.clone() };
    let told = part.run(&flow, input, *bucket_size, *rows, *seconds)?;
    super::print(&serde_json::to_string(&told).map_err(|error| Failure::Failed(error.to_string()))?);
    Ok(ExitCode::SUCCESS)
}

fn latency(arguments: &LatencyArguments, registry: &Registry) -> Result<ExitCode, Failure> {
    let size = arguments.bucket_size.map(|size| Override::number("--bucket-size", "buffer.bucket_size", size));
    let flow = TrialDataflow {
        file: arguments.file.clone(),
        overrides: size.into_iter().collect(),
        registry: registry.clone(),
    };
    let limits = flow.read([])?.limits();
    let _claimed = claim::claim([("-o", arguments.output.as_deref())])?;
    let load_sweep = LoadSweep {
        flow,
        workers: arguments.workers.into(),
        bucket_size: limits.bucket_size,
        delay: limits.delay,
        arrivals: arguments.arrivals,
        burst: arguments.burst,
        duration: arguments.duration,
    };
    super::print(&format!("{:>12}{:>12}{:>8}{:>12}{:>12}{:>12}", "offered", "served", "rho", "p50", "p99", "p99.9"));
    let show = |point: &LoadPoint| {
        let [p50, p99, p999] =
            [point.latency_row_p50, point.latency_row_p99, point.latency_row_p999].map(|latency| shown(latency as f64));
        super::print(&format!(
            "{:>12.0}{:>12.0}{:>8.3}{p50:>12}{p99:>12}{p999:>12}",
            point.rate, point.served, point.rho
        ));
    };
    let points = load_sweep.climb(arguments.p99, show)?;
    let broken = points.iter().position(|point| !point.holds(arguments.p99)).unwrap_or(points.len());
    let bound = humantime::format_duration(arguments.p99);
    super::print(&match broken.checked_sub(1).map(|highest| points[highest].rate) {
        Some(rate) => format!("{rate:.0} rows/s hold a p99 of {bound}"),
        None => format!("no rate holds a p99 of {bound}"),
    });
    if let Some(directory) = &arguments.output {
        write_latency(directory, &points).and_then(|()| write_page(directory)).map_err(Failure::Failed)?;
    }
    Ok(if broken > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn planner(arguments: &PlannerArguments, registry: &Registry) -> Result<ExitCode, Failure> {
    let flow = TrialDataflow { file: arguments.file.clone(), overrides: Vec::new(), registry: registry.clone() };
    let delay = flow.read([])?.limits().delay;
    super::print(
        "| -w | load | rounds | rows/s | rho, predicted | measured | off by | mean wait, predicted | measured | off by |",
    );
    super::print("|---|---|---|---|---|---|---|---|---|---|");
    for workers in &arguments.workers {
        let planner_check = PlannerCheck {
            flow: flow.clone(),
            workers: *workers,
            bucket_size: arguments.bucket_size,
            delay,
            burst: arguments.bucket_size as u64,
            shares: arguments.loads.clone(),
            rounds: arguments.rounds,
            duration: arguments.duration,
        };
        let rounds = arguments.rounds;
        let compared = planner_check.compare(|round| eprint!("\r-w {workers}: round {} of {rounds} ", round + 1))?;
        eprintln!();
        compared.iter().for_each(|compared| super::print(&beside(*workers, compared)));
    }
    Ok(ExitCode::SUCCESS)
}

/// A line of the table.
fn beside(workers: usize, CheckedLoad { share, rounds, rate, rho, mean_wait }: &CheckedLoad) -> String {
    let off = |ratio: f64| format!("{:+.0} %", 100.0 * (ratio - 1.0));
    let time = |seconds: f64| shown(seconds * 1e9);
    format!(
        "| {workers} | {share} | {rounds} | {rate:.0} | {:.3} | {:.3} | {} | {} | {} | {} |",
        rho.predicted,
        rho.measured,
        off(rho.ratio),
        time(mean_wait.predicted),
        time(mean_wait.measured),
        off(mean_wait.ratio)
    )
}

fn directory() -> PathBuf {
    let host = proc::host().unwrap_or_else(|| "host".into());
    let now = jiff::Zoned::now().strftime("%Y-%m-%dT%H%M%S").to_string();
    PathBuf::from("runs").join(format!("{now}-{host}"))
}
