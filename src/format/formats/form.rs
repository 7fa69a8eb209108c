//! Forms, as browsers send them and Ecowitt's gateways publish them: `tempf=54.3&humidity=66`, percent-encoded (WHATWG
//! URL, section 5.1). A form is one line and one row; its values are texts. `dateutc=now`, which Weather Underground's
//! protocol has for stations without a clock, is the time at which it is read.

use std::borrow::Cow;

use jiff::Timestamp;

use super::row_taker::RowTaker;
use crate::data::{Broken, Defect, Lookalike, Malformed};
use crate::format::json_writer;

/// Reads each line of a payload as a form.
pub(super) fn read(payload: &[u8], rows: &mut dyn RowTaker) {
    let (mut out, mut any) = (Vec::new(), false);
    for line in payload.split(|byte| *byte == b'\n') {
        let form = line.trim_ascii();
        if form.is_empty() {
            continue;
        }
        any = true;
        out.clear();
        match push_form(form, &mut out) {
            Ok(()) => rows.json(&out),
            Err((defect, at)) => rows.malformed(form, Malformed::new(Lookalike::Form, defect, at)),
        }
    }
    if !any {
        rows.broken(payload, Broken::Empty);
    }
}

/// Whether a text can be nothing but a form: pairs of a plain name and a value, without white space.
pub(super) fn is_form(text: &[u8]) -> bool {
    let name = |name: &[u8]| {
        !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-.[]%+".contains(byte))
    };
    let pair = |pair: &[u8]| memchr::memchr(b'=', pair).is_some_and(|at| name(&pair[..at]));
    !text.iter().any(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'{'))
        && text.split(|byte| *byte == b'&').all(pair)
}

/// The pairs of a form, which may be the query of an address or of a request, and where they begin.
fn query(form: &[u8]) -> (&[u8], usize) {
    let equals = memchr::memchr(b'=', form).unwrap_or(form.len());
    let Some(at) = memchr::memchr(b'?', &form[..equals]) else { return (form, 0) };
    let pairs = &form[at + 1..];
    let end = if form.starts_with(b"GET ") { memchr::memrchr(b' ', pairs) } else { None };
    (&pairs[..end.unwrap_or(pairs.len())], at + 1)
}

fn push_form(form: &[u8], out: &mut Vec<u8>) -> Result<(), (Defect, usize)> {
    let (form, mut at) = query(form);
    out.push(b'{');
    for pair in form.split(|byte| *byte == b'&') {
        let begin = at;
        at += pair.len() + 1;
        if pair.is_empty() {
            continue;
        }
        let equals = memchr::memchr(b'=', pair).ok_or((Defect::Equals, begin + pair.len()))?;
        if equals == 0 {
            return Err((Defect::Name, begin));
        }
        let text = |part, at| decoded(part).ok_or((Defect::Text, at));
        let name = text(&pair[..equals], begin)?;
        let value = text(&pair[equals + 1..], begin + equals + 1)?;
        json_writer::push_key(out, &name);
        match name == "dateutc" && value.eq_ignore_ascii_case("now") {
            true => json_writer::push_text(out, &Timestamp::now().strftime("%Y-%m-%d %H:%M:%S").to_string()),
            false => json_writer::push_text(out, &value),
        }
    }
    out.push(b'}');
    Ok(())
}

/// Undoes percent-encoding; a percent sign without two digits stands for itself. `None` if that is no UTF-8 text.
fn decoded(text: &[u8]) -> Option<Cow<'_, str>> {
    if memchr::memchr2(b'%', b'+', text).is_none() {
        return std::str::from_utf8(text).ok().map(Cow::Borrowed);
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).map(|digit| digit as u8);
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text);
    while let [first, behind @ ..] = rest {
        rest = behind;
        let code = match behind {
            [high, low, ..] if *first == b'%' => digit(high).zip(digit(low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        match code {
            Some(code) => {
                bytes.push(code);
                rest = &behind[2..];
            }
            None => bytes.push(if *first == b'+' { b' ' } else { *first }),
        }
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::formats::row_taker::rows_of;

    #[test]
    fn names_and_values_are_decoded() {
        for (payload, row) in [
            (
                "PASSKEY=0011&dateutc=2024-03-01+12:00:00&tempf=54.3",
                r#"{"PASSKEY":"0011","dateutc":"2024-03-01 12:00:00","tempf":"54.3"}"#,
            ),
            ("a%5B0%5D=%22x%22&b=%C3%A9%26\n", r#"{"a[0]":"\"x\"","b":"é&"}"#),
            // As browsers read them: a lone percent sign stands for itself, and values may be empty or hold a `=`.
            ("/update.php?ID=x&t=1", r#"{"ID":"x","t":"1"}"#),
            ("GET /update.php?ID=x&t=1 HTTP/1.1", r#"{"ID":"x","t":"1"}"#),
            ("?a=b?c", r#"{"a":"b?c"}"#),
            ("a=100%&b=%zz&c=&d=x=y&&e=%2B", r#"{"a":"100%","b":"%zz","c":"","d":"x=y","e":"+"}"#),
        ] {
            assert_eq!(rows_of(read, payload.as_bytes()), [row]);
        }
        assert_eq!(rows_of(read, b"a=1\r\n\na=2\n"), [r#"{"a":"1"}"#, r#"{"a":"2"}"#]);
    }

    #[test]
    fn a_station_without_a_clock_has_the_time_at_which_it_is_read() {
        let rows = rows_of(read, b"ID=x&dateutc=now&tempf=54.3&note=now");
        let row: serde_json::Value = serde_json::from_str(&rows[0]).unwrap();
        let read: jiff::civil::DateTime = row["dateutc"].as_str().unwrap().parse().unwrap();
        let ago = Timestamp::now().duration_since(read.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp());
        assert!((0..3600).contains(&ago.as_secs()) && row["note"] == "now", "{row}");
    }

    #[test]
    fn what_is_no_form_names_the_place() {
        for (payload, reason) in [
            (&b"hello"[..], "at byte 6: = is missing"),
            (b"a=1&b", "at byte 6: = is missing"),
            (b"a=1&=2", "at byte 5: a name is missing"),
            (b"a=%ff", "at byte 3: not UTF-8 text"),
        ] {
            assert_eq!(rows_of(read, payload), [format!("broken: not read as a form: {reason}")]);
        }
        assert_eq!(rows_of(read, b""), ["broken: an empty payload"]);
    }

    #[test]
    fn only_what_is_nothing_else_is_a_form() {
        assert!(is_form(b"tempf=54.3&humidity=66") && is_form(b"a=1"));
        for other in [&b"a=1&b"[..], b"a=1 b=2", b"=1", b"a b=1", b"1,2", b"{\"a\"=1}", b""] {
            assert!(!is_form(other), "{}", String::from_utf8_lossy(other));
        }
    }
}
