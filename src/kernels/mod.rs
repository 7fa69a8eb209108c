//! Numeric kernels that several subtasks stand on. They know slices of f64, nothing of messages.

pub mod affine;
pub mod box_cox;
pub mod exact_sum;
pub mod expm1;
pub mod likelihood;
pub mod log1p;
pub mod log_sketch;
pub mod minimize;
pub mod moments;
pub mod normal;
pub mod norms;
pub mod order;
pub mod places;
pub mod power;
mod power_sums;
pub mod select;
pub mod sketch;
