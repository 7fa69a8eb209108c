//! A first dataflow file for a source, from some of its rows.

use std::collections::HashMap;
use std::fmt::Write;

use serde_json::Value;

use crate::config::Dataflow;
use crate::data::{Bucket, Format, Kind, cell};
use crate::format::{Decoding, PLACE};
use crate::registry::Registry;
use crate::source::{SourceUrl, infer_bucket};

/// A column that rows have.
struct FoundColumn {
    name: String,
    kind: Kind,
    /// Its first value, as text.
    example: String,
}

/// Names of columns that say when a row was measured, the surest first.
const TIMES: [&str; 9] =
    ["datetime", "timestamp", "time", "ts", "dateutc", "date_time", "received_at", "measured_at", "date"];
/// The longest example in a comment.
const LONGEST_EXAMPLE: usize = 40;

/// The text of a dataflow file that reads rows such as these; it is one that `rowmill check` takes.
///
/// # Errors
/// In words: rows that have no columns.
pub fn draft(name: &str, source: &SourceUrl, bucket: &Bucket, registry: &Registry) -> Result<String, String> {
    let columns = columns(bucket);
    if columns.is_empty() {
        return Err(format!("the rows of {source} have no columns: `rowmill peek` shows them"));
    }
    let time = time(&columns);
    let whole = text(name, source, bucket.len(), &columns, time.as_deref());
    let of = |text: &str| Dataflow::from_text("new.toml", text, &[], registry);
    match of(&whole) {
        Ok(_) => Ok(whole),
        Err(_) if time.is_some() => {
            let plain = text(name, source, bucket.len(), &columns, None);
            of(&plain).map(|_| plain).map_err(|diagnostic| diagnostic.to_string())
        }
        Err(diagnostic) => Err(diagnostic.to_string()),
    }
}

fn text(name: &str, source: &SourceUrl, rows: usize, columns: &[FoundColumn], time: Option<&str>) -> String {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let mut out = format!(
        "# Made by `rowmill new` from {rows} rows; `rowmill peek` with this file shows what becomes of them.\n"
    );
    let _ = write!(out, "name = {}\n\n[schema]\n", quoted(name));
    for (key, kind) in [("number", Kind::Number), ("text", Kind::Text)] {
        let of_kind: Vec<&FoundColumn> = columns.iter().filter(|column| column.kind == kind).collect();
        if of_kind.is_empty() {
            continue;
        }
        let _ = writeln!(out, "{key} = [");
        for FoundColumn { name, example, .. } in of_kind {
            let _ = writeln!(out, "    {},  # {example}", quoted(name));
        }
        out.push_str("]\n");
    }
    if let Some(time) = time {
        let _ = write!(out, "\n[schema.time]  # when a row was measured\n{time}");
    }
    let _ = write!(out, "\n[source]\nurl = {}\n", quoted(&source.to_string()));
    if let SourceUrl::Mqtt(url) = source {
        if let Some(login) = &url.login {
            let _ = writeln!(out, "user = {}", quoted(&login.user));
            out.push_str("# password = { env = \"ROWMILL_PASSWORD\" }  # or { file = \"PATH\" }\n");
        }
        if url.topic.contains(['+', '#']) {
            out.push_str("# topic = \"weather/{station}/loop\"  # levels of the topic as columns\n");
        }
        out.push_str("# session = true  # the broker keeps what is published while nobody runs\n");
    }
    out.push_str("\n[buffer]\nbucket_size = 1000  # rows a message\ndelay = \"1s\"        # how long the oldest row of a message waits\n");
    out.push_str("\n# [[subtask]]  # `rowmill subtasks` lists them\n# use = \"fillna\"\n# value = 0.0\n");
    let _ = write!(out, "\n[sink]\nurl = {}\n", quoted(&format!("{name}.ndjson")));
    let _ = write!(
        out,
        "\n[dead_letter]  # rows that cannot be used, with the reason\nurl = {}\n",
        quoted(&format!("{name}-dead.ndjson"))
    );
    out
}

/// `column` and `unit` of the time, if some column looks like one.
fn time(columns: &[FoundColumn]) -> Option<String> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or(name).to_lowercase();
    let column = TIMES.iter().find_map(|time| columns.iter().find(|column| last(&column.name) == *time))?;
    let mut text = format!("column = {}\n", toml::Value::from(column.name.as_str()));
    let since_1970 = column.example.parse().ok().filter(|_| column.kind == Kind::Number);
    let units: [(f64, &str); 4] = [(1e11, "s"), (1e14, "ms"), (1e17, "us"), (f64::INFINITY, "ns")];
    if let Some(unit) = since_1970.and_then(|value: f64| units.iter().find(|(below, _)| value < *below)) {
        let _ = writeln!(text, "unit = \"{}\"", unit.1);
    }
    Some(text)
}

/// The columns of rows in the order of their appearance: those of cells under a header, and the paths of JSON.
fn columns(bucket: &Bucket) -> Vec<FoundColumn> {
    let mut found = Paths::default();
    for row in bucket.raw.rows().filter(|row| row.format == Format::Json) {
        if let Ok(value) = serde_json::from_slice(row.bytes) {
            found.walk("", &value);
        }
    }
    let has_cells = bucket.raw.rows().any(|row| matches!(row.format, Format::Csv | Format::WeatherLink(_)));
    if has_cells {
        let cells = infer_bucket(bucket, &Decoding::default());
        cells.columns().iter().for_each(|column| found.add(&column.name, column.kind, ""));
    }
    found.columns.retain(|column| !column.name.is_empty() && !PLACE.contains(&&*column.name));
    found.columns
}

#[derive(Default)]
struct Paths {
    columns: Vec<FoundColumn>,
    places: HashMap<String, usize>,
}

impl Paths {
    fn add(&mut self, name: &str, kind: Kind, example: &str) {
        let place = *self.places.entry(name.to_owned()).or_insert_with(|| {
            let example = String::new();
            self.columns.push(FoundColumn { name: name.to_owned(), kind: Kind::Number, example });
            self.columns.len() - 1
        });
        let column = &mut self.columns[place];
        if kind == Kind::Text {
            column.kind = Kind::Text;
        }
        if column.example.is_empty() {
            column.example = example.chars().filter(|c| !c.is_control()).take(LONGEST_EXAMPLE).collect();
        }
    }

    /// Adds what stands under a path.
    fn walk(&mut self, path: &str, value: &Value) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    self.walk(&if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, value);
                }
            }
            Value::Array(array) => {
                for (index, value) in array.iter().enumerate().filter(|_| !path.is_empty()) {
                    self.walk(&format!("{path}[{index}]"), value);
                }
            }
            Value::Null => self.add(path, Kind::Number, ""),
            Value::Number(number) => self.add(path, Kind::Number, &number.to_string()),
            Value::Bool(value) => self.add(path, Kind::Text, &value.to_string()),
            Value::String(text) => {
                let kind = if cell::number(text).is_some() { Kind::Number } else { Kind::Text };
                self.add(path, kind, text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Header, Origin, Row};

    fn bucket(format: Format, header: Option<&[u8]>, rows: &[&str]) -> Bucket {
        let mut bucket = Bucket::new(0, 0);
        for bytes in rows {
            let row = Row { bytes: bytes.as_bytes(), format, header: header.map(Header::read) };
            bucket.push(row, 0, Origin { topic: "t".into(), position: 1 });
        }
        bucket
    }

    fn drafted(url: &str, bucket: &Bucket) -> String {
        let source = SourceUrl::try_from(url.to_owned()).unwrap();
        draft("station", &source, bucket, &Registry::builtin()).unwrap()
    }

    #[test]
    fn what_is_drafted_is_a_dataflow_with_the_columns_of_the_rows() {
        let rows = [
            r#"{"id":"d-1","ts":1700000000123,"up":{"temp":21.5,"ok":true,"list":[1,2]},"row":7,"x":null}"#,
            r#"{"id":"d-2","ts":1700000000124,"up":{"temp":"21","word":"a \" quote"},"x":"n/a"}"#,
        ];
        let text = drafted("mqtt://anna:secret@broker/weather/+", &bucket(Format::Json, None, &rows));
        let dataflow = Dataflow::from_text("x.toml", &text, &[], &Registry::builtin()).unwrap();
        assert_eq!(dataflow.source.to_string(), "mqtt://broker:1883/weather/+");
        assert!(!text.contains("secret") && text.contains("user = \"anna\""), "{text}");
        for line in ["\"up.temp\",  # 21.5", "\"up.list[1]\",  # 2", "\"id\",  # d-1", "\"ts\",  # 1700000000123"] {
            assert!(text.contains(line), "{line}:\n{text}");
        }
        let numbers = text.split("text = [").next().unwrap();
        assert!(numbers.contains("\"x\"") && !numbers.contains("\"id\"") && !text.contains("\"row\","), "{text}");
        if text.contains("[schema.time]") {
            assert!(text.contains("column = \"ts\"\nunit = \"ms\""), "{text}");
        }
    }

    #[test]
    fn cells_have_the_names_of_their_header() {
        let text = drafted("a.csv", &bucket(Format::Csv, Some(b"dateTime,outTemp,station"), &["1,2,x"]));
        assert!(text.contains("\"outTemp\"") && text.contains("text = [\n    \"station\""), "{text}");
    }

    #[test]
    fn rows_without_columns_are_told() {
        let source = SourceUrl::Stdin;
        let none = bucket(Format::Json, None, &["{}", "x"]);
        assert!(draft("s", &source, &none, &Registry::builtin()).unwrap_err().contains("no columns"));
    }
}
