//! Starts the processes of a run on this machine, and ends them together.

use std::ffi::OsString;
use std::io::Write;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom, SystemRandom};
use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGUSR1};
use signal_hook::iterator::Signals;

use super::signals::SignalHandler;
use super::{Failure, print_error};
use crate::mqtt::masked;
use crate::proc;

const LOOK_UP_INTERVAL: Duration = Duration::from_millis(20);
/// The back-off before processes are started again: doubled each time, up to a bound.
const FIRST_RESTART_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_RESTART_INTERVAL: Duration = Duration::from_secs(60);
/// How long the others may take to end when one has failed.
const GRACE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long after a drain's timeout the processes must have ended.
const LATER_TIMEOUT: Duration = Duration::from_secs(5);

/// The variable that gives the launcher's process id to the processes it starts.
const LAUNCHER: &str = "ROWMILL_LAUNCHER";
/// The prefix of variables that carry arguments with a password: other users can read a process's arguments, but not
/// its environment.
const ARGUMENT: &str = "ROWMILL_ARGUMENT_";

/// The arguments of this process, with the program's name. Those with a password are in the environment if a launcher
/// started it.
pub fn arguments() -> Vec<OsString> {
    let hidden = |argument: &OsString| {
        let name = argument.to_str()?.strip_prefix('@').filter(|name| name.starts_with(ARGUMENT))?;
        std::env::var_os(name)
    };
    std::env::args_os().map(|argument| hidden(&argument).unwrap_or(argument)).collect()
}

/// Gives arguments to a process, those with a password in its environment.
fn hand_over(command: &mut Command, arguments: &[OsString]) {
    for (place, argument) in arguments.iter().enumerate() {
        if argument.to_str().is_some_and(|text| masked(text) != text) {
            let name = format!("{ARGUMENT}{place}");
            command.arg(format!("@{name}")).env(name, argument);
        } else {
            command.arg(argument);
        }
    }
}

/// Whether a launcher started this process.
pub fn is_launched() -> bool {
    std::env::var_os(LAUNCHER).is_some()
}

/// Lets the kernel end this process when the launcher that started it ends. Returns the socket that the launcher bound
/// for this process, if other processes connect to it.
///
/// # Errors
/// If the launcher has ended already.
pub fn attend(process: usize) -> Result<Option<TcpListener>, Failure> {
    let Some(launcher) = std::env::var(LAUNCHER).ok().and_then(|pid| Pid::from_raw(pid.parse().ok()?)) else {
        return Ok(None);
    };
    let failed = |error| Failure::Failed(format!("the launcher cannot be watched: {error}"));
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed)?;
    if getppid() != Some(launcher) {
        return Err(Failure::Failed("the launcher has ended".into()));
    }
    if process == 0 {
        return Ok(None);
    }
    let socket = std::io::stdin().as_fd().try_clone_to_owned().map_err(cannot_start)?;
    Ok(Some(socket.into()))
}

/// Runs `processes` copies of this program with `arguments`, and returns the exit code for all of them. With `restart`
/// they are started again when one fails: from the checkpoint, if there is one. Those that have not drained in time
/// after a signal are killed, and all of them at a second signal.
///
/// # Errors
/// If a process cannot be started.
pub fn launch(
    processes: usize,
    mut arguments: Vec<OsString>,
    restart: bool,
    drain_timeout: Duration,
    on_signals: SignalHandler,
) -> Result<u8, Failure> {
    let secret = secret(&mut arguments).map_err(cannot_start)?;
    let (mut signals, stopped) = on_signals.into_signals().map_err(cannot_start)?;
    if stopped {
        return Ok(0);
    }
    let mut wait = FIRST_RESTART_INTERVAL;
    loop {
        let started = Instant::now();
        let (code, stopped) = launch_once(processes, &arguments, drain_timeout, &mut signals)?;
        // A wrong dataflow file would fail again.
        if !restart || stopped || code != 1 {
            drop(secret);
            return Ok(code);
        }
        if started.elapsed() > LONGEST_RESTART_INTERVAL {
            wait = FIRST_RESTART_INTERVAL;
        }
        print_error(&format!("rowmill: starting again in {}", humantime::format_duration(wait)));
        let until = Instant::now() + wait;
        while Instant::now() < until {
            if signals.pending().any(|signal| signal != SIGHUP) {
                return Ok(code);
            }
            std::thread::sleep(LOOK_UP_INTERVAL);
        }
        wait = (2 * wait).min(LONGEST_RESTART_INTERVAL);
        // Results that are durable since stay: a restart resumes from the checkpoint.
        arguments.retain(|argument| argument != "--fresh");
    }
}

/// A secret for this run, in a temporary file, if none is given: other users of this machine can reach its ports.
fn secret(arguments: &mut Vec<OsString>) -> std::io::Result<Option<tempfile::NamedTempFile>> {
    const FLAG: &str = "--secret-file";
    if arguments.iter().any(|argument| argument.as_encoded_bytes().starts_with(FLAG.as_bytes())) {
        return Ok(None);
    }
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| std::io::Error::other("no random numbers"))?;
    let mut file = tempfile::NamedTempFile::new()?;
    bytes.iter().try_for_each(|byte| write!(file, "{byte:02x}"))?;
    file.flush()?;
    arguments.extend([FLAG.into(), file.path().into()]);
    Ok(Some(file))
}

fn cannot_start(error: std::io::Error) -> Failure {
    Failure::Failed(format!("the processes cannot be started: {error}"))
}

/// Returns the exit code, and whether a signal asked for the end.
fn launch_once(
    processes: usize,
    arguments: &[OsString],
    drain_timeout: Duration,
    signals: &mut Signals,
) -> Result<(u8, bool), Failure> {
    let (hosts, listeners) = host_file(processes).map_err(cannot_start)?;
    let program = std::env::current_exe().map_err(cannot_start)?;
    let mut children = Vec::new();
    for (process, listener) in listeners.into_iter().enumerate() {
        let mut command = Command::new(&program);
        hand_over(&mut command, arguments);
        command.arg("--process").arg(process.to_string()).arg("--hostfile").arg(hosts.path());
        command.env(LAUNCHER, std::process::id().to_string());
        // A terminal's Ctrl-C reaches this process alone, which passes it on once.
        command.process_group(0);
        if process > 0 {
            // The socket stays bound: a free port that is only chosen here may be taken before the process binds it.
            command.stdin(OwnedFd::from(listener)).stdout(Stdio::null());
        }
        match command.spawn() {
            Ok(child) => children.push(child),
            Err(error) => {
                stop_all(&mut children);
                return Err(cannot_start(error));
            }
        }
    }
    let mut stopped = None;
    let code = wait(&mut children, drain_timeout, signals, &mut stopped);
    Ok((code, stopped.is_some()))
}

/// A file with a local address for every process, and the sockets that are bound to them.
fn host_file(processes: usize) -> std::io::Result<(tempfile::NamedTempFile, Vec<TcpListener>)> {
    let listeners: Vec<TcpListener> =
        (0..processes).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<Result<_, _>>()?;
    let mut file = tempfile::NamedTempFile::new()?;
    for listener in &listeners {
        writeln!(file, "{}", listener.local_addr()?)?;
    }
    file.flush()?;
    Ok((file, listeners))
}

/// Passes on the first signal that asks for the end, and each SIGHUP, until all processes have ended. One that fails
/// ends the others. One that ends by itself lets the others drain: the signal that it got may not have reached them, if
/// they were not connected yet. `stopped` is set to the time of the signal.
fn wait(children: &mut [Child], drain_timeout: Duration, signals: &mut Signals, stopped: &mut Option<Instant>) -> u8 {
    let mut told = false;
    loop {
        for signal in signals.pending() {
            if signal == SIGHUP {
                hang_up(children);
                continue;
            }
            if stopped.is_some() {
                kill_all(children);
                return 1;
            }
            *stopped = Some(Instant::now());
            send(children, |_| Some(if signal == SIGINT { Signal::INT } else { Signal::TERM }));
        }
        let ended = match ended(children) {
            Ok(ended) => ended,
            Err(error) => {
                print_error(&format!("rowmill: the processes cannot be watched: {error}"));
                stop_all(children);
                return 1;
            }
        };
        if stopped.is_none() && ended.iter().flatten().any(has_begun_nothing) {
            *stopped = Some(Instant::now());
            ask_to_end(children);
        }
        if let Some((process, status)) = culprit(&ended) {
            let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
            stop_all(children);
            // A wrong dataflow is explained once, by process 0.
            if code != 2 {
                print_error(&format!("rowmill: process {process} failed ({status}); the others are stopped"));
            }
            return code;
        }
        if !told && stopped.is_none() && ended.iter().any(Option::is_some) {
            told = true;
            ask_to_end(children);
        }
        if ended.iter().all(Option::is_some) {
            return 0;
        }
        // A stopped process (SIGSTOP) does not notice its own timeout.
        if stopped.is_some_and(|stopped| stopped.elapsed() >= drain_timeout + LATER_TIMEOUT) {
            let there = ended.iter().enumerate().filter(|(_, ended)| ended.is_none());
            let there: Vec<String> = there.map(|(process, _)| process.to_string()).collect();
            kill_all(children);
            let (there, timeout) = (there.join(", "), humantime::format_duration(drain_timeout));
            print_error(&format!("error: not drained within {timeout} (--drain-timeout): killed process {there}"));
            return 1;
        }
        std::thread::sleep(LOOK_UP_INTERVAL);
    }
}

/// The exit status of each process that has ended.
fn ended(children: &mut [Child]) -> std::io::Result<Vec<Option<ExitStatus>>> {
    let mut look = || children.iter_mut().map(Child::try_wait).collect::<Result<Vec<_>, _>>();
    let ended = look()?;
    if culprit(&ended).is_none() {
        return Ok(ended);
    }
    // A killed process loses its connections, which ends the others, before its own end shows: look again.
    std::thread::sleep(LOOK_UP_INTERVAL);
    look()
}

/// The process that failed. One that a signal ended comes first: the others only lost their connection to it.
fn culprit(ended: &[Option<ExitStatus>]) -> Option<(usize, ExitStatus)> {
    let failed = ended.iter().enumerate().filter_map(|(process, status)| Some((process, (*status)?)));
    let failed = failed.filter(|(_, status)| !status.success() && !has_begun_nothing(status));
    failed.min_by_key(|(_, status)| status.code().is_some())
}

/// Whether a signal that asks for the end came before the process could handle it: then none has read a row, because
/// all wait for each other first.
fn has_begun_nothing(status: &ExitStatus) -> bool {
    let ends = [Signal::INT, Signal::TERM].map(Signal::as_raw);
    status.signal().is_some_and(|signal| ends.contains(&signal))
}

/// Sends each process that has not ended the signal chosen for it, if there is one.
fn send(children: &mut [Child], choose: impl Fn(&Child) -> Option<Signal>) {
    for child in children {
        if matches!(child.try_wait(), Ok(None))
            && let Some(signal) = choose(child)
        {
            // It may have ended by itself.
            let _ = Pid::from_raw(child.id() as i32).map(|pid| kill_process(pid, signal));
        }
    }
}

/// Passes on SIGHUP: files were moved away. A process without a handler yet has no file open, and would end.
fn hang_up(children: &mut [Child]) {
    send(children, |child| proc::catches(child.id(), SIGHUP).then_some(Signal::HUP));
}

/// Asks those that have not ended to drain: by SIGUSR1, because a second SIGINT or SIGTERM would end at once one that
/// drains already.
fn ask_to_end(children: &mut [Child]) {
    send(children, |child| Some(if proc::catches(child.id(), SIGUSR1) { Signal::USR1 } else { Signal::TERM }));
}

fn stop_all(children: &mut [Child]) {
    send(children, |_| Some(Signal::TERM));
    let deadline = Instant::now() + GRACE_TIMEOUT;
    for child in &mut *children {
        while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(LOOK_UP_INTERVAL);
        }
    }
    kill_all(children);
}

fn kill_all(children: &mut [Child]) {
    for child in children {
        let _ = child.kill();
        let _ = child.wait();
    }
}
