//! The state of a table on one worker: it turns input into differences, and expires old windows.

use std::collections::HashSet;

use serde::Serialize;

use super::horizon::Horizons;
use super::{Group, Grouping, KeyCell};
use crate::data::{KeyedState, is_time, to_bytes};

/// Differences of the groups in a table state.
pub type Differences<K> = Vec<((Group, <K as TableState>::Value), <K as TableState>::Difference)>;

/// The state of a table on one worker, which turns input into differences.
pub trait TableState {
    /// An item of the input.
    type Item;
    /// The grouped value.
    type Value;
    /// The multiplicity of a value.
    type Difference;

    /// The hash by which an item is routed to a worker: the same for items that belong together.
    fn route(item: &Self::Item) -> u64;

    /// Takes in an item, in the order of the input. What is too late is ignored.
    fn take(&mut self, item: Self::Item, out: &mut Differences<Self>);

    /// How far the event times of each key have come.
    fn horizons(&self) -> &Horizons;

    /// The same, to advance them.
    fn horizons_mut(&mut self) -> &mut Horizons;

    /// Expires the windows of a key that end at or before `horizon`, in milliseconds since 1970.
    fn expire(&mut self, keys: &[KeyCell], horizon: i64, out: &mut Differences<Self>);

    /// The windows of a key that end at or before it have expired; in milliseconds since 1970.
    fn horizon(&self, keys: &[KeyCell]) -> i64 {
        self.horizons().of(keys)
    }

    /// The event times of a key have reached a time, in milliseconds since 1970: expires its old windows.
    fn advance(&mut self, keys: &[KeyCell], time: i64, out: &mut Differences<Self>) {
        let horizon = self.horizons_mut().advance(keys, time);
        self.expire(keys, horizon, out);
    }

    /// Expires the windows of keys that have been silent for too long.
    fn forget_silent(&mut self, out: &mut Differences<Self>) {
        self.horizons_mut().forget_silent().iter().for_each(|keys| self.expire(keys, i64::MAX, out));
    }

    /// The keyed states that changed since the last call.
    fn changes(&mut self) -> Vec<KeyedState>;

    /// Restores the keyed states whose route is this worker's `own`.
    ///
    /// # Errors
    /// Bytes of something else.
    fn restore(
        &mut self,
        states: &[KeyedState],
        own: impl Fn(u64) -> bool,
        out: &mut Differences<Self>,
    ) -> Result<(), String>;
}

/// The current states of the changed keys.
pub(super) fn tell<'a, K: Serialize, H: Serialize + 'a>(
    changed: &mut Option<HashSet<K>>,
    held: impl Fn(&K) -> Option<&'a H>,
) -> Vec<KeyedState> {
    let keyed = |key: K| KeyedState { key: to_bytes(&key), state: held(&key).map_or(Vec::new(), to_bytes) };
    changed.iter_mut().flat_map(HashSet::drain).map(keyed).collect()
}

pub(super) fn check_time(time: i64) -> Result<(), String> {
    if is_time(time) { Ok(()) } else { Err(format!("{time} is no time")) }
}

pub(super) fn is_kept(grouping: &Grouping, start: Option<i64>, horizon: i64) -> bool {
    match (&grouping.window, start) {
        (Some(window), Some(start)) => start + window.length > horizon,
        _ => true,
    }
}
