//! Who may do what: logins, sessions, and the guard before every request.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use axum_extra::headers::authorization::{Basic, Bearer};
use axum_extra::headers::{Authorization, HeaderMapExt, Host};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tower_sessions::Session;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{Admitted, Credential};
use super::answer::{ApiError, ApiProblem, Body};
use super::audit::AuditSubject;
use super::client::WebClient;
use super::state::SharedState;
use super::users::UserRole;

/// Who is signed in, as the session keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct SignedIn {
    name: String,
    /// Of the password with which it began.
    version: String,
    /// The token that a page must send with every change.
    csrf: String,
}

const SIGNED_IN: &str = "signed-in";
const CSRF: &str = "x-csrf-token";

/// Refuses requests of users without the role that they need.
pub async fn guard(
    State(shared): State<SharedState>,
    Extension(client): Extension<WebClient>,
    session: Session,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let headers = request.headers();
    if changes && is_from_another_site(headers, client.host.as_deref()) {
        return Err(of_another_site());
    }
    if !shared.access.is_needed()? {
        // Against DNS rebinding: another site's name may resolve to this machine.
        if !names_this_machine(headers) {
            return Err(ApiError::new(StatusCode::FORBIDDEN, "without a login, ask for localhost or 127.0.0.1"));
        }
        if was_passed_on(headers) {
            let help = "the page is reached through a proxy and needs a login: add a user with `rowmill user add`";
            return Err(ApiError::new(StatusCode::FORBIDDEN, help));
        }
        if changes && !comes_from_this_machine(headers) {
            return Err(of_another_site());
        }
        request.extensions_mut().insert(UserRole::Admin);
        return Ok(next.run(request).await);
    }
    if is_open(request.uri().path()) {
        return Ok(next.run(request).await);
    }
    let admitted = if let Some(Authorization(bearer)) = headers.typed_get::<Authorization<Bearer>>() {
        shared.access.with_token(bearer.token())?
    } else if let Some(Authorization(basic)) = headers.typed_get::<Authorization<Basic>>() {
        let password = SecretString::from(basic.password());
        shared.access.clone().verify(client.address, basic.username().to_owned(), password).await?
    } else {
        let signed_in = session.get::<SignedIn>(SIGNED_IN).await.map_err(ApiError::internal)?;
        let signed_in = signed_in.ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED, "sign in first"))?;
        let token = headers.get(CSRF).and_then(|token| token.to_str().ok());
        if changes && token != Some(signed_in.csrf.as_str()) {
            return Err(ApiError::new(StatusCode::FORBIDDEN, "the page's token is missing or old: load it again"));
        }
        // The file decides, not the session: the user may have been removed, or have another role or password now.
        let admitted = shared
            .access
            .admitted(&signed_in.name, Credential::Password)?
            .filter(|now| now.version == signed_in.version);
        admitted.ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED, "sign in first"))?
    };
    if changes && admitted.role < UserRole::Admin && request.uri().path() != "/api/v1/logout" {
        let refused = ApiError::new(StatusCode::FORBIDDEN, "a viewer may look, and change nothing");
        return Ok((Extension(admitted), refused).into_response());
    }
    request.extensions_mut().insert(admitted.role);
    request.extensions_mut().insert(admitted.clone());
    let mut response = next.run(request).await;
    response.extensions_mut().insert(admitted);
    Ok(response)
}

/// What needs no login: the page without its data, the login itself, and whether the server is up.
fn is_open(path: &str) -> bool {
    let data = path.starts_with("/api/") || path == "/metrics";
    !data || matches!(path, "/api/v1/session" | "/api/v1/login")
}

fn of_another_site() -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "the request comes from another site's page")
}

/// Whether the browser says so. Behind a proxy the name that was asked for is another than the page's own, and a page of
/// another site can send neither the token nor JSON.
fn is_from_another_site(headers: &HeaderMap, host: Option<&str>) -> bool {
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()?.parse::<Uri>().ok());
    let other = |host: &str| {
        let authority = origin.as_ref().and_then(Uri::authority);
        authority.is_some_and(|authority| !authority.as_str().eq_ignore_ascii_case(host))
    };
    host.is_some_and(other) || headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none")
}

/// Whether a proxy says that it asks for another machine.
fn was_passed_on(headers: &HeaderMap) -> bool {
    let hops = headers.get_all("x-forwarded-for").iter().map(|line| line.to_str().unwrap_or("another"));
    let is_other = |hop: &str| !hop.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    hops.flat_map(|line| line.split(',')).any(|hop| is_other(hop.trim()))
}

/// Whether the page that sends the request, if there is one, was asked for by a name of this machine.
fn comes_from_this_machine(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    host.as_ref().and_then(Uri::host).is_some_and(is_this_machine)
}

fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.typed_get::<Host>() else { return false };
    is_this_machine(host.hostname())
}

fn is_this_machine(name: &str) -> bool {
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
    if !shared.access.is_needed()? {
        return Ok(Json(Visitor { login: false, name: None, role: Some(UserRole::Admin), csrf: None }));
    }
    let signed_in = session.get::<SignedIn>(SIGNED_IN).await.map_err(ApiError::internal)?;
    if let Some(SignedIn { name, version, csrf }) = signed_in
        && let Some(now) = shared.access.admitted(&name, Credential::Password)?.filter(|now| now.version == version)
    {
        return Ok(Json(Visitor::signed_in(name, now.role, csrf)));
    }
    Ok(Json(Visitor { login: true, name: None, role: None, csrf: None }))
}

impl Visitor {
    fn signed_in(name: String, role: UserRole, csrf: String) -> Visitor {
        Visitor { login: true, name: Some(name), role: Some(role), csrf: Some(csrf) }
    }
}

/// Sign in; five attempts a minute may fail.
#[utoipa::path(post, path = "/api/v1/login", tag = "session", request_body = SignInForm, responses(
    (status = 200, body = Visitor), (status = 401, body = ApiProblem), (status = 422, body = ApiProblem),
    (status = 400, body = ApiProblem), (status = 415, body = ApiProblem), (status = 429, body = ApiProblem)))]
async fn login(
    State(shared): State<SharedState>,
    Extension(client): Extension<WebClient>,
    session: Session,
    Body(SignInForm { name, password }): Body<SignInForm>,
) -> (Extension<AuditSubject>, Result<Json<Visitor>, ApiError>) {
    let subject = AuditSubject { who: Some(name.clone()), ..AuditSubject::default() };
    (Extension(subject), begin_session(&shared, &client, &session, name, password).await)
}

async fn begin_session(
    shared: &SharedState,
    client: &WebClient,
    session: &Session,
    name: String,
    password: SecretString,
) -> Result<Json<Visitor>, ApiError> {
    let Admitted { role, version, .. } = shared.access.clone().verify(client.address, name.clone(), password).await?;
    // A new session id, against session fixation.
    session.cycle_id().await.map_err(ApiError::internal)?;
    let csrf = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let signed_in = SignedIn { name: name.clone(), version, csrf: csrf.clone() };
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
        for (origin, own) in
            [("http://localhost:7878", true), ("http://[::1]:1", true), ("null", false), ("http://evil.example", false)]
        {
            assert_eq!(comes_from_this_machine(&headers(&[("origin", origin)])), own, "{origin}");
        }
        assert!(comes_from_this_machine(&HeaderMap::new()));
        assert!(is_from_another_site(&headers(&[("sec-fetch-site", "cross-site")]), None));
        assert!(!is_from_another_site(&headers(&[("sec-fetch-site", "same-origin")]), None));
        let own = headers(&[("origin", "https://w.example:8443")]);
        for (host, other) in [(None, false), (Some("W.example:8443"), false), (Some("w.example"), true)] {
            assert_eq!(is_from_another_site(&own, host), other, "{host:?}");
        }
        for (line, passed) in
            [("127.0.0.1", false), ("::1, 127.0.0.1", false), ("1.2.3.4, 127.0.0.1", true), ("x", true)]
        {
            assert_eq!(was_passed_on(&headers(&[("x-forwarded-for", line)])), passed, "{line}");
        }
    }

    #[test]
    fn data_needs_a_login() {
        assert!(is_open("/") && is_open("/healthz") && is_open("/api/v1/login"));
        assert!(!is_open("/api/v1/projects") && !is_open("/metrics"));
    }
}
