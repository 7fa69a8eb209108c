//! The only reader of Linux's `/proc`. On other systems its functions return that nothing is known.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Linux's USER_HZ is 100 on every machine that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// The file in which the kernel counts a thread's time.
#[derive(Clone, Debug)]
pub struct ThreadTime(PathBuf);

impl ThreadTime {
    /// The file of the calling thread.
    pub fn own() -> Option<ThreadTime> {
        let thread = fs::read_link("/proc/thread-self").ok()?;
        Some(ThreadTime(Path::new("/proc").join(thread).join("schedstat")))
    }

    /// How long it has run on a core or waited for one; `None` once it has ended.
    pub fn runnable(&self) -> Option<Duration> {
        let text = fs::read_to_string(&self.0).ok()?;
        let mut nanoseconds = text.split_whitespace().take(2).map(|time| time.parse::<u64>().ok());
        Some(Duration::from_nanos(nanoseconds.next()?? + nanoseconds.next()??))
    }
}

/// Peak memory of this process in bytes; 0 if unknown.
pub fn peak_memory_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kib| kib * 1024)
}

/// What an operating system counts of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessUsage {
    /// CPU time of all its threads, in seconds.
    pub cpu_seconds: f64,
    /// Memory that it has in use.
    pub resident_bytes: u64,
    /// Memory that it has addresses for.
    pub virtual_bytes: u64,
    /// Files that it has open.
    pub open_files: u64,
    /// When it began, in seconds since 1970.
    pub start_seconds: f64,
}

/// The usage of this process; `None` if unknown.
pub fn own_usage() -> Option<ProcessUsage> {
    let fields = stat("self")?;
    let ticks = |place: usize| fields.get(place)?.parse::<f64>().ok();
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let bytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    };
    let machine = fs::read_to_string("/proc/stat").ok()?;
    let booted = machine.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok())?;
    Some(ProcessUsage {
        cpu_seconds: (ticks(11)? + ticks(12)?) / TICKS_PER_SECOND,
        resident_bytes: bytes("VmRSS:")?,
        virtual_bytes: bytes("VmSize:")?,
        open_files: fs::read_dir("/proc/self/fd").ok()?.count() as u64,
        start_seconds: booted + ticks(19)? / TICKS_PER_SECOND,
    })
}

/// CPU seconds of all children that have ended, with their own children; 0 if unknown.
pub fn children_cpu_seconds() -> f64 {
    let fields = stat("self").unwrap_or_default();
    let ticks = fields.iter().skip(13).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_PER_SECOND
}

/// The start time of a process in clock ticks since boot, and whether it has ended; `None` if there is none.
pub fn beginning(pid: u32) -> Option<(u64, bool)> {
    let fields = stat(&pid.to_string())?;
    Some((fields.get(19)?.parse().ok()?, fields[0] == "Z"))
}

/// The fields of proc_pid_stat(5) from the third on. The name before them may hold `)`, the fields can't.
fn stat(process: &str) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    Some(stat.rsplit_once(") ")?.1.split(' ').map(str::to_owned).collect())
}

/// Whether a process has a handler for a signal; see proc_pid_status(5).
pub fn catches(pid: u32, signal: i32) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { return false };
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigCgt:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// The process that holds a file's lock, if the kernel shows it.
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

/// The file of the running program, even if its path holds another one by now.
///
/// # Errors
/// If it cannot be opened.
pub fn own_program() -> io::Result<File> {
    let started = Path::new("/proc/self/exe");
    if started.exists() { File::open(started) } else { File::open(std::env::current_exe()?) }
}

/// A short path to a name in an open directory, however long the directory's own path is.
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
