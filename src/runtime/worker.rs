//! What every worker does: it builds its part of the graph like all others, works until all is complete, and sends its
//! measurements to the first one.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use timely::worker::Worker;

use crate::config::{Dataflow, ParamsFiles, SchemaChoice};
use crate::data::Schema;
use crate::measure::{BusyTime, Clock, ServiceTimes, SharedServiceTimes};
use crate::proc;
use crate::runtime::cluster::broadcast::tell;
use crate::runtime::cluster::gather::{Gather, WorkerMeasurements};
use crate::runtime::epochs::ledger::Ledger;
use crate::runtime::epochs::resume::existing;
use crate::runtime::epochs::sink_writers::SinkWriters;
use crate::runtime::error::Error;
use crate::runtime::first_error::{FirstError, fail};
use crate::runtime::graph::build::{GraphEnds, GraphPlan, OutcomeRecorder, WrittenBy};
use crate::runtime::graph::in_flight::EpochOutcome;
use crate::runtime::graph::materialized::TableDurability;
use crate::runtime::graph::operator_state::OperatorState;
use crate::runtime::graph::table_operators::TableOperators;
use crate::runtime::graph::{alerts, build, stateful};
use crate::runtime::ingest::channel::IngestChannel;
use crate::runtime::ingest::held_buckets::HeldBuckets;
use crate::runtime::ingest::protocol::IngestMessage;
use crate::runtime::ingest::remote::{self, LocalReaders};
use crate::runtime::observe::activity::Activity;
use crate::runtime::observe::sampler::Sampler;
use crate::runtime::options::{Options, PARK_TIMEOUT};
use crate::runtime::query::QueryServer;
use crate::runtime::reload::proposals::{MakeReady, Proposals, ProposedParams};
use crate::runtime::reload::versions::ModelVersions;
use crate::sink::{self, Existing, FileEnd, SinkUrl};
use crate::source::SourcePosition;

/// What all workers of a process share.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub dataflow: &'a Dataflow,
    pub options: &'a Options,
    pub sampler: Option<&'a Sampler>,
    pub activity: &'a Arc<Activity>,
    pub busy: &'a BusyTime,
    pub held: &'a HeldBuckets,
    pub versions: &'a ModelVersions,
}

/// What the graph is restored from; empty on all workers but the first.
pub struct Before {
    /// What to do with the sinks' existing files, by sink.
    pub existing: Vec<Existing>,
    pub states: Vec<OperatorState>,
    /// By path, the committed ends of the files of the sinks and of tables' changes.
    pub files: BTreeMap<String, FileEnd>,
}

/// A worker's part of the graph, before it is built and while it runs.
pub struct Share {
    pub plan: GraphPlan,
    pub times: SharedServiceTimes,
    pub writers: SinkWriters,
    /// The files of fitted params that all workers have begun with.
    pub params: ParamsFiles,
    /// Answers queries of tables, on the first worker, while it is held.
    _server: Option<QueryServer>,
}

/// The outcome recorder of a worker without outcomes: all of them go to the first one.
struct NoAccounts;

impl OutcomeRecorder for NoAccounts {
    fn settle(&mut self, outcome: EpochOutcome) {
        unreachable!("the outcome of epoch {} goes to the first worker", outcome.epoch)
    }

    fn close(&mut self) {}
}

/// Runs one of the workers other than the first. The first of a process reads the process' connections.
///
/// # Errors
/// The first failure on this worker.
pub fn run(worker: &mut Worker, context: &Context<'_>) -> Result<(), Error> {
    let Context { dataflow, options, busy, held, .. } = *context;
    busy.join();
    let (clock, failure) = (Clock::start(), FirstError::default());
    let first_in_process = context.is_first_in_process(worker);
    let (channel, positions) = context.share_positions(worker, &[]);
    let reads = first_in_process && remote::own(dataflow, options).next().is_some();
    let channel = channel.filter(|_| reads);
    let holding = || context.holds_rows().then(|| held.clone());
    let start = |channel| LocalReaders::start(channel, dataflow, options, clock, &positions, holding());
    let reader = channel.map(start);
    let Some(schema) = context.agree_on_schema(worker, |_| None) else {
        options.stop.now();
        return Ok(());
    };
    let before = Before { existing: existing(dataflow, options), states: Vec::new(), files: BTreeMap::new() };
    let (share, tables) = Share::open(worker, context, schema, before, None, &failure)?;
    // Other processes' workers only take new params.
    let (gather, GraphEnds { inputs, probe }, _) = share.build(worker, context, tables, NoAccounts);
    // In processes without the coordinator, busy time counts from here: rows may arrive from now on.
    if first_in_process {
        busy.restart();
    }
    drop(inputs);
    let follow = || follow(options, &share.writers, &failure);
    let look_up = || {
        follow();
        held.release(|epoch| !probe.less_equal(&epoch));
    };
    if let Some(Err(error)) = reader.map(|reader| reader.run(worker, look_up)) {
        fail(&failure, error);
    }
    // A worker with a sink wakes up to check for requests to reopen its file.
    let park = share.writes(worker).then_some(PARK_TIMEOUT);
    while !probe.done() {
        worker.step_or_park(park);
        follow();
    }
    let busy = if first_in_process { busy.so_far().1 } else { Duration::ZERO };
    share.finish(worker, context, gather, busy, &failure).map(drop)
}

/// Continues in new files, if some of this worker's were moved away and a reopen is requested. A failure here stops the
/// sources: nothing behind it would be acknowledged.
fn follow(options: &Options, writers: &SinkWriters, failure: &FirstError) {
    if failure.borrow().is_some() {
        options.stop.now();
    }
    if writers.writes()
        && options.reopen.swap(false, Ordering::Relaxed)
        && let Err(error) = writers.follow(&writers.moved(), &writers.lengths())
    {
        fail(failure, error);
    }
}

impl Context<'_> {
    fn first_in_process(&self, worker: &Worker) -> usize {
        worker.index() / self.options.cluster.workers * self.options.cluster.workers
    }

    /// Who writes this worker's results.
    fn written_by(&self, worker: &Worker) -> WrittenBy {
        let sinks = || self.dataflow.sinks.iter().map(|plan| &plan.settings);
        // A broker takes results from any process; their receiver tells them apart by their rows.
        if sinks().any(|sink| sink.parts) || self.dataflow.publishes_apart(self.options.cluster.processes()) {
            WrittenBy::FirstOfProcess(self.first_in_process(worker))
        } else if sinks().all(|sink| sink.url == SinkUrl::Null) && worker.peers() > 1 {
            // With a worker alone, an operator more would only cost time.
            WrittenBy::Maker
        } else {
            WrittenBy::First
        }
    }

    fn is_first_in_process(&self, worker: &Worker) -> bool {
        worker.index() == self.first_in_process(worker)
    }

    /// Whether several processes read connections.
    fn reads_in_several(&self) -> bool {
        self.dataflow.is_read_in_several(self.options.cluster.processes())
    }

    /// Whether rows stay in the process that has read them. A sink that refuses results on the first worker needs the
    /// rows there: its dead letters are those rows.
    pub fn holds_rows(&self) -> bool {
        let refuses = || self.dataflow.sinks.iter().any(|plan| plan.settings.may_refuse());
        self.reads_in_several() && (self.dataflow.publishes_apart(self.options.cluster.processes()) || !refuses())
    }

    /// Where several processes read: the channel between them and the first worker, and the position of each
    /// connection, broadcast by the first worker.
    pub fn share_positions(
        &self,
        worker: &mut Worker,
        own: &[SourcePosition],
    ) -> (Option<IngestChannel<IngestMessage>>, Vec<SourcePosition>) {
        if !self.reads_in_several() {
            return (None, Vec::new());
        }
        let positions = tell(worker, own.to_vec());
        (Some(IngestChannel::build(worker)), positions)
    }

    /// The files of fitted params that all workers build the graph with: the first one reads them, as they may change at
    /// any time.
    ///
    /// # Errors
    /// A file that the first worker cannot read; at its place in the dataflow file, if it is not there now either.
    fn agree_on_params(&self, worker: &mut Worker, schema: &Schema) -> Result<ParamsFiles, Error> {
        let paths = self.dataflow.params();
        if paths.is_empty() {
            return Ok(ParamsFiles::default());
        }
        let own = if worker.index() == 0 { ParamsFiles::read(paths) } else { Ok(ParamsFiles::default()) };
        tell(worker, own).map_err(|reason| match self.dataflow.steps(schema) {
            Err(diagnostic) => diagnostic.into(),
            Ok(_) => Error::Params(format!("params {reason}")),
        })
    }

    /// Makes the steps of new params ready on this process, for rows of these columns.
    fn make_ready(&self, schema: &Arc<Schema>) -> MakeReady {
        let (dataflow, schema, versions) = (self.dataflow.clone(), schema.clone(), self.versions.clone());
        let process = self.options.cluster.process;
        Arc::new(move |ProposedParams { version, current, params, .. }| {
            versions.keep(current);
            let running = versions.get(current).ok_or_else(|| format!("process {process} lacks version {current}"))?;
            let made = dataflow.changed_steps(&schema, &params, &running);
            let (steps, _) = made.map_err(|diagnostic| format!("process {process}: {}", diagnostic.title()))?;
            versions.insert(version, &steps);
            Ok(())
        })
    }

    /// The schema that all workers build the graph with; if the dataflow names none, the first worker finds it and
    /// broadcasts it. `None` if the run ends before it begins.
    pub fn agree_on_schema(
        &self,
        worker: &mut Worker,
        find: impl FnOnce(&mut Worker) -> Option<Schema>,
    ) -> Option<Schema> {
        if let SchemaChoice::Known { schema, .. } = &self.dataflow.source().schema {
            return Some(schema.clone());
        }
        let found = find(worker);
        tell(worker, found)
    }
}

impl Share {
    /// Opens this worker's tables and sink. Only the first worker has a ledger.
    ///
    /// # Errors
    /// Steps and tables that do not fit the schema, and states that do not fit them. A sink that can't be opened is
    /// only noted in `failure`: the graph must be built all the same, as on the other workers.
    pub fn open(
        worker: &mut Worker,
        context: &Context<'_>,
        schema: Schema,
        before: Before,
        ledger: Option<Rc<RefCell<Ledger>>>,
        failure: &FirstError,
    ) -> Result<(Share, TableOperators), Error> {
        let Context { dataflow, options, sampler, activity, .. } = *context;
        let params = context.agree_on_params(worker, &schema)?;
        let (steps, schema_out) = dataflow.steps_of(&schema, &params)?;
        context.versions.insert(0, &steps);
        let states = if dataflow.remembers() { tell(worker, before.states) } else { Vec::new() };
        stateful::check(&steps, &states).map_err(Error::Checkpoint)?;
        let branches = dataflow.branches(&schema)?;
        alerts::check(&branches, &states).map_err(Error::Checkpoint)?;
        let kept =
            dataflow.checkpoint().map(|_| TableDurability { states: states.clone(), ledger, ends: before.files });
        let (tables, server) =
            TableOperators::open(worker.index(), dataflow, &schema, options, kept, failure, activity)?;
        let plan = GraphPlan {
            states,
            writer: context.written_by(worker),
            held: context.holds_rows().then(|| context.held.clone()),
            source_file: options.shared_file.then(|| dataflow.source().url.clone()),
            sampler: sampler.cloned(),
            versions: context.versions.clone(),
            ..GraphPlan::new(dataflow, schema, &steps, schema_out, options.fuse, &tables.inputs(), branches)
        };
        let times = Rc::new(RefCell::new(ServiceTimes::new(steps.len() + 2)));
        let writers = SinkWriters::open(worker.index(), &plan, dataflow, options, &before.existing, failure, activity);
        Ok((Share { plan, times, writers, params, _server: server }, tables))
    }

    /// Builds the graph, the dataflow that gathers measurements, and the way of new params to other processes, if there
    /// are both.
    pub fn build(
        &self,
        worker: &mut Worker,
        context: &Context<'_>,
        tables: TableOperators,
        accounts: impl OutcomeRecorder + 'static,
    ) -> (Gather, GraphEnds, Option<Proposals>) {
        let gather = Gather::build(worker);
        let cluster = &context.options.cluster;
        let proposes = cluster.processes() > 1 && !self.params.is_empty();
        let proposals = proposes.then(|| Proposals::build(worker, cluster, context.make_ready(self.plan.schema())));
        let ends = build::build(worker, &self.plan, &self.times, tables, self.writers.clone(), accounts);
        (gather, ends, proposals)
    }

    /// Whether this worker writes results.
    fn writes(&self, worker: &Worker) -> bool {
        self.plan.writer.writer(worker.index()) == worker.index()
    }

    /// Gathers the measurements on the first worker, and closes the run on this one. `busy` is the busy time of the
    /// process' workers, given on its first one.
    ///
    /// # Errors
    /// The first failure on this worker.
    pub fn finish(
        &self,
        worker: &mut Worker,
        context: &Context<'_>,
        gather: Gather,
        busy: Duration,
        failure: &FirstError,
    ) -> Result<Vec<WorkerMeasurements>, Error> {
        let for_process = context.is_first_in_process(worker);
        let peak_memory_bytes = if for_process { proc::peak_memory_bytes() } else { 0 };
        let measured = gather.finish(worker, WorkerMeasurements { times: self.times.take(), peak_memory_bytes, busy });
        match failure.take() {
            None => {}
            // With other sinks, results are missing there.
            Some(Error::Sink(sink::Error::BrokenPipe)) if context.dataflow.sinks.len() == 1 => {}
            Some(error) => return Err(error),
        }
        // The run has ended without an error: a later run may not silently replace the results.
        if self.writes(worker) {
            let process = context.options.cluster.process;
            context.dataflow.sinks.iter().try_for_each(|plan| plan.settings.finished(process))?;
        }
        Ok(measured)
    }
}
