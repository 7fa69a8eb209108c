//! What is durable of a run, so that the next one resumes there: how much of the sinks' files counts, which deliveries
//! it covers, and the numbers of the next epoch and row.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Builder, Database, ReadableDatabase, ReadableTable, TableHandle, WriteTransaction};

use crate::config::ParsedSettings;
use crate::data::{EdgeNodeState, KeyedState, Schema};
use crate::disk::{Disk, DiskFile};
use crate::runtime::epochs::caught::caught;
use crate::runtime::epochs::checkpoint_file::{self, CheckpointPages};
use crate::runtime::epochs::checkpoint_tables::{
    BEGUN, COMMIT, DATAFLOW, DELIVERIES, NUMBERS, PARTIAL_ROWS, SESSIONS, STATES, SUM, TEXTS, digest, edge_node,
    forget_station_clocks, next_number, put, put_dataflow, put_deliveries, put_edge_nodes, put_partial_rows,
    put_progress, put_sessions, put_states, put_station_clocks, read_dataflow, read_files, read_sessions,
    station_clock, sum_of,
};
use crate::runtime::epochs::migration::{migrated, put_migrated};
use crate::runtime::epochs::stored::{Progress, Sessions, StoredCheckpoint};
use crate::runtime::graph::operator_state::{OperatorState, OperatorStates};
use crate::source::{Connections, DeliveryRange, SourcePosition, TakenPublish};

/// An open checkpoint, locked against other runs.
pub struct Checkpoint {
    path: PathBuf,
    database: Database,
    /// The same file, for the header page before the database; it holds the lock.
    file: Arc<dyn DiskFile>,
    /// The sessions of this run, stored with its first commit.
    sessions: Cell<Option<Sessions>>,
    /// The dataflow it is migrated to, with the states that are kept; stored once the sink is open.
    migrated: Cell<Option<(ParsedSettings, Vec<OperatorState>)>>,
}

/// How an existing checkpoint is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointOpening {
    /// By the same dataflow only.
    Resume,
    /// Also by a changed dataflow: what does not fit it is discarded.
    Migrate,
    /// It is replaced by an empty one.
    Fresh,
}

impl Checkpoint {
    /// Whether the file exists and is not empty.
    pub fn is_there(disk: &dyn Disk, path: &Path) -> bool {
        checkpoint_file::is_there(disk, path)
    }

    /// Opens or creates a checkpoint, and returns what it holds.
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
            // The old file stays locked until the new one has replaced it.
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
            transaction.open_table(STATES)?;
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

    /// Whether its checksum holds, and its last commit is not older than `last`.
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
            sum_of(&transaction, STATES)?,
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
        if dataflow.has_other_sources(&before) {
            return Ok(Err(format!(
                "{}: progress is kept by the places of several sources, and these have changed: take it back, or pass \
                 --fresh to begin anew",
                self.path.display()
            )));
        }
        let Some(next_epoch) = number("next epoch")? else {
            if !differences.is_empty() {
                self.migrated.set(Some((dataflow.clone(), Vec::new())));
            }
            return Ok(Ok(StoredCheckpoint::default()));
        };
        let (next_row, keeps_tail) = (number("next row")?.unwrap_or(0), number("keeps tail")? == Some(1));
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
        let mut edge_nodes: BTreeMap<(u64, String), EdgeNodeState> = BTreeMap::new();
        for entry in transaction.open_table(TEXTS)?.iter()? {
            let (name, text) = entry?;
            match edge_node(name.value(), text.value()) {
                None => {}
                Some(Ok((connection, state))) => {
                    edge_nodes.entry((connection, state.id.clone())).or_default().extend(state);
                    continue;
                }
                Some(Err(error)) => return Ok(Err(broken(&self.path, &error))),
            }
            match station_clock(name.value(), text.value()) {
                None => {}
                Some(Ok((connection, clock))) => {
                    of(&mut positions, connection).station_clocks.push(clock);
                    continue;
                }
                Some(Err(error)) => return Ok(Err(broken(&self.path, &error))),
            }
            let Some(Ok(connection)) = name.value().strip_prefix(PARTIAL_ROWS).map(str::parse) else { continue };
            match serde_json::from_str(text.value()) {
                Ok(rows) => of(&mut positions, connection).partial = rows,
                Err(error) => return Ok(Err(broken(&self.path, &error))),
            }
        }
        for ((connection, id), state) in edge_nodes {
            of(&mut positions, connection).edge_nodes.push(EdgeNodeState { id, ..state });
        }
        let states = transaction.open_table(STATES)?;
        let states = states.iter()?.map(|entry| {
            let (key, state) = entry?;
            let ((operator, key), state) = (key.value(), state.value().to_vec());
            Ok(OperatorState { operator: operator as usize, keyed: KeyedState { key: key.to_vec(), state } })
        });
        let states = states.collect::<Result<Vec<OperatorState>, redb::Error>>()?;
        let schema = transaction.open_table(TEXTS)?.get("schema")?.map(|text| text.value().to_owned());
        let schema = match schema.map(|text| serde_json::from_str(&text)).transpose() {
            Ok(schema) => schema,
            Err(error) => return Ok(Err(broken(&self.path, &error))),
        };
        let next = (0..Connections::MOST).map_while(|connection| number(&next_number(connection)).transpose());
        let numbers = next.collect::<Result<Vec<u64>, redb::Error>>()?;
        let files = read_files(&transaction, before.sinks().into_iter().next())?;
        let transactions = number("transactions")?;
        let progress = Some(Progress { keeps_tail, next_epoch, next_row, numbers, files, transactions });
        let followed = dataflow.followed_differences(&before).into_iter();
        let changes = followed
            .map(|step| format!("{step} has other params than before, which serve from message {next_epoch} on"));
        let found = StoredCheckpoint { progress, schema, positions, states, changes: changes.collect() };
        if differences.is_empty() {
            return Ok(Ok(found));
        }
        let found = migrated(found, dataflow, &before);
        self.migrated.set(Some((dataflow.clone(), found.states.clone())));
        Ok(Ok(found))
    }

    /// Commits what has become complete since the last commit: by connection the deliveries, and the changed `states`.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn commit(
        &self,
        progress: &Progress,
        covered: &BTreeMap<usize, DeliveryRange>,
        states: &OperatorStates,
    ) -> Result<(), String> {
        let changed = self.change(|transaction, sum| {
            put_progress(transaction, progress, sum)?;
            put_deliveries(transaction, covered, sum)?;
            put_partial_rows(transaction, covered, progress.numbers.len(), sum)?;
            put_edge_nodes(transaction, covered, sum)?;
            put_station_clocks(transaction, covered, sum)?;
            if let Some(sessions) = self.sessions.take() {
                put_sessions(transaction, &sessions, sum)?;
            }
            put_states(transaction, states, sum)
        });
        changed.map_err(|error| format!("{}: {error}", self.path.display()))
    }

    /// Commits where a run begins, before it has finished anything, with the inferred columns; and, after a migration,
    /// the dataflow that it belongs to from now on.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn begin(&self, progress: &Progress, inferred: Option<&Schema>) -> Result<(), String> {
        let text = inferred.map(|schema| serde_json::to_string(schema).expect("names and kinds are values"));
        let changed = self.change(|transaction, sum| {
            put_progress(transaction, progress, sum)?;
            forget_station_clocks(transaction, sum)?;
            if let Some((dataflow, states)) = self.migrated.take() {
                put_migrated(transaction, &dataflow, states, sum)?;
            }
            let mut texts = transaction.open_table(TEXTS)?;
            text.map_or(Ok(()), |text| put(&mut texts, "schema", text.as_str(), sum))
        });
        changed.map_err(|error| format!("{}: {error}", self.path.display()))
    }

    /// Commits the settings that the dataflow has from now on.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn adopt(&self, dataflow: &ParsedSettings) -> Result<(), String> {
        let changed = self.change(|transaction, sum| put_dataflow(transaction, dataflow, sum));
        changed.map_err(|error| format!("{}: {error}", self.path.display()))
    }

    /// Counts this run; returns its number, from 1.
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

    /// The sessions of a checkpoint that is about to be replaced; none if it cannot be read.
    pub fn former_sessions(disk: &dyn Disk, path: &Path) -> Sessions {
        let read = || {
            let file = checkpoint_file::open(disk, path).ok().flatten()?;
            let file = Some(file).filter(|file| checkpoint_file::is_of_this_version(&**file))?;
            read_sessions(&Builder::new().create_with_backend(CheckpointPages(file.into())).ok()?).ok()
        };
        caught(read).flatten().unwrap_or_default()
    }

    /// The sessions of this run and of earlier ones that have not been ended.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn sessions(&self) -> Result<Sessions, String> {
        read_sessions(&self.database).map_err(|error| broken(&self.path, &error))
    }

    /// Stores the `known` sessions; from the first commit on, when the others are ended, only this run's `own`.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn keep_sessions(&self, known: &Sessions, own: Sessions) -> Result<(), String> {
        self.sessions.set(Some(own));
        let changed = self.change(|transaction, sum| put_sessions(transaction, known, sum));
        changed.map_err(|error| format!("{}: {error}", self.path.display()))
    }

    /// Commits a change together with the checksum over all entries.
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

/// The position of a connection; the vector grows as needed.
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

    use crate::data::{BirthCertificates, BornMetric, StationClock};
    use crate::disk::OsDisk;
    use crate::sink::FileEnd;

    use super::*;

    /// A dataflow with these values.
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
            keeps_tail: length == 20,
            next_epoch: 3,
            next_row: 7,
            numbers: vec![3, 0, length],
            files: ["t.ndjson", "out.csv"].map(|path| (path.to_owned(), FileEnd { length, fingerprint: 6 })).into(),
            transactions: None,
        };
        let taken = |packet_id| TakenPublish { packet_id, hash: 9 };
        let covered = |packet_id: u16, begun| {
            let delivery_range = DeliveryRange {
                delivered: 1,
                taken: vec![(packet_id.into(), taken(packet_id))],
                begun,
                ..DeliveryRange::default()
            };
            BTreeMap::from([(0, delivery_range.clone()), (2, delivery_range)])
        };
        let begun = Some((TakenPublish { packet_id: 5, hash: 8 }, 2));
        let states = |states: [&[u8]; 2]| {
            (0..).zip(states).map(|(key, state)| ((3, vec![key]), state.to_vec())).collect::<OperatorStates>()
        };
        let schema = Schema::new([("x", crate::data::Kind::Number), ("t", crate::data::Kind::Text)]);
        checkpoint.begin(&at(5), Some(&schema)).unwrap();
        checkpoint.commit(&at(10), &covered(1, begun), &states([b"a", b"b"])).unwrap();
        let mut later = covered(2, None);
        later.get_mut(&2).unwrap().begun = begun;
        later.get_mut(&0).unwrap().first = 2;
        let node = |id: &str, sequence, certificates| EdgeNodeState { id: id.into(), sequence, certificates };
        let metric = |name: &str| BornMetric { name: name.into(), alias: Some(1), datatype: 9 };
        let born = |name| {
            Some(Arc::new(BirthCertificates { session: Some(4), metrics: [("d".into(), vec![metric(name)])].into() }))
        };
        let said =
            vec![node("g/a b", Some(1), born("x")), node("g/c", Some(7), born("y")), node("g/a b", Some(2), None)];
        later.get_mut(&0).unwrap().edge_nodes = said;
        let last = StationClock::new("w/a b".into(), Some("c\nd".into()), "2016-10-30T02:30:00".parse().unwrap());
        let last = StationClock { twice: true, steps: [Some(600), None, None, None], since_equal: Some(2), ..last };
        let clock = |second| StationClock { second, ..last.clone() };
        let named = |clocks: Vec<StationClock>| clocks.into_iter().map(|clock| (clock.station(), clock)).collect();
        let earlier = StationClock { topic: "x".into(), local: "2016-03-27T02:30:00".parse().unwrap(), ..clock(false) };
        let keyless = StationClock { key: None, ..clock(false) };
        later.get_mut(&0).unwrap().station_clocks = named(vec![clock(false), keyless.clone(), earlier]);
        checkpoint.commit(&at(15), &later, &states([b"a", b"b"])).unwrap();
        let gone = node("g/c", None, Some(Arc::default()));
        later.get_mut(&0).unwrap().edge_nodes = vec![node("g/a b", Some(3), None), gone];
        later.get_mut(&0).unwrap().station_clocks = named(vec![clock(true)]);
        checkpoint.commit(&at(20), &later, &states([b"", b"c"])).unwrap();
        // What begins next needs nothing of the change of clocks before the last one.
        checkpoint.begin(&at(20), None).unwrap();
        drop(checkpoint);
        let (checkpoint, found) = Checkpoint::open(&OsDisk, &path, &dataflow, CheckpointOpening::Resume).unwrap();
        let keyed = KeyedState { key: vec![1], state: b"c".to_vec() };
        assert_eq!(found.states, [OperatorState { operator: 3, keyed }]);
        assert_eq!((found.progress, found.schema), (Some(at(20)), Some(schema)));
        let first = SourcePosition {
            taken: vec![(2, taken(2))],
            edge_nodes: vec![node("g/a b", Some(3), born("x"))],
            station_clocks: vec![keyless, clock(true)],
            ..SourcePosition::default()
        };
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
                .commit(&Progress { next_row: 5, ..Progress::default() }, &BTreeMap::new(), &OperatorStates::new())
                .unwrap();
        };
        // Wherever it was killed: the file appears as a whole, by a rename.
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

    /// Acknowledged results must never be cut off: damage may not silently read as less progress.
    #[test]
    fn a_damaged_one_is_refused_or_says_what_it_said() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c");
        let dataflow = saying(&[1]);
        let (checkpoint, _) = Checkpoint::open(&OsDisk, &path, &dataflow, CheckpointOpening::Resume).unwrap();
        for length in 1..=40 {
            let progress = Progress { next_row: length, next_epoch: length, ..Progress::default() };
            let states = OperatorStates::from([((1, vec![length as u8 % 7]), vec![length as u8; 30])]);
            checkpoint.commit(&progress, &BTreeMap::new(), &states).unwrap();
        }
        drop(checkpoint);
        let (checkpoint, whole) = Checkpoint::open(&OsDisk, &path, &dataflow, CheckpointOpening::Resume).unwrap();
        drop(checkpoint);
        let bytes = std::fs::read(&path).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(28);
        let (mut refused, mut all) = (0, 0);
        // The header pages of the file and of the database hold the number of the last commit.
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

    /// An earlier state of the database is consistent in itself: only the header page tells that it is old.
    #[test]
    fn one_that_was_set_back_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c");
        let commit = |length| {
            let (checkpoint, _) = Checkpoint::open(&OsDisk, &path, &saying(&[]), CheckpointOpening::Resume).unwrap();
            let progress = Progress { next_row: length, ..Progress::default() };
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
