//! Tables beside the chain: they take the rows after a step, and differential dataflow maintains their lines.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use differential_dataflow::{AsCollection, ExchangeData};
use timely::dataflow::operators::Probe;
use timely::dataflow::{ProbeHandle, StreamVec};

use crate::config::{Dataflow, TableOf};
use crate::data::{KeyedState, Schema};
use crate::runtime::epochs::resume::existing;
use crate::runtime::error::Error;
use crate::runtime::first_error::FirstError;
use crate::runtime::graph::materialized::{
    MaterializedTable, MaterializedTables, SharedMaterializedTable, TableDurability,
};
use crate::runtime::graph::operator_state::{TABLES, TOLD};
use crate::runtime::graph::table_lines::{LastEpoch, ReferenceInput, TableLines, arrange, join, publish, reduce};
use crate::runtime::graph::table_rows::{MessageStream, TableInput, sort_out, take};
use crate::runtime::graph::table_updates::{TableUpdates, keep, tell_ledger};
use crate::runtime::observe::activity::Activity;
use crate::runtime::options::Options;
use crate::runtime::query::QueryServer;
use crate::sink::Existing;
use crate::tables::{
    Accumulator, Accumulators, KeptRows, Reference, SharedGrouping, TableContents, TableState, Values, share,
};

/// The tables of a dataflow, on one worker.
pub struct TableOperators {
    shared: Vec<Arc<SharedGrouping>>,
    /// By table; on the first worker only, and until the graph is built.
    materialized_tables: Vec<Option<SharedMaterializedTable>>,
    references: Vec<Option<Reference>>,
    kept: Option<TableDurability>,
    last: LastEpoch,
}

impl TableOperators {
    /// Opens the tables of a dataflow over rows of this schema. They are materialized on the first worker, which
    /// answers queries while the server is held.
    ///
    /// # Errors
    /// Columns or references that do not exist, or states that can't be read.
    pub fn open(
        index: usize,
        dataflow: &Dataflow,
        schema: &Schema,
        options: &Options,
        kept: Option<TableDurability>,
        failure: &FirstError,
        activity: &Arc<Activity>,
    ) -> Result<(TableOperators, Option<QueryServer>), Error> {
        let (mut tables, mut materialized_tables, mut references, mut seen) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let existing = match (existing(dataflow, options)[0], &kept) {
            (manner @ (Existing::Replace | Existing::Rerun { .. }), _) => manner,
            (_, None) => Existing::Append,
            // Changes that this checkpoint does not know are of a run with another one, which would cut these off.
            (_, Some(_)) => Existing::Refuse,
        };
        for TableOf { table, sink, reference } in dataflow.tables(schema)? {
            let materialized = (index == 0).then(|| {
                let mut contents = TableContents::new(table.schema(), table.changes);
                let number = tables.len();
                let told = states_of(kept.as_ref(), TOLD + number);
                let restored = contents.restore(&told).map_err(|reason| format!("table {}: {reason}", table.name));
                restored.map_err(Error::Checkpoint)?;
                let contents = Arc::new(Mutex::new(contents));
                seen.push((table.name.clone(), contents.clone()));
                let (name, sink, deadline, kept) =
                    (table.name.as_str(), sink.as_ref(), &options.sink_deadline, kept.as_ref());
                let materialized =
                    MaterializedTable::open(number, name, &contents, sink, existing, kept, deadline, failure, activity);
                Ok::<_, Error>(Rc::new(RefCell::new(materialized)))
            });
            materialized_tables.push(materialized.transpose()?);
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
        let tables = TableOperators { shared, materialized_tables, references, kept, last: LastEpoch::default() };
        tables.check().map_err(Error::Checkpoint)?;
        Ok((tables, server))
    }

    /// The operators after which tables take rows.
    pub fn inputs(&self) -> Vec<usize> {
        self.shared.iter().map(|shared| shared.grouping.input).collect()
    }

    /// The cell in which the graph's input notes the last epoch.
    pub fn last(&self) -> LastEpoch {
        self.last.clone()
    }

    /// Checks that all tables can be restored from their states.
    fn check(&self) -> Result<(), String> {
        self.shared.iter().enumerate().try_for_each(|(place, shared)| {
            let states = self.states(place);
            let grouping = shared.grouping.clone();
            let checked = match grouping.upsert.is_empty() {
                true => Accumulators::new(grouping, false).restore(&states, |_| true, &mut Vec::new()),
                false => KeptRows::new(grouping, false).restore(&states, |_| true, &mut Vec::new()),
            };
            checked.map_err(|reason| format!("table {}: {reason}", shared.name()))
        })
    }

    /// The states to restore for the tables of one grouping.
    fn states(&self, place: usize) -> Vec<KeyedState> {
        states_of(self.kept.as_ref(), TABLES + place)
    }

    /// The sinks of changes that a checkpoint covers.
    pub fn materialized_tables(&self) -> MaterializedTables {
        MaterializedTables::new(
            self.materialized_tables
                .iter()
                .flatten()
                .filter(|materialized| materialized.borrow().is_kept())
                .cloned()
                .collect(),
        )
    }

    /// Builds the tables that take their rows after this operator; the messages pass through.
    pub fn take<'scope>(
        &mut self,
        mut messages: MessageStream<'scope>,
        operator: usize,
        references: &mut Vec<ReferenceInput>,
        probe: &ProbeHandle<u64>,
    ) -> MessageStream<'scope> {
        for (place, shared) in self.shared.clone().iter().enumerate() {
            if shared.grouping.input != operator {
                continue;
            }
            let (on, tables) = self.lines(messages, place, probe);
            messages = on;
            for ((number, table), mut lines) in shared.tables.iter().zip(tables) {
                if let (Some(at), Some(reference)) = (&table.join, self.references[*number].take()) {
                    lines = join(lines, at, reference, messages.scope(), references);
                }
                let (materialized, last) = (self.materialized_tables[*number].take(), self.last());
                publish(lines, materialized, last, &table.name).probe_with(probe);
            }
        }
        messages
    }

    /// The lines of each of the tables that share one grouping.
    fn lines<'scope>(
        &self,
        messages: MessageStream<'scope>,
        place: usize,
        probe: &ProbeHandle<u64>,
    ) -> (MessageStream<'scope>, Vec<TableLines<'scope>>) {
        let shared = &self.shared[place];
        let (grouping, remembers) = (shared.grouping.clone(), self.kept.is_some());
        if grouping.upsert.is_empty() {
            let (messages, taken) = take::<Accumulators>(messages, shared, SharedGrouping::summaries);
            let (kept, late) = self.keep(taken, Accumulators::new(grouping, remembers), place, probe);
            let (messages, summaries) = (sort_out(messages, late, shared), arrange(kept, shared));
            return (
                messages,
                reduce(&summaries, shared, |_, summaries: &[(&(), Accumulator)]| summaries[0].1.clone()),
            );
        }
        let (messages, taken) = take::<KeptRows>(messages, shared, SharedGrouping::rows);
        let (kept, late) = self.keep(taken, KeptRows::new(grouping, remembers), place, probe);
        let (messages, rows) = (sort_out(messages, late, shared), arrange(kept, shared));
        let summary = |shared: &SharedGrouping, rows: &[(&Values, isize)]| shared.summary(rows.iter().copied());
        (messages, reduce(&rows, shared, summary))
    }

    /// The updates that a table state makes of its restored state and its input, and the rows that are too late for it.
    /// Its changed states go to the ledger.
    fn keep<
        'scope,
        K: TableState<Item: timely::ExchangeData, Value: ExchangeData, Difference: ExchangeData> + 'static,
    >(
        &self,
        taken: StreamVec<'scope, u64, TableInput<K::Item>>,
        mut table_state: K,
        place: usize,
        probe: &ProbeHandle<u64>,
    ) -> TableUpdates<'scope, K> {
        let (index, peers) = (taken.scope().index() as u64, taken.scope().peers() as u64);
        let mut held_before = Vec::new();
        let restored = table_state.restore(&self.states(place), |route| route % peers == index, &mut held_before);
        restored.expect("all keyed states were checked before the graph is built");
        let (kept, held, late) = keep(taken, table_state, held_before, &self.shared[place]);
        if let Some(TableDurability { ledger, .. }) = self.kept.clone() {
            tell_ledger(held, place, ledger).probe_with(probe);
        }
        (kept.as_collection(), late)
    }
}

fn states_of(kept: Option<&TableDurability>, operator: usize) -> Vec<KeyedState> {
    let states = kept.into_iter().flat_map(|kept| &kept.states);
    states.filter(|of| of.operator == operator).map(|of| of.keyed.clone()).collect()
}
