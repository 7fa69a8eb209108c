//! Trees that add to a first guess: what gradient boosting computes, with or without histograms.

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
        Ok(BoostedTrees {
            trees,
            guesses: params.exactly("init", scores)?,
            rate: params.number("learning_rate")?,
            takes_missing: params.flag("takes_missing")?,
            takes_infinity: params.flag("takes_infinity")?,
            categories: read_categories(params)?,
        })
    }

    /// Which values it takes.
    pub fn accepted(&self) -> Accepted {
        let single = matches!(self.trees, Precision::Single(_));
        Accepted { missing: self.takes_missing, infinite: self.takes_infinity, single }
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
