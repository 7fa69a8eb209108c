//! The calls of a mesh: each connection is made or answered on a thread of its own.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::net::sockopt;

use crate::runtime::cluster::handshake::{
    ChannelPurpose, ConnectDeadline, Greeting, HandshakeError, HandshakeSide, greet, unbounded,
};
use crate::runtime::cluster::identity::ProcessIdentity;
use crate::runtime::cluster::secret::Secret;

/// The retry interval for a process that can't be reached yet.
pub(super) const LOOK_UP_INTERVAL: Duration = Duration::from_millis(20);

/// The retry interval for an address where something other than a process of the run answers.
const STRANGER_INTERVAL: Duration = Duration::from_millis(500);

/// How long a TCP connect may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the handshake of an incoming connection may take.
const GREETING_TIMEOUT: Duration = Duration::from_secs(5);

/// The most incoming handshakes at a time; connections beyond it are dropped.
const CALLERS_MAX: usize = 64;

/// How long TCP waits for an answer: a cut link or a machine without power sends no reset.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) type ConnectedPeer = Result<(TcpStream, Greeting), String>;

/// The calls of a mesh; dropping it ends them.
pub(super) struct Dialers(Arc<MeshState>);

struct MeshState {
    process: usize,
    identity: ProcessIdentity,
    secret: Secret,
    deadline: Instant,
    over: AtomicBool,
    /// Incoming handshakes in progress.
    callers: AtomicUsize,
    /// By process, the last error of what answers at its address.
    refusals: Vec<Mutex<Option<String>>>,
}

impl Drop for Dialers {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

impl Dialers {
    /// The calls of process `process` among `processes`, until the deadline.
    pub(super) fn new(
        process: usize,
        identity: ProcessIdentity,
        secret: Secret,
        deadline: Instant,
        processes: usize,
    ) -> Dialers {
        Dialers(Arc::new(MeshState {
            process,
            identity,
            secret,
            deadline,
            over: AtomicBool::new(false),
            callers: AtomicUsize::new(0),
            refusals: (0..processes).map(|_| Mutex::new(None)).collect(),
        }))
    }

    /// Calls a process on a thread of its own, with retries, until it answers.
    pub(super) fn call(&self, other: usize, host: &str, channel: ChannelPurpose, found: &Sender<ConnectedPeer>) {
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
                    // It may not listen yet.
                    Err(None) => LOOK_UP_INTERVAL,
                    Err(Some(HandshakeError::Stranger(reason))) => {
                        // A timeout by the deadline must not replace the last refusal.
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

    /// Handshakes with a caller on a thread of its own: a silent caller must not block the others.
    pub(super) fn answer(&self, mut stream: TcpStream, from: SocketAddr, at: &str, found: &Sender<ConnectedPeer>) {
        let calls = self.0.clone();
        if calls.callers.fetch_add(1, Ordering::Relaxed) >= CALLERS_MAX {
            calls.callers.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let (at, found) = (at.to_owned(), found.clone());
        std::thread::spawn(move || {
            let deadline = calls.deadline.min(Instant::now() + GREETING_TIMEOUT);
            let prepared = stream.set_nonblocking(false).and_then(|()| prepare(&stream));
            // The caller decides the purpose.
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
                // With a secret, an unauthenticated caller can't abort the start.
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

    /// Describes a missing process, with the last refusal at its address.
    pub(super) fn missing(&self, other: usize, host: &str) -> String {
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
        // The reason if the handshake gets no answer; a later refusal replaces it.
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

/// Disables Nagle's algorithm, and lets TCP give up a silent link.
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
