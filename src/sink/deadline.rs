//! When waits for brokers end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// When a sink gives up waiting for its broker: never, until somebody sets it. Shared by all who may.
#[derive(Clone, Debug, Default)]
pub struct Deadline {
    at: Arc<Mutex<Option<Instant>>>,
    stopped: Arc<AtomicBool>,
}

impl Deadline {
    /// The run was told to end: a broker that was never reached is no more waited for, for it has nothing to drain.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether the run was told to stop.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Waits end then, or earlier if that has been said before.
    pub fn set(&self, at: Instant) {
        let mut deadline = self.at.lock().expect("no holder panics");
        *deadline = Some(deadline.map_or(at, |earlier| earlier.min(at)));
    }

    /// Whether the time is over.
    pub fn has_passed(&self) -> bool {
        self.at.lock().expect("no holder panics").is_some_and(|at| at <= Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_earliest_counts() {
        let (deadline, now) = (Deadline::default(), Instant::now());
        assert!(!deadline.has_passed());
        deadline.set(now + Duration::from_secs(3600));
        assert!(!deadline.has_passed());
        deadline.clone().set(now);
        deadline.set(now + Duration::from_secs(3600));
        assert!(deadline.has_passed());
    }
}
