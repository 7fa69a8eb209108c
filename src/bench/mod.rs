//! Measuring a dataflow: what it can do, what a load meets, and how it scales.

mod case;
mod latency;
mod page;
mod plot;
mod sweep;
mod trial;

pub use case::Case;
pub use latency::{Ladder, Rung, write as write_latency};
pub use sweep::{Rows, Sweep};
pub use trial::{Flow, Trial, measure};
