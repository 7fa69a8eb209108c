//! `rowmill demo`: broker, station and dataflow in one process.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Failure, run};
use crate::dataflow::{Dataflow, Override};
use crate::engine::{self, Cluster, Options};
use crate::mqtt::{Embedded, Endpoint, Url};
use crate::sink::Publisher;
use crate::source::{Arrivals, Generator, Load, Stop, parse_rate};

/// Show it: an embedded broker, a generated station that publishes to it, and the sixteen subtasks.
#[derive(clap::Args)]
pub struct Arguments {
    /// End after so many rows; else on Ctrl-C.
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
    /// Put results here; see `rowmill run --help`.
    #[arg(long, value_name = "URL", default_value = "null")]
    sink: String,
    /// Write report.json and .hlog files into this directory.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let broker = Embedded::on_free_port().map_err(Failure::Failed)?;
    let url = Url {
        host: broker.address.ip().to_string(),
        port: broker.address.port(),
        topic: "weather/davis".into(),
        tls: false,
    };
    let overrides = [
        Override::text("--source", "source.url", &url.to_string()),
        Override::text("--sink", "sink.url", &arguments.sink),
        Override::number("--bucket-size", "buffer.bucket_size", arguments.bucket_size),
    ];
    let mut dataflow = Dataflow::weather(&overrides)?;
    dataflow.source_settings.max_rows = arguments.rows;
    eprintln!("a station publishes {} rows/s to {url}; {} reads them", arguments.rate, dataflow.name);
    let stop = run::stop_on_signals()?;
    let ready = Arc::new(AtomicBool::new(false));
    let station = station(url, arguments.rows, arguments.rate, ready.clone(), stop.clone());
    let options = Options {
        fuse: false,
        stop: stop.clone(),
        on_progress: Some(run::progress()),
        on_ready: Some(Arc::new(move || ready.store(true, Ordering::Release))),
        ..Options::new(Cluster::threads(arguments.workers.into()))
    };
    let report = engine::run(dataflow, options)?;
    stop.now();
    station.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map_err(Failure::Failed)?;
    if let Some(report) = report {
        run::finish(&report, arguments.report.as_deref(), false)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Publishes generated rows once somebody listens.
fn station(
    url: Url,
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
        let mut publisher = Publisher::start(Endpoint::anonymous(url), None).map_err(|error| error.to_string())?;
        let records = Generator::new(7).zip(0..rows.unwrap_or(u64::MAX)).map(|(record, _)| {
            let mut json = Vec::new();
            record.write_json(&mut json);
            json
        });
        let load = Load { rate, arrivals: Arrivals::Uniform, burst: 1 };
        super::replay::offer(&mut publisher, records, Some(load), &stop).map_err(|error| error.to_string())?;
        Ok(())
    })
}
