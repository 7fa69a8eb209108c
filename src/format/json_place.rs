//! What is remembered while the records of a JSON file are read.

use std::ops::Range;

use super::inner_rows::RowsFound;
use super::json_text::EndSearch;
use crate::data::Broken;

/// Where in a JSON file the records are.
#[derive(Default)]
pub(super) struct JsonPlace {
    /// Whether the records are elements of an array.
    pub in_array: bool,
    /// Whether something stands before on the line of what comes next.
    pub within_line: bool,
    /// Whether the bytes that are read are one line.
    pub one_line: bool,
    /// The rest of a record that is too long, which is passed over.
    pub too_long: Option<EndSearch>,
    /// The rows of the record that are still to come.
    pub inner: Option<Inner>,
}

/// The rows inside of a record.
pub(super) struct Inner {
    /// Those that are still to come, and what is around them.
    pub found: RowsFound,
    /// Where the record is.
    pub record: Range<usize>,
    /// The row, where it does not stand in the record.
    pub written: Vec<u8>,
    pub is_written: bool,
    /// Why the record is no row.
    pub broken: Option<Broken>,
}
