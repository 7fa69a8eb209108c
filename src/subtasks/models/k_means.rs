//! Clusters by the nearest of several centres.

use super::{Features, Model, ModelOutput, OutputValues, Params};
use crate::data::Kind;
use crate::kernels::distances::Points;

/// The centres of clusters.
pub struct KMeans(pub(super) Points);

impl Model for KMeans {
    const SUMMARY: &'static str = "Finds the nearest of several centres.";
    const OUTPUTS: &'static [ModelOutput] = &[ModelOutput::Cluster, ModelOutput::Distance];

    fn read(params: &Params<'_>) -> Result<KMeans, String> {
        params.rows("cluster_centers_", params.columns).map(|centers| KMeans(Points::new(centers)))
    }

    fn columns(&self, output: ModelOutput) -> Result<Vec<(String, Kind)>, String> {
        Ok(match output {
            ModelOutput::Distance => output.of_each(0..self.0.count()),
            _ => vec![output.number()],
        })
    }

    fn evaluate(&self, features: &Features<'_>, outputs: &[ModelOutput]) -> Vec<OutputValues> {
        let of_output = |output: &ModelOutput| match output {
            ModelOutput::Distance => self.0.distances(&features.columns, features.rows),
            _ => {
                let nearest = self.0.nearest(&features.columns, features.rows);
                vec![nearest.into_iter().map(|number| number as f64).collect()]
            }
        };
        outputs.iter().flat_map(of_output).map(OutputValues::Numbers).collect()
    }
}
