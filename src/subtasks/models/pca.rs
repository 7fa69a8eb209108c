//! Principal components.

use super::{Features, Model, ModelOutput, OutputValues, Params};
use crate::data::Kind;
use crate::kernels::weighted::weighted_sum;

/// Weighted sums of the columns about their mean, scaled if the fit says so.
pub struct Pca {
    components: Vec<Vec<f64>>,
    /// What each component makes of the mean.
    centers: Vec<f64>,
    /// What each component is divided by; empty for 1.
    scales: Vec<f64>,
}

impl Pca {
    /// Components about a mean, scaled if there are scales.
    pub(super) fn new(components: Vec<Vec<f64>>, mean: &[f64], scales: Vec<f64>) -> Pca {
        let center = |component: &Vec<f64>| mean.iter().zip(component).map(|(mean, weight)| mean * weight).sum();
        let centers = components.iter().map(center).collect();
        Pca { components, centers, scales }
    }
}

impl Model for Pca {
    const SUMMARY: &'static str = "Projects the columns on principal components.";
    const OUTPUTS: &'static [ModelOutput] = &[ModelOutput::Component];

    fn read(params: &Params<'_>) -> Result<Pca, String> {
        let components = params.rows("components_", params.columns)?;
        let mean = params.exactly("mean_", params.columns)?;
        let scales = if params.has("scales") { params.exactly("scales", components.len())? } else { Vec::new() };
        match scales.iter().position(|scale| *scale <= 0.0) {
            Some(place) => Err(format!("scales[{place}] is not above 0")),
            None => Ok(Pca::new(components, &mean, scales)),
        }
    }

    fn columns(&self, output: ModelOutput) -> Result<Vec<(String, Kind)>, String> {
        Ok(output.of_each(0..self.components.len()))
    }

    fn evaluate(&self, features: &Features<'_>, _: &[ModelOutput]) -> Vec<OutputValues> {
        let component = |(place, weights): (usize, &Vec<f64>)| {
            let mut values = weighted_sum(&features.columns, weights, -self.centers[place], features.rows);
            if let Some(scale) = self.scales.get(place) {
                values.iter_mut().for_each(|x| *x /= scale);
            }
            OutputValues::Numbers(values)
        };
        self.components.iter().enumerate().map(component).collect()
    }
}
