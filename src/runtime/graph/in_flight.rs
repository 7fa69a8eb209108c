//! What travels along the edges of the graph.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::data::{Bucket, Message, Numbers, Route, contiguous};
use crate::format::Output;
use crate::measure::ServiceTimes;
use crate::runtime::graph::by_sink::BySink;
use crate::runtime::graph::operator_state::OperatorState;
use crate::subtasks::{Chain, ChainEvent, Fault, RefusedRows, remove_refused};

/// The outcome of an epoch's message so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct EpochOutcome {
    pub epoch: u64,
    /// The number of the source of its rows.
    pub source: usize,
    pub numbers: Numbers,
    /// The workers that the message may be worked on by.
    pub route: Route,
    /// The ids of the rows in the order of the message, on its way through a step with keyed state, if it is not theirs.
    pub order: Vec<u64>,
    pub rows_out: u64,
    /// Rows that each sink takes.
    pub rows_by_sink: BySink,
    /// By sink, the results of those that do not get the message itself.
    pub branched: Vec<(usize, Output)>,
    /// Service time in nanoseconds.
    pub service: u64,
    /// Operators of the chain, and how many rows each has dropped.
    pub dropped: Vec<(usize, u64)>,
    pub rejected: Vec<RejectedRows>,
    /// The places of columns of which a worker has had no value before.
    pub came: Vec<usize>,
    /// Why the rows could not be read in the shared file: the run fails.
    pub unread: Option<String>,
    /// Why a sink of another process than the first has failed: the run fails.
    pub unwritten: Option<String>,
    /// Keys without a column that a worker has not met before.
    pub unknown: Vec<String>,
    /// Rows that were dropped as too late for a table.
    pub too_late: u64,
    /// Cells that could not be read, and are missing.
    pub bad_cells: u64,
    /// What is to be told once, whichever worker has met it.
    pub notices: Vec<Notice>,
    /// Whether a checkpoint barrier follows: operators add the keyed states that have changed.
    pub barrier: bool,
    /// The version of the fitted params that serve it.
    pub version: u64,
    pub states: Vec<OperatorState>,
    /// Rows that the sinks of another process than the first have refused.
    pub refused: Vec<RefusedRow>,
    /// The lengths of the sinks' files with the results, 0 of one that is no file; `None` if they were not written.
    pub written: Option<BySink>,
}

/// What is told once in a run: of the notices about one thing, the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What it is about.
    pub about: String,
    /// What is told.
    pub text: String,
}

/// Rows that become dead letters. Their raw bytes are in the bucket, on the first worker or in another process that has
/// read them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RejectedRows {
    /// The rows' places in the input.
    pub rows: Vec<u64>,
    /// The operator of the chain that rejected them.
    pub operator: usize,
    pub reason: String,
    /// What the rows were, from the process that has read them; none if that is the first worker's.
    pub sources: Vec<RowSource>,
}

/// A row whose result a sink refuses.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RefusedRow {
    /// The sink's number.
    pub sink: usize,
    /// The row's number in the results.
    pub row: u64,
    pub reason: String,
    pub source: RowSource,
}

/// A row as it arrived.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RowSource {
    pub topic: Arc<str>,
    pub position: u64,
    #[serde(with = "serde_bytes")]
    pub raw: Vec<u8>,
}

impl RejectedRows {
    /// Rows at these places in the input, whose bytes are looked up later.
    pub fn new(rows: Vec<u64>, operator: usize, reason: String) -> RejectedRows {
        RejectedRows { rows, operator, reason, sources: Vec::new() }
    }
}

impl RowSource {
    /// The row at a place of a bucket.
    pub fn of(bucket: &Bucket, index: usize) -> RowSource {
        let origin = bucket.metadata.origin(index);
        let raw = bucket.raw.row(index).bytes.to_vec();
        RowSource { topic: origin.topic.clone(), position: origin.position, raw }
    }
}

/// A message on its way through the chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InFlightMessage {
    #[serde(with = "contiguous")]
    pub message: Message,
    pub outcome: EpochOutcome,
}

impl EpochOutcome {
    /// Merges the outcome of another partition of the message.
    pub fn merge(&mut self, other: EpochOutcome) {
        self.order.extend(other.order);
        self.rows_out += other.rows_out;
        self.rows_by_sink.merge(&other.rows_by_sink);
        self.branched.extend(other.branched);
        self.service += other.service;
        self.dropped.extend(other.dropped);
        self.rejected.extend(other.rejected);
        self.came.extend(other.came);
        self.unread = self.unread.take().or(other.unread);
        self.unwritten = self.unwritten.take().or(other.unwritten);
        self.unknown.extend(other.unknown);
        self.too_late += other.too_late;
        self.bad_cells += other.bad_cells;
        self.notices.extend(other.notices);
        self.states.extend(other.states);
    }

    /// Adds to rejected rows what they were, from their bucket.
    pub fn add_sources(&mut self, bucket: &Bucket) {
        for rejected in &mut self.rejected {
            let index = |row: &u64| (row - bucket.metadata.first_row) as usize;
            rejected.sources = rejected.rows.iter().map(|row| RowSource::of(bucket, index(row))).collect();
        }
    }

    fn count_dropped(&mut self, operator: usize, rows: usize) {
        if rows > 0 {
            self.dropped.push((operator, rows as u64));
        }
    }

    /// Rejects all rows of the message.
    fn reject(&mut self, message: &mut Message, operator: usize, fault: &Fault) {
        let rows = message.ids.clone();
        message.retain(&vec![false; rows.len()]);
        self.rejected.push(RejectedRows::new(rows, operator, fault.to_string()));
    }
}

impl InFlightMessage {
    /// Whether its rows are of this source; of any if not given.
    pub fn is_of(&self, source: Option<usize>) -> bool {
        source.is_none_or(|source| source == self.outcome.source)
    }

    /// Runs steps over the message, the first of which is operator `first`, and records their time there. Dropped rows
    /// are counted; a fault rejects all rows, or those that a step can't take.
    pub fn run(&mut self, first: usize, chain: &Chain, times: &mut ServiceTimes) {
        self.timed(first, times, |InFlightMessage { message, outcome }| {
            let mut rows = message.rows();
            let ran = chain.apply(message, |event| match event {
                ChainEvent::Refused(RefusedRows { step, ids, reason }) => {
                    rows -= ids.len();
                    outcome.rejected.push(RejectedRows::new(ids, first + step, reason));
                }
                ChainEvent::Passed(step, message) => {
                    outcome.count_dropped(first + step, rows - message.rows());
                    rows = message.rows();
                }
            });
            if let Err((step, fault)) = ran {
                outcome.reject(message, first + step, &fault);
            }
        });
    }

    /// Runs `act` over the message, and records its time for an operator. Dropped rows are counted; `act` tells the ids of
    /// those that it refuses, and why.
    pub fn apply(
        &mut self,
        operator: usize,
        times: &mut ServiceTimes,
        act: impl FnOnce(&mut Message, &mut dyn FnMut(Vec<u64>, String)),
    ) {
        self.timed(operator, times, |InFlightMessage { message, outcome }| {
            let mut rows = message.rows();
            act(message, &mut |ids, reason| {
                rows -= ids.len();
                outcome.rejected.push(RejectedRows::new(ids, operator, reason));
            });
            outcome.count_dropped(operator, rows - message.rows());
        });
    }

    /// Times `work`; a message without rows is passed on without it.
    fn timed(&mut self, operator: usize, times: &mut ServiceTimes, work: impl FnOnce(&mut InFlightMessage)) {
        if self.message.rows() > 0 {
            let ((), service) = times.time(operator, || work(self));
            self.outcome.service += service;
        }
    }

    /// Removes rows after an operator: each is rejected if there is a reason, else counted as too late.
    pub fn take_out(&mut self, rows: &[usize], operator: usize, why: impl Fn(&Message, usize) -> Option<String>) {
        let mut keep = vec![true; self.message.rows()];
        for row in rows {
            keep[*row] = false;
            match why(&self.message, *row) {
                Some(reason) => {
                    let rows = vec![self.message.ids[*row]];
                    self.outcome.rejected.push(RejectedRows::new(rows, operator, reason));
                }
                None => self.outcome.too_late += 1,
            }
        }
        self.message.retain(&keep);
    }

    /// Rejects the rows that a step can't take, by a fault that tells them.
    pub fn reject_refused(&mut self, operator: usize, fault: &Fault) {
        let rows = remove_refused(&mut self.message, fault.rows());
        self.outcome.rejected.push(RejectedRows::new(rows, operator, fault.of_each_row()));
    }

    /// Rejects all rows.
    pub fn reject(&mut self, operator: usize, fault: &Fault) {
        self.outcome.reject(&mut self.message, operator, fault);
    }
}

/// A message at the end of the chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FinishedMessage {
    /// What the last sink at the end takes.
    pub output: Output,
    pub outcome: EpochOutcome,
}
