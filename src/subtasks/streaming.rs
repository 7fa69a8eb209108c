//! Keyed state of steps, and partial fits: each message adds to what the earlier ones taught.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::by_column::refuse_infinite;
use super::{Fault, Scope};
use crate::data::{KeyedState, Message, from_bytes, to_bytes};

/// The partial fit of one column.
pub trait Learner: Send {
    /// Updates the state by a message's values, then transforms them: scikit-learn's `partial_fit` and `transform`.
    fn learn_and_transform(&mut self, values: &mut [f64]);

    /// As [`Learner::learn_and_transform`], with the event time of each value, in milliseconds since 1970, for a subtask
    /// that acts by time.
    fn learn_and_transform_at(&mut self, values: &mut [f64], _times: &[i64]) {
        self.learn_and_transform(values);
    }

    /// Whether the original takes infinity: if not, nothing is learned from a message that has one.
    fn takes_infinity(&self) -> bool {
        false
    }

    /// The state, for a checkpoint.
    fn save(&self) -> Vec<u8>;

    /// Restores the state of an earlier run.
    ///
    /// # Errors
    /// Bytes that are no state of this type.
    fn load(&mut self, saved: &[u8]) -> Result<(), String>;
}

/// A step with keyed state.
pub trait Remembering {
    /// Changes a message by the state, and updates the state. `refused` gets the ids of rows that the state could not
    /// take, and why; the message goes on without them.
    fn apply(&mut self, message: &mut Message, scope: &Scope, refused: &mut dyn FnMut(Vec<u64>, String));

    /// The keyed states that have changed since the last call: what the next checkpoint must write.
    fn changes(&mut self) -> Vec<KeyedState>;

    /// Restores the states of an earlier run.
    ///
    /// # Errors
    /// Bytes that are no state of this step.
    fn restore(&mut self, states: &[KeyedState]) -> Result<(), String>;
}

/// A transform of neighbouring rows across messages: its state is the last rows before the message.
pub(super) struct Carried<F> {
    keep: usize,
    last: Vec<f64>,
    transform: F,
}

impl<F: Fn(&mut [f64]) + Send> Carried<F> {
    /// `transform` looks back over up to `keep` rows.
    pub fn new(keep: usize, transform: F) -> Carried<F> {
        Carried { keep, last: Vec::new(), transform }
    }
}

impl<F: Fn(&mut [f64]) + Send> Learner for Carried<F> {
    fn learn_and_transform(&mut self, values: &mut [f64]) {
        let carried = self.last.len();
        self.last.extend_from_slice(values);
        let mut all = self.last.clone();
        (self.transform)(&mut all);
        values.copy_from_slice(&all[carried..]);
        let surplus = self.last.len().saturating_sub(self.keep);
        self.last.drain(..surplus);
    }

    fn takes_infinity(&self) -> bool {
        true
    }

    fn save(&self) -> Vec<u8> {
        to_bytes(&self.last)
    }

    fn load(&mut self, saved: &[u8]) -> Result<(), String> {
        from_bytes(saved).map(|last| self.last = last)
    }
}

type NewLearner = Box<dyn Fn() -> Box<dyn Learner> + Send>;

/// The keyed state of a step that learns over the stream: a [`Learner`] for each column and key.
pub struct Streaming {
    new: NewLearner,
    /// The slot of the text column that is the key; one state for all rows if not given.
    key: Option<usize>,
    /// How many columns are fitted.
    columns: usize,
    learners: HashMap<Option<String>, Vec<Box<dyn Learner>>>,
    changed: HashSet<Option<String>>,
}

impl Streaming {
    /// State for so many columns and each value of the text column in slot `key`; one state for all rows without it.
    pub fn new(new: NewLearner, key: Option<usize>, columns: usize) -> Streaming {
        Streaming { new, key, columns, learners: HashMap::new(), changed: HashSet::new() }
    }

    /// The key of the state, as bytes.
    pub fn key(text: Option<&str>) -> Vec<u8> {
        to_bytes(&text)
    }

    /// Refuses a message that nothing can be learned from.
    ///
    /// # Errors
    /// A column with an infinity, unless the original takes it; a row without a time, if times are needed.
    pub fn check(message: &Message, scope: &Scope, takes_infinity: bool) -> Result<(), Fault> {
        if !takes_infinity {
            scope.refuse(message, refuse_infinite)?;
        }
        scope.known_times(message).map(drop)
    }

    fn learners(&mut self, key: Option<String>) -> &mut Vec<Box<dyn Learner>> {
        let new = || (0..self.columns).map(|_| (self.new)()).collect();
        self.learners.entry(key).or_insert_with(new)
    }
}

/// The rows of each value of the text column in slot `key`, in the order of the values; all are of one without it.
pub(super) fn groups(message: &Message, key: Option<usize>) -> Vec<(Option<String>, Vec<usize>)> {
    let mut groups: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
    for row in 0..message.rows() {
        let key = key.and_then(|slot| message.texts[slot].get(row));
        groups.entry(key).or_default().push(row);
    }
    groups.into_iter().map(|(key, rows)| (key.map(str::to_owned), rows)).collect()
}

impl Remembering for Streaming {
    /// Updates the state by a message that [`Streaming::check`] accepted, and transforms it.
    fn apply(&mut self, message: &mut Message, scope: &Scope, _: &mut dyn FnMut(Vec<u64>, String)) {
        let times = scope.times(message);
        for (key, rows) in groups(message, self.key) {
            let times: Option<Vec<i64>> =
                times.as_ref().map(|times| rows.iter().map(|row| times[*row].unwrap_or_default()).collect());
            for (slot, learner) in scope.numbers.iter().zip(self.learners(key.clone())) {
                let column = message.column_mut(*slot);
                let mut values: Vec<f64> = rows.iter().map(|row| column[*row]).collect();
                match &times {
                    Some(times) => learner.learn_and_transform_at(&mut values, times),
                    None => learner.learn_and_transform(&mut values),
                }
                rows.iter().zip(values).for_each(|(row, x)| column[*row] = x);
            }
            self.changed.insert(key);
        }
    }

    fn changes(&mut self) -> Vec<KeyedState> {
        let saved = |key: Option<String>| {
            let learners: Vec<Vec<u8>> = self.learners[&key].iter().map(|learner| learner.save()).collect();
            KeyedState { key: Streaming::key(key.as_deref()), state: to_bytes(&learners) }
        };
        self.changed.drain().map(saved).collect()
    }

    fn restore(&mut self, states: &[KeyedState]) -> Result<(), String> {
        states.iter().try_for_each(|KeyedState { key, state }| {
            let (key, saved): (Option<String>, Vec<Vec<u8>>) = (from_bytes(key)?, from_bytes(state)?);
            if saved.len() != self.columns {
                return Err(format!("the state is that of {} columns, not of {}", saved.len(), self.columns));
            }
            self.learners(key).iter_mut().zip(&saved).try_for_each(|(learner, saved)| learner.load(saved))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::TextColumn;

    /// Subtracts the least value so far.
    struct Least(f64);

    impl Learner for Least {
        fn learn_and_transform(&mut self, values: &mut [f64]) {
            self.0 = values.iter().copied().fold(self.0, f64::min);
            values.iter_mut().for_each(|x| *x -= self.0);
        }

        fn save(&self) -> Vec<u8> {
            to_bytes(&self.0)
        }

        fn load(&mut self, saved: &[u8]) -> Result<(), String> {
            from_bytes(saved).map(|least| self.0 = least)
        }
    }

    #[test]
    fn each_key_learns_for_itself_and_remembers() {
        let new = || Streaming::new(Box::new(|| Box::new(Least(f64::INFINITY))), Some(0), 1);
        let apply = |streaming: &mut Streaming, values: Vec<f64>, keys: [&str; 2]| {
            let mut message = Message::from_columns(&[values]);
            let mut text = TextColumn::default();
            keys.into_iter().for_each(|key| text.push(Some(key)));
            message.texts.push(text);
            streaming.apply(&mut message, &Scope::numbers(1), &mut |ids, why| panic!("{ids:?}: {why}"));
            message.column(0).to_vec()
        };
        let mut streaming = new();
        assert_eq!(apply(&mut streaming, vec![1.0, 10.0], ["a", "b"]), [0.0, 0.0]);
        assert_eq!(apply(&mut streaming, vec![4.0, 7.0], ["a", "b"]), [3.0, 0.0]);
        let states = streaming.changes();
        assert_eq!((states.len(), streaming.changes().len()), (2, 0));
        let mut next = new();
        next.restore(&states).unwrap();
        assert_eq!(apply(&mut next, vec![4.0, 9.0], ["a", "b"]), [3.0, 2.0]);
        let mut wide = Streaming::new(Box::new(|| Box::new(Least(f64::INFINITY))), Some(0), 2);
        assert!(wide.restore(&states).unwrap_err().contains("of 1 columns, not of 2"));
    }

    #[test]
    fn infinity_teaches_nothing() {
        let message = Message::from_columns(&[vec![-9.0, f64::INFINITY]]);
        let fault = Streaming::check(&message, &Scope::numbers(1), false).unwrap_err();
        assert!(fault.to_string().contains("infinity"), "{fault}");
    }
}
