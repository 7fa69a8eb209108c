//! The keyed state of steps, alerts and tables, as checkpoints store it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::data::KeyedState;

/// The states of sinks' alerts have operator numbers from here on, above those of the chain; the sink's is added.
pub const ALERTS: usize = 1 << 15;
/// The states of tables have operator numbers from here on, above those of alerts.
pub const TABLES: usize = 1 << 16;
/// The lines that tables have published as changes have operator numbers from here on.
pub const TOLD: usize = 1 << 17;

/// The state of a key of a step, an alert or a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperatorState {
    /// The number of its operator; alerts and tables have numbers of their own.
    pub operator: usize,
    pub keyed: KeyedState,
}

/// Keyed states by operator and key; an empty one removes the key.
pub type OperatorStates = BTreeMap<(usize, Vec<u8>), Vec<u8>>;
