//! Naive Bayes with a normal distribution for each class and column.

use super::{Classifier, Features, Judged, ModelOutput, Params};
use crate::kernels::gaussian::{Normals, normalize_logarithms};
use crate::kernels::softmax::argmax;

/// For each class the distributions of its columns, and the logarithm of how frequent it is.
pub struct GaussianNb(pub(super) Vec<(Normals, f64)>);

impl Classifier for GaussianNb {
    const SUMMARY: &'static str = "Predicts the likeliest class by a normal distribution for each class and column.";
    const OUTPUTS: &'static [ModelOutput] = &[ModelOutput::Prediction, ModelOutput::Probability];

    fn read(params: &Params<'_>, classes: usize) -> Result<GaussianNb, String> {
        let table = |name: &str| {
            let rows = params.rows(name, params.columns)?;
            if rows.len() == classes {
                Ok(rows)
            } else {
                Err(format!("{name} has {} rows for {classes} classes", rows.len()))
            }
        };
        let (means, variances) = (table("theta_")?, table("var_")?);
        if variances.iter().flatten().any(|variance| *variance <= 0.0) {
            return Err("var_ holds a variance that is not above 0".into());
        }
        let priors = params.exactly("class_prior_", classes)?;
        if priors.iter().any(|prior| *prior < 0.0) {
            return Err("class_prior_ holds a negative share".into());
        }
        let normals = means.into_iter().zip(variances).map(|(means, variances)| Normals::new(means, variances));
        Ok(GaussianNb(normals.zip(priors.iter().map(|prior| prior.ln())).collect()))
    }

    fn judge(&self, features: &Features<'_>, outputs: &[ModelOutput]) -> Judged {
        let density = |(normals, prior): &(Normals, f64)| normals.log_density(&features.columns, *prior, features.rows);
        let mut probabilities: Vec<Vec<f64>> = self.0.iter().map(density).collect();
        let classes = argmax(&probabilities);
        if outputs.contains(&ModelOutput::Probability) {
            normalize_logarithms(&mut probabilities);
        }
        Judged { classes, probabilities, decisions: Vec::new() }
    }
}
