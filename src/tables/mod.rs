//! Materialized tables: rows aggregated by key and window, correct for any order of the rows.
//!
//! - `table`, `grouping`, `window`: resolved tables; which rows make a line; windows over event time.
//! - `accumulator`, `aggregate`, `cell`: the statistics of a group, a line's aggregates, its cells.
//! - `score`: metrics of predictions beside their labels; `ranks`: the counts of one of them, in bounded memory.
//! - `table_state`: the trait of a worker's state; `kept_rows` with upserts, `accumulators` without.
//! - `alert`: since when the condition of a sink's alert holds.
//! - `horizon`: when windows expire. `contents`: the lines as of an epoch. `reference`: the joined file.
//!
//! The runtime connects them with differential dataflow. Never here: operators, sources, sinks, the dataflow file.

mod accumulator;
mod accumulators;
mod aggregate;
mod alert;
mod cell;
mod contents;
mod grouping;
mod horizon;
mod kept_rows;
mod ranks;
mod reference;
mod score;
mod table;
mod table_state;
#[cfg(test)]
mod testing;
mod window;

pub use accumulator::{Accumulator, RequiredStatistics};
pub use accumulators::Accumulators;
pub use aggregate::Aggregate;
pub use alert::{Alert, AlertEvent, AlertRow, AlertRows, AlertStates, Hold};
pub use cell::KeyCell;
pub use contents::{ChangeFormat, TableContents};
pub use grouping::{Group, Grouping, Late, TableRow, Values, text_value};
pub use kept_rows::KeptRows;
pub use reference::Reference;
pub use score::{Score, ScoreAccumulator, ScoreAverage, ScoreMetric, ScoredRow};
pub use table::{Join, KeyTimes, SharedGrouping, Table, share};
pub use table_state::{Differences, TableState};
pub use window::Window;
