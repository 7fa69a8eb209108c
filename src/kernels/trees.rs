//! Decision trees in flat arrays, evaluated for several rows at a time.

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

/// What trees compare: values in double precision, or rounded to single as most trees of scikit-learn take them.
pub trait Compared: Copy + PartialOrd + Send + Sync + 'static {
    /// A value as it is compared.
    fn value(x: f64) -> Self;
    /// A threshold with which such values compare as with the one in double precision.
    fn threshold(x: f64) -> Self;
    /// More than any value.
    const MOST: Self;
}

impl Compared for f64 {
    const MOST: f64 = f64::INFINITY;

    fn value(x: f64) -> f64 {
        x
    }

    fn threshold(x: f64) -> f64 {
        x
    }
}

impl Compared for f32 {
    const MOST: f32 = f32::INFINITY;

    fn value(x: f64) -> f32 {
        x as f32
    }

    /// The greatest single that is no greater: a single is up to the one threshold if it is up to the other.
    fn threshold(x: f64) -> f32 {
        let nearest = x as f32;
        if f64::from(nearest) > x { nearest.next_down() } else { nearest }
    }
}

/// A node: a leaf leads to itself, whatever is compared.
#[derive(Clone, Copy)]
struct TreeNode<T> {
    threshold: T,
    /// The column, and in the highest bit whether a missing value goes to the left.
    feature: u32,
    /// The nodes to the left and to the right; in a leaf the second is the number of its values.
    children: [u32; 2],
}

const MISSING_LEFT: u32 = 1 << 31;

/// Trees, and the values of their leaves.
pub struct Trees<T> {
    nodes: Vec<TreeNode<T>>,
    /// Where each tree starts.
    roots: Vec<u32>,
    /// So many values a leaf.
    values: Vec<f64>,
    width: usize,
    features: usize,
}

/// Rows that go down a tree side by side: the machine waits for the nodes of all of them at once.
const LANES: usize = 8;

/// So many values of rows are prepared at a time: they stay in the L2 cache while all trees are asked.
const BLOCK_VALUES: usize = 1 << 14;

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
            let root = u32::try_from(nodes.len()).map_err(|_| "too many nodes")?;
            if tree.is_empty() {
                return Err(format!("tree {number} has no node"));
            }
            let count = tree.iter().filter(|split| split.left == 0).count();
            for (place, split) in tree.iter().enumerate() {
                let node = node(split, place, tree.len(), count, features);
                let mut node = node.map_err(|reason| format!("tree {number}, node {place}: {reason}"))?;
                if split.left == 0 {
                    node.children[0] = root + place as u32;
                    node.children[1] += u32::try_from(leaves).map_err(|_| "too many leaves")?;
                } else {
                    node.children = node.children.map(|child| child + root);
                }
                nodes.push(node);
            }
            roots.push(root);
            leaves += count;
        }
        if u32::try_from(nodes.len()).is_err() {
            return Err("too many nodes".into());
        }
        if leaves.checked_mul(width) != Some(values.len()) {
            return Err(format!("values has {} values for {leaves} leaves of {width}", values.len()));
        }
        Ok(Trees { nodes, roots, values, width, features })
    }

    /// How many trees there are.
    pub fn count(&self) -> usize {
        self.roots.len()
    }

    /// For each of `rows`, calls `add` with the number of each tree in turn, that of the row, and the values of its leaf.
    pub fn each_leaf(&self, columns: &[&[f64]], rows: usize, mut add: impl FnMut(usize, usize, &[f64])) {
        let block = (BLOCK_VALUES / self.features).max(LANES);
        let mut values: Vec<T> = Vec::new();
        let mut leaves = vec![0_u32; block.min(rows)];
        for start in (0..rows).step_by(block) {
            let count = block.min(rows - start);
            values.clear();
            for row in start..start + count {
                values.extend(columns.iter().map(|column| T::value(column[row])));
            }
            #[allow(clippy::eq_op, reason = "a value that does not equal itself is missing")]
            let any_missing = values.iter().fold(false, |any, x| any | (x != x));
            for (tree, root) in self.roots.iter().enumerate() {
                if any_missing {
                    self.find_leaves::<true>(*root, &values, &mut leaves[..count]);
                } else {
                    self.find_leaves::<false>(*root, &values, &mut leaves[..count]);
                }
                for (place, leaf) in leaves[..count].iter().enumerate() {
                    let at = self.width * *leaf as usize;
                    add(tree, start + place, &self.values[at..at + self.width]);
                }
            }
        }
    }

    /// The number of the leaf of each row; `values` holds row after row.
    fn find_leaves<const MISSING: bool>(&self, root: u32, values: &[T], leaves: &mut [u32]) {
        let width = self.features;
        let (groups, rest) = leaves.as_chunks_mut::<LANES>();
        let done = groups.len() * LANES;
        for (group, values) in groups.iter_mut().zip(values.chunks_exact(LANES * width)) {
            let mut at = [root; LANES];
            loop {
                let mut moved = false;
                for (at, row) in at.iter_mut().zip(values.chunks_exact(width)) {
                    let next = self.next::<MISSING>(*at, row);
                    moved |= next != *at;
                    *at = next;
                }
                if !moved {
                    break;
                }
            }
            *group = at.map(|at| self.nodes[at as usize].children[1]);
        }
        for (leaf, row) in rest.iter_mut().zip(values[done * width..].chunks_exact(width)) {
            let mut at = root;
            loop {
                let next = self.next::<MISSING>(at, row);
                if next == at {
                    break;
                }
                at = next;
            }
            *leaf = self.nodes[at as usize].children[1];
        }
    }

    /// The node that a row goes to; `MISSING` says whether a value may be missing.
    #[inline(always)]
    fn next<const MISSING: bool>(&self, at: u32, row: &[T]) -> u32 {
        let node = &self.nodes[at as usize];
        let x = row[(node.feature & !MISSING_LEFT) as usize];
        let mut left = x <= node.threshold;
        if MISSING {
            #[allow(clippy::eq_op, reason = "a value that does not equal itself is missing")]
            let missing = x != x;
            left |= missing & (node.feature & MISSING_LEFT != 0);
        }
        // An index, for a branch would be foretold wrongly every other time.
        node.children[usize::from(!left)]
    }
}

/// A node that leads to later ones of its tree, or a leaf that has values.
fn node<T: Compared>(
    split: &Split,
    place: usize,
    nodes: usize,
    leaves: usize,
    features: usize,
) -> Result<TreeNode<T>, String> {
    let Split { left, right, feature, threshold, missing_left } = *split;
    if left == 0 {
        if right as usize >= leaves {
            return Err(format!("leaf {right} of {leaves}"));
        }
        return Ok(TreeNode { threshold: T::MOST, feature: MISSING_LEFT, children: [left, right] });
    }
    if let Some(child) = [left, right].into_iter().find(|child| *child as usize <= place || *child as usize >= nodes) {
        return Err(format!("it leads to node {child} of {nodes}, which is not behind it"));
    }
    if feature as usize >= features || feature >= MISSING_LEFT {
        return Err(format!("column {feature} of {features}"));
    }
    if threshold.is_nan() {
        return Err("its threshold is no number".into());
    }
    let flag = if missing_left { MISSING_LEFT } else { 0 };
    Ok(TreeNode { threshold: T::threshold(threshold), feature: feature | flag, children: [left, right] })
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
        let mut found = vec![f64::NAN; rows];
        trees.each_leaf(columns, rows, |_, row, values| found[row] = values[0]);
        found
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
    fn more_rows_than_a_block_holds() {
        let tree = [split(1, 2, 2, 0.5, false), leaf(0), leaf(1)];
        let column: Vec<f64> = (0..50_000).map(|row| f64::from(row % 3)).collect();
        let found = leaves::<f32>(&tree, &[&column, &column, &column], column.len());
        assert!(found.iter().zip(&column).all(|(leaf, x)| *leaf == f64::from(u8::from(*x > 0.5))));
    }

    #[test]
    fn a_threshold_between_two_singles_splits_them_as_in_double_precision() {
        let below = 0.1_f64.next_down();
        for threshold in [0.1, below, f64::from(0.1_f32), f64::from(0.1_f32.next_down()), 1e300, -1e300] {
            for x in [0.1_f32, 0.1_f32.next_down(), 0.1_f32.next_up(), f32::MAX, f32::MIN, 0.0] {
                assert_eq!(x <= f32::threshold(threshold), f64::from(x) <= threshold, "{x} {threshold}");
            }
        }
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
