//! Drops rows that stand in the message already.

use std::hash::BuildHasher;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Fault, Scope, Subtask};
use crate::data::Message;

/// Drops rows that equal another one in all columns of `subset`; missing equals missing.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DropDuplicates {
    /// Which of the equal rows stays: the first, the last or none.
    keep: Keep,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Keep {
    #[default]
    First,
    Last,
    None,
}

impl Subtask for DropDuplicates {
    fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
        let keep = self.flags(message, scope);
        message.retain(&keep);
        Ok(())
    }
}

impl DropDuplicates {
    fn flags(&self, message: &Message, scope: &Scope) -> Vec<bool> {
        let hashes = hashes(message, scope);
        let mut keep = vec![true; message.rows()];
        let mut seen: HashTable<usize> = HashTable::with_capacity(message.rows());
        let mut visit = |row: usize| {
            let same = |other: &usize| equal(message, scope, row, *other);
            match seen.entry(hashes[row], same, |other| hashes[*other]) {
                Entry::Occupied(first) => {
                    keep[row] = false;
                    keep[*first.get()] &= self.keep != Keep::None;
                }
                Entry::Vacant(place) => {
                    place.insert(row);
                }
            }
        };
        match self.keep {
            Keep::Last => (0..message.rows()).rev().for_each(&mut visit),
            _ => (0..message.rows()).for_each(&mut visit),
        }
        keep
    }
}

/// Equal values have equal bits: one zero, one NaN.
fn bits(x: f64) -> u64 {
    if x.is_nan() { f64::NAN.to_bits() } else { (x + 0.0).to_bits() }
}

/// A hash a row, column by column so that memory is read in order.
fn hashes(message: &Message, scope: &Scope) -> Vec<u64> {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut hashes = vec![0_u64; message.rows()];
    let mut mix = |row: usize, bits: u64| {
        let product = u128::from(hashes[row] ^ bits) * u128::from(ODD);
        hashes[row] = (product as u64 ^ (product >> 64) as u64).wrapping_add(ODD);
    };
    for slot in &scope.numbers {
        message.column(*slot).iter().enumerate().for_each(|(row, x)| mix(row, bits(*x)));
    }
    let state = DefaultHashBuilder::default();
    for slot in &scope.texts {
        let column = &message.texts[*slot];
        for row in 0..message.rows() {
            mix(row, state.hash_one(column.get(row)));
        }
    }
    hashes
}

fn equal(message: &Message, scope: &Scope, a: usize, b: usize) -> bool {
    let number = |slot: &usize| bits(message.column(*slot)[a]) == bits(message.column(*slot)[b]);
    let text = |slot: &usize| message.texts[*slot].get(a) == message.texts[*slot].get(b);
    scope.numbers.iter().all(number) && scope.texts.iter().all(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::testing::applied;

    #[test]
    fn keeps_first_last_or_none() {
        let columns = [vec![1.0, 2.0, 1.0, f64::NAN, f64::NAN, -0.0, 0.0]];
        let kept = |keep| {
            let rows = DropDuplicates { keep }.flags(&Message::from_columns(&columns), &Scope::numbers(1));
            rows.iter().map(|keep| u8::from(*keep)).collect::<Vec<_>>()
        };
        assert_eq!(kept(Keep::First), [1, 1, 0, 1, 0, 1, 0]);
        assert_eq!(kept(Keep::Last), [0, 1, 1, 0, 1, 0, 1]);
        assert_eq!(kept(Keep::None), [0, 1, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn three_equal_rows_and_keep_none() {
        let out = applied(&DropDuplicates { keep: Keep::None }, &[vec![5.0, 5.0, 5.0, 1.0]]).unwrap();
        assert_eq!(out, [[1.0]]);
    }
}
