//! The rows inside of a JSON payload, or of a line: `rows` of `[source]`. They are the elements of an array, the elements
//! of arrays that are columns, or the members of an object whose keys are values of a column; arrays and objects of those
//! are passed through one by one.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::json_cursor::JsonCursor;
use super::json_members::{Member, count, member, members, push_cells};
use super::json_text;
use super::json_writer;
use super::path::{self, PathStep};
use super::rows_path::{self, RowsLevel, RowsSpread};
use crate::data::{Broken, Format, Header, NoRows, Row, Standing};

/// Where the rows are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InnerRows {
    levels: Arc<[RowsLevel]>,
    elements: Elements,
}

/// What elements that are no objects stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Elements {
    /// Whether a value without a key is a row of the column `value`.
    lone: bool,
    /// Whether the first one may hold the names of the others' cells.
    named: bool,
}

/// The rows of an object that are still to come.
#[derive(Debug)]
pub(crate) struct RowsFound {
    /// The object without the rows, from which the rows have what they lack.
    pub around: Vec<u8>,
    /// The number of that object as a header.
    pub line: u64,
    elements: Elements,
    rest: Rest,
}

/// What is left of the rows: places in the object.
#[derive(Debug)]
enum Rest {
    /// Elements of an array, from the first place to the second, its bracket included.
    Elements(Range<usize>),
    /// Elements that are arrays of cells, behind one with the names of these: the keys with quotes.
    Cells(Vec<Range<usize>>, Range<usize>),
    /// Columns: of each its key with quotes, and where its next element begins; and how many rows there are.
    Columns(Vec<(Range<usize>, usize)>, usize),
    /// Members of an object, up to its bracket, with the column of their keys.
    Members(Range<usize>, Option<String>),
    /// One row, if it has not been taken.
    One(Option<Range<usize>>),
    /// The rows of another object, in which what was a text is JSON.
    Within(Box<(Vec<u8>, RowsFound)>),
    /// The rows in each of several values.
    Levels(Box<LevelRows>),
}

/// How many bytes may be written still for all levels of a payload, and whether it was told that this is not enough.
#[derive(Clone, Copy, Debug)]
struct Budget {
    left: usize,
    is_over: bool,
}

/// The values of a level.
#[derive(Debug)]
struct LevelRows {
    levels: Arc<[RowsLevel]>,
    depth: usize,
    /// The array or object that has them.
    place: Range<usize>,
    /// What comes next in it.
    next: usize,
    budget: Budget,
    /// The rows of the value that comes now, in an object that has it where all of them were.
    current: Option<(Vec<u8>, RowsFound)>,
}

/// Where a row is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InnerRow {
    /// In the object.
    Stands(Range<usize>),
    /// It was written.
    Written,
    /// What was written has no rows.
    Missing(NoRows),
}

/// Rows, or why there are none.
type Found = Result<RowsFound, NoRows>;

/// Arrays under longer keys are no columns: each row has the keys of all.
const LONGEST_KEY: usize = 1024;
/// What is beside arrays within arrays is written anew for each: so much in all for one payload.
const MAX_WRITTEN: usize = if cfg!(test) { 1 << 24 } else { 1 << 30 };

impl InnerRows {
    /// The rows at a path: that of an array, or of an object of arrays; `.` is the payload itself. A step `{column}` says
    /// that an object has the rows, and that its keys are the values of this column; `[*]` and `*` go on in each element of
    /// an array and in each value of an object.
    ///
    /// # Errors
    /// In words: a text that is no path.
    pub fn parse(text: &str) -> Result<InnerRows, String> {
        Ok(InnerRows { levels: rows_path::parse(text)?.into(), elements: Elements { lone: false, named: true } })
    }

    /// The same, where a value without a key is a row of the column that is read from `value`.
    pub fn with_lone_values(self, lone: bool) -> InnerRows {
        InnerRows { elements: Elements { lone, ..self.elements }, ..self }
    }

    /// The same, where elements that are arrays have columns of their own, such as `[0]`: the first one is a row, too.
    pub fn without_names(self) -> InnerRows {
        InnerRows { elements: Elements { named: false, ..self.elements }, ..self }
    }

    /// Whether the payload itself holds them.
    pub(crate) fn is_payload(&self) -> bool {
        self.levels.len() == 1 && self.levels[0].steps.is_empty() && self.levels[0].spread == RowsSpread::Rows
    }

    /// The columns whose values are keys of the objects that have the rows.
    pub fn key_columns(&self) -> impl Iterator<Item = &str> {
        self.levels.iter().filter_map(|level| match &level.spread {
            RowsSpread::Members(Some(column)) => Some(column.as_str()),
            _ => None,
        })
    }

    /// The rows of an object, or why there are none where they should be.
    ///
    /// # Errors
    /// Bytes that are no JSON.
    pub(crate) fn find(&self, object: &[u8]) -> Result<Found, String> {
        find(&self.levels, 0, object, 0..object.len(), self.elements, Budget { left: MAX_WRITTEN, is_over: false })
    }

    /// Calls `f` with the rows of an object, or with the object, marked as broken, if it has none.
    pub(crate) fn each_row(&self, object: &[u8], mut f: impl FnMut(Row<'_>)) {
        match self.find(object) {
            Ok(Ok(mut found)) => {
                let mut written = Vec::new();
                while let Some(row) = found.next(object, &mut written) {
                    let (bytes, format) = match row {
                        InnerRow::Stands(range) => (&object[range], Format::Json),
                        InnerRow::Written => (written.as_slice(), Format::Json),
                        InnerRow::Missing(why) => (written.as_slice(), Format::Broken(Broken::NoRows(why))),
                    };
                    let header = Header { names: &found.around, line: Some(found.line) };
                    f(Row { bytes: bytes.trim_ascii(), format, header: Some(header) });
                }
            }
            Ok(Err(why)) => f(Row { bytes: object, format: Format::Broken(Broken::NoRows(why)), header: None }),
            // Who reads it says why it can't be read.
            Err(_) => f(Row { bytes: object, format: Format::Json, header: None }),
        }
    }
}

/// The rows of whole JSON that a level leads to from a part of it.
fn find(
    levels: &Arc<[RowsLevel]>,
    depth: usize,
    object: &[u8],
    at: Range<usize>,
    elements: Elements,
    budget: Budget,
) -> Result<Found, String> {
    let level = &levels[depth];
    let place = |steps: &[PathStep]| {
        let mut cursor = JsonCursor::new(&object[at.clone()]);
        let found = path::place(steps, &mut cursor)?;
        cursor.end()?;
        Ok::<_, String>(found.map(|found| at.start + found.start..at.start + found.end))
    };
    let exact = level.exact.as_ref().filter(|key| memchr::memmem::find(&object[at.clone()], key.as_bytes()).is_some());
    let exact = exact.map(|key| place(&[PathStep::Key(key.clone())])).transpose()?.flatten();
    let found = match exact.filter(|place| matches!(object[place.start], b'[' | b'{')) {
        None => place(&level.steps)?,
        exact => exact,
    };
    if let Some(rows) = found.clone().and_then(|place| rows_at(levels, depth, object, place, elements, budget)) {
        return Ok(Ok(rows));
    }
    // What the last steps lead to may be in a text.
    for length in (0..=level.steps.len()).rev() {
        let Some(stands) = place(&level.steps[..length])? else { continue };
        if let Some(json) = json_in_text(&object[stands.clone()]) {
            let inside = [&object[..stands.start], &json, &object[stands.end..]].concat();
            let at = at.start..at.end + json.len() - stands.len();
            return Ok(find(levels, depth, &inside, at, elements, budget)?.map(|found| RowsFound {
                around: found.around.clone(),
                line: found.line,
                elements,
                rest: Rest::Within(Box::new((inside, found))),
            }));
        }
        let steps = levels[..depth].iter().map(|level| level.steps.len()).sum::<usize>() + length;
        return Ok(Err(NoRows { steps: u8::try_from(steps).unwrap_or(u8::MAX), stands: standing(&object[stands]) }));
    }
    Ok(Err(NoRows { steps: 0, stands: Standing::Object }))
}

/// What stands where there are no rows.
fn standing(value: &[u8]) -> Standing {
    match value.first() {
        Some(b'{') if value[1..].trim_ascii_start().starts_with(b"}") => Standing::Empty,
        Some(b'{') => Standing::Object,
        Some(b'[') => Standing::Array,
        Some(b'"') => Standing::Text,
        Some(b'n' | b'N') => Standing::Null,
        Some(b't' | b'f') => Standing::Boolean,
        _ => Standing::Number,
    }
}

/// The object or the array that a text is, as JSON that was written as JSON once more.
fn json_in_text(value: &[u8]) -> Option<Vec<u8>> {
    let text = JsonCursor::new(value).string().ok().filter(|_| value[0] == b'"')?;
    let mut inside = JsonCursor::new(text.as_bytes());
    matches!(inside.peek(), Some(b'{' | b'[')).then_some(())?;
    inside.skip().and_then(|()| inside.end()).ok()?;
    Some(text.trim_start().trim_end_matches(|end: char| end == '\0' || end.is_whitespace()).as_bytes().to_vec())
}

/// The rows that a value at a place of whole JSON holds; `None` if it can't hold them.
fn rows_at(
    levels: &Arc<[RowsLevel]>,
    depth: usize,
    object: &[u8],
    place: Range<usize>,
    elements: Elements,
    budget: Budget,
) -> Option<RowsFound> {
    let without = |left: &[u8]| [&object[..place.start], left, &object[place.end..]].concat();
    let inside = place.start + 1..place.end;
    let is_payload = depth == 0 && object[..place.start].trim_ascii().is_empty();
    let beside = |left: &[u8]| if is_payload { b"{}".to_vec() } else { without(left) };
    let is_last = depth + 1 == levels.len();
    let (around, rest) = match (object[place.start], &levels[depth].spread) {
        // An element of an array that is the payload.
        (b'[' | b'"', RowsSpread::Rows) if is_payload => (b"{}".to_vec(), Rest::One(Some(place))),
        (b'[', RowsSpread::Rows) => {
            let names = elements.named.then(|| names(object, inside.clone())).flatten();
            let named = |(keys, behind)| Rest::Cells(keys, behind..inside.end);
            (without(b"[]"), names.map_or_else(|| Rest::Elements(inside.clone()), named))
        }
        (b'{', RowsSpread::Rows) => match columns(object, place.clone(), &without) {
            Some(columns) => columns,
            None if object[inside].trim_ascii_start().starts_with(b"}") => return None,
            None => (beside(b"{}"), Rest::One(Some(place))),
        },
        (_, RowsSpread::Rows) if elements.lone && !object[place.clone()].starts_with(b"n") => {
            (beside(b"null"), Rest::One(Some(place)))
        }
        (b'{', RowsSpread::Members(column)) if is_last => (without(b"{}"), Rest::Members(inside, column.clone())),
        (b'[', RowsSpread::Elements) | (b'{', RowsSpread::Members(_)) => {
            let rows = LevelRows { levels: levels.clone(), depth, next: inside.start, place, budget, current: None };
            (Vec::new(), Rest::Levels(Box::new(rows)))
        }
        _ => return None,
    };
    Some(RowsFound { around, line: Header::next_line(), elements, rest })
}

/// The rows of an object of arrays.
fn columns(object: &[u8], place: Range<usize>, without: &impl Fn(&[u8]) -> Vec<u8>) -> Option<(Vec<u8>, Rest)> {
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
    Some((around, Rest::Columns(columns, length)))
}

impl RowsFound {
    /// What levels inside of them have left of it.
    fn budget(&self) -> Option<Budget> {
        match &self.rest {
            Rest::Levels(levels) => Some(levels.budget),
            Rest::Within(within) => within.1.budget(),
            _ => None,
        }
    }

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
                Some(row_at(object, element, self.elements.lone, out))
            }
            Rest::Cells(keys, rest) => {
                let (element, last) = json_text::element(&object[..rest.end], rest.start)?;
                if last && object[element.clone()].trim_ascii().is_empty() {
                    return None;
                }
                rest.start = if last { rest.end } else { element.end + 1 };
                let place = trimmed(object, element);
                match cells(object, place.clone()).filter(|cells| cells.len() == keys.len()) {
                    Some(cells) => {
                        write_cells(object, keys.iter().zip(&cells), out);
                        Some(InnerRow::Written)
                    }
                    // Who reads it says why it can't be read.
                    None => Some(InnerRow::Stands(place)),
                }
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
                if let Some(column) = column {
                    json_writer::push_key(out, column);
                    out.extend_from_slice(&object[key]);
                }
                out.push(b'}');
                Some(InnerRow::Written)
            }
            Rest::One(row) => row.take().map(|row| row_at(object, row, self.elements.lone, out)),
            Rest::Within(within) => {
                let (object, found) = &mut **within;
                let row = found.next(object, out)?;
                if self.line != found.line {
                    (self.line, self.around) = (found.line, found.around.clone());
                }
                Some(written(row, object, out))
            }
            Rest::Levels(levels) => {
                let (row, line) = levels.next(object, self.elements, self.line, &mut self.around, out)?;
                self.line = line;
                Some(row)
            }
        }
    }
}

impl LevelRows {
    /// The next row, and the number of what is around it, which is written if it has another number than before.
    fn next(
        &mut self,
        object: &[u8],
        elements: Elements,
        line: u64,
        around: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Option<(InnerRow, u64)> {
        loop {
            if let Some((inside, found)) = &mut self.current {
                if let Some(row) = found.next(inside, out) {
                    if line != found.line {
                        around.clone_from(&found.around);
                    }
                    return Some((written(row, inside, out), found.line));
                }
                self.budget = found.budget().unwrap_or(self.budget);
                self.current = None;
                if self.budget.is_over {
                    self.next = self.place.end;
                }
            }
            let (key, value) = self.value(object)?;
            let (inside, at) = self.around_value(object, key, value);
            let Some(left) = self.budget.left.checked_sub(inside.len()) else {
                (self.budget.is_over, self.next) = (true, self.place.end);
                let why = NoRows { steps: 0, stands: Standing::TooMuch };
                return Some((missing(inside, why, around, out), Header::next_line()));
            };
            self.budget.left = left;
            match find(&self.levels, self.depth + 1, &inside, at, elements, self.budget) {
                Ok(Ok(found)) => self.current = Some((inside, found)),
                Ok(Err(why)) => return Some((missing(inside, why, around, out), Header::next_line())),
                // The whole was read before.
                Err(_) => {}
            }
        }
    }

    /// The value that comes next, with its key if it has one.
    fn value(&mut self, object: &[u8]) -> Option<(Option<Range<usize>>, Range<usize>)> {
        if object[self.place.start] == b'{' {
            let (key, value, next) = member(object, self.next)?;
            self.next = next;
            return Some((Some(key), value));
        }
        let (element, last) = json_text::element(&object[..self.place.end], self.next)?;
        let value = &object[element.clone()];
        let start = element.start + (value.len() - value.trim_ascii_start().len());
        let end = start + value.trim_ascii().len();
        self.next = if last { self.place.end } else { element.end + 1 };
        (start < end).then_some((None, start..end))
    }

    /// The object with a value where all values were, and beside it the cells of the value and its key; and where the
    /// value is in it.
    fn around_value(&self, object: &[u8], key: Option<Range<usize>>, value: Range<usize>) -> (Vec<u8>, Range<usize>) {
        let Range { start, end } = self.place;
        let is_payload = object[..start].trim_ascii().is_empty();
        let (before, behind): (&[u8], &[u8]) =
            if is_payload { (b"{\"[*]\":", b"}") } else { (&object[..start], &object[end..]) };
        let mut inside = [before, &object[value.clone()], behind].concat();
        let at = before.len()..before.len() + value.len();
        let Some(end) = inside.iter().rposition(|byte| *byte == b'}').filter(|_| inside.trim_ascii_start()[0] == b'{')
        else {
            return (inside, at);
        };
        inside.truncate(end);
        let levels = &self.levels[self.depth..];
        if let (b'{', Some(PathStep::Key(rows))) = (object[value.start], levels[1].steps.first()) {
            for (key, cell) in members(object, value.start) {
                let is_rows = object[key.start + 1..key.end - 1] == *rows.as_bytes();
                if !is_rows && object[cell.start] != b'[' {
                    inside.push(b',');
                    inside.extend_from_slice(&object[key.start..cell.end]);
                }
            }
        }
        if let (Some(key), RowsSpread::Members(Some(column))) = (key, &levels[0].spread) {
            json_writer::push_key(&mut inside, column);
            inside.extend_from_slice(&object[key]);
        }
        inside.push(b'}');
        (inside, at)
    }
}

/// A place without the white space around what is there.
fn trimmed(object: &[u8], place: Range<usize>) -> Range<usize> {
    let value = &object[place.clone()];
    let start = place.start + (value.len() - value.trim_ascii_start().len());
    start..start + value.trim_ascii().len()
}

/// The elements of an array.
fn cells(object: &[u8], array: Range<usize>) -> Option<Vec<Range<usize>>> {
    object[array.clone()].starts_with(b"[").then_some(())?;
    let (mut next, mut cells) = (array.start + 1, Vec::new());
    loop {
        let (element, last) = json_text::element(&object[..array.end], next)?;
        let place = trimmed(object, element.clone());
        if !place.is_empty() {
            cells.push(place);
        }
        if last {
            return Some(cells);
        }
        next = element.end + 1;
    }
}

/// The names in the first element of an array, as the header of the others; and where the second one begins. It holds texts
/// alone, no two of which are the same, and the second one has as many cells, a number among them.
fn names(object: &[u8], inside: Range<usize>) -> Option<(Vec<Range<usize>>, usize)> {
    if !object[inside.clone()].trim_ascii_start().starts_with(b"[") {
        return None;
    }
    let (first, last) = json_text::element(&object[..inside.end], inside.start)?;
    let behind = first.end + 1;
    let (second, _) = json_text::element(&object[..inside.end], if last { return None } else { behind })?;
    let (keys, row) = (cells(object, trimmed(object, first))?, cells(object, trimmed(object, second))?);
    let texts: Vec<&[u8]> = keys.iter().map(|key| &object[key.clone()]).collect();
    let is_name = |(place, text): (usize, &&[u8])| {
        text.starts_with(b"\"") && *text != b"\"\"" && text.len() <= LONGEST_KEY && !texts[..place].contains(text)
    };
    let is_number = |cell: &Range<usize>| matches!(object[cell.start], b'-' | b'0'..=b'9');
    let is_header = texts.iter().enumerate().all(is_name) && row.len() == keys.len() && row.iter().any(is_number);
    is_header.then_some((keys, behind))
}

/// Writes cells under their names.
fn write_cells<'r>(
    object: &[u8],
    cells: impl Iterator<Item = (&'r Range<usize>, &'r Range<usize>)>,
    out: &mut Vec<u8>,
) {
    out.clear();
    out.push(b'{');
    for (number, (key, cell)) in cells.enumerate() {
        if number > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&object[key.clone()]);
        out.push(b':');
        out.extend_from_slice(&object[cell.clone()]);
    }
    out.push(b'}');
}

/// An object without rows, which is written.
fn missing(object: Vec<u8>, why: NoRows, around: &mut Vec<u8>, out: &mut Vec<u8>) -> InnerRow {
    *out = object;
    *around = b"{}".to_vec();
    InnerRow::Missing(why)
}

/// A row of another object, which is written if it stands in it.
fn written(row: InnerRow, object: &[u8], out: &mut Vec<u8>) -> InnerRow {
    match row {
        InnerRow::Stands(range) => {
            out.clear();
            out.extend_from_slice(object[range].trim_ascii());
            InnerRow::Written
        }
        row => row,
    }
}

/// A value as a row; a lone one is that of the column `value`, where there is such a column.
fn row_at(object: &[u8], place: Range<usize>, lone: bool, out: &mut Vec<u8>) -> InnerRow {
    let value = object[place.clone()].trim_ascii();
    let has_keys = matches!(value, [] | [b'{' | b'[', ..] | [b'"', b'{', ..]);
    if !lone || has_keys {
        return InnerRow::Stands(place);
    }
    out.clear();
    push_cells(value, out);
    out.push(b'}');
    InnerRow::Written
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
                Format::Broken(Broken::NoRows(_)) => "no rows".into(),
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
            ["{}", r#"{"a": null}"#, r#"{"a": {"r": {}}}"#, r#"{"a": {"r": null}}"#, r#"{"a": [{"r": [1]}]}"#, "7"]
        {
            assert_eq!(rows("a.r", object), ["no rows"], "{object}");
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
        assert_eq!(rows("a.{k}", r#"{"a": [{"t": 1}]}"#), ["no rows"]);
        assert_eq!(InnerRows::parse("a.{k}").unwrap().key_columns().collect::<Vec<_>>(), ["k"]);
        assert!(InnerRows::parse("a.").is_err() && InnerRows::parse("").is_err());
    }

    #[test]
    fn rows_are_found_in_each_of_several_values() {
        let object = r#"{"id": "u", "s": [{"l": 1, "d": [{"t": 1}, {"t": 2}], "x": [0]}, {"l": 2, "d": []}, {"d": [{"t": 3}]}, 7]}"#;
        let expected = [
            r#"{"t": 1} {"id": "u", "s": {"l": 1, "d": [], "x": [0]},"l": 1}"#,
            r#"{"t": 2} {"id": "u", "s": {"l": 1, "d": [], "x": [0]},"l": 1}"#,
            r#"{"t": 3} {"id": "u", "s": {"d": []}}"#,
            "no rows",
        ];
        assert_eq!(rows("s[*].d", object), expected);
        assert_eq!(rows("s[].d[]", object), expected);
        let object = r#"{"s": {"a": {"d": [{"t": 1}]}, "b": {"d": {"t": 2}}}}"#;
        let expected = [r#"{"t": 1} {"s": {"d": []},"i":"a"}"#, r#"{"t": 2} {"s": {"d": {}},"i":"b"}"#];
        assert_eq!(rows("s.{i}.d", object), expected);
        let object = r#"{"temp": {"x": 1.5, "y": 2}, "hum": {"x": 80}}"#;
        let expected = [
            r#"{"value":1.5,"at":"x"} {"[*]":{},"what":"temp"}"#,
            r#"{"value":2,"at":"y"} {"[*]":{},"what":"temp"}"#,
            r#"{"value":80,"at":"x"} {"[*]":{},"what":"hum"}"#,
        ];
        assert_eq!(rows("{what}.{at}", object), expected);
        assert_eq!(rows("s[*][*]", r#"{"s": [[{"t": 1}], [{"t": 2}]]}"#).len(), 2);
        assert_eq!(
            rows("a[*].b[*].c", r#"{"a": [{"n": 1, "b": [{"m": 2, "c": [{"t": 3}]}]}]}"#),
            [r#"{"t": 3} {"a": {"n": 1, "b": {"m": 2, "c": []}},"n": 1,"m": 2}"#]
        );
    }

    #[test]
    fn what_is_written_for_levels_is_bounded_in_all() {
        let inner = format!("[{}]", vec!["[{}]"; 300].join(","));
        let object = format!(r#"{{"x": "{}", "a": [{}]}}"#, "y".repeat(100_000), vec![inner; 300].join(","));
        let found = rows("a[*][*][*]", &object);
        // 300 times 300 times 100 kB are 9 GB.
        assert!((140..168).contains(&found.len()), "{}", found.len());
        assert_eq!(found.iter().filter(|row| *row == "no rows").count(), 1);
        assert_eq!(found.last().map(String::as_str), Some("no rows"));
    }

    #[test]
    fn one_row_stands_where_an_array_is_usual() {
        assert_eq!(rows("d", r#"{"d": {"t": 1}, "s": 2}"#), [r#"{"t": 1} {"d": {}, "s": 2}"#]);
        assert_eq!(rows(".", r#"{"t": 1}"#), [r#"{"t": 1} {}"#]);
        assert_eq!(rows(".", "[1, 2]"), ["[1, 2] {}"]);
    }

    #[test]
    fn rows_in_a_text_that_is_json() {
        let text = r#"{"p": "{\"list\": [{\"t\": 1}, {\"t\": 2}]}", "s": 3}"#;
        let around = r#"{"p": {"list": []}, "s": 3}"#;
        assert_eq!(rows("p.list", text), [format!(r#"{{"t": 1}} {around}"#), format!(r#"{{"t": 2}} {around}"#)]);
        assert_eq!(rows("p", r#"{"p": "[{\"t\": 1}]"}"#), [r#"{"t": 1} {"p": []}"#]);
        assert_eq!(rows("p.list", r#"{"p": "no JSON"}"#), ["no rows"]);
    }

    #[test]
    fn values_without_keys_are_rows_where_a_column_reads_them() {
        let object = br#"{"t0": 1, "s": [1.5, "x", null, {"t": 1}]}"#;
        let mut all = Vec::new();
        let rows = InnerRows::parse("s").unwrap();
        rows.clone()
            .with_lone_values(true)
            .each_row(object, |row| all.push(String::from_utf8_lossy(row.bytes).into_owned()));
        assert_eq!(all, [r#"{"value":1.5}"#, r#"{"value":"x"}"#, r#"{"value":null}"#, r#"{"t": 1}"#]);
        rows.each_row(object, |row| all.push(String::from_utf8_lossy(row.bytes).into_owned()));
        assert_eq!(all[4..], ["1.5", "\"x\"", "null", r#"{"t": 1}"#]);
    }

    /// Regression: each was a row of cells without names, and a dead letter.
    #[test]
    fn an_array_of_arrays_may_begin_with_their_names() {
        let rows = |inner: InnerRows, array: &str| {
            let mut rows = Vec::new();
            inner.each_row(format!(r#"{{"id": 7, "r": {array}}}"#).as_bytes(), |row| {
                rows.push(String::from_utf8_lossy(row.bytes).into_owned());
            });
            rows.join(" ")
        };
        let inner = || InnerRows::parse("r").unwrap();
        let named = r#"[["t", "a,\"b"], [1, "x,y"], [ null , [2, 3] ], [4], {"t": 5}]"#;
        assert_eq!(rows(inner(), named), r#"{"t":1,"a,\"b":"x,y"} {"t":null,"a,\"b":[2, 3]} [4] {"t": 5}"#);
        assert_eq!(rows(inner().without_names(), r#"[["t"], [1]]"#), r#"["t"] [1]"#);
        for cells in [r#"["t","h"] ["x","y"]"#, r#"["t","t"] [1,2]"#, r#"["t"] [1,2]"#, r#"["t",1] [1,2]"#, r#"["t"]"#]
        {
            assert_eq!(rows(inner(), &format!("[{}]", cells.replace("] [", "],["))), cells);
        }
    }
}
