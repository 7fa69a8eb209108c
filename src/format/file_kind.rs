//! The layout of a file: of its format, or known by its first bytes.

use super::formats::{PayloadFormat, Reading};

/// The layout of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// JSON objects: one a line, over several lines, one behind the other, or in an array.
    Ndjson,
    /// Cells between commas, with a header.
    Csv,
    /// Davis WeatherLink's export: cells between tabs, with two header lines.
    WeatherLink,
    /// Payloads of another format: one a line, or one that is the file.
    Payloads(PayloadFormat),
}

impl FileKind {
    /// The kind of files of a format; `None` where their names or their first bytes say it.
    pub fn of_format(format: PayloadFormat) -> Option<FileKind> {
        match format.reading {
            Reading::Recognised => None,
            Reading::Json => Some(FileKind::Ndjson),
            Reading::Csv => Some(FileKind::Csv),
            Reading::Lines(_) | Reading::Whole(_) | Reading::Sparkplug | Reading::Verbatim => {
                Some(FileKind::Payloads(format))
            }
        }
    }

    /// The kind by the first bytes, for standard input.
    pub fn sniff(start: &[u8]) -> FileKind {
        let text = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start).trim_ascii_start();
        let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
        match text.first() {
            Some(b'{') => FileKind::Ndjson,
            Some(b'[') if matches!(text[1..].trim_ascii_start().first(), None | Some(b'{' | b']')) => FileKind::Ndjson,
            // An array of values, or an object that was encoded twice: a whole line of CSV is no JSON.
            Some(b'[' | b'"') if is_json_line(text) => FileKind::Ndjson,
            _ if line.contains(&b'\t') => FileKind::WeatherLink,
            _ => FileKind::Csv,
        }
    }
}

/// Whether the first line is a JSON array, or a JSON text that holds an object.
fn is_json_line(text: &[u8]) -> bool {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    (line.starts_with(b"[") || line.starts_with(b"\"{"))
        && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}
