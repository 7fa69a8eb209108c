//! A few rows for a preview: from a source of the dataflow, or generated.

use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;

use crate::config::{Dataflow, SourcePlan};
use crate::data::Bucket;
use crate::registry::Registry;
use crate::runtime::{self, Proposal};
use crate::source::{Generator, SourceUrl};

/// How many rows a preview shows.
pub const ROWS: usize = 20;
/// How many rows a proposal is made from.
const PROPOSAL_ROWS: usize = 100;
/// How long a broker may take to answer, and how long rows are waited for.
const PREVIEW_TIMEOUT: Duration = Duration::from_secs(4);
const BUFFER_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the rows of a preview are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RowsFrom {
    /// A source of the dataflow.
    Source,
    /// Generated, for the source had none in time.
    Generator,
}

/// The first rows of the source, or generated ones if it has none in time; and which of the two.
///
/// # Errors
/// In words: a source that can't be read.
pub fn rows(plan: &SourcePlan) -> Result<(Bucket, RowsFrom), String> {
    if plan.url == SourceUrl::Stdin {
        return Ok((generated(), RowsFrom::Generator));
    }
    match runtime::first_rows(plan, ROWS, PREVIEW_TIMEOUT, BUFFER_TIMEOUT) {
        Ok(bucket) if !bucket.is_empty() => Ok((bucket, RowsFrom::Source)),
        Ok(_) => Ok((generated(), RowsFrom::Generator)),
        Err(_) if matches!(plan.url, SourceUrl::Mqtt(_)) => Ok((generated(), RowsFrom::Generator)),
        Err(error) => Err(error.to_string()),
    }
}

/// What the payloads of the source show that come in time.
///
/// # Errors
/// In words: a source that can't be read, or that has none.
pub fn propose(dataflow: &Dataflow, registry: &Registry) -> Result<Proposal, String> {
    if dataflow.has_several_sources() {
        return Err("a proposal is for the one source of a file, and this one has several".into());
    }
    if dataflow.source().url == SourceUrl::Stdin {
        return Err("standard input has no rows here: give a topic or a file".into());
    }
    let sample =
        runtime::raw_sample(dataflow.source(), PROPOSAL_ROWS, PREVIEW_TIMEOUT).map_err(|error| error.to_string())?;
    if sample.is_empty() {
        return Err(format!("{}: no row came within {} s", dataflow.source().url, PREVIEW_TIMEOUT.as_secs()));
    }
    runtime::propose(&dataflow.name, &dataflow.source().url, &sample, PROPOSAL_ROWS, registry)
}

fn generated() -> Bucket {
    Generator::new(1).bucket(0, ROWS)
}

/// Whether a source's broker answers and lets the dataflow subscribe, and after how long.
///
/// # Errors
/// In words: why not.
pub fn connect(plan: &SourcePlan) -> Result<Duration, String> {
    let began = Instant::now();
    let (source, stop) = runtime::look(plan, ROWS, PREVIEW_TIMEOUT, BUFFER_TIMEOUT);
    let answered = source.ready.recv_timeout(PREVIEW_TIMEOUT + Duration::from_secs(1));
    let took = began.elapsed();
    stop.now();
    let ready = answered.is_ok();
    match source.join() {
        Err(error) => Err(error.to_string()),
        Ok(()) if ready || !matches!(plan.url, SourceUrl::Mqtt(_)) => Ok(took),
        Ok(()) => Err(format!("{}: no answer", plan.url)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataflow(url: &str) -> Dataflow {
        Dataflow::from_text(
            "t",
            &format!("source.url = \"{url}\"\nsink.url = \"null\""),
            &[],
            &crate::registry::Registry::builtin(),
        )
        .unwrap()
    }

    #[test]
    fn rows_come_from_the_source_where_it_has_some() {
        let (bucket, from) = rows(dataflow("data/sample.csv").source()).unwrap();
        assert_eq!((bucket.len(), from), (ROWS, RowsFrom::Source));
        let (bucket, from) = rows(dataflow("-").source()).unwrap();
        assert_eq!((bucket.len(), from), (ROWS, RowsFrom::Generator));
        assert!(rows(dataflow("no-such.csv").source()).unwrap_err().contains("no-such.csv"));
    }

    #[test]
    fn a_broker_that_is_not_there_is_named() {
        let port = crate::mqtt::free_port().unwrap();
        let reason = connect(dataflow(&format!("mqtt://127.0.0.1:{port}/t")).source()).unwrap_err();
        assert!(reason.contains(&port.to_string()), "{reason}");
    }
}
