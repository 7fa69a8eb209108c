//! Warns while more rows arrive than the workers serve, and estimates how many workers would suffice.

use std::time::{Duration, Instant};

/// How long the source must be held back before the first warning.
const OVERLOAD_TIMEOUT: Duration = Duration::from_secs(5);
/// The interval between warnings.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);
/// The interval between observations: in a shorter one, a burst would be taken for a rate.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Workers with a smaller busy share are not the bottleneck.
const BUSY: f64 = 0.5;

/// An observation of a run's load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ObservedLoad {
    pub at: Instant,
    /// Whether the source is held back by a full queue.
    pub held_back: bool,
    /// Rows that have arrived so far.
    pub arrived: f64,
    /// Rows that are complete so far.
    pub done: u64,
    /// Mean busy time of a row in seconds: its service, and the share of what is between messages.
    pub service: f64,
}

/// Watches whether rho stays below 1.
pub struct Overload {
    workers: usize,
    /// Rows a second: of the schedule, else as observed while the source was not held back.
    arrival_rate: Option<f64>,
    scheduled: bool,
    last: Option<ObservedLoad>,
    /// The observation at which the source began to be held back.
    since: Option<ObservedLoad>,
    warned: Option<Instant>,
}

impl Overload {
    /// `arrival_rate` is that of a schedule, in rows a second, if there is one.
    pub fn new(workers: usize, arrival_rate: Option<f64>) -> Overload {
        let scheduled = arrival_rate.is_some();
        Overload { workers, arrival_rate, scheduled, last: None, since: None, warned: None }
    }

    /// Whether the next observation is due.
    pub fn is_due(&self) -> bool {
        self.last.is_none_or(|last| last.at.elapsed() >= LOOK_INTERVAL)
    }

    /// Takes an observation; returns a warning if one is due.
    pub fn look(&mut self, now: ObservedLoad) -> Option<String> {
        let last = self.last.replace(now);
        if !now.held_back {
            self.since = None;
            if let Some(last) = last.filter(|last| !last.held_back && !self.scheduled) {
                self.arrival_rate = Some((now.arrived - last.arrived) / (now.at - last.at).as_secs_f64());
            }
            return None;
        }
        let since = *self.since.get_or_insert(now);
        let waited = now.at - since.at;
        let said = self.warned.is_some_and(|warned| now.at - warned < WARNING_INTERVAL);
        if waited < OVERLOAD_TIMEOUT || said {
            return None;
        }
        self.warned = Some(now.at);
        Some(self.warning((now.done - since.done) as f64 / waited.as_secs_f64(), now.service))
    }

    /// The warning for workers that serve this many rows a second while the source is held back.
    fn warning(&self, served: f64, service: f64) -> String {
        let workers = self.workers;
        let busy = served * service / workers as f64;
        if busy < BUSY {
            return format!(
                "rows wait before the dataflow though workers work {:.0} % of the time: the sink or the machine holds \
                 them back",
                100.0 * busy
            );
        }
        match self.arrival_rate.filter(|rate| *rate >= served) {
            Some(rate) => {
                let enough = (rate * workers as f64 / served).floor() + 1.0;
                format!(
                    "rho is {:.2}: {rate:.0} rows/s arrive, {workers} workers serve {served:.0}; {enough} workers would do",
                    rate / served
                )
            }
            None => format!(
                "rho is at least 1: rows wait before the dataflow, {workers} workers serve {served:.0} rows/s; \
                 `rowmill plan --rate R` says how many a rate needs"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The warnings, by second, while rows arrive and are done at these rates.
    fn said(rate: Option<f64>, seconds: &[(bool, f64, f64)], service: f64) -> Vec<(usize, String)> {
        let start = Instant::now();
        let mut overload = Overload::new(2, rate);
        let (mut arrived, mut done) = (0.0, 0.0);
        let mut said = Vec::new();
        for (second, (held_back, arrivals, served)) in seconds.iter().enumerate() {
            arrived += arrivals;
            done += served;
            let at = start + Duration::from_secs(second as u64);
            let seen = ObservedLoad { at, held_back: *held_back, arrived, done: done as u64, service };
            said.extend(overload.look(seen).map(|warning| (second, warning)));
        }
        said
    }

    #[test]
    fn the_rate_that_was_seen_before_tells_how_many_workers_would_do() {
        let mut seconds = vec![(false, 500.0, 200.0); 3];
        seconds.extend([(true, 200.0, 200.0); 70]);
        let said = said(None, &seconds, 0.009);
        assert_eq!(said.iter().map(|(second, _)| *second).collect::<Vec<_>>(), [8, 68]);
        assert_eq!(said[0].1, "rho is 2.50: 500 rows/s arrive, 2 workers serve 200; 6 workers would do");
    }

    #[test]
    fn a_schedule_tells_the_rate_itself() {
        let said = said(Some(390.0), &[(true, 200.0, 200.0); 7], 0.009);
        assert!(said[0].1.contains("390 rows/s arrive") && said[0].1.contains("4 workers would do"), "{said:?}");
    }

    #[test]
    fn without_a_rate_it_says_so_and_idle_workers_are_not_blamed() {
        let held_back = [(true, 200.0, 200.0); 7];
        assert!(said(None, &held_back, 0.009)[0].1.contains("at least 1"));
        assert!(said(None, &held_back, 0.001)[0].1.contains("work 10 % of the time"));
    }

    #[test]
    fn a_burst_is_no_reason() {
        let mut seconds = vec![(true, 200.0, 200.0); 4];
        seconds.extend([(false, 100.0, 100.0), (true, 200.0, 200.0), (true, 200.0, 200.0)]);
        assert_eq!(said(None, &seconds, 0.009), []);
    }
}
