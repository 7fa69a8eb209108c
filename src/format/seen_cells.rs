//! What the cells of a column are, for inference: numbers, true and false, or texts; and what made texts of numbers.

use super::cell_hints;
use super::cell_rules::{CellRules, written_number};
use crate::data::Kind;
use crate::data::cell::{self, DecimalMark};

/// The cells of a column so far.
#[derive(Default)]
pub(super) struct SeenCells {
    numbers: u64,
    booleans: bool,
    texts: u64,
    /// The first text, with its line in a file.
    first: Option<(String, Option<u64>)>,
    /// What makes a number of its first text, if something does so of all.
    hint: Option<String>,
}

impl SeenCells {
    /// Takes in a cell of a line, in which numbers have this mark.
    pub fn take(
        &mut self,
        column: &str,
        cell: &str,
        (mark, rules): (DecimalMark, Option<&CellRules>),
        line: Option<u64>,
    ) {
        match written_number(rules, cell, mark) {
            // An id of many digits is a text.
            Some(number) if !cell::keeps_digits(cell, number) => self.take_text(cell, line, None),
            Some(number) => {
                let is_word = || rules.is_some_and(|rules| rules.is_word(cell));
                self.numbers += u64::from(!number.is_nan() && !is_word());
            }
            None if cell::boolean(cell).is_some() => self.booleans = true,
            None if rules.is_some_and(|rules| rules.number_of_unit(column, cell, mark).is_some()) => self.numbers += 1,
            // Of most texts the first one is no number in any notation.
            None if self.texts > 0 && self.hint.is_none() => self.texts += 1,
            None => self.take_text(cell, line, cell_hints::of(column, cell, mark, rules)),
        }
    }

    /// Takes in a text of JSON: zeros before a number are an id's, where nothing else says that it is a number.
    pub fn take_json_text(&mut self, column: &str, text: &str, rules: Option<&CellRules>) {
        let is_number = || written_number(rules, text, DecimalMark::Point).is_some();
        match cell::is_padded(text) && is_number() {
            true => self.take_text(text, None, None),
            false => self.take(column, text, (DecimalMark::Point, rules), None),
        }
    }

    /// Takes in a number of JSON.
    pub fn take_json_number(&mut self, text: &str, value: f64, rules: Option<&CellRules>) {
        match cell::keeps_digits(text, value) || rules.is_some_and(|rules| rules.is_missing_number(value)) {
            true => self.numbers += 1,
            false => self.take_text(text, None, None),
        }
    }

    /// Takes in a number that needs no look.
    pub fn take_number(&mut self) {
        self.numbers += 1;
    }

    /// Takes in true or false.
    pub fn take_boolean(&mut self) {
        self.booleans = true;
    }

    /// Takes in a level of a topic.
    pub fn take_level(&mut self) {
        self.texts += 1;
    }

    fn take_text(&mut self, cell: &str, line: Option<u64>, hint: Option<String>) {
        self.hint = if self.texts == 0 { hint } else { self.hint.take().filter(|_| hint.is_some()) };
        self.texts += 1;
        self.first.get_or_insert_with(|| (cell.trim().to_owned(), line));
    }

    /// What the column is; numbers beside true and false are what they are.
    pub fn kind(&self) -> Kind {
        if self.texts > 0 || self.numbers > 0 && self.booleans { Kind::Text } else { Kind::Number }
    }

    /// Why it is text, where it may be numbers: few of many cells are texts, or a key makes numbers of all.
    pub fn doubt(&self) -> Option<String> {
        const FEW: u64 = 10;
        let (cell, line) = self.first.as_ref()?;
        let line = line.map_or_else(String::new, |line| format!(" in line {line}"));
        let remedy = match &self.hint {
            Some(hint) => hint.as_str(),
            None if self.numbers >= FEW * self.texts => {
                "if it holds numbers, name it under `number` in [schema], and say there how they are written (decimal, \
                 thousands, missing, words)"
            }
            None => return None,
        };
        Some(format!("{cell:?}{line}: {remedy}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_seem_numbers_are_told() {
        for (cells, expected) in [
            (&["1,002", "2,005"][..], Some("\"1,002\" in line 2: say decimal")),
            (&["21.5 \u{b0}C"], Some("\"21.5 \u{b0}C\" in line 2: say unit")),
            (&["12.345,6"], Some("\"12.345,6\" in line 2: say decimal")),
            (&["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "ERR"], Some("\"ERR\" in line 12: if it holds")),
            (&["1", "ERR"], None),
            (&["1,5", "ERR"], None),
            (&["12:00", "2024-03-01", "1.2.3"], None),
            (&["north", "7"], None),
            (&["1", "2"], None),
        ] {
            let mut seen = SeenCells::default();
            for (cell, line) in cells.iter().zip(2..) {
                seen.take("a", cell, (DecimalMark::Point, None), Some(line));
            }
            match (seen.doubt(), expected) {
                (None, None) => {}
                (Some(told), Some(expected)) => assert!(told.contains(expected), "{told}"),
                (told, expected) => panic!("{cells:?}: {told:?}, expected {expected:?}"),
            }
        }
    }
}
