//! Centres columns and scales them to unit variance.

use schemars::JsonSchema;
use serde::Deserialize;

use super::by_column::{ColumnSubtask, Flaw, refuse_infinite, refuse_row};
use super::frozen::frozen;
use super::{Fault, Fit, Learned, Learner, PartialFit, Scope, Subtask, Traits, Transform};
use crate::data::{Message, from_bytes, to_bytes};
use crate::kernels::affine::shift_and_divide;
use crate::kernels::moments::{Moments, moments};

/// Subtracts the mean of a column and divides by its standard deviation.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StandardScaler {
    /// Whether the mean is subtracted.
    with_mean: bool,
    /// Whether values are divided by the standard deviation.
    with_std: bool,
}

impl Default for StandardScaler {
    fn default() -> StandardScaler {
        StandardScaler { with_mean: true, with_std: true }
    }
}

impl Subtask for StandardScaler {
    const EQUALS: &'static str = "sklearn.preprocessing.StandardScaler";
    const TRAITS: Traits<StandardScaler> = Traits::by_column().fit().partial_fit();
}

impl Fit for StandardScaler {
    fn fit(&self, message: &Message, scope: &Scope) -> Result<Learned, Fault> {
        scope.refuse(message, refuse_infinite)?;
        let learned = scope.numbers.iter().map(|slot| self.learn(message.column(*slot)));
        let (means, scales): (Vec<f64>, Vec<f64>) = learned.unzip();
        Ok(Learned::default().with("mean_", means).with("scale_", scales))
    }

    fn freeze(&self, learned: &Learned, columns: usize) -> Result<Transform, String> {
        let means = if self.with_mean { learned.numbers("mean_", columns)? } else { vec![0.0; columns] };
        let scales = if self.with_std { learned.numbers("scale_", columns)? } else { vec![1.0; columns] };
        Ok(frozen(means.into_iter().zip(scales).map(|(mean, scale)| move |x| (x - mean) / scale)))
    }
}

impl PartialFit for StandardScaler {
    fn learner(&self) -> Box<dyn Learner> {
        Box::new(RunningMoments { scaler: self.clone(), so_far: None })
    }
}

impl ColumnSubtask for StandardScaler {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        let moments = moments(values);
        // The mean of a column with an infinity is infinite or NaN.
        if !moments.mean.is_finite() {
            refuse_infinite(values)?;
        }
        let (mean, deviation) = self.of(moments);
        shift_and_divide(values, mean, deviation);
        Ok(())
    }

    fn apply_row(&self, values: &mut [f64]) -> Result<(), (usize, Flaw)> {
        refuse_row(values, refuse_infinite)?;
        self.scale_row(values);
        Ok(())
    }
}

/// Moments of all values so far.
struct RunningMoments {
    scaler: StandardScaler,
    so_far: Option<Moments>,
}

impl Learner for RunningMoments {
    fn learn_and_transform(&mut self, values: &mut [f64]) {
        let moments = self.so_far.map_or_else(|| moments(values), |so_far| so_far.and(values));
        self.so_far = Some(moments);
        let (mean, scale) = self.scaler.of(moments);
        shift_and_divide(values, mean, scale);
    }

    fn save(&self) -> Vec<u8> {
        to_bytes(&self.so_far)
    }

    fn load(&mut self, saved: &[u8]) -> Result<(), String> {
        from_bytes(saved).map(|so_far| self.so_far = so_far)
    }
}

impl StandardScaler {
    /// Scales one column; a constant one is only centred.
    pub(super) fn scale(&self, column: &mut [f64]) {
        let (mean, deviation) = self.learn(column);
        shift_and_divide(column, mean, deviation);
    }

    /// Scales each value as a column of its own, which is constant.
    pub(super) fn scale_row(&self, values: &mut [f64]) {
        if self.with_mean {
            // The mean is a sum that begins with 0, so that none is -0.
            values.iter_mut().for_each(|x| *x -= 0.0 + *x);
        }
    }

    /// What is subtracted, and what the rest is divided by.
    pub(super) fn learn(&self, column: &[f64]) -> (f64, f64) {
        self.of(moments(column))
    }

    fn of(&self, moments: Moments) -> (f64, f64) {
        let constant = moments.is_constant(moments.count);
        let deviation = if constant || !self.with_std { 1.0 } else { moments.variance.sqrt() };
        (if self.with_mean { moments.mean } else { 0.0 }, deviation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;
    use proptest::prelude::*;

    #[test]
    fn constants_are_centred_and_missing_stays() {
        let out = applied(&StandardScaler::default(), &[vec![5.0, 5.0], vec![1.0, f64::NAN]]).unwrap();
        assert_eq!(out[0], [0.0, 0.0]);
        assert!(out[1][0] == 0.0 && out[1][1].is_nan());
    }

    #[test]
    fn infinity_is_refused_by_column_and_row() {
        let fault = applied(&StandardScaler::default(), &[vec![1.0, f64::INFINITY]]).unwrap_err();
        assert!(fault.to_string().contains("infinity") && fault.to_string().contains("row 1"), "{fault}");
    }

    proptest! {
        #[test]
        fn the_result_has_mean_zero_and_variance_one(column in proptest::collection::vec(-1e3..1e3f64, 2..60)) {
            prop_assume!(moments(&column).variance > 1e-6);
            let out = applied(&StandardScaler::default(), &[column]).unwrap().remove(0);
            let after = moments(&out);
            prop_assert!(after.mean.abs() < 1e-6 && (after.variance - 1.0).abs() < 1e-6);
        }
    }
}
