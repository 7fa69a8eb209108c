//! What a payload is whose format was not said, and which is not JSON.

use super::row_taker::RowTaker;
use super::{cbor, form, influx, msgpack, senml};
use crate::data::Lookalike;
use crate::data::cell::{DecimalMark, number_by};

/// How to read a text that can be nothing but one of these formats.
pub(crate) fn recognised_text(text: &[u8]) -> Option<fn(&[u8], &mut dyn RowTaker)> {
    // The fast path: CSV. Comments may stand above.
    let line = text.split(|byte| *byte == b'\n').find(|line| line.first() != Some(&b'#')).unwrap_or_default();
    memchr::memchr(b'=', line)?;
    match () {
        () if form::is_form(text) => Some(form::read),
        () if influx::is_influx(text) => Some(influx::read),
        () => None,
    }
}

/// How to read bytes that are no text.
pub(crate) fn recognised_bytes(bytes: &[u8]) -> Option<fn(&[u8], &mut dyn RowTaker)> {
    match (cbor::is_cbor(bytes), msgpack::is_msgpack(bytes)) {
        (true, false) => Some(cbor::read),
        (false, true) => Some(msgpack::read),
        _ => None,
    }
}

/// What a payload holds, for who has yet to say its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PayloadKind {
    /// Nothing.
    Empty,
    /// JSON objects, or an array of them.
    Json,
    /// One value.
    Value,
    /// Lines of cells.
    Csv,
    /// What the format of this name reads.
    Format(&'static str),
    /// Nothing that is read.
    Other,
}

impl PayloadKind {
    /// The kind of an unpacked payload.
    pub fn of(payload: &[u8]) -> PayloadKind {
        let Ok(text) = std::str::from_utf8(payload) else {
            return match (cbor::is_cbor(payload), msgpack::is_msgpack(payload)) {
                (true, false) => PayloadKind::Format("cbor"),
                (false, true) => PayloadKind::Format("msgpack"),
                _ if senml::is_senml(payload) => PayloadKind::Format("senml"),
                _ if Lookalike::by_magic(payload).is_some() => PayloadKind::Other,
                // Text of another encoding than UTF-8 has line breaks and separators, too.
                _ if payload.iter().all(|byte| *byte >= b' ' || b"\t\r\n".contains(byte)) => PayloadKind::Csv,
                _ => PayloadKind::Other,
            };
        };
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0' || c == '\u{feff}');
        match text.as_bytes().first() {
            None => return PayloadKind::Empty,
            Some(b'[') if senml::is_senml(text.as_bytes()) => return PayloadKind::Format("senml"),
            Some(b'{') => return PayloadKind::Json,
            Some(b'[') if text[1..].trim_start().starts_with(['{', ']']) => return PayloadKind::Json,
            Some(b'[') if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() => return PayloadKind::Json,
            Some(b'[' | b'<') => return PayloadKind::Other,
            Some(_) => {}
        }
        match () {
            () if form::is_form(text.as_bytes()) => PayloadKind::Format("form"),
            () if influx::is_influx(text.as_bytes()) => PayloadKind::Format("influx"),
            () if !text.contains([',', ';', '\t', '|', '\n']) => PayloadKind::Value,
            // A sentence, or a number with a decimal comma.
            () if !text.contains('\n') && number_by(text, DecimalMark::Comma).is_some() => PayloadKind::Value,
            () => PayloadKind::Csv,
        }
    }
}

/// What a payload looks like that could not be read.
pub(crate) fn lookalike(payload: &[u8]) -> Option<Lookalike> {
    if let Some(known) = Lookalike::by_magic(payload) {
        return Some(known);
    }
    let Ok(text) = std::str::from_utf8(payload) else {
        return match *payload {
            _ if senml::is_senml(payload) => Some(Lookalike::SenMl),
            // A map whose first key is a text.
            [0xa1..=0xbf, 0x60..=0x7f, ..] | [0xd9, 0xd9, 0xf7, ..] => Some(Lookalike::Cbor),
            [0x81..=0x8f, 0xa1..=0xbf, ..] | [0xde, ..] | [0xdf, ..] => Some(Lookalike::MessagePack),
            // Protobuf's field 1, a timestamp, and field 2, a metric.
            [0x08, ..] if payload.iter().skip(2).take(9).any(|byte| *byte == 0x12) => Some(Lookalike::Sparkplug),
            _ => None,
        };
    };
    let text = text.trim();
    let has = |any: &[char]| text.contains(any);
    match () {
        () if text.starts_with('<') => Some(Lookalike::Xml),
        () if has(&['=']) && has(&['&']) && !has(&['\n']) => Some(Lookalike::Form),
        () if has(&['=']) && has(&[' ']) => Some(Lookalike::LineProtocol),
        () if !has(&[',', ';', '\t', '|', '\n']) => Some(Lookalike::LoneValue),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_read_is_named() {
        for (payload, name) in [
            (&[0x1f, 0x8b, 8, 0][..], Some("gzip")),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0], Some("zstd")),
            (b"PK\x03\x04", Some("a zip archive")),
            (b"PAR1", Some("Parquet")),
            (b"\x89PNG\r\n", Some("an image")),
            (b" <html>", Some("XML")),
            (&[0xa2, 0x61, b'a', 0x18], Some("CBOR")),
            (&[0x82, 0xa1, b'a'], Some("MessagePack")),
            (&[0x81, 0xa2, 0, 0x61, b'a', 2, 1], Some("SenML")),
            (&[0x08, 0x90, 0xe0, 0xb9, 0xa6, 0xad, 0x31, 0x12, 0x05], Some("Sparkplug B")),
            (b"a=1&b", Some("a form")),
            (b"m a=1 x", Some("InfluxDB line protocol")),
            (b"17.4\n", Some("a lone value")),
            (b"1;2", None),
            (&[0xff, 0], None),
        ] {
            assert_eq!(lookalike(payload).map(|name| name.to_string()).as_deref(), name, "{payload:?}");
        }
    }

    #[test]
    fn kinds_of_payloads_are_told_apart() {
        use PayloadKind::{Csv, Empty, Format, Json, Other, Value};
        for (payload, kind) in [
            (&b" \0"[..], Empty),
            (b"\xef\xbb\xbf{\"a\": 1}", Json),
            (b"[ {\"a\": 1}]", Json),
            (b"[{\"n\": \"t\", \"v\": 1}, {\"n\": \"h\", \"v\": 2}]", Format("senml")),
            (b"[{\"n\": \"t\", \"v\": 1, \"name\": \"x\"}]", Json),
            (b"[1, 2]", Json),
            (b"[INFO] up", Other),
            (b"17.4\n", Value),
            (b"17,4", Value),
            (b"ON", Value),
            (b"a,b\n1,2", Csv),
            (b"a;\xb0C", Csv),
            (b"tempf=54.3&humidity=66", Format("form")),
            (b"m,a=b c=1 5", Format("influx")),
            (&[0xa1, 0x61, b'a', 0x18, 0x80], Format("cbor")),
            (&[0x81, 0xa1, b'a', 0xcc, 0x80], Format("msgpack")),
            (&[0x81, 0xa2, 0, 0x61, b'a', 2, 1], Format("senml")),
            (&[0x1f, 0x8b, 8, 0], Other),
            (&[0, 1, 0xff], Other),
        ] {
            assert_eq!(PayloadKind::of(payload), kind, "{}", String::from_utf8_lossy(payload));
        }
    }

    #[test]
    fn texts_of_other_formats_are_not_taken_for_these() {
        for text in ["a,b\n1,2", "1,2,3", "kitchen temp=20.1,ok", "x=1, y=2", "a,b=c,d", "", "="] {
            assert!(recognised_text(text.as_bytes()).is_none(), "{text}");
        }
        assert!(recognised_text(b"tempf=54.3&humidity=66").is_some() && recognised_text(b"m,a=b c=1 5").is_some());
        // Both {"a": 1}; an array of one map in CBOR would have its key's text cut off in MessagePack.
        assert!(
            recognised_bytes(&[0xa1, 0x61, b'a', 1]).is_some() && recognised_bytes(&[0x81, 0xa1, b'a', 1]).is_some()
        );
        assert!(recognised_bytes(&[0xff, 0xfe]).is_none());
    }
}
