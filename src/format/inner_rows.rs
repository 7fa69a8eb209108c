//! The rows inside of a JSON payload, or of a line: `rows` of `[source]`. They are the elements of an array, the elements
//! of arrays that are columns, or the members of an object whose keys are values of a column.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::json_cursor::JsonCursor;
use super::json_text;
use super::json_writer;
use super::path::{self, PathStep};
use crate::data::{Broken, Format, Header, Row};

/// Where the rows are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InnerRows {
    /// To the array, or to the object; none if it is the payload itself.
    steps: Vec<PathStep>,
    /// The key that the whole path is, where it looks like more steps than one.
    exact: Option<String>,
    /// The column whose values are the keys of an object of rows.
    keys: Option<String>,
}

/// The rows of an object that are still to come.
#[derive(Debug)]
pub(crate) struct RowsFound {
    /// The object without the rows, from which the rows have what they lack.
    pub around: Vec<u8>,
    rest: Rest,
}

/// What is left of the rows: places in the object.
#[derive(Debug)]
enum Rest {
    /// Elements of an array, from the first place to the second, its bracket included.
    Elements(Range<usize>),
    /// Columns: of each its key with quotes, and where its next element begins; and how many rows there are.
    Columns(Vec<(Range<usize>, usize)>, usize),
    /// Members of an object, up to its bracket, with the column of their keys.
    Members(Range<usize>, String),
}

/// Where a row is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InnerRow {
    /// In the object.
    Stands(Range<usize>),
    /// It was written.
    Written,
}

/// Where a member of an object is: its key with quotes, and its value.
type Member = (Range<usize>, Range<usize>);

/// Arrays under longer keys are no columns: each row has the keys of all.
const LONGEST_KEY: usize = 1024;

impl InnerRows {
    /// The rows at a path: that of an array, or of an object of arrays; `.` is the payload itself. A last step `{column}`
    /// says that an object has the rows, and that its keys are the values of this column.
    ///
    /// # Errors
    /// In words: a text that is no path.
    pub fn parse(text: &str) -> Result<InnerRows, String> {
        let (at, keys) = match text.strip_suffix('}').and_then(|text| text.rsplit_once('{')) {
            Some((at, column)) if !column.is_empty() && (at.is_empty() || at.ends_with('.')) => {
                (at.strip_suffix('.').unwrap_or(at), Some(column.to_owned()))
            }
            _ => (text, None),
        };
        if at == "." || at.is_empty() && keys.is_some() {
            return Ok(InnerRows { steps: Vec::new(), exact: None, keys });
        }
        let steps = path::parse(at)?;
        let exact = (steps != [PathStep::Key(at.into())]).then(|| at.to_owned());
        Ok(InnerRows { steps, exact, keys })
    }

    /// The column whose values are keys of the object that has the rows.
    pub fn key_column(&self) -> Option<&str> {
        self.keys.as_deref()
    }

    /// The rows of an object; `None` if there are none where they should be.
    ///
    /// # Errors
    /// Bytes that are no JSON.
    pub(crate) fn find(&self, object: &[u8]) -> Result<Option<RowsFound>, String> {
        let of = |steps: &[PathStep]| {
            let mut cursor = JsonCursor::new(object);
            let found = path::place(steps, &mut cursor)?;
            let found = found.filter(|found| matches!(object[found.start], b'[' | b'{'));
            cursor.end().map(|()| found)
        };
        let exact = self.exact.as_ref().filter(|key| memchr::memmem::find(object, key.as_bytes()).is_some());
        let exact = exact.map(|key| of(&[PathStep::Key(key.clone())])).transpose()?.flatten();
        let place = match exact {
            None => of(&self.steps)?,
            place => place,
        };
        Ok(place.and_then(|place| self.rows_at(object, place)))
    }

    /// The rows that an array or an object at a place of whole JSON holds.
    fn rows_at(&self, object: &[u8], place: Range<usize>) -> Option<RowsFound> {
        let without = |left: &[u8]| [&object[..place.start], left, &object[place.end..]].concat();
        let is_array = object[place.start] == b'[';
        let inside = place.start + 1..place.end;
        match &self.keys {
            None if is_array => Some(RowsFound { around: without(b"[]"), rest: Rest::Elements(inside) }),
            None => {
                let members = members(object, place.start);
                let lengths: Vec<Option<usize>> = members.iter().map(|member| length_of(object, member)).collect();
                let length = common_length(&lengths)?;
                let (mut columns, mut left, mut arrays) = (Vec::new(), b"{".to_vec(), Vec::new());
                for ((key, value), own) in members.into_iter().zip(lengths) {
                    if own == Some(length) {
                        columns.push((key, value.start + 1));
                        continue;
                    }
                    if left.len() > 1 {
                        left.push(b',');
                    }
                    left.extend_from_slice(&object[key.start..value.end]);
                    if object[value.start] == b'[' {
                        arrays.extend_from_slice(&object[key.start..value.end]);
                        arrays.push(b',');
                    }
                }
                left.push(b'}');
                let mut around = without(&left);
                // A column of an array that no row has an element of must not be missing in silence.
                let root = object.iter().position(|byte| *byte == b'{').expect("rows are in an object");
                if root < place.start {
                    around.splice(root + 1..root + 1, arrays);
                }
                Some(RowsFound { around, rest: Rest::Columns(columns, length) })
            }
            Some(_) if is_array => None,
            Some(column) => Some(RowsFound { around: without(b"{}"), rest: Rest::Members(inside, column.clone()) }),
        }
    }

    /// Calls `f` with the rows of an object, or with the object, marked as broken, if it has none.
    pub(crate) fn each_row(&self, object: &[u8], mut f: impl FnMut(Row<'_>)) {
        match self.find(object) {
            Ok(Some(mut found)) => {
                let (mut written, line) = (Vec::new(), Header::next_line());
                while let Some(row) = found.next(object, &mut written) {
                    let bytes = match row {
                        InnerRow::Stands(range) => &object[range],
                        InnerRow::Written => &written,
                    };
                    let header = Header { names: &found.around, line: Some(line) };
                    f(Row { bytes: bytes.trim_ascii(), format: Format::Json, header: Some(header) });
                }
            }
            Ok(None) => f(Row { bytes: object, format: Format::Broken(Broken::NoRows), header: None }),
            // Who reads it says why it can't be read.
            Err(_) => f(Row { bytes: object, format: Format::Json, header: None }),
        }
    }
}

impl RowsFound {
    /// The next row of the object, which may be written into `out`.
    pub fn next(&mut self, object: &[u8], out: &mut Vec<u8>) -> Option<InnerRow> {
        match &mut self.rest {
            Rest::Elements(rest) => {
                // Behind the last one and its bracket is the array's end, and no element.
                let (element, last) = json_text::element(&object[..rest.end], rest.start)?;
                if last && object[element.clone()].trim_ascii().is_empty() {
                    return None;
                }
                rest.start = if last { rest.end } else { element.end + 1 };
                Some(InnerRow::Stands(element))
            }
            Rest::Columns(columns, left) => {
                *left = left.checked_sub(1)?;
                out.clear();
                out.push(b'{');
                for (number, (key, next)) in columns.iter_mut().enumerate() {
                    let (element, _) = json_text::element(object, *next).expect("the elements were counted");
                    *next = element.end + 1;
                    if number > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(&object[key.clone()]);
                    out.push(b':');
                    out.extend_from_slice(object[element].trim_ascii());
                }
                out.push(b'}');
                Some(InnerRow::Written)
            }
            Rest::Members(rest, column) => {
                let (key, value, next) = member(object, rest.start)?;
                rest.start = next;
                out.clear();
                push_cells(&object[value], out);
                json_writer::push_key(out, column);
                out.extend_from_slice(&object[key]);
                out.push(b'}');
                Some(InnerRow::Written)
            }
        }
    }
}

/// Appends an object without its closing bracket: that of a value, or one of its elements, or of a lone value.
fn push_cells(value: &[u8], out: &mut Vec<u8>) {
    match value {
        [b'{', inside @ .., b'}'] => {
            out.push(b'{');
            out.extend_from_slice(inside.trim_ascii());
        }
        [b'[', ..] => {
            out.push(b'{');
            let mut index = 0;
            let elements = json_text::each_element(value, |element| {
                json_writer::push_key(out, &format!("[{index}]"));
                out.extend_from_slice(element);
                index += 1;
            });
            elements.expect("the array was read to its end");
        }
        value => {
            out.extend_from_slice(b"{\"value\":");
            out.extend_from_slice(value);
        }
    }
}

/// The member that begins at a place inside of an object, and where the next one does; `None` at the end.
fn member(object: &[u8], start: usize) -> Option<(Range<usize>, Range<usize>, usize)> {
    let mut cursor = JsonCursor::new(&object[start..]);
    cursor.take(b',');
    if cursor.peek()? != b'"' {
        return None;
    }
    let key = start + cursor.position();
    cursor.string().ok()?;
    let key = key..start + cursor.position();
    cursor.expect(b':').ok()?;
    cursor.peek();
    let value = start + cursor.position();
    cursor.skip().ok()?;
    let value = value..start + cursor.position();
    Some((key, value.clone(), value.end))
}

/// The members of the object at a place; of a key that comes twice the last one.
fn members(object: &[u8], start: usize) -> Vec<Member> {
    let (mut all, mut places, mut next) = (Vec::new(), HashMap::new(), start + 1);
    while let Some((key, value, behind)) = member(object, next) {
        let place = *places.entry(&object[key.clone()]).or_insert(all.len());
        match all.get_mut(place) {
            Some(known) => *known = (key, value),
            None => all.push((key, value)),
        }
        next = behind;
    }
    all
}

/// How many elements a member has that may be a column.
fn length_of(object: &[u8], (key, value): &Member) -> Option<usize> {
    (object[value.start] == b'[' && key.len() <= LONGEST_KEY).then(|| count(&object[value.clone()]))
}

/// The length that most columns have; of equals the greatest.
fn common_length(lengths: &[Option<usize>]) -> Option<usize> {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    lengths.iter().flatten().for_each(|length| *counts.entry(*length).or_default() += 1);
    counts.into_iter().max_by_key(|(length, columns)| (*columns, *length)).map(|(length, _)| length)
}

/// How many elements an array has.
fn count(array: &[u8]) -> usize {
    let (mut count, mut start) = (0, 1);
    while let Some((element, last)) = json_text::element(array, start) {
        count += usize::from(!(last && count == 0 && array[element.clone()].trim_ascii().is_empty()));
        if last {
            break;
        }
        start = element.end + 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(path: &str, object: &str) -> Vec<String> {
        let mut all = Vec::new();
        InnerRows::parse(path).unwrap().each_row(object.as_bytes(), |row| {
            let text = String::from_utf8_lossy(row.bytes);
            let header = row.header.map_or_else(String::new, |header| String::from_utf8_lossy(header.names).into());
            all.push(match row.format {
                Format::Json => format!("{text} {header}"),
                other => format!("{other:?}"),
            });
        });
        all
    }

    #[test]
    fn rows_come_with_what_is_around_them() {
        let object = r#"{"data": {"ts": 1, "conditions": [{"t": 1}, {"t": [2]}], "x": {}}, "error": null}"#;
        let around = r#"{"data": {"ts": 1, "conditions": [], "x": {}}, "error": null}"#;
        assert_eq!(
            rows("data.conditions", object),
            [format!("{{\"t\": 1}} {around}"), format!("{{\"t\": [2]}} {around}")]
        );
        assert_eq!(rows("data.conditions[1].t", object).len(), 1);
        assert_eq!(rows("data.x", r#"{"data.x": [1], "data": {"x": [2, 3]}}"#).len(), 1);
        assert_eq!(rows("s[k=b].r", r#"{"s": [{"k": "a", "r": [1]}, {"r": [2, 3], "k": "b"}]}"#).len(), 2);
        assert_eq!(rows("r", r#"{"r": [1], "r": []}"#), [] as [&str; 0]);
    }

    #[test]
    fn an_object_without_such_an_array_is_broken() {
        for object in
            ["{}", r#"{"a": null}"#, r#"{"a": {"r": {}}}"#, r#"{"a": {"r": {"x": 1}}}"#, r#"{"a": [{"r": [1]}]}"#, "7"]
        {
            assert_eq!(rows("a.r", object), ["Broken(NoRows)"], "{object}");
        }
        assert_eq!(rows("a.r", r#"{"a": {"r": [1}}"#), [r#"{"a": {"r": [1}} "#]);
    }

    #[test]
    fn arrays_that_are_columns_are_rows() {
        let object = r#"{"lat": 52.5, "hourly": {"time": ["a", "b,]"], "x\"y" : [ 1.50 ,null], "model": "m"}, "z": 1}"#;
        let around = r#"{"lat": 52.5, "hourly": {"model": "m"}, "z": 1}"#;
        assert_eq!(
            rows("hourly", object),
            [format!(r#"{{"time":"a","x\"y":1.50}} {around}"#), format!(r#"{{"time":"b,]","x\"y":null}} {around}"#)]
        );
        let flat = r#" {"dev": "x", "t": [1, 2], "v": [[3], {"w": 4}], "at": [5, 6, 7]} "#;
        let around = r#" {"dev": "x","at": [5, 6, 7]} "#;
        assert_eq!(
            rows(".", flat),
            [format!(r#"{{"t":1,"v":[3]}} {around}"#), format!(r#"{{"t":2,"v":{{"w": 4}}}} {around}"#)]
        );
        // Of equals the longest: the other one is around the rows by its own name, and who reads it refuses it.
        let around = r#"{"t": [1],"h": {"t": [1]}}"#;
        assert_eq!(
            rows("h", r#"{"h": {"t": [1], "v": [2, 3]}}"#),
            [format!(r#"{{"v":2}} {around}"#), format!(r#"{{"v":3}} {around}"#)]
        );
        assert_eq!(rows("h", r#"{"h": {"t": [], "v": [ ]}}"#), [] as [&str; 0]);
        assert_eq!(rows("h", r#"{"h": {"t": [1, 2], "t": [3]}}"#), [r#"{"t":3} {"h": {}}"#]);
    }

    #[test]
    fn members_of_an_object_are_rows_with_their_keys() {
        let object =
            r#"{"Time": "x", "Zb": {"0x1": { "t": 1 }, "0\"2": [2, {"u": 3}], "a": {}, "b": "on" }, "end": 1 }"#;
        let around = r#"{"Time": "x", "Zb": {}, "end": 1 }"#;
        let expected = [
            r#"{"t": 1,"device":"0x1"}"#,
            r#"{"[0]":2,"[1]":{"u": 3},"device":"0\"2"}"#,
            r#"{"device":"a"}"#,
            r#"{"value":"on","device":"b"}"#,
        ];
        assert_eq!(rows("Zb.{device}", object), expected.map(|row| format!("{row} {around}")));
        assert_eq!(
            rows("{at}", r#"{"1": {"t": 1}, "2": {"t": 2}}"#),
            [r#"{"t": 1,"at":"1"} {}"#, r#"{"t": 2,"at":"2"} {}"#]
        );
        assert_eq!(rows("a.{k}", r#"{"a": {}}"#), [] as [&str; 0]);
        assert_eq!(rows("a.{k}", r#"{"a": [{"t": 1}]}"#), ["Broken(NoRows)"]);
        assert_eq!(InnerRows::parse("a.{k}").unwrap().key_column(), Some("k"));
        assert!(InnerRows::parse("a.").is_err() && InnerRows::parse("").is_err());
    }
}
