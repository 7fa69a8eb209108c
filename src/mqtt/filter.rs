//! Topic filters, and whether two addresses name one broker.

use std::net::IpAddr;

use super::MqttUrl;

/// Whether a subscription to `filter`, which may be shared, matches `topic`.
pub fn takes(filter: &str, topic: &str) -> bool {
    let filter = unshared(filter);
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

/// The filter without the group that shares it.
pub fn unshared(filter: &str) -> &str {
    let own = || filter.strip_prefix("$share/")?.split_once('/').map(|(_, filter)| filter);
    own().unwrap_or(filter)
}

/// Whether some topic is taken by both filters.
pub fn overlap(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (unshared(one).split('/'), unshared(other).split('/'));
    let is_wild = |level: &str| level == "+" || level == "#";
    loop {
        match (one.next(), other.next()) {
            (None, None) | (Some("#"), _) | (_, Some("#")) => return true,
            (Some(a), Some(b)) if a == b || is_wild(a) || is_wild(b) => {}
            _ => return false,
        }
    }
}

/// Refuses a filter that no broker takes.
///
/// # Errors
/// What is wrong with it.
pub fn check_filter(filter: &str) -> Result<(), &'static str> {
    if filter.len() > usize::from(u16::MAX) {
        return Err("it is longer than 65,535 bytes");
    }
    if filter.contains('\0') {
        return Err("it holds a NUL");
    }
    if let Some(shared) = filter.strip_prefix("$share/") {
        return match shared.split_once('/') {
            Some((group, own)) if !group.is_empty() && !own.is_empty() && !group.contains(['+', '#']) => {
                check_levels(own)
            }
            _ => Err("a shared one is $share/GROUP/FILTER"),
        };
    }
    if filter.is_empty() {
        return Err("it is empty");
    }
    check_levels(filter)
}

fn check_levels(filter: &str) -> Result<(), &'static str> {
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        match level {
            "#" if levels.peek().is_some() => return Err("# is the last level only"),
            "#" | "+" => {}
            _ if level.contains('#') => return Err("# is a level of its own"),
            _ if level.contains('+') => return Err("+ is a level of its own"),
            _ => {}
        }
    }
    Ok(())
}

/// Whether two addresses name one broker, as far as they tell.
pub fn same_broker(one: &MqttUrl, other: &MqttUrl) -> bool {
    broker_name(one) == broker_name(other)
}

/// The address of a broker, the same for all names of this machine.
pub fn broker_name(MqttUrl { host, port, .. }: &MqttUrl) -> String {
    if is_here(host) { format!("localhost:{port}") } else { format!("{}:{port}", host.to_ascii_lowercase()) }
}

/// Whether two addresses name one machine, as far as they tell.
pub fn same_host(one: &MqttUrl, other: &MqttUrl) -> bool {
    let name = |host: &str| if is_here(host) { "localhost".to_owned() } else { host.to_ascii_lowercase() };
    name(&one.host) == name(&other.host)
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
    fn filters_that_no_broker_takes_are_refused() {
        for good in ["a", "/a/b", "#", "+", "a/+/b/#", "/", "a//b", "$SYS/#", "$share/g/a/+", "$share/g//a"] {
            assert_eq!(check_filter(good), Ok(()), "{good}");
        }
        for wrong in
            ["", "a#", "a/#/b", "#/a", "a+/b", "+a", "a/b+", "a\0", "$share/g", "$share//a", "$share/g/", "$share/g+/a"]
        {
            assert!(check_filter(wrong).is_err(), "{wrong}");
        }
        assert!(check_filter(&"a".repeat(65_536)).is_err());
    }

    #[test]
    fn filters_overlap_where_one_topic_is_under_both() {
        for (one, other) in [("a/+", "a/b"), ("a/#", "a/b/+"), ("+/b", "a/+"), ("a", "a/#"), ("$share/g/a/+", "a/b")] {
            assert!(overlap(one, other) && overlap(other, one), "{one} {other}");
        }
        for (one, other) in [("a/+", "b/+"), ("a/+", "a/b/c"), ("a", "a/+"), ("+/x/#", "+/y/#")] {
            assert!(!overlap(one, other) && !overlap(other, one), "{one} {other}");
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
