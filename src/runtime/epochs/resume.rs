//! The resume point: where a run starts, at the beginning or where an earlier run ended.

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::{Dataflow, SinkPlan};
use crate::data::Schema;
use crate::runtime::epochs::checkpoint::{Checkpoint, CheckpointOpening};
use crate::runtime::epochs::checkpoint_change::CheckpointChange;
use crate::runtime::epochs::stored::{Progress, Sessions};
use crate::runtime::error::Error;
use crate::runtime::graph::operator_state::OperatorState;
use crate::runtime::options::Options;
use crate::sink::{Existing, FileEnd, LastTransaction};
use crate::source::{SourcePosition, SourceUrl};

/// What the first worker starts with.
pub struct ResumePoint {
    /// Where progress is committed; `None` if the dataflow cannot resume.
    pub checkpoint: Option<Checkpoint>,
    /// What to do with the sinks' existing files, by sink.
    pub existing: Vec<Existing>,
    pub next_epoch: u64,
    pub next_row: u64,
    /// Of each connection, the number of its next row, if an earlier run committed one.
    pub numbers: Vec<u64>,
    /// The number of this run with the checkpoint, from 1.
    pub run: u64,
    /// The columns, if an earlier run inferred them.
    pub schema: Option<Schema>,
    /// By connection; missing ones start at the beginning.
    pub positions: Vec<SourcePosition>,
    /// The keyed states of steps and tables.
    pub states: Vec<OperatorState>,
    /// By path, the committed ends of the files of the sinks and of tables' changes.
    pub files: BTreeMap<String, FileEnd>,
}

impl ResumePoint {
    /// Finds where an earlier run ended: in the checkpoint, if the dataflow has one (see [`Dataflow::checkpoint`]),
    /// else at the end of a live source's results.
    ///
    /// # Errors
    /// A checkpoint that can't be used, or results without one.
    pub fn find(dataflow: &Dataflow, options: &Options) -> Result<ResumePoint, Error> {
        match dataflow.checkpoint() {
            Some(path) => {
                let disk = dataflow.disk();
                let former = if options.fresh { Checkpoint::former_sessions(disk, &path) } else { Sessions::new() };
                let start = ResumePoint::from(&path, dataflow, options)?.with_sessions(dataflow, former);
                let start = start.map_err(Error::Checkpoint)?;
                if options.migrate {
                    start.tell_left(&path, dataflow);
                }
                Ok(start)
            }
            None => {
                let start = ResumePoint::at_the_beginning(existing(dataflow, options));
                if options.fresh || !dataflow.is_live() {
                    return Ok(start);
                }
                let (next_epoch, next_row) = logged_end(dataflow, options.cluster.processes())?;
                Ok(ResumePoint { next_epoch, next_row, ..start })
            }
        }
    }

    fn from(path: &Path, dataflow: &Dataflow, options: &Options) -> Result<ResumePoint, Error> {
        // Results without their checkpoint must be refused before a checkpoint is created.
        let disk = dataflow.disk();
        if options.migrate && !Checkpoint::is_there(disk, path) {
            tracing::warn!("{}: there is none: nothing is taken over from an earlier run", path.display());
        }
        let last_transaction = |fresh| {
            dataflow.sinks.iter().try_fold(None::<LastTransaction>, |found, plan| {
                Ok::<_, Error>(found.or(plan.settings.committed(fresh, &options.sink_deadline)?))
            })
        };
        // Also of a fresh run, which replaces nothing if the sink is not there.
        let committed = last_transaction(false)?.filter(|_| !options.fresh);
        if !options.fresh && !Checkpoint::is_there(disk, path) {
            dataflow.sinks.iter().try_for_each(|plan| plan.settings.check_empty())?;
            if committed.as_ref().is_some_and(|last| !last.change.is_empty()) {
                return Err(Error::Checkpoint(format!(
                    "{}: the sink holds the progress of an earlier run, whose checkpoint is not here: put it back, or pass \
                     --fresh to begin anew; rows that are there stay",
                    path.display()
                )));
            }
        }
        let manner = match (options.fresh, options.migrate) {
            (true, _) => CheckpointOpening::Fresh,
            (false, true) => CheckpointOpening::Migrate,
            (false, false) => CheckpointOpening::Resume,
        };
        let contents = dataflow.contents().of_results().map_err(Error::Checkpoint)?;
        let open = || Checkpoint::open(disk, path, &contents, manner).map_err(Error::Checkpoint);
        let (mut checkpoint, mut found) = open()?;
        if options.fresh {
            // With an empty checkpoint, what the sink holds is of an earlier beginning: a kill before this loses nothing.
            last_transaction(true)?;
        }
        if let Some(progress) = found.progress.as_ref().filter(|_| !options.migrate || committed.is_some()) {
            let last = committed.unwrap_or_default();
            let caught_up = CheckpointChange::catch_up(&last, &checkpoint, progress);
            let caught_up = caught_up.map_err(|error| Error::Checkpoint(format!("{}: {error}", path.display())))?;
            if caught_up {
                drop(checkpoint);
                (checkpoint, found) = open()?;
            }
        }
        found.changes.iter().for_each(|change| tracing::warn!("{}: {change}", path.display()));
        // Without progress, no result was written.
        let empty = if options.fresh { Existing::Replace } else { Existing::Refuse };
        let existing = vec![empty; dataflow.sinks.len()];
        let beginning = ResumePoint { checkpoint: Some(checkpoint), ..ResumePoint::at_the_beginning(existing) };
        let Some(progress) = found.progress else { return Ok(beginning) };
        let Progress { keeps_tail, mut next_epoch, mut next_row, mut numbers, mut files, .. } = progress;
        if keeps_tail {
            let ends = dataflow.sinks.iter().map(|plan| tail_end(plan, &mut files)).collect::<Result<Vec<_>, _>>()?;
            let logged = logged_end(dataflow, 1)?;
            for (epoch, row) in ends.into_iter().chain([logged]) {
                (next_epoch, next_row) = (next_epoch.max(epoch), next_row.max(row));
                let step = numbers.len() as u64;
                for (connection, number) in (0..).zip(&mut numbers) {
                    *number = (*number).max(row.saturating_sub(connection).div_ceil(step) * step + connection);
                }
            }
        } else {
            // What is behind the committed end comes again.
            dataflow.sinks.iter().try_for_each(|plan| plan.settings.cut_log(next_epoch))?;
        }
        let resumed = |plan: &SinkPlan| {
            let end = plan.checkpointed_file().and_then(|path| files.get(&path));
            end.map_or(empty, |FileEnd { length, fingerprint }| Existing::Resume {
                length: *length,
                fingerprint: *fingerprint,
            })
        };
        let existing = dataflow.sinks.iter().map(resumed).collect();
        let (schema, positions, states) = (found.schema, found.positions, found.states);
        Ok(ResumePoint { existing, next_epoch, next_row, numbers, schema, positions, states, files, ..beginning })
    }

    /// Gives each connection its session's earlier subscription, and the first one the orphaned sessions to end: those
    /// of earlier runs, or of a checkpoint that was replaced.
    fn with_sessions(mut self, dataflow: &Dataflow, former: Sessions) -> Result<ResumePoint, String> {
        let Some(checkpoint) = &self.checkpoint else { return Ok(self) };
        let (mut own, mut persistent): (Vec<Option<(String, String)>>, Vec<bool>) = Default::default();
        // The first connections of their sources, which end the sessions that are no more.
        let mut firsts = Vec::new();
        for number in 0..dataflow.connections() {
            let (source, settings) = dataflow.connection(number);
            persistent.push(settings.is_persistent());
            let session = settings.endpoint.and_then(|endpoint| Some((endpoint.client_id?, endpoint.url.topic)));
            if session.is_some() && firsts.iter().all(|(other, _)| *other != source) {
                firsts.push((source, number));
            }
            own.push(session);
        }
        let count = own.len();
        let mut known = checkpoint.sessions()?;
        known.extend(former);
        self.positions.resize_with(count.max(self.positions.len()), SourcePosition::default);
        for (position, persistent) in self.positions.iter_mut().zip(persistent) {
            position.keeps_partial = persistent;
        }
        // Connections that are no more have left rows that lack values, and stations: the first one goes on with them.
        let orphaned = self.positions.iter_mut().skip(count).map(std::mem::take);
        let (partial, stations): (Vec<_>, Vec<_>) =
            orphaned.map(|position| (position.partial, position.station_clocks)).unzip();
        let first = firsts.first().map_or(0, |(_, number)| *number);
        let first = &mut self.positions[first];
        first.partial.extend(partial.into_iter().flatten());
        // What it knows of a station itself counts.
        first.station_clocks.splice(0..0, stations.into_iter().flatten());
        for (session, position) in own.iter().zip(&mut self.positions) {
            let id = session.as_ref().map(|(id, _)| id);
            position.subscribed = id.and_then(|id| known.get(id)).cloned().filter(|_| self.next_epoch > 0);
        }
        let own: Vec<_> = own.into_iter().flatten().collect();
        let left: Vec<String> = known.keys().filter(|id| own.iter().all(|(own, _)| own != *id)).cloned().collect();
        firsts.iter().for_each(|(_, number)| self.positions[*number].left = left.clone());
        own.iter().for_each(|(id, filter)| _ = known.entry(id.clone()).or_insert_with(|| filter.clone()));
        checkpoint.keep_sessions(&known, own.into_iter().collect())?;
        self.run = checkpoint.count_run()?;
        Ok(self)
    }

    /// Logs the sessions and subscriptions of earlier runs that this one ends.
    fn tell_left(&self, path: &Path, dataflow: &Dataflow) {
        let path = path.display();
        for (number, SourcePosition { subscribed, left, .. }) in self.positions.iter().enumerate() {
            for id in left {
                tracing::warn!("{path}: goes: the session {id}, with what its broker still keeps for it");
            }
            let endpoint = (number < dataflow.connections()).then(|| dataflow.connection(number).1.endpoint).flatten();
            let Some((before, endpoint)) = subscribed.as_ref().zip(endpoint) else { continue };
            if *before != endpoint.url.topic {
                let id = endpoint.client_id.unwrap_or_default();
                tracing::warn!(
                    "{path}: goes: the subscription of the session {id} to {before}; what its broker keeps comes"
                );
            }
        }
    }

    fn at_the_beginning(existing: Vec<Existing>) -> ResumePoint {
        ResumePoint {
            checkpoint: None,
            existing,
            next_epoch: 0,
            next_row: 0,
            numbers: Vec::new(),
            run: 0,
            schema: None,
            positions: Vec::new(),
            states: Vec::new(),
            files: BTreeMap::new(),
        }
    }
}

/// Moves the end of a sink's file behind its tail; the next message and row behind it.
fn tail_end(plan: &SinkPlan, files: &mut BTreeMap<String, FileEnd>) -> Result<(u64, u64), Error> {
    let Some(end) = plan.checkpointed_file().and_then(|path| files.get_mut(&path)) else { return Ok((0, 0)) };
    let tail = plan.settings.tail(end.length)?;
    if tail.end > end.length {
        *end = FileEnd { length: tail.end, fingerprint: plan.settings.fingerprint(tail.end)? };
    }
    Ok((tail.next_epoch, tail.next_row))
}

/// The next message and row behind those that interrupted runs of so many processes have left in logs.
fn logged_end(dataflow: &Dataflow, processes: usize) -> Result<(u64, u64), Error> {
    dataflow.sinks.iter().try_fold((0, 0), |(next_epoch, next_row), plan| {
        let (epoch, row) = plan.settings.logged_end(processes)?;
        Ok((next_epoch.max(epoch), next_row.max(row)))
    })
}

/// What to do with existing files that no checkpoint covers, by sink: they are replaced on request only.
pub fn existing(dataflow: &Dataflow, options: &Options) -> Vec<Existing> {
    let fresh = options.fresh;
    let of = |plan: &SinkPlan| {
        if !dataflow.is_live() {
            let repeats = dataflow.sources.iter().all(|source| source.url != SourceUrl::Stdin);
            return Existing::Rerun { fresh, repeats };
        }
        match (fresh, plan.settings.url.is_lines()) {
            (true, _) => Existing::Replace,
            (false, true) => Existing::Append,
            (false, false) => Existing::Refuse,
        }
    };
    dataflow.sinks.iter().map(of).collect()
}
