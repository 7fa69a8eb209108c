//! What steps and tables remember of a key, from run to run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::data::KeyedState;

/// What tables hold is remembered behind what operators of the chain remember: under numbers from here on.
pub const TABLES: usize = 1 << 16;
/// The lines that tables have told of, behind what they hold: under numbers from here on.
pub const TOLD: usize = 1 << 17;

/// What a step of the chain or a table remembers of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperatorState {
    /// The number of its operator; tables have numbers of their own.
    pub operator: usize,
    pub keyed: KeyedState,
}

/// What is remembered, by operator and key; empty where there is nothing any more.
pub type OperatorStates = BTreeMap<(usize, Vec<u8>), Vec<u8>>;
