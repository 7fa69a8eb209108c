//! Rows on their way from source threads, and other processes, to the first worker.

pub(crate) mod arrival;
pub(crate) mod channel;
pub(crate) mod connections;
pub(crate) mod protocol;
pub(crate) mod remote;
