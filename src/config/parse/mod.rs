//! From the text of a dataflow file to the dataflow.

mod custom;
pub(crate) mod file;
mod overlay;
pub(crate) mod sections;
pub(crate) mod sink;
mod source;
mod subtasks;
pub(crate) mod table;
