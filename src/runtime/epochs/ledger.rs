//! What is in flight and what has been counted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::config::Dataflow;
use crate::data::Bucket;
use crate::measure::{Histogram, Latency, Report, Service, ServiceTimes};
use crate::runtime::cluster::gather::WorkerMeasurements;
use crate::runtime::epochs::numbering::Numbering;
use crate::runtime::graph::in_flight::EpochOutcome;
use crate::runtime::graph::operator_state::{OperatorState, OperatorStates};
use crate::runtime::graph::stages::{Stage, named_operators};
use crate::runtime::ingest::arrival::Arrival;
use crate::sink::DeadLetter;
use crate::source::DeliveryRange;

/// Bytes of rows in flight; past it the source waits.
const MAX_BYTES: usize = 64 << 20;

/// What is in flight and what has been counted, on the first worker.
#[derive(Default)]
pub struct Ledger {
    pub labels: Vec<String>,
    in_flight: VecDeque<InFlightBatch>,
    bytes: usize,
    /// What is complete, and written.
    pub complete: Option<CompletePrefix>,
    /// By connection, the deliveries of what is complete, as far as they are not in the checkpoint yet.
    pub covered: BTreeMap<usize, DeliveryRange>,
    /// The numbers behind the rows of what is complete.
    pub numbering: Numbering,
    /// Those of later epochs, by connection.
    numbered: Vec<(usize, u64)>,
    /// Those of later epochs.
    covering: Vec<(usize, DeliveryRange)>,
    /// The first epochs in flight, those that are settled already: what was written, and what steps told.
    settled: VecDeque<SettledEpoch>,
    /// Whether steps or tables remember: only an epoch after which they have told all is complete.
    barriers: bool,
    /// What is remembered as of what is complete, by operator and key, as far as it is not in the checkpoint yet.
    pub states: OperatorStates,
    /// What they told after it.
    told: Vec<OperatorState>,
    /// What tables hold after epochs in flight, as far as they have told.
    of_tables: BTreeMap<u64, Vec<OperatorState>>,
    /// By table, how much of its changes is of what is complete.
    pub changes: BTreeMap<usize, u64>,
    /// Those of later epochs.
    later_changes: VecDeque<(u64, usize, u64)>,
    /// Whether no sink has taken the results of an epoch: what comes after it does not count as complete.
    gap: bool,
    pub rows_in: u64,
    pub rows_done: u64,
    pub rows_out: u64,
    dropped: BTreeMap<usize, u64>,
    pub dead_letters: u64,
    /// Rows that were too late for a table that drops those.
    pub too_late: u64,
    pub messages: u64,
    /// Messages and what only tells of deliveries.
    pub entered: u64,
    /// The last ones.
    pub letters: VecDeque<serde_json::Value>,
    kept_letters: usize,
    /// Whether the sink may refuse a result when its epoch is complete.
    keeps: bool,
    /// Complete epochs whose results the sink has not got rid of.
    kept: VecDeque<Arc<Bucket>>,
    pub latency: Latency,
    pub service_message: Histogram,
    pub service_row: Histogram,
}

/// An epoch that all of its outcomes have come for.
#[derive(Default)]
struct SettledEpoch {
    written: Option<u64>,
    states: Vec<OperatorState>,
}

/// A bucket in the dataflow, and the deliveries of its connection that end in it.
struct InFlightBatch {
    bucket: Arc<Bucket>,
    connection: usize,
    delivery_range: DeliveryRange,
}

/// What is complete in turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct CompletePrefix {
    /// Of the sink's results.
    pub length: u64,
    pub next_epoch: u64,
    pub next_row: u64,
}

impl Ledger {
    /// Counts what operators of these names do, and keeps the last `kept_letters` dead letters. With `barriers`, what
    /// steps remember is kept, too.
    pub fn new(labels: Vec<String>, kept_letters: usize, barriers: bool) -> Ledger {
        Ledger { labels, kept_letters, barriers, ..Ledger::default() }
    }

    /// Goes on behind these numbers of rows.
    pub fn numbered(mut self, numbering: Numbering) -> Ledger {
        self.numbering = numbering;
        self
    }

    /// Keeps the rows of complete epochs until the sink has got rid of their results.
    pub fn keep_rows(mut self, keeps: bool) -> Ledger {
        self.keeps = keeps;
        self
    }

    /// The rows of a complete epoch that is kept.
    pub fn kept(&self, epoch: u64) -> Option<Arc<Bucket>> {
        self.kept.iter().find(|bucket| bucket.metadata.epoch == epoch).cloned()
    }

    /// The sink has got rid of the results of all epochs before this one; of all complete ones if not given.
    pub fn forget_before(&mut self, epoch: Option<u64>) {
        while self.kept.pop_front_if(|bucket| epoch.is_none_or(|epoch| bucket.metadata.epoch < epoch)).is_some() {}
    }

    /// A result that was counted is a dead letter after all.
    pub fn refuse(&mut self) {
        self.rows_out -= 1;
        self.dead_letters += 1;
    }

    pub fn has_room(&self, max_epochs: usize) -> bool {
        self.in_flight.len() < max_epochs && (self.bytes < MAX_BYTES || self.in_flight.is_empty())
    }

    /// Takes in a bucket; what is sent on its way.
    pub fn enter(&mut self, Arrival { bucket, connection, delivery_range }: Arrival) -> Arc<Bucket> {
        self.rows_in += bucket.len() as u64;
        // One without rows only tells of deliveries.
        self.messages += u64::from(!bucket.is_empty());
        self.entered += 1;
        self.bytes += bucket.byte_len();
        let bucket = Arc::new(bucket);
        self.in_flight.push_back(InFlightBatch { bucket: bucket.clone(), connection, delivery_range });
        bucket
    }

    /// Messages in the dataflow.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Rows that subtasks dropped, by label.
    pub fn rows_dropped(&self) -> BTreeMap<String, u64> {
        self.dropped.iter().map(|(operator, rows)| (self.labels[*operator].clone(), *rows)).collect()
    }

    /// Keeps a dead letter to be shown, its raw bytes cut to what a person looks at.
    pub fn keep_letter(&mut self, letter: &DeadLetter<'_>) {
        if self.kept_letters == 0 {
            return;
        }
        if self.letters.len() == self.kept_letters {
            self.letters.pop_front();
        }
        self.letters.push_back(letter.shown());
    }

    /// The bucket of an epoch in flight.
    pub fn bucket(&self, epoch: u64) -> Option<Arc<Bucket>> {
        let first = self.in_flight.front()?.bucket.metadata.epoch;
        let entry = self.in_flight.get(usize::try_from(epoch.checked_sub(first)?).ok()?)?;
        Some(entry.bucket.clone())
    }

    /// Records the latency of all epochs that are complete `now`.
    pub fn record_complete(&mut self, now: u64, is_complete: impl Fn(u64) -> bool) {
        while let Some(entry) = self.in_flight.pop_front_if(|entry| is_complete(entry.bucket.metadata.epoch)) {
            let InFlightBatch { bucket, connection, delivery_range } = entry;
            self.bytes -= bucket.byte_len();
            self.numbered.push((connection, bucket.metadata.numbers.next));
            if delivery_range != DeliveryRange::default() {
                self.covering.push((connection, delivery_range));
            }
            let SettledEpoch { written, states } = self.settled.pop_front().unwrap_or_default();
            self.gap |= written.is_none();
            self.told.extend(states);
            while let Some(of_tables) = self.of_tables.first_entry().filter(|of| *of.key() <= bucket.metadata.epoch) {
                self.told.extend(of_tables.remove());
            }
            if let Some(length) = written.filter(|_| !self.gap && (!self.barriers || bucket.metadata.barrier)) {
                let told = self.told.drain(..).map(|of| ((of.operator, of.keyed.key), of.keyed.state));
                self.states.extend(told);
                let (next_epoch, next_row) =
                    (bucket.metadata.epoch + 1, bucket.metadata.first_row + bucket.len() as u64);
                self.complete = Some(CompletePrefix { length, next_epoch, next_row });
                while let Some((_, table, length)) = self.later_changes.pop_front_if(|of| of.0 <= bucket.metadata.epoch)
                {
                    self.changes.insert(table, length);
                }
                self.numbered.drain(..).for_each(|(connection, next)| self.numbering.complete(connection, next));
                for (connection, delivery_range) in self.covering.drain(..) {
                    self.covered.entry(connection).or_default().extend(delivery_range);
                }
            }
            self.rows_done += bucket.len() as u64;
            if self.keeps {
                self.kept.push_back(bucket.clone());
            }
            self.latency.message.record(now.saturating_sub(bucket.metadata.closed), u64::from(!bucket.is_empty()));
            // Rows of one publish have one stamp.
            for rows in bucket.metadata.arrived().chunk_by(|a, b| a == b) {
                self.latency.row.record(now.saturating_sub(rows[0]), rows.len() as u64);
            }
        }
    }

    /// Takes in what a table holds of a key after an epoch.
    pub fn remember(&mut self, epoch: u64, keyed: OperatorState) {
        self.of_tables.entry(epoch).or_default().push(keyed);
    }

    /// The changes of a table up to an epoch end at this length.
    pub fn told_changes(&mut self, epoch: u64, table: usize, length: u64) {
        self.later_changes.push_back((epoch, table, length));
    }

    pub fn settle(&mut self, outcome: &mut EpochOutcome, rows: u64) {
        let states = std::mem::take(&mut outcome.states);
        self.settled.push_back(SettledEpoch { written: outcome.written, states });
        self.rows_out += outcome.rows_out;
        for (operator, rows) in &outcome.dropped {
            *self.dropped.entry(*operator).or_default() += rows;
        }
        self.too_late += outcome.too_late;
        self.dead_letters += outcome.rejected.iter().map(|rejected| rejected.rows.len() as u64).sum::<u64>();
        self.service_message.record(outcome.service, u64::from(rows > 0));
        self.service_row.record(outcome.service / rows.max(1), rows);
    }

    pub fn report(
        self,
        dataflow: &Dataflow,
        processes: usize,
        workers: usize,
        stages: &[Stage],
        measured: &[WorkerMeasurements],
        duration: Duration,
    ) -> Report {
        let mut times = ServiceTimes::new(self.labels.len());
        measured.iter().for_each(|measured| times.merge(&measured.times));
        let rows_dropped = self.rows_dropped();
        let mut report = Report {
            dataflow: dataflow.name.clone(),
            version: env!("CARGO_PKG_VERSION"),
            workers,
            processes,
            rows_in: self.rows_in,
            rows_out: self.rows_out,
            rows_dropped,
            dead_letters: self.dead_letters,
            rows_too_late: self.too_late,
            messages: self.messages,
            seconds: 0.0,
            rows_per_second: 0.0,
            peak_memory_bytes: measured.iter().map(|measured| measured.peak_memory_bytes).sum(),
            lambda: 0.0,
            busy_seconds: 0.0,
            mu: 0.0,
            rho: 0.0,
            latency_ns: self.latency,
            service_ns: Service {
                message: self.service_message,
                row: self.service_row,
                subtask: by_operator(stages, times),
            },
        };
        report.set_rates(duration, measured.iter().map(|measured| measured.busy).sum());
        report
    }
}

/// The times of prepare, each stage and result, by name.
fn by_operator(stages: &[Stage], mut times: ServiceTimes) -> Vec<(String, Histogram)> {
    let mut of = |(name, operator): (&str, usize)| (name.to_owned(), std::mem::take(&mut times.subtasks[operator]));
    named_operators(stages).map(&mut of).collect()
}
