//! Tables: rows summarised by key and window, right whatever order rows come in.
//!
//! [`Grouping`] says which rows make a line, [`Accumulator`] what is known of them, [`Aggregate`] what a line tells,
//! [`TableState`] which rows count, and [`TableContents`] what the lines are as of an epoch. The engine wires them up with
//! differential dataflow.

mod accumulator;
mod accumulators;
mod aggregate;
mod cell;
mod contents;
mod grouping;
mod horizon;
mod kept_rows;
mod reference;
mod table;
mod table_state;
#[cfg(test)]
mod testing;
mod window;

pub use accumulator::{Accumulator, RequiredStatistics};
pub use accumulators::Accumulators;
pub use aggregate::Aggregate;
pub use cell::KeyCell;
pub use contents::{ChangeFormat, TableContents};
pub use grouping::{Group, Grouping, Late, TableRow, Values};
pub use kept_rows::KeptRows;
pub use reference::Reference;
pub use table::{Join, KeyTimes, SharedGrouping, Table, share};
pub use table_state::{Differences, TableState};
pub use window::Window;
