//! Classification by gradient boosting.

use super::boosted_trees::BoostedTrees;
use super::{Accepted, Classifier, Features, Judged, ModelOutput, Params};
use crate::kernels::softmax::{complement, decide, logistic, softmax};

/// Boosted trees with a score for each class, or one for two classes.
pub struct BoostedClassifier {
    trees: BoostedTrees,
    link: LinkFunction,
    /// Whether a score of 0 is the second of two classes.
    second_at_zero: bool,
}

/// How scores become probabilities.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LinkFunction {
    Logit,
    /// The score is half a logit, as of the exponential loss.
    HalfLogit,
    Softmax,
}

const LINKS: [(&str, LinkFunction); 3] =
    [("logit", LinkFunction::Logit), ("half_logit", LinkFunction::HalfLogit), ("softmax", LinkFunction::Softmax)];

impl Classifier for BoostedClassifier {
    const SUMMARY: &'static str =
        "Predicts the class whose score, a first guess and what trees add to it, is the largest.";
    const OUTPUTS: &'static [ModelOutput] = &[ModelOutput::Prediction, ModelOutput::Probability, ModelOutput::Decision];
    const MIN_CLASSES: usize = 2;

    fn read(params: &Params<'_>, classes: usize) -> Result<BoostedClassifier, String> {
        let link = params.choice("link", &LINKS)?;
        if (link == LinkFunction::Softmax) != (classes > 2) {
            return Err(format!("link does not go with {classes} classes"));
        }
        let scores = if classes == 2 { 1 } else { classes };
        let trees = BoostedTrees::read(params, scores)?;
        Ok(BoostedClassifier { trees, link, second_at_zero: params.flag("second_at_zero")? })
    }

    fn accepted(&self) -> Accepted<'_> {
        self.trees.accepted()
    }

    fn judge(&self, features: &Features<'_>, outputs: &[ModelOutput]) -> Judged {
        let decisions = self.trees.scores(features);
        let classes = decide(&decisions, |x| x > 0.0 || self.second_at_zero && x == 0.0);
        let asked = outputs.contains(&ModelOutput::Probability);
        let probabilities = if asked { self.probabilities(&decisions) } else { Vec::new() };
        Judged { classes, probabilities, decisions }
    }
}

impl BoostedClassifier {
    fn probabilities(&self, decisions: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let twice = if self.link == LinkFunction::HalfLogit { 2.0 } else { 1.0 };
        match decisions {
            [one] => {
                let second: Vec<f64> = one.iter().map(|x| logistic(twice * x)).collect();
                vec![complement(&second), second]
            }
            all => {
                let mut scores = all.to_vec();
                softmax(&mut scores);
                scores
            }
        }
    }
}
