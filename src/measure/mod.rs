//! Latency and service time in HDR histograms, and the report made of them.

mod histogram;
mod report;
mod written;

pub use histogram::{Histogram, ServiceTimes};
pub use report::{Latency, Report, Service, Summary, peak_memory_bytes, shown};
pub use written::WrittenReport;
