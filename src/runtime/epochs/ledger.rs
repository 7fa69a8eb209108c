//! The epochs in flight, and the counters of a run.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Dataflow, SinkPlan, SourcePlan};
use crate::data::{BatchMetadata, Bucket, return_bucket};
use crate::measure::{Histogram, Latency, Report, Service, ServiceTimes, SinkRows, SourceRows};
use crate::runtime::cluster::gather::WorkerMeasurements;
use crate::runtime::epochs::numbering::Numbering;
use crate::runtime::graph::by_sink::BySink;
use crate::runtime::graph::in_flight::EpochOutcome;
use crate::runtime::graph::operator_state::{OperatorState, OperatorStates};
use crate::runtime::graph::stages::{Stage, named_operators};
use crate::runtime::ingest::arrival::Arrival;
use crate::sink::DeadLetter;
use crate::source::DeliveryRange;

/// The most bytes of rows in flight; beyond it the source waits.
const MAX_BYTES: usize = 64 << 20;

/// So many bytes of rows that are kept for what the sinks may refuse bring the next commit, however few of them go there.
const MUCH_KEPT: usize = 32 << 20;
/// With so many bytes of them the source waits until a sink without transactions has delivered or refused some.
const MOST_KEPT: usize = 128 << 20;

/// The epochs in flight, and the counters of a run; on the first worker only.
#[derive(Default)]
pub struct Ledger {
    pub labels: Vec<String>,
    in_flight: VecDeque<InFlightBatch>,
    bytes: usize,
    /// The prefix of epochs that is complete and written to the sink.
    pub complete: Option<CompletePrefix>,
    /// By connection, the complete deliveries that are not committed yet.
    pub covered: BTreeMap<usize, DeliveryRange>,
    /// Whether a sink's transaction holds deliveries that are committed with it.
    pub commits: bool,
    /// The row numbers after the complete prefix.
    pub numbering: Numbering,
    /// The row numbers of epochs after the complete prefix, by connection.
    numbered: Vec<(usize, u64)>,
    /// Those of later epochs.
    covering: Vec<(usize, DeliveryRange)>,
    /// The first epochs in flight, as far as they are settled: the written length and the states of steps.
    settled: VecDeque<SettledEpoch>,
    /// Whether there is keyed state: then only an epoch with a checkpoint barrier ends the complete prefix.
    barriers: bool,
    /// Keyed states as of the complete prefix that are not committed yet, by operator and key.
    pub states: OperatorStates,
    /// States of epochs after the complete prefix.
    told: Vec<OperatorState>,
    /// The states of tables after epochs in flight, as far as they have arrived.
    of_tables: BTreeMap<u64, Vec<OperatorState>>,
    /// By table, the length of its changes as of the complete prefix.
    pub changes: BTreeMap<usize, u64>,
    /// Those of later epochs.
    later_changes: VecDeque<(u64, usize, u64)>,
    /// Whether an epoch's results were not written: no later epoch counts as complete.
    gap: bool,
    pub rows_in: u64,
    /// The names of several sources, and how many of the rows are of each.
    sources: Vec<SourceRows>,
    pub rows_done: u64,
    /// Results at the end of the chain, also those that a sink has refused.
    results: u64,
    refused_at_the_end: u64,
    /// Rows that each sink was given.
    rows_by_sink: BySink,
    /// Rows that each sink has refused.
    refused_by_sink: BySink,
    /// Rows of kept epochs, by message, that one of several sinks has refused.
    refused: BTreeSet<(u64, u64)>,
    dropped: BTreeMap<usize, u64>,
    pub dead_letters: u64,
    /// Rows that were dropped as too late for a table.
    pub too_late: u64,
    /// Cells that could not be read, and are missing.
    pub bad_cells: u64,
    pub messages: u64,
    /// Messages, and buckets without rows that only carry deliveries.
    pub entered: u64,
    /// The last dead letters, to be shown.
    pub letters: VecDeque<serde_json::Value>,
    kept_letters: usize,
    /// Whether the sink may refuse a result after its epoch is complete.
    keeps: bool,
    /// Complete epochs with results that the sink has neither delivered nor refused yet.
    kept: VecDeque<Arc<Bucket>>,
    kept_bytes: usize,
    pub latency: Latency,
    pub service_message: Histogram,
    pub service_row: Histogram,
}

/// An epoch of which all outcomes have arrived.
#[derive(Default)]
struct SettledEpoch {
    written: Option<BySink>,
    states: Vec<OperatorState>,
}

/// A bucket in flight, and the deliveries of its connection that end in it.
struct InFlightBatch {
    bucket: Arc<Bucket>,
    connection: usize,
    delivery_range: DeliveryRange,
}

/// The end of the epochs that are complete without a gap.
#[derive(Clone, Debug, Default)]
pub struct CompletePrefix {
    /// By sink, bytes of results.
    pub lengths: BySink,
    pub next_epoch: u64,
    pub next_row: u64,
}

impl Ledger {
    /// Counts for operators with these labels; keeps the last `kept_letters` dead letters and, with `barriers`, states.
    pub fn new(labels: Vec<String>, kept_letters: usize, barriers: bool) -> Ledger {
        Ledger { labels, kept_letters, barriers, ..Ledger::default() }
    }

    /// Continues with these row numbers.
    pub fn numbered(mut self, numbering: Numbering) -> Ledger {
        self.numbering = numbering;
        self
    }

    /// Keeps the rows of complete epochs until the sink has delivered or refused their results.
    pub fn keep_rows(mut self, keeps: bool) -> Ledger {
        self.keeps = keeps;
        self
    }

    /// Counts the rows of each of several sources.
    pub fn of_sources(mut self, sources: &[SourcePlan]) -> Ledger {
        let none = |source: &SourcePlan| SourceRows { source: source.shown(), rows_in: 0 };
        self.sources = sources.iter().map(none).filter(|_| sources.len() > 1).collect();
        self
    }

    /// The source of a message, where there are several.
    pub fn source_of(&self, metadata: &BatchMetadata) -> Option<String> {
        self.sources.get(metadata.source).map(|rows| rows.source.clone())
    }

    /// The rows of each of several sources.
    pub fn rows_of_sources(&self) -> Vec<SourceRows> {
        self.sources.clone()
    }

    /// The bucket of a complete epoch, if it is kept.
    pub fn kept(&self, epoch: u64) -> Option<Arc<Bucket>> {
        self.kept.iter().find(|bucket| bucket.metadata.epoch == epoch).cloned()
    }

    /// The sink has delivered or refused all results before this epoch; those of all complete ones if not given.
    pub fn forget_before(&mut self, epoch: Option<u64>) {
        let is_before = |bucket: &mut Arc<Bucket>| epoch.is_none_or(|epoch| bucket.metadata.epoch < epoch);
        while let Some(bucket) = self.kept.pop_front_if(is_before) {
            self.kept_bytes -= bucket.byte_len();
            return_bucket(bucket);
        }
        self.refused = epoch.map_or_else(BTreeSet::new, |epoch| self.refused.split_off(&(epoch, 0)));
    }

    /// Whether the rows that are kept are so many that the sinks should be synced soon.
    pub fn keeps_much(&self) -> bool {
        self.kept_bytes >= MUCH_KEPT
    }

    /// Whether so many rows are kept that no more may enter.
    pub fn keeps_most(&self) -> bool {
        self.kept_bytes >= MOST_KEPT
    }

    /// Counts a row that a sink has refused. One at the end of the chain is a dead letter instead of a result, once,
    /// however many sinks refuse it; one behind an earlier step is a result all the same.
    pub fn refuse(&mut self, sink: usize, at_the_end: bool, row: (u64, u64)) {
        self.refused_by_sink.add(sink, 1);
        if at_the_end && self.refused.insert(row) {
            self.refused_at_the_end += 1;
            self.dead_letters += 1;
        }
    }

    /// Results at the end of the chain that no sink has refused. A refusal may be told before its epoch is complete.
    pub fn rows_out(&self) -> u64 {
        self.results.saturating_sub(self.refused_at_the_end)
    }

    /// The rows of each of these sinks.
    pub fn rows_of(&self, sinks: &[SinkPlan]) -> Vec<SinkRows> {
        let of = |(sink, plan): (usize, &SinkPlan)| {
            let refused = self.refused_by_sink.get(sink);
            SinkRows { sink: plan.shown(), rows_out: self.rows_by_sink.get(sink).saturating_sub(refused), refused }
        };
        sinks.iter().enumerate().map(of).collect()
    }

    pub fn has_room(&self, max_epochs: usize) -> bool {
        self.in_flight.len() < max_epochs && (self.bytes < MAX_BYTES || self.in_flight.is_empty())
    }

    /// Enters a bucket; returns what is sent into the graph.
    pub fn enter(&mut self, Arrival { bucket, connection, delivery_range }: Arrival) -> Arc<Bucket> {
        self.rows_in += bucket.len() as u64;
        if let Some(rows) = self.sources.get_mut(bucket.metadata.source) {
            rows.rows_in += bucket.len() as u64;
        }
        // A bucket without rows only carries deliveries.
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

    /// The first epoch in the dataflow.
    pub fn first_in_flight(&self) -> Option<u64> {
        self.in_flight.front().map(|entry| entry.bucket.metadata.epoch)
    }

    /// Rows that subtasks dropped, by label.
    pub fn rows_dropped(&self) -> BTreeMap<String, u64> {
        self.dropped.iter().map(|(operator, rows)| (self.labels[*operator].clone(), *rows)).collect()
    }

    /// Keeps a dead letter to be shown, its raw bytes truncated.
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
            if let Some(lengths) = written.filter(|_| !self.gap && (!self.barriers || bucket.metadata.barrier)) {
                let told = self.told.drain(..).map(|of| ((of.operator, of.keyed.key), of.keyed.state));
                self.states.extend(told);
                let (next_epoch, next_row) =
                    (bucket.metadata.epoch + 1, bucket.metadata.first_row + bucket.len() as u64);
                self.complete = Some(CompletePrefix { lengths, next_epoch, next_row });
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
            self.latency.message.record(now.saturating_sub(bucket.metadata.closed), u64::from(!bucket.is_empty()));
            // Rows of one publish have one time of arrival.
            for rows in bucket.metadata.arrived().chunk_by(|a, b| a == b) {
                self.latency.row.record(now.saturating_sub(rows[0]), rows.len() as u64);
            }
            if self.keeps {
                self.kept_bytes += bucket.byte_len();
                self.kept.push_back(bucket);
            } else {
                return_bucket(bucket);
            }
        }
    }

    /// Enters the state of a table's key after an epoch.
    pub fn remember(&mut self, epoch: u64, keyed: OperatorState) {
        self.of_tables.entry(epoch).or_default().push(keyed);
    }

    /// The changes of a table up to this epoch end at this length.
    pub fn told_changes(&mut self, epoch: u64, table: usize, length: u64) {
        self.later_changes.push_back((epoch, table, length));
    }

    pub fn settle(&mut self, outcome: &mut EpochOutcome, rows: u64) {
        let states = std::mem::take(&mut outcome.states);
        self.settled.push_back(SettledEpoch { written: outcome.written.take(), states });
        self.results += outcome.rows_out;
        self.rows_by_sink.merge(&outcome.rows_by_sink);
        for (operator, rows) in &outcome.dropped {
            *self.dropped.entry(*operator).or_default() += rows;
        }
        self.too_late += outcome.too_late;
        self.bad_cells += outcome.bad_cells;
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
        let (rows_dropped, rows_out) = (self.rows_dropped(), self.rows_out());
        let sinks = self.rows_of(&dataflow.sinks);
        let mut report = Report {
            dataflow: dataflow.name.clone(),
            version: env!("CARGO_PKG_VERSION"),
            workers,
            processes,
            rows_in: self.rows_in,
            sources: self.sources,
            rows_out,
            sinks,
            models: Vec::new(),
            rows_dropped,
            dead_letters: self.dead_letters,
            rows_too_late: self.too_late,
            bad_cells: self.bad_cells,
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

/// The service times of prepare, each stage and result, by name.
fn by_operator(stages: &[Stage], mut times: ServiceTimes) -> Vec<(String, Histogram)> {
    let mut of = |(name, operator): (&str, usize)| (name.to_owned(), std::mem::take(&mut times.subtasks[operator]));
    named_operators(stages).map(&mut of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Format, Origin, Row};

    /// Regression: rows were kept without a bound where few of them went to a sink that was away.
    #[test]
    fn what_is_kept_for_a_sink_is_bounded() {
        let mut ledger = Ledger::new(Vec::new(), 0, false).keep_rows(true);
        let text = "x".repeat(1 << 20);
        let epochs = (MOST_KEPT >> 20) as u64;
        for epoch in 0..epochs {
            assert!(!ledger.keeps_most());
            let mut bucket = Bucket::new(epoch, epoch);
            let row = Row { bytes: text.as_bytes(), format: Format::Json, header: None };
            bucket.push(row, 0, Origin { topic: "t".into(), position: 1 });
            ledger.enter(Arrival { bucket, ..Arrival::default() });
            let written = Some(BySink::default());
            ledger.settle(&mut EpochOutcome { epoch, written, ..EpochOutcome::default() }, 1);
            ledger.record_complete(0, |_| true);
            assert_eq!(ledger.keeps_much(), epoch + 1 >= MUCH_KEPT as u64 >> 20);
        }
        assert!(ledger.keeps_most() && ledger.kept(0).is_some());
        ledger.forget_before(Some(epochs - 1));
        assert!(!ledger.keeps_much() && ledger.kept(epochs - 2).is_none() && ledger.kept(epochs - 1).is_some());
        ledger.forget_before(None);
        assert_eq!((ledger.kept_bytes, ledger.kept.len()), (0, 0));
    }
}
