//! Open-loop load: rows are due on a schedule, however far processing is behind.

use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How the times between arrivals vary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Arrivals {
    /// All are equal.
    #[default]
    Uniform,
    /// They are exponential: arrivals do not know of each other.
    Poisson,
}

/// How many rows arrive, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Rows a second.
    pub rate: f64,
    /// How the times between arrivals vary.
    pub arrivals: Arrivals,
    /// Rows that arrive at the same time, at least 1.
    pub burst: u64,
}

impl Load {
    /// Squared coefficient of variation of the times between full buckets of `bucket_size` rows: a bucket takes
    /// `bucket_size / burst` arrivals, whose times add up to an Erlang distribution.
    pub fn bucket_variation(&self, bucket_size: usize) -> f64 {
        match self.arrivals {
            Arrivals::Uniform => 0.0,
            Arrivals::Poisson => (self.burst as f64 / bucket_size as f64).min(1.0),
        }
    }
}

/// Later times are never due: the clock cannot represent them.
const LONGEST_INTERVAL: Duration = Duration::from_secs(100 * 365 * 86_400);

/// When the rows of a load are due, counted from its start.
pub struct Schedule {
    load: Load,
    rng: ChaCha8Rng,
    row: u64,
    due: f64,
}

impl Schedule {
    /// The same seed makes the same times.
    pub fn new(load: Load, seed: u64) -> Schedule {
        Schedule { load, rng: ChaCha8Rng::seed_from_u64(seed), row: 0, due: 0.0 }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let Load { rate, arrivals, burst } = self.load;
        let mean = (burst as f64 / rate).min(LONGEST_INTERVAL.as_secs_f64());
        let arrival = self.row / burst;
        if self.row.is_multiple_of(burst) {
            self.due = match arrivals {
                // Multiplied, not summed: the rounding errors of a sum would add up over hours.
                Arrivals::Uniform => arrival as f64 * mean,
                Arrivals::Poisson => self.due - mean * (1.0 - self.rng.random::<f64>()).ln(),
            };
        }
        self.row += 1;
        Some(Duration::try_from_secs_f64(self.due).map_or(LONGEST_INTERVAL, |due| due.min(LONGEST_INTERVAL)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(arrivals: Arrivals, burst: u64, rows: usize) -> Vec<f64> {
        let load = Load { rate: 1000.0, arrivals, burst };
        Schedule::new(load, 1).take(rows).map(|due| due.as_secs_f64()).collect()
    }

    #[test]
    fn uniform_rows_are_equally_far_apart() {
        let due = due(Arrivals::Uniform, 2, 5);
        assert_eq!(due, [0.0, 0.0, 0.002, 0.002, 0.004]);
    }

    #[test]
    fn poisson_arrivals_keep_the_rate_and_vary_as_exponential_times_do() {
        let due = due(Arrivals::Poisson, 10, 400_000);
        let apart: Vec<f64> = due.chunks(10).map(|burst| burst[0]).collect();
        assert!(due.chunks(10).all(|burst| burst.iter().all(|due| *due == burst[0])));
        let apart: Vec<f64> = apart.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mean = apart.iter().sum::<f64>() / apart.len() as f64;
        let variance = apart.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / apart.len() as f64;
        assert!((mean / 0.01 - 1.0).abs() < 0.02, "{mean}");
        assert!((variance / mean.powi(2) - 1.0).abs() < 0.05);
    }

    #[test]
    fn rows_that_are_due_in_ages_are_due_at_a_time_that_a_clock_can_tell() {
        for arrivals in [Arrivals::Uniform, Arrivals::Poisson] {
            for (rate, burst) in [(f64::MIN_POSITIVE, 1), (1e-300, u64::MAX), (1e-9, 1), (f64::MAX, 1)] {
                let due: Vec<Duration> = Schedule::new(Load { rate, arrivals, burst }, 1).take(5).collect();
                assert!(due.iter().all(|due| *due <= LONGEST_INTERVAL) && due.is_sorted(), "{rate}, {burst}: {due:?}");
                assert!(due.iter().all(|due| std::time::Instant::now().checked_add(*due).is_some()));
            }
        }
    }

    #[test]
    fn a_bucket_of_many_arrivals_varies_less() {
        let load = Load { rate: 1.0, arrivals: Arrivals::Poisson, burst: 10 };
        assert_eq!([10, 100].map(|size| load.bucket_variation(size)), [1.0, 0.1]);
        assert_eq!(load.bucket_variation(5), 1.0);
    }
}
