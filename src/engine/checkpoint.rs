//! What a run has finished for good, so that the next one goes on there: how much of the sink's file counts, which
//! deliveries it holds, and the numbers of the next epoch and row.

use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};

use super::ledger::Memories;
use super::remember::StepMemory;
use crate::data::Memory;
use crate::dataflow::Line;
use crate::source::{Position, Taken};

/// Single numbers, by name.
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
/// By packet id, the hash of the publish that had it last.
const DELIVERIES: TableDefinition<'_, u16, u64> = TableDefinition::new("deliveries");
/// What steps remember, by the number of the operator and the key.
const MEMORIES: TableDefinition<'_, (u64, &[u8]), &[u8]> = TableDefinition::new("memories");
/// A hash a line of the dataflow.
const DATAFLOW: TableDefinition<'_, u64, u64> = TableDefinition::new("dataflow");

const VERSION: u64 = 2;

/// An open checkpoint; no other run can open it meanwhile.
pub struct Checkpoint {
    path: PathBuf,
    database: Database,
}

/// Where a run stands: all that is complete is in the sink's file, within its first `length` bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    pub length: u64,
    pub position: Position,
}

/// What a checkpoint holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// `None` if nothing was finished.
    pub progress: Option<Progress>,
    pub memories: Vec<StepMemory>,
}

impl Checkpoint {
    /// Opens or creates a checkpoint; what it holds.
    ///
    /// # Errors
    /// A file that is in use or broken, or the checkpoint of another dataflow.
    pub fn open(path: &Path, dataflow: &[Line]) -> Result<(Checkpoint, Found), String> {
        let opened = quietly(|| Checkpoint::open_or_create(path, dataflow));
        opened.unwrap_or_else(|| Err(broken(path, &"it is damaged")))
    }

    fn open_or_create(path: &Path, dataflow: &[Line]) -> Result<(Checkpoint, Found), String> {
        let fresh = !path.exists();
        let mut database = create(path).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => format!("{}: another run uses this checkpoint", path.display()),
            error => broken(path, &error),
        })?;
        if !fresh && !database.check_integrity().map_err(|error| broken(path, &error))? {
            return Err(broken(path, &"it is damaged"));
        }
        let checkpoint = Checkpoint { path: path.to_owned(), database };
        let read =
            if fresh { checkpoint.start(dataflow).map(|()| Ok(Found::default())) } else { checkpoint.read(dataflow) };
        let found = read.map_err(|error| broken(path, &error))??;
        Ok((checkpoint, found))
    }

    fn start(&self, dataflow: &[Line]) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            transaction.open_table(DELIVERIES)?;
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
            return Ok(Err(format!("{path}: written as version {version}; this program reads {VERSION}")));
        }
        let lines = transaction.open_table(DATAFLOW)?;
        let before = lines.iter()?.map(|line| Ok(line?.1.value())).collect::<Result<Vec<u64>, redb::Error>>()?;
        if let Some(what) = Line::difference(dataflow, &before) {
            let path = self.path.display();
            return Ok(Err(format!("{path}: the dataflow has changed since ({what}): take it back, or pass --fresh")));
        }
        let Some(length) = number("length")? else { return Ok(Ok(Found::default())) };
        let deliveries = transaction.open_table(DELIVERIES)?;
        let taken = |entry: Result<(redb::AccessGuard<'_, u16>, redb::AccessGuard<'_, u64>), redb::StorageError>| {
            let (packet_id, hash) = entry?;
            Ok(Taken { packet_id: packet_id.value(), hash: hash.value() })
        };
        let taken = deliveries.iter()?.map(taken).collect::<Result<Vec<Taken>, redb::Error>>()?;
        let begun = match (number("begun rows")?, number("begun packet id")?, number("begun hash")?) {
            (Some(rows), Some(packet_id), Some(hash)) if rows > 0 => {
                Some((Taken { packet_id: packet_id as u16, hash }, rows))
            }
            _ => None,
        };
        let next = (number("next epoch")?.unwrap_or(0), number("next row")?.unwrap_or(0));
        let position = Position { next_epoch: next.0, next_row: next.1, taken, begun };
        let memories = transaction.open_table(MEMORIES)?;
        let memories = memories.iter()?.map(|entry| {
            let (key, state) = entry?;
            let ((operator, key), state) = (key.value(), state.value().to_vec());
            Ok(StepMemory { operator: operator as usize, memory: Memory { key: key.to_vec(), state } })
        });
        let memories = memories.collect::<Result<Vec<StepMemory>, redb::Error>>()?;
        Ok(Ok(Found { progress: Some(Progress { length, position }), memories }))
    }

    /// Adds what has been finished since; `progress.position.taken` names the new deliveries only, and `memories` what
    /// has changed.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn commit(&self, progress: &Progress, memories: &Memories) -> Result<(), String> {
        self.write(progress, memories).map_err(|error| format!("{}: {error}", self.path.display()))
    }

    fn write(&self, Progress { length, position }: &Progress, memories: &Memories) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            let mut numbers = transaction.open_table(NUMBERS)?;
            let (begun, rows) = position.begun.unwrap_or_default();
            for (name, number) in [
                ("length", *length),
                ("next epoch", position.next_epoch),
                ("next row", position.next_row),
                ("begun rows", rows),
                ("begun packet id", begun.packet_id.into()),
                ("begun hash", begun.hash),
            ] {
                numbers.insert(name, number)?;
            }
            let mut deliveries = transaction.open_table(DELIVERIES)?;
            for Taken { packet_id, hash } in &position.taken {
                deliveries.insert(packet_id, hash)?;
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

/// What `open` gives; `None` where it panics, as redb does on some damaged files.
fn quietly<T>(open: impl FnOnce() -> T) -> Option<T> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let opened = panic::catch_unwind(AssertUnwindSafe(open));
    panic::set_hook(hook);
    opened.ok()
}

/// Opens the file; a run that is just being killed may take a moment to let go of it.
fn create(path: &Path) -> Result<Database, DatabaseError> {
    const PATIENCE: Duration = Duration::from_secs(2);
    let since = Instant::now();
    loop {
        match Database::create(path) {
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

    fn line(hash: u64) -> Line {
        Line { shown: format!("line {hash}"), hash }
    }

    #[test]
    fn progress_is_found_again_and_only_by_the_same_dataflow() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c");
        let dataflow = [line(1), line(2)];
        let (checkpoint, found) = Checkpoint::open(&path, &dataflow).unwrap();
        assert_eq!(found, Found::default());
        assert!(Checkpoint::open(&path, &dataflow).err().unwrap().contains("another run"));
        let at = |length, packet_id| Progress {
            length,
            position: Position {
                next_epoch: 3,
                next_row: 7,
                taken: vec![Taken { packet_id, hash: 9 }],
                begun: Some((Taken { packet_id: 5, hash: 8 }, 2)),
            },
        };
        let memories = |states: [&[u8]; 2]| {
            (0..).zip(states).map(|(key, state)| ((3, vec![key]), state.to_vec())).collect::<Memories>()
        };
        checkpoint.commit(&at(10, 1), &memories([b"a", b"b"])).unwrap();
        checkpoint.commit(&at(20, 2), &memories([b"", b"c"])).unwrap();
        drop(checkpoint);
        let (_, found) = Checkpoint::open(&path, &dataflow).unwrap();
        let memory = Memory { key: vec![1], state: b"c".to_vec() };
        assert_eq!(found.memories, [StepMemory { operator: 3, memory }]);
        let mut expected = at(20, 1);
        expected.position.taken.push(Taken { packet_id: 2, hash: 9 });
        assert_eq!(found.progress, Some(expected));
        let refused = |dataflow: &[Line]| Checkpoint::open(&path, dataflow).err().unwrap();
        assert!(refused(&[line(1), line(4)]).contains("line 4"));
        assert!(refused(&[line(1)]).contains("shorter"));
    }

    #[test]
    fn a_broken_file_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![7; 5000]).unwrap();
        let error = Checkpoint::open(file.path(), &[]).err().unwrap();
        assert!(error.contains("--fresh") && error.contains(file.path().to_str().unwrap()), "{error}");
    }
}
