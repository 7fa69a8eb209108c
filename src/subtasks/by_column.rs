//! Subtasks that act on each number column by itself.

use std::borrow::Cow;

use super::{Fault, Scope};
use crate::data::Message;
use crate::kernels::moments::{any_infinite, extremes};
use crate::kernels::select::any_not_finite;

/// A subtask that acts on each number column by itself: a function over the values of a column.
///
/// Those that follow each other are run together, column by column, while a column stays in cache.
///
/// ```
/// use rowmill::subtasks::{ColumnSubtask, Flaw};
///
/// struct ToCelsius;
///
/// impl ColumnSubtask for ToCelsius {
///     fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
///         values.iter_mut().for_each(|degrees| *degrees = (*degrees - 32.0) / 1.8);
///         Ok(())
///     }
/// }
///
/// let mut values = [212.0, 32.0, f64::NAN];
/// ToCelsius.apply_column(0, &mut values).unwrap();
/// assert!(values[0] == 100.0 && values[1] == 0.0 && values[2].is_nan());
/// ```
pub trait ColumnSubtask: Send + Sync {
    /// Changes the values of a column; NaN is a missing value. `place` is the index of the column among those in scope,
    /// from 0, to look up its fitted params.
    ///
    /// # Errors
    /// Where the original raises; the values are then unspecified.
    fn apply_column(&self, place: usize, values: &mut [f64]) -> Result<(), Flaw>;
}

/// Why a column is refused, in the words of the original, and the rows whose values are at fault, if it is some rows'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    reason: Cow<'static, str>,
    rows: Vec<usize>,
}

impl Flaw {
    /// The flaw of a whole column.
    pub fn of_column(reason: impl Into<Cow<'static, str>>) -> Flaw {
        Flaw { reason: reason.into(), rows: Vec::new() }
    }

    /// The flaw of a value, by its row in the message.
    pub fn of_row(row: usize, reason: impl Into<Cow<'static, str>>) -> Flaw {
        Flaw::of_rows([row], reason)
    }

    /// The flaw of the values in these rows of the message: of all that can't be taken, for the others may go on.
    pub fn of_rows(rows: impl IntoIterator<Item = usize>, reason: impl Into<Cow<'static, str>>) -> Flaw {
        Flaw { reason: reason.into(), rows: rows.into_iter().collect() }
    }

    /// The flaw of all values that are bad.
    pub(super) fn of_values(values: &[f64], bad: impl Fn(f64) -> bool, reason: impl Into<Cow<'static, str>>) -> Flaw {
        Flaw::of_rows((0..values.len()).filter(|row| bad(values[*row])), reason)
    }

    /// The fault, with the name of the column and the id of the first row.
    pub(super) fn named(self, column: &str, ids: &[u64]) -> Fault {
        let reason = format!("{} Column {column}", self.reason);
        match self.rows.first().and_then(|row| ids.get(*row)) {
            Some(first) => Fault::of_rows(self.rows, &reason, *first),
            None => Fault::new(format!("{reason}.")),
        }
    }
}

/// Refuses infinities, as scikit-learn does everywhere.
pub(super) fn refuse_infinite(values: &[f64]) -> Result<(), Flaw> {
    let reason = "Input X contains infinity or a value too large for dtype('float64').";
    if any_infinite(values) { Err(Flaw::of_values(values, f64::is_infinite, reason)) } else { Ok(()) }
}

/// The least and the greatest value present, NaN if there is none; refuses infinities, for one of the two would be one.
pub(super) fn finite_extremes(values: &[f64]) -> Result<(f64, f64), Flaw> {
    let (least, most) = extremes(values);
    if least.is_infinite() || most.is_infinite() {
        refuse_infinite(values)?;
    }
    Ok((least, most))
}

/// Refuses missing values and infinities, as scikit-learn does where NaN is not allowed.
pub(super) fn refuse_not_finite(values: &[f64]) -> Result<(), Flaw> {
    if !any_not_finite(values) {
        return Ok(());
    }
    if values.iter().any(|x| x.is_nan()) {
        return Err(Flaw::of_values(values, f64::is_nan, "Input X contains NaN."));
    }
    refuse_infinite(values)
}

impl Scope {
    /// As [`Scope::times`]; refuses a message for its rows without one.
    pub(super) fn known_times(&self, message: &Message) -> Result<Option<Vec<i64>>, Fault> {
        let (Some(name), Some(times)) = (self.time_name(), self.times(message)) else { return Ok(None) };
        if let Some(known) = times.iter().copied().collect() {
            return Ok(Some(known));
        }
        let without = (0..times.len()).filter(|row| times[*row].is_none());
        Err(Flaw::of_rows(without, "A row without a time can't be placed.").named(name, &message.ids))
    }

    /// Refuses a message for the first of its columns in scope that is refused.
    pub(super) fn refuse(&self, message: &Message, refuse: fn(&[f64]) -> Result<(), Flaw>) -> Result<(), Fault> {
        let mut columns = self.named();
        columns.try_for_each(|(slot, name)| refuse(message.column(slot)).map_err(|flaw| flaw.named(name, &message.ids)))
    }
}

/// Applies one subtask to one column of its scope after the other.
pub(super) fn apply_to_all(subtask: &dyn ColumnSubtask, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
    for (place, (slot, name)) in scope.named().enumerate() {
        subtask.apply_column(place, message.column_mut(slot)).map_err(|flaw| flaw.named(name, &message.ids))?;
    }
    Ok(())
}
