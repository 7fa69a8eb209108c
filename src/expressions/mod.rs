//! Expressions over columns, as `pandas.DataFrame.eval` and `query` take them.
//!
//! - `token`, `syntax`: from text to a tree, with Python's precedence, and `&` and `|` as `and` and `or`.
//! - `typed`, `check`: the tree with its columns found in a schema and its kinds checked.
//! - `evaluate`: passes over blocks of rows that fit the cache.
//! - `predicate`, `assignments`: what a step does with them; `constant`: a value of a dataflow file; `error`: what is wrong, and where in the text.
//!
//! Never here: parameters of subtasks, files, or an allocation a row.

mod assignments;
mod check;
mod constant;
mod error;
mod evaluate;
mod predicate;
mod syntax;
mod token;
mod typed;

pub use assignments::Assignments;
pub use constant::Constant;
pub use error::ExpressionError;
pub use predicate::Predicate;
