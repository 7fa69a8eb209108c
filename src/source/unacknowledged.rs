//! Publishes of a session that a broker may redeliver.
//!
//! A broker redelivers first on a new connection, in the original order and under the same packet ids (MQTT-4.4.0-1);
//! acknowledgements go out in the order of arrival (MQTT-4.6.0-2), so only the last part of what has arrived is
//! redelivered. Therefore these cannot be: what came before a redelivered publish, if it was acknowledged; what was
//! acknowledged on an earlier connection, once something new has come on this one; what had a packet id before another
//! publish; and what lies beyond the ack window. All of that is discarded, for packet ids are reused, and readings are
//! often equal.

use std::collections::{HashMap, VecDeque};

use super::position::TakenPublish;

/// The publishes that may be redelivered, oldest first.
#[derive(Debug)]
pub struct Unacknowledged {
    /// The ack window: publishes the broker sends before it waits for an acknowledgement.
    window: usize,
    entries: VecDeque<UnacknowledgedPublish>,
    /// The place of the first entry. Places count all publishes, over all runs.
    first: u64,
    /// By packet id, the place of the last publish that had it.
    places: HashMap<u16, u64>,
    /// The newest connection, and how many of the entries came on it.
    connection: u64,
    came: usize,
}

#[derive(Debug)]
struct UnacknowledgedPublish {
    taken: TakenPublish,
    number: u64,
    /// The connection on which it came last; 0 before the first of this run.
    connection: u64,
    /// The number of its acknowledgement on its connection, from 1, if it was sent since then.
    acknowledged: Option<u64>,
}

impl Unacknowledged {
    /// The publishes that an earlier run left, by their places, in order: each may have been acknowledged.
    pub fn after(window: usize, taken: &[(u64, TakenPublish)]) -> Unacknowledged {
        let first = taken.first().map_or(0, |(place, _)| *place);
        let mut unacknowledged = Unacknowledged {
            window: window.max(1),
            entries: VecDeque::new(),
            first,
            places: HashMap::new(),
            connection: 0,
            came: taken.len(),
        };
        for (place, taken) in taken {
            // Discarded places are at the beginning: a gap elsewhere is from a damaged checkpoint.
            if *place != unacknowledged.next_place() {
                unacknowledged.clear();
                unacknowledged.first = *place;
            }
            unacknowledged.push(UnacknowledgedPublish {
                taken: *taken,
                number: 0,
                connection: 0,
                acknowledged: Some(0),
            });
        }
        unacknowledged
    }

    /// The ack window is all packet ids.
    pub fn widen(&mut self) {
        self.window = u16::MAX.into();
    }

    /// Nothing before this place can be redelivered.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The place of the next publish.
    fn next_place(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Takes in a publish that came on `connection`: its place, and its earlier number if it is a redelivery.
    pub fn arrive(&mut self, connection: u64, taken: TakenPublish, again: bool, number: u64) -> (u64, Option<u64>) {
        if self.connection != connection {
            (self.connection, self.came) = (connection, 0);
        }
        if let Some(place) = self.places.get(&taken.packet_id).copied() {
            let entry = &mut self.entries[(place - self.first) as usize];
            // Nothing is redelivered on the same connection.
            let open = entry.acknowledged.is_none() || entry.connection < connection;
            if again && open && entry.taken.hash == taken.hash {
                self.came += usize::from(entry.connection < connection);
                (entry.connection, entry.acknowledged) = (connection, None);
                let number = entry.number;
                self.forget_while(|at, entry| at < place && entry.is_acknowledged_before(connection));
                return (place, Some(number));
            }
            // Its packet id was free, so the broker has the acknowledgements up to then. A supposed redelivery since
            // was another publish with the same packet id and payload.
            let last = entry.connection;
            self.forget_while(|at, entry| at <= place && entry.acknowledged.is_some() && entry.connection <= last);
        }
        self.forget_while(|_, entry| entry.is_acknowledged_before(connection));
        let place = self.next_place();
        self.push(UnacknowledgedPublish { taken, number, connection, acknowledged: None });
        self.came += 1;
        let beyond = place.saturating_sub(self.window as u64 - 1);
        while let Some(entry) = self.entries.front() {
            let forgets = match entry.connection == connection {
                true => entry.acknowledged.is_some() && self.came > self.window,
                // A broker that crashed may have lost what was not acknowledged: that is not redelivered, either.
                false => self.first < beyond,
            };
            if !forgets {
                break;
            }
            self.forget_first();
        }
        (place, None)
    }

    /// The acknowledgement of the publish at this place is sent, as number `count` of its connection.
    pub fn acknowledge(&mut self, place: u64, count: u64) {
        let entry = place.checked_sub(self.first).and_then(|at| self.entries.get_mut(at as usize));
        entry.into_iter().for_each(|entry| entry.acknowledged = Some(count));
    }

    /// The broker has the first `count` acknowledgements of a connection. Returns whether anything is discarded.
    pub fn confirm(&mut self, connection: u64, count: u64) -> bool {
        self.forget_while(|_, entry| {
            entry.acknowledged.is_some_and(|sent| entry.connection < connection || sent <= count)
        })
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The session is lost: nothing is redelivered.
    pub fn clear(&mut self) {
        self.forget_while(|_, _| true);
    }

    fn push(&mut self, entry: UnacknowledgedPublish) {
        self.places.insert(entry.taken.packet_id, self.next_place());
        self.entries.push_back(entry);
    }

    /// Discards the first entries, as long as this holds for place and publish. Returns whether there was one.
    fn forget_while(&mut self, holds: impl Fn(u64, &UnacknowledgedPublish) -> bool) -> bool {
        let first = self.first;
        while self.entries.front().is_some_and(|entry| holds(self.first, entry)) {
            self.forget_first();
        }
        self.first > first
    }

    fn forget_first(&mut self) {
        let Some(entry) = self.entries.pop_front() else { return };
        if self.places.get(&entry.taken.packet_id) == Some(&self.first) {
            self.places.remove(&entry.taken.packet_id);
        }
        self.came -= usize::from(entry.connection == self.connection);
        self.first += 1;
    }
}

impl UnacknowledgedPublish {
    /// Whether it was acknowledged, and on an earlier connection than this one.
    fn is_acknowledged_before(&self, connection: u64) -> bool {
        self.acknowledged.is_some() && self.connection < connection
    }
}
