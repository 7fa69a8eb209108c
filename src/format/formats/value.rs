//! A payload that is one value: a number or a word. It is the column `value` of its row.

use super::row_taker::RowTaker;
use crate::data::Broken;
use crate::format::value;

/// Reads a payload as one value.
pub(super) fn read(payload: &[u8], rows: &mut dyn RowTaker) {
    if payload.trim_ascii().is_empty() {
        return rows.broken(payload, Broken::Empty);
    }
    match value::cell_of(payload, false) {
        Ok(cell) => rows.json(&value::object_of([("value", cell.as_str())])),
        Err(reason) => rows.broken(payload, reason),
    }
}

#[cfg(test)]
mod tests {
    use crate::format::formats::row_taker::rows_of;

    #[test]
    fn numbers_and_words_are_values() {
        for (payload, row) in [
            ("17.4", r#"{"value":17.4}"#),
            (" 12345678901234567890123\n", r#"{"value":12345678901234567890123}"#),
            ("ON", r#"{"value":"ON"}"#),
            ("\"ON\"", r#"{"value":"ON"}"#),
            ("true", r#"{"value":true}"#),
            ("2022-10-29 18:42:29", r#"{"value":"2022-10-29 18:42:29"}"#),
            ("a\tb\\", r#"{"value":"a\tb\\"}"#),
        ] {
            assert_eq!(rows_of(super::read, payload.as_bytes()), [row]);
        }
        assert_eq!(rows_of(super::read, b" \n"), ["broken: an empty payload"]);
        assert!(rows_of(super::read, &[0xff])[0].starts_with("broken: "));
        assert!(rows_of(super::read, b"{}")[0].starts_with("broken: an object or an array"));
    }
}
