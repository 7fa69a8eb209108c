//! A window of values that forgets its beginning when its mean has changed: ADWIN2, as river has it.
//!
//! A. Bifet and R. Gavaldà, Learning from Time-Changing Data with Adaptive Windowing, 2007.

use serde::{Deserialize, Serialize};

/// When a window is cut.
#[derive(Clone, Copy, Debug)]
pub struct Cutting {
    /// How likely a cut may be where nothing has changed.
    pub delta: f64,
    /// How many values come between two looks for a change.
    pub clock: u32,
    /// The most buckets of one size.
    pub max_buckets: usize,
    /// The least values on either side of a cut.
    pub min_window_length: u32,
    /// No change is looked for among so many values.
    pub grace_period: u32,
}

/// Consecutive values: their sum, and the sum of their squared deviations.
type WindowBucket = (f64, f64);

/// The values since the last change, the older the coarser.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AdaptiveWindow {
    /// Buckets of 1, 2, 4, ... values; of one size the oldest first.
    buckets: Vec<Vec<WindowBucket>>,
    width: f64,
    total: f64,
    variance: f64,
    ticks: u32,
}

/// The values of a bucket.
fn size(level: usize) -> f64 {
    (level as f64).exp2()
}

impl AdaptiveWindow {
    /// How many values it holds.
    pub fn width(&self) -> f64 {
        self.width
    }

    /// The mean of its values; 0 without any.
    pub fn mean(&self) -> f64 {
        if self.width == 0.0 { 0.0 } else { self.total / self.width }
    }

    /// Whether it is a window that is cut so.
    pub fn fits(&self, cutting: &Cutting) -> bool {
        let sizes = self.buckets.iter().enumerate().map(|(level, row)| size(level) * row.len() as f64);
        self.buckets.iter().all(|row| row.len() <= cutting.max_buckets) && sizes.sum::<f64>() == self.width
    }

    /// Adds a value; whether the mean has changed, and the values before that are forgotten.
    pub fn update(&mut self, value: f64, cutting: &Cutting) -> bool {
        if self.buckets.is_empty() {
            self.buckets.push(Vec::new());
        }
        self.buckets[0].push((value, 0.0));
        self.width += 1.0;
        if self.width > 1.0 {
            let before = self.width - 1.0;
            let apart = value - self.total / before;
            self.variance += before * apart * apart / self.width;
        }
        self.total += value;
        self.merge(cutting.max_buckets);
        self.ticks = self.ticks.wrapping_add(1);
        let mut changed = false;
        if self.ticks.is_multiple_of(cutting.clock) && self.width > f64::from(cutting.grace_period) {
            while self.is_two(cutting) {
                self.forget();
                changed = true;
            }
        }
        changed
    }

    /// Merges the two oldest buckets of a size of which there are too many.
    fn merge(&mut self, most: usize) {
        let mut level = 0;
        while level < self.buckets.len() && self.buckets[level].len() > most {
            let count = size(level);
            let [(one, of_one), (other, of_other)] = [self.buckets[level][0], self.buckets[level][1]];
            let apart = one / count - other / count;
            let between = count * count * apart * apart / (count + count);
            self.buckets[level].drain(..2);
            if level + 1 == self.buckets.len() {
                self.buckets.push(Vec::new());
            }
            self.buckets[level + 1].push((one + other, of_one + of_other + between));
            level += 1;
        }
    }

    /// Whether some beginning of it has another mean than the rest.
    fn is_two(&self, cutting: &Cutting) -> bool {
        let least = f64::from(cutting.min_window_length);
        let (mut before, mut sum_before) = (0.0, 0.0);
        let (mut after, mut sum_after) = (self.width, self.total);
        let from_oldest = self.buckets.iter().enumerate().rev();
        for (level, (sum, _)) in from_oldest.flat_map(|(level, row)| row.iter().map(move |bucket| (level, bucket))) {
            before += size(level);
            after -= size(level);
            sum_before += sum;
            sum_after -= sum;
            if after <= 0.0 {
                break;
            }
            let apart = sum_before / before - sum_after / after;
            if after >= least && before >= least && self.is_far(before, after, apart, cutting) {
                return true;
            }
        }
        false
    }

    /// Whether the means of two parts are farther apart than chance has them.
    fn is_far(&self, before: f64, after: f64, apart: f64, cutting: &Cutting) -> bool {
        let least = f64::from(cutting.min_window_length);
        let delta = (2.0 * self.width.ln() / cutting.delta).ln();
        let shares = 1.0 / (before - least + 1.0) + 1.0 / (after - least + 1.0);
        let far = (2.0 * shares * (self.variance / self.width) * delta).sqrt() + 2.0 / 3.0 * delta * shares;
        apart.abs() > far
    }

    /// Drops the oldest bucket.
    fn forget(&mut self) {
        let count = size(self.buckets.len() - 1);
        let Some(oldest) = self.buckets.last_mut() else { return };
        let (sum, deviations) = oldest.remove(0);
        if oldest.is_empty() {
            self.buckets.pop();
        }
        self.width -= count;
        self.total -= sum;
        let apart = sum / count - self.total / self.width;
        self.variance -= deviations + count * self.width * apart * apart / (count + self.width);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Cutting = Cutting { delta: 0.002, clock: 8, max_buckets: 5, min_window_length: 5, grace_period: 10 };

    /// `drift.ADWIN(clock=8)` over the same values, which begins anew behind a change.
    #[test]
    fn windows_are_cut_where_river_cuts_them() {
        let (mut window, mut cuts) = (AdaptiveWindow::default(), Vec::new());
        for place in 0..600_u32 {
            let value = f64::from(place * 7919 % 1000) / 1000.0 + [0.0, 1.5, -0.75][place as usize / 200];
            if window.update(value, &USUAL) {
                cuts.push((place, window.width(), window.mean()));
                window = AdaptiveWindow::default();
            }
            assert!(window.fits(&USUAL));
        }
        assert_eq!(cuts, [(215, 56.0, 0.9553571428571438), (407, 160.0, 1.8850000000000002)]);
        assert_eq!((window.width(), window.total), (192.0, -46.431999999999995));
        assert_eq!((window.variance, window.mean()), (15.896954666666662, -0.24183333333333332));
    }
}
