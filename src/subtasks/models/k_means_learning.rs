//! scikit-learn's `MiniBatchKMeans`, learning: centres that move with each message.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::learning::MAX_NEW_COLUMNS;
use super::{Features, KMeans, Learning, ModelOutput, Target};
use crate::data::Kind;
use crate::kernels::distances::Points;
use crate::kernels::mersenne_twister::MersenneTwister;
use crate::kernels::seeding;
use crate::subtasks::Refusal;

/// How the first centres are chosen.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
enum Init {
    #[serde(rename = "k-means++")]
    PlusPlus,
    #[serde(rename = "random")]
    Random,
}

/// Clusters.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KMeansLearning {
    /// How many clusters there are; the first message must have as many rows.
    n_clusters: usize,
    /// How the first centres are chosen among the rows of the first message.
    init: Init,
    /// The seed of NumPy's random numbers.
    random_state: Option<u32>,
    /// A third of how many rows the first centres are chosen from, where `init_size` is not given.
    batch_size: usize,
    /// From how many rows of the first message the first centres are chosen.
    init_size: Option<usize>,
    /// Must be 0: clusters that few rows belong to are not moved to a random row.
    reassignment_ratio: f64,
}

impl Default for KMeansLearning {
    fn default() -> KMeansLearning {
        KMeansLearning {
            n_clusters: 8,
            init: Init::PlusPlus,
            random_state: None,
            batch_size: 1024,
            init_size: None,
            reassignment_ratio: 0.01,
        }
    }
}

/// The centres, and how many rows each has had; none before the first message.
#[derive(Clone, Serialize, Deserialize)]
pub struct Centers {
    centers: Vec<Vec<f64>>,
    counts: Vec<f64>,
}

impl Learning for KMeansLearning {
    type Model = KMeans;
    type State = Centers;
    const SUPERVISED: bool = false;

    fn check(&self) -> Result<(), Refusal> {
        let reason = "give reassignment_ratio = 0: clusters are not moved to random rows here";
        match () {
            () if !(1..=MAX_NEW_COLUMNS).contains(&self.n_clusters) => {
                Err(Refusal::new("n_clusters", format!("n_clusters must be from 1 to {MAX_NEW_COLUMNS}")))
            }
            () if self.batch_size == 0 => Err(Refusal::new("batch_size", "batch_size must be from 1")),
            () if self.init_size == Some(0) => Err(Refusal::new("init_size", "init_size must be from 1")),
            () if self.reassignment_ratio != 0.0 => Err(Refusal::new("reassignment_ratio", reason)),
            () if self.random_state.is_none() => {
                Err(Refusal::new("random_state", "the first centres would be random: give random_state = 0"))
            }
            () => Ok(()),
        }
    }

    fn target(&self) -> Target<'_> {
        Target::None
    }

    fn columns(&self, output: ModelOutput) -> Result<Vec<(String, Kind)>, String> {
        Ok(match output {
            ModelOutput::Distance => output.of_each(0..self.n_clusters),
            _ => vec![output.number()],
        })
    }

    fn start(&self, _: &[String]) -> Centers {
        Centers { centers: Vec::new(), counts: Vec::new() }
    }

    fn fits(&self, state: &Centers, columns: &[String]) -> bool {
        let count = state.centers.len();
        state.counts.len() == count
            && (count == 0 || count == self.n_clusters)
            && state.centers.iter().all(|center| center.len() == columns.len())
    }

    fn model(&self, state: &Centers) -> Option<KMeans> {
        (!state.centers.is_empty()).then(|| KMeans(Points::new(state.centers.clone())))
    }

    fn partial_fit(&self, state: &mut Centers, features: &Features<'_>, _: &[f64]) -> Result<(), String> {
        if state.centers.is_empty() {
            state.centers = self.first_centers(features)?;
            state.counts = vec![0.0; self.n_clusters];
        }
        let nearest = Points::new(state.centers.clone()).nearest(&features.columns, features.rows);
        for (number, (center, count)) in state.centers.iter_mut().zip(&mut state.counts).enumerate() {
            let own: Vec<usize> = (0..features.rows).filter(|row| nearest[*row] == number).collect();
            if own.is_empty() {
                continue;
            }
            center.iter_mut().for_each(|x| *x *= *count);
            for row in &own {
                center.iter_mut().zip(&features.columns).for_each(|(x, column)| *x += column[*row]);
            }
            *count += own.len() as f64;
            let share = 1.0 / *count;
            center.iter_mut().for_each(|x| *x *= share);
        }
        Ok(())
    }
}

impl KMeansLearning {
    /// Rows of a message as centres.
    fn first_centers(&self, features: &Features<'_>) -> Result<Vec<Vec<f64>>, String> {
        let (rows, clusters) = (features.rows, self.n_clusters);
        if rows < clusters {
            return Err(format!("n_samples={rows} should be >= n_clusters={clusters}."));
        }
        let mut random = MersenneTwister::new(self.random_state.unwrap_or(0));
        let size = self.init_size.unwrap_or(3 * self.batch_size.min(rows));
        let size = if size < clusters { 3 * clusters } else { size };
        let mut places: Vec<usize> = (0..rows).collect();
        if size < rows {
            places = (0..size).map(|_| random.randint(0..rows as u32) as usize).collect();
        }
        let row = |place: &usize| features.columns.iter().map(|column| column[*place]).collect();
        let points: Vec<Vec<f64>> = places.iter().map(row).collect();
        let chosen = match self.init {
            Init::PlusPlus => seeding::plus_plus(&points, clusters, &mut random),
            Init::Random => seeding::choose(points.len(), clusters, &mut random),
        };
        Ok(chosen.into_iter().map(|place| points[place].clone()).collect())
    }
}
