//! `rowmill peek`: rows of a source as they arrive, beside what is read from them.

use std::process::ExitCode;
use std::time::Duration;

use super::{Failure, print};
use crate::config::{Dataflow, Override, SourcePlan};
use crate::data::Bucket;
use crate::measure::{Excerpt, ExcerptCell};
use crate::registry::Registry;
use crate::runtime;
use crate::source::RawSample;

/// So many rows of a file's beginning are looked at for their columns.
const MOST_ROWS: usize = 10_000;

/// Show rows of a topic or file as they arrive, and the columns that are read from them.
#[derive(clap::Args)]
pub struct PeekArguments {
    /// Where rows come from, as `url` of a dataflow file: mqtt://HOST/TOPIC or a file; or a dataflow file, for its sources
    /// and their schemas.
    source: String,
    /// How many rows.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rows: u32,
    /// How long to wait for them.
    #[arg(long, value_name = "D", value_parser = super::duration, default_value = "10s")]
    wait: Duration,
    /// A key of the dataflow file, such as source.format=cbor.
    #[arg(long, value_name = "KEY=VALUE", value_parser = Override::set)]
    set: Vec<Override>,
}

pub fn run(arguments: &PeekArguments, registry: &Registry) -> Result<ExitCode, Failure> {
    let dataflow = dataflow(&arguments.source, &arguments.set, registry)?;
    let mut absent = Vec::new();
    for (number, plan) in dataflow.sources.iter().enumerate() {
        if dataflow.has_several_sources() {
            print(&format!("{}, {}\n", plan.shown(), plan.url));
        }
        match peek(arguments, &dataflow, number, registry) {
            // The others are shown, too.
            Err(Failure::Failed(reason)) if dataflow.has_several_sources() => absent.push(reason),
            peeked => peeked?,
        }
    }
    if absent.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(Failure::Failed(absent.join("\n"))) }
}

/// Shows the rows of a source, by its number.
fn peek(arguments: &PeekArguments, dataflow: &Dataflow, number: usize, registry: &Registry) -> Result<(), Failure> {
    let plan = &dataflow.sources[number];
    let sample = sample(plan, arguments.rows, arguments.wait)?;
    let bucket = sample.rows(&plan.settings.framing, arguments.rows as usize);
    // A run infers the columns from all rows.
    let among = sample.rows(&plan.settings.framing, MOST_ROWS);
    let preview = runtime::preview_among(dataflow, number, &bucket, &among)?;
    let reasons = preview.rejected.iter().map(|bad| (bad.index, bad.reason.as_str())).collect::<Vec<_>>();
    print(&match &sample {
        RawSample::Publishes(publishes) => publishes_shown(publishes, &bucket, &preview.steps[0].after, &reasons),
        _ => shown(&bucket, &preview.steps[0].after, &reasons),
    });
    if !arguments.source.ends_with(".toml") && arguments.set.is_empty() {
        tell_more(&arguments.source, plan, &sample, &preview.steps[0].after.columns, registry);
    }
    Ok(())
}

/// Tells what `rowmill new` would make of the source beyond the columns that are shown.
fn tell_more(source: &str, plan: &SourcePlan, sample: &RawSample, columns: &[String], registry: &Registry) {
    let Ok(proposal) = runtime::propose("peek", &plan.url, sample, MOST_ROWS, registry) else { return };
    let (settings, others) = proposal.beyond(columns);
    if !settings.is_empty() || !others.is_empty() {
        let columns = (!others.is_empty()).then(|| format!("with the columns {}", others.join(", ")));
        let more: Vec<String> = settings.into_iter().chain(columns).collect();
        eprintln!("`rowmill new --source {source}` reads more of this: {}", more.join(", "));
    }
    for array in proposal.arrays() {
        eprintln!("{array} is an array: rows = \"{array}\" in [source] makes rows of its elements");
    }
    proposal.remarks().iter().for_each(|remark| eprintln!("in what `rowmill new` writes {remark}"));
}

/// The dataflow of a file, or one that reads a source as it is.
pub(super) fn dataflow(source: &str, set: &[Override], registry: &Registry) -> Result<Dataflow, Failure> {
    if source.ends_with(".toml") {
        return Ok(Dataflow::read(source.as_ref(), set, registry)?);
    }
    let url = Override::text("SOURCE", "source.url", source);
    let overrides = [&[url][..], set].concat();
    Ok(Dataflow::from_text("peek.toml", "schema = \"infer\"\nsink.url = \"null\"\n", &overrides, registry)?)
}

/// Some payloads of a source, or the beginning of a file.
pub(super) fn sample(plan: &SourcePlan, payloads: u32, wait: Duration) -> Result<RawSample, Failure> {
    let sample =
        runtime::raw_sample(plan, payloads as usize, wait).map_err(|error| Failure::Failed(error.to_string()))?;
    if sample.is_empty() {
        let wait = humantime::format_duration(wait);
        return Err(Failure::Failed(format!("{}: no row came within {wait}", plan.url)));
    }
    Ok(sample)
}

/// Each payload with the rows that it becomes.
fn publishes_shown(
    publishes: &[(String, Vec<u8>)],
    bucket: &Bucket,
    read: &Excerpt,
    reasons: &[(usize, &str)],
) -> String {
    let mut text = String::new();
    for (place, (topic, payload)) in publishes.iter().enumerate() {
        let position = place as u64 + 1;
        text.push_str(&format!("{topic} {position}: {}\n", bytes_shown(payload)));
        let own = (0..bucket.len()).filter(|index| bucket.metadata.origin(*index).position == position);
        let rows: String = own.map(|index| row_shown(index, read, reasons)).collect();
        text.push_str(if rows.is_empty() { "    no row\n" } else { &rows });
    }
    text
}

/// Each row as it stands in the source, with what is read from it.
fn shown(bucket: &Bucket, read: &Excerpt, reasons: &[(usize, &str)]) -> String {
    let mut text = String::new();
    for (index, row) in bucket.raw.rows().enumerate() {
        let origin = bucket.metadata.origin(index);
        text.push_str(&format!("{} {}: {}\n", origin.topic, origin.position, bytes_shown(row.bytes)));
        text.push_str(&row_shown(index, read, reasons));
    }
    text
}

/// Text as it is, other bytes in base 16.
fn bytes_shown(bytes: &[u8]) -> String {
    const LONGEST: usize = 1000;
    let (shown, whole): (String, bool) = match std::str::from_utf8(bytes) {
        Ok(text) => {
            let shown = |c: char| if c.is_control() { c.escape_debug().collect() } else { String::from(c) };
            (text.chars().take(LONGEST).map(shown).collect(), text.chars().nth(LONGEST).is_none())
        }
        Err(_) => {
            (bytes.iter().take(LONGEST / 2).map(|byte| format!("{byte:02x}")).collect(), bytes.len() <= LONGEST / 2)
        }
    };
    if whole { shown } else { format!("{shown} ...") }
}

fn row_shown(index: usize, read: &Excerpt, reasons: &[(usize, &str)]) -> String {
    let place = read.ids.iter().position(|id| *id == index as u64);
    let reason = reasons.iter().find(|(at, _)| *at == index).map(|(_, reason)| *reason);
    match (place, reason) {
        (Some(place), _) => format!("    {}\n", cells(&read.columns, &read.rows[place])),
        (None, Some(reason)) => format!("    dead letter: {reason}\n"),
        (None, None) => "    not read\n".into(),
    }
}

/// The values of a row by the names of their columns.
fn cells(columns: &[String], row: &[ExcerptCell]) -> String {
    let cell = |(name, cell): (&String, &ExcerptCell)| match cell {
        ExcerptCell::Missing => None,
        ExcerptCell::Number(value) => Some(format!("{name} = {value}")),
        ExcerptCell::Text(text) => Some(format!("{name} = {text:?}")),
    };
    let cells: Vec<String> = columns.iter().zip(row).filter_map(cell).collect();
    if cells.is_empty() { "no column has a value".into() } else { cells.join(", ") }
}
