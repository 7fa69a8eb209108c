//! Measurements of a run: latency and service time in HDR histograms, and the files made of them.
//!
//! - `clock`: the clock of timestamps; `busy`: busy time of worker threads; `histogram`: histograms, service times.
//! - `report`: the report at the end; `written`: reads it again; `run_status`: the status while it runs; `excerpt`:
//!   a few rows for it; `sample_history`: the rows that were sampled so far; `median`: the median.
//!
//! Never here: decisions, and whatever is measured.

mod broker_link;
mod busy;
mod clock;
mod excerpt;
mod histogram;
mod median;
mod report;
mod run_status;
mod sample_history;
mod written;

pub use broker_link::{BrokerLink, SinkLink};
pub use busy::BusyTime;
pub use clock::Clock;
pub use excerpt::{Excerpt, ExcerptCell};
pub use histogram::{Histogram, ServiceTimes, SharedServiceTimes};
pub use median::median;
pub use report::{HistogramSummary, Latency, Report, ServedModel, Service, SinkRows, SourceRows, shown};
pub use run_status::{
    IntervalStatus, LatencyBucket, RunOutcome, RunStatus, Sample, SinkBranch, SubtaskTime, TableAddress, now_ms,
};
pub use sample_history::SampleHistory;
pub use written::WrittenReport;
