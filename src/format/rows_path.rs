//! The path of `rows` of `[source]`: steps as those of any path, and marks at which it goes on in each of several values:
//! `[*]` in the elements of an array, `*` in the values of an object, `{column}` in these with their keys as a column.

use super::path::{self, PathStep};

/// Steps to a place, and the values there in which the path goes on, or that are the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RowsLevel {
    /// From the values of the level above, or from the payload; none if it is these themselves.
    pub steps: Vec<PathStep>,
    /// The key that the steps are as a whole, where they look like more than one.
    pub exact: Option<String>,
    pub spread: RowsSpread,
}

/// Which values of those at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RowsSpread {
    /// Of an array its elements; of an object the elements of its arrays, or itself.
    Rows,
    /// The elements of an array.
    Elements,
    /// The values of an object, whose keys are those of this column, if it has a name.
    Members(Option<String>),
}

/// The levels of a path; `.` is the payload itself.
///
/// # Errors
/// In words: a text that is no path.
pub(super) fn parse(text: &str) -> Result<Vec<RowsLevel>, String> {
    let (mut levels, mut rest) = (Vec::new(), text);
    while let Some((at, length, spread)) = mark(rest) {
        let before = &rest[..at];
        levels.push(level(before.strip_suffix('.').unwrap_or(before), spread, true)?);
        rest = &rest[at + length..];
        rest = match rest.strip_prefix('.') {
            Some(behind) if !behind.is_empty() => behind,
            None if rest.is_empty() || rest.starts_with('[') => rest,
            _ => return Err(format!("{text:?} is no path: behind a mark is the end, a bracket, or a dot and a key")),
        };
    }
    match levels.last_mut() {
        Some(last) if rest.is_empty() => {
            if last.spread == RowsSpread::Elements {
                last.spread = RowsSpread::Rows;
            }
        }
        _ => levels.push(level(rest, RowsSpread::Rows, false)?),
    }
    // An array that is the payload is cut into its elements before.
    if levels.len() > 1 && levels[0].spread == RowsSpread::Elements && levels[0].steps.is_empty() {
        levels.remove(0);
    }
    Ok(levels)
}

fn level(path: &str, spread: RowsSpread, marked: bool) -> Result<RowsLevel, String> {
    if path == "." || path.is_empty() && marked {
        return Ok(RowsLevel { steps: Vec::new(), exact: None, spread });
    }
    let steps = path::parse(path)?;
    let exact = (steps != [PathStep::Key(path.into())]).then(|| path.to_owned());
    Ok(RowsLevel { steps, exact, spread })
}

/// The first mark of a path: its place, its length, and what it says.
fn mark(path: &str) -> Option<(usize, usize, RowsSpread)> {
    let (mut quoted, mut escaped, mut begins) = (false, false, true);
    for (at, character) in path.char_indices() {
        let rest = &path[at..];
        // A step ends with the path, a dot or a bracket.
        let ends = |length: usize| matches!(rest.as_bytes().get(length), None | Some(b'.' | b'['));
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '[' if rest.starts_with("[*]") => return Some((at, 3, RowsSpread::Elements)),
            '[' if rest.starts_with("[]") => return Some((at, 2, RowsSpread::Elements)),
            '*' if begins && ends(1) => return Some((at, 1, RowsSpread::Members(None))),
            '{' if begins => match rest.find('}') {
                Some(end) if end > 1 && ends(end + 1) => {
                    return Some((at, end + 1, RowsSpread::Members(Some(rest[1..end].to_owned()))));
                }
                _ => {}
            },
            _ => {}
        }
        begins = character == '.';
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_goes_on_at_its_marks() {
        let key = |key: &str| vec![PathStep::Key(key.into())];
        let of = |steps, spread| RowsLevel { steps, exact: None, spread };
        let named = |column: &str| RowsSpread::Members(Some(column.into()));
        for (path, expected) in [
            (".", vec![of(vec![], RowsSpread::Rows)]),
            ("[*]", vec![of(vec![], RowsSpread::Rows)]),
            ("r", vec![of(key("r"), RowsSpread::Rows)]),
            ("r[]", vec![of(key("r"), RowsSpread::Rows)]),
            ("[*].r", vec![of(key("r"), RowsSpread::Rows)]),
            ("s[*].d", vec![of(key("s"), RowsSpread::Elements), of(key("d"), RowsSpread::Rows)]),
            ("s[].d[]", vec![of(key("s"), RowsSpread::Elements), of(key("d"), RowsSpread::Rows)]),
            ("s[*][*]", vec![of(key("s"), RowsSpread::Elements), of(vec![], RowsSpread::Rows)]),
            ("s.{i}.d", vec![of(key("s"), named("i")), of(key("d"), RowsSpread::Rows)]),
            ("{a}.{b}", vec![of(vec![], named("a")), of(vec![], named("b"))]),
            ("s.*", vec![of(key("s"), RowsSpread::Members(None))]),
            ("*.d", vec![of(vec![], RowsSpread::Members(None)), of(key("d"), RowsSpread::Rows)]),
            (
                "[\"a[*].{b}\"]",
                vec![RowsLevel { exact: Some("[\"a[*].{b}\"]".into()), ..of(key("a[*].{b}"), RowsSpread::Rows) }],
            ),
        ] {
            assert_eq!(parse(path), Ok(expected), "{path}");
        }
        for wrong in ["", "a.", "s[*].", "s[*]d", "s..{i}", "a[", "s.{i}x.d["] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
