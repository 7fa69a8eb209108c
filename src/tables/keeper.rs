//! What is in a table now: rows that were not replaced, in windows that are not too old.

use std::collections::{BTreeMap, HashMap, HashSet};

use differential_dataflow::difference::Semigroup;
use differential_dataflow::hashable::Hashable;
use serde::{Deserialize, Serialize};

use super::horizon::Horizons;
use super::{Accumulator, Group, Grouping, KeyCell, TableRow, Values, window};
use crate::data::{KeyedState, from_bytes, to_bytes};

/// What changes in the groups of a keeper.
pub type Differences<K> = Vec<((Group, <K as TableState>::Value), <K as TableState>::Difference)>;

/// Knows what a table holds on one worker, and turns what comes into differences.
pub trait TableState {
    /// What comes.
    type Item;
    /// What is grouped.
    type Value;
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
        memories: &[KeyedState],
        own: impl Fn(u64) -> bool,
        out: &mut Differences<Self>,
    ) -> Result<(), String>;
}

/// Rows by what they replace.
pub struct KeptRows {
    grouping: Grouping,
    rows: HashMap<Vec<KeyCell>, KeptRow>,
    /// For each key, the rows of each window by its start, if windows are let go of.
    windows: HashMap<Vec<KeyCell>, BTreeMap<i64, HashSet<Vec<KeyCell>>>>,
    horizons: Horizons,
    /// What the rows that have changed replace; `None` if nobody will ask.
    changed: Option<HashSet<Vec<KeyCell>>>,
}

#[derive(Serialize, Deserialize)]
struct KeptRow {
    keys: Vec<KeyCell>,
    time: i64,
    values: Values,
}

impl KeptRows {
    /// With `remembers`, changes will be asked for.
    pub fn new(grouping: Grouping, remembers: bool) -> KeptRows {
        let (rows, windows) = Default::default();
        let horizons = Horizons::new(grouping.retention, remembers);
        KeptRows { grouping, rows, windows, horizons, changed: remembers.then(HashSet::new) }
    }

    /// The windows of a key and a time that are kept.
    fn windows(&self, keys: &[KeyCell], time: i64) -> Vec<Option<i64>> {
        let horizon = self.horizons.of(keys);
        self.grouping.windows(time).filter(|start| is_kept(&self.grouping, *start, horizon)).collect()
    }

    /// Lets go of the windows of a key that end at `horizon` or before it.
    fn expire(&mut self, keys: &[KeyCell], horizon: i64, out: &mut Differences<KeptRows>) {
        let Some(hop) = self.grouping.window.as_ref().map(|window| window.hop) else { return };
        let Some(mut windows) = self.windows.remove(keys) else { return };
        while let Some(entry) = windows.first_entry()
            && !is_kept(&self.grouping, Some(*entry.key()), horizon)
        {
            let (start, rows) = entry.remove_entry();
            for upsert in rows {
                let held = &self.rows[&upsert];
                let group = Group { keys: held.keys.clone(), window: Some(start) };
                out.push(((group, held.values.clone()), -1));
                if held.time < start + hop {
                    // It was the last window that holds the row.
                    self.rows.remove(&upsert);
                    self.note(&upsert);
                }
            }
        }
        if !windows.is_empty() {
            self.windows.insert(keys.to_vec(), windows);
        }
    }

    fn note(&mut self, upsert: &[KeyCell]) {
        if let Some(changed) = &mut self.changed {
            changed.insert(upsert.to_vec());
        }
    }

    fn hold(&mut self, upsert: Vec<KeyCell>, held: KeptRow, out: &mut Differences<KeptRows>) {
        let windows = self.windows(&held.keys, held.time);
        for window in &windows {
            if let Some(start) = window.filter(|_| self.grouping.retention.is_some()) {
                let of_key = self.windows.entry(held.keys.clone()).or_default();
                of_key.entry(start).or_default().insert(upsert.clone());
            }
            out.push(((Group { keys: held.keys.clone(), window: *window }, held.values.clone()), 1));
        }
        if !windows.is_empty() {
            self.rows.insert(upsert, held);
        }
    }

    fn let_go(&mut self, upsert: &Vec<KeyCell>, out: &mut Differences<KeptRows>) {
        let Some(KeptRow { keys, time, values }) = self.rows.remove(upsert) else { return };
        for window in self.windows(&keys, time) {
            if let Some(start) = window
                && let Some(of_key) = self.windows.get_mut(&keys)
                && let Some(rows) = of_key.get_mut(&start)
            {
                rows.remove(upsert);
            }
            out.push(((Group { keys: keys.clone(), window }, values.clone()), -1));
        }
    }
}

impl TableState for KeptRows {
    type Item = TableRow;
    type Value = Values;
    type Difference = isize;

    fn route(row: &TableRow) -> u64 {
        row.upsert.hashed()
    }

    fn take(&mut self, row: TableRow, out: &mut Differences<KeptRows>) {
        let TableRow { upsert, keys, time, values, deleted } = row;
        if self.windows(&keys, time).is_empty() {
            return;
        }
        self.note(&upsert);
        self.let_go(&upsert, out);
        if !deleted {
            self.hold(upsert, KeptRow { keys, time, values }, out);
        }
    }

    fn horizon(&self, keys: &[KeyCell]) -> i64 {
        self.horizons.of(keys)
    }

    fn advance(&mut self, keys: &[KeyCell], time: i64, out: &mut Differences<KeptRows>) {
        let horizon = self.horizons.advance(keys, time);
        self.expire(keys, horizon, out);
    }

    fn forget_silent(&mut self, out: &mut Differences<KeptRows>) {
        self.horizons.forget_silent().iter().for_each(|keys| self.expire(keys, i64::MAX, out));
    }

    fn changes(&mut self) -> Vec<KeyedState> {
        let mut told = tell(&mut self.changed, |upsert| self.rows.get(upsert));
        told.extend(self.horizons.changes());
        told
    }

    fn restore(
        &mut self,
        memories: &[KeyedState],
        own: impl Fn(u64) -> bool,
        out: &mut Differences<KeptRows>,
    ) -> Result<(), String> {
        for KeyedState { key, state } in self.horizons.restore(memories)? {
            let (upsert, held): (Vec<KeyCell>, KeptRow) = (from_bytes(key)?, from_bytes(state)?);
            check_time(held.time)?;
            if own(upsert.hashed()) {
                self.hold(upsert, held, out);
            }
        }
        Ok(())
    }
}

/// Summaries that only grow, of windows that are let go of.
pub struct Accumulators {
    grouping: Grouping,
    /// What is held of each group, by key and the start of its window: how many rows, and all else if it will be asked
    /// for.
    groups: HashMap<Vec<KeyCell>, BTreeMap<Option<i64>, Accumulator>>,
    horizons: Horizons,
    /// The groups that have changed; `None` if nobody will ask.
    changed: Option<HashSet<Group>>,
}

impl Accumulators {
    /// With `remembers`, changes will be asked for.
    pub fn new(grouping: Grouping, remembers: bool) -> Accumulators {
        let horizons = Horizons::new(grouping.retention, remembers);
        Accumulators { grouping, groups: HashMap::new(), horizons, changed: remembers.then(HashSet::new) }
    }

    /// Lets go of the windows of a key that end at `horizon` or before it.
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
            // A group that is taken away all at once gets no more rows.
            out.push(((group, ()), Accumulator::of_rows(-held.rows)));
        }
        if !windows.is_empty() {
            self.groups.insert(keys.to_vec(), windows);
        }
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

    fn horizon(&self, keys: &[KeyCell]) -> i64 {
        self.horizons.of(keys)
    }

    fn advance(&mut self, keys: &[KeyCell], time: i64, out: &mut Differences<Accumulators>) {
        let horizon = self.horizons.advance(keys, time);
        self.expire(keys, horizon, out);
    }

    fn forget_silent(&mut self, out: &mut Differences<Accumulators>) {
        self.horizons.forget_silent().iter().for_each(|keys| self.expire(keys, i64::MAX, out));
    }

    fn changes(&mut self) -> Vec<KeyedState> {
        let mut told = tell(&mut self.changed, |group| self.groups.get(&group.keys)?.get(&group.window));
        told.extend(self.horizons.changes());
        told
    }

    fn restore(
        &mut self,
        memories: &[KeyedState],
        own: impl Fn(u64) -> bool,
        out: &mut Differences<Accumulators>,
    ) -> Result<(), String> {
        for KeyedState { key, state } in self.horizons.restore(memories)? {
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

/// What is held now of the keys that have changed.
fn tell<'a, K: Serialize, H: Serialize + 'a>(
    changed: &mut Option<HashSet<K>>,
    held: impl Fn(&K) -> Option<&'a H>,
) -> Vec<KeyedState> {
    let memory = |key: K| KeyedState { key: to_bytes(&key), state: held(&key).map_or(Vec::new(), to_bytes) };
    changed.iter_mut().flat_map(HashSet::drain).map(memory).collect()
}

fn check_time(time: i64) -> Result<(), String> {
    if window::is_time(time) { Ok(()) } else { Err(format!("{time} is no time")) }
}

fn is_kept(grouping: &Grouping, start: Option<i64>, horizon: i64) -> bool {
    match (&grouping.window, start) {
        (Some(window), Some(start)) => start + window.length > horizon,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::{Column, Kind};
    use crate::tables::{Late, RequiredStatistics, Window};

    fn grouping() -> Grouping {
        let column = |name: &str| Column { name: name.into(), kind: Kind::Number, slot: 0 };
        Grouping {
            input: 0,
            keys: vec![column("k")],
            window: Some(Window { time: column("t"), length: 10, hop: 5 }),
            upsert: vec![column("u")],
            delete: None,
            retention: Some(0),
            max_future: 0,
            late: Late::default(),
        }
    }

    fn key() -> Vec<KeyCell> {
        vec![1.0.into()]
    }

    fn row(upsert: f64, time: i64, value: f64) -> TableRow {
        TableRow { upsert: vec![upsert.into()], keys: key(), time, values: vec![value.into()], deleted: false }
    }

    /// Starts, values and differences.
    fn shown(out: Vec<((Group, Values), isize)>) -> Vec<(i64, f64, isize)> {
        out.into_iter().map(|((group, values), d)| (group.window.unwrap(), values[0].0, d)).collect()
    }

    #[test]
    fn a_row_replaces_the_one_before_it_in_all_windows() {
        let mut rows = KeptRows::new(grouping(), false);
        let mut out = Vec::new();
        rows.take(row(1.0, 12, 7.0), &mut out);
        assert_eq!(shown(std::mem::take(&mut out)), [(10, 7.0, 1), (5, 7.0, 1)]);
        rows.take(row(1.0, 16, 8.0), &mut out);
        assert_eq!(shown(std::mem::take(&mut out)), [(10, 7.0, -1), (5, 7.0, -1), (15, 8.0, 1), (10, 8.0, 1)]);
        rows.take(TableRow { deleted: true, ..row(1.0, 0, 0.0) }, &mut out);
        assert_eq!(shown(std::mem::take(&mut out)), [(15, 8.0, -1), (10, 8.0, -1)]);
        assert!(rows.rows.is_empty());
    }

    #[test]
    fn windows_that_are_too_old_go_and_take_their_rows_with_them() {
        let mut rows = KeptRows::new(grouping(), false);
        let mut out = Vec::new();
        rows.take(row(1.0, 12, 7.0), &mut out);
        rows.take(row(2.0, 16, 8.0), &mut out);
        out.clear();
        rows.advance(&key(), 20, &mut out);
        let mut gone = shown(std::mem::take(&mut out));
        gone.sort_by(|a, b| a.partial_cmp(b).unwrap());
        assert_eq!(gone, [(5, 7.0, -1), (10, 7.0, -1), (10, 8.0, -1)]);
        assert_eq!((rows.rows.len(), rows.windows.len()), (1, 1));
        rows.take(row(3.0, 9, 1.0), &mut out);
        assert!(out.is_empty(), "a row that is too late");
    }

    #[test]
    fn one_key_says_nothing_about_the_windows_of_another() {
        let other = || vec![2.0.into()];
        let mut rows = KeptRows::new(grouping(), false);
        let mut summaries = Accumulators::new(grouping(), false);
        let (mut out, mut sums) = (Vec::new(), Vec::new());
        rows.take(row(1.0, 12, 7.0), &mut out);
        rows.take(TableRow { keys: other(), ..row(2.0, 1000, 8.0) }, &mut out);
        let group = |keys, start| Group { keys, window: Some(start) };
        summaries.take((group(key(), 10), Accumulator::of_rows(1)), &mut sums);
        summaries.take((group(other(), 1000), Accumulator::of_rows(1)), &mut sums);
        out.clear();
        sums.clear();
        rows.advance(&other(), 1005, &mut out);
        summaries.advance(&other(), 1005, &mut sums);
        assert_eq!(shown(std::mem::take(&mut out)), [(995, 8.0, -1)]);
        rows.take(row(3.0, 13, 9.0), &mut out);
        summaries.take((group(key(), 10), Accumulator::of_rows(1)), &mut sums);
        assert_eq!((shown(out), sums.len()), (vec![(10, 9.0, 1), (5, 9.0, 1)], 1));
    }

    #[test]
    fn a_row_that_is_too_late_replaces_nothing() {
        let mut rows = KeptRows::new(grouping(), false);
        let mut out = Vec::new();
        rows.take(row(1.0, 42, 7.0), &mut out);
        rows.advance(&key(), 42, &mut out);
        out.clear();
        rows.take(row(1.0, 3, 8.0), &mut out);
        rows.take(TableRow { deleted: true, ..row(1.0, 3, 8.0) }, &mut out);
        assert!(out.is_empty() && rows.rows.len() == 1);
    }

    #[test]
    fn summaries_that_are_too_old_are_forgotten() {
        let mut summaries = Accumulators::new(grouping(), false);
        let mut out = Vec::new();
        let part =
            |start, rows| (Group { keys: key(), window: Some(start) }, Accumulator { rows, columns: Vec::new() });
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
    /// What is remembered of all that was told, as a checkpoint keeps it.
    fn kept(told: [Vec<KeyedState>; 2]) -> Vec<KeyedState> {
        let kept: BTreeMap<Vec<u8>, Vec<u8>> =
            told.into_iter().flatten().map(|memory| (memory.key, memory.state)).collect();
        let kept = kept.into_iter().filter(|(_, state)| !state.is_empty());
        kept.map(|(key, state)| KeyedState { key, state }).collect()
    }

    #[test]
    fn rows_are_held_again_after_a_restart() {
        let mut rows = KeptRows::new(grouping(), true);
        let mut out = Vec::new();
        rows.take(row(1.0, 3, 6.0), &mut out);
        rows.take(row(2.0, 12, 7.0), &mut out);
        rows.take(row(3.0, 13, 8.0), &mut out);
        let first = rows.changes();
        rows.take(TableRow { deleted: true, ..row(3.0, 0, 0.0) }, &mut out);
        rows.advance(&key(), 10, &mut out);
        let memories = kept([first, rows.changes()]);
        assert_eq!(memories.len(), 2, "a row and the horizon");
        let mut next = KeptRows::new(grouping(), true);
        out.clear();
        next.restore(&memories, |_| true, &mut out).unwrap();
        assert_eq!(shown(std::mem::take(&mut out)), [(10, 7.0, 1), (5, 7.0, 1)]);
        next.take(row(2.0, 9, 1.0), &mut out);
        assert_eq!(shown(std::mem::take(&mut out)), [(10, 7.0, -1), (5, 7.0, -1), (5, 1.0, 1)], "0 is too old");
        let mut other = KeptRows::new(grouping(), true);
        other.restore(&memories, |_| false, &mut out).unwrap();
        assert!(out.is_empty() && other.rows.is_empty() && other.horizon(&key()) == 10);
        assert!(other.restore(&[KeyedState { key: vec![9], state: vec![9] }], |_| true, &mut out).is_err());
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
        let memories = kept([first, summaries.changes()]);
        out.clear();
        let mut next = Accumulators::new(grouping(), true);
        next.restore(&memories, |_| true, &mut out).unwrap();
        let [((group, ()), summary)] = &out[..] else { panic!("{out:?}") };
        assert_eq!((group.window, summary.rows, summary.columns[0].sum.value()), (Some(5), 2, 5.0));
        assert_eq!(next.changes().len(), 0, "nothing has changed since");
    }
    /// Rows of each group, by what differences say.
    fn add_up(of: &mut BTreeMap<(Group, Values), isize>, out: &mut Vec<((Group, Values), isize)>) {
        for (row, difference) in out.drain(..) {
            *of.entry(row).or_default() += difference;
        }
        of.retain(|_, rows| *rows != 0);
    }

    /// What is in the table after rows of (what they replace, when, deleted), each with its place as its value.
    fn grouped(rows: &[(u8, i64, bool)]) -> BTreeMap<(Group, Values), isize> {
        let last: BTreeMap<u8, usize> = rows.iter().zip(0..).map(|(row, place)| (row.0, place)).collect();
        let mut of = BTreeMap::new();
        for place in last.into_values().filter(|place| !rows[*place].2) {
            for window in grouping().windows(rows[place].1) {
                let group = Group { keys: key(), window };
                of.insert((group, vec![(place as f64).into()]), 1);
            }
        }
        of
    }

    proptest! {
        #[test]
        fn any_history_leaves_the_rows_that_were_not_replaced(
            rows in prop::collection::vec((0..6u8, 0..40i64, prop::bool::weighted(0.2)), 0..60),
            restart in 0..60usize,
        ) {
            let (mut keeper, mut out, mut of) = (KeptRows::new(grouping(), true), Vec::new(), BTreeMap::new());
            for (place, (upsert, time, deleted)) in rows.iter().enumerate() {
                if place == restart {
                    let memories = kept([keeper.changes(), Vec::new()]);
                    keeper = KeptRows::new(grouping(), true);
                    let mut before = Vec::new();
                    keeper.restore(&memories, |_| true, &mut before).unwrap();
                    let mut restored = BTreeMap::new();
                    add_up(&mut restored, &mut before);
                    prop_assert_eq!(&restored, &of);
                }
                keeper.take(TableRow { deleted: *deleted, ..row((*upsert).into(), *time, place as f64) }, &mut out);
                add_up(&mut of, &mut out);
            }
            prop_assert_eq!(of, grouped(&rows));
        }
    }
}
