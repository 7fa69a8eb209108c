//! The cells of a row of CSV or WeatherLink, without their columns.

use std::borrow::Cow;

use crate::data::cell::DecimalMark;
use crate::data::{Format, Row, Separated};
use crate::format::{csv, weatherlink};

/// The cells of a row under a header, and the mark before their fractions; `None` for bytes that are no text.
pub(crate) fn cells_of(row: Row<'_>) -> Option<(Vec<Cow<'_, str>>, DecimalMark)> {
    let line = std::str::from_utf8(row.bytes).ok()?;
    Some(match row.format {
        Format::WeatherLink(layout) => {
            (weatherlink::cells(line, layout.doubled_tabs).map(Cow::Borrowed).collect(), DecimalMark::Either)
        }
        Format::Separated(Separated { separator, decimal, .. }) => (csv::cells_by(line, separator).collect(), decimal),
        _ => (csv::cells(line).collect(), DecimalMark::Point),
    })
}
