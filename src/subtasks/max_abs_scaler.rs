//! Scales columns by their largest magnitude.

use schemars::JsonSchema;
use serde::Deserialize;

use super::by_column::{ColumnSubtask, Flaw, finite_extremes, refuse_infinite, refuse_row};
use super::frozen::frozen;
use super::scope::unless_zero;
use super::{Fault, Fit, Learned, Learner, PartialFit, Scope, Subtask, Traits, Transform};
use crate::data::{Message, from_bytes, to_bytes};
use crate::kernels::affine::{clamp, shift_and_divide};
use crate::kernels::moments::extremes;

/// Divides a column by its largest absolute value.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MaxAbsScaler {
    /// Whether results are clipped to -1 to 1.
    clip: bool,
}

impl Subtask for MaxAbsScaler {
    const EQUALS: &'static str = "sklearn.preprocessing.MaxAbsScaler";
    const TRAITS: Traits<MaxAbsScaler> = Traits::by_column().fit().partial_fit();
}

impl Fit for MaxAbsScaler {
    fn fit(&self, message: &Message, scope: &Scope) -> Result<Learned, Fault> {
        scope.refuse(message, refuse_infinite)?;
        let scales: Vec<f64> = scope.numbers.iter().map(|slot| learn(message.column(*slot))).collect();
        Ok(Learned::default().with("scale_", scales))
    }

    fn freeze(&self, learned: &Learned, columns: usize) -> Result<Transform, String> {
        let maps = learned.numbers("scale_", columns)?.into_iter().map(|scale| {
            let own = self.clone();
            move |x| own.scaled(x, scale)
        });
        Ok(frozen(maps))
    }
}

impl PartialFit for MaxAbsScaler {
    fn learner(&self) -> Box<dyn Learner> {
        Box::new(RunningLargest { scaler: self.clone(), largest: f64::NAN })
    }
}

impl ColumnSubtask for MaxAbsScaler {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        let extremes = finite_extremes(values)?;
        self.scale(values, unless_zero(larger(extremes)));
        Ok(())
    }

    fn apply_row(&self, values: &mut [f64]) -> Result<(), (usize, Flaw)> {
        refuse_row(values, refuse_infinite)?;
        values.iter_mut().for_each(|x| *x /= unless_zero(x.abs()));
        self.clip_to_one(values);
        Ok(())
    }
}

/// The largest magnitude so far.
struct RunningLargest {
    scaler: MaxAbsScaler,
    largest: f64,
}

impl Learner for RunningLargest {
    fn learn_and_transform(&mut self, values: &mut [f64]) {
        self.largest = self.largest.max(largest(values));
        let scale = unless_zero(self.largest);
        self.scaler.scale(values, scale);
    }

    fn save(&self) -> Vec<u8> {
        to_bytes(&self.largest)
    }

    fn load(&mut self, saved: &[u8]) -> Result<(), String> {
        from_bytes(saved).map(|largest| self.largest = largest)
    }
}

impl MaxAbsScaler {
    fn scale(&self, values: &mut [f64], scale: f64) {
        shift_and_divide(values, 0.0, scale);
        self.clip_to_one(values);
    }

    fn clip_to_one(&self, values: &mut [f64]) {
        if self.clip {
            clamp(values, -1.0, 1.0);
        }
    }

    fn scaled(&self, x: f64, scale: f64) -> f64 {
        let scaled = x / scale;
        if self.clip { scaled.clamp(-1.0, 1.0) } else { scaled }
    }
}

/// The largest magnitude, which values are divided by.
fn learn(column: &[f64]) -> f64 {
    unless_zero(largest(column))
}

fn largest(column: &[f64]) -> f64 {
    larger(extremes(column))
}

/// The larger magnitude of two; NaN of none.
fn larger((least, most): (f64, f64)) -> f64 {
    most.abs().max(least.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;

    #[test]
    fn the_largest_magnitude_becomes_one() {
        let out = applied(&MaxAbsScaler::default(), &[vec![-4.0, 2.0], vec![0.0, 0.0]]).unwrap();
        assert_eq!(out, [[-1.0, 0.5], [0.0, 0.0]]);
    }
}
