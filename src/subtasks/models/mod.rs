//! Models that scikit-learn has fitted, served over the stream: what they say of a row stands in columns at its end.
//!
//! - `model`: the trait of a model; `served`: a model as a subtask with `outputs` and `prefix`.
//! - `output`: what a model can say; `accepted`: which values it takes; `params`: its fitted params, field by field.
//! - `regressor`, `classifier`: the outputs that all of a kind share; `classes`: their labels.
//! - a file a family of models that scikit-learn computes alike, such as `linear_classifier`.
//!
//! The arithmetic stands in `kernels`. Never here: fitting, and whatever `subtasks` may not have.

mod accepted;
mod classes;
mod classifier;
mod linear_classifier;
mod linear_regressor;
mod model;
mod output;
mod params;
mod regressor;
mod served;
#[cfg(test)]
mod testing;

pub use accepted::Accepted;
pub use classes::Classes;
pub use classifier::{Classifier, Classify, Judged};
pub use linear_classifier::LinearClassifier;
pub use linear_regressor::LinearRegressor;
pub use model::{Features, Model, Values};
pub use output::Output;
pub use params::Params;
pub use regressor::{Regress, Regressor};
pub use served::Served;
