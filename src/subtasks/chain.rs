//! Runs steps one after the other: the one way for the graph, the preview, `rowmill fit` and the bench.

use super::{Fault, Fused, Learned, OnError, RefusedRows, Step, remove_refused};
use crate::data::Message;
use crate::pool::Scratch;

/// Consecutive steps, run without keyed state from message to message: each counts as the first one.
#[derive(Clone)]
pub struct Chain {
    passes: Vec<Pass>,
}

/// A step, or several that are fused.
#[derive(Clone)]
struct Pass {
    /// The first of them, counted from 0.
    step: usize,
    act: Act,
}

#[derive(Clone)]
enum Act {
    Step(Box<Step>),
    Fused(Fused, Vec<Step>),
}

/// What a chain tells while it runs over a message.
pub enum ChainEvent<'a> {
    /// A step can't take these rows; the message goes on without them.
    Refused(RefusedRows),
    /// A pass is done, whose first step has this index; and the message after it.
    Passed(usize, &'a Message),
}

impl Chain {
    /// A pass for each step.
    pub fn in_turn(steps: &[Step]) -> Chain {
        let passes = steps.iter().enumerate().map(|(step, one)| Pass { step, act: Act::Step(Box::new(one.clone())) });
        Chain { passes: passes.collect() }
    }

    /// As few passes as possible: consecutive steps that act by column run in one pass over each column.
    pub fn fused(steps: &[Step]) -> Chain {
        let by_column = |step: &Step| step.subtask.transform().acts_by_column();
        let mut step = 0;
        let passes = steps.chunk_by(|one, next| by_column(one) && by_column(next)).map(|run| {
            step += run.len();
            let fused =
                || Fused::new(run.iter().map(|one| (one.subtask.transform().clone(), one.scope.clone())).collect());
            let act =
                if let [one] = run { Act::Step(Box::new(one.clone())) } else { Act::Fused(fused(), run.to_vec()) };
            Pass { step: step - run.len(), act }
        });
        Chain { passes: passes.collect() }
    }

    /// Applies the steps; a message without rows is left as it is. `tell` gets what happens on the way.
    ///
    /// # Errors
    /// What a step refuses, and which one; the message is then unspecified, and the steps behind it have not run.
    pub fn apply(&self, message: &mut Message, mut tell: impl FnMut(ChainEvent<'_>)) -> Result<(), (usize, Fault)> {
        for pass in &self.passes {
            if message.rows() > 0 {
                pass.apply(message, |refused| tell(ChainEvent::Refused(refused)))?;
            }
            tell(ChainEvent::Passed(pass.step, message));
        }
        Ok(())
    }

    /// Fits step after step, each on the output of the steps before it. Returns the fitted params of those that learn.
    ///
    /// `messages` has all rows of each source; a step learns from the rows of all of them together, or of its own source,
    /// and acts on those of each source as on a message of their own.
    ///
    /// # Errors
    /// In words, what a step can't learn from or refuses.
    ///
    /// # Panics
    /// If steps are fused: a step learns from all columns before it acts on one. If there is no message.
    pub fn fit(&self, mut messages: Vec<Message>) -> Result<Vec<(&Step, Learned)>, String> {
        let mut fitted = Vec::new();
        for Pass { act, .. } in &self.passes {
            let Act::Step(step) = act else { panic!("fused steps are not fitted") };
            let step = step.as_ref();
            let own = step.source.map_or(0..messages.len(), |source| source..source + 1);
            let own = &mut messages[own];
            let of_step = |reason: String| format!("{}: {reason}", step.label);
            let left_out = |ids: Vec<u64>, reason: String| {
                tracing::warn!("{}: {} rows are left out: {reason}", step.label, ids.len());
            };
            let learned = loop {
                match step.subtask.fit(&Message::joined(own), &step.scope) {
                    Err(fault) if step.goes_on(&fault) => {
                        left_out(remove_refused_of(own, &fault), fault.of_each_row());
                    }
                    learned => break learned.map_err(|fault| of_step(fault.to_string()))?,
                }
            };
            let applies = match learned {
                None => step.clone(),
                Some(learned) => {
                    let subtask = step.subtask.freeze(&learned, step.scope.all_names().count()).map_err(of_step)?;
                    fitted.push((step, learned));
                    Step { subtask, ..step.clone() }
                }
            };
            for message in own {
                applies.apply(message, left_out).map_err(|fault| of_step(fault.to_string()))?;
            }
        }
        Ok(fitted)
    }
}

/// Removes the rows that messages are refused for when they are joined; returns their ids.
fn remove_refused_of(messages: &mut [Message], fault: &Fault) -> Vec<u64> {
    let (mut ids, mut start) = (Vec::new(), 0);
    for message in messages {
        let own = start..start + message.rows();
        let rows: Vec<usize> = fault.rows().iter().filter(|row| own.contains(row)).map(|row| row - start).collect();
        ids.extend(remove_refused(message, &rows));
        start = own.end;
    }
    ids
}

impl Pass {
    fn apply(&self, message: &mut Message, mut refused: impl FnMut(RefusedRows)) -> Result<(), (usize, Fault)> {
        let mut in_turn = |message: &mut Message, steps: &[Step]| {
            steps.iter().zip(self.step..).try_for_each(|(one, step)| {
                let refused = |ids, reason| refused(RefusedRows { step, ids, reason });
                one.apply_as_first(message, refused).map_err(|fault| (step, fault))
            })
        };
        match &self.act {
            Act::Step(step) => in_turn(message, std::slice::from_ref(step.as_ref())),
            Act::Fused(fused, steps) if steps.iter().all(|step| step.on_error == OnError::Message) => {
                fused.apply(message).map_err(|(step, fault)| (self.step + step, fault))
            }
            Act::Fused(fused, steps) => {
                let before: Scratch<f64> = message.flat().iter().copied().collect();
                if fused.apply(message).is_ok() {
                    return Ok(());
                }
                message.set_flat(&before);
                in_turn(message, steps)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::binarizer::Binarizer;
    use crate::subtasks::dropna::Dropna;
    use crate::subtasks::max_abs_scaler::MaxAbsScaler;
    use crate::subtasks::min_max_scaler::MinMaxScaler;
    use crate::subtasks::{DynSubtask, Scope};

    fn steps() -> Vec<Step> {
        let subtasks = [
            DynSubtask::new(MaxAbsScaler::default()),
            DynSubtask::new(MinMaxScaler::default()),
            DynSubtask::new(Dropna::default()),
            DynSubtask::new(MaxAbsScaler::default()),
            DynSubtask::new(Binarizer::default()),
        ];
        let step = |(number, subtask)| Step {
            label: format!("step {number}"),
            source: None,
            subtask,
            scope: Scope::numbers(1),
            stream: None,
            on_error: OnError::Message,
        };
        subtasks.into_iter().enumerate().map(step).collect()
    }

    #[test]
    fn fused_steps_end_as_those_in_turn_and_a_fault_names_its_step() {
        let run = |chain: &Chain, numbers: Vec<f64>| {
            let mut message = Message::from_columns(&[numbers]);
            let mut rows = Vec::new();
            let ran = chain.apply(&mut message, |event| match event {
                ChainEvent::Passed(step, message) => rows.push((step, message.rows())),
                ChainEvent::Refused(refused) => panic!("{refused:?}"),
            });
            (ran.map(|()| message).map_err(|(step, _)| step), rows)
        };
        let (in_turn, fused) = (Chain::in_turn(&steps()), Chain::fused(&steps()));
        let numbers = || vec![1.0, f64::NAN, 4.0];
        let (one, other) = (run(&in_turn, numbers()), run(&fused, numbers()));
        assert_eq!(one.0, other.0);
        assert_eq!(one.1, [(0, 3), (1, 3), (2, 2), (3, 2), (4, 2)]);
        assert_eq!(other.1, [(0, 3), (2, 2), (3, 2)]);
        // All rows are dropped: the steps behind have nothing to do.
        assert_eq!(run(&fused, vec![f64::NAN]).1, [(0, 1), (2, 0), (3, 0)]);
        let refused = [run(&in_turn, vec![f64::INFINITY]), run(&fused, vec![f64::INFINITY])];
        assert!(refused.iter().all(|(ran, rows)| *ran == Err(0) && rows.is_empty()), "{refused:?}");
    }

    #[test]
    fn each_step_learns_from_what_those_before_it_made() {
        let chain = Chain::in_turn(&steps());
        let fitted = chain.fit(vec![Message::from_columns(&[vec![2.0, f64::NAN, 8.0]])]).unwrap();
        let labels: Vec<&str> = fitted.iter().map(|(step, _)| step.label.as_str()).collect();
        assert_eq!(labels, ["step 0", "step 1", "step 3"]);
        let shown = |place: usize| format!("{:?}", fitted[place].1);
        assert!(shown(0).contains("8.0") && shown(2).contains("1.0") && !shown(2).contains("8.0"), "{}", shown(2));
    }

    /// Of two sources, each has its own steps first.
    #[test]
    fn a_step_learns_from_its_source_or_from_all_of_them() {
        let of = |source: Option<usize>, on_error: OnError| Step {
            label: format!("{source:?}"),
            source,
            subtask: DynSubtask::new(MaxAbsScaler::default()),
            scope: Scope::numbers(1),
            stream: None,
            on_error,
        };
        let chain = Chain::in_turn(&[of(Some(1), OnError::Message), of(None, OnError::Row)]);
        let message = |numbers: &[f64]| Message::from_columns(&[numbers.to_vec()]);
        let fit = |messages: &[&[f64]]| {
            let fitted = chain.fit(messages.iter().map(|numbers| message(numbers)).collect())?;
            Ok(fitted.iter().map(|(_, learned)| format!("{learned:?}")).collect::<Vec<_>>())
        };
        let alone = |numbers: &[f64]| {
            let chain = Chain::in_turn(&[of(None, OnError::Message)]);
            format!("{:?}", chain.fit(vec![message(numbers)]).unwrap()[0].1)
        };
        // The rows of the second source are between -1 and 1 behind its own step; one of the first cannot be learned from.
        let found: Result<Vec<String>, String> = fit(&[&[0.25, f64::INFINITY, 0.5], &[3.0, 8.0]]);
        assert_eq!(found.unwrap(), [alone(&[3.0, 8.0]), alone(&[0.25, 0.5, 0.375, 1.0])]);
        let found = fit(&[&[2.0], &[]]);
        assert_eq!(found.unwrap()[1], alone(&[2.0]), "a source without rows");
        assert!(fit(&[&[1.0], &[f64::INFINITY]]).unwrap_err().starts_with("Some(1): "));
    }
}
