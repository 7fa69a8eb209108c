//! Workers and processes: who they are, how they connect, what they tell each other. Nothing here knows rows.

pub(crate) mod broadcast;
pub(crate) mod control_channel;
mod dialers;
pub(crate) mod gather;
pub(crate) mod handshake;
pub(crate) mod identity;
pub(crate) mod mesh;
pub(crate) mod secret;
pub(crate) mod start_barrier;
pub(crate) mod topology;
