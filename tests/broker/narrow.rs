//! An MQTT 5 broker that accepts publishes up to a size, and keeps them for the test.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What it accepts, and what it says.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// The largest packet, in bytes; it closes the connection at a larger one.
    pub most: usize,
    /// Whether it announces this size when a client connects.
    pub says: bool,
    /// It closes the connection at a publish with these bytes.
    pub never: Option<&'static str>,
}

pub struct Narrow {
    pub port: u16,
    /// Whether it leaves publishes unacknowledged.
    pub mute: Arc<AtomicBool>,
    payloads: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Narrow {
    pub fn start(manner: Manner) -> Narrow {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mute, payloads) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<_>>>::default());
        let narrow = Narrow { port, mute: mute.clone(), payloads: payloads.clone() };
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (mute, payloads) = (mute.clone(), payloads.clone());
                std::thread::spawn(move || serve(client, manner, &mute, &payloads));
            }
        });
        narrow
    }

    /// Discards the payloads so far.
    pub fn clear(&self) {
        self.payloads.lock().unwrap().clear();
    }

    /// The payloads so far, as JSON.
    pub fn taken(&self) -> Vec<serde_json::Value> {
        self.payloads.lock().unwrap().iter().map(|payload| serde_json::from_slice(payload).unwrap()).collect()
    }
}

/// Acknowledges publishes at quality of service 1, until the connection ends.
fn serve(mut client: TcpStream, manner: Manner, mute: &AtomicBool, payloads: &Mutex<Vec<Vec<u8>>>) -> Option<()> {
    const CONNECT: u8 = 1;
    const PUBLISH: u8 = 3;
    loop {
        let mut head = vec![0];
        client.read_exact(&mut head).ok()?;
        let kind = head[0] >> 4;
        let (mut length, mut shift) = (0, 0);
        loop {
            let mut byte = [0];
            client.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
            length |= usize::from(byte[0] & 0x7f) << shift;
            shift += 7;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        if kind == PUBLISH && head.len() + length > manner.most {
            return None;
        }
        let mut body = vec![0; length];
        client.read_exact(&mut body).ok()?;
        let is_in = |text: &str| body.windows(text.len()).any(|bytes| bytes == text.as_bytes());
        if kind == PUBLISH && manner.never.is_some_and(is_in) {
            return None;
        }
        match kind {
            CONNECT if manner.says => {
                let most = (manner.most as u32).to_be_bytes();
                client.write_all(&[&[0x20, 8, 0, 0, 5, 0x27], &most[..]].concat()).ok()?;
            }
            CONNECT => client.write_all(&[0x20, 3, 0, 0, 0]).ok()?,
            PUBLISH => {
                let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
                let id = &body[2 + topic..4 + topic];
                assert_eq!(body[4 + topic], 0, "no properties");
                payloads.lock().unwrap().push(body[5 + topic..].to_vec());
                if !mute.load(Ordering::Acquire) {
                    client.write_all(&[0x40, 2, id[0], id[1]]).ok()?;
                }
            }
            _ => {}
        }
    }
}
