//! The subtasks: functions from message to message, their traits, and the registry that names them.
//!
//! - a file a subtask, such as `clip`: its parameters, whose doc comments are its help; its traits; its tests.
//! - `subtask`, `by_column`, `transform`: the traits, and a subtask of any type; `fault`: why one fails.
//! - `selection`: the columns that stay, for steps that name columns; `Assignments` and `Predicate` are expressions.
//! - `scope`, `role`: the columns it acts on; `learned`, `frozen`: fitted params.
//! - `streaming`: keyed state and partial fits; `recent`: the dedup window; `periods`: rows some rows apart.
//! - `step`, `chain`, `fused`: steps in their order, run one after the other or column by column; `on_error`: without
//!   the rows that a step can't take.
//! - `entry`, `registry`: what the parser, the help and the JSON schema know of a subtask.
//! - `models`: what scikit-learn has fitted, served over the stream.
//! - `prepare`, `result`: the first and the last step of every chain.
//!
//! A new subtask is a file, its `mod` line here and a line in [`Subtasks::builtin`]. Never here: files, connections,
//! threads, clocks or timely, for a message must give the same result on every worker.

mod assign;
mod astype;
mod binarizer;
mod by_column;
mod chain;
mod clip;
mod cumsum;
mod diff;
mod drop;
mod drop_duplicates;
mod dropna;
mod entry;
mod eval;
mod ewm;
mod fault;
mod fillna;
mod filter;
mod frozen;
mod function_transformer;
mod fused;
mod interpolate;
mod k_bins_discretizer;
mod learned;
mod mask;
mod max_abs_scaler;
mod min_max_scaler;
pub mod models;
mod normalizer;
mod on_error;
mod one_hot_encoder;
mod ordinal_encoder;
mod pct_change;
mod periods;
mod polynomial_features;
mod power_transformer;
pub mod prepare;
mod quantile_transformer;
mod query;
mod rank;
mod recent;
mod registry;
mod rename;
mod replace;
mod result;
mod robust_scaler;
mod role;
mod rolling;
mod round;
mod scope;
mod selection;
mod shift;
mod simple_imputer;
mod standard_scaler;
mod step;
mod streaming;
mod subtask;
#[cfg(test)]
mod testing;
mod time_features;
mod transform;
mod where_condition;

pub use by_column::{ColumnSubtask, Flaw};
pub use chain::{Chain, ChainEvent};
pub use entry::{BuildError, Description, Entry, Parameter, type_name};
pub use fault::{Fault, Refusal};
pub use fused::Fused;
pub use learned::Learned;
pub use models::MODEL_PARAMETERS;
pub use on_error::{OnError, RefusedRows, remove_refused};
pub use recent::Recent;
pub use registry::Subtasks;
pub use role::Role;
pub use scope::Scope;
pub use selection::Selection;
pub use step::{Step, StreamKey};
pub use streaming::{Learner, Remembering, Streaming};
pub use subtask::{Bind, DynSubtask, Fit, Incremental, PartialFit, Subtask, Traits};
use subtask::{Compares, Timed};
pub use transform::{BatchSubtask, Transform};
