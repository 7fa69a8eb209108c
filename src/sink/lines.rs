//! Lines to a file, to standard output, or to nowhere.

use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;

use super::{Error, Pulse, Sink};
use crate::data::recycle_lines;
use crate::disk::{Disk, File};
use crate::subtasks::result::Output;

/// Takes everything and keeps nothing.
pub struct Null;

impl Sink for Null {
    fn write(&mut self, output: Output) -> Result<(), Error> {
        output.recycle();
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), Error> {
        Ok(())
    }
}

/// Writes encoded lines one after the other.
pub struct Lines<W: Write> {
    path: String,
    pulse: Option<Arc<Pulse>>,
    writer: BufWriter<W>,
    /// Bytes of the file.
    length: u64,
    /// Brings to the disk what was flushed.
    sync: fn(&W) -> io::Result<()>,
}

impl Lines<Box<dyn File>> {
    /// Creates the file, or empties it, and writes its header.
    pub fn create(disk: &dyn Disk, path: &Path, header: &[u8]) -> Result<Self, Error> {
        let shown = path.display().to_string();
        let file = disk.create(path).map_err(|error| Error::File { path: shown.clone(), error })?;
        let mut lines = Lines {
            path: shown,
            pulse: None,
            writer: BufWriter::with_capacity(1 << 18, file),
            length: header.len() as u64,
            sync: |file| file.sync(),
        };
        let written = lines.writer.write_all(header);
        lines.done(written)?;
        Ok(lines)
    }

    /// Goes on behind the first `length` bytes of a file with this header; what stands after them was not finished,
    /// and goes.
    pub fn resume(disk: &dyn Disk, path: &Path, header: &[u8], length: u64) -> Result<Self, Error> {
        let shown = path.display().to_string();
        let open = || {
            let mut file = disk.open(path)?;
            let found = file.length()?;
            if found < length {
                let reason = format!("has {found} bytes; its checkpoint says that {length} were written: pass --fresh");
                return Err(io::Error::other(reason));
            }
            let mut first = Vec::new();
            (&mut file).take(header.len() as u64).read_to_end(&mut first)?;
            if first != header {
                return Err(io::Error::other("has other columns: move it away, or pass --fresh"));
            }
            file.set_length(length)?;
            file.seek(io::SeekFrom::End(0))?;
            Ok(file)
        };
        let file = open().map_err(|error| Error::File { path: shown.clone(), error })?;
        let writer = BufWriter::with_capacity(1 << 18, file);
        Ok(Lines { path: shown, pulse: None, writer, length, sync: |file| file.sync() })
    }
}

impl Lines<Box<dyn File>> {
    /// Goes on behind all lines of a file with this header. A last line without an end is what a run that was killed was
    /// about to write: it is cut off, unless it is whole JSON.
    pub fn append(disk: &dyn Disk, path: &Path, header: &[u8]) -> Result<Self, Error> {
        let shown = path.display().to_string();
        let whole = || {
            let mut file = disk.open(path)?;
            let end = file.length()?;
            let length = whole_lines(&mut *file, end)?;
            if length == end {
                return Ok(end);
            }
            let mut last = Vec::new();
            file.seek(io::SeekFrom::Start(length))?;
            file.read_to_end(&mut last)?;
            if serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&last).is_ok() {
                file.write_all(b"\n")?;
                return Ok(end + 1);
            }
            let bytes = end - length;
            tracing::warn!("{shown}: its last {bytes} bytes are a line that was not finished: they are cut off");
            Ok(length)
        };
        let length = whole().map_err(|error| Error::File { path: shown.clone(), error })?;
        Lines::resume(disk, path, header, length)
    }
}

/// Bytes of a file's lines that have an end; `end` is the length of the file.
fn whole_lines(file: &mut dyn File, end: u64) -> io::Result<u64> {
    const CHUNK: u64 = 1 << 16;
    let (mut to, mut chunk) = (end, Vec::new());
    while to > 0 {
        let from = to.saturating_sub(CHUNK);
        file.seek(io::SeekFrom::Start(from))?;
        chunk.resize((to - from) as usize, 0);
        file.read_exact(&mut chunk)?;
        if let Some(place) = memchr::memrchr(b'\n', &chunk) {
            return Ok(from + place as u64 + 1);
        }
        to = from;
    }
    Ok(0)
}

/// Tells of each piece that is taken.
pub struct Beating<W> {
    inner: W,
    pulse: Arc<Pulse>,
}

impl<W: Write> Write for Beating<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // What a pipe holds: a slow reader is seen to read.
        const PIECE: usize = 1 << 16;
        let written = self.inner.write(&bytes[..bytes.len().min(PIECE)])?;
        self.pulse.beat();
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Lines<Beating<io::Stdout>> {
    pub fn stdout() -> Lines<Beating<io::Stdout>> {
        let pulse = Arc::<Pulse>::default();
        Lines {
            path: "standard output".into(),
            pulse: Some(pulse.clone()),
            writer: BufWriter::with_capacity(1 << 18, Beating { inner: io::stdout(), pulse }),
            length: 0,
            sync: |_| Ok(()),
        }
    }
}

impl<W: Write> Lines<W> {
    fn done(&self, result: io::Result<()>) -> Result<(), Error> {
        result.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Error::BrokenPipe,
            _ => Error::File { path: self.path.clone(), error },
        })
    }
}

impl<W: Write> Sink for Lines<W> {
    fn write(&mut self, output: Output) -> Result<(), Error> {
        let Output::Lines(lines) = output else { unreachable!("the encoder gives lines to a sink of lines") };
        let written = self.writer.write_all(&lines);
        self.length += lines.len() as u64;
        recycle_lines(lines);
        self.done(written)
    }

    fn flush(&mut self) -> Result<(), Error> {
        let flushed = self.writer.flush();
        self.done(flushed)
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.flush()?;
        let synced = (self.sync)(self.writer.get_ref());
        self.done(synced)
    }

    fn pulse(&self) -> Option<Arc<Pulse>> {
        self.pulse.clone()
    }

    fn length(&self) -> u64 {
        self.length
    }

    fn close(mut self: Box<Self>) -> Result<(), Error> {
        self.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Machine;

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
            let mut lines = Box::new(Lines::append(&Machine, &path, b"").unwrap());
            lines.write(Output::Lines(b"{}\n".to_vec())).unwrap();
            lines.close().unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{whole}{{}}\n"));
        }
    }

    #[test]
    fn a_file_goes_on_behind_what_was_finished() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.csv");
        std::fs::write(&path, "a,b\n1,2\n3,").unwrap();
        let mut lines = Box::new(Lines::resume(&Machine, &path, b"a,b\n", 8).unwrap());
        lines.write(Output::Lines(b"5,6\n".to_vec())).unwrap();
        assert_eq!(lines.length(), 12);
        lines.close().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a,b\n1,2\n5,6\n");
        let refused = |header, length| Lines::resume(&Machine, &path, header, length).err().unwrap().to_string();
        assert!(refused(b"a,c\n", 8).contains("other columns"));
        assert!(refused(b"a,b\n", 99).contains("has 12 bytes"));
    }
}
