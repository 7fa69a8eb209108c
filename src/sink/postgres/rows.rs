//! Rows as PostgreSQL's binary COPY takes them.

use std::io::{self, Write};
use std::ops::Range;

use crate::data::{Column, Kind, Message, event_microseconds};

/// How values of a column are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyForm {
    /// As they are: double precision, or text.
    Plain,
    /// As a timestamp.
    Time,
}

/// A column of the rows, as it is copied.
#[derive(Clone, Debug)]
pub struct CopyColumn {
    pub column: Column,
    pub form: CopyForm,
    /// The type of the table's column that would drop a fraction without a word.
    pub whole: Option<String>,
}

/// A row that cannot be written, by the place of its message and its own.
pub struct UnwritableRow {
    pub place: (usize, usize),
    pub reason: String,
}

/// Rows of several messages, encoded.
#[derive(Default)]
pub struct CopyRows {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Of each row the place of its message, and its own in that.
    places: Vec<(usize, usize)>,
}

/// Microseconds from 1970 to 2000, from which PostgreSQL counts.
const EPOCH: i64 = 946_684_800_000_000;

impl CopyRows {
    /// Encodes all rows but those that `left_out` names, with their numbers in front if `numbered`. A missing value is
    /// NULL, an infinite one stays infinite.
    pub fn encode<'a>(
        messages: impl Iterator<Item = &'a Message>,
        columns: &[CopyColumn],
        numbered: bool,
        left_out: impl Fn(&Message, usize) -> bool,
    ) -> (CopyRows, Vec<UnwritableRow>) {
        let (mut rows, mut unwritable) = (CopyRows::default(), Vec::new());
        let fields = (columns.len() + usize::from(numbered)) as i16;
        for (place, message) in messages.enumerate() {
            for row in (0..message.rows()).filter(|row| !left_out(message, *row)) {
                let start = rows.bytes.len();
                rows.bytes.extend(fields.to_be_bytes());
                if numbered {
                    push_field(&mut rows.bytes, &(rows.ends.len() as i64).to_be_bytes());
                }
                match columns.iter().try_for_each(|column| push(&mut rows.bytes, column, message, row)) {
                    Ok(()) => {
                        rows.ends.push(rows.bytes.len());
                        rows.places.push((place, row));
                    }
                    Err(reason) => {
                        rows.bytes.truncate(start);
                        unwritable.push(UnwritableRow { place: (place, row), reason });
                    }
                }
            }
        }
        (rows, unwritable)
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Where a row comes from.
    pub fn place(&self, row: usize) -> (usize, usize) {
        self.places[row]
    }

    /// Writes some rows as a whole COPY.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, rows: Range<usize>, to: &mut impl Write) -> io::Result<()> {
        /// What is sent at a time, in bytes.
        const PIECE: usize = 1 << 18;
        // The signature, no flags, no extension.
        to.write_all(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0")?;
        let start = rows.start.checked_sub(1).map_or(0, |before| self.ends[before]);
        let end = rows.end.checked_sub(1).map_or(0, |last| self.ends[last]);
        self.bytes[start..end].chunks(PIECE).try_for_each(|piece| to.write_all(piece))?;
        to.write_all(&(-1_i16).to_be_bytes())
    }
}

fn push_field(out: &mut Vec<u8>, value: &[u8]) {
    out.extend((value.len() as i32).to_be_bytes());
    out.extend_from_slice(value);
}

fn push(out: &mut Vec<u8>, of: &CopyColumn, message: &Message, row: usize) -> Result<(), String> {
    const NULL: [u8; 4] = (-1_i32).to_be_bytes();
    let CopyColumn { column, form, whole } = of;
    let (number, text) = match column.kind {
        Kind::Number => (Some(message.column(column.slot)[row]).filter(|x| !x.is_nan()), None),
        Kind::Text => (None, message.texts[column.slot].get(row)),
    };
    if let Some(r#type) = whole {
        let value = number.or_else(|| text?.trim().parse().ok());
        if let Some(value) = value.filter(|value| value.is_finite() && value.fract() != 0.0) {
            return Err(format!("{}: {value} has a fraction, which the table's {type} cannot hold", column.name));
        }
    }
    match (form, number, text) {
        (_, None, None) => out.extend(NULL),
        (CopyForm::Plain, Some(number), _) => push_field(out, &number.to_be_bytes()),
        (CopyForm::Plain, None, Some(text)) => push_field(out, text.as_bytes()),
        (CopyForm::Time, ..) => {
            let time = event_microseconds(message, column, row).ok_or_else(|| {
                let shown = text.map_or_else(|| number.unwrap_or_default().to_string(), str::to_owned);
                format!("{}: {shown:?} is no time between the years -9999 and 9999", column.name)
            })?;
            push_field(out, &(time - EPOCH).to_be_bytes());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Schema, TextColumn};

    /// Of PostgreSQL's manual, "COPY", "Binary Format": the header is 19 bytes, each tuple a 16-bit count of fields, each
    /// field a 32-bit length and its bytes, -1 for NULL; the trailer is a count of -1.
    #[test]
    fn the_binary_format_of_the_manual() {
        let schema = Schema::new([("t", Kind::Text), ("x", Kind::Number), ("at", Kind::Number)]);
        let mut text = TextColumn::default();
        [Some("ä"), None, Some("c")].into_iter().for_each(|value| text.push(value));
        let numbers = ndarray::array![[0.5, f64::NAN, f64::INFINITY], [946_684_801.000_001, f64::NAN, 1e300]];
        let message = Message::new(4, vec![7, 8, 9], numbers, vec![text]);
        let column = |name: &str, form| CopyColumn { column: schema.get(name).unwrap().clone(), form, whole: None };
        let columns = [column("t", CopyForm::Plain), column("x", CopyForm::Plain), column("at", CopyForm::Time)];
        let (rows, unwritable) = CopyRows::encode([&message].into_iter(), &columns, true, |_, _| false);
        assert_eq!((rows.len(), rows.place(1), unwritable.len()), (2, (0, 1), 1));
        assert_eq!(unwritable[0].place, (0, 2));
        assert!(unwritable[0].reason.starts_with("at: "), "{}", unwritable[0].reason);
        let mut bytes = Vec::new();
        rows.write(0..2, &mut bytes).unwrap();
        let mut expected = b"PGCOPY\n\xff\r\n\0".to_vec();
        expected.extend([0; 8]);
        expected.extend([0, 4, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0xc3, 0xa4]);
        expected.extend([0, 0, 0, 8, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x41]);
        expected.extend([0, 4, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1]);
        expected.extend([0xff; 12]);
        expected.extend([0xff, 0xff]);
        assert_eq!(bytes, expected);
        let mut second = Vec::new();
        rows.write(1..2, &mut second).unwrap();
        assert_eq!(second[19..], expected[19 + 44..]);
    }

    #[test]
    fn a_fraction_is_no_whole_number() {
        let schema = Schema::new([("t", Kind::Text), ("x", Kind::Number)]);
        let mut text = TextColumn::default();
        [Some("1.5"), Some("2"), None, Some("word")].into_iter().for_each(|value| text.push(value));
        let numbers = ndarray::array![[2.0, 0.4, f64::NAN, f64::INFINITY]];
        let message = Message::new(4, vec![7, 8, 9, 10], numbers, vec![text]);
        let whole = Some("smallint".to_owned());
        let column = |name: &str| CopyColumn {
            column: schema.get(name).unwrap().clone(),
            form: CopyForm::Plain,
            whole: whole.clone(),
        };
        let (rows, unwritable) =
            CopyRows::encode([&message].into_iter(), &[column("t"), column("x")], false, |_, _| false);
        let reasons: Vec<(usize, &str)> = unwritable.iter().map(|row| (row.place.1, row.reason.as_str())).collect();
        let expected = [
            (0, "t: 1.5 has a fraction, which the table's smallint cannot hold"),
            (1, "x: 0.4 has a fraction, which the table's smallint cannot hold"),
        ];
        assert_eq!((rows.len(), reasons), (2, expected.to_vec()));
    }
}
