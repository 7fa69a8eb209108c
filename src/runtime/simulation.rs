//! Deterministic simulation of a run: its own code under a simulated broker, network and disk. Publishes arrive over
//! several connections, buckets close, the sink writes epochs, results become durable and deliveries are acknowledged;
//! connections break, sessions are lost, the disk fills up, the process is killed and the machine loses power, all in
//! an order that a seed gives. In the end the files must hold what was published.
//!
//! `ROWMILL_SEEDS=N` runs seeds 0 to N, `ROWMILL_SEED=N` a single one with a log of its events.

mod broker;
mod collecting;
mod oracle;
mod process;
mod publish;

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rumqttc::v5::mqttbytes::QoS;

use crate::config::Dataflow;
use crate::disk::simulated::{Faults, SimulatedDisk};
use broker::{PacketIds, SimulatedBroker};
use oracle::Oracle;
use process::SimulatedProcess;
use publish::{NumberedRow, SimulatedPublish};

const CONNECTIONS: usize = 2;
/// Publishes of each connection.
const PUBLISHES: u64 = 14;
/// Connection `i` numbers its rows from `(i + 1)` times this on.
const OF_CONNECTION: u64 = 100_000;
const RESULTS: &str = "/out.csv";
/// A second sink: the odd numbers behind prepare.
const ODD: &str = "/odd.csv";
const DEAD_LETTERS: &str = "/dead.ndjson";
const TABLE: &str = "/table.csv";
const CHANGES: &str = "/changes.ndjson";
/// Steps after which no faults are injected, and steps after which the run must have ended.
const CALM: u32 = 2_500;
const OVER: u32 = 12_000;

/// The keyed state of a dataflow.
#[derive(Clone, Copy, Debug, PartialEq)]
enum StatefulPart {
    Nothing,
    Step,
    /// A step, and a table.
    Table,
}

/// The parameters of a simulation, drawn from its seed.
#[derive(Debug)]
struct PlayStyle {
    state: StatefulPart,
    ids: PacketIds,
    bucket_size: usize,
    /// This and the next five: the percentage of publishes or rows of this kind.
    at_most_once: u32,
    exactly_once: u32,
    equal: u32,
    empty: u32,
    dead: u32,
    oversized: u32,
    retained: bool,
    loses_sessions: bool,
    /// Whether processes are killed.
    dies: bool,
    /// Whether there is a second sink.
    branches: bool,
}

impl PlayStyle {
    fn new(random: &mut ChaCha8Rng) -> PlayStyle {
        let lowest = random.random_bool(0.4);
        let window = random.random_range(1..=6);
        let count = if lowest { window + 1 } else { 2 * window };
        let mut often = |of: &[u32]| of[random.random_range(0..of.len())];
        // If the broker assigns the lowest free id, equal payloads cannot be told apart.
        let equal = if lowest { 0 } else { often(&[0, 0, 30, 100]) };
        let at_most_once = often(&[0, 0, 30, 60, 100]);
        let (exactly_once, empty) = (often(&[0, 30]), often(&[0, 10, 60]));
        let (dead, oversized) = (often(&[0, 15, 50]), often(&[0, 10]));
        let state = [StatefulPart::Nothing, StatefulPart::Nothing, StatefulPart::Step, StatefulPart::Table]
            [random.random_range(0..4)];
        let (bucket_size, retained) = (random.random_range(1..=4), random.random_bool(0.4));
        let ids = PacketIds { window, count, lowest };
        PlayStyle {
            state,
            ids,
            bucket_size,
            at_most_once,
            exactly_once,
            equal,
            empty,
            dead,
            oversized,
            retained,
            loses_sessions: !retained,
            dies: random.random_bool(0.9),
            branches: false,
        }
    }

    fn dataflow(&self) -> Dataflow {
        let (bucket_size, window) = (self.bucket_size, self.ids.window);
        let step = "[[subtask]]\nuse = \"diff\"\ncolumns = [\"d\"]\nfit = \"stream\"\nkey = \"k\"\n";
        let table = format!(
            "[[table]]\nname = \"table\"\nkey = [\"k\"]\ncolumns = [\"n\"]\naggregates = [\"count\", \"sum\"]\n\
             sink = {{ url = \"{TABLE}\" }}\n"
        );
        let changes = format!(
            "[[table]]\nname = \"changes\"\nkey = [\"k\"]\ncolumns = [\"n\"]\naggregates = [\"count\", \"sum\"]\n\
             changes = \"differences\"\nsink = {{ url = \"{CHANGES}\" }}\n"
        );
        let state = match self.state {
            StatefulPart::Nothing => String::new(),
            StatefulPart::Step => step.to_owned(),
            StatefulPart::Table => format!("{step}{table}{changes}"),
        };
        let branch = format!(
            "[[sink]]\nurl = \"{ODD}\"\nwhere = \"n % 2 == 1\"\nafter = \"raw\"\ncolumns = [\"n\", \"d\", \"k\"]\n"
        );
        let sinks = match self.branches {
            true => format!("{branch}[[sink]]\nurl = \"{RESULTS}\"\n"),
            false => format!("[sink]\nurl = \"{RESULTS}\"\n"),
        };
        let text = format!(
            "# {window}\n[schema]\nnumber = [\"n\", \"d\"]\ntext = [\"k\"]\n\
             [source]\nurl = \"mqtt://broker/t\"\nqos = 2\nsession = true\nclient_id = \"c\"\n\
             connections = [\"t0\", \"t1\"]\nmax_payload = 400\n\
             [buffer]\nbucket_size = {bucket_size}\ndelay = \"1h\"\n[checkpoint]\nevery = \"0s\"\n\
             {state}{sinks}[dead_letter]\nurl = \"{DEAD_LETTERS}\"\n"
        );
        Dataflow::from_text("simulation", &text, &[], &crate::registry::Registry::builtin())
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// The publishes to a connection's topic.
    fn letters(&self, connection: u64, random: &mut ChaCha8Rng) -> VecDeque<SimulatedPublish> {
        let mut number = OF_CONNECTION * (connection + 1);
        (0..PUBLISHES).map(|_| self.simulated(connection, &mut number, random)).collect()
    }

    fn simulated(&self, connection: u64, number: &mut u64, random: &mut ChaCha8Rng) -> SimulatedPublish {
        let mut is = |of_hundred: u32| random.random_range(0..100) < of_hundred;
        let qos = if is(self.at_most_once) {
            QoS::AtMostOnce
        } else if is(self.exactly_once) {
            QoS::ExactlyOnce
        } else {
            QoS::AtLeastOnce
        };
        if is(self.empty) {
            return SimulatedPublish { qos, payload: "[]".into(), rows: Vec::new(), retained: false };
        }
        if is(self.oversized) {
            *number += 1;
            let payload = format!("{{\"n\": \"#{number}\", \"pad\": \"{}\"}}", "x".repeat(500));
            return SimulatedPublish {
                qos,
                payload,
                rows: vec![NumberedRow { number: *number, dead: true }],
                retained: false,
            };
        }
        let (equal, dead, rows) = (is(self.equal), self.dead, random.random_range(1..=5));
        let row = |_| {
            if !equal {
                *number += 1;
            }
            // Equal rows of one quality of service share a number.
            let number = if equal { 10 * (connection + 1) + qos as u64 } else { *number };
            NumberedRow { number, dead: !equal && random.random_range(0..100) < dead }
        };
        let rows: Vec<NumberedRow> = (0..rows).map(row).collect();
        let json = |NumberedRow { number, dead }: &NumberedRow| {
            let key = ["a", "b", "c"][(number % 3) as usize];
            let number = if *dead { format!("\"#{number}\"") } else { number.to_string() };
            format!("{{\"n\":{number},\"d\":{number},\"k\":\"{key}\"}}")
        };
        let rows_of: Vec<String> = rows.iter().map(json).collect();
        let payload = if let [one] = &rows_of[..] { one.clone() } else { format!("[{}]", rows_of.join(",")) };
        SimulatedPublish { qos, payload, rows, retained: false }
    }
}

/// Prints the events, if it is enabled.
#[derive(Clone, Default)]
struct EventLog {
    tells: bool,
    step: Rc<Cell<u32>>,
}

impl EventLog {
    fn tell(&self, what: impl FnOnce() -> String) {
        if self.tells {
            eprintln!("{:5}: {}", self.step.get(), what());
        }
    }
}

/// The state of a simulation.
struct Simulation {
    random: ChaCha8Rng,
    dataflow: Dataflow,
    window: u16,
    loses_sessions: bool,
    dies: bool,
    /// Whether all is of quality of service 0, nothing retained, and no keyed state: what was written stays.
    once: bool,
    brokers: Vec<SimulatedBroker>,
    oracle: Oracle,
    /// The disk as the oracle reads it.
    disk: SimulatedDisk,
    /// The disk as the running process sees it.
    own: SimulatedDisk,
    trace: EventLog,
    /// Consecutive failed starts.
    failed_starts: u32,
}

impl Simulation {
    fn new(seed: u64, tells: bool) -> Simulation {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let style = PlayStyle { branches: seed.is_multiple_of(3), ..PlayStyle::new(&mut random) };
        let trace = EventLog { tells, step: Rc::default() };
        trace.tell(|| format!("{style:?}"));
        let mut broker = |connection: u64| {
            let retained = style.retained.then(|| {
                let number = OF_CONNECTION * (connection + 1) - 1;
                let payload =
                    format!("{{\"n\":{number},\"d\":{number},\"k\":\"{}\"}}", ["a", "b", "c"][number as usize % 3]);
                SimulatedPublish {
                    qos: QoS::AtLeastOnce,
                    payload,
                    rows: vec![NumberedRow { number, dead: false }],
                    retained: true,
                }
            });
            let letters = style.letters(connection, &mut random);
            SimulatedBroker::new(format!("t{connection}"), style.ids, letters, retained, trace.clone())
        };
        let brokers = (0..CONNECTIONS as u64).map(&mut broker).collect();
        let disk = SimulatedDisk::new(seed);
        Simulation {
            dataflow: style.dataflow(),
            window: style.ids.window,
            loses_sessions: style.loses_sessions,
            dies: style.dies,
            once: style.at_most_once == 100 && !style.retained && style.state == StatefulPart::Nothing,
            brokers,
            oracle: Oracle::new(style.state, style.branches),
            own: disk.clone(),
            disk,
            failed_starts: 0,
            trace,
            random,
        }
    }

    fn steps(&self) -> u32 {
        self.trace.step.get()
    }

    fn is_calm(&self) -> bool {
        self.steps() > CALM || self.failed_starts >= 3
    }

    fn play(mut self) {
        let mut process = None;
        while !self.brokers.iter().all(SimulatedBroker::is_done) {
            self.trace.step.set(self.steps() + 1);
            assert!(self.steps() < OVER, "it hangs");
            process = match process {
                None => self.start(),
                Some(process) => self.act(process),
            };
        }
        // A last run processes what was received; one more finds nothing to do.
        self.trace.step.set(self.steps().max(CALM + 1));
        if let Some(process) = process.or_else(|| self.start()) {
            self.stop(process);
        }
        let process = self.start().expect("nothing breaks any more");
        self.stop(process);
        self.oracle.ended(&self.disk);
    }

    /// Starts a process; `None` if an injected fault lets it fail.
    fn start(&mut self) -> Option<SimulatedProcess> {
        let faults = self.faults();
        self.own = self.disk.start(faults);
        self.trace.tell(|| format!("a process starts: {faults:?}"));
        self.dataflow.use_disk(&(Arc::new(self.own.clone()) as crate::disk::SharedDisk));
        let started = SimulatedProcess::start(&self.dataflow, self.window, &self.trace);
        let reason = match started {
            Ok(process) if !process.has_failed() => {
                if self.own.is_alive() {
                    self.oracle.started(&self.disk);
                    self.failed_starts = 0;
                }
                return Some(process);
            }
            Ok(process) => process.failure.take().expect("it has failed").to_string(),
            Err(error) => error.to_string(),
        };
        let innocent = self.own.is_alive() && faults.full_from.is_none() && faults.sync_fails.is_none();
        assert!(!innocent, "a start is refused: {reason}");
        self.trace.tell(|| format!("it does not start: {reason}"));
        self.failed_starts += 1;
        self.die();
        None
    }

    fn faults(&mut self) -> Faults {
        let (calm, random) = (self.is_calm() || !self.dies, &mut self.random);
        let mut at = |often: f64, most: u64| {
            let most = if random.random_bool(0.5) { most } else { most.min(15) };
            (random.random_bool(often) && !calm).then(|| random.random_range(1..=most))
        };
        Faults { killed_in: at(0.5, 150), full_from: at(0.05, 150), sync_fails: at(0.05, 20) }
    }

    /// Performs a random event; returns the process if it is still alive.
    fn act(&mut self, mut process: SimulatedProcess) -> Option<SimulatedProcess> {
        let number = self.random.random_range(0..CONNECTIONS);
        let (calm, trace) = (self.is_calm(), self.trace.clone());
        let Simulation { random, brokers, oracle, disk, loses_sessions, dies, .. } = self;
        let (broker, client) = (&mut brokers[number], &mut process.connections[number]);
        match random.random_range(0..1000) {
            0..80 => broker.publish(oracle),
            80..180 => broker.send(),
            180..320 => broker.deliver(client),
            320..440 => drop(client.read()),
            440..480 => client.close(),
            480..580 => {
                let barrier = random.random_bool(0.5);
                process.enter(barrier);
            }
            580..720 => process.step(),
            720..800 => {
                let safe = process.give();
                if let Some(length) = safe.filter(|_| !process.has_failed() && self.own.is_alive()) {
                    trace.tell(|| format!("{length} bytes are safe"));
                    oracle.safe(disk, length);
                }
            }
            800..880 => drop(broker.take(client)),
            880..960 => broker.receive(oracle, disk),
            960..970 => broker.ping(client),
            970..990 if !broker.is_connected() => {
                let lost = !calm && *loses_sessions && random.random_bool(0.2);
                broker.connect(lost, oracle);
                trace.tell(|| format!("connection {number} begins; its session was lost: {lost}"));
            }
            970..980 if !calm => {
                broker.cut(oracle, disk, random);
                client.lost();
            }
            990..993 if !calm && *dies => {
                self.own.kill();
                self.trace.tell(|| "it is killed".into());
            }
            993..996 if !calm && *dies => {
                self.stop(process);
                return None;
            }
            _ => {}
        }
        if !self.own.is_alive() {
            // The client's thread may still send what it has.
            for (broker, client) in self.brokers.iter_mut().zip(&mut process.connections) {
                for _ in 0..self.random.random_range(0..4) {
                    broker.take(client);
                }
            }
            drop(process);
            self.die();
            return None;
        }
        if process.has_failed() {
            self.trace.tell(|| "the run fails".into());
            process.drain();
            self.end(process);
            return None;
        }
        Some(process)
    }

    /// Stops a run: it drains and ends.
    fn stop(&mut self, mut process: SimulatedProcess) {
        self.trace.tell(|| "it is told to stop".into());
        let length = process.drain();
        if !process.has_failed() && self.own.is_alive() {
            process.check_accounts();
            length.into_iter().for_each(|length| self.oracle.safe(&self.disk, length));
            self.trace.tell(|| "it has ended in good order".into());
        }
        self.end(process);
    }

    /// Sends the acknowledgements that are due, and ends the process.
    fn end(&mut self, mut process: SimulatedProcess) {
        for (broker, client) in self.brokers.iter_mut().zip(&mut process.connections) {
            while self.own.is_alive() && broker.take(client) {}
        }
        drop(process);
        if self.is_calm() {
            for broker in &mut self.brokers {
                broker.cut(&mut self.oracle, &self.disk, &mut self.random);
            }
            return self.disk.kill();
        }
        self.die();
    }

    /// Ends the process without a drain, and perhaps cuts the machine's power.
    fn die(&mut self) {
        for broker in &mut self.brokers {
            broker.cut(&mut self.oracle, &self.disk, &mut self.random);
        }
        let power = self.random.random_bool(0.3);
        self.trace.tell(|| format!("it is gone; the power, too: {power}"));
        if power {
            self.disk.lose_power()
        } else {
            self.disk.kill()
        }
        match power {
            true => self.oracle.lost_power(),
            false if self.once => self.oracle.written(&self.disk),
            false => {}
        }
        self.trace.tell(|| {
            let file = self.disk.contents(Path::new(RESULTS));
            let rows = file.rsplit(|byte| *byte == b'\n').take(8).collect::<Vec<_>>();
            let rows = rows.iter().rev().map(|row| String::from_utf8_lossy(row)).collect::<Vec<_>>();
            format!("{} bytes of results, at their end {rows:?}", file.len())
        });
    }
}

/// Runs the seeds on as many threads as there are processors; returns those that failed.
fn failures(seeds: u64) -> Vec<u64> {
    let (next, failed) = (AtomicU64::new(0), std::sync::Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds || failed.lock().expect("no holder panics").len() >= 3 {
                        return;
                    }
                    if catch_unwind(AssertUnwindSafe(|| Simulation::new(seed, false).play())).is_err() {
                        failed.lock().expect("no holder panics").push(seed);
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().expect("no holder panics");
    failed.sort_unstable();
    failed
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {value:?}")))
}

#[test]
fn the_files_say_what_was_published_whatever_breaks_and_dies() {
    if let Some(seed) = number("ROWMILL_SEED") {
        return Simulation::new(seed, true).play();
    }
    let failed = failures(number("ROWMILL_SEEDS").unwrap_or(500));
    assert!(failed.is_empty(), "seeds {failed:?} fail: ROWMILL_SEED=N plays one and tells what happens");
}
