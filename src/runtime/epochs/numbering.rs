//! The numbers of rows in the results.

use crate::data::{Numbers, Run};

/// How many numbers a run has for rows that are never redelivered, and all runs together for the others.
const RANGE: u64 = 1 << 40;

/// The next number of each connection's rows: of `n` connections, number `i` has `i`, `n + i`, `2n + i` and so on. Rows
/// are redelivered in their connection's order, and so get the same numbers, however connections overtake each other.
///
/// Rows of quality of service 0 are never redelivered, and would shift the others: where the two are told apart, they
/// have numbers above all of those, in a range of their own for each run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbering {
    next: Vec<u64>,
    /// The next numbers of rows that are never redelivered; empty if they are not told apart.
    once: Vec<u64>,
}

impl Numbering {
    /// Continues after an earlier run that ended with the next numbers `found`, by connection, and had `rows` rows.
    /// With another number of connections, all begin above those numbers.
    pub fn after(found: &[u64], rows: u64, connections: usize) -> Numbering {
        if found.len() == connections {
            return Numbering { next: found.to_vec(), once: Vec::new() };
        }
        let count = connections as u64;
        let behind = found.iter().copied().max().unwrap_or(rows).div_ceil(count) * count;
        Numbering { next: (behind..behind + count).collect(), once: Vec::new() }
    }

    /// Tells rows apart that are never redelivered; `run` is the number of this run, from 1.
    pub fn telling_apart(mut self, run: u64) -> Numbering {
        self.once = (0..).map(|connection| run * RANGE + connection).take(self.next.len()).collect();
        self
    }

    /// Numbers the next rows of a connection, from this place in the input on: for each delivery, whether it is never
    /// redelivered, and its rows.
    pub fn take(&mut self, connection: usize, mut place: u64, deliveries: &[(bool, u64)]) -> Numbers {
        let step = self.next.len() as u64;
        let mut runs = Vec::new();
        for (once, rows) in deliveries.iter().copied() {
            let next = match self.once.get_mut(connection).filter(|_| once) {
                Some(next) => next,
                None => &mut self.next[connection],
            };
            runs.push(Run { place, rows, first: *next, step });
            *next += rows * step;
            place += rows;
        }
        let numbers = Numbers { runs, next: self.next[connection] };
        if numbers.is_plain() { Numbers { runs: Vec::new(), ..numbers } } else { numbers }
    }

    /// The rows of a connection with numbers below `next` are complete.
    pub fn complete(&mut self, connection: usize, next: u64) {
        if let Some(known) = self.next.get_mut(connection) {
            *known = next;
        }
    }

    /// The next numbers, by connection.
    pub fn next(&self) -> &[u64] {
        &self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the next rows of a connection.
    fn numbers(numbering: &mut Numbering, connection: usize, place: u64, deliveries: &[(bool, u64)]) -> Vec<u64> {
        let rows = deliveries.iter().map(|(_, rows)| rows).sum::<u64>();
        let numbers = numbering.take(connection, place, deliveries);
        let found = |row| if numbers.runs.is_empty() { Some(row) } else { numbers.place_of(row) };
        let all = (place..place + rows).map(|place| numbers.of(place)).collect::<Vec<_>>();
        assert!(all.iter().map(|number| found(*number)).eq((place..place + rows).map(Some)));
        all
    }

    #[test]
    fn what_comes_again_has_its_number_again() {
        let mut numbering = Numbering::after(&[], 0, 3);
        let of = |numbering: &mut _, connection, place, rows| numbers(numbering, connection, place, &[(false, rows)]);
        assert_eq!(of(&mut numbering, 1, 0, 2), [1, 4]);
        assert_eq!(of(&mut numbering, 0, 2, 3), [0, 3, 6]);
        let complete = numbering.clone();
        assert_eq!(of(&mut numbering, 2, 5, 1), [2]);
        assert_eq!(of(&mut numbering, 1, 6, 2), [7, 10]);
        // After a kill, connections overtake each other.
        let mut again = Numbering::after(complete.next(), 5, 3);
        assert_eq!(of(&mut again, 1, 5, 1), [7]);
        assert_eq!(of(&mut again, 1, 6, 1), [10]);
        assert_eq!(of(&mut again, 2, 7, 1), [2]);
    }

    #[test]
    fn rows_that_never_come_again_shift_no_others() {
        let mut numbering = Numbering::after(&[], 0, 2).telling_apart(1);
        let mixed = [(false, 1), (true, 2), (false, 2)];
        assert_eq!(numbers(&mut numbering, 1, 0, &mixed), [1, RANGE + 1, RANGE + 3, 3, 5]);
        // The run is killed before anything was complete: the rows of quality of service 0 are lost.
        let mut again = Numbering::after(&[], 0, 2).telling_apart(2);
        assert_eq!(numbers(&mut again, 1, 0, &[(false, 3)]), [1, 3, 5]);
        assert_eq!(numbers(&mut again, 1, 3, &[(true, 1)]), [2 * RANGE + 1]);
    }

    #[test]
    fn one_connection_counts_its_rows() {
        for rows in [0, 7] {
            let mut numbering = Numbering::after(&[], rows, 1);
            assert!(numbering.take(0, rows, &[(false, 5)]).runs.is_empty());
            assert!(numbering.take(0, rows + 5, &[(true, 5)]).runs.is_empty());
            assert_eq!(numbering.next(), [rows + 10]);
        }
    }

    #[test]
    fn other_connections_use_no_number_twice() {
        for (before, after) in [(3, 2), (2, 3), (3, 1), (1, 4), (4, 2)] {
            let mut used = std::collections::HashSet::new();
            let mut use_all = |numbering: &mut Numbering, connections: usize| {
                let mut place = 0;
                for connection in
                    (0..connections).flat_map(|connection| std::iter::repeat_n(connection, 2 + connection))
                {
                    let numbers = numbers(numbering, connection, place, &[(false, 3)]);
                    assert!(numbers.into_iter().all(|number| used.insert(number)), "{before} {after}");
                    place += 3;
                }
            };
            let mut numbering = Numbering::after(&[], 0, before);
            use_all(&mut numbering, before);
            let mut numbering = Numbering::after(numbering.next(), 0, after);
            use_all(&mut numbering, after);
        }
    }
}
