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

/// Whether a text stands in a path without quotes.
pub(super) fn is_plain_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_-:.".contains(c))
}

/// What an array of objects has in one payload or in several.
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
}

/// The path of the array that holds the rows of these payloads; `None` if each payload is a row.
pub(super) fn rows_of(payloads: &[Value]) -> Option<String> {
    let mut seen: BTreeMap<String, SeenArray> = BTreeMap::new();
    let objects = payloads.iter().filter(|payload| payload.is_object()).count();
    for payload in payloads.iter().filter(|payload| payload.is_object()) {
        look("", payload, numbers_in(payload), &mut seen);
    }
    let holds_rows = |seen: &SeenArray| {
        let (mean, outside) = (seen.numbers as f64 / seen.elements as f64, seen.outside as f64 / seen.payloads as f64);
        let in_half = seen.payloads > 0 && 2 * (seen.payloads + seen.empty) > objects;
        let by_size = mean >= outside.max(1.0);
        let by_time = seen.has_time && seen.elements >= 2 * seen.payloads && seen.numbers > 2 * seen.outside;
        in_half && (by_size || by_time) && !(seen.of_radio && outside > 1.0)
    };
    let best = seen.iter().filter(|(_, seen)| holds_rows(seen)).max_by_key(|(_, seen)| seen.numbers);
    best.map(|(path, _)| path.clone())
}

/// Takes in the arrays of objects in a value that is no array.
fn look(at: &str, value: &Value, all: usize, seen: &mut BTreeMap<String, SeenArray>) {
    let Value::Object(object) = value else { return };
    for (key, value) in object {
        let mut below = at.to_owned();
        path::append_key(&mut below, key);
        match value {
            Value::Array(array) if array.iter().all(Value::is_object) => {
                if pairs_of(array).is_some() {
                    continue;
                }
                if array.is_empty() {
                    seen.entry(below).or_default().empty += 1;
                    continue;
                }
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
            value => look(&below, value, all, seen),
        }
    }
}

fn is_time_key(key: &str) -> bool {
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
