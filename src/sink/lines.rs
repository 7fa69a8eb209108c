//! Lines to standard output, or nowhere.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use super::{Error, Sink, SinkProgress, Takes};
use crate::data::recycle_lines;

/// Discards everything.
pub struct NullSink;

impl Takes<Vec<u8>> for NullSink {
    fn write(&mut self, lines: Vec<u8>) -> Result<(), Error> {
        recycle_lines(lines);
        Ok(())
    }
}

impl Sink for NullSink {
    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), Error> {
        Ok(())
    }
}

/// Writes encoded lines one after the other.
pub struct LineSink<W: Write> {
    path: String,
    progress: Option<Arc<SinkProgress>>,
    writer: BufWriter<W>,
    /// Bytes written.
    length: u64,
    /// Makes durable what was flushed.
    sync: fn(&W) -> io::Result<()>,
}

/// Reports each piece that the receiver takes.
pub struct ProgressWriter<W> {
    inner: W,
    progress: Arc<SinkProgress>,
}

impl<W: Write> Write for ProgressWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The capacity of a pipe: the progress of a slow reader is seen.
        const PIECE: usize = 1 << 16;
        let written = self.inner.write(&bytes[..bytes.len().min(PIECE)])?;
        self.progress.beat();
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl LineSink<ProgressWriter<io::Stdout>> {
    pub fn stdout() -> LineSink<ProgressWriter<io::Stdout>> {
        let progress = Arc::<SinkProgress>::default();
        LineSink {
            path: "standard output".into(),
            progress: Some(progress.clone()),
            writer: BufWriter::with_capacity(1 << 18, ProgressWriter { inner: io::stdout(), progress }),
            length: 0,
            sync: |_| Ok(()),
        }
    }
}

impl<W: Write> LineSink<W> {
    fn done(&self, result: io::Result<()>) -> Result<(), Error> {
        result.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Error::BrokenPipe,
            _ => Error::File { path: self.path.clone(), error },
        })
    }
}

impl<W: Write> Takes<Vec<u8>> for LineSink<W> {
    fn write(&mut self, lines: Vec<u8>) -> Result<(), Error> {
        let written = self.writer.write_all(&lines);
        self.length += lines.len() as u64;
        recycle_lines(lines);
        self.done(written)
    }
}

impl<W: Write> Sink for LineSink<W> {
    fn flush(&mut self) -> Result<(), Error> {
        let flushed = self.writer.flush();
        self.done(flushed)
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.flush()?;
        let synced = (self.sync)(self.writer.get_ref());
        self.done(synced)
    }

    fn progress(&self) -> Option<Arc<SinkProgress>> {
        self.progress.clone()
    }

    fn length(&self) -> u64 {
        self.length
    }

    fn close(mut self: Box<Self>) -> Result<(), Error> {
        self.flush()
    }
}
