//! A broker that a test drives packet by packet: one client, MQTT 5, as far as a source needs it.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// The connection of a client that has subscribed.
pub struct Played(TcpStream);

impl Played {
    pub fn listen() -> (TcpListener, u16) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    /// Accepts a client and its subscription. Answers half a second late, as a distant broker does.
    pub fn accept(listener: &TcpListener, same_session: bool) -> Played {
        Played::accept_but(listener, same_session, None)
    }

    /// The same; a subscription to the topic `refused` is one that the client is not authorized for.
    pub fn accept_but(listener: &TcpListener, same_session: bool, refused: Option<&str>) -> Played {
        const NOT_AUTHORIZED: u8 = 0x87;
        const CONNECT: u8 = 0x10;
        const SUBSCRIBE: u8 = 0x82;
        let mut played = Played(listener.accept().unwrap().0);
        played.0.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert_eq!(played.receive().0, CONNECT);
        std::thread::sleep(Duration::from_millis(500));
        played.0.write_all(&[0x20, 3, u8::from(same_session), 0, 0]).unwrap();
        let (kind, body) = played.receive();
        assert_eq!(kind, SUBSCRIBE, "nothing is to be said before it");
        let is_refused = refused.is_some_and(|topic| body.windows(topic.len()).any(|part| part == topic.as_bytes()));
        let answer = if is_refused { NOT_AUTHORIZED } else { 1 };
        played.0.write_all(&[0x90, 4, body[0], body[1], 0, answer]).unwrap();
        played
    }

    /// A packet: its first byte, and what follows the length.
    fn receive(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).unwrap();
        assert!(head[1] < 128, "a length of one byte");
        let mut body = vec![0; head[1].into()];
        self.0.read_exact(&mut body).unwrap();
        (head[0], body)
    }

    pub fn publish(&mut self, id: u16, n: u64, again: bool) {
        self.publish_payload(id, &format!("{{\"n\": {n}}}"), again);
    }

    pub fn publish_payload(&mut self, id: u16, payload: &str, again: bool) {
        let body = [b"\0\x04rows", &id.to_be_bytes()[..], b"\0", payload.as_bytes()].concat();
        let head = [0x32 | u8::from(again) << 3, u8::try_from(body.len()).unwrap()];
        assert!(head[1] < 128, "a length of one byte");
        self.0.write_all(&[&head[..], &body].concat()).unwrap();
    }

    /// Publishes at quality of service 0: no acknowledgement, no redelivery.
    pub fn publish_at_most_once(&mut self, n: u64) {
        let body = [b"\0\x04rows\0", format!("{{\"n\": {n}}}").as_bytes()].concat();
        self.0.write_all(&[&[0x30, body.len() as u8], &body[..]].concat()).unwrap();
    }

    /// Ends the connection, as a broker does when another client of the same id comes.
    pub fn take_over(mut self) {
        const SESSION_TAKEN_OVER: u8 = 0x8e;
        self.0.write_all(&[0xe0, 2, SESSION_TAKEN_OVER, 0]).unwrap();
    }

    const UNSUBSCRIBE: u8 = 0xa2;

    /// Waits until the client asks whether its acknowledgements have arrived, and answers.
    pub fn answer(&mut self) {
        let (kind, body) = self.receive();
        assert_eq!(kind, Played::UNSUBSCRIBE);
        self.tell(&body);
    }

    fn tell(&mut self, question: &[u8]) {
        const NO_SUBSCRIPTION_EXISTED: u8 = 0x11;
        self.0.write_all(&[0xb0, 4, question[0], question[1], 0, NO_SUBSCRIPTION_EXISTED]).unwrap();
    }

    /// The packet id of the next acknowledgement; answers the client's questions before it.
    pub fn acknowledged(&mut self) -> u16 {
        const PUBACK: u8 = 0x40;
        let (mut kind, mut body) = self.receive();
        while kind == Played::UNSUBSCRIBE {
            self.tell(&body);
            (kind, body) = self.receive();
        }
        assert_eq!(kind, PUBACK);
        u16::from_be_bytes([body[0], body[1]])
    }
}

/// The numbered rows of a played broker over several connections: what is not acknowledged comes again, in its order.
#[derive(Default)]
pub struct Redelivery {
    owed: VecDeque<u64>,
    /// How many rows were published.
    pub published: u64,
}

impl Redelivery {
    /// Publishes what is owed again and so many rows more, and takes the acknowledgements of all, or of some.
    pub fn serve(&mut self, broker: &mut Played, more: u64, all: bool, random: &mut ChaCha8Rng) {
        self.owed.iter().for_each(|n| broker.publish(*n as u16 + 1, *n, true));
        for n in self.published..self.published + more {
            broker.publish(n as u16 + 1, n, false);
            self.owed.push_back(n);
        }
        self.published += more;
        let acknowledged = if all { self.owed.len() } else { random.random_range(0..self.owed.len()) };
        for _ in 0..acknowledged {
            assert_eq!(broker.acknowledged(), self.owed.pop_front().unwrap() as u16 + 1);
        }
    }
}
