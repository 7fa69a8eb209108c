//! The thread that makes the transactions: it opens each with its rows and commits it with the run's progress, while the
//! dataflow goes on.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use postgres::{Client, Statement};

use super::beginning::beginning;
use super::connection::Database;
use super::failure::{DatabaseFailure, line_of_copy};
use super::progress::{ProgressTable, StoredProgress};
use super::queue::{BegunTransaction, TransactionQueue};
use super::rows::{CopyRows, UnwritableRow};
use super::settings::Postgres;
use super::table::{TableProblem, TableTarget};
use crate::data::{Message, Schema};
use crate::format::{Encoder, Encoding, Infinity};
use crate::mqtt::Backoff;
use crate::sink::opening::{Opening, RowsOrigin};
use crate::sink::pause::pause;
use crate::sink::{Deadline, Error, Existing, RefusedLine, TransactionProgress};

/// So many rows may fail with an error that may be one of the database before the first one that is taken.
const MOST_FAILED: usize = 8;

/// A transaction that is to be made again has failed so often as a whole before its rows are tried one by one.
const FAILURES_AS_A_WHOLE: u32 = 5;

/// At a row that is refused for it, the database has failed in so many transactions with pauses between, and taken others in
/// each: what others do at the same time may be the reason of one.
const FAILURES_OF_A_ROW: u32 = 5;

/// Makes the transactions.
pub struct TransactionMaker {
    database: Database,
    settings: Postgres,
    schema: Schema,
    origin: RowsOrigin,
    progress_table: ProgressTable,
    /// By which the table of progress knows this run.
    run: String,
    /// The length and hash of the beginning of the source's file, where that is read again.
    beginning: Option<(i64, String)>,
    connection: Option<OpenTable>,
    queue: Arc<TransactionQueue>,
    deadline: Deadline,
    /// How many transactions are committed.
    transactions: i64,
    /// The messages of the transaction.
    messages: Vec<Message>,
    /// The rows among them that were refused, by epoch and number.
    left_out: HashSet<(u64, u64)>,
    /// How often in a row the database has said that it is to be made again.
    tries: u32,
    /// How often the database has failed at rows among them, by epoch and number.
    failures: HashMap<(u64, u64), u32>,
    /// A row that was taken.
    witness: Option<Message>,
    /// What was refused and is not told yet.
    refused: Vec<RefusedLine>,
    /// Whether it was told that the table drops rows by itself.
    told_dropped: bool,
    backoff: Backoff,
    encoder: Encoder,
}

/// An open connection, and how rows get into the table by it.
struct OpenTable {
    client: Client,
    target: TableTarget,
    /// What each transaction says, prepared once: the table's COPY, and to store progress.
    copy: Statement,
    store: Statement,
}

impl OpenTable {
    fn prepare(client: &mut Client, target: &TableTarget, progress: &ProgressTable) -> PreparedStatements {
        Ok((client.prepare(&target.copy)?, progress.prepare(client)?))
    }
}

/// The table's COPY, and to store progress.
type PreparedStatements = Result<(Statement, Statement), postgres::Error>;

/// What became of the rows of a transaction.
enum Entered {
    /// They are in it, but for those that are refused.
    All,
    /// It is to be made again after a pause, for this reason.
    Again(String),
}

/// Why a transaction did not come about.
enum TransactionTrouble {
    /// The database is out of reach: it is tried again.
    Absent(String),
    /// The run ends.
    Failed(Error),
}

impl TransactionMaker {
    /// Connects, waiting for an absent database, and opens the table; with what earlier runs have left.
    ///
    /// # Errors
    /// No database, or a table that does not fit.
    pub fn open(
        database: Database,
        settings: &Postgres,
        schema: &Schema,
        opening: &Opening,
    ) -> Result<(TransactionMaker, StoredProgress), Error> {
        let origin = opening.origin.clone();
        let begins_again = matches!(opening.existing, Existing::Rerun { repeats: true, .. });
        let source = if begins_again { origin.source.as_str() } else { "" };
        let progress_table = ProgressTable::of(&settings.table, &origin.dataflow, source);
        let run = format!("{:016x}", rand::random::<u64>());
        let (client, (target, stored, (copy, store))) = database.begin(opening, |client| {
            let target = TableTarget::open(client, settings, schema, origin.time.as_deref())?;
            let stored = progress_table.take_over(client, &run)?;
            let statements = OpenTable::prepare(client, &target, &progress_table)?;
            Ok((target, stored, statements))
        })?;
        let maker = TransactionMaker {
            database,
            settings: settings.clone(),
            schema: schema.clone(),
            progress_table,
            run,
            beginning: origin.file.as_deref().filter(|_| begins_again).and_then(beginning),
            origin,
            connection: Some(OpenTable { client, target, copy, store }),
            queue: Arc::new(TransactionQueue::new(stored.transactions as u64)),
            deadline: opening.deadline.clone(),
            transactions: stored.transactions,
            messages: Vec::new(),
            left_out: HashSet::new(),
            tries: 0,
            failures: HashMap::new(),
            witness: None,
            refused: Vec::new(),
            told_dropped: false,
            backoff: Backoff::default(),
            encoder: Encoder::new(Arc::new(schema.clone()), Encoding::JsonLines).with_infinity(Infinity::Text),
        };
        Ok((maker, stored))
    }

    /// By which it gets what it writes.
    pub fn queue(&self) -> Arc<TransactionQueue> {
        self.queue.clone()
    }

    /// Makes the transactions that are begun, until all is over.
    pub fn run(mut self) {
        while let Some(BegunTransaction { messages, progress }) = self.queue.take() {
            self.messages = messages;
            match self.make(&progress) {
                Ok(true) => self.done(),
                Ok(false) => return,
                Err(error) => return self.queue.fail(error),
            }
        }
    }

    /// Makes a transaction, again until it is committed; false if all is over before.
    fn make(&mut self, progress: &TransactionProgress) -> Result<bool, Error> {
        loop {
            self.connect()?;
            match self.transact() {
                Ok(()) => {}
                Err(TransactionTrouble::Absent(reason)) => {
                    self.wait(&reason)?;
                    continue;
                }
                Err(TransactionTrouble::Failed(error)) => return Err(error),
            }
            let refused = std::mem::take(&mut self.refused);
            if !refused.is_empty() && !self.queue.refuse(refused) {
                return Ok(false);
            }
            if self.commit(progress)? {
                return Ok(true);
            }
        }
    }

    /// The transaction is committed.
    fn done(&mut self) {
        let last_taken = self.messages.iter().rev().find_map(|message| {
            let row = (0..message.rows()).rev().find(|row| !self.left_out.contains(&row_of(message, *row)))?;
            Some(message.take_rows(&[row]))
        });
        self.witness = last_taken.or(self.witness.take());
        self.left_out.clear();
        self.failures.clear();
        self.tries = 0;
        self.transactions += 1;
        self.backoff.reset();
        self.queue.done(std::mem::take(&mut self.messages));
    }

    /// Whether nothing more is waited for.
    fn is_over(&self) -> bool {
        self.deadline.has_passed() || self.queue.is_over()
    }

    /// Connects again if the connection is lost.
    fn connect(&mut self) -> Result<(), Error> {
        if self.connection.as_ref().is_some_and(|connection| !connection.client.is_closed()) {
            return Ok(());
        }
        self.connection = None;
        let mut client = self.database.again(|| self.is_over(), &self.queue.progress)?;
        let opened = TableTarget::open(&mut client, &self.settings, &self.schema, self.origin.time.as_deref());
        let prepared = opened.and_then(|target| {
            let statements = OpenTable::prepare(&mut client, &target, &self.progress_table)?;
            Ok((target, statements))
        });
        match prepared {
            Ok((target, (copy, store))) => self.connection = Some(OpenTable { client, target, copy, store }),
            Err(TableProblem::Database(error)) if DatabaseFailure::of(&error).passes() => {
                self.wait(&self.database.words(&error))?;
            }
            Err(problem) => return Err(self.database.unusable(problem)),
        }
        Ok(())
    }

    /// Waits before the next attempt.
    fn wait(&mut self, reason: &str) -> Result<(), Error> {
        tracing::warn!("{}: {reason}: it is tried again", self.database.shown);
        self.connection = None;
        self.queue.progress.looks();
        self.queue.progress.lost();
        let wait = self.backoff.next_wait();
        if pause(wait, || self.is_over()) {
            Ok(())
        } else {
            Err(self.database.refused(format!("rows are not written: {reason}")))
        }
    }

    /// The line of a row that is refused, with the reason.
    fn refuse(&mut self, message: usize, row: usize, reason: String) {
        let message = &self.messages[message];
        self.left_out.insert(row_of(message, row));
        let line = self.encoder.encode(message.take_rows(&[row])).into_lines().unwrap_or_default();
        self.refused.push(RefusedLine { line, excess: None, reason });
    }

    /// Opens the transaction with its rows.
    fn transact(&mut self) -> Result<(), TransactionTrouble> {
        let Some(mut connection) = self.connection.take() else {
            return Err(TransactionTrouble::Absent("the connection is lost".into()));
        };
        let left_out = &self.left_out;
        let is_left_out =
            |message: &Message, row: usize| !left_out.is_empty() && left_out.contains(&row_of(message, row));
        let target = &connection.target;
        let (rows, unwritable) =
            CopyRows::encode(self.messages.iter(), &target.columns, target.staged.is_some(), is_left_out);
        for UnwritableRow { place: (message, row), reason } in unwritable {
            self.refuse(message, row, reason);
        }
        match self.enter(&mut connection, &rows) {
            Ok(Entered::All) => {
                self.connection = Some(connection);
                Ok(())
            }
            Ok(Entered::Again(reason)) => Err(TransactionTrouble::Absent(reason)),
            Err(error) if DatabaseFailure::of(&error).passes() => {
                Err(TransactionTrouble::Absent(self.database.words(&error)))
            }
            Err(error) => Err(TransactionTrouble::Failed(self.database.failed(&error))),
        }
    }

    /// Begins a transaction with these rows; those that the database does not take are refused, one by one. So are those at
    /// which it fails with an internal error, or one that is to pass, again and again, where it takes others, or again one that it
    /// took before, in the same transactions.
    fn enter(&mut self, connection: &mut OpenTable, rows: &CopyRows) -> Result<Entered, postgres::Error> {
        let mut begin = "BEGIN; SET CONSTRAINTS ALL IMMEDIATE; SAVEPOINT rows";
        if rows.len() == 0 {
            connection.client.batch_execute(begin)?;
            return Ok(Entered::All);
        }
        let mut ranges: Vec<_> = std::iter::once(0..rows.len()).collect();
        let (mut used, mut takes, mut failed) = (false, false, Vec::new());
        while let Some(range) = ranges.pop() {
            if range.is_empty() {
                continue;
            }
            connection.client.batch_execute(std::mem::replace(&mut begin, "RELEASE rows; SAVEPOINT rows"))?;
            let error = match copy(connection, rows, range.clone(), std::mem::replace(&mut used, true)) {
                Err(error) => error,
                Ok(there) => {
                    takes = true;
                    if there < range.len() as u64 && !std::mem::replace(&mut self.told_dropped, true) {
                        let (shown, table) = (&self.database.shown, &self.settings.table);
                        tracing::warn!(
                            "{shown}: a trigger or a rule of the table {table} drops rows that it is given: they count as rows out; \
                             further ones are not told"
                        );
                    }
                    continue;
                }
            };
            let failure = DatabaseFailure::of(&error);
            let of_rows = match failure {
                DatabaseFailure::Row | DatabaseFailure::Internal => true,
                DatabaseFailure::Again => self.tries >= FAILURES_AS_A_WHOLE,
                DatabaseFailure::Absent | DatabaseFailure::Lasting => false,
            };
            if !of_rows {
                self.tries += u32::from(failure == DatabaseFailure::Again);
                return Err(error);
            }
            connection.client.batch_execute("ROLLBACK TO rows")?;
            if range.len() == 1 && failure != DatabaseFailure::Row {
                takes = takes || (failed.len() == MOST_FAILED && self.takes_witness(connection)?);
                if !takes && failed.len() == MOST_FAILED {
                    return Err(error);
                }
                failed.push((rows.place(range.start), error));
                continue;
            }
            if range.len() == 1 {
                let (message, row) = rows.place(range.start);
                self.refuse(message, row, format!("the database refuses it: {}", self.database.words(&error)));
                continue;
            }
            ranges.extend(parts(range, line_of_copy(&error)));
        }
        if !failed.is_empty()
            && !takes
            && !self.takes_witness(connection)?
            && let Some((_, error)) = failed.pop()
        {
            return Err(error);
        }
        let mut again = None;
        for ((message, row), error) in &failed {
            let failures = self.failures.entry(row_of(&self.messages[*message], *row)).or_default();
            *failures += 1;
            if *failures < FAILURES_OF_A_ROW {
                again = Some(format!("it fails at a row, and takes others: {}", self.database.words(error)));
            }
        }
        if let Some(reason) = again {
            return Ok(Entered::Again(reason));
        }
        for ((message, row), error) in failed {
            self.refuse(
                message,
                row,
                format!("the database fails at it, and takes others: {}", self.database.words(&error)),
            );
        }
        Ok(Entered::All)
    }

    /// Whether the database takes a row again that it has taken before: then it is not ill. The row is not left there.
    fn takes_witness(&mut self, connection: &mut OpenTable) -> Result<bool, postgres::Error> {
        let Some(witness) = &self.witness else { return Ok(false) };
        let target = &connection.target;
        let (rows, _) =
            CopyRows::encode(std::iter::once(witness), &target.columns, target.staged.is_some(), |_, _| false);
        connection.client.batch_execute("RELEASE rows; SAVEPOINT rows")?;
        let taken = copy(connection, &rows, 0..rows.len(), true);
        let takes = match taken.as_ref().map_err(DatabaseFailure::of) {
            // Where it judges values, such as that they are there already, it works.
            Ok(_) | Err(DatabaseFailure::Row) => true,
            Err(DatabaseFailure::Internal | DatabaseFailure::Again) => false,
            Err(DatabaseFailure::Absent | DatabaseFailure::Lasting) => return taken.map(|_| false),
        };
        connection.client.batch_execute("ROLLBACK TO rows")?;
        Ok(takes)
    }

    /// Commits the transaction that is open with the run's progress; false if the database was lost and nothing is
    /// committed.
    fn commit(&mut self, progress: &TransactionProgress) -> Result<bool, Error> {
        let Some(OpenTable { client, store, .. }) = &mut self.connection else { return Ok(false) };
        let (table, beginning) = (&self.progress_table, self.beginning.as_ref());
        let stored = table.store(client, store, &self.run, self.transactions, progress, beginning);
        let committed = match stored {
            Ok(false) => {
                let found = table.transactions(client, &self.run).unwrap_or_default();
                return Err(self.is_not_as_left(found));
            }
            Ok(true) => client.batch_execute("COMMIT"),
            Err(error) => Err(error),
        };
        match committed {
            Ok(()) => Ok(true),
            Err(error) if DatabaseFailure::of(&error).passes() => {
                self.wait(&self.database.words(&error))?;
                self.was_committed()
            }
            Err(error) => Err(self.database.failed(&error)),
        }
    }

    /// Whether the transaction that was open when the connection was lost is committed.
    fn was_committed(&mut self) -> Result<bool, Error> {
        loop {
            self.connect()?;
            let Some(OpenTable { client, .. }) = &mut self.connection else { continue };
            match self.progress_table.transactions(client, &self.run) {
                Ok(Some(transactions)) if transactions >= self.transactions => {
                    return Ok(transactions > self.transactions);
                }
                Ok(found) => return Err(self.is_not_as_left(found)),
                Err(error) if DatabaseFailure::of(&error).passes() => self.wait(&self.database.words(&error))?,
                Err(error) => return Err(self.database.failed(&error)),
            }
        }
    }

    /// Why the progress of this run, with so many transactions if it is there, is not what the run has left.
    fn is_not_as_left(&self, found: Option<i64>) -> Error {
        let (table, dataflow) = (&self.settings.table, &self.origin.dataflow);
        if let Some(found) = found {
            return self.database.refused(older(found as u64, self.transactions as u64));
        }
        self.database.refused(format!(
            "another run of the dataflow {dataflow} writes to the table {table} now: end it, or give one of them another \
             name"
        ))
    }
}

/// A row of a message, by epoch and number.
fn row_of(message: &Message, row: usize) -> (u64, u64) {
    (message.epoch, message.ids[row])
}

/// What it means that a database has fewer transactions of a dataflow than were committed there.
fn older(found: u64, committed: u64) -> String {
    format!(
        "the database has {found} transactions of this dataflow, and {committed} were committed: it was set back to an \
         earlier state, and results since then are not there"
    )
}

/// The parts of a range that is refused as a whole, the first one last: around the row that is said to be the reason,
/// or halves.
fn parts(range: Range<usize>, line: Option<usize>) -> Vec<Range<usize>> {
    let (start, end) = (range.start, range.end);
    match line.filter(|line| (1..=range.len()).contains(line)) {
        Some(line) => vec![start + line..end, start + line - 1..start + line, start..start + line - 1],
        None => {
            let middle = start + range.len() / 2;
            vec![middle..end, start..middle]
        }
    }
}

/// Copies rows to the table, through the temporary one if there is one, which is emptied first if it was `used`; how many
/// of them are there.
fn copy(
    OpenTable { client, target, copy, .. }: &mut OpenTable,
    rows: &CopyRows,
    range: Range<usize>,
    used: bool,
) -> Result<u64, postgres::Error> {
    let count = range.len() as u64;
    if let Some(staged) = target.staged.as_ref().filter(|_| used) {
        client.batch_execute(&staged.clear)?;
    }
    let mut writer = client.copy_in(copy)?;
    // An error of writing is that of the connection, or one that the database tells at the end.
    let written = rows.write(range, &mut writer);
    let finished = writer.finish();
    let there =
        match written.map_err(|error| error.into_inner().and_then(|inner| inner.downcast::<postgres::Error>().ok())) {
            Err(Some(error)) if finished.is_ok() => return Err(*error),
            _ => finished?,
        };
    let Some(staged) = &target.staged else { return Ok(there) };
    client.batch_execute(&staged.insert)?;
    // Rows of one key are one row there.
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_a_refused_range_is_in_one_of_its_parts() {
        for (range, line) in [(3..10, Some(1)), (3..10, Some(7)), (3..10, Some(4)), (3..10, None), (3..5, Some(9))] {
            let parts = parts(range.clone(), line);
            assert!(parts.iter().all(|part| part.len() < range.len()));
            assert!(parts.into_iter().rev().flatten().eq(range), "in order");
        }
    }
}
