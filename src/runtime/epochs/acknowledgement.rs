//! When the checkpoint is committed, and the source's deliveries are acknowledged.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::config::Dataflow;
use crate::data::Schema;
use crate::runtime::epochs::checkpoint::Checkpoint;
use crate::runtime::epochs::checkpoint_change::CheckpointChange;
use crate::runtime::epochs::ledger::{CompletePrefix, Ledger};
use crate::runtime::epochs::outcomes::LedgerOutcomes;
use crate::runtime::epochs::sink_writers::SinkWriters;
use crate::runtime::epochs::stored::Progress;
use crate::runtime::error::Error;
use crate::runtime::first_error::{FirstError, fail};
use crate::runtime::graph::materialized::MaterializedTables;
use crate::runtime::ingest::connections::SourceConnections;
use crate::sink::TransactionProgress;
use crate::source::DeliveryRange;

/// Acknowledges deliveries once their results are durable in all sinks and committed to the checkpoint.
pub struct Acknowledgement {
    checkpoint: Option<Checkpoint>,
    /// The least time between two syncs of the sinks.
    every: Duration,
    last: Option<Instant>,
    /// The prefix that is committed; its length as the ledger counts results.
    committed: CompletePrefix,
    /// Whether a sink is a file that may hold lines after the committed length (the tail).
    has_tail: bool,
    /// Whether the committed checkpoint says to keep the tail on resume.
    keeps_tail: bool,
    /// Whether rows that would be redelivered have entered since the last commit.
    again: bool,
    /// The sinks of tables' changes that the checkpoint covers.
    materialized_tables: MaterializedTables,
    writers: SinkWriters,
    accounts: LedgerOutcomes,
    failure: FirstError,
}

impl Acknowledgement {
    pub fn new(
        checkpoint: Option<Checkpoint>,
        dataflow: &Dataflow,
        writers: SinkWriters,
        accounts: LedgerOutcomes,
        materialized_tables: MaterializedTables,
        failure: &FirstError,
    ) -> Acknowledgement {
        Acknowledgement {
            checkpoint,
            every: dataflow.checkpoint_every,
            last: None,
            committed: CompletePrefix::default(),
            // Keyed state is that of the committed length: with it, the tail is always cut off.
            has_tail: dataflow.has_files() && !dataflow.remembers(),
            keeps_tail: false,
            again: false,
            materialized_tables,
            writers,
            accounts,
            failure: failure.clone(),
        }
    }

    pub fn is_due(&self) -> bool {
        self.last.is_none_or(|last| last.elapsed() >= self.every) || self.is_full()
    }

    /// Whether sinks hold so many results, or so many rows are kept for them, that they should be committed soon.
    pub fn is_full(&self) -> bool {
        self.writers.are_full() || self.accounts.ledger().borrow().keeps_much()
    }

    /// Commits where the sink begins, before any row enters: from now on its file belongs to this checkpoint.
    ///
    /// # Errors
    /// A checkpoint or a sink that can't be written.
    pub fn begin(&mut self, next_epoch: u64, next_row: u64, inferred: Option<&Schema>) -> Result<(), Error> {
        let Some(checkpoint) = &self.checkpoint else { return Ok(()) };
        if !self.writers.sync() || !self.materialized_tables.sync() {
            return Ok(());
        }
        self.committed = CompletePrefix { lengths: self.writers.lengths(), next_epoch, next_row };
        let ledger = self.accounts.ledger().borrow();
        self.keeps_tail = self.has_tail;
        let mut files = self.writers.file_ends(&self.committed.lengths, &[])?;
        files.extend(self.materialized_tables.ends(&ledger, &MaterializedTables::default())?);
        let (keeps_tail, numbers) = (self.keeps_tail, ledger.numbering.next().to_vec());
        let transactions = self.writers.transactions();
        let progress = Progress { keeps_tail, next_epoch, next_row, numbers, files, transactions };
        checkpoint.begin(&progress, inferred).map_err(Error::Checkpoint)
    }

    /// Commits that the dataflow has fitted params with these hashes, by path, before they serve: a run that is killed
    /// then goes on with them.
    ///
    /// # Errors
    /// A checkpoint that can't be written.
    pub fn adopt(&self, dataflow: &Dataflow, hashes: &BTreeMap<String, u128>) -> Result<(), Error> {
        let Some(checkpoint) = &self.checkpoint else { return Ok(()) };
        let contents = dataflow.contents().of_results_with(hashes).map_err(Error::Checkpoint)?;
        checkpoint.adopt(&contents).map_err(Error::Checkpoint)
    }

    /// Whether the next bucket may enter: whether the tail is kept after a crash must be committed before the tail is
    /// written. Rows that are redelivered are cut off with it; rows that are not redelivered stay.
    pub fn admits(&mut self, delivery_range: &DeliveryRange, sources: &mut SourceConnections) -> bool {
        // A transaction needs rows that follow, and bounds what is kept itself.
        if !self.writers.are_transactional() && self.accounts.ledger().borrow().keeps_most() {
            return false;
        }
        let DeliveryRange { taken, begun, collected, .. } = delivery_range;
        let again = !taken.is_empty() || begun.is_some() || *collected;
        self.again |= again;
        let due = again || self.is_due();
        if self.checkpoint.is_none() || !self.has_tail || again != self.keeps_tail || !due {
            return true;
        }
        if self.accounts.ledger().borrow().in_flight() > 0 {
            // Rows that are not redelivered may wait for the next commit without loss.
            return !again;
        }
        self.keeps_tail = !again;
        self.settle(sources);
        self.failure.borrow().is_none()
    }

    /// Acknowledges what is complete. After a failure nothing is acknowledged, so that it is redelivered.
    pub fn give(&mut self, sources: &mut SourceConnections) {
        let (complete, in_flight, covers) = {
            let ledger = self.accounts.ledger().borrow();
            (
                ledger.complete.as_ref().map(|complete| complete.next_epoch),
                ledger.in_flight(),
                !ledger.covered.is_empty(),
            )
        };
        let Some(next_epoch) = complete else { return };
        let kept = self.checkpoint.is_some() || self.writers.are_transactional();
        let moves = kept && next_epoch > self.committed.next_epoch;
        if moves || covers {
            // Without keyed state, all that has left the dataflow is complete, and the tail with it.
            self.keeps_tail |= self.has_tail && !self.again && in_flight == 0;
            self.again &= in_flight > 0;
            self.settle(sources);
        }
    }

    /// Checks whether a sink's file was moved away (log rotation), and continues in a new one.
    pub fn follow(&mut self, sources: &mut SourceConnections) {
        if !self.writers.moved().is_empty() || !self.materialized_tables.moved().is_empty() {
            self.settle(sources);
        }
    }

    fn settle(&mut self, sources: &mut SourceConnections) {
        // What a sink refuses is a dead letter: both are durable before the commit.
        let failed = self.failure.borrow().is_some();
        if failed || !self.writers.sync() || !self.materialized_tables.sync() || !self.transact() {
            return;
        }
        let ledger = &mut *self.accounts.ledger().borrow_mut();
        if self.must_wait(ledger) {
            return;
        }
        let complete = ledger.complete.clone().unwrap_or_else(|| self.committed.clone());
        self.last = Some(Instant::now());
        self.committed = complete;
        if let Err(error) = self.commit(ledger) {
            return fail(&self.failure, error);
        }
        for (connection, delivery_range) in std::mem::take(&mut ledger.covered) {
            sources.complete(connection, delivery_range.delivered);
        }
    }

    /// A closed sink knows only the end of all its results: they are committed when all epochs are complete.
    fn must_wait(&self, ledger: &Ledger) -> bool {
        let lengths = &ledger.complete.as_ref().unwrap_or(&self.committed).lengths;
        let is_closed =
            || self.writers.are_closed_behind(lengths) || self.materialized_tables.are_closed_behind(ledger);
        ledger.in_flight() > 0 && is_closed()
    }

    /// Makes the dead letters durable, and before them, where the sink takes results in transactions, what is complete:
    /// with each transaction goes what the checkpoint is about to commit. False after a failure.
    fn transact(&self) -> bool {
        if !self.writers.are_transactional() || self.must_wait(&self.accounts.ledger().borrow()) {
            return self.accounts.sync();
        }
        loop {
            let complete = self.accounts.ledger().borrow().complete.clone();
            let complete = complete.unwrap_or_else(|| self.committed.clone());
            if !self.writers.prepare(complete.next_epoch) || !self.accounts.sync() {
                return false;
            }
            let committed = self
                .change(&complete)
                .map(|change| self.writers.commit(&TransactionProgress { next_row: complete.next_row, change }));
            match committed {
                Ok(Some(false)) => {}
                Ok(committed) => return committed.is_some(),
                Err(error) => {
                    fail(&self.failure, error);
                    return false;
                }
            }
        }
    }

    /// What the checkpoint is about to commit, as a later run reads it back; nothing without a checkpoint.
    fn change(&self, CompletePrefix { lengths, next_epoch, next_row }: &CompletePrefix) -> Result<Vec<u8>, Error> {
        if self.checkpoint.is_none() {
            return Ok(Vec::new());
        }
        let ledger = self.accounts.ledger().borrow();
        let (numbers, moved) = (ledger.numbering.next().to_vec(), self.writers.moved());
        let mut files = self.writers.file_ends(lengths, &moved)?;
        files.extend(self.materialized_tables.ends(&ledger, &self.materialized_tables.moved())?);
        let (next_epoch, next_row, keeps_tail) = (*next_epoch, *next_row, self.keeps_tail && moved.is_empty());
        let progress = Progress { keeps_tail, next_epoch, next_row, numbers, files, transactions: None };
        Ok(CheckpointChange::encode(self.committed.next_epoch, &progress, &ledger.covered, &ledger.states))
    }

    fn commit(&self, ledger: &mut Ledger) -> Result<(), Error> {
        let (CompletePrefix { lengths, next_epoch, next_row }, writers) = (&self.committed, &self.writers);
        let moved = writers.moved();
        let Some(checkpoint) = &self.checkpoint else { return writers.follow(&moved, &writers.lengths()) };
        let write = |ends_of_sinks, ends_of_tables, keeps_tail| {
            let (numbers, mut files): (_, BTreeMap<_, _>) = (ledger.numbering.next().to_vec(), ends_of_sinks);
            files.extend(ends_of_tables);
            let (next_epoch, next_row) = (*next_epoch, *next_row);
            let transactions = writers.transactions();
            let progress = Progress { keeps_tail, next_epoch, next_row, numbers, files, transactions };
            checkpoint.commit(&progress, &ledger.covered, &ledger.states).map_err(Error::Checkpoint)
        };
        let moved_tables = self.materialized_tables.moved();
        if !moved.is_empty() || !moved_tables.is_empty() {
            // A crash before the new files exist must leave what is committed in the old ones.
            let keeps_tail = self.keeps_tail && moved.is_empty();
            let ends = writers.file_ends(lengths, &moved)?;
            write(ends, self.materialized_tables.ends(ledger, &moved_tables)?, keeps_tail)?;
            writers.follow(&moved, lengths)?;
            moved_tables.follow(ledger)?;
        }
        let (ends, none) = (writers.file_ends(lengths, &[])?, MaterializedTables::default());
        write(ends, self.materialized_tables.ends(ledger, &none)?, self.keeps_tail)?;
        ledger.states.clear();
        Ok(())
    }
}
