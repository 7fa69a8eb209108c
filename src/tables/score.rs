//! Scores of predictions beside their labels: scikit-learn's metrics, over whatever rows a line has.

use std::collections::BTreeMap;

use ordered_float::OrderedFloat;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::Column;
use crate::kernels::exact_sum::ExactSum;

/// A metric of predictions, by its name in scikit-learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScoreMetric {
    /// The mean absolute error.
    Mae,
    /// The root of the mean squared error.
    Rmse,
    /// The mean absolute error as a share of the label.
    Mape,
    /// The coefficient of determination.
    R2,
    /// The share of labels that were predicted.
    Accuracy,
    /// Of those predicted to be `positive` the share that are; the mean over the labels if it is not given.
    Precision,
    /// Of those that are `positive` the share that was predicted; the mean over the labels if it is not given.
    Recall,
    /// The harmonic mean of precision and recall; the mean over the labels if `positive` is not given.
    F1,
    /// The mean negative logarithm of the probability that was given to what is.
    LogLoss,
    /// The share of pairs of a positive and another row of which the positive has the larger probability.
    RocAuc,
}

impl ScoreMetric {
    /// As its column is called.
    pub fn name(self) -> &'static str {
        match self {
            ScoreMetric::Mae => "mae",
            ScoreMetric::Rmse => "rmse",
            ScoreMetric::Mape => "mape",
            ScoreMetric::R2 => "r2",
            ScoreMetric::Accuracy => "accuracy",
            ScoreMetric::Precision => "precision",
            ScoreMetric::Recall => "recall",
            ScoreMetric::F1 => "f1",
            ScoreMetric::LogLoss => "log_loss",
            ScoreMetric::RocAuc => "roc_auc",
        }
    }

    /// Whether it is one of classes, whose labels may be texts.
    pub fn is_of_classes(self) -> bool {
        !matches!(self, ScoreMetric::Mae | ScoreMetric::Rmse | ScoreMetric::Mape | ScoreMetric::R2)
    }

    /// Whether it is one of probabilities.
    pub fn is_of_probabilities(self) -> bool {
        matches!(self, ScoreMetric::LogLoss | ScoreMetric::RocAuc)
    }
}

/// Predictions beside labels, and what is wanted of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// What was predicted.
    pub prediction: Column,
    /// What is.
    pub label: Column,
    /// The probability of `positive`.
    pub probability: Option<Column>,
    /// The label that precision, recall, F1 and probabilities are about, as a row's values have it.
    pub positive: Option<f64>,
    /// What is wanted.
    pub metrics: Vec<ScoreMetric>,
}

/// The sums from which the metrics of one score are taken; they add up in any order to the same bits.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ScoreAccumulator {
    /// How many rows have a prediction and a label.
    count: u64,
    absolute: ExactSum,
    squared: ExactSum,
    shares: ExactSum,
    labels: ExactSum,
    label_squares: ExactSum,
    /// How often each label was predicted as what: label, prediction.
    pairs: BTreeMap<(OrderedFloat<f64>, OrderedFloat<f64>), u64>,
    /// How many rows have a probability and a label.
    judged: u64,
    logarithms: ExactSum,
    /// For each probability, how many rows are positive and how many are not.
    ranks: BTreeMap<OrderedFloat<f64>, (u64, u64)>,
}

impl ScoreAccumulator {
    /// Adds a row; what is missing is NaN.
    pub fn add(&mut self, score: &Score, prediction: f64, label: f64, probability: f64) {
        if label.is_nan() {
            return;
        }
        let wants = |wanted: fn(ScoreMetric) -> bool| score.metrics.iter().any(|metric| wanted(*metric));
        if !prediction.is_nan() {
            self.count += 1;
            if wants(|metric| !metric.is_of_classes()) {
                let error = label - prediction;
                self.absolute.add(error.abs());
                self.squared.add(error * error);
                self.shares.add(error.abs() / label.abs().max(f64::EPSILON));
                self.labels.add(label);
                self.label_squares.add_product(label, label);
            }
            if wants(|metric| metric.is_of_classes() && !metric.is_of_probabilities()) {
                *self.pairs.entry((label.into(), prediction.into())).or_default() += 1;
            }
        }
        if let Some(positive) = score.positive.filter(|_| !probability.is_nan()) {
            self.judged += 1;
            let is_positive = label == positive;
            let given = if is_positive { probability } else { 1.0 - probability };
            self.logarithms.add(-given.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln());
            if score.metrics.contains(&ScoreMetric::RocAuc) {
                let (positives, others) = self.ranks.entry(probability.into()).or_default();
                *if is_positive { positives } else { others } += 1;
            }
        }
    }

    /// Adds another accumulator of the same score.
    pub fn merge(&mut self, other: &ScoreAccumulator) {
        self.count += other.count;
        self.judged += other.judged;
        for (own, other) in [
            (&mut self.absolute, &other.absolute),
            (&mut self.squared, &other.squared),
            (&mut self.shares, &other.shares),
            (&mut self.labels, &other.labels),
            (&mut self.label_squares, &other.label_squares),
            (&mut self.logarithms, &other.logarithms),
        ] {
            own.merge(other);
        }
        for (pair, times) in &other.pairs {
            *self.pairs.entry(*pair).or_default() += times;
        }
        for (probability, (positives, others)) in &other.ranks {
            let own = self.ranks.entry(*probability).or_default();
            *own = (own.0 + positives, own.1 + others);
        }
    }

    /// The value of a metric; NaN where scikit-learn has none.
    pub fn of(&self, metric: ScoreMetric, positive: Option<f64>) -> f64 {
        let of_classes = |figure: fn([f64; 3]) -> f64| match positive {
            Some(positive) => {
                let of_label = self.hits().get(&OrderedFloat(positive)).copied().unwrap_or_default();
                figure(of_label.map(|rows| rows as f64))
            }
            None => self.macro_mean(figure),
        };
        let share = |part: f64, whole: f64| if whole == 0.0 { 0.0 } else { part / whole };
        match metric {
            ScoreMetric::LogLoss => self.logarithms.value() / self.judged as f64,
            ScoreMetric::RocAuc => self.area(),
            _ if self.count == 0 => f64::NAN,
            ScoreMetric::Mae => self.absolute.value() / self.count as f64,
            ScoreMetric::Rmse => (self.squared.value() / self.count as f64).sqrt(),
            ScoreMetric::Mape => self.shares.value() / self.count as f64,
            ScoreMetric::R2 => self.determination(),
            ScoreMetric::Accuracy => {
                let right: u64 = self.pairs.iter().filter(|((label, said), _)| label == said).map(|(_, n)| n).sum();
                share(right as f64, self.count as f64)
            }
            ScoreMetric::Precision => of_classes(|[hits, said, _]| if said == 0.0 { 0.0 } else { hits / said }),
            ScoreMetric::Recall => of_classes(|[hits, _, are]| if are == 0.0 { 0.0 } else { hits / are }),
            ScoreMetric::F1 => {
                of_classes(|[hits, said, are]| if said + are == 0.0 { 0.0 } else { 2.0 * hits / (said + are) })
            }
        }
    }

    /// 1 where nothing varies and all is right, 0 where nothing varies and something is wrong; NaN of one row.
    fn determination(&self) -> f64 {
        if self.count < 2 {
            return f64::NAN;
        }
        let (residual, total) = (self.squared.value(), self.label_squares.squared_deviations(&self.labels, self.count));
        match (residual == 0.0, total == 0.0) {
            (true, _) => 1.0,
            (false, true) => 0.0,
            _ => 1.0 - residual / total,
        }
    }

    /// Of each label that is there or was predicted: how often it was predicted and is, was predicted, is.
    fn hits(&self) -> BTreeMap<OrderedFloat<f64>, [u64; 3]> {
        let mut hits: BTreeMap<OrderedFloat<f64>, [u64; 3]> = BTreeMap::new();
        for ((label, said), times) in &self.pairs {
            hits.entry(*said).or_default()[1] += times;
            let of_label = hits.entry(*label).or_default();
            of_label[2] += times;
            if label == said {
                of_label[0] += times;
            }
        }
        hits
    }

    /// The mean over all labels that are there or were predicted.
    fn macro_mean(&self, figure: fn([f64; 3]) -> f64) -> f64 {
        let (hits, mut sum) = (self.hits(), ExactSum::default());
        hits.values().for_each(|of_label| sum.add(figure(of_label.map(|rows| rows as f64))));
        sum.value() / hits.len() as f64
    }

    /// The area under the ROC curve by ranks: pairs that are right, and half of those that are equal.
    fn area(&self) -> f64 {
        let (mut below, mut twice, mut positives) = (0_u128, 0_u128, 0_u128);
        for (is, is_not) in self.ranks.values().map(|(is, is_not)| (u128::from(*is), u128::from(*is_not))) {
            twice += is * (2 * below + is_not);
            (positives, below) = (positives + is, below + is_not);
        }
        if positives == 0 || below == 0 { f64::NAN } else { twice as f64 / (2 * positives * below) as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Kind;
    use proptest::prelude::*;

    const ALL: [ScoreMetric; 10] = [
        ScoreMetric::Mae,
        ScoreMetric::Rmse,
        ScoreMetric::Mape,
        ScoreMetric::R2,
        ScoreMetric::Accuracy,
        ScoreMetric::Precision,
        ScoreMetric::Recall,
        ScoreMetric::F1,
        ScoreMetric::LogLoss,
        ScoreMetric::RocAuc,
    ];

    fn score(positive: Option<f64>) -> Score {
        let column = |name: &str| Column { name: name.into(), kind: Kind::Number, slot: 0 };
        let probability = Some(column("p"));
        Score { prediction: column("y"), label: column("l"), probability, positive, metrics: ALL.to_vec() }
    }

    fn of(rows: &[[f64; 3]], positive: Option<f64>) -> ScoreAccumulator {
        let (score, mut sums) = (score(positive), ScoreAccumulator::default());
        rows.iter().for_each(|[prediction, label, probability]| sums.add(&score, *prediction, *label, *probability));
        sums
    }

    /// The functions of sklearn.metrics over these rows; the last has no label.
    #[test]
    fn figures_are_those_of_scikit_learn() {
        let rows = [[1.0, 1.0, 0.9], [0.0, 1.0, 0.4], [1.0, 0.0, 0.6], [0.0, 0.0, 0.4], [1.0, f64::NAN, 0.7]];
        let sums = of(&rows, Some(1.0));
        let expected = [
            (ScoreMetric::Mae, 0.5),
            (ScoreMetric::R2, -1.0),
            (ScoreMetric::Accuracy, 0.5),
            (ScoreMetric::Precision, 0.5),
            (ScoreMetric::Recall, 0.5),
            (ScoreMetric::F1, 0.5),
            (ScoreMetric::RocAuc, 0.625),
        ];
        for (metric, expected) in expected {
            assert_eq!(sums.of(metric, Some(1.0)), expected, "{metric:?}");
        }
        let log_loss = -(0.9_f64.ln() + 0.4_f64.ln() + (1.0 - 0.6_f64).ln() + 0.6_f64.ln()) / 4.0;
        assert!((sums.of(ScoreMetric::LogLoss, Some(1.0)) - log_loss).abs() < 1e-15);
        assert!((sums.of(ScoreMetric::Rmse, None) - 0.5_f64.sqrt()).abs() < 1e-15);
    }

    #[test]
    fn without_positive_classes_count_alike() {
        // Precision of 1, 2, 3: 1, 1/2, 0; recall: 1/2, 1, 0. Nothing is 3, it was only predicted.
        let sums = of(&[[1.0, 1.0, 0.0], [2.0, 1.0, 0.0], [2.0, 2.0, 0.0], [3.0, 1.0, 0.0]], None);
        assert!((sums.of(ScoreMetric::Precision, None) - 0.5).abs() < 1e-15);
        assert!((sums.of(ScoreMetric::Recall, None) - (1.0 / 3.0 + 1.0) / 3.0).abs() < 1e-15);
    }

    #[test]
    fn there_is_no_figure_of_nothing() {
        for metric in ALL {
            assert!(of(&[[1.0, f64::NAN, 0.5]], Some(1.0)).of(metric, Some(1.0)).is_nan(), "{metric:?}");
        }
        let one = of(&[[1.0, 1.0, 0.5]], Some(1.0));
        assert!(one.of(ScoreMetric::R2, None).is_nan() && one.of(ScoreMetric::RocAuc, None).is_nan());
        let constant = |prediction: f64| of(&[[0.1, 0.1, 0.5], [prediction, 0.1, 0.5]], None).of(ScoreMetric::R2, None);
        assert_eq!((constant(0.1), constant(0.2)), (1.0, 0.0));
    }

    proptest! {
        #[test]
        fn parts_add_up_in_any_order(
            rows in prop::collection::vec((-3..3i32, -3..3i32, 0.0..1.0f64), 1..40), cut in 0..40usize
        ) {
            let rows: Vec<[f64; 3]> = rows.iter().map(|(a, b, p)| [f64::from(*a) / 3.0, f64::from(*b) / 3.0, *p]).collect();
            let cut = cut.min(rows.len());
            let mut parts = of(&rows[cut..], Some(1.0));
            parts.merge(&of(&rows[..cut], Some(1.0)));
            let figures = |sums: &ScoreAccumulator| ALL.map(|metric| sums.of(metric, Some(1.0)).to_bits());
            prop_assert_eq!(figures(&parts), figures(&of(&rows, Some(1.0))));
        }
    }
}
