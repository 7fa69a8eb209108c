//! What travels along the edges of the graph.

use serde::{Deserialize, Serialize};

use crate::data::{Message, Numbers};
use crate::format::Output;
use crate::measure::ServiceTimes;
use crate::runtime::graph::keyed_state::StepMemory;
use crate::runtime::graph::stages::Pass;
use crate::subtasks::Fault;

/// What has happened to a message so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Receipt {
    pub epoch: u64,
    pub numbers: Numbers,
    pub rows_out: u64,
    /// Nanoseconds that its subtasks have worked on it.
    pub service: u64,
    /// Rows that an operator of the chain dropped.
    pub dropped: Vec<(usize, u64)>,
    pub rejected: Vec<Rejected>,
    /// Rows that were too late for a table that drops those.
    pub too_late: u64,
    /// Whether steps that remember are to tell what has changed.
    pub snapshot: bool,
    pub memories: Vec<StepMemory>,
    /// The length of the sink's file with the results, 0 if it has none; `None` if no sink has taken them.
    pub written: Option<u64>,
}

/// Rows that go to the dead letters. Their bytes are still where they came in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rejected {
    /// Places in the input.
    pub rows: Vec<u64>,
    /// The operator of the chain that rejects them.
    pub operator: usize,
    pub reason: String,
}

/// A message on its way through the chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Parcel {
    pub message: Message,
    pub receipt: Receipt,
}

impl Receipt {
    /// Takes in the receipt of another part of the message.
    pub fn merge(&mut self, other: Receipt) {
        self.rows_out += other.rows_out;
        self.service += other.service;
        self.dropped.extend(other.dropped);
        self.rejected.extend(other.rejected);
        self.too_late += other.too_late;
        self.memories.extend(other.memories);
    }
}

impl Parcel {
    /// Lets passes work on the message in turn, on the time of operator `index`.
    pub fn pass(&mut self, index: usize, passes: &[Pass], times: &mut ServiceTimes) {
        self.timed(index, times, |parcel| {
            passes.iter().for_each(|pass| parcel.act(pass.operator, |message| pass.apply(message)));
        });
    }

    /// Lets `act` work on the message, on the time of operator `index`.
    pub fn apply(&mut self, index: usize, times: &mut ServiceTimes, act: impl FnOnce(&mut Message)) {
        self.timed(index, times, |parcel| {
            parcel.act(index, |message| {
                act(message);
                Ok(())
            });
        });
    }

    fn timed(&mut self, index: usize, times: &mut ServiceTimes, work: impl FnOnce(&mut Parcel)) {
        if self.message.rows() > 0 {
            let ((), service) = times.time(index, || work(self));
            self.receipt.service += service;
        }
    }

    /// Counts what an operator drops. A fault, with the operator that found it, rejects all rows. A message without rows
    /// passes, for there is nothing to change.
    fn act(&mut self, operator: usize, act: impl FnOnce(&mut Message) -> Result<(), (usize, Fault)>) {
        let before = self.message.rows();
        if before == 0 {
            return;
        }
        match act(&mut self.message) {
            Ok(()) => {
                let dropped = before - self.message.rows();
                if dropped > 0 {
                    self.receipt.dropped.push((operator, dropped as u64));
                }
            }
            Err((operator, fault)) => self.reject(operator, &fault),
        }
    }

    /// Takes rows out of the message, behind an operator: each is rejected for a reason, or is too late if there is none.
    pub fn take_out(&mut self, rows: &[usize], operator: usize, why: impl Fn(&Message, usize) -> Option<String>) {
        let mut keep = vec![true; self.message.rows()];
        for row in rows {
            keep[*row] = false;
            match why(&self.message, *row) {
                Some(reason) => {
                    let rows = vec![self.message.ids[*row]];
                    self.receipt.rejected.push(Rejected { rows, operator, reason });
                }
                None => self.receipt.too_late += 1,
            }
        }
        self.message.retain(&keep);
    }

    /// Rejects all rows.
    pub fn reject(&mut self, operator: usize, fault: &Fault) {
        let rows = self.message.ids.clone();
        self.message.retain(&vec![false; rows.len()]);
        self.receipt.rejected.push(Rejected { rows, operator, reason: fault.to_string() });
    }
}

/// A message at the end of the chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finished {
    pub output: Output,
    pub receipt: Receipt,
}
