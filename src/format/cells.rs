//! Rows of cells under a header: CSV and WeatherLink.

use std::borrow::Cow;

use crate::data::cell::DecimalMark;
use crate::data::{Broken, Format, Kind, Layout, Row, Schema, Separated};
use crate::format::column_builder::ColumnBuilder;
use crate::format::column_units::{ColumnUnits, UnitNotice};
use crate::format::seen_marks::SeenMarks;
use crate::format::unmatched_names::UnmatchedNames;
use crate::format::{Decoding, cell_hints, csv, weatherlink};

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
    units: ColumnUnits,
    marks: SeenMarks,
    /// Whether the numbers tell their decimal mark: a WeatherLink export has no thousands, and what is said holds.
    tells_marks: bool,
    /// The cells that make the time of a row together, and the place of its column.
    time: Option<(Vec<usize>, usize)>,
    /// Names of headers that are no column's.
    unmatched: UnmatchedNames,
    /// How many columns the schema has itself: those behind them are cells of the time.
    own: usize,
}

impl HeaderMap {
    /// Of a schema with so many columns of its own.
    pub fn of(own: usize) -> HeaderMap {
        HeaderMap { own, ..HeaderMap::default() }
    }

    /// Starts another bucket.
    pub fn begin(&mut self) {
        self.stands = None;
        self.marks.begin();
    }

    /// Whether a decimal comma came behind numbers of this bucket that it makes doubtful: they are to be read again.
    pub fn must_reread(&mut self) -> bool {
        self.marks.must_reread()
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
        let names = header.map(utf8).transpose()?.map(|header| names(header, row.format));
        self.places = match &names {
            Some(names) => names.iter().map(|name| decoding.place(schema, name)).collect(),
            None => decoding.places_without_header(schema, self.own),
        };
        self.named = names.as_ref().map_or(self.places.len(), |names| csv::named(names));
        self.format = Some(row.format);
        self.units.begin();
        self.marks = SeenMarks::default();
        let is_said = decoding.cells.as_ref().is_some_and(|cells| cells.has_decimal());
        self.tells_marks = matches!(row.format, Format::Separated(_)) && !is_said;
        for (name, place) in names.iter().flatten().zip(&self.places) {
            self.units.see(name, *place, schema, decoding);
        }
        self.time = names.as_ref().and_then(|names| time_cells(names, row.format, schema, decoding));
        let in_time = |index: &usize| self.time.as_ref().is_some_and(|(cells, _)| cells.contains(index));
        for (index, name) in names.iter().flatten().enumerate() {
            if self.places[index].is_none() && !in_time(&index) && !csv::is_unnamed(name) {
                self.unmatched.meet(name, schema, decoding);
            }
        }
        self.header = Some(header.map(<[u8]>::to_vec));
        self.stands = stands;
        Ok(())
    }

    pub fn csv(&mut self, line: &str, schema: &Schema, table: &mut ColumnBuilder) -> Result<(), String> {
        if self.time.is_some() {
            let plain = Separated { separator: b',', decimal: DecimalMark::Point, order: None };
            return self.separated(line, plain, schema, table);
        }
        if !line.contains('"') {
            return self.fill(line.split(',').map(Cow::Borrowed), DecimalMark::Point, schema, table);
        }
        self.fill(csv::cells(line), DecimalMark::Point, schema, table)
    }

    pub fn separated(
        &mut self,
        line: &str,
        Separated { separator, decimal, .. }: Separated,
        schema: &Schema,
        table: &mut ColumnBuilder,
    ) -> Result<(), String> {
        self.fill(csv::cells_by(line, separator), decimal, schema, table)?;
        self.join(|index| csv::cells_by(line, separator).nth(index), schema, table);
        Ok(())
    }

    pub fn weatherlink(
        &mut self,
        line: &str,
        layout: Layout,
        schema: &Schema,
        table: &mut ColumnBuilder,
    ) -> Result<(), String> {
        let cells = || weatherlink::cells(line, layout.doubled_tabs);
        self.fill(cells().map(Cow::Borrowed), DecimalMark::Either, schema, table)?;
        self.join(|index| cells().nth(index).map(Cow::Borrowed), schema, table);
        Ok(())
    }

    /// The names of headers that no column has, and that came for the first time since the last call.
    pub fn take_new_names(&mut self) -> Vec<String> {
        self.unmatched.take_new()
    }

    /// What is to be told of the columns' units.
    pub fn take_unit_notices(&mut self) -> Vec<UnitNotice> {
        let mut notices = self.units.take_notices();
        notices.extend(self.marks.take_notice());
        notices
    }

    /// The place of a column that is made of several cells.
    pub fn joined(&self) -> Option<usize> {
        self.time.as_ref().map(|(_, place)| *place)
    }

    /// Joins the cells of the time.
    fn join<'a>(&self, cell: impl Fn(usize) -> Option<Cow<'a, str>>, schema: &Schema, table: &mut ColumnBuilder) {
        let Some((cells, place)) = &self.time else { return };
        let mut joined = String::new();
        for part in cells.iter().filter_map(|index| cell(*index)) {
            let Some(part) = crate::data::cell::text(part.trim()) else {
                joined.clear();
                break;
            };
            if !joined.is_empty() {
                joined.push(' ');
            }
            joined.push_str(part);
        }
        table.set_text(schema.columns()[*place].slot, Some(joined.as_str()).filter(|joined| !joined.is_empty()));
    }

    fn fill<'a>(
        &mut self,
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
                    let column = &schema.columns()[*place];
                    let in_doubt = self.tells_marks && mark == DecimalMark::Either && column.kind == Kind::Number;
                    wrong = if in_doubt && self.marks.see(&column.name, &cell) {
                        table.refuse(column, || cell_hints::in_doubt(&column.name, &cell))
                    } else {
                        table.set_cell_by(column, &cell, mark)
                    };
                }
                (None, _) => surplus |= !cell.trim().is_empty(),
                _ => {}
            }
            count += 1;
        }
        // For a row that is too short, the length is the reason, not a cell in the wrong column. Empty cells at the end
        // are none.
        if count >= self.named && !surplus {
            self.units.convert(table);
            return wrong;
        }
        let source = if matches!(self.header, Some(Some(_))) { "header" } else { "schema" };
        Err(format!("{count} cells, but the {source} names {} columns", self.places.len()))
    }
}

/// The names in the header of rows of a format.
pub(crate) fn names(header: &str, format: Format) -> Vec<String> {
    match format {
        Format::Csv => csv::names(header, b','),
        Format::Separated(Separated { separator, .. }) => csv::names(header, separator),
        _ => header.split('\t').map(str::to_owned).collect(),
    }
}

/// The cells that make the time together, where the header names them and not the column itself: those that the rules
/// give, or the `Date` and `Time` of a WeatherLink export.
fn time_cells(names: &[String], format: Format, schema: &Schema, decoding: &Decoding) -> Option<(Vec<usize>, usize)> {
    let export = || matches!(format, Format::WeatherLink(_)).then(|| vec!["Date".to_owned(), "Time".to_owned()]);
    let (name, from) = match &decoding.time {
        Some(time) if !time.from.is_empty() => (time.name.as_str(), time.from.clone()),
        Some(time) => (time.name.as_str(), export()?),
        None => ("dateTime", export()?),
    };
    let column = schema.get(name).filter(|column| column.kind == Kind::Text)?;
    let find = |wanted: &String| names.iter().position(|name| name == wanted);
    let cells: Vec<usize> = from.iter().map(find).collect::<Option<_>>()?;
    let named = names.contains(&column.name) && decoding.time.as_ref().is_none_or(|time| time.from.is_empty());
    (!named).then_some((cells, schema.place(&column.name)?))
}

pub(super) fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes)
        .map_err(|error| Broken::not_utf8(bytes[error.valid_up_to()], error.valid_up_to()).to_string())
}
