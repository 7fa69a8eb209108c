//! Subtasks with fitted params: a function for each column.

use super::Transform;
use super::by_column::{ColumnSubtask, Flaw, refuse_infinite, refuse_row};

/// Changes each column value by value, by the function of that column.
struct Frozen<F> {
    columns: Vec<F>,
    refuse: Refuse,
}

type Refuse = fn(&[f64]) -> Result<(), Flaw>;

/// A transform by a function for each column; infinities are refused, as scikit-learn does.
pub(super) fn frozen<F>(columns: impl IntoIterator<Item = F>) -> Transform
where
    F: Fn(f64) -> f64 + Send + Sync + 'static,
{
    frozen_unless(refuse_infinite, columns)
}

/// As [`frozen`], with another check of the values.
pub(super) fn frozen_unless<F>(refuse: Refuse, columns: impl IntoIterator<Item = F>) -> Transform
where
    F: Fn(f64) -> f64 + Send + Sync + 'static,
{
    Transform::by_column(Frozen { columns: columns.into_iter().collect(), refuse })
}

impl<F: Fn(f64) -> f64 + Send + Sync> ColumnSubtask for Frozen<F> {
    fn apply_column(&self, place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        (self.refuse)(values)?;
        let map = &self.columns[place];
        values.iter_mut().for_each(|x| *x = map(*x));
        Ok(())
    }

    fn apply_row(&self, values: &mut [f64]) -> Result<(), (usize, Flaw)> {
        refuse_row(values, self.refuse)?;
        values.iter_mut().zip(&self.columns).for_each(|(x, map)| *x = map(*x));
        Ok(())
    }
}
