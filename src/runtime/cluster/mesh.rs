//! Connects all processes: each calls those with higher numbers, and is called by those with lower ones.

use std::io;
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::runtime::cluster::dialers::{Dialers, LOOK_UP_INTERVAL};
use crate::runtime::cluster::handshake::{ChannelPurpose, Greeting};
use crate::runtime::cluster::identity::{OwnIdentity, ProcessIdentity};
use crate::runtime::cluster::secret::Secret;
use crate::source::Stop;

/// The processes to connect, and this one's part.
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
    /// Only between process 0 and each other one.
    pub control: Option<TcpStream>,
    pub identity: ProcessIdentity,
}

impl Mesh<'_> {
    /// Connects this process with all others, in their order. It accepts on `listener`, or binds its address if there
    /// is none. `None` if it is stopped meanwhile.
    ///
    /// # Errors
    /// An address that cannot be bound, processes that do not connect in time, or whose identity differs.
    pub fn connect(self, listener: Option<TcpListener>) -> Result<Option<Vec<Option<Peer>>>, String> {
        let Mesh { hosts, process, own, secret, timeout, stop } = self;
        let listener = (process > 0).then(|| listen(&hosts[process], listener)).transpose();
        let listener =
            listener.map_err(|error| format!("process {process} cannot listen on {}: {error}", hosts[process]))?;
        warn_of_strangers(hosts, &secret);
        let (found, comes) = mpsc::channel();
        let deadline = Instant::now() + timeout;
        let calls = Dialers::new(process, own.identity.clone(), secret, deadline, hosts.len());
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
                    // A process that was restarted replaces its earlier connection.
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

fn listen(address: &str, listener: Option<TcpListener>) -> io::Result<TcpListener> {
    let listener = listener.map_or_else(|| TcpListener::bind(address), Ok)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Warns if a process can be reached from other machines without a secret.
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
        // Connections that never send anything.
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
            // Closing a socket with unread data resets it, and the answer would be lost.
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
