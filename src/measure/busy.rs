//! How long worker threads have been busy: on a core or waiting for one, whatever they did there.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::proc::ThreadTime;

/// The worker threads of this process. What is between messages (hand-over, progress, the sink) is work like what is
/// done on them, and a thread that waits for messages is parked: so the time that it runs, or would if a core were free, is service in full.
#[derive(Clone, Debug, Default)]
pub struct BusyTime(Arc<Mutex<Vec<WorkerThread>>>);

#[derive(Debug)]
struct WorkerThread {
    time: ThreadTime,
    since: Instant,
    before: Duration,
    /// As it was last seen: a thread that has ended has no file any more.
    busy: Duration,
}

impl BusyTime {
    /// Counts the calling thread's time from now on. Where Linux's `/proc` is not there, it counts none.
    pub fn join(&self) {
        let Some(time) = ThreadTime::own() else { return };
        let Some(before) = time.runnable() else { return };
        self.threads().push(WorkerThread { time, since: Instant::now(), before, busy: Duration::ZERO });
    }

    /// Counts the threads that have joined from now on, and forgets what they did before.
    pub fn restart(&self) {
        for thread in self.threads().iter_mut() {
            thread.restart();
        }
    }

    /// How many threads have joined, and the time of all of them together.
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
        // The kernel counts a tick, or a whole wait for a core, when it is over: also what began before.
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
            // Its last tick is not counted yet where the count starts anew.
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
