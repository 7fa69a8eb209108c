//! Publishes that are not acknowledged yet, in order: they are sent again on each new connection until they are.
//!
//! No threads, clocks or MQTT client here, so that tests can simulate the broker.

use std::collections::VecDeque;
use std::mem;

/// Most publishes that wait for the broker.
const MOST: usize = 1536;
/// Most bytes of them.
const MOST_BYTES: usize = 16 << 20;
/// After so many connections in turn that end at the same publish, sent alone, the broker is taken to refuse it.
const STRIKES: u32 = 5;

/// Publishes that wait for a broker. `P` is a publish.
#[derive(Debug)]
pub struct Outbox<P> {
    waiting: VecDeque<PendingPublish<P>>,
    bytes: usize,
    /// How many of the first are in flight on this connection.
    sent: usize,
    /// Most publishes in flight.
    window: usize,
    /// How many may be in flight now: a connection begins with one, and each acknowledged publish allows one more.
    allowed: usize,
    /// The packet id of the first publish that waits, if it is in flight.
    first_id: u16,
    /// Whether the broker has acknowledged one on this connection.
    moved: bool,
    /// The largest packet that the broker takes, if it says so.
    limit: Option<usize>,
    /// The largest packet that the broker has acknowledged.
    largest: usize,
    /// Connections in turn that ended at the first publish.
    strikes: u32,
    /// The publish that the broker has taken last, and the bytes of its packet.
    last_taken: Option<(P, usize)>,
    /// Whether the first that waits is that one again, to see whether the broker still takes it.
    probes: bool,
    refused: Vec<RefusedPublish<P>>,
}

#[derive(Debug)]
struct PendingPublish<P> {
    publish: P,
    /// Bytes of the packet.
    size: usize,
    /// Whether it was acknowledged before one that was sent earlier.
    taken: bool,
}

/// A publish that a broker refuses.
#[derive(Debug, PartialEq, Eq)]
pub struct RefusedPublish<P> {
    pub publish: P,
    /// Bytes of the packet.
    pub size: usize,
    pub why: RefusalReason,
}

/// Why a broker refuses a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// It limits the bytes of a packet.
    Limit(usize),
    /// It closes the connection each time.
    Closes,
    /// It answers with a reason.
    Answer(String),
}

/// How a connection was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostConnection {
    /// The broker closed it soon after a publish.
    Closed,
    /// The broker closed it, with the reason that a packet was too large.
    TooLarge,
    /// It was never made, or was given up.
    Other,
}

impl<P> Default for Outbox<P> {
    fn default() -> Outbox<P> {
        Outbox {
            waiting: VecDeque::new(),
            bytes: 0,
            sent: 0,
            window: 0,
            allowed: 0,
            first_id: 1,
            moved: false,
            limit: None,
            largest: 0,
            strikes: 0,
            last_taken: None,
            probes: false,
            refused: Vec::new(),
        }
    }
}

impl<P: Clone> Outbox<P> {
    /// Publishes that are not acknowledged.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn has_room(&self) -> bool {
        self.is_empty() || (self.len() < MOST && self.bytes < MOST_BYTES)
    }

    /// The first publish that waits.
    pub fn first(&self) -> Option<&P> {
        self.waiting.get(usize::from(self.probes)).map(|waiting| &waiting.publish)
    }

    /// Whether the broker owes an acknowledgement.
    pub fn is_owed(&self) -> bool {
        self.sent > 0
    }

    /// Appends a publish whose packet has `size` bytes.
    pub fn push(&mut self, publish: P, size: usize) {
        self.bytes += size;
        self.waiting.push_back(PendingPublish { publish, size, taken: false });
    }

    /// A connection without a session: everything is sent again, `window` at a time. Packet ids begin at 1, and are
    /// reused after so many.
    pub fn connected(&mut self, window: u16, limit: Option<usize>) {
        (self.window, self.limit) = (window.into(), limit);
        (self.sent, self.first_id, self.allowed, self.moved) = (0, 1, 1, false);
    }

    /// The connection is lost: in-flight publishes may have been received or not. Returns whether the size of the first
    /// publish may be the reason.
    pub fn lost(&mut self, loss: LostConnection) -> bool {
        let alone = self.sent == 1 && !self.moved && !self.probes;
        let is_largest = self.waiting.front().is_some_and(|first| first.size > self.largest);
        match loss {
            LostConnection::TooLarge if alone => self.strikes = STRIKES,
            LostConnection::Closed if alone => self.strikes += 1,
            _ => self.strikes = 0,
        }
        (self.sent, self.window, self.allowed) = (0, 0, 0);
        if mem::take(&mut self.probes) {
            // It does not take what it took before: it is the broker that is ill.
            self.waiting.pop_front();
        }
        self.waiting.retain(|waiting| !waiting.taken);
        self.bytes = self.waiting.iter().map(|waiting| waiting.size).sum();
        let suspected = self.strikes > 0 && (is_largest || loss == LostConnection::TooLarge);
        if self.strikes >= STRIKES {
            self.strikes = 0;
            match self.last_taken.clone().filter(|_| loss == LostConnection::Closed && !is_largest) {
                Some((publish, size)) => self.probe(publish, size),
                None => self.refuse(0, RefusalReason::Closes),
            }
        }
        suspected
    }

    /// Sends a publish again that the broker has taken, before the one at which connections end: if it takes that, it is
    /// not the broker that is ill.
    fn probe(&mut self, publish: P, size: usize) {
        self.bytes += size;
        self.waiting.push_front(PendingPublish { publish, size, taken: false });
        self.probes = true;
    }

    /// The next publish to send on this connection, if one may be sent now.
    pub fn next(&mut self) -> Option<P> {
        if self.probes && self.sent == 0 && self.limit.is_some_and(|limit| self.waiting[0].size > limit) {
            // The broker takes less than before.
            self.probes = false;
            self.bytes -= self.waiting.pop_front().map_or(0, |probe| probe.size);
        }
        while self.sent < self.allowed.min(self.window) {
            let next = self.waiting.get(self.sent)?;
            match self.limit.filter(|limit| next.size > *limit) {
                Some(limit) => self.refuse(self.sent, RefusalReason::Limit(limit)),
                None => {
                    self.sent += 1;
                    return Some(next.publish.clone());
                }
            }
        }
        None
    }

    /// The broker has acknowledged the publish of this packet id. False if none of it is in flight.
    pub fn taken(&mut self, id: u16) -> bool {
        let Some(place) = self.place(id) else { return false };
        let taken = &mut self.waiting[place];
        taken.taken = true;
        self.largest = self.largest.max(taken.size);
        self.last_taken = Some((taken.publish.clone(), taken.size));
        (self.moved, self.strikes) = (true, 0);
        self.allowed = (self.allowed + 1).min(self.window);
        self.settle();
        if mem::take(&mut self.probes) {
            self.refuse(0, RefusalReason::Closes);
        }
        true
    }

    /// The first in-flight publish was sent at quality of service 0, which has no acknowledgement.
    pub fn first_is_sent(&mut self) -> bool {
        let id = self.first_id;
        self.taken(id)
    }

    /// The broker refuses the publish of this packet id. False if none of it is in flight.
    pub fn not_taken(&mut self, id: u16, answer: String) -> bool {
        let Some(place) = self.place(id) else { return false };
        let waiting = &mut self.waiting[place];
        waiting.taken = true;
        let PendingPublish { publish, size, .. } = waiting;
        if !mem::take(&mut self.probes) {
            let why = RefusalReason::Answer(answer);
            self.refused.push(RefusedPublish { publish: publish.clone(), size: *size, why });
        }
        self.moved = true;
        self.settle();
        true
    }

    /// Refused publishes since the last call; they do not wait any more.
    pub fn refused(&mut self) -> Vec<RefusedPublish<P>> {
        mem::take(&mut self.refused)
    }

    fn refuse(&mut self, place: usize, why: RefusalReason) {
        let PendingPublish { publish, size, .. } = self.waiting.remove(place).expect("a place of one that waits");
        self.bytes -= size;
        self.refused.push(RefusedPublish { publish, size, why });
    }

    /// The place of the publish with a packet id.
    fn place(&self, id: u16) -> Option<usize> {
        if id == 0 || usize::from(id) > self.window {
            return None;
        }
        let place = (usize::from(id) + self.window - usize::from(self.first_id)) % self.window;
        (place < self.sent && !self.waiting[place].taken).then_some(place)
    }

    /// Drops acknowledged publishes at the front.
    fn settle(&mut self) {
        while let Some(first) = self.waiting.pop_front_if(|first| first.taken) {
            self.bytes -= first.size;
            self.sent -= 1;
            self.first_id = if usize::from(self.first_id) == self.window { 1 } else { self.first_id + 1 };
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// A broker that takes publishes of up to so many bytes, and answers in any order.
    struct AcknowledgingBroker {
        window: u16,
        largest: usize,
        says: bool,
        next_id: u16,
        /// Packet ids and publishes that it has received and not answered.
        unanswered: Vec<(u16, u64)>,
        taken: Vec<u64>,
    }

    impl AcknowledgingBroker {
        /// Receives a publish; false if it closes the connection.
        fn receive(&mut self, (number, size): (u64, usize)) -> bool {
            if size > self.largest {
                assert!(!self.says, "more than it has said");
                return false;
            }
            let id = self.next_id;
            self.next_id = id % self.window + 1;
            assert!(self.unanswered.iter().all(|(other, _)| *other != id), "a packet id that is in use");
            self.unanswered.push((id, number));
            assert!(self.unanswered.len() <= self.window.into(), "more than the broker's window");
            self.taken.push(number);
            true
        }
    }

    fn play(seed: u64) {
        const PUBLISHES: u64 = 300;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (window, says) = (random.random_range(1..9), random.random_bool(0.5));
        let largest = if random.random_bool(0.5) { 90 } else { 100 };
        let mut broker =
            AcknowledgingBroker { window, largest, says, next_id: 1, unanswered: Vec::new(), taken: Vec::new() };
        let cuts = if random.random_bool(0.5) { 0.0 } else { 0.05 };
        let mut outbox: Outbox<(u64, usize)> = Outbox::default();
        let (mut connected, mut pushed, mut refused) = (false, 0, Vec::new());
        while pushed < PUBLISHES || !outbox.is_empty() {
            if !connected {
                broker.unanswered.clear();
                broker.next_id = 1;
                outbox.connected(window, says.then_some(largest));
                connected = true;
            }
            let mut loss = random.random_bool(cuts).then_some(LostConnection::Other);
            match random.random_range(0..3) {
                0 if pushed < PUBLISHES => {
                    let publish = (pushed, random.random_range(1..=100));
                    outbox.push(publish, publish.1);
                    pushed += 1;
                }
                1 => {
                    if let Some(publish) = outbox.next()
                        && !broker.receive(publish)
                    {
                        loss = Some(if random.random_bool(0.5) {
                            LostConnection::Closed
                        } else {
                            LostConnection::TooLarge
                        });
                    }
                }
                _ if !broker.unanswered.is_empty() => {
                    let which = random.random_range(0..broker.unanswered.len());
                    let (id, _) = broker.unanswered.swap_remove(which);
                    assert!(outbox.taken(id) && !outbox.taken(id));
                }
                _ => {}
            }
            if let Some(loss) = loss {
                let _suspected = outbox.lost(loss);
                connected = false;
            }
            refused.extend(outbox.refused().into_iter().map(|refused| refused.publish));
        }
        assert!(refused.iter().all(|(_, size)| *size > largest), "refused although the broker takes it");
        let all: std::collections::BTreeSet<u64> =
            broker.taken.iter().copied().chain(refused.iter().map(|(number, _)| *number)).collect();
        assert!(all.into_iter().eq(0..PUBLISHES), "all are taken or refused");
        // What is sent again is followed by all that was behind it: the last time that each was taken is in order.
        let mut last: Vec<u64> = Vec::new();
        for number in broker.taken.iter().rev().filter(|number| !last.contains(number)).collect::<Vec<_>>() {
            if !last.contains(number) {
                last.push(*number);
            }
        }
        assert!(cuts > 0.0 || !says || last.is_sorted_by(|a, b| a > b), "in order where nothing was lost");
        assert_eq!((outbox.bytes, outbox.sent), (0, 0));
    }

    #[test]
    fn every_publish_is_taken_or_refused() {
        for seed in 0..300 {
            let played = std::panic::catch_unwind(|| play(seed));
            assert!(played.is_ok(), "seed {seed}");
        }
    }

    #[test]
    fn what_was_on_its_way_comes_first_on_the_next_connection() {
        let mut outbox = Outbox::default();
        (0..5).for_each(|number| outbox.push(number, 1));
        outbox.connected(3, None);
        assert_eq!((outbox.next(), outbox.next()), (Some(0), None));
        assert!(outbox.taken(1));
        assert_eq!((outbox.next(), outbox.next(), outbox.next()), (Some(1), Some(2), None));
        assert!(outbox.taken(3) && !outbox.taken(1) && !outbox.taken(4) && !outbox.taken(0));
        // Three may be in flight now, and the first of them is.
        assert_eq!((outbox.next(), outbox.next()), (Some(3), None));
        outbox.lost(LostConnection::Other);
        assert_eq!((outbox.next(), outbox.len()), (None, 3));
        outbox.connected(3, None);
        assert_eq!(outbox.next(), Some(1));
        assert!(outbox.taken(1));
        assert_eq!((outbox.next(), outbox.next(), outbox.next()), (Some(3), Some(4), None));
    }

    /// An outbox of a publish that was taken, `bad` and `good`, at which so many connections have ended.
    fn cut(connections: u32) -> Outbox<&'static str> {
        let mut outbox = Outbox::default();
        outbox.push("large", 100);
        outbox.push("bad", 10);
        outbox.push("good", 10);
        outbox.connected(9, None);
        outbox.next();
        assert!(outbox.taken(1));
        for _ in 0..connections {
            outbox.connected(9, None);
            assert_eq!((outbox.next(), outbox.next()), (Some("bad"), None));
            // The size is not the reason.
            assert!(!outbox.lost(LostConnection::Closed));
        }
        outbox.connected(9, None);
        outbox
    }

    #[test]
    fn a_small_publish_that_ends_connections_is_refused_if_the_broker_takes_one_that_it_took_before() {
        let mut outbox = cut(4);
        assert_eq!((outbox.next(), outbox.refused()), (Some("bad"), Vec::new()));
        let mut outbox = cut(5);
        assert_eq!((outbox.next(), outbox.next(), outbox.first()), (Some("large"), None, Some(&"bad")));
        assert!(outbox.taken(1));
        assert_eq!(outbox.refused(), [RefusedPublish { publish: "bad", size: 10, why: RefusalReason::Closes }]);
        assert_eq!((outbox.next(), outbox.next()), (Some("good"), None));
        assert!(outbox.taken(2) && outbox.is_empty());
        assert_eq!((outbox.bytes, outbox.sent), (0, 0));
    }

    #[test]
    fn an_ill_broker_refuses_nothing() {
        // It closes the connection at each publish, at that which it took before as well.
        let mut outbox = cut(0);
        for connection in 0..100 {
            let expected = if connection % 6 == 5 { "large" } else { "bad" };
            assert_eq!((outbox.next(), outbox.next()), (Some(expected), None), "{connection}");
            assert!(!outbox.lost(LostConnection::Closed));
            assert_eq!(
                (outbox.refused(), outbox.len(), outbox.bytes),
                (Vec::new(), 2 + usize::from(outbox.probes), 20 + 100 * usize::from(outbox.probes))
            );
            outbox.connected(9, None);
        }
        // It answers that it does not take it now; it takes less than before.
        let mut outbox = cut(5);
        outbox.next();
        assert!(outbox.not_taken(1, "busy".into()));
        assert_eq!((outbox.refused(), outbox.next()), (Vec::new(), Some("bad")));
        let mut outbox = cut(5);
        outbox.connected(9, Some(50));
        assert_eq!((outbox.refused(), outbox.next()), (Vec::new(), Some("bad")));
        assert_eq!(outbox.bytes, 20);
    }

    #[test]
    fn a_large_publish_that_ends_connections_is_refused() {
        let mut outbox = Outbox::default();
        outbox.push("small", 100);
        outbox.connected(9, None);
        outbox.next();
        // It is refused after several connections in turn that end at it; a connection that ends otherwise
        // resets the count.
        outbox.taken(1);
        outbox.push("larger", 101);
        assert!(!outbox.lost(LostConnection::Other));
        outbox.connected(9, None);
        assert_eq!(outbox.next(), Some("larger"));
        for loss in
            [[LostConnection::Closed; 4].as_slice(), &[LostConnection::Other], &[LostConnection::Closed; 4]].concat()
        {
            assert_eq!(outbox.lost(loss), loss == LostConnection::Closed);
            outbox.connected(9, None);
            assert_eq!(outbox.next(), Some("larger"));
        }
        outbox.lost(LostConnection::Closed);
        assert_eq!(outbox.refused(), [RefusedPublish { publish: "larger", size: 101, why: RefusalReason::Closes }]);
        assert!(outbox.is_empty());
    }
}
