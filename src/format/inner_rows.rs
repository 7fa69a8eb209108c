//! The array inside of a JSON payload, or of a line, that holds its rows: `rows` of `[source]`.

use std::ops::Range;

use super::json_cursor::JsonCursor;
use super::json_text::each_element;
use super::path::{self, PathStep};
use crate::data::{Broken, Format, Header, Row};

/// The path of the array that holds the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InnerRows {
    steps: Vec<PathStep>,
    /// The key that the whole path is, where it looks like more steps than one.
    key: Option<String>,
}

/// The rows of an object.
pub(crate) struct RowsFound {
    /// Where the array is in the object.
    pub array: Range<usize>,
    /// The object without the array's elements, from which the rows have what they lack.
    pub around: Vec<u8>,
}

impl InnerRows {
    /// The array at a path.
    ///
    /// # Errors
    /// In words: a text that is no path.
    pub fn parse(text: &str) -> Result<InnerRows, String> {
        let steps = path::parse(text)?;
        let key = (steps != [PathStep::Key(text.into())]).then(|| text.to_owned());
        Ok(InnerRows { steps, key })
    }

    /// The rows of an object; `None` if there is no array.
    ///
    /// # Errors
    /// Bytes that are no JSON.
    pub(crate) fn find(&self, object: &[u8]) -> Result<Option<RowsFound>, String> {
        let of = |steps: &[PathStep]| {
            let mut cursor = JsonCursor::new(object);
            let found = array_at(steps, &mut cursor)?;
            cursor.end().map(|()| found)
        };
        let exact = self.key.as_ref().filter(|key| memchr::memmem::find(object, key.as_bytes()).is_some());
        let exact = exact.map(|key| of(&[PathStep::Key(key.clone())])).transpose()?.flatten();
        let array = match exact {
            None => of(&self.steps)?,
            array => array,
        };
        Ok(array.map(|array| {
            let around = [&object[..array.start], b"[]", &object[array.end..]].concat();
            RowsFound { array, around }
        }))
    }

    /// Calls `f` with the rows of an object, or with the object, marked as broken, if it has none.
    pub(crate) fn each_row(&self, object: &[u8], mut f: impl FnMut(Row<'_>)) {
        let of = |bytes, format, header| Row { bytes, format, header };
        match self.find(object) {
            Ok(Some(RowsFound { array, around })) => {
                let header = Some(Header::read(&around));
                let rows = each_element(&object[array], |row| f(of(row, Format::Json, header)));
                rows.expect("the array was read to its end");
            }
            Ok(None) => f(of(object, Format::Broken(Broken::NoRows), None)),
            // Who reads it says why it can't be read.
            Err(_) => f(of(object, Format::Json, None)),
        }
    }
}

/// Passes over a value; where the array is in it that the steps lead to. Of a key that occurs twice the last one
/// counts.
fn array_at(steps: &[PathStep], cursor: &mut JsonCursor<'_>) -> Result<Option<Range<usize>>, String> {
    let first = cursor.peek();
    let Some((step, rest)) = steps.split_first() else {
        let start = cursor.position();
        cursor.skip()?;
        return Ok((first == Some(b'[')).then(|| start..cursor.position()));
    };
    let mut found = None;
    match (first, step) {
        (Some(b'{'), PathStep::Key(key)) => {
            cursor.open(b'{')?;
            let mut more = !cursor.close(b'}');
            while more {
                let own = cursor.string()? == key.as_str();
                cursor.expect(b':')?;
                if own {
                    found = array_at(rest, cursor)?;
                } else {
                    cursor.skip()?;
                }
                more = cursor.another(b'}')?;
            }
        }
        (Some(b'['), PathStep::Index(_) | PathStep::Element { .. }) => {
            cursor.open(b'[')?;
            let (mut more, mut index) = (!cursor.close(b']'), 0);
            while more {
                let own = match step {
                    PathStep::Element { key, value } => cursor.has_value(key, value),
                    step => *step == PathStep::Index(index),
                };
                if own {
                    found = array_at(rest, cursor)?;
                } else {
                    cursor.skip()?;
                }
                index += 1;
                more = cursor.another(b']')?;
            }
        }
        _ => cursor.skip()?,
    }
    Ok(found)
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
        for object in ["{}", r#"{"a": null}"#, r#"{"a": {"r": {}}}"#, r#"{"a": [{"r": [1]}]}"#, "7"] {
            assert_eq!(rows("a.r", object), ["Broken(NoRows)"], "{object}");
        }
        assert_eq!(rows("a.r", r#"{"a": {"r": [1}}"#), [r#"{"a": {"r": [1}} "#]);
    }
}
