//! What the numbers of a stream of CSV tell of its decimal mark, where none is said: `1.234` is a fraction in a message
//! without decimal commas, and is refused in one with them. Of other messages nothing is used: workers do not see all.

use crate::data::cell::may_be_thousands;
use crate::format::DecimalSearch;
use crate::format::column_units::UnitNotice;

/// The marks in the numbers below a header so far.
#[derive(Default)]
pub(crate) struct SeenMarks {
    search: DecimalSearch,
    /// The first number whose point may stand between thousands: its column and itself.
    doubtful: Option<(String, String)>,
    /// Such a number of an earlier bucket, whose rows have gone on.
    earlier: Option<(String, String)>,
    must_reread: bool,
    notice: Option<UnitNotice>,
}

impl SeenMarks {
    /// Starts another bucket.
    pub fn begin(&mut self) {
        let doubtful = self.doubtful.take().filter(|_| self.search.is_open());
        self.earlier = self.earlier.take().or(doubtful);
        self.search = DecimalSearch::default();
    }

    /// Takes in the cell of a number column; whether it must not be read, as nobody knows what its point is.
    #[inline]
    pub fn see(&mut self, column: &str, cell: &str) -> bool {
        // The fast path: once a point is a decimal mark for certain, nothing is in doubt.
        !self.search.has_points() && cell.contains(['.', ',']) && self.weigh(column, cell)
    }

    fn weigh(&mut self, column: &str, cell: &str) -> bool {
        let had_commas = self.search.found().is_some();
        self.search.observe_cell(cell);
        if self.search.has_points() {
            return false;
        }
        if cell.contains('.') && may_be_thousands(cell) {
            if self.doubtful.is_none() && !had_commas {
                self.doubtful = Some((column.to_owned(), cell.trim().to_owned()));
            }
            return had_commas;
        }
        if !had_commas && self.search.found().is_some() {
            self.must_reread |= self.doubtful.is_some();
            self.notice = self.earlier.take().map(|(column, number)| {
                let comma = cell.trim();
                let text = format!(
                    "column {column}: {number:?} was read as a fraction before {comma:?} came: say decimal = \",\" in \
                     [schema], with thousands = \".\" if points stand between thousands"
                );
                (column, text)
            });
        }
        false
    }

    /// Whether a decimal comma came behind a number of this bucket that it makes doubtful; told once.
    pub fn must_reread(&mut self) -> bool {
        std::mem::take(&mut self.must_reread)
    }

    /// What is to be told, once.
    pub fn take_notice(&mut self) -> Option<UnitNotice> {
        self.notice.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(cells: &[&str]) -> (Vec<bool>, SeenMarks) {
        let mut marks = SeenMarks::default();
        (cells.iter().map(|cell| marks.see("t", cell)).collect(), marks)
    }

    #[test]
    fn a_point_is_doubtful_beside_decimal_commas() {
        let (read, mut marks) = refused(&["1.234", "7", "2,5", "1.234", "2,5"]);
        assert_eq!(read, [false, false, false, true, false]);
        assert!(marks.must_reread() && !marks.must_reread() && marks.take_notice().is_none());
        assert!(refused(&["2,5", "21.5", "1.234"]).0.iter().all(|refused| !refused), "a point is certain");
        let (_, mut marks) = refused(&["1.234"]);
        marks.begin();
        marks.see("t", "2,5");
        assert!(marks.take_notice().unwrap().1.contains("decimal = \",\""));
    }
}
