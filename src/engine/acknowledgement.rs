//! When a source's deliveries are acknowledged.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use super::Error;
use super::accounts::LedgerAccounts;
use super::checkpoint::{Checkpoint, Progress};
use super::failure::{Failure, fail};
use super::ledger::Ledger;
use super::sources::Sources;
use super::writer::SharedWriter;

/// Acknowledges deliveries once their results have left the sink, and the checkpoint knows it.
pub struct Acknowledgement {
    checkpoint: Option<Checkpoint>,
    /// A sink is asked to bring its results to safety no more often than this.
    every: Duration,
    last: Option<Instant>,
}

impl Acknowledgement {
    pub fn new(checkpoint: Option<Checkpoint>, every: Duration) -> Acknowledgement {
        Acknowledgement { checkpoint, every, last: None }
    }

    pub fn is_due(&self) -> bool {
        self.last.is_none_or(|last| last.elapsed() >= self.every)
    }

    /// After a failure nothing is acknowledged any more: it will be delivered again.
    pub fn give(
        &mut self,
        sources: &mut Sources,
        ledger: &RefCell<Ledger>,
        writer: &SharedWriter,
        accounts: &LedgerAccounts,
        failure: &Failure,
    ) {
        let is_due = !ledger.borrow().covered.is_empty() && failure.borrow().is_none();
        // What the sink refuses is a dead letter; both are safe before anything says so.
        if !is_due || !writer.sync() || !accounts.sync() {
            return;
        }
        let ledger = &mut *ledger.borrow_mut();
        let Some(complete) = ledger.complete else { return };
        self.last = Some(Instant::now());
        if let Some(checkpoint) = &self.checkpoint {
            let progress = Progress {
                length: complete.length,
                next_epoch: complete.epoch + 1,
                next_row: complete.next_row,
                numbers: ledger.numbering.next().to_vec(),
            };
            if let Err(reason) = checkpoint.commit(&progress, &ledger.covered, &ledger.memories) {
                return fail(failure, Error::Checkpoint(reason));
            }
            ledger.memories.clear();
        }
        for (connection, coverage) in std::mem::take(&mut ledger.covered) {
            sources.complete(connection, coverage.delivered);
        }
    }
}
