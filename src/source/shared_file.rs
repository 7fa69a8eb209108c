//! A file that all processes of a run can open: each reads there the bytes of the rows it works on, and none travel.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::file::is_stream;
use super::url::SourceUrl;
use crate::data::{RawBatch, fingerprint};
use crate::format::Compression;

/// Bytes at the beginning and at the end of a file that its identity is made from.
const LOOKED_AT: u64 = 1 << 16;

/// What tells files apart before they are read; the checksum of each batch tells the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFingerprint {
    length: u64,
    /// Of its first bytes, and of its last ones.
    fingerprints: [u128; 2],
}

impl FileFingerprint {
    /// Of a source that is a file; `None` of any other, of a file that can't be read, and of one that is packed: its rows
    /// are nowhere in it as they are.
    pub fn of(source: &SourceUrl, compression: Compression) -> Option<FileFingerprint> {
        match source {
            SourceUrl::File { path, .. } if !is_stream(path) => {
                FileFingerprint::found(path, compression).ok().flatten()
            }
            _ => None,
        }
    }

    fn found(path: &Path, compression: Compression) -> io::Result<Option<FileFingerprint>> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut bytes = vec![0; length.min(LOOKED_AT) as usize];
        file.read_exact_at(&mut bytes, 0)?;
        if compression.of(&bytes).is_some() {
            return Ok(None);
        }
        let first = fingerprint(&bytes);
        file.read_exact_at(&mut bytes, length - length.min(LOOKED_AT))?;
        Ok(Some(FileFingerprint { length, fingerprints: [first, fingerprint(&bytes)] }))
    }
}

/// The shared file in a process that does not read the source, opened once it is needed.
#[derive(Debug)]
pub struct SharedFile {
    path: PathBuf,
    file: Option<File>,
}

impl SharedFile {
    /// The file of a source; `None` of any other.
    pub fn of(source: &SourceUrl) -> Option<SharedFile> {
        let SourceUrl::File { path, .. } = source else { return None };
        Some(SharedFile { path: path.clone(), file: None })
    }

    /// Reads into a batch the bytes that it lacks.
    ///
    /// # Errors
    /// A file that can't be read, or is another one than the process with the source has read.
    pub fn read(&mut self, batch: &mut RawBatch) -> Result<(), Error> {
        let SharedFile { path, file } = self;
        let read = batch.read(|buffer, offset| {
            let file = match file {
                Some(file) => file,
                None => file.insert(File::open(&*path)?),
            };
            file.read_exact_at(buffer, offset)
        });
        read.map_err(|error| Error::File { path: self.path.display().to_string(), error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Format, Row, from_bytes, to_bytes};
    use crate::format::FileKind;

    #[test]
    fn rows_are_read_where_they_are_and_another_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.ndjson");
        let source = SourceUrl::File { path: path.clone(), kind: FileKind::Ndjson };
        let identity_of = |source| FileFingerprint::of(source, Compression::Auto);
        assert_eq!(identity_of(&source), None);
        std::fs::write(&path, "{\"x\":1}\n{\"x\":2}\n").unwrap();
        let identity = identity_of(&source);
        let mut batch = RawBatch::default();
        for (bytes, offset) in [(&b"{\"x\":1}"[..], 0), (b"{\"x\":2}", 8)] {
            batch.push(Row { bytes, format: Format::Json, header: None });
            batch.last_is_at(offset);
        }
        let travelled = || from_bytes::<RawBatch>(&to_bytes(&batch)).unwrap();
        let (mut file, mut there) = (SharedFile::of(&source).unwrap(), travelled());
        file.read(&mut there).unwrap();
        assert!(there.rows().map(|row| row.bytes).eq(batch.rows().map(|row| row.bytes)));
        for (other, why) in [("{\"x\":1}\n{\"x\":3}\n", "changed meanwhile"), ("{\"x\":1}\n", "fill whole buffer")] {
            std::fs::write(&path, other).unwrap();
            assert_ne!(identity_of(&source), identity);
            let error = file.read(&mut travelled()).unwrap_err().to_string();
            assert!(error.contains("rows.ndjson") && error.contains(why), "{error}");
        }
        assert!(identity_of(&SourceUrl::Stdin).is_none() && SharedFile::of(&SourceUrl::Stdin).is_none());
    }

    #[test]
    fn a_file_is_packed_as_its_reader_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.ndjson");
        let source = SourceUrl::File { path: path.clone(), kind: FileKind::Ndjson };
        // The last one is a frame of zstd that is to be skipped: others follow.
        for (bytes, compression, packed) in [
            (&b"\x1f\x8b\x08"[..], Compression::Auto, true),
            (b"\x28\xb5\x2f\xfd", Compression::Auto, true),
            (b"\x1f\x8b\x08", Compression::None, false),
            (b"\x50\x2a\x4d\x18\0\0\0\0", Compression::Zstd, true),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(FileFingerprint::of(&source, compression).is_none(), packed, "{bytes:?} {compression:?}");
        }
    }
}
