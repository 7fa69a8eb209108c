//! A mark beside a result file while the run that writes it has not ended: a new run repeats its rows, so the file may
//! be replaced. Without the mark it holds finished results.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{DiskFile, FileId};

fn mark(file: &Path) -> PathBuf {
    file.with_added_extension("unfinished")
}

/// Identifies a file, so that another one in its place is noticed.
fn text(FileId { device, inode }: FileId) -> String {
    format!("{device}:{inode}\n")
}

/// Whether a run that has not ended wrote this file.
pub fn is_unfinished(path: &Path, file: &dyn DiskFile) -> bool {
    let marked = std::fs::read_to_string(mark(path));
    file.identity().is_ok_and(|own| marked.is_ok_and(|marked| marked == text(own)))
}

/// Marks a file as being written.
///
/// # Errors
/// A mark that can't be written.
pub fn set(path: &Path, file: &dyn DiskFile) -> io::Result<()> {
    std::fs::write(mark(path), text(file.identity()?))
}

/// The run has ended: the file's contents stay.
///
/// # Errors
/// A mark that can't be removed.
pub fn finished(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(mark(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
