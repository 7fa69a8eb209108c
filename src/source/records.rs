//! A file's records: lines of NDJSON and WeatherLink, CSV records that may span lines.

use std::io::{self, BufRead};

use crate::data::{Broken, Format, Layout, Row, weatherlink};

/// How a file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    Ndjson,
    Csv,
    WeatherLink,
}

impl FileKind {
    /// The kind by the first bytes, for standard input.
    pub fn sniff(start: &[u8]) -> FileKind {
        let text = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start).trim_ascii_start();
        let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
        match text.first() {
            Some(b'{') => FileKind::Ndjson,
            _ if line.contains(&b'\t') => FileKind::WeatherLink,
            _ => FileKind::Csv,
        }
    }
}

/// The records of a file, one after the other, in one buffer.
pub struct Records<R> {
    reader: R,
    kind: FileKind,
    format: Format,
    header: Option<Vec<u8>>,
    max_line: usize,
    record: Vec<u8>,
    /// A first row that was read while looking for the end of the header.
    held_back: bool,
    too_long: bool,
    line: u64,
    position: u64,
}

impl<R: BufRead> Records<R> {
    /// Reads the header, if the kind has one.
    pub fn new(mut reader: R, kind: FileKind, day_first: bool, max_line: usize) -> io::Result<Records<R>> {
        // Without a header to read, such bytes are one bad row.
        let has_header = kind != FileKind::Ndjson;
        if has_header && matches!(reader.fill_buf()?, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "this is UTF-16 text: save it as UTF-8"));
        }
        let format = match kind {
            FileKind::Ndjson => Format::Json,
            FileKind::Csv => Format::Csv,
            FileKind::WeatherLink => Format::WeatherLink(Layout { doubled_tabs: false, day_first }),
        };
        let mut records = Records {
            reader,
            kind,
            format,
            header: None,
            max_line,
            record: Vec::new(),
            held_back: false,
            too_long: false,
            line: 0,
            position: 0,
        };
        match kind {
            FileKind::Ndjson => {}
            FileKind::Csv => records.csv_header()?,
            FileKind::WeatherLink => records.weatherlink_header(day_first)?,
        }
        Ok(records)
    }

    /// The header line that names the cells, if there is one.
    pub fn header(&self) -> Option<&[u8]> {
        self.header.as_deref()
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// The next record and the line it begins on, from 1; blank lines are none.
    pub fn next_row(&mut self) -> io::Result<Option<(Row<'_>, u64)>> {
        if !std::mem::take(&mut self.held_back) && !self.read_record()? {
            return Ok(None);
        }
        let format = if self.too_long { Format::Broken(Broken::TooLong) } else { self.format };
        Ok(Some((Row { bytes: &self.record, format, header: self.header.as_deref() }, self.position)))
    }

    fn csv_header(&mut self) -> io::Result<()> {
        if self.read_record()? {
            let header = self.record.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&self.record);
            // A degree sign in Latin-1 must not cost the rows: a name is text, as in WeatherLink's header.
            self.header = Some(String::from_utf8_lossy(header).into_owned().into_bytes());
        }
        Ok(())
    }

    fn weatherlink_header(&mut self, day_first: bool) -> io::Result<()> {
        let mut lines: Vec<String> = Vec::new();
        while self.read_record()? {
            let line = String::from_utf8_lossy(&self.record).into_owned();
            if !weatherlink::is_header(&line) {
                self.held_back = true;
                break;
            }
            lines.push(line);
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let header = weatherlink::header(&lines);
        self.format = Format::WeatherLink(Layout { doubled_tabs: header.doubled_tabs, day_first });
        self.header = (!header.names.is_empty()).then(|| header.names.into_bytes());
        Ok(())
    }

    /// Reads the next record that is not blank into the buffer; false at the end.
    fn read_record(&mut self) -> io::Result<bool> {
        loop {
            self.record.clear();
            self.too_long = false;
            self.position = self.line + 1;
            if !self.read_line()? {
                return Ok(false);
            }
            // A line break between quotes belongs to the record.
            while self.kind == FileKind::Csv && self.has_open_quote() && self.read_line()? {}
            while let Some(b'\n' | b'\r') = self.record.last() {
                self.record.pop();
            }
            if !self.record.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    fn has_open_quote(&self) -> bool {
        !self.too_long && memchr::memchr_iter(b'"', &self.record).count() % 2 == 1
    }

    /// Appends a line with its end; what is beyond the longest line is read and left out.
    fn read_line(&mut self) -> io::Result<bool> {
        let mut any = false;
        loop {
            let available = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                available => available?,
            };
            if available.is_empty() {
                self.line += u64::from(any);
                return Ok(any);
            }
            any = true;
            let end = memchr::memchr(b'\n', available).map(|at| at + 1);
            let taken = end.unwrap_or(available.len());
            let room = self.max_line.saturating_sub(self.record.len()).min(taken);
            self.too_long |= room < taken;
            self.record.extend_from_slice(&available[..room]);
            self.reader.consume(taken);
            if end.is_some() {
                self.line += 1;
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &str, kind: FileKind, max_line: usize) -> Vec<(u64, String)> {
        let mut records = Records::new(text.as_bytes(), kind, false, max_line).unwrap();
        let mut all = Vec::new();
        while let Some((row, position)) = records.next_row().unwrap() {
            let text = String::from_utf8_lossy(row.bytes).into_owned();
            let text = if matches!(row.format, Format::Broken(_)) { format!("too long: {text}") } else { text };
            all.push((position, text));
        }
        all
    }

    #[test]
    fn csv_records_may_span_lines() {
        let text = "\u{feff}a,b\r\n1,\"x\ny\"\r\n\r\n2,z";
        let all = records(text, FileKind::Csv, 100);
        assert_eq!(all, [(2, "1,\"x\ny\"".into()), (5, "2,z".into())]);
        let header = Records::new(text.as_bytes(), FileKind::Csv, false, 100).unwrap();
        assert_eq!(header.header(), Some(&b"a,b"[..]));
    }

    #[test]
    fn a_header_that_is_not_utf_8_still_names_its_columns() {
        let records = Records::new(&b"t (\xb0C),b\n1,2\n"[..], FileKind::Csv, false, 100).unwrap();
        assert_eq!(records.header(), Some("t (\u{fffd}C),b".as_bytes()));
    }

    #[test]
    fn utf_16_is_refused_with_what_to_do() {
        let error = Records::new(&b"\xff\xfeD\0"[..], FileKind::WeatherLink, false, 100).err().unwrap();
        assert!(error.to_string().contains("save it as UTF-8"));
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
        assert_eq!(FileKind::sniff(b"\t\tTemp\n"), FileKind::WeatherLink);
        assert_eq!(FileKind::sniff(b"a,b\n"), FileKind::Csv);
    }
}
