//! The subtasks: pure functions from message to message, and the registry that names them.
//!
//! A new subtask is one new file here and one line in [`Subtasks::builtin`].

mod binarizer;
mod by_column;
mod chain;
mod clip;
mod diff;
mod drop_duplicates;
mod dropna;
mod entry;
mod fault;
mod fillna;
mod frozen;
mod fused;
mod interpolate;
mod k_bins_discretizer;
mod learned;
mod max_abs_scaler;
mod min_max_scaler;
mod normalizer;
mod one_hot_encoder;
mod ordinal_encoder;
mod polynomial_features;
mod power_transformer;
pub mod prepare;
mod quantile_transformer;
mod recent;
mod registry;
mod replace;
mod result;
mod robust_scaler;
mod role;
mod rolling;
mod scope;
mod simple_imputer;
mod standard_scaler;
mod step;
mod streaming;
mod subtask;
#[cfg(test)]
mod testing;
mod transform;

pub use by_column::{ColumnSubtask, Flaw};
pub use chain::Chain;
pub use entry::{BuildError, Description, Entry, Parameter, type_name};
pub use fault::{Fault, Refusal};
pub use fused::Fused;
pub use learned::Learned;
pub use recent::Recent;
pub use registry::Subtasks;
pub use role::Role;
pub use scope::Scope;
pub use step::{Step, StreamKey};
pub use streaming::{Learner, Remembering, Streaming};
use subtask::Compares;
pub use subtask::{DynSubtask, Fit, PartialFit, Subtask, Traits};
pub use transform::{BatchSubtask, Transform};
