//! Builds the graph: input, prepare, the steps, result, sink, outcomes, probe.

use std::sync::Arc;

use timely::dataflow::channels::pact::{ParallelizationContract, Pipeline};
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::{Input, Probe};
use timely::dataflow::{InputHandle, ProbeHandle, StreamVec};
use timely::worker::Worker;

use crate::config::{Branch, Dataflow, Placement, SourcePlan};
use crate::data::{BatchMetadata, Bucket, Column, Schema};
use crate::format::{BadCells, Decoding, Output};
use crate::measure::SharedServiceTimes;
use crate::runtime::graph::absent_columns::AbsentColumns;
use crate::runtime::graph::alerts::tell_alerts;
use crate::runtime::graph::branches::{AlertBranch, ChainEnd, Tap, takes_messages};
use crate::runtime::graph::by_sink::BySink;
use crate::runtime::graph::delivery::{AwaitsDelivery, delivered};
use crate::runtime::graph::epoch_queue::EpochQueue;
use crate::runtime::graph::in_flight::{EpochOutcome, FinishedMessage, InFlightMessage, Notice, RejectedRows};
use crate::runtime::graph::operator_state::OperatorState;
use crate::runtime::graph::output::{OutputSession, SmallContainerBuilder, exchange};
use crate::runtime::graph::stages::{Stage, StageWork, operator_of_result, stages};
use crate::runtime::graph::stateful::StatefulStep;
use crate::runtime::graph::table_lines::{LastEpoch, ReferenceInput};
use crate::runtime::graph::table_operators::TableOperators;
use crate::runtime::graph::versioned_chain::VersionedChain;
use crate::runtime::ingest::held_buckets::HeldBuckets;
use crate::runtime::observe::sampler::Sampler;
use crate::runtime::reload::versions::ModelVersions;
use crate::source::{SharedFile, SourceUrl};
use crate::subtasks::prepare::Prepare;
use crate::subtasks::{Chain, Selection, Step};

/// What the graph is built from.
pub struct GraphPlan {
    /// By source, how its rows are read.
    pub readings: Vec<SourceReading>,
    /// The columns of the results.
    pub schema_out: Arc<Schema>,
    pub stages: Vec<Stage>,
    /// Whether all from prepare to result is fused into one operator.
    pub whole: bool,
    /// The keyed states that steps are restored from.
    pub states: Vec<OperatorState>,
    pub placement: Placement,
    /// What each sink takes, in the order of the sinks.
    pub branches: Vec<Branch>,
    /// Who writes this worker's results.
    pub writer: WrittenBy,
    /// The rows that the workers of this process have from its own connections, where several processes read.
    pub held: Option<HeldBuckets>,
    /// The source, where rows come without their bytes, which are in its file.
    pub source_file: Option<SourceUrl>,
    /// Takes samples of messages, if the run is observed.
    pub sampler: Option<Sampler>,
    /// The steps of later versions of their fitted params.
    pub versions: ModelVersions,
}

/// How the rows of a source are read.
#[derive(Clone)]
pub struct SourceReading {
    /// The columns of its messages.
    pub schema: Arc<Schema>,
    /// The columns in the order in which rows without a header hold them.
    decoded: Arc<Schema>,
    /// From that order to the one of the messages, if it is another.
    order: Option<Selection>,
    /// How their cells become values.
    decoding: Arc<Decoding>,
    /// The column in whose order the rows of a message are put.
    sort: Option<Column>,
    /// The columns whose first values are looked for.
    absent: AbsentColumns,
}

/// Which worker writes results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenBy {
    /// The first one, which has the ledger, in the order of epochs.
    First,
    /// The first one of each process, by its index, in the order of epochs.
    FirstOfProcess(usize),
    /// The one that made them, at once.
    Maker,
}

impl WrittenBy {
    /// The worker that writes the results of worker `index`.
    pub fn writer(self, index: usize) -> usize {
        match self {
            WrittenBy::First => 0,
            WrittenBy::FirstOfProcess(first) => first,
            WrittenBy::Maker => index,
        }
    }
}

impl GraphPlan {
    /// The plan for steps between two schemas, without restored state, written by the first worker, without samples.
    /// Tables take rows after the operators `taken_after`; each of the dataflow's sinks has a branch.
    pub fn new(
        dataflow: &Dataflow,
        schema: Schema,
        steps: &[Step],
        schema_out: Schema,
        fuse: bool,
        taken_after: &[usize],
        branches: Vec<Branch>,
    ) -> GraphPlan {
        let tapped: Vec<usize> = branches.iter().map(|branch| branch.operator).collect();
        let (stages, whole) = stages(steps, dataflow.placement, fuse, taken_after, &tapped);
        // Rows travel to the owners of an alert's keys.
        let whole = whole && branches.iter().all(|branch| branch.alert.is_none());
        let reading = |(schema, source): (Schema, &SourcePlan)| {
            let absent = source.named_columns().map(AbsentColumns::of).unwrap_or_default();
            let schema = Arc::new(schema);
            let own = source.known().filter(|own| **own != *schema).cloned().map(Arc::new);
            let order = own.as_ref().map(|own| {
                let columns = schema.columns().iter().filter_map(|column| own.get(&column.name));
                Selection::of(own, columns)
            });
            let decoded = own.unwrap_or_else(|| schema.clone());
            let (sort, decoding) = (dataflow.sort_column(&decoded), source.decoding.clone());
            SourceReading { schema, decoded, order, decoding, sort, absent }
        };
        let readings = dataflow.schemas(&schema).into_iter().zip(&dataflow.sources).map(reading).collect();
        GraphPlan {
            stages,
            whole,
            states: Vec::new(),
            readings,
            schema_out: Arc::new(schema_out),
            placement: dataflow.placement,
            branches,
            writer: WrittenBy::First,
            held: None,
            source_file: None,
            sampler: None,
            versions: ModelVersions::default(),
        }
    }

    /// The columns of the rows of the first source.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.readings[0].schema
    }

    /// The operator of the last step; 0 is prepare.
    fn last_operator(&self) -> usize {
        operator_of_result(&self.stages) - 1
    }

    /// The sink that gets messages themselves at the end of the chain; `None` if all take them earlier.
    pub fn sink_at_the_end(&self) -> Option<usize> {
        ChainEnd::last(self.last_operator(), &self.branches)
    }

    /// Whether a sink takes messages at the end of the chain.
    pub fn is_at_the_end(&self, branch: &Branch) -> bool {
        takes_messages(branch, self.last_operator())
    }

    /// The sinks that take messages behind an operator, from which they go on.
    fn tap(&self, operator: usize) -> Option<Tap> {
        Tap::behind(operator, &self.branches).filter(|_| operator < self.last_operator())
    }
}

/// Takes results in the order of epochs; flushed after each batch of complete epochs, closed at the end.
pub trait ResultWriter {
    /// Writes the results of the last sink at the end of the chain, and by sink those of the others. The lengths of the
    /// sinks' files after them; `None` if they were not written.
    fn write(&mut self, output: Output, branched: Vec<(usize, Output)>) -> Option<BySink>;
    /// Nothing more is written: the results of an epoch are missing.
    fn abandon(&mut self, reason: &str);
    /// Whether all results so far have been flushed.
    fn flush(&mut self) -> bool;
    /// Why it writes no more, if it has failed, with the process that it is of.
    fn failure(&self) -> Option<String>;
    fn close(&mut self);
}

/// Takes outcomes in the order of epochs.
pub trait OutcomeRecorder {
    fn settle(&mut self, outcome: EpochOutcome);
    fn close(&mut self);
}

/// A worker's handles of the graph: its inputs, and the probe at its end.
pub struct GraphEnds {
    pub inputs: GraphInputs,
    pub probe: ProbeHandle<u64>,
}

/// The inputs of the graph: buckets, and the references of tables.
pub struct GraphInputs {
    buckets: InputHandle<u64, SmallContainerBuilder<Arc<Bucket>>>,
    references: Vec<ReferenceInput>,
    /// The epoch of the last bucket, with which tables end.
    last: LastEpoch,
}

impl GraphInputs {
    /// Advances all inputs to the first epoch.
    pub fn start_at(&mut self, epoch: u64) {
        self.buckets.advance_to(epoch);
        self.references.iter_mut().for_each(|reference| reference.advance_to(epoch));
    }

    /// Sends a bucket with its epoch, and closes the epoch.
    pub fn send(&mut self, bucket: Arc<Bucket>) {
        let epoch = bucket.metadata.epoch;
        self.last.set(Some(epoch));
        self.buckets.advance_to(epoch);
        self.buckets.send(bucket);
        self.buckets.advance_to(epoch + 1);
        self.references.iter_mut().for_each(|reference| reference.advance_to(epoch + 1));
    }
}

/// Builds the graph on one worker.
pub fn build(
    worker: &mut Worker,
    plan: &GraphPlan,
    times: &SharedServiceTimes,
    mut tables: TableOperators,
    writer: impl ResultWriter + AwaitsDelivery + Clone + 'static,
    accounts: impl OutcomeRecorder + 'static,
) -> GraphEnds {
    worker.dataflow::<u64, _, _>(|scope| {
        let (input, buckets) = scope.new_input_with_builder::<SmallContainerBuilder<Arc<Bucket>>>();
        let (probe, mut references, last) = (ProbeHandle::new(), Vec::new(), tables.last());
        if plan.whole && plan.writer == WrittenBy::Maker {
            // An operator more would cost a message of one row as much as a step.
            let outcomes = whole(buckets, plan, times, write_at_once(writer));
            drop(settle(outcomes, accounts).probe_with(&probe));
            return GraphEnds { inputs: GraphInputs { buckets: input, references, last }, probe };
        }
        let finished = if plan.whole {
            whole(buckets, plan, times, |finished| finished)
        } else {
            let mut messages = each(buckets, by_turn(), "prepare", prepare(plan, times.clone()));
            messages = tap(messages, plan, 0);
            messages = tables.take(messages, 0, &mut references, &probe);
            messages = tell_alerts(messages, AlertBranch::behind(0, &plan.branches), &plan.states);
            for stage in &plan.stages {
                messages = match &stage.work {
                    StageWork::Remembering(step) => {
                        let operator = stage.operators.start;
                        StatefulStep { step, operator, states: &plan.states }.apply(messages, times)
                    }
                    StageWork::Chain(chain) => apply(messages, plan, stage, chain.clone(), times.clone()),
                };
                messages = tap(messages, plan, stage.operators.end - 1);
                let operator = stage.operators.end - 1;
                messages = tables.take(messages, operator, &mut references, &probe);
                messages = tell_alerts(messages, AlertBranch::behind(operator, &plan.branches), &plan.states);
            }
            each(messages, Pipeline, "result", result(plan, times.clone()))
        };
        match plan.writer {
            WrittenBy::First => drop(write(finished, 0, writer, Some(accounts)).probe_with(&probe)),
            WrittenBy::FirstOfProcess(first) => {
                let mut outcomes = write(finished, first, writer.clone(), None::<NoOutcomes>);
                if let Some(held) = &plan.held {
                    outcomes = delivered(outcomes, writer, held.clone());
                }
                drop(settle(outcomes, accounts).probe_with(&probe));
            }
            WrittenBy::Maker => {
                let outcomes = each(finished, Pipeline, "sink", write_at_once(writer));
                drop(settle(outcomes, accounts).probe_with(&probe));
            }
        }
        GraphEnds { inputs: GraphInputs { buckets: input, references, last }, probe }
    })
}

/// Routes a bucket to the worker whose turn it is.
fn by_turn() -> impl ParallelizationContract<u64, Vec<Arc<Bucket>>> {
    exchange(|bucket: &Arc<Bucket>| bucket.metadata.route.home())
}

/// Parses the rows of buckets into messages.
fn prepare(plan: &GraphPlan, times: SharedServiceTimes) -> impl FnMut(Arc<Bucket>) -> InFlightMessage + use<> {
    let read = |reading: &SourceReading| {
        let SourceReading { decoded, decoding, sort, .. } = reading;
        (Prepare::new(decoded.clone(), decoding.clone()).sorted_by(sort.clone()), reading.clone())
    };
    let mut readings: Vec<_> = plan.readings.iter().map(read).collect();
    let sampler = plan.sampler.clone();
    let mut file = plan.source_file.as_ref().and_then(SharedFile::of);
    let held = plan.held.clone();
    move |mut bucket| {
        let mut unread = None;
        if let Some(held) = held.as_ref().filter(|_| bucket.held().is_some()) {
            bucket = held.claim(&bucket);
        }
        if bucket.raw.is_unread()
            && let Some(file) = &mut file
        {
            unread = file.read(&mut Arc::make_mut(&mut bucket).raw).err().map(|error| error.to_string());
        }
        let source = bucket.metadata.source;
        let (prepare, SourceReading { schema, order, absent, .. }) = &mut readings[source];
        let ((mut message, bad), service) = times.borrow_mut().time(0, || prepare.apply(&bucket));
        let came = absent.found_in(&message);
        order.iter().for_each(|order| order.select(&mut message));
        if let Some(sampler) = &sampler {
            sampler.before(&message, schema);
        }
        let reject = |bad: crate::format::BadRow| {
            RejectedRows::new(vec![bucket.metadata.first_row + bad.index as u64], 0, bad.reason)
        };
        let rejected = bad.into_iter().map(reject).collect();
        let BatchMetadata { epoch, route, barrier, version, .. } = bucket.metadata;
        let numbers = bucket.metadata.numbers.clone();
        let unknown = prepare.unknown_keys();
        let BadCells { count: bad_cells, first } = prepare.take_bad_cells();
        let bad_cell = first.map(|first| Notice {
            about: "bad_cell".into(),
            text: format!("{first}: it is missing, as bad_cell says; further bad cells are only counted"),
        });
        let unit = |(column, text)| Notice { about: format!("unit of {column}"), text };
        let notices = prepare.take_unit_notices().into_iter().map(unit).chain(bad_cell).collect();
        let outcome = EpochOutcome {
            epoch,
            source,
            numbers,
            route,
            barrier,
            version,
            service,
            rejected,
            came,
            unread,
            unknown,
            bad_cells,
            notices,
            ..EpochOutcome::default()
        };
        InFlightMessage { message, outcome }
    }
}

/// One stage as one operator.
fn apply<'scope>(
    messages: StreamVec<'scope, u64, InFlightMessage>,
    plan: &GraphPlan,
    Stage { operators, label, source, .. }: &Stage,
    chain: Chain,
    times: SharedServiceTimes,
) -> StreamVec<'scope, u64, InFlightMessage> {
    let first = operators.start;
    let chain = VersionedChain::new(operators.clone(), chain, plan.versions.clone());
    let source = *source;
    let logic = move |in_flight: &mut InFlightMessage| {
        if in_flight.is_of(source) {
            chain.run(in_flight, &mut times.borrow_mut());
        }
    };
    match plan.placement {
        Placement::Message => operator(messages, Pipeline, label, logic),
        Placement::Subtask => {
            let route = move |in_flight: &InFlightMessage| in_flight.outcome.route.worker(first);
            operator(messages, exchange(route), label, logic)
        }
    }
}

/// An operator that changes each message in place.
fn operator<'scope, P: ParallelizationContract<u64, Vec<InFlightMessage>>>(
    messages: StreamVec<'scope, u64, InFlightMessage>,
    pact: P,
    name: &str,
    logic: impl Fn(&mut InFlightMessage) + 'static,
) -> StreamVec<'scope, u64, InFlightMessage> {
    messages.unary(pact, name, |_, _| {
        move |input, output: &mut OutputSession<'_, InFlightMessage>| {
            input.for_each_stamp(|capability, messages| {
                let mut session = output.session(&capability);
                for messages in messages {
                    messages.iter_mut().for_each(&logic);
                    session.give_container(messages);
                }
            });
        }
    })
}

/// Encodes messages on the worker where the chain ended. It is in the process that has read the rows: what becomes of
/// rejected ones is known there.
fn result(plan: &GraphPlan, times: SharedServiceTimes) -> impl FnMut(InFlightMessage) -> FinishedMessage + use<> {
    let end = ChainEnd::behind(plan.last_operator(), &plan.branches);
    let index = operator_of_result(&plan.stages);
    let (sampler, schema) = (plan.sampler.clone(), plan.schema_out.clone());
    let held = plan.held.clone();
    move |InFlightMessage { mut message, mut outcome }| {
        if let Some(held) = held.as_ref().filter(|_| !outcome.rejected.is_empty())
            && let Some(bucket) = held.bucket(outcome.epoch)
        {
            outcome.add_sources(&bucket);
        }
        if let Some(sampler) = &sampler {
            sampler.after(&message, &schema);
        }
        if !outcome.numbers.is_plain() {
            message.ids.iter_mut().for_each(|id| *id = outcome.numbers.of(*id));
        }
        let rows_out = message.rows() as u64;
        let (output, service) = times.borrow_mut().time(index, || end.encode(message, &mut outcome));
        FinishedMessage { output, outcome: EpochOutcome { rows_out, service: outcome.service + service, ..outcome } }
    }
}

/// The chain from prepare to result as one operator, with what is done to its results: each operator between them would
/// cost a message time.
fn whole<'scope, B: 'static>(
    buckets: StreamVec<'scope, u64, Arc<Bucket>>,
    plan: &GraphPlan,
    times: &SharedServiceTimes,
    mut end: impl FnMut(FinishedMessage) -> B + 'static,
) -> StreamVec<'scope, u64, B> {
    let (mut prepare, mut result) = (prepare(plan, times.clone()), result(plan, times.clone()));
    let tapped = |stage: &Stage| {
        let chain = VersionedChain::new(stage.operators.clone(), stage.chain()?, plan.versions.clone());
        Some((stage.source, chain, plan.tap(stage.operators.end - 1)))
    };
    let stages: Vec<(Option<usize>, VersionedChain, Option<Tap>)> = plan.stages.iter().filter_map(tapped).collect();
    let (raw, times) = (plan.tap(0), times.clone());
    each(buckets, by_turn(), "prepare..result", move |bucket| {
        let mut in_flight = prepare(bucket);
        if let Some(raw) = &raw {
            raw.take(&mut in_flight);
        }
        for (source, chain, tap) in &stages {
            if in_flight.is_of(*source) {
                chain.run(&mut in_flight, &mut times.borrow_mut());
            }
            if let Some(tap) = tap {
                tap.take(&mut in_flight);
            }
        }
        end(result(in_flight))
    })
}

/// Gives sinks the messages behind an operator, if there are such.
fn tap<'scope>(
    messages: StreamVec<'scope, u64, InFlightMessage>,
    plan: &GraphPlan,
    behind: usize,
) -> StreamVec<'scope, u64, InFlightMessage> {
    match plan.tap(behind) {
        Some(tap) => operator(messages, Pipeline, "tap", move |in_flight| tap.take(in_flight)),
        None => messages,
    }
}

/// An operator that maps each item to one.
fn each<'scope, A: 'static, B: 'static>(
    stream: StreamVec<'scope, u64, A>,
    pact: impl ParallelizationContract<u64, Vec<A>>,
    name: &str,
    mut make: impl FnMut(A) -> B + 'static,
) -> StreamVec<'scope, u64, B> {
    stream.unary(pact, name, |_, _| {
        move |input, output: &mut OutputSession<'_, B>| {
            input.for_each_stamp(|capability, batches| {
                let mut session = output.session(&capability);
                batches.flat_map(|batch| batch.drain(..)).for_each(|one| session.give(make(one)));
            });
        }
    })
}

/// Writes results in the order of epochs, each when its epoch is complete. Outcomes are settled here, or sent on.
fn write<'scope>(
    finished: StreamVec<'scope, u64, FinishedMessage>,
    to: usize,
    mut writer: impl ResultWriter + 'static,
    mut accounts: Option<impl OutcomeRecorder + 'static>,
) -> StreamVec<'scope, u64, EpochOutcome> {
    let mut held = EpochQueue::new();
    finished.unary_frontier(exchange(move |_: &FinishedMessage| to as u64), "sink", |_, _| {
        move |(input, frontier), output: &mut OutputSession<'_, EpochOutcome>| {
            held.take_in(input);
            let mut all = Vec::new();
            while let Some((capability, finished)) = held.next_complete(frontier) {
                for finished in finished {
                    all.push((capability.clone(), written(finished, &mut writer)));
                }
            }
            // Outcomes are settled only after their results were flushed.
            let flushed = all.is_empty() || writer.flush();
            for (capability, outcome) in all {
                let mut outcome = EpochOutcome { written: outcome.written.filter(|_| flushed), ..outcome };
                match &mut accounts {
                    Some(accounts) => accounts.settle(outcome),
                    None => {
                        outcome.unwritten = if outcome.written.is_none() { writer.failure() } else { None };
                        output.session(&capability).give(outcome);
                    }
                }
            }
            if frontier.is_empty() {
                writer.close();
                accounts.iter_mut().for_each(OutcomeRecorder::close);
            }
        }
    })
}

/// Writes the results of a message; its outcome.
fn written(FinishedMessage { output, mut outcome }: FinishedMessage, writer: &mut impl ResultWriter) -> EpochOutcome {
    if let Some(reason) = &outcome.unread {
        writer.abandon(reason);
    }
    let branched = std::mem::take(&mut outcome.branched);
    EpochOutcome { written: writer.write(output, branched), ..outcome }
}

/// Writes the results of each message at once, in whatever order they are made.
fn write_at_once(mut writer: impl ResultWriter) -> impl FnMut(FinishedMessage) -> EpochOutcome {
    move |finished| {
        let outcome = written(finished, &mut writer);
        let flushed = writer.flush();
        EpochOutcome { written: outcome.written.filter(|_| flushed), ..outcome }
    }
}

/// Takes no outcomes: they are sent on.
enum NoOutcomes {}

impl OutcomeRecorder for NoOutcomes {
    fn settle(&mut self, _outcome: EpochOutcome) {
        match *self {}
    }

    fn close(&mut self) {
        match *self {}
    }
}

/// Gathers all outcomes on the first worker, which has the ledger.
fn settle<'scope>(
    outcomes: StreamVec<'scope, u64, EpochOutcome>,
    mut accounts: impl OutcomeRecorder + 'static,
) -> StreamVec<'scope, u64, ()> {
    let mut held = EpochQueue::new();
    outcomes.unary_frontier(exchange(|_: &EpochOutcome| 0), "accounts", |_, _| {
        move |(input, frontier), _output: &mut OutputSession<'_, ()>| {
            held.take_in(input);
            while let Some((_, outcomes)) = held.next_complete(frontier) {
                outcomes.into_iter().for_each(|outcome| accounts.settle(outcome));
            }
            if frontier.is_empty() {
                accounts.close();
            }
        }
    })
}
