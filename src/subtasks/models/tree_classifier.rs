//! Classification by one tree, or by the mean probabilities of a forest.

use super::tree_params::read_some;
use super::{Accepted, Classifier, Features, Judged, ModelOutput, Params};
use crate::kernels::softmax::argmax;
use crate::kernels::trees::Trees;

/// `ONE` tree, or the mean of several.
pub struct TreeClassifier<const ONE: bool> {
    trees: Trees<f32>,
    classes: usize,
    takes_missing: bool,
}

impl<const ONE: bool> Classifier for TreeClassifier<ONE> {
    const SUMMARY: &'static str = "Predicts the class of the largest mean probability in the leaves of its trees.";
    const OUTPUTS: &'static [ModelOutput] = &[ModelOutput::Prediction, ModelOutput::Probability];

    fn read(params: &Params<'_>, classes: usize) -> Result<TreeClassifier<ONE>, String> {
        let trees = read_some(params, classes, ONE)?;
        Ok(TreeClassifier { trees, classes, takes_missing: params.flag("takes_missing")? })
    }

    fn accepted(&self) -> Accepted<'_> {
        Accepted { missing: self.takes_missing, single: true, ..Accepted::default() }
    }

    fn judge(&self, features: &Features<'_>, _: &[ModelOutput]) -> Judged {
        let add = |_, leaf: &[f64], sums: &mut [f64]| sums.iter_mut().zip(leaf).for_each(|(sum, x)| *sum += x);
        let mut probabilities = self.trees.totals(&features.columns, features.rows, &vec![0.0; self.classes], add);
        let count = self.trees.count() as f64;
        probabilities.iter_mut().flatten().for_each(|probability| *probability /= count);
        Judged { classes: argmax(&probabilities), probabilities, decisions: Vec::new() }
    }
}
