//! Runs dataflows from another program.

use crate::config::Dataflow;
use crate::measure::Report;
use crate::runtime::cluster::topology::Cluster;
use crate::runtime::error::Error;
use crate::runtime::options::{OnLive, OnReady, Options};
use crate::runtime::run::run;
use crate::source::Stop;

/// Runs dataflows in this process.
///
/// ```
/// use rowmill::{Dataflow, Registry, Runtime};
///
/// let text = "source.url = 'generate:rows=1000,seed=7'\nsink.url = 'null'\n[[subtask]]\nuse = 'standard_scaler'";
/// let dataflow = Dataflow::from_text("t.toml", text, &[], &Registry::builtin()).unwrap();
/// let report = Runtime::builder().workers(2).run(&dataflow).unwrap();
/// assert_eq!((report.rows_in, report.rows_out), (1000, 1000));
/// ```
pub struct Runtime;

impl Runtime {
    /// One worker thread, to the end of the source, without callbacks.
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder { options: Options::new(Cluster::threads(1)) }
    }
}

/// How to run a dataflow.
#[derive(Clone)]
pub struct RuntimeBuilder {
    options: Options,
}

impl RuntimeBuilder {
    /// The number of worker threads, at least one.
    pub fn workers(mut self, workers: usize) -> RuntimeBuilder {
        self.options.cluster = Cluster::threads(workers.max(1));
        self
    }

    /// Replaces the results of earlier runs, and discards their checkpoint.
    pub fn fresh(mut self) -> RuntimeBuilder {
        self.options.fresh = true;
        self
    }

    /// Drains and ends when `stop` is set.
    pub fn stop(mut self, stop: Stop) -> RuntimeBuilder {
        self.options.stop = stop;
        self
    }

    /// Called once when the source is ready.
    pub fn on_ready(mut self, on_ready: OnReady) -> RuntimeBuilder {
        self.options.on_ready = Some(on_ready);
        self
    }

    /// Called with the run's status about once a second, and at the end.
    pub fn on_live(mut self, on_live: OnLive) -> RuntimeBuilder {
        self.options.on_live = Some(on_live);
        self
    }

    /// Runs a dataflow until its source ends or it is stopped.
    ///
    /// # Errors
    /// The first error of the run.
    pub fn run(self, dataflow: &Dataflow) -> Result<Report, Error> {
        let report = run(dataflow.clone(), self.options)?;
        Ok(report.expect("process 0 has the report"))
    }
}
