//! A first dataflow file for a source, from some of its payloads.
//!
//! - `proposal`: what `[source]` and `[schema]` should say, put together and tried over the same payloads.
//! - `found_topics`: formats and levels of topics. `csv_dialect`: separator, header, encoding. `inner_arrays`: the array
//!   that holds the rows, and arrays of names with values. `found_columns`: columns with their kinds. `found_time`: when
//!   rows were measured.
//! - `dataflow_text`: the text of a dataflow file, with comments.
//!
//! Never here: opening a file or a connection.

mod csv_dialect;
mod dataflow_text;
mod found_columns;
mod found_time;
mod found_topics;
mod inner_arrays;
mod proposal;

pub use proposal::{Proposal, propose};
