//! Numeric kernels over slices of `f64`, in which NaN is a missing value.
//!
//! - `affine`, `norms`, `select`: loops over values, with vector instructions.
//! - `moments`, `exact_sum`: sums, means and variances, as scikit-learn rounds them or exactly.
//! - `order`, `quantile_map`, `own_levels`, `normal`: quantiles of a column, levels of values among them, the normal
//!   distribution's.
//! - `kll_sketch`, `dd_sketch`: quantiles of a stream in bounded memory.
//! - `weighted`, `softmax`, `trees`, `distances`, `gaussian`, `layers`, `support_vectors`, `neighbors`: the arithmetic
//!   of fitted models.
//! - `tree_values`, `tree_answers`, `tree_walk`, `compared`: how nodes of `trees` stand in memory, and rows go down them.
//! - `sgd`, `svd`, `seeding`, `half_space`, `adaptive_window`, `mersenne_twister`: learning message by message, and the
//!   random numbers of NumPy and Python.
//! - `hoeffding_tree` with `attribute_statistics`, `split_merit`, `class_weights`: a tree that grows row by row;
//!   `error_function`, `python_power`, `number_set`: what Python gives it, bit for bit.
//! - `division`, `inverse_hyperbolic`: functions of one or two numbers, as NumPy defines them.
//! - `power`, `log1p`, `expm1`: power transforms; the others: the search for their lambda.
//!
//! Never here: messages, schemas, I/O, or an import other than `pool`.

pub mod adaptive_window;
pub mod affine;
pub mod attribute_statistics;
pub mod box_cox;
pub mod class_weights;
pub mod compared;
pub mod dd_sketch;
pub mod distances;
pub mod division;
mod error_function;
pub mod exact_sum;
pub mod expm1;
pub mod gaussian;
pub mod half_space;
pub mod hoeffding_tree;
pub mod inverse_hyperbolic;
pub mod kll_sketch;
pub mod layers;
pub mod likelihood;
pub mod log1p;
pub mod mersenne_twister;
pub mod minimize;
pub mod moments;
pub mod neighbors;
pub mod normal;
pub mod norms;
mod number_set;
pub mod order;
pub mod own_levels;
pub mod power;
mod power_sums;
mod python_power;
pub mod quantile_map;
pub mod seeding;
pub mod select;
pub mod sgd;
pub mod softmax;
pub mod split_merit;
pub mod support_vectors;
pub mod svd;
mod tree_answers;
mod tree_values;
mod tree_walk;
pub mod trees;
pub mod weighted;
