//! Forecasts the latency of an arrival rate, and how many workers it needs.
//!
//! - `erlang`: Erlang B and C; `queue_model`: G/G/c; `queue_simulation`: the simulation that tests it.
//! - `forecast`: a measured dataflow under a demand; `trial`: the short measurement that feeds it.
//!
//! Never here: what a dataflow computes, and reports for people.

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
