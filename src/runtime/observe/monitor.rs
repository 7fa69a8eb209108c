//! Reports the status of a run to its observers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::config::{Dataflow, SinkPlan, TablePlan};
use crate::measure::{
    BusyTime, IntervalStatus, Latency, RunStatus, Sample, SharedServiceTimes, SinkBranch, SubtaskTime, TableAddress,
    now_ms,
};
use crate::runtime::epochs::ledger::Ledger;
use crate::runtime::graph::stages::{Stage, named_operators};
use crate::runtime::ingest::arrival::Backlog;
use crate::runtime::observe::activity::{Activity, STALL_INTERVAL};
use crate::runtime::observe::overload::{ObservedLoad, Overload};
use crate::runtime::observe::sampler::Sampler;
use crate::runtime::observe::status_line::StatusLine;
use crate::runtime::options::Options;

const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);
const STATUS_INTERVAL: Duration = Duration::from_secs(1);

/// What is reported of a run, and to whom.
pub struct MonitorOptions<'a> {
    pub dataflow: &'a Dataflow,
    pub options: &'a Options,
    pub stages: &'a [Stage],
    pub times: &'a SharedServiceTimes,
    pub sampler: Option<&'a Sampler>,
    pub activity: &'a Activity,
    /// Busy time of the workers of this process.
    pub busy: &'a BusyTime,
}

/// Reports the status of the run: a few times a second as a line, and about once a second in full.
pub struct Monitor {
    started: Instant,
    last: Instant,
    done: WorkDone,
    last_live: Instant,
    live_done: WorkDone,
    live_latency: Latency,
    history: VecDeque<IntervalStatus>,
    sample: Option<Sample>,
    /// The rows that were done when rows last came further, or none waited, and when that was.
    moved: (u64, Instant),
    /// For a source whose rows arrive at a rate of their own.
    overload: Option<Overload>,
}

impl Monitor {
    pub fn new(started: Instant, overload: Option<Overload>) -> Monitor {
        Monitor {
            overload,
            started,
            last: started,
            done: WorkDone::default(),
            last_live: started,
            live_done: WorkDone::default(),
            live_latency: Latency::default(),
            history: VecDeque::new(),
            sample: None,
            moved: (0, started),
        }
    }

    pub fn look(&mut self, ledger: &Ledger, workers: usize, backlog: Backlog, showing: &MonitorOptions<'_>) {
        if let Some(on_progress) = &showing.options.on_progress
            && self.last.elapsed() >= PROGRESS_INTERVAL
        {
            let done = WorkDone::of(ledger, workers, showing.busy);
            let (rows_per_second, rho) = done.rates(&self.done, self.last, workers);
            on_progress(&StatusLine {
                rows_in: ledger.rows_in,
                rows_done: ledger.rows_done,
                dead_letters: ledger.dead_letters,
                rows_per_second,
                rho,
                p99: ledger.latency.row.inner().value_at_quantile(0.99),
            });
            (self.last, self.done) = (Instant::now(), done);
        }
        if let Some(overload) = self.overload.as_mut().filter(|overload| overload.is_due())
            && let Some(warning) = overload.look(seen(ledger, workers, backlog, showing.busy))
        {
            tracing::warn!("{warning}");
        }
        if self.last_live.elapsed() >= STATUS_INTERVAL {
            self.show(ledger, workers, backlog, showing);
        }
    }

    /// Reports the full status, if there is an observer.
    pub fn show(&mut self, ledger: &Ledger, workers: usize, backlog: Backlog, showing: &MonitorOptions<'_>) {
        let Some(on_live) = &showing.options.on_live else { return };
        let done = WorkDone::of(ledger, workers, showing.busy);
        let now = self.moment(ledger, done, workers, backlog);
        if self.history.len() == RunStatus::HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(now);
        if let Some(sample) = showing.sampler.and_then(Sampler::take) {
            self.sample = Some(sample);
        }
        let (stalled_ms, stalled_by) = showing.activity.stall(self.stalled(ledger, now.waiting));
        let mut live = RunStatus {
            version: env!("CARGO_PKG_VERSION").into(),
            dataflow: showing.dataflow.name.clone(),
            pid: std::process::id(),
            written_ms: now_ms(),
            seconds: now.seconds,
            workers,
            processes: showing.options.cluster.processes(),
            bucket_size: showing.dataflow.limits().bucket_size,
            rows_in: ledger.rows_in,
            sources: ledger.rows_of_sources(),
            rows_done: ledger.rows_done,
            rows_out: ledger.rows_out(),
            sinks: ledger.rows_of(&showing.dataflow.sinks),
            rows_dropped: ledger.rows_dropped(),
            dead_letters: ledger.dead_letters,
            rows_too_late: ledger.too_late,
            bad_cells: ledger.bad_cells,
            messages: ledger.messages,
            in_flight: ledger.in_flight(),
            queued: backlog.buckets,
            queue_capacity: backlog.capacity,
            broker: backlog.broker,
            links: showing.activity.links_of_all(),
            stalled_ms,
            stalled_by,
            now,
            service_row: (&ledger.service_row).into(),
            service_message: (&ledger.service_message).into(),
            between_messages: done.between(ledger),
            subtasks: subtasks(showing),
            tables: tables(showing.dataflow),
            branches: branches(showing.dataflow),
            history: self.history.clone(),
            sample: self.sample.clone(),
            letters: ledger.letters.clone(),
            ..RunStatus::default()
        };
        live.set_latency(&ledger.latency.row, &ledger.latency.message);
        showing.activity.shown.show(live, on_live);
    }

    /// Since when rows have waited without any coming further, if that is long.
    fn stalled(&mut self, ledger: &Ledger, waiting: usize) -> Option<u64> {
        if waiting == 0 || ledger.rows_done != self.moved.0 {
            self.moved = (ledger.rows_done, Instant::now());
        }
        let still = self.moved.1.elapsed();
        (still >= STALL_INTERVAL).then(|| now_ms() - still.as_millis() as u64)
    }

    /// The figures of the interval since the last call.
    fn moment(&mut self, ledger: &Ledger, done: WorkDone, workers: usize, backlog: Backlog) -> IntervalStatus {
        let (rows_per_second, rho) = done.rates(&self.live_done, self.last_live, workers);
        let row = ledger.latency.row.since(&self.live_latency.row);
        let message = ledger.latency.message.since(&self.live_latency.message);
        (self.last_live, self.live_done) = (Instant::now(), done);
        self.live_latency = ledger.latency.clone();
        IntervalStatus {
            seconds: self.started.elapsed().as_secs_f64(),
            rows_per_second,
            rho,
            waiting: ledger.in_flight() + backlog.buckets,
            row_p50: row.inner().value_at_quantile(0.5),
            row_p99: row.inner().value_at_quantile(0.99),
            message_p50: message.inner().value_at_quantile(0.5),
            message_p99: message.inner().value_at_quantile(0.99),
        }
    }
}

/// The work done so far, and the workers' busy time.
#[derive(Clone, Copy, Default)]
struct WorkDone {
    rows: u64,
    /// Seconds of all workers together: those of other processes are taken to be as busy as those of this one.
    busy: f64,
}

impl WorkDone {
    fn of(ledger: &Ledger, workers: usize, busy: &BusyTime) -> WorkDone {
        let (threads, busy) = busy.so_far();
        let busy = busy.as_secs_f64() * workers as f64 / threads.max(1) as f64;
        WorkDone { rows: ledger.rows_done, busy: busy.max(service(ledger)) }
    }

    /// Rows a second and rho since an earlier state.
    fn rates(&self, before: &WorkDone, since: Instant, workers: usize) -> (f64, f64) {
        let seconds = since.elapsed().as_secs_f64().max(1e-9);
        let rows = (self.rows - before.rows) as f64;
        (rows / seconds, (self.busy - before.busy) / (seconds * workers as f64))
    }

    /// Mean busy time of a message beside its service, in nanoseconds.
    fn between(&self, ledger: &Ledger) -> f64 {
        (self.busy - service(ledger)) / ledger.service_message.inner().len().max(1) as f64 * 1e9
    }
}

/// The service time of all messages so far, in seconds.
fn service(ledger: &Ledger) -> f64 {
    let message = ledger.service_message.inner();
    message.mean() * message.len() as f64 / 1e9
}

fn seen(ledger: &Ledger, workers: usize, backlog: Backlog, busy: &BusyTime) -> ObservedLoad {
    let rows_a_message = ledger.rows_in as f64 / ledger.messages.max(1) as f64;
    ObservedLoad {
        at: Instant::now(),
        held_back: backlog.full,
        arrived: ledger.rows_in as f64 + backlog.buckets as f64 * rows_a_message,
        done: ledger.rows_done,
        service: WorkDone::of(ledger, workers, busy).busy / ledger.rows_done.max(1) as f64,
    }
}

fn subtasks(showing: &MonitorOptions<'_>) -> Vec<SubtaskTime> {
    let times = showing.times.borrow();
    let (exchanges, inputs) = (showing.dataflow.exchanges(), showing.dataflow.inputs());
    let time = |(name, operator): (&str, usize)| {
        let (histogram, exchange) = (times.subtasks[operator].inner(), exchanges[operator]);
        let input = inputs[operator].map(str::to_owned);
        SubtaskTime { name: name.into(), messages: histogram.len(), mean: histogram.mean(), exchange, input }
    };
    named_operators(showing.stages).map(time).collect()
}

fn branches(dataflow: &Dataflow) -> Vec<SinkBranch> {
    let labels = dataflow.labels();
    let branch = |plan: &SinkPlan| {
        let after = dataflow.sink_input(plan).map_or_else(|_| String::new(), |input| labels[input].clone());
        SinkBranch { after, takes: plan.taken().trim_start_matches(", ").to_owned() }
    };
    dataflow.sinks.iter().map(branch).collect()
}

fn tables(dataflow: &Dataflow) -> Vec<TableAddress> {
    let labels = dataflow.labels();
    let at = |table: &TablePlan| {
        let input = dataflow.table_input(table).ok()?;
        Some(TableAddress { name: table.name().into(), after: labels[input].clone() })
    };
    dataflow.tables.iter().filter_map(at).collect()
}
