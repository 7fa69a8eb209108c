//! Half-space trees as river has them: random splits of a box, and how many rows fell into each part of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::mersenne_twister::MersenneTwister;

/// The share of a side that no split comes near to.
const PADDING: f64 = 0.15;

/// The splits of a tree: node `i` has the children `2 i + 1` and `2 i + 2`.
struct Splits {
    /// Columns of the inner nodes.
    columns: Vec<usize>,
    thresholds: Vec<f64>,
}

/// Trees of one height over the same columns.
pub struct HalfSpaces {
    trees: Vec<Splits>,
    height: u32,
    /// Rows after which the masses that rows are scored by are those of the last ones.
    window: u32,
}

/// How many rows of the last whole window fell into each node, tree by tree; none before there was one.
pub type LastWindow = Option<Arc<Vec<u32>>>;

/// How many rows fell into each node.
#[derive(Clone, Serialize, Deserialize)]
pub struct Masses {
    /// Those that rows are scored by.
    pub last: LastWindow,
    /// Those since, tree by tree.
    current: Vec<u32>,
    /// Rows since.
    rows: u32,
}

impl HalfSpaces {
    /// The trees of a seed over columns with these limits.
    pub fn new(trees: usize, height: u32, window: u32, limits: &[(f64, f64)], seed: u64) -> HalfSpaces {
        let mut random = MersenneTwister::of_python(seed);
        let tree = |_| {
            let inner = (1 << height) - 1;
            let mut splits = Splits { columns: vec![0; inner], thresholds: vec![0.0; inner] };
            split(&mut splits, 0, &mut limits.to_vec(), &mut random);
            splits
        };
        HalfSpaces { trees: (0..trees).map(tree).collect(), height, window }
    }

    fn nodes(&self) -> usize {
        (2 << self.height) - 1
    }

    /// The masses before the first row.
    pub fn start(&self) -> Masses {
        Masses { last: None, current: vec![0; self.trees.len() * self.nodes()], rows: 0 }
    }

    /// Whether masses are those of such trees.
    pub fn fits(&self, masses: &Masses) -> bool {
        let count = self.trees.len() * self.nodes();
        let last = masses.last.as_ref().is_none_or(|last| last.len() == count);
        last && masses.current.len() == count && masses.rows < self.window
    }

    /// Counts a row: `learn_one`.
    pub fn learn(&self, masses: &mut Masses, value: impl Fn(usize) -> f64) {
        for (tree, splits) in self.trees.iter().enumerate() {
            let of_tree = &mut masses.current[tree * self.nodes()..][..self.nodes()];
            let mut node = 0;
            for _ in 0..self.height {
                of_tree[node] += 1;
                node = splits.child(node, &value);
            }
            of_tree[node] += 1;
        }
        masses.rows += 1;
        if masses.rows == self.window {
            let none = vec![0; masses.current.len()];
            masses.last = Some(Arc::new(std::mem::replace(&mut masses.current, none)));
            masses.rows = 0;
        }
    }

    /// The score of a row, the higher the more abnormal: `score_one`.
    pub fn score(&self, last: &LastWindow, value: impl Fn(usize) -> f64) -> f64 {
        let Some(last) = last else { return 0.0 };
        let least = 0.1 * f64::from(self.window);
        let mut score = 0.0;
        for (tree, splits) in self.trees.iter().enumerate() {
            let of_tree = &last[tree * self.nodes()..][..self.nodes()];
            let (mut node, mut depth, mut sum) = (0, 0, 0.0);
            loop {
                let mass = f64::from(of_tree[node]);
                sum += mass * f64::from(1_u32 << depth);
                if depth == self.height || mass < least {
                    break;
                }
                node = splits.child(node, &value);
                depth += 1;
            }
            score += sum;
        }
        let most = self.trees.len() as f64 * f64::from(self.window) * self.nodes() as f64;
        1.0 - score / most
    }
}

impl Splits {
    fn child(&self, node: usize, value: &impl Fn(usize) -> f64) -> usize {
        2 * node + if value(self.columns[node]) < self.thresholds[node] { 1 } else { 2 }
    }
}

/// Splits a node, and then the parts to the left and to the right of it.
fn split(splits: &mut Splits, node: usize, limits: &mut [(f64, f64)], random: &mut MersenneTwister) {
    if node >= splits.columns.len() {
        return;
    }
    let mut sum = 0.0;
    let sums: Vec<f64> = limits
        .iter()
        .map(|(low, high)| {
            sum += high - low;
            sum
        })
        .collect();
    let drawn = random.random_sample() * sum;
    // As `random.choices`: the last column takes what rounding leaves.
    let column = sums.partition_point(|sum| *sum <= drawn).min(limits.len() - 1);
    let (low, high) = limits[column];
    let (from, to) = (low + PADDING * (high - low), high - PADDING * (high - low));
    let threshold = from + (to - from) * random.random_sample();
    (splits.columns[node], splits.thresholds[node]) = (column, threshold);
    limits[column] = (low, threshold);
    split(splits, 2 * node + 1, limits, random);
    limits[column] = (threshold, high);
    split(splits, 2 * node + 2, limits, random);
    limits[column] = (low, high);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of river's documentation, in all digits: `learn_one`, then `score_one`.
    #[test]
    fn scores_are_those_of_river() {
        let rows = [0.5, 0.45, 0.43, 0.44, 0.445, 0.45, 0.0];
        let trees = HalfSpaces::new(5, 3, 3, &[(0.0, 1.0)], 42);
        let mut masses = trees.start();
        rows[..3].iter().for_each(|x| trees.learn(&mut masses, |_| *x));
        let scores = rows.map(|x| {
            trees.learn(&mut masses, |_| x);
            trees.score(&masses.last, |_| x)
        });
        let (a, b) = (0.10666666666666669, 0.07111111111111112);
        assert_eq!(scores, [a, b, a, a, a, b, 0.8533333333333333]);
    }

    /// `HalfSpaceTrees(n_trees=3, height=4, window_size=4, seed=7, limits={'a': (-1, 2), 'b': (0, 10)})`: `score_one`, then
    /// `learn_one`.
    #[test]
    fn wide_columns_are_split_more_often_as_river_does() {
        let rows = [
            [0.1, 3.0],
            [1.9, 9.0],
            [-0.5, 0.1],
            [0.3, 4.0],
            [0.2, 3.5],
            [1.0, 5.0],
            [5.0, -3.0],
            [0.0, 0.0],
            [0.1, 3.1],
        ];
        let trees = HalfSpaces::new(3, 4, 4, &[(-1.0, 2.0), (0.0, 10.0)], 7);
        let mut masses = trees.start();
        let scores = rows.map(|row| {
            let score = trees.score(&masses.last, |column| row[column]);
            trees.learn(&mut masses, |column| row[column]);
            score
        });
        let again = 0.8172043010752688;
        let expected = [0.0, 0.0, 0.0, 0.0, 0.6344086021505376, again, 0.9032258064516129, again, 0.6666666666666667];
        assert_eq!(scores, expected);
        assert!(trees.fits(&masses) && !trees.fits(&HalfSpaces::new(3, 3, 4, &[(0.0, 1.0)], 7).start()));
    }
}
