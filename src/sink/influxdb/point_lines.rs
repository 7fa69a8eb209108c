//! Rows as lines of line protocol.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Once;

use super::point_layout::{FieldType, PointLayout, SPECIAL, escaped};
use super::settings::InfiniteField;
use crate::data::{Kind, Message, event_nanoseconds};

/// A row, by the place of its message and its own.
pub type RowPlace = (usize, usize);

/// Rows of several messages as lines.
#[derive(Default)]
pub struct PointLines {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    places: Vec<RowPlace>,
}

impl PointLines {
    /// The lines, and the rows that cannot be one, with the reason.
    pub fn encode(messages: &[Message], layout: &PointLayout) -> (PointLines, Vec<(RowPlace, String)>) {
        let (mut lines, mut unwritable) = (PointLines::default(), Vec::new());
        for (place, message) in messages.iter().enumerate() {
            for row in 0..message.rows() {
                let start = lines.bytes.len();
                match push(&mut lines.bytes, layout, message, row) {
                    Ok(()) => {
                        lines.ends.push(lines.bytes.len());
                        lines.places.push((place, row));
                    }
                    Err(reason) => {
                        lines.bytes.truncate(start);
                        unwritable.push(((place, row), reason));
                    }
                }
            }
        }
        (lines, unwritable)
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Where lines come from.
    pub fn places(&self, lines: Range<usize>) -> &[RowPlace] {
        &self.places[lines]
    }

    /// A line's measurement and tags.
    pub fn series(&self, line: usize) -> &[u8] {
        let line = self.bytes(line..line + 1);
        let is_end = |place: &usize| line[*place] == b' ' && !line[..*place].ends_with(b"\\");
        &line[..(0..line.len()).find(is_end).unwrap_or(line.len())]
    }

    /// The bytes of lines.
    pub fn bytes(&self, lines: Range<usize>) -> &[u8] {
        let end = |lines: usize| lines.checked_sub(1).map_or(0, |last| self.ends[last]);
        &self.bytes[end(lines.start)..end(lines.end)]
    }

    /// The bytes of some lines, whose numbers rise.
    pub fn chosen(&self, lines: &[usize]) -> Cow<'_, [u8]> {
        match lines {
            [first, .., last] if last - first + 1 == lines.len() => self.bytes(*first..last + 1).into(),
            _ => lines.iter().map(|line| self.bytes(*line..line + 1)).collect::<Vec<_>>().concat().into(),
        }
    }
}

/// The day of a line's time, in UTC, from 1970.
pub fn day(line: &[u8]) -> Option<i64> {
    const NANOSECONDS: i64 = 86_400_000_000_000;
    let time = str::from_utf8(line.trim_ascii_end().rsplit(|byte| *byte == b' ').next()?).ok()?;
    Some(time.parse::<i64>().ok()?.div_euclid(NANOSECONDS))
}

fn push(out: &mut Vec<u8>, layout: &PointLayout, message: &Message, row: usize) -> Result<(), String> {
    out.extend_from_slice(&layout.measurement);
    for tag in &layout.tags {
        let number = |x: f64| Some(x.to_string()).filter(|_| !x.is_nan());
        let value = match tag.column.kind {
            Kind::Number => number(message.column(tag.column.slot)[row]),
            Kind::Text => message.texts[tag.column.slot].get(row).map(str::to_owned),
        };
        let Some(value) = value.filter(|value| !value.is_empty()) else { continue };
        let text = escaped(&value, &SPECIAL).ok_or_else(|| {
            format!(
                "{}: {value:?} is no tag of line protocol: it has a line break or another control character, or a \\ at \
                 its end or before a comma, a space or =",
                tag.column.name
            )
        })?;
        out.push(b',');
        out.extend_from_slice(&tag.key);
        out.extend_from_slice(text.as_bytes());
    }
    let mut before = b' ';
    for (field, field_type) in &layout.fields {
        let start = out.len();
        out.push(before);
        out.extend_from_slice(&field.key);
        let written = match field.column.kind {
            Kind::Text => push_text(out, message.texts[field.column.slot].get(row)),
            Kind::Number => {
                let number = message.column(field.column.slot)[row];
                push_number(out, &field.column.name, *field_type, layout.infinite, number)?
            }
        };
        if written {
            before = b',';
        } else {
            out.truncate(start);
        }
    }
    if before == b' ' {
        return Err("no field has a value: line protocol has no point without one".into());
    }
    let name = &layout.time.name;
    let time = event_nanoseconds(message, &layout.time, row)
        .ok_or_else(|| format!("{name}: no time between the years 1677 and 2262"))?;
    out.push(b' ');
    out.extend_from_slice(itoa::Buffer::new().format(time).as_bytes());
    out.push(b'\n');
    Ok(())
}

/// Whether there is a value.
fn push_text(out: &mut Vec<u8>, text: Option<&str>) -> bool {
    let Some(text) = text else { return false };
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
    true
}

/// Whether there is a value.
fn push_number(
    out: &mut Vec<u8>,
    name: &str,
    field_type: FieldType,
    infinite: InfiniteField,
    x: f64,
) -> Result<bool, String> {
    if x.is_nan() {
        return Ok(false);
    }
    if x.is_infinite() {
        return match infinite {
            InfiniteField::Row => Err(format!("{name}: line protocol cannot say {x}")),
            InfiniteField::Missing => {
                tell_infinite(name);
                Ok(false)
            }
        };
    }
    match field_type {
        FieldType::Boolean => out.push(if x == 0.0 { b'f' } else { b't' }),
        FieldType::Integer => {
            /// 2 to the 63rd.
            const BOUND: f64 = 9_223_372_036_854_775_808.0;
            if x.fract() != 0.0 || !(-BOUND..BOUND).contains(&x) {
                return Err(format!("{name}: {x} is no integer of 64 bits"));
            }
            out.extend_from_slice(itoa::Buffer::new().format(x as i64).as_bytes());
            out.push(b'i');
        }
        FieldType::Float | FieldType::Text => out.extend_from_slice(ryu::Buffer::new().format_finite(x).as_bytes()),
    }
    Ok(true)
}

#[cold]
fn tell_infinite(name: &str) {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        tracing::warn!(
            "column {name} holds an infinite number, whose field is left out as a missing value is; infinite = \"row\" in \
             the sink's section makes its row a dead letter"
        );
    });
}

#[cfg(test)]
mod tests {
    use super::super::point_layout::tests::settings;
    use super::*;
    use crate::data::{Schema, TextColumn};

    /// By InfluxDB's reference "Line protocol": `measurement,tag=value field=value timestamp`; spaces, commas and `=` of
    /// tags are escaped, quotes and backslashes of strings; integers end in `i`; floats may have an exponent.
    #[test]
    fn lines_of_the_reference() {
        let names = [("at", Kind::Number), ("t e", Kind::Text), ("b", Kind::Number), ("i", Kind::Number)];
        let schema =
            Schema::new(names.into_iter().chain([("x", Kind::Number), ("s", Kind::Text), ("a", Kind::Number)]));
        let nan = f64::NAN;
        let numbers = ndarray::array![
            [1.5, -1.0, 0.0, 1.0, 1.0, nan, 1e300, 1.0],
            [1.0, 0.0, -7.0, nan, 1.0, 1.0, 1.0, nan],
            [3.0, -9_223_372_036_854_775_808.0, nan, nan, 0.5, 1.0, 1.0, nan],
            [0.1, 1e300, -0.0, nan, 1.0, 1.0, 1.0, f64::NEG_INFINITY],
            [7.0, 0.5, nan, nan, 1.0, 1.0, 1.0, nan]
        ];
        let text = |cells: &[Option<&str>]| {
            let mut column = TextColumn::default();
            cells.iter().for_each(|cell| column.push(*cell));
            column
        };
        let tags = text(&[Some("a b,c=d"), Some(""), None, Some("x"), Some("e"), Some("e"), Some("e"), Some("x\\")]);
        let strings = text(&[Some("q\"\\\n,= ü"), Some(""), None, None, None, None, None, Some("s")]);
        let message = Message::new(4, (0..8).collect(), numbers, vec![tags, strings]);
        let encode = |more: &str| {
            let text =
                format!("measurement = 'm,n o=p'\ntags = ['t e', 'a']\nbooleans = ['b']\nintegers = ['i']\n{more}");
            let layout = PointLayout::of(&settings(&text), &schema, Some("at")).unwrap();
            PointLines::encode(std::slice::from_ref(&message), &layout)
        };
        let (lines, unwritable) = encode("");
        let expected = "m\\,n\\ o=p,a=7,t\\ e=a\\ b\\,c\\=d b=t,i=3i,x=0.1,s=\"q\\\"\\\\\n,= ü\" 1500000000\n\
                        m\\,n\\ o=p,a=0.5 b=f,i=-9223372036854775808i,x=1e300,s=\"\" -1000000000\n\
                        m\\,n\\ o=p b=t,x=-0.0 0\n";
        assert_eq!(String::from_utf8_lossy(lines.bytes(0..3)), expected);
        assert_eq!((lines.len(), lines.places(1..3)), (3, &[(0, 1), (0, 2)][..]));
        assert_eq!(lines.bytes(1..2).len() + lines.bytes(0..1).len() + lines.bytes(2..3).len(), expected.len());
        let reasons: Vec<(usize, &str)> = unwritable.iter().map(|((_, row), reason)| (*row, reason.as_str())).collect();
        let found: Vec<usize> = reasons.iter().map(|(row, _)| *row).collect();
        assert_eq!(found, [3, 4, 5, 6, 7]);
        for ((_, reason), words) in reasons.into_iter().zip([
            "no field has a value",
            "i: 0.5 is no integer",
            "at: no time",
            "at: no time",
            "t e: \"x\\\\\" is no tag",
        ]) {
            assert!(reason.contains(words), "{reason}");
        }
        let (_, unwritable) = encode("infinite = 'row'");
        assert!(unwritable.last().unwrap().1.contains("is no tag"), "the tags come first");
        let layout = PointLayout::of(&settings("measurement = 'm'\ninfinite = 'row'"), &schema, Some("at")).unwrap();
        let (_, unwritable) = PointLines::encode(std::slice::from_ref(&message), &layout);
        assert_eq!(unwritable.last().unwrap().1, "x: line protocol cannot say -inf");
    }
}
