//! What a dataflow file says of CSV: separator, decimal mark, and the lines that are no rows.

use encoding_rs::Encoding;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use crate::data::cell::DecimalMark;

/// How CSV is written; what is not given is found from the first lines.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CsvOptions {
    /// The character between cells: `,`, `;`, `|`, a tab (`"\t"`) or spaces (`" "`), several as one, whichever fits the
    /// header, if not given.
    #[serde(deserialize_with = "separator")]
    #[schemars(with = "Option<String>")]
    pub separator: Option<u8>,
    /// The mark before a number's fraction, `.` or `,`; if not given, that of the first rows, or beside separators other
    /// than `,` either is read.
    #[serde(deserialize_with = "decimal")]
    #[schemars(with = "Option<String>")]
    pub decimal: Option<DecimalMark>,
    /// Lines before the header that are not read; they, and comments, are found if not given.
    pub skip: Option<u32>,
    /// Lines behind the header that are not read; a line of units is found if not given.
    pub skip_after_header: Option<u32>,
    /// Lines that begin with this character are not read; if not given, those with `#` above the header, and, where there are
    /// such, those behind it that have a space behind the `#`, or not as many cells as rows.
    #[serde(deserialize_with = "comment")]
    #[schemars(with = "Option<String>")]
    pub comment: Option<u8>,
    /// The encoding by its name on the web, such as `windows-1252`; UTF-8 or UTF-16 if not given. It holds for JSON, too.
    #[serde(deserialize_with = "encoding")]
    #[schemars(with = "Option<String>")]
    pub encoding: Option<&'static Encoding>,
    /// Whether there is a header; if not given, a line that names columns of the schema is one, in whatever case and with
    /// units in brackets. Words above rows of the columns that name none of them are refused: `false` says that rows are
    /// values in the order of the columns; with `infer`, these are named `0`, `1` and so on.
    pub header: Option<bool>,
}

impl CsvOptions {
    /// Comma-separated rows under a header that is the first line: nothing is searched for.
    pub fn plain() -> CsvOptions {
        CsvOptions {
            separator: Some(b','),
            decimal: Some(DecimalMark::Point),
            skip: Some(0),
            skip_after_header: Some(0),
            comment: None,
            encoding: None,
            header: Some(true),
        }
    }

    /// Whether it says of cells how they are separated: then a file is CSV, whatever its first bytes are.
    pub fn says_csv(&self) -> bool {
        self.separator.is_some() || self.header.is_some() || self.comment.is_some()
    }

    /// The decimal mark beside a separator.
    pub fn decimal_beside(&self, separator: u8) -> DecimalMark {
        self.decimal.unwrap_or(if separator == b',' { DecimalMark::Point } else { DecimalMark::Either })
    }
}

fn character<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Ok(*byte),
        _ if text == "tab" => Ok(b'\t'),
        _ => Err(de::Error::custom(format!("{text:?} is not one character of ASCII"))),
    }
}

fn separator<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    match character(deserializer)? {
        byte @ (b'"' | b'\n' | b'\r' | b'.' | b'-' | b'+' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z') => {
            Err(de::Error::custom(format!("{:?} does not separate cells", char::from(byte))))
        }
        byte => Ok(Some(byte)),
    }
}

fn comment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    character(deserializer).map(Some)
}

fn encoding<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'static Encoding>, D::Error> {
    let label = String::deserialize(deserializer)?;
    let found = Encoding::for_label(label.as_bytes());
    found.map(Some).ok_or_else(|| de::Error::custom(format!("the encoding {label:?} is not known")))
}

/// Reads `.` or `,`.
pub(crate) fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DecimalMark>, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "." => Ok(Some(DecimalMark::Point)),
        "," => Ok(Some(DecimalMark::Comma)),
        other => Err(de::Error::custom(format!("the decimal mark is \".\" or \",\", not {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_refused_in_words() {
        let read = |text: &str| toml::from_str::<CsvOptions>(text).map_err(|error| error.message().to_owned());
        let options =
            read("separator = \"\\t\"\ndecimal = \",\"\nskip = 3\ncomment = \"%\"\nencoding = \"latin1\"").unwrap();
        assert_eq!((options.separator, options.decimal), (Some(b'\t'), Some(DecimalMark::Comma)));
        assert_eq!((options.skip, options.comment), (Some(3), Some(b'%')));
        assert_eq!(options.encoding, Some(encoding_rs::WINDOWS_1252));
        for (wrong, reason) in [
            ("separator = \";;\"", "not one character"),
            ("separator = \"1\"", "does not separate"),
            ("decimal = \"x\"", "\".\" or \",\""),
            ("encoding = \"ebcdic\"", "not known"),
            ("seperator = \";\"", "unknown field"),
            ("skip = -1", ""),
        ] {
            let shown = read(wrong).unwrap_err();
            assert!(shown.contains(reason), "{wrong}: {shown}");
        }
    }
}
