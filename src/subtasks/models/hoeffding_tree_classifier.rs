//! river's `HoeffdingTreeClassifier`: a decision tree that grows row by row.

use schemars::JsonSchema;
use serde::Deserialize;

use super::classifier::columns_of;
use super::{Accepted, Classes, Features, Learning, Model, ModelOutput, OutputValues, Params, Target};
use crate::data::Kind;
use crate::kernels::attribute_statistics::SplitSearch;
use crate::kernels::hoeffding_tree::{Growth, HoeffdingTree, LeafPrediction};
use crate::kernels::split_merit::SplitCriterion;
use crate::subtasks::Refusal;

/// The deepest tree: river's, which Python's recursion bounds.
const MAX_DEPTH: u32 = 980;
/// The most splits of a column that are looked at.
const MAX_SPLITS: u32 = 10_000;

/// How splits are judged.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum CriterionName {
    InfoGain,
    Gini,
    Hellinger,
}

/// How a leaf predicts.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum LeafName {
    Mc,
    Nb,
    Nba,
}

/// A classifier.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HoeffdingTreeClassifier {
    /// The labels that the target may have: texts or numbers.
    classes: Option<Classes>,
    /// How many rows a leaf sees between two looks for a split.
    grace_period: u32,
    /// The depth at which leaves are not split any more.
    max_depth: Option<u32>,
    /// How splits are judged; `hellinger` tells classes 0 and 1 apart.
    split_criterion: CriterionName,
    /// How likely it may be that a split is not the best one.
    delta: f64,
    /// Where the Hoeffding bound is below it, the best split is made, however near the second is.
    tau: f64,
    /// How a leaf predicts: `mc` the class of most of its rows, `nb` naive Bayes, `nba` the one that was right more often.
    leaf_prediction: LeafName,
    /// The rows from which on a leaf predicts by naive Bayes with `nb`.
    nb_threshold: u32,
    /// The columns whose numbers are only names, as those of `ordinal_encoder` are.
    nominal_attributes: Vec<String>,
    /// How many splits of a column are looked at: that of `GaussianSplitter`.
    n_splits: u32,
    /// Whether there may be only two sides of a split.
    binary_split: bool,
    /// The share of rows that two sides of a split must have.
    min_branch_fraction: f64,
    /// A leaf of which a larger share is of one class is not split.
    max_share_to_split: f64,
    /// Whether leaves forget columns that are much worse than the best one, with `mc`.
    remove_poor_attrs: bool,
    /// Whether not to split is one of the choices.
    merit_preprune: bool,
    /// Refused, as all that follow: they bound Python's objects.
    #[schemars(skip)]
    max_size: Option<f64>,
    #[schemars(skip)]
    memory_estimate_period: Option<u64>,
    #[schemars(skip)]
    stop_mem_management: Option<bool>,
    #[schemars(skip)]
    splitter: Option<toml::Value>,
}

impl Default for HoeffdingTreeClassifier {
    fn default() -> HoeffdingTreeClassifier {
        HoeffdingTreeClassifier {
            classes: None,
            grace_period: 200,
            max_depth: None,
            split_criterion: CriterionName::InfoGain,
            delta: 1e-7,
            tau: 0.05,
            leaf_prediction: LeafName::Nba,
            nb_threshold: 0,
            nominal_attributes: Vec::new(),
            n_splits: 10,
            binary_split: false,
            min_branch_fraction: 0.01,
            max_share_to_split: 0.99,
            remove_poor_attrs: false,
            merit_preprune: true,
            max_size: None,
            memory_estimate_period: None,
            stop_mem_management: None,
            splitter: None,
        }
    }
}

/// A tree is asked while it grows, not at rest.
pub enum GrowingTree {}

impl Model for GrowingTree {
    const SUMMARY: &'static str =
        "Predicts a class by a decision tree that grows over the stream: of each row first what it is, then it learns.";
    const OUTPUTS: &'static [ModelOutput] = &[ModelOutput::Prediction, ModelOutput::Probability];

    fn read(_: &Params<'_>) -> Result<GrowingTree, String> {
        Err("it learns over the stream: give fit = \"stream\" and no params".into())
    }

    fn evaluate(&self, _: &Features<'_>, _: &[ModelOutput]) -> Vec<OutputValues> {
        match *self {}
    }
}

impl HoeffdingTreeClassifier {
    fn count(&self) -> usize {
        self.classes.as_ref().map_or(0, Classes::count)
    }

    fn growth(&self) -> Growth {
        let class = |label: f64| self.classes.as_ref()?.of_number(label).map(|class| class as u32);
        let criterion = match self.split_criterion {
            CriterionName::InfoGain => SplitCriterion::InfoGain,
            CriterionName::Gini => SplitCriterion::Gini,
            CriterionName::Hellinger => SplitCriterion::Hellinger(class(0.0).zip(class(1.0))),
        };
        let leaf = match self.leaf_prediction {
            LeafName::Mc => LeafPrediction::Majority,
            LeafName::Nb => LeafPrediction::Bayes(f64::from(self.nb_threshold)),
            LeafName::Nba => LeafPrediction::Adaptive,
        };
        let (min_branch_fraction, n_splits, binary_split) =
            (self.min_branch_fraction, self.n_splits, self.binary_split);
        Growth {
            grace_period: f64::from(self.grace_period),
            max_depth: self.max_depth.unwrap_or(MAX_DEPTH),
            delta: self.delta,
            tau: self.tau,
            leaf,
            search: SplitSearch { criterion, min_branch_fraction, n_splits, binary_split },
            max_share_to_split: self.max_share_to_split,
            remove_poor_attrs: self.remove_poor_attrs,
            merit_preprune: self.merit_preprune,
        }
    }

    fn nominal(&self, columns: &[String]) -> Vec<bool> {
        columns.iter().map(|column| self.nominal_attributes.contains(column)).collect()
    }
}

impl Learning for HoeffdingTreeClassifier {
    type Model = GrowingTree;
    type State = HoeffdingTree;
    const SUPERVISED: bool = true;
    const ROW_BY_ROW: bool = true;

    /// A missing value is a feature that river's row does not have.
    fn accepted(&self) -> Accepted<'_> {
        Accepted { missing: true, ..Accepted::default() }
    }

    fn check(&self) -> Result<(), Refusal> {
        let memory = [
            ("max_size", self.max_size.is_some()),
            ("memory_estimate_period", self.memory_estimate_period.is_some()),
            ("stop_mem_management", self.stop_mem_management.is_some()),
        ];
        if let Some((name, _)) = memory.into_iter().find(|(_, given)| *given) {
            let reason = format!("{name} bounds what Python's objects take: bound the tree by max_depth");
            return Err(Refusal::new(name, reason));
        }
        let share = |x: f64| (0.0..=1.0).contains(&x);
        match () {
            () if self.splitter.is_some() => {
                Err(Refusal::new("splitter", "there is GaussianSplitter: give its n_splits, such as n_splits = 10"))
            }
            () if self.grace_period == 0 => Err(Refusal::new("grace_period", "grace_period must be from 1")),
            () if self.max_depth.is_some_and(|depth| depth > MAX_DEPTH) => {
                Err(Refusal::new("max_depth", format!("max_depth must be from 0 to {MAX_DEPTH}")))
            }
            () if !(self.delta > 0.0 && self.delta <= 1.0) => {
                Err(Refusal::new("delta", "delta must be above 0 and up to 1"))
            }
            () if self.tau.is_nan() => Err(Refusal::new("tau", "tau must be a number")),
            () if self.n_splits > MAX_SPLITS => {
                Err(Refusal::new("n_splits", format!("n_splits must be from 0 to {MAX_SPLITS}")))
            }
            () if !share(self.min_branch_fraction) => {
                Err(Refusal::new("min_branch_fraction", "min_branch_fraction must be from 0 to 1"))
            }
            () if !share(self.max_share_to_split) => {
                Err(Refusal::new("max_share_to_split", "max_share_to_split must be from 0 to 1"))
            }
            () => Ok(()),
        }
    }

    fn check_columns(&self, columns: &[String]) -> Result<(), Refusal> {
        match self.nominal_attributes.iter().find(|name| !columns.contains(name)) {
            Some(name) => {
                Err(Refusal::new("nominal_attributes", format!("{name} is none of the columns {}", columns.join(", "))))
            }
            None => Ok(()),
        }
    }

    fn target(&self) -> Target<'_> {
        Target::Class(self.classes.as_ref())
    }

    fn columns(&self, output: ModelOutput) -> Result<Vec<(String, Kind)>, String> {
        Ok(self.classes.as_ref().map_or_else(Vec::new, |classes| columns_of(classes, output)))
    }

    fn start(&self, columns: &[String]) -> HoeffdingTree {
        HoeffdingTree::new(self.nominal(columns), self.count())
    }

    fn fits(&self, state: &HoeffdingTree, columns: &[String]) -> bool {
        state.fits(&self.nominal(columns), self.count())
    }

    fn learn_and_say(
        &self,
        tree: &mut HoeffdingTree,
        features: &Features<'_>,
        targets: &[Option<f64>],
        outputs: &[ModelOutput],
    ) -> Vec<OutputValues> {
        let Some(classes) = &self.classes else { return Vec::new() };
        let growth = self.growth();
        let mut labels = Vec::with_capacity(targets.len());
        let mut probabilities = vec![Vec::with_capacity(targets.len()); self.count()];
        let mut values = Vec::with_capacity(features.columns.len());
        for (row, target) in targets.iter().enumerate() {
            values.clear();
            values.extend(features.columns.iter().map(|column| column[row]));
            let said = tree.predict(&values, &growth);
            labels.push(said.as_ref().map(|(class, _)| *class));
            for (class, column) in probabilities.iter_mut().enumerate() {
                column.push(said.as_ref().map_or(f64::NAN, |(_, of_each)| of_each[class]));
            }
            if let Some(class) = target {
                tree.learn(&values, *class as u32, &growth);
            }
        }
        let mut said = Vec::new();
        for output in outputs {
            match output {
                ModelOutput::Prediction => said.push(classes.labels_or_gaps(labels.iter().copied())),
                _ => said.extend(probabilities.iter().cloned().map(OutputValues::Numbers)),
            }
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::models::testing::names;
    use toml::de::ValueDeserializer;

    fn read(parameters: &str) -> HoeffdingTreeClassifier {
        HoeffdingTreeClassifier::deserialize(ValueDeserializer::parse(parameters).unwrap()).unwrap()
    }

    #[test]
    fn parameters_that_cannot_be_are_told() {
        for (parameters, parameter) in [
            ("{grace_period = 0}", "grace_period"),
            ("{max_depth = 4000000000}", "max_depth"),
            ("{delta = 0.0}", "delta"),
            ("{delta = nan}", "delta"),
            ("{tau = nan}", "tau"),
            ("{n_splits = 4000000000}", "n_splits"),
            ("{min_branch_fraction = -0.1}", "min_branch_fraction"),
            ("{max_share_to_split = 1.5}", "max_share_to_split"),
            ("{max_size = 1.0}", "max_size"),
            ("{memory_estimate_period = 1}", "memory_estimate_period"),
            ("{stop_mem_management = true}", "stop_mem_management"),
            ("{splitter = 'histogram'}", "splitter"),
        ] {
            assert_eq!(read(parameters).check().unwrap_err().parameter, parameter, "{parameters}");
        }
        let nominal = read("{nominal_attributes = ['c1']}");
        assert!(nominal.check().is_ok() && nominal.check_columns(&names(2)).is_ok());
        assert_eq!(nominal.check_columns(&names(1)).unwrap_err().parameter, "nominal_attributes");
    }

    #[test]
    fn a_state_of_other_columns_or_classes_does_not_fit() {
        let of = |parameters: &str| read(&format!("{{classes = [0, 1], grace_period = 5, {parameters}}}"));
        let tree = of("nominal_attributes = ['c1']");
        let mut state = tree.start(&names(2));
        let column: Vec<f64> = (0..40).map(f64::from).collect();
        let class: Vec<Option<f64>> = column.iter().map(|x| Some(f64::from(u8::from(*x > 20.0)))).collect();
        let features = Features { columns: vec![&column, &column], rows: 40 };
        tree.learn_and_say(&mut state, &features, &class, &[]);
        assert!(tree.fits(&state, &names(2)) && !tree.fits(&state, &names(3)));
        assert!(!of("").fits(&state, &names(2)));
        assert!(!read("{classes = [0, 1, 2], nominal_attributes = ['c1']}").fits(&state, &names(2)));
    }
}
