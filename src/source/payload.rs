//! The rows of one MQTT payload: a JSON object, a JSON array of objects, or CSV lines.

use crate::data::{Broken, Format, Row, cell};

/// Calls `f` with every row of a payload. What is no row is handed on whole, marked as broken.
pub fn each_row<'a>(payload: &'a [u8], max_payload: usize, mut f: impl FnMut(Row<'a>)) {
    let broken = |reason| Row { bytes: payload, format: Format::Broken(reason), header: None };
    if payload.len() > max_payload {
        return f(broken(Broken::TooLong));
    }
    let text = payload.trim_ascii();
    match text.first() {
        None => f(broken(Broken::Empty)),
        Some(b'{') => f(Row { bytes: text, format: Format::Json, header: None }),
        Some(b'[') => match elements(text) {
            Some(elements) => {
                elements.into_iter().for_each(|bytes| f(Row { bytes, format: Format::Json, header: None }));
            }
            None => f(broken(Broken::Unreadable)),
        },
        Some(_) => match std::str::from_utf8(text) {
            Ok(text) => csv_lines(text, f),
            Err(_) => f(broken(Broken::Unreadable)),
        },
    }
}

/// The elements of a JSON array, cut at its own commas; `None` if it does not end.
///
/// Elements are not checked here: a bad one must not take the good ones with it.
fn elements(array: &[u8]) -> Option<Vec<&[u8]>> {
    let (mut depth, mut quoted, mut escaped, mut start) = (0_usize, false, false, 1);
    let mut elements = Vec::new();
    for (at, byte) in array.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => depth += 1,
            b',' if depth == 1 => {
                elements.push(array[start..at].trim_ascii());
                start = at + 1;
            }
            b']' | b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    let last = array[start..at].trim_ascii();
                    if !(last.is_empty() && elements.is_empty()) {
                        elements.push(last);
                    }
                    return (at + 1 == array.len() && *byte == b']').then_some(elements);
                }
            }
            _ => {}
        }
    }
    None
}

/// CSV lines; the first one is a header if all its cells are words.
fn csv_lines<'a>(text: &'a str, mut f: impl FnMut(Row<'a>)) {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
    let is_header = |line: &str| line.contains(',') && line.split(',').all(|cell| cell::number(cell).is_none());
    let header = lines.next_if(|line| is_header(line)).map(str::as_bytes);
    if let Some(header) = header.filter(|_| lines.peek().is_none()) {
        // Words alone: a row without a number.
        return f(Row { bytes: header, format: Format::Csv, header: None });
    }
    lines.for_each(|line| f(Row { bytes: line.as_bytes(), format: Format::Csv, header }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(payload: &[u8]) -> Vec<String> {
        let mut rows = Vec::new();
        each_row(payload, 1000, |row| {
            let text = String::from_utf8_lossy(row.bytes);
            let header = row.header.map(String::from_utf8_lossy);
            rows.push(format!("{:?} {text} {header:?}", row.format));
        });
        rows
    }

    #[test]
    fn an_array_is_cut_at_its_own_commas() {
        let payload = br#" [{"a": "x,]\"", "b": [1, 2]}, nonsense , {"c": {"d": 1}}] "#;
        let expected =
            [r#"Json {"a": "x,]\"", "b": [1, 2]} None"#, "Json nonsense None", r#"Json {"c": {"d": 1}} None"#];
        assert_eq!(rows(payload), expected);
        assert_eq!(rows(b"[]"), [] as [&str; 0]);
    }

    #[test]
    fn csv_lines_with_and_without_a_header() {
        assert_eq!(rows(b"a,b\n1,2\r\n\n3,4\n"), ["Csv 1,2 Some(\"a,b\")", "Csv 3,4 Some(\"a,b\")"]);
        assert_eq!(rows(b"x,2\n"), ["Csv x,2 None"]);
    }

    #[test]
    fn what_is_no_row_is_handed_on_whole() {
        assert_eq!(rows(b"[{\"a\": 1}"), ["Broken(Unreadable) [{\"a\": 1} None"]);
        assert_eq!(rows(b"[{\"a\": 1}] x")[0], "Broken(Unreadable) [{\"a\": 1}] x None");
        assert!(rows(&[0xff, 0xfe])[0].starts_with("Broken(Unreadable)"));
        assert_eq!(rows(b""), ["Broken(Empty)  None"]);
        assert!(rows(&[b'x'; 2000])[0].starts_with("Broken(TooLong)"));
    }
}
