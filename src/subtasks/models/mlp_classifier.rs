//! Classification by a multi-layer perceptron.

use super::network::read_layers;
use super::{Classifier, Features, Judged, Output, Params};
use crate::kernels::layers::{Layer, forward};
use crate::kernels::softmax::{argmax, complement};

/// A network with a unit for each class at its end, or one for two classes.
pub struct MlpClassifier(Vec<Layer>);

impl Classifier for MlpClassifier {
    const SUMMARY: &'static str = "Predicts the likeliest class by layers of weighted sums.";
    const OUTPUTS: &'static [Output] = &[Output::Prediction, Output::Probability];

    fn read(params: &Params<'_>, classes: usize) -> Result<MlpClassifier, String> {
        if classes < 2 {
            return Err("classes_ has fewer than 2 classes".into());
        }
        read_layers(params, if classes == 2 { 1 } else { classes }).map(MlpClassifier)
    }

    fn judge(&self, features: &Features<'_>, _: &[Output]) -> Judged {
        let mut probabilities = forward(&self.0, &features.columns, features.rows);
        let classes = match &probabilities[..] {
            [one] => one.iter().map(|x| usize::from(*x > 0.5)).collect(),
            all => argmax(all),
        };
        if let [second] = &probabilities[..] {
            probabilities.insert(0, complement(second));
        }
        Judged { classes, probabilities, decisions: Vec::new() }
    }
}
