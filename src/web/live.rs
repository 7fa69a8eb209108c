//! What runs report: streams of events, the log, the report.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use tokio_stream::StreamExt;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::Admitted;
use super::answer::{ApiError, ApiProblem, Project};
use super::client::WebClient;
use super::folder::ProjectName;
use super::runs::{self, ProjectRun};
use super::state::SharedState;
use crate::measure::RunStatus;
use crate::planner::QueueModel;

/// How often runs are polled.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(500);
/// Bytes of the log that are shown.
const LOG: u64 = 64 << 10;

/// Routes of what runs report.
pub fn routes() -> OpenApiRouter<SharedState> {
    OpenApiRouter::new()
        .routes(routes!(overview))
        .routes(routes!(details))
        .routes(routes!(live))
        .routes(routes!(samples))
        .routes(routes!(log))
        .routes(routes!(files))
        .routes(routes!(report))
}

/// A project's run and what it last told.
#[derive(Serialize, ToSchema)]
struct LiveStatus {
    run: ProjectRun,
    /// As the run wrote it, without `buckets`; see `live.json`.
    #[schema(value_type = Option<Object>)]
    live: Option<RunStatus>,
    advice: Option<Advice>,
}

/// What the planner says of a run, from its own service times and the arrivals of the last second.
#[derive(Serialize, ToSchema)]
struct Advice {
    workers: usize,
    rho: f64,
    /// Rows wait before the dataflow: the broker or the source gives more than the workers serve.
    behind: bool,
    /// By number of workers: G/G/c, arrivals as of Poisson.
    outlook: Vec<Outlook>,
}

#[derive(Serialize, ToSchema)]
struct Outlook {
    workers: usize,
    rho: f64,
    /// Milliseconds in the queue; none where it grows for ever.
    mean_wait_ms: Option<f64>,
}

impl Advice {
    fn of(live: &RunStatus) -> Option<Advice> {
        let rows_a_message = live.rows_done as f64 / live.latency_message.count as f64;
        // The time between messages keeps a worker from the next one as well.
        let service = (live.service_message.mean + live.between_messages) / 1e9;
        let arrival_rate = live.now.rows_per_second / rows_a_message;
        if !(service > 0.0 && arrival_rate > 0.0) {
            return None;
        }
        let variation = (live.service_message.stdev / 1e9 / service).powi(2);
        let station = |servers| QueueModel {
            servers,
            arrival_rate,
            arrival_variation: 1.0,
            service,
            service_variation: variation,
        };
        let outlook = |servers| {
            let station = station(servers);
            let wait = station.mean_wait();
            Outlook { workers: servers, rho: station.rho(), mean_wait_ms: wait.is_finite().then_some(wait * 1e3) }
        };
        let fewest = (arrival_rate * service).floor() as usize + 1;
        Some(Advice {
            workers: live.workers,
            rho: live.now.rho,
            behind: live.queue_capacity > 0 && live.queued >= live.queue_capacity,
            outlook: (fewest..fewest + 4).map(outlook).collect(),
        })
    }
}

fn told(shared: &SharedState, name: &ProjectName) -> Result<LiveStatus, ApiError> {
    shared.file_of(name)?;
    let (run, mut live) = shared.runs.look::<RunStatus>(&shared.folder, name, true);
    // They are for Prometheus, and as long as all the rest.
    live.iter_mut().for_each(|live| live.buckets.clear());
    let advice = live.as_ref().filter(|_| run.state.is_alive()).and_then(Advice::of);
    Ok(LiveStatus { run, live, advice })
}

/// A proxy that gathers answers before it sends them on would keep events to itself.
const UNBUFFERED: [(HeaderName, HeaderValue); 1] =
    [(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"))];

/// Events of a text that is polled, and made once for all streams of a key: one each time it has changed, until the
/// server stops, or who watches may no more.
///
/// # Errors
/// Too many streams are open, of all clients or of this one.
fn events(
    shared: SharedState,
    client: IpAddr,
    watcher: Option<Extension<Admitted>>,
    key: String,
    look: impl Fn(&SharedState) -> Option<String> + Send + 'static,
) -> Result<impl IntoResponse, ApiError> {
    let share = shared.streams_of_clients.take(client);
    let permit = share.and_then(|share| Some((share, shared.streams.clone().try_acquire_owned().ok()?)));
    let too_many = || ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too many streams are open: close a page");
    let permit = permit.ok_or_else(too_many)?;
    let access = shared.access.clone();
    let may = move || match &watcher {
        Some(Extension(watcher)) => {
            access.admitted(&watcher.name, watcher.by).is_ok_and(|now| now.as_ref() == Some(watcher))
        }
        None => access.is_needed().is_ok_and(|needed| !needed),
    };
    let ticks = tokio_stream::wrappers::IntervalStream::new(tokio::time::interval(LOOK_UP_INTERVAL));
    let mut last: Arc<str> = "".into();
    let stop = shared.stop.clone();
    // Nothing more can come of what is gone: the browser asks again, and hears so.
    let texts = ticks.take_while(move |_| !stop.is_set() && may()).map_while(move |_| {
        let told = &shared.told;
        told.text(&key, Instant::now(), || look(&shared))
    });
    let changes = texts.filter_map(move |text| {
        let _held = &permit;
        (!Arc::ptr_eq(&text, &last) && text != last).then(|| {
            last = text;
            Ok::<_, Infallible>(Event::default().data(&*last))
        })
    });
    Ok((UNBUFFERED, Sse::new(changes).keep_alive(KeepAlive::default())))
}

/// All projects, each time one has changed: server-sent events, each as `/api/v1/projects`.
#[utoipa::path(get, path = "/api/v1/events", tag = "projects",
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 503, body = ApiProblem)))]
async fn overview(
    State(shared): State<SharedState>,
    Extension(client): Extension<WebClient>,
    watcher: Option<Extension<Admitted>>,
) -> Result<impl IntoResponse, ApiError> {
    // No project has this name.
    events(shared, client.address, watcher, String::new(), |shared| {
        serde_json::to_string(&shared.summaries().ok()?).ok()
    })
}

/// A project's run, each time it has told something: server-sent events, each as `/api/v1/projects/{name}/live`.
#[utoipa::path(get, path = "/api/v1/projects/{name}/events", tag = "projects", params(("name" = String, Path)),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 404, body = ApiProblem),
    (status = 503, body = ApiProblem)))]
async fn details(
    State(shared): State<SharedState>,
    Extension(client): Extension<WebClient>,
    watcher: Option<Extension<Admitted>>,
    Project(name): Project,
) -> Result<impl IntoResponse, ApiError> {
    shared.file_of(&name)?;
    events(shared, client.address, watcher, name.to_string(), move |shared| {
        serde_json::to_string(&told(shared, &name).ok()?).ok()
    })
}

/// A project's run and what it last told.
#[utoipa::path(get, path = "/api/v1/projects/{name}/live", tag = "projects", params(("name" = String, Path)),
    responses((status = 200, body = LiveStatus), (status = 404, body = ApiProblem)))]
async fn live(State(shared): State<SharedState>, Project(name): Project) -> Result<Json<LiveStatus>, ApiError> {
    told(&shared, &name).map(Json)
}

/// Rows of the last run that were sampled, about a message a second: a line of JSON each, oldest first.
#[utoipa::path(get, path = "/api/v1/projects/{name}/samples", tag = "projects", params(("name" = String, Path)),
    responses((status = 200, content_type = "application/x-ndjson", body = String), (status = 404, body = ApiProblem)))]
async fn samples(State(shared): State<SharedState>, Project(name): Project) -> Result<Response, ApiError> {
    shared.file_of(&name)?;
    let lines = runs::samples(&shared.folder, &name).map_err(ApiError::internal)?;
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response())
}

/// The end of what the last run wrote on standard error.
#[utoipa::path(get, path = "/api/v1/projects/{name}/log", tag = "projects", params(("name" = String, Path)),
    responses((status = 200, content_type = "text/plain", body = String), (status = 404, body = ApiProblem)))]
async fn log(State(shared): State<SharedState>, Project(name): Project) -> Result<String, ApiError> {
    shared.file_of(&name)?;
    runs::log(&shared.folder, &name, LOG).map_err(ApiError::internal)
}

/// The files of the last run's report: `report.json`, `.hlog`, `summary.csv`, charts (`.svg`). None before its end.
#[utoipa::path(get, path = "/api/v1/projects/{name}/report", tag = "projects", params(("name" = String, Path)),
    responses((status = 200, body = [String]), (status = 404, body = ApiProblem)))]
async fn files(State(shared): State<SharedState>, Project(name): Project) -> Result<Json<Vec<String>>, ApiError> {
    shared.file_of(&name)?;
    let entries = std::fs::read_dir(runs::report(&shared.folder, &name)).into_iter().flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).filter(|name| is_report(name)).collect();
    names.sort();
    Ok(Json(names))
}

fn is_report(file: &str) -> bool {
    let many = file.ends_with(".hlog") || file.ends_with(".svg");
    file == "report.json" || file == "summary.csv" || (many && !file.contains('/'))
}

/// One of them.
#[utoipa::path(get, path = "/api/v1/projects/{name}/report/{file}", tag = "projects",
    params(("name" = String, Path), ("file" = String, Path)), responses(
    (status = 200, content_type = "application/octet-stream", body = String), (status = 404, body = ApiProblem)))]
async fn report(
    State(shared): State<SharedState>,
    Project(name): Project,
    path: axum::extract::Path<(String, String)>,
) -> Result<Response, ApiError> {
    let file = &path.1;
    let missing = || ApiError::new(StatusCode::NOT_FOUND, format!("the report of {name} has no {file}"));
    let path = Some(runs::report(&shared.folder, &name).join(file)).filter(|_| is_report(file)).ok_or_else(missing)?;
    let bytes = std::fs::read(path).map_err(|_| missing())?;
    let disposition = format!("attachment; filename=\"{name}-{file}\"");
    let kind = "application/octet-stream".to_owned();
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, disposition)], bytes).into_response())
}
