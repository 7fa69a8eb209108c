//! Which requests are written down in the audit log.

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::access::Admitted;
use super::audit::{AuditEntry, AuditSubject};
use super::client::WebClient;
use super::state::SharedState;

/// Characters of a text that are written down: nobody drives out what was written before by long names.
const MOST: usize = 200;

/// Writes down what a request did or was refused.
pub async fn record(State(shared): State<SharedState>, request: Request, next: Next) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let from = request.extensions().get::<WebClient>().map(|client| client.address);
    let gives_password = request.headers().contains_key(header::AUTHORIZATION);
    let response = next.run(request).await;
    let refused = response.status() == StatusCode::UNAUTHORIZED || response.status() == StatusCode::TOO_MANY_REQUESTS;
    let done = action(&method, uri.path()).or((gives_password && refused).then_some(("sign-in", None)));
    let Some((action, project)) = done else { return response };
    let subject = response.extensions().get::<AuditSubject>();
    let admitted = response.extensions().get::<Admitted>();
    let entry = AuditEntry {
        at: jiff::Timestamp::now().to_string(),
        who: admitted
            .map(|who| who.name.as_str())
            .or(subject.and_then(|subject| subject.who.as_deref()))
            .map(shortened),
        by: admitted.map(|who| who.by),
        from,
        action,
        project: project.as_deref().or(subject.and_then(|subject| subject.project.as_deref())).map(shortened),
        copy: subject.and_then(|subject| subject.copy.as_deref()).map(shortened),
        source: subject.and_then(|subject| subject.source.as_deref()).map(shortened),
        request: shortened(&format!("{method} {uri}")).to_owned(),
        status: response.status().as_u16(),
    };
    if let Err(error) = shared.audit.write(&entry) {
        tracing::error!("{}: {error}", shared.audit.path().display());
    }
    response
}

fn shortened(text: &str) -> &str {
    text.char_indices().nth(MOST).map_or(text, |(end, _)| &text[..end])
}

/// A part of a path as handlers get it.
fn decoded(part: &str) -> String {
    percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned()
}

/// What a request does, and to which project; `None` if it changes nothing.
fn action(method: &Method, path: &str) -> Option<(&'static str, Option<String>)> {
    let mut parts = path.strip_prefix("/api/v1/")?.split('/');
    let parts = (parts.next()?, parts.next().map(decoded), parts.next());
    Some(match (method.as_str(), parts) {
        ("POST", ("login", None, _)) => ("sign-in", None),
        ("POST", ("logout", None, _)) => ("sign-out", None),
        ("POST", ("projects", None, _)) => ("create", None),
        ("PUT", ("projects", name, None)) => ("edit", name),
        ("DELETE", ("projects", name, None)) => ("delete", name),
        ("POST", ("projects", name, Some("duplicate"))) => ("duplicate", name),
        ("POST", ("projects", name, Some("start"))) => ("start", name),
        ("POST", ("projects", name, Some("stop"))) => ("stop", name),
        ("POST", ("projects", name, Some("restart"))) => ("restart", name),
        ("POST", ("preview", None, _)) => ("preview", None),
        ("POST", ("connect", None, _)) => ("connect", None),
        ("POST", ("propose", None, _)) => ("propose", None),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_anything_is_an_action() {
        for (method, path, expected) in [
            (Method::POST, "/api/v1/login", Some(("sign-in", None))),
            (Method::POST, "/api/v1/projects", Some(("create", None))),
            (Method::PUT, "/api/v1/projects/a", Some(("edit", Some("a")))),
            (Method::DELETE, "/api/v1/projects/a", Some(("delete", Some("a")))),
            (Method::POST, "/api/v1/projects/a/start", Some(("start", Some("a")))),
            (Method::POST, "/api/v1/projects/a%2Db/start", Some(("start", Some("a-b")))),
            (Method::POST, "/api/v1/preview", Some(("preview", None))),
            (Method::POST, "/api/v1/connect", Some(("connect", None))),
            (Method::GET, "/api/v1/projects/a", None),
            (Method::POST, "/api/v1/edit", None),
            (Method::GET, "/metrics", None),
        ] {
            let expected = expected.map(|(action, project): (&str, Option<&str>)| (action, project.map(str::to_owned)));
            assert_eq!(action(&method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn long_texts_are_shortened() {
        assert_eq!((shortened("anna"), shortened("")), ("anna", ""));
        assert_eq!(shortened(&"\u{e4}".repeat(MOST + 1)), "\u{e4}".repeat(MOST));
    }
}
