//! Tables beside the chain: rows leave it after a step, and differential dataflow keeps the lines right.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use differential_dataflow::input::{Input, InputSession};
use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::trace::implementations::{ValBuilder, ValSpine};
use differential_dataflow::{AsCollection, ExchangeData, VecCollection, difference::Semigroup};
use serde::{Deserialize, Serialize};
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::generic::{OutputBuilder, builder_rc::OperatorBuilder};
use timely::dataflow::operators::{Capability, OkErr, Probe};
use timely::dataflow::{ProbeHandle, Scope, StreamVec};

use crate::config::{Dataflow, TableOf};
use crate::data::{KeyedState, Message, Schema};
use crate::runtime::epochs::ledger::Ledger;
use crate::runtime::epochs::resume::existing;
use crate::runtime::error::Error;
use crate::runtime::failure::FirstError;
use crate::runtime::graph::epoch_queue::EpochQueue;
use crate::runtime::graph::in_flight::InFlightMessage;
use crate::runtime::graph::keyed_state::{OperatorState, TABLES, TOLD};
use crate::runtime::graph::materialized::{
    MaterializedTable, MaterializedTables, SharedMaterializedTable, TableDurability,
};
use crate::runtime::graph::output::OutputSession;
use crate::runtime::observe::activity::Activity;
use crate::runtime::options::Options;
use crate::runtime::query::QueryServer;
use crate::sink::Existing;
use crate::tables::{
    Accumulator, Accumulators, Differences, Group, Join, KeptRows, KeyCell, KeyTimes, Reference, SharedGrouping, Table,
    TableContents, TableState, Values, share,
};

/// The tables of a dataflow, on one worker.
pub struct TableOperators {
    shared: Vec<Arc<SharedGrouping>>,
    /// For each table.
    outlets: Vec<Option<SharedMaterializedTable>>,
    references: Vec<Option<Reference>>,
    kept: Option<TableDurability>,
    last: LastEpoch,
}

/// The last epoch that came in on this worker. An operator may see the end before it has seen this epoch complete.
pub type LastEpoch = Rc<std::cell::Cell<Option<u64>>>;

/// A reference that is read again when its file changes; what it holds on the first worker only.
pub struct ReferenceInput {
    reference: Reference,
    input: InputSession<u64, (KeyCell, Vec<KeyCell>), isize>,
    looked: Instant,
}

/// How often a reference's file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The lines of a table behind their groups.
type TableLines<'scope> = VecCollection<'scope, u64, (Group, Vec<KeyCell>), isize>;
type MessageStream<'scope> = StreamVec<'scope, u64, InFlightMessage>;

/// What leaves the chain for a table.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct TableInput<I> {
    to: u64,
    what: TableInputItem<I>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum TableInputItem<I> {
    Item(I),
    /// The latest time of a key's rows in a message, for all workers.
    Latest(Vec<KeyCell>, i64),
    /// The rows of a key in a message, for the worker that has the message.
    Judge(KeyTimes),
    /// That all is to be written down, for all workers.
    Snapshot,
}

impl TableOperators {
    /// Opens the tables of a dataflow over rows of this schema. They are seen on the first worker, and asked for while
    /// the server is held.
    ///
    /// # Errors
    /// Columns or references that are not there, or memories that can't be read.
    pub fn open(
        index: usize,
        dataflow: &Dataflow,
        schema: &Schema,
        options: &Options,
        kept: Option<TableDurability>,
        failure: &FirstError,
        activity: &Arc<Activity>,
    ) -> Result<(TableOperators, Option<QueryServer>), Error> {
        let (mut tables, mut outlets, mut references, mut seen) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let existing = existing(dataflow, options);
        // Without a file of lines of its own, what becomes of changes is as with results that no checkpoint tells about.
        let existing = if existing == Existing::Refuse { Existing::Append } else { existing };
        for TableOf { table, sink, reference } in dataflow.tables(schema)? {
            let outlet = (index == 0).then(|| {
                let mut contents = TableContents::new(table.schema(), table.changes);
                let number = tables.len();
                let told = memories_of(kept.as_ref(), TOLD + number);
                let restored = contents.restore(&told).map_err(|reason| format!("table {}: {reason}", table.name));
                restored.map_err(Error::Checkpoint)?;
                let contents = Arc::new(Mutex::new(contents));
                seen.push((table.name.clone(), contents.clone()));
                let (sink, deadline, kept) = (sink.as_ref(), &options.sink_deadline, kept.as_ref());
                let outlet =
                    MaterializedTable::open(number, &contents, sink, existing, kept, deadline, failure, activity);
                Ok::<_, Error>(Rc::new(RefCell::new(outlet)))
            });
            outlets.push(outlet.transpose()?);
            references.push(reference);
            tables.push(table);
        }
        let listens = options.tables_at.as_ref().filter(|_| !seen.is_empty());
        let server = listens.map(|directory| QueryServer::start(directory, seen)).transpose();
        let server = server.unwrap_or_else(|reason| {
            tracing::warn!("{reason}: tables can't be asked for");
            None
        });
        let shared: Vec<Arc<SharedGrouping>> = share(&tables).into_iter().map(Arc::new).collect();
        let tables = TableOperators { shared, outlets, references, kept, last: LastEpoch::default() };
        tables.check().map_err(Error::Checkpoint)?;
        Ok((tables, server))
    }

    /// The operators after which rows are taken.
    pub fn inputs(&self) -> Vec<usize> {
        self.shared.iter().map(|shared| shared.grouping.input).collect()
    }

    /// Where the last epoch that came in is to be told.
    pub fn last(&self) -> LastEpoch {
        self.last.clone()
    }

    /// Whether all tables can go on from their memories.
    fn check(&self) -> Result<(), String> {
        self.shared.iter().enumerate().try_for_each(|(place, shared)| {
            let memories = self.memories(place);
            let grouping = shared.grouping.clone();
            let checked = match grouping.upsert.is_empty() {
                true => Accumulators::new(grouping, false).restore(&memories, |_| true, &mut Vec::new()),
                false => KeptRows::new(grouping, false).restore(&memories, |_| true, &mut Vec::new()),
            };
            checked.map_err(|reason| format!("table {}: {reason}", shared.name()))
        })
    }

    /// What tables with one grouping held before.
    fn memories(&self, place: usize) -> Vec<KeyedState> {
        memories_of(self.kept.as_ref(), TABLES + place)
    }

    /// The sinks of changes that a checkpoint tells of.
    pub fn outlets(&self) -> MaterializedTables {
        MaterializedTables::new(
            self.outlets.iter().flatten().filter(|outlet| outlet.borrow().is_kept()).cloned().collect(),
        )
    }

    /// Takes the rows after an operator for the tables that want them there; the parcels go on.
    pub fn take<'scope>(
        &mut self,
        mut parcels: MessageStream<'scope>,
        operator: usize,
        references: &mut Vec<ReferenceInput>,
        probe: &ProbeHandle<u64>,
    ) -> MessageStream<'scope> {
        for (place, shared) in self.shared.clone().iter().enumerate() {
            if shared.grouping.input != operator {
                continue;
            }
            let (on, tables) = self.lines(parcels, place, probe);
            parcels = on;
            for ((number, table), mut lines) in shared.tables.iter().zip(tables) {
                if let (Some(at), Some(reference)) = (&table.join, self.references[*number].take()) {
                    lines = join(lines, at, reference, parcels.scope(), references);
                }
                let (outlet, last) = (self.outlets[*number].take(), self.last());
                publish(lines, outlet, last, &table.name).probe_with(probe);
            }
        }
        parcels
    }

    /// The lines of each of the tables that share what is kept of rows.
    fn lines<'scope>(
        &self,
        parcels: MessageStream<'scope>,
        place: usize,
        probe: &ProbeHandle<u64>,
    ) -> (MessageStream<'scope>, Vec<TableLines<'scope>>) {
        let shared = &self.shared[place];
        let (grouping, remembers) = (shared.grouping.clone(), self.kept.is_some());
        if grouping.upsert.is_empty() {
            let (parcels, taken) = take::<Accumulators>(parcels, shared, SharedGrouping::summaries);
            let (kept, late) = self.keep(taken, Accumulators::new(grouping, remembers), place, probe);
            let (parcels, summaries) = (sort_out(parcels, late, shared), arrange(kept, shared));
            return (parcels, reduce(&summaries, shared, |_, summaries: &[(&(), Accumulator)]| summaries[0].1.clone()));
        }
        let (parcels, taken) = take::<KeptRows>(parcels, shared, SharedGrouping::rows);
        let (kept, late) = self.keep(taken, KeptRows::new(grouping, remembers), place, probe);
        let (parcels, rows) = (sort_out(parcels, late, shared), arrange(kept, shared));
        let summary = |shared: &SharedGrouping, rows: &[(&Values, isize)]| shared.summary(rows.iter().copied());
        (parcels, reduce(&rows, shared, summary))
    }

    /// What a keeper makes of what was held before, and of what comes, and the rows that are too late for it. What it
    /// holds goes to the ledger.
    fn keep<
        'scope,
        K: TableState<Item: timely::ExchangeData, Value: ExchangeData, Difference: ExchangeData> + 'static,
    >(
        &self,
        taken: StreamVec<'scope, u64, TableInput<K::Item>>,
        mut keeper: K,
        place: usize,
        probe: &ProbeHandle<u64>,
    ) -> KeeperUpdates<'scope, K> {
        let (index, peers) = (taken.scope().index() as u64, taken.scope().peers() as u64);
        let mut held_before = Vec::new();
        let restored = keeper.restore(&self.memories(place), |route| route % peers == index, &mut held_before);
        restored.expect("all memories were checked before the graph is built");
        let (kept, held, late) = keep(taken, keeper, held_before, &self.shared[place]);
        if let Some(TableDurability { ledger, .. }) = self.kept.clone() {
            tell_ledger(held, place, ledger).probe_with(probe);
        }
        (kept.as_collection(), late)
    }
}

fn memories_of(kept: Option<&TableDurability>, operator: usize) -> Vec<KeyedState> {
    let memories = kept.into_iter().flat_map(|kept| &kept.memories);
    memories.filter(|of| of.operator == operator).map(|of| of.memory.clone()).collect()
}

/// Hands on parcels, and what of their messages tables need, to the workers that keep it. What no table may take leaves
/// the chain.
fn take<'scope, K: TableState<Item: timely::ExchangeData> + 'static>(
    parcels: MessageStream<'scope>,
    shared: &Arc<SharedGrouping>,
    of_message: impl Fn(&SharedGrouping, &Message, &[Option<i64>]) -> Vec<K::Item> + 'static,
) -> (MessageStream<'scope>, StreamVec<'scope, u64, TableInput<K::Item>>) {
    let (scope, shared) = (parcels.scope(), shared.clone());
    let (index, peers) = (scope.index() as u64, scope.peers() as u64);
    let mut builder = OperatorBuilder::new(format!("{} take", shared.name()), scope);
    let mut input = builder.new_input(parcels, Pipeline);
    let (on, parcels) = builder.new_output();
    let (out, taken) = builder.new_output();
    let (mut on, mut out) = (OutputBuilder::from(on), OutputBuilder::from(out));
    let mut warned = false;
    builder.build(move |_| {
        move |_frontiers| {
            let (mut on, mut out) = (on.activate(), out.activate());
            input.for_each_stamp(|capability, batches| {
                let (mut on, mut out) = (on.session(&capability), out.session(&capability));
                for mut parcel in batches.flat_map(|batch: &mut Vec<InFlightMessage>| batch.drain(..)) {
                    let times = refuse(&mut parcel, &shared);
                    if !warned && times.contains(&None) {
                        warned = true;
                        tracing::warn!("table {}: rows that do not tell their time are left out", shared.name());
                    }
                    let judged = shared.judged(&parcel.message, &times);
                    for to in 0..peers {
                        for KeyTimes { keys, latest, .. } in &judged {
                            out.give(TableInput { to, what: TableInputItem::Latest(keys.clone(), *latest) });
                        }
                        if parcel.receipt.snapshot {
                            out.give(TableInput { to, what: TableInputItem::Snapshot });
                        }
                    }
                    for judged in judged {
                        out.give(TableInput { to: index, what: TableInputItem::Judge(judged) });
                    }
                    for item in of_message(&shared, &parcel.message, &times) {
                        out.give(TableInput { to: K::route(&item), what: TableInputItem::Item(item) });
                    }
                    on.give(parcel);
                }
            });
        }
    });
    (parcels, taken)
}

/// Takes those rows out of a message that are dated too far ahead, or are too late behind others of the same message;
/// the times of the others.
fn refuse(parcel: &mut InFlightMessage, shared: &SharedGrouping) -> Vec<Option<i64>> {
    let times = shared.times(&parcel.message);
    let early = shared.early(&times, jiff::Timestamp::now().as_millisecond());
    if !early.is_empty() {
        let why = |message: &Message, row| Some(shared.too_early(message, row));
        parcel.take_out(&early, shared.grouping.input, why);
    }
    let times = if early.is_empty() { times } else { shared.times(&parcel.message) };
    let late = shared.late_within(&parcel.message, &times);
    if late.is_empty() {
        return times;
    }
    parcel.take_out(&late, shared.grouping.input, |message, row| shared.too_late(message, row));
    shared.times(&parcel.message)
}

/// Takes the rows out of messages that are too late behind those of other messages. Messages wait for that.
fn sort_out<'scope>(
    parcels: MessageStream<'scope>,
    late: StreamVec<'scope, u64, TooLate>,
    shared: &Arc<SharedGrouping>,
) -> MessageStream<'scope> {
    if shared.grouping.retention.is_none() {
        return parcels;
    }
    let shared = shared.clone();
    let (mut held, mut ids) = (EpochQueue::new(), HashMap::<u64, HashSet<u64>>::new());
    parcels.binary_frontier(late, Pipeline, Pipeline, &format!("{} sort out", shared.name()), |_, _| {
        move |(input, _), (late, frontier), output: &mut OutputSession<'_, InFlightMessage>| {
            held.take_in(input);
            late.for_each(|_, late| {
                for (epoch, id) in late.drain(..) {
                    ids.entry(epoch).or_default().insert(id);
                }
            });
            while let Some((capability, mut parcels)) = held.next_complete(frontier) {
                if let Some(ids) = ids.remove(capability.time()) {
                    for parcel in &mut parcels {
                        let rows = parcel.message.ids.iter().enumerate().filter(|(_, id)| ids.contains(id));
                        let rows: Vec<usize> = rows.map(|(row, _)| row).collect();
                        parcel.take_out(&rows, shared.grouping.input, |message, row| shared.too_late(message, row));
                    }
                }
                output.session(&capability).give_container(&mut parcels);
            }
        }
    })
}

/// An update of differential dataflow.
type Update<K> = ((Group, <K as TableState>::Value), u64, <K as TableState>::Difference);
/// The updates that a keeper makes, as a collection, and the rows that are too late for it.
type KeeperUpdates<'scope, K> = (
    VecCollection<'scope, u64, (Group, <K as TableState>::Value), <K as TableState>::Difference>,
    StreamVec<'scope, u64, TooLate>,
);
/// The same as streams, with what the keeper holds between them.
type KeptStreams<'scope, K> =
    (StreamVec<'scope, u64, Update<K>>, StreamVec<'scope, u64, KeyTableState>, StreamVec<'scope, u64, TooLate>);
/// What a table holds of a key after an epoch.
type KeyTableState = (u64, KeyedState);
/// The epoch and the id of a row that is too late.
type TooLate = (u64, u64);

/// What a keeper tells.
enum KeeperOutput<K: TableState> {
    Update(Update<K>),
    Held(KeyTableState),
    TooLate(TooLate),
}

/// What a keeper makes of what comes, in the order of epochs, behind what it held before; what it holds, where that is to
/// be written down; and the rows that are too late.
fn keep<'scope, K: TableState<Item: timely::ExchangeData, Value: ExchangeData, Difference: ExchangeData> + 'static>(
    taken: StreamVec<'scope, u64, TableInput<K::Item>>,
    mut keeper: K,
    mut differences: Differences<K>,
    shared: &SharedGrouping,
) -> KeptStreams<'scope, K> {
    let mut waiting = EpochQueue::new();
    let route = Exchange::new(|taken: &TableInput<K::Item>| taken.to);
    let told = taken.unary_frontier(route, &format!("{} keep", shared.name()), |first, _| {
        let mut first = Some(first);
        move |(input, frontier), output: &mut OutputSession<'_, KeeperOutput<K>>| {
            let mut give = |capability: &Capability<u64>,
                            differences: &mut Differences<K>,
                            others: Vec<KeeperOutput<K>>| {
                let epoch = *capability.time();
                let updates =
                    differences.drain(..).map(|(datum, difference)| KeeperOutput::Update((datum, epoch, difference)));
                output.session(capability).give_iterator(updates.chain(others));
            };
            if let Some(first) = first.take() {
                give(&first, &mut differences, Vec::new());
            }
            waiting.take_in(input);
            while let Some((capability, taken)) = waiting.next_complete(frontier) {
                let epoch = *capability.time();
                let (mut latest, mut others, mut snapshot) = (Vec::new(), Vec::new(), false);
                for taken in taken {
                    match taken.what {
                        TableInputItem::Item(item) => keeper.take(item, &mut differences),
                        TableInputItem::Judge(judged) => {
                            let horizon = keeper.horizon(&judged.keys);
                            others.extend(judged.late(horizon).map(|id| KeeperOutput::TooLate((epoch, id))));
                        }
                        TableInputItem::Latest(keys, time) => latest.push((keys, time)),
                        TableInputItem::Snapshot => snapshot = true,
                    }
                }
                // Windows go behind the whole message: whether a row is late does not depend on those after it.
                latest.into_iter().for_each(|(keys, time)| keeper.advance(&keys, time, &mut differences));
                keeper.forget_silent(&mut differences);
                if snapshot {
                    others.extend(keeper.changes().into_iter().map(|memory| KeeperOutput::Held((epoch, memory))));
                }
                give(&capability, &mut differences, others);
            }
        }
    });
    type Others<'scope> = StreamVec<'scope, u64, Result<KeyTableState, TooLate>>;
    let (updates, others): (_, Others<'scope>) = told.ok_err(|told| match told {
        KeeperOutput::Update(update) => Ok(update),
        KeeperOutput::Held(held) => Err(Ok(held)),
        KeeperOutput::TooLate(late) => Err(Err(late)),
    });
    let (held, late) = others.ok_err(|other| other);
    (updates, held, late)
}

/// Brings what tables hold to the ledger of the first worker.
fn tell_ledger<'scope>(
    held: StreamVec<'scope, u64, KeyTableState>,
    place: usize,
    ledger: Option<Rc<RefCell<Ledger>>>,
) -> StreamVec<'scope, u64, ()> {
    held.unary(Exchange::new(|_: &KeyTableState| 0), "held", |_, _| {
        move |input, _output: &mut OutputSession<'_, ()>| {
            input.for_each(|_, held| {
                let ledger = ledger.as_ref().expect("all goes to the first worker");
                let mut ledger = ledger.borrow_mut();
                for (epoch, memory) in held.drain(..) {
                    ledger.remember(epoch, OperatorState { operator: TABLES + place, memory });
                }
            });
        }
    })
}

/// Groups with what is kept of their rows.
type Grouped<'scope, V, R> = Arranged<'scope, TraceAgent<ValSpine<Group, V, u64, R>>>;

fn arrange<'scope, V: ExchangeData, R: ExchangeData + Semigroup>(
    kept: VecCollection<'scope, u64, (Group, V), R>,
    shared: &SharedGrouping,
) -> Grouped<'scope, V, R> {
    kept.arrange_by_key_named(&format!("{} groups", shared.name()))
}

/// The lines of each table over what is kept.
fn reduce<'scope, V: ExchangeData, R: ExchangeData + Semigroup>(
    kept: &Grouped<'scope, V, R>,
    shared: &Arc<SharedGrouping>,
    summary: impl Fn(&SharedGrouping, &[(&V, R)]) -> Accumulator + Clone + 'static,
) -> Vec<TableLines<'scope>> {
    let of_table = |(_, table): &(usize, Table)| {
        let (shared, table, summary) = (shared.clone(), table.clone(), summary.clone());
        let (places, name) = (shared.places(&table), table.name.clone());
        let lines =
            kept.clone().reduce_abelian::<_, ValBuilder<_, _, _, _>, ValSpine<_, Vec<KeyCell>, _, isize>, _, _>(
                &name,
                move |_, rows, lines| lines.push((table.line(&summary(&shared, rows), &places), 1)),
                |batch, group, lines| {
                    batch.clear();
                    batch.extend(
                        lines.drain(..).map(|(line, time, difference)| ((group.clone(), line), time, difference)),
                    );
                },
            );
        lines.as_collection(|group, line| (group.clone(), line.clone()))
    };
    shared.tables.iter().map(of_table).collect()
}

/// Lines with the columns of the reference's line of the same key; missing where there is none.
fn join<'scope>(
    lines: TableLines<'scope>,
    at: &Join,
    reference: Reference,
    scope: Scope<'scope, u64>,
    references: &mut Vec<ReferenceInput>,
) -> TableLines<'scope> {
    let (mut input, known) = scope.new_collection();
    if scope.index() == 0 {
        reference.all().into_iter().for_each(|(line, difference)| input.update(line, difference));
        references.push(ReferenceInput { reference, input, looked: Instant::now() });
    }
    let (key, missing) = (at.key, vec![KeyCell::Missing; at.columns.len()]);
    let by_key = lines.map(move |(group, line)| (group.keys[key].clone(), (group, line)));
    let with = by_key.clone().join_map(known.clone(), |_, (group, line), more| {
        (group.clone(), line.iter().chain(more).cloned().collect::<Vec<KeyCell>>())
    });
    let without = by_key.antijoin(known.map(|(key, _)| key));
    with.concat(without.map(move |(_, (group, line))| (group, [line, missing.clone()].concat())))
}

impl ReferenceInput {
    /// Goes on to an epoch; what has changed in the file comes with it.
    pub fn advance_to(&mut self, epoch: u64) {
        self.input.advance_to(epoch);
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            match self.reference.changes() {
                Ok(changes) => changes.into_iter().for_each(|(line, difference)| self.input.update(line, difference)),
                Err(reason) => tracing::warn!("{reason}; what was read before stays"),
            }
        }
        self.input.flush();
    }
}

/// Brings lines to the first worker, where an outlet makes them seen, epoch by epoch.
fn publish<'scope>(
    lines: TableLines<'scope>,
    outlet: Option<SharedMaterializedTable>,
    last: LastEpoch,
    name: &str,
) -> StreamVec<'scope, u64, ()> {
    let mut held = EpochQueue::new();
    let pact = Exchange::new(|_: &((Group, Vec<KeyCell>), u64, isize)| 0);
    lines.inner.unary_frontier(pact, &format!("{name} publish"), |_, _| {
        move |(input, frontier), _output: &mut OutputSession<'_, ()>| {
            input.for_each(|capability, updates| {
                for (line, epoch, difference) in updates.drain(..) {
                    held.hold(capability.delayed(&epoch, 0)).push((line, difference));
                }
            });
            while let Some((capability, updates)) = held.next_complete(frontier) {
                if let Some(outlet) = &outlet {
                    outlet.borrow_mut().apply(*capability.time(), updates);
                }
            }
            if let Some(outlet) = &outlet {
                match frontier.frontier().first() {
                    Some(open) => outlet.borrow_mut().complete_before(*open),
                    None => outlet.borrow_mut().close(last.get()),
                }
            }
        }
    })
}
