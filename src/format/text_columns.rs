//! Columns that inference makes texts, though most of their cells, or what their first one says, are numbers.

use crate::data::Kind;
use crate::data::cell::{DecimalMark, by_thousands, number_by};
use crate::format::units_line;

/// What was seen of the cells of each column.
#[derive(Default)]
pub struct TextColumns(Vec<SeenCells>);

#[derive(Clone, Default)]
struct SeenCells {
    numbers: u64,
    texts: u64,
    /// The first cell that is no number, and its line.
    first: Option<(String, Option<u64>)>,
}

impl TextColumns {
    /// A cell of the column at a place is this number, or none.
    pub fn see(&mut self, place: usize, cell: &str, number: Option<f64>, line: Option<u64>) {
        if self.0.len() <= place {
            self.0.resize(place + 1, SeenCells::default());
        }
        let seen = &mut self.0[place];
        match number {
            Some(number) => seen.numbers += u64::from(!number.is_nan()),
            None => {
                seen.texts += 1;
                seen.first.get_or_insert_with(|| (cell.to_owned(), line));
            }
        }
    }

    /// What is to be told of texts among columns.
    pub fn doubts(&self, columns: &[(String, Kind)]) -> impl Iterator<Item = String> {
        columns.iter().zip(&self.0).filter_map(|((name, _), seen)| {
            /// Of so many numbers one text is an exception.
            const FEW: u64 = 10;
            let (cell, line) = seen.first.as_ref()?;
            let is_few = seen.numbers >= FEW * seen.texts;
            let at = line.map_or_else(String::new, |line| format!(" in line {line}"));
            (is_few || seems_number(cell)).then(|| {
                format!(
                    "column {name} is text because of {cell:?}{at}: if it holds numbers, name it under `number` in [schema], and \
                     say there how they are written (decimal, thousands, missing, words)"
                )
            })
        })
    }
}

/// Whether a cell is a number to a reader: with either decimal mark, with thousands, or with a unit behind it.
fn seems_number(cell: &str) -> bool {
    const MARKS: [DecimalMark; 3] = [DecimalMark::Point, DecimalMark::Comma, DecimalMark::Either];
    let cell = cell.trim();
    let end = cell.rfind(|c: char| c.is_ascii_digit()).map_or(0, |at| at + 1);
    let (number, unit) = cell.split_at(end);
    let is_number = MARKS.iter().any(|mark| number_by(number, *mark).is_some_and(f64::is_finite))
        || by_thousands(number, ',', DecimalMark::Point).is_some();
    is_number && (unit.is_empty() || units_line::is_unit(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_seem_numbers_are_told() {
        for (cells, expected) in [
            (&["1,002", "2,005"][..], Some("\"1,002\" in line 2")),
            (&["21.5 \u{b0}C"], Some("\"21.5 \u{b0}C\" in line 2")),
            (&["12.345,6"], Some("\"12.345,6\" in line 2")),
            (&["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "ERR"], Some("\"ERR\" in line 12")),
            (&["1", "ERR"], None),
            (&["12:00", "2024-03-01", "1.2.3"], None),
            (&["north", "7"], None),
            (&["1", "2"], None),
        ] {
            let mut texts = TextColumns::default();
            for (cell, line) in cells.iter().zip(2..) {
                texts.see(0, cell, crate::data::cell::number(cell), Some(line));
            }
            let told: Vec<String> = texts.doubts(&[("a".into(), Kind::Text)]).collect();
            match expected {
                None => assert!(told.is_empty(), "{told:?}"),
                Some(expected) => assert!(told[0].contains(expected), "{told:?}"),
            }
        }
    }
}
