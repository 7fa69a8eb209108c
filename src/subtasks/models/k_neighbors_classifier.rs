//! Classification by the nearest rows of the fit.

use super::neighbor_params::NearestPoints;
use super::{Classifier, Features, Judged, ModelOutput, Params};
use crate::kernels::softmax::{argmax, normalize};

/// The rows of the fit, and the numbers of their classes.
pub struct KNeighborsClassifier {
    points: NearestPoints,
    classes: usize,
    targets: Vec<u32>,
}

impl Classifier for KNeighborsClassifier {
    const SUMMARY: &'static str = "Predicts the commonest class of the nearest rows of the fit.";
    const OUTPUTS: &'static [ModelOutput] = &[ModelOutput::Prediction, ModelOutput::Probability];

    fn read(params: &Params<'_>, classes: usize) -> Result<KNeighborsClassifier, String> {
        let (points, targets) = (NearestPoints::read(params)?, params.whole("targets")?);
        if targets.len() != points.count() {
            return Err(format!("targets has {} values for {} points", targets.len(), points.count()));
        }
        match targets.iter().find(|target| **target as usize >= classes) {
            Some(target) => Err(format!("targets names class {target} of {classes}")),
            None => Ok(KNeighborsClassifier { points, classes, targets }),
        }
    }

    fn judge(&self, features: &Features<'_>, _: &[ModelOutput]) -> Judged {
        let mut probabilities = vec![vec![0.0; features.rows]; self.classes];
        self.points.each_row(features, |row, found, weights| {
            for (neighbor, weight) in found.iter().zip(weights) {
                probabilities[self.targets[neighbor.point] as usize][row] += weight;
            }
        });
        let classes = argmax(&probabilities);
        normalize(&mut probabilities);
        Judged { classes, probabilities, decisions: Vec::new() }
    }
}
