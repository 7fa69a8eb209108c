//! The server's routes and headers.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware;
use axum::routing::get;
use serde_json::Value;
use tower_http::compression::CompressionLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_sessions::cookie::{self, SameSite};
use tower_sessions::{Expiry, MemoryStore, SessionManagerLayer};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::answer::{ApiError, PROBLEM};
use super::state::SharedState;
use super::{editor, live, metrics, page, projects, sign_in, tables};

#[derive(OpenApi)]
#[openapi(
    info(title = "Rowmill", description = "Projects are the dataflow files of a folder; runs are processes."),
    tags(
        (name = "projects", description = "Dataflow files, and their runs."),
        (name = "editor", description = "What a form needs to change a dataflow file."),
        (name = "tables", description = "Tables of projects that run."),
        (name = "session", description = "Who is signed in.")
    )
)]
struct ApiDocument;

/// Only what is embedded is loaded: no other site, no inline script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const SESSION: cookie::time::Duration = cookie::time::Duration::hours(12);

/// All routes.
pub fn router(shared: &SharedState) -> Router {
    let (router, document) = OpenApiRouter::with_openapi(ApiDocument::openapi())
        .merge(projects::routes())
        .merge(editor::routes())
        .merge(live::routes())
        .merge(tables::routes())
        .merge(sign_in::routes())
        .split_for_parts();
    let document = with_problems(serde_json::to_value(document).expect("a document is JSON"));
    let sessions = SessionManagerLayer::new(MemoryStore::default())
        .with_name("rowmill")
        .with_same_site(SameSite::Strict)
        .with_http_only(true)
        // The page itself has no TLS; a proxy before it may.
        .with_secure(false)
        .with_expiry(Expiry::OnInactivity(SESSION));
    let set = |name, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    router
        .route("/api/v1/openapi.json", get(move || async { axum::Json(document) }))
        .route("/metrics", get(metrics::metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .fallback(page::page)
        .method_not_allowed_fallback(other_method)
        .layer(middleware::from_fn_with_state(shared.clone(), sign_in::guard))
        .layer(sessions)
        .layer(CompressionLayer::new())
        .layer(set(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(set(header::REFERRER_POLICY, "no-referrer"))
        .with_state(shared.clone())
}

/// Whether the folder can be read.
async fn ready(State(shared): State<SharedState>) -> (StatusCode, String) {
    match shared.folder.names() {
        Ok(names) => (StatusCode::OK, format!("{} projects\n", names.len())),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{}: {error}\n", shared.folder.path().display())),
    }
}

async fn other_method(method: Method, uri: Uri) -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} takes no {method}", uri.path()))
}

/// The document with the type that refusals have.
fn with_problems(mut document: Value) -> Value {
    let refusals = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    let operations = refusals.filter_map(Value::as_object_mut).flat_map(|path| path.values_mut());
    for content in operations
        .filter_map(|operation| operation["responses"].as_object_mut())
        .flat_map(|responses| responses.values_mut())
        .filter_map(|response| response.get_mut("content")?.as_object_mut())
    {
        let refuses = content.get("application/json").is_some_and(|body| body["schema"]["$ref"] == PROBLEM_SCHEMA);
        if let Some(body) = refuses.then(|| content.remove("application/json")).flatten() {
            content.insert(PROBLEM.into(), body);
        }
    }
    document
}

const PROBLEM_SCHEMA: &str = "#/components/schemas/ApiProblem";
