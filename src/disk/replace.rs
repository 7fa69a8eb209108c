//! Atomic replacement of a small file: readers see the old file or the new one. It is not synced.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::Serialize;
use tempfile::Builder;

/// Who may read a file that is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Its owner alone.
    Owner,
    /// Everybody whom the process' umask permits.
    Umask,
    /// The readers of the existing file, which must exist.
    AsBefore,
}

/// Replaces a file.
///
/// # Errors
/// A directory that cannot be written, or no existing file whose readers to keep.
pub fn replace(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let before = match readers {
        Readers::AsBefore => Some(fs::metadata(path)?.permissions()),
        _ => None,
    };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mode = if readers == Readers::Umask { 0o666 } else { 0o600 };
    let mut new = Builder::new().permissions(Permissions::from_mode(mode)).tempfile_in(directory)?;
    new.write_all(bytes)?;
    before.map_or(Ok(()), |before| new.as_file().set_permissions(before))?;
    new.persist(path).map(drop).map_err(|error| error.error)
}

/// Replaces a file by a value as JSON, readable by everybody whom the umask permits.
///
/// # Errors
/// As [`replace`].
pub fn replace_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    replace(path, &serde_json::to_vec(value)?, Readers::Umask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_those_that_were_asked_for_and_nothing_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(replace(&path, b"0", Readers::AsBefore).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(&path, "0").unwrap();
        let umask = mode();
        replace(&path, b"1", Readers::Owner).unwrap();
        assert_eq!(mode(), 0o600);
        replace(&path, b"2", Readers::Umask).unwrap();
        assert_eq!(mode(), umask);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        replace(&path, b"3", Readers::AsBefore).unwrap();
        assert_eq!((mode(), fs::read(&path).unwrap()), (0o640, b"3".to_vec()));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
