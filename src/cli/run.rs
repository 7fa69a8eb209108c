//! `rowmill run`: runs a dataflow file.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::rescale::{RescaleRequest, Rescaled, RunIdentity};
use super::signals::SignalHandler;
use super::{Failure, claim, launcher, panics, print_error, stuck};
use crate::config::{Dataflow, Override, Presented, SourcePlan};
use crate::disk;
use crate::measure::{Report, RunOutcome, SampleHistory};
use crate::mqtt::masked;
use crate::registry::Registry;
use crate::runtime;
use crate::runtime::{Cluster, OnLive, OnProgress, OnReady, OnStuck, Options, Secret, StatusLine};
use crate::sink::Deadline;
use crate::source::SourceUrl;

/// The most bytes of a hostfile.
const HOSTFILE_BYTES_MAX: u64 = 1 << 26;

/// Run a dataflow file.
#[derive(clap::Args)]
pub struct RunArguments {
    /// The dataflow file, such as dataflows/weather.toml.
    file: PathBuf,
    /// Take rows from here: mqtt://host:port/topic, a .csv, .ndjson, .json or .txt file, -, or generate:rows=N,seed=S;
    /// with rate=R,arrivals=poisson,burst=B the rows are generated when they are due.
    #[arg(long, value_name = "URL")]
    source: Option<String>,
    /// Put results here: a .ndjson, .csv or .parquet file, -, mqtt://host:port/topic, or null.
    #[arg(long, value_name = "URL")]
    sink: Option<String>,
    /// Put rows that can't be used here: a .ndjson file, -, mqtt://host:port/topic, or null.
    #[arg(long, value_name = "URL")]
    dead_letter: Option<String>,
    /// Rows a message.
    #[arg(long, value_name = "N")]
    bucket_size: Option<u64>,
    /// How long the oldest row of a partial message waits, such as 500ms.
    #[arg(long, value_name = "D")]
    delay: Option<String>,
    /// Where subtasks run: message (all on one worker) or subtask (each on another).
    #[arg(long, value_name = "P")]
    placement: Option<String>,
    /// Put a value over the file's: buffer.delay="1s", subtask.clip.upper=50.0
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Worker threads a process; those of the file, else 1, if not given.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,
    /// Processes; those of the file, else 1, if not given. Without -p they are all started on this machine.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    processes: Option<u16>,
    /// Which process this is, from 0.
    #[arg(short, long, value_name = "I")]
    process: Option<u16>,
    /// A file with host:port of every process, one a line.
    #[arg(long, value_name = "F")]
    hostfile: Option<PathBuf>,
    /// Keep one operator a subtask, to see the time of each. Without it, and without --report, --live and --trace,
    /// subtasks that follow each other run as one operator, and those that act column by column in one pass over each.
    #[arg(long)]
    no_fuse: bool,
    /// Start the processes of this machine again when one of them fails.
    #[arg(long, value_enum, default_value_t = Restart::Never)]
    restart: Restart,
    /// Begin anew: replace results, and forget what an earlier run has finished.
    #[arg(long)]
    fresh: bool,
    /// Go on though the dataflow has changed since: progress and results stay, and the state of steps that have not
    /// changed; what stays and what goes is listed. The state of tables stays if none has changed.
    #[arg(long, conflicts_with = "fresh")]
    migrate: bool,
    /// Write report.json, .hlog files and charts of the results into this directory.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Write what timely's operators do, and the messages between them, into this file: JSON that Perfetto opens. It
    /// grows by some megabytes a second. With -n, each process writes a part.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write live.json about once a second into this directory, sampled rows into samples.ndjson, and at the end
    /// outcome.json and the report: what `rowmill serve` shows.
    #[arg(long, value_name = "DIR")]
    live: Option<PathBuf>,
    /// Give up when a broker cannot be reached for so long at the start, or other processes (they: after 1m at the
    /// latest, if nothing is said).
    #[arg(long, value_name = "D", value_parser = super::duration)]
    connect_timeout: Option<Duration>,
    /// Keep others off the ports of the processes: all must have the same secret, the contents of this file.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// How long what was received may take to be served once SIGINT or SIGTERM has come; after it the run fails, and
    /// says what was left. A second signal ends it at once.
    #[arg(long, value_name = "D", value_parser = super::duration, default_value = "30s")]
    drain_timeout: Duration,
    /// How long rows may wait without one coming further. After it the run says what it waits for; it fails where a new
    /// start can help: a broker that takes nothing, or another process that says nothing.
    #[arg(long, value_name = "D", value_parser = super::duration, default_value = "1m")]
    stall_timeout: Duration,
    /// No progress and no report on standard error.
    #[arg(short, long)]
    quiet: bool,
}

/// When processes are started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Restart {
    Never,
    OnFailure,
}

/// Locks the directories that this run writes to until it ends; the launcher has the locks for its processes.
fn claim(arguments: &RunArguments) -> Result<Vec<File>, Failure> {
    if arguments.process.is_some_and(|process| process > 0) || launcher::is_launched() {
        return Ok(Vec::new());
    }
    claim::claim([("--live", arguments.live.as_deref()), ("--report", arguments.report.as_deref())])
}

pub fn run(arguments: &RunArguments, registry: &Registry) -> Result<ExitCode, Failure> {
    // Before anything else: a signal that comes before the handlers would end the process without a drain.
    let on_signals = SignalHandler::install()?;
    let _claimed = claim(arguments)?;
    let Some(live) = &arguments.live else { return run_dataflow(arguments, on_signals, registry).map(ExitCode::from) };
    let result = run_dataflow(arguments, on_signals, registry);
    if arguments.process.is_none() {
        let request = RescaleRequest::take(live);
        if let (Ok(0), Some(request)) = (&result, request) {
            return Err(request.start_again());
        }
        let outcome = match &result {
            Ok(code) => RunOutcome::now(*code, String::new()),
            Err(failure) => RunOutcome::now(failure.code(), failure.to_string()),
        };
        outcome.write(live).map_err(|error| Failure::Failed(format!("--live {}: {error}", live.display())))?;
    }
    result.map(ExitCode::from)
}

fn run_dataflow(arguments: &RunArguments, on_signals: SignalHandler, registry: &Registry) -> Result<u8, Failure> {
    let mut dataflow = Dataflow::read(&arguments.file, &overrides(arguments)?, registry)?;
    if arguments.process.is_none() && launcher::arguments().iter().any(|text| has_password(text)) {
        tracing::warn!(
            "the list of this machine's processes shows the password on the command line: write password = {{ env = \
             \"NAME\" }} or {{ file = \"PATH\" }} into the file instead"
        );
    }
    if arguments.process.is_none_or(|process| process == 0) && !launcher::is_launched() {
        dataflow.possible_loops().iter().for_each(|told| tracing::warn!("{told}"));
    }
    if let Some(timeout) = arguments.connect_timeout {
        dataflow.set_connect_timeout(timeout);
    }
    let restart = arguments.restart == Restart::OnFailure;
    let rescaled = Rescaled::of_environment();
    let processes = rescaled.map(|to| to.processes).or(arguments.processes).or(dataflow.processes).unwrap_or(1);
    let workers = rescaled.map(|to| to.workers).or(arguments.workers).or(dataflow.workers).unwrap_or(1);
    if let Some(live) = arguments.live.as_ref().filter(|_| !launcher::is_launched()) {
        let identity = RunIdentity::new(&dataflow, workers, processes, arguments.process.is_some());
        identity.write(live).map_err(|error| Failure::Failed(format!("--live {}: {error}", live.display())))?;
    }
    if (processes > 1 || restart) && arguments.process.is_none() {
        let own: Vec<OsString> = launcher::arguments().into_iter().skip(1).collect();
        return launcher::launch(processes.into(), own, restart, arguments.drain_timeout, on_signals);
    }
    let cluster = cluster(arguments, workers.into(), processes.into())?;
    let first = cluster.process == 0;
    let listener = launcher::attend(cluster.process)?.map(Arc::new);
    if cluster.processes() > 1 {
        panics::end_with_others();
    }
    let quiet = arguments.quiet || !first;
    let begun = Arc::new(Once::new());
    let options = Options {
        cluster,
        fuse: !arguments.no_fuse && arguments.report.is_none() && arguments.live.is_none() && arguments.trace.is_none(),
        // What was written before it was rescaled stays.
        fresh: arguments.fresh && rescaled.is_none(),
        migrate: arguments.migrate,
        connect_timeout: arguments.connect_timeout.unwrap_or(runtime::CONNECT_TIMEOUT),
        shared_file: false,
        secret: secret(arguments)?,
        drain_timeout: Some(arguments.drain_timeout),
        stall_timeout: Some(arguments.stall_timeout),
        on_stuck: Some(on_stuck(arguments)),
        listener,
        stop: on_signals.stop,
        sink_deadline: Deadline::default(),
        reopen: on_signals.reopen,
        on_progress: (!quiet).then(progress),
        on_live: observer(arguments, &begun),
        tables_at: arguments.live.clone(),
        reload_at: arguments.live.clone(),
        trace: arguments.trace.clone(),
        on_ready: on_ready(arguments, &dataflow, quiet, rescaled.filter(|_| first)),
    };
    let presented = dataflow.presented();
    let result = runtime::run(dataflow, options);
    if !first && matches!(result, Err(runtime::Error::Dataflow(_))) {
        // Process 0 shows the diagnostic.
        return Ok(2);
    }
    if let Some(report) = result? {
        let in_live = arguments.live.as_ref().map(|live| live.join("report"));
        begun.call_once(|| arguments.live.iter().for_each(|live| forget_last_run(live)));
        finish(&report, arguments.report.iter().chain(&in_live), quiet)?;
        let of_live = in_live.as_deref().zip(arguments.live.as_deref());
        let of_report = arguments.report.as_deref().map(|report| (report, report));
        of_report.into_iter().chain(of_live).try_for_each(|(to, samples)| draw(to, samples, &presented))?;
    }
    Ok(0)
}

fn secret(arguments: &RunArguments) -> Result<Secret, Failure> {
    let Some(file) = &arguments.secret_file else { return Ok(Secret::default()) };
    Secret::read(file).map_err(|reason| Failure::Wrong(format!("error: --secret-file {}: {reason}", file.display())))
}

/// Writes the reason to the run's outcome, and ends the process.
fn on_stuck(arguments: &RunArguments) -> OnStuck {
    let live = arguments.live.clone().filter(|_| arguments.process.is_none());
    Arc::new(move |reason| {
        if let Some(live) = &live {
            let _ = RunOutcome::now(1, format!("error: {reason}")).write(live);
        }
        stuck::exit(reason)
    })
}

fn has_password(argument: &OsStr) -> bool {
    argument.to_str().is_some_and(|text| masked(text) != text)
}

/// The overrides of `--set`.
pub(super) fn set_overrides(set: &[String]) -> Result<Vec<Override>, Failure> {
    let overrides = set.iter().map(|text| Override::set(text)).collect::<Result<Vec<_>, _>>();
    overrides.map_err(|reason| Failure::Wrong(format!("error: --set: {reason}")))
}

fn overrides(arguments: &RunArguments) -> Result<Vec<Override>, Failure> {
    let mut overrides = set_overrides(&arguments.set)?;
    let texts = [
        ("--source", "source.url", &arguments.source),
        ("--sink", "sink.url", &arguments.sink),
        ("--dead-letter", "dead_letter.url", &arguments.dead_letter),
        ("--delay", "buffer.delay", &arguments.delay),
        ("--placement", "placement", &arguments.placement),
    ];
    for (flag, key, value) in texts {
        overrides.extend(value.as_ref().map(|value| Override::text(flag, key, value)));
    }
    overrides.extend(arguments.bucket_size.map(|size| Override::number("--bucket-size", "buffer.bucket_size", size)));
    Ok(overrides)
}

fn cluster(arguments: &RunArguments, workers: usize, processes: usize) -> Result<Cluster, Failure> {
    let wrong = |reason: String| Failure::Wrong(format!("error: {reason}"));
    let process = usize::from(arguments.process.unwrap_or(0));
    if process >= processes {
        return Err(wrong(format!("--process {process}: with -n {processes} it is at most {}", processes - 1)));
    }
    if processes == 1 {
        return Ok(Cluster::threads(workers));
    }
    let Some(file) = &arguments.hostfile else {
        return Err(wrong("-p needs --hostfile, a file with host:port of every process".into()));
    };
    let text = disk::read_text_at_most(file, HOSTFILE_BYTES_MAX)
        .map_err(|error| wrong(format!("{}: {error}", file.display())))?;
    let hosts: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if hosts.len() < processes {
        return Err(wrong(format!("{} names {} processes, but -n is {processes}", file.display(), hosts.len())));
    }
    Ok(Cluster { workers, process, hosts: hosts[..processes].to_vec() })
}

/// What is done when rows are read: it is said, and to the one who has rescaled the run.
fn on_ready(arguments: &RunArguments, dataflow: &Dataflow, quiet: bool, rescaled: Option<Rescaled>) -> Option<OnReady> {
    let said = if quiet { None } else { announce(dataflow) };
    let Some((rescaled, live)) = rescaled.zip(arguments.live.clone()) else { return said };
    Some(Arc::new(move || {
        said.iter().for_each(|say| say());
        if let Err(error) = rescaled.tell(&live) {
            tracing::warn!("--live {}: {error}", live.display());
        }
    }))
}

/// Says when an MQTT source has subscribed: nothing that is published from then on is missed.
fn announce(dataflow: &Dataflow) -> Option<OnReady> {
    let text = |source: &SourcePlan| {
        let SourceUrl::Mqtt(url) = &source.url else { return None };
        let user = source.settings.endpoint.as_ref().and_then(|endpoint| endpoint.user.as_ref());
        Some(format!("subscribed to {url}{}", user.map_or(String::new(), |user| format!(" as user {user}"))))
    };
    let texts: Vec<String> = dataflow.sources.iter().filter_map(text).collect();
    (!texts.is_empty()).then(|| Arc::new(move || texts.iter().for_each(|text| print_error(text))) as OnReady)
}

/// Writes what is asked for while the run goes on; `None` if that is nothing.
fn observer(arguments: &RunArguments, begun: &Arc<Once>) -> Option<OnLive> {
    let of_report = arguments.report.as_ref().filter(|_| cfg!(feature = "charts")).map(|report| keep(report));
    match (arguments.live.clone().map(|live| show(live, begun.clone())), of_report) {
        (Some(live), Some(report)) => Some(Arc::new(move |status| {
            live(status);
            report(status);
        })),
        (live, report) => live.or(report),
    }
}

/// Writes `live.json` and `samples.ndjson`; a failure to write them is logged once.
fn show(directory: PathBuf, begun: Arc<Once>) -> OnLive {
    let said = Once::new();
    let samples = Mutex::new(SampleHistory::new(&directory));
    Arc::new(move |live| {
        if live.rows_in > 0 {
            begun.call_once(|| forget_last_run(&directory));
        }
        let mut samples = samples.lock().expect("no holder panics");
        let sampled = live.sample.as_ref().map_or(Ok(()), |sample| samples.add(sample));
        if let Err(error) = live.write(&directory).and(sampled) {
            said.call_once(|| tracing::warn!("{}: {error}", directory.display()));
        }
    })
}

/// Removes what `--live` shows of the run before. What a run that is refused finds there stays.
fn forget_last_run(directory: &Path) {
    let _ = std::fs::remove_file(directory.join(SampleHistory::FILE));
    let _ = Report::remove(&directory.join("report"));
}

/// Writes the `samples.ndjson` of a report, of which its charts are drawn; a failure to write it is logged once.
fn keep(directory: &Path) -> OnLive {
    let (said, directory) = (Once::new(), directory.to_owned());
    let _ = std::fs::remove_file(directory.join(SampleHistory::FILE));
    let samples = Mutex::new(SampleHistory::new(&directory));
    Arc::new(move |status| {
        let Some(sample) = &status.sample else { return };
        let added = std::fs::create_dir_all(&directory);
        let added = added.and_then(|()| samples.lock().expect("no holder panics").add(sample));
        if let Err(error) = added {
            said.call_once(|| tracing::warn!("{}: {error}", directory.display()));
        }
    })
}

/// Draws the charts of a report.
#[cfg(feature = "charts")]
fn draw(directory: &Path, samples: &Path, presented: &Presented) -> Result<(), Failure> {
    crate::charts::write_results(directory, samples, presented).map_err(Failure::Failed)
}

#[cfg(not(feature = "charts"))]
fn draw(_: &Path, _: &Path, _: &Presented) -> Result<(), Failure> {
    Ok(())
}

/// A live line on a terminal; nothing elsewhere.
pub(super) fn progress() -> OnProgress {
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {msg}").expect("a constant template"));
    Arc::new(move |status: &StatusLine| {
        let StatusLine { rows_done, rows_per_second, rho, p99, dead_letters, .. } = status;
        let p99 = *p99 as f64 / 1e6;
        bar.set_message(format!(
            "{rows_done} rows, {rows_per_second:.0} rows/s, rho {rho:.2}, p99 {p99:.1} ms, {dead_letters} dead letters"
        ));
        bar.tick();
    })
}

/// Shows the report, and writes it to the directories given.
pub(super) fn finish<'a>(
    report: &Report,
    directories: impl IntoIterator<Item = &'a PathBuf>,
    quiet: bool,
) -> Result<(), Failure> {
    if !quiet {
        print_error(&format!("{}:\n{report}", report.dataflow));
    }
    for directory in directories {
        report.write(directory).map_err(|error| Failure::Failed(format!("{}: {error}", directory.display())))?;
    }
    Ok(())
}
