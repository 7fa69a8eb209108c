//! The cells of a row of CSV or WeatherLink, without their columns.

use std::borrow::Cow;

use crate::data::cell::DecimalMark;
use crate::data::{Format, Kind, Row, Separated};
use crate::format::{Framing, csv, weatherlink};

/// Which cells under a header are those of number columns; all, where the columns are not known or there is no header.
pub(crate) struct NumberCells(Option<Vec<bool>>);

impl NumberCells {
    /// Under these names.
    pub fn under(names: Option<impl IntoIterator<Item = impl AsRef<str>>>, framing: &Framing) -> NumberCells {
        let known = names.zip(framing.columns.as_ref());
        let is_number = |name: &str, schema: &crate::data::Schema| {
            let place = framing.decoding.place(schema, name.trim());
            place.is_some_and(|place| schema.columns()[place].kind == Kind::Number)
        };
        NumberCells(
            known.map(|(names, schema)| names.into_iter().map(|name| is_number(name.as_ref(), schema)).collect()),
        )
    }

    /// Those of a row's cells.
    pub fn of<T>(&self, cells: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
        let is_number = |index: usize| self.0.as_ref().is_none_or(|numbers| numbers.get(index).is_some_and(|is| *is));
        cells.enumerate().filter(move |(index, _)| is_number(*index)).map(|(_, cell)| cell)
    }
}

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
