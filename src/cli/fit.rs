//! `rowmill fit`: learns the parameters of a chain from the rows of a file.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::{Failure, run, signals};
use crate::config::{Dataflow, Fitted, FittedStep, Override, SchemaChoice, SourcePlan};
use crate::data::{Bucket, Schema};
use crate::measure::Clock;
use crate::registry::Registry;
use crate::source::{self, Limits, Source, SourcePosition, SourceUrl, Stop};
use crate::subtasks::prepare::Prepare;
use crate::subtasks::{Chain, Learned, Step};

/// Learn from the rows of a file what steps with fit = "frozen" use: as if all rows were one message.
///
/// Of several sources, all rows of each are read; a step with `input` learns from those of its source.
#[derive(clap::Args)]
pub struct FitArguments {
    /// The dataflow file.
    file: PathBuf,
    /// The rows to learn from: a .csv, .ndjson, .json or .txt file, -, or generate:rows=N,seed=S; the file's own source if
    /// not given. Of several sources: --set source.NAME.url=URL.
    #[arg(long, value_name = "URL")]
    source: Option<String>,
    /// Where to write what was learned, such as weather.fit.json.
    #[arg(short, value_name = "FILE")]
    output: PathBuf,
    /// Put a value over the file's, as in `rowmill run`.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

pub fn run(arguments: &FitArguments, registry: &Registry) -> Result<ExitCode, Failure> {
    let mut overrides = run::set_overrides(&arguments.set)?;
    overrides.extend(arguments.source.as_ref().map(|url| Override::text("--source", "source.url", url)));
    let dataflow = Dataflow::read(&arguments.file, &overrides, registry)?;
    check_ends(&dataflow, arguments)?;
    let stop = signals::stop_on_signals()?;
    let buckets = dataflow.sources.iter().map(|plan| read_all(plan, &stop)).collect::<Result<Vec<Bucket>, _>>()?;
    if stop.is_set() {
        let output = arguments.output.display();
        return Err(Failure::Failed(format!("interrupted before all rows were read: {output} is as it was")));
    }
    if buckets.iter().all(Bucket::is_empty) {
        return Err(Failure::Failed(format!("{} holds no rows to learn from", dataflow.shown_sources())));
    }
    let first = match &dataflow.source().schema {
        SchemaChoice::Known { schema, .. } => schema.clone(),
        SchemaChoice::Infer { .. } => infer(&dataflow, &buckets[0])?,
    };
    let (steps, _) = dataflow.steps_to_fit(&first)?;
    let (mut messages, mut rows) = (Vec::new(), 0);
    for ((plan, schema), bucket) in dataflow.sources.iter().zip(dataflow.schemas(&first)).zip(&buckets) {
        let sort = dataflow.sort_column(&schema);
        let (message, bad) = Prepare::new(Arc::new(schema), plan.decoding.clone()).sorted_by(sort).apply(bucket);
        if let Some(first) = bad.first() {
            let of = plan.name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
            tracing::warn!("{of}{} rows cannot be read and are left out; the first: {}", bad.len(), first.reason);
        }
        rows += bucket.len() - bad.len();
        messages.push(message);
    }
    let chain = Chain::in_turn(&steps);
    let fitted = chain.fit(messages).map_err(Failure::Failed)?;
    let of_step = |(step, learned): (&Step, Learned)| {
        let columns = step.scope.all_names().map(str::to_owned).collect();
        FittedStep { step: step.label.clone(), columns, learned }
    };
    let fitted = Fitted::new(fitted.into_iter().map(of_step).collect());
    let count = fitted.steps.len();
    fitted
        .write(&arguments.output)
        .map_err(|error| Failure::Failed(format!("{}: {error}", arguments.output.display())))?;
    eprintln!("{count} steps fitted on {rows} rows: {}", arguments.output.display());
    Ok(ExitCode::SUCCESS)
}

/// Longer than standard input waits for its next row, so that all rows make one bucket.
const LONG_INTERVAL: Duration = Duration::from_secs(1 << 32);

/// Refuses a source whose rows have no end.
fn check_ends(dataflow: &Dataflow, arguments: &FitArguments) -> Result<(), Failure> {
    let endless = |plan: &&SourcePlan| matches!(plan.url, SourceUrl::Mqtt(_) | SourceUrl::Custom(_));
    let Some(plan) = dataflow.sources.iter().find(endless) else { return Ok(()) };
    let reason = "rows are learned from a file; a topic has no end";
    Err(Failure::Wrong(match &plan.name {
        Some(name) if dataflow.has_several_sources() => {
            format!("error: {name}: {reason}: give one with --set source.{name}.url=FILE")
        }
        _ if arguments.source.is_some() => format!("error: --source: {reason}"),
        _ => format!("error: {}: {reason}: give one with --source FILE", arguments.file.display()),
    }))
}

/// All rows of a source as one bucket.
fn read_all(plan: &SourcePlan, stop: &Stop) -> Result<Bucket, Failure> {
    let failed = |error: source::Error| Failure::Failed(error.to_string());
    let limits = Limits { bucket_size: Limits::ALL_ROWS, delay: LONG_INTERVAL };
    let settings = source::SourceSettings { limits, ..plan.settings.clone() };
    let (beginning, own) = (SourcePosition::default(), std::thread::current());
    let source = Source::start(&plan.url, settings, &beginning, Clock::start(), stop.clone(), own);
    let next = source.next();
    source.join().map_err(failed)?;
    Ok(next.map(|(bucket, _)| bucket).unwrap_or_default())
}

fn infer(dataflow: &Dataflow, bucket: &Bucket) -> Result<Schema, Failure> {
    let framing = &dataflow.source().settings.framing;
    let found = source::infer(&dataflow.source().url, framing);
    let found = found.map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(dataflow.complete(found.unwrap_or_else(|| source::infer_buckets([bucket].into_iter(), framing))))
}
