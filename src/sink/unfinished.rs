//! A mark beside a result file while the run that writes it has not ended: its rows come again when the run is started
//! again, so that the file may be replaced then. Without the mark it holds finished results.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{DiskFile, FileId};

fn mark(file: &Path) -> PathBuf {
    file.with_added_extension("unfinished")
}

/// What tells a file from another one that is put in its place.
fn text(FileId { device, inode }: FileId) -> String {
    format!("{device}:{inode}\n")
}

/// Whether a run that has not ended has written this file.
pub fn is_unfinished(path: &Path, file: &dyn DiskFile) -> bool {
    let marked = std::fs::read_to_string(mark(path));
    file.identity().is_ok_and(|own| marked.is_ok_and(|marked| marked == text(own)))
}

/// Marks a file as one that is being written.
///
/// # Errors
/// A mark that can't be written.
pub fn set(path: &Path, file: &dyn DiskFile) -> io::Result<()> {
    std::fs::write(mark(path), text(file.identity()?))
}

/// The run has ended: what the file holds stays.
///
/// # Errors
/// A mark that can't be taken away.
pub fn finished(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(mark(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
