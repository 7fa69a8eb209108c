//! Connections between the processes: each calls those behind it, and is called by those before it.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::net::sockopt;

use crate::runtime::cluster::handshake::{
    ChannelPurpose, ConnectDeadline, Greeting, HandshakeError, HandshakeSide, greet, unbounded,
};
use crate::runtime::cluster::identity::{OwnIdentity, ProcessIdentity};
use crate::runtime::cluster::secret::Secret;
use crate::source::Stop;

/// How often a process is looked for.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(20);
/// How often one is called that answers as none of the processes would.
const STRANGER_INTERVAL: Duration = Duration::from_millis(500);
/// How long a call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// How long who has called may take to say who it is.
const GREETING_TIMEOUT: Duration = Duration::from_secs(5);
/// How many may be asked at once who they are.
const CALLERS_MAX: usize = 64;
/// How long data may stay without an answer: a link that is cut, or a machine that is switched off, says nothing.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(10);

/// The other processes, and what this one says to them.
pub struct Mesh<'a> {
    pub hosts: &'a [String],
    pub process: usize,
    pub own: OwnIdentity,
    pub secret: Secret,
    pub timeout: Duration,
    pub stop: Stop,
}

/// Another process, connected.
pub struct Peer {
    pub data: TcpStream,
    /// Between process 0 and each other one.
    pub control: Option<TcpStream>,
    pub identity: ProcessIdentity,
}

impl Mesh<'_> {
    /// Connects this process with those at all other addresses, in their order. It is called over `listener`, or over
    /// one at its address if there is none yet. `None` if it was told to stop meanwhile.
    ///
    /// # Errors
    /// An address that cannot be listened on, processes that do not come in time, or those that run something else.
    pub fn connect(self, listener: Option<TcpListener>) -> Result<Option<Vec<Option<Peer>>>, String> {
        let Mesh { hosts, process, own, secret, timeout, stop } = self;
        let listener = (process > 0).then(|| listen(&hosts[process], listener)).transpose();
        let listener =
            listener.map_err(|error| format!("process {process} cannot listen on {}: {error}", hosts[process]))?;
        warn_of_strangers(hosts, &secret);
        let (found, comes) = mpsc::channel();
        let deadline = Instant::now() + timeout;
        let calls = Dialers(Arc::new(MeshState {
            process,
            identity: own.identity.clone(),
            secret,
            deadline,
            over: AtomicBool::new(false),
            callers: AtomicUsize::new(0),
            refusals: hosts.iter().map(|_| Mutex::new(None)).collect(),
        }));
        for (other, host) in hosts.iter().enumerate().skip(process + 1) {
            calls.call(other, host, ChannelPurpose::Data, &found);
            if process == 0 {
                calls.call(other, host, ChannelPurpose::Control, &found);
            }
        }
        let mut connections: Vec<[Option<TcpStream>; 2]> = hosts.iter().map(|_| [None, None]).collect();
        let mut identities: Vec<Option<ProcessIdentity>> = hosts.iter().map(|_| None).collect();
        loop {
            while let Some(Ok((stream, from))) = listener.as_ref().map(TcpListener::accept) {
                calls.answer(stream, from, &hosts[process], &found);
            }
            match comes.recv_timeout(LOOK_UP_INTERVAL) {
                Ok(Ok((stream, greeting))) => {
                    let Greeting { process: other, channel, identity } = greeting;
                    if let Some(difference) = own.difference(other, &identity) {
                        return Err(difference);
                    }
                    // One that was started again calls again.
                    connections[other][channel as usize] = Some(stream);
                    identities[other] = Some(identity);
                }
                Ok(Err(unfit)) => return Err(unfit),
                Err(_) => {}
            }
            let complete = |other: usize| {
                let [data, control] = &connections[other];
                data.is_some() && (control.is_some() || (process > 0 && other > 0))
            };
            let missing: Vec<usize> = (0..hosts.len()).filter(|other| *other != process && !complete(*other)).collect();
            if missing.is_empty() {
                let peer = |([data, control], identity): ([Option<TcpStream>; 2], Option<ProcessIdentity>)| {
                    Some(Peer { data: data?, control, identity: identity? })
                };
                return Ok(Some(connections.into_iter().zip(identities).map(peer).collect()));
            }
            if stop.is_set() {
                return Ok(None);
            }
            if Instant::now() >= deadline {
                let missing: Vec<String> =
                    missing.into_iter().map(|other| calls.missing(other, &hosts[other])).collect();
                let (missing, waited) = (missing.join(", "), humantime::format_duration(timeout));
                return Err(format!("no process {missing} within {waited}; --connect-timeout sets this"));
            }
        }
    }
}

type ConnectedPeer = Result<(TcpStream, Greeting), String>;

/// The calls of a meeting, which end with it.
struct Dialers(Arc<MeshState>);

struct MeshState {
    process: usize,
    identity: ProcessIdentity,
    secret: Secret,
    deadline: Instant,
    over: AtomicBool,
    /// How many are asked who they are.
    callers: AtomicUsize,
    /// By process, what was last wrong with what answers at its address.
    refusals: Vec<Mutex<Option<String>>>,
}

impl Drop for Dialers {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

impl Dialers {
    /// Calls a process, from a thread of its own, until it answers.
    fn call(&self, other: usize, host: &str, channel: ChannelPurpose, found: &Sender<ConnectedPeer>) {
        let (calls, host, found) = (self.0.clone(), host.to_owned(), found.clone());
        std::thread::spawn(move || {
            while !calls.is_over() {
                let pause = match calls.try_call(other, &host, channel) {
                    Ok((_, greeting)) if greeting.process != other => {
                        let is = greeting.process;
                        let unfit = format!(
                            "at {host} is process {is}, not process {other}: give all processes the same host file"
                        );
                        let _ = found.send(Err(unfit));
                        return;
                    }
                    Ok(answered) => {
                        let _ = found.send(Ok(answered));
                        return;
                    }
                    // Not there yet, perhaps.
                    Err(None) => LOOK_UP_INTERVAL,
                    Err(Some(HandshakeError::Stranger(reason))) => {
                        // A call that the deadline cuts short tells nothing new.
                        if Instant::now() < calls.deadline {
                            *calls.refusals[other].lock().expect("no holder panics") = Some(reason);
                        }
                        STRANGER_INTERVAL
                    }
                    Err(Some(HandshakeError::Unfit(reason))) => {
                        let _ = found.send(Err(format!("the process at {host} {reason}")));
                        return;
                    }
                };
                std::thread::sleep(pause);
            }
        });
    }

    /// Asks who calls, in a thread of its own: one that says nothing keeps nobody waiting.
    fn answer(&self, mut stream: TcpStream, from: SocketAddr, at: &str, found: &Sender<ConnectedPeer>) {
        let calls = self.0.clone();
        if calls.callers.fetch_add(1, Ordering::Relaxed) >= CALLERS_MAX {
            calls.callers.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let (at, found) = (at.to_owned(), found.clone());
        std::thread::spawn(move || {
            let deadline = calls.deadline.min(Instant::now() + GREETING_TIMEOUT);
            let prepared = stream.set_nonblocking(false).and_then(|()| prepare(&stream));
            // What it is for is the caller's to say.
            let own = calls.greeting(ChannelPurpose::Data);
            let greeted = prepared
                .map_err(|error| HandshakeError::Stranger(format!("cannot be heard ({error})")))
                .and_then(|()| greet(&mut stream, HandshakeSide::Called, &own, &calls.secret, &calls.wait(deadline)));
            calls.callers.fetch_sub(1, Ordering::Relaxed);
            match greeted {
                Ok(greeting) if greeting.process < calls.process => {
                    let _ = unbounded(&stream);
                    let _ = found.send(Ok((stream, greeting)));
                }
                Ok(Greeting { process, .. }) => {
                    let own = calls.process;
                    let unfit = format!("process {process} calls process {own} from {from}: give each its own number");
                    let _ = found.send(Err(unfit));
                }
                // Where there is a secret, who does not show it is not listened to.
                Err(HandshakeError::Unfit(reason)) if calls.secret.is_none() => {
                    let _ = found.send(Err(format!("the process that calls from {from} {reason}")));
                }
                Err(HandshakeError::Stranger(reason) | HandshakeError::Unfit(reason)) if !calls.is_over() => {
                    tracing::warn!("{at} was called by none of the other processes: {from} {reason}");
                }
                Err(_) => {}
            }
        });
    }

    /// A process that has not come, and what is known of its address.
    fn missing(&self, other: usize, host: &str) -> String {
        match &*self.0.refusals[other].lock().expect("no holder panics") {
            Some(reason) => format!("{other} at {host} (what is there {reason})"),
            None => format!("{other} at {host}"),
        }
    }
}

impl MeshState {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn greeting(&self, channel: ChannelPurpose) -> Greeting {
        Greeting { process: self.process, channel, identity: self.identity.clone() }
    }

    fn wait(&self, deadline: Instant) -> ConnectDeadline<'_> {
        ConnectDeadline { deadline, over: &self.over }
    }

    fn try_call(
        &self,
        other: usize,
        host: &str,
        channel: ChannelPurpose,
    ) -> Result<(TcpStream, Greeting), Option<HandshakeError>> {
        let mut stream = connected(host).map_err(|_| None)?;
        // Until it does.
        let mut refusal = self.refusals[other].lock().expect("no holder panics");
        refusal.get_or_insert_with(|| "does not answer".into());
        drop(refusal);
        let own = self.greeting(channel);
        let greeting =
            greet(&mut stream, HandshakeSide::Caller, &own, &self.secret, &self.wait(self.deadline)).map_err(Some)?;
        unbounded(&stream).map_err(|_| None)?;
        Ok((stream, Greeting { channel, ..greeting }))
    }
}

fn listen(address: &str, listener: Option<TcpListener>) -> io::Result<TcpListener> {
    let listener = listener.map_or_else(|| TcpListener::bind(address), Ok)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn connected(host: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in host.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CALL_TIMEOUT) {
            Ok(stream) => return prepare(&stream).map(|()| stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Small messages go at once, and a link that is silent for too long is given up.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, SILENCE_TIMEOUT / 2)?;
    sockopt::set_tcp_keepintvl(stream, SILENCE_TIMEOUT / 10)?;
    sockopt::set_tcp_keepcnt(stream, 5)?;
    #[cfg(target_os = "linux")]
    sockopt::set_tcp_user_timeout(stream, SILENCE_TIMEOUT.as_millis() as u32)?;
    Ok(())
}

/// Says so where others than this machine's programs can reach the processes, and nothing keeps them out.
fn warn_of_strangers(hosts: &[String], secret: &Secret) {
    let is_here = |host: &String| {
        let addresses = host.to_socket_addrs();
        addresses.is_ok_and(|mut addresses| addresses.all(|address| address.ip().is_loopback()))
    };
    if let Some(host) = hosts.iter().find(|host| secret.is_none() && !is_here(host)) {
        tracing::warn!("whoever reaches {host} can take part in this run: --secret-file FILE keeps others out");
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::config::Dataflow;
    use crate::runtime::Cluster;
    use crate::runtime::options::Options;

    fn listeners<const COUNT: usize>() -> ([TcpListener; COUNT], Vec<String>) {
        let listeners = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = listeners.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect();
        (listeners, addresses)
    }

    fn own(processes: usize) -> OwnIdentity {
        let text = "schema = \"davis\"\nsource.url = \"-\"\nsink.url = \"null\"\n";
        let hosts = vec![String::new(); processes];
        let cluster = Cluster { workers: 1, process: 0, hosts };
        OwnIdentity::of(
            &Dataflow::from_text("t", text, &[], &crate::registry::Registry::builtin()).unwrap(),
            &Options::new(cluster),
        )
        .unwrap()
    }

    fn meet(
        hosts: &[String],
        process: usize,
        listener: Option<TcpListener>,
        timeout: Duration,
        secret: Secret,
    ) -> Result<Vec<Option<Peer>>, String> {
        let own = own(hosts.len());
        let meeting = Mesh { hosts, process, own, secret, timeout, stop: Stop::default() };
        meeting.connect(listener).map(|met| met.expect("nobody stops it"))
    }

    fn secret(text: &str) -> Secret {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Secret::read(file.path()).unwrap()
    }

    /// Process 0 of two, where something else answers at the address of process 1.
    fn meet_a_stranger(answers: impl FnMut(TcpStream) + Send + 'static) -> String {
        let ([_none, stranger], hosts) = listeners();
        let mut answers = answers;
        std::thread::spawn(move || stranger.incoming().flatten().for_each(&mut answers));
        let error = meet(&hosts, 0, None, Duration::from_secs(2), Secret::default()).err().unwrap();
        assert!(error.contains(&hosts[1]) && error.contains("within 2s"), "{error}");
        error
    }

    #[test]
    fn processes_find_each_other_whoever_comes_first_and_strangers_are_sent_away() {
        let ([none, one, two], hosts) = listeners();
        let start = |own: usize, listener: TcpListener| {
            let hosts = hosts.clone();
            let secret = secret("0123456789abcdef\n");
            std::thread::spawn(move || meet(&hosts, own, Some(listener), Duration::from_secs(60), secret).unwrap())
        };
        // Says nothing, and stays.
        let silent: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(&hosts[2]).unwrap()).collect();
        let mut processes = vec![(2, start(2, two)), (0, start(0, none))];
        std::thread::sleep(Duration::from_millis(100));
        let mut stranger = TcpStream::connect(&hosts[2]).unwrap();
        stranger.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        stranger.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let ended = stranger.read_to_end(&mut Vec::new()).map_err(|error| error.kind());
        assert!(matches!(ended, Ok(_) | Err(io::ErrorKind::ConnectionReset)), "the connection is closed: {ended:?}");
        processes.push((1, start(1, one)));
        processes.sort_by_key(|(own, _)| *own);
        let mut peers: Vec<_> = processes.into_iter().map(|(_, process)| process.join().unwrap()).collect();
        for (own, other) in [(0, 1), (0, 2), (1, 2)] {
            peers[own][other].as_ref().unwrap().data.try_clone().unwrap().write_all(&[own as u8, other as u8]).unwrap();
            let mut said = [0; 2];
            peers[other][own].as_mut().unwrap().data.read_exact(&mut said).unwrap();
            assert_eq!(said, [own as u8, other as u8]);
        }
        assert!((0..3).all(|own| peers[own][own].is_none()));
        let has_control = |own: usize, other: usize| peers[own][other].as_ref().unwrap().control.is_some();
        assert!(has_control(0, 2) && has_control(1, 0) && !has_control(1, 2) && !has_control(2, 1));
        drop(silent);
    }

    #[test]
    fn a_process_that_does_not_come_and_an_address_that_is_taken_are_named() {
        let ([_none, _taken], hosts) = listeners();
        let error = meet(&hosts, 1, None, Duration::from_millis(50), Secret::default()).err().unwrap();
        assert!(error.starts_with(&format!("process 1 cannot listen on {}: ", hosts[1])), "{error}");
        let ([_none, one], hosts) = listeners();
        let error = meet(&hosts, 1, Some(one), Duration::from_millis(50), Secret::default()).err().unwrap();
        assert_eq!(error, format!("no process 0 at {} within 50ms; --connect-timeout sets this", hosts[0]));
    }

    #[test]
    fn what_answers_in_place_of_a_process_is_told_and_does_not_keep_it_waiting() {
        let mut kept = Vec::new();
        let error = meet_a_stranger(move |stream| kept.push(stream));
        assert!(error.contains("does not answer"), "{error}");
        let error = meet_a_stranger(|mut stream| {
            // What stays unread would take the answer back.
            let _ = stream.read_exact(&mut [0; 40]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        });
        assert!(error.contains("is no process of rowmill"), "{error}");
        let error = meet_a_stranger(|mut stream| {
            std::thread::spawn(move || {
                for byte in b"rowmill2".iter().cycle() {
                    std::thread::sleep(Duration::from_millis(300));
                    if stream.write_all(&[*byte]).is_err() {
                        return;
                    }
                }
            });
        });
        assert!(error.contains("does not answer"), "{error}");
    }

    #[test]
    fn another_secret_and_another_protocol_are_told_on_both_sides() {
        let ([_none, one], hosts) = listeners();
        let (there, timeout) = (hosts.clone(), Duration::from_secs(2));
        let other = std::thread::spawn(move || meet(&there, 1, Some(one), timeout, secret("0123456789abcdef")).err());
        let error = meet(&hosts, 0, None, timeout, secret("0123456789abcdeX")).err().unwrap();
        assert!(error.contains("another secret, or none"), "{error}");
        assert!(other.join().unwrap().unwrap().starts_with("no process 0"));
        let ([_none, one], hosts) = listeners();
        let mut old = TcpStream::connect(&hosts[1]).unwrap();
        old.write_all(b"rowmill1\0\0\0\0\0\0\0\0").unwrap();
        let error = meet(&hosts, 1, Some(one), Duration::from_secs(60), Secret::default()).err().unwrap();
        assert!(error.contains("protocol 1 of rowmill, this process 2"), "{error}");
    }
}
