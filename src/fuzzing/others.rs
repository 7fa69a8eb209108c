//! What others make of the same bytes: the csv crate of a file, serde_json of a payload.

use serde_json::Value;

use crate::data::{Bucket, Format, Message};

/// A row of the columns `a`, `b` and `dateTime`.
type ReferenceCells = (f64, f64, Option<String>);

/// Asserts that the CSV records of a file, its header first, are those of the csv crate, where it knows what is read here:
/// no text of two bytes a letter, no quote behind a space, no header that comes again. A lone carriage return, which
/// ends a record there and none here, is left out; behind a quote that does not close, that crate sees no records.
pub(super) fn same_csv(bytes: &[u8], header: Option<&[u8]>, rows: &Bucket) {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let lone = |at: usize| bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n');
    let begins_behind_space = bytes.windows(2).any(|pair| pair == b" \"");
    let is_ours = begins_behind_space || bytes.contains(&0);
    if (0..bytes.len()).any(lone) || is_ours || std::str::from_utf8(bytes).is_err() {
        return;
    }
    // A header whose quote does not close is a line here, and all of the file there.
    if header.is_some_and(|header| cells(&[header, b"\nx"].concat()).len() == 1) {
        return;
    }
    let is_open = |format| matches!(format, Format::Broken(_));
    let whole = rows.raw.rows().take_while(|row| !is_open(row.format)).map(|row| row.bytes);
    let is_blank = |line: &[u8]| String::from_utf8_lossy(line).trim().is_empty();
    let ours: Vec<&[u8]> = header.into_iter().chain(whole).filter(|line| !is_blank(line)).collect();
    let theirs: Vec<Vec<Vec<u8>>> =
        records(bytes).into_iter().filter(|(line, _)| !is_blank(line)).map(|(_, cells)| cells).collect();
    let comes_again = |record: &Vec<Vec<u8>>| {
        let lower = |cell: &Vec<u8>| String::from_utf8_lossy(cell).trim().to_lowercase();
        let has = |name: String| record.iter().any(|cell| lower(cell) == name);
        theirs[0].iter().map(lower).filter(|name| !name.is_empty()).all(has)
    };
    if header.is_some() && theirs.iter().skip(1).any(comes_again) {
        return;
    }
    let broken = rows.raw.rows().any(|row| is_open(row.format));
    assert!(ours.len() == theirs.len() || broken && ours.len() < theirs.len(), "{ours:?}, not {theirs:?}");
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(cells(ours), std::slice::from_ref(theirs), "{ours:?}");
    }
}

fn cells(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    records(bytes).into_iter().map(|(_, cells)| cells).collect()
}

/// The cells of each record, with the line that it begins on: a quoted cell may be empty where the line is not.
fn records(bytes: &[u8]) -> Vec<(Vec<u8>, Vec<Vec<u8>>)> {
    // Behind another record: at the very beginning that crate leaves out a byte-order mark.
    let bytes = [b"x\n", bytes].concat();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&bytes[..]);
    let record = |record: csv::Result<csv::ByteRecord>| {
        let record = record.expect("bytes are always read");
        let from = record.position().expect("it was read from somewhere").byte() as usize;
        // Its place is that of the line ends before it.
        let begin = bytes[from..].iter().position(|byte| !b"\r\n".contains(byte)).map_or(from, |ends| from + ends);
        let line = bytes[begin..].split(|byte| *byte == b'\n').next().unwrap_or_default();
        (line.to_vec(), record.iter().map(<[u8]>::to_vec).collect())
    };
    reader.byte_records().skip(1).map(record).collect()
}

/// Asserts that the rows of a JSON payload are those that serde_json sees, where these have no other keys than the
/// columns' and no words for numbers.
pub(super) fn same_json(bytes: &[u8], message: &Message, bad: usize) {
    let objects = match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => vec![Value::Object(object)],
        Ok(Value::Array(values)) if values.first().is_some_and(|value| !value.is_object() && !value.is_array()) => {
            vec![Value::Array(values)]
        }
        Ok(Value::Array(objects)) => objects,
        _ => return,
    };
    assert_eq!(message.rows() + bad, objects.len());
    let Some(rows) = objects.iter().map(row).collect::<Option<Vec<Option<ReferenceCells>>>>() else { return };
    let whole: Vec<ReferenceCells> = rows.into_iter().flatten().collect();
    assert_eq!(message.rows(), whole.len(), "{}", String::from_utf8_lossy(bytes));
    for (at, (a, b, text)) in whole.into_iter().enumerate() {
        for (ours, theirs) in [(message.column(0)[at], a), (message.column(1)[at], b)] {
            assert!(ours == theirs || ours.is_nan() && theirs.is_nan(), "{ours}, not {theirs}");
        }
        assert_eq!(message.texts[0].get(at), text.as_deref());
    }
}

/// The cells of an object; the outer `None` where they are a matter of our own rules, the inner one for a bad row.
fn row(value: &Value) -> Option<Option<ReferenceCells>> {
    let Value::Object(object) = value else { return Some(None) };
    if object.is_empty() {
        return Some(None);
    }
    if object.keys().any(|key| !["a", "b", "dateTime"].contains(&key.as_str())) {
        return None;
    }
    let cell = |name| object.get(name).unwrap_or(&Value::Null);
    let number = |name| match cell(name) {
        Value::Null => Some(Some(f64::NAN)),
        Value::Number(number) => number.as_f64().map(Some),
        Value::Bool(value) => Some(Some(f64::from(u8::from(*value)))),
        Value::String(_) => None,
        _ => Some(None),
    };
    let text = match cell("dateTime") {
        Value::Null => Some(None),
        Value::String(text) if text.chars().any(|letter| letter.is_ascii_digit()) && text.trim() == text => {
            Some(Some(text.clone()))
        }
        Value::Array(_) | Value::Object(_) => return Some(None),
        _ => None,
    };
    let (a, b) = (number("a")?, number("b")?);
    match (a, b) {
        (Some(a), Some(b)) => text.map(|text| Some((a, b, text))),
        _ => Some(None),
    }
}
