//! Measuring a dataflow: what it can do, what a load meets, and how it scales.

mod case;
mod latency;
mod page;
mod plot;
mod sweep;
mod trial;

pub use case::{Case, cores};
pub use latency::{Ladder, Rung, write as write_latency};
pub use sweep::{Rows, Sweep};
pub use trial::{Flow, Trial, demand, measure};

/// The value in the middle; of an even number, the upper of two.
///
/// # Panics
/// Without values.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
