//! Which decimal mark the numbers of a CSV text have, where none is said: beside a semicolon or a tab either is read, and
//! 1.234 is a thousand in one file and a fraction in another. Beside a comma it is the point, but for cells in quotes.

use crate::data::cell::{DecimalMark, may_be_thousands, number_by};

/// So many rows are looked at, and more while it is in doubt.
pub const MOST_ROWS: usize = 1000;

/// What the cells so far tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct DecimalSearch {
    commas: bool,
    /// Whether one of these commas can't stand between thousands.
    is_certain: bool,
    points: bool,
    /// Whether commas separate cells: then a comma in one is seldom a decimal mark, and thousands are written with it.
    among_commas: bool,
    /// Whether commas stand between thousands for certain.
    commas_apart: bool,
    /// Whether points do.
    points_apart: bool,
}

impl DecimalSearch {
    /// Of cells between separators.
    pub fn beside(separator: u8) -> DecimalSearch {
        DecimalSearch { among_commas: separator == b',', ..DecimalSearch::default() }
    }

    /// Takes in a cell.
    pub fn observe_cell(&mut self, cell: &str) {
        let number = |mark| number_by(cell, mark).is_some_and(f64::is_finite);
        match (number(DecimalMark::Point), number(DecimalMark::Comma)) {
            (true, false) => {
                self.points |= self.among_commas || !may_be_thousands(cell);
                self.commas_apart |= cell.contains(',');
            }
            // A code with another one behind it, such as NOAA's +0061,5, is no fraction.
            (false, true) if self.among_commas && has_zeros_before(cell) => self.points = true,
            (false, true) => {
                let fraction = cell.trim().rsplit_once(',').map(|(_, fraction)| fraction.len());
                self.commas |= fraction.is_some_and(|digits| !self.among_commas || digits > 0 && digits != 3);
                self.is_certain |= !may_be_thousands(&cell.replace('.', "_").replace(',', "."));
                // Beside a decimal comma a lone point is refused: these are between thousands.
                self.points_apart |= cell.contains('.');
            }
            _ => {}
        }
    }

    /// Whether no cell has told yet.
    pub fn is_open(self) -> bool {
        !self.commas && !self.points
    }

    /// Whether a point is a decimal mark for certain.
    pub fn has_points(self) -> bool {
        self.points
    }

    /// A comma, if some number has one and none has a decimal point for certain.
    pub fn found(self) -> Option<DecimalMark> {
        (self.commas && !self.points).then_some(DecimalMark::Comma)
    }

    /// The mark that holds for all numbers: that which is found, or the point where commas stand between thousands and none
    /// is a decimal mark for certain.
    pub fn settled(self) -> Option<DecimalMark> {
        let is_point = self.thousands() == Some(',') && !self.is_certain;
        self.found().or(is_point.then_some(DecimalMark::Point))
    }

    /// Whether the comma that was found may stand between thousands as well: three digits are behind each.
    pub fn is_in_doubt(self) -> bool {
        self.found().is_some() && !self.is_certain
    }

    /// The character between thousands, if some number shows it for certain.
    pub fn thousands(self) -> Option<char> {
        match self.found() {
            Some(_) => self.points_apart.then_some('.'),
            None => (self.commas_apart && !self.points_apart).then_some(','),
        }
    }
}

/// Whether zeros stand before the digits of a number, as in codes of one length.
fn has_zeros_before(cell: &str) -> bool {
    matches!(cell.trim().trim_start_matches(['+', '-']).as_bytes(), [b'0', b'0'..=b'9', ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_behind_each_comma_leave_it_in_doubt() {
        for (cells, in_doubt) in [
            (&["1,234", "15"][..], true),
            (&["1,234", "0,5"], false),
            (&["1.234,567"], false),
            (&["1,234", "0.5"], false),
            (&["12"], false),
            (&["0,512"], false),
            (&["1013,250"], false),
        ] {
            let mut search = DecimalSearch::default();
            cells.iter().for_each(|cell| search.observe_cell(cell));
            assert_eq!(search.is_in_doubt(), in_doubt, "{cells:?}");
        }
    }

    #[test]
    fn a_comma_is_found_where_no_point_is_certain() {
        for (cells, comma) in [
            (&["21,5", "1.234"][..], true),
            (&["1.234,5", "x", "", "7"], true),
            (&["1 234,5"], true),
            (&["21,5", "48.80"], false),
            (&["21.5"], false),
            (&["1.234"], false),
            (&["1,234.5", "7"], false),
        ] {
            let mut search = DecimalSearch::default();
            cells.iter().for_each(|cell| search.observe_cell(cell));
            assert_eq!(search.found().is_some(), comma, "{cells:?}");
        }
        for (cells, comma) in [
            (&["20,5", "7", "1.013,2", "1,002"][..], true),
            (&["1,002"], false),
            (&["20,5", "52.123"], false),
            (&["12,345.6", "1,5"], false),
            (&["a, b", "1, 5"], false),
            (&["+0061,5", "+9999,9"], false),
            (&["0,5", "-0,25"], true),
        ] {
            let mut search = DecimalSearch::beside(b',');
            cells.iter().for_each(|cell| search.observe_cell(cell));
            assert_eq!(search.found().is_some(), comma, "{cells:?} between commas");
        }
    }

    #[test]
    fn a_point_is_settled_by_commas_between_thousands() {
        for (cells, mark) in [
            (&["1,300", "1,234.5", "2.5"][..], Some(DecimalMark::Point)),
            (&["1,300", "1,5"], Some(DecimalMark::Comma)),
            (&["1,300", "1,234.5", "1,5"], None),
            (&["1,300", "2.5"], None),
        ] {
            let mut search = DecimalSearch::beside(b';');
            cells.iter().for_each(|cell| search.observe_cell(cell));
            assert_eq!(search.settled(), mark, "{cells:?}");
        }
    }

    #[test]
    fn what_stands_between_thousands_is_found_where_it_is_certain() {
        for (cells, thousands) in [
            (&["1.234,5", "1.013"][..], Some('.')),
            (&["12,5", "1.234.567"], Some('.')),
            (&["12,5", "1.013"], None),
            (&["1,234.5", "1,013"], Some(',')),
            (&["1,013", "7.5"], None),
            (&["1,234.5", "1.234,5"], None),
        ] {
            let mut search = DecimalSearch::default();
            cells.iter().for_each(|cell| search.observe_cell(cell));
            assert_eq!(search.thousands(), thousands, "{cells:?}");
        }
    }
}
