//! A step: a subtask with its label, its columns and the key of its state.

use super::{DynSubtask, Fault, OnError, Recent, Remembering, Scope, remove_refused};
use crate::data::Message;
use crate::pool::Scratch;

/// One operator of the chain.
#[derive(Clone)]
pub struct Step {
    /// The subtask's name, numbered from the second of that name on.
    pub label: String,
    /// The number of the source whose rows it takes; all rows if not given.
    pub source: Option<usize>,
    /// The subtask, with its parameters.
    pub subtask: DynSubtask,
    /// The columns that it works on.
    pub scope: Scope,
    /// The key of a step with keyed state.
    pub stream: Option<StreamKey>,
    /// What becomes of a message of which it can't take some rows.
    pub on_error: OnError,
}

/// The key by which a step's state is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKey {
    /// None: one state for all rows.
    All,
    /// The values of the text column in this slot.
    Text(usize),
    /// The compared columns of a row.
    Row {
        /// The dedup window, in rows.
        horizon: u64,
    },
}

/// What a step may have changed of a message before it fails.
enum MessageBackup {
    Nothing,
    Numbers(Scratch<f64>),
    All(Message),
}

impl Step {
    /// Changes a message. With [`OnError::Row`], `refused` gets the ids of the rows that it can't take, and why; the
    /// message goes on without them.
    ///
    /// # Errors
    /// What it refuses the message for; the message is then unspecified.
    pub fn apply(&self, message: &mut Message, mut refused: impl FnMut(Vec<u64>, String)) -> Result<(), Fault> {
        while message.rows() > 0 {
            let before = self.before(message);
            let Err(fault) = self.subtask.apply(message, &self.scope) else { break };
            if !self.goes_on(&fault) {
                return Err(fault);
            }
            match before {
                MessageBackup::Nothing => {}
                MessageBackup::Numbers(numbers) => message.set_flat(&numbers),
                MessageBackup::All(before) => *message = before,
            }
            refused(remove_refused(message, fault.rows()), fault.of_each_row());
        }
        Ok(())
    }

    /// As [`Self::apply`]; of a step with keyed state, the message counts as the first one.
    ///
    /// # Errors
    /// What it refuses the message for; the message is then unspecified.
    pub fn apply_as_first(
        &self,
        message: &mut Message,
        mut refused: impl FnMut(Vec<u64>, String),
    ) -> Result<(), Fault> {
        if self.stream.is_none() {
            return self.apply(message, refused);
        }
        let check = self.subtask.row_check();
        while let Err(fault) = check(message, &self.scope) {
            if !self.goes_on(&fault) {
                return Err(fault);
            }
            refused(remove_refused(message, fault.rows()), fault.of_each_row());
        }
        self.remembering().apply(message, &self.scope, &mut refused);
        Ok(())
    }

    /// The step with keyed state that has seen no row.
    pub fn remembering(&self) -> Box<dyn Remembering> {
        let key = match self.stream {
            Some(StreamKey::Row { horizon }) => return Box::new(Recent::new(horizon)),
            Some(StreamKey::Text(slot)) => Some(slot),
            Some(StreamKey::All) | None => None,
        };
        self.subtask.remembering(key, &self.scope, self.on_error)
    }

    /// Whether a message goes on without the rows that it is refused for.
    pub fn goes_on(&self, fault: &Fault) -> bool {
        self.on_error == OnError::Row && !fault.rows().is_empty()
    }

    fn before(&self, message: &Message) -> MessageBackup {
        let transform = self.subtask.transform();
        match self.on_error {
            OnError::Message => MessageBackup::Nothing,
            OnError::Row if transform.acts_by_column() => {
                MessageBackup::Numbers(message.flat().iter().copied().collect())
            }
            OnError::Row if transform.refuses_first() => MessageBackup::Nothing,
            OnError::Row => MessageBackup::All(message.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Schema, TextColumn};
    use crate::subtasks::{Chain, ChainEvent, DynSubtask, Scope, Subtasks};
    use toml::de::ValueDeserializer;

    const N: f64 = f64::NAN;
    const INF: f64 = f64::INFINITY;

    fn subtask(name: &str, parameters: &str) -> DynSubtask {
        Subtasks::builtin().find(name).unwrap().build(ValueDeserializer::parse(parameters).unwrap()).unwrap()
    }

    fn step(subtask: DynSubtask, scope: Scope, on_error: OnError) -> Step {
        Step { label: "s".into(), source: None, subtask, scope, stream: None, on_error }
    }

    /// Every subtask that refuses a message for some rows' values: those rows are told, and the others end as if they
    /// had come alone.
    #[test]
    fn the_others_go_on_as_if_those_rows_had_not_been_there() {
        let usual = [vec![1.0, INF, 3.0, 4.5, 9.0, 2.0], vec![2.0, 5.0, 7.0, 1.0, -INF, 8.0]];
        let gaps = [vec![1.0, N, 3.0, 4.5, 9.0, 2.0], vec![2.0, 5.0, 7.0, 1.0, INF, 8.0]];
        let signs = [vec![1.0, 0.0, 3.0, 4.5, 9.0, 2.0], vec![2.0, 5.0, 7.0, 1.0, -2.0, 8.0]];
        for (name, parameters, columns) in [
            ("standard_scaler", "{}", &usual),
            ("min_max_scaler", "{}", &usual),
            ("max_abs_scaler", "{}", &usual),
            ("robust_scaler", "{}", &usual),
            ("power_transformer", "{}", &usual),
            ("power_transformer", "{method = 'box-cox'}", &signs),
            ("quantile_transformer", "{n_quantiles = 3}", &usual),
            ("simple_imputer", "{}", &usual),
            ("k_bins_discretizer", "{n_bins = 2}", &gaps),
            ("normalizer", "{}", &gaps),
            ("binarizer", "{}", &gaps),
            ("polynomial_features", "{}", &gaps),
        ] {
            let by_rows = step(subtask(name, parameters), Scope::numbers(2), OnError::Row);
            let (mut message, mut refused) = (Message::from_columns(columns), Vec::new());
            by_rows.apply(&mut message, |ids, reason| refused.push((ids, reason))).unwrap();
            let mut alone = Message::from_columns(columns).take_rows(&[0, 2, 3, 5]);
            by_rows.subtask.apply(&mut alone, &by_rows.scope).unwrap();
            assert_eq!(message, alone, "{name}");
            let mut ids: Vec<u64> = refused.iter().flat_map(|(ids, _)| ids.clone()).collect();
            ids.sort_unstable();
            assert_eq!(ids, [1, 4], "{name}: {refused:?}");
            assert!(refused.iter().all(|(_, reason)| reason.contains(" Column ") && !reason.contains("row")), "{name}");
            let whole = Step { on_error: OnError::Message, ..by_rows };
            let mut message = Message::from_columns(columns);
            assert!(whole.apply(&mut message, |_, _| panic!("{name}")).is_err());
        }
    }

    #[test]
    fn rows_of_unknown_categories_alone_are_refused() {
        let message = || {
            let mut message = Message::from_columns(&[vec![1.0, 2.0, 3.0]]);
            let mut text = TextColumn::default();
            ["a", "z", "b"].into_iter().for_each(|cell| text.push(Some(cell)));
            message.texts.push(text);
            message
        };
        let schema = Schema::new([("x", crate::data::Kind::Number), ("rule", crate::data::Kind::Text)]);
        let scope = Scope::of(&schema, |name| name == "rule");
        for name in ["one_hot_encoder", "ordinal_encoder"] {
            let step = step(subtask(name, "{categories = [['a', 'b']]}"), scope.clone(), OnError::Row);
            let (mut message, mut refused) = (message(), Vec::new());
            step.apply(&mut message, |ids, reason| refused.push((ids, reason))).unwrap();
            assert_eq!((message.column(0), message.rows()), (&[1.0, 3.0][..], 2), "{name}");
            assert_eq!(refused, [(vec![1], "Found unknown categories [\"z\"]. Column rule.".to_owned())], "{name}");
        }
    }

    #[test]
    fn fused_steps_refuse_the_rows_that_those_in_turn_do() {
        let steps = |on_error: [OnError; 3]| {
            let subtasks = [subtask("max_abs_scaler", "{}"), subtask("clip", "{}"), subtask("binarizer", "{}")];
            let steps = subtasks.into_iter().zip(on_error);
            steps.map(|(subtask, on_error)| step(subtask, Scope::numbers(2), on_error)).collect::<Vec<_>>()
        };
        let run = |chain: Chain| {
            let mut message = Message::from_columns(&[vec![1.0, INF, -3.0, 2.0], vec![2.0, 1.0, N, 0.0]]);
            let mut refused = Vec::new();
            let ran = chain.apply(&mut message, |event| match event {
                ChainEvent::Refused(rows) => refused.push((rows.step, rows.ids)),
                ChainEvent::Passed(..) => {}
            });
            (ran.map(|()| message), refused)
        };
        let (row, whole) = (OnError::Row, OnError::Message);
        for on_error in [[row, row, row], [row, whole, whole], [whole, row, row], [whole; 3], [row, whole, row]] {
            let (fused, in_turn) = (run(Chain::fused(&steps(on_error))), run(Chain::in_turn(&steps(on_error))));
            assert_eq!(fused.1, in_turn.1);
            assert_eq!(fused.0.is_ok(), in_turn.0.is_ok());
            assert!(fused.0.is_err() || fused.0 == in_turn.0, "{on_error:?}");
        }
        let (ran, refused) = run(Chain::fused(&steps([row, whole, row])));
        assert_eq!(refused, [(0, vec![1]), (2, vec![2])]);
        assert_eq!(ran.unwrap().flat(), [1.0, 1.0, 1.0, 0.0]);
    }

    #[test]
    fn a_message_of_which_no_row_can_be_taken_ends_empty() {
        let step = step(subtask("normalizer", "{}"), Scope::numbers(1), OnError::Row);
        let (mut message, mut refused) = (Message::from_columns(&[vec![N, INF, N]]), Vec::new());
        step.apply(&mut message, |ids, _| refused.push(ids)).unwrap();
        assert_eq!((message.rows(), refused), (0, vec![vec![0, 2], vec![1]]));
    }
}
