//! What a run does and waits for, for threads other than its workers, which may be blocked.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::measure::{BrokerLink, SinkLink, now_ms};
use crate::runtime::cluster::control_channel::PeerSignals;
use crate::runtime::epochs::ledger::Ledger;
use crate::runtime::ingest::arrival::Backlog;
use crate::runtime::observe::shown_status::ShownStatus;
use crate::sink::{self, SinkProgress, SinkSettings};

/// A run whose rows wait for so long without any coming further is stalled.
pub const STALL_INTERVAL: Duration = Duration::from_secs(10);

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
    /// The names of the dataflow's sinks, as [`SinkLink::sink`] has them.
    pub sinks: OnceLock<Vec<String>>,
    /// The status that was last shown.
    pub shown: ShownStatus,
    /// The processes that this one has a control channel with.
    pub peers: OnceLock<Vec<Arc<PeerSignals>>>,
}

/// The destination of a sink's lines.
#[derive(Debug)]
pub struct Destination {
    /// In words, such as "the sink mqtt://host:1883/t".
    pub what: String,
    /// As [`SinkLink::sink`] has it.
    pub name: String,
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
    pub fn of(role: &str, name: String, settings: &SinkSettings) -> Arc<Destination> {
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
        Arc::new(Destination { what, name, kind })
    }
}

fn is_stream(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| !found.is_file())
}

/// A call of a sink that has not returned yet.
struct SinkCall {
    number: u64,
    destination: Arc<Destination>,
    /// Whether it opens the sink.
    opens: bool,
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
        self.call(destination, false, act)
    }

    /// As [`Activity::during`], of the call that opens a sink: a broker is connected to for the first time.
    pub fn opening<T>(&self, destination: &Arc<Destination>, open: impl FnOnce() -> T) -> T {
        self.call(destination, true, open)
    }

    fn call<T>(&self, destination: &Arc<Destination>, opens: bool, act: impl FnOnce() -> T) -> T {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let calls = || self.calls.lock().expect("no holder panics");
        calls().push(SinkCall { number, destination: destination.clone(), opens, since: Instant::now() });
        let result = act();
        calls().retain(|call| call.number != number);
        result
    }

    /// Tracks the progress of an open sink, if it counts it.
    pub fn follow(&self, destination: &Arc<Destination>, progress: Option<Arc<SinkProgress>>) {
        let taker = progress.map(|progress| TrackedSink { destination: destination.clone(), progress });
        self.takers.lock().expect("no holder panics").extend(taker);
    }

    /// How the sinks of all processes stand to their brokers and databases, as far as this process knows: each sink once.
    pub fn links_of_all(&self) -> Vec<SinkLink> {
        let mut links = self.links();
        let names = self.sinks.get().map_or(&[][..], Vec::as_slice);
        for (sink, since_ms) in self.peers.get().into_iter().flatten().flat_map(|peer| peer.unlinked()) {
            let lost = BrokerLink::Lost { since_ms };
            match links.iter_mut().find(|link| names.get(sink) == Some(&link.sink)) {
                Some(known) => known.link = known.link.max(lost),
                None => links.extend(names.get(sink).map(|name| SinkLink { sink: name.clone(), link: lost })),
            }
        }
        links
    }

    /// How the sinks of this process stand to their brokers and databases.
    pub fn links(&self) -> Vec<SinkLink> {
        let link = |destination: &Destination, link| SinkLink { sink: destination.name.clone(), link };
        let needs_broker = |destination: &Destination| destination.kind == DestinationKind::Broker;
        let calls = self.calls.lock().expect("no holder panics");
        let opening = calls.iter().filter(|call| call.opens && needs_broker(&call.destination));
        let opening = opening.map(|call| link(&call.destination, BrokerLink::Connecting));
        let takers = self.takers.lock().expect("no holder panics");
        let open = takers.iter().filter(|taker| needs_broker(&taker.destination));
        opening.chain(open.map(|taker| link(&taker.destination, taker.progress.link()))).collect()
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
        self.owes.store(ledger.commits || !ledger.covered.is_empty(), Ordering::Relaxed);
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

    /// Since when the run stalls, in milliseconds since 1970, and the sink that it waits for: as its rows say, or a sink
    /// that takes nothing.
    pub fn stall(&self, rows_ms: Option<u64>) -> (Option<u64>, Option<String>) {
        let (now_ms, slowest) = (now_ms(), self.slowest_sink());
        let is_long = |since_ms: u64| now_ms.saturating_sub(since_ms) >= STALL_INTERVAL.as_millis() as u64;
        let since_ms =
            rows_ms.or(slowest.as_ref().map(|(since_ms, _)| *since_ms).filter(|since_ms| is_long(*since_ms)));
        (since_ms, since_ms.and(slowest).map(|(_, name)| name))
    }

    /// The sink that has taken nothing for longest though something waits for it, and since when.
    fn slowest_sink(&self) -> Option<(u64, String)> {
        let now_ms = now_ms();
        let calls = self.calls.lock().expect("no holder panics");
        let called = calls.iter().map(|call| {
            let since_ms = now_ms.saturating_sub(call.since.elapsed().as_millis() as u64);
            (since_ms, &call.destination.name)
        });
        let takers = self.takers.lock().expect("no holder panics");
        let owing = takers.iter().filter_map(|taker| Some((taker.progress.waits_since()?, &taker.destination.name)));
        called.chain(owing).min().map(|(since_ms, name)| (since_ms, name.clone()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_connected_to_while_its_sink_opens_and_lost_until_it_is_back() {
        let activity = Activity::default();
        let of = |name: &str, kind| Arc::new(Destination { what: name.into(), name: name.into(), kind });
        let (broker, file) = (of("b", DestinationKind::Broker), of("f", DestinationKind::File));
        let link = |link| vec![SinkLink { sink: "b".into(), link }];
        activity.opening(&file, || assert_eq!(activity.links(), []));
        activity.opening(&broker, || assert_eq!(activity.links(), link(BrokerLink::Connecting)));
        let progress = Arc::<SinkProgress>::default();
        activity.follow(&broker, Some(progress.clone()));
        activity.follow(&file, Some(Arc::default()));
        activity.during(&broker, || assert_eq!(activity.links(), link(BrokerLink::Up)));
        progress.lost();
        let [SinkLink { link: BrokerLink::Lost { since_ms }, .. }] = activity.links()[..] else { panic!("lost") };
        assert!(since_ms > 0);
        progress.lost();
        assert_eq!(activity.links(), link(BrokerLink::Lost { since_ms }), "since the first loss");
        progress.connected();
        assert_eq!(activity.links(), link(BrokerLink::Up));
    }

    #[test]
    fn a_sink_that_takes_nothing_stalls_the_run_though_rows_come_further() {
        let activity = Activity::default();
        let kind = DestinationKind::Broker;
        let of = |name: &str| Arc::new(Destination { what: name.into(), name: name.into(), kind });
        let (idle, slow) = (Arc::<SinkProgress>::default(), Arc::<SinkProgress>::default());
        activity.follow(&of("idle"), Some(idle.clone()));
        activity.follow(&of("slow"), Some(slow.clone()));
        assert_eq!(activity.stall(None), (None, None), "nothing waits");
        let began = now_ms();
        slow.owe(5);
        assert_eq!(activity.stall(None), (None, None), "not for long");
        assert_eq!(activity.stall(Some(7)), (Some(7), Some("slow".into())), "rows wait for it");
        let (since_ms, name) = activity.slowest_sink().unwrap();
        assert!(since_ms >= began && name == "slow", "{since_ms} {name}");
        slow.wait_since(began - STALL_INTERVAL.as_millis() as u64);
        assert_eq!(activity.stall(None).1.as_deref(), Some("slow"));
        slow.beat();
        assert_eq!(activity.stall(None), (None, None), "it takes something");
        slow.owe(0);
        assert_eq!(activity.stall(Some(7)), (Some(7), None), "rows wait for something else");
        slow.keep(5);
        assert_eq!(activity.slowest_sink(), None, "they wait for a transaction");
    }

    #[test]
    fn a_sink_is_lost_if_any_process_has_lost_it() {
        let activity = Activity::default();
        activity.sinks.set(vec!["a".into(), "b".into(), "c".into()]).unwrap();
        let destination =
            |name: &str| Arc::new(Destination { what: name.into(), name: name.into(), kind: DestinationKind::Broker });
        for name in ["a", "b"] {
            activity.follow(&destination(name), Some(Arc::default()));
        }
        let states = || -> Vec<(String, bool)> {
            let links = activity.links_of_all();
            links.into_iter().map(|SinkLink { sink, link }| (sink, link == BrokerLink::Up)).collect()
        };
        assert_eq!(states(), [("a".to_owned(), true), ("b".to_owned(), true)]);
        let peers = vec![Arc::new(PeerSignals::without(1, &[])), Arc::new(PeerSignals::without(2, &[1, 2, 9]))];
        activity.peers.set(peers).ok().unwrap();
        assert_eq!(states(), [("a".to_owned(), true), ("b".to_owned(), false), ("c".to_owned(), false)]);
    }
}
