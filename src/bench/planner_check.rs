//! Compares the planner's forecasts with measurements, in rounds: the median of many rounds does not depend on what
//! else the machine did in one of them.

use std::time::Duration;

use rand::seq::SliceRandom;

use crate::measure::median;
use crate::planner::{Demand, ServiceBehaviour, Trial, TrialDataflow, demand, measure};
use crate::runtime;
use crate::source::{Arrivals, Load};

/// The check of the forecasts of one dataflow at some loads.
#[derive(Clone, Debug)]
pub struct PlannerCheck {
    /// The dataflow.
    pub flow: TrialDataflow,
    /// Worker threads.
    pub workers: usize,
    /// Rows a message.
    pub bucket_size: usize,
    /// How long the oldest row of a partial bucket may wait.
    pub delay: Duration,
    /// Rows that arrive at the same time.
    pub burst: u64,
    /// Loads as shares of the capacity.
    pub shares: Vec<f64>,
    /// The number of rounds.
    pub rounds: usize,
    /// How long each load is held.
    pub duration: Duration,
}

/// Forecast and measurement of a load, as medians of all rounds. Times in seconds.
#[derive(Clone, Copy, Debug)]
pub struct CheckedLoad {
    /// The load as a share of the capacity.
    pub share: f64,
    /// Rounds that count: those in which the forecast's queue is stable.
    pub rounds: usize,
    /// Rows a second.
    pub rate: f64,
    /// The share of the workers' time that was work.
    pub rho: ForecastAndMeasured,
    /// The mean wait of a message, in seconds.
    pub mean_wait: ForecastAndMeasured,
}

/// A forecast and a measurement.
#[derive(Clone, Copy, Debug)]
pub struct ForecastAndMeasured {
    pub predicted: f64,
    pub measured: f64,
    /// The median of the ratio of the two.
    pub ratio: f64,
}

/// One load of one round.
struct MeasuredLoad {
    rate: f64,
    rho: (f64, f64),
    mean_wait: (f64, f64),
}

impl PlannerCheck {
    /// Measures the behaviour between all rounds, and each load once a round, in shuffled order. The forecast of a
    /// round is made from the mean of the behaviour just before and just after it.
    ///
    /// # Errors
    /// As [`runtime::run`].
    pub fn compare(&self, mut on_round: impl FnMut(usize)) -> Result<Vec<CheckedLoad>, runtime::Error> {
        let (mut before, _) = measure(&self.flow, self.workers, self.bucket_size)?;
        let mut met: Vec<Vec<MeasuredLoad>> = self.shares.iter().map(|_| Vec::new()).collect();
        for round in 0..self.rounds {
            on_round(round);
            let reports = self.round(&before)?;
            let (after, _) = measure(&self.flow, self.workers, self.bucket_size)?;
            let between = before.between(&after);
            for (share, load, rho, wait) in reports {
                let demand = self.demand(&load);
                if let Some(forecast) = between.forecast(&demand) {
                    let (rho, mean_wait) = ((forecast.rho, rho), (forecast.mean_wait, wait));
                    met[share].push(MeasuredLoad { rate: load.rate, rho, mean_wait });
                }
            }
            before = after;
        }
        let compared = self.shares.iter().zip(&met).filter(|(_, met)| !met.is_empty());
        Ok(compared.map(|(share, met)| compared_at(*share, met)).collect())
    }

    /// Measures each load; returns the index of its share, the load, rho, and the mean wait in seconds.
    fn round(&self, behaviour: &ServiceBehaviour) -> Result<Vec<(usize, Load, f64, f64)>, runtime::Error> {
        let PlannerCheck { workers, bucket_size, duration, burst, .. } = *self;
        let mut shares: Vec<(usize, f64)> = self.shares.iter().copied().enumerate().collect();
        shares.shuffle(&mut rand::rng());
        let hold = |(share, of_capacity): (usize, f64)| {
            let rate = of_capacity * behaviour.capacity * bucket_size as f64;
            let load = Load { rate, arrivals: Arrivals::Poisson, burst };
            let report = Trial { workers, bucket_size, load, duration }.run(&self.flow)?;
            let latency = report.latency_ns.message.inner().mean();
            let wait = (latency - report.service_ns.message.inner().mean()) / 1e9;
            Ok((share, load, report.rho, wait))
        };
        shares.into_iter().map(hold).collect()
    }

    fn demand(&self, load: &Load) -> Demand {
        demand(load, self.bucket_size, self.delay)
    }
}

fn compared_at(share: f64, met: &[MeasuredLoad]) -> CheckedLoad {
    let beside = |value: fn(&MeasuredLoad) -> (f64, f64)| {
        let middle = |of: fn((f64, f64)) -> f64| median(met.iter().map(|met| of(value(met))).collect());
        ForecastAndMeasured {
            predicted: middle(|of| of.0),
            measured: middle(|of| of.1),
            ratio: middle(|of| of.0 / of.1),
        }
    };
    let (rho, mean_wait) = (beside(|met| met.rho), beside(|met| met.mean_wait));
    CheckedLoad { share, rounds: met.len(), rate: median(met.iter().map(|met| met.rate).collect()), rho, mean_wait }
}
