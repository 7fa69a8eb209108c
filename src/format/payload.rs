//! The rows of one payload: JSON objects, one behind the other or in an array, CSV lines, or what another format makes of it.

use std::borrow::Cow;
use std::convert::Infallible;
use std::iter::Peekable;

use crate::data::cell::DecimalMark;
use crate::data::{Broken, Column, DateOrder, Format, Header, Kind, Row, cell};
use crate::format::comment_lines::CommentLines;
use crate::format::csv::{self, ClosingLine, RecordEnd};
use crate::format::file_dates::date_cell;
use crate::format::formats::{Reading, RowTaker, lookalike, recognised_bytes, recognised_text};
use crate::format::header_search::{self, HeaderLine};
use crate::format::inner_rows::InnerRows;
use crate::format::json_text::{each_element, each_object, holds_values};
use crate::format::payload_flaw::flaw_of;
use crate::format::repeated_preamble::RepeatedPreamble;
use crate::format::row_cells::NumberCells;
use crate::format::unread_lines::UnreadLines;
use crate::format::{
    DecimalSearch, Framing, MOST_ROWS, column_names, repeated_header, time_rules, transcode, units_line,
};

/// Calls `f` with every row of a payload. What is no row is passed whole, marked as broken. The header of several CSV
/// records names `columns`, or, if these are not known, holds words only.
pub fn each_row(payload: &[u8], framing: &Framing, f: impl FnMut(Row<'_>)) {
    each_row_telling(payload, framing, f, |_| {});
}

/// The same; `tell` gets what is to be said of lines of CSV that are no rows.
pub fn each_row_telling(
    payload: &[u8],
    framing: &Framing,
    mut f: impl FnMut(Row<'_>),
    mut tell: impl FnMut(UnreadLines),
) {
    if payload.len() > framing.max_payload {
        return f(Row { bytes: payload, format: Format::Broken(Broken::TooLong), header: None });
    }
    let unpacked = match framing.compression.unpacked(payload, framing.max_payload) {
        Ok(unpacked) => unpacked,
        Err(reason) => return f(Row { bytes: payload, format: Format::Broken(reason), header: None }),
    };
    let payload = unpacked.as_deref().unwrap_or(payload);
    let text = || transcode::payload(payload, framing.csv.encoding);
    match framing.format.reading {
        Reading::Recognised => recognised(&text(), framing, f, tell),
        Reading::Json => json(&text(), framing, f),
        Reading::Csv => match std::str::from_utf8(&text()) {
            Ok(text) => csv_text(text, framing, f, &mut tell),
            Err(_) => f(not_understood(payload)),
        },
        Reading::Lines(read) | Reading::Whole(read) => read(payload, &mut PayloadRows(framing, &mut f)),
        Reading::Verbatim => f(Row { bytes: payload, format: Format::Broken(Broken::Unreadable), header: None }),
        // It is read where its topic is known.
        Reading::Sparkplug => f(Row { bytes: payload, format: Format::Broken(Broken::NoSparkplugTopic), header: None }),
    }
}

/// Takes the rows of another format: JSON, which is cut as that of a payload is.
struct PayloadRows<'f>(&'f Framing, &'f mut dyn FnMut(Row<'_>));

impl RowTaker for PayloadRows<'_> {
    fn json(&mut self, text: &[u8]) {
        json(text, self.0, &mut self.1);
    }

    fn broken(&mut self, bytes: &[u8], reason: Broken) {
        (self.1)(Row { bytes, format: Format::Broken(reason), header: None });
    }
}

/// The rows of a payload whose format was not said.
fn recognised(payload: &[u8], framing: &Framing, mut f: impl FnMut(Row<'_>), mut tell: impl FnMut(UnreadLines)) {
    let begins = text_of(payload);
    if matches!(begins.first(), None | Some(b'{' | b'[')) || is_json_in_text(begins) {
        return json(payload, framing, f);
    }
    let Ok(text) = std::str::from_utf8(payload) else {
        return match recognised_bytes(payload) {
            Some(read) => read(payload, &mut PayloadRows(framing, &mut f)),
            None => f(not_understood(payload)),
        };
    };
    let whole = text.trim_matches(|c: char| c.is_whitespace() || c == '\0' || c == '\u{feff}');
    let mut lines = whole.lines();
    let first = lines.next().unwrap_or_default();
    // Comments may stand above rows of any format.
    let line = Some(first).filter(|first| !first.starts_with('#'));
    let line = line.or_else(|| lines.find(|line| !line.starts_with('#'))).unwrap_or(first);
    let separated = line.contains(header_search::SEPARATORS.map(char::from));
    // The fast path: what looks like cells is not looked at further.
    let is_plain = separated && !line.contains('=') || line.starts_with('#') || framing.csv.says_csv();
    if !is_plain && !reads_as_csv(whole, framing) {
        if let Some(read) = recognised_text(whole.as_bytes()) {
            return read(payload, &mut PayloadRows(framing, &mut f));
        }
        let alone = !whole.contains('\n') && (!separated || framing.columns.is_some());
        if alone && lookalike(whole.as_bytes()).is_some() {
            return f(not_understood(payload));
        }
    }
    csv_text(text, framing, f, &mut tell);
}

/// What is neither JSON nor CSV, with the reason.
fn not_understood(payload: &[u8]) -> Row<'_> {
    Row { bytes: payload, format: Format::Broken(flaw_of(payload)), header: None }
}

/// Whether a text begins with the names of columns, or with a cell for each of several. One cell is a lone value: a row only
/// where the dataflow file says so.
fn reads_as_csv(text: &str, framing: &Framing) -> bool {
    // Any line with a comma can be names where none are known: there it is what it can be strictly.
    let Some(schema) = &framing.columns else { return false };
    let mut ahead = text.lines().map(Cow::Borrowed);
    let Ok(start) = header_search::find(framing, false, || Ok::<_, Infallible>(ahead.next()));
    if start.header != HeaderLine::None {
        return true;
    }
    let decimal = framing.csv.decimal_beside(start.separator);
    let mut cells = csv::cells_by(text.lines().nth(start.skip).unwrap_or_default(), start.separator);
    let mut fits = |column: &Column| {
        let is_cell = |cell: &str| column.kind == Kind::Text || cell::number_by(cell, decimal).is_some();
        cells.next().is_some_and(|cell| is_cell(&cell))
    };
    let all = schema.columns().len() > 1 && schema.columns().iter().all(&mut fits);
    all && cells.next().is_none()
}

/// The rows of CSV. A tab at the beginning or the end is an empty cell.
fn csv_text(text: &str, framing: &Framing, mut f: impl FnMut(Row<'_>), tell: &mut dyn FnMut(UnreadLines)) {
    match text.trim_matches([' ', '\r', '\n', '\0', '\u{feff}']) {
        "" => f(Row { bytes: text.as_bytes(), format: Format::Broken(Broken::Empty), header: None }),
        // Lines that end as those of an old Mac.
        text if !text.contains('\n') && text.contains('\r') => csv_records(&text.replace('\r', "\n"), framing, f, tell),
        text => csv_records(text, framing, f, tell),
    }
}

/// The rows of JSON: an object, or an array of them.
fn json(payload: &[u8], framing: &Framing, mut f: impl FnMut(Row<'_>)) {
    let broken = |reason| Row { bytes: payload, format: Format::Broken(reason), header: None };
    let text = text_of(payload);
    let mut object = |bytes| match &framing.rows {
        Some(rows) => rows.each_row(bytes, &mut f),
        None => f(Row { bytes, format: Format::Json, header: None }),
    };
    match text.first() {
        None => f(broken(Broken::Empty)),
        Some(b'{') => each_object(text, object),
        Some(b'[') if is_array_row(text, framing) && framing.rows.as_ref().is_none_or(InnerRows::is_payload) => {
            object(text)
        }
        Some(b'[') => {
            if each_element(text, &mut object).is_none() {
                f(not_understood(payload));
            }
        }
        Some(_) if is_json_in_text(text) => object(text),
        Some(_) => f(not_understood(payload)),
    }
}

/// Whether an array is one row: it begins with a value, and columns are elements, or none is known and all are values.
fn is_array_row(array: &[u8], framing: &Framing) -> bool {
    let first = array[1..].trim_ascii_start().first();
    first.is_some_and(|first| !matches!(first, b'{' | b'[' | b']'))
        && framing.has_element_columns().unwrap_or_else(|| holds_values(array).unwrap_or(true))
}

/// Whether a text seems to be a JSON string that holds an object, as programs write that encode it twice.
fn is_json_in_text(text: &[u8]) -> bool {
    text.starts_with(b"\"{") && text.ends_with(b"}\"")
}

/// A payload without a byte-order mark before it, and white space and the zeros that end a string in C behind it.
fn text_of(payload: &[u8]) -> &[u8] {
    let text = payload.strip_prefix("\u{feff}".as_bytes()).unwrap_or(payload);
    let end = text.iter().rposition(|byte| *byte != 0 && !byte.is_ascii_whitespace()).map_or(0, |at| at + 1);
    text[..end].trim_ascii_start()
}

/// CSV records; one of the first may be a header, if others follow.
fn csv_records(text: &str, framing: &Framing, mut f: impl FnMut(Row<'_>), tell: &mut dyn FnMut(UnreadLines)) {
    let mut ahead = lines(text).map(|line| Cow::Borrowed(line.trim_end_matches(['\r', '\n'])));
    let Ok(start) = header_search::find(framing, false, || Ok::<_, Infallible>(ahead.next()));
    if start.header == HeaderLine::Foreign {
        return f(Row { bytes: text.as_bytes(), format: Format::Broken(Broken::ForeignHeader), header: None });
    }
    let separator = start.separator;
    let mut records = PayloadRecords { text, separator, comments: None, closing: ClosingLine::of(separator), next: 0 };
    records.pass_over(start.skip);
    let order = match time_rules::order_wanted(framing.decoding.time.as_deref()) {
        true => order_among(&text[records.next..], separator, framing),
        false => None,
    };
    let format = Format::csv(
        separator,
        decimal_of(&text[records.next..], separator, start.header != HeaderLine::None, framing),
        order,
    );
    let header = match start.header {
        HeaderLine::None => None,
        found => records.next().map(|(header, _)| found.names(header)),
    };
    records.comments = start.comments;
    if header.is_some() {
        records.pass_over(framing.csv.skip_after_header.unwrap_or(0) as usize);
    }
    let wide_comment = start.comments.and_then(|comments| wide_comment(&text[records.next..], comments));
    wide_comment.into_iter().for_each(|line| tell(UnreadLines::WideComment(line.to_owned())));
    let mut records = records.peekable();
    if let Some(header) = header {
        let is_header = || framing.csv.header.is_some() || column_names::are_names(header, separator, framing);
        if records.peek().is_none() && !is_header() {
            // Words only: a row without a number.
            return f(Row { bytes: header.as_bytes(), format, header: None });
        }
        let like_cells = header_search::names_like_cells(header, separator, framing);
        if !like_cells.is_empty() {
            tell(UnreadLines::NamesLikeCells(like_cells.join(", ")));
        }
        if start.passed > 0 && framing.csv.skip.is_none() {
            tell(UnreadLines::Preamble { lines: start.passed, skip: start.skip, header: header.to_owned() });
        }
    }
    let above = text.lines().take(if header.is_some() { start.skip } else { 0 }).map(Cow::Borrowed);
    let preamble = RepeatedPreamble::of(above, separator);
    let first = header.map(str::to_lowercase);
    // The last header, where another one came.
    let mut written: Option<String> = None;
    let mut names = header.map(|header| column_names::adopted(header, separator, framing));
    names.iter().for_each(|names| pass_over_units(&mut records, names, separator, framing, tell));
    let (mut line, mut is_empty) = (Header::next_line(), true);
    while let Some((record, broken)) = records.next() {
        let is_header = |record: &str| {
            let is_one_of = |header: &String| repeated_header::is_repeated(record, header, separator);
            written.as_ref().is_some_and(is_one_of) || first.as_ref().is_some_and(is_one_of)
        };
        if preamble.contains(record)
            && preamble.is_again(record, records.clone().map(|(record, _)| Cow::Borrowed(record)), is_header)
        {
            tell(UnreadLines::PreambleAgain(record.to_owned()));
            continue;
        }
        if broken.is_none() && is_header(record) {
            (written, line) = (Some(record.to_lowercase()), Header::next_line());
            let adopted = column_names::adopted(record, separator, framing);
            tell(UnreadLines::Repeated(record.to_owned()));
            pass_over_units(&mut records, &adopted, separator, framing, tell);
            names = Some(adopted);
            continue;
        }
        let under = names.as_ref().map(|names| Header { names: names.as_bytes(), line: Some(line) });
        is_empty = false;
        f(Row { bytes: record.as_bytes(), format: broken.map_or(format, Format::Broken), header: under });
    }
    if let Some(names) = names.filter(|names| is_empty && !column_names::are_in_order(names, separator, framing)) {
        tell(UnreadLines::Alone(names.into_owned()));
    }
}

/// The first comment that has as many cells as rows.
fn wide_comment(text: &str, comments: CommentLines) -> Option<&str> {
    // The fast path: none at all.
    if !text.starts_with('#') && memchr::memmem::find(text.as_bytes(), b"\n#").is_none() {
        return None;
    }
    let is_wide = |line: &&str| comments.contain(line.as_bytes()) && comments.is_wide(line.as_bytes());
    lines(text).find(is_wide).map(str::trim_end)
}

/// Leaves out the lines of units below a header.
fn pass_over_units(
    records: &mut Peekable<PayloadRecords<'_>>,
    header: &str,
    separator: u8,
    framing: &Framing,
    tell: &mut dyn FnMut(UnreadLines),
) {
    if framing.csv.skip_after_header.is_some() {
        return;
    }
    let units = |record: &str| units_line::is_units(record, header, separator, framing);
    let Some((line, _)) = records.next_if(|(record, broken)| broken.is_none() && units(record)) else { return };
    let more = records.next_if(|(record, _)| units_line::is_processes(record, separator));
    tell(UnreadLines::Units { line: line.to_owned(), lines: 1 + usize::from(more.is_some()) });
}

/// The decimal mark of a text's cells: that which its first lines tell, where none is said.
fn decimal_of(text: &str, separator: u8, is_named: bool, framing: &Framing) -> DecimalMark {
    let mark = framing.csv.decimal_beside(separator);
    // The fast path: one line tells nothing of itself that its cells do not, and a comma between commas is in quotes.
    let tells = if separator == b',' { text.contains('"') } else { text.contains('\n') };
    if framing.csv.decimal.is_some() || !tells || !text.contains(',') {
        return mark;
    }
    let mut search = DecimalSearch::beside(separator);
    let mut lines = lines(text).take(MOST_ROWS).map(|line| line.trim_end_matches(['\r', '\n'])).peekable();
    let names = lines.peek().filter(|_| is_named).map(|header| csv::names(header.trim_start_matches('#'), separator));
    let numbers = NumberCells::under(names, framing);
    for line in lines {
        numbers.of(csv::cells_by(line, separator)).for_each(|cell| search.observe_cell(&cell));
    }
    search.settled().unwrap_or(mark)
}

/// The order of day and month that some row behind a header tells.
fn order_among(text: &str, separator: u8, framing: &Framing) -> Option<DateOrder> {
    let mut lines = lines(text);
    let header = column_names::adopted(lines.next()?.trim_start_matches('#').trim(), separator, framing);
    let (_, index) = date_cell(&header, separator, framing)?;
    lines.find_map(|line| time_rules::order_told(&csv::cells_by(line, separator).nth(index)?))
}

/// The lines of a text with their ends.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n')
}

/// The records of a text that are neither blank nor comments.
#[derive(Clone)]
struct PayloadRecords<'a> {
    text: &'a str,
    separator: u8,
    comments: Option<CommentLines>,
    closing: ClosingLine,
    next: usize,
}

impl PayloadRecords<'_> {
    /// Leaves out so many lines.
    fn pass_over(&mut self, count: usize) {
        self.next += lines(&self.text[self.next..]).take(count).map(str::len).sum::<usize>();
    }
}

impl<'a> Iterator for PayloadRecords<'a> {
    type Item = (&'a str, Option<Broken>);

    fn next(&mut self) -> Option<(&'a str, Option<Broken>)> {
        while self.next < self.text.len() {
            let (start, bytes) = (self.next, self.text.as_bytes());
            let line = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |at| start + at + 1);
            if self.comments.is_some_and(|comments| comments.contain(&bytes[start..line])) {
                self.next = line;
                continue;
            }
            let open = csv::is_open_after(&bytes[start..line], false, self.separator);
            let end = if open { self.closing.find(bytes, line) } else { RecordEnd::At(line) };
            let closed = if let RecordEnd::At(end) = end { Some(end) } else { None };
            self.next = closed.unwrap_or(line);
            let record = self.text[start..self.next].trim_end_matches(['\r', '\n']);
            if !record.trim().is_empty() {
                // If a quote is not closed, what follows is read as if the quote were not there.
                return Some((record, closed.is_none().then_some(Broken::OpenQuote)));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{NoRows, Schema, Standing};
    use crate::format::{CsvOptions, FORMATS, PayloadFormat};
    use std::sync::Arc;

    fn rows(payload: &[u8]) -> Vec<String> {
        rows_of(payload, None)
    }

    fn framing(max_payload: usize, columns: Option<&Schema>) -> Framing {
        Framing { max_payload, columns: columns.cloned().map(Arc::new), ..Framing::default() }
    }

    fn rows_of(payload: &[u8], columns: Option<&Schema>) -> Vec<String> {
        let mut rows = Vec::new();
        each_row(payload, &framing(1000, columns), |row| {
            let text = String::from_utf8_lossy(row.bytes);
            let header = row.header.map(|header| String::from_utf8_lossy(header.names));
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
        // Values alone are a row.
        assert_eq!(rows(b"[1, \"{\"]"), ["Json [1, \"{\"] None"]);
        assert_eq!(rows(b"[null, {}]"), ["Json null None", "Json {} None"]);
        assert_eq!(rows(b"[1, {}]"), ["Json 1 None", "Json {} None"]);
        let known = |columns: [&str; 1]| {
            let columns = Some(Arc::new(Schema::new(columns.map(|name| (name, Kind::Number)))));
            let (mut count, framing) = (0, Framing { columns, ..framing(1000, None) });
            each_row(b"[1, {\"t\": 2}]", &framing, |_| count += 1);
            count
        };
        assert_eq!((known(["[1].t"]), known(["t"])), (1, 2), "an element is a column");
        // Who reads it says why it can't be read.
        assert_eq!(rows(b"[\"a]"), ["Json [\"a] None"]);
        assert_eq!(rows(b"[[1], [2]]"), ["Json [1] None", "Json [2] None"]);
        assert_eq!(rows(br#" "{\"a\": 1}" "#), [r#"Json "{\"a\": 1}" None"#]);
        assert_eq!(rows(b"[]"), [] as [&str; 0]);
        assert_eq!(rows(b"[ ]"), [] as [&str; 0]);
        assert_eq!(rows(b"[{},]"), ["Json {} None", "Json  None"]);
        for (wrong, reason) in [
            (&b"[{}}"[..], "Unreadable"),
            (b"[{}", "CutJson { at: 3 }"),
            (b"[", "CutJson { at: 1 }"),
            (b"[]]", "BehindJson { at: 2 }"),
            (b"[{}],", "BehindJson { at: 4 }"),
        ] {
            assert!(rows(wrong)[0].starts_with(&format!("Broken({reason})")), "{}", String::from_utf8_lossy(wrong));
        }
        // More elements than are kept while the end is searched.
        let many: Vec<String> = (0..3 * 4096).map(|n| format!("{{\"n\": {n}}}")).collect();
        let (payload, mut seen) = (format!("[{}]", many.join(" ,")), Vec::new());
        each_row(payload.as_bytes(), &framing(payload.len(), None), |row| seen.push(row.bytes.to_vec()));
        assert!(seen.iter().eq(many.iter().map(|row| row.as_bytes())));
        let open = &payload.as_bytes()[..payload.len() - 1];
        each_row(open, &framing(payload.len(), None), |row| {
            let at = open.len() as u32;
            assert_eq!((row.bytes, row.format), (open, Format::Broken(Broken::CutJson { at })))
        });
    }

    #[test]
    fn objects_one_behind_the_other_as_firmware_sends_them() {
        assert_eq!(rows(b"\xef\xbb\xbf{\"t\":1}"), ["Json {\"t\":1} None"]);
        assert_eq!(rows(b"{\"t\":1}\r\n\0\0"), ["Json {\"t\":1} None"]);
        assert_eq!(rows(b"{\"t\":1}\n{\"t\":2}{}\n"), ["Json {\"t\":1} None", "Json {\"t\":2} None", "Json {} None"]);
        assert_eq!(rows(b"{\n\"t\": 1\n}\n"), ["Json {\n\"t\": 1\n} None"]);
        assert_eq!(rows(b"1,2\0"), ["Csv 1,2 None"]);
        assert_eq!(rows(b"\0 \0"), ["Broken(Empty) \0 \0 None"]);
    }

    #[test]
    fn rows_inside_of_a_payload() {
        let framing = Framing { rows: Some(InnerRows::parse("d.r").unwrap()), ..framing(1000, None) };
        let rows = |payload: &str| {
            let mut rows = Vec::new();
            each_row(payload.as_bytes(), &framing, |row| {
                rows.push((row.bytes.to_vec(), row.format, row.header.is_some()))
            });
            rows
        };
        let row = |bytes: &str| (bytes.as_bytes().to_vec(), Format::Json, true);
        let payload = r#"{"d": {"r": [{"t": 1}, 7]}}{"d": {"r": []}}"#;
        assert_eq!(rows(payload), [row("{\"t\": 1}"), row("7")]);
        assert_eq!(rows(&format!("[{}]", payload.replace("}{", "}, {"))), [row("{\"t\": 1}"), row("7")]);
        assert_eq!(rows(r#"{"d": {"r": []}}"#), []);
        let none = r#"{"d": {"r": null}}"#;
        let why = NoRows { steps: 2, stands: Standing::Null };
        assert_eq!(rows(none), [(none.as_bytes().to_vec(), Format::Broken(Broken::NoRows(why)), false)]);
    }

    #[test]
    fn csv_lines_with_and_without_a_header() {
        assert_eq!(rows(b"a,b\n1,2\r\n\n3,4\n"), ["Csv 1,2 Some(\"a,b\")", "Csv 3,4 Some(\"a,b\")"]);
        assert_eq!(rows(b"x,2\n"), ["Csv x,2 None"]);
    }

    #[test]
    fn units_stand_below_each_header_that_comes_again() {
        let text = "a,b\n\u{b0}C,%\n1,2\na,b\n\u{b0}C,%\n3,4\n";
        assert_eq!(rows(text.as_bytes()), ["Csv 1,2 Some(\"a,b\")", "Csv 3,4 Some(\"a,b\")"]);
    }

    #[test]
    fn rows_of_words_are_rows() {
        let schema = Schema::new([("station", Kind::Text), ("event", Kind::Text)]);
        let events = rows_of(b"davis,boot\ndavis,reboot\n", Some(&schema));
        assert_eq!(events, ["Csv davis,boot None", "Csv davis,reboot None"]);
        let named = rows_of(b"event,station\nboot,davis\n", Some(&schema));
        assert_eq!(named, ["Csv boot,davis Some(\"event,station\")"]);
    }

    #[test]
    fn dialects_are_found_in_publishes_too() {
        let of = |decimal: DecimalMark| {
            let semicolon = Format::csv(b';', decimal, None);
            move |row: &str| format!("{semicolon:?} {row} Some(\"t;a\")")
        };
        let all = rows("Hill\n# x\nt;a\nUTC;\u{b0}C\n1;20,5\n# y\n\"2\n3\";4;;\n".as_bytes());
        assert_eq!(all, ["1;20,5", "\"2\n3\";4;;"].map(of(DecimalMark::Comma)));
        let utf_16: Vec<u8> = "\u{feff}t;a\n1;2".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(rows(&utf_16), ["1;2"].map(of(DecimalMark::Either)));
        let schema = Schema::new([("t", Kind::Text), ("a", Kind::Number)]);
        let logger = rows_of(b"\"TOA5\",\"x\"\nt,a\nTS,Deg C\n,Avg\n1,2\n", Some(&schema));
        assert_eq!(logger, ["Csv 1,2 Some(\"t,a\")"]);
        let quoted = Format::csv(b',', DecimalMark::Comma, None);
        assert_eq!(rows(b"t,a\n1,\"20,5\"\n"), [format!("{quoted:?} 1,\"20,5\" Some(\"t,a\")")]);
        let both = ["1;20,5", "1;20.5"].map(of(DecimalMark::Either));
        assert_eq!(rows(b"t;a\n1;20,5\n1;20.5\n"), both);
        assert_eq!(rows(b"# nothing\n"), [] as [&str; 0]);
        let csv = CsvOptions { skip: Some(1), header: Some(false), separator: Some(b'\t'), ..CsvOptions::default() };
        let mut cells = Vec::new();
        each_row(b"x\n\t1\n2\t\n", &Framing { csv, ..framing(100, None) }, |row| cells.push(row.bytes.to_vec()));
        assert_eq!(cells, [&b"\t1"[..], b"2\t"]);
    }

    #[test]
    fn lines_that_may_be_rows_are_rows() {
        let schema = Schema::new([("id", Kind::Text), ("temp", Kind::Number)]);
        let of = |payload: &str| {
            let (mut shown, mut told) = (Vec::new(), Vec::new());
            let row = |row: Row<'_>| {
                let names = row.header.map(|header| String::from_utf8_lossy(header.names).into_owned());
                let broken = matches!(row.format, Format::Broken(Broken::ForeignHeader));
                shown.push((String::from_utf8_lossy(row.bytes).into_owned(), names.unwrap_or_default(), broken));
            };
            each_row_telling(payload.as_bytes(), &framing(1000, Some(&schema)), row, |left_out| told.push(left_out));
            (shown, told.iter().map(UnreadLines::to_string).collect::<Vec<_>>().join(" "))
        };
        let row = |row: &str, names: &str| (row.to_owned(), names.to_owned(), false);
        for payload in ["id,temp\nx,21.5 \u{b0}C", "id,temp\n#1,20", "id,temp\nA/B,(5)"] {
            let (names, cells) = payload.split_once('\n').unwrap();
            assert_eq!(of(payload), (vec![row(cells, names)], String::new()));
        }
        assert_eq!(of("#1,20\n# two\n#3,21\n").0, [row("#1,20", ""), row("#3,21", "")]);
        let (rows, told) = of("Hill\n\nid,temp\n,\u{b0}C\nx,7\n");
        assert_eq!(rows, [row("x,7", "id,temp")]);
        assert!(
            told.contains("are not read: 1") && told.contains("skip = 2") && told.contains("after_header = 1"),
            "{told}"
        );
        let (rows, told) = of("id,temp\nx,7\ntemp,batt,id\n8,3.3,y\n");
        assert_eq!(rows, [row("x,7", "id,temp"), row("8,3.3,y", "temp,batt,id")]);
        assert!(told.contains("comes again") && told.contains("temp,batt,id"), "{told}");
        assert_eq!(of("Temp (\u{b0}C),ID\n7,x").0, [row("7,x", "temp,id")]);
        let foreign = "station,temperature\nx,7";
        assert_eq!(of(foreign), (vec![(foreign.to_owned(), String::new(), true)], String::new()));
        // A row further down has the same text in that column.
        let states = ["off,x", "21,y", "22,x"].map(|cells| row(cells, ""));
        let by_number = Schema::new([("temp", Kind::Number), ("id", Kind::Text)]);
        let found = rows_of(b"off,x\n21,y\n22,x\n", Some(&by_number));
        assert_eq!(found, states.map(|(cells, ..)| format!("Csv {cells} None")));
        assert_eq!(of("id,temp\rx,7\ry,8\r").0, [row("x,7", "id,temp"), row("y,8", "id,temp")]);
    }

    #[test]
    fn a_header_without_rows_is_none() {
        let schema = Schema::new([("id", Kind::Text), ("temp", Kind::Number)]);
        let of = |payload: &str| {
            let (mut rows, mut told) = (0, Vec::new());
            let count = |_: Row<'_>| rows += 1;
            each_row_telling(payload.as_bytes(), &framing(1000, Some(&schema)), count, |of| told.push(of.to_string()));
            (rows, told.join(" "))
        };
        assert_eq!(of("id,temp\r\n"), (0, String::new()));
        assert_eq!(of("id,37"), (1, String::new()));
        assert_eq!(of("x,temp"), (1, String::new()));
        let (rows, told) = of("temp,id");
        assert!(rows == 0 && told.contains("does not order them: temp,id"), "{told}");
    }

    #[test]
    fn what_a_logger_writes_when_it_starts_comes_again() {
        let schema = Schema::new([("t", Kind::Text), ("a", Kind::Number)]);
        let block = "\"TOA5\",\"CR1\",7\nt,a\nTS,Deg C\n,Avg\n";
        let rows = rows_of(format!("{block}1,2\n{block}3,4\nTOA5,5\n").as_bytes(), Some(&schema));
        assert_eq!(rows, ["1,2", "3,4", "TOA5,5"].map(|cells| format!("Csv {cells} Some(\"t,a\")")));
    }

    #[test]
    fn quotes_open_cells_at_their_start_only() {
        let all = rows(b"a,n\n5\" pipe,1\nx,2\n\"y\nz\",3\n\"u,6\n\"t\",7\n\"w,4\nv,5\n");
        let of = |row: &str| format!("{row} Some(\"a,n\")");
        let rest = ["Broken(OpenQuote) \"u,6", "Csv \"t\",7", "Broken(OpenQuote) \"w,4", "Csv v,5"];
        let expected = ["Csv 5\" pipe,1", "Csv x,2", "Csv \"y\nz\",3"].into_iter().chain(rest);
        assert_eq!(all, expected.map(of).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_no_row_is_handed_on_whole() {
        assert_eq!(rows(b"[{\"a\": 1}"), ["Broken(CutJson { at: 9 }) [{\"a\": 1} None"]);
        assert_eq!(rows(b"[{\"a\": 1}] x")[0], "Broken(BehindJson { at: 10 }) [{\"a\": 1}] x None");
        assert!(rows(&[0xff, 0xfd])[0].starts_with("Broken(Unreadable)"));
        assert_eq!(rows(b""), ["Broken(Empty)  None"]);
        assert!(rows(&[b'x'; 2000])[0].starts_with("Broken(TooLong)"));
    }

    #[test]
    fn other_formats_are_recognised_where_nothing_else_can_be_read() {
        let schema = Schema::new([("station", Kind::Text), ("temp", Kind::Number), ("hum", Kind::Number)]);
        let of = |payload: &str| rows_of(payload.as_bytes(), Some(&schema));
        assert_eq!(of("temp=54.3&hum=66"), [r#"Json {"temp":"54.3","hum":"66"} None"#]);
        let line = r#"Json {"measurement":"m","station":"davis","temp":54.3,"hum":80} None"#;
        assert_eq!(of("m,station=davis temp=54.3,hum=80i"), [line]);
        assert_eq!(rows(b"m,station=davis temp=54.3,hum=80i"), [line]);
        // Cells for all columns stay cells.
        assert_eq!(of("m,5,6"), ["Csv m,5,6 None"]);
        let words = Schema::new([("a", Kind::Text), ("b", Kind::Text)]);
        assert_eq!(rows_of(b"m,a=b c=1", Some(&words)), ["Csv m,a=b c=1 None"]);
        assert_eq!(rows(&[0xa1, 0x61, b'a', 1]), [r#"Json {"a":1} None"#]);
        assert_eq!(rows(&[0x81, 0xa1, b'a', 1]), [r#"Json {"a":1} None"#]);
        for (payload, name) in
            [("17.4", "LoneValue"), ("ON", "LoneValue"), ("<a/>", "LooksLike(Xml)"), ("a=1&b", "LooksLike(Form)")]
        {
            let expected = format!("Broken({name}) {payload} None");
            assert_eq!((of(payload), rows(payload.as_bytes())), (vec![expected.clone()], vec![expected]));
        }
        let one = Schema::new([("temp", Kind::Number)]);
        assert_eq!(rows_of(b"37", Some(&one)), ["Broken(LoneValue) 37 None"]);
        assert_eq!(rows_of(b"temp\n37\n38\n", Some(&one)), ["Csv 37 Some(\"temp\")", "Csv 38 Some(\"temp\")"]);
    }

    #[test]
    fn a_format_that_is_said_is_the_only_one() {
        let of = |name: &str, payload: &[u8]| {
            let format = PayloadFormat::find(name).unwrap();
            let (framing, mut rows) = (Framing { format, ..Framing::default() }, Vec::new());
            each_row(payload, &framing, |row| {
                rows.push(format!("{:?} {}", row.format, String::from_utf8_lossy(row.bytes)))
            });
            rows
        };
        assert_eq!(of("json", b"1,2"), ["Broken(Unreadable) 1,2"]);
        assert_eq!(of("json", b"[{}]"), ["Json {}"]);
        assert_eq!(of("csv", b"37"), ["Csv 37"]);
        assert_eq!(of("csv", b"{a"), ["Csv {a"]);
        assert_eq!(of("value", b"37"), [r#"Json {"value":37}"#]);
        assert_eq!(of("cbor", &[0x82, 0xa1, 0x61, b'a', 1, 0xa0]), [r#"Json {"a":1}"#, "Json {}"]);
        assert!(of("influx", b"1,2")[0].starts_with("Broken(Malformed(Malformed { format: LineProtocol"));
        assert!(of("senml", b"{}")[0].starts_with("Broken(Malformed(Malformed { format: SenMl"));
        for PayloadFormat { name, .. } in FORMATS {
            assert!(of(name, b"").iter().all(|row| row.starts_with("Broken(")), "{name}");
        }
    }

    #[test]
    fn packed_payloads_are_unpacked() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut packed, b"a,b\n1,2\n").unwrap();
        let mut packed = packed.finish().unwrap();
        assert_eq!(rows(&packed), ["Csv 1,2 Some(\"a,b\")"]);
        packed.pop();
        assert!(rows(&packed)[0].starts_with("Broken(Malformed(Malformed { format: Gzip, defect: End"));
    }
}
