//! The numbers that rows go out with.

use crate::data::Numbers;

/// The next number of each connection's rows: of `n` connections, number `i` has `i`, `n + i`, `2n + i` and so on. What
/// comes again comes in its connection's order, and so has its number again, however connections overtake each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbering(Vec<u64>);

impl Numbering {
    /// Goes on behind an earlier run, of which each connection's next number was `found`, and which had `rows` rows.
    /// With another number of connections, all begin behind those numbers.
    pub fn after(found: &[u64], rows: u64, connections: usize) -> Numbering {
        if found.len() == connections {
            return Numbering(found.to_vec());
        }
        let count = connections as u64;
        let behind = found.iter().copied().max().unwrap_or(rows).div_ceil(count) * count;
        Numbering((behind..behind + count).collect())
    }

    /// Numbers the next `rows` rows of a connection, of which the first has this place in the input.
    pub fn take(&mut self, connection: usize, place: u64, rows: u64) -> Numbers {
        let step = self.0.len() as u64;
        let first = self.0[connection];
        self.0[connection] += rows * step;
        Numbers { place, first, step }
    }

    /// Rows of a connection are complete whose numbers end before this one.
    pub fn complete(&mut self, connection: usize, next: u64) {
        if let Some(known) = self.0.get_mut(connection) {
            *known = next;
        }
    }

    /// By connection.
    pub fn next(&self) -> &[u64] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_again_has_its_number_again() {
        let mut numbering = Numbering::after(&[], 0, 3);
        let of = |numbers: Numbers, rows: u64| (0..rows).map(|row| numbers.of(numbers.place + row)).collect::<Vec<_>>();
        assert_eq!(of(numbering.take(1, 0, 2), 2), [1, 4]);
        assert_eq!(of(numbering.take(0, 2, 3), 3), [0, 3, 6]);
        let complete = numbering.clone();
        assert_eq!(of(numbering.take(2, 5, 1), 1), [2]);
        assert_eq!(of(numbering.take(1, 6, 2), 2), [7, 10]);
        // After a kill, connections overtake each other.
        let mut again = Numbering::after(complete.next(), 5, 3);
        assert_eq!(of(again.take(1, 5, 1), 1), [7]);
        assert_eq!(of(again.take(1, 6, 1), 1), [10]);
        assert_eq!(of(again.take(2, 7, 1), 1), [2]);
    }

    #[test]
    fn one_connection_counts_its_rows() {
        for rows in [0, 7] {
            let mut numbering = Numbering::after(&[], rows, 1);
            assert!(numbering.take(0, rows, 5).is_plain());
            assert!(numbering.take(0, rows + 5, 5).is_plain());
        }
    }

    #[test]
    fn other_connections_use_no_number_twice() {
        for (before, after) in [(3, 2), (2, 3), (3, 1), (1, 4), (4, 2)] {
            let mut numbering = Numbering::after(&[], 0, before);
            let mut used = std::collections::HashSet::new();
            let mut use_all = |numbering: &mut Numbering, connections: usize| {
                for connection in
                    (0..connections).flat_map(|connection| std::iter::repeat_n(connection, 2 + connection))
                {
                    let numbers = numbering.take(connection, 0, 3);
                    assert!((0..3).all(|row| used.insert(numbers.of(row))), "{before} {after}");
                }
            };
            use_all(&mut numbering, before);
            let mut numbering = Numbering::after(numbering.next(), 0, after);
            use_all(&mut numbering, after);
        }
    }
}
