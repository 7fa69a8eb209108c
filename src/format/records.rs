//! The records of a file: lines of WeatherLink, CSV records that may span lines, JSON objects.

use std::io::{self, BufRead};
use std::ops::Range;

use crate::data::{Broken, DateOrder, Format, Header, Layout, Row};
use crate::format::comment_lines::CommentLines;
use crate::format::csv::{self, ClosingLine, RecordEnd};
use crate::format::file_kind::FileKind;
use crate::format::inner_rows::InnerRows;
use crate::format::json_place::JsonPlace;
use crate::format::repeated_preamble::RepeatedPreamble;
use crate::format::transcode::Transcoder;
use crate::format::unread_lines::UnreadLines;
use crate::format::{Framing, weatherlink};

/// The records of a file, one after the other, in one buffer.
pub struct FileRecords<R> {
    reader: Transcoder<R>,
    kind: FileKind,
    pub(super) format: Format,
    /// Of CSV: between cells, and before lines that are no rows.
    pub(super) separator: u8,
    pub(super) comments: Option<CommentLines>,
    /// How the bytes are cut into rows.
    pub(super) framing: Box<Framing>,
    /// Lines behind the header that are no rows.
    pub(super) passed_over: u32,
    /// Whether the next line may hold units.
    pub(super) may_be_units: bool,
    /// Whether the record before was that line.
    pub(super) had_units: bool,
    /// The separator before the cell of the date, and its index, where dates are read.
    pub(super) date_cell: Option<(u8, usize)>,
    pub(super) header: Option<Vec<u8>>,
    /// The header as it stands there, in lower case, and the bytes that its names begin with; none where it can't come again.
    pub(super) written_header: String,
    /// As the first header was written.
    pub(super) first_header: String,
    pub(super) first_bytes: u128,
    /// Whether it came again.
    pub(super) was_repeated: bool,
    /// The lines above the first header, and whether such ones came again.
    pub(super) preamble: RepeatedPreamble,
    pub(super) had_preamble_again: bool,
    /// Whether a comment as wide as rows was told.
    pub(super) had_wide_comment: bool,
    /// The number of the header line.
    pub(super) header_line: u64,
    /// What has yet to be told; `None` once it is told at once.
    pub(super) untold: Option<Vec<UnreadLines>>,
    pub(super) max_line: usize,
    /// Bytes read: whole lines up to `whole`, then a part of one.
    pub(super) bytes: Vec<u8>,
    pub(super) whole: usize,
    pub(super) closing: ClosingLine,
    /// The range of the record in `bytes`, and the beginning of the next one.
    pub(super) record: Range<usize>,
    pub(super) next: usize,
    pub(super) broken: Option<Broken>,
    /// Whether the first row was read already, while the end of the header was searched.
    pub(super) held_back: bool,
    pub(super) line: u64,
    pub(super) position: u64,
    /// Where `bytes` begins in the input, and bytes behind all of them that were skipped.
    begins: u64,
    skipped: u64,
    /// Where the rows are inside of JSON objects.
    pub(super) rows: Option<InnerRows>,
    /// As [`Framing::has_element_columns`].
    pub(super) has_element_columns: Option<bool>,
    pub(super) json: JsonPlace,
}

/// A record of a file.
pub struct FileRecord<'a> {
    /// Its bytes, without the line break.
    pub row: Row<'a>,
    /// The line it begins on, from 1.
    pub line: u64,
    /// Where its bytes begin in the input; `None` if they are not there as they are.
    pub offset: Option<u64>,
}

/// Once so many bytes have been passed on, the rest is moved to the front.
const MOST_DONE: usize = 1 << 20;

impl<R: BufRead> FileRecords<R> {
    /// Reads the header, if the kind has one; `order` is that of a WeatherLink export's dates, which is searched for if
    /// it is not given. The header of a CSV file is searched for among the first lines.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn new(reader: R, kind: FileKind, order: Option<DateOrder>, framing: &Framing) -> io::Result<FileRecords<R>> {
        let reader = Transcoder::new(reader, framing.csv.encoding)?;
        FileRecords::begin(reader, kind, order, framing)
    }

    /// The same of a kind that the first bytes tell; what is not known of dates is not known of any.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn sniffed(reader: R, framing: &Framing) -> io::Result<FileRecords<R>> {
        let mut reader = Transcoder::new(reader, framing.csv.encoding)?;
        let kind = FileKind::sniff(reader.fill_buf()?);
        FileRecords::begin(reader, kind, None, framing)
    }

    fn begin(
        reader: Transcoder<R>,
        kind: FileKind,
        order: Option<DateOrder>,
        framing: &Framing,
    ) -> io::Result<FileRecords<R>> {
        let kind = match kind {
            FileKind::WeatherLink if framing.csv.says_csv() => FileKind::Csv,
            kind => kind,
        };
        let format = match kind {
            FileKind::Ndjson | FileKind::Payloads(_) => Format::Json,
            FileKind::Csv => Format::Csv,
            FileKind::WeatherLink => Format::WeatherLink(Layout { doubled_tabs: false, order }),
        };
        let mut records = FileRecords {
            reader,
            kind,
            format,
            separator: b',',
            comments: None,
            framing: framing.clone().into(),
            passed_over: 0,
            may_be_units: false,
            had_units: false,
            date_cell: None,
            header: None,
            written_header: String::new(),
            first_header: String::new(),
            first_bytes: 0,
            was_repeated: false,
            preamble: RepeatedPreamble::default(),
            had_preamble_again: false,
            had_wide_comment: false,
            header_line: Header::next_line(),
            untold: Some(Vec::new()),
            max_line: framing.max_payload,
            bytes: Vec::new(),
            whole: 0,
            closing: ClosingLine::of(b','),
            record: 0..0,
            next: 0,
            broken: None,
            held_back: false,
            line: 0,
            position: 0,
            begins: 0,
            skipped: 0,
            rows: framing.rows.clone(),
            has_element_columns: framing.has_element_columns(),
            json: JsonPlace::default(),
        };
        if kind == FileKind::WeatherLink && !records.is_export()? {
            // A text file may hold anything.
            (records.kind, records.format) = match FileKind::sniff(&records.bytes) {
                FileKind::Ndjson => (FileKind::Ndjson, Format::Json),
                _ => (FileKind::Csv, Format::Csv),
            };
        }
        match records.kind {
            FileKind::Ndjson | FileKind::Payloads(_) => {}
            FileKind::Csv => records.csv_header(order, framing)?,
            FileKind::WeatherLink => records.weatherlink_header(order, framing)?,
        }
        Ok(records)
    }

    /// The header line that names the cells, if there is one.
    pub fn header(&self) -> Option<Header<'_>> {
        self.header.as_ref().map(|names| Header { names, line: Some(self.header_line) })
    }

    /// The format of the rows.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The next record and the line it begins on, from 1; blank lines are skipped.
    pub fn next_row(&mut self) -> io::Result<Option<(Row<'_>, u64)>> {
        Ok(self.next_record()?.map(|record| (record.row, record.line)))
    }

    /// The next record; blank lines are skipped.
    pub fn next_record(&mut self) -> io::Result<Option<FileRecord<'_>>> {
        if self.kind == FileKind::Ndjson {
            while !self.next_inner_row() {
                if !self.read_json()? {
                    return Ok(None);
                }
                if self.is_row() {
                    break;
                }
            }
            let (row, before) = self.json_row();
            let offset = before.map(|before| self.begins + (self.record.start + before) as u64);
            let offset = offset.filter(|_| !self.reader.translates());
            return Ok(Some(FileRecord { row, line: self.position, offset }));
        }
        if !std::mem::take(&mut self.held_back) && !self.read_record()? {
            return Ok(None);
        }
        let format = self.broken.map_or(self.format, Format::Broken);
        // The end of a long line that was skipped stands before what was read behind it, as long as that is kept.
        let is_behind = self.skipped > 0 && self.broken != Some(Broken::TooLong);
        let is_found = !self.reader.translates() && !is_behind;
        let offset = is_found.then_some(self.begins + self.record.start as u64);
        let row = Row { bytes: self.record(), format, header: self.header() };
        Ok(Some(FileRecord { row, line: self.position, offset }))
    }

    pub(super) fn record(&self) -> &[u8] {
        &self.bytes[self.record.clone()]
    }

    /// Whether one of the first lines names a date or goes on in the next one, as WeatherLink's do; other text is CSV.
    fn is_export(&mut self) -> io::Result<bool> {
        /// The header's lines, and one of dashes.
        const MOST_LINES: usize = 3;
        let mut from = self.next;
        for _ in 0..MOST_LINES {
            let Some(line) = self.line_ahead(from)? else { break };
            from = line.end;
            let text = String::from_utf8_lossy(&self.bytes[line]);
            let text = text.trim_start_matches('\u{feff}');
            if text.starts_with('\t') || text.split('\t').any(|cell| cell.trim() == "Date") {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The range of the line at `from` behind the record, without taking it; `None` if there is none that is not too
    /// long.
    pub(super) fn line_ahead(&mut self, from: usize) -> io::Result<Option<Range<usize>>> {
        while self.whole <= from && self.bytes.len() - from <= self.max_line && self.extend()? {}
        let lines = &self.bytes[from..self.whole.max(from)];
        let length = memchr::memchr(b'\n', lines).map_or(lines.len(), |at| at + 1);
        Ok((length > 0).then_some(from..from + length))
    }

    fn weatherlink_header(&mut self, order: Option<DateOrder>, framing: &Framing) -> io::Result<()> {
        let mut lines: Vec<String> = Vec::new();
        while self.read_record()? {
            let line = String::from_utf8_lossy(self.record()).into_owned();
            if !weatherlink::is_header(&line) {
                self.held_back = true;
                break;
            }
            lines.push(line);
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let header = weatherlink::header(&lines);
        let said = framing.decoding.time.as_ref().and_then(|time| time.rules.order);
        let name = framing.decoding.time.as_ref().map_or("dateTime", |time| time.name.as_str());
        let dated = framing.columns.as_ref().is_none_or(|columns| columns.get(name).is_some());
        self.date_cell = (dated && self.held_back).then_some((b'\t', 0));
        let order = match said.or(order) {
            None => self.order_ahead(self.record.start)?,
            order => order,
        };
        self.format = Format::WeatherLink(Layout { doubled_tabs: header.doubled_tabs, order });
        self.header = (!header.names.is_empty()).then(|| header.names.into_bytes());
        Ok(())
    }

    /// Finds the next record that is not blank; false at the end.
    pub(super) fn read_record(&mut self) -> io::Result<bool> {
        loop {
            self.make_room();
            let start = self.next;
            if !self.read_line(start)? {
                return Ok(false);
            }
            if self.is_no_row() {
                continue;
            }
            if self.kind == FileKind::Csv
                && self.broken.is_none()
                && csv::is_open_after(&self.bytes[self.record.clone()], false, self.separator)
            {
                self.read_to_closing(start)?;
            }
            let ends = self.record().iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
            self.record.end -= ends;
            if !self.record().trim_ascii().is_empty() && !self.is_units() && !self.is_header_again()? {
                return Ok(true);
            }
        }
    }

    /// Reads the line at `start` as a record; bytes beyond the longest line are skipped.
    pub(super) fn read_line(&mut self, start: usize) -> io::Result<bool> {
        let nothing_ahead = self.bytes.len() == start;
        while self.whole <= start && self.bytes.len() - start <= self.max_line && self.extend()? {}
        if self.bytes.len() == start {
            return Ok(false);
        }
        let lines = &self.bytes[start..self.whole.max(start)];
        let first = if nothing_ahead { None } else { memchr::memchr(b'\n', lines) };
        let length = first.map_or(lines.len(), |at| at + 1);
        self.broken = None;
        if length == 0 {
            self.skip_line()?;
        }
        self.next = if length == 0 { self.bytes.len() } else { start + length };
        self.record = start..self.next;
        if self.record.len() > self.max_line {
            self.record.end = start + self.max_line;
            self.broken = Some(Broken::TooLong);
        }
        self.line += 1;
        self.position = self.line;
        let mark = "\u{feff}".as_bytes();
        if self.line == 1 && self.record().starts_with(mark) {
            self.record.start += mark.len();
        }
        Ok(true)
    }

    /// A line break between quotes belongs to the record that begins at `start`. If the quotes do not close within the
    /// longest record, or the next one opens a cell, it is the first line alone, and broken: what follows is read as if the
    /// quote were not there.
    fn read_to_closing(&mut self, start: usize) -> io::Result<()> {
        loop {
            match self.closing.find(&self.bytes[..self.whole], self.next) {
                RecordEnd::At(end) if end - start <= self.max_line => {
                    let more = &self.bytes[self.next..end];
                    self.line += memchr::memchr_iter(b'\n', more).count() as u64 + u64::from(!more.ends_with(b"\n"));
                    (self.next, self.record.end) = (end, end);
                    return Ok(());
                }
                RecordEnd::Later if self.bytes.len() - start <= self.max_line && self.extend()? => {}
                _ => {
                    self.broken = Some(Broken::OpenQuote);
                    return Ok(());
                }
            }
        }
    }

    /// Appends the available part of the next line; false at the end, where the last line is whole without a line
    /// break.
    pub(super) fn extend(&mut self) -> io::Result<bool> {
        loop {
            let available = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                available => available?,
            };
            let end = memchr::memchr(b'\n', available).map(|at| at + 1);
            let taken = end.unwrap_or(available.len());
            self.bytes.extend_from_slice(&available[..taken]);
            self.reader.consume(taken);
            let more = self.bytes.len() > self.whole;
            if end.is_some() || taken == 0 {
                self.whole = self.bytes.len();
            }
            return Ok(more);
        }
    }

    /// Skips to the end of a line of which only the beginning is kept.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let available = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                available => available?,
            };
            let end = memchr::memchr(b'\n', available).map(|at| at + 1);
            let (taken, over) = (end.unwrap_or(available.len()), end.is_some() || available.is_empty());
            self.reader.consume(taken);
            self.skipped += taken as u64;
            if over {
                self.whole = self.bytes.len();
                return Ok(());
            }
        }
    }

    /// Discards the bytes that were passed on.
    pub(super) fn make_room(&mut self) {
        let done = self.next;
        if done == self.bytes.len() || (done > MOST_DONE && done > self.bytes.len() / 2) {
            self.bytes.drain(..done);
            // What was skipped stood behind the last byte, which is discarded with all others.
            self.begins += done as u64 + std::mem::take(&mut self.skipped);
            self.closing.forget(done);
            (self.whole, self.next) = (self.whole.saturating_sub(done), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Kind, Schema};
    use crate::format::CsvOptions;
    use std::sync::Arc;

    fn of(max_payload: usize, columns: Option<&Schema>) -> Framing {
        Framing { max_payload, columns: columns.cloned().map(Arc::new), ..Framing::default() }
    }

    fn records(text: &str, kind: FileKind, max_line: usize) -> Vec<(u64, String)> {
        let mut records = FileRecords::new(text.as_bytes(), kind, None, &of(max_line, None)).unwrap();
        let mut all = Vec::new();
        while let Some((row, position)) = records.next_row().unwrap() {
            let text = String::from_utf8_lossy(row.bytes).into_owned();
            all.push(match row.format {
                Format::Broken(Broken::TooLong) => (position, format!("too long: {text}")),
                Format::Broken(broken) => (position, format!("{broken}: {text}")),
                _ => (position, text),
            });
        }
        all
    }

    #[test]
    fn offsets_are_where_records_begin() {
        let long = format!("{}\n", "z".repeat(3 << 20));
        let lines = ["\u{feff}a,b\r\n", "1,2\n", " \n", "3,\"4\n5\"\r\n", &long, "\"open,6\n", "7,8\n", "9,10"];
        let text = lines.concat().repeat(40);
        let mut records =
            FileRecords::new(io::BufReader::with_capacity(7, text.as_bytes()), FileKind::Csv, None, &of(50, None))
                .unwrap();
        let mut count = 0;
        while let Some(FileRecord { row, offset, .. }) = records.next_record().unwrap() {
            let offset = offset.unwrap();
            assert_eq!(row.bytes, &text.as_bytes()[offset as usize..][..row.bytes.len()], "{count}");
            assert!(offset == 0 || matches!(text.as_bytes()[offset as usize - 1], b'\n' | 0xbf), "{count}");
            count += 1;
        }
        assert!(count >= 40 * 3, "{count}");
        let utf_16: Vec<u8> = "\u{feff}a,b\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut records = FileRecords::new(&utf_16[..], FileKind::Csv, None, &of(50, None)).unwrap();
        let record = records.next_record().unwrap().unwrap();
        assert_eq!((record.row.bytes, record.offset), (&b"1,2"[..], None));
    }

    #[test]
    fn csv_records_may_span_lines() {
        let text = "\u{feff}a,b\r\n1,\"x\ny\"\r\n\r\n2,z";
        let all = records(text, FileKind::Csv, 100);
        assert_eq!(all, [(2, "1,\"x\ny\"".into()), (5, "2,z".into())]);
        let header = FileRecords::new(text.as_bytes(), FileKind::Csv, None, &of(100, None)).unwrap();
        assert_eq!(header.header().unwrap().names, b"a,b");
    }

    #[test]
    fn a_quote_that_opens_no_cell_swallows_nothing() {
        let all = records("name,n\n5\" pipe,1\n3\" pipe,2\nx,3\n", FileKind::Csv, 100);
        assert_eq!(all, [(2, "5\" pipe,1".into()), (3, "3\" pipe,2".into()), (4, "x,3".into())]);
    }

    #[test]
    fn a_quote_that_does_not_close_costs_its_line_alone() {
        let open = |line: &str| format!("{}: {line}", Broken::OpenQuote);
        let all = records("a,b\n\"x,1\n2,2\n3,3", FileKind::Csv, 100);
        assert_eq!(all, [(2, open("\"x,1")), (3, "2,2".into()), (4, "3,3".into())]);
        // A cell that closes behind the longest record counts as not closed.
        let all = records("a,b\n\"x,1\n2,2\n3,3\n4\",4\n5,5\n", FileKind::Csv, 12);
        let rest = [(3, "2,2".into()), (4, "3,3".into()), (5, "4\",4".into()), (6, "5,5".into())];
        assert_eq!(all[0], (2, open("\"x,1")));
        assert_eq!(all[1..], rest);
        // The next quote opens a cell.
        let all = records("a,b,c\n1,\"bad,4\n2,x,5\n3,\"fine\",6\n4,\"y\nz\" ,7\n", FileKind::Csv, 100);
        let rest = [(3, "2,x,5".into()), (4, "3,\"fine\",6".into()), (5, "4,\"y\nz\" ,7".into())];
        assert_eq!(all[0], (2, open("1,\"bad,4")));
        assert_eq!(all[1..], rest);
        // A line that is too long follows it.
        let text = format!("a,b\n\"x,1\n{}\n2,2\n\"y\n\",3\n", "z".repeat(40));
        let all = records(&text, FileKind::Csv, 12);
        assert_eq!((&all[0], all[1].0, &all[2]), (&(2, open("\"x,1")), 3, &(4, "2,2".into())));
        assert_eq!(all[3], (5, "\"y\n\",3".into()));
    }

    #[test]
    fn no_line_is_looked_at_again_and_again() {
        // Each line opens a cell, whether one is open before it or not.
        let line = format!("x\",\"{}\n", "y".repeat(45));
        let lines: u64 = 1 << 20;
        let file = line.repeat(lines as usize);
        let reader = io::BufReader::with_capacity(1 << 16, file.as_bytes());
        let mut records = FileRecords::new(reader, FileKind::Csv, None, &of(1 << 20, None)).unwrap();
        let mut rows = 0;
        while let Some((row, position)) = records.next_row().unwrap() {
            rows += 1;
            assert_eq!((row.format, position), (Format::Broken(Broken::OpenQuote), rows + 1));
            assert!(records.bytes.len() <= 3 << 20, "{}", records.bytes.len());
        }
        assert_eq!(rows, lines - 1);
        let looked_at = records.closing.looked_at;
        assert!(file.len() > 50_000_000 && looked_at <= file.len() as u64, "{looked_at} bytes of {}", file.len());
    }

    #[test]
    fn a_first_line_without_names_of_columns_is_a_row() {
        let schema = Schema::new([("a", Kind::Number), ("b", Kind::Text)]);
        let header = |text: &str| {
            let mut records = FileRecords::new(text.as_bytes(), FileKind::Csv, None, &of(100, Some(&schema))).unwrap();
            let header = records.header().map(|header| String::from_utf8_lossy(header.names).into_owned());
            (header, records.next_row().unwrap().map(|(row, line)| (row.bytes.to_vec(), line)))
        };
        assert_eq!(header("1,x\n2,y\n"), (None, Some((b"1,x".to_vec(), 1))));
        assert_eq!(header("other,a\n2,y\n"), (Some("other,a".into()), Some((b"2,y".to_vec(), 2))));
    }

    #[test]
    fn a_header_that_is_not_utf_8_still_names_its_columns() {
        let records = FileRecords::new(&b"t (\xb0C),b\n1,2\n"[..], FileKind::Csv, None, &of(100, None)).unwrap();
        assert_eq!(records.header().unwrap().names, "t (\u{fffd}C),b".as_bytes());
    }

    #[test]
    fn utf_16_and_windows_1252_are_read() {
        let utf_16: Vec<u8> = "\u{feff}t \u{b0}C,b\r\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut records = FileRecords::new(&utf_16[..], FileKind::Csv, None, &of(100, None)).unwrap();
        assert_eq!(records.header().unwrap().names, "t \u{b0}C,b".as_bytes());
        assert_eq!(records.next_row().unwrap().unwrap().0.bytes, b"1,2");
        let csv = CsvOptions { encoding: Some(encoding_rs::WINDOWS_1252), ..CsvOptions::default() };
        let western = Framing { csv, ..of(100, None) };
        let records = FileRecords::new(&b"t (\xb0C),b\n1,2\n"[..], FileKind::Csv, None, &western).unwrap();
        assert_eq!(records.header().unwrap().names, "t (\u{b0}C),b".as_bytes());
    }

    #[test]
    fn text_without_a_date_is_no_export() {
        let text = "station\ttemp\ndavis\t20,5\n";
        let mut records = FileRecords::new(text.as_bytes(), FileKind::WeatherLink, None, &of(100, None)).unwrap();
        assert_eq!(records.header().unwrap().names, b"station\ttemp");
        assert_eq!(records.format(), Format::csv(b'\t', crate::data::cell::DecimalMark::Either, None));
        assert_eq!(records.next_row().unwrap().unwrap().0.bytes, b"davis\t20,5");
    }

    #[test]
    fn a_line_that_is_too_long_ends_the_search() {
        let schema = Schema::new([("a", Kind::Number)]);
        let text = format!("x\ny\n{}\nz\n", "z".repeat(300));
        let mut records = FileRecords::new(text.as_bytes(), FileKind::Csv, None, &of(50, Some(&schema))).unwrap();
        let mut rows = Vec::new();
        while let Some((row, line)) = records.next_row().unwrap() {
            rows.push((line, row.bytes.len(), row.format));
        }
        let long = Format::Broken(Broken::TooLong);
        assert_eq!(rows, [(1, 1, Format::Csv), (2, 1, Format::Csv), (3, 50, long), (4, 1, Format::Csv)]);
    }

    #[test]
    fn long_lines_are_cut_and_named() {
        let all = records("{\"a\":1}\n{\"a\":12345678}\n{}\n", FileKind::Ndjson, 9);
        assert_eq!(all[1], (2, "too long: {\"a\":1234".into()));
        assert_eq!((all[0].0, all[2].0), (1, 3));
    }

    #[test]
    fn the_first_weatherlink_row_is_kept() {
        let all = records("\t\tTemp\nDate\tTime\tOut\n01/02/16\t1:00 a\t5\n", FileKind::WeatherLink, 100);
        assert_eq!(all, [(3, "01/02/16\t1:00 a\t5".into())]);
    }

    #[test]
    fn empty_input_has_no_records() {
        for kind in [FileKind::Csv, FileKind::Ndjson, FileKind::WeatherLink] {
            assert_eq!(records("", kind, 100), []);
        }
    }

    #[test]
    fn standard_input_is_known_by_its_start() {
        assert_eq!(FileKind::sniff(b" {\"a\":1}"), FileKind::Ndjson);
        assert_eq!(FileKind::sniff(b"[\n {\"a\":1}"), FileKind::Ndjson);
        let lines: [&[u8]; 4] = [b"[1,2]\n[3,4]", b"[[1,2],[3,4]]", b"[null,{\"t\":1}]", b"\"{\\\"a\\\":1}\"\n"];
        assert!(lines.iter().all(|text| FileKind::sniff(text) == FileKind::Ndjson));
        assert_eq!(["[a],b\n[1],2", "\"{a}\",b\n"].map(|text| FileKind::sniff(text.as_bytes())), [FileKind::Csv; 2]);
        assert_eq!(FileKind::sniff(b"[a],b\n"), FileKind::Csv);
        assert_eq!(FileKind::sniff(b"\t\tTemp\n"), FileKind::WeatherLink);
        assert_eq!(FileKind::sniff(b"a,b\n"), FileKind::Csv);
    }

    #[test]
    fn a_text_file_may_hold_json() {
        let text = "{\"t\": 1.5}\n{\"t\": 2}\n";
        let rows = records(text, FileKind::WeatherLink, 100);
        assert_eq!(rows, [(1, "{\"t\": 1.5}".into()), (2, "{\"t\": 2}".into())]);
    }

    #[test]
    fn one_input_has_one_order_of_day_and_month() {
        let order = |dates: &[&str], framing: &Framing| {
            let rows: String = dates.iter().map(|date| format!("{date}\t1:00\t5\n")).collect();
            let text = format!("\t\tTemp\nDate\tTime\tOut\n{rows}");
            let mut records = FileRecords::sniffed(text.as_bytes(), framing).unwrap();
            let Format::WeatherLink(layout) = records.format() else { panic!("{:?}", records.format()) };
            let mut rows = 0;
            while records.next_row().unwrap().is_some() {
                rows += 1;
            }
            assert_eq!(rows, dates.len());
            layout.order
        };
        let any = of(100, None);
        assert_eq!(order(&["11/09/23", "12/09/23", "13/09/23"], &any), Some(DateOrder::DayFirst));
        assert_eq!(order(&["09/11/23", "09/13/23"], &any), Some(DateOrder::MonthFirst));
        assert_eq!(order(&["31.08.16"], &any), Some(DateOrder::DayFirst));
        assert_eq!(order(&["11/09/23", "12/09/23"], &any), None);
        let undated = of(100, Some(&Schema::new([("Temp Out", Kind::Number)])));
        assert_eq!(order(&["11/09/23", "13/09/23"], &undated), None);
    }

    #[test]
    fn dates_of_csv_have_one_order_too() {
        let time = crate::format::TimeColumn {
            name: "when".into(),
            from: vec!["Date".into(), "Time".into()],
            key: None,
            rules: crate::format::TimeRules::default(),
        };
        let decoding = crate::format::Decoding { time: Some(Arc::new(time)), ..Default::default() };
        let framing = Framing { decoding: Arc::new(decoding), ..of(100, None) };
        let text = "n,Date,Time\n1,11/09/23,1:00\n2,12/09/23,1:00\n3,13/09/23,1:00\n";
        let of = |text: &str, framing: &Framing| {
            let records = FileRecords::new(text.as_bytes(), FileKind::Csv, None, framing).unwrap();
            (records.format(), records.told_order().unwrap())
        };
        let plain = crate::data::cell::DecimalMark::Point;
        let told = Some(DateOrder::DayFirst);
        assert_eq!(of(text, &framing), (Format::csv(b',', plain, told), told));
        assert_eq!(of(&text[..30], &framing), (Format::Csv, None));
        assert_eq!(of(&text.replace("/09/23", "-09-2023"), &framing).1, told);
        assert_eq!(of(text, &Framing::default()), (Format::Csv, None));
    }
}
