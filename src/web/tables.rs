//! Tables of projects that run.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{ApiError, ApiProblem};
use super::folder::ProjectName;
use super::state::SharedState;
use crate::runtime::query::{self, SnapshotFormat, TableQuery};

/// Routes of tables.
pub fn routes() -> OpenApiRouter<SharedState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(table))
}

/// A table that can be asked for.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
struct FoundTable {
    #[schema(value_type = String)]
    project: ProjectName,
    table: String,
}

/// Which table, and how it is wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct TableRequest {
    /// Where more than one project has a table of that name.
    project: Option<String>,
    /// json (an object a line), csv or parquet.
    #[serde(default)]
    #[param(value_type = Option<String>, inline, pattern = "^(json|csv|parquet)$")]
    format: SnapshotFormat,
    /// Not more lines than this: those of the newest windows.
    newest: Option<usize>,
}

/// The tables of all projects that run.
fn tables(shared: &SharedState) -> Result<Vec<FoundTable>, ApiError> {
    let names = shared.folder.names().map_err(ApiError::internal)?;
    let running = names.into_iter().filter(|name| shared.runs.run(&shared.folder, name).state.is_alive());
    let of_project = |name: ProjectName| {
        let tables = query::names(&shared.folder.state(&name)).unwrap_or_default();
        tables.into_iter().map(move |table| FoundTable { project: name.clone(), table })
    };
    Ok(running.flat_map(of_project).collect())
}

/// The tables of all projects that run.
#[utoipa::path(get, path = "/api/v1/tables", operation_id = "list_tables", tag = "tables", responses((status = 200, body = [FoundTable])))]
async fn list(State(shared): State<SharedState>) -> Result<Json<Vec<FoundTable>>, ApiError> {
    waiting(move || tables(&shared)).await.map(Json)
}

/// A table as of the last epoch that is complete on all workers; its number is in the column `message`.
#[utoipa::path(get, path = "/api/v1/tables/{name}", tag = "tables", params(("name" = String, Path), TableRequest), responses(
    (status = 200, content_type = "application/x-ndjson", body = String), (status = 400, body = ApiProblem),
    (status = 404, body = ApiProblem), (status = 409, body = ApiProblem)))]
async fn table(
    State(shared): State<SharedState>,
    Path(name): Path<String>,
    wanted: Result<Query<TableRequest>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(wanted) = wanted.map_err(|rejection| ApiError::new(rejection.status(), rejection.body_text()))?;
    let question = TableQuery { table: name, format: wanted.format, newest: wanted.newest };
    let snapshot = waiting(move || {
        let project = owner(&shared, &question.table, wanted.project.as_deref())?;
        let state = shared.folder.state(&project);
        query::snapshot(&state, &question).map_err(|reason| ApiError::new(StatusCode::NOT_FOUND, reason))
    });
    let kind = match wanted.format {
        SnapshotFormat::Json => "application/x-ndjson",
        SnapshotFormat::Csv => "text/csv",
        SnapshotFormat::Parquet => "application/vnd.apache.parquet",
    };
    Ok(([(header::CONTENT_TYPE, kind)], snapshot.await?.bytes).into_response())
}

/// The project that has this table.
fn owner(shared: &SharedState, table: &str, project: Option<&str>) -> Result<ProjectName, ApiError> {
    let is_it =
        |found: &FoundTable| found.table == table && project.is_none_or(|name| found.project.to_string() == name);
    let found: Vec<ProjectName> = tables(shared)?.into_iter().filter(is_it).map(|found| found.project).collect();
    match &found[..] {
        [name] => Ok(name.clone()),
        [] => Err(ApiError::new(StatusCode::NOT_FOUND, format!("no project that runs has a table {table}"))),
        [..] => {
            let names: Vec<String> = found.iter().map(ProjectName::to_string).collect();
            let reason =
                format!("several projects have a table {table}: add ?project= with one of {}", names.join(", "));
            Err(ApiError::new(StatusCode::CONFLICT, reason))
        }
    }
}

/// Runs may take a moment to answer: others are served meanwhile.
async fn waiting<T: Send + 'static>(ask: impl FnOnce() -> Result<T, ApiError> + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(ask).await.map_err(ApiError::internal)?
}
