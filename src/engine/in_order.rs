//! Holds what arrives until its epoch is complete, and hands it out epoch by epoch.

use std::collections::BTreeMap;

use timely::dataflow::operators::Capability;
use timely::progress::frontier::MutableAntichain;

/// Data of epochs that are not complete yet, with the capability to go on at each.
pub struct InOrder<D> {
    waiting: BTreeMap<u64, (Capability<u64>, Vec<D>)>,
}

impl<D> InOrder<D> {
    pub fn new() -> InOrder<D> {
        InOrder { waiting: BTreeMap::new() }
    }

    pub fn insert(&mut self, capability: Capability<u64>, data: impl Iterator<Item = D>) {
        let epoch = *capability.time();
        self.waiting.entry(epoch).or_insert_with(|| (capability, Vec::new())).1.extend(data);
    }

    /// The first epoch that the frontier has passed, if one is held.
    pub fn next_complete(&mut self, frontier: &MutableAntichain<u64>) -> Option<(Capability<u64>, Vec<D>)> {
        let first = *self.waiting.first_key_value()?.0;
        if frontier.less_equal(&first) { None } else { self.waiting.remove(&first) }
    }
}
