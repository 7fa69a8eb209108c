//! Bounds what could wait for ever: a drain that does not end, a silent process, rows without progress.
//!
//! It has a thread of its own, for the workers may be blocked by what it reports.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::runtime::background_thread::BackgroundThread;
use crate::runtime::cluster::control_channel::PeerSignals;
use crate::runtime::observe::activity::{Activity, DestinationKind, seconds};
use crate::runtime::options::{OnStuck, Options};
use crate::sink::Deadline;
use crate::source::Stop;

/// How often the run is checked.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(50);
/// A check that is later than this shows that this process or its machine was suspended.
const PAUSE_TIMEOUT: Duration = Duration::from_secs(1);
/// How much later than process 0 the others give up a drain: process 0 knows what is unfinished.
const LATER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a run may take to end after its waits for brokers were ended.
const ORDERLY_TIMEOUT: Duration = Duration::from_secs(2);

/// Watches a run until it is dropped.
pub struct Watchdog {
    _thread: BackgroundThread,
}

impl Watchdog {
    pub fn start(activity: &Arc<Activity>, options: &Options) -> Watchdog {
        let over = Arc::<AtomicBool>::default();
        let process = options.cluster.process;
        let later = if process > 0 { LATER_TIMEOUT } else { Duration::ZERO };
        let watcher = WatchdogThread {
            activity: activity.clone(),
            process,
            stop: options.stop.clone(),
            drain_timeout: options.drain_timeout,
            sink_deadline: options.sink_deadline.clone(),
            later,
            stall_timeout: options.stall_timeout,
            connect_timeout: options.connect_timeout,
            on_stuck: options.on_stuck.clone(),
            over: over.clone(),
        };
        let thread = BackgroundThread::start("watchdog", over, move || watcher.run());
        Watchdog { _thread: thread.expect("a thread can be started") }
    }
}

struct WatchdogThread {
    activity: Arc<Activity>,
    process: usize,
    stop: Stop,
    drain_timeout: Option<Duration>,
    sink_deadline: Deadline,
    later: Duration,
    stall_timeout: Option<Duration>,
    connect_timeout: Duration,
    on_stuck: Option<OnStuck>,
    over: Arc<AtomicBool>,
}

/// The times of the last progress.
struct LastMovement {
    looked: Instant,
    mark: [u64; 4],
    /// Since when there is no progress, though rows wait.
    still: Instant,
    told: Option<Instant>,
    stopped: Option<Instant>,
    /// Silence before this does not count: this process was suspended itself.
    awake: Instant,
}

impl WatchdogThread {
    fn run(self) {
        let now = Instant::now();
        let mark = self.activity.mark();
        let mut seen = LastMovement { looked: now, mark, still: now, told: None, stopped: None, awake: now };
        while !self.over.load(Ordering::Relaxed) {
            if let Some(reason) = self.look(&mut seen) {
                // The run may have ended during the check.
                if !self.over.load(Ordering::Relaxed) {
                    match &self.on_stuck {
                        Some(on_stuck) => on_stuck(&reason),
                        None => tracing::error!("{reason}"),
                    }
                }
                return;
            }
            std::thread::park_timeout(LOOK_UP_INTERVAL);
        }
    }

    /// Checks the run; the reason if it must be ended.
    fn look(&self, seen: &mut LastMovement) -> Option<String> {
        let now = Instant::now();
        if now - seen.looked > PAUSE_TIMEOUT {
            (seen.still, seen.awake) = (now, now);
        }
        seen.looked = now;
        if self.stop.is_set() {
            let stopped = *seen.stopped.get_or_insert(now);
            self.sink_deadline.stop();
            if let Some(timeout) = self.drain_timeout {
                self.sink_deadline.set(stopped + timeout);
                if now - stopped >= timeout + self.later + self.orderly() {
                    return Some(self.not_drained(timeout));
                }
            }
        }
        self.silent(now - seen.awake).or_else(|| self.stalled(seen, now))
    }

    /// How long the run may take to end after the deadline, at which waits for brokers end.
    fn orderly(&self) -> Duration {
        let waits = self.activity.waits();
        let all_end =
            !waits.is_empty() && waits.iter().all(|waiting| waiting.destination.kind == DestinationKind::Broker);
        if all_end { ORDERLY_TIMEOUT } else { Duration::ZERO }
    }

    fn not_drained(&self, timeout: Duration) -> String {
        let (timeout, left) = (humantime::format_duration(timeout), self.left());
        match self.activity.failure() {
            Some(failure) => format!("{failure}; the rest was not drained within {timeout} (--drain-timeout): {left}"),
            None => format!("not drained within {timeout} (--drain-timeout): {left}"),
        }
    }

    /// What is unfinished, and which processes are silent.
    fn left(&self) -> String {
        let silent = self.peers().iter().filter_map(|peer| {
            let silent = peer.silent().filter(|silent| *silent > PAUSE_TIMEOUT)?;
            Some(format!("{peer} has said nothing for {}", seconds(silent)))
        });
        let own = if self.process == 0 { self.activity.left() } else { "process 0 has not ended it".into() };
        std::iter::once(own).chain(silent).collect::<Vec<_>>().join("; ")
    }

    fn peers(&self) -> &[Arc<PeerSignals>] {
        self.activity.peers.get().map_or(&[], Vec::as_slice)
    }

    /// A process that has been silent for too long: it is suspended, or its machine is unreachable.
    fn silent(&self, awake: Duration) -> Option<String> {
        let (bound, flag) = if self.activity.has_begun() {
            (self.stall_timeout?, "--stall-timeout")
        } else {
            (self.connect_timeout, "--connect-timeout")
        };
        let silence = |peer: &Arc<PeerSignals>| peer.silent().map(|silent| (peer.clone(), silent.min(awake)));
        let (peer, silent) = self.peers().iter().filter_map(silence).find(|(_, silent)| *silent >= bound)?;
        let silent = seconds(silent);
        Some(format!("{peer} has said nothing for {silent} ({flag}): it is stopped, or its machine is out of reach"))
    }

    /// Rows without progress: ends the run if a restart can help, else warns.
    fn stalled(&self, seen: &mut LastMovement, now: Instant) -> Option<String> {
        let (mark, timeout) = (self.activity.mark(), self.stall_timeout?);
        // Process 0 knows what is in flight; the others know what their own sinks have not taken.
        let waits = self.activity.rows_wait() || (self.process > 0 && self.activity.lines_wait());
        if !waits || mark != seen.mark {
            (seen.mark, seen.still, seen.told) = (mark, now, None);
            return None;
        }
        if now - seen.still < timeout || seen.told.is_some_and(|told| now - told < timeout) {
            return None;
        }
        seen.told = Some(now);
        let (still, left) = (seconds(now - seen.still), self.activity.left());
        let waits = self.activity.waits();
        if waits.iter().any(|waiting| waiting.destination.kind == DestinationKind::Broker) {
            return Some(format!("no row has come further for {still} (--stall-timeout): {left}"));
        }
        let text = if waits.is_empty() {
            format!("no row has come further for {still}: the workers are still at their message; {left}")
        } else {
            format!("no row has come further for {still}: {left}")
        };
        // On another thread: standard error may be what blocks.
        std::thread::spawn(move || tracing::warn!("{text}"));
        None
    }
}
