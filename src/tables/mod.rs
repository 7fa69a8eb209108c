//! Tables: rows summarised by key and window, right whatever order rows come in.
//!
//! [`Grouping`] says which rows make a line, [`Summary`] what is known of them, [`Aggregate`] what a line tells,
//! [`Keeper`] which rows count, and [`Contents`] what the lines are as of an epoch. The engine wires them up with
//! differential dataflow.

mod aggregate;
mod cell;
mod contents;
mod grouping;
mod horizon;
mod keeper;
mod reference;
mod summary;
mod table;
mod window;

pub use aggregate::Aggregate;
pub use cell::Cell;
pub use contents::{Changes, Contents};
pub use grouping::{Group, Grouping, Late, TableRow, Values};
pub use keeper::{Differences, Keeper, Rows, Summaries};
pub use reference::Reference;
pub use summary::{Summary, Wanted};
pub use table::{Join, Judged, Shared, Table, share};
pub use window::Window;
