//! The server's routes and headers.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware;
use axum::routing::get;
use tower_http::compression::CompressionLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_sessions::cookie::{self, SameSite};
use tower_sessions::{Expiry, MemoryStore, SessionManagerLayer};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::answer::{self, ApiError};
use super::state::SharedState;
use super::{api_document, audited, client, editor, live, metrics, page, projects, sign_in, tables};

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
    let document = api_document::finished(document, &shared.base_path);
    let sessions = SessionManagerLayer::new(MemoryStore::default())
        .with_name("rowmill")
        .with_same_site(SameSite::Strict)
        .with_http_only(true)
        // `client` adds it where the browser's own connection is encrypted.
        .with_secure(false)
        .with_path(format!("{}/", shared.base_path.as_str()))
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
        .layer(middleware::map_response(answer::refused_as_problem))
        .layer(middleware::from_fn_with_state(shared.clone(), audited::record))
        .layer(sessions)
        .layer(CompressionLayer::new())
        .layer(set(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(set(header::REFERRER_POLICY, "no-referrer"))
        .layer(middleware::from_fn_with_state(shared.clone(), client::tell))
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
