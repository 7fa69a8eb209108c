//! Builds the graph: input, prepare, the steps, result, sink, outcomes, probe.

use std::sync::Arc;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::{Exchange, ParallelizationContract, Pipeline};
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::{Input, Probe};
use timely::dataflow::{InputHandle, ProbeHandle, StreamVec};
use timely::worker::Worker;

use crate::config::{Dataflow, Placement};
use crate::data::{Bucket, Column, Schema};
use crate::format::{Decoding, Encoder, Encoding, Infinity, Output};
use crate::measure::SharedServiceTimes;
use crate::runtime::graph::absent_columns::AbsentColumns;
use crate::runtime::graph::epoch_queue::EpochQueue;
use crate::runtime::graph::in_flight::{EpochOutcome, FinishedMessage, InFlightMessage, RejectedRows};
use crate::runtime::graph::operator_state::OperatorState;
use crate::runtime::graph::output::OutputSession;
use crate::runtime::graph::stages::{Stage, StageWork, operator_of_result, stages};
use crate::runtime::graph::stateful::StatefulStep;
use crate::runtime::graph::table_lines::{LastEpoch, ReferenceInput};
use crate::runtime::graph::table_operators::TableOperators;
use crate::runtime::observe::sampler::Sampler;
use crate::subtasks::prepare::Prepare;
use crate::subtasks::{Chain, Step};

/// What the graph is built from.
pub struct GraphPlan {
    /// The columns of the rows from the source.
    pub schema: Arc<Schema>,
    /// How their cells become values.
    pub decoding: Arc<Decoding>,
    /// The columns of the results.
    pub schema_out: Arc<Schema>,
    /// The column in whose order the rows of a message are put.
    pub sort: Option<Column>,
    pub stages: Vec<Stage>,
    /// Whether all from prepare to result is fused into one operator.
    pub whole: bool,
    /// The keyed states that steps are restored from.
    pub states: Vec<OperatorState>,
    pub placement: Placement,
    pub encoding: Encoding,
    pub infinity: Infinity,
    /// The worker that writes this worker's results; the first worker, which has the ledger, if not given.
    pub writer: Option<u64>,
    /// Takes samples of messages, if the run is observed.
    pub sampler: Option<Sampler>,
}

impl GraphPlan {
    /// The plan for steps between two schemas, without restored state, written by the first worker, without samples.
    /// Tables take rows after the operators `taken_after`.
    pub fn new(
        dataflow: &Dataflow,
        schema: Schema,
        steps: &[Step],
        schema_out: Schema,
        fuse: bool,
        taken_after: &[usize],
    ) -> GraphPlan {
        let (stages, whole) = stages(steps, dataflow.placement, fuse, taken_after);
        GraphPlan {
            stages,
            whole,
            states: Vec::new(),
            sort: dataflow.sort_column(&schema),
            schema: Arc::new(schema),
            decoding: dataflow.decoding.clone(),
            schema_out: Arc::new(schema_out),
            placement: dataflow.placement,
            encoding: dataflow.sink.encoding(),
            infinity: dataflow.sink.infinity,
            writer: None,
            sampler: None,
        }
    }
}

/// Takes results in the order of epochs; flushed after each batch of complete epochs, closed at the end.
pub trait ResultWriter {
    /// The length of the sink's file after the results; `None` if they were not written.
    fn write(&mut self, output: Output) -> Option<u64>;
    /// Whether all results so far have been flushed.
    fn flush(&mut self) -> bool;
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
    buckets: InputHandle<u64, CapacityContainerBuilder<Vec<Arc<Bucket>>>>,
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
    writer: impl ResultWriter + 'static,
    accounts: impl OutcomeRecorder + 'static,
) -> GraphEnds {
    worker.dataflow::<u64, _, _>(|scope| {
        let (input, buckets) = scope.new_input::<Vec<Arc<Bucket>>>();
        let (probe, mut references, last) = (ProbeHandle::new(), Vec::new(), tables.last());
        let finished = if plan.whole {
            whole(buckets, plan, times)
        } else {
            let mut messages = each(buckets, by_epoch(), "prepare", prepare(plan, times.clone()));
            messages = tables.take(messages, 0, &mut references, &probe);
            for stage in &plan.stages {
                messages = match &stage.work {
                    StageWork::Remembering(step) => {
                        let operator = stage.operators.start;
                        StatefulStep { step, operator, states: &plan.states }.apply(messages, times)
                    }
                    StageWork::Chain(chain) => apply(messages, stage, chain.clone(), plan.placement, times.clone()),
                };
                messages = tables.take(messages, stage.operators.end - 1, &mut references, &probe);
            }
            each(messages, Pipeline, "result", result(plan, times.clone()))
        };
        let (here, elsewhere) = if plan.writer.is_none() { (Some(accounts), None) } else { (None, Some(accounts)) };
        let outcomes = write(finished, plan.writer.unwrap_or(0), writer, here);
        match elsewhere {
            Some(accounts) => drop(settle(outcomes, accounts).probe_with(&probe)),
            None => drop(outcomes.probe_with(&probe)),
        }
        GraphEnds { inputs: GraphInputs { buckets: input, references, last }, probe }
    })
}

/// Routes a bucket to the worker that its epoch selects.
fn by_epoch() -> impl ParallelizationContract<u64, Vec<Arc<Bucket>>> {
    Exchange::new(|bucket: &Arc<Bucket>| bucket.metadata.epoch)
}

/// Parses the rows of buckets into messages.
fn prepare(plan: &GraphPlan, times: SharedServiceTimes) -> impl FnMut(Arc<Bucket>) -> InFlightMessage + use<> {
    let mut prepare = Prepare::new(plan.schema.clone(), plan.decoding.clone()).sorted_by(plan.sort.clone());
    let (sampler, schema) = (plan.sampler.clone(), plan.schema.clone());
    let mut absent = AbsentColumns::of(&schema);
    move |bucket| {
        let ((message, bad), service) = times.borrow_mut().time(0, || prepare.apply(&bucket));
        if let Some(sampler) = &sampler {
            sampler.before(&message, &schema);
        }
        let reject = |bad: crate::format::BadRow| RejectedRows {
            rows: vec![bucket.metadata.first_row + bad.index as u64],
            operator: 0,
            reason: bad.reason,
        };
        let rejected = bad.into_iter().map(reject).collect();
        let (epoch, numbers, barrier) =
            (bucket.metadata.epoch, bucket.metadata.numbers.clone(), bucket.metadata.barrier);
        let came = absent.found_in(&message);
        let outcome = EpochOutcome { epoch, numbers, barrier, service, rejected, came, ..EpochOutcome::default() };
        InFlightMessage { message, outcome }
    }
}

/// One stage as one operator.
fn apply<'scope>(
    messages: StreamVec<'scope, u64, InFlightMessage>,
    Stage { operators, label, .. }: &Stage,
    chain: Chain,
    placement: Placement,
    times: SharedServiceTimes,
) -> StreamVec<'scope, u64, InFlightMessage> {
    let first = operators.start;
    let logic = move |in_flight: &mut InFlightMessage| in_flight.run(first, &chain, &mut times.borrow_mut());
    match placement {
        Placement::Message => operator(messages, Pipeline, label, logic),
        Placement::Subtask => {
            let route = move |in_flight: &InFlightMessage| in_flight.outcome.epoch + first as u64;
            operator(messages, Exchange::new(route), label, logic)
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

/// Encodes messages on the worker where the chain ended.
fn result(plan: &GraphPlan, times: SharedServiceTimes) -> impl FnMut(InFlightMessage) -> FinishedMessage + use<> {
    let encoder = Encoder::new(plan.schema_out.clone(), plan.encoding).with_infinity(plan.infinity);
    let index = operator_of_result(&plan.stages);
    let (sampler, schema) = (plan.sampler.clone(), plan.schema_out.clone());
    move |InFlightMessage { mut message, outcome }| {
        if let Some(sampler) = &sampler {
            sampler.after(&message, &schema);
        }
        if !outcome.numbers.is_plain() {
            message.ids.iter_mut().for_each(|id| *id = outcome.numbers.of(*id));
        }
        let rows_out = message.rows() as u64;
        let (output, service) = times.borrow_mut().time(index, || encoder.encode(message));
        FinishedMessage { output, outcome: EpochOutcome { rows_out, service: outcome.service + service, ..outcome } }
    }
}

/// The chain from prepare to result as one operator: each operator between them would cost a message time.
fn whole<'scope>(
    buckets: StreamVec<'scope, u64, Arc<Bucket>>,
    plan: &GraphPlan,
    times: &SharedServiceTimes,
) -> StreamVec<'scope, u64, FinishedMessage> {
    let (mut prepare, mut result) = (prepare(plan, times.clone()), result(plan, times.clone()));
    let stages: Vec<(usize, Chain)> = plan.stages.iter().filter_map(Stage::chain).collect();
    let times = times.clone();
    each(buckets, by_epoch(), "prepare..result", move |bucket| {
        let mut in_flight = prepare(bucket);
        stages.iter().for_each(|(first, chain)| in_flight.run(*first, chain, &mut times.borrow_mut()));
        result(in_flight)
    })
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
    to: u64,
    mut writer: impl ResultWriter + 'static,
    mut accounts: Option<impl OutcomeRecorder + 'static>,
) -> StreamVec<'scope, u64, EpochOutcome> {
    let mut held = EpochQueue::new();
    finished.unary_frontier(Exchange::new(move |_: &FinishedMessage| to), "sink", |_, _| {
        move |(input, frontier), output: &mut OutputSession<'_, EpochOutcome>| {
            held.take_in(input);
            let mut written = Vec::new();
            while let Some((capability, finished)) = held.next_complete(frontier) {
                for FinishedMessage { output, outcome } in finished {
                    let length = writer.write(output);
                    written.push((capability.clone(), EpochOutcome { written: length, ..outcome }));
                }
            }
            // Outcomes are settled only after their results were flushed.
            let flushed = written.is_empty() || writer.flush();
            for (capability, outcome) in written {
                let outcome = EpochOutcome { written: outcome.written.filter(|_| flushed), ..outcome };
                match &mut accounts {
                    Some(accounts) => accounts.settle(outcome),
                    None => output.session(&capability).give(outcome),
                }
            }
            if frontier.is_empty() {
                writer.close();
                accounts.iter_mut().for_each(OutcomeRecorder::close);
            }
        }
    })
}

/// Gathers all outcomes on the first worker, which has the ledger.
fn settle<'scope>(
    outcomes: StreamVec<'scope, u64, EpochOutcome>,
    mut accounts: impl OutcomeRecorder + 'static,
) -> StreamVec<'scope, u64, ()> {
    let mut held = EpochQueue::new();
    outcomes.unary_frontier(Exchange::new(|_: &EpochOutcome| 0), "accounts", |_, _| {
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
