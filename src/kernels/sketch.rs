//! Quantiles of a stream in bounded memory.
//!
//! A KLL sketch: Z. Karnin, K. Lang and E. Liberty, Optimal Quantile Approximation in Streams, FOCS 2016.

use asap_sketchlib::kll::{Cdf, Kll};

/// What has been seen of a stream of values, to answer for its quantiles.
///
/// Its coin is seeded: the same values in the same order give the same quantiles.
pub struct Sketch {
    kll: Kll<f64>,
    least: f64,
    most: f64,
}

/// The quantiles of the values that a sketch had seen when it was asked.
pub struct Quantiles {
    cdf: Cdf,
    least: f64,
    most: f64,
}

impl Default for Sketch {
    fn default() -> Sketch {
        Sketch { kll: Kll::with_k_and_seed(Sketch::K, Sketch::SEED), least: f64::NAN, most: f64::NAN }
    }
}

impl Sketch {
    /// About three times so many values are kept.
    const K: i32 = 1024;
    const SEED: u64 = 1;
    /// How far the rank of a quantile may lie from the one asked for, as a share of all values, in 99 of 100 cases:
    /// `2.296 / K^0.9723`, the fit of Apache DataSketches.
    pub const RANK_ERROR: f64 = 0.0028;

    /// Takes in values; missing ones are left out.
    pub fn extend(&mut self, values: &[f64]) {
        for x in values.iter().filter(|x| !x.is_nan()) {
            self.kll.update(x);
            self.least = self.least.min(*x);
            self.most = self.most.max(*x);
        }
    }

    /// All that the sketch knows.
    pub fn to_bytes(&self) -> Vec<u8> {
        let kll = self.kll.to_asapv1().expect("a Vec takes everything");
        [&self.least.to_le_bytes()[..], &self.most.to_le_bytes(), &kll].concat()
    }

    /// The sketch with that knowledge.
    ///
    /// # Errors
    /// Bytes of something else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Sketch, String> {
        let (least, rest) = bytes.split_first_chunk().ok_or("too short")?;
        let (most, kll) = rest.split_first_chunk().ok_or("too short")?;
        let kll = Kll::from_asapv1(kll).map_err(|error| error.to_string())?;
        Ok(Sketch { kll, least: f64::from_le_bytes(*least), most: f64::from_le_bytes(*most) })
    }

    /// The quantiles of what was taken in; `None` without a value.
    pub fn quantiles(&self) -> Option<Quantiles> {
        (!self.least.is_nan()).then(|| Quantiles { cdf: self.kll.cdf(), least: self.least, most: self.most })
    }
}

impl Quantiles {
    /// A value whose rank lies within [`Sketch::RANK_ERROR`] of `q` (0 to 1); the ends are exact.
    pub fn at(&self, q: f64) -> f64 {
        match q {
            0.0 => self.least,
            1.0 => self.most,
            q => self.cdf.value_at(q).clamp(self.least, self.most),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::seq::SliceRandom;
    use rand::{Rng, SeedableRng};

    /// Values in three orders: shuffled, ascending, and with many ties.
    fn streams() -> [Vec<f64>; 3] {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        let mut shuffled: Vec<f64> = (0..100_000).map(f64::from).collect();
        let ascending = shuffled.clone();
        shuffled.shuffle(&mut random);
        let ties = (0..100_000).map(|_| f64::from(random.random_range(0..40))).collect();
        [shuffled, ascending, ties]
    }

    #[test]
    fn ranks_are_within_the_stated_error() {
        for stream in streams() {
            let mut sketch = Sketch::default();
            stream.chunks(997).for_each(|chunk| sketch.extend(chunk));
            let quantiles = sketch.quantiles().unwrap();
            let mut sorted = stream;
            sorted.sort_by(f64::total_cmp);
            for q in (1..100).map(|percent| f64::from(percent) / 100.0) {
                let value = quantiles.at(q);
                let n = sorted.len() as f64;
                let below = sorted.partition_point(|x| *x < value) as f64 / n;
                let up_to = sorted.partition_point(|x| *x <= value) as f64 / n;
                assert!(below <= q + Sketch::RANK_ERROR && q - Sketch::RANK_ERROR <= up_to, "{q}: {below} to {up_to}");
            }
            assert_eq!((quantiles.at(0.0), quantiles.at(1.0)), (sorted[0], sorted[sorted.len() - 1]));
        }
    }

    #[test]
    fn how_values_are_cut_into_messages_does_not_matter() {
        let [stream, ..] = streams();
        let of = |size| {
            let mut sketch = Sketch::default();
            stream.chunks(size).for_each(|chunk| sketch.extend(chunk));
            sketch.quantiles().unwrap().at(0.3)
        };
        assert_eq!(of(1), of(1000));
    }

    #[test]
    fn a_sketch_goes_on_from_its_bytes() {
        for stream in streams() {
            let (first, rest) = stream.split_at(31_000);
            let mut whole = Sketch::default();
            whole.extend(first);
            let mut half = Sketch::from_bytes(&whole.to_bytes()).unwrap();
            whole.extend(rest);
            half.extend(rest);
            let quantiles = |sketch: &Sketch| {
                let quantiles = sketch.quantiles().unwrap();
                [0.0, 0.1, 0.5, 0.77, 1.0].map(|q| quantiles.at(q))
            };
            assert_eq!(quantiles(&whole), quantiles(&half));
        }
        assert!(Sketch::from_bytes(b"nonsense").is_err());
    }

    #[test]
    fn nothing_has_no_quantile() {
        let mut sketch = Sketch::default();
        sketch.extend(&[f64::NAN]);
        assert!(sketch.quantiles().is_none());
    }
}
