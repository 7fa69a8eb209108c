//! Steps that learn over the stream: what a key has taught stays on the worker that owns the key.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::operator::Operator;

use super::Times;
use super::graph::Session;
use super::in_order::InOrder;
use super::parcel::{Parcel, Receipt};
use crate::dataflow::{Step, StreamKey};
use crate::subtasks::Streaming;

/// The rows of a message whose keys one worker owns.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Part {
    owner: u64,
    parcel: Parcel,
}

/// Splits messages by the owners of their rows' keys, lets the owners learn in the order of epochs, and joins the
/// parts where the messages came from: results do not depend on the number of workers.
pub fn learn<'scope>(
    parcels: StreamVec<'scope, u64, Parcel>,
    step: &Step,
    index: usize,
    times: &Times,
) -> StreamVec<'scope, u64, Parcel> {
    let peers = parcels.scope().peers() as u64;
    let parts = split(parcels, step, index, peers);
    join(learn_parts(parts, step.clone(), index, times.clone()), &step.label)
}

fn split<'scope>(
    parcels: StreamVec<'scope, u64, Parcel>,
    step: &Step,
    index: usize,
    peers: u64,
) -> StreamVec<'scope, u64, Part> {
    let step = step.clone();
    let key = step.stream.and_then(|StreamKey(slot)| slot);
    parcels.unary(Pipeline, &format!("{} split", step.label), |_, _| {
        move |input, output: &mut Session<'_, Part>| {
            input.for_each_stamp(|capability, parcels| {
                let mut session = output.session(&capability);
                for mut parcel in parcels.flat_map(|parcels| parcels.drain(..)) {
                    // A message that is refused teaches no owner anything.
                    if let Err(fault) = Streaming::check(&parcel.message, &step.scope) {
                        parcel.reject(index, &fault);
                    }
                    match key {
                        Some(slot) => parts(parcel, slot, peers).into_iter().for_each(|part| session.give(part)),
                        None => session.give(Part { owner: index as u64, parcel }),
                    }
                }
            });
        }
    })
}

/// The parts of a message; the first has its receipt.
fn parts(Parcel { message, receipt }: Parcel, slot: usize, peers: u64) -> Vec<Part> {
    let mut rows: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for row in 0..message.rows() {
        rows.entry(owner(message.texts[slot].get(row), peers)).or_default().push(row);
    }
    if rows.len() < 2 {
        let owner = rows.into_keys().next().unwrap_or(0);
        return vec![Part { owner, parcel: Parcel { message, receipt } }];
    }
    let blank = Receipt { epoch: receipt.epoch, ..Receipt::default() };
    let receipts = std::iter::once(receipt).chain(std::iter::repeat(blank));
    let part = |((owner, rows), receipt): ((u64, Vec<usize>), Receipt)| Part {
        owner,
        parcel: Parcel { message: message.take_rows(&rows), receipt },
    };
    rows.into_iter().zip(receipts).map(part).collect()
}

fn owner(key: Option<&str>, peers: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish() % peers
}

fn learn_parts<'scope>(
    parts: StreamVec<'scope, u64, Part>,
    Step { label, subtask, scope, stream }: Step,
    index: usize,
    times: Times,
) -> StreamVec<'scope, u64, Part> {
    let new = move || subtask.learner().expect("the dataflow's reader lets only subtasks through that learn");
    let mut streaming = Streaming::new(Box::new(new), stream.and_then(|StreamKey(slot)| slot));
    let mut held = InOrder::new();
    parts.unary_frontier(Exchange::new(|part: &Part| part.owner), &label, |_, _| {
        move |(input, frontier), output: &mut Session<'_, Part>| {
            held.take_in(input);
            while let Some((capability, parts)) = held.next_complete(frontier) {
                let mut session = output.session(&capability);
                for mut part in parts {
                    part.parcel.apply(index, &mut times.borrow_mut(), |message| {
                        streaming.apply(message, &scope);
                        Ok(())
                    });
                    session.give(part);
                }
            }
        }
    })
}

fn join<'scope>(parts: StreamVec<'scope, u64, Part>, label: &str) -> StreamVec<'scope, u64, Parcel> {
    let mut held = InOrder::new();
    let home = Exchange::new(|part: &Part| part.parcel.receipt.epoch);
    parts.unary_frontier(home, &format!("{label} join"), |_, _| {
        move |(input, frontier), output: &mut Session<'_, Parcel>| {
            held.take_in(input);
            while let Some((capability, parts)) = held.next_complete(frontier) {
                let whole = parts.into_iter().map(|part| part.parcel).reduce(joined);
                output.session(&capability).give(whole.expect("an epoch that is held has a part"));
            }
        }
    })
}

fn joined(mut one: Parcel, other: Parcel) -> Parcel {
    one.message.merge(&other.message);
    one.receipt.merge(other.receipt);
    one
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Message, TextColumn};

    #[test]
    fn a_message_is_whole_again_after_it_was_split() {
        let mut message = Message::from_columns(&[vec![1.0, 2.0, 3.0, 4.0], vec![5.0, 6.0, 7.0, 8.0]]);
        let mut stations = TextColumn::default();
        ["a", "b", "c", "a"].into_iter().for_each(|station| stations.push(Some(station)));
        message.texts.push(stations);
        let receipt = Receipt { epoch: 3, service: 7, dropped: vec![(1, 2)], ..Receipt::default() };
        let parts = parts(Parcel { message: message.clone(), receipt }, 0, 5);
        assert!(parts.len() > 1);
        let whole = parts.into_iter().rev().map(|part| part.parcel).reduce(joined).unwrap();
        assert_eq!(whole.message, message);
        assert_eq!((whole.receipt.epoch, whole.receipt.service, whole.receipt.dropped.len()), (3, 7, 1));
    }
}
