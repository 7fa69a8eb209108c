//! The version of MQTT that a client speaks: the one it is given, or the one that its broker knows.

use std::io;

use rumqttc::v5::mqttbytes::v5::ConnectReturnCode;
use rumqttc::v5::{ConnectionError, StateError};
use schemars::JsonSchema;
use serde::Deserialize;

/// A version of MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Protocol {
    /// MQTT 5, where a client sets the ack window and is told why it is refused.
    #[serde(rename = "5")]
    V5,
    /// MQTT 3.1.1.
    #[serde(rename = "3.1.1")]
    V3,
}

/// Connections that a broker closes unanswered before it is asked what it speaks: one may be of a broker that restarts.
const MAX_UNANSWERED: u32 = 2;

/// Finds the version that a broker knows.
#[derive(Debug)]
pub struct Negotiation {
    /// The version to speak now.
    pub protocol: Protocol,
    /// Whether no other may be tried: it is given, or a broker has answered in it.
    settled: bool,
    /// Whether the broker has refused one of them.
    refused: bool,
    /// Connections in turn that the broker closed before it answered.
    unanswered: u32,
}

impl Negotiation {
    /// Speaks the version that is given, or finds one: MQTT 5 first.
    pub fn new(given: Option<Protocol>) -> Negotiation {
        let protocol = given.unwrap_or(Protocol::V5);
        Negotiation { protocol, settled: given.is_some(), refused: false, unanswered: 0 }
    }

    /// The broker has answered.
    pub fn connected(&mut self, address: &str) {
        if !std::mem::replace(&mut self.settled, true) && self.protocol == Protocol::V3 {
            tracing::info!("the broker at {address} speaks MQTT 3.1.1");
        }
    }

    /// An attempt to connect has failed; whether the next one is to speak the other version. `is_older` asks the broker
    /// whether it answers in MQTT 3.1.1 and not in MQTT 5: one that closes connections may as well be restarting.
    pub fn failed(&mut self, error: &ConnectionError, is_older: impl FnOnce() -> bool) -> bool {
        if self.settled {
            return false;
        }
        if is_other_version(error) {
            // One that has refused both knows neither.
            if std::mem::replace(&mut self.refused, true) {
                return false;
            }
            self.protocol = match self.protocol {
                Protocol::V5 => Protocol::V3,
                Protocol::V3 => Protocol::V5,
            };
            return true;
        }
        self.unanswered = if is_unanswered(error) { self.unanswered + 1 } else { 0 };
        if self.unanswered < MAX_UNANSWERED {
            return false;
        }
        self.unanswered = 0;
        let is_older = is_older();
        if is_older {
            self.protocol = Protocol::V3;
        }
        is_older
    }
}

/// Whether a broker refuses a client for its version.
fn is_other_version(error: &ConnectionError) -> bool {
    use ConnectReturnCode::{RefusedProtocolVersion, UnsupportedProtocolVersion};
    matches!(error, ConnectionError::ConnectionRefused(RefusedProtocolVersion | UnsupportedProtocolVersion))
}

/// Whether a broker that is there may refuse a client so for its version.
pub(super) fn is_refused_version(error: &ConnectionError) -> bool {
    is_other_version(error) || is_unanswered(error)
}

/// Whether a broker closes a connection before it has answered in MQTT. So a broker of MQTT 3.1.1 does, whose refusal is
/// too short for MQTT 5, and so does a listener that expects TLS.
pub(super) fn is_unanswered(error: &ConnectionError) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let closed =
        |error: &io::Error| matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof);
    match error {
        ConnectionError::Io(error) | ConnectionError::MqttState(StateError::Io(error)) => closed(error),
        ConnectionError::MqttState(StateError::ConnectionAborted | StateError::Deserialization(_)) => true,
        ConnectionError::NotConnAck(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io(kind: io::ErrorKind) -> ConnectionError {
        ConnectionError::MqttState(StateError::Io(kind.into()))
    }

    #[test]
    fn the_other_version_is_tried_where_the_broker_does_not_know_the_first() {
        let refused = ConnectionError::ConnectionRefused(ConnectReturnCode::UnsupportedProtocolVersion);
        let not_asked = || -> bool { panic!("the broker is not asked") };
        let mut negotiation = Negotiation::new(None);
        assert_eq!(negotiation.protocol, Protocol::V5);
        assert!(negotiation.failed(&refused, not_asked));
        assert_eq!(negotiation.protocol, Protocol::V3);
        assert!(!negotiation.failed(&refused, not_asked), "it has refused both");
        assert_eq!(negotiation.protocol, Protocol::V3);
        let mut negotiation = Negotiation::new(None);
        // Closed unanswered, twice in turn; and by a broker that restarts.
        assert!(!negotiation.failed(&io(io::ErrorKind::ConnectionReset), not_asked));
        assert!(!negotiation.failed(&io(io::ErrorKind::ConnectionRefused), not_asked));
        assert!(!negotiation.failed(&io(io::ErrorKind::ConnectionAborted), not_asked));
        assert!(!negotiation.failed(&io(io::ErrorKind::ConnectionReset), || false));
        assert_eq!(negotiation.protocol, Protocol::V5);
        assert!(!negotiation.failed(&io(io::ErrorKind::ConnectionReset), not_asked));
        assert!(negotiation.failed(&io(io::ErrorKind::ConnectionReset), || true));
        assert_eq!(negotiation.protocol, Protocol::V3);
        negotiation.connected("h:1883");
        assert!(!negotiation.failed(&refused, not_asked) && negotiation.protocol == Protocol::V3);
        let mut given = Negotiation::new(Some(Protocol::V5));
        assert!(!given.failed(&refused, not_asked) && given.protocol == Protocol::V5);
    }
}
