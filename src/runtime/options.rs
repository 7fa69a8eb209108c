//! How to run a dataflow.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::measure::RunStatus;
use crate::runtime::cluster::secret::Secret;
use crate::runtime::cluster::topology::Cluster;
use crate::runtime::observe::status_line::StatusLine;
use crate::sink;
use crate::source::Stop;

/// How to run a dataflow.
#[derive(Clone)]
pub struct Options {
    /// The processes, and the workers of each.
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
    /// Where other processes call this one; it listens at its address of the cluster if not given.
    pub listener: Option<Arc<TcpListener>>,
    /// Set it to drain and end.
    pub stop: Stop,
    /// Set it to end all waits for the brokers of sinks, dead letters and tables: the run then fails with what was left.
    pub sink_deadline: sink::Deadline,
    /// Set it, in any process of the run, when files of sinks or dead letters were moved away: what follows goes into
    /// new ones at their paths.
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
            listener: None,
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
pub(crate) const PARK_TIMEOUT: Duration = Duration::from_millis(50);

/// How long other processes may take to come, where nothing else is said.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a drain may take, where nothing else is said.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// How long rows may wait without coming further, where nothing else is said.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// What watches a run.
pub type OnProgress = Arc<dyn Fn(&StatusLine) + Send + Sync>;

/// What shows a run to others.
pub type OnLive = Arc<dyn Fn(&RunStatus) + Send + Sync>;

/// What is told that the source is ready.
pub type OnReady = Arc<dyn Fn() + Send + Sync>;

/// What is told, in words, why a run can't come to its end.
pub type OnStuck = Arc<dyn Fn(&str) + Send + Sync>;
