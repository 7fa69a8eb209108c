//! Measuring a dataflow under load: what it can do, and what a load meets.

mod trial;

pub use trial::{Flow, Trial, measure};
