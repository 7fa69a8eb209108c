//! `rowmill peek`: rows of a source as they arrive, beside what is read from them.

use std::process::ExitCode;
use std::time::Duration;

use super::{Failure, print};
use crate::config::{Dataflow, Override};
use crate::data::Bucket;
use crate::measure::{Excerpt, ExcerptCell};
use crate::registry::Registry;
use crate::runtime;

/// Show rows of a topic or file as they arrive, and the columns that are read from them.
#[derive(clap::Args)]
pub struct PeekArguments {
    /// Where rows come from, as `url` of a dataflow file: mqtt://HOST/TOPIC or a file; or a dataflow file, for its source
    /// and schema.
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
    let bucket = rows(&dataflow, arguments.rows, arguments.wait)?;
    let preview = runtime::preview(&dataflow, &bucket)?;
    let reasons = preview.rejected.iter().map(|bad| (bad.index, bad.reason.as_str())).collect::<Vec<_>>();
    print(&shown(&bucket, &preview.steps[0].after, &reasons));
    Ok(ExitCode::SUCCESS)
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

/// The first rows of a source.
pub(super) fn rows(dataflow: &Dataflow, rows: u32, wait: Duration) -> Result<Bucket, Failure> {
    let bucket =
        runtime::first_rows(dataflow, rows as usize, wait).map_err(|error| Failure::Failed(error.to_string()))?;
    if bucket.is_empty() {
        let wait = humantime::format_duration(wait);
        return Err(Failure::Failed(format!("{}: no row came within {wait}", dataflow.source)));
    }
    Ok(bucket)
}

fn shown(bucket: &Bucket, read: &Excerpt, reasons: &[(usize, &str)]) -> String {
    const LONGEST: usize = 1000;
    let mut text = String::new();
    for (index, row) in bucket.raw.rows().enumerate() {
        let origin = bucket.metadata.origin(index);
        let bytes = String::from_utf8_lossy(row.bytes);
        let shown = |c: char| if c.is_control() { c.escape_debug().collect() } else { String::from(c) };
        let mut payload: String = bytes.chars().take(LONGEST).map(shown).collect();
        if bytes.chars().nth(LONGEST).is_some() {
            payload.push_str(" ...");
        }
        text.push_str(&format!("{} {}: {payload}\n", origin.topic, origin.position));
        let place = read.ids.iter().position(|id| *id == index as u64);
        let reason = reasons.iter().find(|(at, _)| *at == index).map(|(_, reason)| *reason);
        text.push_str(&match (place, reason) {
            (Some(place), _) => format!("    {}\n", cells(&read.columns, &read.rows[place])),
            (None, Some(reason)) => format!("    dead letter: {reason}\n"),
            (None, None) => "    not read\n".into(),
        });
    }
    text
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
