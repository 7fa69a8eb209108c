//! Paths to values inside of JSON rows, such as `a.b`, `a[0].b`, `sensors[type=P1].value` and `a["b.c"]`.

use std::fmt::Write;
use std::ops::Range;

use super::json_cursor::JsonCursor;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PathStep {
    /// The value of a key.
    Key(String),
    /// An element of an array, from 0.
    Index(usize),
    /// An element of an array, counted from the end, from 1.
    Last(usize),
    /// The element of an array of objects whose key has this value.
    Element {
        /// The key.
        key: String,
        /// Its value, as text.
        value: String,
    },
}

/// The steps of a path.
///
/// # Errors
/// In words: a text that is no path.
pub(crate) fn parse(text: &str) -> Result<Vec<PathStep>, String> {
    const MAX_STEPS: usize = 64;
    let wrong = |what: &str| format!("{text:?} is no path such as a.b, a[0].b, a[type=P1].b or a[\"b.c\"]: {what}");
    let (mut steps, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (step, behind) = bracket(inside).map_err(wrong)?;
            steps.push(step);
            rest = behind;
            continue;
        }
        if !steps.is_empty() {
            rest = rest.strip_prefix('.').ok_or_else(|| wrong("a dot or a bracket follows a bracket"))?;
        }
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        if end == 0 {
            return Err(wrong("a key is empty"));
        }
        steps.push(PathStep::Key(rest[..end].to_owned()));
        rest = &rest[end..];
    }
    match steps.len() {
        0 => Err(wrong("it is empty")),
        1..=MAX_STEPS => Ok(steps),
        _ => Err(wrong("it is too long")),
    }
}

/// The step in a bracket, and what is behind it.
fn bracket(inside: &str) -> Result<(PathStep, &str), &'static str> {
    if inside.starts_with('"') {
        let (key, rest) = quoted(inside)?;
        let rest = rest.strip_prefix(']').ok_or("a bracket does not close")?;
        return Ok((PathStep::Key(key), rest));
    }
    let end = inside.find(['=', ']']).ok_or("a bracket does not close")?;
    let (key, rest) = (&inside[..end], &inside[end + 1..]);
    if inside.as_bytes()[end] == b']' {
        let (number, last) = key.strip_prefix('-').map_or((key, false), |number| (number, true));
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let index = number.parse().ok().filter(|index| digits && !(last && *index == 0));
        let index = index.ok_or("in a bracket is a number, KEY=VALUE or a quoted key")?;
        return Ok((if last { PathStep::Last(index) } else { PathStep::Index(index) }, rest));
    }
    let (value, rest) = match rest.starts_with('"') {
        true => quoted(rest).map(|(value, rest)| (value, rest.strip_prefix(']')))?,
        false => rest.split_once(']').map_or((String::new(), None), |(value, rest)| (value.to_owned(), Some(rest))),
    };
    let rest = rest.ok_or("a bracket does not close")?;
    if key.is_empty() {
        return Err("a key is empty");
    }
    Ok((PathStep::Element { key: key.to_owned(), value }, rest))
}

/// The string of JSON that a text begins with, and what is behind it.
fn quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut cursor = JsonCursor::new(text.as_bytes());
    let string = cursor.string().map_err(|_| "a quote does not close")?;
    Ok((string.into_owned(), &text[cursor.position()..]))
}

/// Appends a key to a path; one that a path could not hold as it is is quoted.
pub(crate) fn append_key(path: &mut String, key: &str) {
    if key.is_empty() || key.contains(['.', '[', ']', '"']) {
        let quoted = serde_json::Value::from(key);
        return write!(path, "[{quoted}]").expect("a String takes everything");
    }
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}

/// Passes over a value; where the value is in it that the steps lead to. Of a key that occurs twice the last one counts.
///
/// # Errors
/// What is no JSON.
pub(crate) fn place(steps: &[PathStep], cursor: &mut JsonCursor<'_>) -> Result<Option<Range<usize>>, String> {
    let first = cursor.peek();
    let Some((step, rest)) = steps.split_first() else {
        let start = cursor.position();
        cursor.skip()?;
        return Ok(Some(start..cursor.position()));
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
                    found = place(rest, cursor)?;
                } else {
                    cursor.skip()?;
                }
                more = cursor.another(b'}')?;
            }
        }
        (Some(b'['), PathStep::Index(_) | PathStep::Last(_) | PathStep::Element { .. }) => {
            let length = if matches!(step, PathStep::Last(_)) { cursor.elements()? } else { 0 };
            cursor.open(b'[')?;
            let (mut more, mut index) = (!cursor.close(b']'), 0);
            while more {
                let own = match step {
                    PathStep::Element { key, value } => cursor.has_value(key, value),
                    PathStep::Last(from_end) => index + from_end == length,
                    step => *step == PathStep::Index(index),
                };
                if own {
                    found = place(rest, cursor)?;
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

    fn key(key: &str) -> PathStep {
        PathStep::Key(key.into())
    }

    #[test]
    fn every_kind_of_step() {
        let element = |of: &str, value: &str| PathStep::Element { key: of.into(), value: value.into() };
        for (text, expected) in [
            ("temp", vec![key("temp")]),
            ("a.b c", vec![key("a"), key("b c")]),
            ("a[0][12].b", vec![key("a"), PathStep::Index(0), PathStep::Index(12), key("b")]),
            ("a[-1]", vec![key("a"), PathStep::Last(1)]),
            ("s[value_type=P1].value", vec![key("s"), element("value_type", "P1"), key("value")]),
            ("s[t=\"x]y\"].v", vec![key("s"), element("t", "x]y"), key("v")]),
            ("[\"a.b\"].c[\"\\\"\"]", vec![key("a.b"), key("c"), key("\"")]),
            ("temperature:0.tC", vec![key("temperature:0"), key("tC")]),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
        for wrong in [
            "", ".", "a.", ".a", "a..b", "a[", "a[]", "a[b]", "a[0", "a[0]b", "a[-0]", "a[--1]", "a[=x]", "a[\"b]",
            "a[k=v",
        ] {
            assert!(parse(wrong).unwrap_err().contains("is no path"), "{wrong}");
        }
        assert!(parse(&"a.".repeat(65)).is_err());
    }

    #[test]
    fn a_path_of_any_keys_is_read_back() {
        let keys = ["a", "b.c", "", "d[0]", "\"\n", "e f"];
        let mut path = String::new();
        keys.iter().for_each(|key| append_key(&mut path, key));
        assert_eq!(parse(&path), Ok(keys.map(key).to_vec()), "{path}");
    }
}
