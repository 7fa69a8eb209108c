//! Expiry of windows, key by key: one station's clock never decides about another station's rows.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::KeyCell;
use crate::data::{KeyedState, from_bytes, to_bytes};

/// The latest event times of each key, less the retention.
#[derive(Debug)]
pub struct Horizons {
    /// In milliseconds; windows never expire if not given.
    retention: Option<i64>,
    of: HashMap<Vec<KeyCell>, Horizon>,
    /// The keys whose horizon changed since the last checkpoint; `None` if changes are not checkpointed.
    changed: Option<HashSet<Vec<KeyCell>>>,
    swept: Instant,
}

#[derive(Debug)]
struct Horizon {
    /// In milliseconds since 1970.
    time: i64,
    heard: Instant,
}

/// A key without rows for so long, or for the retention if that is longer, is discarded with its windows. The time is
/// this machine's clock, as a silent key has no event times.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// How often silent keys are searched.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// Prefix of the keys of horizons in a checkpoint: no row's key begins so.
const MARK: [u8; 8] = [0xff; 8];

impl Horizons {
    /// With `remembers`, changes are recorded for checkpoints.
    pub fn new(retention: Option<i64>, remembers: bool) -> Horizons {
        Horizons { retention, of: HashMap::new(), changed: remembers.then(HashSet::new), swept: Instant::now() }
    }

    /// The windows of a key that end at or before it have expired; in milliseconds since 1970.
    pub fn of(&self, keys: &[KeyCell]) -> i64 {
        self.of.get(keys).map_or(i64::MIN, |horizon| horizon.time)
    }

    /// The event times of a key have reached a time; returns its horizon.
    pub fn advance(&mut self, keys: &[KeyCell], time: i64) -> i64 {
        let time = time.saturating_sub(self.retention.unwrap_or(i64::MAX));
        let heard = Instant::now();
        if let Some(horizon) = self.of.get_mut(keys) {
            horizon.heard = heard;
            if time <= horizon.time {
                return horizon.time;
            }
            horizon.time = time;
        } else {
            self.of.insert(keys.to_vec(), Horizon { time, heard });
        }
        if let Some(changed) = &mut self.changed {
            changed.insert(keys.to_vec());
        }
        time
    }

    /// Discards the keys that have been silent for too long, and returns them.
    pub fn forget_silent(&mut self) -> Vec<Vec<KeyCell>> {
        let now = Instant::now();
        if now.duration_since(self.swept) < SWEEP_INTERVAL {
            return Vec::new();
        }
        self.swept = now;
        self.forget_since(now)
    }

    fn forget_since(&mut self, now: Instant) -> Vec<Vec<KeyCell>> {
        let retention = Duration::from_millis(self.retention.unwrap_or(0).unsigned_abs());
        let timeout = SILENCE_TIMEOUT.max(retention);
        let silent = |horizon: &Horizon| now.saturating_duration_since(horizon.heard) >= timeout;
        let gone: Vec<Vec<KeyCell>> = self.of.extract_if(|_, horizon| silent(horizon)).map(|(keys, _)| keys).collect();
        if let Some(changed) = &mut self.changed {
            changed.extend(gone.iter().cloned());
        }
        gone
    }

    /// The changes since the last call.
    pub fn changes(&mut self) -> Vec<KeyedState> {
        let Horizons { of, changed, .. } = self;
        let keyed = |keys: Vec<KeyCell>| KeyedState {
            state: of.get(&keys).map_or(Vec::new(), |horizon| to_bytes(&horizon.time)),
            key: [&MARK[..], &to_bytes(&keys)].concat(),
        };
        changed.iter_mut().flat_map(HashSet::drain).map(keyed).collect()
    }

    /// Restores the horizons; returns the other states.
    ///
    /// # Errors
    /// Bytes of something else.
    pub fn restore<'a>(&mut self, states: &'a [KeyedState]) -> Result<Vec<&'a KeyedState>, String> {
        let (of_horizons, rest): (Vec<_>, Vec<_>) = states.iter().partition(|keyed| keyed.key.starts_with(&MARK));
        // Older checkpoints have one horizon for all keys, under an empty key.
        let rest = rest.into_iter().filter(|keyed| !keyed.key.is_empty()).collect();
        let heard = Instant::now();
        for KeyedState { key, state } in of_horizons {
            self.of.insert(from_bytes(&key[MARK.len()..])?, Horizon { time: from_bytes(state)?, heard });
        }
        Ok(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Vec<KeyCell> {
        vec![name.into()]
    }

    #[test]
    fn each_key_has_its_own_horizon() {
        let mut horizons = Horizons::new(Some(10), true);
        assert_eq!((horizons.advance(&key("a"), 100), horizons.advance(&key("a"), 50)), (90, 90));
        assert_eq!((horizons.of(&key("a")), horizons.of(&key("b"))), (90, i64::MIN));
        let told = horizons.changes();
        assert_eq!((told.len(), horizons.changes().len()), (1, 0));
        let mut next = Horizons::new(Some(10), true);
        let row = KeyedState { key: to_bytes(&key("a")), state: Vec::new() };
        let states = [told[0].clone(), row.clone()];
        assert_eq!(next.restore(&states), Ok(vec![&row]));
        assert_eq!(next.of(&key("a")), 90);
        assert!(next.restore(&[KeyedState { key: MARK.to_vec(), state: vec![9] }]).is_err());
    }

    #[test]
    fn keys_that_are_silent_for_long_are_forgotten() {
        let mut horizons = Horizons::new(Some(10), true);
        horizons.advance(&key("a"), 100);
        horizons.changes();
        assert_eq!(horizons.forget_silent(), [] as [Vec<KeyCell>; 0]);
        assert_eq!(horizons.forget_since(Instant::now() + SILENCE_TIMEOUT / 2), [] as [Vec<KeyCell>; 0]);
        assert_eq!(horizons.forget_since(Instant::now() + SILENCE_TIMEOUT), [key("a")]);
        assert_eq!(horizons.of(&key("a")), i64::MIN);
        assert!(horizons.changes()[0].state.is_empty(), "nothing is remembered of it");
    }
}
