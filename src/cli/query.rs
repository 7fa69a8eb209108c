//! `rowmill query`: a table of a running dataflow, as of its last complete epoch.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use super::{Failure, print};
use crate::runtime::query::{self, SnapshotFormat, TableQuery};

/// Show a table of a running dataflow.
///
/// The table is as of the last epoch that is complete on all workers; its number stands in the column `message`.
#[derive(clap::Args)]
pub struct QueryArguments {
    /// The directory that the run was given with --live.
    #[arg(long, value_name = "DIR")]
    live: PathBuf,
    /// The table's name; all names if not given.
    table: Option<String>,
    /// Only so many lines: those of the newest windows.
    #[arg(long, value_name = "N")]
    newest: Option<usize>,
    #[arg(long, value_enum, default_value_t = SnapshotFormat::Json)]
    format: SnapshotFormat,
    /// Write it into this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(arguments: &QueryArguments) -> Result<ExitCode, Failure> {
    let Some(table) = &arguments.table else {
        print(&query::names(&arguments.live).map_err(Failure::Failed)?.join("\n"));
        return Ok(ExitCode::SUCCESS);
    };
    let question = TableQuery { table: table.clone(), format: arguments.format, newest: arguments.newest };
    let snapshot = query::snapshot(&arguments.live, &question).map_err(Failure::Failed)?;
    match &arguments.output {
        // A closed pipe is no error.
        None => drop(std::io::stdout().write_all(&snapshot.bytes)),
        Some(path) => std::fs::write(path, &snapshot.bytes)
            .map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))?,
    }
    Ok(ExitCode::SUCCESS)
}
