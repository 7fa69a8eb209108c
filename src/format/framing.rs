//! How a source's bytes are cut into rows: `[source]` of a dataflow file.

use std::sync::Arc;
use std::time::Duration;

use super::compression::Compression;
use super::csv_options::CsvOptions;
use super::decoding::Decoding;
use super::formats::PayloadFormat;
use super::inner_rows::InnerRows;
use super::topic_pattern::TopicPattern;
use super::value::ValuePath;
use crate::data::Schema;

/// How the bytes of payloads and files are cut into rows.
#[derive(Clone, Debug)]
pub struct Framing {
    /// The longest payload of a publish, and the longest line of a file, in bytes.
    pub max_payload: usize,
    /// How payloads and files are packed.
    pub compression: Compression,
    /// What payloads and files hold.
    pub format: PayloadFormat,
    /// The columns of the rows, where the dataflow file gives them: a first line without any of them is no header.
    pub columns: Option<Arc<Schema>>,
    /// How CSV is written.
    pub csv: CsvOptions,
    /// What levels of a publish's topic mean, if anything.
    pub topic: Option<Arc<TopicPattern>>,
    /// How far the values of one row are apart at most, where topics name their columns; each is a row if not given.
    pub collect: Option<Duration>,
    /// Where in a payload the value is, where topics name their columns; it is the payload if not given.
    pub value: Option<ValuePath>,
    /// How names in a header stand for columns.
    pub decoding: Arc<Decoding>,
    /// Where the rows are inside of a JSON object; it is a row if not given.
    pub rows: Option<InnerRows>,
}

/// The longest payload and line where a dataflow file gives none: 16 MiB.
pub const MAX_PAYLOAD: usize = 16 << 20;

impl Default for Framing {
    fn default() -> Framing {
        Framing {
            max_payload: MAX_PAYLOAD,
            compression: Compression::default(),
            format: PayloadFormat::default(),
            columns: None,
            csv: CsvOptions::default(),
            topic: None,
            collect: None,
            value: None,
            decoding: Arc::default(),
            rows: None,
        }
    }
}

impl Framing {
    /// Whether columns are elements of an array that is a row; `None` where the columns are still to be found.
    pub(crate) fn has_element_columns(&self) -> Option<bool> {
        let mut columns = self.columns.as_ref()?.columns().iter();
        let in_time = self.decoding.time.iter().flat_map(|time| &time.from).any(|from| from.starts_with('['));
        Some(in_time || columns.any(|column| self.decoding.keys.key(&column.name).starts_with('[')))
    }

    /// The same, where the columns are still to be found.
    pub fn without_columns(&self) -> Framing {
        Framing { columns: None, ..self.clone() }
    }
}
