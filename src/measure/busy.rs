//! Busy time of worker threads: on a core or waiting for one, whatever they do there.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::proc::ThreadTime;

/// Busy time of this process' worker threads. What is between messages (hand-over, progress, the sink) counts as work,
/// too. A worker that waits for messages is parked, so all time that it runs, or waits for a core, is busy time.
#[derive(Clone, Debug, Default)]
pub struct BusyTime(Arc<Mutex<Vec<WorkerThread>>>);

#[derive(Debug)]
struct WorkerThread {
    time: ThreadTime,
    since: Instant,
    before: Duration,
    /// As of the last look: the file of a thread is gone when it has ended.
    busy: Duration,
}

impl BusyTime {
    /// Counts the calling thread's time from now on; none without Linux's `/proc`.
    pub fn join(&self) {
        let Some(time) = ThreadTime::own() else { return };
        let Some(before) = time.runnable() else { return };
        self.threads().push(WorkerThread { time, since: Instant::now(), before, busy: Duration::ZERO });
    }

    /// Restarts the count of all threads that have joined.
    pub fn restart(&self) {
        for thread in self.threads().iter_mut() {
            thread.restart();
        }
    }

    /// The number of threads that have joined, and their busy time in all.
    pub fn so_far(&self) -> (usize, Duration) {
        let mut threads = self.threads();
        threads.iter_mut().for_each(WorkerThread::look);
        (threads.len(), threads.iter().map(|thread| thread.busy).sum())
    }

    fn threads(&self) -> std::sync::MutexGuard<'_, Vec<WorkerThread>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WorkerThread {
    fn restart(&mut self) {
        self.since = Instant::now();
        self.before = self.time.runnable().unwrap_or(self.before);
        self.busy = Duration::ZERO;
    }

    fn look(&mut self) {
        let Some(now) = self.time.runnable() else { return };
        // The kernel adds a tick, or a whole wait for a core, at its end: also a part from before the restart.
        self.busy = now.saturating_sub(self.before).min(self.since.elapsed()).max(self.busy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_busy_and_sleep_is_not() {
        let busy = BusyTime::default();
        let joined = busy.clone();
        let slept = std::thread::spawn(move || {
            joined.join();
            let since = Instant::now();
            std::thread::sleep(Duration::from_secs(1));
            let slept = since.elapsed();
            let asleep = joined.so_far().1;
            work_until(&joined, asleep + Duration::from_millis(50));
            (asleep, slept)
        });
        let (asleep, slept) = slept.join().unwrap();
        assert!(asleep < slept, "{asleep:?} {slept:?}");
        let (threads, time) = busy.so_far();
        assert!(threads == 1 && time >= Duration::from_millis(50), "{threads} {time:?}");
    }

    #[test]
    fn nobody_is_busy_for_longer_than_the_time_that_is_counted() {
        let busy = BusyTime::default();
        let (joined, parked) = (busy.clone(), std::thread::current());
        let worker = std::thread::spawn(move || {
            joined.join();
            work_until(&joined, Duration::from_millis(200));
            parked.unpark();
            // At a restart, its last tick is not counted yet.
            loop {
                std::hint::black_box((0..100_000).sum::<u64>());
                if joined.so_far().0 > 1 {
                    return;
                }
            }
        });
        while busy.so_far().1 < Duration::from_millis(200) {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        for _ in 0..1000 {
            let since = Instant::now();
            busy.restart();
            std::hint::black_box((0..10_000).sum::<u64>());
            let time = busy.so_far().1;
            assert!(time <= since.elapsed(), "{time:?}");
        }
        busy.join();
        worker.join().unwrap();
    }

    fn work_until(busy: &BusyTime, time: Duration) {
        while busy.so_far().1 < time {
            std::hint::black_box((0..100_000).sum::<u64>());
        }
    }
}
