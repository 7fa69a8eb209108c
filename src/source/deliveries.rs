//! Publishes that are not acknowledged yet: each is acknowledged once its rows are durable, in the order of arrival,
//! and a redelivery is recognised.
//!
//! No threads and no MQTT client here, so that tests can simulate the broker.

use std::collections::VecDeque;

use super::position::{DeliveryRange, SourcePosition, TakenPublish};
use super::unacknowledged::Unacknowledged;

/// Unacknowledged publishes. `P` is what the acknowledgement needs.
pub struct Deliveries<P> {
    /// A number of its own for each connection and for each outage.
    connection: u64,
    /// The first connections of sessions from which nothing has arrived yet.
    sessions: VecDeque<u64>,
    settling: Settling,
    /// The number of the newest publish, from 1.
    newest: u64,
    /// The rows of publishes up to this number are durable.
    completed: u64,
    /// Publishes of this connection that are not acknowledged, in the order of arrival.
    waiting: VecDeque<PendingDelivery<P>>,
    /// Acknowledgements sent on this connection.
    sent: u64,
    open: Unacknowledged,
    /// The publish of which an earlier run took the first rows, until it is redelivered.
    begun: Option<(TakenPublish, u64)>,
    /// New publishes by number and place, until a bucket covers them.
    uncovered: VecDeque<(u64, u64, TakenPublish)>,
}

/// Whether the checkpoint may still name publishes of a lost session. Until it does not, nothing of the new session may
/// arrive: it could have the packet id and payload of one of those, and a restarted run could not tell them apart.
#[derive(Clone, Copy, Debug)]
enum Settling {
    Settled,
    /// What arrived before this connection is still queued.
    Queued(u64),
    /// It was taken in before this number, which is complete once the checkpoint says so.
    Numbered(u64),
}

struct PendingDelivery<P> {
    number: u64,
    place: u64,
    packet: P,
}

/// A publish as it came in.
#[derive(Clone, Debug)]
pub struct Delivery<P> {
    /// The connection it came on.
    pub connection: u64,
    pub packet_id: u16,
    /// Whether the broker marks it as a possible redelivery.
    pub again: bool,
    /// Hash of topic and payload.
    pub hash: u64,
    pub packet: P,
}

/// A publish whose rows are new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    pub number: u64,
    /// How many rows at its beginning an earlier run took.
    pub begun: u64,
}

impl<P> Deliveries<P> {
    /// Continues after a run that ended at `position`. The broker sends `window` publishes before it waits for an
    /// acknowledgement.
    pub fn after(position: &SourcePosition, window: u16) -> Deliveries<P> {
        Deliveries {
            connection: 0,
            sessions: VecDeque::new(),
            settling: Settling::Settled,
            newest: 0,
            completed: 0,
            waiting: VecDeque::new(),
            sent: 0,
            open: Unacknowledged::after(window.into(), &position.taken),
            begun: position.begun,
            uncovered: VecDeque::new(),
        }
    }

    /// The broker sends as many publishes as it likes before it waits for an acknowledgement.
    pub fn widen(&mut self) {
        self.open.widen();
    }

    /// The publishes up to `delivered` that no earlier bucket covers, and the next one if its first `begun` rows have
    /// been taken in; none of them is acknowledged yet.
    pub fn cover(&mut self, delivered: u64, begun: u64) -> DeliveryRange {
        let taken = std::iter::from_fn(|| self.uncovered.pop_front_if(|(newest, ..)| *newest <= delivered));
        let taken = taken.map(|(_, place, taken)| (place, taken)).collect();
        let next = self.uncovered.front().filter(|(next, ..)| *next == delivered + 1 && begun > 0);
        let begun = next.map(|(.., next)| (*next, begun));
        DeliveryRange { delivered, taken, begun, first: self.open.first(), ..DeliveryRange::default() }
    }

    /// The connection is lost. What is unacknowledged may be acknowledged only after its redelivery: a broker that
    /// crashed and lost its last changes gives those packet ids to other publishes.
    pub fn lost(&mut self) {
        self.waiting.clear();
        self.sent = 0;
        self.connection += 1;
    }

    /// A new connection, which may resume the last session; returns its number. If its session is new, the lost one is
    /// to be [settled](Deliveries::settle).
    pub fn connected(&mut self, same_session: bool) -> u64 {
        self.lost();
        if !same_session {
            self.sessions.push_back(self.connection);
            if self.may_come_again() {
                self.settling = Settling::Queued(self.connection);
            }
        }
        self.connection
    }

    /// Whether the session of `connection` is new while publishes from before it are still queued.
    pub fn must_settle(&self, connection: u64) -> bool {
        matches!(self.settling, Settling::Queued(first) if first == connection)
    }

    /// Everything before `connection`, the first one of its session, has been taken in and is discarded. Returns the
    /// number that is complete once the checkpoint has discarded it, too.
    pub fn settle(&mut self, connection: u64) -> u64 {
        self.enter(connection);
        self.newest += 1;
        if self.must_settle(connection) {
            self.settling = Settling::Numbered(self.newest);
        }
        self.newest
    }

    /// Whether the checkpoint names no publish of a lost session.
    pub fn is_settled(&self) -> bool {
        match self.settling {
            Settling::Settled => true,
            Settling::Queued(_) => false,
            Settling::Numbered(number) => number <= self.completed,
        }
    }

    /// Whether the broker may redeliver anything.
    fn may_come_again(&self) -> bool {
        self.newest > 0 || self.begun.is_some() || !self.open.is_empty()
    }

    /// Everything before `connection` has been taken in; it is discarded if the session was lost.
    fn enter(&mut self, connection: u64) {
        while self.sessions.pop_front_if(|first| *first <= connection).is_some() {
            self.open.clear();
            self.uncovered.clear();
            self.begun = None;
        }
    }

    /// Takes in a publish; `None` for a redelivery of which all rows were taken.
    pub fn arrive(&mut self, delivery: Delivery<P>) -> Option<NewDelivery> {
        let Delivery { connection, packet_id, again, hash, packet } = delivery;
        self.enter(connection);
        let taken = TakenPublish { packet_id, hash };
        let (place, before) = self.open.arrive(connection, taken, again, self.newest + 1);
        if connection == self.connection {
            self.waiting.push_back(PendingDelivery { number: before.unwrap_or(self.newest + 1), place, packet });
        }
        if before.is_some() {
            return None;
        }
        self.newest += 1;
        self.uncovered.push_back((self.newest, place, taken));
        // Until it is redelivered, no other publish has its packet id.
        let begun = self.begun.take_if(|(begun, _)| begun.packet_id == packet_id);
        let begun = begun.filter(|(begun, _)| again && *begun == taken).map_or(0, |(_, rows)| rows);
        Some(NewDelivery { number: self.newest, begun })
    }

    /// The rows of all publishes up to `number` are durable.
    pub fn complete(&mut self, number: u64) {
        self.completed = self.completed.max(number);
    }

    /// Whether an acknowledgement is due.
    pub fn owes(&self) -> bool {
        self.waiting.front().is_some_and(|waiting| waiting.number <= self.completed)
    }

    /// Sends the acknowledgements that are due, until `send` has no capacity for another.
    pub fn acknowledge(&mut self, mut send: impl FnMut(&P) -> bool) {
        while let Some(waiting) = self.waiting.front().filter(|waiting| waiting.number <= self.completed) {
            if !send(&waiting.packet) {
                return;
            }
            self.sent += 1;
            self.open.acknowledge(waiting.place, self.sent);
            self.waiting.pop_front();
        }
    }

    /// The broker has the first `count` acknowledgements of `connection`, and all that it sent before confirming has
    /// been taken in. Returns whether fewer publishes can be redelivered now.
    pub fn confirm(&mut self, connection: u64, count: u64) -> bool {
        connection == self.connection && self.open.confirm(connection, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// A broker with one session: what is in flight, and what it has yet to send.
    struct RedeliveringBroker {
        unsent: VecDeque<u64>,
        in_flight: VecDeque<(u16, u64)>,
        next_id: u16,
        /// Whether it assigns the lowest free packet id instead of the next one.
        lowest: bool,
    }

    impl RedeliveringBroker {
        const WINDOW: u16 = 7;
        const IDS: u16 = 12;

        fn send(&mut self) -> Option<(u16, u64)> {
            if self.in_flight.len() == usize::from(Self::WINDOW) {
                return None;
            }
            let message = self.unsent.pop_front()?;
            if self.lowest {
                self.next_id = 1;
            }
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

    fn new() -> Deliveries<u16> {
        Deliveries::after(&SourcePosition::default(), RedeliveringBroker::WINDOW)
    }

    /// Connections break, on the way there and back; the dataflow completes publishes whenever it likes. Payloads are
    /// all equal if `equal`.
    fn play(seed: u64, lowest: bool, equal: bool) {
        const MESSAGES: u64 = 300;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut broker =
            RedeliveringBroker { unsent: (0..MESSAGES).collect(), in_flight: VecDeque::new(), next_id: 1, lowest };
        let mut deliveries = new();
        let mut connection = deliveries.connected(false);
        // What arrives is taken if it is new.
        let arrive = |deliveries: &mut Deliveries<u16>, connection, (packet_id, message), again| {
            let hash = if equal { 0 } else { message };
            deliveries.arrive(Delivery { connection, packet_id, again, hash, packet: packet_id }).map(|_| message)
        };
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
                    // A lost connection drops what is in flight, in both directions, or it is read late; completions
                    // meanwhile are not reported. The broker redelivers what is unacknowledged, and the connection may
                    // break again before all of it has arrived.
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
            for (lowest, equal) in [(false, false), (false, true), (true, false)] {
                let played = std::panic::catch_unwind(|| play(seed, lowest, equal));
                assert!(played.is_ok(), "seed {seed}, lowest free id: {lowest}, equal payloads: {equal}");
            }
        }
    }

    fn delivery(connection: u64, packet_id: u16, again: bool, hash: u64) -> Delivery<u16> {
        Delivery { connection, packet_id, again, hash, packet: packet_id }
    }

    fn number(number: u64) -> Option<NewDelivery> {
        Some(NewDelivery { number, begun: 0 })
    }

    /// Completes and acknowledges everything up to this number; the acknowledgements.
    fn complete(deliveries: &mut Deliveries<u16>, number: u64) -> Vec<u16> {
        deliveries.complete(number);
        let mut sent = Vec::new();
        deliveries.acknowledge(|id| {
            sent.push(*id);
            true
        });
        sent
    }

    #[test]
    fn an_id_that_is_used_again_is_a_new_publish() {
        let mut deliveries = new();
        let connection = deliveries.connected(false);
        assert_eq!(deliveries.arrive(delivery(connection, 1, false, 5)), number(1));
        assert_eq!(complete(&mut deliveries, 1), [1]);
        assert_eq!(deliveries.arrive(delivery(connection, 1, false, 5)), number(2));
        assert_eq!(complete(&mut deliveries, 2), [1]);
        assert_eq!(deliveries.arrive(delivery(connection, 1, true, 6)), number(3));
    }

    #[test]
    fn equal_readings_are_rows_of_their_own_once_what_came_before_cannot_come_again() {
        let window = RedeliveringBroker::WINDOW;
        let take = |deliveries: &mut Deliveries<u16>, connection, ids: std::ops::RangeInclusive<u16>| {
            for id in ids {
                let new = deliveries.arrive(delivery(connection, id, false, 5)).unwrap();
                assert_eq!(complete(deliveries, new.number), [id]);
            }
        };
        // Further back than the window.
        let mut deliveries = new();
        let connection = deliveries.connected(true);
        take(&mut deliveries, connection, 1..=window + 1);
        let connection = deliveries.connected(true);
        assert!(deliveries.arrive(delivery(connection, 1, true, 5)).is_some());
        // The broker has redelivered what came after it, so it has its acknowledgement.
        let mut deliveries = new();
        let connection = deliveries.connected(true);
        take(&mut deliveries, connection, 1..=4);
        let connection = deliveries.connected(true);
        assert_eq!(deliveries.arrive(delivery(connection, 3, true, 5)), None);
        assert!(deliveries.arrive(delivery(connection, 2, true, 5)).is_some());
        // Something new has arrived first.
        let mut deliveries = new();
        let connection = deliveries.connected(true);
        take(&mut deliveries, connection, 1..=3);
        let connection = deliveries.connected(true);
        assert_eq!(deliveries.arrive(delivery(connection, 4, true, 5)), number(4));
        assert_eq!(deliveries.arrive(delivery(connection, 3, true, 5)), number(5));
        // The broker has confirmed the acknowledgements.
        let mut deliveries = new();
        let connection = deliveries.connected(true);
        take(&mut deliveries, connection, 1..=3);
        assert!(deliveries.confirm(connection, 2) && !deliveries.confirm(connection, 2));
        let connection = deliveries.connected(true);
        assert_eq!(deliveries.arrive(delivery(connection, 3, true, 5)), None);
        assert_eq!(deliveries.arrive(delivery(connection, 1, true, 5)), number(4));
    }

    #[test]
    fn what_is_not_acknowledged_is_known_however_the_ids_go() {
        let mut deliveries = new();
        let connection = deliveries.connected(true);
        for id in 1..=3 {
            assert_eq!(deliveries.arrive(delivery(connection, id, false, 5)), number(id.into()));
        }
        assert_eq!(complete(&mut deliveries, 2), [1, 2]);
        assert_eq!(deliveries.arrive(delivery(connection, 1, false, 5)), number(4));
        let connection = deliveries.connected(true);
        // The second acknowledgement was lost.
        for id in [2, 3, 1] {
            assert_eq!(deliveries.arrive(delivery(connection, id, true, 5)), None);
        }
        assert_eq!(complete(&mut deliveries, 4), [2, 3, 1]);
    }

    #[test]
    fn what_an_earlier_run_has_taken_is_acknowledged_and_not_taken() {
        let taken = vec![(8, TakenPublish { packet_id: 4, hash: 5 })];
        let begun = Some((TakenPublish { packet_id: 5, hash: 6 }, 2));
        let position = SourcePosition { taken, begun, ..SourcePosition::default() };
        let mut deliveries: Deliveries<u16> = Deliveries::after(&position, RedeliveringBroker::WINDOW);
        let connection = deliveries.connected(true);
        assert_eq!(deliveries.arrive(delivery(connection, 4, true, 5)), None);
        assert_eq!(deliveries.arrive(delivery(connection, 5, true, 6)), Some(NewDelivery { number: 1, begun: 2 }));
        let mut sent = Vec::new();
        deliveries.acknowledge(|id| {
            sent.push(*id);
            true
        });
        assert_eq!(sent, [4]);
        let (new, next) = (TakenPublish { packet_id: 5, hash: 6 }, TakenPublish { packet_id: 4, hash: 7 });
        assert_eq!(deliveries.cover(0, 0).first, 8);
        assert_eq!(deliveries.arrive(delivery(connection, 4, false, 7)), number(2));
        let delivery_range =
            |delivered, taken, begun| DeliveryRange { delivered, taken, begun, first: 9, ..DeliveryRange::default() };
        assert_eq!(deliveries.cover(0, 3), delivery_range(0, vec![], Some((new, 3))));
        assert_eq!(deliveries.cover(0, 0), delivery_range(0, vec![], None));
        assert_eq!(deliveries.cover(1, 2), delivery_range(1, vec![(9, new)], Some((next, 2))));
        assert_eq!(deliveries.cover(1, 2), delivery_range(1, vec![], Some((next, 2))));
    }

    /// Regression: a publish of the new session had the packet id of one that the checkpoint still named.
    #[test]
    fn a_lost_session_is_settled_once_the_checkpoint_has_forgotten_it() {
        let position =
            SourcePosition { taken: vec![(0, TakenPublish { packet_id: 1, hash: 5 })], ..SourcePosition::default() };
        let mut deliveries: Deliveries<u16> = Deliveries::after(&position, RedeliveringBroker::WINDOW);
        let first = deliveries.connected(true);
        assert!(deliveries.is_settled() && !deliveries.must_settle(first));
        assert_eq!(deliveries.arrive(delivery(first, 2, false, 5)), number(1));
        let second = deliveries.connected(false);
        // The connection breaks, and the broker keeps the new session.
        let third = deliveries.connected(true);
        assert!(!deliveries.is_settled() && !deliveries.must_settle(third));
        assert_eq!(deliveries.settle(second), 2);
        assert_eq!(deliveries.cover(2, 0), DeliveryRange { delivered: 2, first: 2, ..DeliveryRange::default() });
        deliveries.complete(1);
        assert!(!deliveries.is_settled());
        // It is lost as well, before the checkpoint has recorded the first loss.
        let fourth = deliveries.connected(false);
        deliveries.complete(2);
        assert!(!deliveries.is_settled() && deliveries.must_settle(fourth));
        assert_eq!(deliveries.settle(fourth), 3);
        deliveries.complete(3);
        assert!(deliveries.is_settled());
        assert_eq!(deliveries.arrive(delivery(fourth, 1, true, 5)), number(4));
    }

    #[test]
    fn a_lost_session_knows_nothing() {
        let (taken, begun) = (TakenPublish { packet_id: 1, hash: 5 }, TakenPublish { packet_id: 9, hash: 5 });
        let position = SourcePosition { taken: vec![(0, taken)], begun: Some((begun, 2)), ..SourcePosition::default() };
        let mut deliveries: Deliveries<u16> = Deliveries::after(&position, RedeliveringBroker::WINDOW);
        assert!(deliveries.is_settled());
        let first = deliveries.connected(false);
        assert!(deliveries.must_settle(first) && !deliveries.is_settled());
        assert_eq!(deliveries.arrive(delivery(first, 1, true, 5)), number(1));
        assert_eq!(deliveries.arrive(delivery(first, 9, true, 5)), number(2));
        assert_eq!(deliveries.cover(1, 0).first, 1);
        let second = deliveries.connected(false);
        // A publish of the old connection that is read late is not acknowledged.
        assert_eq!(deliveries.arrive(delivery(first, 2, false, 7)), number(3));
        assert_eq!(deliveries.arrive(delivery(second, 1, true, 5)), number(4));
        assert_eq!(complete(&mut deliveries, 4), [1]);
        let delivery_range = deliveries.cover(4, 0);
        assert_eq!(
            (delivery_range.taken, delivery_range.first),
            (vec![(4, TakenPublish { packet_id: 1, hash: 5 })], 4)
        );
    }
}
