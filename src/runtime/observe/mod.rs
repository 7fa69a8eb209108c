//! Observes a run while it runs: its status, its progress and its load.
//!
//! - `activity`: what a run does and waits for, for other threads; `watchdog`: ends a run that is stuck.
//! - `monitor`: status for people, with `status_line`, `sampler` and `overload`; `shown_status` and `status_refresher`: the
//!   status while the first worker is blocked; `timely_log`: timely's log as a trace.
//!
//! Never here: decisions about a row, an epoch or a delivery.

pub(crate) mod activity;
pub(crate) mod monitor;
pub(crate) mod overload;
pub(crate) mod sampler;
pub(crate) mod shown_status;
pub(crate) mod status_line;
pub(crate) mod status_refresher;
pub(crate) mod timely_log;
pub(crate) mod watchdog;
