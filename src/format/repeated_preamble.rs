//! The lines above a header that comes again, as loggers of Campbell Scientific write `"TOA5",..` whenever they start.

use std::borrow::Cow;

use crate::format::{csv, repeated_header};

/// The first cells of the lines above the first header.
#[derive(Clone, Debug, Default)]
pub struct RepeatedPreamble {
    separator: u8,
    cells: Vec<String>,
    first_bytes: u128,
}

impl RepeatedPreamble {
    /// Of these lines; what begins with a digit may be a row.
    pub fn of<'a>(lines: impl Iterator<Item = Cow<'a, str>>, separator: u8) -> RepeatedPreamble {
        let words = |cell: &String| cell.starts_with(char::is_alphabetic);
        let cells: Vec<String> = lines.map(|line| first_cell(&line, separator)).filter(words).collect();
        let bytes = cells.iter().map(|cell| repeated_header::first_bytes(cell, separator));
        RepeatedPreamble { separator, first_bytes: bytes.fold(0, |all, bytes| all | bytes), cells }
    }

    /// As [`repeated_header::first_bytes`].
    pub fn first_bytes(&self) -> u128 {
        self.first_bytes
    }

    /// Most lines that stand above a header.
    pub fn lines(&self) -> usize {
        self.cells.len()
    }

    /// Whether a line begins as one of them.
    pub fn contains(&self, line: &str) -> bool {
        self.lines() > 0
            && repeated_header::may_be_header(line.as_bytes(), self.first_bytes)
            && self.cells.contains(&first_cell(line, self.separator))
    }

    /// Whether a line is one of them: a header stands below it, with none but such lines between.
    pub fn is_again<'a>(
        &self,
        line: &str,
        mut below: impl Iterator<Item = Cow<'a, str>>,
        is_header: impl Fn(&str) -> bool,
    ) -> bool {
        self.contains(line)
            && below.by_ref().take(self.lines()).find(|line| !self.contains(line)).is_some_and(|line| is_header(&line))
    }
}

fn first_cell(line: &str, separator: u8) -> String {
    csv::cells_by(line, separator).next().unwrap_or_default().trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_above_a_header_come_again_with_it() {
        let lines = ["\"TOA5\",\"CR1000\",7", "Hill;x", "7,x"].map(Cow::Borrowed);
        let preamble = RepeatedPreamble::of(lines.into_iter(), b',');
        let is_again = |line: &str, below: &[&'static str]| {
            preamble.is_again(line, below.iter().map(|line| Cow::Borrowed(*line)), |line| line == "a,b")
        };
        assert_eq!(preamble.lines(), 2);
        assert!(is_again("\"TOA5\",\"CR1000\",8", &["a,b", "1,2"]));
        assert!(is_again("\"TOA5\",\"CR1000\",8", &["Hill;x", "a,b"]));
        assert!(!is_again("\"TOA5\",\"CR1000\",8", &["1,2", "a,b"]), "a row that names the station");
        assert!(!is_again("7,x", &["a,b"]) && !is_again("TOA5", &[]));
        assert!(!RepeatedPreamble::default().contains("a,b"));
    }
}
