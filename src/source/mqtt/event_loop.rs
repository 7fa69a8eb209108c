//! The thread that owns the client's event loop: connections, subscription, back-off, and which acknowledgements the
//! broker has.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{DisconnectReasonCode, Filter, RetainForwardRule, SubscribeReasonCode};
use rumqttc::v5::{Client, ConnectionError, Event, Incoming, MqttOptions, StateError};

use super::acknowledger::{Acknowledger, SharedClient};
use super::incoming::{IncomingEvent, IncomingItem};
use crate::measure::{Clock, now_ms};
use crate::mqtt::{
    Backoff, Endpoint, LOOK_UP_INTERVAL, MqttEvents, Negotiation, Protocol, end_session, is_older, refusal, tls,
    unheard,
};
use crate::source::{Error, SourcePosition, SourceSettings, Stop};

/// Bytes of publishes that may wait for the source's thread.
const MAX_QUEUED: usize = 64 << 20;
/// Shortest time between two questions whether the broker has the acknowledgements.
const QUESTION_INTERVAL: Duration = Duration::from_millis(100);
/// Longest wait of a new session, before it subscribes, for the checkpoint to discard the lost one: a stalled dataflow
/// must not keep it from what is published.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(5);
/// A filter that nobody subscribes to: the broker answers its unsubscription in order, and nothing changes.
const QUESTION: &str = "rowmill/question";
/// Most requests, acknowledgements among them, that wait for the event loop.
pub(super) const REQUESTS: usize = 16_384;

fn lost_session(client_id: Option<&str>) {
    let id = client_id.unwrap_or_default();
    tracing::warn!("the broker has lost the session {id}: what it held for this client is gone");
}

/// Runs the client's event loop.
pub(super) struct EventLoopOwner {
    client: SharedClient,
    negotiation: Negotiation,
    /// Those of the client, for one of the other version; none in tests.
    pub(super) options: Option<MqttOptions>,
    /// Whether the broker speaks MQTT 3.1.1.
    pub(super) is_v3: Arc<AtomicBool>,
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
    /// Why the last attempt to connect has failed.
    pub(super) reason: Option<String>,
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
    /// # Panics
    /// If the settings lack the endpoint of an MQTT source, which is an error of the caller.
    pub(super) fn new(
        acknowledger: Acknowledger,
        arrivals: Sender<IncomingEvent>,
        settings: &SourceSettings,
        position: &SourcePosition,
        clock: Clock,
        stop: Stop,
        ready: Sender<()>,
    ) -> EventLoopOwner {
        let endpoint = settings.endpoint.clone().expect("an MQTT source has an endpoint");
        EventLoopOwner {
            client: acknowledger.client.clone(),
            negotiation: Negotiation::new(endpoint.protocol),
            options: None,
            is_v3: Arc::default(),
            acknowledger,
            endpoint,
            arrivals: Some(arrivals),
            queued: Arc::default(),
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
            reason: None,
            connected: None,
            subscribes: None,
            backoff: Backoff::default(),
            contested: 0,
            sent: 0,
            answered: 0,
            pinged: 0,
            question: None,
            since: None,
        }
    }

    pub(super) fn run(mut self, mut events: MqttEvents) -> Result<(), Error> {
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
            Incoming::Publish(publish) => {
                if self.endpoint.mark.as_ref().is_some_and(|mark| mark.is_of(&publish)) {
                    let topic = String::from_utf8_lossy(&publish.topic);
                    return Err(Error::Broker(format!(
                        "{topic}: this run has published that itself, and its own source {} takes it again, for ever: give the \
                         sink another topic; allow_loop = true in [source] permits it",
                        self.endpoint.url
                    )));
                }
                self.queue(IncomingItem::Publish(publish));
            }
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
        (self.lost, self.reason, self.connected) = (None, None, Some(Instant::now()));
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
            && let Some(refusal) = tls::refusal(&address, url.web, error)
        {
            return Err(Error::Broker(refusal));
        }
        if let ConnectionError::MqttState(StateError::Unsolicited(_)) = error {
            return Err(Error::Broker(format!(
                "the session at {address} holds an exchange at QoS 2 that cannot be taken up again: give another client_id"
            )));
        }
        let reason = if self.connection == 0 { unheard(&self.endpoint, error) } else { error.to_string() };
        self.judge(error);
        let wait = self.backoff.next_wait();
        tracing::warn!("no connection to the broker at {address} ({reason}); again in {wait:?}");
        self.reason = Some(reason);
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
            "no broker at {}:{} within {}{}: check the address, or start one with `rowmill broker`",
            url.host,
            url.port,
            humantime::format_duration(patience),
            self.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default()
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
