//! A simulated disk. At a power loss, writes that were not synced are lost, or a part of them is, in any order; so are
//! names whose directory was not synced. A killed process loses what it had not written yet, and the disk keeps the
//! rest.

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use redb::StorageBackend;

use super::{Disk, DiskFile, FileId};

/// A disk as one process sees it.
#[derive(Clone, Debug)]
pub struct SimulatedDisk {
    shared: Arc<Mutex<DiskState>>,
    /// Operations of killed processes fail.
    process: u64,
}

/// Faults of a process' operations that change something, each counted from 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// The process is killed in this operation, which may have been done whole or in part.
    pub killed_in: Option<u64>,
    /// The disk is full from this operation on.
    pub full_from: Option<u64>,
    /// This sync fails.
    pub sync_fails: Option<u64>,
}

#[derive(Debug)]
struct DiskState {
    random: ChaCha8Rng,
    /// The process that is alive; none if it is odd.
    process: u64,
    faults: Faults,
    operations: u64,
    syncs: u64,
    files: Vec<SimulatedFile>,
    names: HashMap<PathBuf, usize>,
    durable_names: HashMap<PathBuf, usize>,
    /// Changes of names since the directory was synced: a name, and its file from then on.
    renamed: Vec<Vec<(PathBuf, Option<usize>)>>,
}

/// A file: as processes see it, its durable contents, and the changes since.
#[derive(Debug, Default)]
struct SimulatedFile {
    now: Vec<u8>,
    durable: Vec<u8>,
    changes: Vec<UnsyncedChange>,
}

#[derive(Debug)]
enum UnsyncedChange {
    Write(usize, Vec<u8>),
    Cut(usize),
}

impl UnsyncedChange {
    /// Applies the change to the part of a file that begins at `start`.
    fn apply(&self, start: usize, part: &mut [u8]) {
        match self {
            UnsyncedChange::Write(at, bytes) => {
                let (from, to) = (start.max(*at), (start + part.len()).min(at + bytes.len()));
                if from < to {
                    part[from - start..to - start].copy_from_slice(&bytes[from - at..to - at]);
                }
            }
            UnsyncedChange::Cut(length) => {
                let kept = length.saturating_sub(start).min(part.len());
                part[kept..].fill(0);
            }
        }
    }

    fn length(&self, before: usize) -> usize {
        match self {
            UnsyncedChange::Write(at, bytes) => before.max(at + bytes.len()),
            UnsyncedChange::Cut(length) => *length,
        }
    }

    /// The bytes it changes in a file that ends at `end`.
    fn range(&self, end: usize) -> Range<usize> {
        match self {
            UnsyncedChange::Write(at, bytes) => *at..at + bytes.len(),
            UnsyncedChange::Cut(length) => (*length).min(end)..end,
        }
    }
}

impl SimulatedFile {
    fn change(&mut self, change: UnsyncedChange) {
        let length = change.length(self.now.len());
        if let UnsyncedChange::Write(..) = change {
            self.now.resize(length, 0);
        }
        change.apply(0, &mut self.now);
        self.now.resize(length, 0);
        self.changes.push(change);
    }

    /// Makes all changes durable.
    fn sync(&mut self) {
        for change in std::mem::take(&mut self.changes) {
            let length = change.length(self.durable.len());
            self.durable.resize(length.max(self.durable.len()), 0);
            change.apply(0, &mut self.durable);
            self.durable.truncate(length);
        }
    }

    /// Makes a part of the changes durable: each sector as it was at some time since the last sync, and one of the
    /// lengths since then.
    fn tear(&mut self, random: &mut ChaCha8Rng) {
        let changes = std::mem::take(&mut self.changes);
        let most = changes.len();
        let common = match random.random_range(0..5) {
            0 => Some(0),
            1 => Some(most),
            2 => Some(random.random_range(0..=most)),
            _ => None,
        };
        let mut version = || common.unwrap_or_else(|| random.random_range(0..=most));
        let length_after =
            |version: usize, before| changes[..version].iter().fold(before, |length, c| c.length(length));
        let longest = (0..=most).map(|version| length_after(version, self.durable.len())).max().unwrap_or(0);
        let before = self.durable.len();
        self.durable.resize(longest, 0);
        const SECTOR: usize = 512;
        let mut touched: Vec<usize> = Vec::new();
        for change in &changes {
            let range = change.range(longest);
            touched.extend(range.start / SECTOR..range.end.div_ceil(SECTOR));
        }
        touched.sort_unstable();
        touched.dedup();
        for sector in touched {
            let (start, version) = (sector * SECTOR, version());
            let end = (start + SECTOR).min(longest);
            changes[..version].iter().for_each(|change| change.apply(start, &mut self.durable[start..end]));
        }
        self.durable.truncate(length_after(version(), before));
    }
}

impl DiskState {
    /// Counts an operation that changes something; the error of its fault, if it has one.
    fn operate(&mut self) -> Result<(), OperationError> {
        self.operations += 1;
        if self.faults.killed_in == Some(self.operations) {
            self.process += 1;
            return Err(OperationError::Killed);
        }
        if self.faults.full_from.is_some_and(|from| from <= self.operations) {
            return Err(OperationError::Full);
        }
        Ok(())
    }

    /// Whether an operation in which the process is killed is done.
    fn is_done(&mut self, ending: Option<OperationError>) -> bool {
        match ending {
            None => true,
            Some(OperationError::Killed) => self.random.random_bool(0.5),
            Some(OperationError::Full) => false,
        }
    }

    /// Writes the bytes, or the first of them; returns how many.
    fn write(&mut self, file: usize, at: usize, bytes: &[u8]) -> io::Result<usize> {
        let ending = self.operate().err();
        let written = if ending.is_some() { self.random.random_range(0..=bytes.len()) } else { bytes.len() };
        if written > 0 {
            self.files[file].change(UnsyncedChange::Write(at, bytes[..written].to_vec()));
        }
        // A full disk reports it at the next write.
        let ending = ending.filter(|ending| written == 0 || *ending == OperationError::Killed);
        ending.map_or(Ok(written), |ending| Err(ending.into()))
    }

    fn cut(&mut self, file: usize, length: usize) -> io::Result<()> {
        let ending = self
            .operate()
            .err()
            .filter(|ending| length > self.files[file].now.len() || *ending == OperationError::Killed);
        if self.is_done(ending) {
            self.files[file].change(UnsyncedChange::Cut(length));
        }
        ending.map_or(Ok(()), |ending| Err(ending.into()))
    }

    fn sync(&mut self, file: usize) -> io::Result<()> {
        let ending = self.operate().err().filter(|ending| *ending == OperationError::Killed);
        self.syncs += 1;
        if self.faults.sync_fails == Some(self.syncs) {
            return Err(io::Error::other("the disk could not write"));
        }
        if self.is_done(ending) {
            self.files[file].sync();
        }
        ending.map_or(Ok(()), |ending| Err(ending.into()))
    }

    /// Renames files atomically.
    fn rename(&mut self, names: Vec<(PathBuf, Option<usize>)>) -> io::Result<()> {
        let ending = self.operate().err();
        if self.is_done(ending) {
            name(&mut self.names, &names);
            self.renamed.push(names);
        }
        ending.map_or(Ok(()), |ending| Err(ending.into()))
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create(&mut self, path: &Path) -> io::Result<usize> {
        self.files.push(SimulatedFile::default());
        let file = self.files.len() - 1;
        self.rename(vec![(path.to_owned(), Some(file))])?;
        Ok(file)
    }
}

fn name(names: &mut HashMap<PathBuf, usize>, changes: &[(PathBuf, Option<usize>)]) {
    for (path, file) in changes {
        match file {
            Some(file) => names.insert(path.clone(), *file),
            None => names.remove(path),
        };
    }
}

/// Why an operation fails.
#[derive(Clone, Copy, PartialEq)]
enum OperationError {
    Killed,
    Full,
}

impl From<OperationError> for io::Error {
    fn from(ending: OperationError) -> io::Error {
        match ending {
            OperationError::Killed => io::Error::other("this process was killed"),
            OperationError::Full => io::ErrorKind::StorageFull.into(),
        }
    }
}

impl SimulatedDisk {
    /// An empty disk without a process.
    pub fn new(seed: u64) -> SimulatedDisk {
        let shared = DiskState {
            random: ChaCha8Rng::seed_from_u64(seed),
            process: 1,
            faults: Faults::default(),
            operations: 0,
            syncs: 0,
            files: Vec::new(),
            names: HashMap::new(),
            durable_names: HashMap::new(),
            renamed: Vec::new(),
        };
        SimulatedDisk { shared: Arc::new(Mutex::new(shared)), process: 1 }
    }

    /// The disk for the next process; the previous one is dead.
    pub fn start(&self, faults: Faults) -> SimulatedDisk {
        let mut shared = self.locked();
        shared.process = shared.process.next_multiple_of(2) + if shared.process.is_multiple_of(2) { 2 } else { 0 };
        (shared.faults, shared.operations, shared.syncs) = (faults, 0, 0);
        SimulatedDisk { shared: self.shared.clone(), process: shared.process }
    }

    /// Whether the process of this disk is alive.
    pub fn is_alive(&self) -> bool {
        self.locked().process == self.process
    }

    /// Kills the process; the disk keeps what was written.
    pub fn kill(&self) {
        let mut shared = self.locked();
        shared.process += u64::from(shared.process.is_multiple_of(2));
    }

    /// Kills the process and the machine: a part of what was not synced is lost.
    pub fn lose_power(&self) {
        self.kill();
        let mut shared = self.locked();
        let DiskState { random, files, names, durable_names, renamed, .. } = &mut *shared;
        for file in files.iter_mut() {
            file.tear(random);
            file.now.clone_from(&file.durable);
        }
        let kept = random.random_range(0..=renamed.len());
        renamed.drain(..).take(kept).for_each(|names| name(durable_names, &names));
        names.clone_from(durable_names);
    }

    /// A file as processes see it; empty if it is not there.
    pub fn contents(&self, path: &Path) -> Vec<u8> {
        let shared = self.locked();
        shared.names.get(path).map_or(Vec::new(), |file| shared.files[*file].now.clone())
    }

    /// The durable contents of a file.
    pub fn durable(&self, path: &Path) -> Vec<u8> {
        let shared = self.locked();
        shared.durable_names.get(path).map_or(Vec::new(), |file| shared.files[*file].durable.clone())
    }

    fn locked(&self) -> MutexGuard<'_, DiskState> {
        self.shared.lock().expect("no holder panics")
    }

    /// The disk, if the process is alive.
    fn alive(&self) -> io::Result<MutexGuard<'_, DiskState>> {
        let shared = self.locked();
        if shared.process == self.process { Ok(shared) } else { Err(OperationError::Killed.into()) }
    }

    fn handle(&self, file: usize) -> SimulatedHandle {
        SimulatedHandle { disk: self.clone(), file, at: 0, appends: false }
    }

    /// A file, created if it does not exist.
    fn handle_at(&self, path: &Path) -> io::Result<SimulatedHandle> {
        let mut shared = self.alive()?;
        let file = shared.find(path).or_else(|_| shared.create(path))?;
        drop(shared);
        Ok(self.handle(file))
    }
}

impl Disk for SimulatedDisk {
    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        let shared = self.alive()?;
        Ok(shared.names.get(path).map(|file| shared.files[*file].now.len() as u64))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = self.alive()?.find(path)?;
        Ok(Box::new(self.handle(file)))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut shared = self.alive()?;
        let file = match shared.find(path) {
            Ok(file) => {
                shared.cut(file, 0)?;
                file
            }
            Err(_) => shared.create(path)?,
        };
        Ok(Box::new(self.handle(file)))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut shared = self.alive()?;
        shared.find(path)?;
        shared.rename(vec![(path.to_owned(), None)])
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut shared = self.alive()?;
        let file = shared.find(from)?;
        shared.rename(vec![(from.to_owned(), None), (to.to_owned(), Some(file))])
    }

    fn sync_directory_of(&self, _path: &Path) -> io::Result<()> {
        let mut shared = self.alive()?;
        let ending = shared.operate().err().filter(|ending| *ending == OperationError::Killed);
        if shared.is_done(ending) {
            let DiskState { durable_names, renamed, .. } = &mut *shared;
            renamed.drain(..).for_each(|names| name(durable_names, &names));
        }
        ending.map_or(Ok(()), |ending| Err(ending.into()))
    }

    fn open_or_create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(self.handle_at(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(SimulatedHandle { appends: true, ..self.handle_at(path)? }))
    }

    fn special(&self, _path: &Path) -> io::Result<Option<Box<dyn DiskFile>>> {
        Ok(None)
    }

    fn identity(&self, path: &Path) -> io::Result<Option<FileId>> {
        Ok(self.alive()?.names.get(path).map(|file| identity(*file)))
    }
}

/// An open file.
#[derive(Debug)]
struct SimulatedHandle {
    disk: SimulatedDisk,
    file: usize,
    at: usize,
    /// Whether it appends to the current end of the file.
    appends: bool,
}

fn identity(file: usize) -> FileId {
    FileId { device: 0, inode: file as u64 }
}

impl Read for SimulatedHandle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let shared = self.disk.alive()?;
        let rest = shared.files[self.file].now.get(self.at..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        self.at += read;
        Ok(read)
    }
}

impl Write for SimulatedHandle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut shared = self.disk.alive()?;
        let at = if self.appends { shared.files[self.file].now.len() } else { self.at };
        let written = shared.write(self.file, at, bytes)?;
        drop(shared);
        self.at = at + written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for SimulatedHandle {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let end = DiskFile::length(self)?;
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => end.checked_add_signed(by),
            SeekFrom::Current(by) => (self.at as u64).checked_add_signed(by),
        };
        let at = at.ok_or(io::ErrorKind::InvalidInput)?;
        self.at = at as usize;
        Ok(at)
    }
}

impl DiskFile for SimulatedHandle {
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        StorageBackend::read(self, offset, bytes)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        StorageBackend::write(self, offset, bytes)
    }

    fn identity(&self) -> io::Result<FileId> {
        Ok(identity(self.file))
    }

    fn is_deleted(&self) -> io::Result<bool> {
        Ok(!self.disk.alive()?.names.values().any(|file| *file == self.file))
    }

    /// Not needed: there is one process at a time.
    fn lock(&self) -> io::Result<()> {
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.alive()?.files[self.file].now.len() as u64)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.disk.alive()?.cut(self.file, length as usize)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.alive()?.sync(self.file)
    }
}

impl StorageBackend for SimulatedHandle {
    fn len(&self) -> Result<u64, io::Error> {
        DiskFile::length(self)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let shared = self.disk.alive()?;
        let (start, length) = (offset as usize, out.len());
        let found = shared.files[self.file].now.get(start..start + length);
        out.copy_from_slice(found.ok_or(io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), io::Error> {
        self.set_length(length)
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        DiskFile::sync(self)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), io::Error> {
        let written = self.disk.alive()?.write(self.file, offset as usize, bytes)?;
        if written == bytes.len() { Ok(()) } else { Err(OperationError::Full.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_synced_outlives_the_power_and_what_was_not_may_not() {
        let path = Path::new("f");
        let mut ends = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let disk = SimulatedDisk::new(seed).start(Faults::default());
            let mut file = disk.create(path).unwrap();
            file.write_all(&[1; 700]).unwrap();
            file.sync().unwrap();
            disk.sync_directory_of(path).unwrap();
            file.write_all(&[2; 700]).unwrap();
            if seed % 2 == 0 {
                disk.kill();
                assert!(file.write_all(b"x").is_err() && disk.contents(path).len() == 1400);
            }
            disk.lose_power();
            let left = disk.contents(path);
            assert!(left.len() >= 700 && left[..700] == [1; 700]);
            ends.insert((left.len(), left.get(1000) == Some(&2), left.get(1399) == Some(&2)));
        }
        let (kept, lost, torn) = ((1400, true, true), (700, false, false), (1400, false, true));
        assert!([kept, lost, torn].iter().all(|end| ends.contains(end)), "{ends:?}");
    }

    #[test]
    fn a_name_is_lost_with_the_power_unless_its_directory_was_synced() {
        let (path, other) = (Path::new("f"), Path::new("g"));
        let left = |seed| {
            let disk = SimulatedDisk::new(seed).start(Faults::default());
            disk.create(path).unwrap().write_all(b"x").unwrap();
            disk.sync_directory_of(path).unwrap();
            disk.rename(path, other).unwrap();
            disk.lose_power();
            let shared = disk.locked();
            [path, other].map(|path| shared.names.contains_key(path))
        };
        let left: std::collections::BTreeSet<_> = (0..20).map(left).collect();
        assert!(left.iter().eq(&[[false, true], [true, false]]), "{left:?}");
    }

    #[test]
    fn a_database_is_whole_whenever_the_power_is_lost() {
        const NUMBERS: redb::TableDefinition<'_, u64, u64> = redb::TableDefinition::new("numbers");
        for seed in 0..50 {
            let disk = SimulatedDisk::new(seed);
            let (mut committed, mut process) = (0, disk.start(Faults::default()));
            for life in 0..5 {
                let database =
                    redb::Database::builder().create_with_backend(process.handle_at(Path::new("d")).unwrap());
                let database = database.unwrap_or_else(|error| panic!("seed {seed}, life {life}: {error}"));
                let read = || -> Result<u64, redb::Error> {
                    let transaction = redb::ReadableDatabase::begin_read(&database)?;
                    Ok(transaction.open_table(NUMBERS)?.get(0)?.map_or(0, |number| number.value()))
                };
                let found = read().unwrap_or(0);
                assert!(found == committed || found == committed + 1, "seed {seed}: {found} after {committed}");
                committed = found;
                process.sync_directory_of(Path::new("d")).unwrap();
                {
                    let mut shared = process.locked();
                    shared.faults.killed_in = Some(shared.operations + 1 + (seed + 7 * life) % 40);
                }
                let add = |to| -> Result<(), redb::Error> {
                    let transaction = database.begin_write()?;
                    transaction.open_table(NUMBERS)?.insert(0, to)?;
                    Ok(transaction.commit()?)
                };
                while add(committed + 1).is_ok() {
                    committed += 1;
                }
                drop(database);
                process.lose_power();
                process = disk.start(Faults::default());
            }
        }
    }
}
