//! A queueing station: one queue, and several servers that are alike.

use crate::planner::erlang::erlang_c;

/// G/G/c: `servers` equal servers, one queue, first come first served.
///
/// ```
/// use rowmill::planner::QueueModel;
/// // 0.75 messages a second, each a second of work: three seconds in the queue, or half of that if all are alike.
/// let model = QueueModel::mmc(1, 0.75, 1.0);
/// assert!((model.rho() - 0.75).abs() < 1e-12 && (model.mean_wait() - 3.0).abs() < 1e-9);
/// let alike = QueueModel { service_variation: 0.0, ..model };
/// assert!((alike.mean_wait() - 1.5).abs() < 1e-9);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QueueModel {
    /// Workers that serve one queue.
    pub servers: usize,
    /// Arrivals a second, lambda.
    pub arrival_rate: f64,
    /// Squared coefficient of variation of the times between arrivals: 0 for a clock, 1 for Poisson arrivals.
    pub arrival_variation: f64,
    /// Mean service time in seconds, 1 / mu.
    pub service: f64,
    /// Squared coefficient of variation of service times: 0 if all are alike, 1 for exponential ones.
    pub service_variation: f64,
}

impl QueueModel {
    /// M/M/c.
    pub fn mmc(servers: usize, arrival_rate: f64, service: f64) -> QueueModel {
        QueueModel { servers, arrival_rate, arrival_variation: 1.0, service, service_variation: 1.0 }
    }

    /// rho = lambda / (c mu). The queue is stable while it is less than 1.
    pub fn rho(&self) -> f64 {
        self.arrival_rate * self.service / self.servers as f64
    }

    /// The probability that an arrival waits in M/M/c, 0 to 1.
    pub fn probability_of_waiting(&self) -> f64 {
        erlang_c(self.servers, self.arrival_rate * self.service)
    }

    /// Mean time in the queue in seconds; infinite where the queue is not stable. Exact for M/M/c and M/G/1.
    ///
    /// Source: A. O. Allen, Probability, Statistics, and Queueing Theory (1990), section 5.3, the formula of Allen and
    /// Cunneen: the wait in M/M/c, C / (c mu - lambda), times the mean of the two squared variations. Where arrivals
    /// vary less than Poisson ones it is too long; the factor of W. Kraemer and M. Langenbach-Belz, Approximate formulae
    /// for the delay in the queueing system GI/G/1 (1976), mends that.
    pub fn mean_wait(&self) -> f64 {
        if self.rho() >= 1.0 {
            return f64::INFINITY;
        }
        let exponential = self.probability_of_waiting() * self.service / (self.servers as f64 * (1.0 - self.rho()));
        exponential * (self.arrival_variation + self.service_variation) / 2.0 * self.regularity()
    }

    /// The factor of Kraemer and Langenbach-Belz, 0 to 1.
    fn regularity(&self) -> f64 {
        let (arrivals, both) = (self.arrival_variation, self.arrival_variation + self.service_variation);
        if arrivals >= 1.0 || both == 0.0 {
            return 1.0;
        }
        (-2.0 * (1.0 - self.rho()) / (3.0 * self.rho()) * (1.0 - arrivals).powi(2) / both).exp()
    }

    /// Mean time in the queue of M/D/c in seconds, whatever the variations are: closer than Allen and Cunneen where
    /// service times are all alike and servers are several.
    ///
    /// Source: G. P. Cosmetatos, Some approximate equilibrium results for the multi-server queue M/G/r, Operational
    /// Research Quarterly 27 (1976).
    pub fn mean_wait_mdc(&self) -> f64 {
        let (c, rho) = (self.servers as f64, self.rho());
        let half = QueueModel { arrival_variation: 1.0, service_variation: 0.0, ..*self }.mean_wait();
        half * (1.0 + (1.0 - rho) * (c - 1.0) * ((4.0 + 5.0 * c).sqrt() - 2.0) / (16.0 * rho * c))
    }

    /// The probability that the wait is longer than `time` seconds, 0 to 1. Exact for M/M/c.
    pub fn probability_of_waiting_longer(&self, time: f64) -> f64 {
        self.wait().longer_than(time)
    }

    /// The distribution of the wait.
    pub fn wait(&self) -> WaitTime {
        WaitTime { probability: self.probability_of_waiting(), mean: self.mean_wait() }
    }
}

/// The distribution of the wait in a queue.
///
/// An arrival that waits has an exponential wait: exactly in M/M/c, and in heavy traffic for any times (J. F. C.
/// Kingman, 1962).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WaitTime {
    /// The probability of a wait, 0 to 1.
    probability: f64,
    /// The mean over all arrivals, in seconds.
    pub(super) mean: f64,
}

impl WaitTime {
    /// The same probability of a wait, and all waits `times` as long.
    pub fn stretched(self, times: f64) -> WaitTime {
        WaitTime { mean: times * self.mean, ..self }
    }

    /// The probability of a wait longer than `time` seconds, 0 to 1.
    pub fn longer_than(&self, time: f64) -> f64 {
        if self.mean == 0.0 { 0.0 } else { self.probability * (-time * self.probability / self.mean).exp() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planner::queue_simulation::simulate;

    fn close(value: f64, expected: f64, tolerance: f64) -> bool {
        (value / expected - 1.0).abs() < tolerance
    }

    #[test]
    fn single_servers_are_exact() {
        // L = rho / (1 - rho), so W = 4 and Wq = 4 - 1 at rho = 0.75 and mu = 1.
        assert!(close(QueueModel::mmc(1, 0.75, 1.0).mean_wait(), 3.0, 1e-12));
        let md1 = QueueModel { service_variation: 0.0, ..QueueModel::mmc(1, 0.75, 1.0) };
        assert!(close(md1.mean_wait(), 1.5, 1e-12) && close(md1.mean_wait_mdc(), 1.5, 1e-12));
        assert_eq!(QueueModel::mmc(2, 2.0, 1.0).mean_wait(), f64::INFINITY);
    }

    #[test]
    fn mean_and_tail_of_mmc_equal_a_simulation() {
        for (servers, rho) in [(1, 0.6), (2, 0.8), (4, 0.7), (8, 0.8)] {
            let station = QueueModel::mmc(servers, rho * servers as f64, 1.0);
            let waits = simulate(&station, 400_000, 1);
            let mean = waits.iter().sum::<f64>() / waits.len() as f64;
            assert!(close(station.mean_wait(), mean, 0.08), "{servers} {rho}: {} {mean}", station.mean_wait());
            let time = 2.0 * mean;
            let longer = waits.iter().filter(|wait| **wait > time).count() as f64 / waits.len() as f64;
            assert!(close(station.probability_of_waiting_longer(time), longer, 0.1), "{servers} {rho}: {longer}");
        }
    }

    #[test]
    fn mean_of_mdc_equals_a_simulation() {
        for (servers, rho) in [(1, 0.6), (2, 0.8), (4, 0.7)] {
            let station = QueueModel { service_variation: 0.0, ..QueueModel::mmc(servers, rho * servers as f64, 1.0) };
            let waits = simulate(&station, 400_000, 2);
            let mean = waits.iter().sum::<f64>() / waits.len() as f64;
            assert!(close(station.mean_wait_mdc(), mean, 0.06), "{servers} {rho}: {} {mean}", station.mean_wait_mdc());
        }
    }

    #[test]
    fn allen_and_cunneen_come_near_a_simulation() {
        for (servers, rho, arrival_variation, service_variation) in
            [(1, 0.8, 0.25, 0.25), (2, 0.8, 0.5, 0.1), (4, 0.9, 1.0, 0.25)]
        {
            let station = QueueModel {
                arrival_variation,
                service_variation,
                ..QueueModel::mmc(servers, rho * servers as f64, 1.0)
            };
            let waits = simulate(&station, 400_000, 3);
            let mean = waits.iter().sum::<f64>() / waits.len() as f64;
            assert!(close(station.mean_wait(), mean, 0.2), "{station:?}: {} {mean}", station.mean_wait());
        }
    }
}
