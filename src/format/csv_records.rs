//! The records of a CSV file: its header, and lines that are no rows.

use std::borrow::Cow;
use std::io::{self, BufRead};

use super::csv::{self, ClosingLine};
use super::file_dates::date_cell;
use super::header_search::{self, HeaderLine};
use super::records::FileRecords;
use super::repeated_preamble::RepeatedPreamble;
use super::row_cells::NumberCells;
use super::unread_lines::UnreadLines;
use super::{DecimalSearch, Framing, column_names, repeated_header, time_rules, units_line};
use crate::data::cell::DecimalMark;
use crate::data::{Broken, DateOrder, Format, Header};

impl<R: BufRead> FileRecords<R> {
    pub(super) fn csv_header(&mut self, order: Option<DateOrder>, framing: &Framing) -> io::Result<()> {
        let mut from = self.next;
        let start = header_search::find(framing, true, || {
            let Some(line) = self.line_ahead(from)? else { return Ok::<_, io::Error>(None) };
            let first = from == 0;
            from = line.end;
            // A degree sign in Latin-1 must not make rows unreadable: names are decoded leniently, as in WeatherLink's
            // header.
            let text = String::from_utf8_lossy(&self.bytes[line]);
            let text = if first { text.trim_start_matches('\u{feff}') } else { &text };
            Ok(Some(Cow::Owned(text.trim_end_matches(['\r', '\n']).to_owned())))
        })?;
        let mut above = Vec::new();
        for _ in 0..start.skip {
            let next = self.next;
            self.read_line(next)?;
            if start.header != HeaderLine::None {
                above.push(String::from_utf8_lossy(self.record()).trim_end().to_owned());
            }
        }
        self.preamble = RepeatedPreamble::of(above.into_iter().map(Cow::Owned), start.separator);
        self.separator = start.separator;
        self.closing = ClosingLine::of(start.separator);
        if start.header != HeaderLine::None && self.read_record()? {
            let line = String::from_utf8_lossy(self.record()).into_owned();
            let header = start.header.names(&line).to_owned();
            if start.header == HeaderLine::Foreign {
                let reason = format!("line {}, {header:?}: {}", self.position, Broken::ForeignHeader);
                return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
            }
            if header.contains(char::REPLACEMENT_CHARACTER) {
                self.tell(UnreadLines::Encoding(header.clone()));
            }
            let like_cells = header_search::names_like_cells(&header, start.separator, framing);
            if !like_cells.is_empty() {
                self.tell(UnreadLines::NamesLikeCells(like_cells.join(", ")));
            }
            if start.passed > 0 && framing.csv.skip.is_none() {
                self.tell(UnreadLines::Preamble { lines: start.passed, skip: start.skip, header: header.clone() });
            }
            self.take_header(header, start.header == HeaderLine::Commented);
            // Of a header that comes again, the line behind it may be a row.
            self.passed_over = framing.csv.skip_after_header.unwrap_or(0);
        }
        self.comments = start.comments;
        let order = match order.filter(|_| self.date_cell.is_some()) {
            None if time_rules::order_wanted(framing.decoding.time.as_deref()) => self.order_ahead(self.next)?,
            order => order,
        };
        self.format = Format::csv(start.separator, self.decimal_ahead()?, order);
        Ok(())
    }

    /// The decimal mark: beside commas that of the first row, where none is said.
    fn decimal_ahead(&mut self) -> io::Result<DecimalMark> {
        let mark = self.framing.csv.decimal_beside(self.separator);
        if self.framing.csv.decimal.is_some() || self.separator != b',' {
            return Ok(mark);
        }
        let Some(line) = self.line_ahead(self.next)? else { return Ok(mark) };
        let line = String::from_utf8_lossy(&self.bytes[line]);
        let mut search = DecimalSearch::beside(self.separator);
        let header = self.header.as_ref().map(|header| String::from_utf8_lossy(header));
        let names = header.as_ref().map(|header| csv::names(header, self.separator));
        let cells = csv::cells(line.trim_end_matches(['\r', '\n']));
        NumberCells::under(names, &self.framing).of(cells).for_each(|cell| search.observe_cell(&cell));
        Ok(search.found().unwrap_or(mark))
    }

    /// The rows that follow are those of a header.
    fn take_header(&mut self, header: String, is_commented: bool) {
        let names = column_names::adopted(&header, self.separator, &self.framing);
        self.date_cell = date_cell(&names, self.separator, &self.framing);
        self.header = Some(names.into_owned().into_bytes());
        self.header_line = Header::next_line();
        let first_bytes = || repeated_header::first_bytes(&header, self.separator) | self.preamble.first_bytes();
        self.first_bytes |= if is_commented { 0 } else { first_bytes() };
        self.written_header = header.to_lowercase();
        if self.first_header.is_empty() {
            self.first_header.clone_from(&self.written_header);
        }
        self.may_be_units = self.framing.csv.skip_after_header.is_none();
    }

    /// Whether a record is a header once more: it may have the names of the last one, or fewer: those of the first.
    fn is_header_of(&self, record: &str) -> bool {
        let is_one_of = |header: &str| repeated_header::is_repeated(record, header, self.separator);
        is_one_of(&self.written_header) || is_one_of(&self.first_header)
    }

    /// Whether the record is of a header once more; the rows behind that are its own.
    pub(super) fn is_header_again(&mut self) -> io::Result<bool> {
        if self.broken.is_some() || !repeated_header::may_be_header(self.record(), self.first_bytes) {
            return Ok(false);
        }
        let line = String::from_utf8_lossy(self.record());
        if !self.is_header_of(&line) {
            let line = self.preamble.contains(&line).then(|| line.into_owned());
            return line.map_or(Ok(false), |line| self.is_preamble_again(line));
        }
        let line = line.into_owned();
        let wide = csv::cells_by(&line, self.separator).count();
        self.comments = self.comments.map(|comments| comments.wide(wide));
        if !std::mem::replace(&mut self.was_repeated, true) {
            self.tell(UnreadLines::Repeated(line.clone()));
        }
        self.take_header(line, false);
        Ok(true)
    }

    /// Whether a line that begins as one above the first header stands above another one.
    fn is_preamble_again(&mut self, line: String) -> io::Result<bool> {
        let (mut from, mut below) = (self.next, Vec::new());
        while below.len() < self.preamble.lines() {
            let Some(next) = self.line_ahead(from)? else { break };
            from = next.end;
            let line = &self.bytes[next];
            if !line.trim_ascii().is_empty() && !self.comments.is_some_and(|comments| comments.contain(line)) {
                below.push(String::from_utf8_lossy(line).trim_end_matches(['\r', '\n']).to_owned());
            }
        }
        let is_again =
            self.preamble.is_again(&line, below.into_iter().map(Cow::Owned), |record| self.is_header_of(record));
        if is_again && !std::mem::replace(&mut self.had_preamble_again, true) {
            self.tell(UnreadLines::PreambleAgain(line));
        }
        Ok(is_again)
    }

    /// Tells the user, from now on, of lines that are not read; of those so far at once.
    pub fn telling(mut self) -> FileRecords<R> {
        self.untold.take().into_iter().flatten().for_each(|left_out| tracing::warn!("{left_out}"));
        self
    }

    fn tell(&mut self, left_out: UnreadLines) {
        match &mut self.untold {
            Some(untold) => untold.push(left_out),
            None => tracing::warn!("line {}: {left_out}", self.position),
        }
    }

    /// Whether the record is no row: a comment, a line that is passed over, or one of units.
    pub(super) fn is_no_row(&mut self) -> bool {
        if self.passed_over > 0 {
            self.passed_over -= 1;
            return true;
        }
        let Some(comments) = self.comments.filter(|comments| comments.contain(self.record())) else { return false };
        if !self.had_wide_comment && comments.is_wide(self.record()) {
            self.had_wide_comment = true;
            self.tell(UnreadLines::WideComment(String::from_utf8_lossy(self.record()).trim_end().to_owned()));
        }
        true
    }

    /// Whether the record, the first one behind the header, holds units.
    pub(super) fn is_units(&mut self) -> bool {
        if !std::mem::take(&mut self.may_be_units) || self.broken.is_some() {
            return std::mem::take(&mut self.had_units)
                && units_line::is_processes(&String::from_utf8_lossy(self.record()), self.separator);
        }
        let header = String::from_utf8_lossy(self.header.as_deref().unwrap_or_default());
        let line = String::from_utf8_lossy(&self.bytes[self.record.clone()]);
        self.had_units = units_line::is_units(&line, &header, self.separator, &self.framing);
        if self.had_units {
            let line = line.into_owned();
            // What can't be read ahead is no line of the kind.
            let next = self.line_ahead(self.next).ok().flatten().map(|next| String::from_utf8_lossy(&self.bytes[next]));
            let is_more = next.is_some_and(|next| units_line::is_processes(&next, self.separator));
            self.tell(UnreadLines::Units { line, lines: 1 + usize::from(is_more) });
        }
        self.had_units
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Kind, Schema};
    use crate::format::{CsvOptions, FileKind, FileRecord};
    use std::sync::Arc;

    fn of(max_payload: usize, columns: Option<&Schema>) -> Framing {
        Framing { max_payload, columns: columns.cloned().map(Arc::new), ..Framing::default() }
    }

    #[test]
    fn lines_that_are_no_rows_are_passed_over() {
        let text = "Hill\n\n# x\ntime;temp;hum\nUTC;\u{b0}C;%\n12:00;20,5;50\n# battery\n\"12\n:05\";21;51;;\n";
        let mut records = FileRecords::new(text.as_bytes(), FileKind::Csv, None, &of(100, None)).unwrap();
        assert_eq!(records.header().unwrap().names, b"time;temp;hum");
        assert_eq!(records.format(), Format::csv(b';', crate::data::cell::DecimalMark::Either, None));
        let mut rows = Vec::new();
        while let Some((row, line)) = records.next_row().unwrap() {
            rows.push((line, String::from_utf8(row.bytes.to_vec()).unwrap()));
        }
        assert_eq!(rows, [(6, "12:00;20,5;50".into()), (8, "\"12\n:05\";21;51;;".into())]);
        let csv =
            CsvOptions { skip: Some(1), skip_after_header: Some(2), comment: Some(b'%'), ..CsvOptions::default() };
        let text = "x\n% y\na,b\nu,v\n\n1,2\n%3\n4,5\n";
        let mut records =
            FileRecords::new(text.as_bytes(), FileKind::Csv, None, &Framing { csv, ..of(100, None) }).unwrap();
        let mut lines = Vec::new();
        while let Some((_, line)) = records.next_row().unwrap() {
            lines.push(line);
        }
        assert_eq!((records.header().unwrap().names, lines), (&b"a,b"[..], vec![6, 8]));
    }

    #[test]
    fn lines_that_may_be_rows_are_rows() {
        let schema = Schema::new([("time", Kind::Text), ("temp", Kind::Number), ("hum", Kind::Number)]);
        let of = |text: &str| -> io::Result<(Vec<String>, String)> {
            let mut records = FileRecords::new(text.as_bytes(), FileKind::Csv, None, &of(100, Some(&schema)))?;
            let mut rows = Vec::new();
            while let Some(FileRecord { row, .. }) = records.next_record()? {
                let names = row.header.map(|header| String::from_utf8_lossy(header.names).into_owned());
                rows.push(format!("{} | {}", names.unwrap_or_default(), String::from_utf8_lossy(row.bytes)));
            }
            let told = records.untold.iter().flatten().map(UnreadLines::to_string);
            Ok((rows, told.collect::<Vec<_>>().join(" ")))
        };
        let (rows, told) = of("time,temp,hum\n12:00,21.5 \u{b0}C,(5)\n#1,2,3\n").unwrap();
        assert_eq!(rows, ["time,temp,hum | 12:00,21.5 \u{b0}C,(5)", "time,temp,hum | #1,2,3"]);
        assert_eq!(told, "");
        let logger = "TOA5,x\n# y\ntime,temp,hum\nTS,Deg C,%\n,Avg,Smp\n12:00,7,8\n# z\n";
        let (rows, told) = of(logger).unwrap();
        assert_eq!(rows, ["time,temp,hum | 12:00,7,8"]);
        assert!(told.contains("are not read: 1") && told.contains("skip_after_header = 2"), "{told}");
        let (rows, told) = of(&format!("{logger}{logger}TOA5,1,2\n")).unwrap();
        assert_eq!(rows, ["12:00,7,8", "12:00,7,8", "TOA5,1,2"].map(|cells| format!("time,temp,hum | {cells}")));
        assert!(told.contains("above a header that comes again"), "{told}");
        let (rows, told) = of("# x\ntime,temp,hum\n12:00,7,8\n# 12:05,7,8\n# battery\n# 12:10,7,8\n").unwrap();
        assert_eq!(rows, ["time,temp,hum | 12:00,7,8"]);
        assert!(told.contains("# 12:05,7,8") && !told.contains("12:10"), "{told}");
        let (rows, _) = of("off,x,y\n12:00,7,8\n12:05,x,9\noff,7,7\n").unwrap();
        assert_eq!(rows[0], " | off,x,y");
        let again =
            "time,temp,hum\n12:00,7,8\ntime,hum,temp,batt\n12:05,8,7,3\n#6,1,1,1\ntime,temp,hum,batt\n12:10,9,9,9\n";
        let (rows, told) = of(again).unwrap();
        let names = "time,hum,temp,batt";
        assert_eq!(
            rows[..3],
            ["time,temp,hum | 12:00,7,8".into(), format!("{names} | 12:05,8,7,3"), format!("{names} | #6,1,1,1")]
        );
        assert_eq!(rows[3..], ["time,temp,hum,batt | 12:10,9,9,9"]);
        assert_eq!(told.matches("comes again").count(), 1, "{told}");
        let foreign = of("Zeit,Temperatur,Feuchte\n12:00,7,8\n").unwrap_err().to_string();
        assert!(foreign.contains("line 1") && foreign.contains("header = false"), "{foreign}");
        assert_eq!(of("TIME,Temp [degC],Hum\n12:00,7,8\n").unwrap().0, ["time,temp,hum | 12:00,7,8"]);
    }

    #[test]
    fn a_decimal_comma_in_quotes_is_found_between_commas() {
        let mark =
            |text: &str| FileRecords::new(text.as_bytes(), FileKind::Csv, None, &of(100, None)).unwrap().format();
        let comma = Format::csv(b',', DecimalMark::Comma, None);
        assert_eq!(mark("time,temp\n12:00,\"20,5\"\n"), comma);
        assert_eq!([mark("time,temp\n12:00,\"1,002\"\n"), mark("time,temp\n12:00,20.5\n")], [Format::Csv; 2]);
    }
}
