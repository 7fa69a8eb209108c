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
    /// Fuse adjacent steps into one operator.
    pub fuse: bool,
    /// Begin anew: discard the checkpoint of an earlier run.
    pub fresh: bool,
    /// Resume from the checkpoint of a changed dataflow: state that does not fit is discarded.
    pub migrate: bool,
    /// How long other processes may take to connect, and be silent until the first rows are complete.
    pub connect_timeout: Duration,
    /// Whether all processes have the same file of rows; the processes find out when they meet.
    pub shared_file: bool,
    /// The secret that the processes share; none if not given.
    pub secret: Secret,
    /// How long a drain may take once it is requested; for ever if not given.
    pub drain_timeout: Option<Duration>,
    /// How long another process may be silent, and rows may wait without progress; for ever if not given.
    pub stall_timeout: Option<Duration>,
    /// Called once, from a thread of its own, when the run can't end by itself: it should end the process. If not
    /// given, the error is only logged.
    pub on_stuck: Option<OnStuck>,
    /// The listener for other processes; this one binds its address of the cluster if not given.
    pub listener: Option<Arc<TcpListener>>,
    /// Set it to drain and end.
    pub stop: Stop,
    /// Set it to end all waits for the brokers of sinks, dead letters and tables: the run then fails with what is left.
    pub sink_deadline: sink::Deadline,
    /// Set it, in any process, when files of sinks or dead letters were moved away: they are reopened at their paths.
    pub reopen: Arc<AtomicBool>,
    /// Called a few times a second on the first worker.
    pub on_progress: Option<OnProgress>,
    /// Called about once a second on the first worker, and at the end.
    pub on_live: Option<OnLive>,
    /// The directory of the socket for queries of tables; none if not given.
    pub tables_at: Option<PathBuf>,
    /// The directory in which other programs may ask for the fitted params that files hold now; none if not given.
    pub reload_at: Option<PathBuf>,
    /// The file of timely's log of operators and messages; none if not given. Each of several processes writes a part.
    pub trace: Option<PathBuf>,
    /// Called once when the source is ready: it is subscribed, or has begun to read.
    pub on_ready: Option<OnReady>,
}

impl Options {
    /// Runs to the end of the source, fused, without callbacks.
    pub fn new(cluster: Cluster) -> Options {
        Options {
            cluster,
            fuse: true,
            fresh: false,
            migrate: false,
            connect_timeout: CONNECT_TIMEOUT,
            shared_file: false,
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
            reload_at: None,
            trace: None,
            on_ready: None,
        }
    }
}

/// The longest time that an idle worker is parked.
pub(crate) const PARK_TIMEOUT: Duration = Duration::from_millis(50);

/// The default of [`Options::connect_timeout`].
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);

/// The default bound of a drain.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// The default bound of how long rows may wait without progress.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// A callback with the status line of a run.
pub type OnProgress = Arc<dyn Fn(&StatusLine) + Send + Sync>;

/// A callback with the full status of a run.
pub type OnLive = Arc<dyn Fn(&RunStatus) + Send + Sync>;

/// A callback for when the source is ready.
pub type OnReady = Arc<dyn Fn() + Send + Sync>;

/// A callback with the reason, in words, why a run can't end.
pub type OnStuck = Arc<dyn Fn(&str) + Send + Sync>;
