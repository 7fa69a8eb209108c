//! Comma-separated cells, split as csv-core does: a quote opens a quoted cell only at the cell's start.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::data::cell;
use crate::format::Framing;

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
    fn after(self, byte: u8) -> QuoteState {
        match (self, byte) {
            (QuoteState::Quoted, b'"') => QuoteState::Closing,
            (QuoteState::Quoted, _) | (QuoteState::Closing | QuoteState::Start, b'"') => QuoteState::Quoted,
            (_, b',') => QuoteState::Start,
            _ => QuoteState::Plain,
        }
    }
}

/// Whether a quoted cell is open behind a line, which begins a record or, with `quoted`, continues inside a cell.
pub fn is_open_after(line: &[u8], quoted: bool) -> bool {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    if memchr::memchr(b'"', line).is_none() {
        return quoted;
    }
    let begin = if quoted { QuoteState::Quoted } else { QuoteState::Start };
    line.iter().fold(begin, |place, byte| place.after(*byte)) == QuoteState::Quoted
}

/// Finds the line that ends a record with an open cell.
///
/// That line does not depend on where the cell was opened, so no line is searched twice, however many records stay
/// open.
#[derive(Debug, Default)]
pub struct ClosingLine {
    /// Lines up to here do not close a cell, but the last one may.
    searched: usize,
    closes: bool,
    /// Bytes searched, to compare with those that were read.
    pub looked_at: u64,
}

impl ClosingLine {
    /// The end of the first line at or behind `from` that closes a cell; `bytes` are whole lines.
    pub fn find(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        if self.searched <= from {
            (self.searched, self.closes) = (from, false);
        }
        while !self.closes && self.searched < bytes.len() {
            let rest = &bytes[self.searched..];
            let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            self.closes = !is_open_after(&rest[..length], true);
            self.searched += length;
            self.looked_at += length as u64;
        }
        self.closes.then_some(self.searched)
    }

    /// The first `count` bytes were removed.
    pub fn forget(&mut self, count: usize) {
        self.closes &= self.searched > count;
        self.searched = self.searched.saturating_sub(count);
    }
}

/// The cells of a record.
pub fn cells(record: &str) -> CsvCells<'_> {
    CsvCells { rest: Some(record) }
}

/// The iterator of [`cells`].
pub struct CsvCells<'a> {
    rest: Option<&'a str>,
}

impl<'a> Iterator for CsvCells<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Cow<'a, str>> {
        let rest = self.rest.take()?;
        let Some(quoted) = rest.strip_prefix('"') else {
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
    /// The text before the next comma.
    fn plain(&mut self, rest: &'a str) -> &'a str {
        match rest.split_once(',') {
            Some((cell, rest)) => {
                self.rest = Some(rest);
                cell
            }
            None => rest,
        }
    }
}

/// The names in a header line, made unique.
pub fn names(header: &str) -> Vec<String> {
    numbered(cells(header).map(|name| name.trim().to_owned()).collect())
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

/// Whether a line is a header. Where columns are known it names some of them, and holds no number; else it holds words
/// only.
pub fn is_header(line: &str, framing: &Framing) -> bool {
    match &framing.columns {
        Some(schema) => {
            let known = |name: &str| framing.decoding.place(schema, name.trim()).is_some();
            let (mut any, mut all, mut number) = (false, true, false);
            for cell in cells(line) {
                let known = known(&cell);
                (any, all) = (any || known, all && known);
                number |= cell.trim().parse::<f64>().is_ok();
            }
            all || (any && !number)
        }
        None => line.contains(',') && cells(line).all(|cell| cell::number(&cell).is_none()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Kind, Schema};
    use crate::format::Decoding;
    use proptest::prelude::*;
    use std::sync::Arc;

    /// The records of a text as read by the csv crate.
    fn by_csv(text: &str) -> Vec<Vec<String>> {
        let mut builder = csv::ReaderBuilder::new();
        builder.has_headers(false).flexible(true).terminator(csv::Terminator::Any(b'\n'));
        let records = builder.from_reader(text.as_bytes()).into_records();
        records.map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    /// The records of a text as read here; `None` if a cell stays open.
    fn by_us(text: &str) -> Option<Vec<Vec<String>>> {
        let (mut records, mut from) = (Vec::new(), 0);
        let mut closing = ClosingLine::default();
        while from < text.len() {
            let line = text[from..].find('\n').map_or(text.len(), |at| from + at + 1);
            let open = is_open_after(&text.as_bytes()[from..line], false);
            let end = if open { closing.find(text.as_bytes(), line)? } else { line };
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
        assert!(!is_open_after(b"5\" pipe,1\n", false) && is_open_after(b"1,\"x\n", false));
        assert!(is_open_after(b"a,\"\"b\n", true) && !is_open_after(b"b\"\n", true));
    }

    #[test]
    fn doubled_names_are_numbered_as_pandas_does() {
        // list(pandas.read_csv(io.StringIO(header)).columns)
        for (header, expected) in
            [("time,temp,temp", "time,temp,temp.1"), ("a,a,a.1,a", "a,a.2,a.1,a.3"), ("a.1,a,a,a.1", "a.1,a,a.2,a.1.1")]
        {
            assert_eq!(names(header).join(","), expected, "{header}");
        }
        assert_eq!(names("a, b ,b"), ["a", "b", "b.1"]);
    }

    #[test]
    fn a_header_names_columns_that_are_there() {
        let names =
            |schema| Framing { columns: Some(Arc::new(schema)), decoding: Decoding::davis(), ..Framing::default() };
        let schema = names(Schema::new([("station", Kind::Text), ("event", Kind::Text), ("outTemp", Kind::Number)]));
        for (line, known, guessed) in [
            ("davis,boot", false, true),
            ("station,event", true, true),
            ("event,other,", true, false),
            ("outTemp_C", true, false),
            ("station,7", false, false),
            ("a,7", false, false),
        ] {
            assert_eq!((is_header(line, &schema), is_header(line, &Framing::default())), (known, guessed), "{line}");
        }
        let digits = names(Schema::new([("1", Kind::Number), ("2", Kind::Number)]));
        assert!(is_header("1,2", &digits) && !is_header("1,3", &digits));
    }
}
