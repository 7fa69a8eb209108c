//! Histograms of nanoseconds with three significant digits.

use std::cell::RefCell;
use std::rc::Rc;

use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use quanta::Instant;
use serde::{Deserialize, Serialize};

/// An HDR histogram of nanoseconds that resizes itself.
#[derive(Clone, Debug)]
pub struct Histogram(hdrhistogram::Histogram<u64>);

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram(hdrhistogram::Histogram::new(3).expect("three digits are allowed"))
    }
}

impl Histogram {
    /// Records a duration `count` times.
    pub fn record(&mut self, nanoseconds: u64, count: u64) {
        // It resizes itself up to the range of u64, so this can't fail.
        let _ = self.0.record_n(nanoseconds.max(1), count);
    }

    /// Adds the counts of another histogram.
    pub fn merge(&mut self, other: &Histogram) {
        let _ = self.0.add(&other.0);
    }

    /// What was recorded since `before`, an earlier state of this histogram.
    pub fn since(&self, before: &Histogram) -> Histogram {
        let mut own = self.clone();
        let _ = own.0.subtract(&before.0);
        own
    }

    /// The histogram of the hdrhistogram crate, in nanoseconds.
    pub fn inner(&self) -> &hdrhistogram::Histogram<u64> {
        &self.0
    }
}

/// Histograms are serialized in HdrHistogram's own V2 format.
impl Serialize for Histogram {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&self.0, &mut bytes).map_err(serde::ser::Error::custom)?;
        bytes.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Histogram, D::Error> {
        let bytes = Vec::<u8>::deserialize(deserializer)?;
        Deserializer::new().deserialize(&mut &bytes[..]).map(Histogram).map_err(serde::de::Error::custom)
    }
}

/// The service times of one worker, shared by its operators.
pub type SharedServiceTimes = Rc<RefCell<ServiceTimes>>;

/// Service time per subtask on one worker: a histogram an operator of the chain.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ServiceTimes {
    /// Nanoseconds by operator, in the chain's order.
    pub subtasks: Vec<Histogram>,
}

impl ServiceTimes {
    /// Empty histograms for a number of operators.
    pub fn new(operators: usize) -> ServiceTimes {
        // The first call calibrates the processor's counter: not on a message's time.
        Instant::now();
        ServiceTimes { subtasks: vec![Histogram::default(); operators] }
    }

    /// Runs `work`, records its time for operator `index`, and returns it in nanoseconds. It reads the processor's own
    /// counter: a system call would take longer than some of the work.
    pub fn time<T>(&mut self, index: usize, work: impl FnOnce() -> T) -> (T, u64) {
        let start = Instant::now();
        let result = work();
        let nanoseconds = start.elapsed().as_nanos() as u64;
        self.subtasks[index].record(nanoseconds, 1);
        (result, nanoseconds)
    }

    /// Adds the counts of another histogram.
    pub fn merge(&mut self, other: &ServiceTimes) {
        self.subtasks.iter_mut().zip(&other.subtasks).for_each(|(own, other)| own.merge(other));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_survives_the_way_between_processes() {
        let mut histogram = Histogram::default();
        histogram.record(1_000_000, 3);
        let bytes = serde_json::to_vec(&histogram).unwrap();
        let back: Histogram = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((back.0.len(), back.0.max()), (3, histogram.0.max()));
    }
}
