use std::time::{Duration, Instant};

use rumqttc::{Client, Event, Incoming, MqttOptions, QoS};

/// Publishes at quality of service 1, in order, until the broker has them all.
///
/// After a lost connection the client forgets what was not acknowledged, so the rest is published on a new one.
pub fn publish<T: AsRef<str>, P: AsRef<[u8]>>(port: u16, publishes: &[(T, P)]) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut rest = publishes;
    while !rest.is_empty() {
        assert!(Instant::now() < deadline, "the broker has not taken {} of {} publishes", rest.len(), publishes.len());
        let (client, mut connection) = Client::new(MqttOptions::new("publisher", "127.0.0.1", port), 100);
        for (topic, payload) in rest {
            client.publish(topic.as_ref(), QoS::AtLeastOnce, false, payload.as_ref()).unwrap();
        }
        let acknowledged = |event: &_| matches!(event, Event::Incoming(Incoming::PubAck(_)));
        let taken = connection.iter().map_while(Result::ok).filter(acknowledged).take(rest.len()).count();
        rest = &rest[taken..];
    }
}
