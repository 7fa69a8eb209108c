//! Decision trees in flat arrays, evaluated for several rows at a time.

use super::compared::Compared;
use super::tree_answers::AnswerTrees;
use super::tree_values::{self, FEATURE, LEAF, MISSING_LEFT, TreeNode};

/// A node of a tree as scikit-learn has it.
#[derive(Clone, Copy, Debug)]
pub struct Split {
    /// The node for values up to the threshold, later in the tree than this one; 0 in a leaf.
    pub left: u32,
    /// The node for greater values, later than this one; in a leaf the number of its values.
    pub right: u32,
    /// The column that is compared.
    pub feature: u32,
    /// What it is compared with.
    pub threshold: f64,
    /// Whether a missing value goes to the left.
    pub missing_left: bool,
}

/// Trees, and the values of their leaves.
pub struct Trees<T> {
    nodes: Nodes<T>,
    /// Where each tree starts.
    roots: Vec<u32>,
    /// So many values a leaf.
    values: Vec<f64>,
    width: usize,
}

/// How the nodes stand in memory: the one to the right always behind the one to the left.
enum Nodes<T> {
    Values(Vec<TreeNode<T>>),
    Answers(AnswerTrees<T>),
}

impl<T: Compared> Trees<T> {
    /// Trees over so many columns: the nodes of each, and `width` values a leaf, tree after tree.
    ///
    /// # Errors
    /// In words: a tree without a node, a node that leads nowhere or back, a column or a value that is not there.
    pub fn new(trees: &[&[Split]], values: Vec<f64>, width: usize, features: usize) -> Result<Trees<T>, String> {
        if features == 0 {
            return Err("there is no column to compare".into());
        }
        let (mut nodes, mut roots, mut leaves) = (Vec::new(), Vec::new(), 0_usize);
        for (number, tree) in trees.iter().enumerate() {
            if tree.is_empty() {
                return Err(format!("tree {number} has no node"));
            }
            let count = tree.iter().filter(|split| split.left == 0).count();
            check(tree, count, features).map_err(|(place, reason)| format!("tree {number}, node {place}: {reason}"))?;
            roots.push(u32::try_from(nodes.len()).map_err(|_| "too many nodes")?);
            append(&mut nodes, tree, u32::try_from(leaves).map_err(|_| "too many leaves")?);
            leaves += count;
        }
        if u32::try_from(nodes.len()).is_err() {
            return Err("too many nodes".into());
        }
        if leaves.checked_mul(width) != Some(values.len()) {
            return Err(format!("values has {} values for {leaves} leaves of {width}", values.len()));
        }
        let nodes = AnswerTrees::new(&nodes).map_or_else(|| Nodes::Values(nodes), Nodes::Answers);
        Ok(Trees { nodes, roots, values, width })
    }

    /// How many trees there are.
    pub fn count(&self) -> usize {
        self.roots.len()
    }

    /// The totals of each row, which begin as `first`: a column for each. `add` is told the number of each tree in turn
    /// and the values of the row's leaf, and adds to the row's totals.
    pub fn totals(
        &self,
        columns: &[&[f64]],
        rows: usize,
        first: &[f64],
        add: impl Fn(usize, &[f64], &mut [f64]),
    ) -> Vec<Vec<f64>> {
        let count = first.len();
        let sum = |totals: &mut [f64], tree: usize, place: usize, leaf: u32| {
            let at = self.width * leaf as usize;
            add(tree, &self.values[at..at + self.width], &mut totals[place * count..(place + 1) * count]);
        };
        match &self.nodes {
            Nodes::Values(nodes) => {
                let mut totals = first.repeat(rows);
                let found = |tree: usize, row: usize, leaf: u32| sum(&mut totals, tree, row, leaf);
                tree_values::each_leaf(nodes, &self.roots, columns, rows, found);
                (0..count).map(|total| totals.iter().skip(total).step_by(count).copied().collect()).collect()
            }
            Nodes::Answers(nodes) => {
                let asked = nodes.ask(columns, rows, self.count());
                let mut totals = first.repeat(asked.words.len());
                let found = |tree: usize, place: usize, leaf: u32| sum(&mut totals, tree, place, leaf);
                nodes.each_leaf(&self.roots, &asked, found);
                let of_row = |row: usize| asked.places.as_ref().map_or(row, |places| places[row] as usize);
                (0..count).map(|total| (0..rows).map(|row| totals[of_row(row) * count + total]).collect()).collect()
            }
        }
    }
}

/// Checks that nodes lead to later ones, and that leaves have values; else says which does not.
fn check(tree: &[Split], leaves: usize, features: usize) -> Result<(), (usize, String)> {
    for (place, split) in tree.iter().enumerate() {
        let refused = |reason: String| Err((place, reason));
        let Split { left, right, feature, threshold, .. } = *split;
        if left == 0 {
            if right as usize >= leaves {
                return refused(format!("leaf {right} of {leaves}"));
            }
            continue;
        }
        for child in [left, right] {
            if child as usize <= place || child as usize >= tree.len() {
                let reason = format!("it leads to node {child} of {}, which is not behind it", tree.len());
                return refused(reason);
            }
        }
        if feature as usize >= features || feature > FEATURE {
            return refused(format!("column {feature} of {features}"));
        }
        if threshold.is_nan() {
            return refused("its threshold is no number".into());
        }
    }
    Ok(())
}

/// Appends a tree whose leaves count from `first_leaf`: two children side by side, and what is below the left one next,
/// so that a row that goes down stays near. A node to which several lead has a copy for each; they share its children.
fn append<T: Compared>(nodes: &mut Vec<TreeNode<T>>, tree: &[Split], first_leaf: u32) {
    let unset = TreeNode { threshold: T::threshold(0.0), feature: LEAF, child: 0 };
    let mut children: Vec<Option<usize>> = vec![None; tree.len()];
    let mut open = vec![(0, nodes.len())];
    nodes.push(unset);
    while let Some((from, to)) = open.pop() {
        let Split { left, right, feature, threshold, missing_left } = tree[from];
        if left == 0 {
            nodes[to].child = first_leaf.wrapping_add(right);
            continue;
        }
        let child = *children[from].get_or_insert_with(|| {
            let child = nodes.len();
            nodes.extend([unset; 2]);
            open.extend([(right as usize, child + 1), (left as usize, child)]);
            child
        });
        let missing = if missing_left { MISSING_LEFT } else { 0 };
        nodes[to] = TreeNode { threshold: T::threshold(threshold), feature: feature | missing, child: child as u32 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(left: u32, right: u32, feature: u32, threshold: f64, missing_left: bool) -> Split {
        Split { left, right, feature, threshold, missing_left }
    }

    fn leaf(number: u32) -> Split {
        split(0, number, 0, -2.0, false)
    }

    fn leaves<T: Compared>(tree: &[Split], columns: &[&[f64]], rows: usize) -> Vec<f64> {
        let count = tree.iter().filter(|split| split.left == 0).count();
        let values = (0..count).map(|leaf| leaf as f64).collect();
        let trees = Trees::<T>::new(&[tree], values, 1, columns.len()).unwrap();
        trees.totals(columns, rows, &[f64::NAN], |_, leaf, total| total[0] = leaf[0]).remove(0)
    }

    /// Where a row ends, as the definition says it.
    fn leaf_of<T: Compared>(tree: &[Split], columns: &[&[f64]], row: usize) -> usize {
        let mut at = 0;
        while tree[at].left != 0 {
            let Split { left, right, feature, threshold, missing_left } = tree[at];
            let x = columns[feature as usize][row];
            let goes_left = if x.is_nan() { missing_left } else { T::value(x) <= T::threshold(threshold) };
            at = if goes_left { left } else { right } as usize;
        }
        tree[at].right as usize
    }

    /// A tree whose nodes split random leaves, with thresholds among so many.
    fn grown(splits: u32, thresholds: u64, features: u64, random: &mut impl FnMut(u64) -> u64) -> Vec<Split> {
        let mut tree = vec![leaf(0)];
        for _ in 0..splits {
            let count = tree.len() as u32;
            let leaves: Vec<usize> = (0..tree.len()).filter(|place| tree[*place].left == 0).collect();
            let place = leaves[random(leaves.len() as u64) as usize];
            let threshold = random(thresholds) as f64 / thresholds as f64;
            tree[place] = split(count, count + 1, random(features) as u32, threshold, random(2) == 0);
            tree.extend([leaf(0), leaf(0)]);
        }
        tree.iter_mut().filter(|split| split.left == 0).zip(0..).for_each(|(leaf, number)| leaf.right = number);
        tree
    }

    fn random_trees_are_walked_as_they_are_defined<T: Compared>() {
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for (case, rows) in [0, 1, 2, 7, 8, 9, 100, 1000].into_iter().cycle().take(96).enumerate() {
            // Few thresholds are asked in a word; of many trees rows that answer alike are found.
            let (thresholds, count) = ([4, 1000][case / 8 % 2], [1, 7, 8, 20][case / 16 % 4]);
            let trees: Vec<Vec<Split>> = (0..count).map(|_| grown(case as u32, thresholds, 3, &mut random)).collect();
            let gaps = case % 3 == 0;
            let columns: Vec<Vec<f64>> = (0..3)
                .map(|_| {
                    let x = |_| if gaps && random(4) == 0 { f64::NAN } else { random(9) as f64 / 8.0 };
                    (0..rows).map(x).collect()
                })
                .collect();
            let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
            let splits: Vec<&[Split]> = trees.iter().map(Vec::as_slice).collect();
            let leaves = count * (case + 1);
            let values = (0..2 * leaves).map(|_| random(1 << 30) as f64 / 3e7).collect::<Vec<f64>>();
            let served = Trees::<T>::new(&splits, values.clone(), 2, 3).unwrap();
            let found = served.totals(&columns, rows, &[0.5, 0.25], |tree, leaf, totals| {
                totals[0] += leaf[0];
                totals[1] = totals[1] * 0.5 + (tree as f64 + leaf[1]);
            });
            let expected: Vec<[f64; 2]> = (0..rows)
                .map(|row| {
                    let mut totals = [0.5, 0.25];
                    for (tree, splits) in trees.iter().enumerate() {
                        let at = 2 * (tree * (case + 1) + leaf_of::<T>(splits, &columns, row));
                        totals[0] += values[at];
                        totals[1] = totals[1] * 0.5 + (tree as f64 + values[at + 1]);
                    }
                    totals
                })
                .collect();
            let found: Vec<[f64; 2]> =
                found[0].iter().zip(&found[1]).map(|(first, second)| [*first, *second]).collect();
            assert_eq!(found, expected, "case {case}, {rows} rows");
        }
    }

    #[test]
    fn single_and_double_precision_walk_as_defined() {
        random_trees_are_walked_as_they_are_defined::<f32>();
        random_trees_are_walked_as_they_are_defined::<f64>();
    }

    #[test]
    fn rows_find_their_leaves_whether_in_groups_or_alone() {
        // x <= 1: (y <= 0: 0, else 1), else 2; missing x to the left, missing y to the right.
        let tree = [split(1, 4, 0, 1.0, true), split(2, 3, 1, 0.0, false), leaf(0), leaf(1), leaf(2)];
        let x = [0.0, 1.0, 2.0, f64::NAN, f64::INFINITY, 0.5, f64::NEG_INFINITY, 1.0, 1.5, 0.0];
        let y = [0.0, 0.5, 0.0, -1.0, 0.0, f64::NAN, -3.0, 0.0, 9.0, 7.0];
        let expected = [0.0, 1.0, 2.0, 0.0, 2.0, 1.0, 0.0, 0.0, 2.0, 1.0];
        for rows in [1, 7, 8, 9, 10] {
            assert_eq!(leaves::<f64>(&tree, &[&x[..rows], &y[..rows]], rows), expected[..rows]);
            assert_eq!(leaves::<f32>(&tree, &[&x[..rows], &y[..rows]], rows), expected[..rows]);
        }
    }

    #[test]
    fn nodes_to_which_several_lead_are_no_more_for_each_way() {
        // Both ways of each node lead to the next: 2^60 ways in 61 nodes.
        let mut tree: Vec<Split> =
            (0..60).map(|place| split(place + 1, place + 1, 0, f64::from(place), false)).collect();
        tree.push(leaf(0));
        assert_eq!(leaves::<f32>(&tree, &[&[3.0, 70.0]], 2), [0.0; 2]);
        // A category: 1 or 3 to the left.
        let tree = [
            split(1, 2, 0, 1.5, false),
            split(5, 4, 0, 0.5, false),
            split(5, 3, 0, 2.5, false),
            split(4, 5, 0, 3.5, false),
            leaf(0),
            leaf(1),
        ];
        assert_eq!(leaves::<f64>(&tree, &[&[0.0, 1.0, 2.0, 3.0, 4.0]], 5), [1.0, 0.0, 1.0, 0.0, 1.0]);
    }

    #[test]
    fn more_rows_than_a_block_holds() {
        let tree = [split(1, 2, 2, 0.5, false), leaf(0), leaf(1)];
        let column: Vec<f64> = (0..50_000).map(|row| f64::from(row % 3)).collect();
        let found = leaves::<f32>(&tree, &[&column, &column, &column], column.len());
        assert!(found.iter().zip(&column).all(|(leaf, x)| *leaf == f64::from(u8::from(*x > 0.5))));
    }

    #[test]
    fn trees_that_lead_nowhere_are_refused() {
        let refused = |tree: &[Split], values: usize| {
            Trees::<f32>::new(&[tree], vec![0.0; values], 1, 2).err().expect("it is refused")
        };
        assert!(refused(&[], 0).contains("no node"));
        assert!(refused(&[split(1, 2, 0, 0.0, false), leaf(0)], 1).contains("node 2 of 2"));
        assert!(refused(&[split(1, 1, 0, 0.0, false), split(1, 2, 0, 0.0, false), leaf(0)], 1).contains("node 1"));
        assert!(refused(&[split(1, 2, 2, 0.0, false), leaf(0), leaf(1)], 2).contains("column 2 of 2"));
        assert!(refused(&[split(1, 2, 0, f64::NAN, false), leaf(0), leaf(1)], 2).contains("threshold"));
        assert!(refused(&[leaf(1)], 1).contains("leaf 1 of 1"));
        assert!(refused(&[leaf(0)], 2).contains("2 values for 1 leaves"));
        let without_columns = Trees::<f32>::new(&[&[leaf(0)]], vec![0.0], 1, 0);
        assert!(without_columns.err().unwrap().contains("no column"));
    }
}
