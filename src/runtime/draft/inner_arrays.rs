//! Arrays inside of JSON payloads: the one that holds the rows, and those that hold names with values.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use crate::format::path;

/// The keys of an element that is a name with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pairs {
    pub name: &'static str,
    pub value: &'static str,
}

const NAMES: [&str; 13] = [
    "value_type",
    "name",
    "type",
    "key",
    "sensor",
    "metric",
    "parameter",
    "code",
    "label",
    "field",
    "channel",
    "id",
    "n",
];
const VALUES: [&str; 6] = ["value", "val", "reading", "v", "state", "data"];

/// The keys of the names and values that an array consists of: each name is there once.
pub(super) fn pairs_of(array: &[Value]) -> Option<Pairs> {
    let all = |is: &dyn Fn(&Value) -> bool| !array.is_empty() && array.iter().all(is);
    let value = VALUES.into_iter().find(|value| {
        all(&|element| element.get(value).is_some_and(|value| !value.is_object() && !value.is_array()))
    })?;
    let is_name = |name: &&str| {
        let names: HashSet<&str> = array.iter().filter_map(|element| element[*name].as_str()).collect();
        names.len() == array.len() && !names.contains("")
    };
    Some(Pairs { name: NAMES.into_iter().find(is_name)?, value })
}

/// The key of the value in payloads that are objects of one value alone, each on a topic that names what it is.
pub(super) fn value_key<'a>(publishes: impl Iterator<Item = (&'a str, &'a [u8])>) -> Option<&'static str> {
    /// Numbers that stand beside a value and are none of their own.
    const BESIDE: [&str; 9] = ["ts", "lc", "time", "timestamp", "min", "max", "q", "ack", "expire"];
    let (mut topics, mut objects) = (HashSet::new(), Vec::new());
    for (topic, payload) in publishes {
        topics.insert(topic);
        match serde_json::from_slice(payload) {
            Ok(Value::Object(object)) => objects.push(object),
            _ => return None,
        }
    }
    let is_lone = |object: &serde_json::Map<String, Value>, key: &str| {
        let is_value = object.get(key).is_some_and(|value| !value.is_object() && !value.is_array());
        let is_beside =
            |(other, value): (&String, &Value)| other == key || BESIDE.contains(&&**other) || numbers_in(value) == 0;
        is_value && object.iter().all(is_beside)
    };
    let keys = ["value", "val"];
    (topics.len() > 1).then(|| keys.into_iter().find(|key| objects.iter().all(|object| is_lone(object, key)))).flatten()
}

/// Whether a text stands in a path without quotes.
pub(super) fn is_plain_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_-:.".contains(c))
}

/// What an array of rows has in one payload or in several.
#[derive(Default)]
struct SeenArray {
    /// Payloads that have it, and those that have it without elements.
    payloads: usize,
    empty: usize,
    elements: usize,
    numbers: usize,
    /// Numbers of the payloads outside of it.
    outside: usize,
    has_time: bool,
    /// Whether its elements tell how something was received, and not what was measured.
    of_radio: bool,
    /// Whether it is an object whose arrays are columns, one of times among them.
    of_columns: bool,
}

/// The path of what holds the rows of these payloads, as `rows` of `[source]` has it; `None` if each payload is a row.
pub(super) fn rows_of(payloads: &[Value]) -> Option<String> {
    let mut seen: BTreeMap<String, SeenArray> = BTreeMap::new();
    let objects = payloads.iter().filter(|payload| payload.is_object()).count();
    for payload in payloads.iter().filter(|payload| payload.is_object()) {
        let all = numbers_in(payload);
        look_at_columns(".", payload, all, &mut seen);
        look("", payload, all, &mut seen);
    }
    let is_outer = |path: &str| !path.contains("[*]");
    let holds_rows = |seen: &SeenArray| {
        let (mean, outside) = (seen.numbers as f64 / seen.elements as f64, seen.outside as f64 / seen.payloads as f64);
        let in_half = seen.payloads > 0 && 2 * (seen.payloads + seen.empty) > objects;
        let by_size = mean >= outside.max(1.0);
        let by_time = seen.has_time && seen.elements >= 2 * seen.payloads && seen.numbers > 2 * seen.outside;
        in_half && (by_size || by_time || seen.of_columns) && !(seen.of_radio && outside > 1.0)
    };
    let best =
        seen.iter().filter(|(path, seen)| is_outer(path) && holds_rows(seen)).max_by_key(|(_, seen)| seen.numbers);
    let (mut path, mut rows) = best?;
    // What an array has in arrays of its elements, most of its numbers in more rows than there are elements.
    loop {
        let inner = format!("{path}[*]");
        let is_inside = |(other, seen): &(&String, &SeenArray)| {
            other.starts_with(&inner) && seen.elements > rows.elements && 2 * seen.numbers > rows.numbers
        };
        match seen.iter().filter(is_inside).max_by_key(|(_, seen)| seen.numbers) {
            Some(found) => (path, rows) = found,
            None => return Some(path.clone()),
        }
    }
}

/// Takes in the arrays of objects in a value that is no array.
fn look(at: &str, value: &Value, all: usize, seen: &mut BTreeMap<String, SeenArray>) {
    let Value::Object(object) = value else { return };
    for (key, value) in object {
        let mut below = at.to_owned();
        path::append_key(&mut below, key);
        match value {
            Value::Array(array) if array.iter().all(Value::is_object) || is_matrix(array) => {
                if pairs_of(array).is_some() {
                    continue;
                }
                if array.is_empty() {
                    seen.entry(below).or_default().empty += 1;
                    continue;
                }
                let of_elements = format!("{below}[*]");
                array.iter().for_each(|element| look(&of_elements, element, all, seen));
                let numbers: usize = array.iter().map(numbers_in).sum();
                let keys = || array.iter().filter_map(Value::as_object).flat_map(serde_json::Map::keys);
                let seen = seen.entry(below).or_default();
                seen.payloads += 1;
                seen.elements += array.len();
                seen.numbers += numbers;
                seen.outside += all - numbers;
                seen.has_time |= keys().any(|key| is_time_key(key));
                seen.of_radio |=
                    keys().any(|key| ["rssi", "snr", "gateway_ids"].contains(&key.to_lowercase().as_str()));
            }
            value => {
                look_at_columns(&below, value, all, seen);
                look(&below, value, all, seen);
            }
        }
    }
}

/// Whether an array consists of rows that are arrays of values.
fn is_matrix(array: &[Value]) -> bool {
    /// Pairs are places or ranges rather than rows.
    const LEAST: usize = 3;
    let width = array.first().and_then(Value::as_array).map_or(0, Vec::len);
    let is_row = |row: &Value| {
        row.as_array()
            .is_some_and(|row| row.len() == width && !row.iter().any(|value| value.is_array() || value.is_object()))
    };
    width >= LEAST && array.iter().all(is_row)
}

/// Takes in an object whose arrays are columns of one length. Without times among them, they may as well be the values of
/// one moment, such as three phases.
fn look_at_columns(at: &str, value: &Value, all: usize, seen: &mut BTreeMap<String, SeenArray>) {
    let Value::Object(object) = value else { return };
    let is_plain = |array: &[Value]| !array.iter().any(|value| value.is_array() || value.is_object());
    let times =
        object.iter().find(|(key, value)| is_time_key(key) && value.as_array().is_some_and(|array| is_plain(array)));
    let Some(length) = times.and_then(|(_, times)| times.as_array()).map(Vec::len).filter(|length| *length > 0) else {
        return;
    };
    let columns: Vec<&Vec<Value>> =
        object.values().filter_map(Value::as_array).filter(|array| array.len() == length).collect();
    if columns.len() < 2 {
        return;
    }
    let numbers: usize = columns.iter().flat_map(|column| column.iter()).map(numbers_in).sum();
    let seen = seen.entry(at.to_owned()).or_default();
    seen.payloads += 1;
    seen.elements += length;
    seen.numbers += numbers;
    seen.outside += all - numbers;
    (seen.has_time, seen.of_columns) = (true, true);
}

/// Whether a key seems to be that of a time.
pub(super) fn is_time_key(key: &str) -> bool {
    let key = key.to_lowercase();
    key == "ts" || key == "dt" || key == "epoch" || key.contains("time") || key.contains("date")
}

/// How many numbers a value has, in texts, too.
fn numbers_in(value: &Value) -> usize {
    match value {
        Value::Number(_) => 1,
        Value::String(text) => usize::from(text.trim().parse::<f64>().is_ok()),
        Value::Array(array) => array.iter().map(numbers_in).sum(),
        Value::Object(object) => object.values().map(numbers_in).sum(),
        Value::Null | Value::Bool(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_array_of_the_rows_is_told_from_lists_beside_them() {
        let conditions = json!({"data": {"did": "x", "ts": 1, "conditions": [{"lsid": 1, "temp": 62.7, "hum": 48.1},
            {"lsid": 2, "temp_in": 78.0}]}, "error": null});
        assert_eq!(rows_of(&[conditions]).as_deref(), Some("data.conditions"));
        let batch = json!({"station": "x", "lat": 48.1, "lon": 11.5, "alt": 520, "battery": 3.1,
            "readings": [{"ts": 1, "t": 20.1}, {"ts": 2, "t": 20.2}, {"ts": 3, "t": 20.3}, {"ts": 4, "t": 1},
                {"ts": 5, "t": 20.2}, {"ts": 6, "t": 20.3}]});
        assert_eq!(rows_of(&[batch]).as_deref(), Some("readings"));
        let uplink = json!({"uplink_message": {"f_port": 2, "f_cnt": 7, "decoded_payload": {"temperature": 7.3, "humidity": 81},
            "rx_metadata": [{"rssi": -97, "snr": 8.2, "time": "x"}, {"rssi": -113, "snr": -4.5}]}});
        assert_eq!(rows_of(&[uplink]), None);
        let pairs = json!({"esp8266id": "1", "sensordatavalues": [{"value_type": "P1", "value": "12.3"},
            {"value_type": "P2", "value": "7"}]});
        assert_eq!(rows_of(&[pairs]), None);
        assert_eq!(rows_of(&[json!({"t": 1, "list": [1, 2]}), json!([{"t": 1}])]), None);
        // Of several payloads most have it.
        let rows = json!({"r": [{"t": 1}]});
        assert_eq!(rows_of(&[rows.clone(), rows.clone(), json!({"state": "on"})]).as_deref(), Some("r"));
        assert_eq!(rows_of(&[rows.clone(), json!({"r": []}), json!({"r": null})]).as_deref(), Some("r"));
        assert_eq!(rows_of(&[json!({"r": []})]), None);
        assert_eq!(rows_of(&[rows, json!({"t": 1}), json!({"t": 1})]), None);
    }

    #[test]
    fn arrays_that_are_columns_hold_rows_where_times_are_among_them() {
        let forecast = json!({"latitude": 52.5, "hourly_units": {"time": "iso8601"},
            "hourly": {"time": ["2024-03-01T00:00", "2024-03-01T01:00"], "temp": [5.1, null], "hum": [90, 91]},
            "daily": {"time": ["2024-03-01"], "max": [7.2]}});
        assert_eq!(rows_of(&[forecast]).as_deref(), Some("hourly"));
        assert_eq!(rows_of(&[json!({"dev": "x", "ts": [1, 2], "temp": [20, 21]})]).as_deref(), Some("."));
        let phases = json!({"Time": "x", "ENERGY": {"Power": [1, 2, 3], "Voltage": [230, 231, 229]}});
        assert_eq!(rows_of(&[phases]), None);
        let nested = json!({"gateway": "x", "sensors": [{"id": 7, "readings": [{"ts": 1, "t": 20.1}, {"ts": 2, "t": 20.2}]},
            {"id": 8, "readings": [{"ts": 1, "t": 19.1}, {"ts": 2, "t": 19.2}]}]});
        assert_eq!(rows_of(&[nested]).as_deref(), Some("sensors[*].readings"));
        let one = json!({"sensors": [{"id": 7, "t": 3, "h": 50, "cells": [{"v": 3.1}]}, {"id": 8, "t": 4, "h": 60, "cells": []}]});
        assert_eq!(rows_of(&[one]).as_deref(), Some("sensors"));
        let observations = json!({"serial_number": "x", "obs": [[1588948614, 0.18, 22.3], [1588948674, 0.2, 22.4]]});
        assert_eq!(rows_of(&[observations]).as_deref(), Some("obs"));
    }

    #[test]
    fn a_value_alone_in_objects_has_its_name_in_the_topic() {
        let key = |publishes: &[(&'static str, &'static str)]| {
            value_key(publishes.iter().map(|(topic, payload)| (*topic, payload.as_bytes())))
        };
        let volts = ("N/a/Voltage", r#"{"value": 12.6, "max": 14}"#);
        assert_eq!(key(&[volts, ("N/a/Current", r#"{"value": null}"#)]), Some("value"));
        assert_eq!(key(&[("s/t", r#"{"val": 1, "ts": 5}"#), ("s/h", r#"{"val": "on", "lc": 4}"#)]), Some("val"));
        for others in [
            &[volts][..],
            &[volts, ("N/a/State", r#"{"value": 1, "temp": 2}"#)],
            &[volts, ("N/a/State", r#"{"state": 1}"#)],
            &[volts, ("N/a/State", r#"{"value": [1]}"#)],
            &[volts, ("N/a/State", "[1]")],
            &[],
        ] {
            assert_eq!(key(others), None, "{others:?}");
        }
    }

    #[test]
    fn names_with_values_have_each_name_once() {
        let of = |value: Value| pairs_of(value.as_array().unwrap());
        let found = of(json!([{"value_type": "a", "value": "1"}, {"id": 7, "value": null, "value_type": "b"}]));
        assert_eq!(found, Some(Pairs { name: "value_type", value: "value" }));
        for other in [
            json!([{"name": "a", "value": 1}, {"name": "a", "value": 2}]),
            json!([{"name": "a", "value": {}}]),
            json!([{"name": "a"}]),
            json!([1, 2]),
            json!([]),
        ] {
            assert_eq!(of(other.clone()), None, "{other}");
        }
    }
}
