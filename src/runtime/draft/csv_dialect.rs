//! How a CSV text is written, as its first lines show it.

use std::borrow::Cow;
use std::convert::Infallible;

use toml::Value;

use crate::data::cell::{DecimalMark, number_by};
use crate::format::{CsvOptions, DecimalSearch, Framing, HeaderLine, MOST_ROWS, csv, find_header, units_line};

/// What is found of a CSV text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct CsvDialect {
    pub options: CsvOptions,
    /// How many cells the rows have that no header names; 0 where there is one.
    pub nameless: usize,
    /// What stands between thousands, where some cell shows it.
    pub thousands: Option<char>,
    /// Whether the decimal comma may stand between thousands as well.
    pub is_in_doubt: bool,
}

impl CsvDialect {
    /// The dialect of a text; of a file, any first line of words may be the header.
    pub fn of(bytes: &[u8], is_file: bool) -> CsvDialect {
        let encoding = (std::str::from_utf8(bytes).is_err()
            && !bytes.starts_with(&[0xff, 0xfe])
            && !bytes.starts_with(&[0xfe, 0xff]))
        .then_some(encoding_rs::WINDOWS_1252);
        let marked = encoding_rs::Encoding::for_bom(bytes).map(|(encoding, _)| encoding);
        let text = encoding.or(marked).unwrap_or(encoding_rs::UTF_8).decode(bytes).0;
        let text = text.trim_matches(['\u{feff}', '\0']);
        let framing = Framing { csv: CsvOptions { encoding, ..CsvOptions::default() }, ..Framing::default() };
        let mut lines = text.lines().map(Cow::Borrowed);
        let Ok(start) = find_header(&framing, is_file, || Ok::<_, Infallible>(lines.next()));
        let separator = start.separator;
        let is_comment = |line: &str| start.comments.is_some_and(|comments| comments.contain(line.as_bytes()));
        let first = text.lines().nth(start.skip).unwrap_or_default();
        let header = start.header.names(first);
        // A first line with a number is a row.
        let is_row = csv::cells_by(header, separator).any(|cell| {
            !cell.trim().is_empty() && number_by(&cell, DecimalMark::Either).is_some_and(|number| !number.is_nan())
        });
        let named = start.header != HeaderLine::None && !is_row;
        let behind = || {
            text.lines()
                .skip(start.skip + usize::from(named))
                .filter(|line| !line.trim().is_empty() && !is_comment(line))
        };
        let has_units =
            named && behind().next().is_some_and(|line| units_line::is_units(line, header, separator, &framing));
        let has_processes = behind().nth(1).is_some_and(|line| units_line::is_processes(line, separator));
        let mut decimal = DecimalSearch::beside(separator);
        let cells = behind().take(MOST_ROWS).flat_map(|line| csv::cells_by(line, separator));
        cells.for_each(|cell| decimal.observe_cell(&cell));
        let options = CsvOptions {
            separator: (separator != b',').then_some(separator),
            decimal: decimal.found(),
            skip: u32::try_from(start.skip).ok().filter(|skip| *skip > 0 && named && start.header == HeaderLine::Whole),
            skip_after_header: has_units.then_some(if has_processes { 2 } else { 1 }),
            // Of comments that are given none is the header.
            comment: start.comments.filter(|_| start.header != HeaderLine::Commented).map(|_| b'#'),
            encoding,
            header: (!named).then_some(false),
        };
        let nameless = if named { 0 } else { csv::cells_by(first, separator).count() };
        CsvDialect { options, nameless, thousands: decimal.thousands(), is_in_doubt: decimal.is_in_doubt() }
    }

    /// As `csv` of a dataflow file; `None` where nothing need be said.
    pub fn setting(&self) -> Option<Value> {
        let CsvOptions { separator, decimal, skip, skip_after_header, comment, encoding, header } = &self.options;
        let character = |byte: u8| Value::from(char::from(byte).to_string());
        let mut table = toml::Table::new();
        let mut set = |key: &str, value: Option<Value>| _ = value.map(|value| table.insert(key.into(), value));
        set("separator", separator.map(character));
        set("decimal", decimal.map(|_| ",".into()));
        set("skip", skip.map(|lines| i64::from(lines).into()));
        set("skip_after_header", skip_after_header.map(|lines| i64::from(lines).into()));
        set("comment", comment.map(character));
        set("encoding", encoding.map(|encoding| encoding.name().to_lowercase().into()));
        set("header", header.map(Value::from));
        (!table.is_empty()).then_some(Value::Table(table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &[u8], is_file: bool) -> String {
        CsvDialect::of(text, is_file).setting().map_or_else(String::new, |setting| setting.to_string())
    }

    #[test]
    fn dialects_are_said_as_they_are_found() {
        for (text, expected) in [
            (&b"time,temp\n12:00,1.5\n"[..], ""),
            (b"time;temp\n12:00;1,5\n", r#"{ decimal = ",", separator = ";" }"#),
            (b"time;temp\n12:00;1.5\n", r#"{ separator = ";" }"#),
            (b"time\ttemp\n12:00\t1,5\n", r#"{ decimal = ",", separator = "\t" }"#),
            (b"Hill\n\ntime,temp\n12:00,1\n", r#"{ skip = 2 }"#),
            (
                b"Hill no. 7\n\ntime;temp\n;\xb0C\n12:00;1,5\n",
                r#"{ decimal = ",", encoding = "windows-1252", separator = ";", skip = 2, skip_after_header = 1 }"#,
            ),
            (b"# a logger\ntime,temp\n12:00,1\n", r##"{ comment = "#", skip = 1 }"##),
            (b"12:00,1.5\n12:05,2\n", "{ header = false }"),
            (b"time,temp\n\"12:00\",\"1,5\"\n", r#"{ decimal = "," }"#),
            (b"time,rain\n\"12:00\",\"1,500\"\n", ""),
            (b"time,rain\n\"12:00\",\"1,500.5\"\n", ""),
            // A thousand, by the comma elsewhere.
            (b"time;rain\n12:00;1.500\n13:00;2,5\n", r#"{ decimal = ",", separator = ";" }"#),
            (b"time;rain\n12:00;1.500,5\n", r#"{ decimal = ",", separator = ";" }"#),
        ] {
            assert_eq!(found(text, true), expected, "{}", String::from_utf8_lossy(text));
        }
        assert_eq!(found(b"davis;7,5;8", false), r#"{ decimal = ",", header = false, separator = ";" }"#);
        assert_eq!(CsvDialect::of(b"davis,7.5,8", false).nameless, 3);
    }
}
