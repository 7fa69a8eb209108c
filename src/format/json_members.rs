//! The members of JSON objects and the elements of arrays, as places in the text.

use std::collections::HashMap;
use std::ops::Range;

use super::json_cursor::JsonCursor;
use super::{json_text, json_writer};

/// Where a member of an object is: its key with quotes, and its value.
pub(super) type Member = (Range<usize>, Range<usize>);

/// The member that begins at a place inside of an object, and where the next one does; `None` at the end.
pub(super) fn member(object: &[u8], start: usize) -> Option<(Range<usize>, Range<usize>, usize)> {
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
pub(super) fn members(object: &[u8], start: usize) -> Vec<Member> {
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

/// How many elements an array has.
pub(super) fn count(array: &[u8]) -> usize {
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

/// Appends an object without its closing bracket: that of a value, or one of its elements, or of a lone value.
pub(super) fn push_cells(value: &[u8], out: &mut Vec<u8>) {
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
