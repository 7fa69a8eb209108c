//! A sink, shared by the graph, which writes, and the coordinator, which syncs.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::format::Output;
use crate::runtime::error::Error;
use crate::runtime::first_error::{FirstError, fail};
use crate::runtime::observe::activity::{Activity, Destination};
use crate::sink::{self, FileEnd, RefusedLine, SinkSettings, TransactionProgress, TransactionState, TypedSink};

/// Writes to the sink until it fails. The graph writes; on the first worker the coordinator syncs.
#[derive(Clone)]
pub struct SharedSinkWriter(Rc<RefCell<SinkWriter>>);

/// What the writers of all sinks of a worker have in common.
#[derive(Clone)]
pub struct WriterOptions {
    /// Whether what was written must be durable: deliveries are acknowledged for it, or a checkpoint covers it.
    pub persistent: bool,
    /// Whether a checkpoint covers what was written.
    pub checkpointed: bool,
    /// Whether the coordinator asks for syncs; on the other workers every flush must be one, unless outcomes wait for
    /// the delivery of their results.
    pub asked: bool,
    pub activity: Arc<Activity>,
    pub failure: FirstError,
}

struct SinkWriter {
    sink: Option<TypedSink>,
    options: WriterOptions,
    /// After closing: the length of the results, and where they end in the file.
    closed: Option<(u64, FileEnd)>,
    /// Whether results are delivered some time after they were written, and no coordinator asks for syncs.
    delivers: bool,
    /// Whether the sink was closed with all results.
    ended: bool,
    /// Results that were refused until the sink was closed.
    refused: Vec<RefusedLine>,
    destination: Arc<Destination>,
}

impl SharedSinkWriter {
    /// Opens a sink, if this worker writes it: `open` does.
    pub fn open(
        destination: Arc<Destination>,
        settings: &SinkSettings,
        open: Option<impl FnOnce() -> Result<TypedSink, sink::Error>>,
        options: &WriterOptions,
    ) -> SharedSinkWriter {
        let WriterOptions { activity, failure, .. } = options;
        let opened = open.map(|open| activity.opening(&destination, open));
        let sink = opened.and_then(|opened| opened.map_err(|error| fail(failure, error)).ok());
        activity.follow(&destination, sink.as_ref().and_then(|sink| sink.progress()));
        let (options, refused) = (options.clone(), Vec::new());
        let delivers = !options.asked && settings.may_refuse();
        let writer = SinkWriter { sink, options, closed: None, delivers, ended: false, refused, destination };
        SharedSinkWriter(Rc::new(RefCell::new(writer)))
    }

    /// Makes what was written durable; a closed sink already is.
    pub fn sync(&self) -> bool {
        let mut writer = self.0.borrow_mut();
        writer.sink.is_none() || writer.with(|sink| sink.sync())
    }

    /// Whether the sink takes results in transactions.
    pub fn is_transactional(&self) -> bool {
        self.0.borrow().sink.as_ref().is_some_and(|sink| sink.is_transactional())
    }

    /// How many transactions the sink has committed, where it takes results so.
    pub fn transactions(&self) -> Option<u64> {
        self.0.borrow().sink.as_ref().and_then(|sink| sink.transactions())
    }

    /// Whether the sink's next transaction should come soon.
    pub fn is_full(&self) -> bool {
        self.0.borrow().sink.as_ref().is_some_and(|sink| sink.is_full())
    }

    /// Begins a transaction of the sink, with the results of all epochs before `end`.
    pub fn transact(&self, end: u64, progress: TransactionProgress) -> bool {
        self.0.borrow_mut().with(|sink| sink.transact(end, progress))
    }

    /// What has become of the sink's transaction, which is waited for while it is made if it `waits`; `None` after a
    /// failure.
    pub fn transaction(&self, waits: bool) -> Option<TransactionState> {
        let (mut writer, mut found) = (self.0.borrow_mut(), None);
        let ask = |sink: &mut TypedSink| if waits { sink.made_transaction() } else { sink.transaction() };
        writer.with(|sink| ask(sink).map(|state| found = Some(state)));
        found
    }

    /// What was refused of the sink's transaction is durable.
    pub fn confirm(&self) {
        self.0.borrow_mut().sink.iter_mut().for_each(|sink| sink.confirm());
    }

    /// Results that the sink has refused since the last call.
    pub fn refused(&self) -> Vec<RefusedLine> {
        let mut writer = self.0.borrow_mut();
        let mut refused = std::mem::take(&mut writer.refused);
        refused.extend(writer.sink.iter_mut().flat_map(|sink| sink.refused()));
        refused
    }

    /// The first epoch with a result that the sink has neither delivered nor refused; `None` if there is none.
    pub fn waits_from(&self) -> Option<u64> {
        self.0.borrow().sink.as_ref().and_then(|sink| sink.waits_from())
    }

    /// Whether results are delivered some time after they were written, and no coordinator asks for syncs.
    pub fn delivers(&self) -> bool {
        self.0.borrow().delivers
    }

    /// Fails if the sink has: where there are no results to write, nothing else would ask.
    pub fn check(&self) {
        let _alive = self.0.borrow_mut().with(|sink| sink.flush());
    }

    /// Whether the sink is gone before all its results were delivered.
    pub fn has_failed(&self) -> bool {
        let writer = self.0.borrow();
        writer.sink.is_none() && !writer.ended
    }

    /// Whether this worker has an open sink.
    pub fn writes(&self) -> bool {
        self.0.borrow().sink.is_some()
    }

    /// Bytes of results so far.
    pub fn length(&self) -> u64 {
        self.0.borrow().sink.as_ref().map_or(0, |sink| sink.length())
    }

    /// Whether the sink is closed, with results beyond the first `length` bytes.
    pub fn is_closed_behind(&self, length: u64) -> bool {
        self.0.borrow().closed.is_some_and(|(written, _)| written != length)
    }

    /// Where in the sink's file the first `length` bytes of results end.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn file_end(&self, length: u64) -> Result<FileEnd, Error> {
        let writer = self.0.borrow();
        match (&writer.sink, writer.closed) {
            (Some(sink), _) => Ok(sink.file_end(length)?),
            (None, Some((written, end))) if written == length => Ok(end),
            (None, Some((written, _))) => {
                let reason = format!("{written} bytes of results were written, but {length} are complete");
                Err(Error::Checkpoint(reason))
            }
            (None, None) => Ok(FileEnd::default()),
        }
    }

    /// Whether the sink's file was moved away.
    pub fn is_moved(&self) -> bool {
        self.0.borrow().sink.as_ref().is_some_and(|sink| sink.is_moved())
    }

    /// Continues in a new file, with the results beyond the first `length` bytes.
    ///
    /// # Errors
    /// If the new path is taken by another file.
    pub fn follow(&self, length: u64) -> Result<(), Error> {
        Ok(self.0.borrow_mut().sink.as_mut().map_or(Ok(()), |sink| sink.follow(length))?)
    }

    /// Writes results; false if they were not taken.
    pub fn write(&self, output: Output) -> bool {
        self.0.borrow_mut().with(|sink| sink.write(output))
    }

    /// Nothing more is written: the results of an epoch are missing.
    pub fn abandon(&self, reason: &str) {
        let mut writer = self.0.borrow_mut();
        writer.sink = None;
        fail(&writer.options.failure, Error::Unread(reason.to_owned()));
    }

    /// Whether all results so far have been flushed.
    pub fn flush(&self) -> bool {
        let mut writer = self.0.borrow_mut();
        let WriterOptions { persistent, asked, checkpointed, .. } = writer.options;
        let (sync, follows) = (persistent && !asked && !writer.delivers, !checkpointed);
        writer.with(|sink| {
            if sync { sink.sync() } else { sink.flush() }?;
            let length = sink.length();
            if follows && sink.is_moved() { sink.follow(length) } else { Ok(()) }
        })
    }

    /// Writes what is left, and closes the sink.
    pub fn close(&self) {
        let mut writer = self.0.borrow_mut();
        let WriterOptions { persistent, checkpointed, .. } = writer.options;
        if writer.sink.as_ref().is_some_and(|sink| sink.is_transactional()) {
            // Its last transaction comes when all epochs are complete.
            return;
        }
        let Some(mut sink) = writer.sink.take() else { return };
        let (mut refused, mut end) = (Vec::new(), None);
        let close = || {
            let settled = if persistent { sink.sync() } else { sink.settle() };
            refused = sink.refused();
            settled?;
            if checkpointed {
                end = Some((sink.length(), sink.file_end(sink.length())?));
            }
            sink.close()
        };
        let closed = writer.options.activity.during(&writer.destination, close);
        writer.refused.extend(refused);
        writer.closed = end;
        writer.ended = closed.is_ok();
        if let Err(error) = closed {
            fail(&writer.options.failure, error);
        }
    }
}

impl SinkWriter {
    /// Acts on the sink; false if there is none, or it fails.
    fn with(&mut self, act: impl FnOnce(&mut TypedSink) -> Result<(), sink::Error>) -> bool {
        let Some(sink) = &mut self.sink else { return false };
        let Err(error) = self.options.activity.during(&self.destination, || act(sink)) else { return true };
        self.sink = None;
        fail(&self.options.failure, error);
        false
    }
}
