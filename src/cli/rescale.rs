//! `rowmill rescale`: other numbers of workers and processes for a run that goes on. The run drains, replaces itself by
//! the same program with the new numbers under the same process id, and goes on from its checkpoint.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Failure, launcher, print};
use crate::config::Dataflow;
use crate::disk;
use crate::measure::now_ms;

/// How often the directory is looked at for the answer.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(10);

/// The variable that gives a run its new numbers, and when it was drained.
const RESCALED: &str = "ROWMILL_RESCALED";

/// Change the workers and processes of a running dataflow.
///
/// The run drains, starts again with the new numbers under the same process id, and goes on from its checkpoint. What
/// the broker gets meanwhile waits in the session: give the source one (`session = true`), or it is lost.
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("numbers").required(true).multiple(true).args(["workers", "processes"])))]
pub struct RescaleArguments {
    /// The directory that the run was given with --live.
    #[arg(long, value_name = "DIR")]
    live: PathBuf,
    /// Worker threads a process from now on.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,
    /// Processes from now on, on this machine.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    processes: Option<u16>,
}

/// What a run tells of itself in the directory of its status.
#[derive(Debug, Serialize, Deserialize)]
pub struct RunIdentity {
    pid: u32,
    workers: u16,
    processes: u16,
    /// Why it can't be rescaled, if it can't.
    refusal: Option<String>,
    /// Whether the source keeps what comes while nothing is read.
    keeps: bool,
    /// Whether it has fitted params, which can be read again.
    #[serde(default)]
    has_params: bool,
}

impl RunIdentity {
    const FILE: &'static str = "identity.json";

    /// Of this process, which runs a dataflow with these numbers; `of_several` hosts if it is one of those.
    pub fn new(dataflow: &Dataflow, workers: u16, processes: u16, of_several: bool) -> RunIdentity {
        let refusal = if of_several {
            Some("it is one of several that were started with -p: end all, and start them with other numbers")
        } else if dataflow.sources.iter().any(|source| !source.settings.is_live()) && dataflow.checkpoint().is_none() {
            Some("its source is read to an end, and would be read again from its beginning")
        } else {
            None
        };
        let (refusal, keeps) = (refusal.map(str::to_owned), dataflow.is_persistent());
        let has_params = !dataflow.params().is_empty();
        RunIdentity { pid: std::process::id(), workers, processes, refusal, keeps, has_params }
    }

    /// Of the run whose status is in this directory, with its process id.
    ///
    /// # Errors
    /// In words: no run was started with it, or it has ended.
    pub(super) fn of_running(live: &Path) -> Result<(RunIdentity, Pid), String> {
        let identity: RunIdentity =
            read(&live.join(RunIdentity::FILE)).map_err(|error| format!("no run was started with it: {error}"))?;
        let pid = Pid::from_raw(identity.pid.cast_signed()).filter(|pid| is_running(live, *pid));
        Ok((identity, pid.ok_or("its run has ended")?))
    }

    /// Whether the run has fitted params, which can be read again.
    pub(super) fn has_params(&self) -> bool {
        self.has_params
    }

    /// Writes it into the directory of the run's status.
    ///
    /// # Errors
    /// A directory that can't be written to.
    pub fn write(&self, live: &Path) -> io::Result<()> {
        disk::replace_json(&live.join(RunIdentity::FILE), self)
    }
}

/// The numbers that a run is to go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RescaleRequest {
    pub workers: u16,
    pub processes: u16,
}

impl RescaleRequest {
    const FILE: &'static str = "rescale.json";

    /// Takes the request in a directory, if there is one.
    pub fn take(live: &Path) -> Option<RescaleRequest> {
        let path = live.join(RescaleRequest::FILE);
        let request = read(&path).ok();
        let _ = std::fs::remove_file(&path);
        request
    }

    /// Replaces this process by the same program with these numbers; returns only if that fails.
    pub fn start_again(self) -> Failure {
        let RescaleRequest { workers, processes } = self;
        let program = std::env::current_exe();
        let failed = |error: io::Error| Failure::Failed(format!("the run cannot be started again: {error}"));
        let Ok(program) = program else { return Failure::Failed("the run cannot find its own program".into()) };
        let mut command = Command::new(program);
        command.args(launcher::arguments().into_iter().skip(1));
        command.env(RESCALED, format!("{workers} {processes} {}", now_ms()));
        failed(command.exec())
    }
}

/// That this run goes on for one that was drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rescaled {
    pub workers: u16,
    pub processes: u16,
    drained_ms: u64,
}

impl Rescaled {
    /// What the run before has left in the environment.
    pub fn of_environment() -> Option<Rescaled> {
        Rescaled::parse(&std::env::var(RESCALED).ok()?)
    }

    fn parse(text: &str) -> Option<Rescaled> {
        let numbers = text.split(' ').map(str::parse::<u64>).collect::<Result<Vec<_>, _>>().ok()?;
        let [workers, processes, drained_ms] = numbers[..] else { return None };
        let (workers, processes) = (u16::try_from(workers).ok()?, u16::try_from(processes).ok()?);
        Some(Rescaled { workers, processes, drained_ms })
    }

    /// Says in the directory of the run's status that rows are read again.
    ///
    /// # Errors
    /// A directory that can't be written to.
    pub fn tell(self, live: &Path) -> io::Result<()> {
        let Rescaled { workers, processes, drained_ms } = self;
        let answer = RescaleAnswer { workers, processes, drained_ms, ready_ms: now_ms() };
        disk::replace_json(&live.join(RescaleAnswer::FILE), &answer)
    }
}

/// When a run was drained, and when it read rows again; milliseconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
struct RescaleAnswer {
    workers: u16,
    processes: u16,
    drained_ms: u64,
    ready_ms: u64,
}

impl RescaleAnswer {
    const FILE: &'static str = "rescaled.json";
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    serde_json::from_slice(&std::fs::read(path)?).map_err(io::Error::other)
}

pub fn run(arguments: &RescaleArguments) -> Result<ExitCode, Failure> {
    let live = &arguments.live;
    let failed = |reason: String| Failure::Failed(format!("--live {}: {reason}", live.display()));
    let (identity, pid) = RunIdentity::of_running(live).map_err(failed)?;
    if let Some(refusal) = identity.refusal {
        return Err(failed(format!("the run cannot be rescaled: {refusal}")));
    }
    let request = RescaleRequest {
        workers: arguments.workers.unwrap_or(identity.workers),
        processes: arguments.processes.unwrap_or(identity.processes),
    };
    if !identity.keeps {
        tracing::warn!("the source has no session: rows that come meanwhile are lost; session = true keeps them");
    }
    let answer = live.join(RescaleAnswer::FILE);
    if let Err(error) = std::fs::remove_file(&answer)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(failed(error.to_string()));
    }
    disk::replace_json(&live.join(RescaleRequest::FILE), &request).map_err(|error| failed(error.to_string()))?;
    let asked_ms = now_ms();
    kill_process(pid, Signal::TERM).map_err(|error| failed(error.to_string()))?;
    loop {
        if let Ok(RescaleAnswer { workers, processes, drained_ms, ready_ms }) = read(&answer) {
            let (drain, start) = (drained_ms.saturating_sub(asked_ms), ready_ms.saturating_sub(drained_ms));
            print(&format!(
                "-n {processes} -w {workers}: no row was served for at most {} ms ({drain} ms to drain, {start} ms to \
                 start again)",
                drain + start
            ));
            return Ok(ExitCode::SUCCESS);
        }
        if test_kill_process(pid).is_err() {
            let _ = RescaleRequest::take(live);
            return Err(failed("the run has ended; outcome.json there and its standard error say why".into()));
        }
        std::thread::sleep(LOOK_UP_INTERVAL);
    }
}

/// Whether the process exists and a run holds the directory: a process id may be another one's by now.
fn is_running(live: &Path, pid: Pid) -> bool {
    let held = |directory: File| matches!(directory.try_lock(), Err(TryLockError::WouldBlock));
    let is_held = File::open(live).is_ok_and(held);
    is_held && test_kill_process(pid).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_knows_that_it_goes_on_for_another() {
        let rescaled = Rescaled { workers: 3, processes: 2, drained_ms: 1_700_000_000_000 };
        assert_eq!(Rescaled::parse("3 2 1700000000000"), Some(rescaled));
        for text in ["", "3 2", "3 2 x", "3 2 1 4", "70000 1 1", "-1 1 1"] {
            assert_eq!(Rescaled::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_request_is_taken_once() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(RescaleRequest::take(directory.path()), None);
        let request = RescaleRequest { workers: 4, processes: 1 };
        disk::replace_json(&directory.path().join(RescaleRequest::FILE), &request).unwrap();
        assert_eq!(RescaleRequest::take(directory.path()), Some(request));
        assert_eq!(RescaleRequest::take(directory.path()), None);
    }
}
