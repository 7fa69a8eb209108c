//! Lines to an MQTT topic, by MQTT 5: one publish a line.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::v5::{PubAck, PubAckReason, PubRec, PubRecReason, PublishProperties};
use rumqttc::v5::{Client, Event, Incoming};
use rumqttc::{Outgoing, QoS};

use super::{Error, Sink};
use crate::mqtt::{Backoff, Endpoint, Events, LOOK_UP, refusal, tls};
use crate::subtasks::result::Output;

/// Publishes that wait for the event loop; past it the dataflow waits.
const QUEUE: usize = 1024;

/// How many publishes may wait for the broker's answer.
///
/// mosquitto 2.0.11 loses QoS 2 publishes of a client that has more on their way than its own default of 20.
fn in_flight(qos: QoS) -> u16 {
    if qos == QoS::ExactlyOnce { 20 } else { 500 }
}

/// A client that publishes; its event loop has a thread of its own.
pub struct Publisher {
    client: Client,
    endpoint: Endpoint,
    published: u64,
    properties: bool,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// Publishes that the broker has taken.
    completed: AtomicU64,
    connected: AtomicBool,
    stop: AtomicBool,
    failure: Mutex<Option<String>>,
}

impl Shared {
    fn fail(&self, reason: String) {
        *self.failure.lock().expect("no holder panics") = Some(reason);
    }
}

impl Publisher {
    /// Connects, and waits for the first connection for up to `connect_timeout` (for ever if not given).
    pub fn start(endpoint: Endpoint, connect_timeout: Option<Duration>) -> Result<Publisher, Error> {
        let options = endpoint.options("sink", in_flight(endpoint.qos.0));
        let (client, events) = Events::of(options, QUEUE);
        let shared = Arc::new(Shared::default());
        let thread = {
            let (shared, shown) = (shared.clone(), format!("{}:{}", endpoint.url.host, endpoint.url.port));
            let tls = endpoint.url.tls;
            std::thread::Builder::new().name("mqtt-sink".into()).spawn(move || run(events, &shared, &shown, tls))
        };
        let thread = Some(thread.expect("a thread can be started"));
        let publisher = Publisher { client, endpoint, published: 0, properties: false, shared, thread };
        let since = Instant::now();
        while !publisher.shared.connected.load(Ordering::Acquire) {
            publisher.check()?;
            if connect_timeout.is_some_and(|timeout| since.elapsed() > timeout) {
                let url = &publisher.endpoint.url;
                return Err(Error::Broker(format!("no broker at {}:{} for the sink {url}", url.host, url.port)));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(publisher)
    }

    /// Lets lines carry their message and row as user properties.
    pub fn with_properties(mut self) -> Publisher {
        self.properties = true;
        self
    }

    /// Publishes one payload; waits while too many are under way.
    pub fn publish(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.publish_with(payload, PublishProperties::default())
    }

    fn publish_with(&mut self, payload: &[u8], properties: PublishProperties) -> Result<(), Error> {
        self.check()?;
        let Endpoint { url, qos, .. } = &self.endpoint;
        let payload = payload.to_vec();
        if let Err(error) = self.client.publish_with_properties(&url.topic, qos.v5(), false, payload, properties) {
            // The event loop may have ended since, and has said why.
            self.check()?;
            return Err(Error::Broker(format!("{url}: {error}")));
        }
        self.published += 1;
        Ok(())
    }

    /// Waits until the broker has taken everything.
    pub fn drain(&self) -> Result<(), Error> {
        while self.shared.completed.load(Ordering::Acquire) < self.published {
            self.check()?;
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Error> {
        match &*self.shared.failure.lock().expect("no holder panics") {
            Some(reason) => Err(Error::Broker(reason.clone())),
            None => Ok(()),
        }
    }
}

impl Sink for Publisher {
    fn write(&mut self, output: Output) -> Result<(), Error> {
        let Output::Lines(lines) = output else { unreachable!("the encoder gives lines to a sink of lines") };
        let rows = lines.split(|byte| *byte == b'\n').filter(|row| !row.is_empty());
        for row in rows {
            let user_properties = if self.properties { place(row) } else { Vec::new() };
            self.publish_with(row, PublishProperties { user_properties, ..PublishProperties::default() })?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.check()
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.drain()
    }

    fn close(self: Box<Self>) -> Result<(), Error> {
        self.drain()
    }
}

/// The message and the row of a line, by which a receiver knows one that comes again.
fn place(line: &[u8]) -> Vec<(String, String)> {
    #[derive(serde::Deserialize)]
    struct Place {
        message: u64,
        row: u64,
    }
    let place = serde_json::from_slice::<Place>(line);
    let properties =
        |Place { message, row }| vec![("message".into(), message.to_string()), ("row".into(), row.to_string())];
    place.map_or_else(|_| Vec::new(), properties)
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        let _ = self.client.try_disconnect();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Owns the event loop until the publisher is dropped.
fn run(mut events: Events, shared: &Shared, shown: &str, tls: bool) {
    let mut backoff = Backoff::default();
    // QoS 0 completes when it is sent, QoS 1 and 2 when the broker says so.
    let complete = || shared.completed.fetch_add(1, Ordering::Release);
    let is_over = || shared.stop.load(Ordering::Acquire);
    loop {
        match events.next(is_over) {
            Some(Ok(Event::Incoming(Incoming::ConnAck(_)))) => {
                shared.connected.store(true, Ordering::Release);
                backoff.reset();
            }
            Some(Ok(Event::Incoming(Incoming::PubAck(PubAck { reason, .. }))))
                if !matches!(reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers) =>
            {
                return shared.fail(format!("the broker at {shown} refuses what is published: {reason:?}"));
            }
            Some(Ok(Event::Incoming(Incoming::PubRec(PubRec { reason, .. }))))
                if !matches!(reason, PubRecReason::Success | PubRecReason::NoMatchingSubscribers) =>
            {
                return shared.fail(format!("the broker at {shown} refuses what is published: {reason:?}"));
            }
            Some(Ok(Event::Incoming(Incoming::PubAck(_) | Incoming::PubComp(_)))) => {
                complete();
            }
            Some(Ok(Event::Outgoing(Outgoing::Publish(0)))) => {
                complete();
            }
            Some(Ok(Event::Outgoing(Outgoing::Disconnect))) | None => return,
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                if let Some(reason) = refusal(shown, &error) {
                    return shared.fail(reason);
                }
                let connected = shared.connected.load(Ordering::Acquire);
                if let Some(refusal) = tls::refusal(shown, &error).filter(|_| tls && !connected) {
                    return shared.fail(refusal);
                }
                let wait = backoff.next_wait();
                tracing::warn!("no connection to the broker at {shown} ({error}); again in {wait:?}");
                std::thread::sleep(wait.min(LOOK_UP * 10));
            }
        }
        if is_over() {
            return;
        }
    }
}
