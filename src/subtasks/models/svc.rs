//! Classification by support vectors, one class against another.

use super::support_params::SupportVectors;
use super::{Classifier, Features, Judged, ModelOutput, Params};
use crate::kernels::softmax::argmax;

/// A sum of kernels for each pair of classes: positive for the first of them.
pub struct Svc {
    vectors: SupportVectors,
    classes: usize,
    /// Whether decisions are those of a class against the rest.
    has_decision: bool,
    /// Whether the class of the largest decision is taken, and not that of the most pairs.
    break_ties: bool,
}

impl Classifier for Svc {
    const SUMMARY: &'static str = "Predicts the class that wins most pairs, by sums of kernels of support vectors.";
    const OUTPUTS: &'static [ModelOutput] = &[ModelOutput::Prediction, ModelOutput::Decision];
    const MIN_CLASSES: usize = 2;

    fn read(params: &Params<'_>, classes: usize) -> Result<Svc, String> {
        let counts: Vec<usize> = params.whole("n_support_")?.into_iter().map(|count| count as usize).collect();
        if counts.len() != classes {
            return Err(format!("n_support_ has {} values for {classes} classes", counts.len()));
        }
        let pairs = classes * (classes - 1) / 2;
        let vectors = SupportVectors::read(params, pairs, |rows, vectors| weights_of_pairs(&rows, vectors, &counts))?;
        let (has_decision, break_ties) = (params.flag("has_decision")?, params.flag("break_ties")?);
        Ok(Svc { vectors, classes, has_decision, break_ties: break_ties && classes > 2 })
    }

    fn lacks(&self, output: ModelOutput) -> Option<&'static str> {
        let pairs = output == ModelOutput::Decision && !self.has_decision;
        pairs.then_some("it was fitted with decision_function_shape = 'ovo'")
    }

    fn judge(&self, features: &Features<'_>, outputs: &[ModelOutput]) -> Judged {
        let mut sums = self.vectors.sums(features);
        if self.classes == 2 {
            let classes = sums[0].iter().map(|x| usize::from(*x <= 0.0)).collect();
            sums[0].iter_mut().for_each(|x| *x = -*x);
            return Judged { classes, probabilities: Vec::new(), decisions: sums };
        }
        let asked = self.break_ties || outputs.contains(&ModelOutput::Decision);
        let decisions = if asked { self.against_the_rest(&sums, features.rows) } else { Vec::new() };
        let classes = if self.break_ties { argmax(&decisions) } else { argmax(&self.votes(&sums, features.rows)) };
        Judged { classes, probabilities: Vec::new(), decisions }
    }
}

impl Svc {
    /// The pairs that each class wins; the second wins at 0.
    fn votes(&self, sums: &[Vec<f64>], rows: usize) -> Vec<Vec<f64>> {
        let mut votes = vec![vec![0.0; rows]; self.classes];
        for ((one, other), sums) in pairs(self.classes).zip(sums) {
            sums.iter().enumerate().for_each(|(row, sum)| votes[if *sum > 0.0 { one } else { other }][row] += 1.0);
        }
        votes
    }

    /// scikit-learn's `_ovr_decision_function`: votes, and how sure they are as a fraction.
    fn against_the_rest(&self, sums: &[Vec<f64>], rows: usize) -> Vec<Vec<f64>> {
        let mut sure = vec![vec![0.0; rows]; self.classes];
        let mut votes = vec![vec![0.0; rows]; self.classes];
        for ((one, other), sums) in pairs(self.classes).zip(sums) {
            for (row, sum) in sums.iter().enumerate() {
                sure[one][row] += sum;
                sure[other][row] -= sum;
                votes[if *sum < 0.0 { other } else { one }][row] += 1.0;
            }
        }
        let sure = sure.iter().flatten();
        votes.iter_mut().flatten().zip(sure).for_each(|(votes, sure)| *votes += sure / (3.0 * (sure.abs() + 1.0)));
        votes
    }
}

/// The pairs of classes in libsvm's order.
fn pairs(classes: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..classes).flat_map(move |one| (one + 1..classes).map(move |other| (one, other)))
}

/// libsvm holds for each vector its weight against each other class; the vectors stand class by class.
fn weights_of_pairs(rows: &[Vec<f64>], vectors: usize, counts: &[usize]) -> Result<Vec<Vec<f64>>, String> {
    let total = counts.iter().try_fold(0_usize, |sum, count| sum.checked_add(*count));
    if rows.len() + 1 != counts.len() {
        return Err(format!("dual_coef_ has {} rows for {} classes", rows.len(), counts.len()));
    }
    if total != Some(vectors) {
        return Err(format!("n_support_ does not count the {vectors} support vectors"));
    }
    let starts: Vec<usize> = counts.iter().scan(0, |sum, count| Some(std::mem::replace(sum, *sum + count))).collect();
    let of_pair = |(one, other): (usize, usize)| {
        let mut weights = vec![0.0; vectors];
        for (class, row) in [(one, other - 1), (other, one)] {
            let own = starts[class]..starts[class] + counts[class];
            weights[own.clone()].copy_from_slice(&rows[row][own]);
        }
        weights
    };
    Ok(pairs(counts.len()).map(of_pair).collect())
}
