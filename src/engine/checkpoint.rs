//! What a run has finished for good, so that the next one goes on there: how much of the sink's file counts, which
//! deliveries it holds, and the numbers of the next epoch and row.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redb::{AccessGuard, Database, DatabaseError, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError};

use super::ledger::Memories;
use super::remember::StepMemory;
use crate::data::Memory;
use crate::dataflow::Line;
use crate::disk::Disk;
use crate::source::{Connections, Coverage, Position, Taken};

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
/// A hash a line of the dataflow.
const DATAFLOW: TableDefinition<'_, u64, u64> = TableDefinition::new("dataflow");

const VERSION: u64 = 4;

/// An open checkpoint; no other run can open it meanwhile.
pub struct Checkpoint {
    path: PathBuf,
    database: Database,
    /// Those of this run, once there is progress.
    sessions: Cell<Option<Sessions>>,
}

/// Sessions at a broker, by client id, with what they are subscribed to.
pub type Sessions = BTreeMap<String, String>;

/// Where a run stands: all that is complete is in the sink's file, within its first `length` bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    pub length: u64,
    pub next_epoch: u64,
    pub next_row: u64,
    /// By connection, the number that its next row goes out with.
    pub numbers: Vec<u64>,
}

/// What a checkpoint holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// `None` if nothing was finished.
    pub progress: Option<Progress>,
    /// By the number of the connection.
    pub positions: Vec<Position>,
    pub memories: Vec<StepMemory>,
}

impl Checkpoint {
    /// Opens or creates a checkpoint; what it holds.
    ///
    /// # Errors
    /// A file that is in use or broken, or the checkpoint of another dataflow.
    pub fn open(disk: &dyn Disk, path: &Path, dataflow: &[Line]) -> Result<(Checkpoint, Found), String> {
        let opened = quietly(|| Checkpoint::open_or_create(disk, path, dataflow));
        opened.unwrap_or_else(|| Err(broken(path, &"it is damaged")))
    }

    fn open_or_create(disk: &dyn Disk, path: &Path, dataflow: &[Line]) -> Result<(Checkpoint, Found), String> {
        let fresh = disk.length(path).map_err(|error| broken(path, &error))?.is_none();
        let mut database = create(disk, path).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => format!("{}: another run uses this checkpoint", path.display()),
            error => broken(path, &error),
        })?;
        if !fresh && !database.check_integrity().map_err(|error| broken(path, &error))? {
            return Err(broken(path, &"it is damaged"));
        }
        let checkpoint = Checkpoint { path: path.to_owned(), database, sessions: Cell::new(None) };
        let read =
            if fresh { checkpoint.start(dataflow).map(|()| Ok(Found::default())) } else { checkpoint.read(dataflow) };
        let found = read.map_err(|error| broken(path, &error))??;
        Ok((checkpoint, found))
    }

    /// The sessions that the checkpoint at a path knows, which is about to be removed: none if it cannot be read.
    pub fn former_sessions(disk: &dyn Disk, path: &Path) -> Sessions {
        let read = || read_sessions(&create(disk, path)?);
        quietly(read).and_then(Result::ok).unwrap_or_default()
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
        let write = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            write_sessions(&mut transaction.open_table(SESSIONS)?, known)?;
            Ok(transaction.commit()?)
        };
        self.sessions.set(Some(own));
        write().map_err(|error| format!("{}: {error}", self.path.display()))
    }

    /// Counts a run that begins; how many there have been, with it.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn count_run(&self) -> Result<u64, String> {
        let count = || -> Result<u64, redb::Error> {
            let transaction = self.database.begin_write()?;
            let runs = {
                let mut numbers = transaction.open_table(NUMBERS)?;
                let runs = numbers.get("runs")?.map_or(0, |runs| runs.value()) + 1;
                numbers.insert("runs", runs)?;
                runs
            };
            transaction.commit()?;
            Ok(runs)
        };
        count().map_err(|error| format!("{}: {error}", self.path.display()))
    }

    fn start(&self, dataflow: &[Line]) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            transaction.open_table(DELIVERIES)?;
            transaction.open_table(BEGUN)?;
            transaction.open_table(MEMORIES)?;
            transaction.open_table(NUMBERS)?.insert("version", VERSION)?;
            let mut lines = transaction.open_table(DATAFLOW)?;
            for (place, line) in (0..).zip(dataflow) {
                lines.insert(place, line.hash)?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// The outer error is the file's, the inner one the user's.
    fn read(&self, dataflow: &[Line]) -> Result<Result<Found, String>, redb::Error> {
        let transaction = self.database.begin_read()?;
        let numbers = transaction.open_table(NUMBERS)?;
        let number = |name: &str| Ok::<_, redb::Error>(numbers.get(name)?.map(|number| number.value()));
        let version = number("version")?.unwrap_or(0);
        if version != VERSION {
            let path = self.path.display();
            return Ok(Err(format!(
                "{path}: written as version {version}, and this program reads {VERSION}: end its run with the program \
                 that wrote it, or pass --fresh"
            )));
        }
        let lines = transaction.open_table(DATAFLOW)?;
        let before = lines.iter()?.map(|line| Ok(line?.1.value())).collect::<Result<Vec<u64>, redb::Error>>()?;
        if let Some(what) = Line::difference(dataflow, &before) {
            let path = self.path.display();
            return Ok(Err(format!("{path}: the dataflow has changed since ({what}): take it back, or pass --fresh")));
        }
        let Some(length) = number("length")? else { return Ok(Ok(Found::default())) };
        let (next_epoch, next_row) = (number("next epoch")?.unwrap_or(0), number("next row")?.unwrap_or(0));
        let mut positions: Vec<Position> = Vec::new();
        for entry in transaction.open_table(DELIVERIES)?.iter()? {
            let (key, taken) = entry?;
            let ((connection, place), (packet_id, hash)) = (key.value(), taken.value());
            of(&mut positions, connection).taken.push((place, Taken { packet_id, hash }));
        }
        for entry in transaction.open_table(BEGUN)?.iter()? {
            let (connection, begun) = entry?;
            let (packet_id, hash, rows) = begun.value();
            of(&mut positions, connection.value()).begun = Some((Taken { packet_id, hash }, rows));
        }
        let memories = transaction.open_table(MEMORIES)?;
        let memories = memories.iter()?.map(|entry| {
            let (key, state) = entry?;
            let ((operator, key), state) = (key.value(), state.value().to_vec());
            Ok(StepMemory { operator: operator as usize, memory: Memory { key: key.to_vec(), state } })
        });
        let memories = memories.collect::<Result<Vec<StepMemory>, redb::Error>>()?;
        let found = (0..Connections::MOST).map_while(|connection| number(&next_number(connection)).transpose());
        let numbers = found.collect::<Result<Vec<u64>, redb::Error>>()?;
        let progress = Some(Progress { length, next_epoch, next_row, numbers });
        Ok(Ok(Found { progress, positions, memories }))
    }

    /// Adds what has been finished since: by connection the deliveries that have been taken, and the `memories` that
    /// have changed.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn commit(
        &self,
        progress: &Progress,
        covered: &BTreeMap<usize, Coverage>,
        memories: &Memories,
    ) -> Result<(), String> {
        self.write(progress, covered, memories).map_err(|error| format!("{}: {error}", self.path.display()))
    }

    fn write(
        &self,
        Progress { length, next_epoch, next_row, numbers: next }: &Progress,
        covered: &BTreeMap<usize, Coverage>,
        memories: &Memories,
    ) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            let mut numbers = transaction.open_table(NUMBERS)?;
            for (name, number) in [("length", length), ("next epoch", next_epoch), ("next row", next_row)] {
                numbers.insert(name, number)?;
            }
            for (connection, number) in next.iter().enumerate() {
                numbers.insert(&*next_number(connection), number)?;
            }
            // Where there were more connections before.
            for connection in next.len()..Connections::MOST {
                if numbers.remove(&*next_number(connection))?.is_none() {
                    break;
                }
            }
            let mut deliveries = transaction.open_table(DELIVERIES)?;
            let mut begins = transaction.open_table(BEGUN)?;
            for (connection, Coverage { taken, begun, first, .. }) in covered {
                let connection = *connection as u64;
                for (place, Taken { packet_id, hash }) in taken.iter().filter(|(place, _)| place >= first) {
                    deliveries.insert((connection, *place), (*packet_id, *hash))?;
                }
                deliveries.retain_in((connection, 0)..(connection, *first), |_, _| false)?;
                match begun {
                    Some((of, rows)) => begins.insert(connection, (of.packet_id, of.hash, *rows))?,
                    None => begins.remove(connection)?,
                };
            }
            if let Some(sessions) = self.sessions.take() {
                write_sessions(&mut transaction.open_table(SESSIONS)?, &sessions)?;
            }
            let mut kept = transaction.open_table(MEMORIES)?;
            for ((operator, key), state) in memories {
                let key = (*operator as u64, &key[..]);
                if state.is_empty() {
                    kept.remove(key)?;
                } else {
                    kept.insert(key, &state[..])?;
                }
            }
        }
        Ok(transaction.commit()?)
    }
}

fn read_sessions(database: &Database) -> Result<Sessions, redb::Error> {
    match database.begin_read()?.open_table(SESSIONS) {
        Ok(sessions) => {
            let session = |entry: Result<_, redb::StorageError>| {
                let (id, filter): (AccessGuard<'_, &str>, AccessGuard<'_, &str>) = entry?;
                Ok((id.value().to_owned(), filter.value().to_owned()))
            };
            sessions.iter()?.map(session).collect()
        }
        Err(TableError::TableDoesNotExist(_)) => Ok(Sessions::new()),
        Err(error) => Err(error.into()),
    }
}

fn write_sessions(table: &mut Table<'_, &str, &str>, sessions: &Sessions) -> Result<(), redb::Error> {
    table.retain(|id, _| sessions.contains_key(id))?;
    for (id, filter) in sessions {
        table.insert(&**id, &**filter)?;
    }
    Ok(())
}

/// The name of a connection's next number.
fn next_number(connection: usize) -> String {
    format!("next number of connection {connection}")
}

/// The position of a connection among those that have been found.
fn of(positions: &mut Vec<Position>, connection: u64) -> &mut Position {
    let number = connection.min(Connections::MOST as u64) as usize;
    if positions.len() <= number {
        positions.resize_with(number + 1, Position::default);
    }
    &mut positions[number]
}

/// What `open` gives; `None` where it panics, as redb does on some damaged files.
fn quietly<T>(open: impl FnOnce() -> T) -> Option<T> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let opened = panic::catch_unwind(AssertUnwindSafe(open));
    panic::set_hook(hook);
    opened.ok()
}

/// Opens the file; a run that is just being killed may take a moment to let go of it.
fn create(disk: &dyn Disk, path: &Path) -> Result<Database, DatabaseError> {
    const PATIENCE: Duration = Duration::from_secs(2);
    let since = Instant::now();
    loop {
        match disk.database(path) {
            Err(DatabaseError::DatabaseAlreadyOpen) if since.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            result => return result,
        }
    }
}

fn broken(path: &Path, error: &dyn std::fmt::Display) -> String {
    let path = path.display();
    format!("{path}: the checkpoint cannot be read ({error}): pass --fresh to begin anew without it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Machine;

    fn line(hash: u64) -> Line {
        Line { shown: format!("line {hash}"), hash }
    }

    #[test]
    fn progress_is_found_again_and_only_by_the_same_dataflow() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c");
        let dataflow = [line(1), line(2)];
        let (checkpoint, found) = Checkpoint::open(&Machine, &path, &dataflow).unwrap();
        assert_eq!(found, Found::default());
        assert!(Checkpoint::open(&Machine, &path, &dataflow).err().unwrap().contains("another run"));
        let at = |length| Progress { length, next_epoch: 3, next_row: 7, numbers: vec![3, 0, length] };
        let taken = |packet_id| Taken { packet_id, hash: 9 };
        let covered = |packet_id: u16, begun| {
            let coverage =
                Coverage { delivered: 1, taken: vec![(packet_id.into(), taken(packet_id))], begun, first: 0 };
            BTreeMap::from([(0, coverage.clone()), (2, coverage)])
        };
        let begun = Some((Taken { packet_id: 5, hash: 8 }, 2));
        let memories = |states: [&[u8]; 2]| {
            (0..).zip(states).map(|(key, state)| ((3, vec![key]), state.to_vec())).collect::<Memories>()
        };
        checkpoint.commit(&at(10), &covered(1, begun), &memories([b"a", b"b"])).unwrap();
        let mut later = covered(2, None);
        later.get_mut(&2).unwrap().begun = begun;
        later.get_mut(&0).unwrap().first = 2;
        checkpoint.commit(&at(20), &later, &memories([b"", b"c"])).unwrap();
        drop(checkpoint);
        let (_, found) = Checkpoint::open(&Machine, &path, &dataflow).unwrap();
        let memory = Memory { key: vec![1], state: b"c".to_vec() };
        assert_eq!(found.memories, [StepMemory { operator: 3, memory }]);
        assert_eq!(found.progress, Some(at(20)));
        let first = Position { taken: vec![(2, taken(2))], ..Position::default() };
        let third = Position { taken: vec![(1, taken(1)), (2, taken(2))], begun, ..Position::default() };
        assert_eq!(found.positions, [first, Position::default(), third]);
        let refused = |dataflow: &[Line]| Checkpoint::open(&Machine, &path, dataflow).err().unwrap();
        assert!(refused(&[line(1), line(4)]).contains("line 4"));
        assert!(refused(&[line(1)]).contains("shorter"));
    }

    #[test]
    fn sessions_of_earlier_runs_are_known_until_there_is_progress() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c");
        let sessions = |ids: &[&str]| ids.iter().map(|id| ((*id).to_owned(), format!("{id}/#"))).collect::<Sessions>();
        let (checkpoint, _) = Checkpoint::open(&Machine, &path, &[]).unwrap();
        assert_eq!(checkpoint.sessions().unwrap(), Sessions::new());
        checkpoint.keep_sessions(&sessions(&["a", "b"]), sessions(&["a"])).unwrap();
        drop(checkpoint);
        assert_eq!(Checkpoint::former_sessions(&Machine, &path), sessions(&["a", "b"]));
        let (checkpoint, _) = Checkpoint::open(&Machine, &path, &[]).unwrap();
        checkpoint.keep_sessions(&sessions(&["a", "b"]), sessions(&["a"])).unwrap();
        checkpoint.commit(&Progress::default(), &BTreeMap::new(), &Memories::new()).unwrap();
        assert_eq!(checkpoint.sessions().unwrap(), sessions(&["a"]));
        std::fs::write(directory.path().join("d"), [7; 5000]).unwrap();
        assert_eq!(Checkpoint::former_sessions(&Machine, &directory.path().join("d")), Sessions::new());
    }

    #[test]
    fn a_broken_file_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![7; 5000]).unwrap();
        let error = Checkpoint::open(&Machine, file.path(), &[]).err().unwrap();
        assert!(error.contains("--fresh") && error.contains(file.path().to_str().unwrap()), "{error}");
    }
}
