//! Models as scikit-learn has them, fitted there or learning over the stream: what they say of a row stands in columns at
//! its end.
//!
//! - `model`: the trait of a model; `served`: a model as a subtask with `outputs` and `prefix`;
//!   `shadowed`: two side by side; `empty_rows`: one that passes over rows without a value; `some_rows`: what both share.
//! - `output`: what a model can say; `accepted`: which values it takes; `params`: its fitted params, field by field.
//! - `regressor`, `classifier`: the outputs that all of a kind share; `classes`: their labels.
//! - a file a family of models that scikit-learn computes alike, such as `linear_classifier`.
//!
//! - `learning`: the trait of a model that learns over the stream; `online_model`, `online`: such a
//!   model, and as a subtask; `keyed_models`: what
//!   each key has learnt; `split_parameters`: its two kinds of parameters in one table.
//! - `sgd_method`, `sgd_regression`, `sgd_classification`: what models share that learn by gradient descent; then a file a
//!   model with its parameters, such as `perceptron`.
//!
//! The arithmetic stands in `kernels`. Never here: whatever `subtasks` may not have.

mod accepted;
mod adwin;
mod boosted_classifier;
mod boosted_regressor;
mod boosted_trees;
mod classes;
mod classifier;
mod empty_rows;
mod gaussian_learning;
mod gaussian_nb;
mod half_space_trees;
mod hoeffding_tree_classifier;
mod isolation_forest;
mod k_means;
mod k_means_learning;
mod k_neighbors_classifier;
mod k_neighbors_regressor;
mod keyed_models;
mod learning;
mod linear_classifier;
mod linear_regressor;
mod mlp_classifier;
mod mlp_regressor;
mod model;
mod neighbor_params;
mod network;
mod one_class_svm;
mod online;
mod online_model;
mod output;
mod params;
mod passive_aggressive_classifier;
mod passive_aggressive_regressor;
mod pca;
mod pca_learning;
mod perceptron;
mod regressor;
mod served;
mod sgd_classification;
mod sgd_classifier;
mod sgd_method;
mod sgd_regression;
mod sgd_regressor;
mod shadowed;
mod some_rows;
mod split_parameters;
mod support_params;
mod svc;
mod svr;
#[cfg(test)]
mod testing;
mod tree_classifier;
mod tree_params;
mod tree_regressor;

pub use accepted::Accepted;
pub use adwin::Adwin;
pub use boosted_classifier::BoostedClassifier;
pub use boosted_regressor::BoostedRegressor;
pub use classes::Classes;
pub use classifier::{Classifier, Classify, Judged};
pub use gaussian_learning::GaussianLearning;
pub use gaussian_nb::GaussianNb;
pub use half_space_trees::{HalfSpaceTrees, HalfSpaceTreesLearning};
pub use hoeffding_tree_classifier::HoeffdingTreeClassifier;
pub use isolation_forest::IsolationForest;
pub use k_means::KMeans;
pub use k_means_learning::KMeansLearning;
pub use k_neighbors_classifier::KNeighborsClassifier;
pub use k_neighbors_regressor::KNeighborsRegressor;
pub use learning::{Learning, Target};
pub use linear_classifier::LinearClassifier;
pub use linear_regressor::LinearRegressor;
pub use mlp_classifier::MlpClassifier;
pub use mlp_regressor::MlpRegressor;
pub use model::{Features, Model, OutputValues};
pub use one_class_svm::OneClassSvm;
pub use online::Online;
pub use output::ModelOutput;
pub use params::Params;
pub use passive_aggressive_classifier::PassiveAggressiveClassifier;
pub use passive_aggressive_regressor::PassiveAggressiveRegressor;
pub use pca::Pca;
pub use pca_learning::PcaLearning;
pub use perceptron::Perceptron;
pub use regressor::{Regress, Regressor};
pub use served::Served;
pub use sgd_classification::{SgdClassification, SgdClassifierParameters};
pub use sgd_classifier::SgdClassifier;
pub use sgd_regression::{SgdRegression, SgdRegressorParameters};
pub use sgd_regressor::SgdRegressor;
pub use shadowed::Shadowed;
pub use split_parameters::MODEL_PARAMETERS;
pub use svc::Svc;
pub use svr::Svr;
pub use tree_classifier::TreeClassifier;
pub use tree_regressor::TreeRegressor;
