//! Anomalies by support vectors.

use super::support_params::{SupportVectors, one_sum};
use super::{Features, Model, Output, Params, Values};

/// A weighted sum of kernels that is negative for what is abnormal.
pub struct OneClassSvm {
    vectors: SupportVectors,
    offset: f64,
}

impl Model for OneClassSvm {
    const SUMMARY: &'static str = "Finds rows outside of what support vectors enclose: their decision is negative.";
    const OUTPUTS: &'static [Output] = &[Output::Decision, Output::Prediction, Output::AnomalyScore];

    fn read(params: &Params<'_>) -> Result<OneClassSvm, String> {
        Ok(OneClassSvm { vectors: SupportVectors::read(params, 1, one_sum)?, offset: params.number("offset_")? })
    }

    fn evaluate(&self, features: &Features<'_>, outputs: &[Output]) -> Vec<Values> {
        let decision = self.vectors.sums(features).remove(0);
        let of_output = |output: &Output| {
            Values::Numbers(match output {
                Output::Prediction => decision.iter().map(|x| if *x > 0.0 { 1.0 } else { -1.0 }).collect(),
                Output::AnomalyScore => decision.iter().map(|x| x + self.offset).collect(),
                _ => decision.clone(),
            })
        };
        outputs.iter().map(of_output).collect()
    }
}
