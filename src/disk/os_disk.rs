//! The disk of this machine.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use super::file::{Disk, DiskFile, FileId, SharedDisk};
use super::lock;

/// The disk of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

/// The disk of this machine, shared.
pub fn os_disk() -> SharedDisk {
    Arc::new(OsDisk)
}

impl Disk for OsDisk {
    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        match std::fs::metadata(path) {
            Ok(found) => Ok(Some(found.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(std::fs::File::options().read(true).write(true).open(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(std::fs::File::create(path)?))
    }

    fn open_or_create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut options = std::fs::File::options();
        Ok(Box::new(options.read(true).write(true).create(true).truncate(false).open(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(std::fs::File::options().read(true).append(true).create(true).open(path)?))
    }

    fn special(&self, path: &Path) -> io::Result<Option<Box<dyn DiskFile>>> {
        if std::fs::metadata(path).map_or(true, |found| found.is_file()) {
            return Ok(None);
        }
        Ok(Some(Box::new(std::fs::File::options().write(true).open(path)?)))
    }

    fn identity(&self, path: &Path) -> io::Result<Option<FileId>> {
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
            // A directory that may be written and not read can't be opened to sync it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn identity_of(found: &Metadata) -> FileId {
    FileId { device: found.dev(), inode: found.ino() }
}

impl DiskFile for std::fs::File {
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, bytes, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn identity(&self) -> io::Result<FileId> {
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
