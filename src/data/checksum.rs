//! A checksum that tells whether bytes that are read again are the same; not against intent.

/// Bytes that are taken in at once, a word a lane.
const BLOCK: usize = 32;
const ODD: u64 = 0x9E37_79B9_7F4A_7C15;

/// The checksum of slices: equal for equal ones, and different but by chance for others.
pub(super) fn checksum<'a>(slices: impl Iterator<Item = &'a [u8]>) -> u64 {
    let mut lanes = [1_u64, 2, 3, 4];
    for slice in slices {
        let (blocks, rest) = slice.as_chunks::<BLOCK>();
        blocks.iter().for_each(|block| take(&mut lanes, block));
        let mut last = [0; BLOCK];
        last[..rest.len()].copy_from_slice(rest);
        take(&mut lanes, &last);
        lanes[0] ^= slice.len() as u64;
    }
    lanes.iter().fold(0, |sum, lane| mixed(sum, *lane))
}

fn take(lanes: &mut [u64; 4], block: &[u8; BLOCK]) {
    let (words, _) = block.as_chunks();
    for (lane, word) in lanes.iter_mut().zip(words) {
        *lane = mixed(*lane, u64::from_le_bytes(*word));
    }
}

fn mixed(sum: u64, word: u64) -> u64 {
    let product = u128::from(sum.rotate_left(29) ^ word) * u128::from(ODD);
    (product as u64) ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_changed_byte_and_any_other_border_shows() {
        let bytes: Vec<u8> = (0..200).map(|byte| byte as u8).collect();
        let of = |slices: &[&[u8]]| checksum(slices.iter().copied());
        let mut found = std::collections::HashSet::from([of(&[&bytes])]);
        for place in 0..bytes.len() {
            let mut other = bytes.clone();
            other[place] ^= 1;
            assert!(found.insert(of(&[&other])) && found.insert(of(&[&bytes[..place], &bytes[place..]])), "{place}");
        }
        assert!(found.insert(of(&[&bytes, b"\0"])) && found.insert(of(&[&bytes, b"\0\0"])));
        assert_eq!(of(&[&bytes]), of(&[&bytes.clone()]));
    }
}
