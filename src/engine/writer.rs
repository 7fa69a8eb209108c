//! The sink as the graph writes to it and the intake syncs it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::Options;
use super::failure::{Failure, fail};
use super::graph::{Plan, Writer};
use crate::dataflow::Dataflow;
use crate::sink::{self, Existing, Sink};
use crate::subtasks::result::Output;

/// Writes to the sink until it fails. The graph writes; on the first worker the intake syncs.
#[derive(Clone)]
pub struct SharedWriter(Rc<RefCell<SinkWriter>>);

struct SinkWriter {
    sink: Option<Box<dyn Sink>>,
    /// Whether deliveries are acknowledged for what was written.
    persistent: bool,
    /// Whether the intake asks for a sync; on the other workers every flush must be one.
    asked: bool,
    /// The length of the sink's file after each epoch, from the one last asked for on.
    lengths: VecDeque<(u64, u64)>,
    failure: Failure,
}

impl SharedWriter {
    pub fn open(
        index: usize,
        plan: &Plan,
        dataflow: &Dataflow,
        options: &Options,
        existing: Existing,
        failure: &Failure,
    ) -> SharedWriter {
        let writes = plan.writer == index as u64;
        let open = || dataflow.sink.open(&plan.schema_out, options.cluster.process, existing);
        let sink = if writes { open().map_err(|error| fail(failure, error)).ok() } else { None };
        let persistent = dataflow.source_settings.is_persistent();
        let (asked, lengths, failure) = (index == 0, VecDeque::new(), failure.clone());
        SharedWriter(Rc::new(RefCell::new(SinkWriter { sink, persistent, asked, lengths, failure })))
    }

    /// Brings to safety what was written; a sink that is closed has done so.
    pub fn sync(&self) -> bool {
        let mut writer = self.0.borrow_mut();
        writer.sink.is_none() || writer.with(|sink| sink.sync())
    }

    /// The length of the sink's file when all up to `epoch` was written.
    pub fn length_after(&self, epoch: u64) -> u64 {
        let lengths = &mut self.0.borrow_mut().lengths;
        while lengths.get(1).is_some_and(|(next, _)| *next <= epoch) {
            lengths.pop_front();
        }
        lengths.front().map_or(0, |(_, length)| *length)
    }
}

impl SinkWriter {
    /// Whether there was a sink and it did not fail.
    fn with(&mut self, act: impl FnOnce(&mut Box<dyn Sink>) -> Result<(), sink::Error>) -> bool {
        let Some(sink) = &mut self.sink else { return false };
        let Err(error) = act(sink) else { return true };
        self.sink = None;
        fail(&self.failure, error);
        false
    }
}

impl Writer for SharedWriter {
    fn write(&mut self, epoch: u64, output: Output) -> bool {
        let mut writer = self.0.borrow_mut();
        let written = writer.with(|sink| sink.write(output));
        if writer.persistent
            && let Some(length) = writer.sink.as_ref().map(|sink| sink.length())
        {
            writer.lengths.push_back((epoch, length));
        }
        written
    }

    fn flush(&mut self) -> bool {
        let mut writer = self.0.borrow_mut();
        let sync = writer.persistent && !writer.asked;
        writer.with(|sink| if sync { sink.sync() } else { sink.flush() })
    }

    fn close(&mut self) {
        let mut writer = self.0.borrow_mut();
        let persistent = writer.persistent;
        if let Some(mut sink) = writer.sink.take()
            && let Err(error) = if persistent { sink.sync() } else { Ok(()) }.and_then(|()| sink.close())
        {
            fail(&writer.failure, error);
        }
    }
}
