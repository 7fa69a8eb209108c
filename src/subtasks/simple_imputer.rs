//! Fills missing values with a statistic of their column.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::by_column::{ColumnSubtask, Flaw, refuse_infinite};
use super::frozen::frozen;
use super::{Fault, Fit, Learned, Scope, Subtask, Traits, Transform};
use crate::data::Message;
use crate::kernels::moments::{Moments, moments};
use crate::kernels::order::{Selector, sorted};

/// Fills missing values with the column's mean, median or commonest value, or a constant.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SimpleImputer {
    /// What is filled in; a column without any value gets `fill_value`.
    strategy: ImputerStrategy,
    /// The constant.
    fill_value: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ImputerStrategy {
    #[default]
    Mean,
    Median,
    MostFrequent,
    Constant,
}

impl Subtask for SimpleImputer {
    const EQUALS: &'static str = "sklearn.impute.SimpleImputer(keep_empty_features=True)";
    const TRAITS: Traits<SimpleImputer> = Traits::by_column().fit();
}

impl Fit for SimpleImputer {
    fn fit(&self, message: &Message, scope: &Scope) -> Result<Learned, Fault> {
        scope.refuse(message, refuse_infinite)?;
        let fills: Vec<f64> = scope.numbers.iter().map(|slot| self.learn(message.column(*slot))).collect();
        Ok(Learned::default().with("statistics_", fills))
    }

    fn freeze(&self, learned: &Learned, columns: usize) -> Result<Transform, String> {
        let fills = learned.numbers("statistics_", columns)?;
        Ok(frozen(fills.into_iter().map(|fill| move |x: f64| if x.is_nan() { fill } else { x })))
    }
}

impl ColumnSubtask for SimpleImputer {
    fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
        refuse_infinite(values)?;
        if values.iter().any(|x| x.is_nan()) {
            let fill = self.learn(values);
            values.iter_mut().filter(|x| x.is_nan()).for_each(|x| *x = fill);
        }
        Ok(())
    }
}

impl SimpleImputer {
    /// What is filled in.
    fn learn(&self, column: &[f64]) -> f64 {
        let statistic = match self.strategy {
            ImputerStrategy::Mean => masked_mean(column),
            ImputerStrategy::Median => Selector::new(column).masked_median(),
            ImputerStrategy::MostFrequent => commonest(column),
            ImputerStrategy::Constant => self.fill_value,
        };
        if statistic.is_nan() { self.fill_value } else { statistic }
    }
}

/// As `np.ma.mean` finds it and scikit-learn takes it: a sum too large to be divided is masked, and so 0. NaN without a
/// value.
fn masked_mean(column: &[f64]) -> f64 {
    let Moments { count, mean, .. } = moments(column);
    let divides = mean.is_finite() && mean.abs() * f64::MIN_POSITIVE < 1.0;
    if divides || count == 0 { mean } else { 0.0 }
}

/// The commonest value, of several the smallest; NaN without a value.
fn commonest(column: &[f64]) -> f64 {
    let sorted = sorted(column);
    let mut best: &[f64] = &[];
    for run in sorted.chunk_by(|a, b| a == b) {
        if run.len() > best.len() {
            best = run;
        }
    }
    best.first().copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;

    #[test]
    fn every_strategy() {
        let column = vec![4.0, 1.0, f64::NAN, 4.0, 1.0, 0.0];
        for (strategy, filled) in [
            (ImputerStrategy::Mean, 2.0),
            (ImputerStrategy::Median, 1.0),
            (ImputerStrategy::MostFrequent, 1.0),
            (ImputerStrategy::Constant, 7.0),
        ] {
            let imputer = SimpleImputer { strategy, fill_value: 7.0 };
            assert_eq!(applied(&imputer, std::slice::from_ref(&column)).unwrap()[0][2], filled, "{strategy:?}");
        }
    }

    #[test]
    fn beyond_the_range_it_fills_in_what_scikit_learn_does() {
        let filled = |strategy, column: &[f64]| {
            let imputer = SimpleImputer { strategy, fill_value: 7.0 };
            *applied(&imputer, &[[column, &[f64::NAN]].concat()]).unwrap()[0].last().unwrap()
        };
        assert_eq!(filled(ImputerStrategy::Mean, &[1e308, 1e308, 0.5]), 0.0);
        assert_eq!(filled(ImputerStrategy::Mean, &[-1.7e308]), 0.0);
        assert_eq!(filled(ImputerStrategy::Mean, &[4e307, 4e307]), 4e307);
        assert_eq!(filled(ImputerStrategy::Median, &[1e308, 1.0, 1.7e308]), f64::INFINITY);
    }

    #[test]
    fn a_column_without_a_value_gets_the_constant() {
        assert_eq!(applied(&SimpleImputer::default(), &[vec![f64::NAN; 2]]).unwrap(), [[0.0, 0.0]]);
    }
}
