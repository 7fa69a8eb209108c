//! Topic filters, and whether two addresses name one broker.

use std::net::IpAddr;

use super::MqttUrl;

/// Whether a subscription to `filter`, which may be shared, matches `topic`.
pub fn takes(filter: &str, topic: &str) -> bool {
    let own = || filter.strip_prefix("$share/")?.split_once('/').map(|(_, filter)| filter);
    let filter = own().unwrap_or(filter);
    // Wildcards do not match the broker's own topics.
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (mut levels, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (levels.next(), topic.next()) {
            // It matches the parent level, too.
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(level), Some(name)) if level == name => {}
            _ => return false,
        }
    }
}

/// Whether two addresses name one broker, as far as they tell.
pub fn same_broker(one: &MqttUrl, other: &MqttUrl) -> bool {
    broker_name(one) == broker_name(other)
}

/// The address of a broker, the same for all names of this machine.
pub fn broker_name(MqttUrl { host, port, .. }: &MqttUrl) -> String {
    if is_here(host) { format!("localhost:{port}") } else { format!("{}:{port}", host.to_ascii_lowercase()) }
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let here = |address: IpAddr| address.to_canonical().is_loopback() || address.is_unspecified();
    host == "localhost" || host.ends_with(".localhost") || host.parse().is_ok_and(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_take_what_mqtt_says() {
        for (filter, topic) in [
            ("a/b", "a/b"),
            ("a/+", "a/b"),
            ("+/b", "a/b"),
            ("a/#", "a/b/c"),
            ("a/#", "a"),
            ("#", "a/b"),
            ("+/+", "/a"),
            ("a/+/c", "a//c"),
            ("$share/group/a/+", "a/b"),
            ("$SYS/#", "$SYS/uptime"),
        ] {
            assert!(takes(filter, topic), "{filter} takes {topic}");
        }
        for (filter, topic) in [
            ("a/b", "a/B"),
            ("a/+", "a"),
            ("a/+", "a/b/c"),
            ("+", "/a"),
            ("a/b", "a/b/"),
            ("a/#", "ab"),
            ("#", "$SYS/uptime"),
            ("+/uptime", "$SYS/uptime"),
            ("$share/group/a/+", "b/b"),
        ] {
            assert!(!takes(filter, topic), "{filter} does not take {topic}");
        }
    }

    #[test]
    fn one_broker_has_several_names() {
        let same = |one: &str, other: &str| same_broker(&one.parse().unwrap(), &other.parse().unwrap());
        for (one, other) in [
            ("mqtt://Broker/a", "mqtt://broker:1883/b"),
            ("mqtt://localhost/a", "mqtt://127.0.0.1/b"),
            ("mqtt://[::1]/a", "mqtt://127.0.0.2:1883/b"),
            ("mqtt://localhost:1884/a", "mqtt://[::ffff:127.0.0.1]:1884/b"),
        ] {
            assert!(same(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("mqtt://broker/a", "mqtt://broker:1884/a"),
            ("mqtt://broker/a", "mqtt://other/a"),
            ("mqtt://localhost/a", "mqtt://192.168.0.1/a"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }
}
