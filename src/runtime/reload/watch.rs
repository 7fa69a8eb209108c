//! Looks at the files of params while a run goes on, and makes the steps anew when they have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use crate::config::{Dataflow, ParamsFiles, read_params};
use crate::data::Schema;
use crate::measure::ServedModel;
use crate::runtime::background_thread::BackgroundThread;
use crate::runtime::reload::request::{ReloadAnswer, ReloadRequest};
use crate::subtasks::Step;

/// How often the files and the directory of requests are looked at.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(100);
/// How long a file must stay as it is before it is read: one that is written in place is half there meanwhile.
const SETTLE_INTERVAL: Duration = Duration::from_millis(300);
/// How often a file is read again that changes while it is read.
const READS_MAX: usize = 50;

/// New params with the steps that they make.
pub struct CandidateParams {
    /// The files that have changed, and those that go with them.
    pub params: ParamsFiles,
    /// All steps of the chain.
    pub steps: Vec<Step>,
}

/// The epoch and the row from which a candidate serves; in words why not, if another process cannot serve it.
pub type Decision = Result<(u64, u64), String>;

/// What tells that a file may have other contents; `None` if it is not there.
type FileStamp = Option<(u64, u64, i64, i64)>;

/// Looks at the files on a thread of its own, until it is dropped.
pub struct ParamsWatch {
    _thread: BackgroundThread,
}

/// What the thread knows.
struct Watched {
    dataflow: Dataflow,
    /// The columns of the rows from the source.
    schema: Schema,
    /// Where other programs ask, if they can.
    live: Option<PathBuf>,
    /// The steps that serve.
    running: Vec<Step>,
    /// By path, the SHA-256 of the params that serve.
    served: BTreeMap<String, String>,
    /// By path, how a file was when it was read last.
    seen: BTreeMap<String, FileStamp>,
    /// By path, how a file is that has changed since, and from when on.
    changing: BTreeMap<String, (FileStamp, Instant)>,
    candidates: Sender<CandidateParams>,
    decisions: Receiver<Decision>,
    over: Arc<AtomicBool>,
}

impl ParamsWatch {
    /// Starts to look at the files of a dataflow that runs with these steps and params.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(
        dataflow: &Dataflow,
        schema: &Schema,
        steps: &[Step],
        params: &ParamsFiles,
        live: Option<PathBuf>,
        (candidates, decisions): (Sender<CandidateParams>, Receiver<Decision>),
    ) -> io::Result<ParamsWatch> {
        let over = Arc::<AtomicBool>::default();
        let watched = Watched {
            dataflow: dataflow.clone(),
            schema: schema.clone(),
            live,
            running: steps.to_vec(),
            served: params.hashes(),
            // Read again at first: the files may have changed since the run has read them.
            seen: BTreeMap::new(),
            changing: BTreeMap::new(),
            candidates,
            decisions,
            over: over.clone(),
        };
        let thread = BackgroundThread::start("params", over, move || watched.run())?;
        Ok(ParamsWatch { _thread: thread })
    }
}

impl Watched {
    fn run(mut self) {
        while !self.over.load(Ordering::Relaxed) {
            let asked = self.live.as_deref().and_then(ReloadRequest::take);
            let due: BTreeSet<String> = match asked {
                Some(_) => self.dataflow.params().into_iter().map(str::to_owned).collect(),
                None => self.settled(),
            };
            if asked.is_some() || !due.is_empty() {
                let answer = self.follow(&due);
                tell(&answer);
                if let (Some(asked), Some(live)) = (asked, &self.live)
                    && let Err(error) = asked.reply(live, answer)
                {
                    tracing::warn!("--live {}: {error}", live.display());
                }
            }
            std::thread::park_timeout(LOOK_UP_INTERVAL);
        }
    }

    /// The followed files that have changed, and have stayed as they are since.
    fn settled(&mut self) -> BTreeSet<String> {
        let mut settled = BTreeSet::new();
        for path in self.dataflow.followed_params() {
            let now = stamp(Path::new(path));
            if self.seen.get(path) == Some(&now) {
                self.changing.remove(path);
                continue;
            }
            let since = self.changing.entry(path.to_owned()).or_insert((now, Instant::now()));
            if since.0 != now {
                *since = (now, Instant::now());
            } else if since.1.elapsed() >= SETTLE_INTERVAL {
                settled.insert(path.to_owned());
            }
        }
        settled
    }

    /// Reads files, makes the steps anew if they have changed, and waits until they serve.
    fn follow(&mut self, due: &BTreeSet<String>) -> ReloadAnswer {
        let together = self.dataflow.params_with(due.iter().map(String::as_str));
        let mut all = ParamsFiles::default();
        for path in together.into_iter().map(str::to_owned).collect::<Vec<_>>() {
            all.insert(&path, self.read(&path)?);
        }
        let hashes = all.hashes();
        let changed = hashes.iter().filter(|(path, hash)| self.served.get(*path) != Some(hash));
        let changed: Vec<&str> = changed.map(|(path, _)| path.as_str()).collect();
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        let params = all.only(&self.dataflow.params_with(changed.iter().copied()));
        let made = self.dataflow.changed_steps(&self.schema, &params, &self.running);
        let (steps, _) = made.map_err(|diagnostic| diagnostic.title().to_owned())?;
        same_columns(&self.schema, &self.running, &steps)?;
        let gone = || Err("the run ends".to_owned());
        if self.candidates.send(CandidateParams { params, steps: steps.clone() }).is_err() {
            return gone();
        }
        let (from_message, from_row) = loop {
            match self.decisions.recv_timeout(LOOK_UP_INTERVAL) {
                Ok(decision) => break decision?,
                Err(RecvTimeoutError::Disconnected) => return gone(),
                Err(RecvTimeoutError::Timeout) if self.over.load(Ordering::Relaxed) => return gone(),
                Err(RecvTimeoutError::Timeout) => {}
            }
        };
        self.running = steps;
        let serve = |path: &str| {
            let sha256 = hashes[path].clone();
            ServedModel { file: path.to_owned(), sha256, from_message, from_row }
        };
        let serve: Vec<ServedModel> = changed.into_iter().map(serve).collect();
        self.served.extend(hashes);
        Ok(serve)
    }

    /// The contents of a file that does not change meanwhile.
    fn read(&mut self, path: &str) -> Result<Vec<u8>, String> {
        for _ in 0..READS_MAX {
            let before = stamp(Path::new(path));
            let contents = read_params(Path::new(path));
            if before == stamp(Path::new(path)) {
                self.changing.remove(path);
                self.seen.insert(path.to_owned(), before);
                return contents.map_err(|error| format!("{path}: {error}"));
            }
            std::thread::sleep(LOOK_UP_INTERVAL);
        }
        Err(format!("{path}: it changes all the time"))
    }
}

/// Refuses steps that append other columns than those that run: sinks and tables have theirs already.
fn same_columns(schema: &Schema, running: &[Step], new: &[Step]) -> Result<(), String> {
    let mut schema = schema.clone();
    for (old, new) in running.iter().zip(new) {
        let after = |step: &Step| step.subtask.transform().columns_after(&schema, &step.scope);
        let (before, now) = (after(old), after(new));
        if before != now {
            let named = |one: &Schema, other: &Schema| {
                let columns = one.columns().iter().filter(|column| other.get(&column.name) != Some(column));
                columns.map(|column| column.name.clone()).collect::<Vec<_>>().join(", ")
            };
            let (gone, added) = (named(&before, &now), named(&now, &before));
            return Err(format!(
                "{} would have other columns ({added}) than now ({gone}): end the run, and start it again with the new file",
                new.label
            ));
        }
        schema = before;
    }
    Ok(())
}

/// Says in the log what serves from now on, or why the old params go on.
fn tell(answer: &ReloadAnswer) {
    match answer {
        Ok(served) => served.iter().for_each(|model| tracing::warn!("{model}")),
        Err(reason) => tracing::warn!("new params are refused, and the old ones go on: {reason}"),
    }
}

fn stamp(path: &Path) -> FileStamp {
    let found = std::fs::metadata(path).ok()?;
    Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;

    use super::*;
    use crate::data::Kind;

    const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

    fn params(slope: f64) -> String {
        format!(
            "{{\"rowmill_fit\": 1, \"steps\": [{{\"step\": \"linear_regression\", \"columns\": [\"x\"], \"learned\": \
             {{\"coef_\": [{slope:?}], \"intercept_\": 0.0}}}}]}}"
        )
    }

    struct Bench {
        candidates: Receiver<CandidateParams>,
        decisions: Sender<Decision>,
        path: PathBuf,
        live: PathBuf,
        _watch: ParamsWatch,
        _directory: tempfile::TempDir,
    }

    fn watch(reload: bool) -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("m.json");
        std::fs::write(&path, params(1.0)).unwrap();
        let text = format!(
            "source.url = '-'\nsink.url = 'null'\nschema = {{ number = ['x'] }}\n[[subtask]]\n\
             use = 'linear_regression'\nparams = '{}'\nreload = {reload}\n",
            path.display()
        );
        let dataflow = Dataflow::from_text("t", &text, &[], &crate::registry::Registry::builtin()).unwrap();
        let schema = Schema::new([("x", Kind::Number)]);
        let files = ParamsFiles::read(dataflow.params()).unwrap();
        let (steps, _) = dataflow.steps_of(&schema, &files).unwrap();
        let ((give, candidates), (decisions, take)) = (bounded(1), bounded(1));
        let live = directory.path().to_owned();
        let ends = (give, take);
        let _watch = ParamsWatch::start(&dataflow, &schema, &steps, &files, Some(live.clone()), ends).unwrap();
        Bench { candidates, decisions, path, live, _watch, _directory: directory }
    }

    fn slope(candidate: &CandidateParams) -> f64 {
        let mut message = crate::data::Message::from_columns(&[vec![1.0]]);
        candidate.steps[0].subtask.apply(&mut message, &candidate.steps[0].scope).unwrap();
        message.column(1)[0]
    }

    #[test]
    fn a_file_is_followed_however_it_is_written_and_not_before_it_is_whole() {
        let bench = watch(true);
        // Half of it, for longer than a file must stay as it is; then the other half.
        let (text, half) = (params(2.0), 40);
        std::fs::write(&bench.path, &text[..half]).unwrap();
        assert!(bench.candidates.recv_timeout(SETTLE_INTERVAL * 4).is_err());
        std::fs::write(&bench.path, &text).unwrap();
        let candidate = bench.candidates.recv_timeout(WAIT_TIMEOUT).unwrap();
        assert_eq!(slope(&candidate), 2.0);
        bench.decisions.send(Ok((3, 7))).unwrap();
        // Replaced as a whole by the same contents: nothing to do; by others: it is served.
        crate::disk::replace(&bench.path, text.as_bytes(), crate::disk::Readers::Umask).unwrap();
        assert!(bench.candidates.recv_timeout(SETTLE_INTERVAL * 4).is_err());
        crate::disk::replace(&bench.path, params(3.0).as_bytes(), crate::disk::Readers::Umask).unwrap();
        assert_eq!(slope(&bench.candidates.recv_timeout(WAIT_TIMEOUT).unwrap()), 3.0);
    }

    #[test]
    fn another_program_asks_and_hears_what_came_of_it() {
        let bench = watch(false);
        let ask = || ReloadRequest::ask(&bench.live).unwrap();
        let heard = |request: ReloadRequest| request.wait(&bench.live, || true).unwrap();
        assert_eq!(heard(ask()), Ok(Vec::new()), "nothing has changed");
        std::fs::write(&bench.path, params(2.0)).unwrap();
        assert!(bench.candidates.recv_timeout(SETTLE_INTERVAL * 4).is_err(), "nobody has asked");
        let request = ask();
        assert_eq!(slope(&bench.candidates.recv_timeout(WAIT_TIMEOUT).unwrap()), 2.0);
        bench.decisions.send(Ok((3, 7))).unwrap();
        let [served] = &heard(request).unwrap()[..] else { panic!() };
        assert_eq!((served.from_message, served.from_row), (3, 7));
        assert_eq!(served.sha256, crate::config::sha256(params(2.0).as_bytes()));
        for (broken, reason) in [
            ("{", "EOF"),
            (params(1.0).replace("[1.0]", "[1.0, 2.0]").as_str(), "coef_"),
            (params(1.0).replace("\"x\"", "\"y\"").as_str(), "not on x"),
        ] {
            std::fs::write(&bench.path, broken).unwrap();
            let refused = heard(ask()).unwrap_err();
            assert!(refused.contains(reason) && refused.contains("m.json"), "{refused}");
        }
        std::fs::remove_file(&bench.path).unwrap();
        assert!(heard(ask()).unwrap_err().contains("m.json"));
        std::fs::write(&bench.path, params(4.0)).unwrap();
        let request = ask();
        bench.candidates.recv_timeout(WAIT_TIMEOUT).unwrap();
        bench.decisions.send(Err("process 1 has no memory".into())).unwrap();
        assert_eq!(heard(request), Err("process 1 has no memory".into()));
        // It is proposed again when it is asked for again.
        let request = ask();
        assert_eq!(slope(&bench.candidates.recv_timeout(WAIT_TIMEOUT).unwrap()), 4.0);
        bench.decisions.send(Ok((9, 9))).unwrap();
        assert_eq!(heard(request).unwrap().len(), 1);
    }

    #[test]
    fn a_model_with_other_columns_is_refused_by_name() {
        let schema = Schema::new([("x", Kind::Number)]);
        let step = |prefix: &str| {
            let parameters = format!("{{prefix = '{prefix}'}}");
            let parameters = toml::de::ValueDeserializer::parse(&parameters).unwrap();
            let subtask =
                crate::subtasks::Subtasks::builtin().find("linear_regression").unwrap().build(parameters).unwrap();
            let learned = crate::subtasks::Learned::default().with("coef_", [1.0]).with("intercept_", 0.0);
            let (subtask, scope) = (subtask.freeze(&learned, 1).unwrap(), crate::subtasks::Scope::numbers(1));
            Step {
                label: "linear_regression".into(),
                source: None,
                subtask,
                scope,
                stream: None,
                on_error: Default::default(),
            }
        };
        assert_eq!(same_columns(&schema, &[step("")], &[step("")]), Ok(()));
        let refused = same_columns(&schema, &[step("")], &[step("new_")]).unwrap_err();
        assert!(refused.contains("(new_prediction)") && refused.contains("(prediction)"), "{refused}");
    }
}
