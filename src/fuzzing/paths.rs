//! What serde_json's trees make of rows inside of a payload, and of values at paths.

use serde_json::{Map, Value};

use crate::data::{Kind, Message, Schema};

/// The path of the array that holds the rows.
pub(super) const ROWS: &str = "d.r";
/// Columns, each a path.
const COLUMNS: [&str; 4] = ["a", "a.b", "l[1].c", "s[k=v].x"];

pub(super) fn schema() -> Schema {
    Schema::new(COLUMNS.map(|name| (name, Kind::Number)))
}

/// Asserts that the rows of a payload are those that serde_json sees, where these have numbers alone.
pub(super) fn same_rows(bytes: &[u8], message: &Message, bad: usize) {
    let Ok(Value::Object(object)) = serde_json::from_slice(bytes) else { return };
    let exact = object.get(ROWS).filter(|rows| rows.is_array());
    let exact = exact.or_else(|| object.get(ROWS).filter(|rows| rows.is_object()));
    let found = exact.or_else(|| object.get("d").and_then(|inner| inner.get("r")));
    if found.and_then(Value::as_object).is_some_and(|columns| columns.values().any(Value::is_array)) {
        // Arrays that are columns.
        return;
    }
    let Some(Value::Array(rows)) = found else {
        assert_eq!((message.rows(), bad), (0, 1), "{}", String::from_utf8_lossy(bytes));
        return;
    };
    assert_eq!(message.rows() + bad, rows.len(), "{}", String::from_utf8_lossy(bytes));
    let cell = |row: &Value, at: usize| match row.as_object().map(|row| cell(row, at)).unwrap_or(Cell::Other) {
        Cell::Absent => cell(&object, at),
        found => found,
    };
    for (at, name) in COLUMNS.iter().enumerate() {
        let expected = rows.iter().map(|row| match cell(row, at) {
            Cell::Absent => Some(f64::NAN),
            Cell::Number(x) => Some(x),
            Cell::Other => None,
        });
        let Some(expected) = expected.collect::<Option<Vec<f64>>>().filter(|_| bad == 0) else { continue };
        for (ours, theirs) in message.column(at).iter().zip(expected) {
            let same = *ours == theirs || ours.is_nan() && theirs.is_nan();
            assert!(same, "{name}: {ours}, not {theirs}: {}", String::from_utf8_lossy(bytes));
        }
    }
}

/// What a column has of an object.
enum Cell {
    Absent,
    Number(f64),
    /// A matter of our own rules.
    Other,
}

fn cell(object: &Map<String, Value>, at: usize) -> Cell {
    let begins = ["a", "l", "s"].map(|key| object.get(key).and_then(Value::as_str));
    if at > 0 && begins.iter().flatten().any(|text| text.trim_start().starts_with(['{', '['])) {
        // JSON in a text.
        return Cell::Other;
    }
    let steps = || match at {
        1 => object.get("a")?.get("b"),
        2 => object.get("l")?.as_array()?.get(1)?.get("c"),
        3 => {
            let named = |element: &&Value| element.get("k").is_some_and(|key| key == "v");
            object.get("s")?.as_array()?.iter().rev().find(named)?.get("x")
        }
        _ => None,
    };
    match object.get(COLUMNS[at]).or_else(steps) {
        None => Cell::Absent,
        // An object there holds another column's values.
        Some(Value::Object(_)) if at == 0 => Cell::Absent,
        Some(Value::Null) => Cell::Number(f64::NAN),
        Some(Value::Number(number)) => number.as_f64().map_or(Cell::Other, Cell::Number),
        Some(_) => Cell::Other,
    }
}
