//! What a table holds on one worker: what comes becomes differences, and what is too old goes.

use std::collections::HashSet;

use serde::Serialize;

use super::{Group, Grouping, KeyCell, window};
use crate::data::{KeyedState, to_bytes};

/// What changes in the groups of a table_state.
pub type Differences<K> = Vec<((Group, <K as TableState>::Value), <K as TableState>::Difference)>;

/// Knows what a table holds on one worker, and turns what comes into differences.
pub trait TableState {
    /// What comes.
    type Item;
    /// What is grouped.
    type Value;
    /// How often a value counts.
    type Difference;

    /// Names the worker that keeps an item: the same one for those that belong together.
    fn route(item: &Self::Item) -> u64;

    /// Takes in what comes, in the order of the input. What is too late is left out.
    fn take(&mut self, item: Self::Item, out: &mut Differences<Self>);

    /// The windows of a key that end then or before it have gone; in milliseconds since 1970.
    fn horizon(&self, keys: &[KeyCell]) -> i64;

    /// Rows of a key have come up to a time, in milliseconds since 1970: lets go of its windows that are too old.
    fn advance(&mut self, keys: &[KeyCell], time: i64, out: &mut Differences<Self>);

    /// Lets go of the windows of keys that have been silent for long.
    fn forget_silent(&mut self, out: &mut Differences<Self>);

    /// What has changed since this was asked for the last time.
    fn changes(&mut self) -> Vec<KeyedState>;

    /// Holds what was held before, as far as its route is one of its `own`.
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

/// What is held now of the keys that have changed.
pub(super) fn tell<'a, K: Serialize, H: Serialize + 'a>(
    changed: &mut Option<HashSet<K>>,
    held: impl Fn(&K) -> Option<&'a H>,
) -> Vec<KeyedState> {
    let keyed = |key: K| KeyedState { key: to_bytes(&key), state: held(&key).map_or(Vec::new(), to_bytes) };
    changed.iter_mut().flat_map(HashSet::drain).map(keyed).collect()
}

pub(super) fn check_time(time: i64) -> Result<(), String> {
    if window::is_time(time) { Ok(()) } else { Err(format!("{time} is no time")) }
}

pub(super) fn is_kept(grouping: &Grouping, start: Option<i64>, horizon: i64) -> bool {
    match (&grouping.window, start) {
        (Some(window), Some(start)) => start + window.length > horizon,
        _ => true,
    }
}
