//! `rowmill replay`: publishes the rows of a file on a schedule.

use std::io::{BufReader, Read};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::ProgressIterator;

use super::{Failure, signals};
use crate::data::{Bucket, Format, Kind, Origin, Schema};
use crate::format::{Compression, Decoder, Encoder, Encoding, FileKind, FileRecords, Framing, Inference, Output};
use crate::mqtt::{Endpoint, MqttUrl};
use crate::sink::{self, Deadline, Publisher};
use crate::source::{Arrivals, Load, Schedule, Stop, parse_rate};

/// Publish the rows of a file to a topic, open loop: on a schedule, whatever the broker does.
#[derive(clap::Args)]
pub struct ReplayArguments {
    /// A .csv, .ndjson or WeatherLink .txt file, a file of payloads (.lp .senml .cbor .msgpack), or one packed (.gz .zst).
    file: PathBuf,
    /// Where to: mqtt://host:port/topic.
    #[arg(long, value_name = "URL")]
    to: MqttUrl,
    /// Rows a second; as fast as possible if not given.
    #[arg(long, value_name = "R", value_parser = parse_rate)]
    rate: Option<f64>,
    /// How the times between arrivals vary.
    #[arg(long, value_enum, default_value_t, requires = "rate")]
    arrivals: Arrivals,
    /// Rows that are due at the same time.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "rate", value_parser = clap::value_parser!(u64).range(1..))]
    burst: u64,
    /// Give up when the broker cannot be reached for so long.
    #[arg(long, value_name = "D", value_parser = super::duration)]
    connect_timeout: Option<Duration>,
    /// How long the broker may take what is on its way once SIGINT or SIGTERM has come.
    #[arg(long, value_name = "D", value_parser = super::duration, default_value = "30s")]
    drain_timeout: Duration,
}

pub fn run(arguments: &ReplayArguments) -> Result<ExitCode, Failure> {
    let kind = FileKind::of(&arguments.file).map_err(|reason| Failure::Wrong(format!("error: {reason}")))?;
    let rows = rows(&arguments.file, kind)
        .map_err(|error| Failure::Failed(format!("{}: {error}", arguments.file.display())))?;
    let count = rows.len() as u64;
    let stop = signals::stop_on_signals()?;
    let failed = |error: sink::Error| Failure::Failed(error.to_string());
    let (deadline, connected) = (Deadline::default(), Arc::<AtomicBool>::default());
    end_in_time(&stop, arguments.drain_timeout, &deadline, &connected);
    let mut publisher =
        Publisher::start(Endpoint::anonymous(arguments.to.clone()), arguments.connect_timeout, deadline)
            .map_err(failed)?;
    connected.store(true, Ordering::Relaxed);
    let load = arguments.rate.map(|rate| Load { rate, arrivals: arguments.arrivals, burst: arguments.burst });
    let offered = offer(&mut publisher, rows.into_iter().progress_count(count), load, &stop).map_err(failed)?;
    eprintln!(
        "{} rows to {} in {:.2} s; the latest was {:.1} ms after it was due",
        offered.rows,
        arguments.to,
        offered.took.as_secs_f64(),
        offered.worst_lag.as_secs_f64() * 1e3
    );
    Ok(ExitCode::SUCCESS)
}

/// Bounds waits for the broker: `timeout` after the stop, or at once if it has not connected yet.
fn end_in_time(stop: &Stop, timeout: Duration, deadline: &Deadline, connected: &Arc<AtomicBool>) {
    const LOOK_UP_INTERVAL: Duration = Duration::from_millis(50);
    let (stop, deadline, connected) = (stop.clone(), deadline.clone(), connected.clone());
    std::thread::spawn(move || {
        while !stop.is_set() {
            std::thread::sleep(LOOK_UP_INTERVAL);
        }
        let timeout = if connected.load(Ordering::Relaxed) { timeout } else { Duration::ZERO };
        deadline.set(Instant::now() + timeout);
    });
}

/// How an open-loop load went.
pub(super) struct OfferedLoad {
    rows: u64,
    took: Duration,
    /// The longest time that a row was published after it was due.
    worst_lag: Duration,
}

/// Publishes payloads, each when it is due, and waits until the broker has taken all.
pub(super) fn offer(
    publisher: &mut Publisher,
    payloads: impl Iterator<Item = Vec<u8>>,
    load: Option<Load>,
    stop: &Stop,
) -> Result<OfferedLoad, sink::Error> {
    let mut schedule = load.map(|load| Schedule::new(load, 0));
    let start = Instant::now();
    let mut offered = OfferedLoad { rows: 0, took: Duration::ZERO, worst_lag: Duration::ZERO };
    for payload in payloads {
        if stop.is_set() {
            break;
        }
        if let Some(due) = schedule.as_mut().and_then(Schedule::next) {
            let due = start + due;
            if !wait(due, stop) {
                break;
            }
            offered.worst_lag = offered.worst_lag.max(due.elapsed());
        }
        publisher.publish(&payload)?;
        offered.rows += 1;
    }
    publisher.drain()?;
    if let [first, more @ ..] = &publisher.take_refused()[..] {
        let more = if more.is_empty() { String::new() } else { format!(", and {} more", more.len()) };
        return Err(sink::Error::Broker(format!("not taken: {}{more}", first.reason)));
    }
    offered.took = start.elapsed();
    Ok(offered)
}

/// Waits until a row is due; false if no more are wanted.
fn wait(due: Instant, stop: &Stop) -> bool {
    const LOOK_UP_INTERVAL: Duration = Duration::from_millis(50);
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() || stop.is_set() {
            return !stop.is_set();
        }
        std::thread::sleep(left.min(LOOK_UP_INTERVAL));
    }
}

/// The rows of a file as JSON objects. NDJSON and payloads of other formats go as they are; cells get the names of their
/// header.
fn rows(path: &std::path::Path, kind: FileKind) -> std::io::Result<Vec<Vec<u8>>> {
    let unpacked = || Ok::<_, std::io::Error>(BufReader::new(Compression::Auto.open(std::fs::File::open(path)?)?));
    if let FileKind::Payloads(format) = kind
        && format.is_whole_file()
    {
        let mut payload = Vec::new();
        unpacked()?.read_to_end(&mut payload)?;
        return Ok(vec![payload]);
    }
    let open = || FileRecords::new(unpacked()?, kind, None, &Framing::default());
    let mut records = open()?;
    if records.format() == Format::Json {
        let mut all = Vec::new();
        while let Some((row, _)) = records.next_row()? {
            all.push(row.bytes.to_vec());
        }
        return Ok(all);
    }
    let mut inference = Inference::default();
    while let Some((row, _)) = records.next_row()? {
        inference.observe(row);
    }
    // Cells are published as text: a number that is parsed and written again may look different.
    let schema = Schema::new(inference.schema().names().map(|name| (name, Kind::Text)));
    let schema = std::sync::Arc::new(schema);
    let (mut decoder, encoder) =
        (Decoder::new(schema.clone(), Arc::default()), Encoder::new(schema, Encoding::JsonLines));
    let mut records = open()?;
    let mut all = Vec::new();
    let topic: std::sync::Arc<str> = "".into();
    while let Some((row, position)) = records.next_row()? {
        let mut bucket = Bucket::new(0, position);
        bucket.push(row, 0, Origin { topic: topic.clone(), position });
        let (message, bad) = decoder.decode(&bucket);
        match encoder.encode(message) {
            Output::Lines(line) if bad.is_empty() => all.push(line.trim_ascii_end().to_vec()),
            _ => all.push(row.bytes.to_vec()),
        }
    }
    Ok(all)
}
