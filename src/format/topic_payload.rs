//! The rows of a publish whose topic says something, too: levels that are columns, or the payload's column.

use std::collections::BTreeSet;
use std::mem::{Discriminant, discriminant};

use super::decoding::UnknownKeys;
use super::unread_lines::UnreadLines;
use super::{Framing, json_cursor, payload, transcode, value};
use crate::data::{Broken, Format, Row};

/// Most names without a column that are told.
const MOST_TOLD: usize = 100;

/// The names of levels and the keys beside values without a column so far, and the kinds of lines that are no rows: each is told once.
#[derive(Debug, Default)]
pub struct UnknownNames {
    names: BTreeSet<String>,
    /// Keys beside values that no column is read from.
    keys: BTreeSet<String>,
    /// The first topic of collected values, and how many levels it has.
    collected: Option<(String, usize)>,
    /// Whether it was told that others have more levels, or fewer.
    told_of_levels: bool,
    /// The kinds of lines of CSV that were told of.
    left_out: Vec<Discriminant<UnreadLines>>,
}

impl UnknownNames {
    fn tell_of_lines(&mut self, left_out: &UnreadLines, topic: &str) {
        let kind = discriminant(left_out);
        if !self.left_out.contains(&kind) {
            self.left_out.push(kind);
            tracing::warn!("{topic}: {left_out}");
        }
    }

    fn tell_of_keys(&mut self, payload: &[u8], topic: &str, is_foreign: impl Fn(&str) -> bool) {
        if self.keys.len() >= MOST_TOLD {
            return;
        }
        let mut new = json_cursor::keys(payload);
        new.retain(|key| !self.keys.contains(key) && is_foreign(key));
        if !new.is_empty() {
            let shown = new.join(", ");
            tracing::warn!(
                "{topic}: keys without a column beside the value: {shown}; name them in [schema], or say nothing of them: \
                 unknown_keys = \"ignore\""
            );
            self.keys.extend(new);
        }
    }

    /// Tells that values whose topics have other levels behind the column's are of rows of their own.
    fn tell_of_levels(&mut self, topic: &str) {
        if self.told_of_levels {
            return;
        }
        let levels = topic.split('/').count();
        match &self.collected {
            None => self.collected = Some((topic.to_owned(), levels)),
            Some((first, others)) if levels != *others => {
                self.told_of_levels = true;
                tracing::warn!(
                    "{topic} has more levels than {first}, or fewer: `collect` makes rows of values whose topics differ in the \
                     level of {{column}} alone, and these are of rows of their own; leave out what is no value with a \
                     narrower `topic`"
                );
            }
            Some(_) => {}
        }
    }

    fn tell(&mut self, name: &str, topic: &str) {
        if self.names.len() < MOST_TOLD && self.names.insert(name.to_owned()) {
            let more = if self.names.len() == MOST_TOLD { "; further names are not told" } else { "" };
            tracing::warn!("the schema has no column {name}: what is published on {topic} is left out{more}");
        }
    }
}

/// Calls `f` with every row of a payload that was published on `topic`. Where the topic names the column, the row is a
/// JSON object of that column and of those that have something beside its value, and there is none if the schema has no
/// such column.
pub fn each_row(
    payload: &[u8],
    topic: &str,
    framing: &Framing,
    unknown: &mut UnknownNames,
    mut f: impl FnMut(Row<'_>),
) {
    match read(payload, topic, framing, unknown) {
        TopicPayload::Rows => {
            payload::each_row_telling(payload, framing, f, |unread| unknown.tell_of_lines(&unread, topic));
        }
        TopicPayload::Value { name, cell, beside } => {
            let beside = beside.iter().map(|(name, cell)| (name.as_str(), cell.as_str()));
            let object = value::object_of([(name, cell.as_str())].into_iter().chain(beside));
            f(Row { bytes: &object, format: Format::Json, header: None });
        }
        TopicPayload::Unknown => {}
        TopicPayload::Broken(reason) => f(Row { bytes: payload, format: Format::Broken(reason), header: None }),
    }
}

/// What a payload is by its topic.
pub enum TopicPayload<'a> {
    /// Rows.
    Rows,
    /// The value, as JSON, of the column that the topic names.
    Value {
        /// The column's name, as it stands in the topic.
        name: &'a str,
        /// The value.
        cell: String,
        /// What columns have beside it in the payload: paths and values.
        beside: Vec<(String, String)>,
    },
    /// The value of a column that the schema lacks.
    Unknown,
    /// Nothing that can be read.
    Broken(Broken),
}

/// What a payload is that was published on `topic`.
pub fn read<'a>(payload: &[u8], topic: &'a str, framing: &Framing, unknown: &mut UnknownNames) -> TopicPayload<'a> {
    let Some(pattern) = &framing.topic else { return TopicPayload::Rows };
    if !pattern.matches(topic) {
        return TopicPayload::Broken(Broken::OtherTopic);
    }
    let Some(name) = pattern.column(topic) else { return TopicPayload::Rows };
    if payload.len() > framing.max_payload {
        return TopicPayload::Broken(Broken::TooLong);
    }
    if framing.columns.as_ref().is_some_and(|schema| !framing.decoding.takes(schema, name)) {
        unknown.tell(name, topic);
        return TopicPayload::Unknown;
    }
    if framing.collect.is_some() {
        unknown.tell_of_levels(topic);
    }
    let unpacked = match framing.compression.unpacked(payload, framing.max_payload) {
        Ok(unpacked) => unpacked,
        Err(reason) => return TopicPayload::Broken(reason),
    };
    let payload = &*transcode::payload(unpacked.as_deref().unwrap_or(payload), framing.csv.encoding);
    let by_thousands = framing.decoding.cells.as_ref().is_some_and(|cells| cells.has_thousands());
    let cell = match &framing.value {
        Some(path) => path.cell_of(payload, by_thousands),
        None => value::cell_of(payload, by_thousands),
    };
    match cell {
        Ok(cell) => TopicPayload::Value { name, cell, beside: beside(payload, (name, topic), framing, unknown) },
        Err(reason) => TopicPayload::Broken(reason),
    }
}

/// What columns have beside the value of the column that the topic names.
fn beside(
    payload: &[u8],
    (name, topic): (&str, &str),
    framing: &Framing,
    unknown: &mut UnknownNames,
) -> Vec<(String, String)> {
    let (Some(path), Some(schema)) = (&framing.value, &framing.columns) else { return Vec::new() };
    let decoding = &framing.decoding;
    if decoding.unknown_keys == UnknownKeys::Warn {
        let is_foreign = |key: &str| !path.begins_with(key) && !decoding.leads_to_column(schema, key);
        unknown.tell_of_keys(payload, topic, is_foreign);
    }
    let own = decoding.place(schema, name);
    let others = schema.columns().iter().enumerate().filter(|(place, _)| Some(*place) != own);
    let others = others.map(|(_, column)| decoding.keys.key(&column.name));
    let of_time = decoding.time.iter().flat_map(|time| &time.from).map(String::as_str);
    let of_time =
        of_time.filter(|cell| *cell != name && schema.names().all(|column| decoding.keys.key(column) != *cell));
    path.cells_beside(payload, others.chain(of_time))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::{Kind, Schema};

    fn rows(pattern: Option<&str>, topic: &str, payload: &[u8]) -> Vec<String> {
        let columns = Some(Arc::new(Schema::new([("t", Kind::Number), ("station", Kind::Text)])));
        let topic_pattern = pattern.map(|pattern| Arc::new(pattern.parse().unwrap()));
        let framing = Framing { columns, topic: topic_pattern, max_payload: 100, ..Framing::default() };
        let mut rows = Vec::new();
        each_row(payload, topic, &framing, &mut UnknownNames::default(), |row| {
            rows.push(format!("{:?} {}", row.format, String::from_utf8_lossy(row.bytes)));
        });
        rows
    }

    #[test]
    fn a_topic_names_the_column_or_stands_beside_the_payload() {
        let by_name = Some("w/{station}/{column}");
        assert_eq!(rows(by_name, "w/north/t", b"4.5"), ["Json {\"t\":4.5}"]);
        assert_eq!(rows(by_name, "w/north/t", b""), ["Json {\"t\":null}"]);
        assert_eq!(rows(by_name, "w/north/station", b"x"), ["Json {\"station\":\"x\"}"]);
        assert_eq!(rows(by_name, "w/north/t", b"{\"t\": 1}"), ["Broken(NestedValue) {\"t\": 1}"]);
        assert!(rows(by_name, "w/north/t", &[b'1'; 101])[0].starts_with("Broken(TooLong)"));
        assert_eq!(rows(by_name, "w/north", b"4.5"), ["Broken(OtherTopic) 4.5"]);
        // The schema has no such column: no row.
        assert_eq!(rows(by_name, "w/north/rssi", b"-60"), [] as [&str; 0]);
        let beside = Some("w/{station}");
        assert_eq!(rows(beside, "w/north", b"[{\"t\": 1}, {\"t\": 2}]"), ["Json {\"t\": 1}", "Json {\"t\": 2}"]);
        assert_eq!(rows(beside, "w/north/status", b"[{}, {}]"), ["Broken(OtherTopic) [{}, {}]"]);
        assert_eq!(rows(None, "w/north/status", b"{}"), ["Json {}"]);
    }

    #[test]
    fn values_of_other_levels_are_told_where_they_are_collected() {
        let framing = Framing {
            topic: Some(Arc::new("w/{station}/{column}/#".parse().unwrap())),
            collect: Some(std::time::Duration::from_secs(1)),
            ..Framing::default()
        };
        let mut unknown = UnknownNames::default();
        for (topic, told) in [("w/n/t", false), ("w/s/h", false), ("w/n/h/state", true)] {
            each_row(b"4.5", topic, &framing, &mut unknown, |_| {});
            assert_eq!(unknown.told_of_levels, told, "{topic}");
        }
    }

    #[test]
    fn what_columns_have_beside_the_value_is_in_the_row() {
        let columns = ["at", "a.battery", "m[0].x"].map(|name| (name, Kind::Text));
        let columns = Schema::new([("t", Kind::Number)].into_iter().chain(columns));
        let framing = Framing {
            columns: Some(Arc::new(columns)),
            topic: Some(Arc::new("w/{station}/{column}".parse().unwrap())),
            value: Some(value::ValuePath::parse("a.v").unwrap()),
            ..Framing::default()
        };
        let mut unknown = UnknownNames::default();
        let mut row = |payload: &str| {
            let mut rows = String::new();
            each_row(payload.as_bytes(), "w/north/t", &framing, &mut unknown, |row| {
                rows.push_str(&String::from_utf8_lossy(row.bytes));
            });
            rows
        };
        let payload =
            r#"{"at": "2024-03-01 \"x\"", "a": {"v": 4.50, "battery": 80}, "t": 9, "m": [{"x": 7}], "unit": "C"}"#;
        assert_eq!(row(payload), r#"{"t":4.50,"at":"2024-03-01 \"x\"","a.battery":80,"m[0].x":7}"#);
        assert_eq!((row("4.5"), row(r#"{"a": {"v": 1}}"#)), (r#"{"t":4.5}"#.into(), r#"{"t":1}"#.into()));
        assert_eq!(unknown.keys.into_iter().collect::<Vec<_>>(), ["unit"]);
    }
}
