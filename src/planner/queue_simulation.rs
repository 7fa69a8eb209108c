//! A discrete-event simulation that the formulas are tested against.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::planner::QueueModel;

/// The waits of `arrivals` customers of a station, after a tenth as many to warm up.
///
/// A variation of 0 gives equal times, 1 / k gives Erlang-k times.
pub fn simulate(station: &QueueModel, arrivals: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut draw = |mean: f64, variation: f64| {
        if variation == 0.0 {
            return mean;
        }
        let stages = (1.0 / variation).round();
        (0..stages as usize).map(|_| -mean / stages * (1.0 - rng.random::<f64>()).ln()).sum::<f64>()
    };
    // Times are whole picoseconds, so that a heap can order them.
    let ticks = |seconds: f64| (seconds * 1e12) as u64;
    let mut free: BinaryHeap<Reverse<u64>> = (0..station.servers).map(|_| Reverse(0)).collect();
    let (warm_up, mut now) = (arrivals / 10, 0);
    let mut waits = Vec::with_capacity(arrivals);
    for arrival in 0..warm_up + arrivals {
        now += ticks(draw(1.0 / station.arrival_rate, station.arrival_variation));
        let Reverse(first_free) = free.pop().expect("there is a server");
        let start = first_free.max(now);
        free.push(Reverse(start + ticks(draw(station.service, station.service_variation))));
        if arrival >= warm_up {
            waits.push((start - now) as f64 / 1e12);
        }
    }
    waits
}
