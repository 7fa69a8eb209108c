//! Lines to standard output, or nowhere.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use super::{Error, Sink, SinkProgress};
use crate::data::recycle_lines;
use crate::format::Output;

/// Discards everything.
pub struct NullSink;

impl Sink for NullSink {
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

impl<W: Write> Sink for LineSink<W> {
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
