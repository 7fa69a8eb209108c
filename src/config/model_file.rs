//! The file of a step's params: a model's columns depend on it, so that it is read whenever columns are looked up.

use std::sync::{Arc, Mutex, PoisonError};

use toml::Spanned;

use crate::subtasks::{DynSubtask, Scope};

/// The file of a step's params. A large model is read once: copies of a dataflow share it.
#[derive(Clone)]
pub(super) struct ModelFile {
    /// As the dataflow file gives it.
    pub(super) path: Spanned<String>,
    /// The file of a second model, served beside the first.
    pub(super) shadow: Option<Spanned<String>>,
    /// Whether a run follows the files when they change.
    pub(super) reload: bool,
    read: Arc<Mutex<Option<ReadModel>>>,
}

/// A model as it was read for some columns.
struct ReadModel {
    asked: Scope,
    /// Hashes of the files' contents.
    hashes: Vec<u128>,
    fitted: (Scope, DynSubtask),
}

impl ModelFile {
    pub(super) fn new(path: Spanned<String>, shadow: Option<Spanned<String>>, reload: bool) -> ModelFile {
        ModelFile { path, shadow, reload, read: Arc::default() }
    }

    /// The paths of its files.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        [&self.path].into_iter().chain(&self.shadow).map(|path| path.get_ref().as_str())
    }

    /// The model for these columns, and the columns in the order of its fit; `read` is called if they were not asked for
    /// before, or the files are to have other `hashes`; without these, what was read first stays. It returns the hashes
    /// of what it has read, too.
    pub(super) fn fitted<E>(
        &self,
        asked: &Scope,
        hashes: Option<Vec<u128>>,
        read: impl FnOnce() -> Result<(Vec<u128>, (Scope, DynSubtask)), E>,
    ) -> Result<(Scope, DynSubtask), E> {
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let same =
            |known: &ReadModel| known.asked == *asked && hashes.as_ref().is_none_or(|hashes| known.hashes == *hashes);
        if let Some(known) = known.as_ref().filter(|known| same(known)) {
            return Ok(known.fitted.clone());
        }
        let (hashes, fitted) = read()?;
        *known = Some(ReadModel { asked: asked.clone(), hashes, fitted: fitted.clone() });
        Ok(fitted)
    }
}
