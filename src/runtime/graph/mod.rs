//! The timely dataflow graph: its operators, and what travels along its edges.
//!
//! - `build`: the graph from input to probe; `stages`: which steps run as one operator; `versioned_chain`: its steps
//!   by the version of their params.
//! - `stateful`: steps with keyed state.
//! - `absent_columns`: columns that no row has had a value of.
//! - `alerts`: sinks that take the rows with which a condition begins or ends.
//! - `branches`: what sinks take behind steps and at the end; `by_sink`: a number for each sink.
//! - `in_flight`: the in-flight message and its epoch outcome; `operator_state`: keyed state by operator.
//! - `delivery`: holds back outcomes of results that are not delivered.
//! - `epoch_queue`: holds data until the frontier has passed its epoch; `output`: an operator's output session.
//! - `table_operators`: tables beside the chain; `table_rows`: the rows they take; `table_updates`: their state;
//!   `table_lines`: their lines; `materialized`: their contents and sinks.
//! - `alone`: the graph without source and sink; `preprocessed`: the chain in another program's dataflow.
//!
//! Never here: when a checkpoint is committed or a delivery acknowledged, connections, and the kernels of subtasks.

pub(crate) mod absent_columns;
pub(crate) mod alerts;
pub(crate) mod alone;
mod branches;
pub(crate) mod build;
pub(crate) mod by_sink;
pub(crate) mod delivery;
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
pub(crate) mod versioned_chain;
