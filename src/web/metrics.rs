//! Figures of all runs for Prometheus.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};

use super::answer::ApiError;
use super::folder::ProjectName;
use super::runs::{ProjectRun, RunState};
use super::state::{ServerState, SharedState};
use crate::measure::{BrokerLink, HistogramSummary, IntervalStatus, RunStatus, SinkLink, SinkRows};
use crate::proc;

/// Answers with the text format 0.0.4.
pub async fn metrics(State(shared): State<SharedState>) -> Result<impl IntoResponse, ApiError> {
    let families = families(&shared).map_err(ApiError::internal)?;
    let mut text = Vec::new();
    TextEncoder::new().encode(&families, &mut text).map_err(ApiError::internal)?;
    Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text))
}

type OfLive = fn(&RunStatus) -> f64;

const COUNTERS: [(&str, &str, OfLive); 6] = [
    ("rowmill_rows_received_total", "Rows that came in.", |live| live.rows_in as f64),
    ("rowmill_rows_completed_total", "Rows of complete messages.", |live| live.rows_done as f64),
    ("rowmill_messages_received_total", "Messages (buckets) that came in.", |live| live.messages as f64),
    ("rowmill_dead_letters_total", "Rows that could not be used.", |live| live.dead_letters as f64),
    ("rowmill_rows_too_late_total", "Rows whose window of a table had gone.", |live| live.rows_too_late as f64),
    ("rowmill_bad_cells_total", "Cells that could not be read, and are missing.", |live| live.bad_cells as f64),
];

const GAUGES: [(&str, &str, OfLive); 7] = [
    ("rowmill_source_connected", "Whether the source has its broker, or needs none.", |live| {
        f64::from(u8::from(live.workers > 0 && live.broker == BrokerLink::Up))
    }),
    ("rowmill_stalled", "Whether rows wait and none comes further.", |live| {
        f64::from(u8::from(live.workers > 0 && live.stalled_ms.is_some()))
    }),
    ("rowmill_utilization_ratio", "rho = lambda / (c mu) over the last second.", |live| live.now.rho),
    ("rowmill_rows_per_second", "Rows completed in the last second.", |live| live.now.rows_per_second),
    ("rowmill_workers", "Worker threads of all processes.", |live| live.workers as f64),
    ("rowmill_messages_in_flight", "Messages in the dataflow.", |live| live.in_flight as f64),
    ("rowmill_messages_queued", "Messages that wait for the dataflow.", |live| live.queued as f64),
];

fn families(shared: &ServerState) -> std::io::Result<Vec<MetricFamily>> {
    let names = shared.folder.names()?;
    let look = |name| (name, shared.runs.look::<RunStatus>(&shared.folder, name, true));
    let all: Vec<(&ProjectName, (ProjectRun, Option<RunStatus>))> = names.iter().map(look).collect();
    // A series goes on when its run ends: a rate over the end is a rate still.
    let up = all.iter().map(|(name, (run, _))| gauge(name, f64::from(u8::from(run.state.is_alive())))).collect();
    let begun = all.into_iter().filter(|(_, (run, _))| run.started_ms.is_some());
    let lives: Vec<(&ProjectName, RunStatus)> = begun.map(|(name, (run, live))| (name, shown(&run, live))).collect();
    let mut families = of_this_process();
    families.push(family("rowmill_project_up", "Whether the project runs.", MetricType::GAUGE, up));
    for (name, help, of) in COUNTERS {
        let metrics = lives.iter().map(|(project, live)| counter(project, of(live)));
        families.push(family(name, help, MetricType::COUNTER, metrics.collect()));
    }
    let sinks = lives.iter().flat_map(|(project, live)| live.sinks.iter().map(|sink| of_sink(project, sink)));
    let help = "Rows that a sink has taken.";
    families.push(family("rowmill_sink_rows_total", help, MetricType::COUNTER, sinks.collect()));
    let linked = lives.iter().flat_map(|(project, live)| live.links.iter().map(|link| of_link(project, live, link)));
    let help = "Whether a sink has its broker or database; only of sinks that need one.";
    families.push(family("rowmill_sink_connected", help, MetricType::GAUGE, linked.collect()));
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

/// What a run last told; of one that has ended, nothing of the last second.
fn shown(run: &ProjectRun, live: Option<RunStatus>) -> RunStatus {
    let live = live.unwrap_or_else(RunStatus::of_none);
    if run.state.is_alive() {
        // A run that is silent does not say so itself.
        let silent = run.since_ms.filter(|_| run.state == RunState::Stalled);
        return RunStatus { stalled_ms: live.stalled_ms.or(silent), ..live };
    }
    RunStatus { now: IntervalStatus::default(), workers: 0, in_flight: 0, queued: 0, ..live }
}

/// The program's version, and what this server itself takes, under the names that Prometheus' own clients give.
fn of_this_process() -> Vec<MetricFamily> {
    let single = |name, help, kind, metric| family(name, help, kind, vec![metric]);
    let version = label("version", env!("CARGO_PKG_VERSION"));
    let build = with_gauge(Metric::from_label(vec![version]), 1.0);
    let mut families = vec![single("rowmill_build_info", "The version of the program.", MetricType::GAUGE, build)];
    let Some(usage) = proc::own_usage() else { return families };
    let plain = || Metric::from_label(Vec::new());
    let cpu = counted(plain(), usage.cpu_seconds);
    families.push(single("process_cpu_seconds_total", "CPU time of `rowmill serve`.", MetricType::COUNTER, cpu));
    for (name, help, value) in [
        ("process_resident_memory_bytes", "Memory of `rowmill serve`.", usage.resident_bytes as f64),
        ("process_virtual_memory_bytes", "Addresses of `rowmill serve`.", usage.virtual_bytes as f64),
        ("process_open_fds", "Open files of `rowmill serve`.", usage.open_files as f64),
        ("process_start_time_seconds", "When `rowmill serve` began, in seconds since 1970.", usage.start_seconds),
    ] {
        families.push(single(name, help, MetricType::GAUGE, with_gauge(plain(), value)));
    }
    families
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
    counted(labelled_sink(project, sink), *rows_out as f64)
}

fn of_link(project: &ProjectName, live: &RunStatus, SinkLink { sink, link }: &SinkLink) -> Metric {
    let connected = live.workers > 0 && *link == BrokerLink::Up;
    with_gauge(labelled_sink(project, sink), f64::from(u8::from(connected)))
}

fn labelled_sink(project: &ProjectName, sink: &str) -> Metric {
    Metric::from_label(vec![label("project", &project.to_string()), label("sink", sink)])
}

fn counted(mut metric: Metric, value: f64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value);
    metric.set_counter(counter);
    metric
}

fn gauge(project: &ProjectName, value: f64) -> Metric {
    with_gauge(labelled(project), value)
}

fn with_gauge(mut metric: Metric, value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
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
