//! What else may speak at an address than the address says: told by the types of errors, which are the only thing that
//! is known of a connection before its first answer.

use rumqttc::v5::mqttbytes::Error as PacketError;
use rumqttc::v5::{ConnectionError, StateError};

use super::Endpoint;
use super::protocol::is_unanswered;

/// Why there is no connection to a broker from which nothing was ever heard, with what may be wrong with its address.
pub fn unheard(Endpoint { url, protocol, .. }: &Endpoint, error: &ConnectionError) -> String {
    let reason = if is_foreign(error) { "what answers does not speak MQTT".to_owned() } else { error.to_string() };
    let web = matches!(error, ConnectionError::Websocket(_) | ConnectionError::ResponseValidation(_));
    if !web && !is_unanswered(error) {
        return reason;
    }
    let version = if protocol.is_some() { "; if it speaks another version of MQTT, leave out `protocol`" } else { "" };
    let scheme = match (url.web, url.tls) {
        (false, false) => "; if it speaks TLS, write mqtts://; over a WebSocket, ws:// or wss://",
        (false, true) => "",
        (true, false) => "; if it speaks TLS, write wss://; without a WebSocket, mqtt:// or mqtts://",
        (true, true) => "; if it speaks without a WebSocket, write mqtts://; without TLS, ws:// or mqtt://",
    };
    format!("{reason}{version}{scheme}")
}

/// Whether the answer to the first packet was something else than MQTT.
fn is_foreign(error: &ConnectionError) -> bool {
    match error {
        ConnectionError::MqttState(StateError::Deserialization(PacketError::Io(_))) => false,
        ConnectionError::MqttState(StateError::Deserialization(_)) | ConnectionError::NotConnAck(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;
    use crate::mqtt::Protocol;

    fn endpoint(url: &str) -> Endpoint {
        Endpoint::anonymous(url.parse().unwrap())
    }

    #[test]
    fn what_closes_or_answers_in_something_else_may_speak_as_another_scheme_says() {
        let reset = || ConnectionError::MqttState(StateError::Io(ErrorKind::ConnectionReset.into()));
        let foreign = || ConnectionError::MqttState(StateError::Deserialization(PacketError::InvalidPropertyType(46)));
        let told = unheard(&endpoint("mqtt://h/t"), &reset());
        assert!(told.contains("if it speaks TLS, write mqtts://; over a WebSocket, ws:// or wss://"), "{told}");
        let told = unheard(&endpoint("mqtt://h/t"), &foreign());
        assert!(told.starts_with("what answers does not speak MQTT; ") && told.contains("ws://"), "{told}");
        let told = unheard(&endpoint("ws://h/t"), &reset());
        assert!(told.contains("if it speaks TLS, write wss://"), "{told}");
        let given = Endpoint { protocol: Some(Protocol::V3), ..endpoint("mqtts://h/t") };
        assert!(unheard(&given, &reset()).ends_with("; if it speaks another version of MQTT, leave out `protocol`"));
        // Nobody is there.
        let refused = ConnectionError::Io(ErrorKind::ConnectionRefused.into());
        assert!(!unheard(&endpoint("mqtt://h/t"), &refused).contains(';'));
    }
}
