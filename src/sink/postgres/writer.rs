//! The sink: results wait in memory until their epochs are complete, and go to the table in one transaction with the
//! run's progress.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::beginning::begins;
use super::connection::Database;
use super::maker::TransactionMaker;
use super::name::TableName;
use super::progress::StoredProgress;
use super::queue::TransactionQueue;
use super::settings::Postgres;
use crate::data::{Message, Schema};
use crate::sink::opening::{Opening, RowsOrigin};
use crate::sink::{
    Deadline, Error, Existing, RefusedLine, Sink, SinkProgress, Takes, TransactionProgress, TransactionState,
};

/// How often it is looked up whether the maker has ended.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(20);

/// Writes rows to a table.
pub struct TableWriter {
    shown: String,
    queue: Arc<TransactionQueue>,
    deadline: Deadline,
    /// Rows before this number are in the table already.
    skip_before: u64,
    maker: Option<JoinHandle<()>>,
}

impl TableWriter {
    /// Connects, waiting for an absent database, and opens the table.
    ///
    /// # Errors
    /// No database, or a table that does not fit.
    pub fn open(
        database: Database,
        settings: &Postgres,
        schema: &Schema,
        opening: &Opening,
    ) -> Result<TableWriter, Error> {
        let shown = database.shown.clone();
        let (maker, stored) = TransactionMaker::open(database, settings, schema, opening)?;
        let passes_over = matches!(opening.existing, Existing::Rerun { repeats: true, fresh: false });
        let skip_before = if passes_over { rows_there(&settings.table, &opening.origin, &stored) } else { 0 };
        let queue = maker.queue();
        let thread = std::thread::Builder::new().name("postgres-sink".into()).spawn(move || maker.run());
        let maker = Some(thread.expect("a thread can be started"));
        Ok(TableWriter { shown, queue, deadline: opening.deadline.clone(), skip_before, maker })
    }

    /// An error if transactions are made no more.
    fn gone(&self) -> Option<Error> {
        let ended = self.maker.as_ref().is_none_or(JoinHandle::is_finished);
        ended.then(|| self.failed("no transaction is made any more"))
    }

    /// An error if nothing is waited for any more.
    fn late(&self) -> Option<Error> {
        self.deadline.has_passed().then(|| self.failed("the database has not taken all results in time"))
    }

    fn failed(&self, reason: &str) -> Error {
        Error::Custom { url: self.shown.clone(), reason: reason.into() }
    }
}

/// The number of rows that an earlier run has left in the table, unless the source is another file now.
fn rows_there(table: &TableName, origin: &RowsOrigin, stored: &StoredProgress) -> u64 {
    let RowsOrigin { source, file, .. } = origin;
    if stored.next_row == 0 {
        return 0;
    }
    if let (Some(path), Some(before)) = (file, &stored.beginning)
        && !begins(path, before)
    {
        tracing::warn!("{source} is another file than that of the last run: all its rows go to the table {table}");
        return 0;
    }
    tracing::warn!(
        "the table {table} has the results of the first {} rows of {source} already: they are passed over; --fresh writes \
         them again",
        stored.next_row
    );
    stored.next_row as u64
}

impl Takes<Message> for TableWriter {
    fn write(&mut self, mut message: Message) -> Result<(), Error> {
        if self.skip_before > 0 {
            let keep: Vec<bool> = message.ids.iter().map(|id| *id >= self.skip_before).collect();
            message.retain(&keep);
        }
        if message.rows() > 0 {
            self.queue.push(message);
        }
        Ok(())
    }
}

impl Sink for TableWriter {
    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn is_transactional(&self) -> bool {
        true
    }

    fn transactions(&self) -> Option<u64> {
        Some(self.queue.transactions())
    }

    fn is_full(&self) -> bool {
        self.queue.is_full()
    }

    fn transact(&mut self, end: u64, progress: TransactionProgress) -> Result<(), Error> {
        let next_row = progress.next_row.max(self.skip_before);
        self.queue.begin(end, TransactionProgress { next_row, ..progress });
        Ok(())
    }

    fn transaction(&mut self) -> Result<TransactionState, Error> {
        self.queue.transaction(|| self.gone())
    }

    fn made_transaction(&mut self) -> Result<TransactionState, Error> {
        self.queue.made(|| self.gone(), || self.late())
    }

    fn confirm(&mut self) {
        self.queue.confirm();
    }

    fn refused(&mut self) -> Vec<RefusedLine> {
        self.queue.refused()
    }

    fn waits_from(&self) -> Option<u64> {
        self.queue.waits_from()
    }

    fn progress(&self) -> Option<Arc<SinkProgress>> {
        Some(self.queue.progress.clone())
    }

    fn close(self: Box<Self>) -> Result<(), Error> {
        Ok(())
    }
}

impl Drop for TableWriter {
    fn drop(&mut self) {
        self.queue.end();
        let Some(maker) = self.maker.take() else { return };
        // One that waits for a database that says nothing is left alone when waiting is over.
        while !maker.is_finished() && !self.deadline.has_passed() {
            std::thread::sleep(LOOK_UP_INTERVAL);
        }
        if maker.is_finished() {
            // One that panicked has told it.
            let _ = maker.join();
        }
    }
}
