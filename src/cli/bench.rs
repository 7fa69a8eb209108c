//! `rowmill bench`: scaling curves that anyone can repeat.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::Failure;
use crate::bench::{Case, Rows, Sweep};
use crate::dataflow::{Dataflow, Placement};

/// Measure how a dataflow scales.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Sweep(SweepArguments),
}

/// Run a dataflow over a file with every combination of bucket size, workers, processes and placement.
///
/// Writes raw.csv (a line a repeat), reports/ (report.json and .hlog files a repeat), summary.md, report.html and its
/// pictures. A sweep that was interrupted goes on where it was, if it is started again with the same -o.
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

fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("{text:?} is no whole number from 1"))
}

pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.command {
        Command::Sweep(arguments) => sweep(arguments),
    }
}

fn sweep(arguments: &SweepArguments) -> Result<ExitCode, Failure> {
    // What is wrong with the file is said before anything runs.
    Dataflow::read(&arguments.file, &[])?;
    let directory = arguments.output.clone().unwrap_or_else(directory);
    let SweepArguments { placement, processes, workers, bucket_sizes, .. } = arguments;
    let sweep = Sweep {
        dataflow: arguments.file.clone(),
        cases: Case::all(placement, processes, workers, bucket_sizes),
        repeats: arguments.repeats.into(),
        rows: arguments.source.clone().map_or(Rows::Generated(arguments.rows), Rows::File),
        time: arguments.time,
        directory: directory.clone(),
    };
    sweep.run().map_err(|reason| Failure::Failed(format!("bench sweep: {reason}")))?;
    super::print(&format!("{0}/report.html, {0}/summary.md, {0}/raw.csv", directory.display()));
    Ok(ExitCode::SUCCESS)
}

fn directory() -> PathBuf {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "host".into());
    let now = jiff::Zoned::now().strftime("%Y-%m-%dT%H%M%S").to_string();
    PathBuf::from("runs").join(format!("{now}-{}", host.trim()))
}
