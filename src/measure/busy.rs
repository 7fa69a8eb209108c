//! How long worker threads have been busy: on a core or waiting for one, whatever they did there.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The worker threads of this process. What is between messages (hand-over, progress, the sink) is work like what is
/// done on them, and a thread that waits for messages is parked: so the time that it runs, or would if a core were free, is service in full.
#[derive(Clone, Debug, Default)]
pub struct Busy(Arc<Mutex<Vec<Thread>>>);

#[derive(Debug)]
struct Thread {
    schedstat: PathBuf,
    before: Duration,
    /// As it was last seen: a thread that has ended has no file any more.
    seen: Duration,
}

impl Busy {
    /// Counts the calling thread's time from now on. Where Linux's `/proc` is not there, it counts none.
    pub fn join(&self) {
        let Ok(thread) = fs::read_link("/proc/thread-self") else { return };
        let schedstat = PathBuf::from("/proc").join(thread).join("schedstat");
        let Some(before) = runnable(&schedstat) else { return };
        self.threads().push(Thread { schedstat, before, seen: before });
    }

    /// How many threads have joined, and the time of all of them together.
    pub fn so_far(&self) -> (usize, Duration) {
        let mut threads = self.threads();
        for thread in threads.iter_mut() {
            thread.seen = runnable(&thread.schedstat).unwrap_or(thread.seen);
        }
        (threads.len(), threads.iter().map(|thread| thread.seen - thread.before).sum())
    }

    fn threads(&self) -> std::sync::MutexGuard<'_, Vec<Thread>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn runnable(schedstat: &PathBuf) -> Option<Duration> {
    let text = fs::read_to_string(schedstat).ok()?;
    // On a core, and in line for one.
    let mut nanoseconds = text.split_whitespace().take(2).map(|time| time.parse::<u64>().ok());
    Some(Duration::from_nanos(nanoseconds.next()?? + nanoseconds.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn work_is_busy_and_sleep_is_not() {
        let busy = Busy::default();
        let joined = busy.clone();
        let (asleep, awake) = std::thread::spawn(move || {
            joined.join();
            std::thread::sleep(Duration::from_secs(1));
            let (_, asleep) = joined.so_far();
            while joined.so_far().1 < asleep + Duration::from_millis(50) {
                std::hint::black_box((0..100_000).sum::<u64>());
            }
            let since = Instant::now();
            (asleep, since.elapsed())
        })
        .join()
        .unwrap();
        assert!(asleep < Duration::from_millis(700) && awake < Duration::from_secs(60), "{asleep:?} {awake:?}");
        let (threads, time) = busy.so_far();
        assert!(threads == 1 && time >= Duration::from_millis(50), "{threads} {time:?}");
    }
}
