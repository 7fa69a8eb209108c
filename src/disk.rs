//! The disk as sinks and checkpoints use it: a machine's own, or one that a test plays, which loses what was not synced.

mod lock;
#[cfg(test)]
pub mod simulated;

use std::fmt::Debug;
use std::fs::Metadata;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

pub use lock::lock;

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

    /// Opens a file to read and write it, or creates it.
    ///
    /// # Errors
    /// A path that cannot be written to.
    fn open_or_create(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// Opens a file to read it and to write behind its end, wherever that is then, or creates it.
    ///
    /// # Errors
    /// A path that cannot be written to.
    fn append(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// Opens what is there and no regular file, such as a device or a pipe, to write to it; `None` if it is one, or is
    /// not there.
    ///
    /// # Errors
    /// What cannot be opened.
    fn special(&self, path: &Path) -> io::Result<Option<Box<dyn File>>>;

    /// What tells the file at a path from others; `None` if there is none.
    ///
    /// # Errors
    /// A path that cannot be looked at.
    fn identity(&self, path: &Path) -> io::Result<Option<Identity>>;

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
}

/// What tells a file from others, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub device: u64,
    pub inode: u64,
}

/// An open file.
pub trait File: Read + Write + Seek + Debug + Send + Sync {
    /// Reads all of `bytes` from `offset`.
    ///
    /// # Errors
    /// A file that ends before.
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` to `offset`.
    ///
    /// # Errors
    /// As the operating system gives them.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// # Errors
    /// As the operating system gives them.
    fn identity(&self) -> io::Result<Identity>;

    /// Whether no name leads to the file any more.
    ///
    /// # Errors
    /// As the operating system gives them.
    fn is_deleted(&self) -> io::Result<bool>;

    /// Takes the file for this process, as long as it is open.
    ///
    /// # Errors
    /// If another process has it.
    fn lock(&self) -> io::Result<()>;

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

    fn open_or_create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut options = std::fs::File::options();
        Ok(Box::new(options.read(true).write(true).create(true).truncate(false).open(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(Box::new(std::fs::File::options().read(true).append(true).create(true).open(path)?))
    }

    fn special(&self, path: &Path) -> io::Result<Option<Box<dyn File>>> {
        if std::fs::metadata(path).map_or(true, |found| found.is_file()) {
            return Ok(None);
        }
        Ok(Some(Box::new(std::fs::File::options().write(true).open(path)?)))
    }

    fn identity(&self, path: &Path) -> io::Result<Option<Identity>> {
        match std::fs::metadata(path) {
            Ok(found) => Ok(Some(identity_of(&found))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn sync_directory_of(&self, path: &Path) -> io::Result<()> {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        match std::fs::File::open(directory.unwrap_or(Path::new("."))) {
            Ok(directory) => directory.sync_all(),
            // Where files may be made and not listed there is nothing to sync them by.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn identity_of(found: &Metadata) -> Identity {
    Identity { device: found.dev(), inode: found.ino() }
}

impl File for std::fs::File {
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, bytes, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn identity(&self) -> io::Result<Identity> {
        Ok(identity_of(&self.metadata()?))
    }

    fn is_deleted(&self) -> io::Result<bool> {
        Ok(self.metadata()?.nlink() == 0)
    }

    fn lock(&self) -> io::Result<()> {
        lock::lock(self)
    }

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
