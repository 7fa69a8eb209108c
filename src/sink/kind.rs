//! What a sink is.

use std::sync::Arc;

use super::error::Error;
use super::existing::FileEnd;
use super::progress::SinkProgress;
use crate::format::Output;

/// Takes encoded messages in the order of epochs.
pub trait Sink {
    /// # Errors
    /// When nothing more can be written.
    fn write(&mut self, output: Output) -> Result<(), Error>;

    /// Makes what was written visible.
    fn flush(&mut self) -> Result<(), Error>;

    /// Flushes, and waits until what was written would outlive this machine, as far as the sink can promise it.
    fn sync(&mut self) -> Result<(), Error> {
        self.flush()
    }

    /// Waits until each line that was written has been taken or refused.
    fn settle(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Lines that will never be taken, since they were last asked for.
    fn refused(&mut self) -> Vec<RefusedLine> {
        Vec::new()
    }

    /// The message of the first line that is neither taken nor refused; `None` if there is none.
    fn waits_from(&self) -> Option<u64> {
        None
    }

    /// Bytes of results so far; 0 where there is no file of lines.
    fn length(&self) -> u64 {
        0
    }

    /// What its other side has taken, where that may take time.
    fn progress(&self) -> Option<Arc<SinkProgress>> {
        None
    }

    /// Where in the file of now the first `length` bytes of results end.
    ///
    /// # Errors
    /// A file that can't be read.
    fn file_end(&self, _length: u64) -> Result<FileEnd, Error> {
        Ok(FileEnd::default())
    }

    /// Whether the file does not stand at its path any more.
    fn is_moved(&self) -> bool {
        false
    }

    /// Goes on in a new file at the path; results behind the first `length` bytes go with it.
    ///
    /// # Errors
    /// If another file stands there.
    fn follow(&mut self, _length: u64) -> Result<(), Error> {
        Ok(())
    }

    /// Ends the sink. Without it a file may lack its end.
    fn close(self: Box<Self>) -> Result<(), Error>;
}

/// A line that a sink does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedLine {
    /// The row's bytes.
    pub line: Vec<u8>,
    /// By how many bytes it is too long; `None` where that is not known.
    pub excess: Option<usize>,
    /// Why it was not taken.
    pub reason: String,
}
