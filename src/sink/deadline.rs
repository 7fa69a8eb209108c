//! When waiting for brokers ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// When a sink stops waiting for its broker: never, until it is set. Shared by all who may set it.
#[derive(Clone, Debug, Default)]
pub struct Deadline {
    at: Arc<Mutex<Option<Instant>>>,
    stopped: Arc<AtomicBool>,
}

impl Deadline {
    /// The run is stopped: a broker that was never reached is no longer waited for, as there is nothing to drain to it.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether the run is stopped.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Sets the deadline, unless an earlier one is set.
    pub fn set(&self, at: Instant) {
        let mut deadline = self.at.lock().expect("no holder panics");
        *deadline = Some(deadline.map_or(at, |earlier| earlier.min(at)));
    }

    /// Whether the deadline has passed.
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
