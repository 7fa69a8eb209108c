//! Latency and service time in HDR histograms, and the report made of them.

mod busy;
mod clock;
mod excerpt;
mod histogram;
mod live;
mod median;
mod report;
mod written;

pub use busy::Busy;
pub use clock::Clock;
pub use excerpt::{Excerpt, Value};
pub use histogram::{Histogram, ServiceTimes, SharedServiceTimes};
pub use live::{LatencyBucket, Live, Moment, Outcome, Sample, SubtaskTime, TableAt, now_ms, replace_json};
pub use median::median;
pub use report::{Latency, Report, Service, Summary, peak_memory_bytes, shown};
pub use written::WrittenReport;
