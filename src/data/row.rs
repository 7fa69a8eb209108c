//! One row as it arrived: its bytes, and how they are to be read.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// How the bytes of a row are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Format {
    /// One JSON object.
    Json,
    /// Comma-separated cells.
    Csv,
    /// WeatherLink's tab-separated cells.
    WeatherLink(Layout),
    /// Bytes that the source could not split into rows; never read.
    Broken(Broken),
}

/// Why bytes are not rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
pub enum Broken {
    /// In no format that is known.
    #[error("neither JSON objects nor CSV lines")]
    Unreadable,
    /// Nothing at all.
    #[error("an empty payload")]
    Empty,
    /// More bytes than a publish may have.
    #[error("longer than max_payload")]
    TooLong,
    /// A quote that does not close.
    #[error("a quote opens a cell and no quote closes it: write it twice, or leave it out")]
    OpenQuote,
}

/// What differs between WeatherLink exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Layout {
    /// The older layout doubles tabs: empty cells separate and mean nothing.
    pub doubled_tabs: bool,
    /// Dates are day first.
    pub day_first: bool,
}

/// The header line that names the cells of a row.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// The line's bytes.
    pub names: &'a [u8],
    /// Rows with one number have one header line; without a number, only its bytes tell.
    pub line: Option<u64>,
}

impl<'a> Header<'a> {
    /// A header line that was just read; of its rows none is compared with the one before it.
    pub fn read(names: &'a [u8]) -> Header<'a> {
        Header { names, line: Some(Header::next_line()) }
    }

    /// A number that no other line has.
    pub fn next_line() -> u64 {
        static LINES: AtomicU64 = AtomicU64::new(0);
        LINES.fetch_add(1, Ordering::Relaxed)
    }
}

/// One measurement as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// As they came.
    pub bytes: &'a [u8],
    /// How they are read.
    pub format: Format,
    /// What names its cells, if something does.
    pub header: Option<Header<'a>>,
}
