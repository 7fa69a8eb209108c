//! What a run has finished for good, so that the next one goes on there: how much of the sink's file counts, which
//! deliveries it holds, and the numbers of the next epoch and row.

use std::borrow::Borrow;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{
    AccessGuard, Builder, Database, Key, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition,
    TableHandle, Value, WriteTransaction,
};

use crate::config::{ParsedSettings, UnchangedSettings};
use crate::data::{KeyedState, Schema, fingerprint};
use crate::disk::{Disk, DiskFile};
use crate::runtime::epochs::caught::caught;
use crate::runtime::epochs::checkpoint_file::{self, CheckpointPages};
use crate::runtime::graph::keyed_state::{OperatorState, OperatorStates, TABLES, TOLD};
use crate::sink::FileEnd;
use crate::source::{Connections, DeliveryRange, SourcePosition, TakenPublish};

/// Single numbers, by name.
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
/// By connection and place, packet id and hash of the publishes that may come again, in the order they came.
const DELIVERIES: TableDefinition<'_, (u64, u64), (u16, u64)> = TableDefinition::new("deliveries in order");
/// By connection, the packet id and hash of the publish of which only the first rows are finished, and how many.
const BEGUN: TableDefinition<'_, u64, (u16, u64, u64)> = TableDefinition::new("begun");
/// What steps remember, by the number of the operator and the key.
const MEMORIES: TableDefinition<'_, (u64, &[u8]), &[u8]> = TableDefinition::new("memories");
/// The source's sessions at a broker, by client id, with what they are subscribed to.
const SESSIONS: TableDefinition<'_, &str, &str> = TableDefinition::new("sessions");
/// The dataflow's settings that results depend on, by key.
const DATAFLOW: TableDefinition<'_, &str, &str> = TableDefinition::new("dataflow");
/// Texts, by name.
const TEXTS: TableDefinition<'_, &str, &str> = TableDefinition::new("texts");

/// The number that stands for all others and all that the other tables hold: the sum of a hash an entry.
const SUM: &str = "sum";
/// How much of the file at the path behind it counts, for the changes of a table.
const TABLE_LENGTH: &str = "length of ";
const TABLE_FINGERPRINT: &str = "fingerprint of ";
/// The number of the last commit.
const COMMIT: &str = "commit";

/// An open checkpoint; no other run can open it meanwhile.
pub struct Checkpoint {
    path: PathBuf,
    database: Database,
    /// The same file, for the page before the database; it has the lock.
    file: Arc<dyn DiskFile>,
    /// Those of this run, once there is progress.
    sessions: Cell<Option<Sessions>>,
    /// The dataflow it is to be that of, with what is kept of its memories, once the sink is open.
    migrated: Cell<Option<(ParsedSettings, Vec<OperatorState>)>>,
}

/// Sessions at a broker, by client id, with what they are subscribed to.
pub type Sessions = BTreeMap<String, String>;

/// Where a run stands: all that is complete is in the sink's file, within its first `length` bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    pub length: u64,
    /// Of the bytes before `length`.
    pub fingerprint: u64,
    /// Whether nobody delivers again what the lines behind `length` stand for: they stay.
    pub keeps_tail: bool,
    pub next_epoch: u64,
    pub next_row: u64,
    /// By connection, the number that its next row goes out with.
    pub numbers: Vec<u64>,
    /// By path, where in the files of tables' changes those of what is complete end.
    pub tables: BTreeMap<String, FileEnd>,
}

/// What a checkpoint holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredCheckpoint {
    /// `None` if its run has not opened the sink.
    pub progress: Option<Progress>,
    /// The rows' columns, where they were inferred.
    pub schema: Option<Schema>,
    /// By the number of the connection.
    pub positions: Vec<SourcePosition>,
    pub memories: Vec<OperatorState>,
    /// In words: what becomes of what it held, if it was that of another dataflow.
    pub changes: Vec<String>,
}

/// How a checkpoint that is there is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointOpening {
    /// As that of the same dataflow.
    Resume,
    /// Also as that of another dataflow: what does not fit this one goes.
    Migrate,
    /// Another stands in its place.
    Fresh,
}

impl Checkpoint {
    /// Whether one is there.
    pub fn is_there(disk: &dyn Disk, path: &Path) -> bool {
        checkpoint_file::is_there(disk, path)
    }

    /// Opens or creates a checkpoint; what it holds.
    ///
    /// # Errors
    /// A file that is in use or broken, or the checkpoint of another dataflow.
    pub fn open(
        disk: &dyn Disk,
        path: &Path,
        dataflow: &ParsedSettings,
        manner: CheckpointOpening,
    ) -> Result<(Checkpoint, StoredCheckpoint), String> {
        let fresh = manner == CheckpointOpening::Fresh;
        let shown = |error: std::io::Error| format!("{}: {error}", path.display());
        match checkpoint_file::open(disk, path).map_err(shown)? {
            Some(file) if !fresh => {
                let opened = caught(|| Checkpoint::read_file(path, file.into(), dataflow, manner));
                opened.unwrap_or_else(|| Err(broken(path, &"it is damaged")))
            }
            // What was there stays locked until another stands in its place.
            _replaced => {
                let file = checkpoint_file::begin(disk, path).map_err(shown)?;
                if !fresh && Checkpoint::is_there(disk, path) {
                    return Err(format!("{}: another run has just begun with this checkpoint", path.display()));
                }
                let created = Checkpoint::create(disk, path, file.into(), dataflow);
                Ok((created.map_err(|error| format!("{}: {error}", path.display()))?, StoredCheckpoint::default()))
            }
        }
    }

    fn create(
        disk: &dyn Disk,
        path: &Path,
        file: Arc<dyn DiskFile>,
        dataflow: &ParsedSettings,
    ) -> Result<Checkpoint, redb::Error> {
        let database = Builder::new().create_with_backend(CheckpointPages(file.clone()))?;
        let checkpoint =
            Checkpoint { path: path.to_owned(), database, file, sessions: Cell::new(None), migrated: Cell::new(None) };
        checkpoint.change(|transaction, sum| {
            transaction.open_table(DELIVERIES)?;
            transaction.open_table(BEGUN)?;
            transaction.open_table(MEMORIES)?;
            transaction.open_table(SESSIONS)?;
            transaction.open_table(TEXTS)?;
            transaction.open_table(NUMBERS)?;
            put_dataflow(transaction, dataflow, sum)
        })?;
        checkpoint_file::put_in_place(disk, path, &*checkpoint.file)?;
        Ok(checkpoint)
    }

    fn read_file(
        path: &Path,
        file: Arc<dyn DiskFile>,
        dataflow: &ParsedSettings,
        manner: CheckpointOpening,
    ) -> Result<(Checkpoint, StoredCheckpoint), String> {
        let broken = |error: &dyn std::fmt::Display| broken(path, error);
        if !checkpoint_file::is_of_this_version(&*file) {
            return Err(broken(&"it is damaged, or an earlier version of this program wrote it"));
        }
        let last = checkpoint_file::last_commit(&*file).ok_or_else(|| broken(&"it is damaged"))?;
        checkpoint_file::mend(&*file, last).map_err(|error| broken(&error))?;
        let opened = Builder::new().create_with_backend(CheckpointPages(file.clone()));
        let mut database = opened.map_err(|error| broken(&error))?;
        if !database.check_integrity().map_err(|error| broken(&error))? {
            return Err(broken(&"it is damaged"));
        }
        let checkpoint =
            Checkpoint { path: path.to_owned(), database, file, sessions: Cell::new(None), migrated: Cell::new(None) };
        if !checkpoint.is_whole(last).map_err(|error| broken(&error))? {
            return Err(broken(&"it is damaged: it is not what its last commit has left"));
        }
        let found = checkpoint.read(dataflow, manner).map_err(|error| broken(&error))??;
        Ok((checkpoint, found))
    }

    /// Whether it holds what its last commit has left, and that commit is not older than `last`.
    fn is_whole(&self, last: u64) -> Result<bool, redb::Error> {
        let transaction = self.database.begin_read()?;
        let numbers = transaction.open_table(NUMBERS)?;
        let number = |name: &str| Ok::<_, redb::Error>(numbers.get(name)?.map(|number| number.value()));
        let mut sum = 0_u64;
        for entry in numbers.iter()? {
            let (name, number) = entry?;
            if name.value() != SUM {
                sum = sum.wrapping_add(digest::<&str, u64>(NUMBERS.name(), &name.value(), &number.value()));
            }
        }
        for of_table in [
            sum_of(&transaction, DELIVERIES)?,
            sum_of(&transaction, BEGUN)?,
            sum_of(&transaction, MEMORIES)?,
            sum_of(&transaction, SESSIONS)?,
            sum_of(&transaction, DATAFLOW)?,
            sum_of(&transaction, TEXTS)?,
        ] {
            sum = sum.wrapping_add(of_table);
        }
        Ok(number(SUM)? == Some(sum) && number(COMMIT)?.is_some_and(|commit| commit >= last))
    }

    /// The outer error is the file's, the inner one the user's.
    fn read(
        &self,
        dataflow: &ParsedSettings,
        manner: CheckpointOpening,
    ) -> Result<Result<StoredCheckpoint, String>, redb::Error> {
        let transaction = self.database.begin_read()?;
        let numbers = transaction.open_table(NUMBERS)?;
        let number = |name: &str| Ok::<_, redb::Error>(numbers.get(name)?.map(|number| number.value()));
        let before = read_dataflow(&transaction)?;
        let differences = dataflow.differences(&before);
        if let (Some(key), true) = (differences.first(), manner == CheckpointOpening::Resume) {
            return Ok(Err(format!(
                "{}: the dataflow has changed since ({key}): take it back, pass --migrate to keep progress and results, \
                 or --fresh to begin anew",
                self.path.display()
            )));
        }
        let Some(length) = number("length")? else {
            if !differences.is_empty() {
                self.migrated.set(Some((dataflow.clone(), Vec::new())));
            }
            return Ok(Ok(StoredCheckpoint::default()));
        };
        let (next_epoch, next_row) = (number("next epoch")?.unwrap_or(0), number("next row")?.unwrap_or(0));
        let (fingerprint, keeps_tail) = (number("fingerprint")?.unwrap_or(0), number("keeps tail")? == Some(1));
        let mut positions: Vec<SourcePosition> = Vec::new();
        for entry in transaction.open_table(DELIVERIES)?.iter()? {
            let (key, taken) = entry?;
            let ((connection, place), (packet_id, hash)) = (key.value(), taken.value());
            of(&mut positions, connection).taken.push((place, TakenPublish { packet_id, hash }));
        }
        for entry in transaction.open_table(BEGUN)?.iter()? {
            let (connection, begun) = entry?;
            let (packet_id, hash, rows) = begun.value();
            of(&mut positions, connection.value()).begun = Some((TakenPublish { packet_id, hash }, rows));
        }
        let memories = transaction.open_table(MEMORIES)?;
        let memories = memories.iter()?.map(|entry| {
            let (key, state) = entry?;
            let ((operator, key), state) = (key.value(), state.value().to_vec());
            Ok(OperatorState { operator: operator as usize, memory: KeyedState { key: key.to_vec(), state } })
        });
        let memories = memories.collect::<Result<Vec<OperatorState>, redb::Error>>()?;
        let schema = transaction.open_table(TEXTS)?.get("schema")?.map(|text| text.value().to_owned());
        let schema = match schema.map(|text| serde_json::from_str(&text)).transpose() {
            Ok(schema) => schema,
            Err(error) => return Ok(Err(broken(&self.path, &error))),
        };
        let next = (0..Connections::MOST).map_while(|connection| number(&next_number(connection)).transpose());
        let numbers = next.collect::<Result<Vec<u64>, redb::Error>>()?;
        let tables = read_tables(&transaction)?;
        let progress = Some(Progress { length, fingerprint, keeps_tail, next_epoch, next_row, numbers, tables });
        let found = StoredCheckpoint { progress, schema, positions, memories, changes: Vec::new() };
        if differences.is_empty() {
            return Ok(Ok(found));
        }
        let found = migrated(found, dataflow, &before);
        self.migrated.set(Some((dataflow.clone(), found.memories.clone())));
        Ok(Ok(found))
    }

    /// Adds what has been finished since: by connection the deliveries that have been taken, and the `memories` that
    /// have changed.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn commit(
        &self,
        progress: &Progress,
        covered: &BTreeMap<usize, DeliveryRange>,
        memories: &OperatorStates,
    ) -> Result<(), String> {
        let changed = self.change(|transaction, sum| {
            put_progress(transaction, progress, sum)?;
            put_deliveries(transaction, covered, sum)?;
            if let Some(sessions) = self.sessions.take() {
                put_sessions(transaction, &sessions, sum)?;
            }
            put_memories(transaction, memories, sum)
        });
        changed.map_err(|error| format!("{}: {error}", self.path.display()))
    }

    /// Writes down where a run begins, before it has finished anything, and the columns that were inferred; and that it is
    /// the checkpoint of another dataflow from now on, where that was wished.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn begin(&self, progress: &Progress, inferred: Option<&Schema>) -> Result<(), String> {
        let text = inferred.map(|schema| serde_json::to_string(schema).expect("names and kinds are values"));
        let changed = self.change(|transaction, sum| {
            put_progress(transaction, progress, sum)?;
            if let Some((dataflow, memories)) = self.migrated.take() {
                put_migrated(transaction, &dataflow, memories, sum)?;
            }
            let mut texts = transaction.open_table(TEXTS)?;
            text.map_or(Ok(()), |text| put(&mut texts, "schema", text.as_str(), sum))
        });
        changed.map_err(|error| format!("{}: {error}", self.path.display()))
    }

    /// Counts a run that begins; how many there have been, with it.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn count_run(&self) -> Result<u64, String> {
        let mut runs = 1;
        let counted = self.change(|transaction, sum| {
            let mut numbers = transaction.open_table(NUMBERS)?;
            runs += numbers.get("runs")?.map_or(0, |runs| runs.value());
            put(&mut numbers, "runs", runs, sum)
        });
        counted.map(|()| runs).map_err(|error| format!("{}: {error}", self.path.display()))
    }

    /// The sessions that the checkpoint at a path knows, which is about to be replaced: none if it cannot be read.
    pub fn former_sessions(disk: &dyn Disk, path: &Path) -> Sessions {
        let read = || {
            let file = checkpoint_file::open(disk, path).ok().flatten()?;
            let file = Some(file).filter(|file| checkpoint_file::is_of_this_version(&**file))?;
            read_sessions(&Builder::new().create_with_backend(CheckpointPages(file.into())).ok()?).ok()
        };
        caught(read).flatten().unwrap_or_default()
    }

    /// Sessions of this run and of earlier ones, as far as they have not been ended.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn sessions(&self) -> Result<Sessions, String> {
        read_sessions(&self.database).map_err(|error| broken(&self.path, &error))
    }

    /// Keeps the sessions that are `known`; with the first commit, when the others are ended, only those of this run.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn keep_sessions(&self, known: &Sessions, own: Sessions) -> Result<(), String> {
        self.sessions.set(Some(own));
        let changed = self.change(|transaction, sum| put_sessions(transaction, known, sum));
        changed.map_err(|error| format!("{}: {error}", self.path.display()))
    }

    /// Commits a change, with the sum over all that is held then.
    fn change(
        &self,
        change: impl FnOnce(&WriteTransaction, &mut u64) -> Result<(), redb::Error>,
    ) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        let read = |name: &str| {
            let numbers = transaction.open_table(NUMBERS)?;
            let number = numbers.get(name)?.map_or(0, |number| number.value());
            Ok::<u64, redb::Error>(number)
        };
        let (mut sum, commit) = (read(SUM)?, read(COMMIT)? + 1);
        change(&transaction, &mut sum)?;
        {
            let mut numbers = transaction.open_table(NUMBERS)?;
            put(&mut numbers, COMMIT, commit, &mut sum)?;
            numbers.insert(SUM, sum)?;
        }
        transaction.commit()?;
        Ok(checkpoint_file::tell_commit(&*self.file, commit)?)
    }
}

/// What is found by another dataflow than the one `before`.
fn migrated(found: StoredCheckpoint, now: &ParsedSettings, before: &ParsedSettings) -> StoredCheckpoint {
    let UnchangedSettings { steps, tables, sinks, schema } = now.unchanged(before);
    let place = |operator: usize| match operator {
        // A new file of changes begins with all that its table holds.
        TOLD.. => (tables && sinks.contains(&(operator - TOLD))).then_some(operator),
        TABLES.. => tables.then_some(operator),
        _ => steps.get(&operator).copied(),
    };
    let mut changes = vec![format!("changed: {}", now.differences(before).join(", "))];
    changes.push("stays: progress and results".into());
    let operators: BTreeSet<usize> = found.memories.iter().map(|of| of.operator.min(TABLES)).collect();
    for operator in operators {
        changes.push(match (operator == TABLES, place(operator)) {
            (true, _) if tables => "stays: what the tables hold".into(),
            (true, _) => "goes: what the tables hold; their changes begin with empty tables".into(),
            (false, Some(now)) if now != operator => {
                format!("stays: the state of {}, which is step {now} now", before.step(operator))
            }
            (false, Some(_)) => format!("stays: the state of {}", before.step(operator)),
            (false, None) => format!("goes: the state of {}", before.step(operator)),
        });
    }
    if !schema && found.schema.is_some() {
        changes.push("goes: the inferred schema".into());
    }
    let memories = found.memories.into_iter();
    let memories = memories.filter_map(|of| Some(OperatorState { operator: place(of.operator)?, ..of })).collect();
    StoredCheckpoint { schema: found.schema.filter(|_| schema), memories, changes, ..found }
}

/// Makes it the checkpoint of another dataflow, with what is kept of memories.
fn put_migrated(
    transaction: &WriteTransaction,
    dataflow: &ParsedSettings,
    memories: Vec<OperatorState>,
    sum: &mut u64,
) -> Result<(), redb::Error> {
    let before = read_schema_setting(transaction)?;
    let mut kept = transaction.open_table(MEMORIES)?;
    kept.retain(|key, state| {
        *sum = sum.wrapping_sub(digest::<(u64, &[u8]), &[u8]>(MEMORIES.name(), &key, &state));
        false
    })?;
    for OperatorState { operator, memory } in memories {
        put(&mut kept, (operator as u64, &memory.key[..]), &memory.state[..], sum)?;
    }
    put_dataflow(transaction, dataflow, sum)?;
    if before != read_schema_setting(transaction)? {
        take_out(&mut transaction.open_table(TEXTS)?, "schema", sum)?;
    }
    Ok(())
}

/// What the dataflow says of an inferred schema.
fn read_schema_setting(transaction: &WriteTransaction) -> Result<Option<String>, redb::Error> {
    Ok(transaction.open_table(DATAFLOW)?.get("schema")?.map(|text| text.value().to_owned()))
}

fn put_dataflow(transaction: &WriteTransaction, dataflow: &ParsedSettings, sum: &mut u64) -> Result<(), redb::Error> {
    let mut settings = transaction.open_table(DATAFLOW)?;
    settings.retain(|key, value| {
        *sum = sum.wrapping_sub(digest::<&str, &str>(DATAFLOW.name(), &key, &value));
        false
    })?;
    dataflow.iter().try_for_each(|(key, value)| put(&mut settings, key, value, sum))
}

fn read_dataflow(transaction: &ReadTransaction) -> Result<ParsedSettings, redb::Error> {
    let settings = transaction.open_table(DATAFLOW)?;
    let setting = |entry: Result<_, redb::StorageError>| {
        let (key, value): (AccessGuard<'_, &str>, AccessGuard<'_, &str>) = entry?;
        Ok((key.value().to_owned(), value.value().to_owned()))
    };
    Ok(ParsedSettings::read(settings.iter()?.map(setting).collect::<Result<Vec<_>, redb::Error>>()?))
}

fn put_progress(transaction: &WriteTransaction, progress: &Progress, sum: &mut u64) -> Result<(), redb::Error> {
    let Progress { length, fingerprint, keeps_tail, next_epoch, next_row, numbers: next, tables } = progress;
    let mut numbers = transaction.open_table(NUMBERS)?;
    for (connection, number) in next.iter().enumerate() {
        put(&mut numbers, next_number(connection).as_str(), *number, sum)?;
    }
    // Where there were more connections before.
    for connection in next.len()..Connections::MOST {
        if numbers.get(next_number(connection).as_str())?.is_none() {
            break;
        }
        take_out(&mut numbers, next_number(connection).as_str(), sum)?;
    }
    for (name, number) in [
        ("length", *length),
        ("fingerprint", *fingerprint),
        ("keeps tail", u64::from(*keeps_tail)),
        ("next epoch", *next_epoch),
        ("next row", *next_row),
    ] {
        put(&mut numbers, name, number, sum)?;
    }
    for (path, FileEnd { length, fingerprint }) in tables {
        put(&mut numbers, format!("{TABLE_LENGTH}{path}").as_str(), *length, sum)?;
        put(&mut numbers, format!("{TABLE_FINGERPRINT}{path}").as_str(), *fingerprint, sum)?;
    }
    Ok(())
}

/// By path, where the changes of tables end.
fn read_tables(transaction: &ReadTransaction) -> Result<BTreeMap<String, FileEnd>, redb::Error> {
    let mut tables: BTreeMap<String, FileEnd> = BTreeMap::new();
    for entry in transaction.open_table(NUMBERS)?.iter()? {
        let (name, number) = entry?;
        if let Some(path) = name.value().strip_prefix(TABLE_LENGTH) {
            tables.entry(path.into()).or_default().length = number.value();
        } else if let Some(path) = name.value().strip_prefix(TABLE_FINGERPRINT) {
            tables.entry(path.into()).or_default().fingerprint = number.value();
        }
    }
    Ok(tables)
}

fn put_deliveries(
    transaction: &WriteTransaction,
    covered: &BTreeMap<usize, DeliveryRange>,
    sum: &mut u64,
) -> Result<(), redb::Error> {
    let mut deliveries = transaction.open_table(DELIVERIES)?;
    let mut begins = transaction.open_table(BEGUN)?;
    for (connection, DeliveryRange { taken, begun, first, .. }) in covered {
        let connection = *connection as u64;
        for (place, TakenPublish { packet_id, hash }) in taken.iter().filter(|(place, _)| place >= first) {
            put(&mut deliveries, (connection, *place), (*packet_id, *hash), sum)?;
        }
        deliveries.retain_in((connection, 0)..(connection, *first), |key, value| {
            *sum = sum.wrapping_sub(digest::<(u64, u64), (u16, u64)>(DELIVERIES.name(), &key, &value));
            false
        })?;
        match begun {
            Some((of, rows)) => put(&mut begins, connection, (of.packet_id, of.hash, *rows), sum)?,
            None => take_out(&mut begins, connection, sum)?,
        }
    }
    Ok(())
}

fn read_sessions(database: &Database) -> Result<Sessions, redb::Error> {
    let sessions = database.begin_read()?.open_table(SESSIONS)?;
    let session = |entry: Result<_, redb::StorageError>| {
        let (id, filter): (AccessGuard<'_, &str>, AccessGuard<'_, &str>) = entry?;
        Ok((id.value().to_owned(), filter.value().to_owned()))
    };
    sessions.iter()?.map(session).collect()
}

fn put_sessions(transaction: &WriteTransaction, sessions: &Sessions, sum: &mut u64) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(SESSIONS)?;
    table.retain(|id, filter| {
        let stays = sessions.contains_key(id);
        if !stays {
            *sum = sum.wrapping_sub(digest::<&str, &str>(SESSIONS.name(), &id, &filter));
        }
        stays
    })?;
    sessions.iter().try_for_each(|(id, filter)| put(&mut table, id.as_str(), filter.as_str(), sum))
}

fn put_memories(transaction: &WriteTransaction, memories: &OperatorStates, sum: &mut u64) -> Result<(), redb::Error> {
    let mut kept = transaction.open_table(MEMORIES)?;
    for ((operator, key), state) in memories {
        let key = (*operator as u64, &key[..]);
        if state.is_empty() {
            take_out(&mut kept, key, sum)?;
        } else {
            put(&mut kept, key, &state[..], sum)?;
        }
    }
    Ok(())
}

/// The name of a connection's next number.
fn next_number(connection: usize) -> String {
    format!("next number of connection {connection}")
}

/// Puts an entry into a table, and its hash into the sum, in place of the one before it.
fn put<'k, 'v, K: Key + 'static, V: Value + 'static>(
    table: &mut Table<'_, K, V>,
    key: impl Borrow<K::SelfType<'k>>,
    value: impl Borrow<V::SelfType<'v>>,
    sum: &mut u64,
) -> Result<(), redb::Error> {
    let name = table.name().to_owned();
    *sum = sum.wrapping_add(digest::<K, V>(&name, key.borrow(), value.borrow()));
    if let Some(before) = table.insert(key.borrow(), value.borrow())? {
        *sum = sum.wrapping_sub(digest::<K, V>(&name, key.borrow(), &before.value()));
    }
    Ok(())
}

/// Takes an entry out of a table, and its hash out of the sum.
fn take_out<'k, K: Key + 'static, V: Value + 'static>(
    table: &mut Table<'_, K, V>,
    key: impl Borrow<K::SelfType<'k>>,
    sum: &mut u64,
) -> Result<(), redb::Error> {
    let name = table.name().to_owned();
    if let Some(before) = table.remove(key.borrow())? {
        *sum = sum.wrapping_sub(digest::<K, V>(&name, key.borrow(), &before.value()));
    }
    Ok(())
}

fn sum_of<K: Key + 'static, V: Value + 'static>(
    transaction: &ReadTransaction,
    definition: TableDefinition<'_, K, V>,
) -> Result<u64, redb::Error> {
    let mut sum = 0_u64;
    for entry in transaction.open_table(definition)?.iter()? {
        let (key, value) = entry?;
        sum = sum.wrapping_add(digest::<K, V>(definition.name(), &key.value(), &value.value()));
    }
    Ok(sum)
}

/// A hash of an entry.
fn digest<K: Key, V: Value>(table: &str, key: &K::SelfType<'_>, value: &V::SelfType<'_>) -> u64 {
    let (key, value) = (K::as_bytes(key), V::as_bytes(value));
    let (key, value) = (key.as_ref(), value.as_ref());
    let lengths = [table.len(), key.len()].map(|length| (length as u64).to_le_bytes()).concat();
    fingerprint(&[&lengths, table.as_bytes(), key, value].concat()) as u64
}

/// The position of a connection among those that have been found.
fn of(positions: &mut Vec<SourcePosition>, connection: u64) -> &mut SourcePosition {
    let number = connection.min(Connections::MOST as u64) as usize;
    if positions.len() <= number {
        positions.resize_with(number + 1, SourcePosition::default);
    }
    &mut positions[number]
}

fn broken(path: &Path, error: &dyn std::fmt::Display) -> String {
    let path = path.display();
    format!("{path}: the checkpoint cannot be read ({error}): pass --fresh to begin anew without it")
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use crate::disk::OsDisk;

    use super::*;

    /// A dataflow that says these values.
    fn saying(values: &[u64]) -> ParsedSettings {
        ParsedSettings::read((0..).zip(values).map(|(key, value): (u64, _)| (format!("key {key}"), value.to_string())))
    }

    #[test]
    fn progress_is_found_again_and_only_by_the_same_dataflow() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c");
        let dataflow = saying(&[1, 2]);
        let (checkpoint, found) = Checkpoint::open(&OsDisk, &path, &dataflow, CheckpointOpening::Resume).unwrap();
        assert_eq!(found, StoredCheckpoint::default());
        let other = format!("process {}", std::process::id());
        for manner in [CheckpointOpening::Resume, CheckpointOpening::Fresh] {
            assert!(Checkpoint::open(&OsDisk, &path, &dataflow, manner).err().unwrap().contains(&other));
        }
        let at = |length| Progress {
            length,
            fingerprint: 4,
            keeps_tail: length == 20,
            next_epoch: 3,
            next_row: 7,
            numbers: vec![3, 0, length],
            tables: [("t.ndjson".to_owned(), FileEnd { length, fingerprint: 6 })].into(),
        };
        let taken = |packet_id| TakenPublish { packet_id, hash: 9 };
        let covered = |packet_id: u16, begun| {
            let coverage =
                DeliveryRange { delivered: 1, taken: vec![(packet_id.into(), taken(packet_id))], begun, first: 0 };
            BTreeMap::from([(0, coverage.clone()), (2, coverage)])
        };
        let begun = Some((TakenPublish { packet_id: 5, hash: 8 }, 2));
        let memories = |states: [&[u8]; 2]| {
            (0..).zip(states).map(|(key, state)| ((3, vec![key]), state.to_vec())).collect::<OperatorStates>()
        };
        let schema = Schema::new([("x", crate::data::Kind::Number), ("t", crate::data::Kind::Text)]);
        checkpoint.begin(&at(5), Some(&schema)).unwrap();
        checkpoint.commit(&at(10), &covered(1, begun), &memories([b"a", b"b"])).unwrap();
        let mut later = covered(2, None);
        later.get_mut(&2).unwrap().begun = begun;
        later.get_mut(&0).unwrap().first = 2;
        checkpoint.commit(&at(20), &later, &memories([b"", b"c"])).unwrap();
        drop(checkpoint);
        let (checkpoint, found) = Checkpoint::open(&OsDisk, &path, &dataflow, CheckpointOpening::Resume).unwrap();
        let memory = KeyedState { key: vec![1], state: b"c".to_vec() };
        assert_eq!(found.memories, [OperatorState { operator: 3, memory }]);
        assert_eq!((found.progress, found.schema), (Some(at(20)), Some(schema)));
        let first = SourcePosition { taken: vec![(2, taken(2))], ..SourcePosition::default() };
        let third = SourcePosition { taken: vec![(1, taken(1)), (2, taken(2))], begun, ..SourcePosition::default() };
        assert_eq!(found.positions, [first, SourcePosition::default(), third]);
        drop(checkpoint);
        let refused = |dataflow: &ParsedSettings| {
            Checkpoint::open(&OsDisk, &path, dataflow, CheckpointOpening::Resume).err().unwrap()
        };
        assert!(refused(&saying(&[1, 4])).contains("(key 1)"));
        assert!(refused(&saying(&[1])).contains("(key 1)"));
        let (_, found) = Checkpoint::open(&OsDisk, &path, &saying(&[1]), CheckpointOpening::Fresh).unwrap();
        assert_eq!(found, StoredCheckpoint::default());
    }

    #[test]
    fn sessions_of_earlier_runs_are_known_until_there_is_progress() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c");
        let sessions = |ids: &[&str]| ids.iter().map(|id| ((*id).to_owned(), format!("{id}/#"))).collect::<Sessions>();
        let (checkpoint, _) = Checkpoint::open(&OsDisk, &path, &saying(&[]), CheckpointOpening::Resume).unwrap();
        assert_eq!(checkpoint.sessions().unwrap(), Sessions::new());
        checkpoint.keep_sessions(&sessions(&["a", "b"]), sessions(&["a"])).unwrap();
        drop(checkpoint);
        assert_eq!(Checkpoint::former_sessions(&OsDisk, &path), sessions(&["a", "b"]));
        let (checkpoint, _) = Checkpoint::open(&OsDisk, &path, &saying(&[]), CheckpointOpening::Resume).unwrap();
        checkpoint.keep_sessions(&sessions(&["a", "b"]), sessions(&["a"])).unwrap();
        checkpoint.begin(&Progress::default(), None).unwrap();
        assert_eq!(checkpoint.sessions().unwrap(), sessions(&["a", "b"]));
        checkpoint.commit(&Progress::default(), &BTreeMap::new(), &OperatorStates::new()).unwrap();
        assert_eq!(checkpoint.sessions().unwrap(), sessions(&["a"]));
        std::fs::write(directory.path().join("d"), [7; 5000]).unwrap();
        assert_eq!(Checkpoint::former_sessions(&OsDisk, &directory.path().join("d")), Sessions::new());
    }

    #[test]
    fn a_broken_file_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![7; 5000]).unwrap();
        let error = Checkpoint::open(&OsDisk, file.path(), &saying(&[]), CheckpointOpening::Resume).err().unwrap();
        assert!(error.contains("--fresh") && error.contains(file.path().to_str().unwrap()), "{error}");
    }

    #[test]
    fn what_a_run_leaves_that_is_killed_while_it_makes_one_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c");
        let commit = |checkpoint: &Checkpoint| {
            checkpoint
                .commit(&Progress { length: 5, ..Progress::default() }, &BTreeMap::new(), &OperatorStates::new())
                .unwrap();
        };
        // However far it came: the file itself appears as a whole.
        drop(Checkpoint::open(&OsDisk, &path, &saying(&[1]), CheckpointOpening::Resume).unwrap());
        let whole = std::fs::read(&path).unwrap();
        for length in [0, 1, 100, 4096, 5000, whole.len()] {
            std::fs::remove_file(&path).unwrap();
            std::fs::write(checkpoint_file::aside(&path), &whole[..length]).unwrap();
            let (checkpoint, found) =
                Checkpoint::open(&OsDisk, &path, &saying(&[2]), CheckpointOpening::Resume).unwrap();
            assert_eq!(found, StoredCheckpoint::default());
            commit(&checkpoint);
            assert!(!checkpoint_file::aside(&path).exists());
        }
        std::fs::write(&path, "").unwrap();
        assert!(!Checkpoint::is_there(&OsDisk, &path));
        assert_eq!(
            Checkpoint::open(&OsDisk, &path, &saying(&[3]), CheckpointOpening::Resume).unwrap().1,
            StoredCheckpoint::default()
        );
    }

    /// What was acknowledged must never be cut off the results: less is not found without a word.
    #[test]
    fn a_damaged_one_is_refused_or_says_what_it_said() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c");
        let dataflow = saying(&[1]);
        let (checkpoint, _) = Checkpoint::open(&OsDisk, &path, &dataflow, CheckpointOpening::Resume).unwrap();
        for length in 1..=40 {
            let progress = Progress { length, next_epoch: length, ..Progress::default() };
            let memories = OperatorStates::from([((1, vec![length as u8 % 7]), vec![length as u8; 30])]);
            checkpoint.commit(&progress, &BTreeMap::new(), &memories).unwrap();
        }
        drop(checkpoint);
        let (checkpoint, whole) = Checkpoint::open(&OsDisk, &path, &dataflow, CheckpointOpening::Resume).unwrap();
        drop(checkpoint);
        let bytes = std::fs::read(&path).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(28);
        let (mut refused, mut all) = (0, 0);
        // The first pages of the file and of the database hold what tells which commit is the last.
        let places = (0..20).chain(510..530).chain(1022..1042).chain((4096..4096 + 330).step_by(3));
        let scattered: Vec<usize> = (0..100).map(|_| random.random_range(0..bytes.len())).collect();
        for place in places.chain(scattered) {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1 << random.random_range(0..8);
            std::fs::write(&path, damaged).unwrap();
            all += 1;
            match Checkpoint::open(&OsDisk, &path, &dataflow, CheckpointOpening::Resume) {
                Err(error) => {
                    assert!(error.contains("--fresh"), "{error}");
                    refused += 1;
                }
                Ok((_, found)) => assert_eq!(found, whole, "byte {place}"),
            }
        }
        assert!(refused > 20 && refused < all, "{refused} of {all}");
    }

    /// An earlier state of the database is whole in itself.
    #[test]
    fn one_that_was_set_back_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c");
        let commit = |length| {
            let (checkpoint, _) = Checkpoint::open(&OsDisk, &path, &saying(&[]), CheckpointOpening::Resume).unwrap();
            let progress = Progress { length, ..Progress::default() };
            checkpoint.commit(&progress, &BTreeMap::new(), &OperatorStates::new()).unwrap();
            drop(checkpoint);
            std::fs::read(&path).unwrap()
        };
        let (earlier, later) = (commit(10), commit(20));
        std::fs::write(&path, [&later[..4096], &earlier[4096..]].concat()).unwrap();
        assert!(
            Checkpoint::open(&OsDisk, &path, &saying(&[]), CheckpointOpening::Resume)
                .err()
                .unwrap()
                .contains("damaged")
        );
    }
}
