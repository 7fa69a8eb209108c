//! Subtasks that act on each number column by itself, and what runs several of them as one.

use std::sync::Arc;

use super::{Fault, Scope, Subtask};
use crate::data::Message;
use crate::kernels::moments::{any_infinite, extremes};
use crate::kernels::select::any_not_finite;

/// A subtask that acts on each number column by itself.
pub trait ByColumn {
    /// Changes the values of the column that stands at `place` in the scope.
    ///
    /// # Errors
    /// Where the original raises; the values are then unspecified.
    fn apply_column(&self, place: usize, values: &mut [f64]) -> Result<(), Flaw>;
}

/// Why a column is refused, in the words of the original, and the row if it is one row's fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    reason: &'static str,
    row: Option<usize>,
}

impl Flaw {
    /// The flaw of a whole column.
    pub(super) fn of_column(reason: &'static str) -> Flaw {
        Flaw { reason, row: None }
    }

    fn of_first(values: &[f64], bad: impl Fn(f64) -> bool, reason: &'static str) -> Flaw {
        Flaw { reason, row: values.iter().position(|x| bad(*x)) }
    }

    /// With the names of the column and the row.
    fn named(self, column: &str, ids: &[u64]) -> Fault {
        let Flaw { reason, row } = self;
        Fault(match row {
            Some(row) => format!("{reason} Column {column}, row {}.", ids[row]),
            None => format!("{reason} Column {column}."),
        })
    }
}

/// Refuses infinities, as scikit-learn does everywhere.
pub(super) fn refuse_infinite(values: &[f64]) -> Result<(), Flaw> {
    let reason = "Input X contains infinity or a value too large for dtype('float64').";
    if any_infinite(values) { Err(Flaw::of_first(values, f64::is_infinite, reason)) } else { Ok(()) }
}

/// Least and greatest value present, NaN if there is none; refuses infinities, which are one of them.
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
        return Err(Flaw::of_first(values, f64::is_nan, "Input X contains NaN."));
    }
    refuse_infinite(values)
}

impl Scope {
    /// Refuses a message for the first of its columns in scope that is refused.
    pub(super) fn refuse(&self, message: &Message, refuse: fn(&[f64]) -> Result<(), Flaw>) -> Result<(), Fault> {
        let mut columns = self.named();
        columns.try_for_each(|(slot, name)| refuse(message.column(slot)).map_err(|flaw| flaw.named(name, &message.ids)))
    }
}

/// Applies one subtask to one column of its scope after the other.
pub(super) fn apply_to_all(subtask: &dyn ByColumn, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
    for (place, (slot, name)) in scope.named().enumerate() {
        subtask.apply_column(place, message.column_mut(slot)).map_err(|flaw| flaw.named(name, &message.ids))?;
    }
    Ok(())
}

/// Subtasks that follow each other and act on each column by itself, run column by column: a column stays in cache
/// from the first of them to the last.
#[derive(Clone)]
pub struct Fused {
    steps: Vec<(Arc<dyn Subtask>, Scope)>,
    /// Column after column, and for each the steps that act on it.
    visits: Vec<Visit>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Visit {
    slot: usize,
    step: usize,
    place: usize,
}

impl Fused {
    /// A message of so many numbers stays in the first level of cache whichever way it is gone through.
    const IN_CACHE: usize = 4096;

    /// Fuses subtasks, each with its scope.
    ///
    /// # Panics
    /// If one does not act by column: that is an error of the caller.
    pub fn new(steps: Vec<(Arc<dyn Subtask>, Scope)>) -> Fused {
        assert!(steps.iter().all(|(subtask, _)| subtask.by_column().is_some()), "fused subtasks act by column");
        let mut visits = Vec::new();
        for (step, (_, scope)) in steps.iter().enumerate() {
            visits.extend(scope.numbers.iter().enumerate().map(|(place, slot)| Visit { slot: *slot, step, place }));
        }
        visits.sort();
        Fused { steps, visits }
    }

    /// Applies all steps.
    ///
    /// # Errors
    /// What the first step to fail would say if they ran one after the other, and which one it is.
    pub fn apply(&self, message: &mut Message) -> Result<(), (usize, Fault)> {
        // The code of all steps is not taken turns with, a column each, where nothing is won by it.
        if message.flat().len() <= Self::IN_CACHE { self.in_turn(message) } else { self.column_by_column(message) }
    }

    fn in_turn(&self, message: &mut Message) -> Result<(), (usize, Fault)> {
        let mut steps = self.steps.iter().enumerate();
        steps.try_for_each(|(index, (subtask, scope))| subtask.apply(message, scope).map_err(|fault| (index, fault)))
    }

    fn column_by_column(&self, message: &mut Message) -> Result<(), (usize, Fault)> {
        let mut failed = None;
        let mut end = self.steps.len();
        for Visit { slot, step, place } in &self.visits {
            if *step >= end {
                continue;
            }
            let (subtask, scope) = &self.steps[*step];
            let subtask = subtask.by_column().expect("fused subtasks act by column");
            if let Err(flaw) = subtask.apply_column(*place, message.column_mut(*slot)) {
                let (_, name) = scope.named().nth(*place).expect("a place of the scope");
                failed = Some((*step, flaw.named(name, &message.ids)));
                // Of the columns that follow, only an earlier step's failure counts.
                end = *step;
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::binarizer::Binarizer;
    use crate::subtasks::min_max_scaler::MinMaxScaler;
    use crate::subtasks::standard_scaler::StandardScaler;

    #[test]
    fn fused_steps_do_and_fail_as_those_in_turn() {
        let infinite = f64::INFINITY;
        let messages = [
            [vec![1.0, 2.0, 4.0], vec![-1.0, 3.0, 7.0]],
            // The second step fails on the first column, the first one on the second.
            [vec![1.0, f64::NAN, 2.0], vec![1.0, infinite, 2.0]],
            [vec![1.0, f64::NAN, 2.0], vec![1.0, f64::NAN, 2.0]],
        ];
        let steps: Vec<(Arc<dyn Subtask>, Scope)> = vec![
            (Arc::new(StandardScaler::default()), Scope::numbers(2)),
            (Arc::new(MinMaxScaler::default()), Scope::numbers(1)),
            (Arc::new(Binarizer::default()), Scope::numbers(2)),
        ];
        let fused = Fused::new(steps);
        for columns in messages {
            let (mut one, mut other) = (Message::from_columns(&columns), Message::from_columns(&columns));
            let results = (fused.in_turn(&mut one), fused.column_by_column(&mut other));
            assert_eq!(results.0, results.1);
            assert!(results.0.is_err() || one == other);
        }
    }
}
