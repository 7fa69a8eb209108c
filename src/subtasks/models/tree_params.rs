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
    if let Some(place) = missing.iter().position(|flag| *flag > 1) {
        return Err(format!("missing_left[{place}] is {}, neither 0 nor 1", missing[place]));
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

/// As [`read_trees`]; of a model that is `one` tree, no other number of them.
///
/// # Errors
/// As [`read_trees`], or several trees of such a model.
pub(super) fn read_some<T: Compared>(params: &Params<'_>, width: usize, one: bool) -> Result<Trees<T>, String> {
    let trees = read_trees(params, width)?;
    match trees.count() {
        several @ 2.. if one => Err(format!("node_counts has {several} trees, and this model is one")),
        _ => Ok(trees),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::subtasks::Fit;
    use crate::subtasks::models::{IsolationForest, Regress, Served, TreeRegressor};
    use crate::subtasks::{Learned, Transform};
    use toml::de::ValueDeserializer;

    /// So many trees that are one leaf.
    fn leaves(count: usize) -> Value {
        let zeros = vec![0; count];
        json!({ "node_counts": vec![1; count], "left": zeros, "right": zeros, "feature": zeros, "threshold": zeros,
                "missing_left": zeros, "values": zeros, "takes_missing": true })
    }

    fn with(mut params: Value, field: &str, value: Value) -> Value {
        params[field] = value;
        params
    }

    fn refused<M: crate::subtasks::models::Model>(params: Value) -> Option<String> {
        let served: Served<M> = serde::Deserialize::deserialize(ValueDeserializer::parse("{}").unwrap()).unwrap();
        let learned: Learned = serde_json::from_value(params).unwrap();
        let frozen: Result<Transform, String> = served.freeze(&learned, 1);
        frozen.err()
    }

    #[test]
    fn what_no_fit_has_written_is_refused_with_its_field() {
        type One = Regress<TreeRegressor<true>>;
        type Forest = Regress<TreeRegressor<false>>;
        assert_eq!(refused::<One>(leaves(1)), None);
        assert_eq!(refused::<Forest>(leaves(5)), None);
        assert_eq!(refused::<One>(leaves(5)).unwrap(), "node_counts has 5 trees, and this model is one");
        let strange = refused::<Forest>(with(leaves(2), "missing_left", json!([0, 7])));
        assert_eq!(strange.unwrap(), "missing_left[1] is 7, neither 0 nor 1");
        let unknown = refused::<Forest>(with(leaves(1), "take_missing", json!(true)));
        assert_eq!(unknown.unwrap(), "take_missing is no field of this model: did you mean `takes_missing`?");
        let mut isolating = with(with(leaves(1), "usual_depths", json!(-1)), "offset_", json!(-0.5));
        isolating.as_object_mut().unwrap().remove("takes_missing");
        assert_eq!(refused::<IsolationForest>(isolating).unwrap(), "usual_depths is -1, below 0");
    }
}
