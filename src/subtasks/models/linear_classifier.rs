//! Linear classifiers: scikit-learn computes them alike, but for their probabilities.

use super::{Classifier, Features, Judged, ModelOutput, Params};
use crate::kernels::softmax::{complement, decide, logistic, normalize, softmax};
use crate::kernels::weighted::weighted_sum;

/// A weighted sum of the columns and an intercept for each class, or one for two classes.
pub struct LinearClassifier {
    pub(super) coefficients: Vec<Vec<f64>>,
    pub(super) intercepts: Vec<f64>,
    pub(super) probability: Probability,
}

/// How decisions become probabilities.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Probability {
    None,
    /// The logistic function of each decision, normalised over the classes.
    Logistic,
    Softmax,
    ModifiedHuber,
}

const PROBABILITIES: [(&str, Probability); 4] = [
    ("none", Probability::None),
    ("logistic", Probability::Logistic),
    ("softmax", Probability::Softmax),
    ("modified_huber", Probability::ModifiedHuber),
];

impl Classifier for LinearClassifier {
    const SUMMARY: &'static str = "Predicts the class whose weighted sum of the columns is the largest.";
    const OUTPUTS: &'static [ModelOutput] = &[ModelOutput::Prediction, ModelOutput::Probability, ModelOutput::Decision];
    const MIN_CLASSES: usize = 2;

    fn read(params: &Params<'_>, classes: usize) -> Result<LinearClassifier, String> {
        let count = if classes == 2 { 1 } else { classes };
        let coefficients = params.rows("coef_", params.columns)?;
        if coefficients.len() != count {
            return Err(format!("coef_ has {} rows for {classes} classes, not {count}", coefficients.len()));
        }
        let probability = params.choice("probability", &PROBABILITIES)?;
        if probability == Probability::Softmax && count == 1 {
            return Err("probability is \"softmax\" for 2 classes, which have one decision".into());
        }
        Ok(LinearClassifier { coefficients, intercepts: params.exactly("intercept_", count)?, probability })
    }

    fn lacks(&self, output: ModelOutput) -> Option<&'static str> {
        let none = output == ModelOutput::Probability && self.probability == Probability::None;
        none.then_some("it was fitted for labels alone")
    }

    fn judge(&self, features: &Features<'_>, outputs: &[ModelOutput]) -> Judged {
        let weights = self.coefficients.iter().zip(&self.intercepts);
        let decision = |(weights, intercept): (&Vec<f64>, &f64)| {
            weighted_sum(&features.columns, weights, *intercept, features.rows)
        };
        let decisions: Vec<Vec<f64>> = weights.map(decision).collect();
        let classes = decide(&decisions, |x| x > 0.0);
        let asked = outputs.contains(&ModelOutput::Probability);
        let probabilities = if asked { self.probabilities(decisions.clone()) } else { Vec::new() };
        Judged { classes, probabilities, decisions }
    }
}

impl LinearClassifier {
    fn probabilities(&self, mut scores: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
        let map = |scores: &mut [Vec<f64>], function: fn(f64) -> f64| {
            scores.iter_mut().flatten().for_each(|x| *x = function(*x));
        };
        match self.probability {
            Probability::None => return Vec::new(),
            Probability::Softmax => {
                softmax(&mut scores);
                return scores;
            }
            Probability::Logistic => map(&mut scores, logistic),
            Probability::ModifiedHuber => map(&mut scores, |x| (x.clamp(-1.0, 1.0) + 1.0) / 2.0),
        }
        match &scores[..] {
            [one] => vec![complement(one), scores.remove(0)],
            _ => {
                normalize(&mut scores);
                scores
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::subtasks::models::testing::read;
    use crate::subtasks::models::{Classify, Model, OutputValues};

    fn params(probability: &str) -> Value {
        json!({ "classes_": ["a", "b", "c"], "probability": probability,
                "coef_": [1.0, 0.0, 0.0, 1.0, -1.0, -1.0], "intercept_": [0.0, 0.0, 0.5] })
    }

    #[test]
    fn the_largest_decision_names_the_class() {
        let model: Classify<LinearClassifier> = read(params("softmax"), 2).unwrap();
        let features = Features { columns: vec![&[2.0, 0.0], &[1.0, 0.0]], rows: 2 };
        let all =
            model.evaluate(&features, &[ModelOutput::Prediction, ModelOutput::Probability, ModelOutput::Decision]);
        let OutputValues::Texts(texts) = &all[0] else { panic!("classes are texts") };
        assert_eq!((texts.get(0), texts.get(1)), (Some("a"), Some("c")));
        let numbers = |place: usize| match &all[place] {
            OutputValues::Numbers(numbers) => numbers.clone(),
            OutputValues::Texts(_) => panic!("{place} is a column of numbers"),
        };
        assert_eq!(all.len(), 7);
        assert!((numbers(1)[0] + numbers(2)[0] + numbers(3)[0] - 1.0).abs() < 1e-15);
        assert_eq!((numbers(4), numbers(6)), (vec![2.0, 0.0], vec![-2.5, 0.5]));
    }

    #[test]
    fn what_does_not_fit_together_is_told_with_its_field() {
        let refused = |params: Value, field: &str| {
            let reason = read::<Classify<LinearClassifier>>(params, 2).err().unwrap();
            assert!(reason.contains(field), "{reason}");
        };
        refused(params("hinge"), "probability");
        for (field, wrong) in [
            ("coef_", json!([1.0, 2.0])),
            ("coef_", json!([1.0])),
            ("intercept_", json!([0.0, 0.0])),
            ("classes_", json!(["a"])),
            ("coef_", json!(["x"])),
        ] {
            let mut params = params("none");
            params[field] = wrong;
            refused(params, field);
        }
        let binary = json!({ "classes_": [0, 1], "probability": "softmax", "coef_": [1.0, 2.0], "intercept_": [0.0] });
        refused(binary, "probability");
        let model: Classify<LinearClassifier> = read(params("none"), 2).unwrap();
        assert!(model.columns(ModelOutput::Probability).is_err() && model.columns(ModelOutput::Decision).is_ok());
    }
}
