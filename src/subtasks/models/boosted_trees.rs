//! Trees that add to a first guess: what gradient boosting computes, with or without histograms.

use std::collections::HashSet;

use super::params::of_length;
use super::tree_params::read_trees;
use super::{Accepted, Features, Params};
use crate::kernels::trees::Trees;

/// A guess for each score, and trees that add to the scores in turn.
pub(super) struct BoostedTrees {
    trees: Precision,
    guesses: Vec<f64>,
    rate: f64,
    takes_missing: bool,
    takes_infinity: bool,
    /// The columns that hold categories, with the values of these in order: their places are what trees compare.
    categories: Vec<(usize, Vec<f64>)>,
    /// These columns.
    finite: Vec<usize>,
}

/// How values are compared.
enum Precision {
    Single(Trees<f32>),
    Double(Trees<f64>),
}

impl BoostedTrees {
    /// Reads trees that make so many scores.
    pub fn read(params: &Params<'_>, scores: usize) -> Result<BoostedTrees, String> {
        let trees = if params.choice("precision", &[("single", true), ("double", false)])? {
            Precision::Single(read_trees(params, 1)?)
        } else {
            Precision::Double(read_trees(params, 1)?)
        };
        let count = match &trees {
            Precision::Single(trees) => trees.count(),
            Precision::Double(trees) => trees.count(),
        };
        if !count.is_multiple_of(scores) {
            return Err(format!("node_counts has {count} trees, which are no rounds of {scores}"));
        }
        let categories = read_categories(params)?;
        Ok(BoostedTrees {
            finite: categories.iter().map(|(column, _)| *column).collect(),
            categories,
            trees,
            guesses: params.exactly("init", scores)?,
            rate: params.number("learning_rate")?,
            takes_missing: params.flag("takes_missing")?,
            takes_infinity: params.flag("takes_infinity")?,
        })
    }

    /// Which values it takes.
    pub fn accepted(&self) -> Accepted<'_> {
        let single = matches!(self.trees, Precision::Single(_));
        Accepted { missing: self.takes_missing, infinite: self.takes_infinity, single, finite: &self.finite }
    }

    /// The scores of rows, a column each.
    pub fn scores(&self, features: &Features<'_>) -> Vec<Vec<f64>> {
        let add = |tree: usize, leaf: &[f64], scores: &mut [f64]| {
            // A division would cost as much as the rest.
            let place = if scores.len() == 1 { 0 } else { tree % scores.len() };
            scores[place] += self.rate * leaf[0];
        };
        let encoded: Vec<Vec<f64>> =
            self.categories.iter().map(|(column, known)| places(features.columns[*column], known)).collect();
        let mut columns = features.columns.clone();
        self.categories.iter().zip(&encoded).for_each(|((column, _), encoded)| columns[*column] = encoded);
        match &self.trees {
            Precision::Single(trees) => trees.totals(&columns, features.rows, &self.guesses, add),
            Precision::Double(trees) => trees.totals(&columns, features.rows, &self.guesses, add),
        }
    }
}

/// `category_features`, how many categories each has, and the categories one behind the other; none if not given.
fn read_categories(params: &Params<'_>) -> Result<Vec<(usize, Vec<f64>)>, String> {
    if !params.has("category_features") {
        return Ok(Vec::new());
    }
    let (columns, counts) = (params.whole("category_features")?, params.whole("category_counts")?);
    if columns.len() != counts.len() {
        return Err(of_length("category_counts", counts.len(), columns.len()));
    }
    if let Some(column) = columns.iter().find(|column| **column as usize >= params.columns) {
        return Err(format!("category_features names column {column} of {}", params.columns));
    }
    let mut named = HashSet::new();
    if let Some(column) = columns.iter().find(|column| !named.insert(**column)) {
        return Err(format!("category_features names column {column} twice"));
    }
    if let Some(place) = counts.iter().position(|count| *count == 0) {
        return Err(format!("category_counts[{place}] is 0: a column of categories has some"));
    }
    let values = params.exactly("category_values", counts.iter().map(|count| *count as usize).sum())?;
    let mut rest = &values[..];
    let of_column = |(column, count): (u32, u32)| {
        let (own, behind) = rest.split_at(count as usize);
        rest = behind;
        (column as usize, own.to_vec())
    };
    Ok(columns.into_iter().zip(counts).map(of_column).collect())
}

/// The place of each value among the categories; missing for others.
fn places(values: &[f64], categories: &[f64]) -> Vec<f64> {
    let place = |x: &f64| categories.iter().position(|category| category == x).map_or(f64::NAN, |place| place as f64);
    values.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::data::Message;
    use crate::subtasks::{Learned, Scope};

    fn read(category_features: &[u32], category_counts: &[u32]) -> Result<BoostedTrees, String> {
        let params = json!({ "precision": "double", "node_counts": [1], "left": [0], "right": [0], "feature": [0],
            "threshold": [0], "missing_left": [0], "values": [1], "init": [0], "learning_rate": 1, "takes_missing": true,
            "takes_infinity": true, "category_features": category_features, "category_counts": category_counts,
            "category_values": vec![3.0; category_counts.iter().sum::<u32>() as usize] });
        let learned: Learned = serde_json::from_value(params).unwrap();
        BoostedTrees::read(&Params::new(&learned, 2), 1)
    }

    #[test]
    fn nothing_infinite_is_a_category() {
        let trees = read(&[1], &[2]).unwrap();
        let check = |row: [f64; 2]| {
            let message = Message::from_columns(&row.map(|x| vec![x]));
            trees.accepted().check(&message, &Scope::numbers(2)).map_err(|fault| fault.to_string())
        };
        assert_eq!((check([f64::INFINITY, f64::NAN]), check([f64::NAN, -7.0])), (Ok(()), Ok(())));
        assert!(check([0.0, f64::NEG_INFINITY]).unwrap_err().contains("Column column 1"));
    }

    #[test]
    fn columns_of_categories_are_named_once_and_have_some() {
        let reason = |features: &[u32], counts: &[u32]| read(features, counts).err().unwrap_or_default();
        assert_eq!(reason(&[0, 0], &[1, 1]), "category_features names column 0 twice");
        assert_eq!(reason(&[0, 1], &[1, 0]), "category_counts[1] is 0: a column of categories has some");
        assert!(reason(&[2], &[1]).contains("column 2 of 2"));
    }
}
