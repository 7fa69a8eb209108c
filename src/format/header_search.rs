//! Finds the header of a CSV text among its first lines, and with it the separator and the lines that are no rows.

use std::borrow::Cow;

use crate::data::cell::{self, DecimalMark};
use crate::data::{Kind, Schema};
use crate::format::{Framing, csv, units_line};

/// The separators that are found where none is given.
pub const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// So many lines are looked at, of so many bytes together.
const MOST_LINES: usize = 100;
const MOST_BYTES: usize = 1 << 16;

/// Whether there is a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderLine {
    /// The rows begin at once.
    None,
    /// The line is the header.
    Whole,
    /// The line is the header behind a comment's mark.
    Commented,
}

impl HeaderLine {
    /// The names in the line that is the header.
    pub fn names(self, line: &str) -> &str {
        match self {
            HeaderLine::Commented => uncommented(line),
            HeaderLine::Whole | HeaderLine::None => line,
        }
    }
}

/// A comment without its mark.
fn uncommented(line: &str) -> &str {
    line.trim_start_matches('#').trim_start()
}

/// Where a CSV text begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CsvStart {
    /// Lines before the header, or before the first row.
    pub skip: usize,
    /// Whether a header stands there.
    pub header: HeaderLine,
    /// The separator of all rows.
    pub separator: u8,
    /// Lines that begin with this are no rows.
    pub comment: Option<u8>,
}

/// A line that may be the header, with its number from 0.
type Candidate<'t> = (usize, Cow<'t, str>);

/// Reads lines, from the first one on, until it is clear where the header and the rows are; `next` gives them without
/// their ends. `any_first`: without columns to go by, the first line is the header, whatever stands in it.
///
/// With columns, the header is the first line that names some of them. Without, it is the first line of words with as
/// many cells as the next line.
///
/// # Errors
/// Those of `next`.
pub fn find<'t, E>(
    framing: &Framing,
    any_first: bool,
    mut next: impl FnMut() -> Result<Option<Cow<'t, str>>, E>,
) -> Result<CsvStart, E> {
    let options = &framing.csv;
    let skip = options.skip.unwrap_or(0) as usize;
    for number in 0..skip {
        if next()?.is_none() {
            let separator = options.separator.unwrap_or(b',');
            return Ok(CsvStart { skip: number, header: HeaderLine::None, separator, comment: options.comment });
        }
    }
    let (hash, commented, first, previous, tentative) = Default::default();
    let mut search = Search { framing, any_first, skip, hash, commented, first, previous, tentative };
    let (mut number, mut bytes) = (skip, 0);
    while let Some(line) = next()? {
        let at = number;
        number += 1;
        bytes += line.len();
        if at - skip >= MOST_LINES || bytes > MOST_BYTES {
            break;
        }
        if line.trim().is_empty() {
            continue;
        }
        if let Some(start) = search.observe((at, line)) {
            return Ok(start);
        }
    }
    Ok(search.undecided())
}

struct Search<'f, 't> {
    framing: &'f Framing,
    any_first: bool,
    skip: usize,
    /// Whether lines began with `#`, where no comments are given.
    hash: bool,
    /// The last of them.
    commented: Option<Candidate<'t>>,
    /// The first line that is no comment, and the one before this.
    first: Option<Candidate<'t>>,
    previous: Option<Candidate<'t>>,
    /// A line of words above another one, which may be the header, too.
    tentative: Option<CsvStart>,
}

impl<'t> Search<'_, 't> {
    fn observe(&mut self, (at, line): Candidate<'t>) -> Option<CsvStart> {
        match self.framing.csv.comment {
            Some(mark) if line.as_bytes()[0] == mark => return None,
            None if self.framing.csv.skip.is_none() && line.starts_with('#') => {
                self.hash = true;
                self.commented = Some((at, line));
                return None;
            }
            _ => {}
        }
        let found = match (self.framing.csv.header, &self.framing.columns) {
            (Some(true), _) => Some(self.start(at, HeaderLine::Whole, self.separator(&line))),
            (Some(false), _) => Some(self.start(at, HeaderLine::None, self.separator(&line))),
            (None, Some(schema)) => self.by_names(at, &line, schema),
            (None, None) => self.by_words(at, &line),
        };
        if self.first.is_none() {
            self.first = Some((at, line.clone()));
        }
        self.previous = Some((at, line));
        found
    }

    /// The line names columns, or it is a row of them.
    fn by_names(&self, at: usize, line: &str, schema: &Schema) -> Option<CsvStart> {
        let named = |line: &str| {
            let all =
                self.separators(line).map(|separator| (names_known(line, separator, schema, self.framing), separator));
            // Of equals the first.
            all.filter(|(known, _)| *known > 0).rev().max_by_key(|(known, _)| *known).map(|(_, separator)| separator)
        };
        if let Some(separator) = named(line) {
            return Some(self.start(at, HeaderLine::Whole, separator));
        }
        if let Some((at, header)) = self.commented_header()
            && let Some(separator) = named(header)
            && fits(header, line, separator)
        {
            return Some(self.start(at, HeaderLine::Commented, separator));
        }
        // With a comma last: davis;7,5 would be a row with it, too.
        let row = self.separators(line).rev().find(|separator| self.is_row(line, *separator, schema));
        let once = self.framing.csv.skip.is_some().then(|| self.separator(line));
        // The lines before it are rows, too, that can't be read.
        row.or(once).map(|separator| self.start(self.skip, HeaderLine::None, separator))
    }

    /// The line before this one is a header of words, or the first line.
    fn by_words(&mut self, at: usize, line: &str) -> Option<CsvStart> {
        let once = self.framing.csv.skip.is_some() && self.any_first;
        let Some((before, header)) = &self.previous else {
            if let Some((at, header)) = self.commented_header()
                && let Some(separator) = self.widest(header, line, true)
                && !is_words(line, separator)
            {
                return Some(self.start(at, HeaderLine::Commented, separator));
            }
            return once.then(|| self.start(at, HeaderLine::Whole, self.separator(line)));
        };
        let is_first = self.any_first && self.first.as_ref().is_some_and(|(first, _)| first == before);
        if let Some(separator) = self.widest(header, line, !is_first) {
            let start = self.start(*before, HeaderLine::Whole, separator);
            // Behind other lines, of two lines of words the header is the one above numbers.
            let words = is_words(line, separator) && !units_line::is_units(line, header, separator, self.framing);
            return match (!is_first && words, self.tentative.take()) {
                (false, _) => Some(start),
                (true, Some(first)) => Some(first),
                (true, None) => {
                    self.tentative = Some(start);
                    None
                }
            };
        }
        let single = |text: &str| self.separators(text).all(|separator| width(text, separator) == 1);
        let number = |text: &str| cell::number_by(text, DecimalMark::Either).is_some();
        let one = is_first && single(header) && single(line) && !number(header) && number(line);
        one.then(|| self.start(*before, HeaderLine::Whole, self.framing.csv.separator.unwrap_or(b',')))
    }

    /// What holds if no line has decided it.
    fn undecided(&self) -> CsvStart {
        if let Some(start) = self.tentative {
            return start;
        }
        let Some((at, line)) = &self.first else {
            return self.start(self.skip, HeaderLine::None, self.framing.csv.separator.unwrap_or(b','));
        };
        let separator = self.separator(line);
        let words = width(line, separator) > 1 && is_words(line, separator);
        match self.framing.columns.is_none() && (self.any_first || words) {
            true => self.start(*at, HeaderLine::Whole, separator),
            false => self.start(self.skip, HeaderLine::None, separator),
        }
    }

    fn start(&self, skip: usize, header: HeaderLine, separator: u8) -> CsvStart {
        let found = self.hash.then_some(b'#');
        CsvStart { skip, header, separator, comment: self.framing.csv.comment.or(found) }
    }

    /// The last comment without its mark, where comments are not given.
    fn commented_header(&self) -> Option<(usize, &str)> {
        let (at, line) = self.commented.as_ref()?;
        Some((*at, uncommented(line)))
    }

    /// The separators that may be those of a line.
    fn separators(&self, line: &str) -> impl DoubleEndedIterator<Item = u8> + use<> {
        let given = self.framing.csv.separator;
        // The fast path: of four searches of a line three are left out.
        let other = given.is_none() && memchr::memchr3(b';', b'\t', b'|', line.as_bytes()).is_some();
        let found = SEPARATORS[..if other { 4 } else { 1 }].iter().copied().filter(move |_| given.is_none());
        given.into_iter().chain(found)
    }

    /// The separator of a line by itself: that of the most columns' names, or else of the most cells.
    fn separator(&self, line: &str) -> u8 {
        let known = |separator| match &self.framing.columns {
            Some(schema) => names_known(line, separator, schema, self.framing),
            None => 0,
        };
        let all = self.separators(line).map(|separator| ((known(separator), width(line, separator)), separator));
        all.rev().max_by_key(|(best, _)| *best).map_or(b',', |(_, separator)| separator)
    }

    /// The separator with which a line is the header of the next one, with the most cells, more than one.
    fn widest(&self, header: &str, line: &str, words: bool) -> Option<u8> {
        let fit = |separator: &u8| {
            width(header, *separator) > 1 && fits(header, line, *separator) && (!words || is_words(header, *separator))
        };
        self.separators(header).filter(fit).rev().max_by_key(|separator| width(header, *separator))
    }

    /// Whether a line is a row of the schema's columns in their order.
    fn is_row(&self, line: &str, separator: u8, schema: &Schema) -> bool {
        let mark = self.framing.csv.decimal_beside(separator);
        let mut cells = csv::cells_by(line, separator);
        let mut tried = false;
        let fit = schema.columns().iter().all(|column| match (cells.next(), column.kind) {
            (None, _) => false,
            // One number tells; the others may be bad cells.
            (Some(cell), Kind::Number) if !tried => {
                tried = true;
                self.framing.decoding.number(&cell, mark).is_some()
            }
            _ => true,
        });
        fit && cells.all(|cell| cell.trim().is_empty())
    }
}

/// How many of a line's cells are names of columns; 0 if the line is no header: one of the others is a number.
fn names_known(line: &str, separator: u8, schema: &Schema, framing: &Framing) -> usize {
    let mut known = 0;
    for cell in csv::cells_by(line, separator) {
        let name = cell.trim();
        match framing.decoding.place(schema, name) {
            Some(_) => known += 1,
            None if name.parse::<f64>().is_ok() => return 0,
            None => {}
        }
    }
    known
}

/// The number of cells, without empty ones at the end.
fn width(line: &str, separator: u8) -> usize {
    let mut width = 0;
    for (index, cell) in csv::cells_by(line, separator).enumerate() {
        if !cell.trim().is_empty() {
            width = index + 1;
        }
    }
    width
}

/// Whether a row has as many cells as a header, but for empty ones at the end of either.
fn fits(header: &str, row: &str, separator: u8) -> bool {
    let (names, cells) = (width(header, separator), width(row, separator));
    // A quoted cell that goes on in the next line hides those behind it.
    let open = csv::is_open_after(row.as_bytes(), false, separator);
    cells <= names && (open || csv::cells_by(row, separator).count() >= names)
}

/// Whether every cell, but for empty ones at the end, is a word.
fn is_words(line: &str, separator: u8) -> bool {
    let width = width(line, separator);
    csv::cells_by(line, separator).take(width).all(|cell| cell::number_by(&cell, DecimalMark::Either).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{CsvOptions, Decoding};
    use std::sync::Arc;

    fn of(columns: &str, csv: CsvOptions) -> Framing {
        let kind = |name: &str| if name.starts_with("t_") { Kind::Text } else { Kind::Number };
        let schema = Schema::new(columns.split_whitespace().map(|name| (name, kind(name))));
        let columns = (!columns.is_empty()).then(|| Arc::new(schema));
        Framing { columns, csv, decoding: Decoding::davis(), ..Framing::default() }
    }

    fn found(text: &str, framing: &Framing, any_first: bool) -> CsvStart {
        let mut lines = text.lines();
        find(framing, any_first, || Ok::<_, ()>(lines.next().map(Cow::Borrowed))).unwrap()
    }

    /// (text, lines before, header, separator, comments)
    type HeaderCase = (&'static str, usize, HeaderLine, char, bool);

    fn check(columns: &str, any_first: bool, cases: &[HeaderCase]) {
        for (text, skip, header, separator, comments) in cases {
            let start = found(text, &of(columns, CsvOptions::default()), any_first);
            let comment = comments.then_some(b'#');
            let expected = CsvStart { skip: *skip, header: *header, separator: *separator as u8, comment };
            assert_eq!(start, expected, "{text:?} with {columns:?}");
        }
    }

    use HeaderLine::{Commented, None, Whole};

    #[test]
    fn a_header_names_columns_that_are_there() {
        check(
            "t_station outTemp",
            true,
            &[
                ("t_station,outTemp\n", 0, Whole, ',', false),
                ("t_station;outTemp;\n", 0, Whole, ';', false),
                ("a\tt_station\toutTemp", 0, Whole, '\t', false),
                ("other|outTemp", 0, Whole, '|', false),
                ("outTemp_C,other", 0, Whole, ',', false),
                ("davis,7\ndavis,8", 0, None, ',', false),
                ("davis;7,5\ndavis;8", 0, None, ';', false),
                ("davis,7,,\n", 0, None, ',', false),
                ("t_station,7", 0, None, ',', false),
                ("Hill\n\"a, b\"\n\nt_station,outTemp\nx,1", 3, Whole, ',', false),
                ("bad\ndavis,7\n", 0, None, ',', false),
                ("# a, b\n# c\nt_station,outTemp\n", 2, Whole, ',', true),
                ("# a\n# t_station;outTemp\ndavis;7,5\n", 1, Commented, ';', true),
                ("# a\ndavis,7\n", 0, None, ',', true),
            ],
        );
        check("1 2", true, &[("1,2\n1,3\n", 0, Whole, ',', false), ("1,3\n", 0, None, ',', false)]);
        check("t_station t_event", false, &[("davis,boot\ndavis,reboot\n", 0, None, ',', false)]);
    }

    #[test]
    fn without_columns_a_header_is_as_wide_as_its_rows() {
        check(
            "",
            true,
            &[
                ("a,b\n1,2\n", 0, Whole, ',', false),
                ("time;temp;hum\n12:00;20,5;50\n", 0, Whole, ';', false),
                ("a;b,c;d\n1;2,5;3\n", 0, Whole, ';', false),
                ("Hill\nSensors: a, b\n\ntime,temp,hum\n1,2,3", 3, Whole, ',', false),
                ("\"Hill\"\n\"x, y\"\n\n\"d\",\"t\",\"h\"\n\"6/1\",\"61.2\",\"--\"", 3, Whole, ',', false),
                ("Hill\nSensors: a, b\ntemp,hum\n1,2\n3,4", 2, Whole, ',', false),
                ("Hill\ntime,event\n12:00,boot\n12:05,on\n", 1, Whole, ',', false),
                ("Hill\ntime,event\n12:00,boot\n", 1, Whole, ',', false),
                ("Hill\ntime,temp\nUTC,\u{b0}C\n12:05,2\n", 1, Whole, ',', false),
                ("# 7, 2 m\n# x\ntime,temp\n12:00,1", 2, Whole, ',', true),
                ("# time,temp\n12:00,1\n12:05,2", 0, Commented, ',', true),
                ("a,b,,\n1,2,,\n", 0, Whole, ',', false),
                ("a,b,\n1,2\n", 0, Whole, ',', false),
                ("event;a\n\"x\ny\";1\nu,v\n", 0, Whole, ';', false),
                ("temp\n20\n21\n", 0, Whole, ',', false),
                ("name\nfoo\nbar\n", 0, Whole, ',', false),
                ("1,2\n3,4\n", 0, Whole, ',', false),
                ("a;b;c", 0, Whole, ';', false),
                ("", 0, None, ',', false),
            ],
        );
        check("", false, &[("a,b\n1,2", 0, Whole, ',', false), ("x,2\ny,3", 0, None, ',', false)]);
    }

    #[test]
    fn what_is_given_is_not_searched_for() {
        let plain = CsvOptions::default;
        let third = CsvOptions { skip: Some(2), ..plain() };
        let start = found("a,b\nc,d\ne;f\n1;2", &of("", third.clone()), true);
        assert_eq!((start.skip, start.header, start.separator), (2, Whole, b';'));
        assert_eq!(found("a,b\n", &of("", third), true).header, None);
        let header = CsvOptions { header: Some(true), ..plain() };
        assert_eq!(found("x,y\n1,2", &of("a", header), true).header, Whole);
        let rows = CsvOptions { header: Some(false), separator: Some(b';'), ..plain() };
        let start = found("a;b\n1;2", &of("a b", rows), true);
        assert_eq!((start.header, start.separator), (None, b';'));
        let comments = CsvOptions { comment: Some(b'%'), ..plain() };
        let start = found("% a,b\na,b\n1,2", &of("", comments), true);
        assert_eq!((start.skip, start.comment), (1, Some(b'%')));
    }
}
