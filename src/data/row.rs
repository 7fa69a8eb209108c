//! One row as it arrived: its bytes and their format.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::cell::DecimalMark;
use super::date_order::DateOrder;
use super::malformed::{Lookalike, Malformed};
use super::no_rows::NoRows;

/// The format of a row's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Format {
    /// One JSON object.
    Json,
    /// Comma-separated cells.
    Csv,
    /// Cells between another separator, or numbers with another decimal mark.
    Separated(Separated),
    /// WeatherLink's tab-separated cells.
    WeatherLink(Layout),
    /// Bytes that the source could not split into rows; never read.
    Broken(Broken),
}

/// Why bytes are not rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
pub enum Broken {
    /// Of no known format.
    #[error("neither JSON objects nor CSV lines")]
    Unreadable,
    /// Text of an encoding that was not said.
    #[error(
        "not UTF-8 text: byte 0x{byte:02x} at {at}; say csv = {{ encoding = \"windows-1252\" }} in [source] if it is that, which \
         holds for JSON, too"
    )]
    NotUtf8 {
        /// The first byte that is wrong.
        byte: u8,
        /// Where it is, from 1.
        at: u32,
    },
    /// JSON without its end.
    #[error("JSON that ends in the middle, behind byte {at}: it was cut, or the sender's buffer is too short")]
    CutJson {
        /// The bytes that are there.
        at: u32,
    },
    /// More than one JSON value.
    #[error("something follows the JSON that ends at byte {at}")]
    BehindJson {
        /// Where it ends, from 1.
        at: u32,
    },
    /// No bytes.
    #[error("an empty payload")]
    Empty,
    /// Longer than a payload may be.
    #[error("longer than max_payload")]
    TooLong,
    /// One value without a name: nothing tells its column.
    #[error(
        "a lone value, and nothing says which column it is: `topic` in [source] can, with {{column}}, or format = \"value\""
    )]
    LoneValue,
    /// An object or an array where the topic names the column of one value.
    #[error(
        "an object or an array, where the payload is the value of the column that the topic names: `value` in [source] says where in it"
    )]
    NestedValue,
    /// An object without the value that it is read for.
    #[error("there is nothing where `value` of [source] leads to")]
    NoValue,
    /// Of a topic that `topic` does not describe.
    #[error("its topic is none of those that `topic` in [source] describes")]
    OtherTopic,
    /// Of a format that is not read.
    #[error("neither JSON objects nor CSV lines: it looks like {0}{said}", said = .0.said())]
    LooksLike(Lookalike),
    /// Not of the format that it should be.
    #[error("{0}")]
    Malformed(Malformed),
    /// A quote that is not closed.
    #[error("a quote opens a cell and no quote closes it: write it twice, or leave it out")]
    OpenQuote,
    /// CSV under names that no column has.
    #[error(
        "a header that names no column of [schema]: name them as it does, or with `from`, or say csv = {{ header = false }} in \
         [source] if the rows are values in the order of the columns"
    )]
    ForeignHeader,
    /// Of no topic of Sparkplug B.
    #[error("its topic is none of Sparkplug B: spBv1.0/GROUP/TYPE/NODE or spBv1.0/GROUP/TYPE/NODE/DEVICE")]
    NoSparkplugTopic,
    /// A metric that no birth certificate names.
    #[error("a metric that no birth certificate of its node or device names: the node is asked for a rebirth")]
    NoBirth,
    /// Birth certificates with too many metrics.
    #[error("a birth certificate beyond what is kept of all nodes: 64 MiB")]
    TooManyMetrics,
    /// A JSON object without the rows that it should hold.
    #[error("{0}")]
    NoRows(NoRows),
}

impl Broken {
    /// Bytes that are no UTF-8: the first one that is wrong, and its place, from 0.
    pub fn not_utf8(byte: u8, at: usize) -> Broken {
        Broken::NotUtf8 { byte, at: u32::try_from(at + 1).unwrap_or(u32::MAX) }
    }
}

/// How the cells of a CSV row are written, where it is not as the standard says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Separated {
    /// The character between cells, in ASCII.
    pub separator: u8,
    /// The mark before a number's fraction.
    pub decimal: DecimalMark,
    /// The order of day and month, where it is known.
    pub order: Option<DateOrder>,
}

impl Format {
    /// CSV rows with this separator, this decimal mark, and this order of day and month.
    pub fn csv(separator: u8, decimal: DecimalMark, order: Option<DateOrder>) -> Format {
        match (separator, decimal, order) {
            (b',', DecimalMark::Point, None) => Format::Csv,
            _ => Format::Separated(Separated { separator, decimal, order }),
        }
    }
}

/// The differences between WeatherLink exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Layout {
    /// The older layout doubles tabs: empty cells separate, and have no meaning.
    pub doubled_tabs: bool,
    /// The order of day and month, where it is known.
    pub order: Option<DateOrder>,
}

/// The header line that names the cells of a row.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// The line's bytes.
    pub names: &'a [u8],
    /// Rows with the same number share a header line; without a number, the bytes are compared.
    pub line: Option<u64>,
}

impl<'a> Header<'a> {
    /// A header line that was just read; its rows are not compared with the header before it.
    pub fn read(names: &'a [u8]) -> Header<'a> {
        Header { names, line: Some(Header::next_line()) }
    }

    /// A number that no other header line has.
    pub fn next_line() -> u64 {
        static LINES: AtomicU64 = AtomicU64::new(0);
        LINES.fetch_add(1, Ordering::Relaxed)
    }
}

/// One measurement as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The bytes as they arrived.
    pub bytes: &'a [u8],
    /// The format of the bytes.
    pub format: Format,
    /// The header line that names its cells, if there is one.
    pub header: Option<Header<'a>>,
}
