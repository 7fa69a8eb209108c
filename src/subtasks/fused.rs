//! Runs several subtasks that act by column as one.

use std::sync::Arc;

use super::by_column::apply_to_all;
use super::{ColumnSubtask, Fault, Scope, Transform};
use crate::data::Message;

/// Subtasks that follow each other and act on each column by itself, run column by column: a column stays in cache
/// from the first of them to the last.
#[derive(Clone)]
pub struct Fused {
    steps: Vec<(Arc<dyn ColumnSubtask>, Scope)>,
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
    /// A message of up to so many numbers fits in the L1 cache, in whichever order it is traversed.
    const IN_CACHE: usize = 4096;

    /// Fuses subtasks, each with its scope.
    ///
    /// # Panics
    /// If one does not act by column: that is an error of the caller.
    pub fn new(steps: Vec<(Transform, Scope)>) -> Fused {
        let by_column = |(transform, scope)| match transform {
            Transform::ByColumn(subtask) => (subtask, scope),
            Transform::ByMessage(_) => panic!("fused subtasks act by column"),
        };
        let steps: Vec<(Arc<dyn ColumnSubtask>, Scope)> = steps.into_iter().map(by_column).collect();
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
        // A small message is in cache anyway, so each step's code runs over all columns before the next step's does.
        if message.flat().len() <= Self::IN_CACHE { self.in_turn(message) } else { self.column_by_column(message) }
    }

    fn in_turn(&self, message: &mut Message) -> Result<(), (usize, Fault)> {
        let mut steps = self.steps.iter().enumerate();
        steps.try_for_each(|(index, (subtask, scope))| {
            apply_to_all(&**subtask, message, scope).map_err(|fault| (index, fault))
        })
    }

    fn column_by_column(&self, message: &mut Message) -> Result<(), (usize, Fault)> {
        let mut failed = None;
        let mut end = self.steps.len();
        for Visit { slot, step, place } in &self.visits {
            if *step >= end {
                continue;
            }
            let (subtask, scope) = &self.steps[*step];
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
        let steps = vec![
            (Transform::by_column(StandardScaler::default()), Scope::numbers(2)),
            (Transform::by_column(MinMaxScaler::default()), Scope::numbers(1)),
            (Transform::by_column(Binarizer::default()), Scope::numbers(2)),
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
