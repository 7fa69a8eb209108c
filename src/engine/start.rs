//! Where a run starts: at the beginning, or where the one before it ended.

use std::path::Path;

use super::checkpoint::{Checkpoint, Progress, Sessions};
use super::remember::StepMemory;
use super::{Error, Options};
use crate::dataflow::Dataflow;
use crate::disk::Disk;
use crate::sink::{self, Existing};
use crate::source::Position;

/// What the first worker starts with.
pub struct Start {
    /// Where progress is kept; `None` if a run can't go on where another ended.
    pub checkpoint: Option<Checkpoint>,
    /// What becomes of the sink's file.
    pub existing: Existing,
    pub next_epoch: u64,
    pub next_row: u64,
    /// Of each connection, the number that its next row goes out with, if a run before has told.
    pub numbers: Vec<u64>,
    /// The number of this run with the checkpoint, from 1.
    pub run: u64,
    /// Of each connection, as far as it has one.
    pub positions: Vec<Position>,
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
            return Ok(Start::at_the_beginning(existing));
        };
        let disk = &*dataflow.sink.disk;
        let mut former = Sessions::new();
        if options.fresh && is_there(disk, &path)? {
            former = Checkpoint::former_sessions(disk, &path);
            disk.remove(&path).map_err(|error| refused(&path, error))?;
        }
        Start::from(&path, dataflow, existing)?.with_sessions(dataflow, former).map_err(Error::Checkpoint)
    }

    fn from(path: &Path, dataflow: &Dataflow, existing: Existing) -> Result<Start, Error> {
        // Results without their checkpoint must be refused before there is one.
        let disk = &*dataflow.sink.disk;
        let first = !is_there(disk, path)?;
        if first {
            dataflow.sink.check(existing)?;
        }
        let (checkpoint, found) = Checkpoint::open(disk, path, &dataflow.lines()).map_err(Error::Checkpoint)?;
        let beginning = Start::at_the_beginning(if first { existing } else { Existing::Replace });
        let beginning = Start { checkpoint: Some(checkpoint), ..beginning };
        // Without progress nothing was acknowledged: what the file may hold comes again.
        let Some(Progress { length, next_epoch, next_row, numbers }) = found.progress else { return Ok(beginning) };
        let existing = Existing::Resume(length);
        let (positions, memories) = (found.positions, found.memories);
        Ok(Start { existing, next_epoch, next_row, numbers, positions, memories, ..beginning })
    }

    /// Tells each connection what its session was subscribed to, and the first one which sessions of earlier runs, or of
    /// one whose checkpoint is removed, nobody reads any more.
    fn with_sessions(mut self, dataflow: &Dataflow, former: Sessions) -> Result<Start, String> {
        let Some(checkpoint) = &self.checkpoint else { return Ok(self) };
        let settings = &dataflow.source_settings;
        let endpoints = (0..settings.connections()).filter_map(|number| settings.of_connection(number).endpoint);
        let own: Vec<_> = endpoints.filter_map(|endpoint| Some((endpoint.client_id?, endpoint.url.topic))).collect();
        let mut known = checkpoint.sessions()?;
        known.extend(former);
        self.positions.resize_with(own.len().max(self.positions.len()), Position::default);
        for ((id, _), position) in own.iter().zip(&mut self.positions) {
            position.subscribed = known.get(id).cloned().filter(|_| self.next_epoch > 0);
        }
        let left = known.keys().filter(|id| own.iter().all(|(own, _)| own != *id)).cloned().collect();
        self.positions.first_mut().into_iter().for_each(|position| position.left = Vec::clone(&left));
        own.iter().for_each(|(id, filter)| _ = known.entry(id.clone()).or_insert_with(|| filter.clone()));
        checkpoint.keep_sessions(&known, own.into_iter().collect())?;
        self.run = checkpoint.count_run()?;
        Ok(self)
    }

    fn at_the_beginning(existing: Existing) -> Start {
        let (positions, memories) = (Vec::new(), Vec::new());
        Start {
            checkpoint: None,
            existing,
            next_epoch: 0,
            next_row: 0,
            numbers: Vec::new(),
            run: 0,
            positions,
            memories,
        }
    }
}

/// What becomes of files that no checkpoint tells about: what was acknowledged will not come again.
pub fn existing(dataflow: &Dataflow, options: &Options) -> Existing {
    if dataflow.source_settings.is_persistent() && !options.fresh { Existing::Refuse } else { Existing::Replace }
}

fn is_there(disk: &dyn Disk, path: &Path) -> Result<bool, Error> {
    Ok(disk.length(path).map_err(|error| refused(path, error))?.is_some())
}

fn refused(path: &Path, error: std::io::Error) -> sink::Error {
    sink::Error::File { path: path.display().to_string(), error }
}
