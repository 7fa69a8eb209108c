//! Projects: what the table shows of them, and what can be done with them.

use std::path::Path;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use axum_extra::TypedHeader;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{ApiError, ApiProblem, Body, Project, blocking};
use super::audit::AuditSubject;
use super::document;
use super::duplicate::{beside, duplicated};
use super::etag::{etag, is_of_another};
use super::file_cache::FileSummary;
use super::folder::ProjectName;
use super::runs::{self, EarlierResults, ProjectRun, RunProgress};
use super::state::{ServerState, SharedState};
use super::users::UserRole;
use crate::config::Dataflow;

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ProjectSummary {
    /// The file's name without `.toml`.
    pub name: String,
    pub about: FileSummary,
    pub run: ProjectRun,
    /// Of the run, if it has told any.
    pub figures: Option<RunFigures>,
}

/// How a run does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct RunFigures {
    pub rows_in: u64,
    pub rows_done: u64,
    pub dead_letters: u64,
    /// Over the last second.
    pub rows_per_second: f64,
    /// Over the last second.
    pub rho: f64,
    /// Of rows, over the last second, in milliseconds.
    pub p99_ms: f64,
}

impl ServerState {
    /// The summary of a project; `None` if there is no such file.
    pub fn summary(&self, name: &ProjectName) -> Option<ProjectSummary> {
        let about = self.known.about(&self.folder, name, &self.registry)?;
        let (run, live) = self.runs.look::<RunProgress>(&self.folder, name, false);
        let figures = live.map(|live| RunFigures {
            rows_in: live.rows_in,
            rows_done: live.rows_done,
            dead_letters: live.dead_letters,
            rows_per_second: live.now.rows_per_second,
            rho: live.now.rho,
            p99_ms: live.now.row_p99 as f64 / 1e6,
        });
        Some(ProjectSummary { name: name.to_string(), about: (*about).clone(), run, figures })
    }

    /// All summaries.
    pub fn summaries(&self) -> std::io::Result<Vec<ProjectSummary>> {
        Ok(self.folder.names()?.iter().filter_map(|name| self.summary(name)).collect())
    }

    /// Whether there is such a project: if its file is there, whatever the file says.
    pub fn file_of(&self, name: &ProjectName) -> Result<(), ApiError> {
        self.folder.file(name).metadata().map(drop).map_err(|error| ApiError::file(name, &error))
    }

    fn found(&self, name: &ProjectName) -> Result<ProjectSummary, ApiError> {
        self.summary(name).ok_or_else(|| ApiError::file(name, &std::io::ErrorKind::NotFound.into()))
    }
}

/// Routes of projects.
pub fn routes() -> OpenApiRouter<SharedState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, save, delete))
        .routes(routes!(duplicate))
        .routes(routes!(start))
        .routes(routes!(stop))
        .routes(routes!(restart))
}

/// A dataflow file.
#[derive(Serialize, ToSchema)]
struct ProjectFile {
    summary: ProjectSummary,
    toml: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewProject {
    /// Letters, digits, - and _.
    #[schema(pattern = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$")]
    name: String,
    /// What `rowmill run` takes; a small example if not given.
    toml: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProjectText {
    toml: String,
    /// Keep it even if it has a problem; it can't be started then.
    #[serde(default)]
    draft: bool,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CopyRequest {
    /// The name of the copy.
    #[schema(pattern = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$")]
    name: String,
}

/// What a new project begins with.
pub(super) const EXAMPLE: &str = r#"description = ""

[source]
url = "mqtt://127.0.0.1:1883/weather/davis"

[buffer]
bucket_size = 100
delay = "1s"

[[subtask]]
use = "interpolate"

[[subtask]]
use = "standard_scaler"

[sink]
url = "null"
"#;

fn named(name: &str) -> Result<ProjectName, ApiError> {
    name.parse().map_err(ApiError::unusable)
}

/// All projects, sorted by name.
#[utoipa::path(get, path = "/api/v1/projects", tag = "projects",
    responses((status = 200, body = [ProjectSummary]), (status = 503, body = ApiProblem)))]
async fn list(State(shared): State<SharedState>) -> Result<Json<Vec<ProjectSummary>>, ApiError> {
    shared.summaries().map(Json).map_err(|error| ApiError::folder(&shared.folder, &error))
}

/// Add a project.
#[utoipa::path(post, path = "/api/v1/projects", tag = "projects", request_body = NewProject, responses(
    (status = 201, body = ProjectSummary), (status = 409, body = ApiProblem), (status = 422, body = ApiProblem),
    (status = 400, body = ApiProblem), (status = 415, body = ApiProblem)))]
async fn create(
    State(shared): State<SharedState>,
    Body(NewProject { name, toml }): Body<NewProject>,
) -> (Extension<AuditSubject>, Result<(StatusCode, Json<ProjectSummary>), ApiError>) {
    let subject = AuditSubject { project: Some(name.clone()), ..AuditSubject::default() };
    (Extension(subject), blocking(move || add(&shared, &name, toml.as_deref())).await)
}

fn add(shared: &SharedState, name: &str, toml: Option<&str>) -> Result<(StatusCode, Json<ProjectSummary>), ApiError> {
    let name = named(name)?;
    let text = toml.unwrap_or(EXAMPLE);
    document::checked(&name.to_string(), text, &shared.registry)?;
    shared.folder.create(&name, text).map_err(|error| ApiError::file(&name, &error))?;
    Ok((StatusCode::CREATED, Json(shared.found(&name)?)))
}

/// A project's file; viewers see it without passwords. Its `ETag` names the version, for `If-Match` with a change.
#[utoipa::path(get, path = "/api/v1/projects/{name}", tag = "projects", params(("name" = String, Path)), responses(
    (status = 200, body = ProjectFile), (status = 404, body = ApiProblem), (status = 422, body = ApiProblem)))]
async fn read(
    State(shared): State<SharedState>,
    Extension(role): Extension<UserRole>,
    Project(name): Project,
) -> Result<Response, ApiError> {
    let toml = shared.folder.read(&name).map_err(|error| ApiError::file(&name, &error))?;
    let summary = shared.found(&name)?;
    if role < UserRole::Admin {
        // Without a tag: it is a hash of what they may not see.
        return Ok(Json(ProjectFile { summary, toml: document::without_secrets(&toml) }).into_response());
    }
    Ok((TypedHeader(etag(toml.as_bytes())), Json(ProjectFile { summary, toml })).into_response())
}

/// Replace a project's file. A run goes on with what it began with. With `If-Match`, only that version is replaced.
#[utoipa::path(put, path = "/api/v1/projects/{name}", tag = "projects", params(("name" = String, Path)),
    request_body = ProjectText, responses(
    (status = 200, body = ProjectSummary), (status = 404, body = ApiProblem), (status = 412, body = ApiProblem),
    (status = 422, body = ApiProblem), (status = 400, body = ApiProblem), (status = 415, body = ApiProblem)))]
async fn save(
    State(shared): State<SharedState>,
    Project(name): Project,
    headers: HeaderMap,
    Body(ProjectText { toml, draft }): Body<ProjectText>,
) -> Result<Response, ApiError> {
    blocking(move || replaced(&shared, &name, &headers, &toml, draft)).await
}

fn replaced(
    shared: &SharedState,
    name: &ProjectName,
    headers: &HeaderMap,
    toml: &str,
    draft: bool,
) -> Result<Response, ApiError> {
    if let Err(problem) = document::checked(&name.to_string(), toml, &shared.registry)
        && !draft
    {
        return Err(problem.into());
    }
    let failed = |error| ApiError::file(name, &error);
    {
        // Nobody writes between the comparison and the change.
        let _one_at_a_time = shared.saves.lock().expect("no holder panics");
        let current = shared.folder.read(name).map_err(failed)?;
        if is_of_another(headers, current.as_bytes()) {
            let tag = TypedHeader(etag(current.as_bytes()));
            return Ok((tag, ApiError::changed_meanwhile(name, current)).into_response());
        }
        shared.folder.save(name, toml).map_err(failed)?;
    }
    Ok((TypedHeader(etag(toml.as_bytes())), Json(shared.found(name)?)).into_response())
}

/// Remove a project that does not run, with what is kept of its runs. Its results stay.
#[utoipa::path(delete, path = "/api/v1/projects/{name}", tag = "projects", params(("name" = String, Path)), responses(
    (status = 204), (status = 404, body = ApiProblem), (status = 409, body = ApiProblem)))]
async fn delete(State(shared): State<SharedState>, Project(name): Project) -> Result<StatusCode, ApiError> {
    shared.file_of(&name)?;
    let removed = shared.runs.remove(&shared.folder, &name);
    let removed = removed.map_err(|reason| ApiError::new(StatusCode::CONFLICT, reason))?;
    removed.map_err(|error| ApiError::file(&name, &error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Copy a project's file. The copy has files of results and client ids of its own.
#[utoipa::path(post, path = "/api/v1/projects/{name}/duplicate", tag = "projects", params(("name" = String, Path)),
    request_body = CopyRequest, responses(
    (status = 201, body = ProjectSummary), (status = 404, body = ApiProblem), (status = 409, body = ApiProblem),
    (status = 422, body = ApiProblem), (status = 400, body = ApiProblem), (status = 415, body = ApiProblem)))]
async fn duplicate(
    State(shared): State<SharedState>,
    Project(name): Project,
    Body(CopyRequest { name: copy }): Body<CopyRequest>,
) -> (Extension<AuditSubject>, Result<(StatusCode, Json<ProjectSummary>), ApiError>) {
    let subject = AuditSubject { copy: Some(copy.clone()), ..AuditSubject::default() };
    (Extension(subject), copied(&shared, &name, &copy))
}

fn copied(
    shared: &SharedState,
    name: &ProjectName,
    copy: &str,
) -> Result<(StatusCode, Json<ProjectSummary>), ApiError> {
    let copy = named(copy)?;
    let text = shared.folder.read(name).map_err(|error| ApiError::file(name, &error))?;
    shared.folder.create(&copy, &duplicated(&text, &copy)).map_err(|error| ApiError::file(&copy, &error))?;
    Ok((StatusCode::CREATED, Json(shared.found(&copy)?)))
}

/// How a project is started.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct StartRequest {
    /// What becomes of the results of earlier runs.
    #[serde(default)]
    #[param(inline)]
    results: ResultsChoice,
}

/// What becomes of the results of earlier runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ResultsChoice {
    /// They stay: the run goes on behind them, or is refused.
    #[default]
    Append,
    /// They stay, and this run writes into a new file, with the time in its name.
    New,
    /// They are replaced, and what an earlier run has finished is forgotten.
    Replace,
}

/// Start a project. Results of earlier runs are not replaced, unless that is chosen.
#[utoipa::path(post, path = "/api/v1/projects/{name}/start", tag = "projects", params(("name" = String, Path), StartRequest),
    responses((status = 200, body = ProjectRun), (status = 404, body = ApiProblem), (status = 409, body = ApiProblem),
    (status = 422, body = ApiProblem), (status = 400, body = ApiProblem)))]
async fn start(
    State(shared): State<SharedState>,
    Project(name): Project,
    manner: Result<Query<StartRequest>, QueryRejection>,
) -> Result<Json<ProjectRun>, ApiError> {
    let Query(manner) = manner.map_err(|rejection| ApiError::new(rejection.status(), rejection.body_text()))?;
    begin(&shared, &name, manner.results).map(Json)
}

fn begin(shared: &SharedState, name: &ProjectName, results: ResultsChoice) -> Result<ProjectRun, ApiError> {
    let earlier = match results {
        ResultsChoice::Append => EarlierResults::Keep,
        ResultsChoice::Replace => EarlierResults::Replace,
        ResultsChoice::New => EarlierResults::Beside(new_file(shared, name)?),
    };
    run(shared, name, &earlier)
}

fn run(shared: &SharedState, name: &ProjectName, earlier: &EarlierResults) -> Result<ProjectRun, ApiError> {
    if let Some(problem) = shared.found(name)?.about.problem {
        return Err(problem.into());
    }
    shared.runs.start(&shared.folder, name, earlier).map_err(|reason| ApiError::new(StatusCode::CONFLICT, reason))
}

/// The results of a run that is started again go where they went, unless its file now says another place.
fn where_it_went(shared: &SharedState, name: &ProjectName) -> Result<EarlierResults, ApiError> {
    let Some(file) = runs::own_file(&shared.folder, name) else { return Ok(EarlierResults::Keep) };
    let dataflow = dataflow_of(shared, name)?;
    let time = Path::new(&file).file_stem().and_then(|stem| stem.to_str()?.rsplit_once('-'));
    let same = match (&dataflow.sinks[..], time) {
        ([sink], Some((_, time))) => beside(&sink.settings.url.to_string(), time).is_some_and(|again| again == file),
        _ => false,
    };
    Ok(if same { EarlierResults::Beside(file) } else { EarlierResults::Keep })
}

fn dataflow_of(shared: &SharedState, name: &ProjectName) -> Result<Dataflow, ApiError> {
    let text = shared.folder.read(name).map_err(|error| ApiError::file(name, &error))?;
    Ok(document::checked(&name.to_string(), &text, &shared.registry)?)
}

/// A file beside the one that the results of a project go to, with the time in its name.
fn new_file(shared: &SharedState, name: &ProjectName) -> Result<String, ApiError> {
    let dataflow = dataflow_of(shared, name)?;
    let [sink] = &dataflow.sinks[..] else {
        return Err(ApiError::unusable(format!("{name} has several sinks: give each a new file in its dataflow file")));
    };
    if let Some(table) = dataflow.tables.iter().find(|table| table.sink().is_some_and(|sink| sink.file(0).is_some())) {
        return Err(ApiError::unusable(format!(
            "the table {} of {name} goes to a file, too: give both a new file in its dataflow file",
            table.name()
        )));
    }
    let url = sink.settings.url.to_string();
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let none = || ApiError::unusable(format!("the results of {name} go to {url}, which is no file: start it as it is"));
    beside(&url, &time).ok_or_else(none)
}

/// Ask a run to end: it stops reading, finishes what is in flight, and reports. Asked again, it ends at once.
#[utoipa::path(post, path = "/api/v1/projects/{name}/stop", tag = "projects", params(("name" = String, Path)),
    responses((status = 200, body = ProjectRun), (status = 404, body = ApiProblem), (status = 409, body = ApiProblem)))]
async fn stop(State(shared): State<SharedState>, Project(name): Project) -> Result<Json<ProjectRun>, ApiError> {
    shared.file_of(&name)?;
    let stopped = shared.runs.stop(&shared.folder, &name);
    stopped.map(Json).map_err(|reason| ApiError::new(StatusCode::CONFLICT, reason))
}

/// Stop a run, wait for its end, and start the project again.
#[utoipa::path(post, path = "/api/v1/projects/{name}/restart", tag = "projects", params(("name" = String, Path)),
    responses((status = 200, body = ProjectRun), (status = 404, body = ApiProblem), (status = 409, body = ApiProblem),
    (status = 422, body = ApiProblem)))]
async fn restart(State(shared): State<SharedState>, Project(name): Project) -> Result<Json<ProjectRun>, ApiError> {
    const PATIENCE: u32 = 300;
    const LOOK_UP_INTERVAL: std::time::Duration = std::time::Duration::from_millis(100);
    if let Some(problem) = shared.found(&name)?.about.problem {
        return Err(problem.into());
    }
    let earlier = where_it_went(&shared, &name)?;
    if shared.runs.run(&shared.folder, &name).state.is_alive() {
        let stopped = shared.runs.stop(&shared.folder, &name);
        stopped.map_err(|reason| ApiError::new(StatusCode::CONFLICT, reason))?;
    }
    for _ in 0..PATIENCE {
        if !shared.runs.run(&shared.folder, &name).state.is_alive() {
            return run(&shared, &name, &earlier).map(Json);
        }
        tokio::time::sleep(LOOK_UP_INTERVAL).await;
    }
    Err(ApiError::new(StatusCode::CONFLICT, format!("{name} has not ended in time: stop it again to end it at once")))
}
