//! The first step: from the bytes of a bucket to a message.

use std::sync::Arc;

use schemars::JsonSchema;

use super::Entry;
use crate::data::{Bucket, Column, Message, Schema, order_by};
use crate::format::{BadCells, BadRow, Decoder, Decoding, UnitNotice};

/// Reads rows by the schema: numbers in strings are numbers; `---`, empty, null and NaN are missing.
#[derive(JsonSchema)]
struct PrepareParameters {}

pub(super) const ENTRY: Entry = Entry::fixed::<PrepareParameters>("prepare");

/// Decodes bucket after bucket.
pub struct Prepare {
    decoder: Decoder,
    sort: Option<Column>,
    warned: bool,
}

impl Prepare {
    /// A decoder into messages of this schema.
    pub fn new(schema: Arc<Schema>, decoding: Arc<Decoding>) -> Prepare {
        Prepare { decoder: Decoder::new(schema, decoding), sort: None, warned: false }
    }

    /// The rows of each message in the order of this column.
    pub fn sorted_by(self, sort: Option<Column>) -> Prepare {
        Prepare { sort, ..self }
    }

    /// The keys without a column that have come for the first time, and are to be told.
    pub fn unknown_keys(&mut self) -> Vec<String> {
        self.decoder.unknown_keys()
    }

    /// What is to be told of columns that come in two units: the column, and the text.
    pub fn take_unit_notices(&mut self) -> Vec<UnitNotice> {
        self.decoder.take_unit_notices()
    }

    /// The cells of the last bucket that could not be read, and are missing.
    pub fn take_bad_cells(&mut self) -> BadCells {
        self.decoder.take_bad_cells()
    }

    /// The message of a bucket, and the rows that can't be read.
    pub fn apply(&mut self, bucket: &Bucket) -> (Message, Vec<BadRow>) {
        let (message, bad) = self.decoder.decode(bucket);
        let Some(column) = &self.sort else { return (message, bad) };
        let (order, missing) = order_by(&message, column);
        if missing && !self.warned {
            self.warned = true;
            tracing::warn!(
                "rows without a number or a date in {} come last in their messages: buffer.sort",
                column.name
            );
        }
        let Some(order) = order else { return (message, bad) };
        let sorted = message.take_rows(&order);
        message.recycle();
        (sorted, bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Format, Kind, Origin, Row};

    #[test]
    fn rows_are_sorted_and_keep_their_ids() {
        let schema = Arc::new(Schema::new([("t", Kind::Number), ("at", Kind::Text)]));
        let mut bucket = Bucket::new(3, 10);
        for bytes in [r#"{"t":1,"at":"2024-03-01T12:10"}"#, "{", r#"{"t":2}"#, r#"{"t":3,"at":"2024-03-01T12:05"}"#] {
            let row = Row { bytes: bytes.as_bytes(), format: Format::Json, header: None };
            bucket.push(row, 0, Origin { topic: "t".into(), position: 1 });
        }
        let sort = schema.get("at").cloned();
        let (message, bad) = Prepare::new(schema, Arc::default()).sorted_by(sort).apply(&bucket);
        assert_eq!((message.epoch, &message.ids[..], message.column(0)), (3, &[13, 10, 12][..], &[3.0, 1.0, 2.0][..]));
        assert_eq!((message.texts[0].get(0), bad[0].index), (Some("2024-03-01T12:05"), 1));
    }
}
