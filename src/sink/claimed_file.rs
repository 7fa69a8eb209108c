//! Opens and locks a result file, and decides how much of its contents stays.

use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::{Error, Existing, tail, unfinished};
use crate::disk::{Disk, DiskFile};

/// An open result file.
pub struct ClaimedFile {
    pub file: Box<dyn DiskFile>,
    /// Bytes that stay; 0 if the file is started anew.
    pub length: u64,
    /// A device or a pipe is no regular file: it has no length and no lock.
    pub regular: bool,
}

/// Checks that a file that is written to still has a name: without one, what was written would be lost with it.
///
/// # Errors
/// If it has none.
pub fn check_name(file: &dyn DiskFile) -> io::Result<()> {
    if file.is_deleted()? {
        return Err(io::Error::other("was deleted or replaced while the run wrote to it: start the run again"));
    }
    Ok(())
}

/// Opens the file at `path` for lines behind `header`, or for a format that is written as a whole.
///
/// # Errors
/// A file that can't be opened, that another run is writing, or whose contents must not be replaced.
pub fn claim(disk: &dyn Disk, path: &Path, header: &[u8], existing: Existing) -> Result<ClaimedFile, Error> {
    let failed = |error| Error::File { path: path.display().to_string(), error };
    if let Some(file) = disk.special(path).map_err(failed)? {
        return Ok(ClaimedFile { file, length: 0, regular: false });
    }
    let was_there = disk.length(path).map_err(failed)?.is_some();
    let mut file = open(disk, path).map_err(failed)?;
    // A name is durable only once its directory is synced; a killed run may have created the file and no more.
    disk.sync_directory_of(path).map_err(failed)?;
    let found = file.length().map_err(failed)?;
    let length = match existing {
        Existing::Replace | Existing::Rerun { fresh: true, .. } => 0,
        Existing::Refuse if found > 0 && !is_begun_header(&*file, header, found) => {
            return Err(Error::holds_results(path));
        }
        Existing::Refuse => 0,
        Existing::Rerun { repeats, .. } if found > 0 => match (unfinished::is_unfinished(path, &*file), repeats) {
            (false, _) => return Err(Error::holds_results(path)),
            (true, true) => 0,
            (true, false) => {
                let path = path.display();
                tracing::warn!("{path}: holds what an interrupted run has written; new rows go behind it");
                whole_lines(&mut *file, header).map_err(failed)?
            }
        },
        Existing::Append if found > 0 => whole_lines(&mut *file, header).map_err(failed)?,
        Existing::Rerun { .. } | Existing::Append => 0,
        Existing::Resume { .. } if !was_there => {
            tracing::warn!(
                "{}: the results of earlier runs were moved away or deleted: new ones go into a new file",
                path.display()
            );
            0
        }
        Existing::Resume { length, fingerprint } => {
            if length == 0 && !is_begun_header(&*file, header, found) {
                // The whole file would be discarded: it must be what a run has begun.
                check_header(&*file, header).map_err(failed)?;
                tail::read(disk, path, header.len() as u64, !header.is_empty()).map_err(failed)?;
            }
            resumed(&*file, header, found, length, fingerprint).map_err(failed)?
        }
    };
    if let Existing::Rerun { .. } = existing {
        unfinished::set(path, &*file).map_err(failed)?;
    }
    file.set_length(length).map_err(failed)?;
    Ok(ClaimedFile { file, length, regular: true })
}

/// Opens a regular file, or makes it, and locks it.
fn open(disk: &dyn Disk, path: &Path) -> io::Result<Box<dyn DiskFile>> {
    loop {
        let file = disk.append(path)?;
        file.lock()?;
        // While this waited for the lock, the run that held it may have moved to another file.
        if is_at(disk, &*file, path)? {
            return Ok(file);
        }
    }
}

/// Whether this file is the one at a path.
///
/// # Errors
/// A file that can't be looked at.
pub fn is_at(disk: &dyn Disk, file: &dyn DiskFile, path: &Path) -> io::Result<bool> {
    Ok(disk.identity(path)? == Some(file.identity()?))
}

/// Whether a file holds anything behind its first line; false if it can't be read, which opening it reports.
pub fn holds_lines(disk: &dyn Disk, path: &Path) -> bool {
    let Ok(Some(_)) = disk.length(path) else { return false };
    let mut line = Vec::new();
    let behind = |file| {
        let mut reader = BufReader::new(file);
        reader.read_until(b'\n', &mut line)?;
        Ok::<bool, io::Error>(!reader.fill_buf()?.is_empty())
    };
    disk.open(path).and_then(behind).unwrap_or(false)
}

/// Whether a file holds nothing but the beginning of its header: its run has written no result.
fn is_begun_header(file: &dyn DiskFile, header: &[u8], found: u64) -> bool {
    let mut bytes = vec![0; header.len().min(usize::try_from(found).unwrap_or(usize::MAX))];
    found <= header.len() as u64 && file.read_exact_at(&mut bytes, 0).is_ok() && header.starts_with(&bytes)
}

/// The end of the last line of a file with this header to which lines are appended. An unterminated last line is what a
/// killed run was about to write: it is cut off, unless it is whole JSON.
fn whole_lines(file: &mut dyn DiskFile, header: &[u8]) -> io::Result<u64> {
    check_header(file, header)?;
    let end = tail::last_line_end(&mut *file, !header.is_empty())?;
    let mut last = vec![0; (file.length()? - end) as usize];
    file.read_exact_at(&mut last, end)?;
    if serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&last).is_ok() {
        file.write_all(b"\n")?;
        return Ok(end + last.len() as u64 + 1);
    }
    if !last.is_empty() {
        tracing::warn!("the last {} bytes of a file are a line that was not finished: they are cut off", last.len());
    }
    Ok(end)
}

fn check_header(file: &dyn DiskFile, header: &[u8]) -> io::Result<()> {
    let mut first = vec![0; header.len().min(usize::try_from(file.length()?).unwrap_or(usize::MAX))];
    file.read_exact_at(&mut first, 0)?;
    if first == header {
        Ok(())
    } else {
        Err(io::Error::other("has other columns than the results: move it away, or pass --fresh"))
    }
}

/// How many bytes of a file stay whose checkpoint covers its first `length` bytes.
fn resumed(file: &dyn DiskFile, header: &[u8], found: u64, length: u64, expected: u64) -> io::Result<u64> {
    const HELP: &str = "put back what was there, or move the file away: the run then goes on in a new one";
    if found < length {
        let reason = format!("has {found} bytes; its checkpoint says that {length} were written: {HELP}");
        return Err(io::Error::other(reason));
    }
    if fingerprint(file, length)? != expected {
        let reason =
            format!("is not what its checkpoint tells about: the bytes before byte {length} are others: {HELP}");
        return Err(io::Error::other(reason));
    }
    if length > 0 {
        check_header(file, header)?;
    }
    Ok(length)
}

/// A hash of the last kilobyte before `length`, by which a file is recognised.
///
/// # Errors
/// A file that can't be read, or is shorter.
pub fn fingerprint(file: &dyn DiskFile, length: u64) -> io::Result<u64> {
    const BYTES: u64 = 1024;
    if length == 0 {
        return Ok(0);
    }
    let mut bytes = vec![0; length.min(BYTES) as usize];
    let start = length - bytes.len() as u64;
    file.read_exact_at(&mut bytes, start)?;
    Ok(crate::data::fingerprint(&bytes) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::OsDisk;

    #[test]
    fn what_was_written_is_replaced_on_wish_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.csv");
        let (header, text): (&[u8], _) = (b"a,b\n", "a,b\n1,2\n3,");
        let claimed = |existing| {
            std::fs::write(&path, text).unwrap();
            claim(&OsDisk, &path, header, existing).map(|claimed| claimed.length).map_err(|error| error.to_string())
        };
        assert_eq!(claimed(Existing::Replace), Ok(0));
        assert_eq!(claimed(Existing::Append), Ok(8));
        let rerun = |fresh, repeats| Existing::Rerun { fresh, repeats };
        for existing in [Existing::Refuse, rerun(false, true), rerun(false, false)] {
            let refused = claimed(existing).unwrap_err();
            assert!(refused.contains("out.csv") && refused.contains("--fresh"), "{refused}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(claimed(rerun(true, true)), Ok(0));
        // The mark stays until the run has ended.
        assert_eq!((claimed(rerun(false, true)), claimed(rerun(false, false))), (Ok(0), Ok(8)));
        unfinished::finished(&path).unwrap();
        assert!(claimed(rerun(false, true)).is_err());
        std::fs::write(&path, "a,").unwrap();
        assert_eq!(claim(&OsDisk, &path, header, Existing::Refuse).map(|claimed| claimed.length).ok(), Some(0));
    }

    #[test]
    fn a_file_that_is_not_the_one_of_the_checkpoint_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.csv");
        std::fs::write(&path, "a,b\n1,2\n3,").unwrap();
        let print = fingerprint(&*OsDisk.open(&path).unwrap(), 8).unwrap();
        let resumed = |text: &str, header: &[u8], length| {
            std::fs::write(&path, text).unwrap();
            let claimed = claim(&OsDisk, &path, header, Existing::Resume { length, fingerprint: print });
            claimed.map(|claimed| claimed.length).map_err(|error| error.to_string())
        };
        assert_eq!(resumed("a,b\n1,2\n3,4\n", b"a,b\n", 8), Ok(8));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a,b\n1,2\n");
        assert!(resumed("a,b\n1,2\n", b"a,c\n", 8).unwrap_err().contains("other columns"));
        assert!(resumed("a,b\n1,3\n3,4\n", b"a,b\n", 8).unwrap_err().contains("not what its checkpoint"));
        assert!(resumed("a,b\n", b"a,b\n", 8).unwrap_err().contains("has 4 bytes"));
        std::fs::remove_file(&path).unwrap();
        let resume = Existing::Resume { length: 8, fingerprint: print };
        assert_eq!(claim(&OsDisk, &path, b"a,b\n", resume).map(|claimed| claimed.length).ok(), Some(0));
    }

    #[test]
    fn a_line_that_was_not_finished_is_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dead.ndjson");
        let long = format!("{{\"raw\": \"{}", "x".repeat(200_000));
        for (found, whole) in [
            ("{\"a\": 1}\n", "{\"a\": 1}\n"),
            ("{\"a\": 1}\n{\"b\": ", "{\"a\": 1}\n"),
            ("{\"a\": 1}\n{\"b\": 2}", "{\"a\": 1}\n{\"b\": 2}\n"),
            (&format!("{{\"a\": 1}}\n{long}"), "{\"a\": 1}\n"),
            ("{\"b", ""),
        ] {
            std::fs::write(&path, found).unwrap();
            let length = claim(&OsDisk, &path, b"", Existing::Append).unwrap().length;
            assert_eq!((std::fs::read_to_string(&path).unwrap().as_str(), length), (whole, whole.len() as u64));
        }
    }

    #[test]
    fn a_header_is_no_result() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.csv");
        assert!(!holds_lines(&OsDisk, &path));
        for (text, holds) in [("", false), ("a,", false), ("a,b\n", false), ("a,b\n1", true)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(holds_lines(&OsDisk, &path), holds, "{text:?}");
        }
    }

    #[test]
    fn one_run_writes_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.ndjson");
        let _first = claim(&OsDisk, &path, b"", Existing::Append).unwrap();
        let refused = claim(&OsDisk, &path, b"", Existing::Replace).err().unwrap().to_string();
        assert!(refused.contains(&format!("process {} writes to it", std::process::id())), "{refused}");
    }
}
