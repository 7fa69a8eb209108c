//! Quantiles of a stream in bounded memory.
//!
//! A KLL sketch: Z. Karnin, K. Lang and E. Liberty, Optimal Quantile Approximation in Streams, FOCS 2016.

use serde::{Deserialize, Serialize};

/// A sketch of a stream of values, from which its quantiles are estimated.
///
/// Its coin is seeded: the same values in the same order give the same quantiles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KllSketch {
    /// A value in level `h` stands for `2^h` of the stream; all levels but the first are sorted.
    levels: Vec<Vec<f64>>,
    /// The state of the coin.
    coin: u64,
    least: f64,
    most: f64,
    /// How many values the levels hold.
    #[serde(skip)]
    held: usize,
    /// How many they may hold before one of them is compacted.
    #[serde(skip)]
    limit: usize,
}

/// The quantiles of the values that a sketch had seen when it was asked.
pub struct Quantiles {
    /// Values in order, each with the share of the stream that is not above it.
    steps: Vec<(f64, f64)>,
    least: f64,
    most: f64,
}

impl Default for KllSketch {
    fn default() -> KllSketch {
        let levels = vec![Vec::new()];
        KllSketch { levels, coin: KllSketch::SEED, least: f64::NAN, most: f64::NAN, held: 0, limit: KllSketch::K }
    }
}

impl KllSketch {
    /// How many values the highest level may hold: all levels together about three times so many.
    const K: usize = 1024;
    /// How many any level may hold at least.
    const NARROWEST: usize = 8;
    /// More levels than any stream fills: weights stay below `2^56`.
    const MOST_LEVELS: usize = 48;
    const SEED: u64 = 1;
    /// How far the rank of a quantile may lie from the one asked for, as a share of all values, in 99 of 100 cases:
    /// `2.296 / K^0.9723`, the fit of Apache DataSketches.
    pub const RANK_ERROR: f64 = 0.0028;

    /// Adds values; missing ones are ignored.
    pub fn extend(&mut self, values: &[f64]) {
        for x in values.iter().copied().filter(|x| !x.is_nan()) {
            self.levels[0].push(x);
            self.held += 1;
            if self.held > self.limit {
                self.compact();
            }
            self.least = self.least.min(x);
            self.most = self.most.max(x);
        }
    }

    /// Merges another sketch, as if its values had been added to this one.
    pub fn merge(&mut self, other: &KllSketch) {
        self.levels.resize(self.levels.len().max(other.levels.len()), Vec::new());
        for (level, theirs) in other.levels.iter().enumerate() {
            add(&mut self.levels, level, theirs.iter().copied());
        }
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
        self.count_room();
        while self.held > self.limit {
            self.compact();
        }
    }

    /// The sketch as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("a Vec takes everything")
    }

    /// The sketch from the bytes of [`KllSketch::to_bytes`].
    ///
    /// # Errors
    /// Bytes that are no sketch.
    pub fn from_bytes(bytes: &[u8]) -> Result<KllSketch, String> {
        let mut sketch: KllSketch = postcard::from_bytes(bytes).map_err(|error| error.to_string())?;
        if !(1..=KllSketch::MOST_LEVELS).contains(&sketch.levels.len()) {
            return Err(format!("a quantile sketch of {} levels", sketch.levels.len()));
        }
        sketch.count_room();
        if sketch.held > sketch.limit {
            return Err(format!("a quantile sketch of {} values", sketch.held));
        }
        let within = |x: &f64| sketch.least <= *x && *x <= sketch.most;
        if !sketch.levels.iter().flatten().all(within) || !sketch.levels[1..].iter().all(|level| level.is_sorted()) {
            return Err("a quantile sketch whose values are not in order".into());
        }
        Ok(sketch)
    }

    /// The quantiles of the values added; `None` without a value.
    pub fn quantiles(&self) -> Option<Quantiles> {
        let weighed = |(level, values): (usize, &Vec<f64>)| {
            let weight = (1u64 << level) as f64;
            values.iter().map(move |x| (*x, weight)).collect::<Vec<_>>()
        };
        let mut steps: Vec<(f64, f64)> = self.levels.iter().enumerate().flat_map(weighed).collect();
        steps.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut seen = 0.0;
        for (_, weight) in &mut steps {
            seen += *weight;
            *weight = seen;
        }
        steps.iter_mut().for_each(|(_, share)| *share /= seen);
        (!steps.is_empty()).then_some(Quantiles { steps, least: self.least, most: self.most })
    }

    /// Halves the lowest level that holds too much: of each two neighbours one stands for both in the level above.
    fn compact(&mut self) {
        let full = |level: &usize| self.levels[*level].len() > self.capacity(*level);
        let level = (0..self.levels.len()).find(full).expect("all together hold too much");
        let mut values = std::mem::take(&mut self.levels[level]);
        // An odd value stays, so that the weights add up to the number of values added.
        let single = if values.len() % 2 == 1 { values.pop() } else { None };
        if level == 0 {
            values.sort_unstable_by(f64::total_cmp);
        }
        let first = usize::from(self.toss());
        if level + 1 == self.levels.len() {
            self.levels.push(Vec::new());
        }
        add(&mut self.levels, level + 1, values.iter().copied().skip(first).step_by(2));
        values.clear();
        values.extend(single);
        self.levels[level] = values;
        self.count_room();
    }

    /// How many values a level may hold: the farther below the highest, the fewer.
    fn capacity(&self, level: usize) -> usize {
        let below = (self.levels.len() - 1 - level) as i32;
        let share = KllSketch::K as f64 * (2.0f64 / 3.0).powi(below);
        (share.ceil() as usize).max(KllSketch::NARROWEST)
    }

    fn count_room(&mut self) {
        self.held = self.levels.iter().map(Vec::len).sum();
        self.limit = (0..self.levels.len()).map(|level| self.capacity(level)).sum();
    }

    /// SplitMix64: G. L. Steele, D. Lea and C. H. Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014.
    fn toss(&mut self) -> bool {
        self.coin = self.coin.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.coin;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) >> 63 == 1
    }
}

/// Adds sorted values to a level; the first one is in no order.
fn add(levels: &mut [Vec<f64>], level: usize, sorted: impl Iterator<Item = f64>) {
    levels[level].extend(sorted);
    if level > 0 {
        // Two runs in order: the stable sort merges them.
        levels[level].sort_by(f64::total_cmp);
    }
}

impl Quantiles {
    /// A value whose rank lies within [`KllSketch::RANK_ERROR`] of `q` (0 to 1); the ends are exact.
    pub fn at(&self, q: f64) -> f64 {
        match q {
            0.0 => self.least,
            1.0 => self.most,
            q => {
                let place = self.steps.partition_point(|(_, share)| *share < q);
                self.steps[place.min(self.steps.len() - 1)].0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::seq::SliceRandom;
    use rand::{Rng, SeedableRng};

    const COUNT: u32 = 100_000;

    /// Values in orders that are hard on a sketch, each with its name.
    fn streams() -> Vec<(&'static str, Vec<f64>)> {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        let ascending: Vec<f64> = (0..COUNT).map(f64::from).collect();
        let mut shuffled = ascending.clone();
        shuffled.shuffle(&mut random);
        let descending = ascending.iter().rev().copied().collect();
        // From both ends to the middle, and from the middle to both ends.
        let inwards: Vec<f64> =
            (0..COUNT).map(|i| f64::from(if i % 2 == 0 { i / 2 } else { COUNT - 1 - i / 2 })).collect();
        let outwards = inwards.iter().rev().copied().collect();
        let saw = (0..COUNT).map(|i| f64::from(i % 1024 * 100 + i / 1024)).collect();
        let ties = (0..COUNT).map(|_| f64::from(random.random_range(0..40))).collect();
        let constant = vec![-0.0; COUNT as usize];
        let steep = (0..COUNT).map(|_| 10f64.powf(random.random_range(-300.0..300.0))).collect();
        let late = (0..COUNT).map(|i| if i < COUNT / 2 { 1e9 + f64::from(i) } else { -f64::from(i) }).collect();
        vec![
            ("shuffled", shuffled),
            ("ascending", ascending),
            ("descending", descending),
            ("inwards", inwards),
            ("outwards", outwards),
            ("saw", saw),
            ("ties", ties),
            ("constant", constant),
            ("steep", steep),
            ("late", late),
        ]
    }

    fn sketched(values: &[f64]) -> KllSketch {
        let mut sketch = KllSketch::default();
        sketch.extend(values);
        sketch
    }

    /// How many values of the stream a sketch stands for.
    fn weight(sketch: &KllSketch) -> usize {
        sketch.levels.iter().enumerate().map(|(level, values)| values.len() << level).sum()
    }

    /// Compares a sketch with the values that it has seen.
    fn check(name: &str, sketch: &KllSketch, mut seen: Vec<f64>) {
        let quantiles = sketch.quantiles().unwrap();
        seen.sort_by(f64::total_cmp);
        let n = seen.len() as f64;
        for q in (1..1000).map(|place| f64::from(place) / 1000.0) {
            let value = quantiles.at(q);
            let below = seen.partition_point(|x| *x < value) as f64 / n;
            let up_to = seen.partition_point(|x| *x <= value) as f64 / n;
            let error = KllSketch::RANK_ERROR;
            assert!(below <= q + error && q - error <= up_to, "{name}, {q}: {below} to {up_to}");
        }
        assert_eq!((quantiles.at(0.0), quantiles.at(1.0)), (seen[0], seen[seen.len() - 1]), "{name}");
        assert_eq!(weight(sketch), seen.len(), "{name}");
        assert!(
            sketch.held <= 3 * KllSketch::K + KllSketch::NARROWEST * sketch.levels.len(),
            "{name}: {}",
            sketch.held
        );
    }

    #[test]
    fn ranks_are_within_the_stated_error_in_any_order() {
        for (name, stream) in streams() {
            let mut sketch = KllSketch::default();
            stream.chunks(997).for_each(|chunk| sketch.extend(chunk));
            check(name, &sketch, stream);
        }
    }

    #[test]
    fn few_values_have_their_exact_quantiles() {
        let mut values: Vec<f64> = (1..=KllSketch::K as u32).map(f64::from).collect();
        values.reverse();
        let quantiles = sketched(&values).quantiles().unwrap();
        for rank in 1..=KllSketch::K {
            assert_eq!(quantiles.at(rank as f64 / KllSketch::K as f64), rank as f64);
        }
    }

    #[test]
    fn merged_sketches_are_within_the_stated_error() {
        for (name, stream) in streams() {
            // Parts of all sizes, one after the other, and two halves that grew alike.
            let mut sketch = KllSketch::default();
            let (mut rest, mut size) = (&stream[..], 1);
            while !rest.is_empty() {
                let (part, later) = rest.split_at(size.min(rest.len()));
                sketch.merge(&sketched(part));
                (rest, size) = (later, size * 3);
            }
            check(name, &sketch, stream.clone());
            let (first, second) = stream.split_at(stream.len() / 2);
            let mut sketch = sketched(first);
            sketch.merge(&sketched(second));
            check(name, &sketch, stream);
        }
    }

    #[test]
    fn merging_nothing_changes_nothing() {
        let mut sketch = sketched(&streams()[0].1);
        let before = sketch.clone();
        sketch.merge(&KllSketch::default());
        assert_eq!(sketch, before);
        let mut empty = KllSketch::default();
        empty.merge(&before);
        check("into an empty one", &empty, streams()[0].1.clone());
    }

    #[test]
    fn how_values_are_cut_into_messages_does_not_matter() {
        for (name, stream) in streams() {
            let mut rows = KllSketch::default();
            stream.iter().for_each(|x| rows.extend(&[*x]));
            assert_eq!(rows, sketched(&stream), "{name}");
        }
    }

    #[test]
    fn a_sketch_goes_on_from_its_bytes() {
        for (name, stream) in streams() {
            for cut in [0, 1, 1024, 31_000, stream.len()] {
                let (first, rest) = stream.split_at(cut);
                let mut whole = sketched(first);
                let bytes = whole.to_bytes();
                let mut half = KllSketch::from_bytes(&bytes).unwrap();
                assert_eq!(half.to_bytes(), bytes, "{name}, {cut}");
                whole.extend(rest);
                half.extend(rest);
                // By its bytes: the ends of an empty sketch are NaN.
                assert_eq!(whole.to_bytes(), half.to_bytes(), "{name}, {cut}");
                assert_eq!((whole.held, whole.limit), (half.held, half.limit), "{name}, {cut}");
            }
        }
    }

    #[test]
    fn bytes_of_something_else_are_refused() {
        assert!(KllSketch::from_bytes(b"nonsense").is_err());
        let sketch = sketched(&streams()[0].1);
        let bytes = sketch.to_bytes();
        for length in (0..bytes.len()).step_by(101) {
            assert!(KllSketch::from_bytes(&bytes[..length]).is_err(), "{length}");
        }
        let with = |change: fn(&mut KllSketch)| {
            let mut other = sketch.clone();
            change(&mut other);
            KllSketch::from_bytes(&other.to_bytes())
        };
        assert!(with(|_| ()).is_ok());
        for refused in [
            with(|sketch| sketch.levels.clear()),
            with(|sketch| sketch.levels.resize(64, Vec::new())),
            with(|sketch| sketch.levels[0].resize(9999, 1.0)),
            with(|sketch| sketch.levels[1].reverse()),
            with(|sketch| sketch.levels[0].push(f64::NAN)),
            with(|sketch| sketch.most = 0.0),
            with(|sketch| sketch.least = f64::NAN),
        ] {
            assert!(refused.is_err(), "{:?}", refused.map(|sketch| sketch.held));
        }
    }

    #[test]
    fn nothing_has_no_quantile() {
        let mut sketch = KllSketch::default();
        sketch.extend(&[f64::NAN]);
        assert!(sketch.quantiles().is_none());
    }
}
