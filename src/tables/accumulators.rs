//! The table state of append-only tables: accumulators that only grow, in windows that expire.

use std::collections::{BTreeMap, HashMap, HashSet};

use differential_dataflow::difference::Semigroup;
use differential_dataflow::hashable::Hashable;

use super::horizon::Horizons;
use super::table_state::{Differences, TableState, check_time, is_kept, tell};
use super::{Accumulator, Group, Grouping, KeyCell};
use crate::data::{KeyedState, from_bytes};

/// Accumulators that only grow, in windows that expire.
pub struct Accumulators {
    grouping: Grouping,
    /// The accumulator of each group, by key and the start of its window: the number of rows, and all statistics if
    /// changes are checkpointed.
    groups: HashMap<Vec<KeyCell>, BTreeMap<Option<i64>, Accumulator>>,
    horizons: Horizons,
    /// The groups changed since the last checkpoint; `None` if changes are not checkpointed.
    changed: Option<HashSet<Group>>,
}

impl Accumulators {
    /// With `remembers`, changes are recorded for checkpoints.
    pub fn new(grouping: Grouping, remembers: bool) -> Accumulators {
        let horizons = Horizons::new(grouping.retention, remembers);
        Accumulators { grouping, groups: HashMap::new(), horizons, changed: remembers.then(HashSet::new) }
    }
}

impl TableState for Accumulators {
    type Item = (Group, Accumulator);
    type Value = ();
    type Difference = Accumulator;

    fn route((group, _): &(Group, Accumulator)) -> u64 {
        group.hashed()
    }

    fn take(&mut self, (group, summary): (Group, Accumulator), out: &mut Differences<Accumulators>) {
        if !is_kept(&self.grouping, group.window, self.horizons.of(&group.keys)) {
            return;
        }
        let held = self.groups.entry(group.keys.clone()).or_default().entry(group.window).or_default();
        match &mut self.changed {
            Some(changed) => {
                held.plus_equals(&summary);
                changed.insert(group.clone());
            }
            None => held.plus_equals(&Accumulator::of_rows(summary.rows)),
        }
        out.push(((group, ()), summary));
    }

    fn horizons(&self) -> &Horizons {
        &self.horizons
    }

    fn horizons_mut(&mut self) -> &mut Horizons {
        &mut self.horizons
    }

    fn expire(&mut self, keys: &[KeyCell], horizon: i64, out: &mut Differences<Accumulators>) {
        let Some(mut windows) = self.groups.remove(keys) else { return };
        while let Some(entry) = windows.first_entry()
            && !is_kept(&self.grouping, *entry.key(), horizon)
        {
            let (window, held) = entry.remove_entry();
            let group = Group { keys: keys.to_vec(), window };
            if let Some(changed) = &mut self.changed {
                changed.insert(group.clone());
            }
            // A group that is removed all at once gets no more rows.
            out.push(((group, ()), Accumulator::of_rows(-held.rows)));
        }
        if !windows.is_empty() {
            self.groups.insert(keys.to_vec(), windows);
        }
    }

    fn changes(&mut self) -> Vec<KeyedState> {
        let mut told = tell(&mut self.changed, |group| self.groups.get(&group.keys)?.get(&group.window));
        told.extend(self.horizons.changes());
        told
    }

    fn restore(
        &mut self,
        states: &[KeyedState],
        own: impl Fn(u64) -> bool,
        out: &mut Differences<Accumulators>,
    ) -> Result<(), String> {
        for KeyedState { key, state } in self.horizons.restore(states)? {
            let item: (Group, Accumulator) = (from_bytes(key)?, from_bytes(state)?);
            item.0.window.map_or(Ok(()), check_time)?;
            if own(Accumulators::route(&item)) {
                self.take(item, out);
            }
        }
        self.changed.iter_mut().for_each(HashSet::clear);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::RequiredStatistics;
    use crate::tables::testing::{grouping, kept, key};

    #[test]
    fn summaries_that_are_too_old_are_forgotten() {
        let mut summaries = Accumulators::new(grouping(), false);
        let mut out = Vec::new();
        let part = |start, rows| (Group { keys: key(), window: Some(start) }, Accumulator::of_rows(rows));
        summaries.take(part(5, 3), &mut out);
        summaries.take(part(5, 4), &mut out);
        summaries.take(part(10, 1), &mut out);
        out.clear();
        summaries.advance(&key(), 15, &mut out);
        let [((group, ()), summary)] = &out[..] else { panic!("{out:?}") };
        assert_eq!((group.window, summary.rows), (Some(5), -7));
        out.clear();
        summaries.take(part(5, 1), &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn summaries_go_on_after_a_restart() {
        let mut summaries = Accumulators::new(grouping(), true);
        let mut out = Vec::new();
        let part = |start, value| {
            let mut summary = Accumulator::default();
            summary.add([value].into_iter(), &[RequiredStatistics { sum: true, ..RequiredStatistics::default() }]);
            (Group { keys: key(), window: Some(start) }, summary)
        };
        summaries.take(part(0, 1.0), &mut out);
        summaries.take(part(5, 2.0), &mut out);
        let first = summaries.changes();
        summaries.take(part(5, 3.0), &mut out);
        summaries.advance(&key(), 12, &mut out);
        let states = kept([first, summaries.changes()]);
        out.clear();
        let mut next = Accumulators::new(grouping(), true);
        next.restore(&states, |_| true, &mut out).unwrap();
        let [((group, ()), summary)] = &out[..] else { panic!("{out:?}") };
        assert_eq!((group.window, summary.rows, summary.columns[0].sum.value()), (Some(5), 2, 5.0));
        assert_eq!(next.changes().len(), 0, "nothing has changed since");
    }
}
