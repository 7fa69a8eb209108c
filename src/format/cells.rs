//! Rows of cells under a header: CSV and WeatherLink.

use std::borrow::Cow;

use crate::data::cell::DecimalMark;
use crate::data::{Format, Layout, Row, Schema, Separated};
use crate::format::column_builder::ColumnBuilder;
use crate::format::{Decoding, csv, weatherlink};

/// Which column each cell of a row belongs to.
#[derive(Default)]
pub(crate) struct HeaderMap {
    /// The header from which `places` was built; outer `None` before the first row.
    header: Option<Option<Vec<u8>>>,
    /// The format of its rows.
    format: Option<Format>,
    /// The address of the header in the bucket that is being read.
    stands: Option<Option<(usize, usize)>>,
    places: Vec<Option<usize>>,
    /// Places without the empty names at the header's end.
    named: usize,
    /// Cells of a WeatherLink export's date and time, and the column for both together.
    date_time: Option<(usize, usize, usize)>,
}

impl HeaderMap {
    /// Starts another bucket.
    pub fn begin(&mut self) {
        self.stands = None;
    }

    /// Reads the row's header unless it is that of the row before.
    pub fn see(&mut self, row: Row<'_>, schema: &Schema, decoding: &Decoding) -> Result<(), String> {
        let header = row.header.map(|header| header.names);
        // Within a bucket an address is that of one header only: a long header is compared once per bucket.
        let stands = Some(header.map(|header| (header.as_ptr().addr(), header.len())));
        if self.stands == stands && self.format == Some(row.format) {
            return Ok(());
        }
        if self.format == Some(row.format) && self.header.as_ref().is_some_and(|known| known.as_deref() == header) {
            self.stands = stands;
            return Ok(());
        }
        let names = header.map(|header| names(row, header)).transpose()?;
        self.places = match &names {
            Some(names) => names.iter().map(|name| decoding.place(schema, name)).collect(),
            None => (0..schema.columns().len()).map(Some).collect(),
        };
        let named = names
            .as_ref()
            .map(|names| names.iter().rposition(|name| !csv::is_unnamed(name)).map_or(0, |last| last + 1));
        self.named = named.unwrap_or(self.places.len());
        self.format = Some(row.format);
        self.date_time = names.as_ref().and_then(|names| date_time(names, schema));
        self.header = Some(header.map(<[u8]>::to_vec));
        self.stands = stands;
        Ok(())
    }

    pub fn csv(&self, line: &str, schema: &Schema, table: &mut ColumnBuilder) -> Result<(), String> {
        if !line.contains('"') {
            return self.fill(line.split(',').map(Cow::Borrowed), DecimalMark::Point, schema, table);
        }
        self.fill(csv::cells(line), DecimalMark::Point, schema, table)
    }

    pub fn separated(
        &self,
        line: &str,
        Separated { separator, decimal }: Separated,
        schema: &Schema,
        table: &mut ColumnBuilder,
    ) -> Result<(), String> {
        self.fill(csv::cells_by(line, separator), decimal, schema, table)
    }

    pub fn weatherlink(
        &self,
        line: &str,
        layout: Layout,
        schema: &Schema,
        table: &mut ColumnBuilder,
    ) -> Result<(), String> {
        let cells = || weatherlink::cells(line, layout.doubled_tabs);
        self.fill(cells().map(Cow::Borrowed), DecimalMark::Either, schema, table)?;
        if let Some((date, time, place)) = self.date_time {
            let cell = |index| cells().nth(index).unwrap_or_default();
            let value = weatherlink::date_time(cell(date), cell(time), layout);
            table.set_text(schema.columns()[place].slot, value.as_deref());
        }
        Ok(())
    }

    fn fill<'a>(
        &self,
        cells: impl Iterator<Item = Cow<'a, str>>,
        mark: DecimalMark,
        schema: &Schema,
        table: &mut ColumnBuilder,
    ) -> Result<(), String> {
        let mut count = 0;
        let mut wrong = Ok(());
        let mut surplus = false;
        for cell in cells {
            match (self.places.get(count), &wrong) {
                (Some(Some(place)), Ok(())) => {
                    wrong = table.set_cell_by(&schema.columns()[*place], &cell, mark);
                }
                (None, _) => surplus |= !cell.trim().is_empty(),
                _ => {}
            }
            count += 1;
        }
        // For a row that is too short, the length is the reason, not a cell in the wrong column. Empty cells at the end
        // are none.
        if count >= self.named && !surplus {
            return wrong;
        }
        let source = if matches!(self.header, Some(Some(_))) { "header" } else { "schema" };
        Err(format!("{count} cells, but the {source} names {} columns", self.places.len()))
    }
}

/// The names in a header.
fn names(row: Row<'_>, header: &[u8]) -> Result<Vec<String>, String> {
    let text = utf8(header)?;
    Ok(match row.format {
        Format::Csv => csv::names(text, b','),
        Format::Separated(Separated { separator, .. }) => csv::names(text, separator),
        _ => text.split('\t').map(str::to_owned).collect(),
    })
}

/// The cells `Date` and `Time`, if the schema has a `dateTime` that the header does not name.
fn date_time(names: &[String], schema: &Schema) -> Option<(usize, usize, usize)> {
    let find = |wanted: &str| names.iter().position(|name| name == wanted);
    let column = schema.get("dateTime").filter(|column| column.kind == crate::data::Kind::Text)?;
    match (find("Date"), find("Time"), find("dateTime")) {
        (Some(date), Some(time), None) => Some((date, time, schema.place(&column.name)?)),
        _ => None,
    }
}

pub(super) fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to() + 1;
        format!(
            "not UTF-8 text: byte {at} is wrong; say csv = {{ encoding = \"windows-1252\" }} in [source] if it is that"
        )
    })
}
