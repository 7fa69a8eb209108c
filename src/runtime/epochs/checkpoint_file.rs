//! The file of a checkpoint: locked by one run, put in place only when it is whole, with a header page before the
//! database by which a file that was set back to an earlier state is detected.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::StorageBackend;

use crate::data::fingerprint;
use crate::disk::{Disk, DiskFile};

/// Bytes of the header page before the database.
const PAGE: u64 = 4096;
const MAGIC: &[u8; 16] = b"rowmill ckpt  5\n";
/// Offsets of two slots for the number of the last commit, written in turn: a torn write leaves the other.
const SLOTS: [u64; 2] = [512, 1024];

/// Whether a checkpoint exists; an empty file is none.
pub fn is_there(disk: &dyn Disk, path: &Path) -> bool {
    disk.length(path).is_ok_and(|length| length.is_some_and(|length| length > 0))
}

/// The temporary path where a checkpoint is made before it is put in place.
pub fn aside(path: &Path) -> PathBuf {
    path.with_added_extension("new")
}

/// Opens and locks an existing checkpoint; `None` if there is none.
///
/// # Errors
/// If another run has it.
pub fn open(disk: &dyn Disk, path: &Path) -> io::Result<Option<Box<dyn DiskFile>>> {
    while disk.length(path)?.is_some() {
        let file = disk.open(path)?;
        file.lock()?;
        if is_at(disk, &*file, path)? {
            return Ok(Some(file).filter(|_| is_there(disk, path)));
        }
    }
    Ok(None)
}

/// Begins a checkpoint at the temporary path, locked and empty: what an interrupted run left there is discarded.
///
/// # Errors
/// If another run has it.
pub fn begin(disk: &dyn Disk, path: &Path) -> io::Result<Box<dyn DiskFile>> {
    let aside = aside(path);
    loop {
        let file = disk.open_or_create(&aside)?;
        file.lock()?;
        if is_at(disk, &*file, &aside)? {
            file.set_length(0)?;
            file.write_all_at(MAGIC, 0)?;
            file.set_length(PAGE)?;
            return Ok(file);
        }
    }
}

/// Syncs the new checkpoint and renames it to its path.
///
/// # Errors
/// A file that can't be written.
pub fn put_in_place(disk: &dyn Disk, path: &Path, file: &dyn DiskFile) -> io::Result<()> {
    file.sync()?;
    disk.rename(&aside(path), path)?;
    disk.sync_directory_of(path)
}

fn is_at(disk: &dyn Disk, file: &dyn DiskFile, path: &Path) -> io::Result<bool> {
    Ok(disk.identity(path)? == Some(file.identity()?))
}

/// Whether a file begins as a checkpoint of this version does.
pub fn is_of_this_version(file: &dyn DiskFile) -> bool {
    let mut magic = [0; MAGIC.len()];
    file.read_exact_at(&mut magic, 0).is_ok() && magic == *MAGIC
}

/// Writes the number of a durable commit. It may be lost itself: it only says that the database must not be older.
///
/// # Errors
/// A file that can't be written.
pub fn tell_commit(file: &dyn DiskFile, number: u64) -> io::Result<()> {
    let number = number.to_le_bytes();
    let check = (fingerprint(&number) as u64).to_le_bytes();
    file.write_all_at(&[number, check].concat(), SLOTS[usize::from(number[0] & 1)])
}

/// The number of the last commit by the header page; `None` if no slot can be read.
pub fn last_commit(file: &dyn DiskFile) -> Option<u64> {
    SLOTS.iter().filter_map(|at| commit_at(file, *at)).max()
}

/// Repairs the slot that the next commit does not write, if it was torn: one slot is always readable.
///
/// # Errors
/// A file that can't be written.
pub fn mend(file: &dyn DiskFile, last: u64) -> io::Result<()> {
    let before = last.saturating_sub(1);
    let torn = commit_at(file, SLOTS[usize::from(before.to_le_bytes()[0] & 1)]).is_none();
    if torn && before < last { tell_commit(file, before) } else { Ok(()) }
}

fn commit_at(file: &dyn DiskFile, at: u64) -> Option<u64> {
    let (mut number, mut check) = ([0; 8], [0; 8]);
    file.read_exact_at(&mut number, at).ok()?;
    file.read_exact_at(&mut check, at + 8).ok()?;
    (fingerprint(&number) as u64 == u64::from_le_bytes(check)).then_some(u64::from_le_bytes(number))
}

/// The database after the header page.
#[derive(Debug)]
pub struct CheckpointPages(pub Arc<dyn DiskFile>);

impl StorageBackend for CheckpointPages {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.length()?.saturating_sub(PAGE))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset + PAGE)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_length(len + PAGE)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset + PAGE)
    }
}
