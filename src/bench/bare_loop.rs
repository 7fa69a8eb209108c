//! Runs parts of a run alone: what a row costs without the dataflow, and without a chain.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::PeerOutput;
use super::feed::Feed;
use crate::config::{Dataflow, Override, SchemaChoice};
use crate::data::{Bucket, Origin, Schema};
use crate::format::{Encoder, FileKind, FileRecords};
use crate::measure::Clock;
use crate::planner::TrialDataflow;
use crate::source::{BucketBuffer, Source, SourcePosition, SourceUrl, Stop};
use crate::subtasks::Chain;
use crate::subtasks::prepare::Prepare;
use crate::{runtime, source};

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// One thread that reads a file and calls prepare, the steps and result, one after the other: the COST of F.
    /// McSherry, M. Isard and D. Murray, Scalability! But at what COST? (2015).
    Loop,
    /// One thread that reads a file, and prepare.
    Parsing,
    /// A publisher, the embedded broker, and a client that makes buckets of what comes.
    Broker,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 3] = [Part::Loop, Part::Parsing, Part::Broker];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Part::Loop => "Rust loop, 1 thread",
            Part::Parsing => "parsing alone, 1 thread",
            Part::Broker => "broker and client alone",
        }
    }

    /// Runs it over the first rows of a file, for at most `time`.
    ///
    /// # Errors
    /// A dataflow that does not fit the file, or a file or broker that fails.
    pub fn run(
        self,
        flow: &TrialDataflow,
        input: &Path,
        bucket_size: usize,
        rows: u64,
        time: Duration,
    ) -> Result<PeerOutput, runtime::Error> {
        let size = Override::number("the bench", "buffer.bucket_size", bucket_size as u64);
        let over = |url: String| flow.read([size.clone(), Override::text("the bench", "source.url", &url)]);
        if self == Part::Broker {
            let broken = |reason| runtime::Error::Source(source::Error::Broker(reason));
            let feed = Feed::start(input, None).map_err(broken)?;
            let told = receive(&over(feed.url.to_string())?, rows, time);
            feed.end().map_err(broken)?;
            return Ok(told?);
        }
        let dataflow = over(input.display().to_string())?;
        let SourceUrl::File { path, kind } = &dataflow.source().url else {
            let error = io::Error::other("is no file of rows");
            return Err(source::Error::File { path: dataflow.source().url.to_string(), error }.into());
        };
        let schema = match &dataflow.source().schema {
            SchemaChoice::Known { schema, .. } => schema.clone(),
            SchemaChoice::Infer { .. } => {
                let found = source::infer(&dataflow.source().url, &dataflow.source().settings.framing)?;
                dataflow.complete(found.expect("a file can be read twice"))
            }
        };
        let mut bare = BareLoop::new(&dataflow, &schema)?;
        Ok(read(path, *kind, &dataflow.source().settings, rows, time, |bucket| match self {
            Part::Parsing => drop(std::hint::black_box(bare.prepare.apply(bucket))),
            _ => bare.serve(bucket),
        })?)
    }
}

/// Prepare, the chain and result of a dataflow, called one after the other without timely.
pub struct BareLoop {
    prepare: Prepare,
    chain: Chain,
    encoder: Encoder,
}

impl BareLoop {
    /// # Errors
    /// Steps that do not fit the schema.
    pub fn new(dataflow: &Dataflow, schema: &Schema) -> Result<BareLoop, runtime::Error> {
        let (steps, schema_out) = dataflow.steps(schema)?;
        let encoder = Encoder::new(Arc::new(schema_out), dataflow.sinks[0].settings.encoding());
        let prepare = Prepare::new(Arc::new(schema.clone()), dataflow.source().decoding.clone());
        let prepare = prepare.sorted_by(dataflow.sort_column(schema));
        Ok(BareLoop { prepare, chain: Chain::in_turn(&steps), encoder })
    }

    /// Processes a message; one that a step rejects is discarded.
    pub fn serve(&mut self, bucket: &Bucket) {
        let (mut message, _) = self.prepare.apply(bucket);
        if self.chain.apply(&mut message, |_| ()).is_ok() {
            std::hint::black_box(self.encoder.encode(message)).recycle();
        }
    }
}

/// Reads a file into buckets, and serves each.
fn read(
    path: &Path,
    kind: FileKind,
    settings: &source::SourceSettings,
    rows: u64,
    time: Duration,
    mut serve: impl FnMut(&Bucket),
) -> Result<PeerOutput, source::Error> {
    let failed = |error: io::Error| source::Error::File { path: path.display().to_string(), error };
    let mut records = open(path, kind, settings).map_err(failed)?;
    let (clock, topic) = (Clock::start(), Arc::from("bench"));
    let mut buffer = BucketBuffer::new(settings.limits, Some(rows));
    let mut tally = Tally::start();
    while !buffer.is_done() && tally.start.elapsed() < time {
        let Some((row, position)) = records.next_row().map_err(failed)? else { break };
        let arrived = clock.now();
        let full = buffer.push(row, arrived, Origin { topic: Arc::clone(&topic), position }, clock);
        full.iter().for_each(|bucket| tally.serve(bucket, &mut serve));
    }
    buffer.close(clock).iter().for_each(|bucket| tally.serve(bucket, &mut serve));
    Ok(tally.told())
}

fn open(path: &Path, kind: FileKind, settings: &source::SourceSettings) -> io::Result<FileRecords<impl BufRead>> {
    let reader = BufReader::with_capacity(1 << 20, settings.framing.compression.open(File::open(path)?)?);
    if let FileKind::Payloads(format) = FileKind::of_format(settings.framing.format).unwrap_or(kind) {
        let reason = format!("the bench reads .ndjson, .csv and .txt files, none of the format {}", format.name);
        return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
    }
    FileRecords::new(reader, kind, None, &settings.framing)
}

/// Receives rows from a broker, and discards them.
fn receive(dataflow: &Dataflow, rows: u64, time: Duration) -> Result<PeerOutput, source::Error> {
    let stop = Stop::default();
    let settings = source::SourceSettings { max_rows: Some(rows), ..dataflow.source().settings.clone() };
    let (position, here) = (SourcePosition::default(), std::thread::current());
    let source = Source::start(&dataflow.source().url, settings, &position, Clock::start(), stop.clone(), here);
    let _ = source.ready.recv();
    let mut tally = Tally::start();
    while let Ok((bucket, _)) = source.next() {
        tally.serve(&bucket, &mut |_| ());
        if tally.start.elapsed() > time {
            break;
        }
    }
    let told = tally.told();
    stop.now();
    // The source's thread may be blocked on a full queue.
    while source.next().is_ok() {}
    source.join()?;
    Ok(PeerOutput { service_message_mean: 0.0, ..told })
}

/// Counts what was served since the start.
struct Tally {
    start: Instant,
    rows: u64,
    messages: u64,
    service: Duration,
}

impl Tally {
    fn start() -> Tally {
        Tally { start: Instant::now(), rows: 0, messages: 0, service: Duration::ZERO }
    }

    fn serve(&mut self, bucket: &Bucket, serve: &mut impl FnMut(&Bucket)) {
        let since = Instant::now();
        serve(bucket);
        self.service += since.elapsed();
        self.rows += bucket.len() as u64;
        self.messages += 1;
    }

    fn told(&self) -> PeerOutput {
        PeerOutput {
            rows: self.rows,
            messages: self.messages,
            seconds: self.start.elapsed().as_secs_f64(),
            service_message_mean: self.service.as_nanos() as f64 / self.messages.max(1) as f64,
        }
    }
}
