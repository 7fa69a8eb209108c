//! Rows from an MQTT topic, by MQTT 5 where the broker knows it: there the client sets the ack window (receive maximum).
//!
//! One thread owns the client's event loop and only moves publishes into a queue; the source's thread splits them into
//! rows. The ack window bounds what the broker sends, so the event loop need not wait for the dataflow, and answers the
//! broker while that stalls. Where much is sent at quality of service 0, or in large publishes, the queue's byte budget
//! is the bound: then the event loop does wait, and TCP's flow control slows the broker.

use crossbeam_channel::{Receiver, Sender};
use rumqttc::v5::Client;

use super::acknowledger::Acknowledger;
use super::event_loop::{EventLoopOwner, REQUESTS};
use super::incoming::IncomingEvent;
use super::intake::PublishIntake;
use crate::measure::Clock;
use crate::mqtt::{MqttEvents, Negotiation};
use crate::source::source_output::buffer_until_closed;
use crate::source::{BucketBuffer, Error, SourceOutput, SourcePosition, SourceSettings, Stop};

/// A source before it reads.
pub struct MqttReader {
    parts: ReaderParts,
    events: MqttEvents,
}

/// A source without its threads and its network.
pub(super) struct ReaderParts {
    pub(super) listener: EventLoopOwner,
    pub(super) intake: PublishIntake,
    pub(super) arrivals: Receiver<IncomingEvent>,
}

impl ReaderParts {
    /// # Panics
    /// If the settings lack the endpoint of an MQTT source, which is an error of the caller.
    pub(super) fn new(
        client: Client,
        settings: &SourceSettings,
        position: &SourcePosition,
        window: u16,
        clock: Clock,
        stop: Stop,
        ready: Sender<()>,
    ) -> ReaderParts {
        let (sender, arrivals) = crossbeam_channel::unbounded();
        let acknowledger = Acknowledger::new(client, settings, position, window);
        let listener = EventLoopOwner::new(acknowledger, sender, settings, position, clock, stop, ready);
        let intake = PublishIntake::new(&listener, settings, window);
        ReaderParts { listener, intake, arrivals }
    }
}

impl MqttReader {
    /// # Panics
    /// If the settings lack the endpoint of an MQTT source, which is an error of the caller.
    pub fn new(
        settings: &SourceSettings,
        position: &SourcePosition,
        clock: Clock,
        stop: Stop,
        ready: Sender<()>,
    ) -> MqttReader {
        let endpoint = settings.endpoint.as_ref().expect("an MQTT source has an endpoint");
        let window = settings.window();
        if settings.is_persistent() && settings.limits.bucket_size > window.into() {
            tracing::warn!(
                "a broker sends {window} publishes before it waits for an acknowledgement: messages close there, where \
                 publishes have too few rows for a bucket_size of {}",
                settings.limits.bucket_size
            );
        }
        let mut options = endpoint.options("source", window);
        options.set_manual_acks(true);
        if settings.clean_start {
            options.set_clean_start(true);
        }
        options.set_connection_timeout(settings.connect_timeout.map_or(5, |timeout| timeout.as_secs().clamp(1, 5)));
        let protocol = Negotiation::new(endpoint.protocol).protocol;
        let (client, events) = MqttEvents::of(options.clone(), REQUESTS, protocol);
        let mut parts = ReaderParts::new(client, settings, position, window, clock, stop, ready);
        parts.listener.options = Some(options);
        MqttReader { parts, events }
    }

    pub fn acknowledger(&self) -> Acknowledger {
        self.parts.intake.acknowledger.clone()
    }

    /// Reads until stopped, or until the broker is unreachable for too long; then waits until all due acknowledgements
    /// are sent.
    pub fn read(self, mut buffer: BucketBuffer, clock: Clock, output: SourceOutput) -> Result<(), Error> {
        let MqttReader { parts: ReaderParts { listener, mut intake, arrivals }, events } = self;
        let thread = std::thread::Builder::new().name("mqtt-source".into());
        let thread = thread.spawn(move || listener.run(events)).expect("a thread can be started");
        let taken = buffer_until_closed(&arrivals, true, &mut buffer, clock, &output, |buffer, arrival, filled| {
            intake.take(buffer, arrival, clock, filled);
            Ok(())
        });
        output.stop.now();
        drop((arrivals, output));
        let listened = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        taken.and(listened)
    }
}
