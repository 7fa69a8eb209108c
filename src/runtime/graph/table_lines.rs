//! The lines of tables: reduced from their groups, joined with references, and published.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use differential_dataflow::difference::Semigroup;
use differential_dataflow::input::{Input, InputSession};
use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::trace::implementations::{ValBuilder, ValSpine};
use differential_dataflow::{ExchangeData, VecCollection};
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::{Scope, StreamVec};

use crate::runtime::graph::epoch_queue::EpochQueue;
use crate::runtime::graph::materialized::SharedMaterializedTable;
use crate::runtime::graph::output::OutputSession;
use crate::tables::{Accumulator, Group, Join, KeyCell, Reference, SharedGrouping, Table};

/// The last epoch sent on this worker: an operator may see its input closed before it has seen this epoch complete.
pub type LastEpoch = Rc<std::cell::Cell<Option<u64>>>;

/// A reference that is read again when its file changes; only the first worker has its rows.
pub struct ReferenceInput {
    reference: Reference,
    input: InputSession<u64, (KeyCell, Vec<KeyCell>), isize>,
    looked: Instant,
}

/// How often a reference's file is checked for changes.
const REFERENCE_INTERVAL: Duration = Duration::from_secs(1);

/// The lines of a table, each with its group.
pub(super) type TableLines<'scope> = VecCollection<'scope, u64, (Group, Vec<KeyCell>), isize>;

/// Groups with the values kept of their rows, arranged by group.
pub(super) type Grouped<'scope, V, R> = Arranged<'scope, TraceAgent<ValSpine<Group, V, u64, R>>>;

pub(super) fn arrange<'scope, V: ExchangeData, R: ExchangeData + Semigroup>(
    kept: VecCollection<'scope, u64, (Group, V), R>,
    shared: &SharedGrouping,
) -> Grouped<'scope, V, R> {
    kept.arrange_by_key_named(&format!("{} groups", shared.name()))
}

/// The lines of each table over the shared groups.
pub(super) fn reduce<'scope, V: ExchangeData, R: ExchangeData + Semigroup>(
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

/// Lines with the columns of the reference's row of the same key; missing values where it has none.
pub(super) fn join<'scope>(
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
    /// Advances to an epoch; changes of the file take effect with it.
    pub fn advance_to(&mut self, epoch: u64) {
        self.input.advance_to(epoch);
        if self.looked.elapsed() >= REFERENCE_INTERVAL {
            self.looked = Instant::now();
            match self.reference.changes() {
                Ok(changes) => changes.into_iter().for_each(|(line, difference)| self.input.update(line, difference)),
                Err(reason) => tracing::warn!("{reason}; what was read before stays"),
            }
        }
        self.input.flush();
    }
}

/// Gathers lines on the first worker, which applies them to the materialized table epoch by epoch.
pub(super) fn publish<'scope>(
    lines: TableLines<'scope>,
    materialized: Option<SharedMaterializedTable>,
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
                if let Some(materialized) = &materialized {
                    materialized.borrow_mut().apply(*capability.time(), updates);
                }
            }
            if let Some(materialized) = &materialized {
                match frontier.frontier().first() {
                    Some(open) => materialized.borrow_mut().complete_before(*open),
                    None => materialized.borrow_mut().close(last.get()),
                }
            }
        }
    })
}
