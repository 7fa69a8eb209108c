//! The keyed state of a model that learns over the stream: a model a key.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::empty_rows::with_values;
use super::online_model::OnlineModel;
use super::{Features, Learning, Model, ModelOutput, OutputValues};
use crate::data::{KeyedState, Kind, Message, TextColumn, from_bytes, to_bytes};
use crate::subtasks::streaming::groups;
use crate::subtasks::{OnError, Remembering, Scope};

/// A model for each key: of each message it first says what it thinks, then it learns from it.
pub struct KeyedModels<L: Learning> {
    online: Arc<OnlineModel<L>>,
    /// The slot of the text column that is the key; one model for all rows if not given.
    key: Option<usize>,
    /// The names of the columns that it learns from.
    columns: Vec<String>,
    /// What becomes of a message of which it can't learn some rows.
    on_error: OnError,
    outputs: Vec<ModelOutput>,
    /// What its new columns hold.
    new: Vec<Kind>,
    states: BTreeMap<Option<String>, L::State>,
    changed: BTreeSet<Option<String>>,
}

/// What comes of learning from rows.
struct Lesson<S> {
    /// What is known then, if anything was learnt.
    state: Option<S>,
    /// The rows that are refused, and why.
    refused: BTreeSet<usize>,
    reason: String,
}

/// A new column as it is filled, group by group.
enum NewColumn {
    Numbers(Vec<f64>),
    /// What was said so far, and where in it each row's text stands.
    Texts(TextColumn, Vec<Option<usize>>),
}

impl<L: Learning> KeyedModels<L> {
    /// Models that have learnt nothing yet.
    pub fn new(
        online: Arc<OnlineModel<L>>,
        key: Option<usize>,
        columns: Vec<String>,
        on_error: OnError,
    ) -> KeyedModels<L> {
        let (outputs, new) = (online.outputs(), online.known_columns().into_iter().map(|(_, kind)| kind).collect());
        KeyedModels { online, key, columns, on_error, outputs, new, states: BTreeMap::new(), changed: BTreeSet::new() }
    }

    /// Learns from rows of a key, whose targets stand beside them. With [`OnError::Row`], only those at fault are refused:
    /// the others are learnt as if they had not been there.
    fn learn(
        &self,
        key: &Option<String>,
        message: &Message,
        scope: &Scope,
        mut examples: Vec<(usize, f64)>,
    ) -> Lesson<L::State> {
        let learning = &self.online.learning;
        let before = self.states.get(key).map_or_else(|| Cow::Owned(learning.start(&self.columns)), Cow::Borrowed);
        let mut lesson = Lesson { state: None, refused: BTreeSet::new(), reason: String::new() };
        while !examples.is_empty() {
            let (rows, targets): (Vec<usize>, Vec<f64>) = examples.iter().copied().unzip();
            let gathered = gather(message, scope, &rows);
            let features = features(&gathered, rows.len());
            let mut state = L::State::clone(&before);
            let Err(reason) = learning.partial_fit(&mut state, &features, &targets) else {
                lesson.state = Some(state);
                break;
            };
            lesson.reason = reason;
            let at_fault = match self.on_error {
                OnError::Row => learning.unlearnable(&before, &features, &targets),
                OnError::Message => Vec::new(),
            };
            match at_fault.is_empty() {
                true => lesson.refused.extend(rows),
                false => lesson.refused.extend(at_fault.into_iter().map(|place| rows[place])),
            }
            examples.retain(|(row, _)| !lesson.refused.contains(row));
        }
        lesson
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
        let some = online.appended.skips_empty().then(|| with_values(message, scope));
        for (key, mut rows) in groups(message, self.key) {
            if let Some(some) = &some {
                rows.retain(|row| some[*row]);
                if rows.is_empty() {
                    continue;
                }
            }
            let gathered = gather(message, scope, &rows);
            if L::ROW_BY_ROW {
                let targets: Vec<Option<f64>> = rows.iter().map(|row| targets[*row]).collect();
                let said = self.learn_and_say(key, &gathered, &targets);
                new.iter_mut().zip(said).for_each(|(column, values)| column.fill(&rows, &values));
                continue;
            }
            // A key that has learnt nothing yet may have something to say, too.
            let before = self.states.get(&key);
            let before = before.map_or_else(|| Cow::Owned(online.learning.start(&self.columns)), Cow::Borrowed);
            if let Some(model) = online.learning.model(&before) {
                let said = model.evaluate(&features(&gathered, rows.len()), &self.outputs);
                new.iter_mut().zip(said).for_each(|(column, values)| column.fill(&rows, &values));
            }
            let examples = rows.iter().filter_map(|row| Some((*row, targets[*row]?))).collect();
            let Lesson { state, refused: rows, reason } = self.learn(&key, message, scope, examples);
            if let Some(state) = state {
                self.states.insert(key.clone(), state);
                self.changed.insert(key);
            }
            if !rows.is_empty() {
                rows.iter().for_each(|row| keep[*row] = false);
                refused(rows.into_iter().map(|row| message.ids[row]).collect(), reason);
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
    use crate::subtasks::models::{HalfSpaceTreesLearning, SgdRegression, SgdRegressor};
    use crate::subtasks::{Refusal, Subtasks};
    use toml::de::ValueDeserializer;

    type Lines = KeyedModels<SgdRegression<SgdRegressor>>;

    fn models(parameters: &str) -> Lines {
        let online = serde::Deserialize::deserialize(ValueDeserializer::parse(parameters).unwrap()).unwrap();
        KeyedModels::new(Arc::new(online), Some(0), names(1), OnError::Row)
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
    fn half_space_trees_score_the_first_rows_of_a_key_as_river_does() {
        let online: OnlineModel<HalfSpaceTreesLearning> =
            serde::Deserialize::deserialize(ValueDeserializer::parse("{seed = 1}").unwrap()).unwrap();
        let mut models = KeyedModels::new(Arc::new(online), None, names(1), OnError::Row);
        for values in [vec![0.5, 0.1], vec![0.3, 0.9]] {
            let mut message = Message::from_columns(&[values]);
            models.apply(&mut message, &Scope::numbers(1), &mut |_, _| panic!("none is refused"));
            assert_eq!(message.column(1), [0.0, 0.0]);
        }
    }

    #[test]
    fn empty_rows_are_passed_over_and_teach_nothing_if_so_told() {
        let skips = PLAIN.replace('{', "{skip_empty = true, ");
        let (mut models, mut plain) = (models(&skips), models(PLAIN));
        let rows = [(1.0, 2.0, 1.0, "a"), (f64::NAN, 9.0, 1.0, "a"), (f64::NAN, f64::NAN, 1.0, "b")];
        let (said_first, refused) = said(&mut models, &rows);
        assert!(said_first.iter().all(|x| x.is_nan()) && refused.is_empty());
        said(&mut plain, &rows[..1]);
        let (next, _) = said(&mut models, &[(f64::NAN, 7.0, 1.0, "a"), (3.0, f64::NAN, 1.0, "a")]);
        assert!(next[0].is_nan() && next[1] == said(&mut plain, &[(3.0, f64::NAN, 1.0, "a")]).0[0]);
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
    fn the_rows_beside_them_are_learnt_as_if_they_had_come_alone() {
        let good = [(1.0, 2.0, 1.0, "a"), (2.0, 5.0, 1.0, "a"), (1.5, 1.0, 1.0, "b"), (0.5, 4.0, 1.0, "a")];
        let bad = [(1.7e308, 1e10, 1.0, "a"), (-1.7e308, 1e10, 1.0, "b")];
        let both = [good[0], bad[0], good[1], good[2], bad[1], good[3]];
        for parameters in [PLAIN, "{random_state = 1}", "{random_state = 7, penalty = 'l2', average = true}"] {
            let (mut alone, mut beside) = (models(parameters), models(parameters));
            for _ in 0..2 {
                assert_eq!(said(&mut alone, &good).1, [0; 0]);
                assert_eq!(said(&mut beside, &both).1, [1, 4], "{parameters}");
            }
            assert_eq!(said(&mut beside, &good).0, said(&mut alone, &good).0, "{parameters}");
            let mut whole = models(parameters);
            whole.on_error = OnError::Message;
            assert_eq!(said(&mut whole, &both).1, [0, 1, 2, 5, 3, 4], "of each key all rows");
        }
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
