//! Where a run starts: at the beginning, or where the one before it ended.

use std::path::Path;

use super::checkpoint::{Checkpoint, Progress};
use super::remember::StepMemory;
use super::{Error, Options};
use crate::dataflow::Dataflow;
use crate::sink::{self, Existing};
use crate::source::Position;

/// What the first worker starts with.
pub struct Start {
    /// Where progress is kept; `None` if a run can't go on where another ended.
    pub checkpoint: Option<Checkpoint>,
    /// What becomes of the sink's file.
    pub existing: Existing,
    pub position: Position,
    /// What steps and tables remembered then.
    pub memories: Vec<StepMemory>,
}

impl Start {
    /// Looks for the checkpoint of an earlier run. There is one if the source delivers again what was not
    /// acknowledged, and the sink is one file of lines or a broker.
    ///
    /// # Errors
    /// A checkpoint that can't be used, or results without one.
    pub fn find(dataflow: &Dataflow, options: &Options) -> Result<Start, Error> {
        let existing = existing(dataflow, options);
        let Some(path) = dataflow.checkpoint() else {
            return Ok(Start { checkpoint: None, existing, position: Position::default(), memories: Vec::new() });
        };
        if options.fresh && path.exists() {
            std::fs::remove_file(&path)
                .map_err(|error| sink::Error::File { path: path.display().to_string(), error })?;
        }
        Start::from(&path, dataflow, existing)
    }

    fn from(path: &Path, dataflow: &Dataflow, existing: Existing) -> Result<Start, Error> {
        // Results without their checkpoint must be refused before there is one.
        let first = !path.exists();
        if first {
            dataflow.sink.check(existing)?;
        }
        let (checkpoint, found) = Checkpoint::open(path, &dataflow.lines()).map_err(Error::Checkpoint)?;
        let (existing, position) = match found.progress {
            Some(Progress { length, position }) => (Existing::Resume(length), position),
            // Nothing was acknowledged: what the file may hold comes again.
            None => (if first { existing } else { Existing::Replace }, Position::default()),
        };
        Ok(Start { checkpoint: Some(checkpoint), existing, position, memories: found.memories })
    }
}

/// What becomes of files that no checkpoint tells about: what was acknowledged will not come again.
pub fn existing(dataflow: &Dataflow, options: &Options) -> Existing {
    if dataflow.source_settings.is_persistent() && !options.fresh { Existing::Refuse } else { Existing::Replace }
}
