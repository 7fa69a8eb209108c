//! Subtasks that learn over the stream: each message adds to what the ones before it taught.

use std::collections::HashMap;

use super::by_column::refuse_infinite;
use super::{Fault, Scope};
use crate::data::Message;

/// What one column has taught so far.
pub trait Learner: Send {
    /// Takes in the values of a message, then transforms them: scikit-learn's `partial_fit` and `transform`.
    fn learn_and_transform(&mut self, values: &mut [f64]);
}

/// A transform of neighbouring rows that goes on over the messages: the last rows of those before are kept.
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
}

type NewLearner = Box<dyn Fn() -> Box<dyn Learner> + Send>;

/// The learners of a step: one a column and key, where rows are told apart by a text column.
pub struct Streaming {
    new: NewLearner,
    /// The slot of the text column.
    key: Option<usize>,
    learners: HashMap<Option<String>, Vec<Box<dyn Learner>>>,
}

impl Streaming {
    pub fn new(new: NewLearner, key: Option<usize>) -> Streaming {
        Streaming { new, key, learners: HashMap::new() }
    }

    /// Refuses a message that nothing can be learned from.
    ///
    /// # Errors
    /// Infinity.
    pub fn check(message: &Message, scope: &Scope) -> Result<(), Fault> {
        scope.refuse(message, refuse_infinite)
    }

    /// Learns from a message that was not refused, and transforms it.
    pub fn apply(&mut self, message: &mut Message, scope: &Scope) {
        for (key, rows) in self.groups(message) {
            let new = || scope.numbers.iter().map(|_| (self.new)()).collect();
            let learners = self.learners.entry(key).or_insert_with(new);
            for (slot, learner) in scope.numbers.iter().zip(learners) {
                let column = message.column_mut(*slot);
                let mut values: Vec<f64> = rows.iter().map(|row| column[*row]).collect();
                learner.learn_and_transform(&mut values);
                rows.iter().zip(values).for_each(|(row, x)| column[*row] = x);
            }
        }
    }

    /// The rows of each key.
    fn groups(&self, message: &Message) -> HashMap<Option<String>, Vec<usize>> {
        let mut groups: HashMap<Option<String>, Vec<usize>> = HashMap::new();
        for row in 0..message.rows() {
            let key = self.key.and_then(|slot| message.texts[slot].get(row));
            groups.entry(key.map(str::to_owned)).or_default().push(row);
        }
        groups
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
    }

    #[test]
    fn each_key_learns_for_itself_and_remembers() {
        let mut streaming = Streaming::new(Box::new(|| Box::new(Least(f64::INFINITY))), Some(0));
        let mut apply = |values: Vec<f64>, keys: [&str; 2]| {
            let mut message = Message::from_columns(&[values]);
            let mut text = TextColumn::default();
            keys.into_iter().for_each(|key| text.push(Some(key)));
            message.texts.push(text);
            streaming.apply(&mut message, &Scope::numbers(1));
            message.column(0).to_vec()
        };
        assert_eq!(apply(vec![1.0, 10.0], ["a", "b"]), [0.0, 0.0]);
        assert_eq!(apply(vec![4.0, 7.0], ["a", "b"]), [3.0, 0.0]);
    }

    #[test]
    fn infinity_teaches_nothing() {
        let message = Message::from_columns(&[vec![-9.0, f64::INFINITY]]);
        let fault = Streaming::check(&message, &Scope::numbers(1)).unwrap_err();
        assert!(fault.0.contains("infinity"), "{fault}");
    }
}
