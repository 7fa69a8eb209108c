//! How much is won when a node is split, as river has it.

use super::class_weights::ClassWeights;
use super::python_power::python_power;

/// How a split is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SplitCriterion {
    /// The information that is gained, in bits.
    InfoGain,
    /// 1 without Gini's impurity.
    Gini,
    /// The distance of Hellinger between two classes on two sides, the negative and the positive one.
    Hellinger(Option<(u32, u32)>),
}

impl SplitCriterion {
    /// The merit of a split; minus infinity if fewer than two sides have more than a share of the rows.
    pub fn merit(self, before: &ClassWeights, sides: &[ClassWeights], least_share: f64) -> f64 {
        let weights: Vec<f64> = sides.iter().map(ClassWeights::total).collect();
        let total = weights.iter().fold(0.0, |sum, weight| sum + weight);
        if weights.iter().filter(|weight| **weight / total > least_share).count() < 2 {
            return f64::NEG_INFINITY;
        }
        let sides = sides.iter().zip(weights);
        match self {
            SplitCriterion::InfoGain => {
                let after = sides.fold(0.0, |sum, (side, weight)| sum + weight * entropy(side)) / total;
                entropy(before) - after
            }
            SplitCriterion::Gini => {
                1.0 - sides.fold(0.0, |sum, (side, weight)| sum + weight / total * impurity(side, weight))
            }
            SplitCriterion::Hellinger(classes) => {
                let [left, right] = [0, 1].map(|side| sides.clone().nth(side).map(|(side, _)| side));
                hellinger(left, right, classes).unwrap_or(0.0)
            }
        }
    }

    /// How far merits can lie apart.
    pub fn range(self, before: &ClassWeights) -> f64 {
        match self {
            SplitCriterion::Gini => 1.0,
            _ => (before.count().max(2) as f64).log2(),
        }
    }
}

/// The entropy of a distribution, in bits.
fn entropy(weights: &ClassWeights) -> f64 {
    let (mut entropy, mut sum) = (0.0, 0.0);
    for (_, weight) in weights.iter().filter(|(_, weight)| *weight > 0.0) {
        entropy -= weight * weight.log2();
        sum += weight;
    }
    if sum > 0.0 { (entropy + sum * sum.log2()) / sum } else { 0.0 }
}

fn impurity(weights: &ClassWeights, total: f64) -> f64 {
    if total == 0.0 {
        return 1.0;
    }
    weights.iter().fold(1.0, |gini, (_, weight)| {
        let share = weight / total;
        gini - share * share
    })
}

/// `None` where a side lacks one of the two classes.
fn hellinger(left: Option<&ClassWeights>, right: Option<&ClassWeights>, classes: Option<(u32, u32)>) -> Option<f64> {
    let ((negative, positive), left, right) = (classes?, left?, right?);
    let [left_negative, right_negative] = [left.get(negative)?, right.get(negative)?];
    let [left_positive, right_positive] = [left.get(positive)?, right.get(positive)?];
    let (negatives, positives) = (left_negative + right_negative, left_positive + right_positive);
    let apart = |negative: f64, positive: f64| {
        let apart = (negative / negatives).sqrt() - (positive / positives).sqrt();
        python_power(apart, 2.0)
    };
    Some((apart(left_negative, left_positive) + apart(right_negative, right_positive)).sqrt())
}
