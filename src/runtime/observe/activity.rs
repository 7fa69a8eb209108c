//! What a run does and waits for, for threads other than its workers, which may be blocked.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::runtime::cluster::control_channel::PeerSignals;
use crate::runtime::epochs::ledger::Ledger;
use crate::runtime::ingest::arrival::Backlog;
use crate::sink::{self, SinkProgress, SinkSettings};

/// The current activity of a process in a run.
#[derive(Default)]
pub struct Activity {
    /// Whether the start is over: the first rows are complete. Process 0 tells the others.
    pub begun: Arc<AtomicBool>,
    rows_done: AtomicU64,
    messages_done: AtomicU64,
    rows_in_flight: AtomicU64,
    messages_in_flight: AtomicU64,
    buckets_queued: AtomicU64,
    /// Whether there are complete deliveries that are not acknowledged.
    owes: AtomicBool,
    /// Calls of sinks that have not returned yet.
    calls: Mutex<Vec<SinkCall>>,
    takers: Mutex<Vec<TrackedSink>>,
    /// The first failure of the run.
    failure: Mutex<Option<String>>,
    /// The processes that this one has a control channel with.
    pub peers: OnceLock<Vec<Arc<PeerSignals>>>,
}

/// The destination of a sink's lines.
#[derive(Debug)]
pub struct Destination {
    /// In words, such as "the sink mqtt://host:1883/t".
    pub what: String,
    pub kind: DestinationKind,
}

/// The kind of a destination: it decides whether a restart can help when it is stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DestinationKind {
    /// A connection, which a restart establishes anew.
    Broker,
    /// Standard output or a FIFO: its reader applies back-pressure on purpose.
    Stream,
    File,
}

impl Destination {
    /// A sink; `role` is what it is to the run, such as "the sink".
    pub fn of(role: &str, settings: &SinkSettings) -> Arc<Destination> {
        use sink::SinkUrl;
        let kind = match &settings.url {
            SinkUrl::Mqtt(_) | SinkUrl::Custom(_) => DestinationKind::Broker,
            SinkUrl::Stdout => DestinationKind::Stream,
            SinkUrl::Ndjson(path) | SinkUrl::Csv(path) | SinkUrl::Parquet(path) if is_stream(path) => {
                DestinationKind::Stream
            }
            SinkUrl::Ndjson(_) | SinkUrl::Csv(_) | SinkUrl::Parquet(_) | SinkUrl::Null => DestinationKind::File,
        };
        let what = match &settings.url {
            SinkUrl::Stdout => format!("{role}, standard output"),
            url => format!("{role} {url}"),
        };
        Arc::new(Destination { what, kind })
    }
}

fn is_stream(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| !found.is_file())
}

/// A call of a sink that has not returned yet.
struct SinkCall {
    number: u64,
    destination: Arc<Destination>,
    since: Instant,
}

/// A sink that counts what its other side has acknowledged.
struct TrackedSink {
    destination: Arc<Destination>,
    progress: Arc<SinkProgress>,
}

/// What the run waits for.
#[derive(Clone, Debug)]
pub struct WaitReason {
    pub destination: Arc<Destination>,
    /// How long the call has lasted; `None` if only lines are outstanding.
    pub since: Option<Duration>,
    /// Outstanding lines, if the sink counts them.
    pub lines: Option<u64>,
}

impl Activity {
    /// Runs a call of a sink, and records it while it lasts.
    pub fn during<T>(&self, destination: &Arc<Destination>, act: impl FnOnce() -> T) -> T {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let calls = || self.calls.lock().expect("no holder panics");
        calls().push(SinkCall { number, destination: destination.clone(), since: Instant::now() });
        let result = act();
        calls().retain(|call| call.number != number);
        result
    }

    /// Tracks the progress of an open sink, if it counts it.
    pub fn follow(&self, destination: &Arc<Destination>, progress: Option<Arc<SinkProgress>>) {
        let taker = progress.map(|progress| TrackedSink { destination: destination.clone(), progress });
        self.takers.lock().expect("no holder panics").extend(taker);
    }

    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// Records the first worker's ledger.
    pub fn note(&self, ledger: &Ledger, backlog: Backlog) {
        let in_flight = ledger.in_flight() as u64;
        let set = |figure: &AtomicU64, value| figure.store(value, Ordering::Relaxed);
        set(&self.rows_done, ledger.rows_done);
        set(&self.messages_done, ledger.entered - in_flight);
        if ledger.entered > in_flight {
            self.begun.store(true, Ordering::Relaxed);
        }
        set(&self.rows_in_flight, ledger.rows_in - ledger.rows_done);
        set(&self.messages_in_flight, in_flight);
        set(&self.buckets_queued, backlog.buckets as u64);
        self.owes.store(!ledger.covered.is_empty(), Ordering::Relaxed);
    }

    /// Records why the run fails; the watchdog adds it to its report.
    pub fn note_failure(&self, reason: &str) {
        self.failure.lock().expect("no holder panics").get_or_insert_with(|| reason.to_owned());
    }

    pub fn failure(&self) -> Option<String> {
        self.failure.lock().expect("no holder panics").clone()
    }

    /// Whether rows are queued or in flight, or deliveries are not acknowledged.
    pub fn rows_wait(&self) -> bool {
        let any = |figure: &AtomicU64| figure.load(Ordering::Relaxed) > 0;
        any(&self.messages_in_flight) || any(&self.buckets_queued) || self.owes.load(Ordering::Relaxed)
    }

    /// Whether a sink's other side has not acknowledged all lines.
    pub fn lines_wait(&self) -> bool {
        let takers = self.takers.lock().expect("no holder panics");
        takers.iter().any(|taker| taker.progress.missing() > 0)
    }

    /// Changes with any progress: a complete message, acknowledged deliveries, lines taken by a sink's other side.
    pub fn mark(&self) -> [u64; 4] {
        let takers = self.takers.lock().expect("no holder panics");
        let taken = takers.iter().map(|taker| taker.progress.moves()).sum();
        let load = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        [load(&self.rows_done), load(&self.messages_done), u64::from(self.owes.load(Ordering::Relaxed)), taken]
    }

    /// The sinks that the run waits for, the longest call first.
    pub fn waits(&self) -> Vec<WaitReason> {
        let calls = self.calls.lock().expect("no holder panics");
        let takers = self.takers.lock().expect("no holder panics");
        let lines = |destination: &Arc<Destination>| {
            let of_destination = takers.iter().filter(|taker| Arc::ptr_eq(&taker.destination, destination));
            of_destination.map(|taker| taker.progress.missing()).reduce(|a, b| a + b)
        };
        let called = calls.iter().map(|call| WaitReason {
            destination: call.destination.clone(),
            since: Some(call.since.elapsed()),
            lines: lines(&call.destination),
        });
        let is_called =
            |destination: &Arc<Destination>| calls.iter().any(|call| Arc::ptr_eq(&call.destination, destination));
        let owing = takers.iter().filter(|taker| taker.progress.missing() > 0 && !is_called(&taker.destination));
        let owing = owing.map(|taker| WaitReason {
            destination: taker.destination.clone(),
            since: None,
            lines: Some(taker.progress.missing()),
        });
        called.chain(owing).collect()
    }

    /// What is unfinished, in words.
    pub fn left(&self) -> String {
        let load = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let mut left = Vec::new();
        let (rows, messages) = (load(&self.rows_in_flight), load(&self.messages_in_flight));
        if messages > 0 {
            left.push(format!("{rows} rows of {messages} messages are in flight"));
        }
        if load(&self.buckets_queued) > 0 {
            left.push(format!("{} buckets wait before them", load(&self.buckets_queued)));
        }
        if self.owes.load(Ordering::Relaxed) {
            left.push("deliveries are not acknowledged".into());
        }
        left.extend(self.waits().iter().map(ToString::to_string));
        if left.is_empty() { "nothing is known to be left".into() } else { left.join("; ") }
    }
}

impl std::fmt::Display for WaitReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = &self.destination.what;
        match (self.lines.filter(|lines| *lines > 0), self.since) {
            (Some(lines), _) => write!(f, "{what} has not taken {lines} lines"),
            (None, Some(since)) => write!(f, "{what} has taken nothing for {}", seconds(since)),
            (None, None) => write!(f, "{what} takes nothing"),
        }
    }
}

/// A duration in whole seconds, for messages.
pub fn seconds(time: Duration) -> impl std::fmt::Display {
    humantime::format_duration(Duration::from_secs(time.as_secs_f64().round() as u64))
}
