//! From the bytes of a bucket to the columns of a message.

use std::sync::Arc;

use super::cells::{HeaderMap, utf8};
use super::column_builder::{BadCells, ColumnBuilder};
use super::decoding::Decoding;
use super::json;
use super::key_order::KeyOrder;
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
    decoding: Arc<Decoding>,
    header: HeaderMap,
    keys: KeyOrder,
    bad_cells: u64,
}

impl Decoder {
    /// A decoder to rows of a schema.
    pub fn new(schema: Arc<Schema>, decoding: Arc<Decoding>) -> Decoder {
        Decoder { schema, decoding, header: HeaderMap::default(), keys: KeyOrder::default(), bad_cells: 0 }
    }

    /// Decodes all readable rows; the others are returned with the reason.
    pub fn decode(&mut self, bucket: &Bucket) -> (Message, Vec<BadRow>) {
        self.header.begin();
        let mut table = ColumnBuilder::new(&self.schema, bucket.len()).by(self.decoding.cells.clone());
        let mut bad = Vec::new();
        for (index, row) in bucket.raw.rows().enumerate() {
            match self.row(row, &mut table) {
                Ok(()) => table.accept(bucket.metadata.first_row + index as u64),
                Err(reason) => {
                    table.reject();
                    bad.push(BadRow { index, reason });
                }
            }
        }
        self.tell(table.take_bad_cells());
        (table.finish(bucket.metadata.epoch), bad)
    }

    /// Bad cells are told once, then counted.
    fn tell(&mut self, BadCells { count, first }: BadCells) {
        if count > 0 && self.bad_cells == 0 {
            let first = first.unwrap_or_default();
            tracing::warn!("{first}: it is missing, as bad_cell says; further bad cells are only counted");
        }
        self.bad_cells += count;
    }

    fn row(&mut self, row: Row<'_>, table: &mut ColumnBuilder) -> Result<(), String> {
        match row.format {
            Format::Json => json::read_row(row.bytes, &self.schema, &self.decoding, &mut self.keys, table),
            Format::Csv => {
                self.header.see(row, &self.schema, &self.decoding)?;
                self.header.csv(utf8(row.bytes)?, &self.schema, table)
            }
            Format::Separated(separated) => {
                self.header.see(row, &self.schema, &self.decoding)?;
                self.header.separated(utf8(row.bytes)?, separated, &self.schema, table)
            }
            Format::WeatherLink(layout) => {
                self.header.see(row, &self.schema, &self.decoding)?;
                self.header.weatherlink(utf8(row.bytes)?, layout, &self.schema, table)
            }
            Format::Broken(reason) => Err(reason.to_string()),
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        if self.bad_cells > 1 {
            tracing::warn!("{} bad cells are missing, as bad_cell says", self.bad_cells);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Header, Kind, Layout, Origin};

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
            r#"{"a": true}"#,
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
        assert_eq!(reasons[1], (2, "column a: true is not a number"));
        assert!(reasons[2].1.contains("EOF"), "{reasons:?}");
        assert!(reasons[3].1.contains("object"), "{reasons:?}");
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
        let format = Format::WeatherLink(Layout { doubled_tabs: false, day_first: false });
        let row =
            Row { bytes: b"08/31/16\t5:45 a\t .5\r", format, header: Some(Header::read(b"Date\tTime\tTemp Out")) };
        bucket.push(row, 0, Origin { topic: "x".into(), position: 3 });
        let (message, bad) = Decoder::new(schema, Decoding::davis()).decode(&bucket);
        assert_eq!((bad.len(), message.column(0)), (0, &[0.5][..]));
        assert_eq!(message.texts[0].get(0), Some("2016-08-31T05:45:00"));
    }
}
