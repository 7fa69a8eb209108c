//! The order of day and month.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The order of day and month in dates that are written with numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DateOrder {
    /// 31.08.2016
    DayFirst,
    /// 08/31/2016
    MonthFirst,
}
