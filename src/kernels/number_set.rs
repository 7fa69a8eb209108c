//! The order in which a set of CPython gives its numbers, which decides between values that split a node as well.

/// Slots that are tried beside each other.
const NEIGHBOURS: usize = 9;
/// Hashes are remainders of this prime.
const MODULUS: u64 = (1 << 61) - 1;
const WORD: u32 = 61;

/// `hash(x)` of a finite float.
fn hash(x: f64) -> u64 {
    let bits = x.abs().to_bits();
    let (mantissa, exponent) = match (bits >> 52, bits & ((1 << 52) - 1)) {
        (0, mantissa) => (mantissa, -1074),
        (exponent, mantissa) => (mantissa | 1 << 52, exponent as i64 - 1075),
    };
    let turn = exponent.rem_euclid(i64::from(WORD)) as u32;
    // 2^61 is 1: a power of two turns the bits around.
    let turned = (u128::from(mantissa) << turn) % u128::from(MODULUS);
    let size = turned as u64;
    match x < 0.0 {
        false => size,
        // -1 is the mark of an error.
        true if size == 1 => 2_u64.wrapping_neg(),
        true => size.wrapping_neg(),
    }
}

/// A table of numbers with their hashes.
struct Slots(Vec<Option<(u64, f64)>>);

impl Slots {
    /// Puts a number that is not there into the first free slot of its walk.
    fn insert(&mut self, hash: u64, x: f64) {
        let mask = self.0.len() - 1;
        let (mut slot, mut perturbed) = (hash as usize & mask, hash);
        loop {
            let last = if slot + NEIGHBOURS <= mask { slot + NEIGHBOURS } else { slot };
            if let Some(free) = (slot..=last).find(|slot| self.0[*slot].is_none()) {
                self.0[free] = Some((hash, x));
                return;
            }
            perturbed >>= 5;
            slot = slot.wrapping_mul(5).wrapping_add(1).wrapping_add(perturbed as usize) & mask;
        }
    }
}

/// Distinct numbers as a set gives them to which they were added one by one.
pub fn order(added: &[f64]) -> Vec<f64> {
    let mut slots = Slots(vec![None; 8]);
    for (before, x) in added.iter().enumerate() {
        slots.insert(hash(*x), *x);
        let count = before + 1;
        if count * 5 >= (slots.0.len() - 1) * 3 {
            let least = if count > 50_000 { count * 2 } else { count * 4 };
            let larger = vec![None; (least + 1).next_power_of_two().max(8)];
            let old = std::mem::replace(&mut slots, Slots(larger));
            old.0.into_iter().flatten().for_each(|(hash, x)| slots.insert(hash, x));
        }
    }
    slots.0.into_iter().flatten().map(|(_, x)| x).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_python() {
        for (x, expected) in [
            (2.5, 1_152_921_504_606_846_978_i64),
            (-2.5, -1_152_921_504_606_846_978),
            (1e300, 1_224_995_262_755_759_164),
            (-1.0, -2),
            (0.1, 230_584_300_921_369_408),
            (-0.0, 0),
            (5e-324, 16_777_216),
            (7.0, 7),
        ] {
            assert_eq!(hash(x) as i64, expected, "{x}");
        }
    }

    /// `list({...})` of CPython 3.11.
    #[test]
    fn numbers_come_as_from_a_set() {
        for (added, expected) in [
            (vec![5.0, 1.0, 3.0], vec![1.0, 3.0, 5.0]),
            (vec![8.0, 0.0, 16.0, 1.0], vec![8.0, 0.0, 16.0, 1.0]),
            (vec![2.5, 0.1, -1.0, 1e300, 7.0], vec![0.1, 2.5, 7.0, 1e300, -1.0]),
        ] {
            assert_eq!(order(&added), expected);
        }
        let many: Vec<f64> = (0..23).map(|place| f64::from(place * 7 % 23)).collect();
        assert_eq!(order(&many), (0..23).map(f64::from).collect::<Vec<_>>());
    }
}
