//! A decision tree that grows row by row, as river's `HoeffdingTreeClassifier` does, but for the bound of its memory.
//!
//! G. Hulten, L. Spencer and P. Domingos, Mining time-changing data streams, 2001.

use serde::{Deserialize, Serialize};

use super::attribute_statistics::{AttributeStatistics, FoundSplit, SplitSearch, SplitTest};
use super::class_weights::ClassWeights;

/// How a leaf predicts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LeafPrediction {
    /// The class of most of its rows.
    Majority,
    /// Naive Bayes, from so many rows on.
    Bayes(f64),
    /// The one of both that has been right more often.
    Adaptive,
}

/// How a tree grows.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// How many rows a leaf sees between two looks for a split.
    pub grace_period: f64,
    /// Leaves at this depth are not split.
    pub max_depth: u32,
    /// How likely a split may be that is not the best.
    pub delta: f64,
    /// Where the bound is below it, the best split is made however near the second is.
    pub tau: f64,
    /// How a leaf predicts.
    pub leaf: LeafPrediction,
    /// How splits are looked for.
    pub search: SplitSearch,
    /// A leaf of which a larger share is of one class is not split.
    pub max_share_to_split: f64,
    /// Whether columns are forgotten that are much worse than the best.
    pub remove_poor_attrs: bool,
    /// Whether not to split is one of the choices.
    pub merit_preprune: bool,
}

/// A tree and what its leaves have seen; a missing value is one that the row does not have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HoeffdingTree {
    /// The root first; none before the first row.
    nodes: Vec<Node>,
    /// Of each column, whether its numbers only are names.
    nominal: Vec<bool>,
    /// Of each class, whether it has come.
    seen: Vec<bool>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Node {
    Leaf(Leaf),
    Branch(InnerNode),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Leaf {
    weights: ClassWeights,
    depth: u32,
    /// What it knows of columns, in the order in which they came; `None` of a leaf that is not split any more.
    columns: Option<Vec<(u32, AttributeStatistics)>>,
    /// Columns that were forgotten.
    poor: Vec<u32>,
    /// Its weight when a split was last looked for.
    last_attempt: f64,
    /// How often the majority was right.
    majority_right: f64,
    /// How often naive Bayes was right.
    bayes_right: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct InnerNode {
    column: u32,
    test: SplitTest,
    depth: u32,
    /// The numbers of its nodes.
    children: Vec<u32>,
}

impl InnerNode {
    /// The place of the child that a row belongs to; `None` if the value is missing, or none of those known.
    fn side(&self, row: &[f64]) -> Option<usize> {
        let value = row[self.column as usize];
        if value.is_nan() {
            return None;
        }
        match &self.test {
            SplitTest::UpTo(threshold) => Some(usize::from(value > *threshold)),
            SplitTest::Is(name) => Some(usize::from(value != *name)),
            SplitTest::Which(names) => names.iter().position(|name| *name == value),
        }
    }
}

impl Leaf {
    fn new(weights: ClassWeights, depth: u32) -> Leaf {
        let last_attempt = weights.total();
        let (columns, poor) = (Some(Vec::new()), Vec::new());
        Leaf { weights, depth, columns, poor, last_attempt, majority_right: 0.0, bayes_right: 0.0 }
    }

    /// The probabilities of naive Bayes; none if it has seen no row.
    fn bayes(&mut self, row: &[f64]) -> ClassWeights {
        let total = self.weights.total();
        if total == 0.0 {
            return ClassWeights::default();
        }
        let columns = self.columns.as_mut();
        let mut present: Vec<(f64, &mut AttributeStatistics)> = columns
            .into_iter()
            .flatten()
            .map(|(column, statistics)| (row[*column as usize], statistics))
            .filter(|(value, _)| !value.is_nan())
            .collect();
        let logarithm = |(class, weight): (u32, f64)| {
            if weight <= 0.0 {
                return (class, 0.0);
            }
            let likelihood =
                present.iter_mut().filter_map(|(value, statistics)| statistics.log_likelihood(*value, class));
            (class, likelihood.fold((weight / total).ln(), |sum, log| sum + log))
        };
        ClassWeights::of_logarithms(self.weights.iter().map(logarithm).collect())
    }

    fn predict(&mut self, row: &[f64], leaf: LeafPrediction) -> ClassWeights {
        let bayes = self.columns.is_some()
            && match leaf {
                LeafPrediction::Majority => false,
                LeafPrediction::Bayes(least) => self.weights.total() >= least,
                LeafPrediction::Adaptive => self.bayes_right >= self.majority_right,
            };
        if bayes { self.bayes(row) } else { self.weights.shares() }
    }

    fn learn(&mut self, row: &[f64], class: u32, nominal: &[bool], leaf: LeafPrediction) {
        if leaf == LeafPrediction::Adaptive && self.columns.is_some() {
            let majority = self.weights.shares().likeliest();
            self.majority_right += f64::from(u8::from(majority.is_none_or(|majority| majority == class)));
            let bayes = self.bayes(row).likeliest();
            self.bayes_right += f64::from(u8::from(bayes == Some(class)));
        }
        self.weights.add(class, 1.0);
        let Some(columns) = &mut self.columns else { return };
        for (column, value) in (0..).zip(row) {
            if value.is_nan() || self.poor.contains(&column) {
                continue;
            }
            let place = columns.iter().position(|(known, _)| *known == column).unwrap_or_else(|| {
                columns.push((column, AttributeStatistics::new(nominal[column as usize])));
                columns.len() - 1
            });
            columns[place].1.update(*value, class);
        }
    }

    /// The splits that it may have with their columns, the best last.
    fn splits(&self, growth: &Growth) -> Vec<(Option<u32>, FoundSplit)> {
        let largest = self.weights.largest();
        if largest != 0.0 && largest / self.weights.total() > growth.max_share_to_split {
            return vec![(None, FoundSplit::NONE)];
        }
        let mut splits: Vec<_> = growth.merit_preprune.then_some((None, FoundSplit::NONE)).into_iter().collect();
        splits.extend(self.columns.iter().flatten().map(|(column, statistics)| {
            let split = statistics.best_split(&self.weights, &growth.search);
            (split.sides.is_some().then_some(*column), split)
        }));
        // Added to 0, both zeros are one.
        splits.sort_by(|(_, one), (_, other)| (0.0 + one.merit).total_cmp(&(0.0 + other.merit)));
        splits
    }

    /// The split to be made now; a split of no column if it is best not to.
    fn decide(&mut self, growth: &Growth) -> Option<(Option<u32>, FoundSplit)> {
        let mut splits = self.splits(growth);
        let (best, others) = splits.split_last()?;
        if let Some((_, second)) = others.last() {
            let range = growth.search.criterion.range(&self.weights);
            let bound = (range * range * (1.0 / growth.delta).ln() / (2.0 * self.weights.total())).sqrt();
            let is_best = best.1.merit - second.merit > bound || bound < growth.tau;
            if growth.remove_poor_attrs && growth.leaf == LeafPrediction::Majority {
                let poor = splits.iter().filter(|(_, split)| best.1.merit - split.merit > bound);
                let poor: Vec<u32> = poor.filter_map(|(column, _)| *column).collect();
                self.columns.iter_mut().for_each(|columns| columns.retain(|(column, _)| !poor.contains(column)));
                self.poor.extend(poor);
            }
            if !is_best {
                return None;
            }
        }
        splits.pop()
    }
}

impl HoeffdingTree {
    /// Before the first row.
    pub fn new(nominal: Vec<bool>, classes: usize) -> HoeffdingTree {
        HoeffdingTree { nodes: Vec::new(), nominal, seen: vec![false; classes] }
    }

    /// Whether it is one over such columns with so many classes, and whole.
    pub fn fits(&self, nominal: &[bool], classes: usize) -> bool {
        let (columns, nodes) = (nominal.len() as u32, self.nodes.len());
        let known = |weights: &ClassWeights| weights.iter().all(|(class, _)| (class as usize) < classes);
        // A node stands behind its parent, so that no walk is without an end.
        let whole = self.nodes.iter().enumerate().all(|(place, node)| match node {
            Node::Leaf(leaf) => {
                let mut named = leaf.columns.iter().flatten();
                known(&leaf.weights) && named.all(|(column, statistics)| *column < columns && statistics.fits(classes))
            }
            Node::Branch(InnerNode { column, children, test, .. }) => {
                let sides = if let SplitTest::Which(names) = test { names.len() } else { 2 };
                let behind = |child: &u32| *child as usize > place && (*child as usize) < nodes;
                *column < columns && children.len() == sides && sides > 0 && children.iter().all(behind)
            }
        });
        self.nominal == nominal && self.seen.len() == classes && whole
    }

    /// The likeliest class of those that have come, and a probability a class; `None` before the first row. A leaf notes which
    /// classes it was asked about.
    pub fn predict(&mut self, row: &[f64], growth: &Growth) -> Option<(usize, Vec<f64>)> {
        let mut place = 0;
        let leaf = loop {
            match self.nodes.get(place)? {
                Node::Leaf(_) => break place,
                Node::Branch(branch) => {
                    let side = branch.side(row).unwrap_or_else(|| self.most_common(branch));
                    place = branch.children[side] as usize;
                }
            }
        };
        let mut probabilities = vec![0.0; self.seen.len()];
        if let Node::Leaf(leaf) = &mut self.nodes[leaf] {
            leaf.predict(row, growth.leaf).iter().for_each(|(class, share)| probabilities[class as usize] = share);
        }
        let mut classes = (0..self.seen.len()).filter(|class| self.seen[*class]);
        let first = classes.next()?;
        let likeliest =
            classes.fold(first, |best, class| if probabilities[class] > probabilities[best] { class } else { best });
        Some((likeliest, probabilities))
    }

    /// Learns from a row of a class.
    pub fn learn(&mut self, row: &[f64], class: u32, growth: &Growth) {
        self.seen[class as usize] = true;
        if self.nodes.is_empty() {
            self.nodes.push(Node::Leaf(Leaf::new(ClassWeights::default(), 0)));
        }
        let mut place = self.walk(0, row);
        let reached = matches!(self.nodes[place], Node::Leaf(_));
        while let Node::Branch(branch) = &self.nodes[place] {
            let value = row[branch.column as usize];
            if matches!(branch.test, SplitTest::Which(_)) && !value.is_nan() {
                place = self.add_side(place, value);
            } else {
                place = self.walk(branch.children[self.most_common(branch)] as usize, row);
            }
        }
        let HoeffdingTree { nodes, nominal, .. } = self;
        let Node::Leaf(leaf) = &mut nodes[place] else { return };
        leaf.learn(row, class, nominal, growth.leaf);
        // A leaf that was not reached by the splits alone waits for a row that does.
        if !reached || leaf.columns.is_none() {
            return;
        }
        if leaf.depth >= growth.max_depth {
            leaf.columns = None;
            return;
        }
        let weight = leaf.weights.total();
        if weight - leaf.last_attempt >= growth.grace_period {
            leaf.last_attempt = weight;
            self.try_to_split(place, growth);
        }
    }

    /// Goes down from a node as far as the splits know where.
    fn walk(&self, from: usize, row: &[f64]) -> usize {
        let mut place = from;
        while let Node::Branch(branch) = &self.nodes[place]
            && let Some(side) = branch.side(row)
        {
            place = branch.children[side] as usize;
        }
        place
    }

    /// The side of most rows, the first of several.
    fn most_common(&self, branch: &InnerNode) -> usize {
        let weights = branch.children.iter().map(|child| self.weight(*child as usize)).enumerate();
        weights.reduce(|most, next| if next.1 > most.1 { next } else { most }).map_or(0, |(side, _)| side)
    }

    /// The rows below a node.
    fn weight(&self, place: usize) -> f64 {
        match &self.nodes[place] {
            Node::Leaf(leaf) => leaf.weights.total(),
            Node::Branch(branch) => branch.children.iter().fold(0.0, |sum, child| sum + self.weight(*child as usize)),
        }
    }

    /// A new leaf for a name that a branch does not know.
    fn add_side(&mut self, place: usize, name: f64) -> usize {
        let new = self.nodes.len();
        let Node::Branch(InnerNode { test: SplitTest::Which(names), depth, children, .. }) = &mut self.nodes[place]
        else {
            return place;
        };
        names.push(name);
        children.push(new as u32);
        let leaf = Leaf::new(ClassWeights::default(), *depth + 1);
        self.nodes.push(Node::Leaf(leaf));
        new
    }

    fn try_to_split(&mut self, place: usize, growth: &Growth) {
        let count = self.nodes.len() as u32;
        let Node::Leaf(leaf) = &mut self.nodes[place] else { return };
        if leaf.weights.is_pure() {
            return;
        }
        match leaf.decide(growth) {
            Some((Some(column), FoundSplit { sides: Some((test, sides)), .. })) => {
                let depth = leaf.depth;
                let children = (count..).take(sides.len()).collect();
                self.nodes[place] = Node::Branch(InnerNode { column, test, depth, children });
                self.nodes.extend(sides.into_iter().map(|weights| Node::Leaf(Leaf::new(weights, depth + 1))));
            }
            // river closes the leaf, and opens it again when it looks at its memory: what it knew of columns is lost.
            Some(_) => leaf.columns = Some(Vec::new()),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::split_merit::SplitCriterion;

    fn growth(criterion: SplitCriterion, leaf: LeafPrediction, binary_split: bool) -> Growth {
        Growth {
            grace_period: 10.0,
            max_depth: 980,
            delta: 0.5,
            tau: 0.3,
            leaf,
            search: SplitSearch { criterion, min_branch_fraction: 0.01, n_splits: 10, binary_split },
            max_share_to_split: 0.99,
            remove_poor_attrs: false,
            merit_preprune: true,
        }
    }

    /// `HoeffdingTreeClassifier(grace_period=10, delta=0.5, tau=0.3, nominal_attributes=['b'], ..)`: `predict_proba_one`, then
    /// `learn_one` of 150 rows, of which some lack a number or a name.
    #[test]
    fn probabilities_are_those_of_river() {
        for (criterion, leaf, binary, expected) in [
            (
                SplitCriterion::InfoGain,
                LeafPrediction::Adaptive,
                false,
                [0.9603379021789704, 0.10760209754193639, 1.0, 0.0, 0.0],
            ),
            (
                SplitCriterion::Gini,
                LeafPrediction::Bayes(0.0),
                true,
                [0.5608991403891738, 1.0, 0.8, 0.11763324844269268, 0.0],
            ),
            (
                SplitCriterion::Hellinger(Some((0, 1))),
                LeafPrediction::Majority,
                false,
                [0.7652876447081487, 0.532305446218433, 0.5876721024845457, 0.6236642883027408, 0.06783833596325083],
            ),
        ] {
            let (growth, mut tree) = (growth(criterion, leaf, binary), HoeffdingTree::new(vec![false, true], 2));
            let mut found = Vec::new();
            for row in 0..150_u32 {
                let (number, name) = (f64::from(row * 37 % 100) / 100.0, f64::from(row % 3));
                let values =
                    [if row % 7 == 3 { f64::NAN } else { number }, if row % 11 == 5 { f64::NAN } else { name }];
                let said = tree.predict(&values, &growth);
                assert_eq!(said.is_none(), row == 0);
                if [29, 60, 94, 120, 149].contains(&row) {
                    found.extend(said.map(|(_, of_each)| of_each[1]));
                }
                tree.learn(&values, u32::from((number > 0.5) != (row % 3 == 1)), &growth);
                assert!(
                    tree.fits(&[false, true], 2) && !tree.fits(&[false, false], 2) && !tree.fits(&[false, true], 1)
                );
            }
            assert!(tree.nodes.len() > 10, "it has grown");
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() <= 1e-14, "{criterion:?}: {found}, not {expected}");
            }
        }
    }

    /// A node that is its own child would be walked for ever.
    #[test]
    fn a_tree_in_a_circle_does_not_fit() {
        let branch = InnerNode { column: 0, test: SplitTest::UpTo(0.0), depth: 0, children: vec![0, 1] };
        let leaf = Leaf::new(ClassWeights::default(), 1);
        let tree = |nodes| HoeffdingTree { nodes, nominal: vec![false], seen: vec![false; 2] };
        assert!(!tree(vec![Node::Branch(branch.clone()), Node::Leaf(leaf.clone())]).fits(&[false], 2));
        let right = InnerNode { children: vec![1, 2], ..branch };
        let nodes = vec![Node::Branch(right), Node::Leaf(leaf.clone()), Node::Leaf(leaf)];
        assert!(tree(nodes).fits(&[false], 2));
    }
}
