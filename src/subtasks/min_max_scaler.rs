//! Scales columns to a range.

use schemars::JsonSchema;
use serde::Deserialize;

use super::by_column::{ColumnSubtask, Flaw, finite_extremes, refuse_infinite, refuse_row};
use super::frozen::frozen;
use super::{Fault, Fit, Learned, Learner, PartialFit, Refusal, Scope, Subtask, Traits, Transform};
use crate::data::{Message, from_bytes, to_bytes};
use crate::kernels::affine::{clamp, scale_and_shift};
use crate::kernels::moments::extremes;

/// Maps the smallest value of a column to one end of a range and the largest to the other.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MinMaxScaler {
    /// The range of the result: its lower and upper end.
    feature_range: (f64, f64),
    /// Whether results are clipped to the range.
    clip: bool,
}

impl Default for MinMaxScaler {
    fn default() -> MinMaxScaler {
        MinMaxScaler { feature_range: (0.0, 1.0), clip: false }
    }
}

impl Subtask for MinMaxScaler {
    const EQUALS: &'static str = "sklearn.preprocessing.MinMaxScaler";
    const TRAITS: Traits<MinMaxScaler> = Traits::by_column().fit().partial_fit();

    fn check(&self) -> Result<(), Refusal> {
        let (low, high) = self.feature_range;
        if low < high {
            return Ok(());
        }
        Err(Refusal::new("feature_range", "the minimum of the range must be smaller than its maximum"))
    }
}

impl Fit for MinMaxScaler {
    fn fit(&self, message: &Message, scope: &Scope) -> Result<Learned, Fault> {
        scope.refuse(message, refuse_infinite)?;
        let learned = scope.numbers.iter().map(|slot| self.learn(message.column(*slot)));
        let (scales, shifts): (Vec<f64>, Vec<f64>) = learned.unzip();
        Ok(Learned::default().with("scale_", scales).with("min_", shifts))
    }

    fn freeze(&self, learned: &Learned, columns: usize) -> Result<Transform, String> {
        let (scales, shifts) = (learned.numbers("scale_", columns)?, learned.numbers("min_", columns)?);
        let maps = scales.into_iter().zip(shifts).map(|(scale, shift)| {
            let own = self.clone();
            move |x| own.scaled(x, scale, shift)
        });
        Ok(frozen(maps))
    }
}

impl PartialFit for MinMaxScaler {
    fn learner(&self) -> Box<dyn Learner> {
        Box::new(RunningExtremes { scaler: self.clone(), extremes: (f64::NAN, f64::NAN) })
    }
}

impl ColumnSubtask for MinMaxScaler {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        let extremes = finite_extremes(values)?;
        let (scale, shift) = self.of(extremes);
        self.scale(values, scale, shift);
        Ok(())
    }

    fn apply_row(&self, values: &mut [f64]) -> Result<(), (usize, Flaw)> {
        refuse_row(values, refuse_infinite)?;
        for x in values.iter_mut() {
            let (scale, shift) = self.of((*x, *x));
            *x = *x * scale + shift;
        }
        self.clip_to_range(values);
        Ok(())
    }
}

/// Least and greatest value so far.
struct RunningExtremes {
    scaler: MinMaxScaler,
    extremes: (f64, f64),
}

impl Learner for RunningExtremes {
    fn learn_and_transform(&mut self, values: &mut [f64]) {
        let (min, max) = extremes(values);
        self.extremes = (self.extremes.0.min(min), self.extremes.1.max(max));
        let (scale, shift) = self.scaler.of(self.extremes);
        self.scaler.scale(values, scale, shift);
    }

    fn save(&self) -> Vec<u8> {
        to_bytes(&self.extremes)
    }

    fn load(&mut self, saved: &[u8]) -> Result<(), String> {
        from_bytes(saved).map(|extremes| self.extremes = extremes)
    }
}

impl MinMaxScaler {
    /// What a value is multiplied by, and what is then added.
    fn learn(&self, column: &[f64]) -> (f64, f64) {
        self.of(extremes(column))
    }

    fn of(&self, (min, max): (f64, f64)) -> (f64, f64) {
        let (low, high) = self.feature_range;
        let scale = (high - low) / super::scope::unless_zero(max - min);
        (scale, low - min * scale)
    }

    fn scale(&self, values: &mut [f64], scale: f64, shift: f64) {
        scale_and_shift(values, scale, shift);
        self.clip_to_range(values);
    }

    fn clip_to_range(&self, values: &mut [f64]) {
        if self.clip {
            clamp(values, self.feature_range.0, self.feature_range.1);
        }
    }

    fn scaled(&self, x: f64, scale: f64, shift: f64) -> f64 {
        let scaled = x * scale + shift;
        if self.clip { scaled.clamp(self.feature_range.0, self.feature_range.1) } else { scaled }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;
    use proptest::prelude::*;

    #[test]
    fn constants_go_to_the_lower_end() {
        let scaler = MinMaxScaler { feature_range: (-1.0, 1.0), clip: false };
        assert_eq!(applied(&scaler, &[vec![3.0, 3.0], vec![0.0, 4.0]]).unwrap(), [[-1.0, -1.0], [-1.0, 1.0]]);
    }

    #[test]
    fn a_range_upside_down_is_refused() {
        let scaler = MinMaxScaler { feature_range: (1.0, 0.0), clip: false };
        assert_eq!(scaler.check().unwrap_err().parameter, "feature_range");
    }

    proptest! {
        #[test]
        fn clipped_results_lie_in_the_range(column in proptest::collection::vec(-1e3..1e3f64, 1..60)) {
            let scaler = MinMaxScaler { clip: true, ..Default::default() };
            let out = applied(&scaler, &[column]).unwrap().remove(0);
            prop_assert!(out.iter().all(|x| (0.0..=1.0).contains(x)));
        }
    }
}
