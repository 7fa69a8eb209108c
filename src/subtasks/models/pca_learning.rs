//! scikit-learn's `IncrementalPCA`, learning: components of all rows so far, from those before and a message.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::learning::MAX_NEW_COLUMNS;
use super::{Features, Learning, ModelOutput, Pca, Target};
use crate::data::Kind;
use crate::kernels::svd::right_singular;
use crate::subtasks::Refusal;

/// Principal components.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PcaLearning {
    /// How many components there are; the first message must have as many rows.
    n_components: Option<usize>,
    /// Whether each component is scaled to unit variance.
    whiten: bool,
}

/// The components of the rows so far.
#[derive(Clone, Serialize, Deserialize)]
pub struct Components {
    rows: f64,
    mean: Vec<f64>,
    components: Vec<Vec<f64>>,
    singular_values: Vec<f64>,
}

impl PcaLearning {
    fn count(&self) -> usize {
        self.n_components.unwrap_or(0)
    }
}

impl Learning for PcaLearning {
    type Model = Pca;
    type State = Components;
    const SUPERVISED: bool = false;

    fn check(&self) -> Result<(), Refusal> {
        match self.n_components {
            None => Err(Refusal::new("n_components", "say how many, such as n_components = 2")),
            Some(1..=MAX_NEW_COLUMNS) => Ok(()),
            Some(_) => Err(Refusal::new("n_components", format!("n_components must be from 1 to {MAX_NEW_COLUMNS}"))),
        }
    }

    fn check_columns(&self, columns: &[String]) -> Result<(), Refusal> {
        let count = self.count();
        if count <= columns.len() {
            return Ok(());
        }
        let reason = format!("n_components={count} invalid for n_features={}", columns.len());
        Err(Refusal::new("n_components", reason))
    }

    fn target(&self) -> Target<'_> {
        Target::None
    }

    fn columns(&self, output: ModelOutput) -> Result<Vec<(String, Kind)>, String> {
        Ok(output.of_each(0..self.count()))
    }

    fn start(&self, columns: &[String]) -> Components {
        Components { rows: 0.0, mean: vec![0.0; columns.len()], components: Vec::new(), singular_values: Vec::new() }
    }

    fn fits(&self, state: &Components, columns: &[String]) -> bool {
        let count = if state.rows == 0.0 { 0 } else { self.count() };
        state.mean.len() == columns.len()
            && (state.components.len(), state.singular_values.len()) == (count, count)
            && state.components.iter().all(|component| component.len() == columns.len())
    }

    fn model(&self, state: &Components) -> Option<Pca> {
        if state.rows == 0.0 {
            return None;
        }
        let scale = |value: &f64| (value * value / (state.rows - 1.0)).sqrt();
        let floored = |value: &f64| if scale(value) < f64::EPSILON { f64::EPSILON } else { scale(value) };
        let scales = if self.whiten { state.singular_values.iter().map(floored).collect() } else { Vec::new() };
        Some(Pca::new(state.components.clone(), &state.mean, scales))
    }

    fn partial_fit(&self, state: &mut Components, features: &Features<'_>, _: &[f64]) -> Result<(), String> {
        let (rows, count) = (features.rows, self.count());
        if state.rows == 0.0 && rows < count {
            return Err(format!(
                "n_components={count} must be less or equal to the batch number of samples {rows} for the first \
                 partial_fit call."
            ));
        }
        let (before, new) = (state.rows, rows as f64);
        let sums: Vec<f64> = features.columns.iter().map(|column| column.iter().fold(0.0, |sum, x| sum + x)).collect();
        let of_message: Vec<f64> = sums.iter().map(|sum| sum / new).collect();
        let centred = |row: usize| features.columns.iter().zip(&of_message).map(|(x, mean)| x[row] - mean).collect();
        let mut matrix: Vec<Vec<f64>> = (0..rows).map(centred).collect();
        if before > 0.0 {
            let earlier = state.components.iter().zip(&state.singular_values);
            matrix.extend(earlier.map(|(component, value)| component.iter().map(|x| value * x).collect()));
            let factor = (before / (before + new) * new).sqrt();
            matrix.push(state.mean.iter().zip(&of_message).map(|(old, mean)| factor * (old - mean)).collect());
        }
        let means = state.mean.iter_mut().zip(&sums);
        means.for_each(|(mean, sum)| *mean = (*mean * before + sum) / (before + new));
        state.rows = before + new;
        let mut found: Vec<(f64, Vec<f64>)> = right_singular(matrix).into_iter().take(count).collect();
        if found.iter().all(|(value, _)| *value == 0.0) {
            // Nothing varies: LAPACK takes the axes.
            found.iter_mut().enumerate().for_each(|(axis, (_, vector))| vector[axis] = 1.0);
        }
        (state.singular_values, state.components) = found.into_iter().unzip();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::models::testing::names;
    use toml::de::ValueDeserializer;

    /// `IncrementalPCA(n_components=1)`, fed a row: `components_` is the first axis, until rows vary.
    #[test]
    fn where_nothing_varies_components_are_the_axes() {
        let parameters = ValueDeserializer::parse("{n_components = 1}").unwrap();
        let learning = PcaLearning::deserialize(parameters).unwrap();
        let mut state = learning.start(&names(2));
        let mut learn = |row: [f64; 2]| {
            let columns = row.map(|x| [x]);
            let features = Features { columns: columns.iter().map(|column| &column[..]).collect(), rows: 1 };
            learning.partial_fit(&mut state, &features, &[0.0]).unwrap();
            state.components[0].clone()
        };
        assert_eq!([learn([1.4, 0.13]), learn([1.4, 0.13])], [[1.0, 0.0]; 2]);
        assert_eq!(learn([1.4, 5.13]), [0.0, 1.0]);
    }
}
