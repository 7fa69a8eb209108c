//! Runs of projects: child processes that outlive this server, found again by the files that they write.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::folder::{Folder, ProjectName};
use crate::disk;
use crate::measure::{BrokerLink, RunOutcome, RunStatus, SampleHistory, now_ms};
use crate::proc::beginning;

/// What a project does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// It has not been started.
    #[default]
    Idle,
    /// Its process is there, and has told nothing yet.
    Starting,
    /// It has no subscription at its broker yet.
    Connecting,
    Running,
    /// Its broker is away.
    Disconnected,
    /// Rows wait, and none comes further.
    Stalled,
    /// It was asked to end.
    Stopping,
    /// It ended by itself, or because it was asked to.
    Done,
    Failed,
}

/// A project's last run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProjectRun {
    pub state: RunState,
    /// Why it failed.
    pub reason: String,
    pub pid: Option<u32>,
    /// Milliseconds since 1970.
    pub started_ms: Option<u64>,
    pub ended_ms: Option<u64>,
    /// Since when it is disconnected or stalled, in milliseconds since 1970.
    pub since_ms: Option<u64>,
}

impl RunState {
    /// Whether its process is there.
    pub fn is_alive(self) -> bool {
        !matches!(self, RunState::Idle | RunState::Done | RunState::Failed)
    }
}

/// Written when a run is started, to find its process again.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct StartRecord {
    pid: u32,
    /// When the process began, in the kernel's ticks: a pid alone may be used again.
    ticks: u64,
    started_ms: u64,
    stopping: bool,
}

impl StartRecord {
    const FILE: &'static str = "run.json";

    fn read(state: &Path) -> Option<StartRecord> {
        read_json(&state.join(StartRecord::FILE))
    }

    fn write(&self, state: &Path) -> io::Result<()> {
        disk::replace_json(&state.join(StartRecord::FILE), self)
    }

    fn is_alive(&self) -> bool {
        beginning(self.pid).is_some_and(|(ticks, zombie)| ticks == self.ticks && !zombie)
    }
}

/// What becomes of what earlier runs have written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EarlierResults {
    /// It stays: a run goes on behind it, or is refused.
    #[default]
    Keep,
    /// It stays, and this run writes into a file of its own, given here.
    Beside(String),
    /// It is replaced, and the checkpoint of an earlier run is discarded.
    Replace,
}

/// The child processes of this server; those of an earlier one are found by their files.
#[derive(Debug, Default)]
pub struct Runs {
    children: Mutex<HashMap<ProjectName, Child>>,
}

const LOG: &str = "log";

impl Runs {
    /// Starts a project. Of starts at one time one is the first, and the others are refused.
    ///
    /// # Errors
    /// In words: it runs already, or its process can't be started.
    pub fn start(&self, folder: &Folder, name: &ProjectName, earlier: &EarlierResults) -> Result<ProjectRun, String> {
        let mut children = self.children.lock().expect("no holder panics");
        if settled(&mut children, folder, name).state.is_alive() {
            return Err(format!("{name} runs already"));
        }
        let state = folder.state(name);
        let failed = |error: io::Error| format!("{name} cannot be started: {error}");
        for old in [StartRecord::FILE, RunStatus::FILE, RunOutcome::FILE, SampleHistory::FILE] {
            let _ = fs::remove_file(state.join(old));
        }
        let _ = fs::remove_dir_all(report(folder, name));
        fs::create_dir_all(&state).map_err(failed)?;
        let log = File::create(state.join(LOG)).map_err(failed)?;
        let program = std::env::current_exe().map_err(failed)?;
        let further = match earlier {
            EarlierResults::Keep => vec![],
            EarlierResults::Beside(file) => vec!["--sink", file],
            EarlierResults::Replace => vec!["--fresh"],
        };
        let child = Command::new(program)
            .arg("run")
            .arg(folder.file(name).file_name().expect("a file has a name"))
            .arg("--live")
            .arg(&state)
            .args(further)
            .current_dir(folder.path())
            // A terminal's Ctrl-C ends the server, not its runs.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            .spawn()
            .map_err(failed)?;
        let ticks = beginning(child.id()).map_or(0, |(ticks, _)| ticks);
        let started = StartRecord { pid: child.id(), ticks, started_ms: now_ms(), stopping: false };
        children.insert(name.clone(), child);
        started.write(&state).map_err(failed)?;
        Ok(current(folder, name, true))
    }

    /// Asks a run to end; asked again, it ends at once.
    ///
    /// # Errors
    /// In words: it does not run.
    pub fn stop(&self, folder: &Folder, name: &ProjectName) -> Result<ProjectRun, String> {
        let state = folder.state(name);
        let started = StartRecord::read(&state).filter(|_| self.run(folder, name).state.is_alive());
        let started = started.ok_or_else(|| format!("{name} does not run"))?;
        let pid = Pid::from_raw(started.pid as i32).ok_or("no process")?;
        kill_process(pid, Signal::TERM).map_err(|error| format!("{name} cannot be stopped: {error}"))?;
        StartRecord { stopping: true, ..started }
            .write(&state)
            .map_err(|error| format!("{}: {error}", state.display()))?;
        Ok(self.run(folder, name))
    }

    /// The state of a project's run.
    pub fn run(&self, folder: &Folder, name: &ProjectName) -> ProjectRun {
        settled(&mut self.children.lock().expect("no holder panics"), folder, name)
    }
}

/// The state of a project's run.
fn settled(children: &mut HashMap<ProjectName, Child>, folder: &Folder, name: &ProjectName) -> ProjectRun {
    let is_child = has_child(children, folder, name);
    current(folder, name, is_child)
}

/// Whether a project runs as a child of this server. Writes the outcome of one that ended without writing it.
fn has_child(children: &mut HashMap<ProjectName, Child>, folder: &Folder, name: &ProjectName) -> bool {
    let status = match children.get_mut(name).map(Child::try_wait) {
        Some(Ok(Some(status))) => status,
        Some(Ok(None)) => return true,
        Some(Err(_)) | None => return false,
    };
    children.remove(name);
    let state = folder.state(name);
    if state.join(RunOutcome::FILE).exists() {
        return false;
    }
    let reason = match status.signal() {
        Some(signal) => format!("its process was ended by signal {signal}"),
        None => last_line(&state).unwrap_or_else(|| format!("its process ended: {status}")),
    };
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    if let Err(error) = RunOutcome::now(code, reason).write(&state) {
        tracing::warn!("{}: {error}", state.display());
    }
    false
}

/// What a status tells of the state of a run that is alive.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct RunProgress {
    broker: BrokerLink,
    stalled_ms: Option<u64>,
    seconds: f64,
    written_ms: u64,
}

impl RunProgress {
    /// A status is written every second; one that is so old is of a process that does not come to it.
    const SILENT_MS: u64 = 30_000;

    fn state(&self, now_ms: u64) -> (RunState, Option<u64>) {
        let silent = self.seconds > 0.0 && now_ms.saturating_sub(self.written_ms) > RunProgress::SILENT_MS;
        match (self.broker, self.stalled_ms.or(silent.then_some(self.written_ms))) {
            (BrokerLink::Connecting, _) => (RunState::Connecting, None),
            (BrokerLink::Lost { since_ms }, _) => (RunState::Disconnected, Some(since_ms)),
            (BrokerLink::Up, Some(since_ms)) => (RunState::Stalled, Some(since_ms)),
            (BrokerLink::Up, None) => (RunState::Running, None),
        }
    }
}

/// The state of a project's run. A child counts as running until it was waited for: its first thread may end before the
/// others.
fn current(folder: &Folder, name: &ProjectName, is_child: bool) -> ProjectRun {
    let state = folder.state(name);
    let Some(started) = StartRecord::read(&state) else { return ProjectRun::default() };
    let run = ProjectRun { pid: Some(started.pid), started_ms: Some(started.started_ms), ..ProjectRun::default() };
    if is_child || started.is_alive() {
        let told = read_json::<RunProgress>(&state.join(RunStatus::FILE));
        let (state, since_ms) = match told {
            _ if started.stopping => (RunState::Stopping, None),
            None => (RunState::Starting, None),
            Some(told) => told.state(now_ms()),
        };
        return ProjectRun { state, since_ms, ..run };
    }
    match read_json::<RunOutcome>(&state.join(RunOutcome::FILE)) {
        Some(RunOutcome { code: 0, ended_ms, .. }) => {
            ProjectRun { state: RunState::Done, ended_ms: Some(ended_ms), ..run }
        }
        Some(RunOutcome { reason, ended_ms, .. }) => {
            let reason = if reason.is_empty() { last_line(&state).unwrap_or_default() } else { reason };
            ProjectRun { state: RunState::Failed, reason, ended_ms: Some(ended_ms), ..run }
        }
        None => {
            let reason = last_line(&state).map_or_else(
                || "its process is gone and told nothing: it was killed, or this machine was".into(),
                |line| format!("its process is gone; the last that it told: {line}"),
            );
            ProjectRun { state: RunState::Failed, reason, ..run }
        }
    }
}

/// The status that a run last wrote.
pub fn live(folder: &Folder, name: &ProjectName) -> Option<RunStatus> {
    read_json(&folder.state(name).join(RunStatus::FILE))
}

/// The samples of a run's rows, one a line.
///
/// # Errors
/// A file that can't be read.
pub fn samples(folder: &Folder, name: &ProjectName) -> io::Result<String> {
    SampleHistory::read(&folder.state(name))
}

/// The end of what a run wrote on standard error, up to `most` bytes.
pub fn log(folder: &Folder, name: &ProjectName, most: u64) -> io::Result<String> {
    tail(&folder.state(name), most)
}

/// The folder with the last run's report; it is there once the run has ended.
pub fn report(folder: &Folder, name: &ProjectName) -> PathBuf {
    folder.state(name).join("report")
}

fn tail(state: &Path, most: u64) -> io::Result<String> {
    let mut file = match File::open(state.join(LOG)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        file => file?,
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn last_line(state: &Path) -> Option<String> {
    let text = tail(state, 4096).ok()?;
    text.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned)
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_pid_and_its_beginning() {
        let pid = std::process::id();
        let (ticks, zombie) = beginning(pid).unwrap();
        assert!(!zombie);
        let started = |ticks| StartRecord { pid, ticks, started_ms: 0, stopping: false };
        assert!(started(ticks).is_alive());
        assert!(!started(ticks + 1).is_alive(), "another process with the same pid");
        assert!(beginning(0).is_none());
    }

    #[test]
    fn a_run_that_is_alive_says_what_it_waits_for() {
        let told = |text: &str| serde_json::from_str::<RunProgress>(text).unwrap().state(100_000);
        for (text, state, since_ms) in [
            (r#"{"seconds":1,"written_ms":99000}"#, RunState::Running, None),
            (r#"{"broker":{"link":"connecting"}}"#, RunState::Connecting, None),
            (r#"{"broker":{"link":"lost","since_ms":7},"stalled_ms":5}"#, RunState::Disconnected, Some(7)),
            (r#"{"broker":{"link":"up"},"stalled_ms":5}"#, RunState::Stalled, Some(5)),
            (r#"{"seconds":1,"written_ms":60000}"#, RunState::Stalled, Some(60_000)),
        ] {
            assert_eq!(told(text), (state, since_ms), "{text}");
        }
    }

    #[test]
    fn a_run_that_is_gone_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::open(directory.path()).unwrap();
        let name: ProjectName = "w".parse().unwrap();
        assert_eq!(current(&folder, &name, false).state, RunState::Idle);
        let state = folder.state(&name);
        fs::create_dir_all(&state).unwrap();
        StartRecord { pid: 0, ticks: 1, started_ms: 5, stopping: false }.write(&state).unwrap();
        let run = current(&folder, &name, false);
        assert_eq!(run.state, RunState::Failed);
        assert!(run.reason.contains("killed"), "{run:?}");
        fs::write(state.join(LOG), "error: no such column\n\n").unwrap();
        let reason = current(&folder, &name, false).reason;
        assert!(reason.ends_with("error: no such column") && !reason.contains("killed"), "{reason}");
        RunOutcome::now(1, "no broker".into()).write(&state).unwrap();
        assert_eq!(current(&folder, &name, false).reason, "no broker");
        RunOutcome::now(0, String::new()).write(&state).unwrap();
        assert_eq!(current(&folder, &name, false).state, RunState::Done);
    }
}
