//! Finds the header of a CSV text among its first lines, and with it the separator and the lines that are no rows.

use std::borrow::Cow;

use crate::data::cell::{self, DecimalMark};
use crate::data::{Kind, Schema};
use crate::format::comment_lines::CommentLines;
use crate::format::written_time::WrittenTime;
use crate::format::{Framing, column_names, csv, foreign_header, units_line};

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
    /// The line is a header none of whose names is that of a column, above rows of all columns in their order.
    Foreign,
}

impl HeaderLine {
    /// The names in the line that is the header.
    pub fn names(self, line: &str) -> &str {
        match self {
            HeaderLine::Commented => uncommented(line),
            HeaderLine::Whole | HeaderLine::Foreign | HeaderLine::None => line,
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
    /// Lines that are no rows.
    pub comments: Option<CommentLines>,
    /// How many lines before the header are neither blank nor comments.
    pub passed: usize,
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
            let comments = options.comment.map(CommentLines::said);
            return Ok(CsvStart { skip: number, header: HeaderLine::None, separator, comments, passed: 0 });
        }
    }
    let (commented, first, above, previous, tentative, foreign, in_doubt) = Default::default();
    let mut search =
        Search { framing, any_first, skip, commented, first, above, previous, tentative, foreign, in_doubt };
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
    /// The last lines that began with `#`, where no comments are given: one before the last, and the last.
    commented: (Option<Candidate<'t>>, Option<Candidate<'t>>),
    /// The first line that is no comment.
    first: Option<Candidate<'t>>,
    /// Those before this one, the last of them apart.
    above: Vec<Candidate<'t>>,
    previous: Option<Candidate<'t>>,
    /// A line of words above another one, which may be the header, too.
    tentative: Option<CsvStart>,
    /// A line of words above a row, which is a foreign header where no line further down shows that it is a row, too.
    foreign: Option<(CsvStart, String)>,
    /// A header that commas split, and something else as well: the row below it decides.
    in_doubt: Option<(CsvStart, String)>,
}

impl<'t> Search<'_, 't> {
    fn observe(&mut self, (at, line): Candidate<'t>) -> Option<CsvStart> {
        if let Some((start, header)) = self.in_doubt.take() {
            let separator = self.separator_by_row(&header, &line, start.separator);
            return Some(if separator == start.separator { start } else { self.whole(start.skip, &header, separator) });
        }
        match self.framing.csv.comment {
            Some(mark) if line.as_bytes()[0] == mark => return None,
            None if self.framing.csv.skip.is_none() && line.starts_with('#') && !self.is_numbered(&line) => {
                self.commented = (self.commented.1.take(), Some((at, line)));
                return None;
            }
            _ => {}
        }
        let found = match (self.framing.csv.header, &self.framing.columns) {
            (Some(true), _) => Some(self.commented_or(at, &line)),
            (Some(false), _) => Some(self.start(self.skip, HeaderLine::None, self.row_separator(&line), &line)),
            (None, Some(_)) if self.foreign.is_some() => self.by_foreign(&line),
            (None, Some(schema)) => self.by_names(at, &line, schema),
            (None, None) => self.by_words(at, &line),
        };
        let in_doubt = found.filter(|start| {
            let is_header = start.header == HeaderLine::Whole && start.skip == at;
            is_header && start.separator == b',' && self.separators(&line).any(|other| other != b',')
        });
        if let Some(start) = in_doubt {
            self.in_doubt = Some((start, line.to_string()));
        }
        if self.first.is_none() {
            self.first = Some((at, line.clone()));
        }
        self.above.extend(self.previous.replace((at, line)));
        found.filter(|_| self.in_doubt.is_none())
    }

    /// The separator of a header, or another one than the comma with which the row below it has more numbers: names have
    /// commas, too, as in `Temp, °C`.
    fn separator_by_row(&self, header: &str, line: &str, separator: u8) -> u8 {
        let fit = |other: &u8| *other != b',' && width(header, *other) > 1 && fits(header, line, *other);
        let others = self.separators(header).filter(|_| separator == b',').filter(fit);
        let best = others.rev().max_by_key(|other| self.numbers(line, *other));
        best.filter(|other| self.numbers(line, *other) > self.numbers(line, separator)).unwrap_or(separator)
    }

    /// There is a header: this line, or the comment before it if this is a row.
    fn commented_or(&self, at: usize, line: &str) -> CsvStart {
        let separator = self.separator(line);
        match self.commented_header() {
            Some((above, header)) if fits(header, line, separator) && !is_words(line, separator) => {
                self.start(above, HeaderLine::Commented, separator, header)
            }
            _ => self.whole(at, line, separator),
        }
    }

    /// Whether a line that begins with `#` is a header whose first name that is, as of the numbers of rows.
    fn is_numbered(&self, line: &str) -> bool {
        let is_filled = |separator| csv::cells_by(line, separator).all(|cell| !cell.trim().is_empty());
        self.separators(line).any(|separator| line.as_bytes().get(1) == Some(&separator) && is_filled(separator))
    }

    /// The line names columns, or it is a row of them.
    fn by_names(&mut self, at: usize, line: &str, schema: &Schema) -> Option<CsvStart> {
        let named = |line: &str| {
            let all =
                self.separators(line).map(|separator| (names_known(line, separator, schema, self.framing), separator));
            // Of equals the first.
            all.filter(|(known, _)| *known > 0).rev().max_by_key(|(known, _)| *known)
        };
        if let Some((known, separator)) = named(line)
            && !self.is_among_rows(line, separator, known, schema)
        {
            return Some(self.whole(at, line, separator));
        }
        // The fast path: most lines have a digit.
        if !line.bytes().any(|byte| byte.is_ascii_digit()) {
            let is_loosely = |separator: &u8| {
                column_names::known(line, *separator, self.framing) == csv::cells_by(line, *separator).count()
            };
            if let Some(separator) = self.separators(line).find(is_loosely) {
                return Some(self.whole(at, line, separator));
            }
        }
        if let Some((at, header)) = self.commented_header()
            && let Some((_, separator)) = named(header).or_else(|| self.spaced_names(header, line, schema))
            && let separator = self.separator_by_row(header, line, separator)
            && fits(header, line, separator)
        {
            return Some(self.start(at, HeaderLine::Commented, separator, header));
        }
        // With a comma last: davis;7,5 would be a row with it, too.
        let row = self.separators(line).rev().find(|separator| self.is_row(line, *separator, schema));
        if let Some((before, header)) = &self.previous {
            let loosely = || self.separators(header).rev().find(|separator| self.is_loosely(header, line, *separator));
            let spaced = || self.spaced_names(header, line, schema).map(|(_, separator)| separator);
            if let Some(separator) = loosely().or_else(spaced) {
                return Some(self.whole(*before, header, separator));
            }
            if let Some(separator) = row.filter(|separator| self.is_foreign(header, line, *separator, schema)) {
                // A row further down may show that it is one, too.
                self.foreign = Some((self.start(*before, HeaderLine::Foreign, separator, header), header.to_string()));
                return None;
            }
        }
        let once = (self.framing.csv.skip.is_some() && self.previous.is_some()).then(|| self.separator(line));
        // The lines before it are rows, too, that can't be read.
        row.or(once).map(|separator| self.start(self.skip, HeaderLine::None, separator, line))
    }

    /// Whether a line that names few columns, and has a time or a number among its cells, stands behind lines of as many: it
    /// is a row as they are, and the name a text of it.
    fn is_among_rows(&self, line: &str, separator: u8, known: usize, schema: &Schema) -> bool {
        let cells = width(line, separator);
        let is_value = |cell: &str| {
            cell.starts_with(|first: char| first.is_ascii_digit())
                && self.framing.decoding.place(schema, cell).is_none()
        };
        let mut above = self.above.iter().chain(&self.previous);
        2 * known < cells
            && csv::cells_by(line, separator).any(|cell| is_value(cell.trim()))
            && above.any(|(_, above)| width(above, separator) == cells)
    }

    /// Whether most names of a line are those of columns but for case and units, and the next one is its row.
    fn is_loosely(&self, header: &str, line: &str, separator: u8) -> bool {
        let known = || column_names::known(header, separator, self.framing);
        is_words(header, separator)
            && fits(header, line, separator)
            && !is_words(line, separator)
            && 2 * known() > width(header, separator)
    }

    /// Whether a line of words is no row above this one, nor one beside those above it.
    fn is_foreign(&self, header: &str, row: &str, separator: u8, schema: &Schema) -> bool {
        let mut above = self.above.iter().filter(|(_, above)| width(above, separator) == width(header, separator));
        width(header, separator) == width(row, separator)
            && csv::cells_by(header, separator).count() == width(row, separator)
            && foreign_header::is_above(header, row, separator, schema, self.framing)
            && !above.any(|(_, above)| {
                foreign_header::is_row_beside(header, above, separator)
                    || foreign_header::is_row_of_states(above, separator, schema)
            })
    }

    /// Whether this line shows that what seemed to be a foreign header is a row.
    fn by_foreign(&self, line: &str) -> Option<CsvStart> {
        let (start, header) = self.foreign.as_ref()?;
        let is_row = width(line, start.separator) == width(header, start.separator)
            && foreign_header::is_row_beside(header, line, start.separator);
        is_row.then(|| self.start(self.skip, HeaderLine::None, start.separator, line))
    }

    /// The space, where names between spaces are those of columns, and the next line has a cell for each.
    fn spaced_names(&self, header: &str, line: &str, schema: &Schema) -> Option<(usize, u8)> {
        let known = self.is_spaced(header, line).then(|| names_known(header, b' ', schema, self.framing));
        known.filter(|known| *known > 0).map(|known| (known, b' '))
    }

    /// Whether a line without other separators is a header between spaces, with a cell for each name in the next line.
    fn is_spaced(&self, header: &str, line: &str) -> bool {
        /// Words that happen to be as many as those of the next line are no names.
        const LEAST: usize = 3;
        self.framing.csv.separator.is_none()
            && !header.contains(SEPARATORS.map(char::from))
            && width(header, b' ') >= LEAST
            && fits(header, line, b' ')
            && is_words(header, b' ')
            && !is_words(line, b' ')
    }

    /// The line before this one is a header of words, or the first line.
    fn by_words(&mut self, at: usize, line: &str) -> Option<CsvStart> {
        let once = self.framing.csv.skip.is_some() && self.any_first;
        let Some((before, header)) = &self.previous else {
            if let Some((at, header)) = self.commented_header()
                && let Some(separator) = self.widest(header, line, (true, false))
                && !is_words(line, separator)
            {
                return Some(self.start(at, HeaderLine::Commented, separator, header));
            }
            return once.then(|| self.whole(at, line, self.separator(line)));
        };
        let is_top = self.first.as_ref().is_some_and(|(first, _)| first == before);
        let is_first = self.any_first && is_top;
        if let Some(separator) = self.widest(header, line, (!is_first, is_top)) {
            // Rows above it that are as the one below it are rows of another header.
            if !is_first && self.above.iter().any(|(_, above)| is_alike(above, line, separator)) {
                return None;
            }
            let start = self.whole(*before, header, separator);
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
        one.then(|| self.whole(*before, header, self.framing.csv.separator.unwrap_or(b',')))
    }

    /// What holds if no line has decided it.
    fn undecided(&self) -> CsvStart {
        if let Some((start, _)) = &self.in_doubt {
            return *start;
        }
        if let Some(start) = self.tentative.or(self.foreign.as_ref().map(|(start, _)| *start)) {
            return start;
        }
        let Some((at, line)) = &self.first else {
            // Comments alone: those that are as wide as rows are rows.
            let last = self.commented.1.as_ref().map_or("", |(_, line)| line);
            return self.start(self.skip, HeaderLine::None, self.separator(last), last);
        };
        let separator = match &self.framing.columns {
            Some(_) => self.separator(line),
            None => self.row_separator(line),
        };
        let words = width(line, separator) > 1 && is_words(line, separator);
        match self.framing.columns.is_none() && (self.any_first || words) {
            true => self.whole(*at, line, separator),
            false => self.start(self.skip, HeaderLine::None, separator, line),
        }
    }

    fn whole(&self, at: usize, header: &str, separator: u8) -> CsvStart {
        self.start(at, HeaderLine::Whole, separator, header)
    }

    /// The start before a line with the names, or one as wide as the rows.
    fn start(&self, skip: usize, header: HeaderLine, separator: u8, line: &str) -> CsvStart {
        let found = || {
            let wide = match (header, &self.framing.columns) {
                (HeaderLine::None, Some(schema)) => {
                    let reading = WrittenTime::reading(schema, &self.framing.decoding);
                    self.framing.decoding.places_without_header(&reading, schema.columns().len()).len()
                }
                // A line of one cell may be any text.
                _ => Some(width(line, separator)).filter(|cells| *cells > 1).unwrap_or(usize::MAX),
            };
            CommentLines::beside(separator, wide)
        };
        let comments = match self.framing.csv.comment {
            Some(mark) => Some(CommentLines::said(mark)),
            None => self.commented.1.as_ref().map(|_| found()),
        };
        // Of a line for Excel alone nothing is told.
        let is_passed = |(above, line): &&Candidate<'t>| *above < skip && !line.starts_with("sep=");
        let lines = self.above.iter().chain(&self.previous).filter(is_passed).count();
        let passed = if header == HeaderLine::None { 0 } else { lines };
        CsvStart { skip, header, separator, comments, passed }
    }

    /// The last comment without its mark, where comments are not given; the one before it, if that is the line of units.
    fn commented_header(&self) -> Option<(usize, &str)> {
        let (first, last) = &self.commented;
        let (at, last) = last.as_ref().map(|(at, line)| (*at, uncommented(line)))?;
        let Some((first, above)) = first.as_ref().map(|(at, line)| (*at, uncommented(line))) else {
            return Some((at, last));
        };
        let mut separators = self.separators(above).chain([b' ']);
        let is_units = separators.any(|separator| {
            width(above, separator) > 1
                && width(above, separator) == width(last, separator)
                && units_line::is_units(last, above, separator, self.framing)
        });
        Some(if is_units { (first, above) } else { (at, last) })
    }

    /// The separators that may be those of a line.
    fn separators(&self, line: &str) -> impl DoubleEndedIterator<Item = u8> + use<> {
        let given = self.framing.csv.separator;
        // The fast path: of four searches of a line three are left out.
        let other = given.is_none() && memchr::memchr3(b';', b'\t', b'|', line.as_bytes()).is_some();
        // Where commas are decimal marks they separate cells only if nothing else does: such numbers are in quotes.
        let no_comma =
            other && self.has_decimal_commas() && SEPARATORS[1..].iter().any(|other| width(line, *other) > 1);
        let among = usize::from(no_comma)..if other { 4 } else { 1 };
        let found = SEPARATORS[among].iter().copied().filter(move |_| given.is_none());
        given.into_iter().chain(found)
    }

    /// Whether the dataflow file says that the comma is the decimal mark.
    fn has_decimal_commas(&self) -> bool {
        let of_cells = || self.framing.decoding.cells.as_ref().and_then(|cells| cells.decimal());
        self.framing.csv.decimal.or_else(of_cells) == Some(DecimalMark::Comma)
    }

    /// The separator of a row by itself: of those with which it is a row of the columns, if there are some, that of the most
    /// numbers, and of equals that of the most cells.
    fn row_separator(&self, line: &str) -> u8 {
        if self.separators(line).nth(1).is_none() {
            return self.separators(line).next().unwrap_or(b',');
        }
        let is_row =
            |separator: u8| self.framing.columns.as_ref().is_none_or(|schema| self.is_row(line, separator, schema));
        let best = |separator: &u8| (is_row(*separator), self.numbers(line, *separator), width(line, *separator));
        self.separators(line).rev().max_by_key(best).unwrap_or(b',')
    }

    /// How many cells of a row are numbers, and whether a comma is the decimal mark of one.
    fn numbers(&self, line: &str, separator: u8) -> (usize, bool) {
        let mark = self.framing.csv.decimal_beside(separator);
        let (mut numbers, mut has_comma) = (0, false);
        for cell in csv::cells_by(line, separator) {
            if self.framing.decoding.number(&cell, mark).is_some_and(|number| !number.is_nan()) {
                numbers += 1;
                has_comma |= cell.contains(',');
            }
        }
        (numbers, has_comma)
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

    /// The separator with which a line is the header of the next one, with more than one cell. `words`: it has words
    /// alone, but for missing values among them in a line that is the first one.
    fn widest(&self, header: &str, line: &str, (words, is_top): (bool, bool)) -> Option<u8> {
        let fit = |separator: &u8| {
            width(header, *separator) > 1
                && fits(header, line, *separator)
                && (!words || is_words(header, *separator) || is_top && has_words_alone(header, *separator))
        };
        // That with which the row has the most numbers: beside it a comma is a decimal mark, or a part of names.
        let best = |separator: &u8| (self.numbers(line, *separator), width(header, *separator), *separator != b',');
        let widest = self.separators(header).filter(fit).rev().max_by_key(best);
        widest.or_else(|| self.is_spaced(header, line).then_some(b' '))
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
        match framing.decoding.takes(schema, name) {
            true => known += 1,
            false if name.parse::<f64>().is_ok() => return 0,
            false => {}
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

/// Whether two lines have as many cells, of which the same are numbers, and one at least.
fn is_alike(line: &str, other: &str, separator: u8) -> bool {
    let numbers = |line: &str| -> Vec<bool> {
        let number = |cell: &str| cell::number_by(cell, DecimalMark::Either).is_some_and(|number| !number.is_nan());
        csv::cells_by(line, separator).map(|cell| number(&cell)).collect()
    };
    let cells = numbers(line);
    cells.contains(&true) && cells == numbers(other)
}

/// Whether every cell, but for empty ones at the end, is a word.
fn is_words(line: &str, separator: u8) -> bool {
    let width = width(line, separator);
    csv::cells_by(line, separator).take(width).all(|cell| cell::number_by(&cell, DecimalMark::Either).is_none())
}

/// Whether no cell is a number, and some are words: others may stand for missing values.
fn has_words_alone(line: &str, separator: u8) -> bool {
    let number = |cell: &str| cell::number_by(cell, DecimalMark::Either);
    let mut cells = csv::cells_by(line, separator).take(width(line, separator));
    let mut has_word = false;
    let is_one = |cell: Cow<'_, str>| {
        has_word |= number(&cell).is_none();
        !cell.trim().is_empty() && number(&cell).is_none_or(f64::is_nan)
    };
    cells.all(is_one) && has_word
}

/// Names of a header that are numbers or stand for missing values, as cells of rows do, where nothing says that it is one.
pub fn names_like_cells(header: &str, separator: u8, framing: &Framing) -> Vec<String> {
    if framing.columns.is_some() || framing.csv.header.is_some() {
        return Vec::new();
    }
    let names = csv::cells_by(header, separator).take(width(header, separator));
    let is_like_cell = |name: &str| cell::number_by(name, DecimalMark::Either).is_some();
    names.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty() && is_like_cell(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{CellRules, CsvOptions, Decoding};
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
            let shown = (start.skip, start.header, start.separator as char, start.comments.is_some());
            assert_eq!(shown, (*skip, *header, *separator, *comments), "{text:?} with {columns:?}");
        }
    }

    use HeaderLine::{Commented, Foreign, None, Whole};

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
        check(
            "hum temp",
            true,
            &[
                ("Temp,Hum\n20.5,50\n", 0, Whole, ',', false),
                ("x\nTemp (\u{b0}C);HUM [%];Rain\n20,5;50;1\n", 1, Whole, ';', false),
                ("temperature,humidity\n20.5,50\n", 0, Foreign, ',', false),
                ("ERR,ERR\n20.5,50\n", 0, None, ',', false),
                ("N/A,off\n20.5,50\n", 0, None, ',', false),
                ("offline,x\n20.5,50\n", 0, None, ',', false),
                ("out,down\n20.5,50\nout,51\n", 0, None, ',', false),
                ("offline,x\nout,down\n20.5,50\n", 0, None, ',', false),
                ("t,h\n20.5,50\nt,h\n20.6,51\n", 0, Foreign, ',', false),
                ("#1,20\n#2,21\n", 0, None, ',', true),
                ("#,temp\n#1,20\n", 0, Whole, ',', false),
                ("YY  MM temp hum\n2024 03  7  8\n", 0, Whole, ' ', false),
                ("#YY  MM temp hum\n#yr  mo degC   %\n2024 03  7  8\n", 0, Commented, ' ', true),
            ],
        );
        check(
            "t_station temp",
            true,
            &[("davis,off\ndavis,7", 0, None, ',', false), ("12:00,x\n12:05,7", 0, None, ',', false)],
        );
        let among_rows = ("12:00,ERR,bad\n12:05,off,bad\n12:10,temp,bad\n12:15,5,ok", 0, None, ',', false);
        check("temp t_time t_state", true, &[among_rows]);
        check("t_station t_event", true, &[("T_station,T_event\ndavis,boot", 0, Whole, ',', false)]);
        let logger = "TOA5,CR1,CR1,12345,x,y,9,z\nTS,RN,temp,d,e,f,g,h\n";
        check("temp hum", true, &[(logger, 1, Whole, ',', false)]);
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
                ("sep=;\ntime;temp\n12:00;20,5\n12:05;20,6\n", 1, Whole, ';', false),
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
                ("time\ttemp,inside\n12:00\t5,1\n", 0, Whole, '\t', false),
                ("x;y,temp\np;q,3\n", 0, Whole, ',', false),
                ("", 0, None, ',', false),
                ("#,time (CET),temp (\u{b0}C)\n1,12:00,20.5\n", 0, Whole, ',', false),
                ("#YY  MM WDIR WSPD\n#yr  mo degT m/s\n2024 03  190  5.0\n", 0, Commented, ' ', true),
                ("date time temp hum\n2024-03-01 12:00 20.5 50\n", 0, Whole, ' ', false),
                ("Date Time\n2024-03-01 12:00\n", 0, Whole, ',', false),
                ("time,temp\n12:00,20.5,50\n12:05,20.6,51\nx,off,down\n12:15,5,6\n", 0, Whole, ',', false),
            ],
        );
        let missing = ("n/a,Alpha\nkaputt,Beta", 0, Whole, ',', false);
        check("", true, &[missing]);
        check("", false, &[("a,b\n1,2", 0, Whole, ',', false), ("x,2\ny,3", 0, None, ',', false), missing]);
        check("", false, &[("---,n/a\n1,2", 0, None, ',', false), ("n/a,\nx,y", 0, None, ',', false)]);
        let told = |header, framing: &Framing| names_like_cells(header, b',', framing).join(" ");
        assert_eq!(told("n/a,Alpha,---,7.5", &Framing::default()), "n/a --- 7.5");
        assert_eq!(told("n/a,Alpha", &of("n/a", CsvOptions::default())), "");
    }

    #[test]
    fn rows_without_a_header_are_split_where_they_have_numbers() {
        let rows = CsvOptions { header: Some(false), ..CsvOptions::default() };
        let comma = CsvOptions { decimal: Some(DecimalMark::Comma), ..rows.clone() };
        for (columns, text, separator) in [
            ("", "21,5;40,2;1013,2", b';'),
            ("", "21,5\t40,2", b'\t'),
            ("", "12:00|21,5|40,2", b'|'),
            ("", "2024-03-01 12:00;21,5", b';'),
            ("", "1,x,3;4", b','),
            ("", "a,b,c;d", b','),
            ("", "x,7,a;b", b','),
            ("temp hum rain", "21,5;40,2;1013,2", b';'),
            ("temp hum", "1,5\t2,25", b'\t'),
            ("t_a t_b", "a|b,c", b','),
        ] {
            assert_eq!(found(text, &of(columns, rows.clone()), true).separator, separator, "{text}");
        }
        for (text, separator) in [("x,y;z", b';'), ("\"x;y\",\"1,5\"", b','), ("1,5", b',')] {
            assert_eq!(found(text, &of("", comma.clone()), true).separator, separator, "{text}");
        }
        assert_eq!(found("21,5;40,2;1013,2", &of("", CsvOptions::default()), false).separator, b';');
        let cells =
            CellRules::new([], Default::default(), (Some(DecimalMark::Comma), Option::None), Default::default());
        let decoding = Arc::new(Decoding { cells: cells.map(Arc::new), ..Decoding::default() });
        let said = Framing { csv: rows, decoding, ..Framing::default() };
        assert_eq!(found("x,y;z", &said, true).separator, b';');
    }

    #[test]
    fn commas_in_names_separate_no_cells() {
        let cases = [
            ("Temp, \u{b0}C;RH, %\n21,5;44,1\n", 0, Whole, ';', false),
            ("Temp, \u{b0}C\tRH, %\n1,5\t40,5\n", 0, Whole, '\t', false),
            ("Wind, m/s;Rain, mm;P, hPa\n1,5;2,5;1013,2\n", 0, Whole, ';', false),
            ("time;Temp, \u{b0}C;RH, %\n2024-03-01 12:00;21,5;44,1\n", 0, Whole, ';', false),
            ("# Temp, \u{b0}C;RH, %\n21,5;44,1\n", 0, Commented, ';', true),
        ];
        check("", true, &cases);
        check("", false, &cases);
        check("Temp", true, &cases[..2]);
        check("Temp", true, &cases[4..]);
        check("Temp", true, &[("Temp,a;b\n21,x;y\n", 0, Whole, ',', false), ("Temp,a;b\n", 0, Whole, ',', false)]);
        let header = CsvOptions { header: Some(true), ..CsvOptions::default() };
        assert_eq!(found(cases[0].0, &of("Temp", header), true).separator, b';');
    }

    #[test]
    fn what_is_given_is_not_searched_for() {
        let plain = CsvOptions::default;
        let third = CsvOptions { skip: Some(2), ..plain() };
        let start = found("a,b\nc,d\ne;f\n1;2", &of("", third.clone()), true);
        assert_eq!((start.skip, start.header, start.separator), (2, Whole, b';'));
        assert_eq!(found("a,b\n", &of("", third), true).header, None);
        let skipped = CsvOptions { skip: Some(1), ..plain() };
        for (text, header) in [("x\nTemp;Hum\n7;8", Whole), ("x\ny;z\n7;8", Foreign), ("x\n7;8", None)] {
            assert_eq!(found(text, &of("hum temp", skipped.clone()), true).header, header, "{text}");
        }
        let header = CsvOptions { header: Some(true), ..plain() };
        assert_eq!(found("x,y\n1,2", &of("a", header), true).header, Whole);
        let rows = CsvOptions { header: Some(false), separator: Some(b';'), ..plain() };
        let start = found("a;b\n1;2", &of("a b", rows), true);
        assert_eq!((start.header, start.separator), (None, b';'));
        let comments = CsvOptions { comment: Some(b'%'), ..plain() };
        let start = found("% a,b\na,b\n1,2", &of("", comments), true);
        assert_eq!((start.skip, start.comments), (1, Some(CommentLines::said(b'%'))));
    }
}
