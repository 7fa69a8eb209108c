//! Which decimal mark the numbers of a CSV text have, where none is said: beside a semicolon or a tab either is read, and
//! 1.234 is a thousand in one file and a fraction in another.

use crate::data::Row;
use crate::data::cell::{DecimalMark, may_be_thousands, number_by};
use crate::format::row_cells::cells_of;

/// So many rows are looked at, and more while it is in doubt.
pub const MOST_ROWS: usize = 1000;

/// What the cells so far tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct DecimalSearch {
    commas: bool,
    points: bool,
    doubtful: bool,
}

impl DecimalSearch {
    /// Takes in a row of CSV.
    pub fn observe(&mut self, row: Row<'_>) {
        let cells = cells_of(row).into_iter().flat_map(|(cells, _)| cells);
        cells.for_each(|cell| self.observe_cell(&cell));
    }

    /// Takes in a cell.
    pub fn observe_cell(&mut self, cell: &str) {
        let number = |mark| number_by(cell, mark).is_some_and(f64::is_finite);
        match (number(DecimalMark::Point), number(DecimalMark::Comma)) {
            (true, false) if may_be_thousands(cell) => self.doubtful = true,
            (true, false) => self.points = true,
            (false, true) => self.commas |= cell.contains(','),
            _ => {}
        }
    }

    /// Whether a point may be a decimal mark or stand between thousands, and no cell has told yet.
    pub fn is_in_doubt(self) -> bool {
        self.doubtful && !self.commas && !self.points
    }

    /// Whether a point is a decimal mark for certain.
    pub fn has_points(self) -> bool {
        self.points
    }

    /// A comma, if some number has one and none has a decimal point for certain.
    pub fn found(self) -> Option<DecimalMark> {
        (self.commas && !self.points).then_some(DecimalMark::Comma)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(search.is_in_doubt(), cells == ["1.234"], "{cells:?}");
        }
    }
}
