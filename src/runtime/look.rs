//! Looks at a few rows of a source of a dataflow, beside any run of it.

use std::time::{Duration, Instant};

use crate::config::SourcePlan;
use crate::data::Bucket;
use crate::format::{Compression, Framing, PayloadFormat};
use crate::measure::Clock;
use crate::mqtt;
use crate::source::{self, Connections, Limits, RawSample, Source, SourcePosition, SourceUrl, Stop};

/// Starts to read `rows` rows of the source, without the dataflow's client id, and of a shared subscription outside of its
/// group: nothing is acknowledged in its session, and no row is missing to the run. They are one bucket, which closes
/// `delay` after its first row.
pub fn look(plan: &SourcePlan, rows: usize, connect_timeout: Duration, delay: Duration) -> (Source, Stop) {
    let mut settings = plan.settings.clone();
    let topic = settings.topics().first().map(|topic| mqtt::unshared(topic).to_owned());
    if let Some((endpoint, topic)) = settings.endpoint.as_mut().zip(topic) {
        endpoint.client_id = None;
        endpoint.url.topic = topic;
    }
    settings.connections = Connections::default();
    settings.limits = Limits { bucket_size: rows, delay };
    settings.max_rows = Some(rows as u64);
    settings.connect_timeout = Some(connect_timeout);
    settings.reconnect_timeout = Some(connect_timeout);
    let url = match &plan.url {
        SourceUrl::Generate { rows, seed, .. } => SourceUrl::Generate { rows: *rows, seed: *seed, load: None },
        url => url.clone(),
    };
    let stop = Stop::default();
    let source =
        Source::start(&url, settings, &SourcePosition::default(), Clock::start(), stop.clone(), std::thread::current());
    (source, stop)
}

/// At most so many payloads that the source has within a time, or the beginning of a file, as they are.
///
/// # Errors
/// A source that can't be read.
pub fn raw_sample(plan: &SourcePlan, payloads: usize, within: Duration) -> Result<RawSample, source::Error> {
    let framing = &plan.settings.framing;
    let file_error = |path: String| move |error| source::Error::File { path, error };
    match &plan.url {
        SourceUrl::File { path, kind } => {
            RawSample::file(path, *kind, framing, within).map_err(file_error(path.display().to_string()))
        }
        SourceUrl::Stdin => {
            let name = "standard input";
            RawSample::stream(name.into(), None, std::io::stdin(), framing, within).map_err(file_error(name.into()))
        }
        SourceUrl::Generate { .. } | SourceUrl::Custom(_) => {
            first_rows(plan, payloads, within, within).map(|rows| RawSample::Rows(rows.into()))
        }
        SourceUrl::Mqtt(_) => {
            let mut verbatim = plan.clone();
            verbatim.settings.framing = Framing {
                format: PayloadFormat::VERBATIM,
                compression: Compression::None,
                max_payload: framing.max_payload,
                ..Framing::default()
            }
            .into();
            let sample = RawSample::publishes(&first_rows(&verbatim, payloads, within, within)?);
            if !sample.lacks_births() {
                return Ok(sample);
            }
            // Nodes that are asked for their birth certificates name their metrics.
            let mut sparkplug = plan.clone();
            let format = PayloadFormat::find("sparkplug").expect("it is a format");
            sparkplug.settings.framing = Framing { format, ..Framing::default() }.into();
            let rows = first_rows(&sparkplug, payloads, within, within)?;
            Ok(if rows.is_empty() { sample } else { RawSample::Rows(rows.into()) })
        }
    }
}

/// At most `rows` rows that the source has within a time; a bucket of them closes `delay` after its first row.
///
/// # Errors
/// A source that can't be read.
pub fn first_rows(plan: &SourcePlan, rows: usize, within: Duration, delay: Duration) -> Result<Bucket, source::Error> {
    let (source, stop) = look(plan, rows, within, delay);
    let until = Instant::now() + within;
    // A bucket may tell of nothing but progress.
    let filled = |bucket: Bucket| (!bucket.is_empty()).then_some(bucket);
    let mut found = None;
    while found.is_none()
        && let Ok((bucket, _)) = source.next_within(until.saturating_duration_since(Instant::now()))
    {
        found = filled(bucket);
    }
    stop.now();
    // What has come by now is handed on when the source ends.
    while found.is_none()
        && let Ok((bucket, _)) = source.next()
    {
        found = filled(bucket);
    }
    let ended = source.join();
    match found {
        Some(bucket) => Ok(bucket),
        None => ended.map(|()| Bucket::default()),
    }
}
