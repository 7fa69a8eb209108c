//! From the bytes of a bucket to the columns of a message.

use std::sync::Arc;

use super::cells::{HeaderMap, utf8};
use super::column_builder::{BadCells, ColumnBuilder};
use super::column_units::UnitNotice;
use super::decoding::Decoding;
use super::json::JsonReader;
use super::topic_levels::TopicLevels;
use super::unmatched_names::refuse_foreign;
use super::written_time::{TimeReading, WrittenTime};
use crate::data::{Bucket, Format, Message, Row, Schema};

/// A row of a bucket that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Its place in the bucket, from 0.
    pub index: usize,
    /// Why it cannot be read.
    pub reason: String,
}

/// Decodes buckets by a schema; the layout of one row is reused for the next.
pub struct Decoder {
    schema: Arc<Schema>,
    /// The schema with the cells that make the time.
    reading: Arc<Schema>,
    decoding: Arc<Decoding>,
    header: HeaderMap,
    json: JsonReader,
    bad_cells: BadCells,
    time: Option<WrittenTime>,
    levels: TopicLevels,
}

impl Decoder {
    /// A decoder to rows of a schema.
    pub fn new(schema: Arc<Schema>, decoding: Arc<Decoding>) -> Decoder {
        let reading = WrittenTime::reading(&schema, &decoding);
        let time = decoding.time.as_ref().and_then(|time| WrittenTime::of(time, &reading, &decoding));
        let json = JsonReader::new(&reading, &decoding);
        let header = HeaderMap::of(schema.columns().len());
        let (levels, bad_cells) = Default::default();
        Decoder { schema, reading, decoding, header, json, bad_cells, time, levels }
    }

    /// Decodes all readable rows; the others are returned with the reason.
    pub fn decode(&mut self, bucket: &Bucket) -> (Message, Vec<BadRow>) {
        self.header.begin();
        self.json.begin();
        let read = self.read(bucket);
        // A decimal comma of a row tells what the points of those before it are.
        if self.header.must_reread() { self.read(bucket) } else { read }
    }

    fn read(&mut self, bucket: &Bucket) -> (Message, Vec<BadRow>) {
        let mut table = ColumnBuilder::new(&self.reading, bucket.len()).by(self.decoding.cells.clone());
        let mut bad = Vec::new();
        let mut topics = bucket.raw.topics().peekable();
        for (index, row) in bucket.raw.rows().enumerate() {
            if let Some((_, topic)) = topics.next_if(|(rows, _)| rows.start == index) {
                self.levels.see(topic, &self.reading, &self.decoding);
            }
            let read = self.row(row, &mut table).and_then(|()| self.refuse_foreign(row, &table));
            let read = read.and_then(|()| self.levels.fill(&self.reading, &mut table));
            let read = read.and_then(|()| self.time(row.format, bucket.metadata.is_second_pass(index), &mut table));
            match read {
                Ok(()) => table.accept(bucket.metadata.first_row + index as u64),
                Err(reason) => {
                    table.reject();
                    bad.push(BadRow { index, reason });
                }
            }
        }
        self.bad_cells = table.take_bad_cells();
        let mut message = table.finish(bucket.metadata.epoch);
        message.texts.truncate(self.schema.text_count());
        (message, bad)
    }

    /// Refuses a row without a value whose keys are no column's.
    fn refuse_foreign(&self, row: Row<'_>, table: &ColumnBuilder) -> Result<(), String> {
        if !matches!(row.format, Format::Json) || !table.is_open_row_blank() {
            return Ok(());
        }
        refuse_foreign(row, &self.schema, &self.decoding)
    }

    /// The names without a column that have come for the first time, and are to be told.
    pub fn unknown_keys(&mut self) -> Vec<String> {
        let mut names = self.header.take_new_names();
        names.append(&mut self.json.take_new_names());
        names
    }

    /// What is to be told of columns that come in two units, or may be of another one: the column, and the text.
    pub fn take_unit_notices(&mut self) -> Vec<UnitNotice> {
        let mut notices = self.header.take_unit_notices();
        notices.append(&mut self.json.take_unit_notices());
        notices.extend(self.time.as_mut().and_then(|time| time.take_doubt(&self.schema)));
        notices
    }

    /// The cells of the last bucket that could not be read, and are missing as `bad_cell` says.
    pub fn take_bad_cells(&mut self) -> BadCells {
        std::mem::take(&mut self.bad_cells)
    }

    /// Writes the time of the open row anew, as all behind it read it. `second`: of a local time that stands twice, it is
    /// the second one.
    fn time(&mut self, format: Format, second: bool, table: &mut ColumnBuilder) -> Result<(), String> {
        let order = match format {
            Format::WeatherLink(layout) => layout.order,
            Format::Separated(separated) => separated.order,
            _ => None,
        };
        let joined = self.header.joined().filter(|_| !matches!(format, Format::Json));
        let reading = TimeReading { order, second, joined: joined.is_some() };
        match (&mut self.time, format, joined) {
            (Some(time), ..) => time.write(reading, &self.reading, table),
            (None, Format::WeatherLink(_), Some(place)) => {
                WrittenTime::plain(place).write(reading, &self.reading, table)
            }
            _ => Ok(()),
        }
    }

    fn row(&mut self, row: Row<'_>, table: &mut ColumnBuilder) -> Result<(), String> {
        match row.format {
            Format::Json => self.json.read(row, &self.reading, &self.decoding, table),
            Format::Csv => {
                self.header.see(row, &self.reading, &self.decoding)?;
                self.header.csv(utf8(row.bytes)?, &self.reading, table)
            }
            Format::Separated(separated) => {
                self.header.see(row, &self.reading, &self.decoding)?;
                self.header.separated(utf8(row.bytes)?, separated, &self.reading, table)
            }
            Format::WeatherLink(layout) => {
                self.header.see(row, &self.reading, &self.decoding)?;
                self.header.weatherlink(utf8(row.bytes)?, layout, &self.reading, table)
            }
            Format::Broken(reason) => Err(reason.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Header, Kind, Layout, Origin};
    use crate::format::{BadCell, CellRules, TimeColumn, TimeRules, TimeUnit};

    fn schema() -> Arc<Schema> {
        Arc::new(Schema::new([("t", Kind::Text), ("a", Kind::Number), ("b", Kind::Number)]))
    }

    fn decode(format: Format, header: Option<&str>, rows: &[&str]) -> (Message, Vec<BadRow>) {
        let mut bucket = Bucket::new(0, 10);
        for bytes in rows {
            let row =
                Row { bytes: bytes.as_bytes(), format, header: header.map(|names| Header::read(names.as_bytes())) };
            bucket.push(row, 0, Origin { topic: "x".into(), position: 1 });
        }
        Decoder::new(schema(), Decoding::davis()).decode(&bucket)
    }

    #[test]
    fn json_with_strings_nulls_units_and_unknown_keys() {
        let rows = [
            r#"{"a": "1.5", "b_C": null, "t": 7, "x": [1]}"#,
            r#"{"b": -2e3, "a": NaN, "t": "two\nlines"}"#,
            r#"{"a": "---", "b": Infinity}"#,
        ];
        let (message, bad) = decode(Format::Json, None, &rows);
        assert_eq!(bad, []);
        assert_eq!(format!("{:?}", message.column(0)), "[1.5, NaN, NaN]");
        assert_eq!(format!("{:?}", message.column(1)), "[NaN, -2000.0, inf]");
        let texts: Vec<_> = (0..3).map(|row| message.texts[0].get(row)).collect();
        assert_eq!(texts, [Some("7"), Some("two\nlines"), None]);
    }

    #[test]
    fn bad_rows_name_the_column_and_leave_the_others_whole() {
        let rows = [
            r#"{"a": 1, "b": 2, "t": "x"}"#,
            r#"{"t": "lost", "b": 9, "a": "warm"}"#,
            r#"{"a": [1]}"#,
            r#"{"a": 1"#,
            "[1]",
            r#"{"a": 4}"#,
        ];
        let (message, bad) = decode(Format::Json, None, &rows);
        assert_eq!(message.ids, [10, 15]);
        assert_eq!(format!("{:?}{:?}", message.column(0), message.column(1)), "[1.0, 4.0][2.0, NaN]");
        assert_eq!((message.texts[0].get(0), message.texts[0].get(1)), (Some("x"), None));
        let reasons: Vec<_> = bad.iter().map(|bad| (bad.index, bad.reason.as_str())).collect();
        assert_eq!(reasons[0], (1, "column a: \"warm\" is not a number"));
        assert!(reasons[1].1.starts_with("column a: a nested value"), "{reasons:?}");
        assert!(reasons[2].1.contains("EOF"), "{reasons:?}");
        assert!(reasons[3].1.contains("object"), "{reasons:?}");
    }

    #[test]
    fn booleans_are_numbers_and_texts_keep_their_bytes() {
        let rows = [
            r#"{"a": true, "b": false, "t": 1.10}"#,
            r#"{"a": -nan, "b": -inf, "t": 89490200001234567890}"#,
            r#"{"t": true}"#,
        ];
        let (message, bad) = decode(Format::Json, None, &rows);
        assert_eq!(bad, []);
        let numbers = format!("{:?} {:?}", message.column(0), message.column(1));
        assert_eq!(numbers, "[1.0, NaN, NaN] [0.0, -inf, NaN]");
        let texts: Vec<_> = (0..3).map(|row| message.texts[0].get(row)).collect();
        assert_eq!(texts, [Some("1.10"), Some("89490200001234567890"), Some("true")]);
    }

    #[test]
    fn csv_by_header_with_quotes_and_by_schema_order_without() {
        let (message, bad) = decode(Format::Csv, Some("b,t"), &["1,\"x, \"\"y\"\"\"", "2", ",z"]);
        assert_eq!(message.texts[0].get(0), Some("x, \"y\""));
        assert_eq!(format!("{:?}{:?}", message.column(0), message.column(1)), "[NaN, NaN][1.0, NaN]");
        assert_eq!(bad[0].reason, "1 cells, but the header names 2 columns");
        let (message, bad) = decode(Format::Csv, None, &["s,1,2"]);
        assert_eq!((bad.len(), message.column(1)), (0, &[2.0][..]));
    }

    #[test]
    fn weatherlink_rows_get_a_date_time() {
        let schema = Arc::new(Schema::new([("Temp Out", Kind::Number), ("dateTime", Kind::Text)]));
        let mut bucket = Bucket::new(0, 0);
        let format = Format::WeatherLink(Layout { doubled_tabs: false, order: None });
        let row =
            Row { bytes: b"08/31/16\t5:45 a\t .5\r", format, header: Some(Header::read(b"Date\tTime\tTemp Out")) };
        bucket.push(row, 0, Origin { topic: "x".into(), position: 3 });
        let (message, bad) = Decoder::new(schema, Decoding::davis()).decode(&bucket);
        assert_eq!((bad.len(), message.column(0)), (0, &[0.5][..]));
        assert_eq!(message.texts[0].get(0), Some("2016-08-31T05:45:00"));
    }

    #[test]
    fn bad_cells_may_be_missing() {
        let cells =
            CellRules::new(["-999".to_owned()], [("ON".to_owned(), 1.0)].into(), (None, None), BadCell::Missing);
        let decoding = Decoding { cells: cells.map(Arc::new), ..Decoding::default() };
        let mut bucket = Bucket::new(0, 0);
        for bytes in
            [r#"{"a": "warm", "b": "ON"}"#, r#"{"a": [1], "b": -999}"#, r#"{"b": "true", "a": "-999.0"}"#, "[1]"]
        {
            let row = Row { bytes: bytes.as_bytes(), format: Format::Json, header: None };
            bucket.push(row, 0, Origin { topic: "x".into(), position: 1 });
        }
        let mut decoder = Decoder::new(schema(), Arc::new(decoding));
        let (message, bad) = decoder.decode(&bucket);
        assert_eq!((bad.len(), message.ids.as_slice()), (1, &[0, 1, 2][..]));
        assert!(message.column(0).iter().all(|x| x.is_nan()), "{:?}", message.column(0));
        assert_eq!((message.column(1)[0], message.column(1)[1].is_nan()), (1.0, true));
        let told = decoder.take_bad_cells();
        assert!(told.count >= 2, "{told:?}");
        assert_eq!(told.first.as_deref(), Some("column a: \"warm\" is not a number"));
        assert_eq!(decoder.take_bad_cells().count, 0);
    }

    #[test]
    fn a_bad_cell_around_rows_is_counted_once() {
        let cells = CellRules::new([], [].into(), (None, None), BadCell::Missing).map(Arc::new);
        let mut bucket = Bucket::new(0, 0);
        for around in [r#"{"a": "warm", "r": []}"#, r#"{"a": 5, "r": []}"#] {
            let header = Some(Header::read(around.as_bytes()));
            for bytes in [r#"{"b": 1}"#, r#"{"b": 2}"#] {
                let row = Row { bytes: bytes.as_bytes(), format: Format::Json, header };
                bucket.push(row, 0, Origin { topic: "x".into(), position: 1 });
            }
        }
        let mut decoder = Decoder::new(schema(), Arc::new(Decoding { cells, ..Decoding::default() }));
        let (message, bad) = decoder.decode(&bucket);
        assert_eq!(bad, []);
        assert_eq!(
            format!("{:?}{:?}", message.column(0), message.column(1)),
            "[NaN, NaN, 5.0, 5.0][1.0, 2.0, 1.0, 2.0]"
        );
        assert_eq!(decoder.take_bad_cells().count, 1);
    }

    #[test]
    fn bad_cells_of_refused_rows_are_not_told() {
        let cells = CellRules::new([], [].into(), (None, None), BadCell::Missing).map(Arc::new);
        let mut bucket = Bucket::new(0, 0);
        let mut push = |bytes: &str, around: Option<&str>| {
            let header = around.map(|around| Header::read(around.as_bytes()));
            let row = Row { bytes: bytes.as_bytes(), format: Format::Json, header };
            bucket.push(row, 0, Origin { topic: "x".into(), position: 1 });
        };
        push(r#"{"a": "refused", "b"}"#, None);
        push(r#"{"b": 1}"#, Some(r#"{"a": "around a refused one", "r": [}"#));
        push(r#"{"b": 2}"#, Some(r#"{"a": "taken", "r": []}"#));
        let mut decoder = Decoder::new(schema(), Arc::new(Decoding { cells, ..Decoding::default() }));
        assert_eq!(decoder.decode(&bucket).1.len(), 2);
        let told = decoder.take_bad_cells();
        assert_eq!((told.count, told.first.as_deref()), (1, Some("column a: \"taken\" is not a number")));
    }

    #[test]
    fn times_are_written_anew() {
        let schema = Arc::new(Schema::new([("when", Kind::Text), ("n", Kind::Number)]));
        let decode = |format, header: Option<&str>, time: TimeColumn, rows: &[&str]| {
            let mut bucket = Bucket::new(0, 0);
            for bytes in rows {
                let header = header.map(|names| Header::read(names.as_bytes()));
                let row = Row { bytes: bytes.as_bytes(), format, header };
                bucket.push(row, 0, Origin { topic: "x".into(), position: 1 });
            }
            bucket.metadata.mark_second_pass(1);
            let decoding = Decoding { time: Some(Arc::new(time)), ..Decoding::default() };
            let (message, bad) = Decoder::new(schema.clone(), Arc::new(decoding)).decode(&bucket);
            let texts = (0..message.rows()).map(|row| message.texts[0].get(row).unwrap_or("-").to_owned());
            (texts.collect::<Vec<_>>().join(" "), bad.into_iter().map(|bad| bad.reason).collect::<Vec<_>>())
        };
        let zone = Some(jiff::tz::TimeZone::get("Europe/Berlin").unwrap());
        let rules = TimeRules { zone, ..TimeRules::default() };
        let time = |from: &[&str], rules: &TimeRules| TimeColumn {
            name: "when".into(),
            from: from.iter().map(|name| (*name).to_owned()).collect(),
            key: None,
            rules: rules.clone(),
        };
        let (texts, bad) = decode(
            Format::Csv,
            Some("Date,n,Time"),
            time(&["Date", "Time"], &rules),
            &["30.10.16,1,2:30", "30.10.16,2,2:00", ",3,"],
        );
        assert_eq!(texts, "2016-10-30T02:30:00+02:00 2016-10-30T02:00:00+01:00 -");
        assert_eq!(bad, [] as [&str; 0]);
        let ms = TimeRules { unit: Some(TimeUnit::Ms), ..TimeRules::default() };
        let json = [r#"{"when": 1709294400000}"#, r#"{"when": "2024-03-01T12:00:00Z"}"#, r#"{"when": "soon"}"#];
        let (texts, bad) = decode(Format::Json, None, time(&[], &ms), &json);
        assert_eq!(texts, "2024-03-01T12:00:00Z 2024-03-01T12:00:00Z");
        assert_eq!(bad, ["column when: \"soon\" is not a time"]);
        let (texts, bad) =
            decode(Format::Csv, Some("when"), time(&[], &rules), &["6/1/23 12:00 AM", "6/13/23 1:15 PM"]);
        assert_eq!(texts, "2023-06-13T13:15:00+02:00");
        assert!(bad[0].contains("day-first"), "{bad:?}");
    }

    #[test]
    fn a_time_is_made_of_cells_that_need_no_column() {
        let decode = |columns: &[(&str, Kind)], from: &[&str], format, header: Option<&str>, rows: &[&str]| {
            let schema = Arc::new(Schema::new(columns.iter().copied()));
            let mut bucket = Bucket::new(0, 0);
            for bytes in rows {
                let header = header.map(|header| Header::read(header.as_bytes()));
                let row = Row { bytes: bytes.as_bytes(), format, header };
                bucket.push(row, 0, Origin { topic: "x".into(), position: 1 });
            }
            let from = from.iter().map(|name| (*name).to_owned()).collect();
            let time = TimeColumn { name: "t".into(), from, key: None, rules: TimeRules::default() };
            let mut decoding = Decoding { time: Some(Arc::new(time)), ..Decoding::default() };
            decoding.keys.insert("renamed", "Time").unwrap();
            let mut decoder = Decoder::new(schema.clone(), Arc::new(decoding));
            let (message, bad) = decoder.decode(&bucket);
            assert_eq!((bad, message.texts.len()), (vec![], schema.text_count()));
            assert_eq!(decoder.unknown_keys(), [] as [&str; 0]);
            let time = schema.get("t").unwrap().slot;
            let texts = (0..message.rows()).map(|row| message.texts[time].get(row).unwrap_or("-").to_owned());
            texts.collect::<Vec<_>>().join(" ")
        };
        let own = [("t", Kind::Text), ("v", Kind::Number)];
        let noon = "2024-03-01T12:30:00";
        for (columns, from, row) in [
            (&own[..], &["Date", "Time"][..], r#"{"Time": "12:30", "v": 1, "Date": "2024-03-01"}"#),
            (&own, &["Date"], r#"{"Date": "2024-03-01 12:30"}"#),
            (&own, &["m.d", "m.l[1]"], r#"{"v": 1, "m": {"l": [0, "12:30"], "d": "1.3.2024"}}"#),
            (&[own[0], ("Date", Kind::Text)], &["Date", "Time"], r#"{"Date": "2024-03-01", "Time": "12:30"}"#),
            (&[own[0], ("renamed", Kind::Text)], &["Date", "renamed"], r#"{"Date": "2024-03-01", "Time": "12:30"}"#),
            (&[own[0], ("renamed", Kind::Text)], &["Date", "Time"], r#"{"Date": "2024-03-01", "Time": "12:30"}"#),
            (&own, &["t", "Time"], r#"{"t": "2024-03-01", "Time": "12:30"}"#),
            // What the row has itself stands over what is made.
            (&own, &["Date"], r#"{"t": "2024-03-01 12:30", "Date": "2023-01-01"}"#),
        ] {
            assert_eq!(decode(columns, from, Format::Json, None, &[row]), noon, "{row}");
        }
        let numbers = [own[0], ("H", Kind::Number)];
        assert_eq!(decode(&numbers, &["D", "H"], Format::Json, None, &[r#"{"D": "1.3.24", "H": 1230}"#]), noon);
        let rows = [r#"{"v": 1, "Time": "12:30"}"#, r#"{"Date": "2024-03-01", "Time": null}"#];
        assert_eq!(decode(&own, &["Date", "Time"], Format::Json, None, &rows), "- -");
        // Cells stand for columns in their order, those of the time where it stands.
        assert_eq!(decode(&own, &["Date", "Time"], Format::Csv, None, &["2024-03-01,12:30,5"]), noon);
        assert_eq!(decode(&own, &["t", "Time"], Format::Csv, None, &["2024-03-01,12:30,5"]), noon);
        assert_eq!(decode(&own, &["t", "Time"], Format::Csv, Some("t,Time,v"), &["2024-03-01,12:30,5"]), noon);
        let around = Some(r#"{"Date": "2024-03-01", "rows": []}"#);
        assert_eq!(decode(&own, &["Date", "Time"], Format::Json, around, &[r#"{"Time": "12:30"}"#]), noon);
    }

    #[test]
    fn numbers_that_are_hardly_seconds_are_told_or_refused() {
        for (kind, rules, rows, refused, told) in [
            (Kind::Text, TimeRules::default(), ["45352.5", "45353"], 0, "spreadsheets"),
            (Kind::Number, TimeRules::default(), ["60", "120"], 0, "1970-01-01T00:01:00Z"),
            (Kind::Text, TimeRules::default(), ["20240301", "1709294400"], 1, ""),
            (Kind::Number, TimeRules::default(), ["20240301", "1709294400"], 1, ""),
            (Kind::Text, TimeRules { unit: Some(TimeUnit::S), ..TimeRules::default() }, ["20240301", "60"], 0, ""),
        ] {
            let mut bucket = Bucket::new(0, 0);
            for number in rows {
                let bytes = format!(r#"{{"t": {number}}}"#);
                let row = Row { bytes: bytes.as_bytes(), format: Format::Json, header: None };
                bucket.push(row, 0, Origin { topic: "x".into(), position: 1 });
            }
            let time = TimeColumn { name: "t".into(), from: Vec::new(), key: None, rules };
            let decoding = Decoding { time: Some(Arc::new(time)), ..Decoding::default() };
            let mut decoder = Decoder::new(Arc::new(Schema::new([("t", kind)])), Arc::new(decoding));
            let (_, bad) = decoder.decode(&bucket);
            assert_eq!(bad.len(), refused, "{rows:?} {bad:?}");
            assert!(bad.iter().all(|bad| bad.reason.contains("format = \"%Y%m%d\"")), "{bad:?}");
            let notices = decoder.take_unit_notices();
            assert_eq!(notices.len(), usize::from(!told.is_empty()), "{notices:?}");
            assert!(notices.iter().all(|(_, text)| text.contains(told)), "{notices:?}");
            decoder.decode(&bucket);
            assert!(decoder.take_unit_notices().is_empty());
        }
    }
}
