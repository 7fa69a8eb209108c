//! Runs a dataflow on timely: the graph, the workers, the processes.

mod accounts;
mod acknowledgement;
mod activity;
mod alone;
pub(crate) mod checkpoint;
mod checkpoint_file;
mod cluster;
mod connections;
mod control;
mod failure;
mod gather;
mod graph;
mod handshake;
mod identity;
mod in_order;
mod launcher;
mod ledger;
mod letter;
mod numbering;
mod outlet;
mod overload;
mod parcel;
mod post;
mod preview;
pub mod query;
mod reader;
pub(crate) mod remember;
#[cfg(test)]
mod simulation;
mod sources;
mod stages;
mod start;
mod tables;
mod tap;
mod tell;
mod trace;
mod watch;
mod watchdog;
mod worker;
mod writer;

use std::cell::RefCell;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use timely::WorkerConfig;

use activity::Activity;
pub use alone::{through_graph, time_to_completion};
pub use cluster::Cluster;
use cluster::Sockets;
use connections::{Meeting, Peer};
use control::Control;
pub use handshake::Secret;
use identity::Own;
pub use launcher::{arguments, is_launched, launch};
pub use preview::{Preview, PreviewStep, preview};
use start::Start;
use tap::Tap;
use trace::Trace;
pub use watch::Snapshot;
use watchdog::Watchdog;

use crate::dataflow::{Dataflow, Diagnostic};
use crate::measure::{Busy, Live, Report, ServiceTimes};
use crate::source::Stop;
use crate::{sink, source};

/// What one worker's operators measure.
type Times = Rc<RefCell<ServiceTimes>>;

/// How to run a dataflow.
#[derive(Clone)]
pub struct Options {
    pub cluster: Cluster,
    /// Run steps that follow each other and act by column as one operator.
    pub fuse: bool,
    /// Begin anew: forget what an earlier run has finished.
    pub fresh: bool,
    /// Go on where a run of another dataflow ended: what of its state does not fit goes.
    pub migrate: bool,
    /// How long the other processes may take to come, and to say nothing until rows come through.
    pub connect_timeout: Duration,
    /// What the other processes must know; nothing if not given.
    pub secret: Secret,
    /// How long a drain may take once it is asked for; for ever if not given.
    pub drain_timeout: Option<Duration>,
    /// How long another process may say nothing, and rows may wait without coming further; for ever if not given.
    pub stall_timeout: Option<Duration>,
    /// Called once, from a thread of its own, when the run can't come to its end by itself: it should end the process.
    /// It is only told if not given.
    pub on_stuck: Option<OnStuck>,
    /// Set it to drain and end.
    pub stop: Stop,
    /// Set it to end all waits for the brokers of sinks, dead letters and tables: the run then fails with what was left.
    pub sink_deadline: sink::Deadline,
    /// Set it when the sink's file was moved away: results go on in a new one at its path.
    pub reopen: Arc<AtomicBool>,
    /// Called a few times a second on the first worker.
    pub on_progress: Option<OnProgress>,
    /// Called about once a second on the first worker, and at the end.
    pub on_live: Option<OnLive>,
    /// Where questions about tables are answered, a directory; nowhere if not given.
    pub tables_at: Option<PathBuf>,
    /// Where timely's log of operators and messages is written; nowhere if not given. Each of several processes writes a
    /// part.
    pub trace: Option<PathBuf>,
    /// Called once when the source is ready: its subscription stands, or it has begun to read.
    pub on_ready: Option<OnReady>,
}

impl Options {
    /// Runs to the end, fused, and tells nobody.
    pub fn new(cluster: Cluster) -> Options {
        Options {
            cluster,
            fuse: true,
            fresh: false,
            migrate: false,
            connect_timeout: CONNECT_TIMEOUT,
            secret: Secret::default(),
            drain_timeout: None,
            stall_timeout: None,
            on_stuck: None,
            stop: Stop::default(),
            sink_deadline: sink::Deadline::default(),
            reopen: Arc::default(),
            on_progress: None,
            on_live: None,
            tables_at: None,
            trace: None,
            on_ready: None,
        }
    }
}

/// How long a worker rests at most while nothing comes.
const PARK: Duration = Duration::from_millis(50);

/// How long other processes may take to come, where nothing else is said.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a drain may take, where nothing else is said.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// How long rows may wait without coming further, where nothing else is said.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// What watches a run.
pub type OnProgress = Arc<dyn Fn(&Snapshot) + Send + Sync>;

/// What shows a run to others.
pub type OnLive = Arc<dyn Fn(&Live) + Send + Sync>;

/// What is told that the source is ready.
pub type OnReady = Arc<dyn Fn() + Send + Sync>;

/// What is told, in words, why a run can't come to its end.
pub type OnStuck = Arc<dyn Fn(&str) + Send + Sync>;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The dataflow file does not fit its source.
    #[error("{0}")]
    Dataflow(#[from] Diagnostic),
    #[error("{0}")]
    Source(#[from] source::Error),
    #[error("{0}")]
    Sink(#[from] sink::Error),
    /// An earlier run's progress can't be used.
    #[error("{0}")]
    Checkpoint(String),
    #[error("{0}")]
    Cluster(String),
    #[error("the trace {}: {}", .0.display(), .1)]
    Trace(PathBuf, std::io::Error),
}

/// Runs this process' workers until the source ends; process 0 returns the report.
///
/// # Errors
/// The first error of this process' workers.
pub fn run(dataflow: Dataflow, mut options: Options) -> Result<Option<Report>, Error> {
    if options.cluster.processes() > 1 {
        cluster::explain_lost_peers();
    }
    let listener = launcher::attend(options.cluster.process)?;
    let activity = Arc::<Activity>::default();
    let _watchdog = Watchdog::start(&activity, &options);
    if options.cluster.process == 0 {
        let trace = options.trace.iter().map(|path| ("the trace", part_of_trace(path, &options.cluster)));
        dataflow.check_files(options.cluster.processes(), &trace.collect::<Vec<_>>())?;
    }
    let start = if options.cluster.process == 0 { Some(Start::find(&dataflow, &options)?) } else { None };
    let start = Mutex::new(start);
    let (sockets, _control) = match options.cluster.hosts.len() {
        0 | 1 => (Vec::new(), None),
        _ => {
            let Some((sockets, control)) = meet(&dataflow, &mut options, listener, &activity)? else { return Ok(None) };
            let _ = activity.peers.set(control.peers.clone());
            (sockets, Some(control))
        }
    };
    let (builders, others) = options.cluster.build(sockets).map_err(Error::Cluster)?;
    let trace = options.trace.as_deref().map(|path| trace(path, &options.cluster)).transpose()?;
    let (following, path) = (trace.clone(), options.trace.clone());
    let dataflow = Arc::new(dataflow);
    let tap = options.on_live.as_ref().map(|_| Tap::default());
    let busy = Busy::default();
    let guards = timely::execute::execute_from(builders, others, WorkerConfig::default(), move |worker| {
        following.iter().for_each(|trace| trace.follow(worker));
        let first = worker.index() == 0;
        let start = if first { start.lock().expect("no holder panics").take() } else { None };
        worker::run(worker, &dataflow, &options, start, tap.clone(), &activity, &busy)
    });
    let mut report = None;
    for result in guards.map_err(Error::Cluster)?.join() {
        let own = result.map_err(|panic| Error::Cluster(format!("a worker ended early: {panic}")))??;
        report = report.or(own);
    }
    if let (Some(trace), Some(path)) = (trace, path) {
        trace.close().map_err(|error| Error::Trace(path, error))?;
    }
    Ok(report)
}

/// The connections with the other processes, in their order, and what is heard over them beside the dataflow; `None` if
/// the run is stopped meanwhile. What the processes choose alike is put into the options.
fn meet(
    dataflow: &Dataflow,
    options: &mut Options,
    listener: Option<TcpListener>,
    activity: &Activity,
) -> Result<Option<(Sockets, Control)>, Error> {
    let Cluster { hosts, process, .. } = &options.cluster;
    let meeting = Meeting {
        hosts,
        process: *process,
        own: Own::of(dataflow, options)?,
        secret: options.secret.clone(),
        timeout: options.connect_timeout,
        stop: options.stop.clone(),
    };
    let Some(peers) = meeting.connect(listener).map_err(Error::Cluster)? else { return Ok(None) };
    let (mut data, mut controls, mut fuse) = (Vec::new(), Vec::new(), options.fuse);
    for (other, peer) in peers.into_iter().enumerate() {
        let Some(Peer { data: stream, control, identity }) = peer else {
            data.push(None);
            continue;
        };
        // All must build the same operators, though only one may be asked for the time of each.
        fuse &= identity.fuse;
        data.push(Some(stream));
        controls.extend(control.map(|control| (other, hosts[other].as_str(), control)));
    }
    let control = Control::start(controls, &options.stop, &activity.begun);
    let control = control.map_err(|error| Error::Cluster(format!("the processes cannot talk: {error}")))?;
    options.fuse = fuse;
    Ok(Some((data, control)))
}

fn part_of_trace(path: &Path, cluster: &Cluster) -> PathBuf {
    if cluster.processes() > 1 { sink::part(path, cluster.process) } else { path.to_owned() }
}

/// Opens the trace of this process.
fn trace(path: &Path, cluster: &Cluster) -> Result<Trace, Error> {
    let path = part_of_trace(path, cluster);
    Trace::create(&path, cluster.process).map_err(|error| Error::Trace(path, error))
}
