//! Queues with several servers, and how many of them an arrival rate needs.

mod erlang;
mod forecast;
#[cfg(test)]
mod simulation;
mod station;
mod trial;

pub use erlang::{erlang_b, erlang_c};
pub use forecast::{Demand, Forecast, ServiceBehaviour};
pub use station::QueueModel;
pub use trial::{Trial, TrialDataflow, cores, demand, measure};
