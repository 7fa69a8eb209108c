//! Queues with several servers, and how many of them an arrival rate needs.

mod erlang;
mod forecast;
mod queue_model;
#[cfg(test)]
mod queue_simulation;
mod trial;

pub use erlang::{erlang_b, erlang_c};
pub use forecast::{Demand, Forecast, ServiceBehaviour};
pub use queue_model::QueueModel;
pub use trial::{Trial, TrialDataflow, cores, demand, measure};
