//! Centres and scales columns by quantiles.

use schemars::JsonSchema;
use serde::Deserialize;

use super::by_column::{ColumnSubtask, Flaw, refuse_infinite, refuse_row};
use super::frozen::frozen;
use super::scope::unless_zero;
use super::{Fault, Fit, Learned, Learner, PartialFit, Refusal, Scope, Subtask, Traits, Transform};
use crate::data::Message;
use crate::kernels::affine::shift_and_divide;
use crate::kernels::{kll_sketch::KllSketch, normal, order::Selector};

/// Subtracts the median of a column and divides by the distance between two quantiles.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RobustScaler {
    /// Whether the median is subtracted.
    with_centering: bool,
    /// Whether values are divided by the distance of the quantiles.
    with_scaling: bool,
    /// The two quantiles, in percent.
    quantile_range: (f64, f64),
    /// Whether the result is scaled so that normal data have variance 1.
    unit_variance: bool,
}

impl Default for RobustScaler {
    fn default() -> RobustScaler {
        RobustScaler { with_centering: true, with_scaling: true, quantile_range: (25.0, 75.0), unit_variance: false }
    }
}

impl Subtask for RobustScaler {
    const EQUALS: &'static str = "sklearn.preprocessing.RobustScaler";
    const TRAITS: Traits<RobustScaler> = Traits::by_column().fit().partial_fit();

    fn check(&self) -> Result<(), Refusal> {
        let (low, high) = self.quantile_range;
        if 0.0 <= low && low <= high && high <= 100.0 {
            return Ok(());
        }
        Err(Refusal::new("quantile_range", "two percentages from 0 to 100, the smaller one first"))
    }
}

impl Fit for RobustScaler {
    fn fit(&self, message: &Message, scope: &Scope) -> Result<Learned, Fault> {
        scope.refuse(message, refuse_infinite)?;
        let learned = scope.numbers.iter().map(|slot| self.learn(message.column(*slot)));
        let (centres, scales): (Vec<f64>, Vec<f64>) = learned.unzip();
        Ok(Learned::default().with("center_", centres).with("scale_", scales))
    }

    fn freeze(&self, learned: &Learned, columns: usize) -> Result<Transform, String> {
        let centres = if self.with_centering { learned.numbers("center_", columns)? } else { vec![0.0; columns] };
        let scales = if self.with_scaling { learned.numbers("scale_", columns)? } else { vec![1.0; columns] };
        Ok(frozen(centres.into_iter().zip(scales).map(|(centre, scale)| move |x| (x - centre) / scale)))
    }
}

impl PartialFit for RobustScaler {
    fn learner(&self) -> Box<dyn Learner> {
        Box::new(RunningScale { scaler: self.clone(), sketch: KllSketch::default() })
    }
}

impl ColumnSubtask for RobustScaler {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        refuse_infinite(values)?;
        let (centre, scale) = self.learn(values);
        shift_and_divide(values, centre, scale);
        Ok(())
    }

    fn apply_row(&self, values: &mut [f64]) -> Result<(), (usize, Flaw)> {
        refuse_row(values, refuse_infinite)?;
        // The only value of a column is each of its quantiles; its masked median is half of its double.
        let scale = if self.with_scaling { self.distance(|_| 0.0) } else { 1.0 };
        if self.with_centering {
            values.iter_mut().for_each(|x| *x -= (*x + *x) / 2.0);
        }
        shift_and_divide(values, 0.0, scale);
        Ok(())
    }
}

/// A sketch of all values so far.
struct RunningScale {
    scaler: RobustScaler,
    sketch: KllSketch,
}

impl Learner for RunningScale {
    fn learn_and_transform(&mut self, values: &mut [f64]) {
        self.sketch.extend(values);
        let Some(quantiles) = self.sketch.quantiles() else { return };
        let centre = if self.scaler.with_centering { quantiles.at(0.5) } else { 0.0 };
        let scale = if self.scaler.with_scaling { self.scaler.distance(|q| quantiles.at(q)) } else { 1.0 };
        shift_and_divide(values, centre, scale);
    }

    fn save(&self) -> Vec<u8> {
        self.sketch.to_bytes()
    }

    fn load(&mut self, saved: &[u8]) -> Result<(), String> {
        KllSketch::from_bytes(saved).map(|sketch| self.sketch = sketch)
    }
}

impl RobustScaler {
    /// What is subtracted, and what the rest is divided by.
    fn learn(&self, column: &[f64]) -> (f64, f64) {
        // `np.nanmedian` calls `np.ma.median` for fewer rows.
        const FEW: usize = 600;
        let mut selector = Selector::new(column);
        let median = |selector: &mut Selector| {
            if column.len() < FEW { selector.masked_median() } else { selector.median() }
        };
        let centre = if self.with_centering { median(&mut selector) } else { 0.0 };
        (centre, if self.with_scaling { self.distance(|q| selector.quantile(q)) } else { 1.0 })
    }

    fn distance(&self, mut quantile: impl FnMut(f64) -> f64) -> f64 {
        let (low, high) = (self.quantile_range.0 / 100.0, self.quantile_range.1 / 100.0);
        let distance = unless_zero(quantile(high) - quantile(low));
        if self.unit_variance { distance / (normal::quantile(high) - normal::quantile(low)) } else { distance }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;

    #[test]
    fn median_and_quartiles() {
        let out = applied(&RobustScaler::default(), &[vec![0.0, 1.0, 2.0, 3.0, 100.0]]).unwrap();
        assert_eq!(out, [[-1.0, -0.5, 0.0, 0.5, 49.0]]);
    }

    #[test]
    fn a_median_beyond_half_the_range_overflows_as_in_scikit_learn() {
        let out =
            |rows| applied(&RobustScaler::default(), &[[vec![0.0; rows], vec![1e308; rows + 1]].concat()]).unwrap();
        assert_eq!(out(1)[0][0], f64::NEG_INFINITY);
        assert_eq!(out(300)[0][0], -1.0);
    }

    #[test]
    fn over_the_stream_quantiles_are_those_of_all_values() {
        let mut learner = RobustScaler::default().learner();
        let mut values: Vec<f64> = (0..=500).map(f64::from).collect();
        learner.learn_and_transform(&mut values);
        let mut values: Vec<f64> = (501..=1000).map(f64::from).chain([f64::NAN]).collect();
        learner.learn_and_transform(&mut values);
        let expected = |x: f64| (x - 500.0) / 500.0;
        assert!((values[499] - expected(1000.0)).abs() < 4.0 * KllSketch::RANK_ERROR && values[500].is_nan());
    }

    #[test]
    fn quantiles_in_the_wrong_order_are_refused() {
        let scaler = RobustScaler { quantile_range: (75.0, 25.0), ..Default::default() };
        assert!(scaler.check().is_err());
    }
}
