//! `rowmill demo`: broker and station in one process, with a page to watch, or a count of rows to run to.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Failure, claim, run, serve, signals, stuck};
use crate::config::{Dataflow, Override, WEATHER};
use crate::mqtt::{EmbeddedBroker, Endpoint, MqttUrl};
use crate::registry::Registry;
use crate::runtime::{self, Cluster};
use crate::sink::{Deadline, Publisher};
use crate::source::{Arrivals, Generator, Load, Stop, parse_rate};
use crate::web::{self, BasePath, Edit, ListenOptions, ProjectName};

/// Show it: an embedded broker, a generated station that publishes to it, and the sixteen subtasks, on a page.
#[derive(clap::Args)]
pub struct DemoArguments {
    /// Run here, without a page, and end after so many rows; else on Ctrl-C.
    #[arg(long, value_name = "N")]
    rows: Option<u64>,
    /// Rows a second that the station publishes.
    #[arg(long, value_name = "R", default_value_t = 5000.0, value_parser = parse_rate)]
    rate: f64,
    /// Rows a message.
    #[arg(long, value_name = "N", default_value_t = 100)]
    bucket_size: u64,
    /// Worker threads.
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: u16,
    /// Where the page listens; another port if this one is taken.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7878", conflicts_with = "rows")]
    listen: SocketAddr,
    /// Put results here; see `rowmill run --help`.
    #[arg(long, value_name = "URL", default_value = "null")]
    sink: String,
    /// Write report.json and .hlog files into this directory.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

pub fn run(arguments: &DemoArguments, registry: &Registry) -> Result<ExitCode, Failure> {
    let _claimed = claim::claim([("--report", arguments.report.as_deref())])?;
    let broker = EmbeddedBroker::on_free_port().map_err(Failure::Failed)?;
    let url = MqttUrl {
        host: broker.address.ip().to_string(),
        port: broker.address.port(),
        topic: "weather/davis".into(),
        tls: false,
        web: false,
        login: None,
    };
    match arguments.rows {
        Some(rows) => to_the_end(arguments, &url, rows, registry),
        None => on_a_page(arguments, url, registry),
    }
}

/// Runs the dataflow as a project of the web application, in a temporary folder.
fn on_a_page(arguments: &DemoArguments, url: MqttUrl, registry: &Registry) -> Result<ExitCode, Failure> {
    let failed = |error: std::io::Error| Failure::Failed(format!("the demo's folder: {error}"));
    let report = arguments.report.as_ref().map(std::path::absolute).transpose().map_err(failed)?;
    let directory = tempfile::tempdir().map_err(failed)?;
    let name: ProjectName = "weather".parse().expect("a name");
    let set = |key: &str, value: serde_json::Value| Edit::Set { key: key.into(), value };
    let edits = [
        set("description", "A generated station: all sixteen subtasks.".into()),
        set("source.url", url.to_string().into()),
        set("sink.url", arguments.sink.as_str().into()),
        set("buffer.bucket_size", arguments.bucket_size.into()),
        set("workers", arguments.workers.into()),
    ];
    let toml = web::edited(WEATHER, &edits).map_err(Failure::Failed)?;
    std::fs::write(directory.path().join("weather.toml"), toml).map_err(failed)?;
    let stop = signals::stop_on_signals()?;
    stuck::bound(&stop, 2 * runtime::DRAIN_TIMEOUT, || "the run on the page has not ended".into());
    let options = |listen| ListenOptions {
        listen,
        directory: directory.path().into(),
        users: None,
        base_path: BasePath::default(),
        trusted_proxies: Vec::new(),
        certificate: None,
        registry: registry.clone(),
        stop: stop.clone(),
    };
    let free = SocketAddr::new(arguments.listen.ip(), 0);
    let server = web::listen(options(arguments.listen)).or_else(|_| web::listen(options(free)));
    let server = server.map_err(|reason| Failure::Wrong(format!("error: {reason}")))?;
    serve::work_in(&server)?;
    server.start(&name).map_err(Failure::Failed)?;
    eprintln!("a station publishes {} rows/s to {url}", arguments.rate);
    eprintln!("open {}/projects/{name}", server.url());
    let listening = Arc::new(AtomicBool::new(true));
    let station = station(url, None, arguments.rate, listening, stop.clone());
    server.serve().map_err(Failure::Failed)?;
    stop.now();
    station.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map_err(Failure::Failed)?;
    // The run may have been stopped on the page.
    let _ = server.stop(&name);
    eprint!("{}", server.log(&name));
    if let Some(report) = report {
        let written = server.report(&name);
        if !written.is_dir() {
            return Err(Failure::Failed("the run was ended before it wrote a report".into()));
        }
        copy(&written, &report).map_err(|error| Failure::Failed(format!("{}: {error}", report.display())))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Copies the files of a folder.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Runs the dataflow in this process until it has read so many rows.
fn to_the_end(arguments: &DemoArguments, url: &MqttUrl, rows: u64, registry: &Registry) -> Result<ExitCode, Failure> {
    let overrides = [
        Override::text("--source", "source.url", &url.to_string()),
        Override::text("--sink", "sink.url", &arguments.sink),
        Override::number("--bucket-size", "buffer.bucket_size", arguments.bucket_size),
    ];
    let mut dataflow = Dataflow::weather(&overrides, registry)?;
    dataflow.sources[0].settings.max_rows = Some(rows);
    eprintln!("a station publishes {} rows/s to {url}; {} reads them", arguments.rate, dataflow.name);
    let stop = signals::stop_on_signals()?;
    let ready = Arc::new(AtomicBool::new(false));
    let station = station(url.clone(), Some(rows), arguments.rate, ready.clone(), stop.clone());
    let options = runtime::Options {
        fuse: false,
        stop: stop.clone(),
        on_stuck: Some(stuck::exits()),
        on_progress: Some(run::progress()),
        on_ready: Some(Arc::new(move || ready.store(true, Ordering::Release))),
        ..runtime::Options::new(Cluster::threads(arguments.workers.into()))
    };
    let report = runtime::run(dataflow, options)?;
    stop.now();
    station.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map_err(Failure::Failed)?;
    if let Some(report) = report {
        run::finish(&report, &arguments.report, false)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Publishes generated rows once `ready` is set.
fn station(
    url: MqttUrl,
    rows: Option<u64>,
    rate: f64,
    ready: Arc<AtomicBool>,
    stop: Stop,
) -> std::thread::JoinHandle<Result<(), String>> {
    std::thread::spawn(move || {
        while !ready.load(Ordering::Acquire) {
            if stop.is_set() {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let mut publisher =
            Publisher::start(Endpoint::anonymous(url), None, Deadline::default()).map_err(|error| error.to_string())?;
        let records = Generator::new(7).zip(0..rows.unwrap_or(u64::MAX)).map(|(record, _)| record.json());
        let load = Load { rate, arrivals: Arrivals::Uniform, burst: 1 };
        super::replay::offer(&mut publisher, records, Some(load), &stop).map_err(|error| error.to_string())?;
        Ok(())
    })
}
