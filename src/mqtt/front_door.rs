//! One address for MQTT 3.1.1 and MQTT 5: rumqttd has a listener for each, so connections are forwarded by the version
//! in their first packet.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

/// Timeout of a client's first packet.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the broker may take to close a connection that its client has closed.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(200);
/// CONNECT up to the version: type, up to four bytes of length, the protocol's name with its length, the version.
const LONGEST: usize = 1 + 4 + 2 + 6 + 1;

/// Listens on `address`, and forwards connections to the listener of their version.
///
/// # Errors
/// If the address is taken.
pub fn open(address: SocketAddr, v4: SocketAddr, v5: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    let accept = move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = move || {
                if let Err(error) = hand_on(stream, v4, v5) {
                    tracing::debug!("a connection to the embedded broker ended: {error}");
                }
            };
            let _ = std::thread::Builder::new().name("connection".into()).spawn(serve);
        }
    };
    std::thread::Builder::new().name("front-door".into()).spawn(accept)?;
    Ok(())
}

fn hand_on(mut client: TcpStream, v4: SocketAddr, v5: SocketAddr) -> io::Result<()> {
    client.set_read_timeout(Some(CONNECT_TIMEOUT))?;
    let mut first = Vec::new();
    let version = loop {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        first.push(byte[0]);
        if let Some(version) = version(&first) {
            break version;
        }
        if first.len() > LONGEST {
            return Err(io::Error::other("the first packet is no CONNECT"));
        }
    };
    client.set_read_timeout(None)?;
    let mut broker = TcpStream::connect(if version == 5 { v5 } else { v4 })?;
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    broker.write_all(&first)?;
    let (mut to_client, mut from_broker) = (client.try_clone()?, broker.try_clone()?);
    let (open, closed) = mpsc::channel::<()>();
    std::thread::Builder::new().name("connection".into()).spawn(move || {
        let _ = io::copy(&mut from_broker, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
        let _ = io::copy(&mut from_broker, &mut io::sink());
        drop(open);
    })?;
    let copied = io::copy(&mut client, &mut broker);
    // rumqttd closes after a DISCONNECT. Had it to hear of the closed socket too, it would end whoever has the number of
    // that connection by then.
    let _ = closed.recv_timeout(CLOSE_TIMEOUT);
    let _ = broker.shutdown(Shutdown::Both);
    copied.map(drop)
}

/// The version in a CONNECT packet, if enough of it has arrived.
fn version(packet: &[u8]) -> Option<u8> {
    let length = packet.get(1..)?.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let name = &packet[1 + length..];
    let name_length = usize::from(u16::from_be_bytes([*name.first()?, *name.get(1)?]));
    name.get(2 + name_length).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broker_closes_before_it_hears_of_the_clients_close() {
        let any_port = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (broker, door) = (any_port(), any_port().local_addr().unwrap());
        let address = broker.local_addr().unwrap();
        open(door, address, address).unwrap();
        let packets = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a\xe0\x00";
        let mut client = TcpStream::connect(door).unwrap();
        client.write_all(packets).unwrap();
        drop(client);
        let (mut stream, _) = broker.accept().unwrap();
        stream.read_exact(&mut [0; 17]).unwrap();
        stream.set_read_timeout(Some(CLOSE_TIMEOUT / 4)).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        // A broker that leaves it open hears of it in the end.
        stream.set_read_timeout(Some(CLOSE_TIMEOUT * 50)).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn the_version_is_read_as_soon_as_it_has_come() {
        let packet = b"\x10\x8a\x01\x00\x04MQTT\x05\x02";
        assert_eq!(version(&packet[..9]), None);
        assert_eq!(version(&packet[..10]), Some(5));
        assert_eq!(version(b"\x10\x0c\x00\x06MQIsdp\x03"), Some(3));
    }
}
