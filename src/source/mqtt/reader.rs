//! Rows from an MQTT topic, by MQTT 5 where the broker knows it: there the client sets the ack window (receive maximum).
//!
//! One thread owns the client's event loop and only moves publishes into a queue; the source's thread splits them into
//! rows. The ack window bounds what the broker sends, so the event loop need not wait for the dataflow, and answers the
//! broker while that stalls. Where much is sent at quality of service 0, or in large publishes, the queue's byte budget
//! is the bound: then the event loop does wait, and TCP's flow control slows the broker.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{DisconnectReasonCode, Filter, Publish, RetainForwardRule, SubscribeReasonCode};
use rumqttc::v5::{Client, ConnectionError, Event, Incoming, MqttOptions, StateError};

use crate::data::{Origin, fingerprint};
use crate::format::{Framing, sparkplug};
use crate::measure::{BrokerLink, Clock, now_ms};
use crate::mqtt::{
    Backoff, Endpoint, LOOK_UP_INTERVAL, MqttEvents, Negotiation, Protocol, end_session, hint, is_older, refusal, tls,
};
use crate::source::acknowledge::Acknowledge;
use crate::source::buffer::UnreadPayload;
use crate::source::deliveries::{Deliveries, Delivery, NewDelivery};
use crate::source::retained::Retained;
use crate::source::source_output::buffer_until_closed;
use crate::source::{
    BucketBuffer, DeliveryRange, Error, FilledBuckets, SourceOutput, SourcePosition, SourceSettings, Stop, TakenPublish,
};

/// Bytes of publishes that may wait for the source's thread.
const MAX_QUEUED: usize = 64 << 20;
/// Bytes counted for a publish beside its payload.
const PUBLISH: usize = 256;
/// Shortest time between two questions whether the broker has the acknowledgements.
const QUESTION_INTERVAL: Duration = Duration::from_millis(100);
/// Longest wait of a new session, before it subscribes, for the checkpoint to discard the lost one: a stalled dataflow
/// must not keep it from what is published.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(5);
/// A filter that nobody subscribes to: the broker answers its unsubscription in order, and nothing changes.
const QUESTION: &str = "rowmill/question";
/// The fewest publishes that a broker of MQTT 3.1.1 sends before it waits for an acknowledgement, as mosquitto does.
const LEAST_WINDOW: usize = 20;
/// Most requests, acknowledgements among them, that wait for the event loop.
const REQUESTS: usize = 16_384;

pub(super) struct IncomingEvent {
    pub(super) what: IncomingItem,
    pub(super) connection: u64,
    /// The first connection of its session.
    pub(super) session: u64,
    pub(super) arrived: u64,
}

#[expect(clippy::large_enum_variant, reason = "nearly all are publishes")]
pub(super) enum IncomingItem {
    Publish(Publish),
    /// The session is new: nothing from before it is redelivered. The checkpoint must record that before anything of
    /// the session arrives.
    Settled,
    /// The broker has so many acknowledgements of this connection. Redeliveries sent before it confirmed are to be
    /// taken in first: afterwards they would not be recognised.
    Confirmed(u64),
}

impl IncomingEvent {
    /// The bytes it holds.
    fn size(&self) -> usize {
        match &self.what {
            IncomingItem::Publish(publish) => PUBLISH + publish.topic.len() + publish.payload.len(),
            IncomingItem::Settled | IncomingItem::Confirmed(_) => PUBLISH,
        }
    }
}

/// What an acknowledgement needs: packet id and quality of service.
type Owed = (u16, QoS);

/// The client of a connection; replaced where the broker turns out to speak the other version of MQTT.
type SharedClient = Arc<Mutex<Client>>;

/// Acknowledges publishes, from any thread.
#[derive(Clone)]
pub struct Acknowledger {
    client: SharedClient,
    deliveries: Arc<Mutex<Deliveries<Owed>>>,
    /// Whether acknowledgements wait until rows are durable: only a session that outlives its connection redelivers
    /// what was not acknowledged.
    after_completion: bool,
    finished: Arc<AtomicBool>,
    /// Since when there has been no subscription, in milliseconds since 1970; 0 while there is one.
    without: Arc<AtomicU64>,
}

/// There has been no subscription yet.
const NEVER: u64 = u64::MAX;

impl Acknowledger {
    fn acknowledge(&self, deliveries: &mut Deliveries<Owed>) {
        let client = self.client.lock().expect("no holder panics");
        deliveries.acknowledge(|(packet_id, qos)| {
            let publish = Publish { pkid: *packet_id, qos: *qos, ..Publish::default() };
            client.try_ack(&publish).is_ok()
        });
    }

    /// Takes in a publish; `None` for a redelivery of which all rows were taken.
    fn arrive(&self, connection: u64, publish: &Publish) -> Option<NewDelivery> {
        let TakenPublish { packet_id, hash } = identity(publish);
        let mut deliveries = self.deliveries.lock().expect("no holder panics");
        let new = deliveries.arrive(Delivery {
            connection,
            packet_id,
            again: publish.dup,
            hash,
            packet: (packet_id, publish.qos),
        });
        if let Some(NewDelivery { number, .. }) = new.filter(|_| !self.after_completion) {
            deliveries.complete(number);
            deliveries.cover(number, 0);
        }
        self.acknowledge(&mut deliveries);
        new
    }

    /// Asks edge nodes of Sparkplug B for their birth certificates; they are asked again if there is no room.
    fn ask_for_rebirth(&self, topics: &[String]) {
        for topic in topics {
            let client = self.client.lock().expect("no holder panics");
            let _ = client.try_publish(topic, QoS::AtMostOnce, false, sparkplug::rebirth(now_ms()));
        }
    }

    /// As [`Deliveries::confirm`].
    fn confirm(&self, connection: u64, count: u64) -> bool {
        self.deliveries.lock().expect("no holder panics").confirm(connection, count)
    }

    /// As [`Deliveries::settle`].
    fn settle(&self, connection: u64) -> u64 {
        self.deliveries.lock().expect("no holder panics").settle(connection)
    }

    /// Whether the checkpoint names no publish of a lost session; always true where acknowledgements do not wait.
    fn is_settled(&self) -> bool {
        !self.after_completion || self.deliveries.lock().expect("no holder panics").is_settled()
    }
}

impl Acknowledge for Acknowledger {
    fn waits(&self) -> bool {
        self.after_completion
    }

    fn cover(&self, delivered: u64, begun: u64) -> DeliveryRange {
        self.deliveries.lock().expect("no holder panics").cover(delivered, begun)
    }

    fn complete(&self, number: u64) {
        let mut deliveries = self.deliveries.lock().expect("no holder panics");
        deliveries.complete(number);
        self.acknowledge(&mut deliveries);
    }

    fn broker(&self) -> BrokerLink {
        match self.without.load(Ordering::Relaxed) {
            0 => BrokerLink::Up,
            NEVER => BrokerLink::Connecting,
            since_ms => BrokerLink::Lost { since_ms },
        }
    }

    /// The client may disconnect when it has sent what is due.
    fn finish(&self) {
        const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
        let since = Instant::now();
        loop {
            let mut deliveries = self.deliveries.lock().expect("no holder panics");
            self.acknowledge(&mut deliveries);
            if !deliveries.owes() || since.elapsed() > ANSWER_TIMEOUT {
                break;
            }
            drop(deliveries);
            std::thread::sleep(Duration::from_millis(5));
        }
        self.finished.store(true, Ordering::Release);
    }
}

/// Identifies a publish when it is redelivered.
fn identity(publish: &Publish) -> TakenPublish {
    let length = publish.topic.len().to_le_bytes();
    let text = [&length, &*publish.topic, &*publish.payload].concat();
    TakenPublish { packet_id: publish.pkid, hash: fingerprint(&text) as u64 }
}

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

/// Takes in what arrives, on the source's thread.
pub(super) struct PublishIntake {
    pub(super) acknowledger: Acknowledger,
    /// Bytes of queued arrivals.
    pub(super) queued: Arc<AtomicUsize>,
    pub(super) framing: Arc<Framing>,
    pub(super) topic: Arc<str>,
    /// Publishes so far.
    publishes: u64,
    /// The last retained publishes, if they are taken.
    pub(super) retained: Option<Retained>,
    /// The ack window.
    pub(super) window: u16,
    /// Whether the broker speaks MQTT 3.1.1.
    is_v3: Arc<AtomicBool>,
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
        let client = Arc::new(Mutex::new(client));
        let endpoint = settings.endpoint.clone().expect("an MQTT source has an endpoint");
        let is_v3 = Arc::<AtomicBool>::default();
        let queued = Arc::<AtomicUsize>::default();
        let acknowledger = Acknowledger {
            client: client.clone(),
            deliveries: Arc::new(Mutex::new(Deliveries::after(position, window))),
            after_completion: settings.is_persistent(),
            finished: Arc::default(),
            without: Arc::new(AtomicU64::new(NEVER)),
        };
        let listener = EventLoopOwner {
            client,
            acknowledger: acknowledger.clone(),
            negotiation: Negotiation::new(endpoint.protocol),
            endpoint,
            options: None,
            is_v3: is_v3.clone(),
            arrivals: Some(sender),
            queued: queued.clone(),
            clock,
            stop,
            ready,
            connect_timeout: settings.connect_timeout,
            reconnect_timeout: settings.reconnect_timeout,
            retained: settings.retained,
            subscribed: position.subscribed.clone().filter(|_| !settings.clean_start),
            left: position.left.clone(),
            connection: 0,
            session: 0,
            lost: Some(Instant::now()),
            connected: None,
            subscribes: None,
            backoff: Backoff::default(),
            contested: 0,
            sent: 0,
            answered: 0,
            pinged: 0,
            question: None,
            since: None,
        };
        let framing = settings.framing.clone();
        let (topic, retained) = ("".into(), settings.retained.then(Retained::default));
        let intake = PublishIntake { acknowledger, queued, framing, topic, publishes: 0, retained, window, is_v3 };
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

impl PublishIntake {
    /// Pushes the rows of an arrival into the buffer, and hands on the buckets they fill.
    pub(super) fn take(
        &mut self,
        buffer: &mut BucketBuffer,
        arrival: IncomingEvent,
        clock: Clock,
        filled: &mut FilledBuckets<'_>,
    ) {
        self.queued.fetch_sub(arrival.size(), Ordering::Relaxed);
        let IncomingEvent { what, connection, session, arrived } = arrival;
        let publish = match what {
            IncomingItem::Publish(publish) => publish,
            IncomingItem::Confirmed(count) => {
                if self.acknowledger.confirm(connection, count) {
                    buffer.tell(arrived);
                }
                return;
            }
            IncomingItem::Settled => {
                buffer.delivered(self.acknowledger.settle(connection), arrived, filled);
                filled.extend(buffer.close(clock));
                return;
            }
        };
        let new = match publish.qos {
            QoS::AtMostOnce => None,
            _ => match self.acknowledger.arrive(connection, &publish) {
                None => return,
                new => new,
            },
        };
        self.publishes += 1;
        if self.topic.as_bytes() != publish.topic {
            self.topic = String::from_utf8_lossy(&publish.topic).into();
        }
        let skip = new.map_or(0, |new| new.begun);
        if new.is_some() {
            buffer.begin_delivery(skip);
        }
        buffer.comes_once(publish.qos == QoS::AtMostOnce);
        // A broker of MQTT 3.1.1 marks what it has retained at each subscription, and nothing else: any publish may come
        // again so.
        let is_v3 = self.is_v3.load(Ordering::Relaxed);
        let of_earlier_time = match &mut self.retained {
            None => publish.retain,
            Some(retained) if publish.retain || is_v3 => {
                let (topic, all) = (fingerprint(&publish.topic) as u64, identity(&publish).hash);
                let session = if is_v3 { u64::MAX } else { session };
                retained.is_known(topic, all, connection, session) && publish.retain && skip == 0
            }
            Some(_) => false,
        };
        if !of_earlier_time {
            let (bytes, framing) = (&publish.payload[..], &*self.framing);
            let origin = &Origin { topic: self.topic.clone(), position: self.publishes };
            buffer.push_payload(UnreadPayload { bytes, arrived, origin, framing, skip }, clock, filled);
            self.acknowledger.ask_for_rebirth(&buffer.take_rebirth_requests());
            if self.acknowledger.waits() {
                buffer.tell_of_edge_nodes(arrived);
            }
        }
        if let Some(NewDelivery { number, .. }) = new.filter(|_| self.acknowledger.waits()) {
            buffer.delivered(number, arrived, filled);
            // How much a broker of MQTT 3.1.1 sends is not known: when nothing more waits, it may send no more.
            let waits = is_v3 && buffer.deliveries() >= LEAST_WINDOW && self.queued.load(Ordering::Relaxed) == 0;
            if waits || buffer.deliveries() >= self.window.into() {
                // The ack window is full: the broker sends no more.
                filled.extend(buffer.close(clock));
            }
        }
    }
}

fn lost_session(client_id: Option<&str>) {
    let id = client_id.unwrap_or_default();
    tracing::warn!("the broker has lost the session {id}: what it held for this client is gone");
}

/// Runs the client's event loop.
pub(super) struct EventLoopOwner {
    client: SharedClient,
    negotiation: Negotiation,
    /// Those of the client, for one of the other version; none in tests.
    options: Option<MqttOptions>,
    is_v3: Arc<AtomicBool>,
    pub(super) acknowledger: Acknowledger,
    pub(super) endpoint: Endpoint,
    /// Closed when the source is stopped.
    pub(super) arrivals: Option<Sender<IncomingEvent>>,
    pub(super) queued: Arc<AtomicUsize>,
    pub(super) clock: Clock,
    pub(super) stop: Stop,
    pub(super) ready: Sender<()>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) reconnect_timeout: Option<Duration>,
    pub(super) retained: bool,
    /// The topic filter of the session in an earlier run.
    pub(super) subscribed: Option<String>,
    /// Client ids of sessions of an earlier run that no connection reads any more.
    pub(super) left: Vec<String>,
    /// The number of the connection; 0 before the first.
    pub(super) connection: u64,
    /// The first connection of the session.
    pub(super) session: u64,
    /// Since when there has been no connection.
    pub(super) lost: Option<Instant>,
    /// Since when there has been one.
    pub(super) connected: Option<Instant>,
    /// The deadline of the subscription, if it is still due on this connection.
    pub(super) subscribes: Option<Instant>,
    pub(super) backoff: Backoff,
    /// Consecutive connections that the broker ended soon.
    pub(super) contested: u32,
    /// Acknowledgements that have been sent on this connection, and how many of them the broker is known to have.
    pub(super) sent: u64,
    pub(super) answered: u64,
    /// How many had been sent before the last ping: the broker has them when it answers.
    pub(super) pinged: u64,
    /// The same for a question of our own, with its packet id, once it has left: rumqttc pings only now and then.
    pub(super) question: Option<(u16, u64)>,
    /// When the last question was asked; `None` while none may be: one is open already, or there is no connection.
    pub(super) since: Option<Instant>,
}

impl EventLoopOwner {
    fn run(mut self, mut events: MqttEvents) -> Result<(), Error> {
        while !self.is_over() {
            match events.next(|| self.is_over() || self.is_late() || self.looks_up()) {
                Some(Ok(event)) => self.hear(event)?,
                None => {}
                Some(Err(error)) => {
                    self.take(&mut events)?;
                    self.lose();
                    events.forget_acknowledgements();
                    let is_older = || is_older(&self.endpoint, || self.stop.is_set());
                    let options = self.options.clone().filter(|_| self.negotiation.failed(&error, is_older));
                    if let Some(options) = options {
                        let client;
                        (client, events) = MqttEvents::of(options, REQUESTS, self.negotiation.protocol);
                        *self.client.lock().expect("no holder panics") = client;
                        std::thread::sleep(LOOK_UP_INTERVAL);
                    } else {
                        self.wait_after(&error)?;
                    }
                }
            }
            if self.must_close() {
                self.take(&mut events)?;
                self.arrivals = None;
            }
            self.ask();
            self.subscribe_in_time()?;
            if self.connection > 0 && self.endpoint.client_id.is_some() {
                events.keep_session();
            }
            self.give_up()?;
        }
        self.leave(events);
        Ok(())
    }

    pub(super) fn hear(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Incoming(packet) => self.receive(packet)?,
            Event::Outgoing(Outgoing::PubAck(_)) => self.sent += 1,
            Event::Outgoing(Outgoing::PingReq) => self.pinged = self.sent,
            Event::Outgoing(Outgoing::Unsubscribe(id)) => self.question = Some((id, self.sent)),
            Event::Outgoing(_) => {}
        }
        Ok(())
    }

    /// Whether there is work to do without an event.
    fn looks_up(&self) -> bool {
        self.must_close() || self.may_ask() || self.may_subscribe()
    }

    /// Whether to ask the broker which acknowledgements it has: until that is known, publishes under reused packet ids
    /// could not be told from redeliveries after a crash.
    fn may_ask(&self) -> bool {
        let due = self.since.is_some_and(|since| since.elapsed() >= QUESTION_INTERVAL);
        due && self.acknowledger.after_completion && self.sent > self.answered && !self.stop.is_set()
    }

    fn ask(&mut self) {
        if self.may_ask() && self.client().try_unsubscribe(QUESTION).is_ok() {
            self.since = None;
        }
    }

    fn client(&self) -> MutexGuard<'_, Client> {
        self.client.lock().expect("no holder panics")
    }

    /// The broker has so many acknowledgements of this connection.
    fn confirmed(&mut self, count: u64) {
        self.answered = self.answered.max(count);
        if self.acknowledger.after_completion {
            self.queue(IncomingItem::Confirmed(count));
        }
    }

    /// After the stop, a broker that was ever reached still gets the acknowledgements.
    fn is_over(&self) -> bool {
        self.acknowledger.finished.load(Ordering::Acquire) || (self.stop.is_set() && self.connection == 0)
    }

    /// Whether the queue of arrivals is to be closed.
    fn must_close(&self) -> bool {
        self.stop.is_set() && self.arrivals.is_some()
    }

    /// Handles what the client has already received.
    fn take(&mut self, events: &mut MqttEvents) -> Result<(), Error> {
        while let Some(event) = events.received() {
            self.hear(event)?;
        }
        Ok(())
    }

    fn receive(&mut self, packet: Incoming) -> Result<(), Error> {
        match packet {
            Incoming::ConnAck(answer) => self.begin(answer.session_present)?,
            Incoming::SubAck(ack) => {
                let refusal = ack.return_codes.iter().find(|code| !matches!(code, SubscribeReasonCode::Success(_)));
                if let Some(code) = refusal {
                    let url = &self.endpoint.url;
                    return Err(Error::Broker(format!("the broker refuses the subscription to {url}: {code:?}")));
                }
                self.acknowledger.without.store(0, Ordering::Relaxed);
                let _ = self.ready.try_send(());
            }
            Incoming::Publish(publish) => self.queue(IncomingItem::Publish(publish)),
            Incoming::PingResp(_) => self.confirmed(self.pinged),
            Incoming::UnsubAck(answer) => {
                if let Some((_, count)) = self.question.take_if(|(id, _)| *id == answer.pkid) {
                    self.since = Some(Instant::now());
                    self.confirmed(count);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Starts a connection.
    fn begin(&mut self, same_session: bool) -> Result<(), Error> {
        let Endpoint { url, client_id, .. } = &self.endpoint;
        if self.negotiation.protocol == Protocol::V3 && url.topic.starts_with("$share/") {
            return Err(Error::Broker(format!(
                "the broker at {}:{} speaks MQTT 3.1.1, which has no shared subscriptions: read {} over one connection, \
                 or list the topics of each as `connections`",
                url.host, url.port, url.topic
            )));
        }
        self.negotiation.connected(&format!("{}:{}", url.host, url.port));
        let protocol = self.negotiation.protocol;
        self.is_v3.store(protocol == Protocol::V3, Ordering::Relaxed);
        for left in self.left.drain(..) {
            match end_session(&self.endpoint, &left, protocol) {
                Ok(()) => tracing::warn!("the session {left} of an earlier run is ended: nobody reads it any more"),
                Err(reason) => tracing::warn!("the session {left} of an earlier run cannot be ended: {reason}"),
            }
        }
        if let Some(before) = self.subscribed.take().filter(|_| self.connection == 0) {
            if !same_session {
                lost_session(client_id.as_deref());
            } else if before != url.topic && self.client().try_unsubscribe(&before).is_err() {
                tracing::warn!("{before}: the subscription of an earlier run cannot be ended");
            }
        }
        if self.connection > 0 {
            tracing::warn!("connected again to {}:{}", url.host, url.port);
            if client_id.is_some() && !same_session {
                lost_session(client_id.as_deref());
            }
        }
        let mut deliveries = self.acknowledger.deliveries.lock().expect("no holder panics");
        if protocol == Protocol::V3 {
            deliveries.widen();
        }
        self.connection = deliveries.connected(same_session);
        // Publishes that are still queued belong to the lost session.
        let settles = self.acknowledger.after_completion && deliveries.must_settle(self.connection);
        drop(deliveries);
        if !same_session {
            self.session = self.connection;
        }
        if settles {
            self.queue(IncomingItem::Settled);
        }
        (self.sent, self.answered, self.pinged) = (0, 0, 0);
        (self.question, self.since) = (None, Some(Instant::now()));
        (self.lost, self.connected) = (None, Some(Instant::now()));
        self.subscribes = Some(Instant::now() + SUBSCRIBE_TIMEOUT);
        self.subscribe_in_time()
    }

    /// Whether the subscription is still due, and allowed: nothing of a new session arrives before it.
    fn may_subscribe(&self) -> bool {
        let late = |at_the_latest| !self.stop.is_set() && Instant::now() >= at_the_latest;
        self.subscribes.is_some_and(|at_the_latest| self.acknowledger.is_settled() || late(at_the_latest))
    }

    pub(super) fn subscribe_in_time(&mut self) -> Result<(), Error> {
        if !self.may_subscribe() {
            return Ok(());
        }
        self.subscribes = None;
        self.subscribe()
    }

    /// Subscribes on every connection, as the session may be new. Retained publishes come only with a new subscription.
    fn subscribe(&self) -> Result<(), Error> {
        let Endpoint { url, qos, .. } = &self.endpoint;
        // rumqttc can't resume an exchange at QoS 2 (its issue 664); a redelivery at QoS 1 is recognised here.
        let qos = if self.acknowledger.after_completion && qos.0 != rumqttc::QoS::AtMostOnce {
            QoS::AtLeastOnce
        } else {
            qos.v5()
        };
        // A shared subscription gets no retained rows (MQTT 5, 4.8.2); mosquitto resends them whenever it restarts.
        let wants_retained = self.retained && !url.topic.starts_with("$share/");
        let rule = if wants_retained { RetainForwardRule::OnNewSubscribe } else { RetainForwardRule::Never };
        let mut filter = Filter::new(&url.topic, qos);
        // The broker keeps the retain flag where retained publishes are taken, so that known ones are ignored.
        (filter.retain_forward_rule, filter.preserve_retain) = (rule, self.retained);
        if self.client().try_subscribe_many([filter]).is_err() {
            return Err(Error::Broker(format!("{url}: the topic cannot be subscribed to")));
        }
        Ok(())
    }

    /// Waits while the queue is full: the broker then keeps what follows, as it does with all that comes after the
    /// stop.
    fn queue(&self, what: IncomingItem) {
        let arrival =
            IncomingEvent { what, connection: self.connection, session: self.session, arrived: self.clock.now() };
        let Some(arrivals) = &self.arrivals else { return };
        while self.queued.load(Ordering::Relaxed) > MAX_QUEUED && !self.stop.is_set() {
            // The run may wait for the answer to the subscription, which may be behind publishes the broker has kept.
            let _ = self.ready.try_send(());
            std::thread::sleep(Duration::from_millis(1));
        }
        self.queued.fetch_add(arrival.size(), Ordering::Relaxed);
        let _ = arrivals.send(arrival);
    }

    /// From now on nothing is acknowledged, and unsent acknowledgements are dropped: rumqttc has done so when it
    /// noticed the loss, but others may have come since.
    pub(super) fn lose(&mut self) {
        self.acknowledger.deliveries.lock().expect("no holder panics").lost();
        self.lost.get_or_insert_with(Instant::now);
        let since = |without| (without == 0).then(now_ms);
        let _ = self.acknowledger.without.fetch_update(Ordering::Relaxed, Ordering::Relaxed, since);
        (self.since, self.subscribes) = (None, None);
    }

    fn wait_after(&mut self, error: &ConnectionError) -> Result<(), Error> {
        let Endpoint { url, .. } = &self.endpoint;
        let address = format!("{}:{}", url.host, url.port);
        if self.connection == 0
            && let Some(refusal) = refusal(&address, error)
        {
            return Err(Error::Broker(refusal));
        }
        if self.connection == 0
            && url.tls
            && let Some(refusal) = tls::refusal(&address, error)
        {
            return Err(Error::Broker(refusal));
        }
        if let ConnectionError::MqttState(StateError::Unsolicited(_)) = error {
            return Err(Error::Broker(format!(
                "the session at {address} holds an exchange at QoS 2 that cannot be taken up again: give another client_id"
            )));
        }
        let hint = hint(&self.endpoint, error).filter(|_| self.connection == 0).unwrap_or_default();
        self.judge(error);
        let wait = self.backoff.next_wait();
        tracing::warn!("no connection to the broker at {address} ({error}{hint}); again in {wait:?}");
        let until = Instant::now() + wait;
        while Instant::now() < until && !self.is_over() {
            if self.stop.is_set() {
                self.arrivals = None;
            }
            self.give_up()?;
            std::thread::sleep(until.saturating_duration_since(Instant::now()).min(LOOK_UP_INTERVAL));
        }
        Ok(())
    }

    /// The back-off between connections grows where another client uses the same id: each takes over the other's
    /// session.
    fn judge(&mut self, error: &ConnectionError) {
        const LEAST_INTERVAL: Duration = Duration::from_secs(5);
        let Some(lasted) = self.connected.take().map(|connected| connected.elapsed()) else { return };
        let taken_over = matches!(
            error,
            ConnectionError::MqttState(StateError::ServerDisconnect {
                reason_code: DisconnectReasonCode::SessionTakenOver,
                ..
            })
        );
        let ended = taken_over || matches!(error, ConnectionError::MqttState(StateError::ConnectionAborted));
        let id = self.endpoint.client_id.as_ref().filter(|_| ended && lasted < LEAST_INTERVAL + 2 * self.backoff.next);
        let Some(id) = id else {
            self.contested = 0;
            return self.backoff.reset();
        };
        self.contested += 1;
        if taken_over || self.contested > 1 {
            tracing::warn!(
                "the broker ends connections of the client_id {id:?}{}: if another run or client uses it, give each a \
                 client_id of its own",
                if taken_over { ", whose session another client has taken over" } else { " soon after they begin" }
            );
        }
    }

    /// How long the broker may be unreachable.
    fn patience(&self) -> Option<Duration> {
        if self.connection > 0 { self.reconnect_timeout } else { self.connect_timeout }
    }

    /// Whether it has been unreachable for longer.
    fn is_late(&self) -> bool {
        self.lost.zip(self.patience()).is_some_and(|(lost, patience)| lost.elapsed() >= patience)
    }

    /// Ends the source when the broker has been unreachable for longer than allowed.
    fn give_up(&self) -> Result<(), Error> {
        let Some(patience) = self.patience().filter(|_| self.is_late()) else { return Ok(()) };
        let Endpoint { url, .. } = &self.endpoint;
        Err(Error::Broker(format!(
            "no broker at {}:{} within {}: check the address, or start one with `rowmill broker`",
            url.host,
            url.port,
            humantime::format_duration(patience)
        )))
    }

    /// Sends the acknowledgements that are due, and disconnects.
    fn leave(&self, mut events: MqttEvents) {
        if self.lost.is_some() || self.client().try_disconnect().is_err() {
            return;
        }
        let deadline = Instant::now() + Duration::from_secs(1);
        let is_over = || Instant::now() >= deadline;
        let is_last = |event| matches!(event, Some(Ok(Event::Outgoing(Outgoing::Disconnect)) | Err(_)));
        while !is_over() && !is_last(events.next(is_over)) {}
    }
}
