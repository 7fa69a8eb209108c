//! The formats of payloads by name. A new one is one file beside this one and one line here.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::row_taker::RowTaker;
use super::{cbor, form, influx, msgpack, senml, value};

/// A format of payloads and files.
#[derive(Clone, Copy)]
pub struct PayloadFormat {
    /// Its name in a dataflow file.
    pub name: &'static str,
    /// How names of files end that hold it, beside those of JSON and CSV.
    pub endings: &'static [&'static str],
    pub(crate) reading: Reading,
}

/// How payloads of a format are read.
#[derive(Clone, Copy)]
pub(crate) enum Reading {
    /// As what they are recognised as.
    Recognised,
    /// As JSON.
    Json,
    /// As CSV.
    Csv,
    /// By a function. A file has one payload a line.
    Lines(fn(&[u8], &mut dyn RowTaker)),
    /// By a function. A file is one payload.
    Whole(fn(&[u8], &mut dyn RowTaker)),
    /// By their topics, and the messages before them.
    Sparkplug,
    /// Not: a payload is handed on whole, as broken.
    Verbatim,
}

/// All formats, the default first.
pub const FORMATS: [PayloadFormat; 10] = [
    PayloadFormat { name: "auto", endings: &[], reading: Reading::Recognised },
    PayloadFormat { name: "json", endings: &[], reading: Reading::Json },
    PayloadFormat { name: "csv", endings: &[], reading: Reading::Csv },
    PayloadFormat { name: "value", endings: &[], reading: Reading::Lines(value::read) },
    PayloadFormat { name: "form", endings: &[], reading: Reading::Lines(form::read) },
    PayloadFormat { name: "influx", endings: &["lp"], reading: Reading::Lines(influx::read) },
    PayloadFormat { name: "senml", endings: &["senml", "senmlc"], reading: Reading::Whole(senml::read) },
    PayloadFormat { name: "cbor", endings: &["cbor"], reading: Reading::Whole(cbor::read) },
    PayloadFormat { name: "msgpack", endings: &["msgpack", "mpk"], reading: Reading::Whole(msgpack::read) },
    PayloadFormat { name: "sparkplug", endings: &[], reading: Reading::Sparkplug },
];

impl PayloadFormat {
    /// Payloads that are handed on whole, for who looks at them; no dataflow file has it.
    pub(crate) const VERBATIM: PayloadFormat =
        PayloadFormat { name: "verbatim", endings: &[], reading: Reading::Verbatim };

    /// The format of a name.
    pub fn find(name: &str) -> Option<PayloadFormat> {
        FORMATS.into_iter().find(|format| format.name == name)
    }

    /// The format of a file by the ending of its name.
    pub fn by_ending(ending: &str) -> Option<PayloadFormat> {
        FORMATS.into_iter().find(|format| format.endings.contains(&ending))
    }

    /// Whether it is Sparkplug B, whose messages are read by those before them.
    pub fn is_sparkplug(self) -> bool {
        matches!(self.reading, Reading::Sparkplug)
    }

    /// Whether a file of it is one payload; else each line is.
    pub fn is_whole_file(self) -> bool {
        matches!(self.reading, Reading::Whole(_))
    }
}

impl Default for PayloadFormat {
    fn default() -> PayloadFormat {
        FORMATS[0]
    }
}

impl PartialEq for PayloadFormat {
    fn eq(&self, other: &PayloadFormat) -> bool {
        self.name == other.name
    }
}

impl Eq for PayloadFormat {}

impl std::fmt::Debug for PayloadFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl<'de> Deserialize<'de> for PayloadFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PayloadFormat, D::Error> {
        let name = String::deserialize(deserializer)?;
        let names = || FORMATS.map(|format| format.name).join(", ");
        PayloadFormat::find(&name)
            .ok_or_else(|| de::Error::custom(format!("there is no format `{name}`: there is {}", names())))
    }
}

impl JsonSchema for PayloadFormat {
    fn schema_name() -> Cow<'static, str> {
        "PayloadFormat".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": FORMATS.map(|format| format.name) })
    }
}
