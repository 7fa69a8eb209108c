//! The steps of a chain by the version of their params: all workers of a process share them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::subtasks::Step;

/// The steps of a chain by the version of their params, from 0. A version is there on all processes before the first
/// message of it.
#[derive(Clone, Default)]
pub struct ModelVersions(Arc<Mutex<BTreeMap<u64, Arc<[Step]>>>>);

impl ModelVersions {
    /// The steps of a version, while messages of it may come.
    pub fn get(&self, version: u64) -> Option<Arc<[Step]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&version).cloned()
    }

    /// Adds a version; of two that are the same the first one stays.
    pub fn insert(&self, version: u64, steps: &[Step]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(version).or_insert_with(|| steps.into());
    }

    /// Drops all versions but this one.
    pub fn keep(&self, version: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|of, _| *of == version);
    }
}
