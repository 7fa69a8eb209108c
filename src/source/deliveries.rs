//! Which publishes the broker still waits for: each is acknowledged once its rows are where they belong, in the order
//! of arrival, and one that comes again is known.
//!
//! Nothing here knows of threads or of MQTT's client, so that the tests can play the broker.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::Coverage;

/// Publishes with an acknowledgement to come. `P` is what the acknowledgement needs.
pub struct Deliveries<P> {
    /// Another number for each connection, and for each time without one.
    connection: u64,
    /// The number of the newest publish, from 1.
    newest: u64,
    /// The rows of publishes up to this one are where they belong.
    completed: u64,
    /// What this connection has delivered and not got back, in the order of arrival.
    waiting: VecDeque<(u64, P)>,
    /// By packet id, the publish that had it last in this session.
    known: HashMap<u16, Known>,
    /// New ones, in the order of their numbers, until somebody asks for them.
    unasked: VecDeque<(u64, Taken)>,
}

struct Known {
    number: u64,
    hash: u64,
}

/// A publish as it came in.
#[derive(Clone, Debug)]
pub struct Delivery<P> {
    /// The connection it came on.
    pub connection: u64,
    pub packet_id: u16,
    /// Whether the broker says that it may have sent it before.
    pub again: bool,
    /// Of topic and payload.
    pub hash: u64,
    pub packet: P,
}

impl<P> Default for Deliveries<P> {
    fn default() -> Deliveries<P> {
        Deliveries {
            connection: 0,
            newest: 0,
            completed: 0,
            waiting: VecDeque::new(),
            known: HashMap::new(),
            unasked: VecDeque::new(),
        }
    }
}

/// A publish whose rows have been taken, as it can be known again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    pub packet_id: u16,
    /// Of topic and payload.
    pub hash: u64,
}

impl Taken {
    /// How many rows of it an earlier run has taken: none, unless it comes again, and is the one that was begun.
    pub fn rows_of(self, begun: &mut Option<(Taken, u64)>, again: bool) -> u64 {
        begun.take_if(|(taken, _)| again && *taken == self).map_or(0, |(_, rows)| rows)
    }
}

impl<P> Deliveries<P> {
    /// After a run that has taken these in.
    pub fn after(taken: &[Taken]) -> Deliveries<P> {
        let known = taken.iter().map(|taken| (taken.packet_id, Known { number: 0, hash: taken.hash }));
        Deliveries { known: known.collect(), ..Deliveries::default() }
    }

    /// The publishes up to `delivered` that nobody has asked for yet, and the one after it if its first `begun` rows have
    /// been taken in; none of them is acknowledged yet.
    pub fn cover(&mut self, delivered: u64, begun: u64) -> Coverage {
        let taken = std::iter::from_fn(|| self.unasked.pop_front_if(|(newest, _)| *newest <= delivered));
        let taken = taken.map(|(_, taken)| taken).collect();
        let next = self.unasked.front().filter(|(next, _)| *next == delivered + 1 && begun > 0);
        Coverage { delivered, taken, begun: next.map(|(_, next)| (*next, begun)) }
    }

    /// The connection is lost. The broker delivers again what was not acknowledged: only then may that be acknowledged,
    /// for a broker that has died and lost its last changes gives the packet ids of those to other publishes.
    pub fn lost(&mut self) {
        self.waiting.clear();
        self.connection += 1;
    }

    /// A new connection, which the broker may have joined to the session of the last one; its number.
    pub fn connected(&mut self, same_session: bool) -> u64 {
        self.lost();
        if !same_session {
            self.known.clear();
            self.unasked.clear();
        }
        self.connection
    }

    /// Takes in a publish; its number if its rows are new.
    pub fn arrive(&mut self, delivery: Delivery<P>) -> Option<u64> {
        let Delivery { connection, packet_id, again, hash, packet } = delivery;
        let known = self.known.get(&packet_id).filter(|known| again && known.hash == hash);
        let (number, new) = match known {
            Some(known) => (known.number, false),
            None => {
                self.newest += 1;
                self.unasked.push_back((self.newest, Taken { packet_id, hash }));
                (self.newest, true)
            }
        };
        self.known.insert(packet_id, Known { number, hash });
        if connection == self.connection {
            self.waiting.push_back((number, packet));
        }
        new.then_some(number)
    }

    /// The rows of all publishes up to `number` are where they belong.
    pub fn complete(&mut self, number: u64) {
        self.completed = self.completed.max(number);
    }

    /// Whether an acknowledgement is due.
    pub fn owes(&self) -> bool {
        self.waiting.front().is_some_and(|(number, _)| *number <= self.completed)
    }

    /// Sends the acknowledgements that are due, until `send` has no room for another.
    pub fn acknowledge(&mut self, mut send: impl FnMut(&P) -> bool) {
        while let Some((_, packet)) = self.waiting.front().filter(|(number, _)| *number <= self.completed) {
            if !send(packet) {
                return;
            }
            self.waiting.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// A broker with one session: what it has sent and not got back, and what it has yet to send.
    struct Broker {
        unsent: VecDeque<u64>,
        in_flight: VecDeque<(u16, u64)>,
        next_id: u16,
    }

    impl Broker {
        const WINDOW: usize = 7;
        const IDS: u16 = 12;

        fn send(&mut self) -> Option<(u16, u64)> {
            if self.in_flight.len() == Self::WINDOW {
                return None;
            }
            let message = self.unsent.pop_front()?;
            while self.in_flight.iter().any(|(id, _)| *id == self.next_id) {
                self.next_id = self.next_id % Self::IDS + 1;
            }
            self.in_flight.push_back((self.next_id, message));
            let sent = (self.next_id, message);
            self.next_id = self.next_id % Self::IDS + 1;
            Some(sent)
        }

        /// Takes an acknowledgement, which must be that of the oldest publish.
        fn acknowledged(&mut self, id: u16) -> u64 {
            let (oldest, message) = self.in_flight.pop_front().expect("an acknowledgement has its publish");
            assert_eq!(id, oldest, "acknowledgements come in the order of arrival");
            message
        }
    }

    /// What arrives is taken if it is new; its hash stands for the message.
    fn arrive(deliveries: &mut Deliveries<u16>, connection: u64, (id, hash): (u16, u64), again: bool) -> Option<u64> {
        deliveries.arrive(Delivery { connection, packet_id: id, again, hash, packet: id }).map(|_| hash)
    }

    /// Connections break, on the way there and back; the dataflow completes publishes whenever it likes.
    fn play(seed: u64) {
        const MESSAGES: u64 = 300;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut broker = Broker { unsent: (0..MESSAGES).collect(), in_flight: VecDeque::new(), next_id: 1 };
        let mut deliveries: Deliveries<u16> = Deliveries::default();
        let mut connection = deliveries.connected(false);
        let mut taken: Vec<u64> = Vec::new();
        let (mut completed, mut on_the_way) = (0, VecDeque::new());
        let mut acknowledged = 0;
        while acknowledged < MESSAGES {
            match random.random_range(0..10) {
                0..4 => taken.extend(broker.send().and_then(|sent| arrive(&mut deliveries, connection, sent, false))),
                4..6 => {
                    completed = random.random_range(completed..=taken.len() as u64);
                    deliveries.complete(completed);
                }
                6..8 => deliveries.acknowledge(|id| {
                    let room = on_the_way.len() < 3;
                    if room {
                        on_the_way.push_back(*id);
                    }
                    room
                }),
                8 => {
                    if let Some(id) = on_the_way.pop_front() {
                        let message = broker.acknowledged(id);
                        assert!(taken[..completed as usize].contains(&message), "acknowledged before it was complete");
                        acknowledged += 1;
                    }
                }
                _ => {
                    // What is on its way is lost, in both directions, or is read late; what is completed meanwhile is
                    // not told. The broker sends again what it has not got back, and the connection may break once
                    // more before all of it has come.
                    on_the_way.clear();
                    deliveries.lost();
                    let late = random.random_bool(0.5).then(|| broker.send()).flatten();
                    let read = late.filter(|_| random.random_bool(0.5));
                    taken.extend(read.and_then(|sent| arrive(&mut deliveries, connection, sent, false)));
                    completed = random.random_range(completed..=taken.len() as u64);
                    deliveries.complete(completed);
                    deliveries.acknowledge(|_| panic!("nobody hears it"));
                    for heard in [random.random_range(0..=broker.in_flight.len()), broker.in_flight.len()] {
                        connection = deliveries.connected(true);
                        for sent in broker.in_flight.range(..heard) {
                            taken.extend(arrive(&mut deliveries, connection, *sent, true));
                        }
                    }
                }
            }
        }
        assert!(taken.iter().copied().eq(0..MESSAGES), "each once, in order");
    }

    #[test]
    fn each_publish_is_taken_once_and_acknowledged_when_complete() {
        for seed in 0..2000 {
            let played = std::panic::catch_unwind(|| play(seed));
            assert!(played.is_ok(), "seed {seed}");
        }
    }

    fn delivery(connection: u64, packet_id: u16, again: bool, hash: u64) -> Delivery<u16> {
        Delivery { connection, packet_id, again, hash, packet: packet_id }
    }

    #[test]
    fn an_id_that_is_used_again_is_a_new_publish() {
        let mut deliveries: Deliveries<u16> = Deliveries::default();
        let connection = deliveries.connected(false);
        assert_eq!(deliveries.arrive(delivery(connection, 1, false, 5)), Some(1));
        assert_eq!(deliveries.arrive(delivery(connection, 1, false, 5)), Some(2));
        assert_eq!(deliveries.arrive(delivery(connection, 1, true, 6)), Some(3));
    }

    #[test]
    fn what_an_earlier_run_has_taken_is_acknowledged_and_not_taken() {
        let mut deliveries: Deliveries<u16> = Deliveries::after(&[Taken { packet_id: 4, hash: 5 }]);
        let connection = deliveries.connected(true);
        assert_eq!(deliveries.arrive(delivery(connection, 4, true, 5)), None);
        assert_eq!(deliveries.arrive(delivery(connection, 5, true, 6)), Some(1));
        let mut sent = Vec::new();
        deliveries.acknowledge(|id| {
            sent.push(*id);
            true
        });
        assert_eq!(sent, [4]);
        let (new, next) = (Taken { packet_id: 5, hash: 6 }, Taken { packet_id: 4, hash: 7 });
        assert_eq!(deliveries.arrive(delivery(connection, 4, false, 7)), Some(2));
        let coverage = |delivered, taken, begun| Coverage { delivered, taken, begun };
        assert_eq!(deliveries.cover(0, 3), coverage(0, vec![], Some((new, 3))));
        assert_eq!(deliveries.cover(0, 0), coverage(0, vec![], None));
        assert_eq!(deliveries.cover(1, 2), coverage(1, vec![new], Some((next, 2))));
        assert_eq!(deliveries.cover(1, 2), coverage(1, vec![], Some((next, 2))));
    }

    #[test]
    fn a_lost_session_knows_nothing() {
        let mut deliveries: Deliveries<u16> = Deliveries::default();
        let first = deliveries.connected(false);
        assert_eq!(deliveries.arrive(delivery(first, 1, false, 5)), Some(1));
        let second = deliveries.connected(false);
        assert_eq!(deliveries.arrive(delivery(second, 1, true, 5)), Some(2));
        // What was read of the old connection late has no acknowledgement.
        assert_eq!(deliveries.arrive(delivery(first, 2, false, 7)), Some(3));
        deliveries.complete(3);
        let mut sent = Vec::new();
        deliveries.acknowledge(|id| {
            sent.push(*id);
            true
        });
        assert_eq!(sent, [1]);
    }
}
