//! Rows whose values come on topics of their own: a row is held until its values can no longer come.
//!
//! Rows leave in the order in which they began, whichever closes first: so their contents and their order are those of
//! the publishes, and not of the time at which these were taken in.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::data::PartialRow;

/// Most bytes of the rows held; the oldest one leaves when they are more.
const MAX_HELD: usize = 16 << 20;

/// A value of a row.
pub struct RowValue<'a> {
    /// What the topics of a row's values have in common.
    pub key: String,
    /// The value's topic.
    pub topic: &'a Arc<str>,
    /// The value's position at the source.
    pub position: u64,
    /// Whether it came at quality of service 0.
    pub once: bool,
    /// The column.
    pub name: &'a str,
    /// The value, as JSON.
    pub cell: String,
    /// What columns have beside it in its payload; of several values of a row, the last one's counts.
    pub beside: Vec<(String, String)>,
}

/// The rows of a connection that lack values still, in the order in which they began.
#[derive(Debug)]
pub struct PartialRows {
    /// Nanoseconds that the first and the last value of a row are apart at most.
    collect: u64,
    rows: VecDeque<Arc<PartialRow>>,
    /// How many rows have left.
    left: u64,
    /// By key, the row that takes values: its place among all that ever began.
    open: HashMap<String, u64>,
    bytes: usize,
}

impl PartialRows {
    /// Holds rows for `collect`, and goes on with those that an earlier run has held, as if they began at `now`.
    pub fn after(collect: Duration, held: impl Iterator<Item = PartialRow>, now: u64) -> PartialRows {
        let collect = u64::try_from(collect.as_nanos()).unwrap_or(u64::MAX);
        let mut rows = PartialRows { collect, rows: VecDeque::new(), left: 0, open: HashMap::new(), bytes: 0 };
        for row in held {
            let row = PartialRow { began: now, ..row };
            rows.bytes += row.byte_len();
            if !row.closed {
                rows.open.insert(row.key.clone(), rows.rows.len() as u64);
            }
            rows.rows.push_back(Arc::new(row));
        }
        rows
    }

    /// The rows as they are now, for the checkpoint.
    pub fn held(&self) -> Vec<Arc<PartialRow>> {
        self.rows.iter().cloned().collect()
    }

    /// When the oldest row leaves, whatever comes: nanoseconds of the source's clock.
    pub fn deadline(&self) -> Option<u64> {
        self.rows.front().map(|row| if row.closed { row.began } else { row.began.saturating_add(self.collect) })
    }

    /// Closes the row that has a value of this name already.
    pub fn close_before(&mut self, key: &str, name: &str) {
        let Some(place) = self.open.get(key).map(|begun| (begun - self.left) as usize) else { return };
        if self.rows[place].cells.iter().any(|(known, _)| known == name) {
            Arc::make_mut(&mut self.rows[place]).closed = true;
            self.open.remove(key);
        }
    }

    /// The oldest row, if nothing more can come for it at `now`; or if too much is held.
    pub fn next(&mut self, now: u64) -> Option<Arc<PartialRow>> {
        let due = self.deadline().is_some_and(|deadline| deadline <= now);
        if due || self.bytes > MAX_HELD { self.take_first() } else { None }
    }

    /// The oldest row, complete or not.
    pub fn take_first(&mut self) -> Option<Arc<PartialRow>> {
        let row = self.rows.pop_front()?;
        self.bytes -= row.byte_len();
        if !row.closed {
            self.open.remove(&row.key);
        }
        self.left += 1;
        Some(row)
    }

    /// Takes in a value that arrived at `now`. The row has none of this name.
    pub fn add(&mut self, value: RowValue<'_>, now: u64) {
        let RowValue { key, topic, position, once, name, cell, beside } = value;
        let begun = match self.open.get(&key) {
            Some(begun) => *begun,
            None => {
                let begun = self.left + self.rows.len() as u64;
                let row = PartialRow { key: key.clone(), began: now, ..PartialRow::default() };
                self.bytes += row.byte_len();
                self.rows.push_back(Arc::new(row));
                self.open.insert(key, begun);
                begun
            }
        };
        let row = Arc::make_mut(&mut self.rows[(begun - self.left) as usize]);
        self.bytes -= row.byte_len();
        (row.topic, row.position) = (topic.clone(), position);
        row.once |= once;
        row.take(name, cell, beside);
        self.bytes += row.byte_len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::value::object_of_row;

    /// Takes in a value; the rows that leave before it.
    fn take(rows: &mut PartialRows, now: u64, key: &str, name: &str, cell: &str) -> Vec<String> {
        rows.close_before(key, name);
        let left = leave(rows, now);
        let topic: Arc<str> = format!("{key}/{name}").into();
        let (key, cell) = (key.to_owned(), cell.to_owned());
        let beside = if name == "w" { vec![("at".to_owned(), now.to_string())] } else { Vec::new() };
        rows.add(RowValue { key, topic: &topic, position: now, once: false, name, cell, beside }, now);
        left
    }

    fn leave(rows: &mut PartialRows, now: u64) -> Vec<String> {
        let next = std::iter::from_fn(|| rows.next(now));
        next.map(|row| format!("{} {}", row.topic, String::from_utf8(object_of_row(&row)).unwrap())).collect()
    }

    fn rows(collect: u64) -> PartialRows {
        PartialRows::after(Duration::from_nanos(collect), std::iter::empty(), 0)
    }

    #[test]
    fn a_row_leaves_when_a_column_comes_again_or_its_time_is_over() {
        let mut rows = rows(10);
        assert_eq!(take(&mut rows, 0, "n", "t", "4.5"), [""; 0]);
        assert_eq!(take(&mut rows, 9, "n", "h", "\"a\""), [""; 0]);
        assert_eq!(rows.deadline(), Some(10));
        assert_eq!(take(&mut rows, 9, "n", "t", "5"), [r#"n/h {"t":4.5,"h":"a"}"#]);
        assert_eq!(leave(&mut rows, 18), [""; 0]);
        assert_eq!(leave(&mut rows, 19), [r#"n/t {"t":5}"#]);
        assert_eq!((rows.deadline(), rows.bytes, rows.open.len()), (None, 0, 0));
        // What comes later is a row of its own.
        assert_eq!(take(&mut rows, 20, "n", "h", "null"), [""; 0]);
        assert_eq!(take(&mut rows, 31, "n", "t", "6"), [r#"n/h {"h":null}"#]);
    }

    #[test]
    fn what_stands_beside_the_last_value_is_in_the_row() {
        let mut rows = rows(10);
        for (now, name) in [(1, "w"), (2, "t"), (3, "at")] {
            assert_eq!(take(&mut rows, now, "n", name, "5"), [""; 0]);
        }
        assert_eq!(take(&mut rows, 4, "n", "w", "6"), [r#"n/at {"w":5,"t":5,"at":5}"#], "its own topic counts");
        assert_eq!(take(&mut rows, 5, "n", "w", "7"), [r#"n/w {"w":6,"at":4}"#]);
    }

    #[test]
    fn rows_leave_in_the_order_in_which_they_began() {
        let mut rows = rows(10);
        take(&mut rows, 0, "n", "t", "1");
        take(&mut rows, 1, "s", "t", "2");
        // The second row is closed first, and waits for the first.
        assert_eq!(take(&mut rows, 2, "s", "t", "3"), [""; 0]);
        assert_eq!(take(&mut rows, 3, "n", "h", "4"), [""; 0]);
        assert_eq!(take(&mut rows, 4, "n", "t", "5"), [r#"n/h {"t":1,"h":4}"#, r#"s/t {"t":2}"#]);
        assert_eq!(leave(&mut rows, 14), [r#"s/t {"t":3}"#, r#"n/t {"t":5}"#]);
    }

    #[test]
    fn a_later_run_goes_on_with_what_was_held() {
        let mut first = rows(10);
        for (key, name) in [("n", "t"), ("s", "t"), ("s", "t"), ("s", "h")] {
            assert_eq!(take(&mut first, 5, key, name, "1"), [""; 0]);
        }
        let held: Vec<Arc<PartialRow>> = crate::data::from_bytes(&crate::data::to_bytes(&first.held())).unwrap();
        let mut second =
            PartialRows::after(Duration::from_nanos(10), held.iter().map(|row| PartialRow::clone(row)), 100);
        assert_eq!((second.bytes, second.deadline()), (first.bytes, Some(110)));
        assert_eq!(take(&mut second, 101, "n", "h", "2"), [""; 0]);
        let rest = [r#"n/h {"t":1,"h":2}"#, r#"s/t {"t":1}"#, r#"s/h {"t":1,"h":1}"#];
        assert_eq!(take(&mut second, 102, "s", "h", "3"), [""; 0], "the oldest row is open");
        assert_eq!(leave(&mut second, 110), rest);
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut rows = rows(u64::MAX);
        let long = format!("\"{}\"", "x".repeat(1 << 20));
        let left = (0..40).map(|n| take(&mut rows, n, &format!("k{n}"), "t", &long).len()).sum::<usize>();
        assert!((20..30).contains(&left), "{left}");
        assert!(rows.bytes <= MAX_HELD + (2 << 20));
    }
}
