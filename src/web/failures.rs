//! Sign-ins that failed lately: whoever guesses has to wait.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Failed sign-ins by address and name.
#[derive(Debug, Default)]
pub struct Failures(Mutex<HashMap<(IpAddr, String), VecDeque<Instant>>>);

/// So many may fail within the interval.
const MOST: usize = 5;
const FORGET_INTERVAL: Duration = Duration::from_secs(60);
/// Beyond so many addresses and names, those of an earlier interval are forgotten.
const MOST_KEPT: usize = 4096;

impl Failures {
    /// Counts an attempt as failed until it has [succeeded](Failures::succeeded), so that attempts at one time count,
    /// too; false if there were too many.
    pub fn attempt(&self, from: IpAddr, name: &str, now: Instant) -> bool {
        let mut all = self.0.lock().expect("no holder panics");
        let recent = |at: &Instant| now.duration_since(*at) < FORGET_INTERVAL;
        if all.len() > MOST_KEPT {
            all.retain(|_, failed| failed.back().is_some_and(recent));
        }
        let failed = all.entry((from, name.to_owned())).or_default();
        failed.retain(recent);
        let may = failed.len() < MOST;
        if may {
            failed.push_back(now);
        }
        may
    }

    /// The attempt was right: it does not count.
    pub fn succeeded(&self, from: IpAddr, name: &str) {
        let mut all = self.0.lock().expect("no holder panics");
        if let Some(failed) = all.get_mut(&(from, name.to_owned())) {
            failed.pop_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_count_and_what_is_right_does_not() {
        let (failures, from, start) = (Failures::default(), IpAddr::from([10, 0, 0, 1]), Instant::now());
        for _ in 0..100 {
            assert!(failures.attempt(from, "anna", start));
            failures.succeeded(from, "anna");
        }
        for _ in 0..MOST {
            assert!(failures.attempt(from, "anna", start));
        }
        assert!(!failures.attempt(from, "anna", start));
        assert!(failures.attempt(from, "vera", start), "another name");
        assert!(failures.attempt(IpAddr::from([10, 0, 0, 2]), "anna", start), "another address");
        assert!(failures.attempt(from, "anna", start + FORGET_INTERVAL), "a minute later");
    }
}
