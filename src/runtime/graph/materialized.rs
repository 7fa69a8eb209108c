//! A materialized table: its contents, for queries, and its sink.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use crate::disk::SharedDisk;
use crate::format::Encoder;
use crate::runtime::epochs::ledger::Ledger;
use crate::runtime::first_error::{FirstError, fail};
use crate::runtime::graph::operator_state::{OperatorState, TOLD};
use crate::runtime::observe::activity::{Activity, Destination};
use crate::sink::{self, Deadline, Existing, FileEnd, RefusedLine, TypedSink};
use crate::tables::{Group, KeyCell, TableContents};

/// A table's contents, shared with the query server's thread.
pub type SharedContents = Arc<Mutex<TableContents>>;

/// Keeps a table's contents, and writes to its sink until that fails: changes as they happen, or the whole table at the
/// end, which replaces an earlier run's file only when it is whole itself.
pub struct MaterializedTable {
    /// The table's index in the dataflow.
    number: usize,
    contents: SharedContents,
    sink: Option<OpenedSink>,
    /// Gets the length of the changes after each epoch, if a checkpoint covers them.
    ledger: Option<Rc<RefCell<Ledger>>>,
    /// The path of the file of changes, if there is one.
    path: Option<String>,
    /// After closing: the length of the changes, and where they end in the file.
    closed: Option<(u64, FileEnd)>,
    activity: Arc<Activity>,
    failure: FirstError,
}

/// What makes tables durable from run to run.
#[derive(Clone)]
pub struct TableDurability {
    /// The keyed states that they are restored from.
    pub states: Vec<OperatorState>,
    /// Gets their new states, on the first worker.
    pub ledger: Option<Rc<RefCell<Ledger>>>,
    /// By path, the committed ends of the files of their changes.
    pub ends: BTreeMap<String, FileEnd>,
}

/// A table that the graph writes to and the coordinator syncs.
pub type SharedMaterializedTable = Rc<RefCell<MaterializedTable>>;

/// The sinks of tables' changes that a checkpoint covers.
#[derive(Clone, Default)]
pub struct MaterializedTables(Vec<SharedMaterializedTable>);

struct OpenedSink {
    sink: TypedSink,
    destination: Arc<Destination>,
    encoder: Encoder,
    /// Whether it takes the whole table at the end instead of all changes.
    whole: bool,
    /// The temporary path of the whole table, and its final one; `None` for a sink that is no regular file.
    replaces: Option<(PathBuf, PathBuf)>,
    disk: SharedDisk,
}

impl OpenedSink {
    /// Logs refused lines: a line of a table is no row of the source, so it can't become a dead letter.
    fn tell_refused(&mut self) {
        for RefusedLine { line, reason, .. } in self.sink.refused() {
            let shown = String::from_utf8_lossy(&line[..line.len().min(200)]);
            tracing::warn!("a line of a table is left out ({reason}): {shown}");
        }
    }
}

impl MaterializedTable {
    /// Opens the sink, if there is one; an existing file is treated as `existing` says. With `kept`, an earlier run's
    /// table continues: the whole table may replace its file, and changes are appended after the committed ones.
    #[expect(clippy::too_many_arguments, reason = "what a table is, where it goes, and what is told meanwhile")]
    pub fn open(
        number: usize,
        name: &str,
        contents: &SharedContents,
        settings: Option<&sink::SinkSettings>,
        existing: Existing,
        kept: Option<&TableDurability>,
        deadline: &Deadline,
        failure: &FirstError,
        activity: &Arc<Activity>,
    ) -> MaterializedTable {
        let path = settings.and_then(|settings| settings.file(0)).map(|path| path.display().to_string());
        let open = |settings: &sink::SinkSettings| {
            let contents = contents.lock().expect("no holder panics");
            let destination = Destination::of("the sink of a table,", format!("table {name}"), settings);
            let whole = !settings.url.takes_json();
            if whole && kept.is_none() && !matches!(existing, Existing::Replace | Existing::Rerun { fresh: true, .. }) {
                settings.check_empty()?;
            }
            let schema = if whole { &contents.schema } else { &contents.change_schema };
            let open = || {
                if !whole {
                    let known = path.as_ref().and_then(|path| kept?.ends.get(path));
                    let known = known.map(|end| Existing::Resume { length: end.length, fingerprint: end.fingerprint });
                    return Ok((settings.open(schema, 0, known.unwrap_or(existing), deadline)?, None));
                }
                let (aside, replaces) = settings.aside();
                Ok::<_, sink::Error>((aside.open(schema, 0, Existing::Replace, deadline)?, replaces))
            };
            let (sink, replaces) = activity.opening(&destination, open)?;
            activity.follow(&destination, sink.progress());
            let encoder = Encoder::new(schema.clone(), settings.encoding()).with_infinity(settings.infinity);
            let disk = settings.disk.clone();
            Ok(OpenedSink { sink, destination, encoder, whole, replaces, disk })
        };
        let sink = settings.map(open).transpose().map_err(|error: sink::Error| fail(failure, error)).ok().flatten();
        let kept = kept.filter(|_| sink.as_ref().is_some_and(|opened| !opened.whole));
        let ledger = kept.and_then(|kept| kept.ledger.clone());
        if let (Some(ledger), Some(opened)) = (&ledger, &sink) {
            ledger.borrow_mut().changes.insert(number, opened.sink.length());
        }
        let (contents, activity, failure) = (contents.clone(), activity.clone(), failure.clone());
        MaterializedTable { number, contents, sink, ledger, path, closed: None, activity, failure }
    }

    /// Whether a checkpoint covers its changes.
    pub fn is_kept(&self) -> bool {
        self.ledger.is_some()
    }

    /// Applies the updates of an epoch, and writes the changes.
    pub fn apply(&mut self, epoch: u64, updates: Vec<((Group, Vec<KeyCell>), isize)>) {
        let groups: BTreeSet<Group> = match self.ledger {
            Some(_) => updates.iter().map(|((group, _), _)| group.clone()).collect(),
            None => BTreeSet::new(),
        };
        let changes = self.contents.lock().expect("no holder panics").apply(epoch, updates);
        if changes.rows() > 0 {
            let follows = self.ledger.is_none();
            self.with(|opened| {
                if opened.whole {
                    return Ok(());
                }
                if follows && opened.sink.is_moved() {
                    let length = opened.sink.length();
                    opened.sink.follow(length)?;
                }
                opened.sink.write(opened.encoder.encode(changes))?;
                opened.sink.flush()
            });
            self.with(|opened| {
                opened.tell_refused();
                Ok(())
            });
            self.remember(epoch, &groups);
        }
    }

    /// Enters into the ledger the length of the changes, and the lines that they have published.
    fn remember(&self, epoch: u64, groups: &BTreeSet<Group>) {
        let (Some(ledger), Some(opened)) = (&self.ledger, &self.sink) else { return };
        let (mut ledger, contents) = (ledger.borrow_mut(), self.contents.lock().expect("no holder panics"));
        for group in groups {
            ledger.remember(epoch, OperatorState { operator: TOLD + self.number, keyed: contents.keyed(group) });
        }
        ledger.told_changes(epoch, self.number, opened.sink.length());
    }

    /// Marks all epochs before this one as complete.
    pub fn complete_before(&mut self, epoch: u64) {
        self.complete(epoch.checked_sub(1));
    }

    fn complete(&self, epoch: Option<u64>) {
        let mut contents = self.contents.lock().expect("no holder panics");
        contents.epoch = contents.epoch.max(epoch);
    }

    /// Writes what is left after the last epoch, and closes the sink.
    pub fn close(&mut self, last: Option<u64>) {
        self.complete(last);
        let contents = self.contents.clone();
        self.with(|opened| {
            if opened.whole {
                let whole = contents.lock().expect("no holder panics").snapshot(None);
                opened.sink.write(opened.encoder.encode(whole))?;
            }
            opened.sink.settle()?;
            opened.tell_refused();
            Ok(())
        });
        let (kept, closed) = (self.is_kept(), &mut self.closed);
        let close = |OpenedSink { mut sink, destination, replaces, disk, .. }: OpenedSink| {
            self.activity.during(&destination, || {
                if kept {
                    sink.sync()?;
                    *closed = Some((sink.length(), sink.file_end(sink.length())?));
                }
                // Synced before the rename: after a power failure the path must not hold less than the whole table.
                replaces.as_ref().map_or(Ok(()), |_| sink.sync())?;
                sink.close()?;
                replaces.map_or(Ok(()), |(aside, path)| sink::replace(&*disk, &aside, &path))
            })
        };
        if let Some(Err(error)) = self.sink.take().map(close) {
            fail(&self.failure, error);
        }
    }

    /// The length of the changes as of the complete prefix.
    fn settled(&self, ledger: &Ledger) -> u64 {
        ledger.changes.get(&self.number).copied().unwrap_or(0)
    }

    fn with(&mut self, act: impl FnOnce(&mut OpenedSink) -> Result<(), sink::Error>) {
        let activity = self.activity.clone();
        let act = |opened: &mut OpenedSink| activity.during(&opened.destination.clone(), || act(opened));
        if let Some(Err(error)) = self.sink.as_mut().map(act) {
            self.sink = None;
            fail(&self.failure, error);
        }
    }
}

impl MaterializedTables {
    pub fn new(materialized_tables: Vec<SharedMaterializedTable>) -> MaterializedTables {
        MaterializedTables(materialized_tables)
    }

    /// Makes what was written durable; false after a failure.
    pub fn sync(&self) -> bool {
        self.0.iter().all(|materialized| {
            let mut materialized = materialized.borrow_mut();
            materialized.with(|opened| {
                opened.sink.sync()?;
                opened.tell_refused();
                Ok(())
            });
            materialized.failure.borrow().is_none()
        })
    }

    /// Whether one is closed with changes beyond the complete prefix.
    pub fn are_closed_behind(&self, ledger: &Ledger) -> bool {
        self.0.iter().any(|materialized| {
            materialized.borrow().closed.is_some_and(|(written, _)| written != materialized.borrow().settled(ledger))
        })
    }

    /// Those whose file was moved away.
    pub fn moved(&self) -> MaterializedTables {
        let is_moved = |materialized: &&SharedMaterializedTable| {
            materialized.borrow().sink.as_ref().is_some_and(|opened| opened.sink.is_moved())
        };
        MaterializedTables(self.0.iter().filter(is_moved).cloned().collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Continues in new files, with the changes beyond the complete prefix.
    ///
    /// # Errors
    /// If a new path is taken by another file.
    pub fn follow(&self, ledger: &Ledger) -> Result<(), sink::Error> {
        self.0.iter().try_for_each(|materialized| {
            let complete = materialized.borrow().settled(ledger);
            materialized.borrow_mut().sink.as_mut().map_or(Ok(()), |opened| opened.sink.follow(complete))
        })
    }

    /// By path, where in their files the complete changes end; at the beginning for those that were `moved`.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn ends(&self, ledger: &Ledger, moved: &MaterializedTables) -> Result<BTreeMap<String, FileEnd>, sink::Error> {
        let mut ends = BTreeMap::new();
        for shared in &self.0 {
            let materialized = shared.borrow();
            let Some(path) = materialized.path.clone() else { continue };
            let end = match (&materialized.sink, materialized.closed) {
                _ if moved.0.iter().any(|moved| Rc::ptr_eq(moved, shared)) => FileEnd::default(),
                (Some(opened), _) => opened.sink.file_end(materialized.settled(ledger))?,
                (None, closed) => closed.map_or(FileEnd::default(), |(_, end)| end),
            };
            ends.insert(path, end);
        }
        Ok(ends)
    }
}
