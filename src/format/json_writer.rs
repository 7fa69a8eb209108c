//! Values as JSON text, written into a buffer.

/// Appends a text in quotes.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        serde_json::to_writer(out, text).expect("a Vec takes everything");
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// Appends a key and its colon to an object that is being written, behind a comma unless it is the first.
pub(crate) fn push_key(out: &mut Vec<u8>, key: &str) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    push_text(out, key);
    out.push(b':');
}

/// Appends a whole number.
pub(crate) fn push_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a number; what JSON has no word for as the texts that number columns read, or as a missing value.
pub(crate) fn push_number(out: &mut Vec<u8>, value: f64) {
    match value {
        value if value.is_finite() => out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes()),
        value if value.is_nan() => out.extend_from_slice(b"null"),
        value if value > 0.0 => out.extend_from_slice(b"\"inf\""),
        _ => out.extend_from_slice(b"\"-inf\""),
    }
}

/// Whether a text is a number in JSON's grammar.
pub(crate) fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(text);
    if whole == 0 || (whole > 1 && text[0] == b'0') {
        return false;
    }
    let mut rest = &text[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let count = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = &fraction[count..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = exponent.strip_prefix(b"-").or(exponent.strip_prefix(b"+")).unwrap_or(exponent);
        let count = digits(exponent);
        return count > 0 && count == exponent.len();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn numbers_are_those_of_serde_json(text in "-?[0-9]{0,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?") {
            let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
            proptest::prop_assert_eq!(is_number(text.as_bytes()), theirs, "{}", text);
        }

        #[test]
        fn texts_read_back(text in ".{0,12}") {
            let mut out = Vec::new();
            push_text(&mut out, &text);
            proptest::prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
