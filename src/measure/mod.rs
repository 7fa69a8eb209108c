//! Latency and service time in HDR histograms, and the report made of them.

mod busy;
mod clock;
mod excerpt;
mod histogram;
mod live;
mod median;
mod report;
mod written;

pub use busy::BusyTime;
pub use clock::Clock;
pub use excerpt::{Excerpt, ExcerptCell};
pub use histogram::{Histogram, ServiceTimes, SharedServiceTimes};
pub use live::{IntervalStatus, LatencyBucket, RunOutcome, RunStatus, Sample, SubtaskTime, TableAddress, now_ms};
pub use median::median;
pub use report::{HistogramSummary, Latency, Report, Service, shown};
pub use written::WrittenReport;
