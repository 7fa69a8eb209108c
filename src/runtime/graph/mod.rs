//! The timely graph: its operators, and what travels along its edges.

pub(crate) mod alone;
pub(crate) mod build;
pub(crate) mod epoch_queue;
pub(crate) mod in_flight;
pub(crate) mod materialized;
pub(crate) mod operator_state;
pub(crate) mod output;
pub(crate) mod preprocessed;
pub(crate) mod stages;
pub(crate) mod stateful;
mod table_lines;
pub(crate) mod table_operators;
mod table_rows;
mod table_updates;
