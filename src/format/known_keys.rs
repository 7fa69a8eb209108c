//! JSON objects whose keys are in the order of the previous row: compared, not parsed.
//!
//! Only plain cases are read here, as stations write them; for anything else it returns `None`, and the general reader
//! reads the row or rejects it with a reason.

use crate::data::{Column, Kind, Schema};
use crate::format::column_builder::ColumnBuilder;
use crate::format::key_order::KeyOrder;

/// The powers of ten that an f64 holds exactly.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];
/// Integers up to here are exact in an f64.
const EXACT: u64 = 1 << 53;
/// The number of digits that fit in a u64.
const DIGITS: usize = 19;

/// Reads one object into the builder's open row.
pub(crate) fn read_row(bytes: &[u8], schema: &Schema, keys: &KeyOrder, table: &mut ColumnBuilder) -> Option<()> {
    let mut cursor = Cursor { rest: bytes };
    cursor.expect(b'{')?;
    for (index, (key, place)) in keys.keys.iter().enumerate() {
        if index > 0 {
            cursor.expect(b',')?;
        }
        cursor.key(key)?;
        cursor.expect(b':')?;
        let column = place.map(|place| &schema.columns()[place]);
        cursor.value(column, table)?;
        if cursor.peek() == Some(b'}') {
            break;
        }
    }
    cursor.expect(b'}')?;
    cursor.peek().is_none().then_some(())
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.rest.first().copied()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.rest = &self.rest[1..])
    }

    /// Reads a key with its quotes; an escaped key does not match.
    fn key(&mut self, key: &str) -> Option<()> {
        self.expect(b'"')?;
        self.rest = self.rest.strip_prefix(key.as_bytes())?.strip_prefix(b"\"")?;
        (!key.contains('\\')).then_some(())
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        taken
    }

    fn value(&mut self, column: Option<&Column>, table: &mut ColumnBuilder) -> Option<()> {
        match self.peek()? {
            b'"' => {
                let text = self.text()?;
                column.map_or(Some(()), |column| table.set_cell(column, text).ok())
            }
            b'n' => {
                self.rest = self.rest.strip_prefix(b"null")?;
                match column {
                    Some(Column { kind: Kind::Number, slot, .. }) => table.set_number(*slot, f64::NAN),
                    Some(Column { kind: Kind::Text, slot, .. }) => table.set_text(*slot, None),
                    None => {}
                }
                Some(())
            }
            _ => {
                let number = self.number()?;
                match column {
                    Some(Column { kind: Kind::Number, slot, .. }) => table.set_number(*slot, number.value()?),
                    Some(Column { kind: Kind::Text, slot, .. }) => table.set_text(*slot, Some(number.natural()?)),
                    None => {}
                }
                Some(())
            }
        }
    }

    /// A string without escapes.
    fn text(&mut self) -> Option<&'a str> {
        self.rest = &self.rest[1..];
        let end = self.rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
        let text = self.take(end);
        self.expect_here(b'"')?;
        std::str::from_utf8(text).ok()
    }

    fn expect_here(&mut self, byte: u8) -> Option<()> {
        self.rest = self.rest.strip_prefix(&[byte])?;
        Some(())
    }

    /// A number without an exponent.
    fn number(&mut self) -> Option<Number<'a>> {
        let start = self.rest;
        let negative = self.expect_here(b'-').is_some();
        let mut mantissa = 0;
        let whole = self.digits(&mut mantissa);
        let leading_zero = whole > 1 && start[usize::from(negative)] == b'0';
        let mut fraction = 0;
        if self.expect_here(b'.').is_some() {
            fraction = self.digits(&mut mantissa);
            if fraction == 0 {
                return None;
            }
        }
        let plain = whole > 0 && whole + fraction <= DIGITS && !leading_zero;
        if !plain || matches!(self.rest.first(), Some(b'e' | b'E')) {
            return None;
        }
        let text = &start[..start.len() - self.rest.len()];
        Some(Number { text, negative, mantissa, fraction })
    }

    /// Appends digits to a number, which wraps if there are too many; returns how many.
    fn digits(&mut self, mantissa: &mut u64) -> usize {
        let before = self.rest.len();
        while let [digit @ b'0'..=b'9', rest @ ..] = self.rest {
            *mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.rest = rest;
        }
        before - self.rest.len()
    }
}

/// A decimal number as written in the text.
struct Number<'a> {
    text: &'a [u8],
    negative: bool,
    mantissa: u64,
    fraction: usize,
}

impl<'a> Number<'a> {
    /// The nearest f64. A quotient of two exact f64s is rounded once (W. D. Clinger, How to Read Floating Point
    /// Numbers Accurately, 1990).
    fn value(&self) -> Option<f64> {
        if self.mantissa > EXACT {
            return std::str::from_utf8(self.text).ok()?.parse().ok();
        }
        let size = self.mantissa as f64 / TENS[self.fraction];
        Some(if self.negative { -size } else { size })
    }

    /// Its text, if the general reader would write the same: a natural number.
    fn natural(&self) -> Option<&'a str> {
        let natural = !self.negative && self.fraction == 0 && self.text.len() < DIGITS;
        if natural { std::str::from_utf8(self.text).ok() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Decoding, json};
    use proptest::prelude::*;

    fn schema() -> Schema {
        Schema::new([("a", Kind::Number), ("t", Kind::Text), ("b", Kind::Number)])
    }

    /// A row as read after a row with `keys`, by this reader and by the general one.
    fn both(keys: &str, row: &str) -> [Option<String>; 2] {
        let schema = schema();
        let shown = |table: ColumnBuilder| {
            let message = table.finish(0);
            format!(
                "{:?} {:?}",
                message.flat().iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
                message.texts[0].get(0)
            )
        };
        let mut order = KeyOrder::default();
        json::read_row(keys.as_bytes(), &schema, &Decoding::default(), &mut order, &mut ColumnBuilder::new(&schema, 1))
            .unwrap();
        let mut known = ColumnBuilder::new(&schema, 1);
        let read = read_row(row.as_bytes(), &schema, &order, &mut known).map(|()| {
            known.accept(0);
            shown(known)
        });
        let mut general = ColumnBuilder::new(&schema, 1);
        let general =
            json::read_row(row.as_bytes(), &schema, &Decoding::default(), &mut KeyOrder::default(), &mut general)
                .ok()
                .map(|()| {
                    general.accept(0);
                    shown(general)
                });
        [read, general]
    }

    const KEYS: &str = r#"{"a": 1, "x": 0, "t": "", "b": 2}"#;

    #[test]
    fn plain_rows_are_read_here() {
        for row in [
            r#"{"a": -0.25, "x": 7, "t": "é ok", "b": 30.000000000000004}"#,
            r#"{"a":null,"x":"y","t":null,"b":"---"} "#,
            r#"{"a": 0, "x": 1.50, "t": 12, "b": 9007199254740993}"#,
            r#"{"a": -0}"#,
        ] {
            let [known, general] = both(KEYS, row);
            assert!(known.is_some(), "{row}");
            assert_eq!(known, general, "{row}");
        }
    }

    #[test]
    fn the_others_are_left_to_the_general_reader() {
        for row in [
            "",
            "{",
            "{}",
            r#"{"a": 1,}"#,
            r#"{"a": 01}"#,
            r#"{"a": 1.}"#,
            r#"{"a": -}"#,
            r#"{"a": 1e5}"#,
            r#"{"a": .5}"#,
            r#"{"a": "warm"}"#,
            r#"{"a": true}"#,
            r#"{"a": 1} x"#,
            r#"{"a": 1, "x": [1]}"#,
            r#"{"b": 1}"#,
            r#"{"a": 1, "x": 0, "t": "\n"}"#,
            r#"{"a": 1, "x": 0, "t": 1.50}"#,
            r#"{"a": 1, "x": 0, "t": "", "b": 2, "c": 3}"#,
            r#"{"a": 123456789012345678901234567890}"#,
            r#"{"a" 1}"#,
            r#"{"a": 1 "x": 2}"#,
        ] {
            assert_eq!(both(KEYS, row)[0], None, "{row}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_here_equals_the_general_reader(
            number in "-?[0-9]{1,20}(\\.[0-9]{0,20})?([eE]-?[0-9]{1,3})?",
            text in "[a-z0-9 \"\\\\é\\n-]{0,8}",
            end in "[ }\\],]{1,2}",
        ) {
            let row = format!(r#"{{"a": {number}, "x": {number}, "t": "{text}", "b": "{number}"{end}"#);
            let [known, general] = both(KEYS, &row);
            prop_assert!(known.is_none() || known == general, "{row}: {known:?}, not {general:?}");
        }

        #[test]
        fn shortest_numbers_read_back(x in proptest::num::f64::NORMAL) {
            let row = format!(r#"{{"a": {x}}}"#);
            let [known, general] = both(KEYS, &row);
            prop_assert!(known.is_none() || known == general, "{row}");
        }
    }
}
