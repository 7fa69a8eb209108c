//! The table state of tables with upserts: rows by upsert key, in windows that have not expired.

use std::collections::{BTreeMap, HashMap, HashSet};

use differential_dataflow::hashable::Hashable;
use serde::{Deserialize, Serialize};

use super::horizon::Horizons;
use super::table_state::{Differences, TableState, check_time, is_kept, tell};
use super::{Group, Grouping, KeyCell, TableRow, Values};
use crate::data::{KeyedState, from_bytes};

/// Rows by upsert key.
pub struct KeptRows {
    grouping: Grouping,
    rows: HashMap<Vec<KeyCell>, KeptRow>,
    /// For each key, the rows of each window by its start, if windows expire.
    windows: HashMap<Vec<KeyCell>, BTreeMap<i64, HashSet<Vec<KeyCell>>>>,
    horizons: Horizons,
    /// The upsert keys of rows changed since the last checkpoint; `None` if changes are not checkpointed.
    changed: Option<HashSet<Vec<KeyCell>>>,
}

#[derive(Serialize, Deserialize)]
struct KeptRow {
    keys: Vec<KeyCell>,
    time: i64,
    values: Values,
}

impl KeptRows {
    /// With `remembers`, changes are recorded for checkpoints.
    pub fn new(grouping: Grouping, remembers: bool) -> KeptRows {
        let (rows, windows) = Default::default();
        let horizons = Horizons::new(grouping.retention, remembers);
        KeptRows { grouping, rows, windows, horizons, changed: remembers.then(HashSet::new) }
    }

    /// The windows of a key and a time that have not expired.
    fn windows(&self, keys: &[KeyCell], time: i64) -> Vec<Option<i64>> {
        let horizon = self.horizons.of(keys);
        self.grouping.windows(time).filter(|start| is_kept(&self.grouping, *start, horizon)).collect()
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
        let TableRow { upsert, keys, time, mut values, deleted } = row;
        if self.windows(&keys, time).is_empty() {
            return;
        }
        self.note(&upsert);
        if self.grouping.combine_first
            && let Some(before) = self.rows.get(&upsert)
        {
            let lacking = values.iter_mut().zip(&before.values).filter(|(own, _)| own.is_nan());
            lacking.for_each(|(own, before)| *own = *before);
        }
        self.let_go(&upsert, out);
        if !deleted {
            self.hold(upsert, KeptRow { keys, time, values }, out);
        }
    }

    fn horizons(&self) -> &Horizons {
        &self.horizons
    }

    fn horizons_mut(&mut self) -> &mut Horizons {
        &mut self.horizons
    }

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
                    // It was the last window with the row.
                    self.rows.remove(&upsert);
                    self.note(&upsert);
                }
            }
        }
        if !windows.is_empty() {
            self.windows.insert(keys.to_vec(), windows);
        }
    }

    fn changes(&mut self) -> Vec<KeyedState> {
        let mut told = tell(&mut self.changed, |upsert| self.rows.get(upsert));
        told.extend(self.horizons.changes());
        told
    }

    fn restore(
        &mut self,
        states: &[KeyedState],
        own: impl Fn(u64) -> bool,
        out: &mut Differences<KeptRows>,
    ) -> Result<(), String> {
        for KeyedState { key, state } in self.horizons.restore(states)? {
            let (upsert, held): (Vec<KeyCell>, KeptRow) = (from_bytes(key)?, from_bytes(state)?);
            check_time(held.time)?;
            if own(upsert.hashed()) {
                self.hold(upsert, held, out);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tables::testing::{grouping, kept, key};
    use crate::tables::{Accumulator, Accumulators};

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
    fn a_label_joins_the_prediction_that_came_before_it() {
        let mut rows = KeptRows::new(Grouping { combine_first: true, ..grouping() }, false);
        let row = |values: [f64; 2], deleted| TableRow {
            upsert: key(),
            keys: key(),
            time: 5,
            values: values.map(Into::into).to_vec(),
            deleted,
        };
        let mut last = |row: TableRow| {
            let mut out = Vec::new();
            rows.take(row, &mut out);
            out.last().map(|((_, values), difference)| (values.iter().map(|x| x.0).collect::<Vec<_>>(), *difference))
        };
        last(row([1.5, f64::NAN], false));
        assert_eq!(last(row([f64::NAN, 2.0], false)), Some((vec![1.5, 2.0], 1)));
        assert_eq!(last(row([f64::NAN, 3.0], false)), Some((vec![1.5, 3.0], 1)));
        assert_eq!(last(row([f64::NAN, f64::NAN], true)), Some((vec![1.5, 3.0], -1)));
        // What was deleted is not there to be joined.
        assert!(last(row([f64::NAN, 4.0], false)).unwrap().0[0].is_nan());
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
    fn rows_are_held_again_after_a_restart() {
        let mut rows = KeptRows::new(grouping(), true);
        let mut out = Vec::new();
        rows.take(row(1.0, 3, 6.0), &mut out);
        rows.take(row(2.0, 12, 7.0), &mut out);
        rows.take(row(3.0, 13, 8.0), &mut out);
        let first = rows.changes();
        rows.take(TableRow { deleted: true, ..row(3.0, 0, 0.0) }, &mut out);
        rows.advance(&key(), 10, &mut out);
        let states = kept([first, rows.changes()]);
        assert_eq!(states.len(), 2, "a row and the horizon");
        let mut next = KeptRows::new(grouping(), true);
        out.clear();
        next.restore(&states, |_| true, &mut out).unwrap();
        assert_eq!(shown(std::mem::take(&mut out)), [(10, 7.0, 1), (5, 7.0, 1)]);
        next.take(row(2.0, 9, 1.0), &mut out);
        assert_eq!(shown(std::mem::take(&mut out)), [(10, 7.0, -1), (5, 7.0, -1), (5, 1.0, 1)], "0 is too old");
        let mut other = KeptRows::new(grouping(), true);
        other.restore(&states, |_| false, &mut out).unwrap();
        assert!(out.is_empty() && other.rows.is_empty() && other.horizon(&key()) == 10);
        assert!(other.restore(&[KeyedState { key: vec![9], state: vec![9] }], |_| true, &mut out).is_err());
    }

    /// Applies differences to the rows of each group.
    fn add_up(of: &mut BTreeMap<(Group, Values), isize>, out: &mut Vec<((Group, Values), isize)>) {
        for (row, difference) in out.drain(..) {
            *of.entry(row).or_default() += difference;
        }
        of.retain(|_, rows| *rows != 0);
    }

    /// The table after rows of (upsert key, when, deleted), each with its place as its value.
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
            let (mut table_state, mut out, mut of) = (KeptRows::new(grouping(), true), Vec::new(), BTreeMap::new());
            for (place, (upsert, time, deleted)) in rows.iter().enumerate() {
                if place == restart {
                    let states = kept([table_state.changes(), Vec::new()]);
                    table_state = KeptRows::new(grouping(), true);
                    let mut before = Vec::new();
                    table_state.restore(&states, |_| true, &mut before).unwrap();
                    let mut restored = BTreeMap::new();
                    add_up(&mut restored, &mut before);
                    prop_assert_eq!(&restored, &of);
                }
                table_state.take(TableRow { deleted: *deleted, ..row((*upsert).into(), *time, place as f64) }, &mut out);
                add_up(&mut of, &mut out);
            }
            prop_assert_eq!(of, grouped(&rows));
        }
    }
}
