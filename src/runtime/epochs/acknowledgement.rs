//! When a source's deliveries are acknowledged, and progress is written down.

use std::time::{Duration, Instant};

use crate::config::Dataflow;
use crate::data::Schema;
use crate::runtime::epochs::checkpoint::Checkpoint;
use crate::runtime::epochs::ledger::{CompletePrefix, Ledger};
use crate::runtime::epochs::outcomes::LedgerOutcomes;
use crate::runtime::epochs::sink_writer::SharedSinkWriter;
use crate::runtime::epochs::stored::Progress;
use crate::runtime::error::Error;
use crate::runtime::first_error::{FirstError, fail};
use crate::runtime::graph::materialized::MaterializedTables;
use crate::runtime::ingest::connections::SourceConnections;
use crate::sink::FileEnd;
use crate::source::DeliveryRange;

/// Acknowledges deliveries once their results have left the sink, and the checkpoint knows it.
pub struct Acknowledgement {
    checkpoint: Option<Checkpoint>,
    /// A sink is asked to bring its results to safety no more often than this.
    every: Duration,
    last: Option<Instant>,
    /// What the checkpoint stands for: as the ledger counts, the results up to here.
    committed: CompletePrefix,
    /// Whether the sink is a file, in which lines may stand behind what the checkpoint tells of.
    has_tail: bool,
    /// Whether the checkpoint says that those lines stay.
    keeps_tail: bool,
    /// Whether rows have come since the last commit that would be delivered again.
    again: bool,
    /// The sinks of tables' changes.
    materialized_tables: MaterializedTables,
    writer: SharedSinkWriter,
    accounts: LedgerOutcomes,
    failure: FirstError,
}

impl Acknowledgement {
    pub fn new(
        checkpoint: Option<Checkpoint>,
        dataflow: &Dataflow,
        writer: SharedSinkWriter,
        accounts: LedgerOutcomes,
        materialized_tables: MaterializedTables,
        failure: &FirstError,
    ) -> Acknowledgement {
        Acknowledgement {
            checkpoint,
            every: dataflow.checkpoint_every,
            last: None,
            committed: CompletePrefix::default(),
            // What steps and tables remember is that of the lines which the checkpoint tells of.
            has_tail: dataflow.sink.url.is_lines() && !dataflow.remembers(),
            keeps_tail: false,
            again: false,
            materialized_tables,
            writer,
            accounts,
            failure: failure.clone(),
        }
    }

    pub fn is_due(&self) -> bool {
        self.last.is_none_or(|last| last.elapsed() >= self.every)
    }

    /// Writes down where the sink begins, before any row comes: from now on its file is that of this checkpoint.
    ///
    /// # Errors
    /// A checkpoint or a sink that can't be written.
    pub fn begin(&mut self, next_epoch: u64, next_row: u64, inferred: Option<&Schema>) -> Result<(), Error> {
        let Some(checkpoint) = &self.checkpoint else { return Ok(()) };
        if !self.writer.sync() || !self.materialized_tables.sync() {
            return Ok(());
        }
        self.committed = CompletePrefix { length: self.writer.length(), next_epoch, next_row };
        let ledger = self.accounts.ledger().borrow();
        let (numbers, tables) =
            (ledger.numbering.next().to_vec(), self.materialized_tables.ends(&ledger, &MaterializedTables::default())?);
        self.keeps_tail = self.has_tail;
        let FileEnd { length, fingerprint } = self.writer.file_end(self.committed.length)?;
        let keeps_tail = self.keeps_tail;
        let progress = Progress { length, fingerprint, keeps_tail, next_epoch, next_row, numbers, tables };
        checkpoint.begin(&progress, inferred).map_err(Error::Checkpoint)
    }

    /// Whether the next bucket may enter: how lines behind those that the checkpoint tells of are taken after a crash
    /// must be written down before they are. What is delivered again is cut off; what nobody delivers again stays.
    pub fn admits(&mut self, delivery_range: &DeliveryRange, sources: &mut SourceConnections) -> bool {
        let again = !delivery_range.taken.is_empty() || delivery_range.begun.is_some();
        self.again |= again;
        let due = again || self.is_due();
        if self.checkpoint.is_none() || !self.has_tail || again != self.keeps_tail || !due {
            return true;
        }
        if self.accounts.ledger().borrow().in_flight() > 0 {
            // Nothing is lost if what nobody delivers again waits for the next commit.
            return !again;
        }
        self.keeps_tail = !again;
        self.settle(sources);
        self.failure.borrow().is_none()
    }

    /// Acknowledges what is complete. After a failure nothing is acknowledged any more: it will be delivered again.
    pub fn give(&mut self, sources: &mut SourceConnections) {
        let (complete, in_flight, covers) = {
            let ledger = self.accounts.ledger().borrow();
            (ledger.complete, ledger.in_flight(), !ledger.covered.is_empty())
        };
        let Some(complete) = complete else { return };
        let moves = self.checkpoint.is_some() && complete.next_epoch > self.committed.next_epoch;
        if moves || covers {
            // Without steps or tables that remember, what has left the dataflow is complete.
            self.keeps_tail |= self.has_tail && !self.again && in_flight == 0;
            self.again &= in_flight > 0;
            self.settle(sources);
        }
    }

    /// Looks whether the sink's file was moved away, and goes on in a new one.
    pub fn follow(&mut self, sources: &mut SourceConnections) {
        if self.writer.is_moved() || !self.materialized_tables.moved().is_empty() {
            self.settle(sources);
        }
    }

    fn settle(&mut self, sources: &mut SourceConnections) {
        // What the sink refuses is a dead letter; both are safe before anything says so.
        let failed = self.failure.borrow().is_some();
        if failed || !self.writer.sync() || !self.materialized_tables.sync() || !self.accounts.sync() {
            return;
        }
        let ledger = &mut *self.accounts.ledger().borrow_mut();
        let complete = ledger.complete.unwrap_or(self.committed);
        let is_closed =
            || self.writer.is_closed_behind(complete.length) || self.materialized_tables.are_closed_behind(ledger);
        if ledger.in_flight() > 0 && is_closed() {
            // Only the end of a closed sink's results is known: they are committed when all are complete.
            return;
        }
        self.last = Some(Instant::now());
        self.committed = complete;
        if let Err(error) = self.commit(ledger) {
            return fail(&self.failure, error);
        }
        for (connection, delivery_range) in std::mem::take(&mut ledger.covered) {
            sources.complete(connection, delivery_range.delivered);
        }
    }

    fn commit(&self, ledger: &mut Ledger) -> Result<(), Error> {
        let (CompletePrefix { length, next_epoch, next_row }, writer) = (self.committed, &self.writer);
        let Some(checkpoint) = &self.checkpoint else {
            return if writer.is_moved() { writer.follow(writer.length()) } else { Ok(()) };
        };
        let write = |FileEnd { length, fingerprint }, keeps_tail, tables| {
            let numbers = ledger.numbering.next().to_vec();
            let progress = Progress { length, fingerprint, keeps_tail, next_epoch, next_row, numbers, tables };
            checkpoint.commit(&progress, &ledger.covered, &ledger.states).map_err(Error::Checkpoint)
        };
        let (is_moved, moved) = (writer.is_moved(), self.materialized_tables.moved());
        if is_moved || !moved.is_empty() {
            // What is committed stays in the old file, whatever happens before there is a new one.
            let end = if is_moved { FileEnd::default() } else { writer.file_end(length)? };
            write(end, self.keeps_tail && !is_moved, self.materialized_tables.ends(ledger, &moved)?)?;
            if is_moved {
                writer.follow(length)?;
            }
            moved.follow(ledger)?;
        }
        write(
            writer.file_end(length)?,
            self.keeps_tail,
            self.materialized_tables.ends(ledger, &MaterializedTables::default())?,
        )?;
        ledger.states.clear();
        Ok(())
    }
}
