//! What is seen of a run while it runs. Nothing here decides what becomes of a row.

pub(crate) mod activity;
pub(crate) mod monitor;
pub(crate) mod overload;
pub(crate) mod sampler;
pub(crate) mod status_line;
pub(crate) mod timely_log;
pub(crate) mod watchdog;
