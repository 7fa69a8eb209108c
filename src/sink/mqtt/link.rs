//! The successive connections of a publisher, on a thread of their own.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::v5::{
    ConnAck, DisconnectReasonCode, PubAck, PubAckReason, PubComp, PubCompReason, PubRec, PubRecReason, Publish,
};
use rumqttc::v5::{Client, ConnectionError, Event, Incoming, StateError};
use rumqttc::{Outgoing, QoS};
use tokio::sync::Notify;

use super::super::SinkProgress;
use super::outbox::{LostConnection, Outbox};
use crate::mqtt::{Backoff, Endpoint, MqttEvents, Negotiation, Protocol, is_older, refusal, tls, unheard};

/// Most requests that wait for the event loop: the in-flight publishes and the disconnect.
const REQUESTS: usize = 1024;
/// A broker that owes an answer and is silent for so long is taken for dead. Doubled for each silence in a row, so that
/// a slow broker makes progress.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(10);
const LONGEST_SILENCE_TIMEOUT: Duration = Duration::from_secs(80);
/// A broker closes the connection within this time after a publish that it refuses.
const CLOSES_TIMEOUT: Duration = Duration::from_secs(5);
/// Timeout of the disconnect.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);
/// Back-off where another client has taken over the connection: it would do so again.
const TAKEN_OVER_INTERVAL: Duration = Duration::from_secs(10);

/// Most in-flight publishes.
///
/// mosquitto 2.0.11 loses QoS 2 publishes of a client with more in flight than its own default of 20.
fn in_flight(qos: QoS) -> u16 {
    if qos == QoS::ExactlyOnce { 20 } else { 500 }
}

/// What a publisher and its connections share.
#[derive(Default)]
pub struct LinkShared {
    state: Mutex<LinkState>,
    /// Notified when the broker has acknowledged something, and when a connection is made or has failed.
    pub changed: Condvar,
    /// The broker's progress, read from other threads.
    pub progress: Arc<SinkProgress>,
    /// Notified when something waits for the broker.
    pub wake: Notify,
}

#[derive(Default)]
pub struct LinkState {
    pub outbox: Outbox<Publish>,
    /// Whether there was ever a connection.
    pub connected: bool,
    /// Whether the broker speaks MQTT 3.1.1, whose publishes have no properties.
    pub is_v3: bool,
    /// Failed attempts to connect and lost connections.
    pub attempts: u64,
    /// Why the last of them has failed.
    pub reason: String,
    pub stop: bool,
    pub failure: Option<String>,
}

impl LinkShared {
    pub fn lock(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().expect("no holder panics")
    }

    fn is_over(&self) -> bool {
        self.lock().stop
    }

    fn fail(&self, reason: String) {
        self.lock().failure = Some(reason);
        self.changed.notify_all();
    }

    /// Sleeps for `wait`, or until the publisher is dropped.
    fn sleep(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut state = self.lock();
        while !state.stop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.changed.wait_timeout(state, left).expect("no holder panics").0;
        }
    }
}

/// Connects, again and again.
pub struct Link {
    endpoint: Endpoint,
    /// The broker's address, for messages.
    address: String,
    shared: Arc<LinkShared>,
    backoff: Backoff,
    silence: Duration,
    negotiation: Negotiation,
}

/// Why a connection is over.
enum ConnectionEnd {
    /// The publisher was dropped.
    Over,
    /// An error that a retry will not change.
    Failed(String),
    Lost {
        loss: LostConnection,
        reason: String,
        taken_over: bool,
    },
}

impl ConnectionEnd {
    fn lost(loss: LostConnection, reason: impl std::fmt::Display) -> ConnectionEnd {
        ConnectionEnd::Lost { loss, reason: reason.to_string(), taken_over: false }
    }
}

impl Link {
    pub fn new(endpoint: &Endpoint, shared: Arc<LinkShared>) -> Link {
        let address = format!("{}:{}", endpoint.url.host, endpoint.url.port);
        let (backoff, negotiation) = (Backoff::default(), Negotiation::new(endpoint.protocol));
        Link { endpoint: endpoint.clone(), address, shared, backoff, silence: SILENCE_TIMEOUT, negotiation }
    }

    /// Connects until the publisher is dropped.
    pub fn run(mut self) {
        let mut events = None;
        while !self.shared.is_over() {
            let mut options = self.endpoint.options("sink", in_flight(self.endpoint.qos.0));
            // The state of an earlier session is in the way: unfinished QoS 2 exchanges fill its window.
            options.set_clean_start(true);
            options.set_session_expiry_interval(None);
            let (client, new) = MqttEvents::of(options, REQUESTS, self.negotiation.protocol);
            let events = events.insert(new);
            match self.connection(&client, events) {
                ConnectionEnd::Over => return,
                ConnectionEnd::Failed(reason) => return self.shared.fail(reason),
                ConnectionEnd::Lost { loss, reason, taken_over } => {
                    let mut state = self.shared.lock();
                    state.attempts += 1;
                    if state.connected {
                        self.shared.progress.lost();
                    }
                    let is_there = state.outbox.lost(loss);
                    drop(state);
                    if is_there {
                        // The broker is there, and is retried soon.
                        self.backoff.reset();
                    }
                    self.shared.changed.notify_all();
                    let wait = self.backoff.next_wait();
                    let wait = if taken_over { wait.max(TAKEN_OVER_INTERVAL) } else { wait };
                    tracing::warn!("no connection to the broker at {} ({reason}); again in {wait:?}", self.address);
                    self.shared.lock().reason = reason;
                    self.shared.sleep(wait);
                }
            }
        }
    }

    /// One connection, from CONNECT to DISCONNECT.
    fn connection(&mut self, client: &Client, events: &mut MqttEvents) -> ConnectionEnd {
        let shared = self.shared.clone();
        let qos = self.endpoint.qos;
        let mut heard = Instant::now();
        let mut sent = heard;
        let mut stands = false;
        loop {
            let mut silent = false;
            let event = events.next_or_woken(&shared.wake, || {
                let mut state = shared.lock();
                if state.stop {
                    return true;
                }
                let owed = state.outbox.is_owed();
                if stands {
                    send(client, &mut state.outbox, qos.0);
                }
                if state.outbox.is_owed() && !owed {
                    // Without in-flight publishes the broker need not have said anything.
                    (heard, sent) = (Instant::now(), Instant::now());
                }
                silent = owed && heard.elapsed() >= self.silence;
                silent
            });
            match event {
                None if silent => {
                    let silence = self.silence;
                    self.silence = (silence * 2).min(LONGEST_SILENCE_TIMEOUT);
                    return ConnectionEnd::lost(LostConnection::Other, format!("it has not answered for {silence:?}"));
                }
                None => {
                    leave(client, events);
                    return ConnectionEnd::Over;
                }
                Some(Err(error)) => return self.lost(&error, stands && sent.elapsed() < CLOSES_TIMEOUT),
                Some(Ok(event)) => {
                    if matches!(event, Event::Incoming(_) | Event::Outgoing(Outgoing::Publish(0))) {
                        heard = Instant::now();
                    }
                    if let Event::Incoming(Incoming::ConnAck(answer)) = &event {
                        self.negotiation.connected(&self.address);
                        let mut state = shared.lock();
                        if let Err(reason) = self.connected(answer, &mut state) {
                            return ConnectionEnd::Failed(reason);
                        }
                        send(client, &mut state.outbox, qos.0);
                        (stands, sent) = (true, heard);
                    } else if let Err(end) = self.take(event, client) {
                        return end;
                    }
                    shared.changed.notify_all();
                }
            }
        }
    }

    /// Takes in the limits that the broker announces.
    fn connected(&self, answer: &ConnAck, state: &mut LinkState) -> Result<(), String> {
        let properties = answer.properties.as_ref();
        let most = properties.and_then(|properties| properties.max_qos).unwrap_or(2);
        let asked = self.endpoint.qos.0 as u8;
        if asked > most {
            return Err(format!("the broker at {} takes quality of service {most}, not {asked}", self.address));
        }
        let window = properties.and_then(|properties| properties.receive_max).unwrap_or(u16::MAX);
        let limit = properties.and_then(|properties| properties.max_packet_size);
        let window = window.min(in_flight(self.endpoint.qos.0)).max(1);
        state.outbox.connected(window, limit.map(|limit| limit as usize));
        (state.connected, state.is_v3) = (true, self.negotiation.protocol == Protocol::V3);
        self.shared.progress.connected();
        Ok(())
    }

    /// Handles an event: QoS 0 completes when it is sent, QoS 1 and 2 when the broker acknowledges.
    fn take(&mut self, event: Event, client: &Client) -> Result<(), ConnectionEnd> {
        let qos = self.endpoint.qos.0;
        let mut state = self.shared.lock();
        let known = match event {
            Event::Outgoing(Outgoing::Publish(0)) => state.outbox.first_is_sent(),
            Event::Incoming(Incoming::PubAck(PubAck { pkid, reason, .. })) => match reason {
                PubAckReason::Success | PubAckReason::NoMatchingSubscribers => state.outbox.taken(pkid),
                PubAckReason::PayloadFormatInvalid | PubAckReason::ImplementationSpecificError => {
                    state.outbox.not_taken(pkid, format!("{reason:?}"))
                }
                PubAckReason::QuotaExceeded => return Err(ConnectionEnd::lost(LostConnection::Other, "QuotaExceeded")),
                reason => return Err(self.refuses(reason)),
            },
            Event::Incoming(Incoming::PubRec(PubRec { pkid, reason, .. })) => match reason {
                PubRecReason::Success | PubRecReason::NoMatchingSubscribers => return Ok(()),
                PubRecReason::PayloadFormatInvalid | PubRecReason::ImplementationSpecificError => {
                    state.outbox.not_taken(pkid, format!("{reason:?}"));
                    // rumqttc does not free its place in the in-flight window.
                    return Err(ConnectionEnd::lost(LostConnection::Other, format!("{reason:?}")));
                }
                PubRecReason::QuotaExceeded => return Err(ConnectionEnd::lost(LostConnection::Other, "QuotaExceeded")),
                reason => return Err(self.refuses(reason)),
            },
            Event::Incoming(Incoming::PubComp(PubComp { pkid, reason, .. })) => match reason {
                PubCompReason::Success => state.outbox.taken(pkid),
                reason @ PubCompReason::PacketIdentifierNotFound => {
                    return Err(ConnectionEnd::lost(LostConnection::Other, format!("{reason:?}")));
                }
            },
            _ => return Ok(()),
        };
        if !known {
            return Err(ConnectionEnd::lost(LostConnection::Other, "it answers what was not sent"));
        }
        self.shared.progress.owe(state.outbox.len() as u64);
        self.shared.progress.beat();
        self.backoff.reset();
        self.silence = SILENCE_TIMEOUT;
        send(client, &mut state.outbox, qos);
        Ok(())
    }

    fn refuses(&self, reason: impl std::fmt::Debug) -> ConnectionEnd {
        ConnectionEnd::Failed(format!("the broker at {} refuses what is published: {reason:?}", self.address))
    }

    /// Why the connection is lost. If it ended `soon` after a publish was sent, the broker may have closed it for that.
    fn lost(&mut self, error: &ConnectionError, soon: bool) -> ConnectionEnd {
        if self.negotiation.failed(error, || is_older(&self.endpoint, || self.shared.is_over())) {
            return ConnectionEnd::lost(LostConnection::Other, "it does not answer in this version of MQTT");
        }
        if let Some(reason) = refusal(&self.address, error) {
            return ConnectionEnd::Failed(reason);
        }
        if self.endpoint.url.tls
            && !self.shared.lock().connected
            && let Some(reason) = tls::refusal(&self.address, self.endpoint.url.web, error)
        {
            return ConnectionEnd::Failed(reason);
        }
        let closed = if soon { LostConnection::Closed } else { LostConnection::Other };
        if !self.shared.lock().connected {
            return ConnectionEnd::lost(closed, unheard(&self.endpoint, error));
        }
        match error {
            ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => match reason_code {
                DisconnectReasonCode::PacketTooLarge => ConnectionEnd::lost(LostConnection::TooLarge, error),
                // What a broker says of a publish.
                DisconnectReasonCode::MalformedPacket
                | DisconnectReasonCode::ProtocolError
                | DisconnectReasonCode::TopicNameInvalid
                | DisconnectReasonCode::PayloadFormatInvalid
                | DisconnectReasonCode::NotAuthorized => ConnectionEnd::lost(closed, error),
                DisconnectReasonCode::SessionTakenOver => ConnectionEnd::Lost {
                    loss: LostConnection::Other,
                    reason: "another client has connected with this client_id".into(),
                    taken_over: true,
                },
                _ => ConnectionEnd::lost(LostConnection::Other, error),
            },
            ConnectionError::MqttState(StateError::AwaitPingResp) => ConnectionEnd::lost(LostConnection::Other, error),
            ConnectionError::MqttState(_) | ConnectionError::Io(_) => ConnectionEnd::lost(closed, error),
            _ => ConnectionEnd::lost(LostConnection::Other, error),
        }
    }
}

/// Sends what may be in flight now.
fn send(client: &Client, outbox: &mut Outbox<Publish>, qos: QoS) {
    while let Some(publish) = outbox.next() {
        let topic = String::from_utf8_lossy(&publish.topic);
        let properties = publish.properties.unwrap_or_default();
        let qos = crate::mqtt::Qos(qos).v5();
        let handed = client.try_publish_with_properties(topic, qos, false, publish.payload, properties);
        handed.expect("there is room for all that may be on its way, and the topic was checked");
    }
}

/// Disconnects, if the broker still listens.
fn leave(client: &Client, events: &mut MqttEvents) {
    if client.try_disconnect().is_err() {
        return;
    }
    let deadline = Instant::now() + LEAVE_TIMEOUT;
    let is_over = || Instant::now() >= deadline;
    let is_last = |event| matches!(event, None | Some(Ok(Event::Outgoing(Outgoing::Disconnect)) | Err(_)));
    while !is_over() && !is_last(events.next(is_over)) {}
}
