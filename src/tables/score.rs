//! Scores of predictions beside their labels: scikit-learn's metrics, over whatever rows a line has.

use std::collections::BTreeMap;

use ordered_float::OrderedFloat;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ranks::Ranks;
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
    /// Of those predicted to have a label the share that have it.
    Precision,
    /// Of those that have a label the share that was predicted.
    Recall,
    /// The harmonic mean of precision and recall.
    F1,
    /// How often each of `classes` was predicted as which.
    Confusion,
    /// The mean negative logarithm of the probability that was given to what is.
    LogLoss,
    /// The share of pairs of a positive and another row of which the positive has the larger probability.
    RocAuc,
}

/// Of which labels precision, recall and F1 are, as scikit-learn's `average`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScoreAverage {
    /// Of `positive`.
    Binary,
    /// Of all labels together: each row counts alike.
    Micro,
    /// The mean over the labels that are there or were predicted: each label counts alike.
    Macro,
    /// The mean over the labels, by how often each is there.
    Weighted,
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
            ScoreMetric::Confusion => "confusion",
            ScoreMetric::LogLoss => "log_loss",
            ScoreMetric::RocAuc => "roc_auc",
        }
    }

    /// Whether it is one of classes, whose labels may be texts.
    pub fn is_of_classes(self) -> bool {
        !matches!(self, ScoreMetric::Mae | ScoreMetric::Rmse | ScoreMetric::Mape | ScoreMetric::R2)
    }

    /// Whether it has one column.
    pub fn is_one_number(self) -> bool {
        self != ScoreMetric::Confusion
    }

    /// Whether it is one of which [`ScoreAverage`] says of which labels it is.
    pub fn is_averaged(self) -> bool {
        matches!(self, ScoreMetric::Precision | ScoreMetric::Recall | ScoreMetric::F1)
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
    /// The label that precision, recall, F1 and `probability` are about, as a row's values have it.
    pub positive: Option<f64>,
    /// Of which labels precision, recall and F1 are.
    pub average: ScoreAverage,
    /// The labels of the confusion and of `probabilities`: their names, and as a row's values have them.
    pub classes: Vec<(String, f64)>,
    /// The probability of each of `classes`; without, `log_loss` is that of `probability`.
    pub probabilities: Vec<Column>,
    /// What is wanted.
    pub metrics: Vec<ScoreMetric>,
}

impl Score {
    /// The names of its columns.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.metrics.iter().flat_map(|metric| {
            let name = format!("{}_{}", self.prediction.name, metric.name());
            match metric {
                ScoreMetric::Confusion => {
                    self.pairs().map(|((label, _), (said, _))| format!("{name}_{label}_{said}")).collect()
                }
                _ => vec![name],
            }
        })
    }

    /// All columns whose values it needs.
    pub fn inputs(&self) -> impl Iterator<Item = &Column> {
        [&self.prediction, &self.label].into_iter().chain(&self.probability).chain(&self.probabilities)
    }

    /// Its values, in the order of [`Score::names`].
    pub fn values(&self, sums: &ScoreAccumulator) -> impl Iterator<Item = f64> {
        self.metrics.iter().flat_map(|metric| match metric {
            ScoreMetric::Confusion => self.pairs().map(|((_, label), (_, said))| sums.times(*label, *said)).collect(),
            _ => vec![sums.of(*metric, self)],
        })
    }

    /// Each class with each: label, prediction.
    fn pairs(&self) -> impl Iterator<Item = (&(String, f64), &(String, f64))> {
        self.classes.iter().flat_map(|label| self.classes.iter().map(move |said| (label, said)))
    }
}

/// The values of a row; what is missing is NaN.
#[derive(Clone, Copy, Debug)]
pub struct ScoredRow<'a> {
    /// What was predicted.
    pub prediction: f64,
    /// What is.
    pub label: f64,
    /// The probability of `positive`.
    pub probability: f64,
    /// The probability of each of `classes`.
    pub probabilities: &'a [f64],
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
    ranks: Ranks,
}

impl ScoreAccumulator {
    /// Adds a row.
    pub fn add(&mut self, score: &Score, row: ScoredRow<'_>) {
        let ScoredRow { prediction, label, probability, .. } = row;
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
        let is_positive = score.positive.filter(|_| !probability.is_nan()).map(|positive| label == positive);
        if let Some(given) = given(score, &row, is_positive) {
            self.judged += 1;
            self.logarithms.add(-given.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln());
        }
        if let Some(is_positive) = is_positive.filter(|_| score.metrics.contains(&ScoreMetric::RocAuc)) {
            self.ranks.add(probability, is_positive);
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
        self.ranks.merge(&other.ranks);
    }

    /// How often a label was predicted as another; 0 without rows.
    fn times(&self, label: f64, said: f64) -> f64 {
        self.pairs.get(&(label.into(), said.into())).map_or(0.0, |times| *times as f64)
    }

    /// The value of a metric that is one number; NaN where scikit-learn has none.
    fn of(&self, metric: ScoreMetric, score: &Score) -> f64 {
        let of_classes = |figure: fn([f64; 3]) -> f64| self.averaged(figure, score);
        let share = |part: f64, whole: f64| if whole == 0.0 { 0.0 } else { part / whole };
        match metric {
            ScoreMetric::LogLoss => self.logarithms.value() / self.judged as f64,
            ScoreMetric::RocAuc => self.ranks.area(),
            _ if self.count == 0 => f64::NAN,
            ScoreMetric::Mae => self.absolute.value() / self.count as f64,
            ScoreMetric::Rmse => (self.squared.value() / self.count as f64).sqrt(),
            ScoreMetric::Mape => self.shares.value() / self.count as f64,
            ScoreMetric::R2 => self.determination(),
            ScoreMetric::Accuracy => {
                let right: u64 = self.pairs.iter().filter(|((label, said), _)| label == said).map(|(_, n)| n).sum();
                share(right as f64, self.count as f64)
            }
            // It has a column for each pair.
            ScoreMetric::Confusion => f64::NAN,
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

    /// A figure of the labels that are there or were predicted.
    fn averaged(&self, figure: fn([f64; 3]) -> f64, score: &Score) -> f64 {
        let hits = self.hits();
        let of = |rows: &[u64; 3]| figure(rows.map(|rows| rows as f64));
        let (mut sum, mut weights) = (ExactSum::default(), 0.0);
        let mut add = |value: f64, weight: f64| {
            sum.add(value * weight);
            weights += weight;
        };
        match score.average {
            ScoreAverage::Binary => {
                let positive = score.positive.and_then(|positive| hits.get(&OrderedFloat(positive)));
                add(of(&positive.copied().unwrap_or_default()), 1.0);
            }
            ScoreAverage::Micro => {
                let add_rows = |all: [u64; 3], rows: &[u64; 3]| [0, 1, 2].map(|place| all[place] + rows[place]);
                add(of(&hits.values().fold([0; 3], add_rows)), 1.0);
            }
            ScoreAverage::Macro => hits.values().for_each(|rows| add(of(rows), 1.0)),
            ScoreAverage::Weighted => hits.values().for_each(|rows| add(of(rows), rows[2] as f64)),
        }
        sum.value() / weights
    }
}

/// The probability that was given to what is; `None` if there is none. A label that is none of the classes was given 0.
fn given(score: &Score, row: &ScoredRow<'_>, is_positive: Option<bool>) -> Option<f64> {
    if score.probabilities.is_empty() {
        return is_positive.map(|is| if is { row.probability } else { 1.0 - row.probability });
    }
    let mut classes = score.classes.iter().zip(row.probabilities);
    let all = row.probabilities.iter().all(|probability| !probability.is_nan());
    all.then(|| classes.find(|((_, class), _)| *class == row.label).map_or(0.0, |(_, given)| *given))
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
        let average = if positive.is_some() { ScoreAverage::Binary } else { ScoreAverage::Macro };
        let (classes, probabilities) = (Vec::new(), Vec::new());
        let (prediction, label) = (column("y"), column("l"));
        Score { prediction, label, probability, positive, average, classes, probabilities, metrics: ALL.to_vec() }
    }

    fn row([prediction, label, probability]: [f64; 3]) -> ScoredRow<'static> {
        ScoredRow { prediction, label, probability, probabilities: &[] }
    }

    fn of(rows: &[[f64; 3]], positive: Option<f64>) -> ScoreAccumulator {
        let (score, mut sums) = (score(positive), ScoreAccumulator::default());
        rows.iter().for_each(|values| sums.add(&score, row(*values)));
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
            assert_eq!(sums.of(metric, &score(Some(1.0))), expected, "{metric:?}");
        }
        let log_loss = -(0.9_f64.ln() + 0.4_f64.ln() + (1.0 - 0.6_f64).ln() + 0.6_f64.ln()) / 4.0;
        assert!((sums.of(ScoreMetric::LogLoss, &score(Some(1.0))) - log_loss).abs() < 1e-15);
        assert!((sums.of(ScoreMetric::Rmse, &score(None)) - 0.5_f64.sqrt()).abs() < 1e-15);
    }

    #[test]
    fn without_positive_classes_count_alike() {
        // Precision of 1, 2, 3: 1, 1/2, 0; recall: 1/2, 1, 0. Nothing is 3, it was only predicted.
        let sums = of(&[[1.0, 1.0, 0.0], [2.0, 1.0, 0.0], [2.0, 2.0, 0.0], [3.0, 1.0, 0.0]], None);
        assert!((sums.of(ScoreMetric::Precision, &score(None)) - 0.5).abs() < 1e-15);
        assert!((sums.of(ScoreMetric::Recall, &score(None)) - (1.0 / 3.0 + 1.0) / 3.0).abs() < 1e-15);
    }

    /// `precision_score`, `recall_score` and `f1_score` of y = 1 1 2 1 3, said = 1 2 2 3 3, and their confusion.
    #[test]
    fn labels_count_as_the_average_says() {
        let rows = [[1.0, 1.0, 0.0], [2.0, 1.0, 0.0], [2.0, 2.0, 0.0], [3.0, 1.0, 0.0], [3.0, 3.0, 0.0]];
        let sums = of(&rows, None);
        for (average, expected) in [
            (ScoreAverage::Micro, [0.6, 0.6, 0.6]),
            (ScoreAverage::Macro, [2.0 / 3.0, 7.0 / 9.0, 11.0 / 18.0]),
            (ScoreAverage::Weighted, [0.8, 0.6, 17.0 / 30.0]),
        ] {
            let score = Score { average, ..score(None) };
            let found = [ScoreMetric::Precision, ScoreMetric::Recall, ScoreMetric::F1].map(|m| sums.of(m, &score));
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-15, "{average:?}: {found}, not {expected}");
            }
        }
        let classes = [1.0, 2.0].map(|label| (label.to_string(), label)).to_vec();
        let confusion = Score { classes, metrics: vec![ScoreMetric::Confusion, ScoreMetric::Accuracy], ..score(None) };
        let columns: Vec<(String, f64)> = confusion.names().zip(confusion.values(&sums)).collect();
        let expected = [("1_1", 1.0), ("1_2", 1.0), ("2_1", 0.0), ("2_2", 1.0)];
        let mut expected = expected.map(|(pair, times)| (format!("y_confusion_{pair}"), times)).to_vec();
        expected.push(("y_accuracy".into(), 0.6));
        assert_eq!(columns, expected);
    }

    /// `log_loss([1, 2, 3], [[.7, .2, .1], [.1, .9, 0], [.5, .5, 0]])`; a gap among the probabilities leaves the row out.
    #[test]
    fn the_loss_of_several_classes_is_that_of_scikit_learn() {
        let classes = [1.0, 2.0, 3.0].map(|label| (label.to_string(), label)).to_vec();
        let score = Score { classes, probabilities: vec![score(None).label; 3], ..score(None) };
        let mut sums = ScoreAccumulator::default();
        for (label, probabilities) in
            [(1.0, [0.7, 0.2, 0.1]), (2.0, [0.1, 0.9, 0.0]), (3.0, [0.5, 0.5, 0.0]), (3.0, [0.5, 0.5, f64::NAN])]
        {
            sums.add(
                &score,
                ScoredRow { prediction: 1.0, label, probability: f64::NAN, probabilities: &probabilities },
            );
        }
        let expected = -(0.7_f64.ln() + 0.9_f64.ln() + f64::EPSILON.ln()) / 3.0;
        assert!((sums.of(ScoreMetric::LogLoss, &score) - expected).abs() < 1e-14);
    }

    #[test]
    fn there_is_no_figure_of_nothing() {
        for metric in ALL {
            assert!(of(&[[1.0, f64::NAN, 0.5]], Some(1.0)).of(metric, &score(Some(1.0))).is_nan(), "{metric:?}");
        }
        let one = of(&[[1.0, 1.0, 0.5]], Some(1.0));
        assert!(one.of(ScoreMetric::R2, &score(None)).is_nan() && one.of(ScoreMetric::RocAuc, &score(None)).is_nan());
        let constant =
            |prediction: f64| of(&[[0.1, 0.1, 0.5], [prediction, 0.1, 0.5]], None).of(ScoreMetric::R2, &score(None));
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
            let figures = |sums: &ScoreAccumulator| ALL.map(|metric| sums.of(metric, &score(Some(1.0))).to_bits());
            prop_assert_eq!(figures(&parts), figures(&of(&rows, Some(1.0))));
        }
    }
}
