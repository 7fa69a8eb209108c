//! Rows that go down trees side by side.

/// The nodes of trees, in which a row stands at one and goes on to the next.
pub(super) trait Walked {
    /// What of a row decides where it goes.
    type Row<'a>: Copy;

    /// The node behind `at`, a leaf being behind itself; and whether `at` is a leaf: one and the same bit, or 0.
    fn next(&self, at: u32, row: Self::Row<'_>) -> (u32, u32);

    /// The number of the leaf at a node that is one.
    fn leaf(&self, at: u32) -> u32;
}

/// So many go side by side: the machine waits for the nodes of all of them at once.
pub(super) const LANES: usize = 8;

/// Calls `found` with the numbers of a tree, a row, and the leaf where it ends. A row is told its trees in their order.
#[inline(always)]
pub(super) fn each_leaf<'a, N: Walked>(
    nodes: &N,
    roots: &[u32],
    rows: usize,
    row: impl Fn(usize) -> N::Row<'a>,
    mut found: impl FnMut(usize, usize, u32),
) {
    let grouped = rows - rows % LANES;
    for (tree, root) in roots.iter().enumerate() {
        for first in (0..grouped).step_by(LANES) {
            let leaves = walk(nodes, [*root; LANES], std::array::from_fn(|lane| row(first + lane)));
            leaves.into_iter().enumerate().for_each(|(lane, leaf)| found(tree, first + lane, leaf));
        }
    }
    // Rows that make no group go down several trees at once.
    let (groups, rest) = roots.as_chunks::<LANES>();
    for place in grouped..rows {
        let values = row(place);
        for (group, roots) in groups.iter().enumerate() {
            let leaves = walk(nodes, *roots, [values; LANES]);
            leaves.into_iter().enumerate().for_each(|(lane, leaf)| found(group * LANES + lane, place, leaf));
        }
        for (tree, root) in rest.iter().enumerate() {
            let [leaf] = walk(nodes, [*root], [values]);
            found(groups.len() * LANES + tree, place, leaf);
        }
    }
}

/// The leaves where rows end.
#[inline(always)]
fn walk<N: Walked, const COUNT: usize>(nodes: &N, mut at: [u32; COUNT], rows: [N::Row<'_>; COUNT]) -> [u32; COUNT] {
    loop {
        let mut all_ended = u32::MAX;
        for lane in 0..COUNT {
            let (next, ended) = nodes.next(at[lane], rows[lane]);
            at[lane] = next;
            all_ended &= ended;
        }
        if all_ended != 0 {
            for at in &mut at {
                *at = nodes.leaf(*at);
            }
            return at;
        }
    }
}
