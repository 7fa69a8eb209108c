//! Numeric kernels that several subtasks stand on. They know slices of f64, nothing of messages.

pub mod affine;
pub mod box_cox;
pub mod dd_sketch;
pub mod exact_sum;
pub mod expm1;
pub mod kll_sketch;
pub mod likelihood;
pub mod log1p;
pub mod minimize;
pub mod moments;
pub mod normal;
pub mod norms;
pub mod order;
pub mod power;
mod power_sums;
pub mod quantile_map;
pub mod select;
