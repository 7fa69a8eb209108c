//! Clips values to bounds.

use schemars::JsonSchema;
use serde::Deserialize;

use super::by_column::{ColumnSubtask, Flaw};
use super::{Refusal, Subtask, Traits};
use crate::kernels::affine::clamp;
use crate::kernels::order::Selector;

/// Moves values outside of two bounds to the nearer bound; missing stays missing.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Clip {
    /// The lower bound; none if not given.
    lower: Option<f64>,
    /// The upper bound; none if not given.
    upper: Option<f64>,
    /// The lower bound as a quantile of the column, 0 to 1.
    lower_quantile: Option<f64>,
    /// The upper bound as a quantile of the column, 0 to 1.
    upper_quantile: Option<f64>,
}

impl Subtask for Clip {
    const EQUALS: &'static str = "pandas.DataFrame.clip";
    const TRAITS: Traits<Clip> = Traits::by_column();

    fn check(&self) -> Result<(), Refusal> {
        let quantiles = [("lower_quantile", self.lower_quantile), ("upper_quantile", self.upper_quantile)];
        for (parameter, q) in quantiles {
            if q.is_some_and(|q| !(0.0..=1.0).contains(&q)) {
                return Err(Refusal::new(parameter, "a quantile lies between 0 and 1"));
            }
        }
        if self.lower.is_some() && self.lower_quantile.is_some() {
            return Err(Refusal::new("lower_quantile", "give either `lower` or `lower_quantile`, not both"));
        }
        if self.upper.is_some() && self.upper_quantile.is_some() {
            return Err(Refusal::new("upper_quantile", "give either `upper` or `upper_quantile`, not both"));
        }
        Ok(())
    }
}

impl ColumnSubtask for Clip {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        let (lower, upper) = self.bounds(values);
        clamp(values, lower, upper);
        Ok(())
    }

    fn apply_row(&self, values: &mut [f64]) -> Result<(), (usize, Flaw)> {
        // The only value of a column is each of its quantiles: it is no bound to itself, and as the upper one the last word.
        if self.upper_quantile.is_none() {
            let (lower, upper) = Clip { lower_quantile: None, ..self.clone() }.bounds(values);
            clamp(values, lower, upper);
        }
        Ok(())
    }
}

impl Clip {
    /// NaN where there is no bound: comparisons with it are false.
    fn bounds(&self, column: &[f64]) -> (f64, f64) {
        // pandas takes two constants in either order.
        if let (Some(lower), Some(upper)) = (self.lower, self.upper)
            && lower > upper
        {
            return (upper, lower);
        }
        let quantiles = self.lower_quantile.is_some() || self.upper_quantile.is_some();
        let mut selector = quantiles.then(|| Selector::new(column));
        let mut bound = |constant: Option<f64>, q: Option<f64>| match (q, &mut selector) {
            // pandas calls NumPy's percentile: times 100 and back rounds.
            (Some(q), Some(selector)) => selector.quantile(q * 100.0 / 100.0),
            _ => constant.unwrap_or(f64::NAN),
        };
        (bound(self.lower, self.lower_quantile), bound(self.upper, self.upper_quantile))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;

    #[test]
    fn constants_in_either_order_and_quantiles() {
        let column = vec![0.0, 1.0, 2.0, 3.0, 4.0];
        let swapped = Clip { lower: Some(3.0), upper: Some(1.0), ..Default::default() };
        assert_eq!(applied(&swapped, std::slice::from_ref(&column)).unwrap(), [[1.0, 1.0, 2.0, 3.0, 3.0]]);
        let quantiles = Clip { lower_quantile: Some(0.25), upper_quantile: Some(0.75), ..Default::default() };
        assert_eq!(applied(&quantiles, &[column]).unwrap(), [[1.0, 1.0, 2.0, 3.0, 3.0]]);
    }

    #[test]
    fn missing_stays_missing() {
        let clip = Clip { lower: Some(0.0), ..Default::default() };
        assert!(applied(&clip, &[vec![f64::NAN]]).unwrap()[0][0].is_nan());
    }

    #[test]
    fn a_quantile_above_one_is_refused() {
        let clip = Clip { upper_quantile: Some(99.0), ..Default::default() };
        assert_eq!(clip.check().unwrap_err().parameter, "upper_quantile");
    }
}
