//! What a payload is whose format was not said, and which is not JSON.

use super::row_taker::RowTaker;
use super::{cbor, form, influx, msgpack};
use crate::data::Lookalike;

/// How to read a text that can be nothing but one of these formats.
pub(crate) fn recognised_text(text: &[u8]) -> Option<fn(&[u8], &mut dyn RowTaker)> {
    // The fast path: CSV.
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
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

/// What a payload looks like that could not be read.
pub(crate) fn lookalike(payload: &[u8]) -> Option<Lookalike> {
    if let Some(known) = Lookalike::by_magic(payload) {
        return Some(known);
    }
    let Ok(text) = std::str::from_utf8(payload) else {
        return match *payload {
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
