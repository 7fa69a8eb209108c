//! The traits of disks and files, as sinks and checkpoints use them.

use std::fmt::Debug;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;

/// A disk shared by threads.
pub type SharedDisk = Arc<dyn Disk>;

/// Files by path.
pub trait Disk: Debug + Send + Sync {
    /// The length of a file in bytes; `None` if there is none.
    ///
    /// # Errors
    /// A path whose metadata cannot be read.
    fn length(&self, path: &Path) -> io::Result<Option<u64>>;

    /// Opens an existing file to read and write it.
    ///
    /// # Errors
    /// If it is not there or cannot be opened.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Creates a file, or empties it.
    ///
    /// # Errors
    /// A path that cannot be written.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file to read and write it, or creates it.
    ///
    /// # Errors
    /// A path that cannot be written.
    fn open_or_create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file to read it and to append to its current end, or creates it.
    ///
    /// # Errors
    /// A path that cannot be written.
    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens an existing device, pipe or other special file to write to it; `None` if it is a regular file, or does not
    /// exist.
    ///
    /// # Errors
    /// A special file that cannot be opened.
    fn special(&self, path: &Path) -> io::Result<Option<Box<dyn DiskFile>>>;

    /// Identifies the file at a path; `None` if there is none.
    ///
    /// # Errors
    /// A path whose metadata cannot be read.
    fn identity(&self, path: &Path) -> io::Result<Option<FileId>>;

    /// # Errors
    /// If the file is not there or cannot be removed.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Renames a file; replaces a file of that name.
    ///
    /// # Errors
    /// If the file is not there or cannot be renamed.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Waits until the names in this file's directory are durable: of files that were created, renamed or removed
    /// there.
    ///
    /// # Errors
    /// A directory that cannot be synced.
    fn sync_directory_of(&self, path: &Path) -> io::Result<()>;
}

/// Identifies a file, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    /// The number of its device.
    pub device: u64,
    /// Its number on the device.
    pub inode: u64,
}

/// An open file.
pub trait DiskFile: Read + Write + Seek + Debug + Send + Sync {
    /// Reads all of `bytes` from `offset`.
    ///
    /// # Errors
    /// A file that ends before that.
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` to `offset`.
    ///
    /// # Errors
    /// As the operating system gives them.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// # Errors
    /// As the operating system gives them.
    fn identity(&self) -> io::Result<FileId>;

    /// Whether the file has no name any more.
    ///
    /// # Errors
    /// As the operating system gives them.
    fn is_deleted(&self) -> io::Result<bool>;

    /// Locks the file for this process, as long as it is open.
    ///
    /// # Errors
    /// If another process has it.
    fn lock(&self) -> io::Result<()>;

    /// The length in bytes.
    ///
    /// # Errors
    /// As the operating system gives them.
    fn length(&self) -> io::Result<u64>;

    /// Truncates the file, or extends it by zeros.
    ///
    /// # Errors
    /// As the operating system gives them.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Waits until what was written is durable.
    ///
    /// # Errors
    /// As the operating system gives them.
    fn sync(&self) -> io::Result<()>;
}
