//! Forecasts utilization and latency of a dataflow under an arrival rate.

use crate::planner::queue_model::{QueueModel, WaitTime};

/// The measured behaviour of a dataflow on a number of workers. Times in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServiceBehaviour {
    /// Worker threads.
    pub workers: usize,
    /// Rows a message.
    pub bucket_size: usize,
    /// Mean service time of a message on nearly idle workers.
    pub service_idle: f64,
    /// Mean service time of a message on saturated workers.
    pub service_busy: f64,
    /// Squared coefficient of variation of service times.
    pub service_variation: f64,
    /// Latency of a message beside its service on nearly idle workers: hand-over, exchange, progress.
    pub overhead: f64,
    /// Messages a second of saturated workers.
    pub capacity: f64,
    /// The measured wait in the queue as a multiple of the modelled one; 1 if it was not measured.
    pub congestion: f64,
}

/// The arrival of rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    /// Rows a second.
    pub rate: f64,
    /// Rows that arrive at the same time.
    pub burst: f64,
    /// Squared coefficient of variation of the times between full buckets.
    pub bucket_variation: f64,
    /// How long the oldest row of a partial bucket may wait, in seconds.
    pub delay: f64,
}

/// The forecast for a demand. Times in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// lambda / (c mu), where mu is the rate of one saturated worker, with what is between messages.
    pub rho: f64,
    /// Busy time of a message on its worker: service, and what is between messages.
    pub busy: f64,
    /// Mean service time of a message.
    pub service: f64,
    /// Mean latency of a message beside its service.
    pub mean_wait: f64,
    overhead: f64,
    /// How long the first row of a bucket waits for the last one.
    fill: f64,
    wait: WaitTime,
}

impl ServiceBehaviour {
    /// With the congestion that follows from a mean wait, in seconds, measured under a demand: workers share cores with
    /// the source and with each other, and exchange messages.
    pub fn calibrated(self, demand: &Demand, mean_wait: f64) -> ServiceBehaviour {
        let modelled = ServiceBehaviour { congestion: 1.0, ..self }.forecast(demand).map(|forecast| forecast.mean_wait);
        let Some(modelled) = modelled.filter(|modelled| *modelled > self.overhead) else { return self };
        ServiceBehaviour { congestion: ((mean_wait - self.overhead) / (modelled - self.overhead)).max(0.0), ..self }
    }

    /// The mean of two measurements.
    pub fn between(&self, other: &ServiceBehaviour) -> ServiceBehaviour {
        let middle = |of: fn(&ServiceBehaviour) -> f64| (of(self) + of(other)) / 2.0;
        ServiceBehaviour {
            service_idle: middle(|of| of.service_idle),
            service_busy: middle(|of| of.service_busy),
            service_variation: middle(|of| of.service_variation),
            overhead: middle(|of| of.overhead),
            capacity: middle(|of| of.capacity),
            congestion: middle(|of| of.congestion),
            ..*self
        }
    }

    /// The forecast for a demand; `None` if the queue is not stable.
    pub fn forecast(&self, demand: &Demand) -> Option<Forecast> {
        let full = self.bucket_size as f64;
        // The delay closes buckets that take longer to fill.
        let rows = full.min((demand.rate * demand.delay).max(demand.burst.max(1.0)));
        let arrival_rate = demand.rate / rows;
        let scale = rows / full;
        // Busy time of a saturated worker for a message, beside its service.
        let own_cost = (self.workers as f64 / self.capacity - self.service_busy).max(0.0);
        let offered = arrival_rate * scale / self.workers as f64;
        // Busy workers find code and rows in cache: service = idle + s (busy - idle), solved for s, the
        // share of their time that they serve.
        let served = offered * self.service_idle / (1.0 + offered * (self.service_idle - self.service_busy));
        let service = scale * (self.service_idle + served.min(1.0) * (self.service_busy - self.service_idle));
        let station = QueueModel {
            servers: self.workers,
            arrival_rate,
            arrival_variation: demand.bucket_variation,
            service: service + own_cost,
            service_variation: self.service_variation,
        };
        if station.rho() >= 1.0 {
            return None;
        }
        let wait = station.wait().stretched(self.congestion);
        let mean_wait = self.overhead + wait.mean;
        let fill = ((full - demand.burst).max(0.0) / demand.rate).min(demand.delay);
        Some(Forecast {
            rho: station.rho(),
            busy: station.service,
            service,
            mean_wait,
            overhead: self.overhead,
            fill,
            wait,
        })
    }
}

impl Forecast {
    /// Mean latency of a message: from the close of its bucket to its completion.
    pub fn mean_latency(&self) -> f64 {
        self.service + self.mean_wait
    }

    /// A quantile of the latency of messages; `quantile` from 0 to 1.
    pub fn message_latency(&self, quantile: f64) -> f64 {
        self.latency(quantile, 0.0)
    }

    /// A quantile of the latency of rows, with the wait until the bucket is full; `quantile` from 0 to 1.
    pub fn row_latency(&self, quantile: f64) -> f64 {
        self.latency(quantile, self.fill)
    }

    /// The quantile of a wait in the bucket, uniform up to `fill`, plus the wait in the queue, plus service.
    fn latency(&self, quantile: f64, fill: f64) -> f64 {
        const STEPS: usize = 64;
        let longer = |time: f64| {
            let at = |step: usize| time - fill * (step as f64 + 0.5) / STEPS as f64;
            let longer = |time: f64| if time < 0.0 { 1.0 } else { self.wait.longer_than(time) };
            (0..STEPS).map(|step| longer(at(step))).sum::<f64>() / STEPS as f64
        };
        let (mut low, mut high) = (0.0, fill + 1e-9);
        while longer(high) > 1.0 - quantile {
            high *= 2.0;
        }
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            if longer(middle) > 1.0 - quantile { low = middle } else { high = middle }
        }
        high + self.overhead + self.service
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behaviour() -> ServiceBehaviour {
        ServiceBehaviour {
            workers: 1,
            bucket_size: 100,
            service_idle: 0.008,
            service_busy: 0.008,
            service_variation: 0.0,
            overhead: 0.001,
            capacity: 100.0,
            congestion: 1.0,
        }
    }

    fn demand(rate: f64) -> Demand {
        Demand { rate, burst: 100.0, bucket_variation: 1.0, delay: 10.0 }
    }

    #[test]
    fn a_forecast_is_that_of_mdone_with_the_dataflows_own_cost() {
        // 50 messages a second, each 8 ms of service and 2 ms of own cost: M/D/1 at 0.5 waits half of 10 ms.
        let forecast = behaviour().forecast(&demand(5000.0)).unwrap();
        assert!((forecast.rho - 0.5).abs() < 1e-12 && (forecast.busy - 0.01).abs() < 1e-12);
        assert!((forecast.mean_wait - (0.001 + 0.005)).abs() < 1e-12);
        assert!((forecast.mean_latency() - 0.014).abs() < 1e-12);
        assert!((forecast.message_latency(0.4) - 0.009).abs() < 1e-6, "half of all messages do not wait");
        assert!(forecast.message_latency(0.99) > 0.02);
    }

    #[test]
    fn a_measured_wait_is_forecast_again_and_others_follow_it() {
        let plain = behaviour();
        let calibrated = plain.calibrated(&demand(5000.0), 0.001 + 2.5 * 0.005);
        assert!((calibrated.congestion - 2.5).abs() < 1e-12);
        let at = |behaviour: &ServiceBehaviour, rate| behaviour.forecast(&demand(rate)).unwrap();
        let [before, after] = [plain, calibrated].map(|behaviour| at(&behaviour, 8000.0));
        assert!((after.mean_wait - 0.001 - 2.5 * (before.mean_wait - 0.001)).abs() < 1e-12);
        assert!(after.message_latency(0.99) > 2.0 * before.message_latency(0.99) && after.rho == before.rho);
        assert_eq!(plain.calibrated(&demand(10_000.0), 1.0), plain, "a queue that grows tells nothing");
    }

    #[test]
    fn a_queue_that_grows_has_no_forecast() {
        assert_eq!(behaviour().forecast(&demand(10_000.0)), None);
    }

    #[test]
    fn rows_wait_for_their_bucket_but_not_longer_than_the_delay() {
        let single = Demand { burst: 1.0, bucket_variation: 0.0, ..demand(100.0) };
        let forecast = behaviour().forecast(&single).unwrap();
        assert!((forecast.row_latency(0.5) - forecast.message_latency(0.5) - 0.495).abs() < 0.02);
        let impatient = Demand { delay: 0.1, ..single };
        let forecast = behaviour().forecast(&impatient).unwrap();
        assert!(forecast.row_latency(0.99) < 0.12, "{}", forecast.row_latency(0.99));
    }

    #[test]
    fn service_that_gets_faster_under_load_is_forecast_so() {
        let behaviour = ServiceBehaviour { service_busy: 0.006, ..behaviour() };
        let forecast = behaviour.forecast(&demand(5000.0)).unwrap();
        // service = 8 - 2 s ms and s = 50 service; what is between messages takes 4 of the 10 ms of a saturated worker.
        assert!((forecast.service - (0.008 - 0.1 * forecast.service)).abs() < 1e-12);
        assert!((forecast.rho - 50.0 * (forecast.service + 0.004)).abs() < 1e-12);
    }
}
