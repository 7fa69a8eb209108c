//! The disk as sinks and checkpoints use it: a machine's own, or one that a test plays, which loses what was not synced.

#[cfg(test)]
pub mod simulated;

use std::fmt::Debug;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;

use redb::{Database, DatabaseError};

/// A disk that several threads use.
pub type SharedDisk = Arc<dyn Disk>;

/// Files by their paths.
pub trait Disk: Debug + Send + Sync {
    /// Bytes of a file; `None` if there is none.
    ///
    /// # Errors
    /// A path that cannot be looked at.
    fn length(&self, path: &Path) -> io::Result<Option<u64>>;

    /// Opens a file that is there to read and write it.
    ///
    /// # Errors
    /// If it is not there or cannot be opened.
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// Creates a file, or empties it.
    ///
    /// # Errors
    /// A path that cannot be written to.
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// # Errors
    /// If the file is not there or cannot be removed.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Gives a file another name; a file that has it already goes.
    ///
    /// # Errors
    /// If the file is not there or cannot be renamed.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Waits until the names in the directory of this file would outlive the machine: files that were created, renamed
    /// or removed there.
    ///
    /// # Errors
    /// A directory that cannot be synced.
    fn sync_directory_of(&self, path: &Path) -> io::Result<()>;

    /// Opens a database, or creates it.
    ///
    /// # Errors
    /// As redb gives them.
    fn database(&self, path: &Path) -> Result<Database, DatabaseError>;
}

/// An open file.
pub trait File: Read + Write + Seek + Send {
    /// Bytes of the file.
    ///
    /// # Errors
    /// As the operating system gives them.
    fn length(&self) -> io::Result<u64>;

    /// Cuts the file, or extends it by zeros.
    ///
    /// # Errors
    /// As the operating system gives them.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Waits until what was written would outlive the machine.
    ///
    /// # Errors
    /// As the operating system gives them.
    fn sync(&self) -> io::Result<()>;
}

/// The disk of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine;

/// The disk of this machine, to share.
pub fn machine() -> SharedDisk {
    Arc::new(Machine)
}

impl Disk for Machine {
    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        match std::fs::metadata(path) {
            Ok(found) => Ok(Some(found.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(Box::new(std::fs::File::options().read(true).write(true).open(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(Box::new(std::fs::File::create(path)?))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn sync_directory_of(&self, path: &Path) -> io::Result<()> {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        std::fs::File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }

    fn database(&self, path: &Path) -> Result<Database, DatabaseError> {
        Database::create(path)
    }
}

impl File for std::fs::File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
