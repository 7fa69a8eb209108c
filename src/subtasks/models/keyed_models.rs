//! The keyed state of a model that learns over the stream: a model a key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::online_model::OnlineModel;
use super::{Features, Learning, Model, ModelOutput, OutputValues};
use crate::data::{KeyedState, Kind, Message, TextColumn, from_bytes, to_bytes};
use crate::subtasks::streaming::groups;
use crate::subtasks::{Remembering, Scope};

/// A model for each key: of each message it first says what it thinks, then it learns from it.
pub struct KeyedModels<L: Learning> {
    online: Arc<OnlineModel<L>>,
    /// The slot of the text column that is the key; one model for all rows if not given.
    key: Option<usize>,
    /// The names of the columns that it learns from.
    columns: Vec<String>,
    outputs: Vec<ModelOutput>,
    /// What its new columns hold.
    new: Vec<Kind>,
    states: BTreeMap<Option<String>, L::State>,
    changed: BTreeSet<Option<String>>,
}

/// A new column as it is filled, group by group.
enum NewColumn {
    Numbers(Vec<f64>),
    /// What was said so far, and where in it each row's text stands.
    Texts(TextColumn, Vec<Option<usize>>),
}

impl<L: Learning> KeyedModels<L> {
    /// Models that have learnt nothing yet.
    pub fn new(online: Arc<OnlineModel<L>>, key: Option<usize>, columns: Vec<String>) -> KeyedModels<L> {
        let (outputs, new) = (online.outputs(), online.known_columns().into_iter().map(|(_, kind)| kind).collect());
        KeyedModels { online, key, columns, outputs, new, states: BTreeMap::new(), changed: BTreeSet::new() }
    }

    /// Learns from some rows of a key.
    fn learn(&mut self, key: Option<String>, gathered: &[Vec<f64>], targets: &[f64]) -> Result<(), String> {
        let learning = &self.online.learning;
        let before = self.states.get(&key);
        let mut state = before.map_or_else(|| learning.start(&self.columns), Clone::clone);
        learning.partial_fit(&mut state, &features(gathered, targets.len()), targets)?;
        self.states.insert(key.clone(), state);
        self.changed.insert(key);
        Ok(())
    }

    /// What a model says of the rows of a key that learns from each before the next one.
    fn learn_and_say(
        &mut self,
        key: Option<String>,
        gathered: &[Vec<f64>],
        targets: &[Option<f64>],
    ) -> Vec<OutputValues> {
        let learning = &self.online.learning;
        let mut state = self.states.remove(&key).unwrap_or_else(|| learning.start(&self.columns));
        let said = learning.learn_and_say(&mut state, &features(gathered, targets.len()), targets, &self.outputs);
        self.states.insert(key.clone(), state);
        self.changed.insert(key);
        said
    }
}

/// The values of some rows, column by column.
fn gather(message: &Message, scope: &Scope, rows: &[usize]) -> Vec<Vec<f64>> {
    let column = |slot: &usize| {
        let column = message.column(*slot);
        rows.iter().map(|row| column[*row]).collect()
    };
    scope.numbers.iter().map(column).collect()
}

fn features(gathered: &[Vec<f64>], rows: usize) -> Features<'_> {
    Features { columns: gathered.iter().map(Vec::as_slice).collect(), rows }
}

impl<L: Learning> Remembering for KeyedModels<L> {
    fn apply(&mut self, message: &mut Message, scope: &Scope, refused: &mut dyn FnMut(Vec<u64>, String)) {
        let (online, rows) = (self.online.clone(), message.rows());
        let blank = |kind: &Kind| match kind {
            Kind::Number => NewColumn::Numbers(vec![f64::NAN; rows]),
            Kind::Text => NewColumn::Texts(TextColumn::default(), vec![None; rows]),
        };
        let mut new: Vec<NewColumn> = self.new.iter().map(blank).collect();
        let targets = online.targets(message, scope);
        let mut keep = vec![true; rows];
        for (key, rows) in groups(message, self.key) {
            let gathered = gather(message, scope, &rows);
            if L::ROW_BY_ROW {
                let targets: Vec<Option<f64>> = rows.iter().map(|row| targets[*row]).collect();
                let said = self.learn_and_say(key, &gathered, &targets);
                new.iter_mut().zip(said).for_each(|(column, values)| column.fill(&rows, &values));
                continue;
            }
            let model = self.states.get(&key).and_then(|state| online.learning.model(state));
            if let Some(model) = model {
                let said = model.evaluate(&features(&gathered, rows.len()), &self.outputs);
                new.iter_mut().zip(said).for_each(|(column, values)| column.fill(&rows, &values));
            }
            let learnt: Vec<(usize, f64)> = rows.iter().filter_map(|row| Some((*row, targets[*row]?))).collect();
            let (learnt, targets): (Vec<usize>, Vec<f64>) = learnt.into_iter().unzip();
            if learnt.is_empty() {
                continue;
            }
            let gathered = if learnt.len() == rows.len() { gathered } else { gather(message, scope, &learnt) };
            if let Err(reason) = self.learn(key, &gathered, &targets) {
                refused(learnt.iter().map(|row| message.ids[*row]).collect(), reason);
                learnt.iter().for_each(|row| keep[*row] = false);
            }
        }
        new.into_iter().for_each(|column| column.append_to(message));
        message.retain(&keep);
    }

    fn changes(&mut self) -> Vec<KeyedState> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        let saved = |key: Option<String>| KeyedState { state: to_bytes(&self.states[&key]), key: to_bytes(&key) };
        changed.map(saved).collect()
    }

    fn restore(&mut self, states: &[KeyedState]) -> Result<(), String> {
        states.iter().try_for_each(|KeyedState { key, state }| {
            let (key, state): (Option<String>, L::State) = (from_bytes(key)?, from_bytes(state)?);
            if !self.online.learning.fits(&state, &self.columns) {
                return Err("the state is that of other columns or classes".to_owned());
            }
            self.states.insert(key, state);
            Ok(())
        })
    }
}

impl NewColumn {
    fn fill(&mut self, rows: &[usize], values: &OutputValues) {
        match (self, values) {
            (NewColumn::Numbers(column), OutputValues::Numbers(values)) => {
                rows.iter().zip(values).for_each(|(row, x)| column[*row] = *x);
            }
            (NewColumn::Texts(said, places), OutputValues::Texts(values)) => {
                for (value, row) in rows.iter().enumerate() {
                    places[*row] = Some(said.len());
                    said.push(values.get(value));
                }
            }
            // The kind of a column is that of its values.
            _ => {}
        }
    }

    fn append_to(self, message: &mut Message) {
        match self {
            NewColumn::Numbers(numbers) => message.push_column(numbers),
            NewColumn::Texts(said, places) => {
                let mut column = TextColumn::default();
                places.iter().for_each(|place| column.push(place.and_then(|place| said.get(place))));
                message.texts.push(column);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Schema;
    use crate::subtasks::models::testing::names;
    use crate::subtasks::models::{SgdRegression, SgdRegressor};
    use crate::subtasks::{Refusal, Subtasks};
    use toml::de::ValueDeserializer;

    type Lines = KeyedModels<SgdRegression<SgdRegressor>>;

    fn models(parameters: &str) -> Lines {
        let online = serde::Deserialize::deserialize(ValueDeserializer::parse(parameters).unwrap()).unwrap();
        KeyedModels::new(Arc::new(online), Some(0), names(1))
    }

    fn scope() -> Scope {
        let schema =
            Schema::new([("x", Kind::Number), ("y", Kind::Number), ("train", Kind::Number), ("k", Kind::Text)]);
        let of = |name: &str| schema.get(name).cloned();
        let mut scope = Scope::of(&schema, |name| name == "x");
        (scope.target, scope.train) = (of("y"), of("train"));
        scope
    }

    /// What is said of rows of x, y, train and key; and of which rows nothing could be learnt.
    fn said(models: &mut Lines, rows: &[(f64, f64, f64, &str)]) -> (Vec<f64>, Vec<u64>) {
        let column = |of: fn(&(f64, f64, f64, &str)) -> f64| rows.iter().map(of).collect::<Vec<f64>>();
        let mut message = Message::from_columns(&[column(|row| row.0), column(|row| row.1), column(|row| row.2)]);
        let mut keys = TextColumn::default();
        rows.iter().for_each(|row| keys.push(Some(row.3)));
        message.texts.push(keys);
        let mut refused = Vec::new();
        models.apply(&mut message, &scope(), &mut |ids, _| refused.extend(ids));
        (message.column(3).to_vec(), refused)
    }

    const PLAIN: &str = "{shuffle = false, penalty = 'none', learning_rate = 'constant', eta0 = 0.5}";

    #[test]
    fn each_key_is_predicted_first_and_then_learnt_from() {
        let mut models = models(PLAIN);
        let (first, _) = said(&mut models, &[(1.0, 2.0, 1.0, "a"), (1.0, 9.0, 0.0, "b")]);
        assert!(first.iter().all(|x| x.is_nan()), "nothing was learnt before");
        // Of `a` weight and intercept are 1; `b` was not to be learnt from.
        let (second, _) = said(&mut models, &[(3.0, f64::NAN, 1.0, "a"), (1.0, f64::NAN, 1.0, "b")]);
        assert!(second[0] == 4.0 && second[1].is_nan(), "{second:?}");
        assert_eq!((models.changes().len(), models.changes().len()), (1, 0));
    }

    #[test]
    fn what_was_learnt_is_restored() {
        let mut before = models(PLAIN);
        said(&mut before, &[(1.0, 2.0, 1.0, "a")]);
        let states = before.changes();
        let mut next = models(PLAIN);
        next.restore(&states).unwrap();
        assert_eq!(said(&mut next, &[(3.0, f64::NAN, 1.0, "a")]).0, [4.0]);
        let mut other = models(PLAIN);
        other.columns = names(2);
        assert!(other.restore(&states).unwrap_err().contains("columns"));
    }

    #[test]
    fn rows_that_make_weights_run_away_are_refused_and_teach_nothing() {
        let mut models = models(PLAIN);
        said(&mut models, &[(1.0, 2.0, 1.0, "a")]);
        let (others, refused) = said(&mut models, &[(1e300, 0.0, 1.0, "a"), (1.0, f64::NAN, 1.0, "a")]);
        assert_eq!((others, refused), (vec![2.0], vec![0]));
        assert_eq!(said(&mut models, &[(3.0, f64::NAN, 1.0, "a")]).0, [4.0]);
    }

    #[test]
    fn parameters_that_do_not_go_together_are_told() {
        let refused = |name: &str, parameters: &str| -> Option<Refusal> {
            let builtin = Subtasks::builtin();
            let subtask = builtin.find(name).unwrap().build(ValueDeserializer::parse(parameters).unwrap()).unwrap();
            subtask.check_stream().err()
        };
        for (name, parameters, parameter) in [
            ("sgd_regressor", "{}", "shuffle"),
            ("sgd_regressor", "{random_state = 1, eta0 = 0}", "eta0"),
            ("sgd_regressor", "{random_state = 1, learning_rate = 'pa1'}", "learning_rate"),
            ("passive_aggressive_regressor", "{random_state = 1, C = 0}", "C"),
            ("sgd_classifier", "{random_state = 1}", "classes"),
            ("sgd_classifier", "{random_state = 1, classes = [0, 1], outputs = ['probability']}", "outputs"),
            ("sgd_classifier", "{random_state = 1, classes = [0, 1], alpha = 0}", "alpha"),
            ("perceptron", "{classes = ['a', 'b'], class_weight = {c = 2}}", "class_weight"),
            ("gaussian_nb", "{classes = ['a', 'b'], priors = [0.5, 0.4]}", "priors"),
            ("mini_batch_k_means", "{random_state = 1}", "reassignment_ratio"),
            ("mini_batch_k_means", "{n_clusters = 1000000000000}", "n_clusters"),
            ("incremental_pca", "{}", "n_components"),
            ("incremental_pca", "{n_components = 1000000000000}", "n_components"),
        ] {
            assert_eq!(
                refused(name, parameters).map(|refusal| refusal.parameter),
                Some(parameter),
                "{name} {parameters}"
            );
        }
        for (name, parameters) in [
            ("sgd_regressor", "{random_state = 1}"),
            ("sgd_classifier", "{shuffle = false, classes = [0, 1], loss = 'log_loss', outputs = ['probability']}"),
            ("perceptron", "{classes = ['a', 'b'], class_weight = {b = 2}}"),
            ("passive_aggressive_regressor", "{random_state = 1, C = 0.5}"),
            ("mini_batch_k_means", "{random_state = 1, reassignment_ratio = 0}"),
        ] {
            assert_eq!(refused(name, parameters), None, "{name}");
        }
        let unknown =
            Subtasks::builtin().find("sgd_regressor").unwrap().build(ValueDeserializer::parse("{los = 1}").unwrap());
        assert!(unknown.err().unwrap().to_string().contains("los"));
    }
}
