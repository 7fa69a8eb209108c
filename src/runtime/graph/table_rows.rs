//! Hands rows from the chain to tables; rows that no table may take are removed from the chain.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::generic::operator::Operator;

use crate::data::Message;
use crate::runtime::graph::epoch_queue::EpochQueue;
use crate::runtime::graph::in_flight::{InFlightMessage, Notice};
use crate::runtime::graph::output::OutputSession;
use crate::tables::{KeyCell, KeyTimes, SharedGrouping, TableState};

pub(super) type MessageStream<'scope> = StreamVec<'scope, u64, InFlightMessage>;

/// An input of a table's state, and the worker it goes to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct TableInput<I> {
    pub(super) to: u64,
    pub(super) what: TableInputItem<I>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum TableInputItem<I> {
    Item(I),
    /// The latest time of a key's rows in a message, in milliseconds since 1970; broadcast.
    Latest(Vec<KeyCell>, i64),
    /// The times of a key's rows, to be checked for lateness on the worker that has the message.
    Judge(KeyTimes),
    /// A checkpoint barrier; broadcast.
    Barrier,
}

/// Removes rows that no table may take, passes the messages on, and routes the rows to the workers that own them.
pub(super) fn take<'scope, K: TableState<Item: timely::ExchangeData> + 'static>(
    messages: MessageStream<'scope>,
    shared: &Arc<SharedGrouping>,
    of_message: impl Fn(&SharedGrouping, &Message, &[Option<i64>]) -> Vec<K::Item> + 'static,
) -> (MessageStream<'scope>, StreamVec<'scope, u64, TableInput<K::Item>>) {
    let (scope, shared) = (messages.scope(), shared.clone());
    let (index, peers) = (scope.index() as u64, scope.peers() as u64);
    let mut builder = OperatorBuilder::new(format!("{} take", shared.name()), scope);
    let mut input = builder.new_input(messages, Pipeline);
    let (on, messages) = builder.new_output();
    let (out, taken) = builder.new_output();
    let (mut on, mut out) = (OutputBuilder::from(on), OutputBuilder::from(out));
    let (mut noticed, mut noticed_early) = (false, false);
    builder.build(move |_| {
        move |_frontiers| {
            let (mut on, mut out) = (on.activate(), out.activate());
            input.for_each_stamp(|capability, batches| {
                let (mut on, mut out) = (on.session(&capability), out.session(&capability));
                for mut in_flight in batches.flat_map(|batch: &mut Vec<InFlightMessage>| batch.drain(..)) {
                    let times = refuse(&mut in_flight, &shared, &mut noticed_early);
                    if !noticed && times.contains(&None) {
                        noticed = true;
                        let about = format!("table {}: time", shared.name());
                        let text = format!("table {}: rows that do not tell their time are left out", shared.name());
                        in_flight.outcome.notices.push(Notice { about, text });
                    }
                    let judged = shared.judged(&in_flight.message, &times);
                    for to in 0..peers {
                        for KeyTimes { keys, latest, .. } in &judged {
                            out.give(TableInput { to, what: TableInputItem::Latest(keys.clone(), *latest) });
                        }
                        if in_flight.outcome.barrier {
                            out.give(TableInput { to, what: TableInputItem::Barrier });
                        }
                    }
                    for judged in judged {
                        out.give(TableInput { to: index, what: TableInputItem::Judge(judged) });
                    }
                    for item in of_message(&shared, &in_flight.message, &times) {
                        out.give(TableInput { to: K::route(&item), what: TableInputItem::Item(item) });
                    }
                    on.give(in_flight);
                }
            });
        }
    });
    (messages, taken)
}

/// Removes rows that are too far in the future, of which it tells once, or too late after others of the same message; the
/// times of the rest.
fn refuse(in_flight: &mut InFlightMessage, shared: &SharedGrouping, noticed: &mut bool) -> Vec<Option<i64>> {
    let times = shared.times(&in_flight.message);
    let early = shared.early(&times, jiff::Timestamp::now().as_millisecond());
    if let Some(first) = early.first() {
        if !*noticed {
            *noticed = true;
            let why = shared.too_early(&in_flight.message, *first);
            let text = format!("{why}; such rows are dead letters, and no window waits for them: compare the clocks");
            in_flight.outcome.notices.push(Notice { about: format!("table {}: max_future", shared.name()), text });
        }
        let why = |message: &Message, row| Some(shared.too_early(message, row));
        in_flight.take_out(&early, shared.grouping.input, why);
    }
    let times = if early.is_empty() { times } else { shared.times(&in_flight.message) };
    let late = shared.late_within(&in_flight.message, &times);
    if late.is_empty() {
        return times;
    }
    in_flight.take_out(&late, shared.grouping.input, |message, row| shared.too_late(message, row));
    shared.times(&in_flight.message)
}

/// Removes rows that are too late after those of other messages. Messages are held until that is known.
pub(super) fn sort_out<'scope>(
    messages: MessageStream<'scope>,
    late: StreamVec<'scope, u64, TooLate>,
    shared: &Arc<SharedGrouping>,
) -> MessageStream<'scope> {
    if shared.grouping.retention.is_none() {
        return messages;
    }
    let shared = shared.clone();
    let (mut held, mut ids) = (EpochQueue::new(), HashMap::<u64, HashSet<u64>>::new());
    messages.binary_frontier(late, Pipeline, Pipeline, &format!("{} sort out", shared.name()), |_, _| {
        move |(input, _), (late, frontier), output: &mut OutputSession<'_, InFlightMessage>| {
            held.take_in(input);
            late.for_each(|_, late| {
                for (epoch, id) in late.drain(..) {
                    ids.entry(epoch).or_default().insert(id);
                }
            });
            while let Some((capability, mut messages)) = held.next_complete(frontier) {
                if let Some(ids) = ids.remove(capability.time()) {
                    for in_flight in &mut messages {
                        let rows = in_flight.message.ids.iter().enumerate().filter(|(_, id)| ids.contains(id));
                        let rows: Vec<usize> = rows.map(|(row, _)| row).collect();
                        in_flight.take_out(&rows, shared.grouping.input, |message, row| shared.too_late(message, row));
                    }
                }
                output.session(&capability).give_container(&mut messages);
            }
        }
    })
}

/// The epoch and the id of a row that is too late.
pub(super) type TooLate = (u64, u64);
