//! What `[schema]` says of cells: words for missing values and for numbers, the decimal mark, and cells that can't be
//! read.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::units;
use crate::data::cell::{self, DecimalMark};

/// What becomes of a cell that its column can't hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BadCell {
    /// Its row is a dead letter.
    #[default]
    Row,
    /// It is missing, and counted.
    Missing,
}

/// How cells are read, beyond what holds for every cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CellRules {
    missing: BTreeSet<String>,
    /// Those of the missing words that are numbers: they are missing as JSON numbers, too.
    missing_numbers: Vec<f64>,
    words: BTreeMap<String, f64>,
    decimal: Option<DecimalMark>,
    thousands: Option<char>,
    /// The units of columns, whose cells may have one behind their numbers.
    units: BTreeMap<String, String>,
    /// What becomes of a cell that can't be read.
    pub bad_cell: BadCell,
}

/// Reads a number by rules, if there are some, NaN where the cell is missing, `None` where it is neither; `true` and
/// `false` are 1 and 0. `mark` is the decimal mark where the rules give none.
pub(crate) fn number(rules: Option<&CellRules>, cell: &str, mark: DecimalMark) -> Option<f64> {
    written_number(rules, cell, mark).or_else(|| cell::boolean(cell))
}

/// The same without `true` and `false`, which make a column of texts where it is inferred.
pub(crate) fn written_number(rules: Option<&CellRules>, cell: &str, mark: DecimalMark) -> Option<f64> {
    match rules {
        None => cell::number_by(cell, mark),
        Some(rules) => rules.number(cell, mark),
    }
}

impl CellRules {
    /// Rules that hold: `None` if they say nothing.
    pub fn new(
        missing: impl IntoIterator<Item = String>,
        words: BTreeMap<String, f64>,
        (decimal, thousands): (Option<DecimalMark>, Option<char>),
        bad_cell: BadCell,
    ) -> Option<CellRules> {
        let missing: BTreeSet<String> = missing.into_iter().map(|word| word.trim().to_owned()).collect();
        // What stands between thousands is not the decimal mark.
        let decimal = decimal.or(match thousands {
            Some(',') => Some(DecimalMark::Point),
            Some('.') => Some(DecimalMark::Comma),
            _ => None,
        });
        let mark = decimal.unwrap_or_default();
        let missing_numbers = missing.iter().filter_map(|word| cell::number_by(word, mark));
        let missing_numbers = missing_numbers.filter(|number| !number.is_nan()).collect();
        let units = BTreeMap::new();
        let rules = CellRules { missing, missing_numbers, words, decimal, thousands, units, bad_cell };
        (rules != CellRules::default()).then_some(rules)
    }

    /// The same with the units of columns: `None` if they say nothing.
    pub fn with_units(self, units: BTreeMap<String, String>) -> Option<CellRules> {
        let rules = CellRules { units, ..self };
        (rules != CellRules::default()).then_some(rules)
    }

    /// Whether a cell is one of the words for numbers.
    pub(crate) fn is_word(&self, cell: &str) -> bool {
        self.words.contains_key(cell.trim())
    }

    /// The unit that a column is to have.
    pub(crate) fn unit(&self, column: &str) -> Option<&str> {
        self.units.get(column).map(String::as_str)
    }

    /// Reads a number with a unit behind it, in the unit of its column; `None` if the column has none, or where that can't
    /// be made of it.
    pub(crate) fn number_of_unit(&self, column: &str, cell: &str, mark: DecimalMark) -> Option<f64> {
        let asked = self.unit(column)?;
        let (number, unit) = units::split(cell)?;
        Some(units::conversion(unit, asked)?.apply(self.number(number, mark)?))
    }

    /// Reads a number, NaN where the cell is missing, `None` where it is neither; `mark` is the decimal mark where the
    /// rules give none.
    pub fn number(&self, cell: &str, mark: DecimalMark) -> Option<f64> {
        let cell = cell.trim();
        if self.missing.contains(cell) {
            return Some(f64::NAN);
        }
        if let Some(number) = self.words.get(cell) {
            return Some(*number);
        }
        let mark = self.decimal.unwrap_or(mark);
        match self.thousands.filter(|thousands| cell.contains(*thousands)) {
            Some(thousands) => cell::by_thousands(cell, thousands, mark),
            None => cell::number_by(cell, mark),
        }
    }

    /// Reads a text, `None` where it is missing.
    pub fn text<'a>(&self, cell: &'a str) -> Option<&'a str> {
        cell::text(cell).filter(|text| !self.missing.contains(*text))
    }

    /// The decimal mark, if they say it.
    pub fn decimal(&self) -> Option<DecimalMark> {
        self.decimal
    }

    /// Whether they say the decimal mark.
    pub fn has_decimal(&self) -> bool {
        self.decimal.is_some()
    }

    /// Whether numbers have characters between thousands.
    pub fn has_thousands(&self) -> bool {
        self.thousands.is_some()
    }

    /// Whether some numbers are missing values.
    pub fn has_missing_numbers(&self) -> bool {
        !self.missing_numbers.is_empty()
    }

    /// Whether a number is a missing value.
    pub fn is_missing_number(&self, number: f64) -> bool {
        self.missing_numbers.contains(&number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_for_numbers_and_for_none() {
        let words = BTreeMap::from([("ON".to_owned(), 1.0), ("OFF".to_owned(), 0.0)]);
        let missing = ["unavailable".to_owned(), "-999".to_owned()];
        let rules = CellRules::new(missing, words, (Some(DecimalMark::Comma), None), BadCell::Row).unwrap();
        let number = |cell| rules.number(cell, DecimalMark::Point);
        assert_eq!((number(" ON "), number("OFF"), number("on")), (Some(1.0), Some(0.0), None));
        assert_eq!((number("20,5"), number("20.5")), (Some(20.5), None));
        assert!(number("unavailable").unwrap().is_nan() && number("-999").unwrap().is_nan());
        assert!(number("---").unwrap().is_nan());
        assert!(rules.is_missing_number(-999.0) && !rules.is_missing_number(999.0));
        assert_eq!((rules.text("unavailable"), rules.text("ON"), rules.text("")), (None, Some("ON"), None));
        assert_eq!(CellRules::new([], BTreeMap::new(), (None, None), BadCell::Row), None);
    }

    #[test]
    fn a_unit_behind_a_number_is_that_of_its_column() {
        let units = [("t", "degree_C"), ("h", "%")].map(|(column, unit)| (column.to_owned(), unit.to_owned()));
        let rules = CellRules::new(["-999".to_owned()], BTreeMap::new(), (None, None), BadCell::Row).unwrap();
        let rules = rules.with_units(units.into()).unwrap();
        let number = |column, cell| rules.number_of_unit(column, cell, DecimalMark::Point);
        assert_eq!(number("t", "21.5 \u{b0}C"), Some(21.5));
        assert_eq!(
            (number("t", "50\u{b0}F"), number("t", "50 F"), number("h", "55 %")),
            (Some(10.0), Some(10.0), Some(55.0))
        );
        assert!(number("t", "-999 \u{b0}F").unwrap().is_nan());
        assert_eq!((number("t", "50 %"), number("x", "50 %"), number("t", "warm")), (None, None, None));
    }

    #[test]
    fn thousands_stand_apart_as_they_are_said_to() {
        let rules = |decimal, thousands| {
            let rules = CellRules::new([], BTreeMap::new(), (decimal, Some(thousands)), BadCell::Row).unwrap();
            move |cell: &str| rules.number(cell, DecimalMark::Point)
        };
        let german = rules(Some(DecimalMark::Comma), '.');
        let read = ["1.234", "1.234,5", "-12.345.678", "999,5", "1.5", "1.2345"].map(german);
        assert_eq!(read, [Some(1234.0), Some(1234.5), Some(-12_345_678.0), Some(999.5), None, None]);
        let english = rules(None, ',');
        let read = ["1,234", "1,234,567.8", "12.5", "1,5", "101,10"].map(english);
        assert_eq!(read, [Some(1234.0), Some(1_234_567.8), Some(12.5), None, None]);
        // Beside a semicolon the first lines may seem to have decimal commas.
        let said = CellRules::new([], BTreeMap::new(), (None, Some(',')), BadCell::Row).unwrap();
        assert_eq!((said.number("-734,533", DecimalMark::Comma), said.has_decimal()), (Some(-734_533.0), true));
        let spaces = rules(None, ' ');
        assert_eq!(["1 234.5", "21 4"].map(spaces), [Some(1234.5), None]);
    }
}
