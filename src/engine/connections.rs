//! Connections between the processes: each calls those behind it, and is called by those before it.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use rustix::net::sockopt;

/// What a process says before its index: another program's connection is told from it.
const HELLO: &[u8; 8] = b"rowmill1";
/// How often a process is looked for.
const LOOK_UP: Duration = Duration::from_millis(20);
/// How long a process that has called may take to say who it is, and a call may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long data may stay without an answer: a link that is cut, or a machine that is switched off, says nothing.
const SILENCE: Duration = Duration::from_secs(10);

/// Connects process `own` with the processes at all other addresses: a connection each, in their order. It is called
/// over `listener`, or over one at its address if there is none yet.
///
/// # Errors
/// An address that cannot be listened on, or processes that do not come in time.
pub fn connect(
    hosts: &[String],
    own: usize,
    listener: Option<TcpListener>,
    timeout: Duration,
) -> Result<Vec<Option<TcpStream>>, String> {
    let listener = (own > 0).then(|| listen(&hosts[own], listener)).transpose();
    let listener = listener.map_err(|error| format!("process {own} cannot listen on {}: {error}", hosts[own]))?;
    let deadline = Instant::now() + timeout;
    let mut connections: Vec<Option<TcpStream>> = hosts.iter().map(|_| None).collect();
    loop {
        for (process, host) in hosts.iter().enumerate().skip(own + 1) {
            if connections[process].is_none() {
                // Not there yet, perhaps.
                connections[process] = call(host, own).ok();
            }
        }
        while let Some(Ok((stream, from))) = listener.as_ref().map(TcpListener::accept) {
            match answer(stream) {
                // One that was started again calls again.
                Ok((process, stream)) if process < own => connections[process] = Some(stream),
                _ => tracing::warn!("{} was called from {from} by none of the other processes", hosts[own]),
            }
        }
        let missing = |(process, _): &(usize, &String)| *process != own && connections[*process].is_none();
        let missing: Vec<String> =
            hosts.iter().enumerate().filter(missing).map(|(process, host)| format!("{process} at {host}")).collect();
        if missing.is_empty() {
            return Ok(connections);
        }
        if Instant::now() >= deadline {
            let (missing, waited) = (missing.join(", "), humantime::format_duration(timeout));
            return Err(format!("no process {missing} within {waited}; --connect-timeout sets this"));
        }
        std::thread::sleep(LOOK_UP);
    }
}

fn listen(address: &str, listener: Option<TcpListener>) -> io::Result<TcpListener> {
    let listener = listener.map_or_else(|| TcpListener::bind(address), Ok)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn call(host: &str, own: usize) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in host.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(mut stream) => {
                prepare(&stream)?;
                stream.write_all(HELLO)?;
                stream.write_all(&(own as u64).to_le_bytes())?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Who calls.
fn answer(mut stream: TcpStream) -> io::Result<(usize, TcpStream)> {
    stream.set_nonblocking(false)?;
    prepare(&stream)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let (mut hello, mut process) = ([0; HELLO.len()], [0; 8]);
    stream.read_exact(&mut hello)?;
    stream.read_exact(&mut process)?;
    stream.set_read_timeout(None)?;
    if &hello != HELLO {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok((u64::from_le_bytes(process) as usize, stream))
}

/// Small messages go at once, and a link that is silent for too long is given up.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, SILENCE / 2)?;
    sockopt::set_tcp_keepintvl(stream, SILENCE / 10)?;
    sockopt::set_tcp_keepcnt(stream, 5)?;
    #[cfg(target_os = "linux")]
    sockopt::set_tcp_user_timeout(stream, SILENCE.as_millis() as u32)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listeners<const COUNT: usize>() -> ([TcpListener; COUNT], Vec<String>) {
        let listeners = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = listeners.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect();
        (listeners, addresses)
    }

    #[test]
    fn processes_find_each_other_whoever_comes_first_and_strangers_are_sent_away() {
        let ([none, one, two], hosts) = listeners();
        let start = |own: usize, listener: TcpListener| {
            let hosts = hosts.clone();
            std::thread::spawn(move || connect(&hosts, own, Some(listener), Duration::from_secs(20)).unwrap())
        };
        let mut processes = vec![(2, start(2, two)), (0, start(0, none))];
        std::thread::sleep(Duration::from_millis(100));
        let mut stranger = TcpStream::connect(&hosts[2]).unwrap();
        stranger.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(stranger.read(&mut [0; 1]).unwrap_or(0), 0, "the connection is closed");
        processes.push((1, start(1, one)));
        processes.sort_by_key(|(own, _)| *own);
        let mut connections: Vec<_> = processes.into_iter().map(|(_, process)| process.join().unwrap()).collect();
        for (own, other) in [(0, 1), (0, 2), (1, 2)] {
            connections[own][other].as_ref().unwrap().write_all(&[own as u8, other as u8]).unwrap();
            let mut said = [0; 2];
            connections[other][own].as_mut().unwrap().read_exact(&mut said).unwrap();
            assert_eq!(said, [own as u8, other as u8]);
        }
        assert!((0..3).all(|own| connections[own][own].is_none()));
    }

    #[test]
    fn a_process_that_does_not_come_and_an_address_that_is_taken_are_named() {
        let ([_none, _taken], hosts) = listeners();
        let error = connect(&hosts, 1, None, Duration::from_millis(50)).unwrap_err();
        assert!(error.starts_with(&format!("process 1 cannot listen on {}: ", hosts[1])), "{error}");
        let ([_none, one], hosts) = listeners();
        let error = connect(&hosts, 1, Some(one), Duration::from_millis(50)).unwrap_err();
        assert_eq!(error, format!("no process 0 at {} within 50ms; --connect-timeout sets this", hosts[0]));
    }
}
