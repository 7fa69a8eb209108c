//! Latency and service time in HDR histograms, and the report made of them.

mod busy;
mod clock;
mod excerpt;
mod histogram;
mod median;
mod report;
mod run_status;
mod written;

pub use busy::BusyTime;
pub use clock::Clock;
pub use excerpt::{Excerpt, ExcerptCell};
pub use histogram::{Histogram, ServiceTimes, SharedServiceTimes};
pub use median::median;
pub use report::{HistogramSummary, Latency, Report, Service, shown};
pub use run_status::{IntervalStatus, LatencyBucket, RunOutcome, RunStatus, Sample, SubtaskTime, TableAddress, now_ms};
pub use written::WrittenReport;
