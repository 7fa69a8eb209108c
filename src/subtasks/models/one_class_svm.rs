//! Anomalies by support vectors.

use super::support_params::{SupportVectors, one_sum};
use super::{Features, Model, ModelOutput, OutputValues, Params};

/// A weighted sum of kernels that is negative for what is abnormal.
pub struct OneClassSvm {
    vectors: SupportVectors,
    offset: f64,
}

impl Model for OneClassSvm {
    const SUMMARY: &'static str = "Finds rows outside of what support vectors enclose: their decision is negative.";
    const OUTPUTS: &'static [ModelOutput] =
        &[ModelOutput::Decision, ModelOutput::Prediction, ModelOutput::AnomalyScore];

    fn read(params: &Params<'_>) -> Result<OneClassSvm, String> {
        Ok(OneClassSvm { vectors: SupportVectors::read(params, 1, one_sum)?, offset: params.number("offset_")? })
    }

    fn evaluate(&self, features: &Features<'_>, outputs: &[ModelOutput]) -> Vec<OutputValues> {
        let decision = self.vectors.sums(features).remove(0);
        let of_output = |output: &ModelOutput| {
            OutputValues::Numbers(match output {
                ModelOutput::Prediction => decision.iter().map(|x| if *x > 0.0 { 1.0 } else { -1.0 }).collect(),
                ModelOutput::AnomalyScore => decision.iter().map(|x| x + self.offset).collect(),
                _ => decision.clone(),
            })
        };
        outputs.iter().map(of_output).collect()
    }
}
