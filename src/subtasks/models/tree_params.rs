//! The trees of a model, from its fitted params.

use super::Params;
use super::params::of_length;
use crate::kernels::compared::Compared;
use crate::kernels::trees::{Split, Trees};

/// Reads trees over all columns with so many values a leaf: `node_counts`, and for each node `left`, `right`, `feature`,
/// `threshold`, `missing_left`; `values` of the leaves.
pub(super) fn read_trees<T: Compared>(params: &Params<'_>, width: usize) -> Result<Trees<T>, String> {
    let counts = params.whole("node_counts")?;
    if counts.is_empty() {
        return Err("node_counts is empty: there is no tree".into());
    }
    let nodes: usize = counts.iter().map(|count| *count as usize).sum();
    let whole = |name: &str| {
        let numbers = params.whole(name)?;
        if numbers.len() == nodes { Ok(numbers) } else { Err(of_length(name, numbers.len(), nodes)) }
    };
    let (left, right, feature, missing) = (whole("left")?, whole("right")?, whole("feature")?, whole("missing_left")?);
    let threshold = params.numbers("threshold")?;
    if threshold.len() != nodes {
        return Err(of_length("threshold", threshold.len(), nodes));
    }
    let split = |place: usize| Split {
        left: left[place],
        right: right[place],
        feature: feature[place],
        threshold: threshold[place],
        missing_left: missing[place] != 0,
    };
    let splits: Vec<Split> = (0..nodes).map(split).collect();
    let mut rest = &splits[..];
    let mut trees = Vec::with_capacity(counts.len());
    for count in counts {
        let (tree, behind) = rest.split_at(count as usize);
        trees.push(tree);
        rest = behind;
    }
    Trees::new(&trees, params.finite("values")?, width, params.columns)
}
