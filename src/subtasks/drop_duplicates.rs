//! Drops rows that equal another row of the message.

use multiversion::multiversion;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{BatchSubtask, Compares, Fault, Refusal, Role, Scope, Subtask, Traits};
use crate::data::{Message, fingerprint};
use crate::kernels::select::BLOCK;
use crate::pool::Scratch;

/// Drops rows that equal another one in all columns of `subset`; missing equals missing.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DropDuplicates {
    /// Which of the equal rows stays: the first, the last or none.
    keep: Keep,
    /// Compares each row with so many rows of the stream before it, too; with those of its message only if not given.
    horizon: Option<u64>,
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
    const EQUALS: &'static str = "pandas.DataFrame.drop_duplicates";
    const ROLE: Role = Role::Rows;
    const TRAITS: Traits<DropDuplicates> = Traits::by_message().compares();

    fn check(&self) -> Result<(), Refusal> {
        match (self.horizon, self.keep) {
            (Some(0), _) => Err(Refusal::new("horizon", "at least 1 row is compared with")),
            (Some(_), Keep::Last | Keep::None) => Err(Refusal::new(
                "keep",
                "the rows of the next message are not known yet: with a horizon the first stays",
            )),
            _ => Ok(()),
        }
    }
}

impl BatchSubtask for DropDuplicates {
    fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
        // A row alone has none that it could equal.
        if message.rows() > 1 {
            let keep = self.flags(message, scope);
            message.retain(&keep);
        }
        Ok(())
    }
}

impl Compares for DropDuplicates {
    fn horizon(&self) -> Option<u64> {
        self.horizon
    }
}

/// A hash of 128 bits of the compared columns, for each row.
pub fn identities(message: &Message, scope: &Scope) -> Vec<u128> {
    let identity = |row: usize| {
        let mut text = Vec::with_capacity(8 * scope.numbers.len() + 16 * scope.texts.len());
        for slot in &scope.numbers {
            text.extend_from_slice(&bits(message.column(*slot)[row]).to_le_bytes());
        }
        for slot in &scope.texts {
            let cell = message.texts[*slot].get(row);
            // The length plus one, so that a missing text differs from an empty one.
            text.extend_from_slice(&cell.map_or(0, |cell| cell.len() as u64 + 1).to_le_bytes());
            text.extend_from_slice(cell.unwrap_or_default().as_bytes());
        }
        fingerprint(&text)
    };
    (0..message.rows()).map(identity).collect()
}

impl DropDuplicates {
    fn flags(&self, message: &Message, scope: &Scope) -> Scratch<bool> {
        let hashes = hashes(message, scope);
        let mut keep: Scratch<bool> = Scratch::default();
        keep.resize(message.rows(), true);
        let mut seen = Seen::of(message.rows());
        let mut visit = |row: usize| {
            let same = |other: usize| hashes[row] == hashes[other] && equal(message, scope, row, other);
            if let Some(first) = seen.find_or_insert(hashes[row], row, same) {
                keep[row] = false;
                keep[first] &= self.keep != Keep::None;
            }
        };
        match self.keep {
            Keep::Last => (0..message.rows()).rev().for_each(&mut visit),
            _ => (0..message.rows()).for_each(&mut visit),
        }
        keep
    }
}

/// The rows seen so far: a hash table with linear probing, at most half full.
struct Seen {
    slots: Scratch<u32>,
}

impl Seen {
    const EMPTY: u32 = u32::MAX;

    fn of(rows: usize) -> Seen {
        let mut slots: Scratch<u32> = Scratch::default();
        slots.resize((2 * rows).next_power_of_two(), Self::EMPTY);
        Seen { slots }
    }

    /// The earlier row that equals this one; if there is none, inserts this one.
    fn find_or_insert(&mut self, hash: u64, row: usize, same: impl Fn(usize) -> bool) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while self.slots[slot] != Self::EMPTY {
            let other = self.slots[slot] as usize;
            if same(other) {
                return Some(other);
            }
            slot = (slot + 1) & mask;
        }
        // A bucket has no more than ten million rows.
        self.slots[slot] = row as u32;
        None
    }
}

/// The bits of a value, with one zero and one NaN, so that equal values have equal bits.
#[inline(always)]
fn bits(x: f64) -> u64 {
    if x.is_nan() { f64::NAN.to_bits() } else { (x + 0.0).to_bits() }
}

/// A hash for each row: block by block of rows, and column by column in each, so that hashes stay in cache and memory
/// is read in order.
fn hashes(message: &Message, scope: &Scope) -> Scratch<u64> {
    let mut hashes: Scratch<u64> = Scratch::default();
    hashes.resize(message.rows(), 0);
    let mut digests: Scratch<u64> = Scratch::default();
    for (block, start) in hashes.chunks_mut(BLOCK).zip((0..).step_by(BLOCK)) {
        for slot in &scope.numbers {
            mix_numbers(block, &message.column(*slot)[start..start + block.len()]);
        }
        digests.resize(block.len(), 0);
        for slot in &scope.texts {
            message.texts[*slot].digests(start, &mut digests);
            mix_words(block, &digests);
        }
    }
    hashes
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn mix_numbers(hashes: &mut [u64], values: &[f64]) {
    hashes.iter_mut().zip(values).for_each(|(hash, x)| *hash = mixed(*hash, bits(*x)));
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2", "x86_64+sse4.2"))]
fn mix_words(hashes: &mut [u64], words: &[u64]) {
    hashes.iter_mut().zip(words).for_each(|(hash, word)| *hash = mixed(*hash, *word));
}

/// A product carries low bits upwards, a shift brings them back down; vectors have both.
#[inline(always)]
fn mixed(hash: u64, bits: u64) -> u64 {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let product = (hash ^ bits).wrapping_add(ODD).wrapping_mul(ODD);
    product ^ (product >> 32)
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
            let rows =
                DropDuplicates { keep, horizon: None }.flags(&Message::from_columns(&columns), &Scope::numbers(1));
            rows.iter().map(|keep| u8::from(*keep)).collect::<Vec<_>>()
        };
        assert_eq!(kept(Keep::First), [1, 1, 0, 1, 0, 1, 0]);
        assert_eq!(kept(Keep::Last), [0, 1, 1, 0, 1, 0, 1]);
        assert_eq!(kept(Keep::None), [0, 1, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn three_equal_rows_and_keep_none() {
        let out = applied(&DropDuplicates { keep: Keep::None, horizon: None }, &[vec![5.0, 5.0, 5.0, 1.0]]).unwrap();
        assert_eq!(out, [[1.0]]);
    }
}
