//! One run per file: the kernel holds the lock as long as the run's process lives.

use std::fs::{File, TryLockError};
use std::io;
use std::time::{Duration, Instant};

use crate::proc;

/// A killed run may take a moment to release its files.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// Locks an open file or directory until it is closed, however the process ends. On file systems without locks this
/// does nothing.
///
/// # Errors
/// If another process has the lock: the message names its pid.
pub fn lock(file: &File) -> io::Result<()> {
    let since = Instant::now();
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if since.elapsed() < RELEASE_TIMEOUT => std::thread::sleep(RETRY_INTERVAL),
            Err(TryLockError::WouldBlock) => {
                let other = proc::lock_holder(file).map_or("another process".into(), |pid| format!("process {pid}"));
                let reason = format!("{other} writes to it: end that run, or give this one a place of its own");
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, reason));
            }
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_names_the_process_that_has_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        let first = File::create(&path).unwrap();
        lock(&first).unwrap();
        let second = File::open(&path).unwrap();
        let refused = lock(&second).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(first);
        lock(&second).unwrap();
        lock(&File::open(directory.path()).unwrap()).unwrap();
    }
}
