//! Who may do what: logins, sessions, and the guard before every request.

use std::net::{IpAddr, SocketAddr};

use axum::Json;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum_extra::headers::authorization::Basic;
use axum_extra::headers::{Authorization, HeaderMapExt, Host};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tower_http::csrf::ProtectionError;
use tower_sessions::Session;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{ApiError, ApiProblem};
use super::state::SharedState;
use super::users::UserRole;

/// Who is signed in, as the session keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct SignedIn {
    name: String,
    /// The token that a page must send with every change.
    csrf: String,
}

const SIGNED_IN: &str = "signed-in";
const CSRF: &str = "x-csrf-token";

/// Refuses requests of users without the role that they need.
pub async fn guard(
    State(shared): State<SharedState>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    session: Session,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let headers = request.headers();
    let Some(users) = &shared.access.users else {
        // Against DNS rebinding: another site's name may resolve to this machine.
        if !names_this_machine(headers) {
            return Err(ApiError::new(StatusCode::FORBIDDEN, "without a login, ask for localhost or 127.0.0.1"));
        }
        request.extensions_mut().insert(UserRole::Admin);
        return Ok(next.run(request).await);
    };
    if is_open(request.uri().path()) {
        return Ok(next.run(request).await);
    }
    let role = if let Some(Authorization(basic)) = headers.typed_get::<Authorization<Basic>>() {
        let password = SecretString::from(basic.password());
        shared.access.clone().verify(from.ip(), basic.username().to_owned(), password).await?
    } else {
        let signed_in = session.get::<SignedIn>(SIGNED_IN).await.map_err(ApiError::internal)?;
        let signed_in = signed_in.ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED, "sign in first"))?;
        let token = headers.get(CSRF).and_then(|token| token.to_str().ok());
        if changes && token != Some(signed_in.csrf.as_str()) {
            return Err(ApiError::new(StatusCode::FORBIDDEN, "the page's token is missing or old: load it again"));
        }
        // The file decides, not the session: the user may have been removed, or have another role now.
        let role = users.role(&signed_in.name).map_err(ApiError::internal)?;
        role.ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED, "sign in first"))?
    };
    if changes && role < UserRole::Admin && request.uri().path() != "/api/v1/logout" {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "a viewer may look, and change nothing"));
    }
    request.extensions_mut().insert(role);
    Ok(next.run(request).await)
}

/// What needs no login: the page without its data, the login itself, and whether the server is up.
fn is_open(path: &str) -> bool {
    let data = path.starts_with("/api/") || path == "/metrics";
    !data || matches!(path, "/api/v1/session" | "/api/v1/login")
}

/// The answer to a request from another site's page.
pub fn of_another_site(_: ProtectionError) -> Response {
    ApiError::new(StatusCode::FORBIDDEN, "the request comes from another site's page").into_response()
}

fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.typed_get::<Host>() else { return false };
    let name = host.hostname();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Routes of logins.
pub fn routes() -> OpenApiRouter<SharedState> {
    OpenApiRouter::new().routes(routes!(session)).routes(routes!(login)).routes(routes!(logout))
}

/// Who looks at the page.
#[derive(Serialize, ToSchema)]
struct Visitor {
    /// Whether there are users at all.
    login: bool,
    name: Option<String>,
    role: Option<UserRole>,
    /// To be sent as X-CSRF-Token with whatever changes anything.
    csrf: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignInForm {
    name: String,
    #[schema(value_type = String)]
    password: SecretString,
}

/// Who is signed in.
#[utoipa::path(get, path = "/api/v1/session", tag = "session", responses((status = 200, body = Visitor)))]
async fn session(State(shared): State<SharedState>, session: Session) -> Result<Json<Visitor>, ApiError> {
    let Some(users) = &shared.access.users else {
        return Ok(Json(Visitor { login: false, name: None, role: Some(UserRole::Admin), csrf: None }));
    };
    let signed_in = session.get::<SignedIn>(SIGNED_IN).await.map_err(ApiError::internal)?;
    if let Some(SignedIn { name, csrf }) = signed_in
        && let Some(role) = users.role(&name).map_err(ApiError::internal)?
    {
        return Ok(Json(Visitor::signed_in(name, role, csrf)));
    }
    Ok(Json(Visitor { login: true, name: None, role: None, csrf: None }))
}

impl Visitor {
    fn signed_in(name: String, role: UserRole, csrf: String) -> Visitor {
        Visitor { login: true, name: Some(name), role: Some(role), csrf: Some(csrf) }
    }
}

/// Sign in; five attempts a minute.
#[utoipa::path(post, path = "/api/v1/login", tag = "session", request_body = SignInForm, responses(
    (status = 200, body = Visitor), (status = 401, body = ApiProblem), (status = 422, body = ApiProblem),
    (status = 400, body = ApiProblem), (status = 415, body = ApiProblem), (status = 429, body = ApiProblem)))]
async fn login(
    State(shared): State<SharedState>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    session: Session,
    super::answer::Body(SignInForm { name, password }): super::answer::Body<SignInForm>,
) -> Result<Json<Visitor>, ApiError> {
    let role = shared.access.clone().verify(from.ip(), name.clone(), password).await?;
    // A new session id, against session fixation.
    session.cycle_id().await.map_err(ApiError::internal)?;
    let csrf = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let signed_in = SignedIn { name: name.clone(), csrf: csrf.clone() };
    session.insert(SIGNED_IN, signed_in).await.map_err(ApiError::internal)?;
    Ok(Json(Visitor::signed_in(name, role, csrf)))
}

/// Sign out.
#[utoipa::path(post, path = "/api/v1/logout", tag = "session", responses((status = 204)))]
async fn logout(session: Session) -> Result<StatusCode, ApiError> {
    session.flush().await.map_err(ApiError::internal)?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn names_of_other_sites_that_lead_here_are_refused() {
        for own in ["localhost:7878", "127.0.0.1", "[::1]:7878"] {
            assert!(names_this_machine(&headers(&[("host", own)])), "{own}");
        }
        for other in ["evil.example:7878", "10.0.0.1:7878", ""] {
            assert!(!names_this_machine(&headers(&[("host", other)])), "{other}");
        }
    }

    #[test]
    fn data_needs_a_login() {
        assert!(is_open("/") && is_open("/healthz") && is_open("/api/v1/login"));
        assert!(!is_open("/api/v1/projects") && !is_open("/metrics"));
    }
}
