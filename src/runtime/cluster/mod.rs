//! Workers and processes: how many there are, how they connect, and what they exchange beside the dataflow.
//!
//! - `topology`: the cluster in timely's terms; `identity`: what all processes must have in common.
//! - `mesh`: connects all processes; `dialers`: the calls of a mesh; `handshake`: authenticates both sides; `secret`:
//!   the shared secret.
//! - `start_barrier`: no process starts before all are ready; `control_channel`: heartbeats, stop and reopen.
//! - `broadcast`, `gather`: collectives over timely workers.
//!
//! Never here: rows, epochs, sources and sinks.

pub(crate) mod broadcast;
mod build_identity;
pub(crate) mod control_channel;
mod dialers;
pub(crate) mod gather;
pub(crate) mod handshake;
pub(crate) mod identity;
pub(crate) mod mesh;
pub(crate) mod secret;
pub(crate) mod start_barrier;
pub(crate) mod topology;
