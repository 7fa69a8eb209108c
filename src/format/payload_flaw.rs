//! Why a payload is neither JSON nor CSV.

use crate::data::{Broken, Lookalike};
use crate::format::formats::lookalike;
use crate::format::json_text::value_end;

/// Why a payload cannot be understood: what it looks like, or where it goes wrong.
pub fn flaw_of(payload: &[u8]) -> Broken {
    let text = payload.strip_prefix("\u{feff}".as_bytes()).unwrap_or(payload).trim_ascii_start();
    let before = payload.len() - text.len();
    match std::str::from_utf8(payload) {
        // Text of an encoding that is not said begins with letters, digits or brackets all the same.
        Err(error) if text.first().is_some_and(u8::is_ascii_graphic) && is_text(payload) => {
            Broken::not_utf8(payload[error.valid_up_to()], error.valid_up_to())
        }
        Ok(_) if matches!(text.first(), Some(b'{' | b'[')) => json_flaw(text, before),
        _ => match lookalike(payload) {
            // The one column of a schema is not its column for that: its topic may carry anything.
            Some(Lookalike::LoneValue) => Broken::LoneValue,
            known => known.map_or(Broken::Unreadable, Broken::LooksLike),
        },
    }
}

/// Why the bytes of a value are no text.
pub fn text_flaw(bytes: &[u8]) -> Broken {
    match std::str::from_utf8(bytes) {
        Err(error) if is_text(bytes) => Broken::not_utf8(bytes[error.valid_up_to()], error.valid_up_to()),
        _ => Broken::Unreadable,
    }
}

/// Whether bytes may be text of some encoding.
fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte >= b' ' || b"\t\r\n\0".contains(byte))
}

/// What is wrong with an object or an array that begins behind so many bytes.
fn json_flaw(text: &[u8], before: usize) -> Broken {
    let is_followed = |end: usize| text[end..].iter().any(|byte| *byte != 0 && !byte.is_ascii_whitespace());
    match value_end(text) {
        None => Broken::CutJson { at: place(before + text.len()) },
        Some(end) if is_followed(end) => Broken::BehindJson { at: place(before + end) },
        Some(_) => Broken::Unreadable,
    }
}

fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_says_what_is_wrong_and_where() {
        for (payload, reason) in [
            (&b"[{\"a\": 1}, {\"b"[..], "JSON that ends in the middle, behind byte 14"),
            (b" [1, 2", "JSON that ends in the middle, behind byte 6"),
            (b"[1] x", "something follows the JSON that ends at byte 3"),
            (b"{\"value\": {\"a\": 1}", "JSON that ends in the middle, behind byte 18"),
            (b"{\"value\": }\n\0", "neither JSON objects nor CSV lines"),
            (b"[{}}", "neither JSON objects nor CSV lines"),
            (b"t,a\n20 \xb0C,5", "not UTF-8 text: byte 0xb0 at 8"),
            (b"\x01\xb0\xff", "neither JSON objects nor CSV lines"),
            (b"\x1f\x8b\x08\0", "looks like gzip"),
            (b"21.5", "a lone value"),
        ] {
            let found = flaw_of(payload).to_string();
            assert!(found.contains(reason), "{found}");
        }
        assert!(flaw_of(b"M\xfcnchen,5").to_string().contains("encoding = \"windows-1252\""));
        assert!(text_flaw(b"\xb0C").to_string().contains("byte 0xb0 at 1"));
        assert_eq!(text_flaw(&[0xff, 1]), Broken::Unreadable);
    }
}
