//! The random numbers of NumPy's `RandomState`: MT19937, seeded with one number.

const WORDS: usize = 624;
const MIDDLE: usize = 397;

/// NumPy's `RandomState` of a seed.
pub struct MersenneTwister {
    words: [u32; WORDS],
    place: usize,
}

impl MersenneTwister {
    /// The state after `RandomState(seed)`.
    pub fn new(seed: u32) -> MersenneTwister {
        let mut words = [seed; WORDS];
        for place in 1..WORDS {
            let before = words[place - 1];
            words[place] = 1_812_433_253_u32.wrapping_mul(before ^ (before >> 30)).wrapping_add(place as u32);
        }
        MersenneTwister { words, place: WORDS }
    }

    fn next(&mut self) -> u32 {
        if self.place == WORDS {
            self.twist();
        }
        let mut word = self.words[self.place];
        self.place += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn twist(&mut self) {
        for place in 0..WORDS {
            let joined = (self.words[place] & 0x8000_0000) | (self.words[(place + 1) % WORDS] & 0x7fff_ffff);
            let odd = if joined & 1 == 0 { 0 } else { 0x9908_b0df };
            self.words[place] = self.words[(place + MIDDLE) % WORDS] ^ (joined >> 1) ^ odd;
        }
        self.place = 0;
    }

    /// A whole number of a range: `randint(start, end)`.
    ///
    /// # Panics
    /// If the range is empty, which is an error of the caller.
    pub fn randint(&mut self, range: std::ops::Range<u32>) -> u32 {
        let most = range.end.checked_sub(range.start + 1).expect("a range that is not empty");
        let mask = u32::MAX.checked_shr(most.leading_zeros()).unwrap_or(0);
        if most == 0 {
            return range.start;
        }
        loop {
            let drawn = self.next() & mask;
            if drawn <= most {
                return range.start + drawn;
            }
        }
    }

    /// A number from 0 to below 1, of 53 bits: `random_sample()`.
    pub fn random_sample(&mut self) -> f64 {
        let (high, low) = (self.next() >> 5, self.next() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `RandomState(7)`: `randint(2147483647)`, `randint(1, 2147483647)`, `random_sample()`; and 700 draws later.
    #[test]
    fn numbers_are_those_of_numpy() {
        let mut random = MersenneTwister::new(7);
        let most = i32::MAX as u32;
        assert_eq!((random.randint(0..most), random.randint(1..most)), FIRST);
        assert_eq!(random.random_sample(), SAMPLE);
        let last = (0..700).map(|_| random.randint(0..10)).last();
        assert_eq!((last, random.randint(3..4)), (Some(LAST), 3));
    }

    const FIRST: (u32, u32) = (327_741_615, 976_413_893);
    const SAMPLE: f64 = 0.7799187922401146;
    const LAST: u32 = 4;
}
