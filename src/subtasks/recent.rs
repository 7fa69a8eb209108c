//! The dedup window: the rows of the stream that later ones are compared with.

use std::collections::{HashMap, HashSet, VecDeque};

use super::streaming::Remembering;
use super::{Scope, drop_duplicates};
use crate::data::{KeyedState, Message, from_bytes, to_bytes};

/// The dedup window: the last `horizon` rows of the stream, as hashes of the compared columns.
///
/// A row that equals one of the window is dropped and takes its place in the window: later rows are compared with it.
/// Rows are compared by 128 bits of a hash.
pub struct Recent {
    horizon: u64,
    /// The position in the input where each hash was seen last.
    places: HashMap<u128, u64>,
    /// Ascending by position but within a message whose rows are sorted; entries of hashes that have been seen again
    /// since are stale.
    order: VecDeque<(u64, u128)>,
    changed: HashSet<u128>,
}

impl Recent {
    /// A window of so many rows.
    pub fn new(horizon: u64) -> Recent {
        Recent { horizon, places: HashMap::new(), order: VecDeque::new(), changed: HashSet::new() }
    }

    /// A hash of the compared columns, for each row.
    pub fn identities(message: &Message, scope: &Scope) -> Vec<u128> {
        drop_duplicates::identities(message, scope)
    }

    /// The key of a hash in the keyed state.
    pub fn key(identity: u128) -> Vec<u8> {
        identity.to_le_bytes().to_vec()
    }

    /// Adds a row to the window; whether no row in it equals this one. No later row has a place before `least`.
    fn is_new(&mut self, identity: u128, place: u64, least: u64) -> bool {
        while let Some((seen, old)) = self.order.pop_front_if(|(seen, _)| seen.saturating_add(self.horizon) < least) {
            if self.places.get(&old) == Some(&seen) {
                self.places.remove(&old);
                self.changed.insert(old);
            }
        }
        self.order.push_back((place, identity));
        self.changed.insert(identity);
        let seen = self.places.get(&identity).copied();
        self.places.insert(identity, seen.map_or(place, |seen| seen.max(place)));
        // It may be beyond the window and still be kept, for a row of another place.
        seen.is_none_or(|seen| seen.abs_diff(place) > self.horizon)
    }
}

impl Remembering for Recent {
    fn apply(&mut self, message: &mut Message, scope: &Scope, _: &mut dyn FnMut(Vec<u64>, String)) {
        // Rows that are sorted are not in the order of their places.
        let mut least = message.ids.clone();
        (1..least.len()).rev().for_each(|row| least[row - 1] = least[row - 1].min(least[row]));
        let rows = Recent::identities(message, scope).into_iter().zip(&message.ids).zip(least);
        let keep: Vec<bool> = rows.map(|((identity, place), least)| self.is_new(identity, *place, least)).collect();
        message.retain(&keep);
    }

    fn changes(&mut self) -> Vec<KeyedState> {
        let memory = |identity: u128| {
            let state = self.places.get(&identity).map_or(Vec::new(), to_bytes);
            KeyedState { key: Recent::key(identity), state }
        };
        self.changed.drain().map(memory).collect()
    }

    fn restore(&mut self, states: &[KeyedState]) -> Result<(), String> {
        for KeyedState { key, state } in states {
            let identity = u128::from_le_bytes(key.as_slice().try_into().map_err(|_| "no identity of a row")?);
            let place = from_bytes(state)?;
            self.places.insert(identity, place);
            self.order.push_back((place, identity));
        }
        self.order.make_contiguous().sort_unstable();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(first: u64, values: &[f64]) -> Message {
        let mut message = Message::from_columns(&[values.to_vec()]);
        message.ids.iter_mut().for_each(|id| *id += first);
        message
    }

    #[test]
    fn rows_within_the_horizon_are_dropped_over_messages() {
        let scope = Scope::numbers(1);
        let mut recent = Recent::new(3);
        let mut kept = |first, values: &[f64]| {
            let mut message = message(first, values);
            recent.apply(&mut message, &scope, &mut |_, _| {});
            message.column(0).to_vec()
        };
        assert_eq!(kept(0, &[1.0, 1.0, 2.0]), [1.0, 2.0]);
        assert_eq!(kept(3, &[1.0, 3.0, 4.0]), [3.0, 4.0]);
        // 2.0 was seen last at position 2, 1.0 at position 3.
        assert_eq!(kept(6, &[1.0, 2.0]), [2.0]);
    }

    #[test]
    fn rows_that_are_sorted_are_compared_by_their_places() {
        let scope = Scope::numbers(1);
        let kept = |with_others: bool| {
            let mut recent = Recent::new(3);
            recent.apply(&mut message(0, &[1.0]), &scope, &mut |_, _| {});
            // Places 9, 3, 2: the row at 9 is out of reach, and takes nothing away from those at 3 and 2.
            let values = if with_others { vec![5.0, 1.0, 5.0] } else { vec![7.0, 1.0, 5.0] };
            let mut sorted = message(0, &values);
            sorted.ids = vec![9, 3, 2];
            recent.apply(&mut sorted, &scope, &mut |_, _| {});
            sorted.column(0).to_vec()
        };
        assert_eq!((kept(true), kept(false)), (vec![5.0, 5.0], vec![7.0, 5.0]));
    }

    #[test]
    fn what_was_seen_is_restored_and_what_is_too_old_forgotten() {
        let scope = Scope::numbers(1);
        let mut recent = Recent::new(2);
        let mut kept = HashMap::new();
        for first in [0, 2] {
            recent.apply(&mut message(first, &[first as f64, first as f64 + 1.0]), &scope, &mut |_, _| {});
            for KeyedState { key, state } in recent.changes() {
                kept.insert(key, state);
            }
        }
        kept.retain(|_, state| !state.is_empty());
        assert_eq!(kept.len(), 3);
        let mut next = Recent::new(2);
        let kept: Vec<KeyedState> = kept.into_iter().map(|(key, state)| KeyedState { key, state }).collect();
        next.restore(&kept).unwrap();
        let mut message = message(4, &[3.0, 2.0, 0.0]);
        next.apply(&mut message, &scope, &mut |_, _| {});
        assert_eq!(message.column(0), [2.0, 0.0]);
        assert_eq!((next.places.len(), next.order.len()), (3, 3));
    }
}
