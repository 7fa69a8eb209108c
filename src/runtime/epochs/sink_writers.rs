//! The sinks of a run: an epoch is written when all of them have it, and durable when it is durable in all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{Branch, Dataflow, SinkPlan};
use crate::format::Output;
use crate::runtime::epochs::sink_writer::{SharedSinkWriter, WriterOptions};
use crate::runtime::error::Error;
use crate::runtime::first_error::FirstError;
use crate::runtime::graph::build::{GraphPlan, ResultWriter};
use crate::runtime::graph::by_sink::BySink;
use crate::runtime::graph::delivery::{AwaitsDelivery, DeliveryState, RefusedResult};
use crate::runtime::observe::activity::{Activity, Destination};
use crate::runtime::options::Options;
use crate::sink::{Existing, FileEnd, SinkSettings};

/// The sinks, in the order of the dataflow. The graph writes; on the first worker the coordinator syncs.
#[derive(Clone)]
pub struct SinkWriters {
    writers: Vec<SharedSinkWriter>,
    /// The file that a checkpoint knows the end of, by sink.
    files: Vec<Option<String>>,
    /// What each is called.
    names: Vec<String>,
    /// Whether each takes messages at the end of the chain.
    ends: Vec<bool>,
    /// The sink that gets messages themselves at the end of the chain.
    at_the_end: Option<usize>,
    process: usize,
    failure: FirstError,
}

impl SinkWriters {
    /// Opens the sinks that this worker writes. One that can't be opened is noted in `failure`; those behind it are left
    /// as they are.
    pub fn open(
        index: usize,
        plan: &GraphPlan,
        dataflow: &Dataflow,
        options: &Options,
        existing: &[Existing],
        failure: &FirstError,
        activity: &Arc<Activity>,
    ) -> SinkWriters {
        let checkpointed = dataflow.checkpoint().is_some();
        let shared = WriterOptions {
            persistent: checkpointed || dataflow.is_persistent(),
            checkpointed,
            asked: index == 0,
            activity: activity.clone(),
            failure: failure.clone(),
        };
        let mut opens = plan.writer.writer(index) == index;
        let open = |((plan, branch), existing): ((&SinkPlan, &Branch), &Existing)| {
            // A broker does not redeliver what was acknowledged; a file can be read again.
            let logged = dataflow.is_live();
            let settings = SinkSettings { logged, ..plan.settings.clone() };
            let process = options.cluster.process;
            let role = plan.role() + if plan.is_named() { "," } else { "" };
            let open = || settings.open(&branch.schema, process, *existing, &options.sink_deadline);
            let destination = Destination::of(&role, plan.shown(), &settings);
            let writer = SharedSinkWriter::open(destination, &settings, opens.then_some(open), &shared);
            opens &= writer.writes();
            writer
        };
        let sinks = &dataflow.sinks;
        let writers = sinks.iter().zip(&plan.branches).zip(existing).map(open).collect();
        let files = sinks.iter().map(SinkPlan::checkpointed_file).collect();
        let names = match &sinks[..] {
            [_] => vec!["sink".to_owned()],
            several => several.iter().map(|plan| format!("sink {}", plan.shown())).collect(),
        };
        let ends = plan.branches.iter().map(|branch| plan.is_at_the_end(branch)).collect();
        let (at_the_end, process) = (plan.sink_at_the_end(), options.cluster.process);
        SinkWriters { writers, files, names, ends, at_the_end, process, failure: failure.clone() }
    }

    /// What a sink is called in dead letters.
    pub fn name(&self, sink: usize) -> &str {
        &self.names[sink]
    }

    /// Whether a sink takes messages at the end of the chain.
    pub fn is_at_the_end(&self, sink: usize) -> bool {
        self.ends[sink]
    }

    /// Makes what was written durable in all sinks; a closed one already is.
    pub fn sync(&self) -> bool {
        self.writers.iter().all(SharedSinkWriter::sync)
    }

    /// Whether a sink takes results in transactions; there is one at most.
    pub fn are_transactional(&self) -> bool {
        self.writers.iter().any(SharedSinkWriter::is_transactional)
    }

    /// As [`SharedSinkWriter::transactions`], of the sink that takes results in transactions.
    pub fn transactions(&self) -> Option<u64> {
        self.writers.iter().find_map(SharedSinkWriter::transactions)
    }

    /// Whether the next transaction of a sink should come soon.
    pub fn are_full(&self) -> bool {
        self.writers.iter().any(SharedSinkWriter::is_full)
    }

    /// The sink that takes results in transactions.
    pub fn transactional(&self) -> Option<&SharedSinkWriter> {
        self.writers.iter().find(|writer| writer.is_transactional())
    }

    /// Results that the sinks have refused since the last call.
    pub fn refused(&self) -> Vec<RefusedResult> {
        let of = |(sink, writer): (usize, &SharedSinkWriter)| {
            writer.refused().into_iter().map(move |line| RefusedResult { sink, line }).collect::<Vec<_>>()
        };
        self.writers.iter().enumerate().flat_map(of).collect()
    }

    /// The first epoch with a result that a sink has neither delivered nor refused; `None` if there is none.
    pub fn waits_from(&self) -> Option<u64> {
        self.writers.iter().filter_map(SharedSinkWriter::waits_from).min()
    }

    /// Whether this worker has an open sink.
    pub fn writes(&self) -> bool {
        self.writers.iter().any(SharedSinkWriter::writes)
    }

    /// By sink, bytes of results so far.
    pub fn lengths(&self) -> BySink {
        self.writers.iter().map(SharedSinkWriter::length).collect()
    }

    /// Whether a sink is closed, with results beyond those of these lengths.
    pub fn are_closed_behind(&self, lengths: &BySink) -> bool {
        self.writers.iter().enumerate().any(|(sink, writer)| writer.is_closed_behind(lengths.get(sink)))
    }

    /// By path, where results of these lengths end in the files; at the beginning of those that were `moved`.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn file_ends(&self, lengths: &BySink, moved: &[usize]) -> Result<BTreeMap<String, FileEnd>, Error> {
        let files = self.files.iter().zip(&self.writers).enumerate();
        let files = files.filter_map(|(sink, (path, writer))| Some((sink, path.clone()?, writer)));
        files
            .map(|(sink, path, writer)| {
                let is_moved = moved.contains(&sink);
                let end = if is_moved { FileEnd::default() } else { writer.file_end(lengths.get(sink))? };
                Ok((path, end))
            })
            .collect()
    }

    /// The sinks whose files were moved away.
    pub fn moved(&self) -> Vec<usize> {
        (0..self.writers.len()).filter(|sink| self.writers[*sink].is_moved()).collect()
    }

    /// Continues in new files, with the results beyond these lengths.
    ///
    /// # Errors
    /// If a new path is taken by another file.
    pub fn follow(&self, moved: &[usize], lengths: &BySink) -> Result<(), Error> {
        moved.iter().try_for_each(|sink| self.writers[*sink].follow(lengths.get(*sink)))
    }
}

impl AwaitsDelivery for SinkWriters {
    fn delivery(&mut self) -> Option<DeliveryState> {
        if !self.writers.iter().any(SharedSinkWriter::delivers) {
            return None;
        }
        self.writers.iter().for_each(SharedSinkWriter::check);
        // Asked first: a result may be refused meanwhile, and then its epoch still waits.
        let waits_from = self.waits_from();
        let has_failed = self.writers.iter().any(SharedSinkWriter::has_failed);
        let failure = if has_failed { self.failure() } else { None };
        Some(DeliveryState { waits_from, refused: self.refused(), failure })
    }
}

impl ResultWriter for SinkWriters {
    fn write(&mut self, output: Output, branched: Vec<(usize, Output)>) -> Option<BySink> {
        let mut taken = true;
        for (sink, output) in branched {
            taken &= self.writers[sink].write(output);
        }
        if let Some(sink) = self.at_the_end {
            taken &= self.writers[sink].write(output);
        }
        taken.then(|| self.lengths())
    }

    fn abandon(&mut self, reason: &str) {
        self.writers.iter().for_each(|writer| writer.abandon(reason));
    }

    fn flush(&mut self) -> bool {
        // Each is flushed, whether or not one before it failed.
        let failed = self.writers.iter().filter(|writer| !writer.flush()).count();
        failed == 0
    }

    fn failure(&self) -> Option<String> {
        self.failure.borrow().as_ref().map(|failure| format!("process {}: {failure}", self.process))
    }

    fn close(&mut self) {
        self.writers.iter().for_each(SharedSinkWriter::close);
    }
}
