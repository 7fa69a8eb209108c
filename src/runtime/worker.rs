//! One worker's run, from the first bucket to its part of the report.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::TryRecvError;
use timely::worker::Worker;

use crate::config::{Dataflow, SchemaChoice, TablePlan};
use crate::data::Schema;
use crate::measure::{Busy, Clock, Report, ServiceTimes, peak_memory_bytes};
use crate::runtime::Cluster;
use crate::runtime::cluster::broadcast::tell;
use crate::runtime::cluster::gather::{Gather, Measured};
use crate::runtime::epochs::acknowledgement::Acknowledgement;
use crate::runtime::epochs::ledger::Ledger;
use crate::runtime::epochs::numbering::Numbering;
use crate::runtime::epochs::outcomes::LedgerAccounts;
use crate::runtime::epochs::resume::{Start, existing};
use crate::runtime::epochs::sink_writer::SharedWriter;
use crate::runtime::error::Error;
use crate::runtime::failure::{Failure, fail};
use crate::runtime::graph::build::{Ends, Plan};
use crate::runtime::graph::materialized::{Kept, Outlets};
use crate::runtime::graph::tables::Tables;
use crate::runtime::graph::{build, stateful};
use crate::runtime::ingest::arrival::Arrival;
use crate::runtime::ingest::channel::Post;
use crate::runtime::ingest::connections::Sources;
use crate::runtime::ingest::protocol::Letter;
use crate::runtime::ingest::remote::Reader;
use crate::runtime::observe::activity::Activity;
use crate::runtime::observe::monitor::{Showing, Watch};
use crate::runtime::observe::overload::Overload;
use crate::runtime::observe::sampler::Tap;
use crate::runtime::options::{Options, PARK};
use crate::sink;
use crate::source::{self, Pace, Readiness};

/// Dead letters that a run shows.
const KEPT_LETTERS: usize = 20;
/// How often a source is asked whether it is ready.
const READY: Duration = Duration::from_millis(1);

/// Runs one worker; the first one returns the report.
pub fn run(
    worker: &mut Worker,
    dataflow: &Dataflow,
    options: &Options,
    start: Option<Start>,
    tap: Option<Tap>,
    activity: &Arc<Activity>,
    busy: &Busy,
) -> Result<Option<Report>, Error> {
    busy.join();
    let clock = Clock::start();
    let failure = Failure::default();
    let existing = start.as_ref().map_or_else(|| existing(dataflow, options), |start| start.existing);
    let memories = start.as_ref().map_or(Vec::new(), |start| start.memories.clone());
    let ends = start.as_ref().map_or(BTreeMap::new(), |start| start.tables.clone());
    let connections = dataflow.source_settings.connections();
    let numbering = |start: &Start| {
        let numbering = Numbering::after(&start.numbers, start.next_row, connections);
        // A file is cut to what is complete; a broker has what it was sent.
        let apart = start.checkpoint.is_some() && dataflow.sink.may_refuse();
        if apart { numbering.telling_apart(start.run) } else { numbering }
    };
    let numbering = start.as_ref().map_or_else(Numbering::default, numbering);
    let (mut intake, reader) = read(worker, dataflow, options, clock, start, busy);
    if let Some(intake) = &mut intake {
        intake.sources.number_from(numbering.clone());
    }
    let Some(schema) = agree_on_schema(worker, dataflow, options, intake.as_mut(), &failure) else {
        options.stop.now();
        let ended = intake.map_or(Ok(()), |intake| intake.end(worker));
        return failure.take().map_or(ended.map(|()| None), Err);
    };
    let first_in_process = worker.index() / options.cluster.workers * options.cluster.workers;
    let (steps, schema_out) = dataflow.steps(&schema)?;
    let memories = if dataflow.remembers() { tell(worker, memories) } else { Vec::new() };
    stateful::check(&steps, &memories).map_err(Error::Checkpoint)?;
    let kept_letters = if options.on_live.is_some() { KEPT_LETTERS } else { 0 };
    let snapshots = intake.as_ref().is_some_and(|intake| intake.snapshots.is_some());
    let ledger = Rc::new(RefCell::new(
        Ledger::new(dataflow.labels(), kept_letters, snapshots)
            .keep_rows(dataflow.sink.may_refuse())
            .numbered(numbering),
    ));
    let kept = dataflow.checkpoint().map(|_| Kept { memories: memories.clone(), ledger: ledger.clone(), ends });
    let (tables, _server) = Tables::open(worker.index(), dataflow, &schema, options, kept, &failure, activity)?;
    let plan = Plan {
        memories,
        writer: dataflow.sink.parts.then_some(first_in_process as u64),
        tap: tap.clone(),
        ..Plan::new(dataflow, schema, &steps, schema_out, options.fuse, &tables.inputs())
    };
    let times = Rc::new(RefCell::new(ServiceTimes::new(steps.len() + 2)));
    let writer = SharedWriter::open(worker.index(), &plan, dataflow, options, existing, &failure, activity);
    let accounts = LedgerAccounts::open(worker.index(), dataflow, options, &ledger, &writer, &failure, activity);
    if let Some(intake) = intake.as_mut().filter(|_| failure.borrow().is_none())
        && let Err(error) = intake.begin(dataflow, &plan.schema, &ledger.borrow(), &writer, tables.outlets())
    {
        fail(&failure, error);
    }
    let gather = Gather::build(worker);
    let ends = build::build(worker, &plan, &times, tables, writer.clone(), accounts.clone());
    match &mut intake {
        Some(intake) => {
            let (stages, tap) = (&plan.stages, tap.as_ref());
            let showing = Showing { dataflow, options, stages, times: &times, tap, activity, busy };
            intake.feed(worker, ends, &writer, &accounts, &showing, &failure);
        }
        None => {
            // Where the first worker of all is in another process, from here on rows may come.
            if worker.index() == first_in_process {
                busy.restart();
            }
            drop(ends.inputs);
            let follow = || follow(options, &writer, &failure);
            if let Some(Err(error)) = reader.map(|reader| reader.run(worker, follow)) {
                fail(&failure, error);
            }
            // One that writes looks up for the word that its file was moved away.
            let park = (plan.writer == Some(worker.index() as u64)).then_some(PARK);
            while !ends.probe.done() {
                worker.step_or_park(park);
                follow();
            }
        }
    }
    let for_process = worker.index() == first_in_process;
    let duration = intake.as_ref().map(|intake| intake.duration());
    // Counted as long as the duration is.
    let until_finished = intake.as_ref().and_then(|intake| intake.finished).map(|(_, busy)| busy);
    let time_busy = if for_process { until_finished.unwrap_or_else(|| busy.so_far().1) } else { Duration::ZERO };
    if let Err(error) = intake.map_or(Ok(()), |intake| intake.end(worker)) {
        fail(&failure, error);
    }
    let measured = Measured {
        times: times.take(),
        peak_memory_bytes: if for_process { peak_memory_bytes() } else { 0 },
        busy: time_busy,
    };
    let measured = gather.finish(worker, measured);
    match failure.take() {
        None | Some(Error::Sink(sink::Error::BrokenPipe)) => {}
        Some(error) => return Err(error),
    }
    // All have ended in good order: what was written is not what a later run may replace.
    if plan.writer.unwrap_or(0) == worker.index() as u64 {
        dataflow.sink.finished(options.cluster.process)?;
    }
    if worker.index() == 0 {
        dataflow.tables.iter().try_for_each(TablePlan::finished)?;
    }
    let report = |duration| {
        ledger.take().report(dataflow, options.cluster.processes(), worker.peers(), &plan.stages, &measured, duration)
    };
    Ok(duration.map(report))
}

/// Goes on in a new file, where this worker's was moved away and somebody says so.
fn follow(options: &Options, writer: &SharedWriter, failure: &Failure) {
    if writer.writes()
        && options.reopen.swap(false, Ordering::Relaxed)
        && writer.is_moved()
        && let Err(error) = writer.follow(writer.length())
    {
        fail(failure, error);
    }
}

/// Starts to read: the first worker gets the rows, which the first workers of other processes read for it if the source
/// has several connections.
fn read(
    worker: &mut Worker,
    dataflow: &Dataflow,
    options: &Options,
    clock: Clock,
    start: Option<Start>,
    busy: &Busy,
) -> (Option<Intake>, Option<Reader>) {
    let cluster = &options.cluster;
    let shared = cluster.processes() > 1 && dataflow.source_settings.connections() > 1;
    let found = || start.as_ref().map_or(Vec::new(), |start| start.positions.clone());
    let positions = if shared { tell(worker, found()) } else { Vec::new() };
    let post = shared.then(|| Post::build(worker));
    if let Some(start) = start {
        return (Some(Intake::start(post, dataflow, options, clock, start, busy)), None);
    }
    let reads =
        worker.index().is_multiple_of(cluster.workers) && cluster.process < dataflow.source_settings.connections();
    let reader = post.filter(|_| reads).map(|post| Reader::start(post, dataflow, options, clock, &positions));
    (None, reader)
}

/// The schema all workers build the graph with; `None` if the run ends before it begins.
fn agree_on_schema(
    worker: &mut Worker,
    dataflow: &Dataflow,
    options: &Options,
    intake: Option<&mut Intake>,
    failure: &Failure,
) -> Option<Schema> {
    if let SchemaChoice::Known { schema, .. } = &dataflow.schema {
        return Some(schema.clone());
    }
    let found = intake.and_then(|intake| {
        if let Some(schema) = &intake.schema {
            return Some(schema.clone());
        }
        let infer = source::infer(&dataflow.source, dataflow.source_settings.max_payload);
        let peek = || intake.peek(worker, options).map(|arrival| source::infer_bucket(&arrival.bucket));
        let found = infer.map(|schema| schema.or_else(peek));
        found.map_err(|error| fail(failure, error)).ok().flatten()
    });
    tell(worker, found)
}

/// Where the duration begins, and the time in it that workers are busy.
fn started(busy: &Busy) -> Instant {
    let now = Instant::now();
    busy.restart();
    now
}

/// How many epochs may be in flight.
///
/// Few rows: a message whose rows are still in cache is served faster, and messages that are served side by side all
/// wait for each other. Not fewer: progress is paid a batch of epochs, and another process is a message away.
fn max_epochs(cluster: &Cluster, bucket_size: usize) -> usize {
    let (rows, least) = if cluster.processes() > 1 { (512, 2) } else { (128, 1) };
    cluster.workers * cluster.processes() * (rows / bucket_size).clamp(least, 256)
}

/// After which messages steps and tables tell what they remember.
struct Snapshots {
    every: Duration,
    last: Option<Instant>,
}

impl Snapshots {
    /// Whether after this one: when no other message waits, and else as often as deliveries are acknowledged.
    fn take(&mut self, last: bool) -> bool {
        let take = last || self.last.is_none_or(|last| last.elapsed() >= self.every);
        if take {
            self.last = Some(Instant::now());
        }
        take
    }
}

/// The source and what of it is in flight, on the first worker.
struct Intake {
    sources: Sources,
    acknowledgement: Acknowledgement,
    /// When steps and tables tell what they remember, if it is kept.
    snapshots: Option<Snapshots>,
    clock: Clock,
    busy: Busy,
    /// The columns, where an earlier run inferred them.
    schema: Option<Schema>,
    peeked: Option<Arrival>,
    started: Instant,
    /// And how long the workers of this process were busy by then.
    finished: Option<(Instant, Duration)>,
    max_epochs: usize,
}

impl Intake {
    fn start(
        post: Option<Post<Letter>>,
        dataflow: &Dataflow,
        options: &Options,
        clock: Clock,
        start: Start,
        busy: &Busy,
    ) -> Intake {
        let every = dataflow.checkpoint_every;
        // What steps and tables remember is that of the lines which the checkpoint tells of.
        let has_tail = dataflow.sink.url.is_lines() && !dataflow.remembers();
        let schema = start.schema.clone();
        let max_epochs = max_epochs(&options.cluster, dataflow.source_settings.limits.bucket_size);
        let sources = Sources::start(post, dataflow, options, clock, &start.positions);
        Intake {
            sources: sources.starting_at(start.next_epoch, start.next_row),
            snapshots: (start.checkpoint.is_some() && dataflow.remembers()).then_some(Snapshots { every, last: None }),
            acknowledgement: Acknowledgement::new(start.checkpoint, every, has_tail),
            clock,
            busy: busy.clone(),
            schema,
            peeked: None,
            started: started(busy),
            finished: None,
            max_epochs,
        }
    }

    /// Writes down where the sink begins, and the columns if they were inferred.
    fn begin(
        &mut self,
        dataflow: &Dataflow,
        schema: &Schema,
        ledger: &Ledger,
        writer: &SharedWriter,
        outlets: Outlets,
    ) -> Result<(), Error> {
        let inferred = matches!(dataflow.schema, SchemaChoice::Infer).then_some(schema);
        let numbers = self.peeked.as_ref().map(|peeked| (peeked.bucket.epoch, peeked.bucket.first_row));
        let (next_epoch, next_row) = numbers.unwrap_or((self.sources.next_epoch(), self.sources.next_row()));
        self.acknowledgement.begin(next_epoch, next_row, ledger, inferred, writer, outlets)
    }

    /// Waits for the first bucket.
    fn peek(&mut self, worker: &mut Worker, options: &Options) -> Option<&Arrival> {
        self.tell_ready(worker, options);
        self.peeked = self.sources.first();
        self.peeked.as_ref()
    }

    fn tell_ready(&mut self, worker: &mut Worker, options: &Options) {
        let Some(on_ready) = &options.on_ready else { return };
        while self.sources.readiness() == Readiness::Waits {
            worker.step_or_park(Some(READY));
        }
        if self.sources.readiness() == Readiness::Ready {
            self.started = started(&self.busy);
            on_ready();
        }
    }

    fn next(&mut self) -> Result<Arrival, TryRecvError> {
        self.peeked.take().map_or_else(|| self.sources.try_next(), Ok)
    }

    /// Feeds the graph until the source ends and all is complete.
    fn feed(
        &mut self,
        worker: &mut Worker,
        ends: Ends,
        writer: &SharedWriter,
        accounts: &LedgerAccounts,
        showing: &Showing<'_>,
        failure: &Failure,
    ) {
        let (options, ledger) = (showing.options, accounts.ledger());
        let first_epoch = self.peeked.as_ref().map_or(self.sources.next_epoch(), |peeked| peeked.bucket.epoch);
        // A sink that cannot be opened ends the run, whether its source is there or not.
        if self.peeked.is_none() && failure.borrow().is_none() {
            self.tell_ready(worker, options);
        }
        let Ends { inputs, probe } = ends;
        let mut inputs = Some(inputs);
        inputs.iter_mut().for_each(|inputs| inputs.start_at(first_epoch));
        let paced = showing.dataflow.source.pace();
        let overload = paced.map(|Pace { rows_per_second }| Overload::new(worker.peers(), rows_per_second));
        let mut watch = Watch::new(self.started, overload);
        while !probe.done() {
            if let Some(failure) = &*failure.borrow() {
                showing.activity.note_failure(&failure.to_string());
                options.stop.now();
                inputs = None;
            }
            while let Some(open) = inputs.as_mut().filter(|_| ledger.borrow().has_room(self.max_epochs)) {
                match self.next() {
                    Ok(mut arrival) => {
                        let (coverage, sources) = (&arrival.coverage, &mut self.sources);
                        if !self.acknowledgement.admits(coverage, sources, ledger, writer, accounts, failure) {
                            self.peeked = Some(arrival);
                            break;
                        }
                        let last = self.sources.backlog().buckets == 0;
                        arrival.bucket.snapshot = self.snapshots.as_mut().is_some_and(|snapshots| snapshots.take(last));
                        open.send(ledger.borrow_mut().enter(arrival));
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => inputs = None,
                }
            }
            showing.activity.note(&ledger.borrow(), self.sources.backlog());
            worker.step_or_park(Some(PARK));
            let now = self.clock.now();
            ledger.borrow_mut().record_complete(now, |epoch| !probe.less_equal(&epoch));
            accounts.take_refused();
            if self.acknowledgement.is_due() {
                self.acknowledgement.give(&mut self.sources, ledger, writer, accounts, failure);
            }
            showing.activity.note(&ledger.borrow(), self.sources.backlog());
            if options.reopen.swap(false, Ordering::Relaxed) {
                self.acknowledgement.follow(&mut self.sources, ledger, writer, accounts, failure);
                accounts.follow();
            }
            watch.look(&ledger.borrow(), worker.peers(), self.sources.backlog(), showing);
        }
        ledger.borrow_mut().record_complete(self.clock.now(), |_| true);
        self.finished = Some((Instant::now(), self.busy.so_far().1));
        watch.show(&ledger.borrow(), worker.peers(), self.sources.backlog(), showing);
        self.acknowledgement.give(&mut self.sources, ledger, writer, accounts, failure);
    }

    fn duration(&self) -> Duration {
        self.finished.map_or_else(Instant::now, |(finished, _)| finished) - self.started
    }

    fn end(self, worker: &mut Worker) -> Result<(), Error> {
        self.sources.end(worker)
    }
}
