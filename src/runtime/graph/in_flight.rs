//! What travels along the edges of the graph.

use serde::{Deserialize, Serialize};

use crate::data::{Message, Numbers, contiguous};
use crate::format::Output;
use crate::measure::ServiceTimes;
use crate::runtime::graph::by_sink::BySink;
use crate::runtime::graph::operator_state::OperatorState;
use crate::subtasks::{Chain, ChainEvent, Fault, RefusedRows, remove_refused};

/// The outcome of an epoch's message so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct EpochOutcome {
    pub epoch: u64,
    pub numbers: Numbers,
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
    /// Keys without a column that a worker has not met before.
    pub unknown: Vec<String>,
    /// Rows that were dropped as too late for a table.
    pub too_late: u64,
    /// Whether a checkpoint barrier follows: operators add the keyed states that have changed.
    pub barrier: bool,
    pub states: Vec<OperatorState>,
    /// The lengths of the sinks' files with the results, 0 of one that is no file; `None` if they were not written.
    pub written: Option<BySink>,
}

/// Rows that become dead letters. Their raw bytes are in the bucket, on the first worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RejectedRows {
    /// The rows' places in the input.
    pub rows: Vec<u64>,
    /// The operator of the chain that rejected them.
    pub operator: usize,
    pub reason: String,
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
        self.unknown.extend(other.unknown);
        self.too_late += other.too_late;
        self.states.extend(other.states);
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
        self.rejected.push(RejectedRows { rows, operator, reason: fault.to_string() });
    }
}

impl InFlightMessage {
    /// Runs steps over the message, the first of which is operator `first`, and records their time there. Dropped rows
    /// are counted; a fault rejects all rows, or those that a step can't take.
    pub fn run(&mut self, first: usize, chain: &Chain, times: &mut ServiceTimes) {
        self.timed(first, times, |InFlightMessage { message, outcome }| {
            let mut rows = message.rows();
            let ran = chain.apply(message, |event| match event {
                ChainEvent::Refused(RefusedRows { step, ids, reason }) => {
                    rows -= ids.len();
                    outcome.rejected.push(RejectedRows { rows: ids, operator: first + step, reason });
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
                outcome.rejected.push(RejectedRows { rows: ids, operator, reason });
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
                    self.outcome.rejected.push(RejectedRows { rows, operator, reason });
                }
                None => self.outcome.too_late += 1,
            }
        }
        self.message.retain(&keep);
    }

    /// Rejects the rows that a step can't take, by a fault that tells them.
    pub fn reject_refused(&mut self, operator: usize, fault: &Fault) {
        let rows = remove_refused(&mut self.message, fault);
        self.outcome.rejected.push(RejectedRows { rows, operator, reason: fault.of_each_row() });
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
