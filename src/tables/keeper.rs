//! What is in a table now: rows that were not replaced, in windows that are not too old.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Cell, Group, Grouping, Summary, TableRow, Values};

/// Knows what a table holds on one worker, and turns what comes into differences.
pub trait Keeper {
    /// What comes.
    type Item;
    /// What is grouped.
    type Value;
    type Difference;

    /// Takes in what comes, in the order of the input. What is too old is left out.
    fn take(&mut self, item: Self::Item, out: &mut Vec<((Group, Self::Value), Self::Difference)>);

    /// Lets go of the windows that end at `horizon` or before it, in milliseconds since 1970.
    fn expire(&mut self, horizon: i64, out: &mut Vec<((Group, Self::Value), Self::Difference)>);
}

/// Rows by what they replace.
pub struct Rows {
    grouping: Grouping,
    rows: HashMap<Vec<Cell>, Held>,
    /// The rows of each window by its start, if windows are let go of.
    windows: BTreeMap<i64, HashSet<Vec<Cell>>>,
    horizon: i64,
}

struct Held {
    keys: Vec<Cell>,
    time: i64,
    values: Values,
}

impl Rows {
    pub fn new(grouping: Grouping) -> Rows {
        Rows { grouping, rows: HashMap::new(), windows: BTreeMap::new(), horizon: i64::MIN }
    }

    /// The windows of a time that are kept.
    fn windows(&self, time: i64) -> Vec<Option<i64>> {
        self.grouping.windows(time).filter(|start| is_kept(&self.grouping, *start, self.horizon)).collect()
    }
}

impl Keeper for Rows {
    type Item = TableRow;
    type Value = Values;
    type Difference = isize;

    fn take(&mut self, row: TableRow, out: &mut Vec<((Group, Values), isize)>) {
        if let Some(Held { keys, time, values }) = self.rows.remove(&row.upsert) {
            for window in self.windows(time) {
                if let Some(rows) = window.and_then(|start| self.windows.get_mut(&start)) {
                    rows.remove(&row.upsert);
                }
                out.push(((Group { keys: keys.clone(), window }, values.clone()), -1));
            }
        }
        let windows = self.windows(row.time);
        if row.deleted || windows.is_empty() {
            return;
        }
        let TableRow { upsert, keys, time, values, .. } = row;
        for window in windows {
            if let Some(start) = window.filter(|_| self.grouping.retention.is_some()) {
                self.windows.entry(start).or_default().insert(upsert.clone());
            }
            out.push(((Group { keys: keys.clone(), window }, values.clone()), 1));
        }
        self.rows.insert(upsert, Held { keys, time, values });
    }

    fn expire(&mut self, horizon: i64, out: &mut Vec<((Group, Values), isize)>) {
        self.horizon = self.horizon.max(horizon);
        let Some(hop) = self.grouping.window.as_ref().map(|window| window.hop) else { return };
        while let Some(entry) = self.windows.first_entry()
            && !is_kept(&self.grouping, Some(*entry.key()), self.horizon)
        {
            let (start, rows) = entry.remove_entry();
            for upsert in rows {
                let held = &self.rows[&upsert];
                let group = Group { keys: held.keys.clone(), window: Some(start) };
                out.push(((group, held.values.clone()), -1));
                if held.time < start + hop {
                    // It was the last window that holds the row.
                    self.rows.remove(&upsert);
                }
            }
        }
    }
}

/// Summaries that only grow, of windows that are let go of.
pub struct Summaries {
    grouping: Grouping,
    /// The rows of each group, by the start of its window.
    rows: BTreeMap<Option<i64>, HashMap<Vec<Cell>, i64>>,
    horizon: i64,
}

impl Summaries {
    pub fn new(grouping: Grouping) -> Summaries {
        Summaries { grouping, rows: BTreeMap::new(), horizon: i64::MIN }
    }
}

impl Keeper for Summaries {
    type Item = (Group, Summary);
    type Value = ();
    type Difference = Summary;

    fn take(&mut self, (group, summary): (Group, Summary), out: &mut Vec<((Group, ()), Summary)>) {
        if is_kept(&self.grouping, group.window, self.horizon) {
            let rows = self.rows.entry(group.window).or_default();
            *rows.entry(group.keys.clone()).or_default() += summary.rows;
            out.push(((group, ()), summary));
        }
    }

    fn expire(&mut self, horizon: i64, out: &mut Vec<((Group, ()), Summary)>) {
        self.horizon = self.horizon.max(horizon);
        while let Some(entry) = self.rows.first_entry()
            && !is_kept(&self.grouping, *entry.key(), self.horizon)
        {
            let (window, groups) = entry.remove_entry();
            let gone = |(keys, rows)| ((Group { keys, window }, ()), Summary::forget(rows));
            out.extend(groups.into_iter().map(gone));
        }
    }
}

fn is_kept(grouping: &Grouping, start: Option<i64>, horizon: i64) -> bool {
    match (&grouping.window, start) {
        (Some(window), Some(start)) => start + window.length > horizon,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Column, Kind};
    use crate::tables::Window;

    fn grouping() -> Grouping {
        let column = |name: &str| Column { name: name.into(), kind: Kind::Number, slot: 0 };
        Grouping {
            input: 0,
            keys: vec![column("k")],
            window: Some(Window { time: column("t"), length: 10, hop: 5 }),
            upsert: vec![column("u")],
            delete: None,
            retention: Some(0),
        }
    }

    fn row(upsert: f64, time: i64, value: f64) -> TableRow {
        TableRow {
            upsert: vec![upsert.into()],
            keys: vec![1.0.into()],
            time,
            values: vec![value.into()],
            deleted: false,
        }
    }

    /// Starts, values and differences.
    fn shown(out: Vec<((Group, Values), isize)>) -> Vec<(i64, f64, isize)> {
        out.into_iter().map(|((group, values), d)| (group.window.unwrap(), values[0].0, d)).collect()
    }

    #[test]
    fn a_row_replaces_the_one_before_it_in_all_windows() {
        let mut rows = Rows::new(grouping());
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
        let mut rows = Rows::new(grouping());
        let mut out = Vec::new();
        rows.take(row(1.0, 12, 7.0), &mut out);
        rows.take(row(2.0, 16, 8.0), &mut out);
        out.clear();
        rows.expire(20, &mut out);
        let mut gone = shown(std::mem::take(&mut out));
        gone.sort_by(|a, b| a.partial_cmp(b).unwrap());
        assert_eq!(gone, [(5, 7.0, -1), (10, 7.0, -1), (10, 8.0, -1)]);
        assert_eq!((rows.rows.len(), rows.windows.len()), (1, 1));
        rows.take(row(3.0, 9, 1.0), &mut out);
        assert!(out.is_empty(), "a row that is too late");
    }

    #[test]
    fn summaries_that_are_too_old_are_forgotten() {
        let mut summaries = Summaries::new(grouping());
        let mut out = Vec::new();
        let part = |start, rows| {
            (Group { keys: vec![1.0.into()], window: Some(start) }, Summary { rows, columns: Vec::new() })
        };
        summaries.take(part(5, 3), &mut out);
        summaries.take(part(5, 4), &mut out);
        summaries.take(part(10, 1), &mut out);
        out.clear();
        summaries.expire(15, &mut out);
        let [((group, ()), summary)] = &out[..] else { panic!("{out:?}") };
        assert_eq!((group.window, summary.rows), (Some(5), -7));
        out.clear();
        summaries.take(part(5, 1), &mut out);
        assert!(out.is_empty());
    }
}
