//! Where a table is seen: its contents, for those that ask, and its sink.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::disk::SharedDisk;
use crate::format::Encoder;
use crate::runtime::failure::{Failure, fail};
use crate::runtime::observe::activity::{Activity, Destination};
use crate::sink::{self, Deadline, Existing, Refused, Sink};
use crate::tables::{Cell, Contents, Group};

/// A table's contents, which other threads look at.
pub type SharedContents = Arc<Mutex<Contents>>;

/// Keeps a table's contents, and writes to its sink until that fails: changes as they come, or the whole table at the
/// end. That replaces one of an earlier run only when it is whole itself.
pub struct Outlet {
    contents: SharedContents,
    sink: Option<Opened>,
    activity: Arc<Activity>,
    failure: Failure,
}

struct Opened {
    sink: Box<dyn Sink>,
    destination: Arc<Destination>,
    encoder: Encoder,
    /// Whether it takes the whole table at the end, in place of all changes.
    whole: bool,
    /// Where the whole table is made, and where it goes then; `None` for a sink that is no regular file.
    replaces: Option<(PathBuf, PathBuf)>,
    disk: SharedDisk,
}

impl Opened {
    /// A line of a table is no row that could be a dead letter.
    fn tell_refused(&mut self) {
        for Refused { line, reason, .. } in self.sink.refused() {
            let shown = String::from_utf8_lossy(&line[..line.len().min(200)]);
            tracing::warn!("a line of a table is left out ({reason}): {shown}");
        }
    }
}

impl Outlet {
    /// Opens the sink, if there is one. What is there is taken as `existing` says; with `kept`, an earlier run's table
    /// goes on, so that the whole one may replace it.
    pub fn open(
        contents: &SharedContents,
        settings: Option<&sink::Settings>,
        existing: Existing,
        kept: bool,
        deadline: &Deadline,
        failure: &Failure,
        activity: &Arc<Activity>,
    ) -> Outlet {
        let open = |settings: &sink::Settings| {
            let contents = contents.lock().expect("no holder panics");
            let destination = Destination::of("the sink of a table,", settings);
            let whole = !settings.url.takes_json();
            if whole && !kept && !matches!(existing, Existing::Replace | Existing::Rerun { fresh: true, .. }) {
                settings.check_empty()?;
            }
            let schema = if whole { &contents.schema } else { &contents.change_schema };
            let open = || {
                if !whole {
                    return Ok((settings.open(schema, 0, existing, deadline)?, None));
                }
                let (aside, replaces) = settings.aside();
                Ok::<_, sink::Error>((aside.open(schema, 0, Existing::Replace, deadline)?, replaces))
            };
            let (sink, replaces) = activity.during(&destination, open)?;
            activity.follow(&destination, sink.pulse());
            let encoder = Encoder::new(schema.clone(), settings.encoding()).with_infinity(settings.infinity);
            let disk = settings.disk.clone();
            Ok(Opened { sink, destination, encoder, whole, replaces, disk })
        };
        let sink = settings.map(open).transpose().map_err(|error: sink::Error| fail(failure, error)).ok().flatten();
        Outlet { contents: contents.clone(), sink, activity: activity.clone(), failure: failure.clone() }
    }

    /// Takes in what an epoch changes.
    pub fn apply(&mut self, epoch: u64, updates: Vec<((Group, Vec<Cell>), isize)>) {
        let changes = self.contents.lock().expect("no holder panics").apply(epoch, updates);
        if changes.rows() > 0 {
            self.with(|opened| {
                if opened.whole {
                    return Ok(());
                }
                opened.sink.write(opened.encoder.encode(changes))?;
                opened.sink.flush()?;
                if opened.sink.is_moved() { opened.sink.follow(opened.sink.length()) } else { Ok(()) }
            });
            self.with(|opened| {
                opened.tell_refused();
                Ok(())
            });
        }
    }

    /// All epochs before this one are complete.
    pub fn complete_before(&mut self, epoch: u64) {
        self.complete(epoch.checked_sub(1));
    }

    fn complete(&self, epoch: Option<u64>) {
        let mut contents = self.contents.lock().expect("no holder panics");
        contents.epoch = contents.epoch.max(epoch);
    }

    /// Ends the sink after the last epoch.
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
        let close = |Opened { mut sink, destination, replaces, disk, .. }: Opened| {
            self.activity.during(&destination, || {
                // The name must not lead to less than was written when it outlives the power.
                replaces.as_ref().map_or(Ok(()), |_| sink.sync())?;
                sink.close()?;
                replaces.map_or(Ok(()), |(aside, path)| sink::replace(&*disk, &aside, &path))
            })
        };
        if let Some(Err(error)) = self.sink.take().map(close) {
            fail(&self.failure, error);
        }
    }

    fn with(&mut self, act: impl FnOnce(&mut Opened) -> Result<(), sink::Error>) {
        let activity = self.activity.clone();
        let act = |opened: &mut Opened| activity.during(&opened.destination.clone(), || act(opened));
        if let Some(Err(error)) = self.sink.as_mut().map(act) {
            self.sink = None;
            fail(&self.failure, error);
        }
    }
}
