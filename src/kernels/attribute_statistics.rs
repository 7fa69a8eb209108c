//! What the rows of a leaf have been in one column, class by class, and where they are split best.

use serde::{Deserialize, Serialize};

use super::class_weights::ClassWeights;
use super::error_function::normal_share;
use super::number_set;
use super::python_power::python_power;
use super::split_merit::SplitCriterion;

/// How a column is split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SplitTest {
    /// Values up to this one, and others.
    UpTo(f64),
    /// This value, and others.
    Is(f64),
    /// A side for each of these values.
    Which(Vec<f64>),
}

/// A split that may be made.
#[derive(Clone, Debug)]
pub struct FoundSplit {
    /// How good it is.
    pub merit: f64,
    /// What it asks, and the rows on each side; `None` if not to split is better.
    pub sides: Option<(SplitTest, Vec<ClassWeights>)>,
}

impl FoundSplit {
    /// Not to split.
    pub const NONE: FoundSplit = FoundSplit { merit: f64::NEG_INFINITY, sides: None };
}

/// How splits are looked for.
#[derive(Clone, Copy, Debug)]
pub struct SplitSearch {
    /// How they are judged.
    pub criterion: SplitCriterion,
    /// The share of rows that two sides must have.
    pub min_branch_fraction: f64,
    /// How many splits of numbers are looked at.
    pub n_splits: u32,
    /// Whether there may be only two sides.
    pub binary_split: bool,
}

/// The numbers of a class: a normal distribution by Welford's sums.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    class: u32,
    count: f64,
    mean: f64,
    squares: f64,
    least: f64,
    most: f64,
}

/// How many there were of each value.
type Counts = Vec<(f64, f64)>;

/// The values of a column at a leaf.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum AttributeStatistics {
    /// Numbers.
    Numbers(Vec<Spread>),
    /// Values that only have names, in the order in which they came; how many there were of each, class by class.
    Names(Vec<f64>, Vec<(u32, Counts)>),
}

impl Spread {
    fn update(&mut self, value: f64) {
        self.least = if value < self.least { value } else { self.least };
        self.most = if value > self.most { value } else { self.most };
        self.count += 1.0;
        let before = self.mean;
        self.mean += (1.0 / self.count) * (value - self.mean);
        self.squares += (value - before) * (value - self.mean);
    }

    fn variance(&self) -> f64 {
        if self.count > 1.0 { self.squares / (self.count - 1.0) } else { 0.0 }
    }

    fn log_density(&self, value: f64) -> Option<f64> {
        let variance = self.variance();
        let half_log_tau = 0.5 * std::f64::consts::TAU.ln();
        let square = python_power(value - self.mean, 2.0);
        (variance > 0.0).then(|| square / (-2.0 * variance) - half_log_tau - 0.5 * variance.ln())
    }

    /// The share of values up to one.
    fn share(&self, value: f64) -> f64 {
        let deviation = python_power(self.variance(), 0.5);
        if deviation == 0.0 { 0.0 } else { normal_share((value - self.mean) / deviation) }
    }
}

impl AttributeStatistics {
    /// Before the first row.
    pub fn new(nominal: bool) -> AttributeStatistics {
        if nominal {
            AttributeStatistics::Names(Vec::new(), Vec::new())
        } else {
            AttributeStatistics::Numbers(Vec::new())
        }
    }

    /// Whether its classes are some of so many.
    pub fn fits(&self, classes: usize) -> bool {
        let known = |class: u32| (class as usize) < classes;
        match self {
            AttributeStatistics::Numbers(spreads) => spreads.iter().all(|spread| known(spread.class)),
            AttributeStatistics::Names(_, counts) => counts.iter().all(|(class, _)| known(*class)),
        }
    }

    /// Counts a value of a row of a class.
    pub fn update(&mut self, value: f64, class: u32) {
        match self {
            AttributeStatistics::Numbers(spreads) => {
                let place = spreads.iter().position(|spread| spread.class == class).unwrap_or_else(|| {
                    let (least, most) = (value, value);
                    spreads.push(Spread { class, count: 0.0, mean: 0.0, squares: 0.0, least, most });
                    spreads.len() - 1
                });
                spreads[place].update(value);
            }
            AttributeStatistics::Names(values, classes) => {
                if !values.contains(&value) {
                    values.push(value);
                }
                let counts = of_class(classes, class);
                match counts.iter_mut().find(|(known, _)| *known == value) {
                    Some((_, count)) => *count += 1.0,
                    None => counts.push((value, 1.0)),
                }
            }
        }
    }

    /// The logarithm of how likely a value is in a class; `None` if that is unknown. A class that is asked for is known from
    /// then on.
    pub fn log_likelihood(&mut self, value: f64, class: u32) -> Option<f64> {
        match self {
            AttributeStatistics::Numbers(spreads) => {
                let spread = spreads.iter().find(|spread| spread.class == class)?;
                spread.log_density(value).filter(|log| *log > f64::NEG_INFINITY)
            }
            AttributeStatistics::Names(_, classes) => {
                let counts = of_class(classes, class);
                let (_, count) = counts.iter().find(|(known, _)| *known == value)?;
                Some((count / counts.iter().fold(0.0, |sum, (_, count)| sum + count)).ln())
            }
        }
    }

    /// The best split, the first of several.
    pub fn best_split(&self, before: &ClassWeights, search: &SplitSearch) -> FoundSplit {
        let split = |test: SplitTest, sides: Vec<ClassWeights>| FoundSplit {
            merit: search.criterion.merit(before, &sides, search.min_branch_fraction),
            sides: Some((test, sides)),
        };
        let better = |best: FoundSplit, next: FoundSplit| if next.merit > best.merit { next } else { best };
        match self {
            AttributeStatistics::Numbers(spreads) => {
                let thresholds = thresholds(spreads, search.n_splits);
                let splits = thresholds.map(|value| split(SplitTest::UpTo(value), below_and_above(spreads, value)));
                splits.fold(FoundSplit::NONE, better)
            }
            AttributeStatistics::Names(values, classes) => {
                let mut sorted = values.clone();
                sorted.sort_by(f64::total_cmp);
                let side = |value: &f64| with(classes, |known| known == *value);
                let each = || sorted.iter().map(|value| side(value).sorted()).collect();
                // Taken however bad it is, if there is no better one.
                let first = if search.binary_split {
                    FoundSplit::NONE
                } else {
                    split(SplitTest::Which(sorted.clone()), each())
                };
                let two = |value: f64| vec![side(&value), with(classes, |known| known != value)];
                let splits = number_set::order(values).into_iter().map(|value| split(SplitTest::Is(value), two(value)));
                splits.fold(first, better)
            }
        }
    }
}

/// The counts of a class, which is known from then on.
fn of_class(classes: &mut Vec<(u32, Counts)>, class: u32) -> &mut Counts {
    let place = classes.iter().position(|(known, _)| *known == class).unwrap_or_else(|| {
        classes.push((class, Vec::new()));
        classes.len() - 1
    });
    &mut classes[place].1
}

/// Values that part the range of a column evenly.
fn thresholds(spreads: &[Spread], n_splits: u32) -> impl Iterator<Item = f64> {
    let least =
        spreads.iter().fold(f64::INFINITY, |least, spread| if spread.least < least { spread.least } else { least });
    let most =
        spreads.iter().fold(f64::NEG_INFINITY, |most, spread| if spread.most > most { spread.most } else { most });
    let width = (most - least) / (f64::from(n_splits) + 1.0);
    (1..=n_splits)
        .map(move |place| least + width * f64::from(place))
        .filter(move |value| least < *value && *value < most)
}

/// The rows up to a value and the others, as the normal distributions of the classes have them.
fn below_and_above(spreads: &[Spread], value: f64) -> Vec<ClassWeights> {
    let (mut below, mut above) = (ClassWeights::default(), ClassWeights::default());
    for spread in spreads {
        if value < spread.least {
            above.add(spread.class, spread.count);
        } else if value >= spread.most {
            below.add(spread.class, spread.count);
        } else {
            let left = spread.share(value) * spread.count;
            below.add(spread.class, left);
            above.add(spread.class, spread.count - left);
        }
    }
    vec![below, above]
}

/// The rows whose value is one of some.
fn with(classes: &[(u32, Counts)], is_one: impl Fn(f64) -> bool) -> ClassWeights {
    let mut weights = ClassWeights::default();
    for (class, counts) in classes {
        counts.iter().filter(|(value, _)| is_one(*value)).for_each(|(_, count)| weights.add(*class, *count));
    }
    weights
}
