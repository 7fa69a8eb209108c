//! Tables: rows summarised by key and window, right whatever order rows come in.
//!
//! [`Grouping`] says which rows make a line, [`Accumulator`] what is known of them, [`Aggregate`] what a line tells,
//! [`TableState`] which rows count, and [`TableContents`] what the lines are as of an epoch. The engine wires them up with
//! differential dataflow.

mod accumulators;
mod aggregate;
mod cell;
mod contents;
mod grouping;
mod horizon;
mod keeper;
mod kept_rows;
mod reference;
mod summary;
mod table;
#[cfg(test)]
mod testing;
mod window;

pub use accumulators::Accumulators;
pub use aggregate::Aggregate;
pub use cell::KeyCell;
pub use contents::{ChangeFormat, TableContents};
pub use grouping::{Group, Grouping, Late, TableRow, Values};
pub use keeper::{Differences, TableState};
pub use kept_rows::KeptRows;
pub use reference::Reference;
pub use summary::{Accumulator, RequiredStatistics};
pub use table::{Join, KeyTimes, SharedGrouping, Table, share};
pub use window::Window;
