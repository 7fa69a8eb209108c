//! Cells between separators, split as csv-core does: a quote opens a quoted cell only at the cell's start, or behind the
//! spaces there. Where spaces separate, several of them are one.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// The state of the parser within a record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum QuoteState {
    Start,
    Plain,
    Quoted,
    /// Behind a quote in a quoted cell: the cell ends there, or the quote is doubled.
    Closing,
}

impl QuoteState {
    fn after(self, byte: u8, separator: u8) -> QuoteState {
        match (self, byte) {
            (QuoteState::Quoted, b'"') => QuoteState::Closing,
            (QuoteState::Quoted, _) | (QuoteState::Closing | QuoteState::Start, b'"') => QuoteState::Quoted,
            (QuoteState::Start, b' ') => QuoteState::Start,
            (_, byte) if byte == separator => QuoteState::Start,
            _ => QuoteState::Plain,
        }
    }
}

/// Whether a quoted cell is open behind a line, which begins a record or, with `quoted`, continues inside a cell.
pub fn is_open_after(line: &[u8], quoted: bool, separator: u8) -> bool {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    if memchr::memchr(b'"', line).is_none() {
        return quoted;
    }
    let begin = if quoted { QuoteState::Quoted } else { QuoteState::Start };
    line.iter().fold(begin, |place, byte| place.after(*byte, separator)) == QuoteState::Quoted
}

/// What a line that begins inside of a quoted cell says of the quote that opened it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum InsideQuotes {
    /// The cell, or a later one, goes on in the next line.
    #[default]
    Open,
    Closed,
    /// Its first quote is none that closes, as other text follows: it opens a cell, so the one before opened none.
    Opened,
}

impl InsideQuotes {
    fn of(line: &[u8], separator: u8) -> InsideQuotes {
        let mut from = 0;
        while let Some(at) = memchr::memchr(b'"', &line[from..]) {
            let behind = &line[from + at + 1..];
            from += at + 2;
            if behind.first() != Some(&b'"') {
                let text = behind.trim_ascii_start();
                let is_behind_cell = text.is_empty() || text[0] == separator || behind.starts_with(&[separator]);
                return match () {
                    () if !is_behind_cell => InsideQuotes::Opened,
                    () if is_open_after(line, true, separator) => InsideQuotes::Open,
                    () => InsideQuotes::Closed,
                };
            }
        }
        InsideQuotes::Open
    }
}

/// Where a record with an open cell ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordEnd {
    /// Behind a line of those that are there.
    At(usize),
    /// Behind a line that is not there.
    Later,
    /// Nowhere: the quote that opened the cell was none.
    Nowhere,
}

/// Finds the line that ends a record with an open cell.
///
/// That line does not depend on where the cell was opened, so no line is searched twice, however many records stay
/// open.
#[derive(Clone, Debug)]
pub struct ClosingLine {
    separator: u8,
    /// Lines up to here do not close a cell, but the last one may.
    searched: usize,
    last: InsideQuotes,
    /// Bytes searched, to compare with those that were read.
    pub looked_at: u64,
}

impl ClosingLine {
    /// Of records with this separator.
    pub fn of(separator: u8) -> ClosingLine {
        ClosingLine { separator, searched: 0, last: InsideQuotes::Open, looked_at: 0 }
    }

    /// The end of the first line at or behind `from` that closes a cell; `bytes` are whole lines.
    pub fn find(&mut self, bytes: &[u8], from: usize) -> RecordEnd {
        if self.searched <= from {
            (self.searched, self.last) = (from, InsideQuotes::Open);
        }
        while self.last == InsideQuotes::Open && self.searched < bytes.len() {
            let rest = &bytes[self.searched..];
            let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            self.last = InsideQuotes::of(&rest[..length], self.separator);
            self.searched += length;
            self.looked_at += length as u64;
        }
        match self.last {
            InsideQuotes::Open => RecordEnd::Later,
            InsideQuotes::Closed => RecordEnd::At(self.searched),
            InsideQuotes::Opened => RecordEnd::Nowhere,
        }
    }

    /// The first `count` bytes were removed.
    pub fn forget(&mut self, count: usize) {
        if self.searched <= count {
            self.last = InsideQuotes::Open;
        }
        self.searched = self.searched.saturating_sub(count);
    }
}

/// The cells of a record between commas.
pub fn cells(record: &str) -> CsvCells<'_> {
    cells_by(record, b',')
}

/// The cells of a record between separators.
pub fn cells_by(record: &str, separator: u8) -> CsvCells<'_> {
    let rest = if separator == b' ' { record.trim_start_matches(' ') } else { record };
    CsvCells { rest: Some(rest), separator: char::from(separator) }
}

/// The iterator of [`cells`].
pub struct CsvCells<'a> {
    separator: char,
    rest: Option<&'a str>,
}

impl<'a> Iterator for CsvCells<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Cow<'a, str>> {
        let rest = self.rest.take()?;
        let Some(quoted) = rest.trim_start_matches(' ').strip_prefix('"') else {
            return Some(Cow::Borrowed(self.plain(rest)));
        };
        let (mut text, mut rest) = (String::new(), quoted);
        loop {
            let Some((part, behind)) = rest.split_once('"') else {
                return Some(Cow::Owned(text + rest));
            };
            rest = behind.strip_prefix('"').unwrap_or(behind);
            if rest.len() < behind.len() {
                text.push_str(part);
                text.push('"');
                continue;
            }
            // Text behind the closing quote belongs to the cell.
            let tail = self.plain(rest);
            if text.is_empty() && tail.is_empty() {
                return Some(Cow::Borrowed(part));
            }
            return Some(Cow::Owned(text + part + tail));
        }
    }
}

impl<'a> CsvCells<'a> {
    /// The text before the next separator.
    fn plain(&mut self, rest: &'a str) -> &'a str {
        match rest.split_once(self.separator) {
            Some((cell, rest)) if self.separator == ' ' => {
                self.rest = Some(rest.trim_start_matches(' ')).filter(|rest| !rest.is_empty());
                cell
            }
            Some((cell, rest)) => {
                self.rest = Some(rest);
                cell
            }
            None => rest,
        }
    }
}

/// The names in a header line, made unique.
pub fn names(header: &str, separator: u8) -> Vec<String> {
    numbered(cells_by(header, separator).map(|name| name.trim().to_owned()).collect())
}

/// How many names there are without those at the end that are empty, or empty ones that were numbered.
pub fn named(names: &[String]) -> usize {
    names.iter().rposition(|name| !is_unnamed(name)).map_or(0, |last| last + 1)
}

/// Whether a name is empty, or an empty one that was numbered.
pub fn is_unnamed(name: &str) -> bool {
    let is_number = |number: &str| number.bytes().all(|byte| byte.is_ascii_digit());
    name.is_empty() || name.strip_prefix('.').is_some_and(is_number)
}

/// Doubled names are numbered as pandas does: `temp`, `temp.1`.
pub fn numbered(mut names: Vec<String>) -> Vec<String> {
    let given: HashSet<String> = names.iter().cloned().collect();
    let mut counts: HashMap<String, usize> = HashMap::new();
    for name in &mut names {
        let count = counts.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 {
            continue;
        }
        let mut numbered = (*count - 1..).map(|number| (number, format!("{name}.{number}")));
        let (number, unused) = numbered.find(|(_, name)| !given.contains(name)).expect("numbers do not end");
        *count = number + 1;
        *name = unused;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The records of a text as read by the csv crate.
    fn by_csv(text: &str) -> Vec<Vec<String>> {
        let mut builder = csv::ReaderBuilder::new();
        builder.has_headers(false).flexible(true).terminator(csv::Terminator::Any(b'\n'));
        let records = builder.from_reader(text.as_bytes()).into_records();
        records.map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    /// The records of a text as read here; `None` if a cell stays open, or a quote opens none.
    fn by_us(text: &str) -> Option<Vec<Vec<String>>> {
        let (mut records, mut from) = (Vec::new(), 0);
        let mut closing = ClosingLine::of(b',');
        while from < text.len() {
            let line = text[from..].find('\n').map_or(text.len(), |at| from + at + 1);
            let open = is_open_after(&text.as_bytes()[from..line], false, b',');
            let end = if open { closing.find(text.as_bytes(), line) } else { RecordEnd::At(line) };
            let RecordEnd::At(end) = end else { return None };
            let record = text[from..end].strip_suffix('\n').unwrap_or(&text[from..end]);
            if !record.is_empty() {
                records.push(cells(record).map(Cow::into_owned).collect());
            }
            from = end;
        }
        Some(records)
    }

    proptest! {
        #[test]
        fn records_and_cells_are_those_of_the_csv_crate(text in "[a\"\",\n]{0,24}") {
            if let Some(ours) = by_us(&text) {
                prop_assert_eq!(ours, by_csv(&text), "{:?}", text);
            }
        }
    }

    #[test]
    fn a_quote_inside_of_a_cell_is_a_character() {
        let cut = |record| cells(record).map(Cow::into_owned).collect::<Vec<_>>();
        assert_eq!(cut("5\" pipe,1"), ["5\" pipe", "1"]);
        assert_eq!(cut("\"a \"\"b\"\"\",,\"c\"d,"), ["a \"b\"", "", "cd", ""]);
        let open = |line: &str, quoted| is_open_after(line.as_bytes(), quoted, b',');
        assert!(!open("5\" pipe,1\n", false) && open("1,\"x\n", false));
        assert!(open("a,\"\"b\n", true) && !open("b\"\n", true));
        assert!(is_open_after(b"1;\"x\n", false, b';') && !is_open_after(b"1,\"x\n", false, b';'));
        assert_eq!(cells_by("\"a;b\";c,d", b';').collect::<Vec<_>>(), ["a;b", "c,d"]);
        assert_eq!(cut("\"12:00\", \"20.5\",  \"a, b\", x \"y\""), ["12:00", "20.5", "a, b", " x \"y\""]);
        assert!(open("1, \"x\n", false) && !open("1, x\"\n", false));
    }

    #[test]
    fn several_spaces_are_one_separator() {
        let cut = |record| cells_by(record, b' ').map(Cow::into_owned).collect::<Vec<_>>();
        assert_eq!(cut("  2024 03   190  5.0  "), ["2024", "03", "190", "5.0"]);
        assert_eq!(cut("a  \"b c\"  d"), ["a", "b c", "d"]);
        assert_eq!(cut(""), [""]);
    }

    #[test]
    fn doubled_names_are_numbered_as_pandas_does() {
        // list(pandas.read_csv(io.StringIO(header)).columns)
        for (header, expected) in
            [("time,temp,temp", "time,temp,temp.1"), ("a,a,a.1,a", "a,a.2,a.1,a.3"), ("a.1,a,a,a.1", "a.1,a,a.2,a.1.1")]
        {
            assert_eq!(names(header, b',').join(","), expected, "{header}");
        }
        assert_eq!(names("a, b ,b", b','), ["a", "b", "b.1"]);
    }
}
