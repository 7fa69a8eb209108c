//! `rowmill fit`: learns the parameters of a chain from the rows of a file.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::{Failure, run, signals};
use crate::config::{Dataflow, Fitted, FittedStep, Override, SchemaChoice};
use crate::data::{Bucket, Schema};
use crate::measure::Clock;
use crate::registry::Registry;
use crate::source::{self, Limits, Source, SourcePosition, SourceUrl};
use crate::subtasks::prepare::Prepare;
use crate::subtasks::{Chain, Learned, Step};

/// Learn from the rows of a file what steps with fit = "frozen" use: as if all rows were one message.
#[derive(clap::Args)]
pub struct FitArguments {
    /// The dataflow file.
    file: PathBuf,
    /// The rows to learn from: a .csv, .ndjson, .json or .txt file, -, or generate:rows=N,seed=S.
    #[arg(long, value_name = "URL")]
    source: String,
    /// Where to write what was learned, such as weather.fit.json.
    #[arg(short, value_name = "FILE")]
    output: PathBuf,
    /// Put a value over the file's, as in `rowmill run`.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

pub fn run(arguments: &FitArguments, registry: &Registry) -> Result<ExitCode, Failure> {
    let mut overrides = run::set_overrides(&arguments.set)?;
    overrides.push(Override::text("--source", "source.url", &arguments.source));
    let dataflow = Dataflow::read(&arguments.file, &overrides, registry)?;
    if dataflow.has_several_sources() {
        return Err(Failure::Wrong("error: rows are learned from one file: write a dataflow with one [source]".into()));
    }
    if matches!(dataflow.source().url, SourceUrl::Mqtt(_) | SourceUrl::Custom(_)) {
        return Err(Failure::Wrong("error: --source: rows are learned from a file; a topic has no end".into()));
    }
    let bucket = read_all(&dataflow)?;
    let schema = match &dataflow.source().schema {
        SchemaChoice::Known { schema, .. } => schema.clone(),
        SchemaChoice::Infer { .. } => infer(&dataflow, &bucket)?,
    };
    let (steps, _) = dataflow.steps_to_fit(&schema)?;
    let sort = dataflow.sort_column(&schema);
    let (message, bad) =
        Prepare::new(Arc::new(schema), dataflow.source().decoding.clone()).sorted_by(sort).apply(&bucket);
    if let Some(first) = bad.first() {
        tracing::warn!("{} rows cannot be read and are left out; the first: {}", bad.len(), first.reason);
    }
    let chain = Chain::in_turn(&steps);
    let fitted = chain.fit(message).map_err(Failure::Failed)?;
    let of_step = |(step, learned): (&Step, Learned)| {
        let columns = step.scope.all_names().map(str::to_owned).collect();
        FittedStep { step: step.label.clone(), columns, learned }
    };
    let fitted = Fitted::new(fitted.into_iter().map(of_step).collect());
    let count = fitted.steps.len();
    fitted
        .write(&arguments.output)
        .map_err(|error| Failure::Failed(format!("{}: {error}", arguments.output.display())))?;
    eprintln!("{count} steps fitted on {} rows: {}", bucket.len() - bad.len(), arguments.output.display());
    Ok(ExitCode::SUCCESS)
}

/// Longer than standard input waits for its next row, so that all rows make one bucket.
const LONG_INTERVAL: Duration = Duration::from_secs(1 << 32);

/// All rows of the source as one bucket.
fn read_all(dataflow: &Dataflow) -> Result<Bucket, Failure> {
    let failed = |error: source::Error| Failure::Failed(error.to_string());
    let limits = Limits { bucket_size: Limits::ALL_ROWS, delay: LONG_INTERVAL };
    let settings = source::SourceSettings { limits, ..dataflow.source().settings.clone() };
    let stop = signals::stop_on_signals()?;
    let (beginning, own) = (SourcePosition::default(), std::thread::current());
    let source = Source::start(&dataflow.source().url, settings, &beginning, Clock::start(), stop, own);
    let next = source.next();
    source.join().map_err(failed)?;
    next.map(|(bucket, _)| bucket)
        .map_err(|_| Failure::Failed(format!("{} holds no rows to learn from", dataflow.source().url)))
}

fn infer(dataflow: &Dataflow, bucket: &Bucket) -> Result<Schema, Failure> {
    let found = source::infer(&dataflow.source().url, &dataflow.source().settings.framing);
    let found = found.map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(dataflow.complete(found.unwrap_or_else(|| source::infer_bucket(bucket, &dataflow.source().decoding))))
}
