//! The server: its routes, its headers, its end.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::routing::get;
use tokio::net::TcpListener;
use tower_http::compression::CompressionLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_sessions::cookie::{self, SameSite};
use tower_sessions::{Expiry, MemoryStore, SessionManagerLayer};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

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
fn router(shared: &SharedState) -> Router {
    let (router, document) = OpenApiRouter::with_openapi(ApiDocument::openapi())
        .merge(projects::routes())
        .merge(editor::routes())
        .merge(live::routes())
        .merge(tables::routes())
        .merge(sign_in::routes())
        .split_for_parts();
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
        .layer(middleware::from_fn_with_state(shared.clone(), sign_in::guard))
        .layer(sessions)
        .layer(CsrfLayer::new().with_rejection_response(sign_in::of_another_site))
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

/// Serves until it is told to stop; open streams end then.
///
/// # Errors
/// If the server ends by itself.
pub async fn serve(shared: SharedState, listener: TcpListener) -> std::io::Result<()> {
    const LOOK_UP_INTERVAL: Duration = Duration::from_millis(100);
    let stop = shared.stop.clone();
    let stopped = async move {
        while !stop.is_set() {
            tokio::time::sleep(LOOK_UP_INTERVAL).await;
        }
    };
    let service = router(&shared).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stopped).await
}
