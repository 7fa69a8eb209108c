//! From the text of a dataflow file to the dataflow.

pub(crate) mod file;
pub(crate) mod sections;
pub(crate) mod sink;
pub(crate) mod table;
