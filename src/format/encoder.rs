//! From a message to the bytes or columns that a sink takes.

use std::sync::{Arc, Once};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::{Kind, Message, Schema, contiguous, recycle_lines, spare_lines};
use crate::format::json_writer::{push_integer, push_text};

/// The encoding that a sink takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// One JSON object a line.
    JsonLines,
    /// Comma-separated cells, without a header.
    Csv,
    /// The columns unchanged.
    Columns,
}

/// The output columns of a row's position; no other column may have their names.
pub const PLACE: [&str; 2] = ["message", "row"];

/// How lines say what is infinite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Infinity {
    /// As a missing value, for JSON has no word for it; that this happens is told once.
    #[default]
    Null,
    /// `Infinity` and `-Infinity`: in JSON a text.
    Text,
}

/// An encoded message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Output {
    /// Bytes of whole lines.
    Lines(#[serde(with = "contiguous::lines")] Vec<u8>),
    /// The message itself, for columnar formats.
    Columns(#[serde(with = "contiguous")] Message),
}

impl Output {
    /// The lines; `None` for columns.
    pub fn into_lines(self) -> Option<Vec<u8>> {
        match self {
            Output::Lines(lines) => Some(lines),
            Output::Columns(_) => None,
        }
    }

    /// Returns its buffers to this thread's pools once it is written.
    pub fn recycle(self) {
        match self {
            Output::Lines(lines) => recycle_lines(lines),
            Output::Columns(message) => message.recycle(),
        }
    }
}

/// Encodes messages.
pub struct Encoder {
    schema: Arc<Schema>,
    encoding: Encoding,
    /// The JSON before each value: a comma, the key, a colon.
    keys: Vec<String>,
    infinity: Infinity,
}

impl Encoder {
    /// An encoder of rows of a schema.
    pub fn new(schema: Arc<Schema>, encoding: Encoding) -> Encoder {
        let key = |name: &str| format!(",{}:", serde_json::Value::from(name));
        let keys = schema.names().map(key).collect();
        Encoder { schema, encoding, keys, infinity: Infinity::default() }
    }

    /// Sets how infinite numbers are written.
    pub fn with_infinity(self, infinity: Infinity) -> Encoder {
        Encoder { infinity, ..self }
    }

    /// Writes a number that is not finite.
    #[cold]
    fn push_special(&self, out: &mut Vec<u8>, x: f64, name: &str) {
        static TOLD: Once = Once::new();
        let json = self.encoding == Encoding::JsonLines;
        if x.is_nan() || self.infinity == Infinity::Null {
            out.extend_from_slice(if json { b"null" } else { b"" });
            if !x.is_nan() {
                TOLD.call_once(|| {
                    tracing::warn!(
                        "column {name} holds an infinite number, which is written as a missing value; infinity = \"text\" \
                         in the sink's section writes \"Infinity\""
                    );
                });
            }
            return;
        }
        let word = if x > 0.0 { "Infinity" } else { "-Infinity" };
        out.extend_from_slice(if json { format!("\"{word}\"") } else { word.into() }.as_bytes());
    }

    /// Encodes a message; numbers are written so that they read back to the same f64.
    pub fn encode(&self, message: Message) -> Output {
        let lines = match self.encoding {
            Encoding::Columns => return Output::Columns(message),
            Encoding::JsonLines => self.json_lines(&message),
            Encoding::Csv => self.csv_lines(&message),
        };
        message.recycle();
        Output::Lines(lines)
    }

    /// The header line of a CSV file.
    pub fn csv_header(schema: &Schema) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let names = PLACE.into_iter().chain(schema.names());
        writer.write_record(names).expect("a Vec takes everything");
        writer.into_inner().expect("a Vec takes everything")
    }

    fn json_lines(&self, message: &Message) -> Vec<u8> {
        let mut out = spare_lines();
        out.reserve(message.rows() * (24 + 20 * self.keys.len()));
        let (numbers, rows) = (message.flat(), message.rows());
        for (row, id) in message.ids.iter().enumerate() {
            out.extend_from_slice(b"{\"message\":");
            push_integer(&mut out, message.epoch);
            out.extend_from_slice(b",\"row\":");
            push_integer(&mut out, *id);
            for (column, key) in self.schema.columns().iter().zip(&self.keys) {
                out.extend_from_slice(key.as_bytes());
                match column.kind {
                    Kind::Number => match numbers[column.slot * rows + row] {
                        x if x.is_finite() => push_finite(&mut out, x),
                        x => self.push_special(&mut out, x, &column.name),
                    },
                    Kind::Text => push_json_text(&mut out, message.texts[column.slot].get(row)),
                }
            }
            out.extend_from_slice(b"}\n");
        }
        out
    }

    fn csv_lines(&self, message: &Message) -> Vec<u8> {
        let mut out = spare_lines();
        out.reserve(message.rows() * (12 + 12 * self.keys.len()));
        let (numbers, rows) = (message.flat(), message.rows());
        for (row, id) in message.ids.iter().enumerate() {
            push_integer(&mut out, message.epoch);
            out.push(b',');
            push_integer(&mut out, *id);
            for column in self.schema.columns() {
                out.push(b',');
                match column.kind {
                    Kind::Number => match numbers[column.slot * rows + row] {
                        x if x.is_finite() => push_finite(&mut out, x),
                        x => self.push_special(&mut out, x, &column.name),
                    },
                    Kind::Text => push_csv_text(&mut out, message.texts[column.slot].get(row).unwrap_or_default()),
                }
            }
            out.push(b'\n');
        }
        out
    }
}

fn push_json_text(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        None => out.extend_from_slice(b"null"),
        Some(text) => push_text(out, text),
    }
}

/// The shortest decimal that reads back to `x`.
fn push_finite(out: &mut Vec<u8>, x: f64) {
    // The fast path: the values of a binarizer.
    if x == 1.0 || x.to_bits() == 0 {
        return out.extend_from_slice(if x == 1.0 { b"1.0" } else { b"0.0" });
    }
    // Below it, integers are written without an exponent.
    const PLAIN: f64 = 1e15;
    let integer = x as i64;
    if integer as f64 == x && x.abs() < PLAIN && (integer != 0 || x.is_sign_positive()) {
        out.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes());
        out.extend_from_slice(b".0");
    } else {
        out.extend_from_slice(ryu::Buffer::new().format_finite(x).as_bytes());
    }
}

fn push_csv_text(out: &mut Vec<u8>, text: &str) {
    if !text.contains([',', '"', '\n', '\r']) {
        return out.extend_from_slice(text.as_bytes());
    }
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
    writer.write_record([text]).expect("a Vec takes everything");
    let cell = writer.into_inner().expect("a Vec takes everything");
    out.extend_from_slice(&cell[..cell.len() - 1]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::TextColumn;

    fn message() -> (Arc<Schema>, Message) {
        let schema = Schema::new([("name", Kind::Text), ("x", Kind::Number)]);
        let mut text = TextColumn::default();
        [Some("a, \"b\""), None, Some("c")].into_iter().for_each(|value| text.push(value));
        let numbers = ndarray::array![[0.1, f64::NAN, f64::NEG_INFINITY]];
        (Arc::new(schema), Message::new(4, vec![7, 8, 9], numbers, vec![text]))
    }

    #[test]
    fn json_lines_read_back() {
        let (schema, message) = message();
        let Output::Lines(lines) = Encoder::new(schema, Encoding::JsonLines).encode(message) else { panic!() };
        let expected = concat!(
            r#"{"message":4,"row":7,"name":"a, \"b\"","x":0.1}"#,
            "\n",
            r#"{"message":4,"row":8,"name":null,"x":null}"#,
            "\n",
            r#"{"message":4,"row":9,"name":"c","x":null}"#,
            "\n",
        );
        assert_eq!(String::from_utf8(lines).unwrap(), expected);
    }

    #[test]
    fn infinity_is_a_text_on_wish() {
        let lines = |encoding| {
            let (schema, message) = message();
            let encoder = Encoder::new(schema, encoding).with_infinity(Infinity::Text);
            let Output::Lines(lines) = encoder.encode(message) else { panic!() };
            String::from_utf8(lines).unwrap()
        };
        assert!(lines(Encoding::JsonLines).ends_with("\"x\":\"-Infinity\"}\n"));
        assert!(lines(Encoding::Csv).ends_with("4,9,c,-Infinity\n"));
    }

    proptest::proptest! {
        #[test]
        fn integers_are_written_as_all_numbers_are(x in -1_000_000_i64..1_000_000, scale in 0..12) {
            for x in [x as f64 * 10f64.powi(scale), x as f64, -0.0] {
                let mut out = Vec::new();
                push_finite(&mut out, x);
                let mut buffer = ryu::Buffer::new();
                proptest::prop_assert_eq!(&out[..], buffer.format_finite(x).as_bytes());
            }
        }
    }

    #[test]
    fn csv_lines_are_quoted_where_they_must_be() {
        let (schema, message) = message();
        assert_eq!(Encoder::csv_header(&schema), b"message,row,name,x\n");
        let Output::Lines(lines) = Encoder::new(schema, Encoding::Csv).encode(message) else { panic!() };
        let expected = "4,7,\"a, \"\"b\"\"\",0.1\n4,8,,\n4,9,c,\n";
        assert_eq!(String::from_utf8(lines).unwrap(), expected);
    }
}
