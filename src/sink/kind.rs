//! The traits of all sinks, and one that is open.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::error::Error;
use super::existing::FileEnd;
use super::progress::SinkProgress;
use crate::data::Message;
use crate::format::Output;

/// Makes durable what it takes, in the order of epochs.
pub trait Sink {
    /// Makes what was written visible.
    ///
    /// # Errors
    /// When nothing more can be written.
    fn flush(&mut self) -> Result<(), Error>;

    /// Flushes, and waits until what was written is durable, as far as the sink can promise it.
    fn sync(&mut self) -> Result<(), Error> {
        self.flush()
    }

    /// Waits until each written line has been taken or refused.
    fn settle(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Lines refused for good since the last call.
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

    /// Whether results become durable in transactions of complete epochs, each with the run's progress.
    fn is_transactional(&self) -> bool {
        false
    }

    /// Begins a transaction with the results of all epochs before `end` and the run's progress, and returns. The one
    /// before it is committed.
    ///
    /// # Errors
    /// When nothing more can be written.
    fn transact(&mut self, _end: u64, _progress: TransactionProgress) -> Result<(), Error> {
        Ok(())
    }

    /// What has become of the transaction that was begun last.
    ///
    /// # Errors
    /// When nothing more can be written.
    fn transaction(&mut self) -> Result<TransactionState, Error> {
        Ok(TransactionState::Committed)
    }

    /// Waits while the transaction that was begun last is made; what has become of it.
    ///
    /// # Errors
    /// When nothing more can be written.
    fn made_transaction(&mut self) -> Result<TransactionState, Error> {
        self.transaction()
    }

    /// What was refused of the transaction is durable elsewhere: it may be committed.
    fn confirm(&mut self) {}

    /// How many transactions are committed, of this run and those before it; `None` where there are none.
    fn transactions(&self) -> Option<u64> {
        None
    }

    /// Whether so much waits for the next transaction that it should come soon.
    fn is_full(&self) -> bool {
        false
    }

    /// The progress of the receiver, where that may take time.
    fn progress(&self) -> Option<Arc<SinkProgress>> {
        None
    }

    /// Where in the current file the first `length` bytes of results end.
    ///
    /// # Errors
    /// A file that can't be read.
    fn file_end(&self, _length: u64) -> Result<FileEnd, Error> {
        Ok(FileEnd::default())
    }

    /// Whether the file is no longer at its path.
    fn is_moved(&self) -> bool {
        false
    }

    /// Continues in a new file at the path; results behind the first `length` bytes are carried over.
    ///
    /// # Errors
    /// If another file is at the path.
    fn follow(&mut self, _length: u64) -> Result<(), Error> {
        Ok(())
    }

    /// Closes the sink. Without it a file may lack its end.
    fn close(self: Box<Self>) -> Result<(), Error>;
}

/// A sink of results of one type: bytes of whole lines, or the columns of a message.
pub trait Takes<T>: Sink {
    /// Takes the results of a message.
    ///
    /// # Errors
    /// When nothing more can be written.
    fn write(&mut self, results: T) -> Result<(), Error>;
}

/// A sink that is open, by what it takes.
pub enum TypedSink {
    /// Takes lines.
    Lines(Box<dyn Takes<Vec<u8>>>),
    /// Takes columns.
    Columns(Box<dyn Takes<Message>>),
}

impl TypedSink {
    /// Takes the results of a message.
    ///
    /// # Errors
    /// When nothing more can be written, or the results are encoded for a sink of the other type.
    pub fn write(&mut self, output: Output) -> Result<(), Error> {
        match (self, output) {
            (TypedSink::Lines(sink), Output::Lines(lines)) => sink.write(lines),
            (TypedSink::Columns(sink), Output::Columns(message)) => sink.write(message),
            (_, _) => Err(Error::Encoding),
        }
    }

    /// As [`Sink::close`].
    ///
    /// # Errors
    /// When what is left can't be written.
    pub fn close(self) -> Result<(), Error> {
        match self {
            TypedSink::Lines(sink) => sink.close(),
            TypedSink::Columns(sink) => sink.close(),
        }
    }
}

impl Deref for TypedSink {
    type Target = dyn Sink;

    fn deref(&self) -> &(dyn Sink + 'static) {
        match self {
            TypedSink::Lines(sink) => &**sink,
            TypedSink::Columns(sink) => &**sink,
        }
    }
}

impl DerefMut for TypedSink {
    fn deref_mut(&mut self) -> &mut (dyn Sink + 'static) {
        match self {
            TypedSink::Lines(sink) => &mut **sink,
            TypedSink::Columns(sink) => &mut **sink,
        }
    }
}

/// What has become of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionState {
    /// It is being made.
    Made,
    /// Results were refused, which must be durable elsewhere before it is committed.
    Refuses,
    /// It is committed, or there was none.
    Committed,
}

/// What a sink's last transaction has left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastTransaction {
    /// How many there were.
    pub transactions: u64,
    /// The change of the checkpoint that it holds; empty without a checkpoint.
    pub change: Vec<u8>,
}

/// The run's progress, as a transaction stores it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionProgress {
    /// Of a source that begins again: the number of the next row.
    pub next_row: u64,
    /// What the checkpoint is about to commit; empty without a checkpoint.
    pub change: Vec<u8>,
}

/// A line that a sink refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedLine {
    /// The row's bytes.
    pub line: Vec<u8>,
    /// By how many bytes it is too long, if that is known.
    pub excess: Option<usize>,
    /// Why it was refused.
    pub reason: String,
}
