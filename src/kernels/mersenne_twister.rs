//! The random numbers of NumPy's `RandomState`, and of Python's `Random`: MT19937, seeded with one number.

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

    /// The state after Python's `random.Random(seed)`; its `random()` is [`MersenneTwister::random_sample`].
    pub fn of_python(seed: u64) -> MersenneTwister {
        let key: &[u32] = &[seed as u32, (seed >> 32) as u32];
        let key = if key[1] == 0 { &key[..1] } else { key };
        let mut random = MersenneTwister::new(19_650_218);
        let words = &mut random.words;
        let mixed = |before: u32, factor: u32| (before ^ (before >> 30)).wrapping_mul(factor);
        let mut place = 1;
        for step in 0..WORDS {
            let of_key = step % key.len();
            let word = words[place] ^ mixed(words[place - 1], 1_664_525);
            words[place] = word.wrapping_add(key[of_key]).wrapping_add(of_key as u32);
            place = following(words, place);
        }
        for _ in 1..WORDS {
            let word = words[place] ^ mixed(words[place - 1], 1_566_083_941);
            words[place] = word.wrapping_sub(place as u32);
            place = following(words, place);
        }
        words[0] = 0x8000_0000;
        random
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

/// The place after one; behind the last is the second, and the last word stands in the first place, too.
fn following(words: &mut [u32; WORDS], place: usize) -> usize {
    if place + 1 < WORDS {
        return place + 1;
    }
    words[0] = words[WORDS - 1];
    1
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

    /// `random.Random(42).random()` twice, and once of a seed of more than 32 bits.
    #[test]
    fn numbers_are_those_of_python() {
        let mut random = MersenneTwister::of_python(42);
        assert_eq!([(); 2].map(|()| random.random_sample()), [0.6394267984578837, 0.025010755222666936]);
        assert_eq!(MersenneTwister::of_python((1 << 40) + 5).random_sample(), 0.5043802970418443);
    }

    const FIRST: (u32, u32) = (327_741_615, 976_413_893);
    const SAMPLE: f64 = 0.7799187922401146;
    const LAST: u32 = 4;
}
