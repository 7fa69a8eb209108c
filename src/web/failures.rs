//! Sign-ins that failed lately: whoever guesses has to wait.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::origin::ClientOrigin;
use crate::data::fingerprint;

/// Failed sign-ins by where they came from, each with a hash of the name that was tried.
#[derive(Debug, Default)]
pub struct Failures(Mutex<HashMap<ClientOrigin, VecDeque<(Instant, u128)>>>);

/// So many may fail within the interval for one name; another name of the same address is not kept out by it.
const MOST: usize = 5;
/// So many may fail for one origin: a guess takes a processor's time, whatever the name.
const MOST_OF_ORIGIN: usize = 50;
/// Origins that are known at once; from one more nobody signs in until others are forgotten.
const MOST_ORIGINS: usize = 4096;
const FORGET_INTERVAL: Duration = Duration::from_secs(60);

impl Failures {
    /// Counts an attempt as failed until it has [succeeded](Failures::succeeded), so that attempts at one time count,
    /// too; false if there were too many.
    pub fn attempt(&self, from: IpAddr, name: &str, now: Instant) -> bool {
        let (from, mut all) = (ClientOrigin::of(from), self.0.lock().expect("no holder panics"));
        let recent = |(at, _): &(Instant, u128)| now.duration_since(*at) < FORGET_INTERVAL;
        if all.len() >= MOST_ORIGINS && !all.contains_key(&from) {
            all.retain(|_, failed| failed.back().is_some_and(recent));
            if all.len() >= MOST_ORIGINS {
                return false;
            }
        }
        let name = fingerprint(name.as_bytes());
        let failed = all.entry(from).or_default();
        failed.retain(recent);
        let of_name = failed.iter().filter(|(_, tried)| *tried == name).count();
        let may = of_name < MOST && failed.len() < MOST_OF_ORIGIN;
        if may {
            failed.push_back((now, name));
        }
        may
    }

    /// The attempt was right: it does not count.
    pub fn succeeded(&self, from: IpAddr, name: &str) {
        let mut all = self.0.lock().expect("no holder panics");
        let Some(failed) = all.get_mut(&ClientOrigin::of(from)) else { return };
        let name = fingerprint(name.as_bytes());
        if let Some(at) = failed.iter().rposition(|(_, tried)| *tried == name) {
            failed.remove(at);
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

    #[test]
    fn other_names_and_addresses_are_no_way_round() {
        let (failures, start) = (Failures::default(), Instant::now());
        let from = |n: u32| IpAddr::from(n.to_be_bytes());
        let names = (0..1000).filter(|n| failures.attempt(from(1), &format!("name {n}"), start)).count();
        assert_eq!(names, MOST_OF_ORIGIN);
        let addresses = (0..10_000).filter(|n| failures.attempt(from(*n), "anna", start)).count();
        assert_eq!(addresses, MOST_ORIGINS - 1, "the first one has tried too often");
        assert!(failures.attempt(from(20_000), "anna", start + FORGET_INTERVAL), "a minute later");
    }

    #[test]
    fn all_addresses_of_a_network_of_ipv6_are_one_origin() {
        let (failures, start) = (Failures::default(), Instant::now());
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        let same = (0..100).filter(|n| failures.attempt(at(&format!("2001:db8:0:1::{n:x}")), "anna", start)).count();
        assert_eq!(same, MOST);
        assert!(failures.attempt(at("2001:db8:0:2::1"), "anna", start), "another network");
        (0..MOST).for_each(|_| assert!(failures.attempt(at("10.0.0.1"), "anna", start)));
        assert!(!failures.attempt(at("::ffff:10.0.0.1"), "anna", start), "the same address");
        failures.succeeded(at("2001:db8:0:1::ffff"), "anna");
        assert!(failures.attempt(at("2001:db8:0:1::2"), "anna", start), "one of them was right");
    }
}
