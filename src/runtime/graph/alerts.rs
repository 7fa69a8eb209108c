//! Sinks with an alert: the state of a key stays on the worker that owns the key. Only what a row says travels there, and
//! what it begins or ends comes back to the message.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::generic::operator::Operator;

use crate::config::Branch;
use crate::data::KeyedState;
use crate::runtime::graph::branches::AlertBranch;
use crate::runtime::graph::epoch_queue::EpochQueue;
use crate::runtime::graph::in_flight::{InFlightMessage, Notice};
use crate::runtime::graph::operator_state::{ALERTS, OperatorState};
use crate::runtime::graph::output::{OutputSession, exchange};
use crate::runtime::graph::stateful::owner;
use crate::runtime::graph::table_rows::MessageStream;
use crate::tables::{Alert, AlertEvent, AlertRow, AlertRows, AlertStates};

/// What the owner of a key is told of a message.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct AlertInput {
    owner: u64,
    /// The worker that has the message.
    home: u64,
    what: AlertInputItem,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum AlertInputItem {
    /// The rows of a key of a sink's alert.
    Rows { sink: usize, key: Vec<u8>, rows: Vec<AlertRow> },
    /// A checkpoint barrier; broadcast.
    Barrier,
}

/// What the message is told by the owner of a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct AlertOutput {
    epoch: u64,
    home: u64,
    what: AlertOutputItem,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum AlertOutputItem {
    /// What rows of a message begin or end, by their places.
    Events { sink: usize, events: Vec<(usize, AlertEvent)> },
    /// A state that has changed.
    State(OperatorState),
}

/// Gives sinks with an alert the rows with which their conditions begin or end; the messages pass through.
pub(super) fn tell_alerts<'scope>(
    messages: MessageStream<'scope>,
    alerts: Vec<AlertBranch>,
    states: &[OperatorState],
) -> MessageStream<'scope> {
    if alerts.is_empty() {
        return messages;
    }
    let (index, peers) = (messages.scope().index() as u64, messages.scope().peers() as u64);
    let own = |key: &[u8]| owner(key, peers) == index;
    let of = |alert: &AlertBranch| {
        let restored = restored(alert.sink(), &alert.alert, states, own);
        (alert.sink(), restored.expect("all keyed states were checked before the graph is built"))
    };
    let restored: BTreeMap<usize, AlertStates> = alerts.iter().map(of).collect();
    let alerts = Rc::new(alerts);
    let (messages, rows) = split(messages, alerts.clone(), peers);
    join(messages, keep(rows, restored), alerts)
}

/// Checks that all alerts can be restored from their states.
///
/// # Errors
/// In words: states that can't be read.
pub fn check(branches: &[Branch], states: &[OperatorState]) -> Result<(), String> {
    let alerts = branches.iter().enumerate().filter_map(|(sink, branch)| Some((sink, branch.alert.as_ref()?)));
    let mut alerts = alerts.map(|(sink, alert)| restored(sink, alert, states, |_| true));
    alerts.try_for_each(|restored| restored.map(drop))
}

/// The states of a sink's alert, restored from those whose keys `own` selects.
fn restored(
    sink: usize,
    alert: &Alert,
    states: &[OperatorState],
    own: impl Fn(&[u8]) -> bool,
) -> Result<AlertStates, String> {
    let of_sink = states.iter().filter(|of| of.operator == ALERTS + sink && own(&of.keyed.key));
    let own: Vec<KeyedState> = of_sink.map(|of| of.keyed.clone()).collect();
    let mut states = AlertStates::new(alert.clone());
    states.restore(&own).map_err(|reason| format!("the alert of sink {sink}: {reason}"))?;
    Ok(states)
}

/// Sends what the rows of a message say to the owners of their keys, and passes the message on.
fn split<'scope>(
    messages: MessageStream<'scope>,
    alerts: Rc<Vec<AlertBranch>>,
    peers: u64,
) -> (MessageStream<'scope>, StreamVec<'scope, u64, AlertInput>) {
    let scope = messages.scope();
    let home = scope.index() as u64;
    let mut builder = OperatorBuilder::new("alert split".to_owned(), scope);
    let mut input = builder.new_input(messages, Pipeline);
    let (on, messages) = builder.new_output();
    let (out, rows) = builder.new_output();
    let (mut on, mut out) = (OutputBuilder::from(on), OutputBuilder::from(out));
    let mut left_out = LeftOut::default();
    builder.build(move |_| {
        move |_frontiers| {
            let (mut on, mut out) = (on.activate(), out.activate());
            input.for_each_stamp(|capability, batches| {
                let (mut on, mut out) = (on.session(&capability), out.session(&capability));
                let now = jiff::Timestamp::now().as_millisecond();
                for mut in_flight in batches.flat_map(|batch: &mut Vec<InFlightMessage>| batch.drain(..)) {
                    let start = Instant::now();
                    for branch in &*alerts {
                        let rows = branch.rows(&in_flight.message, now);
                        left_out.notice(branch, &rows, &mut in_flight);
                        for (key, rows) in rows.by_key {
                            let (owner, sink) = (owner(&key, peers), branch.sink());
                            out.give(AlertInput { owner, home, what: AlertInputItem::Rows { sink, key, rows } });
                        }
                    }
                    if in_flight.outcome.barrier {
                        (0..peers).for_each(|owner| {
                            out.give(AlertInput { owner, home, what: AlertInputItem::Barrier });
                        });
                    }
                    in_flight.outcome.service += start.elapsed().as_nanos() as u64;
                    on.give(in_flight);
                }
            });
        }
    });
    (messages, rows)
}

/// What a worker has noticed of the rows that an alert leaves out, each once a sink.
#[derive(Default)]
struct LeftOut {
    untimed: HashSet<usize>,
    early: HashSet<usize>,
}

impl LeftOut {
    fn notice(
        &mut self,
        branch: &AlertBranch,
        rows: &AlertRows,
        InFlightMessage { message, outcome }: &mut InFlightMessage,
    ) {
        let (name, sink) = (branch.name(), branch.sink());
        let mut notice = |what: &str, text: String| {
            outcome.notices.push(Notice { about: format!("{what} rows of the alert of sink {sink}"), text });
        };
        if rows.untimed.is_some() && self.untimed.insert(sink) {
            notice("untimed", format!("{name}: rows that do not tell their time change nothing about its alert"));
        }
        if let Some(why) = rows.early.and_then(|row| branch.alert.too_early(message, row))
            && self.early.insert(sink)
        {
            notice("early", format!("{name}: {why}; such rows change nothing about its alert: compare the clocks"));
        }
    }
}

/// Applies what rows say to the states of their keys, in the order of epochs.
fn keep<'scope>(
    rows: StreamVec<'scope, u64, AlertInput>,
    mut states: BTreeMap<usize, AlertStates>,
) -> StreamVec<'scope, u64, AlertOutput> {
    let mut held = EpochQueue::new();
    rows.unary_frontier(exchange(|input: &AlertInput| input.owner), "alert", |_, _| {
        move |(input, frontier), output: &mut OutputSession<'_, AlertOutput>| {
            held.take_in(input);
            while let Some((capability, inputs)) = held.next_complete(frontier) {
                let mut session = output.session(&capability);
                let (epoch, mut barrier) = (*capability.time(), None);
                for AlertInput { home, what, .. } in inputs {
                    match what {
                        AlertInputItem::Barrier => barrier = Some(home),
                        AlertInputItem::Rows { sink, key, rows } => {
                            let states = states.get_mut(&sink).expect("a sink with an alert has states");
                            let events = states.take(key, &rows);
                            if !events.is_empty() {
                                session.give(AlertOutput {
                                    epoch,
                                    home,
                                    what: AlertOutputItem::Events { sink, events },
                                });
                            }
                        }
                    }
                }
                // An epoch is one message: all of it has been applied.
                let Some(home) = barrier else { continue };
                for (sink, states) in &mut states {
                    let operator = ALERTS + sink;
                    for keyed in states.changes() {
                        let what = AlertOutputItem::State(OperatorState { operator, keyed });
                        session.give(AlertOutput { epoch, home, what });
                    }
                }
            }
        }
    })
}

/// Holds messages until all owners have answered, and encodes the rows that begin or end something.
fn join<'scope>(
    messages: MessageStream<'scope>,
    told: StreamVec<'scope, u64, AlertOutput>,
    alerts: Rc<Vec<AlertBranch>>,
) -> MessageStream<'scope> {
    let (mut held, mut by_epoch) = (EpochQueue::new(), HashMap::<u64, Vec<AlertOutputItem>>::new());
    let home = exchange(|output: &AlertOutput| output.home);
    messages.binary_frontier(told, Pipeline, home, "alert join", |_, _| {
        move |(input, _), (told, frontier), output: &mut OutputSession<'_, InFlightMessage>| {
            held.take_in(input);
            told.for_each(|_, told| {
                for AlertOutput { epoch, what, .. } in told.drain(..) {
                    by_epoch.entry(epoch).or_default().push(what);
                }
            });
            while let Some((capability, mut messages)) = held.next_complete(frontier) {
                // An epoch is one message.
                if let (Some(in_flight), Some(items)) = (messages.first_mut(), by_epoch.remove(capability.time())) {
                    settle(in_flight, items, &alerts);
                }
                output.session(&capability).give_container(&mut messages);
            }
        }
    })
}

/// Gives a message what the owners of its rows' keys say.
fn settle(in_flight: &mut InFlightMessage, items: Vec<AlertOutputItem>, alerts: &[AlertBranch]) {
    let mut by_sink = BTreeMap::<usize, Vec<(usize, AlertEvent)>>::new();
    for item in items {
        match item {
            AlertOutputItem::State(state) => in_flight.outcome.states.push(state),
            AlertOutputItem::Events { sink, events } => by_sink.entry(sink).or_default().extend(events),
        }
    }
    let start = Instant::now();
    for branch in alerts {
        let Some(events) = by_sink.get_mut(&branch.sink()) else { continue };
        events.sort_unstable_by_key(|(row, _)| *row);
        branch.encode_events(in_flight, events);
    }
    in_flight.outcome.service += start.elapsed().as_nanos() as u64;
}
