//! MessagePack (github.com/msgpack/msgpack, spec.md), one item or several: a map is a row, an array holds rows. Timestamps
//! are seconds since 1970; other extensions are their bytes.

use rmp::Marker;

use super::binary::{self, Cursor};
use super::row_taker::RowTaker;
use crate::data::{Defect, Lookalike};
use crate::format::json_writer;

/// Reads a payload of items.
pub(super) fn read(payload: &[u8], rows: &mut dyn RowTaker) {
    binary::read(Lookalike::MessagePack, push_item, payload, rows);
}

/// Whether a payload can be nothing but rows in MessagePack.
pub(super) fn is_msgpack(payload: &[u8]) -> bool {
    binary::holds_rows(push_item, payload)
}

fn marker(cursor: &mut Cursor<'_>) -> Result<Marker, Defect> {
    cursor.array::<1>().map(|[byte]| Marker::from_u8(byte))
}

fn push_item(cursor: &mut Cursor<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), Defect> {
    let marker = marker(cursor)?;
    match marker {
        Marker::Null => out.extend_from_slice(b"null"),
        Marker::False => out.extend_from_slice(b"false"),
        Marker::True => out.extend_from_slice(b"true"),
        Marker::F32 => json_writer::push_number(out, f32::from_be_bytes(cursor.array()?).into()),
        Marker::F64 => json_writer::push_number(out, f64::from_be_bytes(cursor.array()?)),
        Marker::Reserved => return Err(Defect::Value),
        _ => {
            if let Some(value) = integer(marker, cursor)? {
                json_writer::push_integer(out, value);
            } else if let Some(length) = text_length(marker, cursor)? {
                json_writer::push_text(out, cursor.text(length)?);
            } else if let Some(length) = bytes_length(marker, cursor)? {
                binary::push_bytes(out, cursor.take(length)?);
            } else if let Some(length) = extension_length(marker, cursor)? {
                push_extension(cursor, out, length)?;
            } else {
                return push_nested(marker, cursor, out, depth.checked_sub(1).ok_or(Defect::Deep)?);
            }
        }
    }
    Ok(())
}

fn push_nested(marker: Marker, cursor: &mut Cursor<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), Defect> {
    let push_item = |cursor: &mut Cursor<'_>, out: &mut Vec<u8>| push_item(cursor, out, depth);
    let array = match marker {
        Marker::FixArray(length) => Some(length.into()),
        Marker::Array16 => Some(length16(cursor)?),
        Marker::Array32 => Some(length32(cursor)?),
        _ => None,
    };
    if let Some(length) = array {
        return binary::push_array(cursor, out, binary::counted(length), push_item);
    }
    let length = match marker {
        Marker::FixMap(length) => length.into(),
        Marker::Map16 => length16(cursor)?,
        Marker::Map32 => length32(cursor)?,
        _ => return Err(Defect::Value),
    };
    binary::push_map(cursor, out, binary::counted(length), push_key, push_item)
}

fn push_key(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Defect> {
    let marker = marker(cursor)?;
    if let Some(length) = text_length(marker, cursor)? {
        json_writer::push_key(out, cursor.text(length)?);
    } else if let Some(key) = integer(marker, cursor)? {
        json_writer::push_key(out, &key.to_string());
    } else {
        return Err(Defect::Key);
    }
    Ok(())
}

fn length8(cursor: &mut Cursor<'_>) -> Result<usize, Defect> {
    cursor.array().map(|bytes| u8::from_be_bytes(bytes).into())
}

fn length16(cursor: &mut Cursor<'_>) -> Result<usize, Defect> {
    cursor.array().map(|bytes| u16::from_be_bytes(bytes).into())
}

fn length32(cursor: &mut Cursor<'_>) -> Result<usize, Defect> {
    cursor.array().map(|bytes| u32::from_be_bytes(bytes) as usize)
}

fn integer(marker: Marker, cursor: &mut Cursor<'_>) -> Result<Option<i128>, Defect> {
    Ok(Some(match marker {
        Marker::FixPos(value) => value.into(),
        Marker::FixNeg(value) => value.into(),
        Marker::U8 => u8::from_be_bytes(cursor.array()?).into(),
        Marker::U16 => u16::from_be_bytes(cursor.array()?).into(),
        Marker::U32 => u32::from_be_bytes(cursor.array()?).into(),
        Marker::U64 => u64::from_be_bytes(cursor.array()?).into(),
        Marker::I8 => i8::from_be_bytes(cursor.array()?).into(),
        Marker::I16 => i16::from_be_bytes(cursor.array()?).into(),
        Marker::I32 => i32::from_be_bytes(cursor.array()?).into(),
        Marker::I64 => i64::from_be_bytes(cursor.array()?).into(),
        _ => return Ok(None),
    }))
}

fn text_length(marker: Marker, cursor: &mut Cursor<'_>) -> Result<Option<usize>, Defect> {
    match marker {
        Marker::FixStr(length) => Ok(Some(length.into())),
        Marker::Str8 => length8(cursor).map(Some),
        Marker::Str16 => length16(cursor).map(Some),
        Marker::Str32 => length32(cursor).map(Some),
        _ => Ok(None),
    }
}

fn bytes_length(marker: Marker, cursor: &mut Cursor<'_>) -> Result<Option<usize>, Defect> {
    match marker {
        Marker::Bin8 => length8(cursor).map(Some),
        Marker::Bin16 => length16(cursor).map(Some),
        Marker::Bin32 => length32(cursor).map(Some),
        _ => Ok(None),
    }
}

fn extension_length(marker: Marker, cursor: &mut Cursor<'_>) -> Result<Option<usize>, Defect> {
    match marker {
        Marker::FixExt1 => Ok(Some(1)),
        Marker::FixExt2 => Ok(Some(2)),
        Marker::FixExt4 => Ok(Some(4)),
        Marker::FixExt8 => Ok(Some(8)),
        Marker::FixExt16 => Ok(Some(16)),
        Marker::Ext8 => length8(cursor).map(Some),
        Marker::Ext16 => length16(cursor).map(Some),
        Marker::Ext32 => length32(cursor).map(Some),
        _ => Ok(None),
    }
}

fn push_extension(cursor: &mut Cursor<'_>, out: &mut Vec<u8>, length: usize) -> Result<(), Defect> {
    const TIMESTAMP: i8 = -1;
    let kind = i8::from_be_bytes(cursor.array()?);
    let data = cursor.take(length)?;
    if kind != TIMESTAMP {
        binary::push_bytes(out, data);
        return Ok(());
    }
    const SECONDS: u64 = (1 << 34) - 1;
    let (seconds, nanos) = match *data {
        [a, b, c, d] => (u32::from_be_bytes([a, b, c, d]).into(), 0),
        [a, b, c, d, e, f, g, h] => {
            let both = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            ((both & SECONDS) as i64, (both >> 34) as u32)
        }
        [a, b, c, d, ref seconds @ ..] => {
            let seconds: [u8; 8] = seconds.try_into().map_err(|_| Defect::Value)?;
            (i64::from_be_bytes(seconds), u32::from_be_bytes([a, b, c, d]))
        }
        _ => return Err(Defect::Value),
    };
    if nanos >= 1_000_000_000 {
        return Err(Defect::Value);
    }
    push_seconds(out, i128::from(seconds) * 1_000_000_000 + i128::from(nanos));
    Ok(())
}

/// Appends nanoseconds as seconds, with all their digits.
fn push_seconds(out: &mut Vec<u8>, nanos: i128) {
    let (sign, size) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
    let text = format!("{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000);
    out.extend_from_slice(text.trim_end_matches('0').trim_end_matches('.').as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::formats::binary::MAX_DEPTH;
    use crate::format::formats::row_taker::rows_of;

    fn map(value: &[u8]) -> Vec<u8> {
        [&[0x81, 0xa1, b'v'][..], value].concat()
    }

    #[test]
    fn every_type_of_the_specification_is_read() {
        let long = |marker: &[u8], length: usize, byte: u8| [marker, &vec![byte; length][..]].concat();
        let seconds = |bytes: &[u8]| [&[0xc7, 12, 0xff][..], bytes].concat();
        for (bytes, json) in [
            (vec![0xc0], "null".to_owned()),
            (vec![0xc2], "false".into()),
            (vec![0xc3], "true".into()),
            (vec![0x7f], "127".into()),
            (vec![0xe0], "-32".into()),
            (vec![0xcc, 0xff], "255".into()),
            (vec![0xcd, 1, 0], "256".into()),
            (vec![0xce, 1, 0, 0, 0], "16777216".into()),
            (long(&[0xcf], 8, 0xff), "18446744073709551615".into()),
            (vec![0xd0, 0x80], "-128".into()),
            (vec![0xd1, 0x80, 0], "-32768".into()),
            (vec![0xd2, 0x80, 0, 0, 0], "-2147483648".into()),
            (vec![0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0], "-9223372036854775808".into()),
            (vec![0xca, 0x3f, 0xc0, 0, 0], "1.5".into()),
            (vec![0xcb, 0xc0, 0x10, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66], "-4.1".into()),
            (vec![0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0], "\"inf\"".into()),
            (vec![0xa2, b'"', b'x'], r#""\"x""#.into()),
            (long(&[0xd9, 40], 40, b'x'), format!("\"{}\"", "x".repeat(40))),
            (long(&[0xda, 1, 0], 256, b'x'), format!("\"{}\"", "x".repeat(256))),
            (long(&[0xdb, 0, 1, 0, 0], 65536, b'x'), format!("\"{}\"", "x".repeat(65536))),
            (vec![0xc4, 4, 1, 2, 3, 4], "\"AQIDBA\"".into()),
            (vec![0xc5, 0, 1, 1], "\"AQ\"".into()),
            (vec![0xc6, 0, 0, 0, 1, 1], "\"AQ\"".into()),
            (vec![0x92, 1, 0x91, 2], "[1,[2]]".into()),
            (vec![0xdc, 0, 1, 1], "[1]".into()),
            (vec![0xdd, 0, 0, 0, 1, 1], "[1]".into()),
            (vec![0x82, 0xa1, b'a', 1, 7, 2], r#"{"a":1,"7":2}"#.into()),
            (vec![0xde, 0, 1, 0xa1, b'a', 1], r#"{"a":1}"#.into()),
            (vec![0xdf, 0, 0, 0, 1, 0xa1, b'a', 1], r#"{"a":1}"#.into()),
            (vec![0xd4, 5, 1], "\"AQ\"".into()),
            (vec![0xc7, 3, 5, 1, 2, 3], "\"AQID\"".into()),
            // Timestamps of 32, 64 and 96 bits.
            (vec![0xd6, 0xff, 0x65, 0x53, 0xf1, 0x00], "1700000000".into()),
            (
                [&[0xd7, 0xff][..], &((500_000_000_u64 << 34) | 1_700_000_000).to_be_bytes()].concat(),
                "1700000000.5".into(),
            ),
            (seconds(&[&[0; 4][..], &(-1_i64).to_be_bytes()].concat()), "-1".into()),
            (seconds(&[&500_000_000_u32.to_be_bytes()[..], &(-1_i64).to_be_bytes()].concat()), "-0.5".into()),
        ] {
            let payload = map(&bytes);
            assert_eq!(rows_of(read, &payload), [format!("{{\"v\":{json}}}")], "{bytes:x?}");
            assert!(is_msgpack(&payload));
            for length in [payload.len() - 1, payload.len() / 2, 4].into_iter().filter(|length| *length < payload.len())
            {
                let rows = rows_of(read, &payload[..length]);
                assert!(rows.len() == 1 && rows[0].ends_with("it ends too early"), "{bytes:x?} {length}: {rows:?}");
            }
        }
    }

    #[test]
    fn items_one_behind_the_other_and_arrays_hold_rows() {
        let (one, two) = ([0x81, 0xa1, b'a', 1], [0x81, 0xa1, b'a', 2]);
        assert_eq!(rows_of(read, &[one, two].concat()), [r#"{"a":1}"#, r#"{"a":2}"#]);
        assert_eq!(rows_of(read, &[&[0x92][..], &one, &two].concat()), [r#"[{"a":1},{"a":2}]"#]);
    }

    #[test]
    fn what_holds_no_row_is_refused() {
        for (payload, reason) in [
            (vec![1], "no map of names and values"),
            (vec![0x81, 0xc0, 1], "a key that is neither"),
            (map(&[0xc1]), "a value that does not exist"),
            (map(&[0xa1, 0xff]), "not UTF-8 text"),
            (map(&[0x91; MAX_DEPTH + 1]), "nested too deep"),
            (vec![0x91; 100_000], "nested too deep"),
            (map(&[0xdd, 0xff, 0xff, 0xff, 0xff]), "it ends too early"),
            (map(&[0xc7, 3, 0xff, 1, 2, 3]), "a value that does not exist"),
        ] {
            let rows = rows_of(read, &payload);
            assert!(rows.len() == 1 && rows[0].contains(reason), "{payload:x?}: {rows:?}");
            assert!(!is_msgpack(&payload));
        }
        assert_eq!(rows_of(read, b""), ["broken: an empty payload"]);
    }

    #[test]
    fn rows_of_the_reference_library_are_read() {
        for (file, rows) in [("array.msgpack", "rows.ndjson"), ("sequence.msgpack", "msgpack_rows.ndjson")] {
            let [ours, theirs] = binary::golden(read, file, rows);
            assert_eq!(ours, theirs, "{file}");
        }
        let [ours, _] = binary::golden(read, "single.msgpack", "rows.ndjson");
        assert_eq!(ours, [serde_json::json!({"a": 1.5, "b": 0.25})]);
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_is_json_or_refused(payload: Vec<u8>) {
            proptest::prop_assert!(!rows_of(read, &payload).is_empty());
            rows_of(read, &map(&payload));
        }
    }
}
