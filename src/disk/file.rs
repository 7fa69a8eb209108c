//! Files by their paths, as sinks and checkpoints use them.

use std::fmt::Debug;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;

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
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Creates a file, or empties it.
    ///
    /// # Errors
    /// A path that cannot be written to.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file to read and write it, or creates it.
    ///
    /// # Errors
    /// A path that cannot be written to.
    fn open_or_create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file to read it and to write behind its end, wherever that is then, or creates it.
    ///
    /// # Errors
    /// A path that cannot be written to.
    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens what is there and no regular file, such as a device or a pipe, to write to it; `None` if it is one, or is
    /// not there.
    ///
    /// # Errors
    /// What cannot be opened.
    fn special(&self, path: &Path) -> io::Result<Option<Box<dyn DiskFile>>>;

    /// What tells the file at a path from others; `None` if there is none.
    ///
    /// # Errors
    /// A path that cannot be looked at.
    fn identity(&self, path: &Path) -> io::Result<Option<FileId>>;

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
pub struct FileId {
    /// The number of the device that holds it.
    pub device: u64,
    /// Its number on the device.
    pub inode: u64,
}

/// An open file.
pub trait DiskFile: Read + Write + Seek + Debug + Send + Sync {
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
    fn identity(&self) -> io::Result<FileId>;

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
