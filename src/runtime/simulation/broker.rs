//! A simulated broker with one session: what it queues, what is on the wire, and how it assigns packet ids.

use std::collections::VecDeque;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rumqttc::v5::Request;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Publish, RetainForwardRule};

use crate::disk::simulated::SimulatedDisk;
use crate::runtime::simulation::EventLog;
use crate::runtime::simulation::oracle::Oracle;
use crate::runtime::simulation::publish::SimulatedPublish;
use crate::source::SimulatedConnection;

/// How a broker assigns packet ids.
#[derive(Clone, Copy, Debug)]
pub struct PacketIds {
    /// The most publishes that may be unacknowledged.
    pub window: u16,
    pub count: u16,
    /// Whether it assigns the lowest free id, instead of the next one.
    pub lowest: bool,
}

/// A session, and a connection to it.
pub struct SimulatedBroker {
    topic: String,
    ids: PacketIds,
    unpublished: VecDeque<SimulatedPublish>,
    retained: Option<SimulatedPublish>,
    queued: VecDeque<SimulatedPublish>,
    in_flight: VecDeque<(u16, SimulatedPublish)>,
    next_id: u16,
    session: bool,
    subscribed: Option<QoS>,
    connected: bool,
    /// Whether the client has received the CONNACK.
    accepted: bool,
    /// Whether the client waits for a ping response.
    pings: bool,
    to_client: VecDeque<ToClient>,
    to_broker: VecDeque<Request>,
    trace: EventLog,
}

enum ToClient {
    Connected(bool),
    Publish(Box<Publish>),
    Pong,
}

impl SimulatedBroker {
    pub fn new(
        topic: String,
        ids: PacketIds,
        unpublished: VecDeque<SimulatedPublish>,
        retained: Option<SimulatedPublish>,
        trace: EventLog,
    ) -> SimulatedBroker {
        SimulatedBroker {
            topic,
            ids,
            unpublished,
            retained,
            queued: VecDeque::new(),
            in_flight: VecDeque::new(),
            next_id: 1,
            session: false,
            subscribed: None,
            connected: false,
            accepted: false,
            pings: false,
            to_client: VecDeque::new(),
            to_broker: VecDeque::new(),
            trace,
        }
    }

    /// Whether all has been published, sent and acknowledged.
    pub fn is_done(&self) -> bool {
        let sent = self.unpublished.is_empty() && self.queued.is_empty() && self.to_client.is_empty();
        sent && self.in_flight.is_empty() && self.subscribed.is_some()
    }

    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// Publishes the next payload, if there is a subscription.
    pub fn publish(&mut self, oracle: &mut Oracle) {
        let Some(granted) = self.subscribed else { return };
        let Some(mut simulated) = self.unpublished.pop_front() else { return };
        simulated.qos = lower(simulated.qos, granted);
        oracle.published(&simulated);
        // Quality of service 0 is not queued for a client that is not connected.
        if simulated.qos != QoS::AtMostOnce || self.connected {
            self.queued.push_back(simulated);
        }
    }

    /// Sends the next publish, unless the ack window is full.
    pub fn send(&mut self) {
        let full = self.in_flight.len() == usize::from(self.ids.window);
        let waits = |simulated: &SimulatedPublish| full && simulated.qos != QoS::AtMostOnce;
        if !self.connected || self.queued.front().is_none_or(waits) {
            return;
        }
        let Some(simulated) = self.queued.pop_front() else { return };
        let id = if simulated.qos == QoS::AtMostOnce { 0 } else { self.take_id() };
        self.to_client.push_back(ToClient::Publish(self.packet(id, &simulated, false)));
        if id > 0 {
            self.in_flight.push_back((id, simulated));
        }
    }

    fn take_id(&mut self) -> u16 {
        if self.ids.lowest {
            self.next_id = 1;
        }
        while self.in_flight.iter().any(|(id, _)| *id == self.next_id) {
            self.next_id = self.next_id % self.ids.count + 1;
        }
        let id = self.next_id;
        self.next_id = self.next_id % self.ids.count + 1;
        id
    }

    fn packet(&self, pkid: u16, simulated: &SimulatedPublish, dup: bool) -> Box<Publish> {
        let mut publish = Publish::new(self.topic.clone(), simulated.qos, simulated.payload.clone(), None);
        (publish.pkid, publish.dup, publish.retain) = (pkid, dup, simulated.retained);
        Box::new(publish)
    }

    /// Connects the client; the session may be `lost`.
    pub fn connect(&mut self, lost: bool, oracle: &mut Oracle) {
        if lost {
            let gone = self.in_flight.drain(..).map(|(_, simulated)| simulated).chain(self.queued.drain(..));
            gone.for_each(|simulated| oracle.lost(&simulated));
            (self.session, self.subscribed, self.next_id) = (false, None, 1);
        }
        self.connected = true;
        self.to_client.push_back(ToClient::Connected(self.session));
        self.session = true;
        let again: Vec<_> = self.in_flight.iter().map(|(id, simulated)| self.packet(*id, simulated, true)).collect();
        self.to_client.extend(again.into_iter().map(ToClient::Publish));
    }

    /// Delivers the next packet to the client.
    pub fn deliver(&mut self, client: &mut SimulatedConnection) {
        match self.to_client.pop_front() {
            Some(ToClient::Connected(session)) => {
                self.trace.tell(|| format!("{} connected, its session is there: {session}", self.topic));
                self.accepted = true;
                client.connected(session);
            }
            Some(ToClient::Publish(publish)) => {
                self.trace.tell(|| format!("{} {publish:?}", self.topic));
                client.publish(*publish);
            }
            Some(ToClient::Pong) => {
                self.pings = false;
                client.pong();
            }
            None => {}
        }
    }

    /// Sends the client's next request; false if it has none.
    pub fn take(&mut self, client: &mut SimulatedConnection) -> bool {
        let request = if self.connected { client.send() } else { None };
        let sent = request.is_some();
        self.to_broker.extend(request);
        sent
    }

    /// Lets the client send a ping.
    pub fn ping(&mut self, client: &mut SimulatedConnection) {
        // A client has at most one ping outstanding.
        if self.accepted && !self.pings {
            self.pings = true;
            client.ping();
            self.to_broker.push_back(Request::PingReq);
        }
    }

    /// Processes the next request at the broker. What it acknowledges must be durable.
    pub fn receive(&mut self, oracle: &mut Oracle, disk: &SimulatedDisk) {
        match self.to_broker.pop_front() {
            Some(Request::PubAck(ack)) => {
                let (oldest, simulated) = self.in_flight.pop_front().expect("an acknowledgement has its publish");
                assert_eq!(ack.pkid, oldest, "acknowledgements come in the order of arrival");
                self.trace.tell(|| format!("{} acknowledges {oldest}: {:?}", self.topic, simulated.rows));
                oracle.acknowledged(&simulated, disk);
            }
            Some(Request::PingReq) => self.to_client.push_back(ToClient::Pong),
            Some(Request::Subscribe(subscribe)) => {
                let filter = &subscribe.filters[0];
                assert_eq!(filter.path, self.topic);
                assert_ne!(filter.qos, QoS::ExactlyOnce, "exchanges at QoS 2 are not played");
                let sends = match filter.retain_forward_rule {
                    RetainForwardRule::OnEverySubscribe => true,
                    RetainForwardRule::OnNewSubscribe => self.subscribed.is_none(),
                    RetainForwardRule::Never => false,
                };
                if let Some(mut simulated) = self.retained.clone().filter(|_| sends) {
                    simulated.qos = lower(simulated.qos, filter.qos);
                    if self.subscribed.is_none() {
                        oracle.published(&simulated);
                    }
                    self.queued.push_back(simulated);
                }
                self.subscribed = Some(filter.qos);
            }
            Some(Request::Unsubscribe(_) | Request::Disconnect) | None => {}
            Some(request) => panic!("not played: {request:?}"),
        }
    }

    /// Cuts the connection; a part of what the client has sent still reaches the broker.
    pub fn cut(&mut self, oracle: &mut Oracle, disk: &SimulatedDisk, random: &mut ChaCha8Rng) {
        for _ in 0..random.random_range(0..=self.to_broker.len()) {
            self.receive(oracle, disk);
        }
        self.trace.tell(|| format!("{} is cut", self.topic));
        (self.connected, self.accepted, self.pings) = (false, false, false);
        // Not simulated: a client that is killed before it has committed that its session is new, and again before it
        // has committed what it took of it.
        self.session = self.subscribed.is_some();
        self.to_client.clear();
        self.to_broker.clear();
        // Publishes of quality of service 0 are lost.
        self.queued.retain(|simulated| simulated.qos != QoS::AtMostOnce);
    }
}

fn lower(one: QoS, other: QoS) -> QoS {
    if (one as u8) < (other as u8) { one } else { other }
}
