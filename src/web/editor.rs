//! What a form needs: the subtasks, edits of a text, a preview, a try of the connection.

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{ApiError, ApiProblem, Body, blocking};
use super::audit::AuditSubject;
use super::document;
use super::edits::{self, Edit};
use super::problem::FileProblem;
use super::proposal;
use super::rows::{self, RowsFrom};
use super::state::SharedState;
use crate::config::{self, Dataflow};
use crate::runtime;
use crate::subtasks::{Description, Entry};

/// Routes of the editor.
pub fn routes() -> OpenApiRouter<SharedState> {
    OpenApiRouter::new()
        .routes(routes!(subtasks))
        .routes(routes!(schema))
        .routes(routes!(edit))
        .routes(routes!(preview))
        .routes(routes!(connect))
        .routes(routes!(propose))
}

/// The subtasks, each with its parameters.
#[utoipa::path(get, path = "/api/v1/subtasks", tag = "editor", responses((status = 200, body = [Description])))]
async fn subtasks(State(shared): State<SharedState>) -> Json<Vec<Description>> {
    Json(shared.registry.subtasks().iter().map(Entry::describe).collect())
}

/// The JSON schema of a dataflow file.
#[utoipa::path(get, path = "/api/v1/schema", tag = "editor", responses((status = 200, body = Object)))]
async fn schema(State(shared): State<SharedState>) -> Json<serde_json::Value> {
    Json(config::json_schema(&shared.registry))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Edits {
    toml: String,
    #[serde(default)]
    edits: Vec<Edit>,
}

/// A text, what a form shows of it, and what is wrong with it.
#[derive(Serialize, ToSchema)]
struct Edited {
    toml: String,
    values: serde_json::Value,
    problem: Option<FileProblem>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PreviewRequest {
    toml: String,
}

/// A text, and which of its sources is meant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SourceRequest {
    toml: String,
    /// Of several sources, the name of one; the first if not given.
    source: Option<String>,
}

/// Change the text of a dataflow file as a form asks, and check it. Comments stay. Nothing is saved.
#[utoipa::path(post, path = "/api/v1/edit", tag = "editor", request_body = Edits, responses(
    (status = 200, body = Edited), (status = 422, body = ApiProblem), (status = 400, body = ApiProblem),
    (status = 415, body = ApiProblem)))]
async fn edit(
    State(shared): State<SharedState>,
    Body(Edits { toml, edits }): Body<Edits>,
) -> Result<Json<Edited>, ApiError> {
    blocking(move || {
        let toml = if edits.is_empty() { toml } else { edits::edited(&toml, &edits).map_err(ApiError::unusable)? };
        let problem = document::checked("dataflow", &toml, &shared.registry).err();
        Ok(Json(Edited { values: document::values(&toml), toml, problem }))
    })
    .await
}

/// What a chain makes of a few rows.
#[derive(Serialize, ToSchema)]
struct PreviewRows {
    rows_from: RowsFrom,
    /// After prepare, and after each subtask.
    #[schema(value_type = Vec<Object>)]
    steps: Vec<runtime::PreviewStep>,
    rejected: Vec<UnreadableRow>,
}

/// A row that can't be read.
#[derive(Serialize, ToSchema)]
struct UnreadableRow {
    /// Its place, from 0.
    row: usize,
    reason: String,
}

/// Run the chain over up to 20 rows of a source, or over generated ones if it has none within some seconds.
#[utoipa::path(post, path = "/api/v1/preview", tag = "editor", request_body = SourceRequest, responses(
    (status = 200, body = PreviewRows), (status = 422, body = ApiProblem), (status = 400, body = ApiProblem),
    (status = 415, body = ApiProblem)))]
async fn preview(
    State(shared): State<SharedState>,
    Body(request): Body<SourceRequest>,
) -> (Extension<AuditSubject>, Result<Json<PreviewRows>, ApiError>) {
    try_out(shared, request, |dataflow, source| {
        let (bucket, rows_from) = rows::rows(&dataflow.sources[source]).map_err(ApiError::unusable)?;
        let preview = runtime::preview(dataflow, source, &bucket)
            .map_err(|diagnostic| ApiError::unusable(diagnostic.title().into()))?;
        let rejected =
            preview.rejected.into_iter().map(|bad| UnreadableRow { row: bad.index, reason: bad.reason }).collect();
        Ok(PreviewRows { rows_from, steps: preview.steps, rejected })
    })
    .await
}

/// How a broker answered.
#[derive(Serialize, ToSchema)]
struct ConnectionTest {
    milliseconds: f64,
}

/// Connect to a source once, as a guest.
#[utoipa::path(post, path = "/api/v1/connect", tag = "editor", request_body = SourceRequest, responses(
    (status = 200, body = ConnectionTest), (status = 422, body = ApiProblem), (status = 400, body = ApiProblem),
    (status = 415, body = ApiProblem)))]
async fn connect(
    State(shared): State<SharedState>,
    Body(request): Body<SourceRequest>,
) -> (Extension<AuditSubject>, Result<Json<ConnectionTest>, ApiError>) {
    try_out(shared, request, |dataflow, source| {
        let took = rows::connect(&dataflow.sources[source]).map_err(ApiError::unusable)?;
        Ok(ConnectionTest { milliseconds: took.as_secs_f64() * 1e3 })
    })
    .await
}

/// A text that reads the rows of its source, and what a form shows of it.
#[derive(Serialize, ToSchema)]
struct ProposedText {
    #[serde(flatten)]
    edited: Edited,
    /// The rows that it was made from.
    rows: usize,
    /// What is not in the text, in words.
    remarks: Vec<String>,
}

/// Look at some payloads of the source, and change its format, paths, schema and time to what they show, as `rowmill new`
/// does. Nothing is saved.
#[utoipa::path(post, path = "/api/v1/propose", tag = "editor", request_body = PreviewRequest, responses(
    (status = 200, body = ProposedText), (status = 422, body = ApiProblem), (status = 400, body = ApiProblem),
    (status = 415, body = ApiProblem)))]
async fn propose(
    State(shared): State<SharedState>,
    Body(PreviewRequest { toml }): Body<PreviewRequest>,
) -> (Extension<AuditSubject>, Result<Json<ProposedText>, ApiError>) {
    audited(move || {
        let source = match document::checked("dataflow", &proposal::source_alone(&toml), &shared.registry) {
            Ok(source) => source,
            Err(problem) => return (None, Err(problem.into())),
        };
        let proposed = || {
            let proposal = rows::propose(&source, &shared.registry).map_err(ApiError::unusable)?;
            let toml = proposal::applied(&toml, &source, &proposal).map_err(ApiError::unusable)?;
            let problem = document::checked("dataflow", &toml, &shared.registry).err();
            let edited = Edited { values: document::values(&toml), toml, problem };
            Ok(ProposedText { edited, rows: proposal.rows(), remarks: proposal.remarks().to_vec() })
        };
        (Some(source.shown_sources()), proposed())
    })
    .await
}

/// Runs a task about a source of a dataflow, given by its number, on a thread that may block.
async fn try_out<T: Send + 'static>(
    shared: SharedState,
    SourceRequest { toml, source }: SourceRequest,
    work: impl FnOnce(&Dataflow, usize) -> Result<T, ApiError> + Send + 'static,
) -> (Extension<AuditSubject>, Result<Json<T>, ApiError>) {
    audited(move || match document::checked("dataflow", &toml, &shared.registry) {
        Ok(dataflow) => match dataflow.source_number(source.as_deref()) {
            Ok(number) => (Some(dataflow.sources[number].url.to_string()), work(&dataflow, number)),
            Err(reason) => (None, Err(ApiError::unusable(reason))),
        },
        Err(problem) => (None, Err(problem.into())),
    })
    .await
}

/// Runs a task on a thread that may block; the audit log gets the source that it tries.
async fn audited<T: Send + 'static>(
    work: impl FnOnce() -> (Option<String>, Result<T, ApiError>) + Send + 'static,
) -> (Extension<AuditSubject>, Result<Json<T>, ApiError>) {
    let done = tokio::task::spawn_blocking(work).await;
    let (source, done) = done.unwrap_or_else(|error| (None, Err(ApiError::internal(error))));
    (Extension(AuditSubject { source, ..AuditSubject::default() }), done.map(Json))
}
