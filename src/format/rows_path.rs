//! The path of `rows` of `[source]`: steps as those of any path, and marks at which it goes on in each of several values:
//! `[*]` in the elements of an array, `*` in the values of an object, `{column}` in these with their keys as a column.

use super::path::{self, PathStep};

/// Steps to a place, and the values there in which the path goes on, or that are the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Level {
    /// From the values of the level above, or from the payload; none if it is these themselves.
    pub steps: Vec<PathStep>,
    /// The key that the steps are as a whole, where they look like more than one.
    pub exact: Option<String>,
    pub spread: Spread,
}

/// Which values of those at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spread {
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
pub(super) fn parse(text: &str) -> Result<Vec<Level>, String> {
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
            if last.spread == Spread::Elements {
                last.spread = Spread::Rows;
            }
        }
        _ => levels.push(level(rest, Spread::Rows, false)?),
    }
    // An array that is the payload is cut into its elements before.
    if levels.len() > 1 && levels[0].spread == Spread::Elements && levels[0].steps.is_empty() {
        levels.remove(0);
    }
    Ok(levels)
}

fn level(path: &str, spread: Spread, marked: bool) -> Result<Level, String> {
    if path == "." || path.is_empty() && marked {
        return Ok(Level { steps: Vec::new(), exact: None, spread });
    }
    let steps = path::parse(path)?;
    let exact = (steps != [PathStep::Key(path.into())]).then(|| path.to_owned());
    Ok(Level { steps, exact, spread })
}

/// The first mark of a path: its place, its length, and what it says.
fn mark(path: &str) -> Option<(usize, usize, Spread)> {
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
            '[' if rest.starts_with("[*]") => return Some((at, 3, Spread::Elements)),
            '[' if rest.starts_with("[]") => return Some((at, 2, Spread::Elements)),
            '*' if begins && ends(1) => return Some((at, 1, Spread::Members(None))),
            '{' if begins => match rest.find('}') {
                Some(end) if end > 1 && ends(end + 1) => {
                    return Some((at, end + 1, Spread::Members(Some(rest[1..end].to_owned()))));
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
        let of = |steps, spread| Level { steps, exact: None, spread };
        let named = |column: &str| Spread::Members(Some(column.into()));
        for (path, expected) in [
            (".", vec![of(vec![], Spread::Rows)]),
            ("[*]", vec![of(vec![], Spread::Rows)]),
            ("r", vec![of(key("r"), Spread::Rows)]),
            ("r[]", vec![of(key("r"), Spread::Rows)]),
            ("[*].r", vec![of(key("r"), Spread::Rows)]),
            ("s[*].d", vec![of(key("s"), Spread::Elements), of(key("d"), Spread::Rows)]),
            ("s[].d[]", vec![of(key("s"), Spread::Elements), of(key("d"), Spread::Rows)]),
            ("s[*][*]", vec![of(key("s"), Spread::Elements), of(vec![], Spread::Rows)]),
            ("s.{i}.d", vec![of(key("s"), named("i")), of(key("d"), Spread::Rows)]),
            ("{a}.{b}", vec![of(vec![], named("a")), of(vec![], named("b"))]),
            ("s.*", vec![of(key("s"), Spread::Members(None))]),
            ("*.d", vec![of(vec![], Spread::Members(None)), of(key("d"), Spread::Rows)]),
            (
                "[\"a[*].{b}\"]",
                vec![Level { exact: Some("[\"a[*].{b}\"]".into()), ..of(key("a[*].{b}"), Spread::Rows) }],
            ),
        ] {
            assert_eq!(parse(path), Ok(expected), "{path}");
        }
        for wrong in ["", "a.", "s[*].", "s[*]d", "s..{i}", "a[", "s.{i}x.d["] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
