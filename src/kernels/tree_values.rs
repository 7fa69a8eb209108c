//! Trees whose nodes compare the values of a row.

use std::hint::select_unpredictable;

use super::compared::Compared;
use super::tree_walk::{self, LANES, Walked};

/// A node of a tree.
#[derive(Clone, Copy)]
pub(super) struct TreeNode<T> {
    /// A value up to it goes to the left.
    pub threshold: T,
    /// The column that is compared, [`LEAF`], and [`MISSING_LEFT`].
    pub feature: u32,
    /// The node to the left, behind which stands that to the right; in a leaf its number.
    pub child: u32,
}

/// Whether a missing value goes to the left.
pub(super) const MISSING_LEFT: u32 = 1 << 31;
/// Whether a node is a leaf.
pub(super) const LEAF: u32 = 1 << 30;
/// What of [`TreeNode::feature`] is the column.
pub(super) const FEATURE: u32 = LEAF - 1;

/// So many values of rows are prepared at a time: they stay in the L2 cache while all trees are asked.
const BLOCK_VALUES: usize = 1 << 14;

/// Calls `found` as [`tree_walk::each_leaf`].
pub(super) fn each_leaf<T: Compared>(
    nodes: &[TreeNode<T>],
    roots: &[u32],
    columns: &[&[f64]],
    rows: usize,
    mut found: impl FnMut(usize, usize, u32),
) {
    let width = columns.len();
    let block = (BLOCK_VALUES / width).max(LANES);
    let mut values: Vec<T> = Vec::new();
    for start in (0..rows).step_by(block) {
        let count = block.min(rows - start);
        values.clear();
        for row in start..start + count {
            values.extend(columns.iter().map(|column| T::value(column[row])));
        }
        let row = |place: usize| &values[place * width..(place + 1) * width];
        let found = |tree: usize, place: usize, leaf: u32| found(tree, start + place, leaf);
        if values.iter().fold(false, |any, x| any | x.is_missing()) {
            tree_walk::each_leaf(&Comparing::<T, true>(nodes), roots, count, row, found);
        } else {
            tree_walk::each_leaf(&Comparing::<T, false>(nodes), roots, count, row, found);
        }
    }
}

/// Nodes, and whether a value may be missing.
struct Comparing<'n, T, const MISSING: bool>(&'n [TreeNode<T>]);

impl<T: Compared, const MISSING: bool> Walked for Comparing<'_, T, MISSING> {
    type Row<'a> = &'a [T];

    #[inline(always)]
    fn next(&self, at: u32, row: &[T]) -> (u32, u32) {
        let node = &self.0[at as usize];
        let x = row[(node.feature & FEATURE) as usize];
        let mut left = x <= node.threshold;
        if MISSING {
            left |= x.is_missing() & (node.feature & MISSING_LEFT != 0);
        }
        let ended = node.feature & LEAF;
        // Without branches, which would be foretold wrongly every other time.
        let next = node.child.wrapping_add(u32::from(!left));
        (select_unpredictable(ended != 0, at, next), ended)
    }

    #[inline(always)]
    fn leaf(&self, at: u32) -> u32 {
        self.0[at as usize].child
    }
}
