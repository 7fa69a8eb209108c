//! Infers a schema from rows.

use std::collections::HashMap;
use std::sync::Arc;

use crate::data::{Format, Header, Kind, Row, Schema};
use crate::format::cell_rules::CellRules;
use crate::format::json_cursor::JsonCell;
use crate::format::row_cells::cells_of;
use crate::format::seen_cells::SeenCells;
use crate::format::{Framing, cells, csv, json};

/// Names in their order of appearance; a column is a number if every value present reads as one that keeps its digits, or
/// if every one is true or false.
#[derive(Default)]
pub struct Inference {
    columns: Vec<(String, SeenCells)>,
    places: HashMap<String, usize>,
    header: Vec<u8>,
    /// The number of the last header line.
    line: Option<u64>,
    names: Vec<String>,
    weatherlink: bool,
    /// How cells are read, where that is said.
    rules: Option<Arc<CellRules>>,
    /// Whether rows of CSV are said to have no header.
    has_no_header: bool,
}

/// A schema that rows turned out to have.
pub struct Inferred {
    /// The columns.
    pub schema: Schema,
    /// Columns of texts that would be numbers if a key of the dataflow file said so: their names, and what to say.
    pub doubts: Vec<(String, String)>,
}

impl From<Schema> for Inferred {
    fn from(schema: Schema) -> Inferred {
        Inferred { schema, doubts: Vec::new() }
    }
}

impl Inference {
    /// From rows whose cells are read in this way.
    pub fn by(framing: &Framing) -> Inference {
        let has_no_header = framing.csv.header == Some(false);
        Inference { rules: framing.decoding.cells.clone(), has_no_header, ..Inference::default() }
    }

    /// Takes in a row; an unreadable one is ignored.
    pub fn observe(&mut self, row: Row<'_>) {
        self.take_in(row, None);
    }

    /// Takes in a row of a file, with its line.
    pub fn observe_at(&mut self, row: Row<'_>, line: u64) {
        self.take_in(row, Some(line));
    }

    fn take_in(&mut self, row: Row<'_>, line: Option<u64>) {
        match row.format {
            Format::Json => {
                self.object(row.bytes);
                self.around(row.header);
            }
            Format::Csv | Format::Separated(_) | Format::WeatherLink(_) => self.cells(row, line),
            Format::Broken(_) => {}
        }
    }

    /// Takes in a header that may have no rows.
    pub fn observe_header(&mut self, header: &[u8], format: Format) {
        if self.header == header {
            return;
        }
        self.names = cells::names(&String::from_utf8_lossy(header), format);
        // Separators at the line's end name nothing.
        self.names.truncate(csv::named(&self.names));
        self.header = header.to_vec();
        self.weatherlink |= matches!(format, Format::WeatherLink(_));
        for name in self.names.clone() {
            self.column(&name);
        }
    }

    /// Takes in a column that levels of topics are the values of: a text, where the rows have none of that name.
    pub fn observe_level(&mut self, name: &str) {
        if !self.places.contains_key(name) {
            self.column(name).take_level();
        }
    }

    /// The schema of all that was observed, and what is doubtful in it.
    pub fn found(self) -> Inferred {
        let doubts = self.columns.iter().filter_map(|(name, cells)| Some((name.clone(), cells.doubt()?)));
        let doubts = doubts.collect();
        Inferred { doubts, schema: self.schema() }
    }

    /// The schema of all that was observed.
    pub fn schema(self) -> Schema {
        let dated = self.places.contains_key("Date") && self.places.contains_key("Time");
        let date_time = (self.weatherlink && dated).then(|| ("dateTime".to_owned(), Kind::Text));
        let columns = self.columns.into_iter().map(|(name, cells)| (name, cells.kind()));
        Schema::new(columns.chain(date_time))
    }

    fn column(&mut self, name: &str) -> &mut SeenCells {
        let place = self.places.get(name).copied().unwrap_or_else(|| {
            self.places.insert(name.to_owned(), self.columns.len());
            self.columns.push((name.to_owned(), SeenCells::default()));
            self.columns.len() - 1
        });
        &mut self.columns[place].1
    }

    fn object(&mut self, bytes: &[u8]) {
        // The first pass checks whether the row can be read at all.
        if json::each_value(bytes, &mut |_, _| {}).is_err() {
            return;
        }
        let rules = self.rules.clone();
        let _ = json::each_value(bytes, &mut |name, cell| {
            let column = self.column(name);
            match &cell {
                JsonCell::Text(text) => column.take_json_text(name, text, rules.as_deref()),
                JsonCell::Number(number) => column.take_json_number(number.text(), number.value(), rules.as_deref()),
                JsonCell::Bool(_) => column.take_boolean(),
                JsonCell::Infinity { .. } => column.take_number(),
                JsonCell::Null | JsonCell::Nested => {}
            }
        });
    }

    /// The object around rows, once for those that follow each other.
    fn around(&mut self, header: Option<Header<'_>>) {
        if let Some(Header { names, line }) = header
            && (line.is_none() || line != self.line)
            && self.header != names
        {
            self.object(names);
            (self.header, self.line) = (names.to_vec(), line);
        }
    }

    fn cells(&mut self, row: Row<'_>, at: Option<u64>) {
        if let Some(Header { names, line }) =
            row.header.filter(|header| header.line.is_none() || header.line != self.line)
        {
            self.observe_header(names, row.format);
            self.line = line;
        }
        let Some((cells, mark)) = cells_of(row) else { return };
        if self.has_no_header && row.header.is_none() && self.names.is_empty() {
            // As pandas names them.
            self.names = (0..cells.len()).map(|place| place.to_string()).collect();
            for name in self.names.clone() {
                self.column(&name);
            }
        }
        if cells.len() < self.names.len() {
            return;
        }
        for (name, cell) in self.names.iter().zip(cells) {
            self.columns[self.places[name]].1.take(name, &cell, (mark, self.rules.as_deref()), at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{BadCell, CsvOptions, Decoding};

    fn kinds(rows: &[Row<'_>]) -> Vec<(String, Kind)> {
        let mut inference = Inference::default();
        rows.iter().for_each(|row| inference.observe(*row));
        inference.schema().into()
    }

    #[test]
    fn a_number_is_a_column_whose_every_value_reads_as_one() {
        let row = |bytes| Row { bytes, format: Format::Csv, header: Some(Header::read(b"a,b,c")) };
        let kinds = kinds(&[row(b"1,x,"), row(b"---,2,"), row(b"\"3\",4,nan")]);
        assert_eq!(kinds, [("a".into(), Kind::Number), ("b".into(), Kind::Text), ("c".into(), Kind::Number)]);
    }

    /// Regression: no column was found, and each row was a dead letter.
    #[test]
    fn columns_of_rows_without_a_header_are_numbered() {
        let csv = CsvOptions { header: Some(false), ..CsvOptions::default() };
        let mut inference = Inference::by(&Framing { csv, ..Framing::default() });
        for bytes in [&b"1,x,"[..], b"2,3,4", b"5,6"] {
            inference.observe(Row { bytes, format: Format::Csv, header: None });
        }
        let columns: Vec<(String, Kind)> = inference.schema().into();
        assert_eq!(columns, [("0".into(), Kind::Number), ("1".into(), Kind::Text), ("2".into(), Kind::Number)]);
    }

    #[test]
    fn cells_are_read_as_it_is_said() {
        let (missing, words) = (["offline".to_owned()], [("ON".to_owned(), 1.0)].into());
        let cells = CellRules::new(missing, words, (None, Some(',')), BadCell::Row).map(Arc::new);
        let decoding = Arc::new(Decoding { cells, ..Decoding::default() });
        let mut inference = Inference::by(&Framing { decoding, ..Framing::default() });
        let row = |format, bytes, header| Row { bytes, format, header };
        inference.observe(row(Format::Json, br#"{"a": "1,234", "b": "offline", "c": "OFF"}"#, None));
        inference.observe(row(Format::Csv, b"\"1,234\",ON,1", Some(Header::read(b"a,d,c"))));
        let columns: Vec<(String, Kind)> = inference.schema().into();
        let kinds: Vec<_> = columns.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
        assert_eq!(kinds, [("a", Kind::Number), ("b", Kind::Number), ("c", Kind::Text), ("d", Kind::Number)]);
    }

    /// Regression: 1234567890123456789 and ...790 became one number, and an id with an E in it was beyond all numbers.
    #[test]
    fn ids_stay_texts() {
        let json = |bytes| Row { bytes, format: Format::Json, header: None };
        let csv = |bytes| Row { bytes, format: Format::Csv, header: Some(Header::read(b"long,eui,plz,ns")) };
        let of_json = kinds(&[
            json(br#"{"long": 1234567890123456789, "eui": "0004E30000010530", "id": "0012"}"#),
            json(br#"{"ns": 1709294400000000000, "zero": "0", "fraction": "00.5", "inf": "inf"}"#),
        ]);
        let of_csv = kinds(&[csv(b"1234567890123456789,0004E30000010530,01067,1709294400000000000")]);
        let texts = |kinds: Vec<(String, Kind)>| {
            kinds.into_iter().filter(|(_, kind)| *kind == Kind::Text).map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(texts(of_json), ["long", "eui", "id"]);
        // As in pandas, zeros before a number in CSV say nothing.
        assert_eq!(texts(of_csv), ["long", "eui"]);
    }

    #[test]
    fn columns_of_true_and_false_are_numbers() {
        let row = |bytes| Row { bytes, format: Format::Json, header: None };
        let kinds = kinds(&[
            row(br#"{"a": true, "b": "True", "c": 1, "d": true, "e": null}"#),
            row(br#"{"a": false, "b": null, "c": false, "d": "x", "e": true}"#),
        ]);
        let (number, text) = (Kind::Number, Kind::Text);
        let kinds: Vec<_> = kinds.iter().map(|(_, kind)| *kind).collect();
        assert_eq!(kinds, [number, number, text, text, number]);
    }

    #[test]
    fn texts_that_are_numbers_in_another_notation_are_told() {
        let row = |bytes| Row { bytes, format: Format::Json, header: None };
        let mut inference = Inference::default();
        inference.observe(row(br#"{"a": "21,5", "b": "21,5", "c": "x", "d": "3 V", "e": "1"}"#));
        inference.observe(row(br#"{"a": "22,5", "b": "warm", "c": "1,5", "d": null, "e": 2}"#));
        let doubts = inference.found().doubts;
        let names: Vec<&str> = doubts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "d"]);
        assert!(
            doubts[0].1.contains("\"21,5\": say decimal = \",\"") && doubts[1].1.contains("unit = { d"),
            "{doubts:?}"
        );
    }

    #[test]
    fn nested_keys_are_paths() {
        let row = |bytes| Row { bytes, format: Format::Json, header: None };
        let kinds = kinds(&[
            row(br#"{"a.b": 1, "c": {"d": {"e": "x"}, "f.g": null, "h": [1]}}"#),
            row(br#"{"c": null, "d": {}, "c": {"d": 5}}"#),
        ]);
        let names: Vec<_> = kinds.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
        let (number, text) = (Kind::Number, Kind::Text);
        assert_eq!(names, [("a.b", number), ("c.d.e", text), ("c[\"f.g\"]", number), ("c", number), ("c.d", number)]);
    }

    #[test]
    fn json_keys_in_order_of_appearance() {
        let row = |bytes| Row { bytes, format: Format::Json, header: None };
        let kinds = kinds(&[row(br#"{"b": "1.5", "a": null}"#), row(b"broken"), row(br#"{"c": "N", "b": 2}"#)]);
        assert_eq!(kinds, [("b".into(), Kind::Number), ("a".into(), Kind::Number), ("c".into(), Kind::Text)]);
    }
}
