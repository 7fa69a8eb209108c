//! Latency and service time in HDR histograms, and the report made of them.

mod histogram;
mod live;
mod report;
mod written;

pub use histogram::{Histogram, ServiceTimes};
pub use live::{LatencyBucket, Live, Moment, Outcome, Sample, SubtaskTime, TableAt, now_ms, replace_json};
pub use report::{Latency, Report, Service, Summary, peak_memory_bytes, shown};
pub use written::WrittenReport;
