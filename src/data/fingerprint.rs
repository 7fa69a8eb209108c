//! A hash that is the same in every process, on every machine and in every version of this program.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

/// 128 bits of SipHash 1-3 with a key of zeros (J.-P. Aumasson and D. J. Bernstein, SipHash, 2012): among a thousand
/// million different texts, two collide with a chance of about 10^-21.
pub fn fingerprint(bytes: &[u8]) -> u128 {
    let mut hasher = SipHasher13::new();
    hasher.write(bytes);
    hasher.finish128().as_u128()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_stay_what_they_are() {
        // Checkpoints store hashes; the expected number is from an implementation of the paper in Python.
        assert_eq!(fingerprint(b"rowmill"), 0x6428_ddb1_78a8_6fc8_0835_38d1_8bbc_8e35);
    }
}
