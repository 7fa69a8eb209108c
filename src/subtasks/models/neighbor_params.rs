//! The points of a model of neighbours, from its fitted params.

use super::{Features, Params};
use crate::kernels::neighbors::{Metric, Neighbor, Neighbors, by_distance};

/// The points, and how many of them are asked.
pub(super) struct NearestPoints {
    points: Neighbors,
    count: usize,
    by_distance: bool,
}

const METRICS: [(&str, Metric); 3] =
    [("euclidean", Metric::Euclidean), ("manhattan", Metric::Manhattan), ("chebyshev", Metric::Chebyshev)];

impl NearestPoints {
    /// Reads `points`, `metric`, `n_neighbors` and `weights`.
    pub fn read(params: &Params<'_>) -> Result<NearestPoints, String> {
        let points = params.flat_rows("points", params.columns)?;
        let points = Neighbors::new(points, params.columns, params.choice("metric", &METRICS)?);
        let count = params.count("n_neighbors")?;
        if !(1..=points.count()).contains(&count) {
            return Err(format!("n_neighbors is {count}, not from 1 to the {} points", points.count()));
        }
        let by_distance = params.choice("weights", &[("uniform", false), ("distance", true)])?;
        Ok(NearestPoints { points, count, by_distance })
    }

    /// How many points there are.
    pub fn count(&self) -> usize {
        self.points.count()
    }

    /// For each row calls `tell` with its number, its neighbours and what each counts for.
    pub fn each_row(&self, features: &Features<'_>, mut tell: impl FnMut(usize, &[Neighbor], &[f64])) {
        let (mut row, mut found, mut weights) = (Vec::new(), Vec::new(), vec![1.0; self.count]);
        for number in 0..features.rows {
            row.clear();
            row.extend(features.columns.iter().map(|column| column[number]));
            self.points.nearest(&row, self.count, &mut found);
            if self.by_distance {
                by_distance(&found, &mut weights);
            }
            tell(number, &found, &weights);
        }
    }
}
