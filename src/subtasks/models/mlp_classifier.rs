//! Classification by a multi-layer perceptron.

use super::network::read_layers;
use super::{Classifier, Features, Judged, ModelOutput, Params};
use crate::kernels::layers::{Layer, forward};
use crate::kernels::softmax::{complement, decide};

/// A network with a unit for each class at its end, or one for two classes.
pub struct MlpClassifier(Vec<Layer>);

impl Classifier for MlpClassifier {
    const SUMMARY: &'static str = "Predicts the likeliest class by layers of weighted sums.";
    const OUTPUTS: &'static [ModelOutput] = &[ModelOutput::Prediction, ModelOutput::Probability];
    const MIN_CLASSES: usize = 2;

    fn read(params: &Params<'_>, classes: usize) -> Result<MlpClassifier, String> {
        read_layers(params, if classes == 2 { 1 } else { classes }).map(MlpClassifier)
    }

    fn judge(&self, features: &Features<'_>, _: &[ModelOutput]) -> Judged {
        let mut probabilities = forward(&self.0, &features.columns, features.rows);
        let classes = decide(&probabilities, |x| x > 0.5);
        if let [second] = &probabilities[..] {
            probabilities.insert(0, complement(second));
        }
        Judged { classes, probabilities, decisions: Vec::new() }
    }
}
