//! `rowmill batch`: runs many dataflow files in one process.

use std::path::PathBuf;
use std::process::ExitCode;

use indicatif::ProgressIterator;

use super::{Failure, signals, stuck};
use crate::config::Dataflow;
use crate::registry::Registry;
use crate::runtime::{self, Cluster, Options};

/// Run dataflow files one after the other, on one worker; one that fails does not stop the others.
#[derive(clap::Args)]
pub struct BatchArguments {
    /// The dataflow files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Replace results of earlier runs.
    #[arg(long)]
    fresh: bool,
}

pub fn run(arguments: &BatchArguments, registry: &Registry) -> Result<ExitCode, Failure> {
    let stop = signals::stop_on_signals()?;
    let options = Options {
        stop: stop.clone(),
        fresh: arguments.fresh,
        drain_timeout: Some(runtime::DRAIN_TIMEOUT),
        on_stuck: Some(stuck::exits()),
        ..Options::new(Cluster::threads(1))
    };
    let mut worst = 0;
    for file in arguments.files.iter().progress().take_while(|_| !stop.is_set()) {
        let ran = Dataflow::read(file, &[], registry).map_err(Failure::from);
        if let Err(failure) = ran.and_then(|dataflow| Ok(runtime::run(dataflow, options.clone())?)) {
            eprintln!("{}: {failure}", file.display());
            worst = worst.max(failure.code());
        }
    }
    Ok(ExitCode::from(worst))
}
