//! Anomalies by how soon random splits isolate a row.

use super::tree_params::read_trees;
use super::{Accepted, Features, Model, ModelOutput, OutputValues, Params};
use crate::kernels::trees::Trees;

/// Trees whose leaves hold how deep they lie, and the depth that is usual.
pub struct IsolationForest {
    trees: Trees<f32>,
    /// The sum of depths over all trees that is usual; 0 if every row is isolated at once.
    usual_depths: f64,
    offset: f64,
}

impl Model for IsolationForest {
    const SUMMARY: &'static str = "Scores rows by how soon random splits isolate them: the lower, the more abnormal.";
    const OUTPUTS: &'static [ModelOutput] =
        &[ModelOutput::AnomalyScore, ModelOutput::Prediction, ModelOutput::Decision];

    fn read(params: &Params<'_>) -> Result<IsolationForest, String> {
        let trees = read_trees(params, 1)?;
        let (usual_depths, offset) = (params.number("usual_depths")?, params.number("offset_")?);
        if usual_depths < 0.0 {
            return Err(format!("usual_depths is {usual_depths}, below 0"));
        }
        Ok(IsolationForest { trees, usual_depths, offset })
    }

    fn accepted(&self) -> Accepted<'_> {
        Accepted { missing: true, infinite: true, single: true, finite: &[] }
    }

    fn evaluate(&self, features: &Features<'_>, outputs: &[ModelOutput]) -> Vec<OutputValues> {
        let add = |_, leaf: &[f64], depth: &mut [f64]| depth[0] += leaf[0];
        let depths = self.trees.totals(&features.columns, features.rows, &[0.0], add).remove(0);
        let score = |depth: &f64| {
            let share = if self.usual_depths == 0.0 { 1.0 } else { depth / self.usual_depths };
            -(-share).exp2()
        };
        let scores: Vec<f64> = depths.iter().map(score).collect();
        let of_output = |output: &ModelOutput| {
            OutputValues::Numbers(match output {
                ModelOutput::Prediction => {
                    scores.iter().map(|x| if x - self.offset < 0.0 { -1.0 } else { 1.0 }).collect()
                }
                ModelOutput::Decision => scores.iter().map(|x| x - self.offset).collect(),
                _ => scores.clone(),
            })
        };
        outputs.iter().map(of_output).collect()
    }
}
