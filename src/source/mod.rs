//! Where rows come from: a thread of its own reads them, and hands on closed buckets.

mod buffer;
mod connections;
pub(crate) mod deliveries;
mod file;
mod generate;
mod mqtt;
mod position;
mod queue;
mod retained;
mod room;
mod schedule;
mod unacknowledged;
mod url;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, TryRecvError};

use crate::data::{Bucket, Schema};
use crate::format::Inference;
use crate::measure::Clock;
use crate::mqtt::Endpoint;
use buffer::Filled;
pub use buffer::{Buffer, Limits};
pub use connections::Connections;
pub use generate::{Generator, Record};
pub use mqtt::Acknowledger;
#[cfg(test)]
pub use mqtt::simulated::SimulatedConnection;
pub use position::{Coverage, Position, Taken};
pub use queue::{MAX_WAITING, Queue};
pub use schedule::{Arrivals, Load, Schedule};
pub use url::{Pace, Url, parse_rate};

/// The longest payload and line where a dataflow file gives none: 16 MiB.
pub const MAX_PAYLOAD: usize = 16 << 20;

/// Tells a source to stop reading; shared by all who may say so.
#[derive(Clone, Debug, Default)]
pub struct Stop(pub Arc<AtomicBool>);

impl Stop {
    pub fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why a source ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: {error}")]
    File { path: String, error: std::io::Error },
    #[error("{0}")]
    Broker(String),
}

/// What a source needs to know beside its address.
#[derive(Clone, Debug)]
pub struct Settings {
    pub endpoint: Option<Endpoint>,
    /// The connections that share the endpoint's topic.
    pub connections: Connections,
    pub limits: Limits,
    /// The longest payload of a publish, and the longest line of a file, in bytes.
    pub max_payload: usize,
    /// The columns of the rows, where the dataflow file gives them: what names none of them is no header.
    pub columns: Option<Arc<Schema>>,
    /// Whether publishes are taken that a broker has kept of a topic from an earlier time.
    pub retained: bool,
    /// Whether to forget what the broker holds for the session.
    pub clean_start: bool,
    /// How long the first connection may take; for ever if not given.
    pub connect_timeout: Option<Duration>,
    /// How long a lost connection may stay away; for ever if not given.
    pub reconnect_timeout: Option<Duration>,
    /// End after so many rows.
    pub max_rows: Option<u64>,
}

impl Settings {
    /// Whether the source delivers again what was not acknowledged, even to a later run.
    pub fn is_persistent(&self) -> bool {
        self.endpoint.as_ref().is_some_and(|endpoint| endpoint.client_id.is_some())
    }

    /// How many publishes a broker may send before the first is acknowledged: enough for a few buckets of publishes of
    /// one row.
    fn window(&self) -> u16 {
        const BUCKETS: usize = 4;
        const LEAST: usize = 4096;
        u16::try_from((BUCKETS * self.limits.bucket_size).max(LEAST)).unwrap_or(u16::MAX)
    }
}

/// Whether a connection has its subscription; in an order in which the last of several stands for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Readiness {
    /// It has, or needs none.
    Ready,
    /// It has ended without.
    Over,
    Waits,
}

/// A connection that reads rows.
pub struct Source {
    pub buckets: Queue,
    /// Sent to when an MQTT source has its subscription, and closed when it ends; closed when rows on a schedule are made,
    /// and at once by others.
    pub ready: Receiver<()>,
    was_ready: Cell<bool>,
    acknowledger: Option<mqtt::Acknowledger>,
    thread: JoinHandle<Result<(), Error>>,
}

/// What a source thread hands its rows to.
pub(crate) struct Outlet {
    /// Until it is dropped.
    buckets: Option<queue::Feeder>,
    waker: std::thread::Thread,
    stop: Stop,
}

impl Outlet {
    /// Hands on a bucket; waits while the dataflow is behind. False when nobody wants more.
    fn send(&self, bucket: Bucket) -> bool {
        let sent = self.buckets.as_ref().is_some_and(|buckets| buckets.send(bucket));
        self.waker.unpark();
        sent
    }
}

impl Drop for Outlet {
    /// The dataflow hears at once that no more comes.
    fn drop(&mut self) {
        self.buckets = None;
        self.waker.unpark();
    }
}

impl Source {
    /// Starts to read at `position`. `waker` is unparked at every bucket.
    pub fn start(
        url: &Url,
        settings: Settings,
        position: &Position,
        clock: Clock,
        stop: Stop,
        waker: std::thread::Thread,
    ) -> Source {
        let (feeder, buckets) = queue::queue(Some(queue_capacity(settings.limits.bucket_size)));
        let (ready_sender, ready) = crossbeam_channel::bounded(1);
        let outlet = Outlet { buckets: Some(feeder), waker, stop: stop.clone() };
        let buffer = Buffer::new(settings.limits, settings.max_rows);
        let mut acknowledger = None;
        let read: Box<dyn FnOnce() -> Result<(), Error> + Send> = match url.clone() {
            Url::Mqtt(_) => {
                let reader = mqtt::Reader::new(&settings, position, clock, stop, ready_sender);
                acknowledger = Some(reader.acknowledger());
                Box::new(move || reader.read(buffer, clock, outlet))
            }
            Url::File { path, kind } if file::is_stream(&path) => {
                let stream = file::Stream::file(&path, kind);
                Box::new(move || file::read_stream(stream, settings, buffer, clock, &outlet))
            }
            Url::File { path, kind } => Box::new(move || file::read(&path, kind, &settings, buffer, clock, &outlet)),
            Url::Stdin => {
                let stream = file::Stream::stdin();
                Box::new(move || file::read_stream(stream, settings, buffer, clock, &outlet))
            }
            Url::Generate { rows, seed, load } => Box::new(move || {
                match load {
                    None => generate::read(rows, seed, buffer, clock, &outlet),
                    Some(load) => generate::offer(rows, seed, load, buffer, clock, &outlet, ready_sender),
                }
                Ok(())
            }),
        };
        let thread = std::thread::Builder::new().name("source".into()).spawn(read).expect("a thread can be started");
        Source { buckets, ready, was_ready: Cell::new(false), acknowledger, thread }
    }

    /// One whose buckets a test makes.
    #[cfg(test)]
    pub fn simulated(buckets: Queue, acknowledger: Acknowledger) -> Source {
        let (_, ready) = crossbeam_channel::bounded(1);
        let thread = std::thread::spawn(|| Ok(()));
        Source { buckets, ready, was_ready: Cell::new(true), acknowledger: Some(acknowledger), thread }
    }

    /// Whether it has its subscription.
    pub fn readiness(&self) -> Readiness {
        let told = if self.was_ready.get() { Ok(()) } else { self.ready.try_recv() };
        let ready = told.is_ok() || (told == Err(TryRecvError::Disconnected) && self.acknowledger.is_none());
        self.was_ready.set(ready);
        match told {
            _ if ready => Readiness::Ready,
            Err(TryRecvError::Empty) => Readiness::Waits,
            _ => Readiness::Over,
        }
    }

    /// The next bucket, and the deliveries it covers.
    pub fn try_next(&self) -> Result<(Bucket, Coverage), TryRecvError> {
        self.buckets.try_recv().map(|bucket| self.cover(bucket))
    }

    /// A bucket that came, with the deliveries it covers.
    pub fn cover(&self, bucket: Bucket) -> (Bucket, Coverage) {
        let cover = |acknowledger: &mqtt::Acknowledger| acknowledger.cover(bucket.delivered, bucket.begun);
        let coverage = self.acknowledger().map(cover).unwrap_or_default();
        (bucket, coverage)
    }

    /// The rows of all deliveries up to `number` are where they belong.
    pub fn complete(&self, number: u64) {
        if let Some(acknowledger) = self.acknowledger() {
            acknowledger.complete(number);
        }
    }

    /// What acknowledges deliveries, if the source waits for it.
    fn acknowledger(&self) -> Option<&mqtt::Acknowledger> {
        self.acknowledger.as_ref().filter(|acknowledger| acknowledger.waits())
    }

    /// Ends the source and says how it went.
    pub fn join(self) -> Result<(), Error> {
        drop(self.buckets);
        if let Some(acknowledger) = self.acknowledger {
            acknowledger.finish();
        }
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// How many buckets may wait: enough that the dataflow never waits for the reader, and few enough that memory stays
/// small.
pub fn queue_capacity(bucket_size: usize) -> usize {
    (16_384 / bucket_size).clamp(2, 1024)
}

/// The schema of a source that can be read twice; `None` for one that can't.
pub fn infer(url: &Url, max_line: usize) -> Result<Option<Schema>, Error> {
    match url {
        Url::File { path, .. } if file::is_stream(path) => Ok(None),
        Url::File { path, kind } => file::infer(path, *kind, max_line).map(Some),
        Url::Generate { .. } => Ok(Some(Schema::davis())),
        Url::Stdin | Url::Mqtt(_) => Ok(None),
    }
}

/// The schema of the rows of one bucket.
pub fn infer_bucket(bucket: &Bucket) -> Schema {
    let mut inference = Inference::default();
    bucket.rows().for_each(|row| inference.observe(row));
    inference.schema()
}

/// Takes in what arrives until the channel closes or the source is told to stop, and has been given all that arrived
/// until then; closes buckets in time. The channel closes by itself after the stop if it `closes`.
///
/// `take` puts the rows of one arrival into the buffer and hands on the buckets they fill.
fn buffer_until_closed<T>(
    arrivals: &Receiver<T>,
    closes: bool,
    buffer: &mut Buffer,
    clock: Clock,
    outlet: &Outlet,
    mut take: impl FnMut(&mut Buffer, T, &mut Filled<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    const LOOK_UP: Duration = Duration::from_millis(50);
    let mut hand_on = |bucket| outlet.send(bucket);
    let mut left = None;
    while !buffer.is_done() {
        if outlet.stop.is_set() && !closes {
            let left = left.get_or_insert(arrivals.len());
            if *left == 0 {
                break;
            }
            *left -= 1;
        }
        let now = std::time::Instant::now();
        let due = buffer.deadline(clock);
        let wait = due.map_or(LOOK_UP, |due| due.saturating_duration_since(now).min(LOOK_UP));
        let mut filled = Filled::new(&mut hand_on);
        let result = match arrivals.recv_timeout(wait) {
            Ok(arrival) => take(buffer, arrival, &mut filled),
            Err(crossbeam_channel::RecvTimeoutError::Timeout) => Ok(()),
            Err(crossbeam_channel::RecvTimeoutError::Disconnected) => break,
        };
        // What waits already came too late for its time; the bucket goes on filling.
        let is_due = || buffer.deadline(clock).is_some_and(|due| due <= std::time::Instant::now());
        if arrivals.is_empty() && is_due() {
            filled.extend(buffer.close(clock));
        }
        if !filled.finish() {
            return result;
        }
        result?;
    }
    buffer.close(clock).map(|bucket| outlet.send(bucket));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Format, Origin, Row};

    /// So many rows that came long ago go through a buffer; the sizes of the messages.
    fn messages(rows: u64, limits: Limits, stopped: bool, closes: bool) -> Vec<usize> {
        let (arrivals_sender, arrivals) = crossbeam_channel::unbounded();
        (1..=rows).for_each(|position| arrivals_sender.send(position).unwrap());
        let kept_open = (!closes).then_some(arrivals_sender);
        let (feeder, buckets) = queue::queue(None);
        let stop = Stop::default();
        if stopped {
            stop.now();
        }
        let outlet = Outlet { buckets: Some(feeder), waker: std::thread::current(), stop };
        let (clock, mut buffer) = (Clock::start(), Buffer::new(limits, None));
        std::thread::sleep(Duration::from_millis(5));
        buffer_until_closed(&arrivals, closes, &mut buffer, clock, &outlet, |buffer, position, filled| {
            let row = Row { bytes: b"{}", format: Format::Json, header: None };
            filled.extend(buffer.push(row, 0, Origin { topic: "t".into(), position }, clock));
            Ok(())
        })
        .unwrap();
        drop((outlet, kept_open));
        std::iter::from_fn(|| buckets.recv().ok()).map(|bucket| bucket.len()).collect()
    }

    #[test]
    fn what_has_arrived_is_served_after_the_stop() {
        let limits = Limits { bucket_size: 100, delay: Duration::from_secs(1) };
        for closes in [true, false] {
            assert_eq!(messages(250, limits, true, closes), [100, 100, 50], "{closes}");
        }
    }

    #[test]
    fn a_delay_that_is_over_makes_no_message_of_each_row_that_waits() {
        let limits = Limits { bucket_size: 100, delay: Duration::from_millis(1) };
        assert_eq!(messages(250, limits, false, true), [100, 100, 50]);
    }
}
