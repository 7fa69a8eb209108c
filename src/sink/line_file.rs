//! Lines to a file, which others may move, cut or delete meanwhile: that is reported or followed, and what was lost
//! with it is not counted as durable.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::claimed_file::{ClaimedFile, check_name, claim, fingerprint, is_at};
use super::{Error, Existing, FileEnd, Sink, Takes};
use crate::data::recycle_lines;
use crate::disk::{DiskFile, SharedDisk};

/// Appends encoded lines to a file.
pub struct LineFile {
    disk: SharedDisk,
    path: PathBuf,
    header: Vec<u8>,
    writer: BufWriter<Box<dyn DiskFile>>,
    /// Bytes of all lines and of the first header, as if no file had been moved away.
    length: u64,
    /// How many of them are in earlier files.
    before: u64,
    regular: bool,
}

impl LineFile {
    /// Opens the file as `existing` says, and writes its header if it is started anew.
    ///
    /// # Errors
    /// As [`claim`].
    pub fn open(disk: &SharedDisk, path: &Path, header: &[u8], existing: Existing) -> Result<LineFile, Error> {
        let ClaimedFile { file, length, regular } = claim(&**disk, path, header, existing)?;
        let writer = BufWriter::with_capacity(1 << 18, file);
        let (disk, path, header) = (disk.clone(), path.to_owned(), header.to_vec());
        let mut lines = LineFile { disk, path, header, writer, length, before: 0, regular };
        if length == 0 {
            let written = lines.writer.write_all(&lines.header);
            lines.length = lines.header.len() as u64;
            lines.done(written)?;
        }
        Ok(lines)
    }

    fn done<T>(&self, result: io::Result<T>) -> Result<T, Error> {
        result.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Error::BrokenPipe,
            _ => Error::File { path: self.path.display().to_string(), error },
        })
    }

    /// Checks that what was written is still in the file, wherever that is.
    fn check(&self) -> io::Result<()> {
        if !self.regular {
            return Ok(());
        }
        check_name(&**self.writer.get_ref())?;
        let (file, written) = (self.writer.get_ref(), self.length - self.before);
        let found = file.length()?;
        if found != written {
            let reason = format!(
                "has {found} bytes where {written} were written: it was cut, or something else writes to it. Move it \
                 away and start the run again; to rotate it, rename it and send SIGHUP"
            );
            return Err(io::Error::other(reason));
        }
        Ok(())
    }

    fn go_on_in_a_new_file(&mut self, length: u64) -> io::Result<()> {
        check_name(&**self.writer.get_ref())?;
        self.writer.flush()?;
        let old = self.writer.get_ref();
        let stays = length - self.before;
        let mut unfinished = vec![0; (self.length - length) as usize];
        old.read_exact_at(&mut unfinished, stays)?;
        if self.disk.length(&self.path)?.is_some_and(|length| length > 0) {
            return Err(io::Error::other("was moved away, and another file stands in its place"));
        }
        let claimed = claim(&*self.disk, &self.path, &self.header, Existing::Append).map_err(io::Error::other)?;
        let mut writer = BufWriter::with_capacity(1 << 18, claimed.file);
        writer.write_all(&self.header)?;
        writer.write_all(&unfinished)?;
        writer.flush()?;
        writer.get_ref().sync()?;
        self.disk.sync_directory_of(&self.path)?;
        old.set_length(stays)?;
        old.sync()?;
        tracing::warn!("{}: was moved away; results go on in a new file", self.path.display());
        self.writer = writer;
        self.before = length - self.header.len() as u64;
        Ok(())
    }
}

impl Takes<Vec<u8>> for LineFile {
    fn write(&mut self, lines: Vec<u8>) -> Result<(), Error> {
        let written = self.writer.write_all(&lines);
        self.length += lines.len() as u64;
        recycle_lines(lines);
        self.done(written)
    }
}

impl Sink for LineFile {
    fn flush(&mut self) -> Result<(), Error> {
        let flushed = self.writer.flush();
        self.done(flushed)
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.flush()?;
        if !self.regular {
            return Ok(());
        }
        let synced = self.writer.get_ref().sync().and_then(|()| self.check());
        self.done(synced)
    }

    fn length(&self) -> u64 {
        self.length
    }

    fn file_end(&self, length: u64) -> Result<FileEnd, Error> {
        if !self.regular {
            return Ok(FileEnd::default());
        }
        let length = length - self.before;
        let fingerprint = self.done(fingerprint(&**self.writer.get_ref(), length))?;
        Ok(FileEnd { length, fingerprint })
    }

    fn is_moved(&self) -> bool {
        self.regular && !is_at(&*self.disk, &**self.writer.get_ref(), &self.path).unwrap_or(true)
    }

    fn follow(&mut self, length: u64) -> Result<(), Error> {
        let followed = self.go_on_in_a_new_file(length);
        self.done(followed)
    }

    fn close(mut self: Box<Self>) -> Result<(), Error> {
        self.flush()?;
        let checked = self.check();
        self.done(checked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk, OsDisk, os_disk};

    fn line(text: &str) -> Vec<u8> {
        text.as_bytes().to_vec()
    }

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_file_goes_on_behind_what_was_finished() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.csv");
        std::fs::write(&path, "a,b\n1,2\n3,").unwrap();
        let fingerprint = fingerprint(&*OsDisk.open(&path).unwrap(), 8).unwrap();
        let mut lines =
            Box::new(LineFile::open(&os_disk(), &path, b"a,b\n", Existing::Resume { length: 8, fingerprint }).unwrap());
        lines.write(line("5,6\n")).unwrap();
        assert_eq!(lines.length(), 12);
        lines.close().unwrap();
        assert_eq!(read(&path), "a,b\n1,2\n5,6\n");
    }

    #[test]
    fn a_file_that_is_moved_away_is_followed_by_a_new_one_with_what_is_not_finished() {
        let directory = tempfile::tempdir().unwrap();
        let (path, moved) = (directory.path().join("out.csv"), directory.path().join("out.csv.1"));
        let mut lines = LineFile::open(&os_disk(), &path, b"a\n", Existing::Append).unwrap();
        lines.write(line("1\n2\n")).unwrap();
        lines.sync().unwrap();
        assert!(!lines.is_moved());
        std::fs::rename(&path, &moved).unwrap();
        lines.write(line("3\n")).unwrap();
        lines.sync().unwrap();
        assert!(lines.is_moved());
        lines.follow(4).unwrap();
        assert!(!lines.is_moved());
        lines.write(line("4\n")).unwrap();
        lines.sync().unwrap();
        assert_eq!((read(&moved).as_str(), read(&path).as_str()), ("a\n1\n", "a\n2\n3\n4\n"));
        assert_eq!((lines.length(), lines.file_end(10).unwrap().length), (10, 8));
        assert_eq!(lines.file_end(4).unwrap().length, 2);
        std::fs::rename(&path, directory.path().join("out.csv.2")).unwrap();
        std::fs::write(&path, "a diary\n").unwrap();
        assert!(lines.follow(10).unwrap_err().to_string().contains("another file"));
        assert_eq!(read(&path), "a diary\n");
    }

    #[test]
    fn a_file_that_is_cut_or_deleted_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.ndjson");
        let mut lines = LineFile::open(&os_disk(), &path, b"", Existing::Append).unwrap();
        lines.write(line("{}\n")).unwrap();
        lines.sync().unwrap();
        OsDisk.open(&path).unwrap().set_length(0).unwrap();
        lines.write(line("{}\n{}\n")).unwrap();
        let told = lines.sync().unwrap_err().to_string();
        assert!(told.contains("has 6 bytes where 9 were written"), "{told}");
        std::fs::remove_file(&path).unwrap();
        assert!(lines.is_moved() && lines.follow(9).unwrap_err().to_string().contains("was deleted"));
        assert!(!path.exists(), "no new file hides what is lost");
        assert!(lines.sync().unwrap_err().to_string().contains("was deleted"));
    }
}
