//! The text of a dataflow file that reads the rows of a source.

use std::fmt::Write;

use super::found_columns::FoundColumn;
use super::proposal::Proposal;
use crate::data::Kind;
use crate::source::SourceUrl;

impl Proposal {
    /// The text of a dataflow file, with comments.
    pub fn text(&self) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let Proposal { name, results, source, rows, remarks, .. } = self;
        let mut out = format!(
            "# Made by `rowmill new` from {rows} rows; `rowmill peek` with this file shows what becomes of them.\n"
        );
        for remark in remarks {
            let _ = writeln!(out, "# {}", one_line(remark));
        }
        let _ = write!(out, "name = {}\n\n[schema]\n", quoted(name));
        push_columns(&mut out, self);
        push_time(&mut out, self);
        let _ = write!(out, "\n[source]\nurl = {}\n", quoted(&source.to_string()));
        for setting in &self.settings {
            let comment = if setting.comment.is_empty() { String::new() } else { format!("  # {}", setting.comment) };
            let _ = writeln!(out, "{} = {}{comment}", setting.key, setting.value);
        }
        if let SourceUrl::Mqtt(url) = source {
            if let Some(login) = &url.login {
                let _ = writeln!(out, "user = {}", quoted(&login.user));
                out.push_str("# password = { env = \"ROWMILL_PASSWORD\" }  # or { file = \"PATH\" }\n");
            }
            if url.topic.contains(['+', '#']) && !self.settings.iter().any(|setting| setting.key == "topic") {
                out.push_str("# topic = \"weather/{station}/loop\"  # levels of the topic as columns\n");
            }
            out.push_str("# session = true  # the broker keeps what is published while nobody runs\n");
        }
        out.push_str("\n[buffer]\nbucket_size = 1000  # rows a message\ndelay = \"1s\"        # how long the oldest row of a message waits\n");
        if let Some(dtype) = self.casts() {
            out.push_str(
                "\n[[subtask]]  # cells without a header are read in the order of the columns\nuse = \"astype\"\n",
            );
            let kind = |name: &String| format!("{} = \"number\"", quoted(name));
            let kinds: Vec<String> = dtype.as_object().into_iter().flatten().map(|(name, _)| kind(name)).collect();
            let _ = writeln!(out, "dtype = {{ {} }}", kinds.join(", "));
        }
        out.push_str("\n# [[subtask]]  # `rowmill subtasks` lists them\n# use = \"fillna\"\n# value = 0.0\n");
        let _ = write!(out, "\n[sink]\nurl = {}\n", quoted(&format!("{results}.ndjson")));
        let _ = write!(
            out,
            "\n[dead_letter]  # rows that cannot be used, with the reason\nurl = {}\n",
            quoted(&format!("{results}-dead.ndjson"))
        );
        out
    }
}

fn push_columns(out: &mut String, proposal: &Proposal) {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    for (key, kind) in [("number", Kind::Number), ("text", Kind::Text)] {
        let columns: Vec<&FoundColumn> = proposal.of_kind(kind).collect();
        if columns.is_empty() {
            continue;
        }
        let _ = writeln!(out, "{key} = [");
        for column in columns {
            let comment = if column.example.is_empty() { String::new() } else { format!("  # {}", column.example) };
            let (name, key) = (quoted(&column.name), quoted(&column.key));
            let listed = if name == key { name } else { format!("{{ name = {name}, from = {key} }}") };
            let _ = writeln!(out, "    {listed},{comment}");
        }
        out.push_str("]\n");
    }
    if !proposal.missing.is_empty() {
        let words: Vec<toml::Value> = proposal.missing.iter().map(|word| word.as_str().into()).collect();
        let _ = writeln!(
            out,
            "missing = {}  # words for no value, beside ---, an empty cell, null and nan",
            toml::Value::Array(words)
        );
    }
    if !proposal.unit.is_empty() {
        let unit = |(column, unit): (&String, &String)| format!("{} = {}", quoted(column), quoted(unit));
        let units: Vec<String> = proposal.unit.iter().map(unit).collect();
        let _ = writeln!(out, "unit = {{ {} }}  # to which numbers of other labels are converted", units.join(", "));
    }
    if proposal.commas {
        out.push_str("decimal = \",\"\n");
    }
    if let Some(thousands) = proposal.thousands {
        let _ = writeln!(out, "thousands = {}  # what stands between them", quoted(&thousands.to_string()));
    }
}

fn push_time(out: &mut String, proposal: &Proposal) {
    let Some(time) = &proposal.time else { return };
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let _ = write!(out, "\n[schema.time]  # when a row was measured\ncolumn = {}\n", quoted(&time.column));
    if !time.from.is_empty() {
        let cells: Vec<String> = time.from.iter().map(|name| quoted(name)).collect();
        let _ = writeln!(out, "from = [{}]", cells.join(", "));
    }
    for (key, value) in [("unit", time.unit), ("format", time.format), ("order", time.order)] {
        if let Some(value) = value {
            let _ = writeln!(out, "{key} = {}", quoted(value));
        }
    }
    if time.is_local {
        out.push_str("# zone = \"Europe/Berlin\"  # of times that name none; UTC if not given\n");
    }
}

/// A text as it can stand in a comment.
fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use crate::config::Dataflow;
    use crate::data::{Bucket, Format, Header, Origin, Row};
    use crate::registry::Registry;
    use crate::runtime::propose;
    use crate::source::{RawSample, SourceUrl};

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
        propose("station", &source, &RawSample::Rows(bucket.clone().into()), 100, &Registry::builtin()).unwrap().text()
    }

    #[test]
    fn what_is_drafted_is_a_dataflow_with_the_columns_of_the_rows() {
        let rows = [
            r#"{"id":"d-1","ts":1700000000123,"up":{"temp":21.5,"ok":true,"list":[1,2]},"row":7,"x":null}"#,
            r#"{"id":"d-2","ts":1700000000124,"up":{"temp":"21","word":"a \" quote"},"x":"n/a"}"#,
        ];
        let text = drafted("mqtt://anna:secret@broker/weather/+", &bucket(Format::Json, None, &rows));
        let dataflow = Dataflow::from_text("x.toml", &text, &[], &Registry::builtin()).unwrap();
        assert_eq!(dataflow.source().url.to_string(), "mqtt://broker:1883/weather/+");
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
        assert!(
            propose("s", &source, &RawSample::Rows(none.into()), 100, &Registry::builtin())
                .unwrap_err()
                .contains("no columns")
        );
    }
}
