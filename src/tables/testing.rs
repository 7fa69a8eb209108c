//! Shared by the tests of table states.

use std::collections::BTreeMap;

use crate::data::{Column, KeyedState, Kind};
use crate::tables::{Grouping, KeyCell, Late, Window};

pub fn grouping() -> Grouping {
    let column = |name: &str| Column { name: name.into(), kind: Kind::Number, slot: 0 };
    Grouping {
        input: 0,
        keys: vec![column("k")],
        window: Some(Window { time: column("t"), length: 10, hop: 5 }),
        upsert: vec![column("u")],
        combine_first: false,
        delete: None,
        retention: Some(0),
        max_future: 0,
        late: Late::default(),
    }
}

pub fn key() -> Vec<KeyCell> {
    vec![1.0.into()]
}

/// The keyed states that a checkpoint holds after these changes.
pub fn kept(told: [Vec<KeyedState>; 2]) -> Vec<KeyedState> {
    let kept: BTreeMap<Vec<u8>, Vec<u8>> = told.into_iter().flatten().map(|keyed| (keyed.key, keyed.state)).collect();
    let kept = kept.into_iter().filter(|(_, state)| !state.is_empty());
    kept.map(|(key, state)| KeyedState { key, state }).collect()
}
