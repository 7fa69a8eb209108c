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
pub use live::{LatencyBucket, RunStatus, IntervalStatus, RunOutcome, Sample, SubtaskTime, TableAddress, now_ms};
pub use median::median;
pub use report::{Latency, Report, Service, HistogramSummary, shown};
pub use written::WrittenReport;
