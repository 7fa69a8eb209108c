//! A connection that reads rows, on a thread of its own.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvError, RecvTimeoutError, TryRecvError};

use super::acknowledge::Acknowledge;
use super::buffer::BucketBuffer;
use super::clock_changes::ClockChanges;
use super::error::Error;
use super::file_position::FilePosition;
use super::position::{DeliveryRange, SourcePosition};
use super::queue::{self, BucketQueue};
use super::settings::SourceSettings;
use super::source_output::SourceOutput;
use super::stop::Stop;
use super::url::SourceUrl;
use super::{custom, file, generate, mqtt};
use crate::data::Bucket;
use crate::measure::{BrokerLink, Clock};

/// Whether a connection has its subscription, ordered so that the maximum stands for several connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Readiness {
    /// Subscribed, or needs no subscription.
    Ready,
    /// Ended without a subscription.
    Over,
    /// Waits for its subscription.
    Waits,
}

/// A connection that reads rows.
pub struct Source {
    /// The closed buckets.
    buckets: BucketQueue,
    /// Sent to when an MQTT source is subscribed, and closed when it ends; closed when scheduled rows are generated,
    /// and at once by other sources.
    pub ready: Receiver<()>,
    was_ready: Cell<bool>,
    /// Whether it is ready only once it is subscribed.
    subscribes: bool,
    /// Whether its rows arrive over time, without an end.
    is_live: bool,
    acknowledge: Option<Arc<dyn Acknowledge>>,
    /// Whether its thread has ended without a failure.
    ended_well: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), Error>>,
}

impl Source {
    /// Starts to read at `position`. `waker` is unparked at every bucket.
    pub fn start(
        url: &SourceUrl,
        settings: SourceSettings,
        position: &SourcePosition,
        clock: Clock,
        stop: Stop,
        waker: std::thread::Thread,
    ) -> Source {
        let (feeder, buckets) = queue::queue(Some(queue::queue_capacity(settings.limits.bucket_size)));
        let (ready_sender, ready) = crossbeam_channel::bounded(1);
        let mut output = SourceOutput { buckets: Some(feeder), waker, stop: stop.clone(), acknowledge: None };
        let (subscribes, is_live) = (matches!(url, SourceUrl::Mqtt(_)), settings.is_live());
        let clock_changes = ClockChanges::of(&settings.framing);
        let clock_changes = clock_changes.map(|changes| match url {
            // What was taken does not come again: a later run goes on with what is known of stations.
            SourceUrl::Mqtt(_) => changes.after(&position.station_clocks, settings.is_persistent()),
            SourceUrl::Custom(_) => changes.of_one_topic().after(&position.station_clocks, true),
            _ => changes,
        });
        let mut buffer = BucketBuffer::new(settings.limits, settings.max_rows).with_clock_changes(clock_changes);
        if subscribes {
            buffer = buffer.collecting(&settings.framing, position, clock);
            buffer = buffer.of_edge_nodes(&settings.framing, &position.edge_nodes);
        }
        let mut acknowledge: Option<Arc<dyn Acknowledge>> = None;
        let read: Box<dyn FnOnce() -> Result<(), Error> + Send> = match url.clone() {
            SourceUrl::Mqtt(_) => {
                let reader = mqtt::MqttReader::new(&settings, position, clock, stop, ready_sender);
                acknowledge = Some(Arc::new(reader.acknowledger()));
                output.acknowledge = acknowledge.clone();
                Box::new(move || reader.read(buffer, clock, output))
            }
            SourceUrl::Custom(_) => {
                let reader = custom::CustomReader::new(settings, position);
                acknowledge = Some(reader.acknowledger());
                output.acknowledge = acknowledge.clone();
                Box::new(move || reader.read(buffer, clock, output))
            }
            SourceUrl::File { path, kind } if file::is_stream(&path) => {
                let stream = file::StreamInput::file(&path, kind);
                Box::new(move || file::read_stream(stream, settings, buffer, clock, &output))
            }
            SourceUrl::File { path, kind } => {
                let file = settings.resumes.then(|| Arc::new(FilePosition::after(position)));
                output.acknowledge = file.clone().map(|file| file as Arc<dyn Acknowledge>);
                Box::new(move || file::read(&path, kind, &settings, file.as_deref(), buffer, clock, &output))
            }
            SourceUrl::Stdin => {
                let stream = file::StreamInput::stdin();
                Box::new(move || file::read_stream(stream, settings, buffer, clock, &output))
            }
            SourceUrl::Generate { rows, seed, load } => Box::new(move || {
                match load {
                    None => generate::read(rows, seed, buffer, clock, &output),
                    Some(load) => generate::offer(rows, seed, load, buffer, clock, &output, ready_sender),
                }
                Ok(())
            }),
        };
        let ended_well = Arc::<AtomicBool>::default();
        let told = ended_well.clone();
        let read = move || {
            let ended = read();
            told.store(ended.is_ok(), Ordering::Relaxed);
            ended
        };
        let thread = std::thread::Builder::new().name("source".into()).spawn(read).expect("a thread can be started");
        Source { buckets, ready, was_ready: Cell::new(false), subscribes, is_live, acknowledge, ended_well, thread }
    }

    /// A source whose buckets come from a test.
    #[cfg(test)]
    pub fn simulated(buckets: BucketQueue, acknowledge: Arc<dyn Acknowledge>) -> Source {
        let (_, ready) = crossbeam_channel::bounded(1);
        let thread = std::thread::spawn(|| Ok(()));
        let acknowledge = Some(acknowledge);
        let (was_ready, ended_well) = (Cell::new(true), Arc::default());
        Source { buckets, ready, was_ready, subscribes: true, is_live: true, acknowledge, ended_well, thread }
    }

    /// Whether it is subscribed.
    pub fn readiness(&self) -> Readiness {
        let told = if self.was_ready.get() { Ok(()) } else { self.ready.try_recv() };
        let ready = told.is_ok() || (told == Err(TryRecvError::Disconnected) && !self.subscribes);
        self.was_ready.set(ready);
        match told {
            _ if ready => Readiness::Ready,
            Err(TryRecvError::Empty) => Readiness::Waits,
            _ => Readiness::Over,
        }
    }

    /// The next bucket and its delivery range; waits for it.
    ///
    /// # Errors
    /// If the source has ended.
    pub fn next(&self) -> Result<(Bucket, DeliveryRange), RecvError> {
        self.buckets.recv()
    }

    /// As [`Source::next`].
    ///
    /// # Errors
    /// If no bucket waits, or the source has ended.
    pub fn try_next(&self) -> Result<(Bucket, DeliveryRange), TryRecvError> {
        self.buckets.try_recv()
    }

    /// As [`Source::next`], for at most `timeout`.
    ///
    /// # Errors
    /// If none comes in time, or the source has ended.
    pub fn next_within(&self, timeout: Duration) -> Result<(Bucket, DeliveryRange), RecvTimeoutError> {
        self.buckets.recv_timeout(timeout)
    }

    /// Once it has no more buckets, whether it has come to its end; not known while its thread still closes it.
    pub fn has_come_to_its_end(&self) -> Option<bool> {
        match self.is_live {
            true => Some(false),
            false => self.thread.is_finished().then(|| self.ended_well.load(Ordering::Relaxed)),
        }
    }

    /// Buckets that wait, the queue's capacity, and whether the queue is full.
    pub fn backlog(&self) -> (usize, usize, bool) {
        (self.buckets.len(), self.buckets.capacity(), self.buckets.is_full())
    }

    /// How it stands to its broker.
    pub fn broker(&self) -> BrokerLink {
        self.acknowledge.as_ref().map_or(BrokerLink::Up, |acknowledge| acknowledge.broker())
    }

    /// The rows of all deliveries up to `number` are durable.
    pub fn complete(&self, number: u64) {
        if let Some(acknowledge) = self.acknowledge.as_ref().filter(|acknowledge| acknowledge.waits()) {
            acknowledge.complete(number);
        }
    }

    /// Ends the source; the error it ended with, if any.
    pub fn join(self) -> Result<(), Error> {
        drop(self.buckets);
        if let Some(acknowledge) = self.acknowledge {
            acknowledge.finish();
        }
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
