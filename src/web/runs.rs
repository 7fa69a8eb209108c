//! Runs of projects: child processes that outlive this server, found again by the files that they write.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use rustix::fs::statvfs;
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::folder::{Folder, ProjectName};
use crate::disk;
use crate::measure::{BrokerLink, IntervalStatus, RunOutcome, RunStatus, SampleHistory, SinkLink, now_ms};
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
    /// Its source or a sink has no connection to its broker or database yet.
    Connecting,
    Running,
    /// The broker or database of its source or a sink is away.
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
    /// Why it failed; of one that runs, what keeps it from telling more.
    pub reason: String,
    /// Which sink connects, is disconnected, or takes nothing; none if it is the source.
    pub sink: Option<String>,
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
    /// It was asked to end a second time.
    #[serde(default)]
    at_once: bool,
    /// The file that it writes beside earlier results.
    #[serde(default)]
    beside: Option<String>,
}

impl StartRecord {
    const FILE: &'static str = "run.json";

    fn read(state: &Path) -> Option<StartRecord> {
        read_json(&state.join(StartRecord::FILE))
    }

    fn write(&self, state: &Path) -> io::Result<()> {
        disk::replace_json(&state.join(StartRecord::FILE), self)
    }

    /// Writes the record of a child again if somebody has taken it away: its run must not be forgotten.
    fn restore(&self, state: &Path) -> io::Result<()> {
        if state.join(StartRecord::FILE).exists() {
            return Ok(());
        }
        tracing::warn!("{}: the state of a run that goes on was taken away, and is written again", state.display());
        fs::create_dir_all(state)?;
        self.write(state)
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
    children: Mutex<Children>,
}

#[derive(Debug, Default)]
struct Children {
    alive: HashMap<ProjectName, (Child, StartRecord)>,
    /// How runs ended whose outcome could not be written, as on a full disk.
    unwritten: HashMap<ProjectName, RunOutcome>,
}

const LOG: &str = "log";

impl Runs {
    /// Starts a project. Of starts at one time one is the first, and the others are refused.
    ///
    /// # Errors
    /// In words: it runs already, or its process can't be started.
    pub fn start(&self, folder: &Folder, name: &ProjectName, earlier: &EarlierResults) -> Result<ProjectRun, String> {
        let mut children = self.children.lock().expect("no holder panics");
        if settled::<RunProgress>(&mut children, folder, name, false).0.state.is_alive() {
            return Err(format!("{name} runs already"));
        }
        let state = folder.state(name);
        let failed = |error: io::Error| format!("{name} cannot be started: {error}");
        if !folder.file(name).exists() {
            return Err(format!("{name} has just been removed"));
        }
        // Samples and the report of the last run stay until this one has rows: it may be refused.
        for old in [StartRecord::FILE, RunStatus::FILE, RunOutcome::FILE] {
            let _ = fs::remove_file(state.join(old));
        }
        fs::create_dir_all(&state).map_err(failed)?;
        let log = File::create(state.join(LOG)).map_err(failed)?;
        let program = std::env::current_exe().map_err(failed)?;
        let further = match earlier {
            EarlierResults::Keep => None,
            // In one argument: a file whose name begins with -- is no option.
            EarlierResults::Beside(file) => Some(format!("--sink={file}")),
            EarlierResults::Replace => Some("--fresh".to_owned()),
        };
        let mut child = Command::new(program)
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
        let beside = match earlier {
            EarlierResults::Beside(file) => Some(file.clone()),
            EarlierResults::Keep | EarlierResults::Replace => None,
        };
        let ticks = beginning(child.id()).map_or(0, |(ticks, _)| ticks);
        let started =
            StartRecord { pid: child.id(), ticks, started_ms: now_ms(), stopping: false, at_once: false, beside };
        if let Err(error) = started.write(&state) {
            // A run that nobody finds again is worse than none.
            let _ = child.kill().and_then(|()| child.wait());
            return Err(failed(error));
        }
        children.unwritten.remove(name);
        children.alive.insert(name.clone(), (child, started));
        Ok(settled::<RunProgress>(&mut children, folder, name, false).0)
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
        // Before the signal: it may end the process at once.
        if let Err(error) = (StartRecord { stopping: true, at_once: started.stopping, ..started }).write(&state) {
            tracing::warn!("{}: {error}", state.display());
        }
        kill_process(pid, Signal::TERM).map_err(|error| format!("{name} cannot be stopped: {error}"))?;
        Ok(self.run(folder, name))
    }

    /// Removes the file of a project, which no start at the same time runs then.
    ///
    /// # Errors
    /// In words: it runs. Inside: a file that can't be removed.
    pub fn remove(&self, folder: &Folder, name: &ProjectName) -> Result<io::Result<()>, String> {
        let mut children = self.children.lock().expect("no holder panics");
        if settled::<RunProgress>(&mut children, folder, name, false).0.state.is_alive() {
            return Err(format!("{name} runs: stop it first"));
        }
        Ok(folder.remove(name))
    }

    /// The state of a project's run.
    pub fn run(&self, folder: &Folder, name: &ProjectName) -> ProjectRun {
        self.look::<RunProgress>(folder, name, false).0
    }

    /// The state of a project's run, and the status that it last wrote; of one that has ended only if it is `wanted`.
    pub fn look<T: Status>(&self, folder: &Folder, name: &ProjectName, wanted: bool) -> (ProjectRun, Option<T>) {
        settled(&mut self.children.lock().expect("no holder panics"), folder, name, wanted)
    }
}

fn settled<T: Status>(
    children: &mut Children,
    folder: &Folder,
    name: &ProjectName,
    wanted: bool,
) -> (ProjectRun, Option<T>) {
    let is_child = has_child(children, folder, name);
    current(folder, name, is_child, children.unwritten.get(name), wanted)
}

/// Whether a project runs as a child of this server. Writes the outcome of one that ended without writing it.
fn has_child(children: &mut Children, folder: &Folder, name: &ProjectName) -> bool {
    let Some((child, started)) = children.alive.get_mut(name) else { return false };
    let state = folder.state(name);
    let status = match child.try_wait() {
        Ok(Some(status)) => status,
        Ok(None) => {
            let _ = started.restore(&state);
            return true;
        }
        Err(_) => return false,
    };
    children.alive.remove(name);
    if state.join(RunOutcome::FILE).exists() {
        return false;
    }
    let (stopping, at_once) = StartRecord::read(&state).map_or((false, false), |now| (now.stopping, now.at_once));
    let is_early = stopping && status.signal() == Some(Signal::TERM.as_raw());
    let line = last_line(&state);
    let is_told = line.as_ref().is_some_and(|line| line.starts_with("error"));
    let reason = match status.signal() {
        // It had not come so far as to wait for signals.
        Some(_) if is_early => String::new(),
        Some(signal) => format!("its process was ended by signal {signal}"),
        None if at_once && !is_told => {
            "it was asked to end a second time, and did at once: what was in flight is not done".into()
        }
        None => line.unwrap_or_else(|| format!("its process ended: {status}")),
    };
    let full =
        if is_full(&state) { format!("; no space is left on the disk of {}", state.display()) } else { String::new() };
    let reason = reason + &full;
    let code = if is_early { Some(0) } else { status.code() };
    let code = code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    let outcome = RunOutcome::now(code, reason);
    if let Err(error) = outcome.write(&state) {
        tracing::warn!("{}: {error}", state.display());
        children.unwritten.insert(name.clone(), outcome);
    }
    false
}

/// A status as a run writes it, or the part of it that is needed.
pub trait Status: DeserializeOwned {
    /// What it tells of the state of a run that is alive.
    fn progress(&self) -> RunProgress;
}

/// What a status tells of the state of a run that is alive, and of how it does.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RunProgress {
    broker: BrokerLink,
    links: Vec<SinkLink>,
    stalled_ms: Option<u64>,
    stalled_by: Option<String>,
    seconds: f64,
    written_ms: u64,
    /// Rows that have entered the dataflow.
    pub rows_in: u64,
    /// Rows whose messages are complete.
    pub rows_done: u64,
    /// Rows that became dead letters.
    pub dead_letters: u64,
    /// The last interval.
    pub now: IntervalStatus,
}

impl Status for RunProgress {
    fn progress(&self) -> RunProgress {
        self.clone()
    }
}

impl Status for RunStatus {
    fn progress(&self) -> RunProgress {
        RunProgress {
            broker: self.broker,
            links: self.links.clone(),
            stalled_ms: self.stalled_ms,
            stalled_by: self.stalled_by.clone(),
            seconds: self.seconds,
            written_ms: self.written_ms,
            rows_in: self.rows_in,
            rows_done: self.rows_done,
            dead_letters: self.dead_letters,
            now: self.now,
        }
    }
}

impl RunProgress {
    /// A status is written every second; one that is so old is of a process that does not come to it.
    const SILENT_MS: u64 = 30_000;
    /// One that is so old should have been written again.
    const LATE_MS: u64 = 5_000;

    fn is_older_than(&self, milliseconds: u64, now_ms: u64) -> bool {
        self.seconds > 0.0 && now_ms.saturating_sub(self.written_ms) > milliseconds
    }

    /// Adds the state of a run to what else is known of it.
    fn tell(self, run: ProjectRun, now_ms: u64) -> ProjectRun {
        // Of those that are as bad, the source.
        let sinks = self.links.iter().map(|SinkLink { sink, link }| (*link, Some(sink)));
        let (link, sink) = sinks.chain([(self.broker, None)]).max_by_key(|(link, _)| *link).expect("the source");
        let silent = run.reason.is_empty() && self.is_older_than(RunProgress::SILENT_MS, now_ms);
        let (state, since_ms) = match (link, self.stalled_ms.or(silent.then_some(self.written_ms))) {
            (BrokerLink::Connecting, _) => (RunState::Connecting, None),
            (BrokerLink::Lost { since_ms }, _) => (RunState::Disconnected, Some(since_ms)),
            (BrokerLink::Up, Some(since_ms)) => (RunState::Stalled, Some(since_ms)),
            (BrokerLink::Up, None) => (RunState::Running, None),
        };
        let sink = if link == BrokerLink::Up { self.stalled_by.filter(|_| since_ms.is_some()) } else { sink.cloned() };
        ProjectRun { state, since_ms, sink, ..run }
    }
}

/// Why a run that is alive does not tell how it does, if a disk without space is why.
fn without_space(state: &Path, progress: Option<&RunProgress>, started_ms: u64, now_ms: u64) -> String {
    let late = match progress {
        Some(progress) => progress.is_older_than(RunProgress::LATE_MS, now_ms),
        None => now_ms.saturating_sub(started_ms) > RunProgress::LATE_MS,
    };
    if late && is_full(state) {
        let state = state.display();
        return format!("{state}: no space is left on this disk: how the run does since then is not known");
    }
    String::new()
}

/// Whether the disk of a folder has no space for a status.
fn is_full(state: &Path) -> bool {
    /// More than a status and the one before it.
    const LEAST: u64 = 1 << 20;
    let left = statvfs(state).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    left.is_ok_and(|left| left < LEAST)
}

/// The state of a project's run, and the status that it last wrote, of one that has ended only if it is `wanted`. A child
/// counts as running until it was waited for: its first thread may end before the others.
fn current<T: Status>(
    folder: &Folder,
    name: &ProjectName,
    is_child: bool,
    unwritten: Option<&RunOutcome>,
    wanted: bool,
) -> (ProjectRun, Option<T>) {
    let state = folder.state(name);
    let Some(started) = StartRecord::read(&state) else { return (ProjectRun::default(), None) };
    let run = ProjectRun { pid: Some(started.pid), started_ms: Some(started.started_ms), ..ProjectRun::default() };
    let status = || read_json::<T>(&state.join(RunStatus::FILE));
    if is_child || started.is_alive() {
        let (status, now_ms) = (status(), now_ms());
        let progress = status.as_ref().map(Status::progress);
        let reason = without_space(&state, progress.as_ref(), started.started_ms, now_ms);
        let run = ProjectRun { reason, ..run };
        let run = match progress {
            _ if started.stopping => ProjectRun { state: RunState::Stopping, ..run },
            None => ProjectRun { state: RunState::Starting, ..run },
            Some(progress) => progress.tell(run, now_ms),
        };
        return (run, status);
    }
    (ended(&state, run, unwritten), if wanted { status() } else { None })
}

/// How a run ended.
fn ended(state: &Path, run: ProjectRun, unwritten: Option<&RunOutcome>) -> ProjectRun {
    match read_json::<RunOutcome>(&state.join(RunOutcome::FILE)).or_else(|| unwritten.cloned()) {
        Some(RunOutcome { code: 0, ended_ms, .. }) => {
            ProjectRun { state: RunState::Done, ended_ms: Some(ended_ms), ..run }
        }
        Some(RunOutcome { reason, ended_ms, .. }) => {
            let reason = if reason.is_empty() { last_line(state).unwrap_or_default() } else { reason };
            ProjectRun { state: RunState::Failed, reason, ended_ms: Some(ended_ms), ..run }
        }
        None => {
            let reason = last_line(state).map_or_else(
                || "its process is gone and told nothing: it was killed, or this machine was".into(),
                |line| format!("its process is gone; the last that it told: {line}"),
            );
            ProjectRun { state: RunState::Failed, reason, ..run }
        }
    }
}

/// The file of its own that the last run wrote beside earlier results, if it did.
pub fn own_file(folder: &Folder, name: &ProjectName) -> Option<String> {
    StartRecord::read(&folder.state(name))?.beside
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

fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
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
        let started = |ticks| StartRecord { pid, ticks, started_ms: 0, stopping: false, at_once: false, beside: None };
        assert!(started(ticks).is_alive());
        assert!(!started(ticks + 1).is_alive(), "another process with the same pid");
        assert!(beginning(0).is_none());
    }

    #[test]
    fn a_run_that_is_alive_says_what_it_waits_for() {
        let told = |text: &str| {
            let progress = serde_json::from_str::<RunProgress>(text).unwrap();
            let ProjectRun { state, since_ms, sink, .. } = progress.tell(ProjectRun::default(), 100_000);
            (state, since_ms, sink)
        };
        let link = |sink: &str, link: &str| format!(r#"{{"sink":"{sink}","link":{link}}}"#);
        let links = |source: &str, sinks: &[String]| {
            format!(r#"{{"broker":{{"link":{source}}},"links":[{}],"stalled_ms":5,"stalled_by":"c"}}"#, sinks.join(","))
        };
        for (text, state, since_ms, sink) in [
            (r#"{"seconds":1,"written_ms":99000}"#.to_owned(), RunState::Running, None, None),
            (r#"{"broker":{"link":"connecting"}}"#.to_owned(), RunState::Connecting, None, None),
            (links(r#""lost","since_ms":7"#, &[]), RunState::Disconnected, Some(7), None),
            (links(r#""up""#, &[link("a", r#""up""#)]), RunState::Stalled, Some(5), Some("c")),
            (r#"{"seconds":1,"written_ms":60000}"#.to_owned(), RunState::Stalled, Some(60_000), None),
            (links(r#""up""#, &[link("a", r#""lost","since_ms":8"#)]), RunState::Disconnected, Some(8), Some("a")),
            (
                links(r#""up""#, &[link("a", r#""up""#), link("b", r#""connecting""#)]),
                RunState::Connecting,
                None,
                Some("b"),
            ),
            (links(r#""connecting""#, &[link("a", r#""connecting""#)]), RunState::Connecting, None, None),
        ] {
            assert_eq!(told(&text), (state, since_ms, sink.map(str::to_owned)), "{text}");
        }
        let full = ProjectRun { reason: "no space".into(), ..ProjectRun::default() };
        let silent = RunProgress { seconds: 1.0, written_ms: 60_000, ..RunProgress::default() };
        assert_eq!(silent.tell(full, 100_000).state, RunState::Running, "a full disk is why it is silent");
    }

    #[test]
    fn a_run_that_is_gone_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::open(directory.path()).unwrap();
        let name: ProjectName = "w".parse().unwrap();
        let unwritten = RunOutcome::now(0, String::new());
        let current = |unwritten| super::current::<RunProgress>(&folder, &name, false, unwritten, false).0;
        assert_eq!(current(None).state, RunState::Idle);
        let state = folder.state(&name);
        fs::create_dir_all(&state).unwrap();
        StartRecord { pid: 0, ticks: 1, started_ms: 5, stopping: false, at_once: false, beside: None }
            .write(&state)
            .unwrap();
        let run = current(None);
        assert_eq!(run.state, RunState::Failed);
        assert!(run.reason.contains("killed"), "{run:?}");
        assert_eq!(current(Some(&unwritten)).state, RunState::Done, "told by its exit code");
        fs::write(state.join(LOG), "error: no such column\n\n").unwrap();
        let reason = current(None).reason;
        assert!(reason.ends_with("error: no such column") && !reason.contains("killed"), "{reason}");
        RunOutcome::now(1, "no broker".into()).write(&state).unwrap();
        assert_eq!(current(None).reason, "no broker");
        RunOutcome::now(0, String::new()).write(&state).unwrap();
        assert_eq!(current(None).state, RunState::Done);
    }
}
