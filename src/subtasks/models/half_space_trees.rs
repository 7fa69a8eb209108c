//! river's `HalfSpaceTrees`: how unusual a row is beside those of the last window.

use std::sync::{Arc, OnceLock};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Features, Learning, Model, ModelOutput, OutputValues, Params, Target};
use crate::data::Kind;
use crate::kernels::half_space::{HalfSpaces, LastWindow, Masses};
use crate::subtasks::Refusal;

/// The most nodes of all trees: there is a number of rows for each key and node.
const MAX_NODES: u64 = 1 << 22;
/// The highest tree.
const MAX_HEIGHT: u32 = 20;

/// Anomalies.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HalfSpaceTreesLearning {
    /// How many trees there are.
    n_trees: usize,
    /// How often a row is asked on which side of a split it is.
    height: u32,
    /// Rows are scored by those of the last so many whole ones; before, the score is 0.
    window_size: u32,
    /// The range of each column, in their order; from 0 to 1 if not given.
    limits: Option<Vec<(f64, f64)>>,
    /// The seed of Python's random numbers.
    seed: Option<u64>,
    /// The trees of so many columns, made once.
    #[serde(skip)]
    #[schemars(skip)]
    trees: OnceLock<(usize, Arc<HalfSpaces>)>,
}

impl Default for HalfSpaceTreesLearning {
    fn default() -> HalfSpaceTreesLearning {
        let (n_trees, height, window_size) = (10, 8, 250);
        HalfSpaceTreesLearning { n_trees, height, window_size, limits: None, seed: None, trees: OnceLock::new() }
    }
}

/// What a key's rows have been, of trees over so many columns.
#[derive(Clone, Serialize, Deserialize)]
pub struct SeenRows {
    columns: usize,
    masses: Masses,
}

/// Trees with the last window of a key.
pub struct HalfSpaceTrees {
    trees: Arc<HalfSpaces>,
    last: LastWindow,
}

impl Model for HalfSpaceTrees {
    const SUMMARY: &'static str = "Says how unusual a row is beside the last ones, by trees of random splits that learn over the stream: the higher the more abnormal, from 0 to 1.";
    const OUTPUTS: &'static [ModelOutput] = &[ModelOutput::AnomalyScore];

    fn read(_: &Params<'_>) -> Result<HalfSpaceTrees, String> {
        Err("it learns over the stream: give fit = \"stream\" and no params".into())
    }

    fn evaluate(&self, features: &Features<'_>, outputs: &[ModelOutput]) -> Vec<OutputValues> {
        let score = |row: usize| self.trees.score(&self.last, |column| features.columns[column][row]);
        let scores: Vec<f64> = (0..features.rows).map(score).collect();
        outputs.iter().map(|_| OutputValues::Numbers(scores.clone())).collect()
    }
}

impl HalfSpaceTreesLearning {
    fn trees(&self, columns: usize) -> Arc<HalfSpaces> {
        let make = || {
            let limits = self.limits.clone().unwrap_or_else(|| vec![(0.0, 1.0); columns]);
            let seed = self.seed.unwrap_or(0);
            Arc::new(HalfSpaces::new(self.n_trees, self.height, self.window_size, &limits, seed))
        };
        // A step has the same columns throughout.
        let (known, trees) = self.trees.get_or_init(|| (columns, make()));
        if *known == columns { trees.clone() } else { make() }
    }
}

impl Learning for HalfSpaceTreesLearning {
    type Model = HalfSpaceTrees;
    type State = SeenRows;
    const SUPERVISED: bool = false;

    fn check(&self) -> Result<(), Refusal> {
        let nodes = (self.n_trees as u64).saturating_mul(2 << self.height.min(MAX_HEIGHT));
        let limits = self.limits.iter().flatten();
        match () {
            () if self.n_trees == 0 => Err(Refusal::new("n_trees", "n_trees must be from 1")),
            () if !(1..=MAX_HEIGHT).contains(&self.height) => {
                Err(Refusal::new("height", format!("height must be from 1 to {MAX_HEIGHT}")))
            }
            () if nodes > MAX_NODES => {
                Err(Refusal::new("n_trees", format!("the trees have {nodes} nodes: {MAX_NODES} is the most")))
            }
            () if self.window_size == 0 => Err(Refusal::new("window_size", "window_size must be from 1")),
            () if self.seed.is_none() => {
                Err(Refusal::new("seed", "the splits would be random: give seed = 42, or another number"))
            }
            () if limits.clone().any(|(low, high)| !(low < high && (high - low).is_finite())) => {
                Err(Refusal::new("limits", "each range is [LOW, HIGH], such as [0.0, 1.0]"))
            }
            () => Ok(()),
        }
    }

    fn check_columns(&self, columns: &[String]) -> Result<(), Refusal> {
        match self.limits.as_ref().map(Vec::len) {
            Some(count) if count != columns.len() => {
                Err(Refusal::new("limits", format!("it has {count} ranges, and there are {} columns", columns.len())))
            }
            _ if columns.is_empty() => Err(Refusal::new("columns", "there is none to split")),
            _ => Ok(()),
        }
    }

    fn target(&self) -> Target<'_> {
        Target::None
    }

    fn columns(&self, output: ModelOutput) -> Result<Vec<(String, Kind)>, String> {
        Ok(vec![output.number()])
    }

    fn start(&self, columns: &[String]) -> SeenRows {
        SeenRows { columns: columns.len(), masses: self.trees(columns.len()).start() }
    }

    fn fits(&self, state: &SeenRows, columns: &[String]) -> bool {
        state.columns == columns.len() && self.trees(state.columns).fits(&state.masses)
    }

    fn model(&self, state: &SeenRows) -> Option<HalfSpaceTrees> {
        Some(HalfSpaceTrees { trees: self.trees(state.columns), last: state.masses.last.clone() })
    }

    fn partial_fit(&self, state: &mut SeenRows, features: &Features<'_>, _: &[f64]) -> Result<(), String> {
        let trees = self.trees(state.columns);
        (0..features.rows).for_each(|row| trees.learn(&mut state.masses, |column| features.columns[column][row]));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::models::testing::names;
    use toml::de::ValueDeserializer;

    fn read(parameters: &str) -> HalfSpaceTreesLearning {
        HalfSpaceTreesLearning::deserialize(ValueDeserializer::parse(parameters).unwrap()).unwrap()
    }

    #[test]
    fn parameters_that_cannot_be_are_told() {
        for (parameters, parameter) in [
            ("{}", "seed"),
            ("{seed = 1, n_trees = 0}", "n_trees"),
            ("{seed = 1, height = 0}", "height"),
            ("{seed = 1, height = 4000000000}", "height"),
            ("{seed = 1, height = 20, n_trees = 5}", "n_trees"),
            ("{seed = 1, n_trees = 1000000000000}", "n_trees"),
            ("{seed = 1, window_size = 0}", "window_size"),
            ("{seed = 1, limits = [[1.0, 1.0]]}", "limits"),
            ("{seed = 1, limits = [[0.0, nan]]}", "limits"),
        ] {
            assert_eq!(read(parameters).check().unwrap_err().parameter, parameter, "{parameters}");
        }
        let one = read("{seed = 1, limits = [[0, 2.5]]}");
        assert!(one.check().is_ok() && one.check_columns(&names(1)).is_ok());
        assert_eq!(one.check_columns(&names(2)).unwrap_err().parameter, "limits");
    }

    #[test]
    fn a_message_is_learnt_row_by_row() {
        let learning = read("{seed = 7, n_trees = 3, height = 4, window_size = 4, limits = [[-1, 2], [0, 10]]}");
        let columns = [vec![0.1, 1.9, -0.5, 0.3], vec![3.0, 9.0, 0.1, 4.0]];
        let features = Features { columns: columns.iter().map(Vec::as_slice).collect(), rows: 4 };
        let mut state = learning.start(&names(2));
        learning.partial_fit(&mut state, &features, &[0.0; 4]).unwrap();
        assert!(learning.fits(&state, &names(2)) && !learning.fits(&state, &names(3)));
        let model = learning.model(&state).unwrap();
        let asked = [[0.2], [3.5]];
        let features = Features { columns: asked.iter().map(|column| &column[..]).collect(), rows: 1 };
        let said = model.evaluate(&features, &[ModelOutput::AnomalyScore]);
        // As river says of the same rows.
        assert!(matches!(&said[..], [OutputValues::Numbers(scores)] if *scores == [0.6344086021505376]));
    }
}
