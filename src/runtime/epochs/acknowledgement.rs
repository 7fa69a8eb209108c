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
use crate::runtime::graph::by_sink::BySink;
use crate::runtime::graph::materialized::MaterializedTables;
use crate::runtime::graph::operator_state::OperatorStates;
use crate::runtime::ingest::connections::SourceConnections;
use crate::sink::{FileEnd, TransactionProgress, TransactionState};
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
    /// What is in a transaction of the sink that is being made, while the dataflow goes on.
    transaction: Option<Commit>,
    /// The sinks of tables' changes that the checkpoint covers.
    materialized_tables: MaterializedTables,
    writers: SinkWriters,
    accounts: LedgerOutcomes,
    failure: FirstError,
}

/// What is committed together.
struct Commit {
    complete: CompletePrefix,
    keeps_tail: bool,
    /// The next row numbers, by connection.
    numbers: Vec<u64>,
    covered: BTreeMap<usize, DeliveryRange>,
    states: OperatorStates,
    /// Where results end in the files, by path: at the beginning of those that were moved away.
    files: BTreeMap<String, FileEnd>,
    /// The sinks and tables whose files were moved away.
    moved: Vec<usize>,
    moved_tables: MaterializedTables,
}

impl Commit {
    fn progress(&self, transactions: Option<u64>) -> Progress {
        let CompletePrefix { next_epoch, next_row, .. } = self.complete;
        let (numbers, files) = (self.numbers.clone(), self.files.clone());
        Progress { keeps_tail: self.keeps_tail, next_epoch, next_row, numbers, files, transactions }
    }
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
            transaction: None,
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
        // A transaction that is to be begun may need rows that follow; one that is being made does not.
        if self.transaction.is_some() && self.is_full() {
            return false;
        }
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
        self.settle(sources, true);
        self.failure.borrow().is_none()
    }

    /// Acknowledges what is complete. After a failure nothing is acknowledged, so that it is redelivered.
    pub fn give(&mut self, sources: &mut SourceConnections) {
        if self.transaction.is_none() {
            self.acknowledge(sources, false);
        }
    }

    /// Acknowledges what is in a transaction of the sink, if it is committed by now.
    pub fn advance(&mut self, sources: &mut SourceConnections) {
        self.follow_transaction(sources, false);
    }

    /// Acknowledges all that is complete, and waits until it is durable.
    pub fn finish(&mut self, sources: &mut SourceConnections) {
        self.follow_transaction(sources, true);
        self.acknowledge(sources, true);
    }

    fn acknowledge(&mut self, sources: &mut SourceConnections, waits: bool) {
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
            self.settle(sources, waits);
        }
    }

    /// Checks whether a sink's file was moved away (log rotation), and continues in a new one.
    pub fn follow(&mut self, sources: &mut SourceConnections) {
        if !self.writers.moved().is_empty() || !self.materialized_tables.moved().is_empty() {
            self.settle(sources, true);
        }
    }

    /// Commits what is complete. Where the sink takes it in a transaction, that is begun only, unless it `waits`.
    fn settle(&mut self, sources: &mut SourceConnections, waits: bool) {
        self.follow_transaction(sources, true);
        // Dead letters are durable before the commit.
        let failed = self.failure.borrow().is_some();
        if failed || !self.writers.sync() || !self.materialized_tables.sync() || !self.accounts.sync() {
            return;
        }
        if self.must_wait(&self.accounts.ledger().borrow()) {
            return;
        }
        let commit = match self.next_commit() {
            Ok(commit) => commit,
            Err(error) => return fail(&self.failure, error),
        };
        self.last = Some(Instant::now());
        let Some(sink) = self.writers.transactional() else { return self.commit(commit, sources) };
        if sink.transact(commit.complete.next_epoch, self.in_transaction(&commit)) {
            // What was moved away is followed before more is written.
            let waits = waits || !commit.moved.is_empty() || !commit.moved_tables.is_empty();
            self.transaction = Some(commit);
            self.accounts.ledger().borrow_mut().commits = true;
            self.follow_transaction(sources, waits);
        }
    }

    /// Goes on with the sink's transaction, to its end if it `waits`: what the sink refuses of it is a dead letter, and
    /// durable before the commit.
    fn follow_transaction(&mut self, sources: &mut SourceConnections, waits: bool) {
        while self.transaction.is_some() && self.failure.borrow().is_none() {
            let state = self.writers.transactional().and_then(|sink| sink.transaction(waits));
            match state {
                Some(TransactionState::Made) if !waits => return,
                Some(TransactionState::Made) => {}
                Some(TransactionState::Refuses) => {
                    if self.accounts.sync() {
                        self.writers.transactional().iter().for_each(|sink| sink.confirm());
                    }
                }
                Some(TransactionState::Committed) => {
                    if let Some(commit) = self.transaction.take() {
                        self.commit(commit, sources);
                    }
                }
                None => self.transaction = None,
            }
        }
    }

    /// A closed sink knows only the end of all its results: they are committed when all epochs are complete.
    fn must_wait(&self, ledger: &Ledger) -> bool {
        let lengths = &ledger.complete.as_ref().unwrap_or(&self.committed).lengths;
        let is_closed =
            || self.writers.are_closed_behind(lengths) || self.materialized_tables.are_closed_behind(ledger);
        ledger.in_flight() > 0 && is_closed()
    }

    /// What is complete.
    ///
    /// # Errors
    /// A file that can't be read.
    fn next_commit(&self) -> Result<Commit, Error> {
        let ledger = &mut *self.accounts.ledger().borrow_mut();
        let complete = ledger.complete.clone().unwrap_or_else(|| self.committed.clone());
        let (moved, moved_tables) = (self.writers.moved(), self.materialized_tables.moved());
        let files = match &self.checkpoint {
            Some(_) => self.ends(&complete.lengths, ledger, &moved, &moved_tables)?,
            None => BTreeMap::new(),
        };
        Ok(Commit {
            // A crash before new files exist must leave what is committed in the old ones.
            keeps_tail: self.keeps_tail && moved.is_empty(),
            numbers: ledger.numbering.next().to_vec(),
            covered: std::mem::take(&mut ledger.covered),
            states: std::mem::take(&mut ledger.states),
            complete,
            files,
            moved,
            moved_tables,
        })
    }

    /// By path, where results of these lengths end in the files; at the beginning of those that were moved.
    fn ends(
        &self,
        lengths: &BySink,
        ledger: &Ledger,
        moved: &[usize],
        moved_tables: &MaterializedTables,
    ) -> Result<BTreeMap<String, FileEnd>, Error> {
        let mut files = self.writers.file_ends(lengths, moved)?;
        files.extend(self.materialized_tables.ends(ledger, moved_tables)?);
        Ok(files)
    }

    /// What a transaction of the sink stores: what the checkpoint is about to commit, as a later run reads it back; nothing
    /// of that without a checkpoint.
    fn in_transaction(&self, commit: &Commit) -> TransactionProgress {
        let change = || {
            let (after, progress) = (self.committed.next_epoch, commit.progress(None));
            CheckpointChange::encode(after, &progress, &commit.covered, &commit.states)
        };
        let change = self.checkpoint.as_ref().map(|_| change()).unwrap_or_default();
        TransactionProgress { next_row: commit.complete.next_row, change }
    }

    /// Commits to the checkpoint what is durable in the sinks, and acknowledges it.
    fn commit(&mut self, commit: Commit, sources: &mut SourceConnections) {
        let ledger = &mut *self.accounts.ledger().borrow_mut();
        ledger.commits = false;
        self.committed = commit.complete.clone();
        let covered = match self.write(commit, ledger) {
            Ok(covered) => covered,
            Err(error) => return fail(&self.failure, error),
        };
        for (connection, delivery_range) in covered {
            sources.complete(connection, delivery_range.delivered);
        }
    }

    /// Writes to the checkpoint, and continues in new files; what is committed by it.
    fn write(&self, mut commit: Commit, ledger: &Ledger) -> Result<BTreeMap<usize, DeliveryRange>, Error> {
        let writers = &self.writers;
        let Some(checkpoint) = &self.checkpoint else {
            writers.follow(&commit.moved, &writers.lengths())?;
            return Ok(commit.covered);
        };
        let write = |commit: &Commit| {
            let progress = commit.progress(writers.transactions());
            checkpoint.commit(&progress, &commit.covered, &commit.states).map_err(Error::Checkpoint)
        };
        write(&commit)?;
        if !commit.moved.is_empty() || !commit.moved_tables.is_empty() {
            let lengths = &commit.complete.lengths;
            writers.follow(&commit.moved, lengths)?;
            commit.moved_tables.follow(ledger)?;
            commit.files = self.ends(lengths, ledger, &[], &MaterializedTables::default())?;
            commit.keeps_tail = self.keeps_tail;
            write(&commit)?;
        }
        Ok(commit.covered)
    }
}
