//! The state of tables on the workers that own it: updated in the order of epochs, and sent to the ledger.

use std::cell::RefCell;
use std::rc::Rc;

use differential_dataflow::{ExchangeData, VecCollection};
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::{Capability, OkErr};

use crate::data::KeyedState;
use crate::runtime::epochs::ledger::Ledger;
use crate::runtime::graph::epoch_queue::EpochQueue;
use crate::runtime::graph::operator_state::{OperatorState, TABLES};
use crate::runtime::graph::output::OutputSession;
use crate::runtime::graph::table_rows::{TableInput, TableInputItem, TooLate};
use crate::tables::{Differences, Group, SharedGrouping, TableState};

/// An update of differential dataflow.
pub(super) type Update<K> = ((Group, <K as TableState>::Value), u64, <K as TableState>::Difference);

/// The updates that a table state makes, as a collection, and the rows that are too late for it.
pub(super) type TableUpdates<'scope, K> = (
    VecCollection<'scope, u64, (Group, <K as TableState>::Value), <K as TableState>::Difference>,
    StreamVec<'scope, u64, TooLate>,
);

/// The same as streams, with the changed states between them.
pub(super) type KeptStreams<'scope, K> =
    (StreamVec<'scope, u64, Update<K>>, StreamVec<'scope, u64, KeyTableState>, StreamVec<'scope, u64, TooLate>);

/// The state of a table's key after an epoch.
pub(super) type KeyTableState = (u64, KeyedState);

/// An output of a table state.
enum StateOutput<K: TableState> {
    Update(Update<K>),
    Held(KeyTableState),
    TooLate(TooLate),
}

/// Applies input to a table state in the order of epochs, after its restored differences; outputs updates, the changed
/// states at each checkpoint barrier, and the rows that are too late.
pub(super) fn keep<
    'scope,
    K: TableState<Item: timely::ExchangeData, Value: ExchangeData, Difference: ExchangeData> + 'static,
>(
    taken: StreamVec<'scope, u64, TableInput<K::Item>>,
    mut table_state: K,
    mut differences: Differences<K>,
    shared: &SharedGrouping,
) -> KeptStreams<'scope, K> {
    let mut waiting = EpochQueue::new();
    let route = Exchange::new(|taken: &TableInput<K::Item>| taken.to);
    let told = taken.unary_frontier(route, &format!("{} keep", shared.name()), |first, _| {
        let mut first = Some(first);
        move |(input, frontier), output: &mut OutputSession<'_, StateOutput<K>>| {
            let mut give = |capability: &Capability<u64>,
                            differences: &mut Differences<K>,
                            others: Vec<StateOutput<K>>| {
                let epoch = *capability.time();
                let updates =
                    differences.drain(..).map(|(datum, difference)| StateOutput::Update((datum, epoch, difference)));
                output.session(capability).give_iterator(updates.chain(others));
            };
            if let Some(first) = first.take() {
                give(&first, &mut differences, Vec::new());
            }
            waiting.take_in(input);
            while let Some((capability, taken)) = waiting.next_complete(frontier) {
                let epoch = *capability.time();
                let (mut latest, mut others, mut barrier) = (Vec::new(), Vec::new(), false);
                for taken in taken {
                    match taken.what {
                        TableInputItem::Item(item) => table_state.take(item, &mut differences),
                        TableInputItem::Judge(judged) => {
                            let horizon = table_state.horizon(&judged.keys);
                            others.extend(judged.late(horizon).map(|id| StateOutput::TooLate((epoch, id))));
                        }
                        TableInputItem::Latest(keys, time) => latest.push((keys, time)),
                        TableInputItem::Barrier => barrier = true,
                    }
                }
                // Windows advance after the whole message: whether a row is late does not depend on those after it.
                latest.into_iter().for_each(|(keys, time)| table_state.advance(&keys, time, &mut differences));
                table_state.forget_silent(&mut differences);
                if barrier {
                    others.extend(table_state.changes().into_iter().map(|keyed| StateOutput::Held((epoch, keyed))));
                }
                give(&capability, &mut differences, others);
            }
        }
    });
    type Others<'scope> = StreamVec<'scope, u64, Result<KeyTableState, TooLate>>;
    let (updates, others): (_, Others<'scope>) = told.ok_err(|told| match told {
        StateOutput::Update(update) => Ok(update),
        StateOutput::Held(held) => Err(Ok(held)),
        StateOutput::TooLate(late) => Err(Err(late)),
    });
    let (held, late) = others.ok_err(|other| other);
    (updates, held, late)
}

/// Sends the states of tables to the ledger on the first worker.
pub(super) fn tell_ledger<'scope>(
    held: StreamVec<'scope, u64, KeyTableState>,
    place: usize,
    ledger: Option<Rc<RefCell<Ledger>>>,
) -> StreamVec<'scope, u64, ()> {
    held.unary(Exchange::new(|_: &KeyTableState| 0), "held", |_, _| {
        move |input, _output: &mut OutputSession<'_, ()>| {
            input.for_each(|_, held| {
                let ledger = ledger.as_ref().expect("all goes to the first worker");
                let mut ledger = ledger.borrow_mut();
                for (epoch, keyed) in held.drain(..) {
                    ledger.remember(epoch, OperatorState { operator: TABLES + place, keyed });
                }
            });
        }
    })
}
