//! Figures of all runs for Prometheus.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};

use super::answer::ApiError;
use super::folder::ProjectName;
use super::runs;
use super::state::{ServerState, SharedState};
use crate::measure::{HistogramSummary, RunStatus, SinkRows};

/// Answers with the text format 0.0.4.
pub async fn metrics(State(shared): State<SharedState>) -> Result<impl IntoResponse, ApiError> {
    let families = families(&shared).map_err(ApiError::internal)?;
    let mut text = Vec::new();
    TextEncoder::new().encode(&families, &mut text).map_err(ApiError::internal)?;
    Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text))
}

type OfLive = fn(&RunStatus) -> f64;

const COUNTERS: [(&str, &str, OfLive); 5] = [
    ("rowmill_rows_received_total", "Rows that came in.", |live| live.rows_in as f64),
    ("rowmill_rows_completed_total", "Rows of complete messages.", |live| live.rows_done as f64),
    ("rowmill_messages_received_total", "Messages (buckets) that came in.", |live| live.messages as f64),
    ("rowmill_dead_letters_total", "Rows that could not be used.", |live| live.dead_letters as f64),
    ("rowmill_rows_too_late_total", "Rows whose window of a table had gone.", |live| live.rows_too_late as f64),
];

const GAUGES: [(&str, &str, OfLive); 5] = [
    ("rowmill_utilization_ratio", "rho = lambda / (c mu) over the last second.", |live| live.now.rho),
    ("rowmill_rows_per_second", "Rows completed in the last second.", |live| live.now.rows_per_second),
    ("rowmill_workers", "Worker threads of all processes.", |live| live.workers as f64),
    ("rowmill_messages_in_flight", "Messages in the dataflow.", |live| live.in_flight as f64),
    ("rowmill_messages_queued", "Messages that wait for the dataflow.", |live| live.queued as f64),
];

fn families(shared: &ServerState) -> std::io::Result<Vec<MetricFamily>> {
    let names = shared.folder.names()?;
    let alive: Vec<(&ProjectName, bool)> =
        names.iter().map(|name| (name, shared.runs.run(&shared.folder, name).state.is_alive())).collect();
    let running = alive.iter().filter(|(_, alive)| *alive);
    let lives: Vec<(&ProjectName, RunStatus)> =
        running.filter_map(|(name, _)| Some((*name, runs::live(&shared.folder, name)?))).collect();
    let up = alive.iter().map(|(name, alive)| gauge(name, f64::from(u8::from(*alive))));
    let mut families = vec![family("rowmill_project_up", "Whether the project runs.", MetricType::GAUGE, up.collect())];
    for (name, help, of) in COUNTERS {
        let metrics = lives.iter().map(|(project, live)| counter(project, of(live)));
        families.push(family(name, help, MetricType::COUNTER, metrics.collect()));
    }
    let sinks = lives.iter().flat_map(|(project, live)| live.sinks.iter().map(|sink| of_sink(project, sink)));
    let help = "Rows that a sink has taken.";
    families.push(family("rowmill_sink_rows_total", help, MetricType::COUNTER, sinks.collect()));
    for (name, help, of) in GAUGES {
        let metrics = lives.iter().map(|(project, live)| gauge(project, of(live)));
        families.push(family(name, help, MetricType::GAUGE, metrics.collect()));
    }
    let rows = lives.iter().map(|(project, live)| histogram(project, live, &live.latency_row, |bucket| bucket.rows));
    let messages =
        lives.iter().map(|(project, live)| histogram(project, live, &live.latency_message, |bucket| bucket.messages));
    let help = "From a row's arrival to its completion.";
    families.push(family("rowmill_row_latency_seconds", help, MetricType::HISTOGRAM, rows.collect()));
    let help = "From the close of a message's bucket to its completion.";
    families.push(family("rowmill_message_latency_seconds", help, MetricType::HISTOGRAM, messages.collect()));
    // The encoder refuses families without metrics.
    families.retain(|family| !family.get_metric().is_empty());
    Ok(families)
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.into());
    family.set_help(help.into());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn label(name: &str, value: &str) -> LabelPair {
    let mut label = LabelPair::default();
    label.set_name(name.into());
    label.set_value(value.into());
    label
}

fn labelled(project: &ProjectName) -> Metric {
    Metric::from_label(vec![label("project", &project.to_string())])
}

fn counter(project: &ProjectName, value: f64) -> Metric {
    counted(labelled(project), value)
}

fn of_sink(project: &ProjectName, SinkRows { sink, rows_out, .. }: &SinkRows) -> Metric {
    let labels = vec![label("project", &project.to_string()), label("sink", sink)];
    counted(Metric::from_label(labels), *rows_out as f64)
}

fn counted(mut metric: Metric, value: f64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value);
    metric.set_counter(counter);
    metric
}

fn gauge(project: &ProjectName, value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = labelled(project);
    metric.set_gauge(gauge);
    metric
}

fn histogram(
    project: &ProjectName,
    live: &RunStatus,
    summary: &HistogramSummary,
    count: impl Fn(&crate::measure::LatencyBucket) -> u64,
) -> Metric {
    let bucket = |of: &crate::measure::LatencyBucket| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(of.seconds);
        bucket.set_cumulative_count(count(of));
        bucket
    };
    let mut histogram = Histogram::default();
    histogram.set_bucket(live.buckets.iter().map(bucket).collect());
    histogram.set_sample_count(summary.count);
    histogram.set_sample_sum(summary.mean * summary.count as f64 / 1e9);
    let mut metric = labelled(project);
    metric.set_histogram(histogram);
    metric
}
