//! Rows become messages: a bucket closes when it is full, or when its oldest row has waited long enough.

use std::time::{Duration, Instant};

use super::clock_changes::ClockChanges;
use super::edge_nodes::EdgeNodes;
use super::partial_rows::{PartialRows, RowValue};
use super::position::SourcePosition;
use crate::data::{Broken, Bucket, EdgeNodeState, Format, Origin, PartialRow, Row, spare_bucket};
use crate::format::Framing;
use crate::format::topic_payload::{self, TopicPayload, UnknownNames};
use crate::format::value::object_of_row;
use crate::measure::Clock;

/// When a bucket closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows per message, at least 1. A message closes earlier at [`MAX_BUCKET`] bytes, unless this is
    /// [`Limits::ALL_ROWS`].
    pub bucket_size: usize,
    /// How long the oldest row of a partial message waits.
    pub delay: Duration,
}

impl Limits {
    /// All rows are one message, however many there are.
    pub const ALL_ROWS: usize = usize::MAX;
}

/// Most bytes of a message; the row that passes the limit is still taken in.
pub const MAX_BUCKET: usize = 32 << 20;

/// The open bucket. Its epoch and the number of its first row are assigned where the buckets of all connections are
/// merged.
pub struct BucketBuffer {
    limits: Limits,
    open: Bucket,
    rows_left: u64,
    /// Whether rows came at quality of service 0.
    once: bool,
    delivered: u64,
    /// Rows so far of the delivery that is being taken in, if any.
    begun: Option<u64>,
    /// Since when delivery progress waits that no row carries.
    untold: Option<u64>,
    /// Deliveries that the open bucket ends.
    deliveries: usize,
    /// Where the next row is in the shared file, if it is from one.
    offset: Option<u64>,
    /// Whether the warning about a message closed by its bytes was logged.
    told: bool,
    /// Where local times may stand twice.
    clock_changes: Option<ClockChanges>,
    /// Whether the topics of rows tell something of them.
    keeps_topics: bool,
    /// Columns that topics name and the schema lacks.
    unknown: UnknownNames,
    /// Rows that lack values still, where values come one by one.
    partial: Option<PartialRows>,
    /// Whether a later run goes on with them.
    keeps_partial: bool,
    /// The edge nodes of Sparkplug B, where messages are of that.
    edge_nodes: Option<EdgeNodes>,
}

/// Buckets that an arrival fills. Each is handed on when the next one is full, so that a publish of any number of rows
/// waits only for the queue's capacity, and the last bucket still carries the end of its delivery.
pub struct FilledBuckets<'a> {
    last: Option<Bucket>,
    hand_on: &'a mut dyn FnMut(Bucket) -> bool,
    wanted: bool,
}

impl<'a> FilledBuckets<'a> {
    /// `hand_on` waits while the queue is full, and returns whether more buckets are wanted.
    pub fn new(hand_on: &'a mut dyn FnMut(Bucket) -> bool) -> FilledBuckets<'a> {
        FilledBuckets { last: None, hand_on, wanted: true }
    }

    /// Takes in a bucket, if there is one.
    pub fn extend(&mut self, bucket: Option<Bucket>) {
        let before = bucket.and_then(|bucket| self.last.replace(bucket));
        self.hand(before);
    }

    /// Whether the receiver still takes buckets.
    pub fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Hands on the last one, too; whether more is wanted.
    pub fn finish(mut self) -> bool {
        let last = self.last.take();
        self.hand(last);
        self.wanted
    }

    fn hand(&mut self, bucket: Option<Bucket>) {
        if let Some(bucket) = bucket.filter(|_| self.wanted) {
            self.wanted = (self.hand_on)(bucket);
        }
    }
}

/// A payload, and how it is read.
#[derive(Clone, Copy)]
pub struct UnreadPayload<'a> {
    /// The payload.
    pub bytes: &'a [u8],
    /// When it arrived, in nanoseconds of the source's clock.
    pub arrived: u64,
    /// Where it came from.
    pub origin: &'a Origin,
    /// How it is cut into rows.
    pub framing: &'a Framing,
    /// Rows that an earlier run has taken.
    pub skip: u64,
}

/// Longest time that delivery progress without rows waits.
const TELL_INTERVAL: Duration = Duration::from_millis(100);

impl BucketBuffer {
    /// An empty buffer that takes `max_rows` rows, or any number.
    pub fn new(limits: Limits, max_rows: Option<u64>) -> BucketBuffer {
        let rows_left = max_rows.unwrap_or(u64::MAX);
        let open = spare_bucket();
        BucketBuffer {
            limits,
            open,
            rows_left,
            once: false,
            delivered: 0,
            begun: None,
            untold: None,
            deliveries: 0,
            offset: None,
            told: false,
            clock_changes: None,
            keeps_topics: false,
            unknown: UnknownNames::default(),
            partial: None,
            keeps_partial: false,
            edge_nodes: None,
        }
    }

    /// The same, of rows whose local times may stand twice.
    pub fn with_clock_changes(self, clock_changes: Option<ClockChanges>) -> BucketBuffer {
        BucketBuffer { clock_changes, ..self }
    }

    /// Collects values that come one by one, where `framing` says so; and goes on with the rows that an earlier run has
    /// held, as `position` says.
    pub fn collecting(mut self, framing: &Framing, position: &SourcePosition, clock: Clock) -> BucketBuffer {
        let (held, keeps) = (&position.partial, position.keeps_partial && framing.collect.is_some());
        if framing.collect.is_some() || !held.is_empty() {
            self.keeps_topics = framing.decoding.reads_topics();
            // What came while nobody listened is lost: later values are those of other rows.
            let held = held.iter().map(|row| PartialRow { closed: row.closed || !keeps, ..PartialRow::clone(row) });
            self.partial = Some(PartialRows::after(framing.collect.unwrap_or_default(), held, clock.now()));
            self.keeps_partial = keeps;
        }
        self
    }

    /// Reads Sparkplug B, where `framing` says so; and goes on with what an earlier run has `known` of its nodes.
    pub fn of_edge_nodes(self, framing: &Framing, known: &[EdgeNodeState]) -> BucketBuffer {
        let edge_nodes = framing.format.is_sparkplug().then(|| EdgeNodes::after(known));
        BucketBuffer { edge_nodes, ..self }
    }

    /// The topics on which edge nodes are to be asked for their birth certificates, since the last call.
    pub fn take_rebirth_requests(&mut self) -> Vec<String> {
        self.edge_nodes.as_mut().map_or_else(Vec::new, EdgeNodes::take_requests)
    }

    /// What edge nodes have said is to be reported, by a bucket without rows if no row comes.
    pub fn tell_of_edge_nodes(&mut self, arrived: u64) {
        if self.edge_nodes.as_ref().is_some_and(EdgeNodes::has_changed) {
            self.tell(arrived);
        }
    }

    /// The rows that follow belong to a delivery, until it is [`delivered`](BucketBuffer::delivered); an earlier run
    /// has taken the first `taken` of them.
    pub fn begin_delivery(&mut self, taken: u64) {
        self.begun = Some(taken);
    }

    /// Whether the rows that follow came at quality of service 0.
    pub fn comes_once(&mut self, once: bool) {
        self.once = once;
    }

    /// The next row is at this offset of a file that all processes of the run have.
    pub fn row_is_at(&mut self, offset: u64) {
        self.offset = Some(offset);
    }

    /// Rows per message.
    pub fn bucket_size(&self) -> usize {
        self.limits.bucket_size
    }

    /// Whether no more rows are taken.
    pub fn is_done(&self) -> bool {
        self.rows_left == 0
    }

    /// Passes over a row that an earlier run has taken.
    pub fn pass_over(&mut self, row: Row<'_>, origin: Origin) {
        if let Some(changes) = &mut self.clock_changes {
            changes.pass_over(row, origin);
        }
    }

    /// Tells what the rows have left open, of a source that has come to its end.
    pub fn end(&mut self) {
        if let Some(changes) = &mut self.clock_changes {
            changes.end();
        }
    }

    /// Takes in a row; returns the bucket that it fills.
    pub fn push(&mut self, row: Row<'_>, arrived: u64, origin: Origin, clock: Clock) -> Option<Bucket> {
        if self.rows_left == 0 {
            return None;
        }
        if self.keeps_topics {
            self.open.raw.begin_topic(&origin.topic);
        }
        self.open.push(row, arrived, origin);
        if let Some(offset) = self.offset.take() {
            self.open.raw.last_is_at(offset);
        }
        if self.once {
            self.open.metadata.last_comes_once();
        }
        self.begun = self.begun.map(|rows| rows + 1);
        self.rows_left -= 1;
        let bucket_size = self.limits.bucket_size;
        if self.open.len() >= bucket_size {
            return self.close(clock);
        }
        if self.open.byte_len() < MAX_BUCKET || bucket_size == Limits::ALL_ROWS {
            return None;
        }
        if !std::mem::replace(&mut self.told, true) {
            let (rows, bytes) = (self.open.len(), MAX_BUCKET >> 20);
            tracing::warn!(
                "a message of {rows} rows closes before its bucket_size of {bucket_size}: it holds {bytes} MiB"
            );
        }
        self.close(clock)
    }

    /// Takes in the rows of a payload, but the first `skip`, which an earlier run has taken; `filled` gets the buckets
    /// that they fill.
    pub fn push_payload(&mut self, payload: UnreadPayload<'_>, clock: Clock, filled: &mut FilledBuckets<'_>) {
        let UnreadPayload { bytes, arrived, origin, framing, skip } = payload;
        self.keeps_topics = framing.decoding.reads_topics();
        if framing.collect.is_some() && self.partial.is_some() {
            return self.push_value(payload, clock, filled);
        }
        if self.edge_nodes.is_some() {
            return self.push_message(payload, clock, filled);
        }
        let mut left = skip;
        let mut unknown = std::mem::take(&mut self.unknown);
        topic_payload::each_row(bytes, &origin.topic, framing, &mut unknown, |row| {
            if left > 0 {
                left -= 1;
            } else if filled.is_wanted() {
                filled.extend(self.push(row, arrived, origin.clone(), clock));
            }
        });
        self.unknown = unknown;
    }

    /// Takes in a payload that is the value of one column; the rows that it closes leave before it counts as taken in.
    fn push_value(&mut self, payload: UnreadPayload<'_>, clock: Clock, filled: &mut FilledBuckets<'_>) {
        let UnreadPayload { bytes, arrived, origin, framing, skip } = payload;
        let Origin { topic, position } = origin;
        let read = topic_payload::read(bytes, topic, framing, &mut self.unknown);
        let key = framing.topic.as_ref().map(|pattern| pattern.row_of(topic)).unwrap_or_default();
        let Some(partial) = &mut self.partial else { return };
        if let TopicPayload::Value { name, .. } = &read {
            partial.close_before(&key, name);
        }
        self.leave(arrived, clock, filled);
        match read {
            TopicPayload::Value { name, cell, beside } => {
                let value = RowValue { key, topic, position: *position, once: self.once, name, cell, beside };
                if let Some(partial) = &mut self.partial {
                    partial.add(value, arrived);
                }
            }
            TopicPayload::Broken(reason) if skip == 0 && filled.is_wanted() => {
                let row = Row { bytes, format: Format::Broken(reason), header: None };
                filled.extend(self.push(row, arrived, origin.clone(), clock));
            }
            _ => {}
        }
    }

    /// Takes in a message of Sparkplug B.
    fn push_message(&mut self, payload: UnreadPayload<'_>, clock: Clock, filled: &mut FilledBuckets<'_>) {
        let UnreadPayload { bytes, arrived, origin, framing, skip } = payload;
        let Some(edge_nodes) = &mut self.edge_nodes else { return };
        let columns = framing.columns.as_ref();
        let wanted = |name: &str| columns.is_none_or(|schema| framing.decoding.takes(schema, name));
        let read = match bytes.len() > framing.max_payload {
            true => Err(Broken::TooLong),
            false => edge_nodes.take_in(&origin.topic, bytes, wanted, arrived),
        };
        let rows = match &read {
            Ok(rows) => rows.iter().map(|row| (&row[..], Format::Json)).collect(),
            Err(reason) => vec![(bytes, Format::Broken(*reason))],
        };
        for (bytes, format) in rows.into_iter().skip(skip as usize) {
            if filled.is_wanted() {
                filled.extend(self.push(Row { bytes, format, header: None }, arrived, origin.clone(), clock));
            }
        }
    }

    /// Hands on the collected rows for which nothing more can come at `now`.
    fn leave(&mut self, now: u64, clock: Clock, filled: &mut FilledBuckets<'_>) {
        while let Some(row) = self.partial.as_mut().and_then(|partial| partial.next(now)) {
            self.push_collected(&row, now, clock, filled);
        }
    }

    fn push_collected(&mut self, row: &PartialRow, now: u64, clock: Clock, filled: &mut FilledBuckets<'_>) {
        // Its values are of deliveries that are taken in already.
        let (begun, once) = (self.begun.take(), std::mem::replace(&mut self.once, row.once));
        self.open.metadata.collected = true;
        let (object, origin) = (object_of_row(row), Origin { topic: row.topic.clone(), position: row.position });
        let bucket = self.push(Row { bytes: &object, format: Format::Json, header: None }, now, origin, clock);
        filled.extend(bucket);
        (self.begun, self.once) = (begun, once);
    }

    /// All rows of delivery `number`, which `arrived` at this time, have been taken in; `filled` are the buckets they
    /// filled. The bucket with the last row carries the end of the delivery; without rows the next bucket does, which
    /// may be empty.
    pub fn delivered(&mut self, number: u64, arrived: u64, filled: &mut FilledBuckets<'_>) {
        self.delivered = number;
        self.deliveries += 1;
        self.begun = None;
        if self.open.is_empty() {
            match &mut filled.last {
                Some(last) => {
                    (last.metadata.delivered, last.metadata.begun) = (number, 0);
                    last.metadata.partial = self.partial.as_ref().map(PartialRows::held);
                    last.metadata.edge_nodes.extend(self.edge_nodes.iter_mut().flat_map(EdgeNodes::take_changed));
                }
                None => self.tell(arrived),
            }
        }
    }

    /// Deliveries that the open bucket ends.
    pub fn deliveries(&self) -> usize {
        self.deliveries
    }

    /// Delivery progress since `arrived` is to be reported, by a bucket without rows if no row comes.
    pub fn tell(&mut self, arrived: u64) {
        self.untold.get_or_insert(arrived);
    }

    /// When the open bucket must close, if a row or delivery progress waits in it; or when a collected row leaves.
    pub fn deadline(&self, clock: Clock) -> Option<Instant> {
        let leaves = self.partial.as_ref().and_then(PartialRows::deadline).map(|at| clock.instant(at));
        self.closes(clock).into_iter().chain(leaves).min()
    }

    fn closes(&self, clock: Clock) -> Option<Instant> {
        match self.open.metadata.arrived().first() {
            Some(oldest) => Some(clock.instant(*oldest) + self.limits.delay),
            None => self.untold.map(|since| clock.instant(since) + self.limits.delay.min(TELL_INTERVAL)),
        }
    }

    /// Hands on the collected rows that are due, and the open bucket if it is.
    pub fn close_due(&mut self, clock: Clock, filled: &mut FilledBuckets<'_>) {
        self.leave(clock.now(), clock, filled);
        if self.closes(clock).is_some_and(|due| due <= Instant::now()) {
            filled.extend(self.close(clock));
        }
    }

    /// Hands on everything: nothing more comes. Rows that lack values stay where a later run goes on with them.
    pub fn finish(&mut self, clock: Clock, filled: &mut FilledBuckets<'_>) {
        let mut left = self.partial.as_mut().filter(|_| !self.keeps_partial);
        let rows: Vec<_> = std::iter::from_fn(|| left.as_mut()?.take_first()).collect();
        for row in rows {
            self.push_collected(&row, clock.now(), clock, filled);
        }
        filled.extend(self.close(clock));
    }

    /// Closes the open bucket, if a row or delivery progress waits in it.
    pub fn close(&mut self, clock: Clock) -> Option<Bucket> {
        let untold = self.untold.take();
        self.deliveries = 0;
        if self.open.is_empty() && untold.is_none() {
            return None;
        }
        let mut bucket = std::mem::replace(&mut self.open, spare_bucket());
        (bucket.metadata.delivered, bucket.metadata.begun) = (self.delivered, self.begun.unwrap_or(0));
        if let Some(changes) = &mut self.clock_changes {
            changes.mark(&mut bucket);
        }
        bucket.metadata.partial = self.partial.as_ref().map(PartialRows::held);
        bucket.metadata.edge_nodes = self.edge_nodes.iter_mut().flat_map(EdgeNodes::take_changed).collect();
        bucket.metadata.closed = clock.now();
        Some(bucket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Format;
    use crate::format::InnerRows;
    use proptest::prelude::*;

    fn push(buffer: &mut BucketBuffer, clock: Clock) -> Option<Bucket> {
        push_at(buffer, clock, 1)
    }

    fn push_at(buffer: &mut BucketBuffer, clock: Clock, position: u64) -> Option<Bucket> {
        let row = Row { bytes: b"{}", format: Format::Json, header: None };
        buffer.push(row, clock.now(), Origin { topic: "t".into(), position }, clock)
    }

    proptest! {
        #[test]
        fn every_row_stands_in_one_bucket(rows in 0u64..200, bucket_size in 1usize..20, flush in 1u64..50) {
            let clock = Clock::start();
            let mut buffer = BucketBuffer::new(Limits { bucket_size, delay: Duration::ZERO }, None);
            let mut buckets = Vec::new();
            for row in 0..rows {
                buckets.extend(push_at(&mut buffer, clock, row + 1));
                if row % flush == 0 {
                    buckets.extend(buffer.close(clock));
                }
            }
            buckets.extend(buffer.close(clock));
            prop_assert!(buckets.iter().all(|bucket| (1..=bucket_size).contains(&bucket.len())));
            let positions = buckets.iter().flat_map(|bucket| (0..bucket.len()).map(|row| bucket.metadata.origin(row).position));
            prop_assert!(positions.eq(1..=rows));
        }
    }

    #[test]
    fn a_bucket_of_large_rows_closes_early() {
        let clock = Clock::start();
        let limits = |bucket_size| Limits { bucket_size, delay: Duration::from_secs(5) };
        let large = vec![b' '; 1 << 20];
        let sizes = |bucket_size, bytes: &[u8], rows| {
            let mut buffer = BucketBuffer::new(limits(bucket_size), None);
            let row = Row { bytes, format: Format::Json, header: None };
            let origin = Origin { topic: "t".into(), position: 1 };
            let push = |_| buffer.push(row, 0, origin.clone(), clock).map(|bucket| bucket.len());
            (0..rows).filter_map(push).collect::<Vec<usize>>()
        };
        assert_eq!(sizes(1000, &large, 70), [32, 32]);
        assert_eq!(sizes(10, &large, 25), [10, 10]);
        // Rows cost more than their bytes.
        assert!(sizes(10_000_000, b"{}", 500_000)[0] < 500_000);
        assert_eq!(sizes(Limits::ALL_ROWS, &large, 70), [0; 0]);
    }

    #[test]
    fn a_bucket_says_which_deliveries_are_complete_with_it() {
        let clock = Clock::start();
        let mut buffer = BucketBuffer::new(Limits { bucket_size: 2, delay: Duration::from_secs(5) }, None);
        let mut buckets = Vec::new();
        for (number, rows) in [(1, 1), (2, 2), (3, 1), (4, 0), (5, 1)] {
            let mut hand_on = |bucket| {
                buckets.push(bucket);
                true
            };
            let mut filled = FilledBuckets::new(&mut hand_on);
            buffer.begin_delivery(0);
            (0..rows).for_each(|_| filled.extend(push(&mut buffer, clock)));
            buffer.delivered(number, clock.now(), &mut filled);
            assert!(filled.finish());
        }
        buckets.extend(buffer.close(clock));
        // Rows without acknowledgement belong to no delivery.
        push(&mut buffer, clock);
        buckets.extend(buffer.close(clock));
        // The first one ends in the middle of delivery 2.
        let delivered = |bucket: &Bucket| (bucket.metadata.delivered, bucket.metadata.begun);
        assert_eq!(buckets.iter().map(delivered).collect::<Vec<_>>(), [(1, 1), (3, 0), (5, 0), (5, 0)]);
    }

    /// An earlier run may have taken any number of the rows inside of a payload.
    #[test]
    fn rows_inside_of_a_payload_go_on_where_an_earlier_run_ended() {
        let clock = Clock::start();
        let framing = Framing { rows: Some(InnerRows::parse("d.r").unwrap()), ..Framing::default() };
        let bytes = br#"{"d": {"r": [1, {}, 3]}}{"d": 7}{"d": {"r": [], "t": 2}}"#;
        let all = ["1", "{}", "3", "{\"d\": 7}"];
        for skip in 0..=all.len() {
            let mut buffer = BucketBuffer::new(Limits { bucket_size: 3, delay: Duration::ZERO }, None);
            let mut buckets = Vec::new();
            let mut hand_on = |bucket| {
                buckets.push(bucket);
                true
            };
            let mut filled = FilledBuckets::new(&mut hand_on);
            buffer.begin_delivery(skip as u64);
            let origin = Origin { topic: "t".into(), position: 1 };
            let payload = UnreadPayload { bytes, arrived: 0, origin: &origin, framing: &framing, skip: skip as u64 };
            buffer.push_payload(payload, clock, &mut filled);
            buffer.delivered(1, 0, &mut filled);
            assert!(filled.finish());
            buckets.extend(buffer.close(clock));
            let rows: Vec<_> = buckets.iter().flat_map(|bucket| bucket.raw.rows()).collect();
            assert!(rows.iter().map(|row| row.bytes).eq(all[skip..].iter().map(|row| row.as_bytes())), "{skip}");
            assert!(rows.iter().all(|row| row.header.is_some() == (row.format == Format::Json)), "{skip}");
            let told = |bucket: &Bucket| (bucket.metadata.delivered, bucket.metadata.begun);
            let told: Vec<_> = buckets.iter().map(told).collect();
            // The first of two buckets says how many rows of the delivery are in it or were taken before.
            assert_eq!(told, if skip == 0 { vec![(0, 3), (1, 0)] } else { vec![(1, 0)] }, "{skip}");
        }
    }

    #[test]
    fn of_the_buckets_of_one_arrival_only_the_last_waits() {
        let clock = Clock::start();
        let mut buffer = BucketBuffer::new(Limits { bucket_size: 2, delay: Duration::from_secs(5) }, None);
        let handed = std::cell::Cell::new(0);
        let mut hand_on = |bucket: Bucket| {
            assert_eq!((bucket.len(), bucket.metadata.delivered), (2, if handed.get() == 4 { 1 } else { 0 }));
            handed.set(handed.get() + 1);
            handed.get() < 5
        };
        let mut filled = FilledBuckets::new(&mut hand_on);
        buffer.begin_delivery(0);
        for row in 1..=10 {
            filled.extend(push(&mut buffer, clock));
            assert_eq!(handed.get(), u64::saturating_sub(row / 2, 1));
        }
        buffer.delivered(1, clock.now(), &mut filled);
        assert!(filled.is_wanted() && !filled.finish(), "the last one says that the delivery is complete");
    }

    #[test]
    fn deliveries_without_rows_are_told_without_waiting_for_a_row() {
        let clock = Clock::start();
        let mut buffer = BucketBuffer::new(Limits { bucket_size: 2, delay: Duration::from_secs(600) }, None);
        let deliver = |buffer: &mut BucketBuffer, number| {
            buffer.begin_delivery(0);
            buffer.delivered(number, clock.now(), &mut FilledBuckets::new(&mut |_| true));
        };
        assert!(buffer.deadline(clock).is_none() && buffer.close(clock).is_none());
        deliver(&mut buffer, 1);
        deliver(&mut buffer, 2);
        assert!(buffer.deadline(clock).unwrap() <= Instant::now() + TELL_INTERVAL);
        let bucket = buffer.close(clock).unwrap();
        assert_eq!((bucket.len(), bucket.metadata.delivered, bucket.metadata.begun), (0, 2, 0));
        assert!(buffer.deadline(clock).is_none() && buffer.close(clock).is_none(), "it is told once");
        deliver(&mut buffer, 3);
        push(&mut buffer, clock);
        let bucket = push(&mut buffer, clock).unwrap();
        assert_eq!((bucket.len(), bucket.metadata.delivered), (2, 3));
        assert!(buffer.close(clock).is_none(), "a row has told it");
    }

    #[test]
    fn the_oldest_row_sets_the_deadline() {
        let clock = Clock::start();
        let delay = Duration::from_secs(5);
        let mut buffer = BucketBuffer::new(Limits { bucket_size: 10, delay }, Some(1));
        assert_eq!(buffer.deadline(clock), None);
        push(&mut buffer, clock);
        let left = buffer.deadline(clock).unwrap() - Instant::now();
        assert!(left <= delay && left > delay - Duration::from_secs(1));
        assert!(buffer.is_done() && push(&mut buffer, clock).is_none());
        assert_eq!(buffer.close(clock).unwrap().len(), 1);
        assert_eq!(buffer.deadline(clock), None);
    }
}
