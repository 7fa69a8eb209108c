//! The coordinator: what the first worker of all does beside its part of the graph. It takes buckets in, numbers them,
//! keeps the ledger, syncs and acknowledges what is complete, and makes the report.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::TryRecvError;
use timely::worker::Worker;

use crate::config::{SchemaChoice, TablePlan};
use crate::data::{BatchMetadata, Schema};
use crate::measure::{BrokerLink, BusyTime, Clock, Report, RunStatus, now_ms};
use crate::runtime::Cluster;
use crate::runtime::epochs::acknowledgement::Acknowledgement;
use crate::runtime::epochs::ledger::Ledger;
use crate::runtime::epochs::numbering::Numbering;
use crate::runtime::epochs::outcomes::LedgerOutcomes;
use crate::runtime::epochs::resume::ResumePoint;
use crate::runtime::error::Error;
use crate::runtime::first_error::{FirstError, fail};
use crate::runtime::graph::build::GraphEnds;
use crate::runtime::ingest::arrival::Arrival;
use crate::runtime::ingest::connections::SourceConnections;
use crate::runtime::observe::activity::Activity;
use crate::runtime::observe::monitor::{Monitor, MonitorOptions};
use crate::runtime::observe::overload::Overload;
use crate::runtime::options::{Options, PARK_TIMEOUT};
use crate::runtime::reload::switch::ModelSwitch;
use crate::runtime::worker::{Before, Context, Share};
use crate::source::{self, Pace, Readiness};

/// The most dead letters that the status shows.
const KEPT_LETTERS: usize = 20;
/// How often a source is asked whether it is ready.
const READY_INTERVAL: Duration = Duration::from_millis(1);

/// Runs the first worker, from the first bucket to the report; `None` if the run is stopped before its first row.
///
/// # Errors
/// The first failure on this worker.
pub fn run(worker: &mut Worker, context: &Context<'_>, start: ResumePoint) -> Result<Option<Report>, Error> {
    let Context { dataflow, options, sampler, activity, busy, .. } = *context;
    busy.join();
    let (clock, failure) = (Clock::start(), FirstError::default());
    let numbering = Numbering::after(&start.numbers, start.next_row, dataflow.row_sequences());
    // A file can be cut to the committed length; what was sent to a broker stays there.
    let apart = start.checkpoint.is_some() && dataflow.sinks.iter().any(|plan| plan.settings.stays());
    let numbering = if apart { numbering.telling_apart(start.run) } else { numbering };
    let (channel, _) = context.share_positions(worker, &start.positions);
    let stay = context.holds_rows();
    let mut sources = SourceConnections::start(channel, dataflow, options, clock, &start.positions, stay);
    sources.number_from(numbering.clone());
    let sources = sources.starting_at(start.next_epoch, start.next_row);
    let keeps_state = start.checkpoint.is_some() && dataflow.remembers();
    let mut coordinator = Coordinator::new(sources, keeps_state, clock, context);
    let ResumePoint { checkpoint, existing, schema, states, files, .. } = start;
    let find = |worker: &mut Worker| schema.or_else(|| coordinator.find_schema(worker, context, &failure));
    let Some(schema) = context.agree_on_schema(worker, find) else {
        options.stop.now();
        let ended = coordinator.sources.end(worker);
        return failure.take().map_or(ended.map(|()| None), Err);
    };
    dataflow.predictions_at_risk(&schema).iter().for_each(|told| tracing::warn!("{told}"));
    let kept_letters = if options.on_live.is_some() { KEPT_LETTERS } else { 0 };
    let ledger = Rc::new(RefCell::new(
        Ledger::new(dataflow.labels(), kept_letters, keeps_state)
            .keep_rows(dataflow.may_refuse())
            .numbered(numbering)
            .of_sources(&dataflow.sources),
    ));
    let before = Before { existing, states, files };
    let (share, tables) = Share::open(worker, context, schema, before, Some(ledger.clone()), &failure)?;
    let (plan, writers) = (&share.plan, &share.writers);
    let accounts = LedgerOutcomes::open(dataflow, options, &ledger, writers, &failure, activity);
    let mut acknowledgement = Acknowledgement::new(
        checkpoint,
        dataflow,
        writers.clone(),
        accounts.clone(),
        tables.materialized_tables(),
        &failure,
    );
    if failure.borrow().is_none() {
        let inferred = matches!(dataflow.source().schema, SchemaChoice::Infer { .. }).then_some(&**plan.schema());
        let (next_epoch, next_row) = coordinator.next_numbers();
        if let Err(error) = acknowledgement.begin(next_epoch, next_row, inferred) {
            fail(&failure, error);
        }
    }
    let (gather, ends, proposals) = share.build(worker, context, tables, accounts.clone());
    let next = coordinator.next_numbers();
    let switch = ModelSwitch::start(context, plan.schema(), &share.params, proposals, next)?;
    if failure.borrow().is_none()
        && !dataflow.followed_params().is_empty()
        && let Err(error) = acknowledgement.adopt(dataflow, switch.hashes())
    {
        fail(&failure, error);
    }
    coordinator.switch = Some(switch);
    let showing =
        MonitorOptions { dataflow, options, stages: &plan.stages, times: &share.times, sampler, activity, busy };
    let (duration, time_busy) = coordinator.feed(worker, ends, &mut acknowledgement, &accounts, &showing, &failure);
    let (next_epoch, _) = coordinator.next_numbers();
    if let Err(error) = coordinator.sources.end(worker) {
        fail(&failure, error);
    }
    let measured = share.finish(worker, context, gather, time_busy, &failure)?;
    dataflow.tables.iter().try_for_each(TablePlan::finished)?;
    let (ledger, processes) = (ledger.take(), options.cluster.processes());
    let report = ledger.report(dataflow, processes, worker.peers(), &plan.stages, &measured, duration);
    // New params may have been ready when no row came any more.
    let models = coordinator.switch.map(|switch| switch.served_before(next_epoch)).unwrap_or_default();
    Ok(Some(Report { models, ..report }))
}

/// Starts the duration of the run, and the busy time in it.
fn started(busy: &BusyTime) -> Instant {
    let now = Instant::now();
    busy.restart();
    now
}

/// How many epochs may be in flight.
///
/// Few rows: a message whose rows are still in cache is served faster, and messages that are served side by side all
/// wait for each other. Not fewer: progress has a cost per batch of epochs, and another process is a network hop away.
fn max_epochs(cluster: &Cluster, bucket_size: usize) -> usize {
    let (rows, least) = if cluster.processes() > 1 { (512, 2) } else { (128, 1) };
    cluster.workers * cluster.processes() * (rows / bucket_size).clamp(least, 256)
}

/// Decides after which messages there is a checkpoint barrier.
struct CheckpointBarriers {
    every: Duration,
    last: Option<Instant>,
}

impl CheckpointBarriers {
    /// Whether after this message: if it should be `soon`, as no other waits or a sink is full, or `every` has passed
    /// since the last barrier.
    fn take(&mut self, soon: bool) -> bool {
        let take = soon || self.last.is_none_or(|last| last.elapsed() >= self.every);
        if take {
            self.last = Some(Instant::now());
        }
        take
    }
}

/// The source, and how its buckets enter the graph.
struct Coordinator {
    sources: SourceConnections,
    /// The checkpoint barriers, if there is keyed state to keep.
    barriers: Option<CheckpointBarriers>,
    clock: Clock,
    busy: BusyTime,
    activity: Arc<Activity>,
    /// Buckets that were looked at, and not fed yet.
    peeked: VecDeque<Arrival>,
    started: Instant,
    /// Whether readiness was reported, or can never be.
    told_ready: bool,
    max_epochs: usize,
    /// The version of the fitted params, once the graph is built.
    switch: Option<ModelSwitch>,
}

impl Coordinator {
    fn new(sources: SourceConnections, keeps_state: bool, clock: Clock, context: &Context<'_>) -> Coordinator {
        let Context { dataflow, options, busy, activity, .. } = *context;
        Coordinator {
            sources,
            barriers: keeps_state.then_some(CheckpointBarriers { every: dataflow.checkpoint_every, last: None }),
            clock,
            busy: busy.clone(),
            activity: activity.clone(),
            peeked: VecDeque::new(),
            started: started(busy),
            told_ready: options.on_ready.is_none(),
            max_epochs: max_epochs(&options.cluster, dataflow.limits().bucket_size),
            switch: None,
        }
    }

    /// Infers the schema from the first rows of the source; `None` without rows, or after a failure.
    fn find_schema(&mut self, worker: &mut Worker, context: &Context<'_>, failure: &FirstError) -> Option<Schema> {
        let dataflow = context.dataflow;
        let framing = &dataflow.source().settings.framing;
        let infer = source::infer(&dataflow.source().url, framing);
        let peek = || {
            self.peek(worker, context.options);
            // One row of theirs tells of one column alone.
            if framing.topic.as_ref().is_some_and(|topic| topic.names_column()) {
                self.peek_further(worker, context.options);
            }
            let buckets = || self.peeked.iter().map(|arrival| &arrival.bucket);
            (!self.peeked.is_empty()).then(|| source::infer_buckets(buckets(), framing))
        };
        let found = infer.map(|schema| schema.or_else(peek));
        found.map_err(|error| fail(failure, error)).ok().flatten().map(|schema| dataflow.complete(schema))
    }

    /// Waits for the first bucket.
    fn peek(&mut self, worker: &mut Worker, options: &Options) {
        self.wait_until_ready(worker, options);
        self.peeked.extend(self.sources.first());
    }

    /// Takes in what comes soon behind the first bucket.
    fn peek_further(&mut self, worker: &mut Worker, options: &Options) {
        const MOST_ROWS: usize = 1000;
        const TIME: Duration = Duration::from_secs(2);
        let begun = Instant::now();
        let mut rows: usize = self.peeked.iter().map(|arrival| arrival.bucket.len()).sum();
        while rows > 0 && rows < MOST_ROWS && begun.elapsed() < TIME && !options.stop.is_set() {
            match self.sources.try_next() {
                Ok(arrival) => {
                    rows += arrival.bucket.len();
                    self.peeked.push_back(arrival);
                }
                Err(TryRecvError::Empty) => _ = worker.step_or_park(Some(READY_INTERVAL)),
                Err(TryRecvError::Disconnected) => break,
            }
        }
    }

    /// Waits until the source is ready, and reports it. A bucket may arrive first: the deliveries of an earlier run
    /// whose session is lost are committed before a connection subscribes.
    fn wait_until_ready(&mut self, worker: &mut Worker, options: &Options) {
        let mut told_waiting = false;
        while !self.told_ready && self.sources.backlog().buckets == 0 {
            if self.sources.readiness() == Readiness::Waits {
                if !std::mem::replace(&mut told_waiting, true) {
                    self.show_link(worker, options, BrokerLink::Connecting);
                }
                worker.step_or_park(Some(READY_INTERVAL));
            } else {
                self.started = started(&self.busy);
                self.tell_ready(options);
            }
        }
        if told_waiting {
            self.show_link(worker, options, self.sources.backlog().broker);
        }
    }

    /// Reports how the source stands to its broker before any row has come.
    fn show_link(&self, worker: &Worker, options: &Options, broker: BrokerLink) {
        let status = || RunStatus {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            written_ms: now_ms(),
            workers: worker.peers(),
            processes: options.cluster.processes(),
            broker,
            links: self.activity.links_of_all(),
            ..RunStatus::of_none()
        };
        options.on_live.iter().for_each(|on_live| self.activity.shown.show(status(), on_live));
    }

    /// Reports that the source is ready, once.
    fn tell_ready(&mut self, options: &Options) {
        if self.told_ready {
            return;
        }
        let readiness = self.sources.readiness();
        self.told_ready = readiness != Readiness::Waits;
        if readiness == Readiness::Ready {
            options.on_ready.iter().for_each(|on_ready| on_ready());
        }
    }

    /// The epoch and the first row of the next bucket.
    fn next_numbers(&self) -> (u64, u64) {
        let peeked = self.peeked.front().map(|peeked| (peeked.bucket.metadata.epoch, peeked.bucket.metadata.first_row));
        peeked.unwrap_or((self.sources.next_epoch(), self.sources.next_row()))
    }

    fn next(&mut self) -> Result<Arrival, TryRecvError> {
        self.peeked.pop_front().map_or_else(|| self.sources.try_next(), Ok)
    }

    /// Feeds the graph until the source has ended and all is complete. Returns the time since the first row, and the
    /// busy time of this process' workers in it.
    fn feed(
        &mut self,
        worker: &mut Worker,
        GraphEnds { inputs, probe }: GraphEnds,
        acknowledgement: &mut Acknowledgement,
        accounts: &LedgerOutcomes,
        showing: &MonitorOptions<'_>,
        failure: &FirstError,
    ) -> (Duration, Duration) {
        let (options, ledger) = (showing.options, accounts.ledger());
        let mut next = self.next_numbers();
        let (first_epoch, _) = next;
        // After a failure, as of a sink that can't be opened, the run ends without waiting for the source.
        if self.peeked.is_empty() && failure.borrow().is_none() {
            self.wait_until_ready(worker, options);
        }
        let mut inputs = Some(inputs);
        inputs.iter_mut().for_each(|inputs| inputs.start_at(first_epoch));
        let one = Some(showing.dataflow.source()).filter(|_| !showing.dataflow.has_several_sources());
        let paced = one.and_then(|source| source.url.pace());
        let overload = paced.map(|Pace { rows_per_second }| Overload::new(worker.peers(), rows_per_second));
        let mut watch = Monitor::new(self.started, overload);
        while !probe.done() {
            if let Some(failure) = &*failure.borrow() {
                showing.activity.note_failure(&failure.to_string());
                options.stop.now();
                inputs = None;
            }
            while let Some(open) = inputs.as_mut().filter(|_| ledger.borrow().has_room(self.max_epochs)) {
                match self.next() {
                    Ok(mut arrival) => {
                        if !acknowledgement.admits(&arrival.delivery_range, &mut self.sources) {
                            self.peeked.push_front(arrival);
                            break;
                        }
                        let last = self.sources.backlog().buckets == 0;
                        let soon = || last || acknowledgement.is_full();
                        arrival.bucket.metadata.barrier =
                            self.barriers.as_mut().is_some_and(|barriers| barriers.take(soon()));
                        arrival.bucket.metadata.version = self.switch.as_ref().map_or(0, ModelSwitch::current);
                        let BatchMetadata { epoch, first_row, .. } = arrival.bucket.metadata;
                        next = (epoch + 1, first_row + arrival.bucket.len() as u64);
                        open.send(ledger.borrow_mut().enter(arrival));
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => inputs = None,
                }
            }
            self.tell_ready(options);
            showing.activity.note(&ledger.borrow(), self.sources.backlog());
            worker.step_or_park(Some(PARK_TIMEOUT));
            let now = self.clock.now();
            ledger.borrow_mut().record_complete(now, |epoch| !probe.less_equal(&epoch));
            accounts.take_refused();
            acknowledgement.advance(&mut self.sources);
            if acknowledgement.is_due() {
                acknowledgement.give(&mut self.sources);
            }
            showing.activity.note(&ledger.borrow(), self.sources.backlog());
            let adopt = |hashes: &BTreeMap<_, _>| acknowledgement.adopt(showing.dataflow, hashes);
            let oldest = ledger.borrow().first_in_flight();
            if let Some(switch) = &mut self.switch
                && let Err(error) = switch.advance(oldest, next, inputs.is_none(), adopt)
            {
                fail(failure, error);
            }
            if options.reopen.swap(false, Ordering::Relaxed) {
                acknowledgement.follow(&mut self.sources);
                accounts.follow();
            }
            watch.look(&ledger.borrow(), worker.peers(), self.sources.backlog(), showing);
        }
        ledger.borrow_mut().record_complete(self.clock.now(), |_| true);
        let finished = (self.started.elapsed(), self.busy.so_far().1);
        watch.show(&ledger.borrow(), worker.peers(), self.sources.backlog(), showing);
        acknowledgement.finish(&mut self.sources);
        accounts.finish();
        finished
    }
}
