//! JSON objects, cell by cell, without a tree or a string per row.

use std::fmt;

use super::column_builder::ColumnBuilder;
use super::column_units::UnitNotice;
use super::decoding::Decoding;
use super::json_cursor::{JsonCell, JsonCursor};
use super::json_layout::{CellSink, JsonLayout};
use super::path;
use super::units::Conversion;
use crate::data::{Column, Kind, Row, Schema};

/// Reads JSON rows by the layout of those before.
pub(crate) struct JsonReader {
    rows: JsonLayout,
    /// The layout of the objects around rows.
    outer: JsonLayout,
    /// The object around the rows that come now.
    around: Around,
}

/// The cells that the rows of one payload have in common.
struct Around {
    /// The address of its bytes in the bucket that is being read.
    stands: Option<(usize, usize)>,
    /// Its cells, as an open row that is written anew for each object.
    cells: ColumnBuilder,
    /// The places of the columns that it fills.
    filled: Vec<usize>,
    failure: Option<String>,
}

impl JsonReader {
    pub fn new(schema: &Schema, decoding: &Decoding) -> JsonReader {
        let layout = || JsonLayout::new(schema, decoding);
        let cells = ColumnBuilder::new(schema, 1).by(decoding.cells.clone());
        let around = Around { stands: None, cells, filled: Vec::new(), failure: None };
        JsonReader { rows: layout(), outer: layout(), around }
    }

    /// Starts another bucket.
    pub fn begin(&mut self) {
        self.around.stands = None;
    }

    /// The keys of rows that no column takes, and that came for the first time since the last call.
    pub fn take_new_names(&mut self) -> Vec<String> {
        self.rows.take_new_names()
    }

    /// What is to be told of the columns' units.
    pub fn take_unit_notices(&mut self) -> Vec<UnitNotice> {
        let mut notices = self.rows.take_unit_notices();
        notices.append(&mut self.outer.take_unit_notices());
        notices
    }

    /// Reads one object into the builder's open row. A column that it has no key for has the value of the object
    /// around it, which is the row's header.
    ///
    /// # Errors
    /// Bytes that are no object, or a cell that is none of its column.
    pub fn read(
        &mut self,
        row: Row<'_>,
        schema: &Schema,
        decoding: &Decoding,
        table: &mut ColumnBuilder,
    ) -> Result<(), String> {
        if let Some(header) = row.header {
            self.read_around(header.names, schema, decoding, table);
            if let Some(reason) = &self.around.failure {
                return Err(reason.clone());
            }
        }
        let around = row.header.is_some().then_some(&self.around);
        if let Some(around) = around {
            around.filled.iter().for_each(|place| around.copy(*place, schema, table));
        }
        read_cells(&mut self.rows, row.bytes, schema, decoding, &mut RowCells { schema, table, around })
    }

    fn read_around(&mut self, bytes: &[u8], schema: &Schema, decoding: &Decoding, table: &mut ColumnBuilder) {
        // Within a bucket an address is that of one object only: it is read once, however many rows are in it.
        let stands = Some((bytes.as_ptr().addr(), bytes.len()));
        if self.around.stands == stands {
            return;
        }
        let Around { cells, filled, .. } = &mut self.around;
        cells.reject();
        filled.clear();
        let mut around = AroundCells { schema, cells, filled };
        let failure = read_cells(&mut self.outer, bytes, schema, decoding, &mut around).err();
        if failure.is_none() {
            table.add_bad_cells_of(&mut self.around.cells);
        }
        (self.around.stands, self.around.failure) = (stands, failure);
    }
}

/// Hands the cells of an object to a sink.
///
/// # Errors
/// Bytes that are no object, or the first column whose cell it can't hold.
#[inline]
fn read_cells(
    layout: &mut JsonLayout,
    bytes: &[u8],
    schema: &Schema,
    decoding: &Decoding,
    sink: &mut impl CellSink,
) -> Result<(), String> {
    layout.read(bytes, schema, decoding, sink).or_else(|_| {
        // A cell that counts may come behind the one that can't be held.
        let mut cells = LastCells { sink, refused: Vec::new() };
        layout.read(bytes, schema, decoding, &mut cells)?;
        cells.refused.into_iter().next().map_or(Ok(()), |(_, reason)| Err(reason))
    })
}

/// Cells of an object of which some can't be held.
struct LastCells<'a, S> {
    sink: &'a mut S,
    /// The places of columns whose last cell can't be held, and why.
    refused: Vec<(usize, String)>,
}

impl<S: CellSink> CellSink for LastCells<'_, S> {
    fn put(&mut self, place: usize, cell: JsonCell<'_>) -> Result<(), String> {
        self.refused.retain(|(refused, _)| *refused != place);
        if let Err(reason) = self.sink.put(place, cell) {
            self.refused.push((place, reason));
        }
        Ok(())
    }

    fn convert(&mut self, place: usize, conversion: Conversion) {
        self.sink.convert(place, conversion);
    }

    fn take_back(&mut self, place: usize) {
        self.refused.retain(|(refused, _)| *refused != place);
        self.sink.take_back(place);
    }
}

impl Around {
    /// Copies a cell into the open row.
    fn copy(&self, place: usize, schema: &Schema, table: &mut ColumnBuilder) {
        table.copy_cell(&schema.columns()[place], &self.cells);
    }
}

/// The cells of a row.
struct RowCells<'a> {
    schema: &'a Schema,
    table: &'a mut ColumnBuilder,
    around: Option<&'a Around>,
}

impl CellSink for RowCells<'_> {
    #[inline(always)]
    fn put(&mut self, place: usize, cell: JsonCell<'_>) -> Result<(), String> {
        fill(&self.schema.columns()[place], cell, self.table)
    }

    fn convert(&mut self, place: usize, conversion: Conversion) {
        self.table.convert(self.schema.columns()[place].slot, conversion);
    }

    fn take_back(&mut self, place: usize) {
        match self.around.filter(|around| around.filled.contains(&place)) {
            Some(around) => around.copy(place, self.schema, self.table),
            None => self.table.clear(&self.schema.columns()[place]),
        }
    }
}

/// The cells of an object around rows.
struct AroundCells<'a> {
    schema: &'a Schema,
    cells: &'a mut ColumnBuilder,
    filled: &'a mut Vec<usize>,
}

impl CellSink for AroundCells<'_> {
    fn put(&mut self, place: usize, cell: JsonCell<'_>) -> Result<(), String> {
        self.filled.push(place);
        fill(&self.schema.columns()[place], cell, self.cells)
    }

    fn convert(&mut self, place: usize, conversion: Conversion) {
        self.cells.convert(self.schema.columns()[place].slot, conversion);
    }

    fn take_back(&mut self, place: usize) {
        self.filled.retain(|filled| *filled != place);
    }
}

/// Puts a cell into the open row.
#[inline(always)]
fn fill(column: &Column, cell: JsonCell<'_>, table: &mut ColumnBuilder) -> Result<(), String> {
    match (column.kind, cell) {
        (_, JsonCell::Text(text)) => return table.set_cell(column, &text),
        (_, JsonCell::Nested) => {
            return table.refuse(column, || {
                format!(
                    "column {}: a nested value: name what is in it by a path, such as {0}.key or {0}[0]",
                    column.name
                )
            });
        }
        (_, JsonCell::Null) => table.clear(column),
        (Kind::Number, cell) => table.set_number(column.slot, number(&cell)),
        (Kind::Text, JsonCell::Number(number)) => table.set_text(column.slot, Some(number.text())),
        (Kind::Text, cell) => table.set_text(column.slot, Some(&cell.to_string())),
    }
    Ok(())
}

#[inline(always)]
fn number(cell: &JsonCell<'_>) -> f64 {
    match cell {
        JsonCell::Number(number) => number.value(),
        JsonCell::Bool(value) => f64::from(u8::from(*value)),
        JsonCell::Infinity { negative: true } => f64::NEG_INFINITY,
        JsonCell::Infinity { negative: false } => f64::INFINITY,
        JsonCell::Null | JsonCell::Text(_) | JsonCell::Nested => f64::NAN,
    }
}

impl fmt::Display for JsonCell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JsonCell::Null | JsonCell::Nested => Ok(()),
            JsonCell::Bool(value) => value.fmt(f),
            JsonCell::Number(number) => f.write_str(number.text()),
            JsonCell::Infinity { negative } => f.write_str(if *negative { "-inf" } else { "inf" }),
            JsonCell::Text(text) => text.fmt(f),
        }
    }
}

/// Calls `f` for every value of a row that is no object, with its path; one without a path of its own, as in an array
/// inside of it, is left out.
///
/// # Errors
/// Bytes that are neither an object nor an array.
pub(crate) fn each_value(bytes: &[u8], f: &mut impl FnMut(&str, &JsonCell<'_>)) -> Result<(), String> {
    let mut cursor = JsonCursor::new(bytes);
    match cursor.peek() {
        Some(b'[') => elements(&mut cursor, f)?,
        _ => members("", &mut cursor, f)?,
    }
    cursor.end()
}

/// The values of a row that is an array.
fn elements(cursor: &mut JsonCursor<'_>, f: &mut impl FnMut(&str, &JsonCell<'_>)) -> Result<(), String> {
    cursor.open(b'[')?;
    let (mut more, mut index) = (!cursor.close(b']'), 0);
    while more {
        match cursor.cell()? {
            JsonCell::Nested => {}
            cell => f(&format!("[{index}]"), &cell),
        }
        index += 1;
        more = cursor.another(b']')?;
    }
    Ok(())
}

fn members(prefix: &str, cursor: &mut JsonCursor<'_>, f: &mut impl FnMut(&str, &JsonCell<'_>)) -> Result<(), String> {
    cursor.open(b'{')?;
    let mut more = !cursor.close(b'}');
    while more {
        let key = cursor.string()?;
        cursor.expect(b':')?;
        let inside = cursor.peek() == Some(b'{');
        let name = if prefix.is_empty() && !inside {
            key.into_owned()
        } else {
            let mut name = prefix.to_owned();
            path::append_key(&mut name, &key);
            name
        };
        match inside {
            true => members(&name, cursor, f)?,
            false => match cursor.cell()? {
                JsonCell::Nested => {}
                cell => f(&name, &cell),
            },
        }
        more = cursor.another(b'}')?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Format, Header};

    struct JsonRows {
        schema: Schema,
        decoding: Decoding,
        reader: JsonReader,
    }

    impl JsonRows {
        fn new(columns: &[(&str, Kind)], keys: &[(&str, &str)], units: bool) -> JsonRows {
            let schema = Schema::new(columns.iter().copied());
            let mut decoding = Decoding { units, ..Decoding::default() };
            keys.iter().for_each(|(column, key)| decoding.keys.insert(column, key).unwrap());
            let reader = JsonReader::new(&schema, &decoding);
            JsonRows { schema, decoding, reader }
        }

        /// The cells of a row, numbers first.
        fn read(&mut self, row: &str, around: Option<&str>) -> Result<Vec<String>, String> {
            let mut table = ColumnBuilder::new(&self.schema, 1);
            let header = around.map(|around| Header::read(around.as_bytes()));
            let row = Row { bytes: row.as_bytes(), format: Format::Json, header };
            self.reader.begin();
            self.reader.read(row, &self.schema, &self.decoding, &mut table)?;
            table.accept(0);
            let message = table.finish(0);
            let numbers = message.flat().iter().map(f64::to_string).collect::<Vec<_>>();
            Ok([numbers, message.texts.iter().map(|text| text.get(0).unwrap_or("-").to_owned()).collect()].concat())
        }

        fn cells(&mut self, row: &str) -> String {
            self.read(row, None).unwrap().join(" ")
        }
    }

    fn numbers(names: &[&str]) -> JsonRows {
        JsonRows::new(&names.iter().map(|name| (*name, Kind::Number)).collect::<Vec<_>>(), &[], false)
    }

    #[test]
    fn paths_lead_to_values_at_any_depth() {
        let mut rows = numbers(&["t", "a.t", "a.b.t", "a.b.u", "l[1].t", "l[0][1]", "s[k=P1].v", "s[k=7].v"]);
        let row = r#"{"x": {"t": 9}, "a": {"b": {"u": 4, "t": 3, "z": [{}]}, "t": 2}, "t": 1,
            "l": [[0, 6], {"t": 5}, {"t": 0}], "s": [{"v": "7", "k": "P1"}, {"k": 7, "v": 8}, {"k": "P2", "v": 0}]}"#;
        for _ in 0..2 {
            assert_eq!(rows.cells(row), "1 2 3 4 5 6 7 8");
        }
        for missing in [
            "{}",
            r#"{"a": null, "l": null, "s": null}"#,
            r#"{"a": {"b": null}, "l": [], "s": [null, 7, {"k": null, "v": 1}]}"#,
            r#"{"a": 7, "l": {"t": 1}, "s": {"k": "P1", "v": 1}}"#,
            r#"{"a": [{"t": 1}], "l": "x", "s": "P1"}"#,
        ] {
            assert_eq!(rows.cells(missing), "NaN NaN NaN NaN NaN NaN NaN NaN", "{missing}");
        }
    }

    #[test]
    fn rows_may_be_arrays_and_json_in_texts() {
        let mut rows = numbers(&["[0]", "[2].t", "[3][1]"]);
        assert_eq!(rows.cells(r#"[1, 9, {"t": 2}, [9, 3], 9]"#), "1 2 3");
        assert_eq!(rows.cells("[null]"), "NaN NaN NaN");
        let around = rows.read("[1]", Some(r#"{"[2].t": 5}"#)).unwrap();
        assert_eq!(around, ["1", "5", "NaN"]);
        let wrong = numbers(&["t"]).read("[1]", None).unwrap_err();
        assert!(wrong.contains("`[0]`"), "{wrong}");
        let mut rows = JsonRows::new(
            &[("o.t", Kind::Number), ("o.l[1]", Kind::Number), ("a[0]", Kind::Number), ("o", Kind::Text)],
            &[],
            false,
        );
        let text = r#"{"o": " {\"t\": 1.50, \"l\": [0, 2]}", "a": "[3]"}"#;
        assert_eq!(rows.cells(text), r#"1.5 2 3 {"t": 1.50, "l": [0, 2]}"#);
        for other in [r#"{"o": "{\"t\": 1", "a": "x"}"#, r#"{"o": "", "a": "3"}"#, r#"{"o": "{} x", "a": "{}"}"#] {
            assert!(rows.cells(other).starts_with("NaN NaN NaN "), "{other}: {}", rows.cells(other));
        }
        // The whole row is in a text.
        assert_eq!(rows.cells(r#""{\"o\": {\"t\": 4}}""#), "4 NaN NaN -");
        assert!(rows.read(r#""no object""#, None).is_err());
    }

    #[test]
    fn an_exact_key_wins_wherever_it_stands() {
        let mut rows = numbers(&["a.b"]);
        for row in [r#"{"a.b": 1, "a": {"b": 2}}"#, r#"{"a": {"b": 2}, "a.b": 1}"#] {
            assert_eq!(rows.cells(row), "1");
        }
        assert_eq!(rows.cells(r#"{"a.b": null, "a": {"b": 2}}"#), "NaN");
        assert_eq!(rows.cells(r#"{"a": {"b": 2}}"#), "2");
        let mut rows = JsonRows::new(&[("t", Kind::Number)], &[], true);
        for row in [r#"{"t": 1, "t_F": 2}"#, r#"{"t_C": 2, "t": 1}"#] {
            assert_eq!(rows.cells(row), "1");
        }
        assert_eq!(rows.cells(r#"{"t_C": 2}"#), "2");
    }

    #[test]
    fn of_a_key_that_comes_twice_the_last_one_counts() {
        let mut rows = numbers(&["t", "a.t", "a.u"]);
        assert_eq!(rows.cells(r#"{"t": 1, "t": 2, "a": {"t": 3, "u": 4}, "a": {"u": 5}}"#), "2 NaN 5");
        assert_eq!(rows.cells(r#"{"t": 1, "a": {"t": 3}, "a": null}"#), "1 NaN NaN");
        let around = r#"{"a": {"t": 6}}"#;
        assert_eq!(rows.read(r#"{"a": {"t": 3}, "a": {"u": 5}}"#, Some(around)).unwrap(), ["NaN", "6", "5"]);
        // A column that holds a value in one row and an object in another.
        let mut rows = numbers(&["a", "a.t"]);
        assert_eq!((rows.cells(r#"{"a": {"t": 1}}"#), rows.cells(r#"{"a": 2}"#)), ("NaN 1".into(), "2 NaN".into()));
        assert_eq!(rows.cells(r#"{"a": 2, "a": {"t": 1}}"#), "NaN 1");
    }

    #[test]
    fn a_cell_that_cannot_be_held_is_nothing_where_another_one_counts() {
        let mut rows = numbers(&["a.b", "t"]);
        for (row, around, expected) in [
            (r#"{"a": {"b": {}}, "a.b": 3, "t": 1}"#, None, Ok("3 1")),
            (r#"{"t": "warm", "a.b": 3, "t": 1}"#, None, Ok("3 1")),
            (r#"{"t": "warm", "t": null, "a": {"b": "x"}, "a": {}}"#, None, Ok("NaN NaN")),
            ("{}", Some(r#"{"t": [], "t": 2, "a": {"b": 4}}"#), Ok("4 2")),
            (r#"{"a.b": {}, "a": {"b": 3}}"#, None, Err("column a.b")),
            (r#"{"t": 1, "t": "warm", "a.b": "x"}"#, None, Err("column t")),
        ] {
            let read = rows.read(row, around).map(|cells| cells.join(" "));
            match expected {
                Ok(cells) => assert_eq!(read.as_deref(), Ok(cells), "{row}"),
                Err(column) => assert!(read.as_ref().is_err_and(|reason| reason.contains(column)), "{row}: {read:?}"),
            }
        }
    }

    #[test]
    fn columns_are_read_from_other_keys() {
        let columns = [("temp", Kind::Number), ("device", Kind::Text), ("id", Kind::Text)];
        let keys = [("temp", "u[\"p.q\"].t"), ("device", "name")];
        let mut rows = JsonRows::new(&columns, &keys, false);
        let row = r#"{"temp": 9, "device": "x", "u": {"p.q": {"t": 1.5}}, "name": 1.10, "id": 89490200001234567890}"#;
        assert_eq!(rows.cells(row), "1.5 1.10 89490200001234567890");
    }

    #[test]
    fn rows_have_what_they_lack_from_around_them() {
        let columns = [("t", Kind::Number), ("d.ts", Kind::Number), ("d.id", Kind::Text)];
        let mut rows = JsonRows::new(&columns, &[], false);
        let around = r#"{"t": 9, "d": {"ts": 7, "id": 1.0, "rows": []}}"#;
        let mut read = |row: &str, around: &str| rows.read(row, Some(around)).map(|cells| cells.join(" "));
        assert_eq!(read(r#"{"t": 1}"#, around), Ok("1 7 1.0".into()));
        assert_eq!(read(r#"{"t": null, "d": {"ts": 8}}"#, around), Ok("NaN 8 1.0".into()));
        assert_eq!(read("{}", around), Ok("9 7 1.0".into()));
        assert!(read("{}", r#"{"t": "warm"}"#).unwrap_err().contains("column t"));
        assert_eq!(read("{}", "{}"), Ok("NaN NaN -".into()));
    }

    #[test]
    fn keys_that_come_and_go_are_found() {
        let mut rows = numbers(&["a", "b", "c"]);
        for (row, expected) in [
            (r#"{"a": 1, "x": 0, "b": 2, "y": [], "c": 3}"#, "1 2 3"),
            (r#"{"a": 1, "b": 2, "c": 3}"#, "1 2 3"),
            (r#"{"c": 3, "\u0061": 1, "b": 2}"#, "1 2 3"),
            (r#"{"c": 3, "\u0061": 1, "b": 2}"#, "1 2 3"),
            (r#"{"b": 2}"#, "NaN 2 NaN"),
            (r#"{"a": 1, "x": {"a": 5}, "b": 2, "c": 3}"#, "1 2 3"),
        ] {
            assert_eq!(rows.cells(row), expected, "{row}");
        }
        for wrong in ["", "{", "{\"a\": 1,}", "{\"a\" 1}", "{\"a\": 1 \"b\": 2}", "{\"a\": 1} x", "{a: 1}", "[1]", "7"]
        {
            let reason = rows.read(wrong, None).unwrap_err();
            assert!(reason.contains("EOF") || reason.starts_with("no JSON"), "{wrong}: {reason}");
            assert_eq!(rows.cells(r#"{"a": 1, "b": 2, "c": 3}"#), "1 2 3");
        }
    }
}
