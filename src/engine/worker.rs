//! One worker's run, from the first bucket to its part of the report.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::TryRecvError;
use timely::worker::Worker;

use super::checkpoint::{Checkpoint, Progress};
use super::gather::{Gather, Measured};
use super::graph::{self, Accounts, Ends, Plan, Writer};
use super::identity;
use super::parcel::Receipt;
use super::stages::{Stage, stages};
use super::start::{Start, existing};
use super::{Error, Options};
use crate::data::{Bucket, Clock, Schema};
use crate::dataflow::{Dataflow, SchemaChoice};
use crate::measure::{Histogram, Latency, Report, Service, ServiceTimes, peak_memory_bytes};
use crate::sink::{self, DeadLetter, DeadLetters, Existing, Sink};
use crate::source::{self, Position, Source};
use crate::subtasks::result::Output;

/// Bytes of rows in flight; past it the source waits.
const MAX_BYTES: usize = 64 << 20;
const PARK: Duration = Duration::from_millis(50);
const PROGRESS: Duration = Duration::from_millis(250);

/// Where a run stands, for people who watch it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Snapshot {
    pub rows_in: u64,
    /// Rows of complete messages.
    pub rows_done: u64,
    pub dead_letters: u64,
    /// Over the last moments.
    pub rows_per_second: f64,
    pub rho: f64,
    /// Of rows, over the whole run, in nanoseconds.
    pub p99: u64,
}

/// The first error on this worker; what comes after it is only drained.
type Failure = Rc<RefCell<Option<Error>>>;

fn fail(failure: &Failure, error: impl Into<Error>) {
    failure.borrow_mut().get_or_insert(error.into());
}

/// Runs one worker; the first one returns the report.
pub fn run(
    worker: &mut Worker,
    dataflow: &Dataflow,
    options: &Options,
    start: Option<Start>,
) -> Result<Option<Report>, Error> {
    if options.cluster.processes() > 1 {
        identity::agree(worker, dataflow, options.cluster.workers)?;
    }
    let clock = Clock::start();
    let failure = Failure::default();
    let existing = start.as_ref().map_or_else(|| existing(dataflow, options), |start| start.existing);
    let mut intake = start.map(|start| Intake::start(dataflow, options, clock, start));
    let Some(schema) = agree_on_schema(worker, dataflow, options, intake.as_mut(), &failure) else {
        options.stop.now();
        let ended = intake.map_or(Ok(()), Intake::end);
        return failure.take().map_or(ended.map(|()| None), Err);
    };
    let first_in_process = worker.index() / options.cluster.workers * options.cluster.workers;
    let (steps, schema_out) = dataflow.steps(&schema)?;
    let stages = stages(&steps, dataflow.placement, options.fuse);
    let plan = Plan {
        stages,
        schema: Arc::new(schema),
        schema_out: Arc::new(schema_out),
        placement: dataflow.placement,
        encoding: dataflow.sink.encoding(),
        writer: if dataflow.sink.parts { first_in_process as u64 } else { 0 },
    };
    let times = Rc::new(RefCell::new(ServiceTimes::new(steps.len() + 2)));
    let ledger = Rc::new(RefCell::new(Ledger::new(dataflow.labels())));
    let writer = SharedWriter::open(worker.index(), &plan, dataflow, options, existing, &failure);
    let accounts = LedgerAccounts::open(worker.index(), dataflow, &ledger, &failure);
    let gather = Gather::build(worker);
    let ends = graph::build(worker, &plan, &times, writer.clone(), accounts);
    match &mut intake {
        Some(intake) => intake.feed(worker, ends, &ledger, &writer, options, &failure),
        None => {
            drop(ends.input);
            worker.step_or_park_while(None, || !ends.probe.done());
        }
    }
    let measured = Measured {
        times: times.take(),
        peak_memory_bytes: if worker.index() == first_in_process { peak_memory_bytes() } else { 0 },
    };
    let measured = gather.finish(worker, measured);
    let duration = intake.as_ref().map(|intake| intake.duration());
    if let Err(error) = intake.map_or(Ok(()), Intake::end) {
        fail(&failure, error);
    }
    match failure.take() {
        None | Some(Error::Sink(sink::Error::BrokenPipe)) => {}
        Some(error) => return Err(error),
    }
    let report = |duration| ledger.take().report(dataflow, options, worker.peers(), &plan.stages, &measured, duration);
    Ok(duration.map(report))
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
        let infer = source::infer(&dataflow.source, dataflow.source_settings.max_payload);
        let found = infer.map(|schema| schema.or_else(|| intake.peek(options).map(source::infer_bucket)));
        found.map_err(|error| fail(failure, error)).ok().flatten()
    });
    super::schema::agree(worker, found.as_ref())
}

/// The source and what of it is in flight, on the first worker.
struct Intake {
    source: Source,
    acknowledgement: Acknowledgement,
    clock: Clock,
    peeked: Option<Bucket>,
    started: Instant,
    finished: Option<Instant>,
    max_epochs: usize,
}

impl Intake {
    fn start(dataflow: &Dataflow, options: &Options, clock: Clock, start: Start) -> Intake {
        let settings = dataflow.source_settings.clone();
        let workers = options.cluster.workers * options.cluster.processes();
        // Progress is paid a batch of epochs, not an epoch: keep tens of them in flight.
        let max_epochs = (2048 / settings.limits.bucket_size).clamp(4 * workers, 256.max(4 * workers));
        let waker = std::thread::current();
        let source = Source::start(&dataflow.source, settings, &start.position, clock, options.stop.clone(), waker);
        Intake {
            source,
            acknowledgement: Acknowledgement::new(start.checkpoint),
            clock,
            peeked: None,
            started: Instant::now(),
            finished: None,
            max_epochs,
        }
    }

    /// Waits for the first bucket.
    fn peek(&mut self, options: &Options) -> Option<&Bucket> {
        self.tell_ready(options);
        self.peeked = self.source.buckets.recv().ok();
        self.peeked.as_ref()
    }

    fn tell_ready(&self, options: &Options) {
        if let Some(on_ready) = &options.on_ready {
            // Disconnected means that the source has nothing to wait for.
            let _ = self.source.ready.recv();
            on_ready();
        }
    }

    fn next(&mut self) -> Result<Bucket, TryRecvError> {
        self.peeked.take().map_or_else(|| self.source.buckets.try_recv(), Ok)
    }

    /// Feeds the graph until the source ends and all is complete.
    fn feed(
        &mut self,
        worker: &mut Worker,
        ends: Ends,
        ledger: &Rc<RefCell<Ledger>>,
        writer: &SharedWriter,
        options: &Options,
        failure: &Failure,
    ) {
        if self.peeked.is_none() {
            self.tell_ready(options);
        }
        let Ends { input, probe } = ends;
        let mut input = Some(input);
        let mut watch = Watch::new(self.started);
        while !probe.done() {
            if failure.borrow().is_some() {
                options.stop.now();
                input = None;
            }
            while let Some(open) = input.as_mut().filter(|_| ledger.borrow().has_room(self.max_epochs)) {
                match self.next() {
                    Ok(bucket) => {
                        let bucket = Arc::new(bucket);
                        ledger.borrow_mut().enter(bucket.clone());
                        let next = bucket.epoch + 1;
                        open.advance_to(bucket.epoch);
                        open.send(bucket);
                        open.advance_to(next);
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => input = None,
                }
            }
            worker.step_or_park(Some(PARK));
            let now = self.clock.now();
            ledger.borrow_mut().record_complete(now, |epoch| !probe.less_equal(&epoch));
            if self.acknowledgement.is_due() {
                self.acknowledgement.give(&self.source, &ledger.borrow(), writer, failure);
            }
            watch.look(&ledger.borrow(), worker.peers(), options);
        }
        ledger.borrow_mut().record_complete(self.clock.now(), |_| true);
        self.finished = Some(Instant::now());
        self.acknowledgement.give(&self.source, &ledger.borrow(), writer, failure);
    }

    fn duration(&self) -> Duration {
        self.finished.unwrap_or_else(Instant::now) - self.started
    }

    fn end(self) -> Result<(), Error> {
        Ok(self.source.join()?)
    }
}

/// Acknowledges deliveries once their results have left the sink, and the checkpoint knows it.
struct Acknowledgement {
    checkpoint: Option<Checkpoint>,
    last: Option<Instant>,
    given: u64,
}

impl Acknowledgement {
    /// A sink is asked to bring its results to safety no more often than this.
    const EVERY: Duration = Duration::from_millis(100);

    fn new(checkpoint: Option<Checkpoint>) -> Acknowledgement {
        Acknowledgement { checkpoint, last: None, given: 0 }
    }

    fn is_due(&self) -> bool {
        self.last.is_none_or(|last| last.elapsed() >= Self::EVERY)
    }

    /// After a failure nothing is acknowledged any more: it will be delivered again.
    fn give(&mut self, source: &Source, ledger: &Ledger, writer: &SharedWriter, failure: &Failure) {
        let (Some(acknowledger), Some(complete)) = (source.acknowledger(), ledger.complete) else { return };
        if complete.delivered == self.given || failure.borrow().is_some() || !writer.sync() {
            return;
        }
        self.last = Some(Instant::now());
        if let Some(checkpoint) = &self.checkpoint {
            let taken = acknowledger.taken(self.given + 1..=complete.delivered);
            let next = complete.delivered + 1;
            let begun = acknowledger.taken(next..=next).first().map(|taken| (*taken, complete.begun));
            let position = Position { next_epoch: complete.epoch + 1, next_row: complete.next_row, taken, begun };
            let progress = Progress { length: writer.length_after(complete.epoch), position };
            if let Err(reason) = checkpoint.commit(&progress) {
                return fail(failure, Error::Checkpoint(reason));
            }
        }
        acknowledger.complete(complete.delivered);
        self.given = complete.delivered;
    }
}

/// Shows where the run stands, a few times a second.
struct Watch {
    last: Instant,
    rows: u64,
}

impl Watch {
    fn new(last: Instant) -> Watch {
        Watch { last, rows: 0 }
    }

    fn look(&mut self, ledger: &Ledger, workers: usize, options: &Options) {
        let Some(on_progress) = &options.on_progress else { return };
        let passed = self.last.elapsed();
        if passed < PROGRESS {
            return;
        }
        let rows_per_second = (ledger.rows_done - self.rows) as f64 / passed.as_secs_f64();
        let service = ledger.service_row.inner().mean() / 1e9;
        on_progress(&Snapshot {
            rows_in: ledger.rows_in,
            rows_done: ledger.rows_done,
            dead_letters: ledger.dead_letters,
            rows_per_second,
            rho: rows_per_second * service / workers as f64,
            p99: ledger.latency.row.inner().value_at_quantile(0.99),
        });
        (self.last, self.rows) = (Instant::now(), ledger.rows_done);
    }
}

/// What is in flight and what has been counted, on the first worker.
#[derive(Default)]
struct Ledger {
    labels: Vec<String>,
    in_flight: VecDeque<Arc<Bucket>>,
    bytes: usize,
    /// What is complete, and written.
    complete: Option<Complete>,
    /// Epochs whose results no sink has taken: the deliveries from the first of them on are not acknowledged.
    first_unwritten: Option<u64>,
    rows_in: u64,
    rows_done: u64,
    rows_out: u64,
    dropped: BTreeMap<usize, u64>,
    dead_letters: u64,
    messages: u64,
    latency: Latency,
    service_message: Histogram,
    service_row: Histogram,
}

/// The last epoch of those that are complete in turn.
#[derive(Clone, Copy, Debug)]
struct Complete {
    epoch: u64,
    next_row: u64,
    /// The last delivery with all its rows in there.
    delivered: u64,
    /// Rows of the one after it that are.
    begun: u64,
}

impl Ledger {
    fn new(labels: Vec<String>) -> Ledger {
        Ledger { labels, ..Ledger::default() }
    }

    fn has_room(&self, max_epochs: usize) -> bool {
        self.in_flight.len() < max_epochs && (self.bytes < MAX_BYTES || self.in_flight.is_empty())
    }

    fn enter(&mut self, bucket: Arc<Bucket>) {
        self.rows_in += bucket.len() as u64;
        self.messages += 1;
        self.bytes += bucket.byte_len();
        self.in_flight.push_back(bucket);
    }

    /// The bucket of an epoch in flight.
    fn bucket(&self, epoch: u64) -> Option<Arc<Bucket>> {
        let first = self.in_flight.front()?.epoch;
        self.in_flight.get(usize::try_from(epoch.checked_sub(first)?).ok()?).cloned()
    }

    /// Records the latency of all epochs that are complete `now`.
    fn record_complete(&mut self, now: u64, is_complete: impl Fn(u64) -> bool) {
        while let Some(bucket) = self.in_flight.pop_front_if(|bucket| is_complete(bucket.epoch)) {
            self.bytes -= bucket.byte_len();
            if self.first_unwritten.is_none_or(|first| bucket.epoch < first) {
                self.complete = Some(Complete {
                    epoch: bucket.epoch,
                    next_row: bucket.first_row + bucket.len() as u64,
                    delivered: bucket.delivered,
                    begun: bucket.begun,
                });
            }
            self.rows_done += bucket.len() as u64;
            self.latency.message.record(now.saturating_sub(bucket.closed), 1);
            // Rows of one publish have one stamp.
            for rows in bucket.arrived().chunk_by(|a, b| a == b) {
                self.latency.row.record(now.saturating_sub(rows[0]), rows.len() as u64);
            }
        }
    }

    fn settle(&mut self, receipt: &Receipt, rows: u64) {
        if !receipt.written {
            self.first_unwritten.get_or_insert(receipt.epoch);
        }
        self.rows_out += receipt.rows_out;
        for (operator, rows) in &receipt.dropped {
            *self.dropped.entry(*operator).or_default() += rows;
        }
        self.dead_letters += receipt.rejected.iter().map(|rejected| rejected.rows.len() as u64).sum::<u64>();
        self.service_message.record(receipt.service, 1);
        self.service_row.record(receipt.service / rows.max(1), rows);
    }

    fn report(
        self,
        dataflow: &Dataflow,
        options: &Options,
        workers: usize,
        stages: &[Stage],
        measured: &[Measured],
        duration: Duration,
    ) -> Report {
        let mut times = ServiceTimes::new(self.labels.len());
        measured.iter().for_each(|measured| times.merge(&measured.times));
        let named = |(operator, rows): (usize, u64)| (self.labels[operator].clone(), rows);
        let mut report = Report {
            dataflow: dataflow.name.clone(),
            version: env!("CARGO_PKG_VERSION"),
            workers,
            processes: options.cluster.processes(),
            rows_in: self.rows_in,
            rows_out: self.rows_out,
            rows_dropped: self.dropped.into_iter().map(named).collect(),
            dead_letters: self.dead_letters,
            messages: self.messages,
            seconds: 0.0,
            rows_per_second: 0.0,
            peak_memory_bytes: measured.iter().map(|measured| measured.peak_memory_bytes).sum(),
            lambda: 0.0,
            mu: 0.0,
            rho: 0.0,
            latency_ns: self.latency,
            service_ns: Service {
                message: self.service_message,
                row: self.service_row,
                subtask: by_operator(stages, times),
            },
        };
        report.set_rates(duration);
        report
    }
}

/// The times of prepare, each stage and result, by name.
fn by_operator(stages: &[Stage], mut times: ServiceTimes) -> Vec<(String, Histogram)> {
    let mut of = |label: &str, operator: usize| (label.to_owned(), std::mem::take(&mut times.subtasks[operator]));
    let last = stages.last().map_or(1, |stage| stage.operators.end);
    let mut named = vec![of("prepare", 0)];
    named.extend(stages.iter().map(|stage| of(&stage.label, stage.operators.start)));
    named.push(of("result", last));
    named
}

/// Writes to the sink until it fails. The graph writes; on the first worker the intake syncs.
#[derive(Clone)]
struct SharedWriter(Rc<RefCell<SinkWriter>>);

struct SinkWriter {
    sink: Option<Box<dyn Sink>>,
    /// Whether deliveries are acknowledged for what was written.
    persistent: bool,
    /// Whether the intake asks for a sync; on the other workers every flush must be one.
    asked: bool,
    /// The length of the sink's file after each epoch, from the one last asked for on.
    lengths: VecDeque<(u64, u64)>,
    failure: Failure,
}

impl SharedWriter {
    fn open(
        index: usize,
        plan: &Plan,
        dataflow: &Dataflow,
        options: &Options,
        existing: Existing,
        failure: &Failure,
    ) -> SharedWriter {
        let writes = plan.writer == index as u64;
        let open = || dataflow.sink.open(&plan.schema_out, options.cluster.process, existing);
        let sink = if writes { open().map_err(|error| fail(failure, error)).ok() } else { None };
        let persistent = dataflow.source_settings.is_persistent();
        let (asked, lengths, failure) = (index == 0, VecDeque::new(), failure.clone());
        SharedWriter(Rc::new(RefCell::new(SinkWriter { sink, persistent, asked, lengths, failure })))
    }

    /// Brings to safety what was written; a sink that is closed has done so.
    fn sync(&self) -> bool {
        let mut writer = self.0.borrow_mut();
        writer.sink.is_none() || writer.with(|sink| sink.sync())
    }

    /// The length of the sink's file when all up to `epoch` was written.
    fn length_after(&self, epoch: u64) -> u64 {
        let lengths = &mut self.0.borrow_mut().lengths;
        while lengths.get(1).is_some_and(|(next, _)| *next <= epoch) {
            lengths.pop_front();
        }
        lengths.front().map_or(0, |(_, length)| *length)
    }
}

impl SinkWriter {
    /// Whether there was a sink and it did not fail.
    fn with(&mut self, act: impl FnOnce(&mut Box<dyn Sink>) -> Result<(), sink::Error>) -> bool {
        let Some(sink) = &mut self.sink else { return false };
        let Err(error) = act(sink) else { return true };
        self.sink = None;
        fail(&self.failure, error);
        false
    }
}

impl Writer for SharedWriter {
    fn write(&mut self, epoch: u64, output: Output) -> bool {
        let mut writer = self.0.borrow_mut();
        let written = writer.with(|sink| sink.write(output));
        if writer.persistent
            && let Some(length) = writer.sink.as_ref().map(|sink| sink.length())
        {
            writer.lengths.push_back((epoch, length));
        }
        written
    }

    fn flush(&mut self) -> bool {
        let mut writer = self.0.borrow_mut();
        let sync = writer.persistent && !writer.asked;
        writer.with(|sink| if sync { sink.sync() } else { sink.flush() })
    }

    fn close(&mut self) {
        let mut writer = self.0.borrow_mut();
        let persistent = writer.persistent;
        if let Some(mut sink) = writer.sink.take()
            && let Err(error) = if persistent { sink.sync() } else { Ok(()) }.and_then(|()| sink.close())
        {
            fail(&writer.failure, error);
        }
    }
}

/// Enters receipts into the ledger and writes the dead letters.
struct LedgerAccounts {
    ledger: Rc<RefCell<Ledger>>,
    letters: Option<DeadLetters>,
    failure: Failure,
}

impl LedgerAccounts {
    fn open(index: usize, dataflow: &Dataflow, ledger: &Rc<RefCell<Ledger>>, failure: &Failure) -> LedgerAccounts {
        let existing = if dataflow.source_settings.is_persistent() { Existing::Append } else { Existing::Replace };
        let open =
            || DeadLetters::open(dataflow.dead_letter.as_ref(), existing).map_err(|error| fail(failure, error)).ok();
        let letters = if index == 0 { open() } else { None };
        LedgerAccounts { ledger: ledger.clone(), letters, failure: failure.clone() }
    }

    fn write(&mut self, receipt: &Receipt, bucket: &Bucket) -> Result<(), sink::Error> {
        let Some(letters) = &mut self.letters else { return Ok(()) };
        let ledger = self.ledger.borrow();
        for rejected in &receipt.rejected {
            for row in &rejected.rows {
                let index = (row - bucket.first_row) as usize;
                let origin = bucket.origin(index);
                letters.write(&DeadLetter::new(
                    &origin.topic,
                    origin.position,
                    receipt.epoch,
                    *row,
                    &ledger.labels[rejected.operator],
                    &rejected.reason,
                    bucket.row(index).bytes,
                ))?;
            }
        }
        letters.flush()
    }
}

impl Accounts for LedgerAccounts {
    fn settle(&mut self, receipt: Receipt) {
        let bucket = self.ledger.borrow().bucket(receipt.epoch);
        let bucket = bucket.expect("an epoch stays in flight until the probe has passed it");
        self.ledger.borrow_mut().settle(&receipt, bucket.len() as u64);
        if !receipt.rejected.is_empty()
            && let Err(error) = self.write(&receipt, &bucket)
        {
            self.letters = None;
            fail(&self.failure, error);
        }
    }

    fn close(&mut self) {
        if let Some(Err(error)) = self.letters.take().map(DeadLetters::close) {
            fail(&self.failure, error);
        }
    }
}
