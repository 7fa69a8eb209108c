//! Models that scikit-learn has fitted, served over the stream: what they say of a row stands in columns at its end.
//!
//! - `model`: the trait of a model; `served`: a model as a subtask with `outputs` and `prefix`.
//! - `output`: what a model can say; `accepted`: which values it takes; `params`: its fitted params, field by field.
//! - `regressor`, `classifier`: the outputs that all of a kind share; `classes`: their labels.
//! - a file a family of models that scikit-learn computes alike, such as `linear_classifier`.
//!
//! The arithmetic stands in `kernels`. Never here: fitting, and whatever `subtasks` may not have.

mod accepted;
mod boosted_classifier;
mod boosted_regressor;
mod boosted_trees;
mod classes;
mod classifier;
mod gaussian_nb;
mod isolation_forest;
mod k_means;
mod k_neighbors_classifier;
mod k_neighbors_regressor;
mod linear_classifier;
mod linear_regressor;
mod mlp_classifier;
mod mlp_regressor;
mod model;
mod neighbor_params;
mod network;
mod one_class_svm;
mod output;
mod params;
mod pca;
mod regressor;
mod served;
mod support_params;
mod svc;
mod svr;
#[cfg(test)]
mod testing;
mod tree_classifier;
mod tree_params;
mod tree_regressor;

pub use accepted::Accepted;
pub use boosted_classifier::BoostedClassifier;
pub use boosted_regressor::BoostedRegressor;
pub use classes::Classes;
pub use classifier::{Classifier, Classify, Judged};
pub use gaussian_nb::GaussianNb;
pub use isolation_forest::IsolationForest;
pub use k_means::KMeans;
pub use k_neighbors_classifier::KNeighborsClassifier;
pub use k_neighbors_regressor::KNeighborsRegressor;
pub use linear_classifier::LinearClassifier;
pub use linear_regressor::LinearRegressor;
pub use mlp_classifier::MlpClassifier;
pub use mlp_regressor::MlpRegressor;
pub use model::{Features, Model, OutputValues};
pub use one_class_svm::OneClassSvm;
pub use output::ModelOutput;
pub use params::Params;
pub use pca::Pca;
pub use regressor::{Regress, Regressor};
pub use served::Served;
pub use svc::Svc;
pub use svr::Svr;
pub use tree_classifier::TreeClassifier;
pub use tree_regressor::TreeRegressor;
