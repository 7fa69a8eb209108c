//! Steps with keyed state: the state of a key stays on the worker that owns the key.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::operator::Operator;

use crate::data::{KeyedState, Message, fingerprint};
use crate::measure::SharedServiceTimes;
use crate::runtime::graph::epoch_queue::EpochQueue;
use crate::runtime::graph::in_flight::{EpochOutcome, InFlightMessage};
use crate::runtime::graph::operator_state::OperatorState;
use crate::runtime::graph::output::{OutputSession, exchange};
use crate::subtasks::{Recent, Remembering, Step, StreamKey, Streaming};

/// The partition of a message whose keys one worker owns.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct KeyPartition {
    owner: u64,
    in_flight: InFlightMessage,
}

/// A step with keyed state, and the number of its operator.
pub struct StatefulStep<'a> {
    pub step: &'a Step,
    pub operator: usize,
    /// The keyed states of all operators that are restored.
    pub states: &'a [OperatorState],
}

impl StatefulStep<'_> {
    /// Partitions messages by the owners of their rows' keys, applies the step on the owners in the order of epochs,
    /// and joins the partitions on the worker the message came from: results do not depend on the number of workers.
    pub fn apply<'scope>(
        &self,
        messages: StreamVec<'scope, u64, InFlightMessage>,
        times: &SharedServiceTimes,
    ) -> StreamVec<'scope, u64, InFlightMessage> {
        let (index, peers) = (messages.scope().index() as u64, messages.scope().peers() as u64);
        let own = |keyed: &KeyedState| owner(&keyed.key, peers) == index;
        let remembering = self.restored(own).expect("all keyed states were checked before the graph is built");
        let parts = split(messages, self.step, self.operator, peers);
        let parts = work(parts, self.step, remembering, self.operator, times.clone());
        join(parts, &self.step.label)
    }

    /// The step, restored from those of its states that `own` selects.
    fn restored(&self, own: impl Fn(&KeyedState) -> bool) -> Result<Box<dyn Remembering>, String> {
        let mut remembering = self.step.remembering();
        let of_step = self.states.iter().filter(|of| of.operator == self.operator).map(|of| &of.keyed);
        let own: Vec<KeyedState> = of_step.filter(|keyed| own(keyed)).cloned().collect();
        remembering.restore(&own).map_err(|reason| format!("{}: {reason}", self.step.label))?;
        Ok(remembering)
    }
}

/// Checks that all steps can be restored from their states.
///
/// # Errors
/// In words: states that can't be read.
pub fn check(steps: &[Step], states: &[OperatorState]) -> Result<(), String> {
    let remember = steps.iter().zip(1..).filter(|(step, _)| step.stream.is_some());
    let mut remember = remember.map(|(step, operator)| StatefulStep { step, operator, states });
    remember.try_for_each(|step| step.restored(|_| true).map(drop))
}

/// Which worker owns a key.
pub(super) fn owner(key: &[u8], peers: u64) -> u64 {
    fingerprint(key) as u64 % peers
}

/// The owner of each row.
fn owners(message: &Message, step: &Step, peers: u64) -> Vec<u64> {
    let text = |slot: usize, row: usize| Streaming::key(message.texts[slot].get(row));
    match step.stream {
        Some(StreamKey::Row { .. }) => {
            let identities = Recent::identities(message, &step.scope).into_iter();
            identities.map(|identity| owner(&Recent::key(identity), peers)).collect()
        }
        Some(StreamKey::Text(slot)) => (0..message.rows()).map(|row| owner(&text(slot, row), peers)).collect(),
        Some(StreamKey::All) | None => vec![owner(&Streaming::key(None), peers); message.rows()],
    }
}

fn split<'scope>(
    messages: StreamVec<'scope, u64, InFlightMessage>,
    step: &Step,
    operator: usize,
    peers: u64,
) -> StreamVec<'scope, u64, KeyPartition> {
    let step = step.clone();
    let check = step.subtask.row_check();
    messages.unary(Pipeline, &format!("{} split", step.label), |_, _| {
        move |input, output: &mut OutputSession<'_, KeyPartition>| {
            input.for_each_stamp(|capability, messages| {
                let mut session = output.session(&capability);
                for mut in_flight in messages.flat_map(|messages| messages.drain(..)) {
                    // Checked before the split: a rejected message must not change any owner's state.
                    while let Err(fault) = check(&in_flight.message, &step.scope) {
                        match step.goes_on(&fault) {
                            true => in_flight.reject_refused(operator, &fault),
                            false => in_flight.reject(operator, &fault),
                        }
                    }
                    let owners = owners(&in_flight.message, &step, peers);
                    parts(in_flight, &owners, peers).into_iter().for_each(|part| session.give(part));
                }
            });
        }
    })
}

/// The partitions of a message; the first has its outcome. With a checkpoint barrier, every owner gets one.
fn parts(InFlightMessage { message, mut outcome }: InFlightMessage, owners: &[u64], peers: u64) -> Vec<KeyPartition> {
    let mut rows: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    if outcome.barrier {
        rows.extend((0..peers).map(|owner| (owner, Vec::new())));
    }
    for (row, owner) in owners.iter().enumerate() {
        rows.entry(*owner).or_default().push(row);
    }
    if rows.len() < 2 {
        let owner = rows.into_keys().next().unwrap_or(0);
        return vec![KeyPartition { owner, in_flight: InFlightMessage { message, outcome } }];
    }
    if !message.ids.is_sorted() {
        outcome.order = message.ids.clone();
    }
    let EpochOutcome { epoch, route, barrier, version, .. } = outcome;
    let numbers = outcome.numbers.clone();
    let blank = EpochOutcome { epoch, numbers, route, barrier, version, ..EpochOutcome::default() };
    let outcomes = std::iter::once(outcome).chain(std::iter::repeat(blank));
    let part = |((owner, rows), outcome): ((u64, Vec<usize>), EpochOutcome)| KeyPartition {
        owner,
        in_flight: InFlightMessage { message: message.copy_rows(rows.into_iter()), outcome },
    };
    let parts = rows.into_iter().zip(outcomes).map(part).collect();
    message.recycle();
    parts
}

fn work<'scope>(
    parts: StreamVec<'scope, u64, KeyPartition>,
    step: &Step,
    mut remembering: Box<dyn Remembering>,
    operator: usize,
    times: SharedServiceTimes,
) -> StreamVec<'scope, u64, KeyPartition> {
    let scope = step.scope.clone();
    let mut held = EpochQueue::new();
    parts.unary_frontier(exchange(|part: &KeyPartition| part.owner), &step.label, |_, _| {
        move |(input, frontier), output: &mut OutputSession<'_, KeyPartition>| {
            held.take_in(input);
            while let Some((capability, parts)) = held.next_complete(frontier) {
                let mut session = output.session(&capability);
                for KeyPartition { owner, mut in_flight } in parts {
                    in_flight.apply(operator, &mut times.borrow_mut(), |message, refused| {
                        remembering.apply(message, &scope, refused);
                    });
                    if in_flight.outcome.barrier {
                        let of_step = |keyed| OperatorState { operator, keyed };
                        in_flight.outcome.states.extend(remembering.changes().into_iter().map(of_step));
                    }
                    session.give(KeyPartition { owner, in_flight });
                }
            }
        }
    })
}

fn join<'scope>(parts: StreamVec<'scope, u64, KeyPartition>, label: &str) -> StreamVec<'scope, u64, InFlightMessage> {
    let mut held = EpochQueue::new();
    let home = exchange(|part: &KeyPartition| part.in_flight.outcome.route.home());
    parts.unary_frontier(home, &format!("{label} join"), |_, _| {
        move |(input, frontier), output: &mut OutputSession<'_, InFlightMessage>| {
            held.take_in(input);
            while let Some((capability, parts)) = held.next_complete(frontier) {
                output.session(&capability).give(whole(parts));
            }
        }
    })
}

/// The message of all partitions of an epoch, its rows in the order that they had before the split.
fn whole(parts: Vec<KeyPartition>) -> InFlightMessage {
    let (messages, outcomes): (Vec<Message>, Vec<EpochOutcome>) =
        parts.into_iter().map(|KeyPartition { in_flight, .. }| (in_flight.message, in_flight.outcome)).unzip();
    let joined = |mut one: EpochOutcome, other| {
        one.merge(other);
        one
    };
    let mut outcome = outcomes.into_iter().reduce(joined).expect("an epoch that is held has a part");
    let mut message = Message::woven(messages);
    let order = std::mem::take(&mut outcome.order);
    if !order.is_empty() {
        let places: HashMap<u64, usize> = order.into_iter().zip(0..).collect();
        let mut rows: Vec<usize> = (0..message.rows()).collect();
        rows.sort_by_key(|row| places[&message.ids[*row]]);
        message = message.take_rows(&rows);
    }
    InFlightMessage { message, outcome }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::TextColumn;

    #[test]
    fn a_message_is_whole_again_after_it_was_split() {
        let mut message = Message::from_columns(&[vec![1.0, 2.0, 3.0, 4.0], vec![5.0, 6.0, 7.0, 8.0]]);
        let mut stations = TextColumn::default();
        ["a", "b", "c", "a"].into_iter().for_each(|station| stations.push(Some(station)));
        message.texts.push(stations);
        let outcome =
            EpochOutcome { epoch: 3, version: 5, service: 7, dropped: vec![(1, 2)], ..EpochOutcome::default() };
        let parts = parts(InFlightMessage { message: message.clone(), outcome }, &[3, 1, 3, 0], 5);
        assert_eq!(parts.iter().map(|part| part.owner).collect::<Vec<_>>(), [0, 1, 3]);
        assert!(parts.iter().all(|part| part.in_flight.outcome.version == 5));
        let whole = whole(parts.into_iter().rev().collect());
        assert_eq!(whole.message, message);
        assert_eq!((whole.outcome.epoch, whole.outcome.service, whole.outcome.dropped.len()), (3, 7, 1));
    }

    #[test]
    fn rows_out_of_the_order_of_their_ids_are_joined_in_their_own() {
        let message = Message::from_columns(&[vec![1.0, 2.0, 3.0, 4.0]]).take_rows(&[2, 0, 3, 1]);
        for owners in [[0, 1, 0, 1], [2, 2, 2, 2], [0, 1, 2, 3]] {
            let in_flight = InFlightMessage { message: message.clone(), outcome: EpochOutcome::default() };
            let parts = parts(in_flight, &owners, 4);
            let whole = whole(parts.into_iter().rev().collect());
            assert_eq!((&whole.message, whole.outcome.order.len()), (&message, 0), "{owners:?}");
        }
    }

    #[test]
    fn every_owner_hears_that_all_is_to_be_written_down() {
        let message = Message::from_columns(&[vec![1.0]]);
        let outcome = EpochOutcome { barrier: true, ..EpochOutcome::default() };
        let parts = parts(InFlightMessage { message, outcome }, &[1], 3);
        let heard: Vec<_> = parts.iter().map(|part| (part.owner, part.in_flight.outcome.barrier)).collect();
        assert_eq!(heard, [(0, true), (1, true), (2, true)]);
    }
}
