//! JSON text, read from left to right: keys, cells, and what is passed over.

use std::borrow::Cow;

use crate::data::Broken;

/// The deepest nesting that is read.
pub(super) const MAX_DEPTH: u8 = 128;
/// The powers of ten that an f64 holds exactly.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];
/// Integers up to here are exact in an f64.
const EXACT: u64 = 1 << 53;
/// The number of digits that fit in a u64.
const DIGITS: usize = 19;

/// The value of a key.
#[derive(Debug)]
pub(crate) enum JsonCell<'a> {
    /// `null`, and `nan` as firmware writes it.
    Null,
    Bool(bool),
    Number(JsonNumber<'a>),
    /// `inf` and `Infinity`, which C and Python write beyond the standard.
    Infinity {
        negative: bool,
    },
    Text(Cow<'a, str>),
    /// An array or an object.
    Nested,
}

/// A number as the text writes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsonNumber<'a> {
    bytes: &'a [u8],
    negative: bool,
    mantissa: u64,
    fraction: usize,
    /// Whether it has no exponent and its digits fit in the mantissa.
    plain: bool,
}

impl<'a> JsonNumber<'a> {
    /// Its own bytes.
    pub fn text(&self) -> &'a str {
        std::str::from_utf8(self.bytes).expect("digits and signs are ASCII")
    }

    /// The nearest f64. A quotient of two exact f64s is rounded once (W. D. Clinger, How to Read Floating Point
    /// Numbers Accurately, 1990).
    #[inline]
    pub fn value(&self) -> f64 {
        if !self.plain || self.mantissa > EXACT {
            return self.text().parse().expect("JSON's numbers are numbers");
        }
        let size = self.mantissa as f64 / TENS[self.fraction];
        if self.negative { -size } else { size }
    }
}

/// A place in a JSON text.
#[derive(Clone)]
pub(crate) struct JsonCursor<'a> {
    rest: &'a [u8],
    length: usize,
    depth: u8,
}

impl<'a> JsonCursor<'a> {
    pub fn new(bytes: &'a [u8]) -> JsonCursor<'a> {
        JsonCursor { rest: bytes, length: bytes.len(), depth: 0 }
    }

    /// How many bytes lie before it.
    pub fn position(&self) -> usize {
        self.length - self.rest.len()
    }

    /// The next byte that is no white space.
    #[inline(always)]
    pub fn peek(&mut self) -> Option<u8> {
        while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.rest.first().copied()
    }

    /// Passes over this byte, if it is the next one.
    #[inline(always)]
    pub fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    /// Passes over this byte.
    ///
    /// # Errors
    /// Another byte.
    #[inline(always)]
    pub fn expect(&mut self, byte: u8) -> Result<(), String> {
        if self.take(byte) { Ok(()) } else { Err(self.wrong_byte("", byte)) }
    }

    /// Passes over the bracket that opens an object or an array.
    ///
    /// # Errors
    /// Another byte, or nesting that is too deep.
    pub fn open(&mut self, bracket: u8) -> Result<(), String> {
        self.expect(bracket)?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH}"));
        }
        Ok(())
    }

    /// Passes over this closing bracket, if it is the next byte.
    pub fn close(&mut self, bracket: u8) -> bool {
        let closed = self.take(bracket);
        self.depth -= u8::from(closed);
        closed
    }

    /// Behind a member: whether another one follows before this closing bracket.
    ///
    /// # Errors
    /// Neither a comma nor the bracket.
    #[inline(always)]
    pub fn another(&mut self, bracket: u8) -> Result<bool, String> {
        match self.peek() {
            Some(b',') => {
                self.rest = &self.rest[1..];
                Ok(true)
            }
            _ if self.close(bracket) => Ok(false),
            _ => Err(self.wrong_byte("`,` or ", bracket)),
        }
    }

    /// Passes over this key with its quotes, if it is the next one; an escaped key is not recognised.
    #[inline(always)]
    pub fn take_key(&mut self, key: &str) -> bool {
        if self.peek() != Some(b'"') {
            return false;
        }
        let behind = self.rest[1..].strip_prefix(key.as_bytes()).and_then(|rest| rest.strip_prefix(b"\""));
        self.rest = behind.unwrap_or(self.rest);
        behind.is_some()
    }

    /// A string.
    ///
    /// # Errors
    /// Something else, or a string that JSON does not know.
    pub fn string(&mut self) -> Result<Cow<'a, str>, String> {
        if self.peek() != Some(b'"') {
            return Err(self.wrong("a string"));
        }
        let start = self.position() + 1;
        let (quoted, escaped) = self.quoted()?;
        if escaped {
            let text: Result<String, _> = serde_json::from_slice(quoted);
            return text.map(Cow::Owned).map_err(|error| format!("byte {start}: {error}"));
        }
        let bytes = &quoted[1..quoted.len() - 1];
        std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| {
            let at = error.valid_up_to();
            Broken::not_utf8(bytes[at], start + at).to_string()
        })
    }

    /// The string that begins here with its quotes, and whether something in it is escaped.
    fn quoted(&mut self) -> Result<(&'a [u8], bool), String> {
        let (start, mut escaped) = (self.rest, false);
        self.rest = &self.rest[1..];
        loop {
            let plain = self.rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
            self.rest = &self.rest[plain.unwrap_or(self.rest.len())..];
            match self.rest {
                [b'"', rest @ ..] => {
                    self.rest = rest;
                    return Ok((&start[..start.len() - rest.len()], escaped));
                }
                [b'\\', b'u', hex @ ..] if hex.len() >= 4 && hex[..4].iter().all(u8::is_ascii_hexdigit) => {
                    self.rest = &hex[4..];
                }
                [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', rest @ ..] => self.rest = rest,
                [b'\\', _, ..] => return Err(self.wrong("a character that may be escaped")),
                [0..0x20, ..] => return Err(self.wrong("no control character in a string")),
                _ => return Err(end_of_text(self.position() + self.rest.len())),
            }
            escaped = true;
        }
    }

    /// The value that is next, if it is written as most are: a number without an exponent, a string without escapes,
    /// `null`. Nothing is passed over if it is not.
    #[inline(always)]
    pub fn plain_cell(&mut self) -> Option<JsonCell<'a>> {
        match self.peek()? {
            b'"' => {
                let text = &self.rest[1..];
                let end = text.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
                let (text, rest) = text.split_at(end);
                let rest = rest.strip_prefix(b"\"")?;
                let text = std::str::from_utf8(text).ok()?;
                self.rest = rest;
                Some(JsonCell::Text(Cow::Borrowed(text)))
            }
            b'-' | b'0'..=b'9' => self.plain_number().map(JsonCell::Number),
            b'n' => {
                self.rest = self.rest.strip_prefix(b"null")?;
                Some(JsonCell::Null)
            }
            _ => None,
        }
    }

    #[inline(always)]
    fn plain_number(&mut self) -> Option<JsonNumber<'a>> {
        let start = self.rest;
        let negative = start[0] == b'-';
        let digits = &start[usize::from(negative)..];
        let (mut rest, mut mantissa, mut fraction) = (digits, 0, 0);
        let whole = take_digits(&mut rest, &mut mantissa);
        if let [b'.', behind @ ..] = rest {
            rest = behind;
            fraction = take_digits(&mut rest, &mut mantissa);
            if fraction == 0 {
                return None;
            }
        }
        let leading_zero = whole > 1 && digits[0] == b'0';
        if whole == 0 || whole + fraction > DIGITS || leading_zero || matches!(rest.first(), Some(b'e' | b'E')) {
            return None;
        }
        self.rest = rest;
        let bytes = &start[..start.len() - rest.len()];
        Some(JsonNumber { bytes, negative, mantissa, fraction, plain: true })
    }

    /// The value that is next; of an array or an object only that it is one.
    ///
    /// # Errors
    /// No value of JSON, nor a word for one that is not a number.
    pub fn cell(&mut self) -> Result<JsonCell<'a>, String> {
        match self.peek() {
            Some(b'"') => self.string().map(JsonCell::Text),
            Some(b'{' | b'[') => self.skip().map(|()| JsonCell::Nested),
            Some(b'0'..=b'9') => self.number().map(JsonCell::Number),
            Some(b'-') if self.rest.get(1).is_some_and(u8::is_ascii_digit) => self.number().map(JsonCell::Number),
            Some(_) => self.word(),
            None => Err(end_of_text(self.position() + self.rest.len())),
        }
    }

    /// Passes over a value.
    ///
    /// # Errors
    /// As [`JsonCursor::cell`].
    pub fn skip(&mut self) -> Result<(), String> {
        match self.peek() {
            Some(b'"') => self.quoted().map(drop),
            Some(b'{') => {
                self.open(b'{')?;
                let mut more = !self.close(b'}');
                while more {
                    if self.peek() != Some(b'"') {
                        return Err(self.wrong("a key"));
                    }
                    self.quoted()?;
                    self.expect(b':')?;
                    self.skip()?;
                    more = self.another(b'}')?;
                }
                Ok(())
            }
            Some(b'[') => {
                self.open(b'[')?;
                let mut more = !self.close(b']');
                while more {
                    self.skip()?;
                    more = self.another(b']')?;
                }
                Ok(())
            }
            _ => self.cell().map(drop),
        }
    }

    /// How many elements the array has that is next, which is not passed over.
    ///
    /// # Errors
    /// What is no array.
    pub fn elements(&self) -> Result<usize, String> {
        let mut cursor = self.clone();
        cursor.open(b'[')?;
        let (mut more, mut count) = (!cursor.close(b']'), 0);
        while more {
            cursor.skip()?;
            count += 1;
            more = cursor.another(b']')?;
        }
        Ok(count)
    }

    /// Behind the value: whether nothing follows but white space and the zeros that end a string in C.
    ///
    /// # Errors
    /// Something else.
    pub fn end(&mut self) -> Result<(), String> {
        while self.peek() == Some(0) {
            self.rest = &self.rest[1..];
        }
        if self.rest.is_empty() { Ok(()) } else { Err(self.wrong("the end")) }
    }

    /// Whether the value that is next is an object whose key has this value.
    pub fn has_value(&self, key: &str, value: &str) -> bool {
        let mut cursor = self.clone();
        let mut found = || -> Result<bool, String> {
            cursor.open(b'{')?;
            let (mut more, mut found) = (!cursor.close(b'}'), false);
            while more {
                let own = cursor.string()? == key;
                cursor.expect(b':')?;
                let cell = cursor.cell()?;
                if own {
                    found = match cell {
                        JsonCell::Text(text) => text == value,
                        JsonCell::Number(number) => number.text() == value,
                        JsonCell::Bool(flag) => flag.to_string() == value,
                        JsonCell::Null | JsonCell::Infinity { .. } | JsonCell::Nested => false,
                    };
                }
                more = cursor.another(b'}')?;
            }
            Ok(found)
        };
        found().unwrap_or(false)
    }

    fn number(&mut self) -> Result<JsonNumber<'a>, String> {
        let start = self.rest;
        let negative = start[0] == b'-';
        self.rest = &start[usize::from(negative)..];
        let (mut mantissa, mut fraction) = (0, 0);
        let whole = self.digits(&mut mantissa);
        if whole > 1 && start[usize::from(negative)] == b'0' {
            self.rest = start;
            return Err(self.wrong("a number without a leading zero"));
        }
        if let [b'.', rest @ ..] = self.rest {
            self.rest = rest;
            fraction = self.digits(&mut mantissa);
            if fraction == 0 {
                return Err(self.wrong("a digit"));
            }
        }
        let mut plain = whole + fraction <= DIGITS;
        if let [b'e' | b'E', rest @ ..] = self.rest {
            self.rest = rest.strip_prefix(b"-").or(rest.strip_prefix(b"+")).unwrap_or(rest);
            plain = false;
            if self.digits(&mut 0) == 0 {
                return Err(self.wrong("a digit"));
            }
        }
        let bytes = &start[..start.len() - self.rest.len()];
        Ok(JsonNumber { bytes, negative, mantissa, fraction, plain })
    }

    fn digits(&mut self, mantissa: &mut u64) -> usize {
        take_digits(&mut self.rest, mantissa)
    }

    /// A value without quotes that is no number.
    fn word(&mut self) -> Result<JsonCell<'a>, String> {
        let negative = self.rest.first() == Some(&b'-');
        let unsigned = self.rest.strip_prefix(b"-").or(self.rest.strip_prefix(b"+")).unwrap_or(self.rest);
        let length = unsigned.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let (word, behind) = unsigned.split_at(length);
        let cell = match word {
            b"null" if unsigned.len() == self.rest.len() => JsonCell::Null,
            b"true" if unsigned.len() == self.rest.len() => JsonCell::Bool(true),
            b"false" if unsigned.len() == self.rest.len() => JsonCell::Bool(false),
            _ if word.eq_ignore_ascii_case(b"nan") => JsonCell::Null,
            _ if word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"infinity") => {
                JsonCell::Infinity { negative }
            }
            _ if behind.is_empty()
                && ["null", "true", "false"].iter().any(|known| known.as_bytes().starts_with(word)) =>
            {
                return Err(end_of_text(self.position() + self.rest.len()));
            }
            _ => return Err(self.wrong("a value")),
        };
        self.rest = behind;
        Ok(cell)
    }

    #[cold]
    #[inline(never)]
    fn wrong_byte(&mut self, before: &str, byte: u8) -> String {
        self.wrong(&format!("{before}`{}`", char::from(byte)))
    }

    /// What is wrong here.
    #[cold]
    #[inline(never)]
    pub fn wrong(&mut self, expected: &str) -> String {
        match self.peek() {
            None => end_of_text(self.position() + self.rest.len()),
            Some(_) => {
                let shown = String::from_utf8_lossy(&self.rest[..self.rest.len().min(12)]);
                let shown = shown.trim_end_matches('\u{fffd}');
                format!("no JSON: byte {}: expected {expected}, found {shown:?}", self.position() + 1)
            }
        }
    }
}

/// Appends the digits that come next to a number, which wraps if there are too many; returns how many.
#[inline(always)]
fn take_digits(rest: &mut &[u8], mantissa: &mut u64) -> usize {
    let before = rest.len();
    while let [digit @ b'0'..=b'9', behind @ ..] = *rest {
        *mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        *rest = behind;
    }
    before - rest.len()
}

#[cold]
fn end_of_text(length: usize) -> String {
    format!("EOF: the JSON text ends within a value, behind byte {length}")
}

/// The keys of an object, as far as it can be read.
pub(crate) fn keys(bytes: &[u8]) -> Vec<String> {
    fn read(cursor: &mut JsonCursor<'_>, keys: &mut Vec<String>) -> Result<(), String> {
        cursor.open(b'{')?;
        let mut more = !cursor.close(b'}');
        while more {
            keys.push(cursor.string()?.into_owned());
            cursor.expect(b':')?;
            cursor.skip()?;
            more = cursor.another(b'}')?;
        }
        Ok(())
    }
    let mut keys = Vec::new();
    let _ = read(&mut JsonCursor::new(bytes), &mut keys);
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cell(text: &str) -> Result<JsonCell<'_>, String> {
        let mut cursor = JsonCursor::new(text.as_bytes());
        let cell = cursor.cell()?;
        cursor.end().map(|()| cell)
    }

    fn number(text: &str) -> Option<f64> {
        match cell(text) {
            Ok(JsonCell::Number(number)) => {
                assert_eq!(number.text(), text.trim());
                Some(number.value())
            }
            _ => None,
        }
    }

    #[test]
    fn words_of_firmware_are_values() {
        for word in ["nan", "NaN", "NAN", "-nan", "-NaN", "+nan", "null"] {
            assert!(matches!(cell(word), Ok(JsonCell::Null)), "{word}");
        }
        for (word, is_negative) in [("inf", false), ("Infinity", false), ("-INF", true), ("-Infinity", true)] {
            assert!(matches!(cell(word), Ok(JsonCell::Infinity { negative }) if negative == is_negative), "{word}");
        }
        assert!(matches!(cell(" true\0\0"), Ok(JsonCell::Bool(true))));
        for word in ["nano", "-null", "+true", "True", "None", "-", "+", "+1", "infin", "tru", "01", "1.", ".5", "1e"] {
            assert!(cell(word).is_err(), "{word}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let skipped = |text: &str| JsonCursor::new(text.as_bytes()).skip().unwrap_err();
        assert_eq!(skipped(r#"{"a": 1 "b"}"#), r#"no JSON: byte 9: expected `,` or `}`, found "\"b\"}""#);
        assert_eq!(skipped("[1, x]"), "no JSON: byte 5: expected a value, found \"x]\"");
        assert_eq!(skipped("[1,]"), "no JSON: byte 4: expected a value, found \"]\"");
        assert!(skipped("{\"a\": \"x").contains("EOF") && skipped("[tru").contains("EOF"));
        assert!(skipped("[\"\\x\"]").contains("escaped") && skipped("\"a\nb\"").contains("control"));
        assert!(skipped(&"[".repeat(200)).contains("128"));
        assert!(JsonCursor::new("[".repeat(128).as_bytes()).skip().unwrap_err().contains("EOF"));
    }

    proptest! {
        #[test]
        fn numbers_are_those_of_serde_json(text in "-?[0-9]{1,20}(\\.[0-9]{0,20})?([eE][+-]?[0-9]{0,3})?") {
            let theirs = serde_json::from_str::<f64>(&text).ok();
            // One that is too large is infinite, as in Python.
            let theirs = theirs.or_else(|| number(&text).filter(|x| x.is_infinite()));
            prop_assert_eq!(number(&text).map(f64::to_bits), theirs.map(f64::to_bits), "{}", text);
        }

        #[test]
        fn shortest_numbers_read_back(x in proptest::num::f64::NORMAL) {
            prop_assert_eq!(number(&x.to_string()), Some(x));
        }

        #[test]
        fn strings_are_those_of_serde_json(text in "\"[a-z \"\\\\é\\n/u0d8-]{0,12}\"?") {
            let ours = cell(&text).ok().map(|cell| match cell {
                JsonCell::Text(text) => text.into_owned(),
                other => format!("{other:?}"),
            });
            prop_assert_eq!(ours, serde_json::from_str::<String>(&text).ok(), "{}", text);
        }

        #[test]
        fn what_is_passed_over_is_json(text in "[\\[\\]{}\"a:,1 ]{0,14}") {
            let mut cursor = JsonCursor::new(text.as_bytes());
            let ours = cursor.skip().and_then(|()| cursor.end());
            prop_assert_eq!(ours.is_ok(), serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}: {:?}", text, ours);
        }
    }
}
