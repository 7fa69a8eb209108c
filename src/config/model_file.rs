//! The file of a model's params: its columns depend on it, so that it is read whenever columns are looked up.

use std::sync::{Arc, Mutex, PoisonError};

use toml::Spanned;

use crate::subtasks::{DynSubtask, Scope};

/// The file of a model's params. A large model is read once: copies of a dataflow share it.
#[derive(Clone)]
pub(super) struct ModelFile {
    /// As the dataflow file gives it.
    pub(super) path: Spanned<String>,
    read: Arc<Mutex<Option<ReadModel>>>,
}

/// A model as it was read for some columns.
struct ReadModel {
    asked: Scope,
    fitted: (Scope, DynSubtask),
}

impl ModelFile {
    pub(super) fn new(path: Spanned<String>) -> ModelFile {
        ModelFile { path, read: Arc::default() }
    }

    /// The model for these columns, and the columns in the order of its fit; `read` is called if they were not asked for
    /// before.
    pub(super) fn fitted<E>(
        &self,
        asked: &Scope,
        read: impl FnOnce() -> Result<(Scope, DynSubtask), E>,
    ) -> Result<(Scope, DynSubtask), E> {
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref().filter(|known| known.asked == *asked) {
            return Ok(known.fitted.clone());
        }
        let fitted = read()?;
        *known = Some(ReadModel { asked: asked.clone(), fitted: fitted.clone() });
        Ok(fitted)
    }
}
