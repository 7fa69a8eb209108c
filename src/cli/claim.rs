//! Directories that one process writes to at a time.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::Failure;
use crate::disk;

/// Creates the directories that are given by these flags, and locks them until the returned files are dropped.
///
/// # Errors
/// One that cannot be created, or that another process has locked.
pub(super) fn claim<'a>(given: impl IntoIterator<Item = (&'a str, Option<&'a Path>)>) -> Result<Vec<File>, Failure> {
    let mut claimed: Vec<(PathBuf, File)> = Vec::new();
    for (flag, directory) in given {
        let Some(directory) = directory else { continue };
        let failed = |error| Failure::Failed(format!("{flag} {}: {error}", directory.display()));
        std::fs::create_dir_all(directory)
            .map_err(|error| Failure::Wrong(format!("error: {flag} {}: {error}", directory.display())))?;
        let path = directory.canonicalize().map_err(failed)?;
        if claimed.iter().all(|(other, _)| *other != path) {
            let file = File::open(&path).map_err(failed)?;
            disk::lock(&file).map_err(failed)?;
            claimed.push((path, file));
        }
    }
    Ok(claimed.into_iter().map(|(_, file)| file).collect())
}
