//! The one reader of Linux's `/proc`. Where it is not there, nothing is known.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the kernel counts the time of the calling thread.
#[derive(Clone, Debug)]
pub struct ThreadTime(PathBuf);

impl ThreadTime {
    /// That of the calling thread.
    pub fn own() -> Option<ThreadTime> {
        let thread = fs::read_link("/proc/thread-self").ok()?;
        Some(ThreadTime(Path::new("/proc").join(thread).join("schedstat")))
    }

    /// How long it has been on a core or in line for one; `None` once it has ended.
    pub fn runnable(&self) -> Option<Duration> {
        let text = fs::read_to_string(&self.0).ok()?;
        let mut nanoseconds = text.split_whitespace().take(2).map(|time| time.parse::<u64>().ok());
        Some(Duration::from_nanos(nanoseconds.next()?? + nanoseconds.next()??))
    }
}

/// The most memory this process has held, in bytes; 0 where it is not known.
pub fn peak_memory_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kib| kib * 1024)
}

/// CPU seconds of all children that have ended, and theirs; 0 where they are not known.
pub fn children_cpu_seconds() -> f64 {
    /// Linux's USER_HZ is 100 on every machine that Rust runs on.
    const TICKS_PER_SECOND: f64 = 100.0;
    let fields = stat("self").unwrap_or_default();
    let ticks = fields.iter().skip(13).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_PER_SECOND
}

/// When a process began, in the kernel's ticks, and whether it has ended; `None` if there is no such process.
pub fn beginning(pid: u32) -> Option<(u64, bool)> {
    let fields = stat(&pid.to_string())?;
    Some((fields.get(19)?.parse().ok()?, fields[0] == "Z"))
}

/// The fields of proc_pid_stat(5) from the third on. The name before may hold anything, but no field behind it a bracket.
fn stat(process: &str) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    Some(stat.rsplit_once(") ")?.1.split(' ').map(str::to_owned).collect())
}

/// Whether a process has a handler for a signal, as the kernel tells in proc_pid_status(5).
pub fn catches(pid: u32, signal: i32) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { return false };
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigCgt:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// The process that holds a file's lock, as far as the kernel tells.
pub fn lock_holder(file: &File) -> Option<u32> {
    let found = file.metadata().ok()?;
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let end = format!(":{}", found.ino());
    // `1: FLOCK  ADVISORY  WRITE 4711 fd:01:5678 0 EOF`; see proc_locks(5).
    let lines = locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut own =
        lines.filter(|line| line.get(1) == Some(&"FLOCK") && line.get(5).is_some_and(|at| at.ends_with(&end)));
    own.find_map(|line| line.get(4)?.parse().ok())
}

/// The file that was started, though another may stand at its path by now.
///
/// # Errors
/// If it cannot be opened.
pub fn own_program() -> io::Result<File> {
    let started = Path::new("/proc/self/exe");
    if started.exists() { File::open(started) } else { File::open(std::env::current_exe()?) }
}

/// A path to what an open directory holds, however long that of the directory is.
pub fn through(directory: BorrowedFd<'_>, name: &str) -> PathBuf {
    format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()).into()
}

/// The name of this machine's processor.
pub fn processor() -> Option<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").ok()?;
    let (_, name) = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "))?;
    Some(name.to_owned())
}

/// This machine's name.
pub fn host() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/hostname").ok()?.trim().to_owned())
}
