//! A connection of the source whose broker, threads and network a test simulates: it says which packet comes, when the
//! source's thread takes it in and when a request of the client goes out.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;
use flume::Receiver as Requests;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::v5::{ConnAck, ConnectReturnCode, Publish};
use rumqttc::v5::{Client, Event, Incoming, Request};

use super::event_loop::EventLoopOwner;
use super::incoming::IncomingEvent;
use super::intake::PublishIntake;
use super::reader::ReaderParts;
use crate::data::Bucket;
use crate::measure::Clock;
use crate::source::acknowledge::Acknowledge;
use crate::source::queue::{BucketSender, queue};
use crate::source::{BucketBuffer, FilledBuckets, Limits, Source, SourcePosition, SourceSettings, Stop};

/// A connection with all of its code except threads and client.
pub struct SimulatedConnection {
    listener: EventLoopOwner,
    intake: PublishIntake,
    arrivals: Receiver<IncomingEvent>,
    requests: Requests<Request>,
    buffer: BucketBuffer,
    clock: Clock,
    buckets: BucketSender,
}

impl SimulatedConnection {
    /// Starts at `position`; with the source as the dataflow sees it. The broker sends `window` publishes before it
    /// waits for an acknowledgement.
    pub fn start(
        settings: &SourceSettings,
        position: &SourcePosition,
        window: u16,
        clock: Clock,
        stop: Stop,
    ) -> (SimulatedConnection, Source) {
        let (client, requests) = flume::unbounded();
        let client = Client::from_sender(client);
        let (ready, _) = crossbeam_channel::bounded(1);
        let ReaderParts { listener, intake, arrivals } =
            ReaderParts::new(client, settings, position, window, clock, stop, ready);
        let (feeder, buckets) = queue(None);
        let source = Source::simulated(buckets, Arc::new(intake.acknowledger.clone()));
        let limits = Limits { delay: Duration::from_secs(3600), ..settings.limits };
        let buffer = BucketBuffer::new(limits, settings.max_rows);
        let buffer = buffer.collecting(&settings.framing, position, clock);
        let buffer = buffer.of_edge_nodes(&settings.framing, &position.edge_nodes);
        let connection = SimulatedConnection { listener, intake, arrivals, requests, buffer, clock, buckets: feeder };
        (connection, source)
    }

    /// The broker accepts the connection.
    pub fn connected(&mut self, session_present: bool) {
        let answer = ConnAck { session_present, code: ConnectReturnCode::Success, properties: None };
        self.hear(Event::Incoming(Incoming::ConnAck(answer)));
    }

    /// A publish comes in.
    pub fn publish(&mut self, publish: Publish) {
        self.hear(Event::Incoming(Incoming::Publish(publish)));
    }

    /// The client sends a ping.
    pub fn ping(&mut self) {
        self.hear(Event::Outgoing(Outgoing::PingReq));
    }

    /// The broker answers the ping.
    pub fn pong(&mut self) {
        self.hear(Event::Incoming(Incoming::PingResp(rumqttc::v5::mqttbytes::v5::PingResp)));
    }

    /// The connection is lost; the client drops what it has not sent.
    pub fn lost(&mut self) {
        self.listener.lose();
        self.requests.drain();
    }

    /// The next request leaves the client.
    pub fn send(&mut self) -> Option<Request> {
        self.listener.subscribe_in_time().expect("there is room for requests");
        let request = self.requests.try_recv().ok()?;
        if let Request::PubAck(ack) = &request {
            self.hear(Event::Outgoing(Outgoing::PubAck(ack.pkid)));
        }
        Some(request)
    }

    /// The source's thread takes in the next arrival, if there is one; whether there was.
    pub fn read(&mut self) -> bool {
        let Ok(arrival) = self.arrivals.try_recv() else { return false };
        let (buckets, acknowledger) = (&self.buckets, self.intake.acknowledger.clone());
        let mut hand_on = |bucket: Bucket| {
            let delivery_range = acknowledger.covered_by(&bucket);
            buckets.send(bucket, delivery_range)
        };
        let mut filled = FilledBuckets::new(&mut hand_on);
        self.intake.take(&mut self.buffer, arrival, self.clock, &mut filled);
        assert!(filled.finish(), "the process has the source");
        true
    }

    /// The delay of the open bucket is over.
    pub fn close(&mut self) {
        let bucket = self.buffer.close(self.clock);
        bucket.into_iter().for_each(|bucket| self.hand_on(bucket));
    }

    /// The source's thread ends: it hands on all that it holds.
    pub fn finish(&mut self) {
        let (buckets, acknowledger) = (&self.buckets, self.intake.acknowledger.clone());
        let mut hand_on = |bucket: Bucket| {
            let delivery_range = acknowledger.covered_by(&bucket);
            buckets.send(bucket, delivery_range)
        };
        let mut filled = FilledBuckets::new(&mut hand_on);
        self.buffer.finish(self.clock, &mut filled);
        assert!(filled.finish(), "the process has the source");
    }

    fn hand_on(&self, bucket: Bucket) {
        let delivery_range = self.intake.acknowledger.covered_by(&bucket);
        assert!(self.buckets.send(bucket, delivery_range), "the process has the source");
    }

    fn hear(&mut self, event: Event) {
        self.listener.hear(event).expect("the broker refuses nothing");
    }
}
