//! The metadata of a message's rows: everything but their bytes.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::contiguous;
use super::edge_node::EdgeNodeState;
use super::numbers::Numbers;
use super::partial_row::PartialRow;
use super::route::Route;
use super::station_clock::StationClock;

/// Where a row came from, for dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The MQTT topic or the file's path.
    pub topic: Arc<str>,
    /// The line of the file, or the running number of the publish, from 1.
    pub position: u64,
}

/// The metadata of a message's rows: everything but their bytes.
///
/// Arrival stamps, origins and deliveries do not travel to the workers that process the rows: latency, dead letters and
/// acknowledgements are handled by the first worker, to which a process that reads rows for it sends them as
/// [`Stamps`]. Where rows stay in the process that has read them, so do their origins.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct BatchMetadata {
    /// The message's timely timestamp, from 0.
    pub epoch: u64,
    /// The place of the first row in the input, from 0.
    pub first_row: u64,
    /// The numbers of its rows.
    pub numbers: Numbers,
    /// The workers that it goes to.
    pub route: Route,
    /// Whether it carries a checkpoint barrier: the steps' keyed states after it are stored.
    pub barrier: bool,
    /// The version of the fitted params that serve it.
    pub version: u64,
    /// The number of the source that its rows are from.
    pub source: usize,
    /// Rows that came at quality of service 0, and are never redelivered.
    once: Vec<Range<usize>>,
    /// Rows whose local times stand twice, and are in the second pass.
    second_pass: Vec<usize>,
    #[serde(skip)]
    arrived: Vec<u64>,
    #[serde(skip)]
    origins: Vec<Origin>,
    /// The number of the last delivery that is complete with this message; 0 if there is none.
    #[serde(skip)]
    pub delivered: u64,
    /// How many rows of the next delivery are in this message or an earlier one.
    #[serde(skip)]
    pub begun: u64,
    /// The rows that lack values still, where values come one by one.
    #[serde(skip)]
    pub partial: Option<Vec<Arc<PartialRow>>>,
    /// Whether rows in it were collected from values that came one by one.
    #[serde(skip)]
    pub collected: bool,
    /// What edge nodes of Sparkplug B have said up to here, since the message before.
    #[serde(skip)]
    pub edge_nodes: Vec<EdgeNodeState>,
    /// The last rows of the stations that it has rows of, on the days around a change of clocks.
    #[serde(skip)]
    pub station_clocks: Vec<StationClock>,
    /// When the message was closed, in nanoseconds of the source's monotonic clock.
    #[serde(skip)]
    pub closed: u64,
}

/// What does not travel with a bucket: arrival stamps and origins of its rows, and the deliveries that end in it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Stamps {
    /// Stamps, each with the number of its consecutive rows, as bytes.
    #[serde(with = "serde_bytes")]
    arrived: Vec<u8>,
    /// None where the rows stay in the process that has read them, with their origins.
    positions: Vec<u64>,
    /// Topics, each with the number of its consecutive rows.
    topics: Vec<(Arc<str>, usize)>,
    delivered: u64,
    begun: u64,
    closed: u64,
}

impl BatchMetadata {
    /// Of a message without rows yet.
    pub fn new(epoch: u64, first_row: u64) -> BatchMetadata {
        BatchMetadata { epoch, first_row, ..BatchMetadata::default() }
    }

    /// The bytes it holds for each row.
    pub(super) const ROW: usize = size_of::<u64>() + size_of::<Origin>();

    /// The bytes that it has room for.
    pub(super) fn capacity_bytes(&self) -> usize {
        size_of::<u64>() * self.arrived.capacity() + size_of::<Origin>() * self.origins.capacity()
    }

    /// Empties it, as if it were new, and keeps its memory.
    pub(super) fn clear(&mut self) {
        let BatchMetadata { mut arrived, mut origins, .. } = std::mem::take(self);
        arrived.clear();
        origins.clear();
        *self = BatchMetadata { arrived, origins, ..BatchMetadata::default() };
    }

    /// Adds a row that arrived at `arrived` nanoseconds of the source's clock.
    pub(super) fn push(&mut self, arrived: u64, origin: Origin) {
        self.arrived.push(arrived);
        self.origins.push(origin);
    }

    /// The last row came at quality of service 0.
    ///
    /// # Panics
    /// If there is no row.
    pub fn last_comes_once(&mut self) {
        let last = self.arrived.len() - 1;
        match self.once.last_mut().filter(|rows| rows.end == last) {
            Some(rows) => rows.end += 1,
            None => self.once.push(last..last + 1),
        }
    }

    /// The local time of a row, behind those already marked, stands twice, and is in the second pass.
    pub fn mark_second_pass(&mut self, row: usize) {
        self.second_pass.push(row);
    }

    /// Whether the local time of a row is in the second pass of those that stand twice.
    pub fn is_second_pass(&self, row: usize) -> bool {
        self.second_pass.binary_search(&row).is_ok()
    }

    /// Runs of its `count` rows in order: whether they are never redelivered, and how many.
    pub fn deliveries(&self, count: usize) -> Vec<(bool, u64)> {
        let (mut runs, mut from) = (Vec::new(), 0);
        for once in &self.once {
            runs.extend([(false, (once.start - from) as u64), (true, once.len() as u64)]);
            from = once.end;
        }
        runs.push((false, (count - from) as u64));
        runs.retain(|(_, rows)| *rows > 0);
        runs
    }

    /// Nanoseconds of the source's clock at which each row arrived (or was due).
    pub fn arrived(&self) -> &[u64] {
        &self.arrived
    }

    /// The origin of the row at a place.
    ///
    /// # Panics
    /// If there is no such row, or its stamps are in another process.
    pub fn origin(&self, index: usize) -> &Origin {
        &self.origins[index]
    }

    /// The place of the row with this number, counted from the first; it may be behind the last row.
    pub fn place_of(&self, number: u64) -> Option<usize> {
        let place = if self.numbers.runs.is_empty() { Some(number) } else { self.numbers.place_of(number) };
        usize::try_from(place?.checked_sub(self.first_row)?).ok()
    }

    /// What the first worker numbers the rows by, without anything of the rows.
    pub(super) fn without_rows(&self) -> BatchMetadata {
        BatchMetadata { once: self.once.clone(), ..BatchMetadata::default() }
    }

    /// Takes over what the first worker has given the message.
    pub fn number_as(&mut self, given: &BatchMetadata) {
        (self.epoch, self.first_row, self.route) = (given.epoch, given.first_row, given.route);
        (self.numbers, self.barrier) = (given.numbers.clone(), given.barrier);
        (self.version, self.source) = (given.version, given.source);
    }

    /// The stamps, for another process.
    pub fn stamps(&self) -> Stamps {
        let runs = self.origins.chunk_by(|a, b| a.topic == b.topic);
        Stamps {
            positions: self.origins.iter().map(|origin| origin.position).collect(),
            topics: runs.map(|run| (run[0].topic.clone(), run.len())).collect(),
            ..self.stamps_without_origins()
        }
    }

    /// The stamps of rows that stay in this process with their origins, for another process.
    pub fn stamps_without_origins(&self) -> Stamps {
        let runs = self.arrived.chunk_by(|a, b| a == b).map(|run| [run[0], run.len() as u64]);
        let arrived = contiguous::bytes(&runs.collect::<Vec<_>>()).to_vec();
        let (delivered, begun, closed) = (self.delivered, self.begun, self.closed);
        Stamps { arrived, delivered, begun, closed, ..Stamps::default() }
    }

    /// Adds the stamps to rows that came without them. `ahead` is how far this process' clock is ahead of the clock
    /// that made them, in nanoseconds.
    ///
    /// # Panics
    /// If the stamps are not those that [`BatchMetadata::stamps`] gave.
    pub fn stamp(&mut self, stamps: Stamps, ahead: i64) {
        let Stamps { arrived, positions, topics, delivered, begun, closed } = stamps;
        let runs: Vec<[u64; 2]> = contiguous::values(&arrived).expect("whole runs, as they were sent");
        let rows = |[stamp, rows]: [u64; 2]| std::iter::repeat_n(stamp.saturating_add_signed(ahead), rows as usize);
        self.arrived = runs.into_iter().flat_map(rows).collect();
        let topics = topics.iter().flat_map(|(topic, rows)| std::iter::repeat_n(topic, *rows));
        let origins = topics.zip(positions).map(|(topic, position)| Origin { topic: topic.clone(), position });
        self.origins = origins.collect();
        (self.delivered, self.begun) = (delivered, begun);
        self.closed = closed.saturating_add_signed(ahead);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_come_once_are_told_apart() {
        let mut metadata = BatchMetadata::default();
        for once in [false, true, true, false, true] {
            metadata.push(0, Origin { topic: "t".into(), position: 1 });
            if once {
                metadata.last_comes_once();
            }
        }
        assert_eq!(metadata.deliveries(5), [(false, 1), (true, 2), (false, 1), (true, 1)]);
    }

    #[test]
    fn stamps_follow_a_metadata_to_another_clock() {
        let mut metadata = BatchMetadata::default();
        for (place, arrived, topic) in [(1, 10, "a"), (2, 10, "a"), (3, 30, "b")] {
            metadata.push(arrived, Origin { topic: topic.into(), position: place });
        }
        (metadata.delivered, metadata.begun, metadata.closed) = (7, 2, 40);
        let sent = crate::data::to_bytes(&(&metadata, metadata.stamps()));
        let (mut received, stamps): (BatchMetadata, Stamps) = crate::data::from_bytes(&sent).unwrap();
        received.stamp(stamps, -15);
        assert_eq!(received.arrived(), [0, 0, 15]);
        assert!((0..3).all(|row| received.origin(row) == metadata.origin(row)));
        assert_eq!((received.delivered, received.begun, received.closed), (7, 2, 25));
    }
}
