//! `rowmill reload`: a run that goes on reads its files of fitted params again.

use std::path::PathBuf;
use std::process::ExitCode;

use rustix::process::test_kill_process;

use super::rescale::RunIdentity;
use super::{Failure, print};
use crate::runtime::ReloadRequest;

/// Serve a running dataflow with the fitted params that its files hold now.
///
/// All steps, workers and processes change at one message, and no row is served by both. Files that cannot be read or do
/// not fit are refused, and what was there before goes on. With `reload = true` in the dataflow file, a run does so by
/// itself.
#[derive(clap::Args)]
pub struct ReloadArguments {
    /// The directory that the run was given with --live.
    #[arg(long, value_name = "DIR")]
    live: PathBuf,
}

pub fn run(arguments: &ReloadArguments) -> Result<ExitCode, Failure> {
    let live = &arguments.live;
    let failed = |reason: String| Failure::Failed(format!("--live {}: {reason}", live.display()));
    let (identity, pid) = RunIdentity::of_running(live).map_err(failed)?;
    if !identity.has_params() {
        return Err(failed("its dataflow has no step with `params`".into()));
    }
    let request = ReloadRequest::ask(live).map_err(|error| failed(error.to_string()))?;
    match request.wait(live, || test_kill_process(pid).is_ok()) {
        Some(Ok(served)) if served.is_empty() => print("no file of params has changed"),
        Some(Ok(served)) => served.iter().for_each(|model| print(&model.to_string())),
        Some(Err(reason)) => return Err(failed(format!("the old params go on: {reason}"))),
        None => {
            let _ = ReloadRequest::take(live);
            return Err(failed("the run has ended".into()));
        }
    }
    Ok(ExitCode::SUCCESS)
}
