//! When a source's deliveries are acknowledged.

use std::time::{Duration, Instant};

use super::Error;
use super::checkpoint::{Checkpoint, Progress};
use super::failure::{Failure, fail};
use super::ledger::Ledger;
use super::writer::SharedWriter;
use crate::source::{Position, Source};

/// Acknowledges deliveries once their results have left the sink, and the checkpoint knows it.
pub struct Acknowledgement {
    checkpoint: Option<Checkpoint>,
    /// A sink is asked to bring its results to safety no more often than this.
    every: Duration,
    last: Option<Instant>,
    given: u64,
}

impl Acknowledgement {
    pub fn new(checkpoint: Option<Checkpoint>, every: Duration) -> Acknowledgement {
        Acknowledgement { checkpoint, every, last: None, given: 0 }
    }

    pub fn is_due(&self) -> bool {
        self.last.is_none_or(|last| last.elapsed() >= self.every)
    }

    /// After a failure nothing is acknowledged any more: it will be delivered again.
    pub fn give(&mut self, source: &Source, ledger: &mut Ledger, writer: &SharedWriter, failure: &Failure) {
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
            let progress = Progress { length: complete.length, position };
            if let Err(reason) = checkpoint.commit(&progress, &ledger.memories) {
                return fail(failure, Error::Checkpoint(reason));
            }
            ledger.memories.clear();
        }
        acknowledger.complete(complete.delivered);
        self.given = complete.delivered;
    }
}
