//! Queues with several servers, and how many of them an arrival rate needs.

mod erlang;
mod forecast;
#[cfg(test)]
mod simulation;
mod station;
mod trial;

pub use erlang::{erlang_b, erlang_c};
pub use forecast::{Behaviour, Demand, Forecast};
pub use station::Station;
pub use trial::{Flow, Trial, cores, demand, measure};
