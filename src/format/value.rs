//! A payload that is the value of one column: a number, a word or a text, alone; and rows of such values.

use super::json_cursor::JsonCursor;
use super::json_writer;
use super::path::{self, PathStep};
use super::payload_flaw::{flaw_of, text_flaw};
use crate::data::{Broken, PartialRow};

/// Where the value is in payloads that are objects: `value` of `[source]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValuePath(Vec<PathStep>);

impl ValuePath {
    /// The value at a path.
    ///
    /// # Errors
    /// In words: a text that is no path.
    pub fn parse(text: &str) -> Result<ValuePath, String> {
        path::parse(text).map(ValuePath)
    }

    /// Whether a key of the object leads to the value.
    pub(crate) fn begins_with(&self, key: &str) -> bool {
        self.0.first() == Some(&PathStep::Key(key.to_owned()))
    }

    /// What an object has at keys or paths, but for the value itself, as JSON; neither objects nor arrays.
    pub(crate) fn cells_beside<'k>(
        &self,
        payload: &[u8],
        keys: impl Iterator<Item = &'k str>,
    ) -> Vec<(String, String)> {
        let Ok(text) = text_of(payload) else { return Vec::new() };
        let place = |steps: &[PathStep]| path::place(steps, &mut JsonCursor::new(text.as_bytes())).ok().flatten();
        let own = place(&self.0);
        // The fast path: most columns are not beside the value.
        let may_have = |key: &&str| {
            let first = key.split(['.', '[']).next().unwrap_or_default();
            first.is_empty() || text.contains(first) || text.contains('\\')
        };
        let cell = |key: &str| {
            let exact = place(&[PathStep::Key(key.to_owned())]);
            let found = exact.or_else(|| place(&path::parse(key).ok()?)).filter(|found| Some(found) != own.as_ref())?;
            let cell = &text[found];
            (!cell.starts_with(['{', '['])).then(|| (key.to_owned(), cell.to_owned()))
        };
        keys.filter(may_have).filter_map(cell).collect()
    }

    /// The value in an object, as JSON; a lone value is itself.
    ///
    /// # Errors
    /// No JSON, nothing at the path, or an object or an array there.
    pub(crate) fn cell_of(&self, payload: &[u8], has_thousands: bool) -> Result<String, Broken> {
        let lone = cell_of(payload, has_thousands);
        if lone != Err(Broken::NestedValue) {
            return lone;
        }
        let payload = text_of(payload)?.as_bytes();
        let mut cursor = JsonCursor::new(payload);
        let place = path::place(&self.0, &mut cursor).and_then(|place| cursor.end().map(|()| place));
        let place = place.map_err(|_| flaw_of(payload))?.ok_or(Broken::NoValue)?;
        match &payload[place] {
            [b'{' | b'[', ..] => Err(Broken::NestedValue),
            value => std::str::from_utf8(value).map(str::to_owned).map_err(|_| text_flaw(value)),
        }
    }
}

/// A JSON object of names and their JSON values.
pub fn object_of<'a>(cells: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut object = b"{".to_vec();
    for (name, cell) in cells {
        json_writer::push_key(&mut object, name);
        object.extend_from_slice(cell.as_bytes());
    }
    object.push(b'}');
    object
}

/// A row whose values came one by one, as a JSON object.
pub fn object_of_row(row: &PartialRow) -> Vec<u8> {
    // A value of its own topic counts.
    let beside = row.beside.iter().filter(|(name, _)| row.cells.iter().all(|(own, _)| own != name));
    object_of(row.cells.iter().chain(beside).map(|(name, cell)| (name.as_str(), cell.as_str())))
}

/// The payload as a JSON value: a number, `true`, `false`, `null` and a JSON string as they are, nothing as `null`, and
/// all else as a text. Where numbers have characters between thousands, numbers are texts, too, whose cells are read by
/// that rule: 1.234 may be a thousand.
///
/// # Errors
/// Objects, arrays, and bytes that are no text.
pub fn cell_of(payload: &[u8], has_thousands: bool) -> Result<String, Broken> {
    let text = text_of(payload)?;
    if text.starts_with(['{', '[']) {
        return Err(match flaw_of(payload) {
            cut @ (Broken::CutJson { .. } | Broken::BehindJson { .. }) => cut,
            _ => Broken::NestedValue,
        });
    }
    Ok(match text {
        "" => "null".into(),
        _ if is_json_cell(text, !has_thousands) => text.into(),
        _ => serde_json::Value::from(text).to_string(),
    })
}

/// The text of a payload. Firmware ends texts with NUL; some writers begin them with a byte-order mark.
fn text_of(payload: &[u8]) -> Result<&str, Broken> {
    let text = std::str::from_utf8(payload).map_err(|_| text_flaw(payload))?;
    Ok(text.trim_start_matches('\u{feff}').trim_matches(|c: char| c == '\0' || c.is_whitespace()))
}

/// Whether a text is a JSON string or word, or a number where these count.
fn is_json_cell(text: &str, numbers: bool) -> bool {
    let begins = |c: char| matches!(c, '"' | 't' | 'f' | 'n') || numbers && (c == '-' || c.is_ascii_digit());
    text.starts_with(begins) && serde_json::from_str::<serde_json::Value>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_keeps_its_own_bytes_where_json_has_them() {
        let cell = |payload: &str| cell_of(payload.as_bytes(), false).unwrap();
        for (payload, value) in [
            ("54.30", "54.30"),
            (" -2e3\r\n", "-2e3"),
            ("17.4\0", "17.4"),
            ("\u{feff}1", "1"),
            ("true", "true"),
            ("null", "null"),
            ("", "null"),
            (" ", "null"),
            (r#""a \"b\"""#, r#""a \"b\"""#),
            // No JSON: texts, as cells are.
            ("007", r#""007""#),
            ("1,5", r#""1,5""#),
            ("NaN", r#""NaN""#),
            ("ON", r#""ON""#),
            ("no \"rain\"", r#""no \"rain\"""#),
            (r#""open"#, r#""\"open""#),
            ("2022-10-29 18:42:29", r#""2022-10-29 18:42:29""#),
        ] {
            assert_eq!(cell(payload), value, "{payload:?}");
        }
        let by_thousands = ["1.234", "-5", "true", "\"x\""].map(|payload| cell_of(payload.as_bytes(), true).unwrap());
        assert_eq!(by_thousands, [r#""1.234""#, r#""-5""#, "true", r#""x""#]);
        assert_eq!(object_of([("a\"b", "1")]), br#"{"a\"b":1}"#);
    }

    #[test]
    fn a_value_in_an_object_is_that_at_the_path() {
        let path = ValuePath::parse("a.value").unwrap();
        let cell = |payload: &str| path.cell_of(payload.as_bytes(), false);
        assert_eq!(cell(r#"{"ts": 1, "a": {"value": 12.60}}"#).as_deref(), Ok("12.60"));
        assert_eq!(cell(r#"{"a": {"value": "x\"y"}}"#).as_deref(), Ok(r#""x\"y""#));
        assert_eq!(cell("\u{feff}{\"a\": {\"value\": 8}}\0").as_deref(), Ok("8"));
        assert_eq!((cell("4.5").as_deref(), cell("").as_deref()), (Ok("4.5"), Ok("null")));
        assert_eq!(cell(r#"{"a": 7}"#), Err(Broken::NoValue));
        assert_eq!(cell(r#"{"a": {"value": [1]}}"#), Err(Broken::NestedValue));
        assert_eq!(cell(r#"{"a": {"value": 1}"#), Err(Broken::CutJson { at: 18 }));
        assert!(ValuePath::parse("a..b").is_err());
    }

    #[test]
    fn what_is_no_value_is_refused() {
        assert_eq!(cell_of(b"{\"a\": 1}", false), Err(Broken::NestedValue));
        assert_eq!(cell_of(b" [1, 2]", false), Err(Broken::NestedValue));
        assert_eq!(cell_of(b"{\"a\": 1", false), Err(Broken::CutJson { at: 7 }));
        assert_eq!(cell_of(&[0xff, 0xfe], false), Err(Broken::NotUtf8 { byte: 0xff, at: 1 }));
    }
}
