//! Latency against offered load, up to saturation.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::lines;
use crate::planner::{ServiceBehaviour, Trial, TrialDataflow, demand, measure};
use crate::runtime;
use crate::source::{Arrivals, Load};

/// Offered loads as shares of the capacity.
const SHARES: [f64; 10] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];
/// Bisection steps between the last rate within the bound and the first beyond it.
const HALVINGS: usize = 4;

/// A sweep of offered loads over one dataflow.
#[derive(Clone, Debug)]
pub struct LoadSweep {
    /// The dataflow.
    pub flow: TrialDataflow,
    /// Worker threads.
    pub workers: usize,
    /// Rows a message.
    pub bucket_size: usize,
    /// How long the oldest row of a partial bucket may wait.
    pub delay: Duration,
    /// How the times between arrivals vary.
    pub arrivals: Arrivals,
    /// Rows that arrive at the same time.
    pub burst: u64,
    /// How long each rate is held.
    pub duration: Duration,
}

/// The measurement at one rate: a line of `latency-wW-bB.csv`. Latencies in nanoseconds, from when a row was due.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct LoadPoint {
    /// Worker threads.
    pub workers: usize,
    /// Rows a message.
    pub bucket_size: usize,
    /// Rows a second that were offered.
    pub rate: f64,
    /// Rows a second that were served.
    pub served: f64,
    /// The share of the workers' time that was work.
    pub rho: f64,
    /// The median latency of a row, in nanoseconds like all that follow.
    pub latency_row_p50: u64,
    /// The 90th percentile.
    pub latency_row_p90: u64,
    /// The 99th percentile.
    pub latency_row_p99: u64,
    /// The 99.9th percentile.
    pub latency_row_p999: u64,
    /// The 99.99th percentile.
    pub latency_row_p9999: u64,
    /// The longest.
    pub latency_row_max: u64,
    /// The median that the queueing model forecasts; `None` if its queue is not stable.
    pub predicted_row_p50: Option<f64>,
    /// The 99th percentile that it forecasts.
    pub predicted_row_p99: Option<f64>,
}

impl LoadSweep {
    /// Measures rates from a tenth of the capacity to all of it, and calls `on_rung` with each. If some keep `p99` and
    /// some do not, it then bisects for the highest that does.
    ///
    /// # Errors
    /// As [`runtime::run`].
    pub fn climb(&self, p99: Duration, mut on_rung: impl FnMut(&LoadPoint)) -> Result<Vec<LoadPoint>, runtime::Error> {
        let (behaviour, _) = measure(&self.flow, self.workers, self.bucket_size)?;
        let capacity = behaviour.capacity * self.bucket_size as f64;
        let mut points = Vec::new();
        let mut step = |rate: f64| -> Result<bool, runtime::Error> {
            let point = self.point(rate, &behaviour)?;
            on_rung(&point);
            points.push(point);
            Ok(point.holds(p99))
        };
        let (mut low, mut high) = (0.0, None);
        for share in SHARES {
            match step(share * capacity)? {
                true if high.is_none() => low = share * capacity,
                true => {}
                false => high = high.or(Some(share * capacity)),
            }
        }
        for _ in 0..HALVINGS {
            let Some(above) = high.filter(|_| low > 0.0) else { break };
            let middle = (low + above) / 2.0;
            if step(middle)? { low = middle } else { high = Some(middle) }
        }
        points.sort_by(|a, b| a.rate.total_cmp(&b.rate));
        Ok(points)
    }

    fn point(&self, rate: f64, behaviour: &ServiceBehaviour) -> Result<LoadPoint, runtime::Error> {
        let LoadSweep { workers, bucket_size, arrivals, burst, duration, .. } = *self;
        let load = Load { rate, arrivals, burst };
        let report = Trial { workers, bucket_size, load, duration }.run(&self.flow)?;
        let row = report.latency_ns.row.inner();
        let at = |quantile| row.value_at_quantile(quantile);
        let forecast = behaviour.forecast(&demand(&load, bucket_size, self.delay));
        let predicted = |quantile| forecast.map(|forecast| forecast.row_latency(quantile) * 1e9);
        Ok(LoadPoint {
            workers,
            bucket_size,
            rate,
            served: report.rows_per_second,
            rho: report.rho,
            latency_row_p50: at(0.5),
            latency_row_p90: at(0.9),
            latency_row_p99: at(0.99),
            latency_row_p999: at(0.999),
            latency_row_p9999: at(0.9999),
            latency_row_max: row.max(),
            predicted_row_p50: predicted(0.5),
            predicted_row_p99: predicted(0.99),
        })
    }
}

impl LoadPoint {
    /// Whether the 99th percentile of latency is within a bound.
    pub fn holds(&self, p99: Duration) -> bool {
        self.served > 0.0 && u128::from(self.latency_row_p99) <= p99.as_nanos()
    }
}

/// Writes the points of a sweep into a directory, replacing those of an earlier one.
///
/// # Errors
/// Files that can't be written.
pub fn write(directory: &Path, points: &[LoadPoint]) -> Result<(), String> {
    let Some(LoadPoint { workers, bucket_size, .. }) = points.first() else { return Ok(()) };
    let named = |error: std::io::Error| format!("{}: {error}", directory.display());
    std::fs::create_dir_all(directory).map_err(named)?;
    let path = directory.join(format!("latency-w{workers}-b{bucket_size}.csv"));
    if path.exists() {
        std::fs::remove_file(&path).map_err(named)?;
    }
    points.iter().try_for_each(|point| lines::append(&path, point))
}
