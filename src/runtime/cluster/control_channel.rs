//! The control channel between process 0 and each other one: heartbeats, and the requests to stop and to reopen files.
//!
//! It has threads and connections of its own, so that it works while the workers are blocked. Each message is one byte.
//! A process also tells process 0 of its sinks that have no broker, as long as they have none.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::measure::now_ms;
use crate::source::Stop;

/// Heartbeat of a process that waits for its first rows.
const BEAT: u8 = b'.';
/// Heartbeat of a process that knows that the first rows are complete.
const BEGUN: u8 = b'+';
/// Request to drain and end.
const STOP: u8 = b's';
/// Request to reopen the files of sinks: they were moved away.
const REOPEN: u8 = b'r';
/// From this byte on: the number of a sink that has no connection to its broker.
const UNLINKED: u8 = 128;
/// A sink that was told to have no connection, and is not any more for so long, has one.
const LINKED_TIMEOUT: Duration = Duration::from_secs(1);
/// The interval of heartbeats.
const BEAT_INTERVAL: Duration = Duration::from_millis(200);
/// How often the flags of stop and reopen are checked.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(20);

/// What is known of another process by its heartbeats.
pub struct PeerSignals {
    pub process: usize,
    pub host: String,
    started: Instant,
    /// Milliseconds from the start to the last message.
    last: AtomicU64,
    /// By number, its sinks without a connection: since when, in milliseconds since 1970, and when that was last told.
    unlinked: Mutex<BTreeMap<u8, (u64, Instant)>>,
    /// It has closed the connection; the data connection tells whether that is a failure.
    gone: AtomicBool,
}

impl PeerSignals {
    fn now(process: usize, host: &str) -> PeerSignals {
        let (last, gone) = (AtomicU64::new(0), AtomicBool::new(false));
        PeerSignals { process, host: host.into(), started: Instant::now(), last, unlinked: Mutex::default(), gone }
    }

    /// Another process that has just told of sinks without a connection.
    #[cfg(test)]
    pub fn without(process: usize, sinks: &[u8]) -> PeerSignals {
        let peer = PeerSignals::now(process, "host");
        peer.hear_of_links(&sinks.iter().map(|sink| UNLINKED + sink).collect::<Vec<_>>());
        peer
    }

    fn hear_of_links(&self, words: &[u8]) {
        let mut unlinked = self.unlinked.lock().expect("no holder panics");
        for word in words.iter().filter(|word| **word >= UNLINKED) {
            let (since, told) = unlinked.entry(word - UNLINKED).or_insert_with(|| (now_ms(), Instant::now()));
            if told.elapsed() >= LINKED_TIMEOUT {
                *since = now_ms();
            }
            *told = Instant::now();
        }
    }

    /// Since when its sinks of these numbers have no connection to their brokers, in milliseconds since 1970.
    pub fn unlinked(&self) -> Vec<(usize, u64)> {
        let unlinked = self.unlinked.lock().expect("no holder panics");
        let now = unlinked.iter().filter(|(_, (_, told))| told.elapsed() < LINKED_TIMEOUT);
        now.map(|(sink, (since_ms, _))| (usize::from(*sink), *since_ms)).collect()
    }

    fn hear(&self) {
        self.last.store(self.started.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// The time since its last message; `None` if it has closed the connection.
    pub fn silent(&self) -> Option<Duration> {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        (!self.gone.load(Ordering::Relaxed)).then(|| self.started.elapsed().saturating_sub(last))
    }
}

impl std::fmt::Display for PeerSignals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} at {}", self.process, self.host)
    }
}

/// The request to reopen files, which one process gets and all must act on.
#[derive(Clone, Default)]
pub struct ReopenRequest {
    /// Set when this process gets the request.
    pub asked: Arc<AtomicBool>,
    /// Set when this process must act on it.
    pub here: Arc<AtomicBool>,
}

/// The numbers of this process' sinks that have no connection to their brokers.
pub type UnlinkedSinks = Box<dyn Fn() -> Vec<u8> + Send>;

/// The threads that send and receive; dropping it ends them.
pub struct ControlChannel {
    pub peers: Vec<Arc<PeerSignals>>,
    streams: Vec<TcpStream>,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl ControlChannel {
    /// Starts the channel of process `process` over these connections. A stop in one process is a stop in all, and so
    /// are a request to reopen and that rows have `begun` to complete.
    ///
    /// # Errors
    /// If a connection can't be used.
    pub fn start(
        process: usize,
        connections: Vec<(usize, &str, TcpStream)>,
        stop: &Stop,
        reopen: &ReopenRequest,
        begun: &Arc<AtomicBool>,
        unlinked: UnlinkedSinks,
    ) -> std::io::Result<ControlChannel> {
        let over = Arc::<AtomicBool>::default();
        let (mut peers, mut streams, mut threads) = (Vec::new(), Vec::new(), Vec::new());
        // Process 0 is connected with all others, so it forwards the request.
        let to_reopen = if process == 0 { &reopen.asked } else { &reopen.here };
        for (process, host, stream) in connections {
            stream.set_read_timeout(Some(BEAT_INTERVAL))?;
            stream.set_write_timeout(Some(LOOK_UP_INTERVAL))?;
            let heard = Arc::new(PeerSignals::now(process, host));
            let listener = ControlListener {
                stream: stream.try_clone()?,
                heard: heard.clone(),
                stop: stop.clone(),
                to_reopen: to_reopen.clone(),
                begun: begun.clone(),
            };
            let until = over.clone();
            threads.push(std::thread::Builder::new().name("control".into()).spawn(move || listener.run(&until))?);
            peers.push(heard);
            streams.push(stream);
        }
        let speaking = streams.iter().map(TcpStream::try_clone).collect::<Result<Vec<_>, _>>()?;
        let (stop, reopen, begun, until) = (stop.clone(), reopen.clone(), begun.clone(), over.clone());
        let speak = move || speak(&speaking, &stop, &reopen, &begun, &unlinked, &until);
        threads.push(std::thread::Builder::new().name("control".into()).spawn(speak)?);
        Ok(ControlChannel { peers, streams, over, threads })
    }
}

impl Drop for ControlChannel {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for stream in &self.streams {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

struct ControlListener {
    stream: TcpStream,
    heard: Arc<PeerSignals>,
    stop: Stop,
    to_reopen: Arc<AtomicBool>,
    begun: Arc<AtomicBool>,
}

impl ControlListener {
    fn run(mut self, over: &AtomicBool) {
        let mut words = [0; 64];
        while !over.load(Ordering::Relaxed) {
            match self.stream.read(&mut words) {
                Ok(0) => break,
                Ok(read) => {
                    self.heard.hear();
                    self.heard.hear_of_links(&words[..read]);
                    if words[..read].contains(&BEGUN) {
                        self.begun.store(true, Ordering::Relaxed);
                    }
                    if words[..read].contains(&REOPEN) {
                        self.to_reopen.store(true, Ordering::Relaxed);
                    }
                    if words[..read].contains(&STOP) {
                        self.stop.now();
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    _ => break,
                },
            }
        }
        self.heard.gone.store(true, Ordering::Relaxed);
    }
}

fn speak(
    streams: &[TcpStream],
    stop: &Stop,
    reopen: &ReopenRequest,
    begun: &AtomicBool,
    unlinked: &UnlinkedSinks,
    over: &AtomicBool,
) {
    let mut told = vec![false; streams.len()];
    let mut must_reopen = told.clone();
    let mut beat: Option<Instant> = None;
    while !over.load(Ordering::Relaxed) {
        if beat.is_none_or(|beat| beat.elapsed() >= BEAT_INTERVAL) {
            beat = Some(Instant::now());
            // Errors are ignored: the watchdog and the data connection detect a lost process.
            let word = if begun.load(Ordering::Relaxed) { BEGUN } else { BEAT };
            let sinks = unlinked().into_iter().filter(|sink| *sink < UNLINKED).map(|sink| UNLINKED + sink);
            let words: Vec<u8> = std::iter::once(word).chain(sinks).collect();
            streams.iter().for_each(|mut stream| drop(stream.write(&words)));
        }
        if reopen.asked.swap(false, Ordering::Relaxed) {
            reopen.here.store(true, Ordering::Relaxed);
            must_reopen.fill(true);
        }
        for (mut stream, must) in streams.iter().zip(&mut must_reopen).filter(|(_, must)| **must) {
            *must = stream.write(&[REOPEN]).is_err();
        }
        if stop.is_set() {
            for (mut stream, told) in streams.iter().zip(&mut told).filter(|(_, told)| !**told) {
                *told = stream.write(&[STOP]).is_ok();
            }
        }
        std::thread::sleep(LOOK_UP_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let caller = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (caller, listener.accept().unwrap().0)
    }

    fn wait_until(what: &str, done: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !done() {
            assert!(Instant::now() < deadline, "{what} took too long");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_stop_at_one_process_is_one_at_all() {
        let stops: [Stop; 3] = Default::default();
        let begun: [Arc<AtomicBool>; 3] = Default::default();
        let ((a, one), (b, two)) = (pair(), pair());
        let reopen: [ReopenRequest; 3] = Default::default();
        let lost: [Arc<AtomicBool>; 3] = Default::default();
        let start = |own: usize, connections| {
            let lost = lost[own].clone();
            let unlinked = move || if lost.load(Ordering::Relaxed) { vec![3] } else { Vec::new() };
            ControlChannel::start(own, connections, &stops[own], &reopen[own], &begun[own], Box::new(unlinked))
        };
        let zero = start(0, vec![(1, "one", a), (2, "two", b)]).unwrap();
        let _one = start(1, vec![(0, "zero", one)]).unwrap();
        let two = start(2, vec![(0, "zero", two)]).unwrap();
        for asked in 0..3 {
            reopen[asked].asked.store(true, Ordering::Relaxed);
            for ReopenRequest { here, .. } in &reopen {
                wait_until("a wish to reopen", || here.load(Ordering::Relaxed));
            }
            // Process 0 forwards the request also to the process that it came from.
            std::thread::sleep(10 * LOOK_UP_INTERVAL);
            reopen.iter().for_each(|reopen| reopen.here.store(false, Ordering::Relaxed));
        }
        std::thread::sleep(10 * LOOK_UP_INTERVAL);
        assert!(reopen.iter().all(|reopen| !reopen.here.load(Ordering::Relaxed)), "a wish is heard once");
        begun[0].store(true, Ordering::Relaxed);
        wait_until("the beginning", || begun.iter().all(|begun| begun.load(Ordering::Relaxed)));
        assert!(zero.peers.iter().all(|peer| peer.unlinked().is_empty()));
        lost[2].store(true, Ordering::Relaxed);
        wait_until("a lost sink", || matches!(zero.peers[1].unlinked()[..], [(3, since_ms)] if since_ms > 0));
        assert!(zero.peers[0].unlinked().is_empty(), "of the other process");
        lost[2].store(false, Ordering::Relaxed);
        wait_until("its connection", || zero.peers[1].unlinked().is_empty());
        assert!(stops.iter().all(|stop| !stop.is_set()));
        stops[1].now();
        wait_until("the word", || stops.iter().all(Stop::is_set));
        drop(two);
        wait_until("the end", || zero.peers[1].silent().is_none());
        assert!(zero.peers[0].silent().is_some(), "the other one is still there");
    }

    #[test]
    fn one_that_says_nothing_is_silent_and_does_not_hold_others_up() {
        let (stop, begun) = (Stop::default(), Arc::default());
        let ((a, silent), (b, one)) = (pair(), pair());
        let reopen = ReopenRequest::default();
        let zero =
            ControlChannel::start(0, vec![(1, "silent", a), (2, "one", b)], &stop, &reopen, &begun, Box::new(Vec::new))
                .unwrap();
        let _one =
            ControlChannel::start(1, vec![(0, "zero", one)], &stop, &reopen, &begun, Box::new(Vec::new)).unwrap();
        let silence = |peer: usize| zero.peers[peer].silent().unwrap();
        wait_until("its silence", || silence(0) > Duration::from_secs(2));
        wait_until("a beat", || silence(1) < Duration::from_millis(500));
        drop(silent);
    }
}
