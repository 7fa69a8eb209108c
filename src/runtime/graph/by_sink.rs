//! A number for each sink.

use serde::{Deserialize, Serialize};

/// A number for each sink, in the order of the dataflow; that of one alone needs no memory of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BySink {
    first: u64,
    others: Vec<u64>,
}

impl BySink {
    /// The number of a sink; 0 if it has none.
    pub fn get(&self, sink: usize) -> u64 {
        let others = |sink: usize| self.others.get(sink).copied().unwrap_or(0);
        sink.checked_sub(1).map_or(self.first, others)
    }

    /// Adds to the number of a sink.
    pub fn add(&mut self, sink: usize, number: u64) {
        let Some(place) = sink.checked_sub(1) else {
            self.first += number;
            return;
        };
        if self.others.len() <= place {
            self.others.resize(place + 1, 0);
        }
        self.others[place] += number;
    }

    /// Adds the numbers of all sinks.
    pub fn merge(&mut self, other: &BySink) {
        self.first += other.first;
        other.others.iter().zip(1..).for_each(|(number, sink)| self.add(sink, *number));
    }
}

impl FromIterator<u64> for BySink {
    fn from_iter<I: IntoIterator<Item = u64>>(numbers: I) -> BySink {
        let mut numbers = numbers.into_iter();
        BySink { first: numbers.next().unwrap_or(0), others: numbers.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sink_has_its_number() {
        let mut by_sink: BySink = [5, 6, 7].into_iter().collect();
        by_sink.add(1, 10);
        by_sink.merge(&[1].into_iter().collect());
        assert_eq!([0, 1, 2, 3].map(|sink| by_sink.get(sink)), [6, 16, 7, 0]);
        let mut empty = BySink::default();
        empty.add(2, 4);
        by_sink.merge(&empty);
        assert_eq!((by_sink.get(2), empty.get(1)), (11, 0));
    }
}
