//! A client of MQTT 3.1.1 behind the types of MQTT 5: requests of the one are those of the other, and its events and
//! errors are shown as if they were of MQTT 5.

use std::collections::VecDeque;
use std::io;

use flume::Receiver;
use rumqttc::mqttbytes::v4;
use rumqttc::mqttbytes::{Error as PacketErrorV3, QoS as QosV3};
use rumqttc::v5::mqttbytes::v5;
use rumqttc::v5::mqttbytes::{Error as PacketError, QoS};
use rumqttc::v5::{self as mqtt5, ConnectionError, Event, MqttOptions, Request, StateError};
use rumqttc::{AsyncClient, EventLoop};

/// The events of a client of MQTT 3.1.1.
pub struct V3Events {
    pub event_loop: EventLoop,
    pub forward: V3Requests,
    /// Whether an earlier session is to be discarded before the client connects to its own.
    discards: bool,
}

/// Requests on their way to the client.
pub struct V3Requests {
    client: AsyncClient,
    requests: Receiver<Request>,
    held: VecDeque<Request>,
}

impl V3Events {
    /// A client with the options of one of MQTT 5, whose requests come over `requests`.
    pub fn new(options: &MqttOptions, requests: Receiver<Request>, capacity: usize) -> V3Events {
        let (host, port) = options.broker_address();
        let mut own = rumqttc::MqttOptions::new(options.client_id(), host, port);
        let keeps = options.session_expiry_interval().is_some_and(|seconds| seconds > 0);
        own.set_clean_session(options.clean_start() || !keeps);
        own.set_keep_alive(options.keep_alive());
        own.set_manual_acks(options.manual_acks());
        own.set_inflight(options.get_outgoing_inflight_upper_limit().unwrap_or(u16::MAX).max(1));
        let largest = options.max_packet_size().map_or(usize::MAX, |bytes| bytes as usize);
        own.set_max_packet_size(largest, largest);
        own.set_transport(options.transport());
        if let Some(login) = options.credentials() {
            own.set_credentials(login.username, login.password);
        }
        let (client, mut event_loop) = AsyncClient::new(own, capacity);
        event_loop.network_options.set_connection_timeout(options.connection_timeout());
        let forward = V3Requests { client, requests, held: VecDeque::new() };
        V3Events { event_loop, forward, discards: options.clean_start() && keeps }
    }

    /// Whether a connection was made only to discard the session: the next one is the client's own.
    pub fn has_discarded(&mut self, event: &Event) -> bool {
        let discarded = self.discards && matches!(event, Event::Incoming(v5::Packet::ConnAck(_)));
        if discarded {
            self.discards = false;
            self.event_loop.clean();
            self.event_loop.mqtt_options.set_clean_session(false);
        }
        discarded
    }

    /// An event that has been received and not returned yet.
    pub fn received(&mut self) -> Option<Event> {
        std::iter::from_fn(|| self.event_loop.state.events.pop_front()).find_map(event)
    }

    /// Drops unsent acknowledgements.
    pub fn forget_acknowledgements(&mut self) {
        self.event_loop.clean();
        let V3Requests { requests, held, .. } = &mut self.forward;
        held.extend(requests.drain());
        held.retain(|request| !matches!(request, Request::PubAck(_)));
    }
}

impl V3Requests {
    /// Hands on what waits, and then what comes.
    pub async fn run(&mut self) {
        loop {
            while let Some(request) = self.held.pop_front() {
                if !self.take(&request) {
                    self.held.push_front(request);
                    // The client has no room: its event loop makes some.
                    return std::future::pending().await;
                }
            }
            match self.requests.recv_async().await {
                Ok(request) => self.held.push_back(request),
                Err(_) => return std::future::pending().await,
            }
        }
    }

    /// Whether the client has taken it.
    fn take(&self, request: &Request) -> bool {
        let client = &self.client;
        let acknowledged = |pkid, qos| v4::Publish { pkid, ..v4::Publish::new("", qos, Vec::<u8>::new()) };
        let taken = match request {
            Request::Publish(publish) => {
                let topic = String::from_utf8_lossy(&publish.topic).into_owned();
                client.try_publish(topic, older(publish.qos), publish.retain, publish.payload.clone())
            }
            Request::PubAck(ack) => client.try_ack(&acknowledged(ack.pkid, QosV3::AtLeastOnce)),
            Request::PubRec(ack) => client.try_ack(&acknowledged(ack.pkid, QosV3::ExactlyOnce)),
            Request::Subscribe(subscribe) => {
                let filter = |filter: &v5::Filter| v4::SubscribeFilter::new(filter.path.clone(), older(filter.qos));
                client.try_subscribe_many(subscribe.filters.iter().map(filter))
            }
            Request::Unsubscribe(unsubscribe) => {
                return unsubscribe.filters.iter().all(|filter| client.try_unsubscribe(filter).is_ok());
            }
            Request::Disconnect => client.try_disconnect(),
            // The event loop sends all others by itself.
            _ => Ok(()),
        };
        taken.is_ok()
    }
}

fn older(qos: QoS) -> QosV3 {
    match qos {
        QoS::AtMostOnce => QosV3::AtMostOnce,
        QoS::AtLeastOnce => QosV3::AtLeastOnce,
        QoS::ExactlyOnce => QosV3::ExactlyOnce,
    }
}

fn newer(qos: QosV3) -> QoS {
    super::Qos(qos).v5()
}

/// An event of MQTT 3.1.1 as one of MQTT 5; `None` for what has no counterpart.
pub fn event(event: rumqttc::Event) -> Option<Event> {
    let packet = match event {
        rumqttc::Event::Outgoing(outgoing) => return Some(Event::Outgoing(outgoing)),
        rumqttc::Event::Incoming(packet) => packet,
    };
    Some(Event::Incoming(match packet {
        v4::Packet::ConnAck(v4::ConnAck { session_present, .. }) => {
            v5::Packet::ConnAck(v5::ConnAck { session_present, code: v5::ConnectReturnCode::Success, properties: None })
        }
        v4::Packet::Publish(v4::Publish { dup, qos, retain, topic, pkid, payload }) => {
            let publish = v5::Publish::new(topic, newer(qos), payload, None);
            v5::Packet::Publish(v5::Publish { dup, retain, pkid, ..publish })
        }
        v4::Packet::PubAck(v4::PubAck { pkid }) => v5::Packet::PubAck(v5::PubAck::new(pkid, None)),
        v4::Packet::PubRec(v4::PubRec { pkid }) => v5::Packet::PubRec(v5::PubRec::new(pkid, None)),
        v4::Packet::PubComp(v4::PubComp { pkid }) => v5::Packet::PubComp(v5::PubComp::new(pkid, None)),
        v4::Packet::SubAck(v4::SubAck { pkid, return_codes }) => {
            let code = |code: v4::SubscribeReasonCode| match code {
                v4::SubscribeReasonCode::Success(qos) => v5::SubscribeReasonCode::Success(newer(qos)),
                v4::SubscribeReasonCode::Failure => v5::SubscribeReasonCode::Unspecified,
            };
            let return_codes = return_codes.into_iter().map(code).collect();
            v5::Packet::SubAck(v5::SubAck { pkid, return_codes, properties: None })
        }
        v4::Packet::UnsubAck(v4::UnsubAck { pkid }) => {
            v5::Packet::UnsubAck(v5::UnsubAck { pkid, reasons: Vec::new(), properties: None })
        }
        v4::Packet::PingResp => v5::Packet::PingResp(v5::PingResp),
        _ => return None,
    }))
}

/// An error of MQTT 3.1.1 as one of MQTT 5.
pub fn error(error: rumqttc::ConnectionError) -> ConnectionError {
    use rumqttc::ConnectionError as Older;
    match error {
        Older::MqttState(error) => ConnectionError::MqttState(state_error(error)),
        Older::NetworkTimeout | Older::FlushTimeout => ConnectionError::Io(io::ErrorKind::TimedOut.into()),
        Older::Tls(error) => ConnectionError::Tls(error),
        Older::Websocket(error) => ConnectionError::Websocket(error),
        Older::ResponseValidation(error) => ConnectionError::ResponseValidation(error),
        Older::Io(error) => ConnectionError::Io(error),
        Older::ConnectionRefused(code) => ConnectionError::ConnectionRefused(match code {
            v4::ConnectReturnCode::Success => v5::ConnectReturnCode::Success,
            v4::ConnectReturnCode::RefusedProtocolVersion => v5::ConnectReturnCode::RefusedProtocolVersion,
            v4::ConnectReturnCode::BadClientId => v5::ConnectReturnCode::ClientIdentifierNotValid,
            v4::ConnectReturnCode::ServiceUnavailable => v5::ConnectReturnCode::ServiceUnavailable,
            v4::ConnectReturnCode::BadUserNamePassword => v5::ConnectReturnCode::BadUserNamePassword,
            v4::ConnectReturnCode::NotAuthorized => v5::ConnectReturnCode::NotAuthorized,
        }),
        Older::RequestsDone => ConnectionError::RequestsDone,
        other => ConnectionError::Io(io::Error::new(io::ErrorKind::ConnectionAborted, other.to_string())),
    }
}

fn state_error(error: rumqttc::StateError) -> StateError {
    use rumqttc::StateError as Older;
    match error {
        Older::Io(error) => StateError::Io(error),
        Older::InvalidState => StateError::InvalidState,
        Older::Unsolicited(id) => StateError::Unsolicited(id),
        Older::AwaitPingResp => StateError::AwaitPingResp,
        Older::WrongPacket => StateError::WrongPacket,
        Older::CollisionTimeout => StateError::CollisionTimeout,
        Older::EmptySubscription => StateError::EmptySubscription,
        Older::ConnectionAborted => StateError::ConnectionAborted,
        Older::Deserialization(error @ (PacketErrorV3::PayloadSizeLimitExceeded(_) | PacketErrorV3::Io(_))) => {
            StateError::Io(io::Error::new(io::ErrorKind::ConnectionAborted, error.to_string()))
        }
        Older::Deserialization(_) => StateError::Deserialization(PacketError::MalformedPacket),
    }
}

/// A client of MQTT 5 whose requests a client of MQTT 3.1.1 takes.
pub fn client(options: &MqttOptions, capacity: usize) -> (mqtt5::Client, V3Events) {
    let (sender, requests) = flume::bounded(capacity);
    (mqtt5::Client::from_sender(sender), V3Events::new(options, requests, capacity))
}
