//! Which values a model takes.

use crate::data::Message;
use crate::subtasks::{Fault, Flaw, Scope};

/// Which values beside finite ones a model takes, as scikit-learn checks them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted<'a> {
    /// Missing ones.
    pub missing: bool,
    /// Infinite ones.
    pub infinite: bool,
    /// Values are rounded to single precision, in which large ones are infinite.
    pub single: bool,
    /// The columns, by their places in the fit, in which nothing infinite is taken all the same: those of categories.
    pub finite: &'a [usize],
}

const REMEDY: &str = "Fill gaps before this step (simple_imputer, fillna), or drop such rows (dropna).";

impl Accepted<'_> {
    /// Refuses a message for the first column with a value that the model does not take.
    ///
    /// # Errors
    /// In scikit-learn's words, with the column, the row and what to do.
    pub(super) fn check(self, message: &Message, scope: &Scope) -> Result<(), Fault> {
        let mut columns = scope.named().enumerate();
        columns.try_for_each(|(place, (slot, name))| {
            self.refuse(message.column(slot), self.finite.contains(&place)).map_err(|(flaw, remedy)| {
                let fault = flaw.named(name, &message.ids);
                if remedy { fault.with_remedy(REMEDY) } else { fault }
            })
        })
    }

    /// Why values, of `categories` or not, are refused, and whether that is for a gap.
    fn refuse(self, values: &[f64], categories: bool) -> Result<(), (Flaw, bool)> {
        let infinite = |x: f64| x.is_infinite() || self.single && (x as f32).is_infinite();
        let refused = |x: f64| x.is_nan() && !self.missing || infinite(x) && (categories || !self.infinite);
        if !values.iter().fold(false, |any, x| any | refused(*x)) {
            return Ok(());
        }
        if !self.missing && values.iter().any(|x| x.is_nan()) {
            return Err((Flaw::of_values(values, f64::is_nan, "Input X contains NaN."), true));
        }
        let dtype = if self.single { "float32" } else { "float64" };
        // The encoder of categories does not name its argument.
        let input = if categories { "Input" } else { "Input X" };
        let reason = format!("{input} contains infinity or a value too large for dtype('{dtype}').");
        Err((Flaw::of_values(values, infinite, reason), false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_told_with_column_row_and_remedy() {
        let message = Message::from_columns(&[vec![1.0, 2.0], vec![f64::INFINITY, f64::NAN]]);
        let told =
            |accepted: Accepted<'_>| accepted.check(&message, &Scope::numbers(2)).map_err(|fault| fault.to_string());
        let gap = format!("Input X contains NaN. Column column 1, row 1. {REMEDY}");
        assert_eq!(told(Accepted::default()), Err(gap));
        let infinite = "Input X contains infinity or a value too large for dtype('float64'). Column column 1, row 0.";
        assert_eq!(told(Accepted { missing: true, ..Accepted::default() }), Err(infinite.into()));
        let all = Accepted { missing: true, infinite: true, single: true, finite: &[0] };
        assert_eq!(told(all), Ok(()));
        let categories = "Input contains infinity or a value too large for dtype('float64'). Column column 1, row 0.";
        assert_eq!(told(Accepted { single: false, finite: &[1], ..all }), Err(categories.into()));
    }

    #[test]
    fn in_single_precision_large_values_are_infinite() {
        let message = Message::from_columns(&[vec![1e39]]);
        let check = |single| Accepted { single, ..Accepted::default() }.check(&message, &Scope::numbers(1));
        assert!(check(false).is_ok());
        assert!(check(true).unwrap_err().to_string().contains("float32"));
    }
}
