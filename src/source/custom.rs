//! Runs a source of the registry: polls it, buffers its rows, and acknowledges what is durable.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::acknowledge::Acknowledge;
use super::buffer::{BucketBuffer, FilledBuckets, UnreadPayload};
use super::error::Error;
use super::polled::{CustomSource, Delivers, Payload, Polled, PolledSource};
use super::position::{DeliveryRange, SourcePosition, TakenPublish};
use super::settings::SourceSettings;
use super::source_output::SourceOutput;
use crate::data::{Origin, fingerprint};
use crate::measure::Clock;
use crate::mqtt::masked;

/// Longest wait of a poll: it bounds the delay of a stop and of an acknowledgement.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How often the end of the source checks for durable deliveries.
const ACKNOWLEDGE_INTERVAL: Duration = Duration::from_millis(5);
/// The ack window: most unacknowledged deliveries; and among how many new ones a redelivery from an earlier run is
/// recognised.
const WINDOW: usize = 4096;

/// Deliveries that are not acknowledged yet.
#[derive(Default)]
struct CustomDeliveries {
    /// The number of the newest delivery, from 1.
    newest: u64,
    /// Deliveries up to this number are durable.
    completed: u64,
    /// The place of the next delivery. Places count all deliveries, over all runs.
    next_place: u64,
    /// Unacknowledged deliveries, in the order of arrival.
    waiting: VecDeque<CustomDelivery>,
    /// Their hashes.
    open: HashSet<u64>,
    /// New deliveries by number and place, until a bucket covers them.
    uncovered: VecDeque<(u64, u64, TakenPublish)>,
    /// Places of deliveries that an earlier run made durable and may not have acknowledged, by hash, until redelivered.
    earlier: HashMap<u64, u64>,
    /// The delivery of which an earlier run took the first rows, until it is redelivered.
    begun: Option<(TakenPublish, u64)>,
}

struct CustomDelivery {
    number: u64,
    place: u64,
    hash: u64,
    id: String,
}

impl CustomDeliveries {
    fn after(position: &SourcePosition) -> CustomDeliveries {
        let earlier: HashMap<u64, u64> = position.taken.iter().map(|(place, taken)| (taken.hash, *place)).collect();
        let next_place = position.taken.last().map_or(0, |(place, _)| place + 1);
        CustomDeliveries { next_place, earlier, begun: position.begun, ..CustomDeliveries::default() }
    }

    /// Takes in a delivery: its number, and how many of its rows an earlier run took; `None` for a redelivery of which
    /// all rows were taken.
    fn arrive(&mut self, id: String, hash: u64) -> Option<(u64, u64)> {
        if self.open.contains(&hash) {
            return None;
        }
        self.open.insert(hash);
        if let Some(place) = self.earlier.remove(&hash) {
            self.waiting.push_back(CustomDelivery { number: 0, place, hash, id });
            return None;
        }
        self.newest += 1;
        if self.newest > WINDOW as u64 {
            self.earlier.clear();
        }
        let (number, place, taken) = (self.newest, self.next_place, TakenPublish { packet_id: 0, hash });
        self.next_place += 1;
        self.waiting.push_back(CustomDelivery { number, place, hash, id });
        self.uncovered.push_back((number, place, taken));
        let begun = self.begun.take_if(|(begun, _)| *begun == taken);
        Some((number, begun.map_or(0, |(_, rows)| rows)))
    }

    fn cover(&mut self, delivered: u64, begun: u64) -> DeliveryRange {
        let taken = std::iter::from_fn(|| self.uncovered.pop_front_if(|(number, ..)| *number <= delivered));
        let taken = taken.map(|(_, place, taken)| (place, taken)).collect();
        let next = self.uncovered.front().filter(|(next, ..)| *next == delivered + 1 && begun > 0);
        // The delivery begun in an earlier run stays begun until it is redelivered.
        let begun = next.map(|(.., next)| (*next, begun)).or(self.begun);
        let places = self.waiting.iter().map(|waiting| waiting.place).chain(self.earlier.values().copied());
        let first = places.min().unwrap_or(self.next_place);
        DeliveryRange { delivered, taken, begun, first, ..DeliveryRange::default() }
    }

    /// The next delivery whose acknowledgement is due.
    fn due(&mut self) -> Option<String> {
        let waiting = self.waiting.pop_front_if(|waiting| waiting.number <= self.completed)?;
        self.open.remove(&waiting.hash);
        Some(waiting.id)
    }
}

/// Tells the source's thread which deliveries are durable.
struct CustomAcknowledger {
    deliveries: Mutex<CustomDeliveries>,
    waits: bool,
    finished: AtomicBool,
}

impl CustomAcknowledger {
    fn deliveries(&self) -> MutexGuard<'_, CustomDeliveries> {
        self.deliveries.lock().expect("no holder panics")
    }
}

impl Acknowledge for CustomAcknowledger {
    fn waits(&self) -> bool {
        self.waits
    }

    fn cover(&self, delivered: u64, begun: u64) -> DeliveryRange {
        self.deliveries().cover(delivered, begun)
    }

    fn complete(&self, number: u64) {
        let mut deliveries = self.deliveries();
        deliveries.completed = deliveries.completed.max(number);
    }

    fn finish(&self) {
        self.finished.store(true, Ordering::Release);
    }
}

/// A source before it is opened.
pub struct CustomReader {
    source: CustomSource,
    settings: SourceSettings,
    acknowledger: Arc<CustomAcknowledger>,
    /// Deliveries so far.
    count: u64,
}

impl CustomReader {
    /// # Panics
    /// If the settings lack the source, which is an error of the caller.
    pub fn new(settings: SourceSettings, position: &SourcePosition) -> CustomReader {
        let source = settings.custom.clone().expect("a source of the registry has been built");
        let waits = source.delivers == Delivers::AtLeastOnce;
        let deliveries = Mutex::new(CustomDeliveries::after(position));
        let acknowledger = Arc::new(CustomAcknowledger { deliveries, waits, finished: AtomicBool::new(false) });
        CustomReader { source, settings, acknowledger, count: 0 }
    }

    pub fn acknowledger(&self) -> Arc<dyn Acknowledge> {
        self.acknowledger.clone()
    }

    /// Reads until stopped or until the source ends; then waits until every due delivery is acknowledged.
    pub fn read(mut self, mut buffer: BucketBuffer, clock: Clock, output: SourceOutput) -> Result<(), Error> {
        let (url, acknowledger) = (self.source.url.clone(), self.acknowledger.clone());
        let failed = |reason| Error::Custom { url: masked(&url), reason };
        let mut source = (self.source.open)().map_err(failed)?;
        let read = self.poll(&mut *source, &mut buffer, clock, &output);
        if read.is_ok() {
            buffer.close(clock).map(|bucket| output.send(bucket));
        }
        drop(output);
        while !acknowledger.finished.load(Ordering::Acquire) {
            self.acknowledge(&mut *source).map_err(failed)?;
            std::thread::sleep(ACKNOWLEDGE_INTERVAL);
        }
        self.acknowledge(&mut *source).map_err(failed)?;
        read.map_err(failed)
    }

    fn poll(
        &mut self,
        source: &mut dyn PolledSource,
        buffer: &mut BucketBuffer,
        clock: Clock,
        output: &SourceOutput,
    ) -> Result<(), String> {
        let mut hand_on = |bucket| output.send(bucket);
        while !output.stop.is_set() && !buffer.is_done() {
            if self.acknowledge(source)? {
                // Reported so that the checkpoint can discard acknowledged deliveries.
                buffer.tell(clock.now());
            }
            let mut filled = FilledBuckets::new(&mut hand_on);
            if self.acknowledger.deliveries().waiting.len() >= WINDOW {
                filled.extend(buffer.close(clock));
                std::thread::sleep(ACKNOWLEDGE_INTERVAL);
            } else {
                let due = buffer.deadline(clock);
                let wait = due.map(|due| due.saturating_duration_since(Instant::now()));
                match source.poll(wait.map_or(POLL_INTERVAL, |wait| wait.min(POLL_INTERVAL)))? {
                    Polled::Delivery(payload) => self.take(payload, buffer, clock, &mut filled),
                    Polled::Nothing => {}
                    Polled::End => break,
                }
            }
            if buffer.deadline(clock).is_some_and(|due| due <= Instant::now()) {
                filled.extend(buffer.close(clock));
            }
            if !filled.finish() {
                break;
            }
        }
        Ok(())
    }

    /// Pushes the rows of a delivery into the buffer, and hands on the buckets they fill.
    fn take(&mut self, payload: Payload, buffer: &mut BucketBuffer, clock: Clock, filled: &mut FilledBuckets<'_>) {
        let Payload { id, bytes } = payload;
        let (arrived, topic) = (clock.now(), Arc::from(id.as_str()));
        let (mut number, mut skip) = (None, 0);
        if self.acknowledger.waits {
            let length = id.len().to_le_bytes();
            let hash = fingerprint(&[&length, id.as_bytes(), &bytes].concat()) as u64;
            let Some((new, begun)) = self.acknowledger.deliveries().arrive(id, hash) else { return };
            (number, skip) = (Some(new), begun);
            buffer.begin_delivery(begun);
        }
        buffer.comes_once(!self.acknowledger.waits);
        self.count += 1;
        let origin = &Origin { topic, position: self.count };
        let unread = UnreadPayload { bytes: &bytes, arrived, origin, framing: &self.settings.framing, skip };
        buffer.push_payload(unread, clock, filled);
        if let Some(number) = number {
            buffer.delivered(number, arrived, filled);
        }
    }

    /// Acknowledges durable deliveries to the source; whether there were any.
    fn acknowledge(&self, source: &mut dyn PolledSource) -> Result<bool, String> {
        let mut any = false;
        loop {
            let due = self.acknowledger.deliveries().due();
            let Some(id) = due else { return Ok(any) };
            source.acknowledge(&id)?;
            any = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_known_again_and_what_is_acknowledged_is_forgotten() {
        let taken = |hash| TakenPublish { packet_id: 0, hash };
        let position =
            SourcePosition { taken: vec![(7, taken(1))], begun: Some((taken(2), 3)), ..SourcePosition::default() };
        let mut deliveries = CustomDeliveries::after(&position);
        assert_eq!(deliveries.arrive("one".into(), 1), None);
        assert_eq!(deliveries.arrive("two".into(), 2), Some((1, 3)));
        assert_eq!(deliveries.arrive("two".into(), 2), None, "it waits already");
        assert_eq!(deliveries.arrive("three".into(), 3), Some((2, 0)));
        let delivery_range = deliveries.cover(1, 5);
        assert_eq!(
            (delivery_range.taken, delivery_range.begun, delivery_range.first),
            (vec![(8, taken(2))], Some((taken(3), 5)), 7)
        );
        assert_eq!((deliveries.due().as_deref(), deliveries.due()), (Some("one"), None));
        deliveries.completed = 1;
        assert_eq!(deliveries.due().as_deref(), Some("two"));
        assert_eq!(deliveries.cover(2, 0).first, 9);
        // An id may be reused once it is acknowledged.
        assert_eq!(deliveries.arrive("two".into(), 2), Some((3, 0)));
    }

    #[test]
    fn what_never_comes_again_is_not_waited_for_without_end() {
        let position =
            SourcePosition { taken: vec![(0, TakenPublish { packet_id: 0, hash: 99 })], ..SourcePosition::default() };
        let mut deliveries = CustomDeliveries::after(&position);
        for number in 1..=WINDOW as u64 + 1 {
            deliveries.arrive(number.to_string(), 1000 + number);
            deliveries.completed = number;
            assert!(deliveries.due().is_some());
        }
        assert_eq!(deliveries.cover(WINDOW as u64 + 1, 0).first, WINDOW as u64 + 2);
    }
}
