//! What publishes hold, and what the levels of their topics mean.

use std::collections::{BTreeMap, BTreeSet};

use crate::format::PayloadKind;
use crate::format::sparkplug::SparkplugTopic;
use crate::mqtt::unshared;

/// A publish with the kind of its payload, unpacked.
#[derive(Clone, Debug)]
pub(super) struct KnownPublish<'a> {
    pub topic: &'a str,
    pub kind: PayloadKind,
}

/// What is found of a filter's publishes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FoundTopics {
    /// The kind of most payloads.
    pub kind: PayloadKind,
    pub is_sparkplug: bool,
    /// The filter that takes what is read, where that is less than the given one.
    pub filter: Option<String>,
    /// What the levels are.
    pub pattern: Option<String>,
    /// Whether the topic names the column of a value.
    pub names_column: bool,
    pub remarks: Vec<String>,
}

impl FoundTopics {
    /// Looks at the publishes of a filter.
    pub fn of(filter: &str, publishes: &[KnownPublish<'_>]) -> FoundTopics {
        let filled: Vec<&KnownPublish<'_>> =
            publishes.iter().filter(|publish| publish.kind != PayloadKind::Empty).collect();
        let sparkplug = publishes
            .iter()
            .filter(|publish| publish.topic.starts_with("spBv1.0/") && SparkplugTopic::read(publish.topic).is_some());
        let is_sparkplug = 2 * sparkplug.count() > publishes.len();
        let mut kinds: BTreeMap<String, (usize, PayloadKind)> = BTreeMap::new();
        for publish in &filled {
            kinds.entry(format!("{:?}", publish.kind)).or_insert((0, publish.kind)).0 += 1;
        }
        // Of equals rows rather than values.
        let most = kinds.values().max_by_key(|(count, kind)| (*count, *kind != PayloadKind::Value));
        let kind = most.map_or(PayloadKind::Other, |(_, kind)| *kind);
        let mut found =
            FoundTopics { kind, is_sparkplug, filter: None, pattern: None, names_column: false, remarks: Vec::new() };
        let own = unshared(filter);
        if is_sparkplug || !own.contains(['+', '#']) {
            return found;
        }
        let topics: BTreeSet<&str> =
            filled.iter().filter(|publish| publish.kind == kind).map(|publish| publish.topic).collect();
        let Some(levels) = most_levels(&topics) else { return found };
        let alike: Vec<Vec<&str>> = topics
            .iter()
            .map(|topic| topic.split('/').collect::<Vec<_>>())
            .filter(|topic| topic.len() == levels && topic.iter().all(|level| !level.is_empty()))
            .collect();
        let of_filter: Vec<&str> = own.split('/').collect();
        // A level that has several names, or that the filter leaves open.
        let is_open = |place: usize| {
            of_filter.get(place) == Some(&"+") || alike.iter().any(|topic| topic[place] != alike[0][place])
        };
        let open: Vec<usize> = (0..levels).filter(|place| is_open(*place)).collect();
        let varies = |place: &usize| alike.iter().any(|topic| topic[*place] != alike[0][*place]);
        let column = (kind == PayloadKind::Value).then(|| {
            open.iter().rev().copied().find(|place| varies(place)).or(open.last().copied()).unwrap_or(levels - 1)
        });
        if open.is_empty() && column.is_none() {
            return found;
        }
        let mut names: Vec<String> = Vec::new();
        let pattern: Vec<String> = (0..levels)
            .map(|place| {
                if Some(place) == column {
                    return "{column}".into();
                }
                if !open.contains(&place) {
                    return alike[0][place].to_owned();
                }
                let name = level_name(
                    place.checked_sub(1).filter(|before| !open.contains(before)).map(|before| alike[0][before]),
                    place,
                    &names,
                );
                names.push(name.clone());
                format!("{{{name}}}")
            })
            .collect();
        found.names_column = column.is_some();
        let narrowed: Vec<&str> =
            pattern.iter().map(|level| if level.starts_with('{') { "+" } else { level.as_str() }).collect();
        let narrowed = narrowed.join("/");
        if narrowed != own {
            let taken = |topic: &str| crate::mqtt::takes(&narrowed, topic);
            let others = publishes.iter().filter(|publish| !taken(publish.topic)).count();
            if others > 0 {
                found
                    .remarks
                    .push(format!("{others} of {} publishes of {filter} are on other topics", publishes.len()));
            } else {
                let read = "on which all publishes came; those that come on other topics are not read";
                found.remarks.push(format!("topics of {filter} are narrowed to {narrowed}, {read}"));
            }
            found.filter = Some(filter.replacen(own, &narrowed, 1));
        }
        found.pattern = Some(pattern.join("/"));
        found
    }

    /// Tells of the payloads that are of another kind than most.
    pub fn tell_others(&mut self, publishes: &[KnownPublish<'_>]) {
        let mut others: BTreeMap<&str, usize> = BTreeMap::new();
        let is_other = |publish: &&KnownPublish<'_>| {
            publish.kind != self.kind
                && publish.kind != PayloadKind::Empty
                && self.filter.as_ref().is_none_or(|filter| crate::mqtt::takes(unshared(filter), publish.topic))
        };
        publishes.iter().filter(is_other).for_each(|publish| *others.entry(publish.topic).or_default() += 1);
        for (topic, count) in others.iter().take(3) {
            self.remarks.push(format!("{count} publishes on {topic} are of another format: dead letters"));
        }
    }
}

/// How many levels most topics have; of equals fewer.
fn most_levels(topics: &BTreeSet<&str>) -> Option<usize> {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    topics.iter().for_each(|topic| *counts.entry(topic.split('/').count()).or_default() += 1);
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map(|(levels, _)| levels)
}

/// One of the things that a name lists: a sensor of `sensors`, a shelly of `shellies`.
fn one_of(names: &str) -> Option<String> {
    let one =
        names.strip_suffix("ies").map(|stem| format!("{stem}y")).or(names.strip_suffix('s').map(str::to_owned))?;
    let is_word = one.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    (one.len() > 2 && !one.ends_with('s') && is_word).then(|| one.to_lowercase())
}

/// The name of an open level: what the level before it lists, as in `sensors/{sensor}`, or `station`.
fn level_name(before: Option<&str>, place: usize, taken: &[String]) -> String {
    let names = before.and_then(one_of).into_iter().chain(["station".to_owned()]);
    let numbered = format!("level_{}", place + 1);
    names.chain([numbered.clone()]).find(|name| !taken.contains(name) && name != "column").unwrap_or(numbered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(filter: &str, publishes: &[(&'static str, PayloadKind)]) -> (Option<String>, Option<String>) {
        let publishes: Vec<KnownPublish<'_>> =
            publishes.iter().map(|(topic, kind)| KnownPublish { topic, kind: *kind }).collect();
        let found = FoundTopics::of(filter, &publishes);
        (found.filter, found.pattern)
    }

    #[test]
    fn levels_are_named_after_what_stands_before_them() {
        use PayloadKind::{Empty, Json, Value};
        let some = |text: &str| Some(text.to_owned());
        let both = [("w/north/loop", Json), ("w/south/loop", Json)];
        assert_eq!(found("w/+/loop", &both), (None, some("w/{station}/loop")));
        assert_eq!(found("w/#", &both), (some("w/+/loop"), some("w/{station}/loop")));
        assert_eq!(found("$share/g/w/#", &both), (some("$share/g/w/+/loop"), some("w/{station}/loop")));
        let publishes = both.map(|(topic, kind)| KnownPublish { topic, kind });
        let remarks = FoundTopics::of("w/#", &publishes).remarks;
        assert!(remarks.len() == 1 && remarks[0].starts_with("topics of w/# are narrowed to w/+/loop,"), "{remarks:?}");
        assert_eq!(FoundTopics::of("w/+/loop", &publishes).remarks.len(), 0);
        assert_eq!(found("w/north/loop", &both[..1]), (None, None));
        // One station so far.
        assert_eq!(found("w/+/loop", &both[..1]), (None, some("w/{station}/loop")));
        assert_eq!(found("w/#", &both[..1]), (None, None));
        let shellies = [("shellies/a/relay", Value), ("shellies/b/relay", Value)];
        assert_eq!(found("shellies/+/relay", &shellies).1.as_deref(), Some("shellies/{column}/relay"));
        assert_eq!((one_of("shellies").as_deref(), one_of("sensors").as_deref()), (Some("shelly"), Some("sensor")));
        assert_eq!((one_of("glass"), one_of("s1s"), one_of("ws")), (None, None, None));
        let uplinks = [("v3/app@ttn/devices/d1/up", Json), ("v3/app@ttn/devices/d2/up", Json), ("x", Empty)];
        assert_eq!(found("v3/+/devices/+/up", &uplinks), (None, some("v3/{station}/devices/{device}/up")));
    }

    #[test]
    fn a_value_a_topic_has_a_level_that_names_its_column() {
        use PayloadKind::{Json, Value};
        let some = |text: &str| Some(text.to_owned());
        let values = [("w/north/temp", Value), ("w/north/hum", Value), ("w/south/temp", Value), ("w/log", Json)];
        assert_eq!(found("w/#", &values), (some("w/+/+"), some("w/{station}/{column}")));
        assert_eq!(found("w/+/+", &values[..1]), (None, some("w/{station}/{column}")));
        let states = [("ha/sensor/temp/state", Value), ("ha/sensor/hum/state", Value)];
        assert_eq!(found("ha/sensor/#", &states), (some("ha/sensor/+/state"), some("ha/sensor/{column}/state")));
        assert_eq!(found("w/north/temp", &values[..1]), (None, None));
    }

    #[test]
    fn sparkplug_is_known_by_its_topics() {
        let publishes = [KnownPublish { topic: "spBv1.0/g/NDATA/n", kind: PayloadKind::Other }];
        let found = FoundTopics::of("spBv1.0/#", &publishes);
        assert!(found.is_sparkplug && found.pattern.is_none());
    }
}
