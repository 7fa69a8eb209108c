//! One run a file: the kernel holds what a run writes for it, as long as its process lives.

use std::fs::{File, TryLockError};
use std::io;
use std::time::{Duration, Instant};

use crate::proc;

/// A run that is just being killed may take a moment to let go of its files.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// Takes the lock of an open file or directory; it goes when the file is closed, however the process ends. File systems
/// without locks give none.
///
/// # Errors
/// If another process has it: in words, with its pid.
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
