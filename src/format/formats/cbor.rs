//! CBOR (RFC 8949), one item or several (RFC 8742): a map is a row, an array holds rows. Values become JSON as its section
//! 6.1 advises; whole numbers of any size keep their digits.

use ciborium_ll::{Decoder, Error, Header, tag};

use super::binary::{self, Cursor};
use super::row_taker::RowTaker;
use crate::data::{Defect, Lookalike};
use crate::format::json_writer;

/// Reads a payload of items.
pub(super) fn read(payload: &[u8], rows: &mut dyn RowTaker) {
    binary::read(Lookalike::Cbor, push_item, payload, rows);
}

/// Whether a payload can be nothing but rows in CBOR.
pub(super) fn is_cbor(payload: &[u8]) -> bool {
    binary::holds_rows(push_item, payload)
}

/// A payload of one array of maps as JSON, with these names for keys that are whole numbers.
///
/// # Errors
/// What is wrong, and at which byte, from 0.
pub(super) fn records(payload: &[u8], name: fn(i128) -> Option<&'static str>) -> Result<Vec<u8>, (Defect, usize)> {
    let (mut cursor, mut out) = (Cursor::new(payload), Vec::new());
    match push_records(&mut cursor, &mut out, name) {
        Ok(()) if cursor.rest().is_empty() => Ok(out),
        read => Err((read.err().unwrap_or(Defect::Records), payload.len() - cursor.rest().len())),
    }
}

fn push_records(
    cursor: &mut Cursor<'_>,
    out: &mut Vec<u8>,
    name: fn(i128) -> Option<&'static str>,
) -> Result<(), Defect> {
    let first = match header(cursor)? {
        Header::Tag(tags::SELF_DESCRIBED) => header(cursor)?,
        other => other,
    };
    let Header::Array(length) = first else { return Err(Defect::Records) };
    binary::push_array(cursor, out, more(length), |cursor, out| {
        let Header::Map(length) = header(cursor)? else { return Err(Defect::Records) };
        let push_item = |cursor: &mut Cursor<'_>, out: &mut Vec<u8>| push_item(cursor, out, binary::MAX_DEPTH);
        binary::push_map(cursor, out, more(length), |cursor, out| push_named(cursor, out, name), push_item)
    })
}

/// Tags beside those that ciborium-ll names.
mod tags {
    /// Before what is CBOR, as its magic number.
    pub const SELF_DESCRIBED: u64 = 55799;
    /// A decimal fraction: exponent and mantissa.
    pub const DECIMAL: u64 = 4;
    /// The same with the base 2.
    pub const BIGFLOAT: u64 = 5;
    /// Bytes that JSON has as base64 with padding, and as hexadecimal digits.
    pub const BASE64: u64 = 22;
    pub const BASE16: u64 = 23;
    /// References to what stands elsewhere.
    pub const STRING_REFERENCE: u64 = 25;
    pub const SHARED_REFERENCE: u64 = 29;
}

fn header(cursor: &mut Cursor<'_>) -> Result<Header, Defect> {
    let mut decoder = Decoder::from(cursor.rest());
    let header = decoder.pull().map_err(|error| match error {
        Error::Io(_) => Defect::End,
        Error::Syntax(_) => Defect::Value,
    })?;
    cursor.take(decoder.offset())?;
    Ok(header)
}

fn push_item(cursor: &mut Cursor<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), Defect> {
    let header = header(cursor)?;
    push_value(header, cursor, out, depth)
}

fn push_value(header: Header, cursor: &mut Cursor<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), Defect> {
    let nested = depth.checked_sub(1).ok_or(Defect::Deep);
    match header {
        Header::Positive(value) => json_writer::push_integer(out, value),
        Header::Negative(value) => json_writer::push_integer(out, -1 - i128::from(value)),
        Header::Float(value) => json_writer::push_number(out, value),
        Header::Simple(20) => out.extend_from_slice(b"false"),
        Header::Simple(21) => out.extend_from_slice(b"true"),
        // Null, undefined, and values without a meaning.
        Header::Simple(_) => out.extend_from_slice(b"null"),
        Header::Break => return Err(Defect::Value),
        Header::Text(length) => json_writer::push_text(out, &text(length, cursor)?),
        Header::Bytes(length) => binary::push_bytes(out, &bytes(length, cursor)?),
        Header::Tag(tag) => return push_tagged(tag, cursor, out, nested?),
        Header::Array(length) => {
            let nested = nested?;
            return binary::push_array(cursor, out, more(length), |cursor, out| push_item(cursor, out, nested));
        }
        Header::Map(length) => {
            let nested = nested?;
            return binary::push_map(cursor, out, more(length), push_key, |cursor, out| push_item(cursor, out, nested));
        }
    }
    Ok(())
}

/// Whether an array or map goes on: for so many items, or until a break.
fn more(length: Option<usize>) -> impl FnMut(&mut Cursor<'_>) -> Result<bool, Defect> {
    const BREAK: u8 = 0xff;
    let mut counted = length.map(binary::counted);
    move |cursor| match &mut counted {
        Some(counted) => counted(cursor),
        None if cursor.rest().first() == Some(&BREAK) => cursor.take(1).map(|_| false),
        None => Ok(true),
    }
}

fn push_key(cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), Defect> {
    push_named(cursor, out, |_| None)
}

/// Appends a key; one that is a whole number by its name, if it has one.
fn push_named(
    cursor: &mut Cursor<'_>,
    out: &mut Vec<u8>,
    name: fn(i128) -> Option<&'static str>,
) -> Result<(), Defect> {
    let number = match header(cursor)? {
        Header::Text(length) => {
            json_writer::push_key(out, &text(length, cursor)?);
            return Ok(());
        }
        Header::Positive(key) => i128::from(key),
        Header::Negative(key) => -1 - i128::from(key),
        _ => return Err(Defect::Key),
    };
    match name(number) {
        Some(name) => json_writer::push_key(out, name),
        None => json_writer::push_key(out, &number.to_string()),
    }
    Ok(())
}

/// A text; where no length is given, its parts up to the break.
fn text(length: Option<usize>, cursor: &mut Cursor<'_>) -> Result<String, Defect> {
    let Some(length) = length else {
        let mut text = String::new();
        loop {
            match header(cursor)? {
                Header::Text(Some(length)) => text.push_str(cursor.text(length)?),
                Header::Break => return Ok(text),
                _ => return Err(Defect::Value),
            }
        }
    };
    cursor.text(length).map(str::to_owned)
}

/// Bytes; where no length is given, their parts up to the break.
fn bytes(length: Option<usize>, cursor: &mut Cursor<'_>) -> Result<Vec<u8>, Defect> {
    let Some(length) = length else {
        let mut bytes = Vec::new();
        loop {
            match header(cursor)? {
                Header::Bytes(Some(length)) => bytes.extend_from_slice(cursor.take(length)?),
                Header::Break => return Ok(bytes),
                _ => return Err(Defect::Value),
            }
        }
    };
    cursor.take(length).map(<[u8]>::to_vec)
}

fn push_tagged(tag: u64, cursor: &mut Cursor<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), Defect> {
    match tag {
        tag::BIGPOS | tag::BIGNEG => out.extend_from_slice(big_integer(tag, cursor)?.as_bytes()),
        tags::DECIMAL => {
            let (exponent, mantissa) = fraction(cursor)?;
            out.extend_from_slice(format!("{mantissa}e{exponent}").as_bytes());
        }
        tags::BIGFLOAT => {
            let (exponent, mantissa) = fraction(cursor)?;
            let mantissa: f64 = mantissa.parse().map_err(|_| Defect::Value)?;
            json_writer::push_number(out, mantissa * 2_f64.powi(exponent));
        }
        tags::BASE64 | tags::BASE16 => match header(cursor)? {
            Header::Bytes(length) => {
                let bytes = bytes(length, cursor)?;
                let digits = || bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
                let base64 = || base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &bytes);
                json_writer::push_text(out, &if tag == tags::BASE16 { digits() } else { base64() });
            }
            other => push_value(other, cursor, out, depth)?,
        },
        tags::STRING_REFERENCE | tags::SHARED_REFERENCE => return Err(Defect::Value),
        _ => push_item(cursor, out, depth)?,
    }
    Ok(())
}

/// The exponent and the mantissa of a fraction.
fn fraction(cursor: &mut Cursor<'_>) -> Result<(i32, String), Defect> {
    let Header::Array(Some(2)) = header(cursor)? else { return Err(Defect::Value) };
    let exponent = integer(cursor)?.parse().map_err(|_| Defect::Value)?;
    Ok((exponent, integer(cursor)?))
}

/// A whole number as decimal digits.
fn integer(cursor: &mut Cursor<'_>) -> Result<String, Defect> {
    match header(cursor)? {
        Header::Positive(value) => Ok(value.to_string()),
        Header::Negative(value) => Ok((-1 - i128::from(value)).to_string()),
        Header::Tag(tag @ (tag::BIGPOS | tag::BIGNEG)) => big_integer(tag, cursor),
        _ => Err(Defect::Value),
    }
}

/// The decimal digits of a number of any size that a double could still hold.
fn big_integer(tag: u64, cursor: &mut Cursor<'_>) -> Result<String, Defect> {
    const LONGEST: usize = 128;
    let Header::Bytes(length) = header(cursor)? else { return Err(Defect::Value) };
    let bytes = bytes(length, cursor)?;
    let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    if significant.len() > LONGEST {
        return Err(Defect::Value);
    }
    let mut digits = BillionDigits(vec![0]);
    significant.iter().for_each(|byte| digits.multiply_add(256, (*byte).into()));
    if tag == tag::BIGNEG {
        // -1 - n has the size n + 1.
        digits.multiply_add(1, 1);
    }
    let BillionDigits(digits) = digits;
    let (highest, others) = digits.split_last().expect("there is a digit");
    let others: String = others.iter().rev().map(|digit| format!("{digit:09}")).collect();
    Ok(format!("{}{highest}{others}", if tag == tag::BIGNEG { "-" } else { "" }))
}

/// A number in digits of a billion, the lowest first.
struct BillionDigits(Vec<u32>);

impl BillionDigits {
    fn multiply_add(&mut self, factor: u64, summand: u64) {
        const BILLION: u64 = 1_000_000_000;
        let mut carry = summand;
        for digit in &mut self.0 {
            let value = u64::from(*digit) * factor + carry;
            (*digit, carry) = ((value % BILLION) as u32, value / BILLION);
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::formats::binary::MAX_DEPTH;
    use crate::format::formats::row_taker::rows_of;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    /// What RFC 8949, appendix A, gives as examples, each as the value of a map.
    #[test]
    fn the_examples_of_the_rfc_are_read() {
        for (bytes, json) in [
            ("00", "0"),
            ("1818", "24"),
            ("1b000000e8d4a51000", "1000000000000"),
            ("1bffffffffffffffff", "18446744073709551615"),
            ("c249010000000000000000", "18446744073709551616"),
            ("3bffffffffffffffff", "-18446744073709551616"),
            ("c349010000000000000000", "-18446744073709551617"),
            ("20", "-1"),
            ("3903e7", "-1000"),
            ("f90000", "0.0"),
            ("f98000", "-0.0"),
            ("f93e00", "1.5"),
            ("f97bff", "65504.0"),
            ("fa47c35000", "100000.0"),
            ("fb7e37e43c8800759c", "1e300"),
            ("f90001", "5.960464477539063e-8"),
            ("fbc010666666666666", "-4.1"),
            ("f97c00", "\"inf\""),
            ("f97e00", "null"),
            ("faff800000", "\"-inf\""),
            ("f4", "false"),
            ("f5", "true"),
            ("f6", "null"),
            ("f7", "null"),
            ("f0", "null"),
            ("c074323031332d30332d32315432303a30343a30305a", "\"2013-03-21T20:04:00Z\""),
            ("c11a514b67b0", "1363896240"),
            ("c1fb41d452d9ec200000", "1363896240.5"),
            ("d74401020304", "\"01020304\""),
            ("d818456449455446", "\"ZElFVEY\""),
            ("4401020304", "\"AQIDBA\""),
            ("62225c", "\"\\\"\\\\\""),
            ("64f0908591", "\"\u{10151}\""),
            ("80", "[]"),
            ("8301820203820405", "[1,[2,3],[4,5]]"),
            ("a0", "{}"),
            ("a201020304", "{\"1\":2,\"3\":4}"),
            ("a26161016162820203", "{\"a\":1,\"b\":[2,3]}"),
            ("5f42010243030405ff", "\"AQIDBAU\""),
            ("7f657374726561646d696e67ff", "\"streaming\""),
            ("9fff", "[]"),
            ("9f018202039f0405ffff", "[1,[2,3],[4,5]]"),
            ("bf61610161629f0203ffff", "{\"a\":1,\"b\":[2,3]}"),
            // Section 3.4.5.2: base64 with padding, and base16 with uppercase letters.
            ("d6420fab", "\"D6s=\""),
            ("d7420fab", "\"0FAB\""),
            // Section 3.4.4: decimal fraction and bigfloat.
            ("c48221196ab3", "27315e-2"),
            ("c5822003", "1.5"),
        ] {
            let payload = [&hex("a16176")[..], &hex(bytes)].concat();
            assert_eq!(rows_of(read, &payload), [format!("{{\"v\":{json}}}")], "{bytes}");
            assert!(is_cbor(&payload), "{bytes}");
            for length in 1..payload.len() {
                let rows = rows_of(read, &payload[..length]);
                assert!(rows.len() == 1 && rows[0].ends_with("it ends too early"), "{bytes} {length}: {rows:?}");
            }
        }
    }

    #[test]
    fn items_one_behind_the_other_and_arrays_hold_rows() {
        assert_eq!(rows_of(read, &hex("a1616101 a1616102")), [r#"{"a":1}"#, r#"{"a":2}"#]);
        assert_eq!(rows_of(read, &hex("d9d9f7 82 a1616101 a1616102")), [r#"[{"a":1},{"a":2}]"#]);
        let rows = rows_of(read, &hex("a1616101 a16161"));
        assert_eq!(rows, [r#"{"a":1}"#, "broken: not read as CBOR: at byte 8: it ends too early"]);
    }

    #[test]
    fn what_holds_no_row_is_refused() {
        let nested = |depth: usize| [&hex("a16161")[..], &vec![0x81; depth - 1], &[0]].concat();
        assert_eq!(rows_of(read, &nested(MAX_DEPTH)).len(), 1);
        for (payload, reason) in [
            (hex("01"), "no map of names and values"),
            (hex("6161"), "no map"),
            (hex("a1f401"), "a key that is neither"),
            (hex("a161611c"), "a value that does not exist"),
            (hex("a16161ff"), "a value that does not exist"),
            (hex("a16161d81900"), "a value that does not exist"),
            (hex("a161611b"), "it ends too early"),
            (hex("a161617bffffffffffffffff"), "it ends too early"),
            (hex("a1616161ff"), "not UTF-8 text"),
            (hex("a161617f4161ff"), "a value that does not exist"),
            (nested(MAX_DEPTH + 1), "nested too deep"),
            (vec![0xc1; 100_000], "nested too deep"),
            (hex("bbffffffffffffffff"), "it ends too early"),
            ([&hex("a16161c25881")[..], &[1; 129]].concat(), "a value that does not exist"),
        ] {
            let rows = rows_of(read, &payload);
            assert!(rows.len() == 1 && rows[0].contains(reason), "{payload:x?}: {rows:?}");
            assert!(!is_cbor(&payload));
        }
        assert_eq!(rows_of(read, b""), ["broken: an empty payload"]);
        assert!(!is_cbor(b"") && !is_cbor(&hex("a10102")), "names that are no texts are not taken unasked");
    }

    #[test]
    fn rows_of_the_reference_library_are_read() {
        for (file, rows) in
            [("array.cbor", "rows.ndjson"), ("sequence.cbor", "cbor_rows.ndjson"), ("canonical.cbor", "rows.ndjson")]
        {
            let [ours, theirs] = binary::golden(read, file, rows);
            assert_eq!(ours, theirs, "{file}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_is_json_or_refused(payload: Vec<u8>) {
            let rows = rows_of(read, &payload);
            proptest::prop_assert!(!rows.is_empty());
            proptest::prop_assert!(!is_cbor(&payload) || rows.iter().all(|row| !row.starts_with("broken")));
        }

        #[test]
        fn maps_of_any_bytes_are_json_or_refused(value: Vec<u8>) {
            rows_of(read, &[&[0xbf, 0x61, b'a'][..], &value].concat());
        }
    }
}
