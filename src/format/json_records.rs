//! The JSON objects of a file: one a line, over several lines, one behind the other, or in an array.

use std::io::{self, BufRead};

use super::inner_rows::InnerRow;
use super::json_place::Inner;
use super::json_text::{self, EndSearch, Searched};
use super::records::FileRecords;
use crate::data::{Broken, Format, Header, Row};

impl<R: BufRead> FileRecords<R> {
    /// Finds the next value; false at the end. A value that does not end is its first line alone: what follows is read
    /// as if it were not there.
    pub(super) fn read_json(&mut self) -> io::Result<bool> {
        self.broken = None;
        loop {
            self.make_room();
            self.pass_over_too_long();
            if self.line == 0 {
                let mark = "\u{feff}".as_bytes();
                while self.bytes.len() < mark.len() && mark.starts_with(&self.bytes) && self.extend()? {}
                self.next += if self.bytes.starts_with(mark) { mark.len() } else { 0 };
                self.line = 1;
            }
            while let Some(byte) = self.bytes.get(self.next).copied() {
                match byte {
                    b'\n' => {
                        self.line += 1;
                        self.json.within_line = false;
                    }
                    b' ' | b'\t' | b'\r' | 0 => {}
                    b'[' if !self.json.in_array && !self.is_array_row()? => {
                        (self.json.in_array, self.json.within_line) = (true, true);
                    }
                    b']' if self.json.in_array => self.json.in_array = false,
                    b',' if self.json.in_array => {}
                    _ => return self.json_value().map(|()| true),
                }
                self.next += 1;
            }
            self.json.one_line = self.next == self.bytes.len();
            if !self.extend()? {
                return Ok(false);
            }
        }
    }

    /// Whether the array at `next` is one row: it begins with a value, and columns are elements, or none is known and all
    /// are values.
    fn is_array_row(&mut self) -> io::Result<bool> {
        loop {
            let array = &self.bytes[self.next..];
            let first = array[1..].iter().find(|byte| !byte.is_ascii_whitespace());
            let known = match (first, self.has_element_columns) {
                (None, _) => None,
                (Some(b'{' | b'[' | b']'), _) => Some(false),
                (Some(_), Some(element_columns)) => Some(element_columns),
                (Some(_), None) => json_text::holds_values(array),
            };
            if let Some(known) = known {
                return Ok(known);
            }
            let has_begun = first.is_some();
            if self.bytes.len() - self.next > self.max_line || !self.extend()? {
                return Ok(has_begun);
            }
        }
    }

    /// Reads the value that begins at `next` as the record.
    fn json_value(&mut self) -> io::Result<()> {
        let start = self.next;
        self.position = self.line;
        while self.whole <= start && self.bytes.len() - start <= self.max_line && self.extend()? {}
        let one_line = std::mem::take(&mut self.json.one_line);
        if !std::mem::replace(&mut self.json.within_line, true)
            && let Some(length) = self.object_alone(start, one_line)
        {
            (self.record, self.next) = (start..start + length, start + length);
            return Ok(());
        }
        let brackets = self.json.in_array;
        if !matches!(self.bytes[start], b'{' | b'[') {
            let ends = |byte: &u8| *byte == b'\n' || (brackets && (*byte == b',' || *byte == b']'));
            let end = self.bytes[start..].iter().position(ends);
            return self.line_alone(end, EndSearch::default());
        }
        let (mut search, mut searched) = (EndSearch::default(), start);
        loop {
            match search.go_on(&self.bytes[searched..]) {
                Searched::End(end) => {
                    let length = searched + end - start;
                    if length > self.max_line {
                        self.broken = Some(Broken::TooLong);
                    }
                    self.take_json(length.min(self.max_line), length);
                    return Ok(());
                }
                Searched::More => {
                    searched = self.bytes.len();
                    if searched - start <= self.max_line && self.extend()? {
                        continue;
                    }
                }
                Searched::Broken(_) => {}
            }
            let end = memchr::memchr(b'\n', &self.bytes[start..]);
            return self.line_alone(end, search);
        }
    }

    /// The length of an object that has the line at `start` for itself, which is `one_line` with all that is read. Looked
    /// for once a line: a line may be long.
    fn object_alone(&self, start: usize, one_line: bool) -> Option<usize> {
        let whole = &self.bytes[start..self.whole.max(start)];
        let found = if one_line { None } else { memchr::memchr(b'\n', whole) };
        let line = &whole[..found.unwrap_or(whole.len())];
        let brackets = self.json.in_array;
        let between = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0 || (brackets && *byte == b',');
        let length = line.iter().rposition(|byte| !between(byte))? + 1;
        let is_object = line[0] == b'{' && length <= self.max_line && json_text::is_one_object(&line[..length]);
        is_object.then_some(length)
    }

    /// The record is what comes up to `end`; the rest of one that is too long is passed over.
    fn line_alone(&mut self, end: Option<usize>, search: EndSearch) -> io::Result<()> {
        let length = end.unwrap_or(self.bytes.len() - self.next);
        let taken = length.min(self.max_line);
        if length > self.max_line {
            self.broken = Some(Broken::TooLong);
            self.json.too_long = end.is_none().then_some(search);
        }
        self.take_json(taken, length);
        Ok(())
    }

    /// The record is `taken` bytes long, and what is read next comes behind `length` bytes.
    fn take_json(&mut self, taken: usize, length: usize) {
        let start = self.next;
        self.line += memchr::memchr_iter(b'\n', &self.bytes[start..start + length]).count() as u64;
        let end = self.bytes[start..start + taken].trim_ascii_end().len();
        (self.record, self.next) = (start..start + end, start + length);
    }

    /// Passes over the rest of a record that is too long, as far as it is read.
    fn pass_over_too_long(&mut self) {
        let Some(search) = &mut self.json.too_long else { return };
        let rest = &self.bytes[self.next..];
        let passed = match search.go_on(rest) {
            Searched::More => rest.len(),
            Searched::End(at) | Searched::Broken(at) => {
                self.json.too_long = None;
                at
            }
        };
        self.line += memchr::memchr_iter(b'\n', &self.bytes[self.next..self.next + passed]).count() as u64;
        self.next += passed;
    }

    /// Begins with the rows inside of the record; whether the record itself is a row.
    pub(super) fn is_row(&mut self) -> bool {
        let Some(rows) = self.rows.as_ref().filter(|_| self.format == Format::Json && self.broken.is_none()) else {
            return true;
        };
        match rows.find(self.record()) {
            Ok(Ok(found)) => {
                let (record, written) = (self.record.clone(), Vec::new());
                self.json.inner = Some(Inner { found, record, written, is_written: false, broken: None });
                false
            }
            Ok(Err(why)) => {
                self.broken = Some(Broken::NoRows(why));
                true
            }
            // Who reads it says why it can't be read.
            Err(_) => true,
        }
    }

    /// Goes on to the next row inside of the record; false if there is none.
    pub(super) fn next_inner_row(&mut self) -> bool {
        let Some(inner) = &mut self.json.inner else { return false };
        let begins = inner.record.start;
        let Some(row) = inner.found.next(&self.bytes[inner.record.clone()], &mut inner.written) else {
            self.json.inner = None;
            return false;
        };
        inner.is_written = !matches!(row, InnerRow::Stands(_));
        inner.broken = None;
        match row {
            InnerRow::Stands(row) => self.record = begins + row.start..begins + row.end,
            InnerRow::Written => {}
            InnerRow::Missing(why) => inner.broken = Some(Broken::NoRows(why)),
        }
        true
    }

    /// The record as a row, which may be one inside of a record, and how much white space stands before it; `None` if it
    /// does not stand there.
    pub(super) fn json_row(&self) -> (Row<'_>, Option<usize>) {
        let inner = self.json.inner.as_ref();
        let header = inner.map(|inner| Header { names: &inner.found.around, line: Some(inner.found.line) });
        if let Some(inner) = inner.filter(|inner| inner.is_written) {
            let format = inner.broken.map_or(self.format, Format::Broken);
            return (Row { bytes: &inner.written, format, header }, None);
        }
        let format = self.broken.map_or(self.format, Format::Broken);
        let bytes = self.record().trim_ascii_start();
        let before = self.record().len() - bytes.len();
        (Row { bytes: bytes.trim_ascii_end(), format, header }, Some(before))
    }
}

#[cfg(test)]
mod tests {
    use crate::data::{Broken, Format, NoRows, Standing};
    use crate::format::{FileKind, FileRecords, Framing, InnerRows};
    use proptest::prelude::*;

    fn records(text: &[u8], max_payload: usize, rows: Option<&str>) -> Vec<(u64, String)> {
        let rows = rows.map(|rows| InnerRows::parse(rows).unwrap());
        let framing = Framing { max_payload, rows, ..Framing::default() };
        // A small buffer: records come in parts.
        let reader = std::io::BufReader::with_capacity(if text.len() < 1000 { 7 } else { 1 << 16 }, text);
        let mut records = FileRecords::new(reader, FileKind::Ndjson, None, &framing).unwrap();
        let mut all = Vec::new();
        while let Some((row, position)) = records.next_row().unwrap() {
            let text = String::from_utf8_lossy(row.bytes).into_owned();
            let header = row.header.map(|header| String::from_utf8_lossy(header.names).into_owned());
            all.push((
                position,
                match row.format {
                    Format::Broken(Broken::TooLong) => format!("too long: {text}"),
                    Format::Broken(broken) => format!("{broken}: {text}"),
                    _ => text + &header.unwrap_or_default(),
                },
            ));
        }
        all
    }

    fn read(text: &str) -> Vec<(u64, String)> {
        records(text.as_bytes(), 100, None)
    }

    fn of<const N: usize>(rows: [(u64, &str); N]) -> Vec<(u64, String)> {
        rows.map(|(line, text)| (line, text.to_owned())).to_vec()
    }

    #[test]
    fn objects_in_every_layout() {
        assert_eq!(read("[{\"t\":1},\n {\"t\":2}]"), of([(1, "{\"t\":1}"), (2, "{\"t\":2}")]));
        assert_eq!(read("\u{feff}[{\"t\":1},{\"t\":\"},\"}]\n"), of([(1, "{\"t\":1}"), (1, "{\"t\":\"},\"}")]));
        let pretty = "[\n  {\n    \"t\": [\n      1\n    ]\n  },\n  {}\n]\n";
        assert_eq!(read(pretty), of([(2, "{\n    \"t\": [\n      1\n    ]\n  }"), (7, "{}")]));
        assert_eq!(read("{\"t\":{ }\n}\n{\"t\":{\"u\":1}\n}"), of([(1, "{\"t\":{ }\n}"), (3, "{\"t\":{\"u\":1}\n}")]));
        assert_eq!(read("{\n\"t\": 1\n}\n"), of([(1, "{\n\"t\": 1\n}")]));
        assert_eq!(
            read("{\"t\":1}{\"t\":2}\r\n\0\n{\"t\":3}\0"),
            of([(1, "{\"t\":1}"), (1, "{\"t\":2}"), (3, "{\"t\":3}")])
        );
        assert_eq!(read("[]\n[{}]\n{}"), of([(2, "{}"), (3, "{}")]));
        assert_eq!(read("[[1,2],7, {\"t\":1}]"), of([(1, "[1,2]"), (1, "7"), (1, "{\"t\":1}")]));
        assert_eq!(read("[1, \"]\"]\n[\n2]\n[]\n"), of([(1, "[1, \"]\"]"), (2, "[\n2]")]));
        // Columns are not known here: an array is a row if it holds values alone.
        assert_eq!(read("[null, {\"t\":1},\n{\"t\":2}]"), of([(1, "null"), (1, "{\"t\":1}"), (2, "{\"t\":2}")]));
        assert_eq!(read("\n"), []);
    }

    #[test]
    fn what_is_cut_off_costs_its_line_alone() {
        let text = "{\"t\":1\n{\"t\":\n{\"t\":2}\nnonsense\n{\"t\":\"x\n{\"t\":3}\n{\"t\":{\n";
        let expected = [
            (1, "{\"t\":1"),
            (2, "{\"t\":"),
            (3, "{\"t\":2}"),
            (4, "nonsense"),
            (5, "{\"t\":\"x"),
            (6, "{\"t\":3}"),
            (7, "{\"t\":{"),
        ];
        assert_eq!(read(text), of(expected));
    }

    #[test]
    fn what_is_too_long_is_passed_over() {
        let rows = |text: &str| records(text.as_bytes(), 9, None);
        let long = "{\"a\":1234";
        let too_long = format!("too long: {long}");
        let expected = of([(1, "{\"a\":1}"), (1, &too_long), (1, "{}")]);
        assert_eq!(rows(&format!("[{{\"a\":1}},{long}567890123456789012}},{{}}]")), expected);
        let expected = of([(1, &too_long), (2, "{}")]);
        assert_eq!(rows(&format!("{long}567890123456789012\n{{}}")), expected);
        assert_eq!(rows(&format!("{long}567890123456789012}}\n{{}}")), expected);
        assert_eq!(rows("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n{}"), of([(1, "too long: \"aaaaaaaa"), (2, "{}")]));
    }

    #[test]
    fn rows_inside_of_records() {
        let rows = |text: &str| records(text.as_bytes(), 100, Some("d.r"));
        let expected =
            of([(1, "{\"t\":1}{\"d\":{\"r\":[]}}"), (1, "{}{\"d\":{\"r\":[]}}"), (3, "{}{\"d\":{\"r\":[]},\"s\":1}")]);
        assert_eq!(
            rows("{\"d\":{\"r\":[{\"t\":1}, {}]}}\n{\"d\":{\"r\":[ ]}}\n{\"d\":{\"r\":[{}]},\"s\":1}"),
            expected
        );
        let expected = of([
            (1, "{\"t\":1}{\"d\":{\"r\":{}}}"),
            (1, "{\"t\":2}{\"d\":{\"r\":{}}}"),
            (2, "{\"t\":3}{\"d\":{\"r\":{}}}"),
        ]);
        assert_eq!(rows("{\"d\":{\"r\":{\"t\":[1,2]}}}\n{\"d\":{\"r\":{\"t\":[3]}}}"), expected);
        let none = format!("{}: {{\"d\":7}}", Broken::NoRows(NoRows { steps: 1, stands: Standing::Number }));
        assert_eq!(rows("{\"d\":7}\n{\"d\":"), of([(1, &none), (2, "{\"d\":")]));
    }

    /// Looking for the line's end before each element would take minutes.
    #[test]
    fn a_long_line_is_read_once() {
        let text = format!("[{}]", vec!["{\"t\":1}"; 500_000].join(","));
        let since = std::time::Instant::now();
        assert_eq!(records(text.as_bytes(), 16 << 20, None).len(), 500_000);
        assert!(since.elapsed() < std::time::Duration::from_secs(60), "{:?}", since.elapsed());
    }

    proptest! {
        /// Whatever the layout, the records are the objects.
        #[test]
        fn records_are_the_objects(
            texts in prop::collection::vec("[a{}\\[\\],\"\\\\\n]{0,5}", 0..5), layout in 0..5,
        ) {
            let objects: Vec<_> = texts.iter().map(|text| serde_json::json!({"t": [text], "u": {"v": text}})).collect();
            let joined = |between: &str, pretty: bool| {
                let shown = |object| if pretty { serde_json::to_string_pretty(object) } else { serde_json::to_string(object) };
                objects.iter().map(|object| shown(object).unwrap()).collect::<Vec<_>>().join(between)
            };
            let text = match layout {
                0 => joined("\n", false),
                1 => joined("", false),
                2 => joined("\n", true),
                3 => format!("[{}]", joined(", ", false)),
                _ => serde_json::to_string_pretty(&objects).unwrap(),
            };
            let read: Vec<serde_json::Value> = records(text.as_bytes(), 10_000, None)
                .iter().map(|(_, row)| serde_json::from_str(row).unwrap()).collect();
            prop_assert_eq!(read, objects, "{}", text);
        }
    }
}
