//! One process of this machine per client id: of two clients with one id, a broker ends the connection of each in turn.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with};

use super::{Endpoint, broker_name};
use crate::data::fingerprint;

/// A killed process may take a moment to release its client ids.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);
const RETRY_INTERVAL: Duration = Duration::from_millis(20);
/// Most processes that may ask for the holder's pid at the same time.
const MAX_ASKED: i32 = 1024;

/// The client id of an endpoint, held by this process until dropped. It is the name of an abstract socket (unix(7)),
/// which is no file and is not inherited: the kernel frees it with the process, however that ends.
#[derive(Debug)]
pub struct ClientIdLock {
    _socket: OwnedFd,
}

impl ClientIdLock {
    /// Takes the endpoint's client id; `None` if it has none, or the system has no abstract sockets.
    ///
    /// # Errors
    /// If another client of this machine has it: the message names the pid of its process.
    pub fn take(endpoint: &Endpoint) -> Result<Option<ClientIdLock>, String> {
        let Some(id) = &endpoint.client_id else { return Ok(None) };
        let broker = broker_name(&endpoint.url);
        let name = format!("rowmill-client-{:032x}", fingerprint(format!("{broker}\n{id}").as_bytes()));
        let since = Instant::now();
        loop {
            match hold(name.as_bytes()) {
                Ok(_socket) => return Ok(Some(ClientIdLock { _socket })),
                Err(Errno::ADDRINUSE) if since.elapsed() < RELEASE_TIMEOUT => std::thread::sleep(RETRY_INTERVAL),
                Err(Errno::ADDRINUSE) => {
                    let other =
                        holder(name.as_bytes()).map_or("another process".into(), |pid| format!("process {pid}"));
                    return Err(format!(
                        "{other} of this machine uses the client_id {id:?} at {broker}: end that run, or give this one a \
                         client_id of its own"
                    ));
                }
                Err(error) => {
                    tracing::debug!("the client_id {id:?} cannot be locked: {}", io::Error::from(error));
                    return Ok(None);
                }
            }
        }
    }
}

fn socket() -> Result<OwnedFd, Errno> {
    // A full queue must not block a process that only asks for the holder.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

fn hold(name: &[u8]) -> Result<OwnedFd, Errno> {
    let socket = socket()?;
    bind(&socket, &SocketAddrUnix::new_abstract_name(name)?)?;
    listen(&socket, MAX_ASKED)?;
    Ok(socket)
}

/// The pid of the process that holds a name, as far as the kernel reports it.
fn holder(name: &[u8]) -> Option<i32> {
    let socket = socket().ok()?;
    connect(&socket, &SocketAddrUnix::new_abstract_name(name).ok()?).ok()?;
    Some(socket_peercred(&socket).ok()?.pid.as_raw_nonzero().get())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(url: &str, client_id: Option<&str>) -> Endpoint {
        Endpoint { client_id: client_id.map(str::to_owned), ..Endpoint::anonymous(url.parse().unwrap()) }
    }

    #[test]
    fn a_client_id_is_held_once_a_broker_and_its_holder_is_named() {
        let take = |url: &str, id: Option<&str>| ClientIdLock::take(&endpoint(url, id));
        let id = format!("one-{}", std::process::id());
        let first = take("mqtt://localhost:1883/a", Some(&id)).unwrap().unwrap();
        // The topic is not part of the id, and the host has several names.
        for same in ["mqtt://127.0.0.1/b", "mqtts://[::1]:1883/b", "mqtt://LOCALHOST/c"] {
            let refused = take(same, Some(&id)).unwrap_err();
            assert!(
                refused.contains(&format!("process {} ", std::process::id())) && refused.contains(&id),
                "{refused}"
            );
        }
        assert!(take("mqtt://localhost:1884/a", Some(&id)).unwrap().is_some(), "another broker");
        assert!(take("mqtt://localhost:1883/a", Some(&format!("{id}-1"))).unwrap().is_some(), "another id");
        assert!(take("mqtt://localhost:1883/a", None).unwrap().is_none());
        drop(first);
        assert!(take("mqtt://127.0.0.1/b", Some(&id)).unwrap().is_some());
    }
}
