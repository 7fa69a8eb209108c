//! InfluxDB's line protocol, as Telegraf writes it: `weather,station=davis temp=54.3,hum=80i 1700000000000000000`. A line
//! is a row of the columns `measurement`, `time` in nanoseconds, its tags and its fields.

use std::borrow::Cow;
use std::ops::Range;

use super::row_taker::RowTaker;
use crate::data::{Broken, Defect, Lookalike, Malformed};
use crate::format::json_writer;

/// Reads a payload of lines.
pub(super) fn read(payload: &[u8], rows: &mut dyn RowTaker) {
    let (mut out, mut at, mut any) = (Vec::new(), 0, false);
    while at < payload.len() {
        let mut line = LineCursor { bytes: payload, at };
        line.skip(b" \t\r\n\0");
        let begin = line.at;
        if line.peek().is_none() {
            break;
        }
        any = true;
        if line.peek() == Some(b'#') {
            at = line.end();
            continue;
        }
        out.clear();
        match line.push_row(&mut out) {
            Ok(()) => {
                at = line.at;
                rows.json(&out);
            }
            Err(defect) => {
                let wrong = line.at;
                at = line.end();
                let malformed = Malformed::new(Lookalike::LineProtocol, defect, wrong - begin);
                rows.malformed(payload[begin..at].trim_ascii_end(), malformed);
            }
        }
    }
    if !any {
        rows.broken(payload, Broken::Empty);
    }
}

/// Whether a text can be nothing but lines of this protocol.
pub(super) fn is_influx(text: &[u8]) -> bool {
    #[derive(Default)]
    struct Whole {
        rows: bool,
        broken: bool,
    }
    impl RowTaker for Whole {
        fn json(&mut self, _: &[u8]) {
            self.rows = true;
        }

        fn broken(&mut self, _: &[u8], _: Broken) {
            self.broken = true;
        }
    }
    let mut whole = Whole::default();
    read(text, &mut whole);
    whole.rows && !whole.broken
}

/// A line that is being read.
struct LineCursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> LineCursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip(&mut self, any: &[u8]) {
        while self.peek().is_some_and(|byte| any.contains(&byte)) {
            self.at += 1;
        }
    }

    /// Behind the line break that comes next.
    fn end(&self) -> usize {
        memchr::memchr(b'\n', &self.bytes[self.at..]).map_or(self.bytes.len(), |length| self.at + length + 1)
    }

    /// Appends the line's row, and goes behind the line.
    fn push_row(&mut self, out: &mut Vec<u8>) -> Result<(), Defect> {
        let measurement = self.name(b", ")?;
        let mut pairs = Vec::new();
        while self.peek() == Some(b',') {
            self.at += 1;
            let key = self.name(b",= ")?;
            self.equals()?;
            let value = self.name(b",= ")?;
            pairs.push((key, None, value));
        }
        self.blank()?;
        loop {
            let key = self.name(b",= ")?;
            self.equals()?;
            let begin = self.at;
            let value = self.value()?;
            pairs.push((key, Some(value), begin..self.at));
            if self.peek() != Some(b',') {
                break;
            }
            self.at += 1;
        }
        let time = self.time()?;
        // A tag or field of such a name stands for itself.
        let is_free = |name: &str| !pairs.iter().any(|(key, ..)| &self.bytes[key.clone()] == name.as_bytes());
        out.push(b'{');
        if is_free("measurement") {
            json_writer::push_key(out, "measurement");
            json_writer::push_text(out, &self.unescaped(measurement)?);
        }
        if let Some(time) = time.filter(|_| is_free("time")) {
            json_writer::push_key(out, "time");
            json_writer::push_integer(out, time);
        }
        for (key, field, value) in pairs {
            json_writer::push_key(out, &self.unescaped(key)?);
            match field {
                None => json_writer::push_text(out, &self.unescaped(value)?),
                Some(Field::Text) => json_writer::push_text(out, &self.string(value)?),
                Some(Field::Verbatim) => out.extend_from_slice(&self.bytes[value]),
                Some(Field::Float(x)) => json_writer::push_number(out, x),
                Some(Field::Integer(x)) => json_writer::push_integer(out, x),
                Some(Field::Bool(x)) => out.extend_from_slice(if x { b"true" } else { b"false" }),
            }
        }
        out.push(b'}');
        Ok(())
    }

    /// The range of a name up to one of `stops` that no backslash stands before.
    fn name(&mut self, stops: &[u8]) -> Result<Range<usize>, Defect> {
        let begin = self.at;
        while let Some(byte) = self.peek().filter(|byte| *byte != b'\n') {
            match byte {
                b'\\' if self.bytes.get(self.at + 1).is_some_and(|next| b",= ".contains(next)) => self.at += 2,
                byte if stops.contains(&byte) => break,
                _ => self.at += 1,
            }
        }
        if self.at == begin { Err(Defect::Name) } else { Ok(begin..self.at) }
    }

    fn equals(&mut self) -> Result<(), Defect> {
        if self.peek() != Some(b'=') {
            return Err(Defect::Equals);
        }
        self.at += 1;
        Ok(())
    }

    /// The blanks before the fields.
    fn blank(&mut self) -> Result<(), Defect> {
        if self.peek() != Some(b' ') {
            return Err(Defect::Field);
        }
        self.skip(b" ");
        Ok(())
    }

    fn value(&mut self) -> Result<Field, Defect> {
        let begin = self.at;
        if self.peek() == Some(b'"') {
            let end = self.string_end();
            // If a quote is not closed, the lines that follow are read as if the quote were not there.
            self.at = end.unwrap_or(begin);
            if end.is_some() && self.is_between() {
                return Ok(Field::Text);
            }
            self.at = begin;
            return Err(if end.is_some() { Defect::Value } else { Defect::End });
        }
        while !self.is_between() {
            self.at += 1;
        }
        let token = std::str::from_utf8(&self.bytes[begin..self.at]).map_err(|_| Defect::Text);
        let field = token.and_then(|token| Field::read(token).ok_or(Defect::Value));
        if field.is_err() {
            self.at = begin;
        }
        field
    }

    /// Behind the quote that closes the text that a quote opens here.
    fn string_end(&self) -> Option<usize> {
        let mut escaped = false;
        let text = &self.bytes[self.at + 1..];
        let length = text.iter().position(|byte| {
            let closes = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            closes
        });
        length.map(|length| self.at + 1 + length + 1)
    }

    /// Whether a value ends here.
    fn is_between(&self) -> bool {
        matches!(self.peek(), None | Some(b',' | b' ' | b'\n' | b'\r'))
    }

    /// The timestamp, if there is one; goes behind the line.
    fn time(&mut self) -> Result<Option<i64>, Defect> {
        self.skip(b" ");
        let (begin, end) = (self.at, self.end());
        let rest = self.bytes[begin..end].trim_ascii_end().strip_suffix(b"\0").unwrap_or(&self.bytes[begin..end]);
        let rest = rest.trim_ascii();
        if rest.is_empty() {
            self.at = end;
            return Ok(None);
        }
        let time = std::str::from_utf8(rest).ok().and_then(|text| text.parse().ok());
        if time.is_some() {
            self.at = end;
        }
        time.map(Some).ok_or(Defect::Timestamp)
    }

    /// A name without its backslashes.
    fn unescaped(&self, range: Range<usize>) -> Result<Cow<'a, str>, Defect> {
        without_backslashes(&self.bytes[range], b",= ")
    }

    /// A quoted value without its quotes and backslashes.
    fn string(&self, range: Range<usize>) -> Result<Cow<'a, str>, Defect> {
        without_backslashes(&self.bytes[range.start + 1..range.end - 1], b"\"\\")
    }
}

/// The text without the backslashes before any of `escaped`; others stand for themselves.
fn without_backslashes<'a>(bytes: &'a [u8], escaped: &[u8]) -> Result<Cow<'a, str>, Defect> {
    if memchr::memchr(b'\\', bytes).is_none() {
        return std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Defect::Text);
    }
    let (mut out, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    while let [first, behind @ ..] = rest {
        let escapes = *first == b'\\' && behind.first().is_some_and(|next| escaped.contains(next));
        out.push(if escapes { behind[0] } else { *first });
        rest = &behind[usize::from(escapes)..];
    }
    String::from_utf8(out).map(Cow::Owned).map_err(|_| Defect::Text)
}

/// The value of a field.
#[derive(Clone, Copy)]
enum Field {
    Text,
    /// A number that is written as JSON writes it.
    Verbatim,
    Float(f64),
    Integer(i128),
    Bool(bool),
}

impl Field {
    fn read(token: &str) -> Option<Field> {
        if json_writer::is_number(token.as_bytes()) {
            let finite = token.parse().is_ok_and(f64::is_finite);
            return finite.then_some(Field::Verbatim);
        }
        match token {
            "t" | "T" | "true" | "True" | "TRUE" => return Some(Field::Bool(true)),
            "f" | "F" | "false" | "False" | "FALSE" => return Some(Field::Bool(false)),
            _ => {}
        }
        if let Some(integer) = token.strip_suffix('i') {
            return integer.parse::<i64>().ok().map(|x| Field::Integer(x.into()));
        }
        if let Some(integer) = token.strip_suffix('u') {
            return integer.parse::<u64>().ok().map(|x| Field::Integer(x.into()));
        }
        let numeric = token.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        let number = token.parse().ok().filter(|x: &f64| numeric && x.is_finite());
        number.map(Field::Float)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::formats::row_taker::rows_of;

    /// The examples of InfluxData's reference of the line protocol.
    #[test]
    fn the_examples_of_the_reference_are_read() {
        for (line, row) in [
            (
                r#"myMeasurement,tag1=value1,tag2=value2 fieldKey="fieldValue" 1556813561098000000"#,
                r#"{"measurement":"myMeasurement","time":1556813561098000000,"tag1":"value1","tag2":"value2","fieldKey":"fieldValue"}"#,
            ),
            ("myMeasurement fieldKey=1.0", r#"{"measurement":"myMeasurement","fieldKey":1.0}"#),
            ("myMeasurement fieldKey=1", r#"{"measurement":"myMeasurement","fieldKey":1}"#),
            ("myMeasurement fieldKey=-1.234456e+78", r#"{"measurement":"myMeasurement","fieldKey":-1.234456e+78}"#),
            (
                "m a=1i,b=12485903u,c=-9223372036854775808i",
                r#"{"measurement":"m","a":1,"b":12485903,"c":-9223372036854775808}"#,
            ),
            ("m a=true,b=f,c=TRUE,d=F", r#"{"measurement":"m","a":true,"b":false,"c":true,"d":false}"#),
            (r"my\ Measurement fieldKey=1", r#"{"measurement":"my Measurement","fieldKey":1}"#),
            (
                r#"m fieldKey="\"string\" within a string""#,
                r#"{"measurement":"m","fieldKey":"\"string\" within a string"}"#,
            ),
            (r#"m fk="C:\\dir\x""#, r#"{"measurement":"m","fk":"C:\\dir\\x"}"#),
            (
                r#"m,tag\ Key1=tag\ Value1,a\=b=c\,d fieldKey=100"#,
                r#"{"measurement":"m","tag Key1":"tag Value1","a=b":"c,d","fieldKey":100}"#,
            ),
            (
                r#"m,tagKey=🍭 fieldKey="Launch 🚀" 1556813561098000000"#,
                r#"{"measurement":"m","time":1556813561098000000,"tagKey":"🍭","fieldKey":"Launch 🚀"}"#,
            ),
            ("m s=\"two\nlines, and = more\",x=2", r#"{"measurement":"m","s":"two\nlines, and = more","x":2}"#),
            // Go's floats, which are not JSON's.
            ("m a=.5,b=1.,c=+2,d=007", r#"{"measurement":"m","a":0.5,"b":1.0,"c":2.0,"d":7.0}"#),
            ("m,time=noon time2=1 5", r#"{"measurement":"m","time":"noon","time2":1}"#),
            ("m   a=1   -1", r#"{"measurement":"m","time":-1,"a":1}"#),
        ] {
            assert_eq!(rows_of(read, line.as_bytes()), [row], "{line}");
        }
    }

    #[test]
    fn a_bad_line_affects_no_other() {
        let text = "# a comment\nm a=1\r\n\nm a=\nm a=2 x\n\nm,b a=3\nm a=4 17\n";
        let broken = |reason: &str| format!("broken: not read as InfluxDB line protocol: {reason}");
        let expected = [
            r#"{"measurement":"m","a":1}"#.to_owned(),
            broken("at byte 5: a value that does not exist"),
            broken("at byte 7: a timestamp is a whole number"),
            broken("at byte 4: = is missing"),
            r#"{"measurement":"m","time":17,"a":4}"#.to_owned(),
        ];
        assert_eq!(rows_of(read, text.as_bytes()), expected);
        assert_eq!(rows_of(read, b"# nothing\n"), [] as [&str; 0], "comments are no rows");
        assert_eq!(rows_of(read, b" \n"), ["broken: an empty payload"]);
        assert!(is_influx(b"# x\nm a=1\n# y") && !is_influx(b"# x\n"));
        // A quote that is not closed swallows no line.
        let rows = rows_of(read, b"m a=\"x\nm a=1\nm a=\"y\nm a=2\n");
        assert!(rows[0].contains("byte 5") && rows[2].contains("byte 5: it ends too early"), "{rows:?}");
        assert_eq!((rows.len(), rows[1].contains(":1}"), rows[3].contains(":2}")), (4, true, true));
    }

    #[test]
    fn what_is_not_of_the_protocol_is_refused() {
        for line in [
            "m",
            "m ",
            "m a",
            "m a=",
            "m a=x",
            "m a=NaN",
            "m a=inf",
            "m a=1e999",
            "m a=1i2",
            "m a=9223372036854775808i",
            "m a=\"x",
            "m a=\"x\"y",
            "m a=\"x\\",
            "m,=b a=1",
            "m,a= a=1",
            ",a=b c=1",
            "m a=1,",
            "m a=1 2 3",
            "m a=1 2.5",
            "m a=1ii",
            "m a==1",
            "m,a=b=c d=1",
        ] {
            assert!(rows_of(read, line.as_bytes())[0].starts_with("broken: "), "{line}");
            assert!(!is_influx(line.as_bytes()));
        }
        assert!(rows_of(read, b"m\xff a=1")[0].contains("not UTF-8"));
        assert!(is_influx(b"weather,station=davis temp=54.3,hum=80i 1700000000000000000"));
    }
}
