//! scikit-learn's `GaussianNB`, learning: means and variances of each class and column, joined message by message.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::classifier::columns_of;
use super::{Classes, Classify, Features, GaussianNb, Learning, ModelOutput, Target};
use crate::data::Kind;
use crate::kernels::gaussian::Normals;
use crate::subtasks::Refusal;

/// A normal distribution for each class and column.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GaussianLearning {
    /// The labels that the target may have: texts or numbers.
    classes: Option<Classes>,
    /// How frequent each class is, in the order of sorted labels; as it has been so far if not given.
    priors: Option<Vec<f64>>,
    /// The share of the largest variance of a message's columns that is added to each variance.
    var_smoothing: f64,
}

impl Default for GaussianLearning {
    fn default() -> GaussianLearning {
        GaussianLearning { classes: None, priors: None, var_smoothing: 1e-9 }
    }
}

/// Of each class how many rows there were, and means and variances of their columns.
#[derive(Clone, Serialize, Deserialize)]
pub struct Distributions {
    counts: Vec<f64>,
    means: Vec<Vec<f64>>,
    variances: Vec<Vec<f64>>,
}

impl GaussianLearning {
    fn count(&self) -> usize {
        self.classes.as_ref().map_or(0, Classes::count)
    }
}

/// Mean and variance of values, summed in their order.
fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().fold(0.0, |sum, x| sum + x) / count;
    (mean, values.iter().fold(0.0, |sum, x| sum + (x - mean) * (x - mean)) / count)
}

impl Learning for GaussianLearning {
    type Model = Classify<GaussianNb>;
    type State = Distributions;
    const SUPERVISED: bool = true;

    fn check(&self) -> Result<(), Refusal> {
        if !(self.var_smoothing >= 0.0 && self.var_smoothing.is_finite()) {
            return Err(Refusal::new("var_smoothing", "var_smoothing must be a number from 0"));
        }
        let Some(priors) = &self.priors else { return Ok(()) };
        let sum: f64 = priors.iter().sum();
        let reason = match () {
            () if priors.len() != self.count() => "Number of priors must match number of classes.",
            () if (sum - 1.0).abs() > 1e-5 => "The sum of the priors should be 1.",
            () if !priors.iter().all(|prior| *prior >= 0.0) => "Priors must be non-negative.",
            () => return Ok(()),
        };
        Err(Refusal::new("priors", reason))
    }

    fn target(&self) -> Target<'_> {
        Target::Class(self.classes.as_ref())
    }

    fn columns(&self, output: ModelOutput) -> Result<Vec<(String, Kind)>, String> {
        Ok(self.classes.as_ref().map_or_else(Vec::new, |classes| columns_of(classes, output)))
    }

    fn start(&self, columns: &[String]) -> Distributions {
        let blank = vec![vec![0.0; columns.len()]; self.count()];
        Distributions { counts: vec![0.0; self.count()], means: blank.clone(), variances: blank }
    }

    fn fits(&self, state: &Distributions, columns: &[String]) -> bool {
        let fits =
            |table: &[Vec<f64>]| table.len() == self.count() && table.iter().all(|row| row.len() == columns.len());
        state.counts.len() == self.count() && fits(&state.means) && fits(&state.variances)
    }

    fn model(&self, state: &Distributions) -> Option<Classify<GaussianNb>> {
        let seen: f64 = state.counts.iter().sum();
        let classes = self.classes.as_ref().filter(|_| seen > 0.0)?;
        let shares = || state.counts.iter().map(|count| count / seen).collect();
        let priors: Vec<f64> = self.priors.clone().unwrap_or_else(shares);
        let normals = state.means.iter().zip(&state.variances);
        let normals = normals.map(|(means, variances)| Normals::new(means.clone(), variances.clone()));
        let all = normals.zip(priors.into_iter().map(f64::ln)).collect();
        Some(Classify::new(GaussianNb(all), classes.clone()))
    }

    fn partial_fit(&self, state: &mut Distributions, features: &Features<'_>, targets: &[f64]) -> Result<(), String> {
        let largest = features.columns.iter().map(|column| moments(column).1).fold(f64::NEG_INFINITY, f64::max);
        let epsilon = self.var_smoothing * largest;
        let Distributions { counts, means, variances } = state;
        if counts.iter().any(|count| *count > 0.0) {
            // scikit-learn takes the new one away, whatever was added before.
            variances.iter_mut().flatten().for_each(|variance| *variance -= epsilon);
        }
        for class in 0..counts.len() {
            let rows: Vec<usize> = (0..features.rows).filter(|row| targets[*row] == class as f64).collect();
            if rows.is_empty() {
                continue;
            }
            let (past, new) = (counts[class], rows.len() as f64);
            let of_class = means[class].iter_mut().zip(&mut variances[class]).zip(&features.columns);
            for ((mean, variance), column) in of_class {
                let (new_mean, new_variance) = moments(&rows.iter().map(|row| column[*row]).collect::<Vec<_>>());
                if past == 0.0 {
                    (*mean, *variance) = (new_mean, new_variance);
                    continue;
                }
                let total = past + new;
                let apart = *mean - new_mean;
                let squares = past * *variance + new * new_variance + (new * past / total) * (apart * apart);
                (*mean, *variance) = ((new * new_mean + past * *mean) / total, squares / total);
            }
            counts[class] += new;
        }
        variances.iter_mut().flatten().for_each(|variance| *variance += epsilon);
        Ok(())
    }
}
