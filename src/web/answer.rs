//! How requests are read and refused: always as JSON, with what to do.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::folder::{Folder, ProjectName};
use super::problem::FileProblem;

/// Why a request is refused: problem details as RFC 9457 has them.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApiProblem {
    /// The status in words.
    pub title: &'static str,
    pub status: u16,
    /// What is wrong, and what to do.
    pub detail: String,
    /// What is wrong with the dataflow file that came with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<FileProblem>,
    /// The dataflow file as it is now, where a change was made to an earlier version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
}

/// The type of a refusal's body.
pub const PROBLEM: &str = "application/problem+json";

/// A refusal with its status.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    body: Box<ApiProblem>,
}

impl ApiError {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> ApiError {
        ApiError::with(status, detail.into(), None)
    }

    fn with(status: StatusCode, detail: String, problem: Option<FileProblem>) -> ApiError {
        let title = status.canonical_reason().unwrap_or("Refused");
        ApiError {
            status,
            body: Box::new(ApiProblem { title, status: status.as_u16(), detail, problem, current: None }),
        }
    }

    /// A change to a version that is not the one that is there now.
    pub fn changed_meanwhile(name: &ProjectName, current: String) -> ApiError {
        let detail = format!("{name} was changed by somebody else: look at what it is now, and save again");
        let mut error = ApiError::new(StatusCode::PRECONDITION_FAILED, detail);
        error.body.current = Some(current);
        error
    }

    pub fn internal(error: impl std::fmt::Display) -> ApiError {
        tracing::error!("a request failed: {error}");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }

    /// What was sent is understood, and can't be used.
    pub fn unusable(reason: String) -> ApiError {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, reason)
    }

    /// The folder of all projects can't be read.
    pub fn folder(folder: &Folder, error: &std::io::Error) -> ApiError {
        let help = "make it again, or start `rowmill serve` with another --dir";
        let reason = format!("the folder {} cannot be read: {error}: {help}", folder.path().display());
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, reason)
    }

    /// A file that is not there, is there already, or can't be used.
    pub fn file(name: &ProjectName, error: &std::io::Error) -> ApiError {
        match error.kind() {
            std::io::ErrorKind::NotFound => ApiError::new(StatusCode::NOT_FOUND, format!("there is no project {name}")),
            std::io::ErrorKind::AlreadyExists => {
                ApiError::new(StatusCode::CONFLICT, format!("there is a project {name} already"))
            }
            // It is no file, no text, or too long.
            std::io::ErrorKind::InvalidInput
            | std::io::ErrorKind::IsADirectory
            | std::io::ErrorKind::InvalidData
            | std::io::ErrorKind::FileTooLarge => ApiError::unusable(format!("{name}.toml cannot be read: {error}")),
            std::io::ErrorKind::StorageFull => {
                ApiError::new(StatusCode::INSUFFICIENT_STORAGE, format!("{name}: {error}: make room on the disk"))
            }
            _ => ApiError::internal(format!("{name}: {error}")),
        }
    }
}

impl From<FileProblem> for ApiError {
    fn from(problem: FileProblem) -> ApiError {
        ApiError::with(StatusCode::UNPROCESSABLE_ENTITY, problem.message.clone(), Some(problem))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, [(header::CONTENT_TYPE, PROBLEM)], Json(self.body)).into_response()
    }
}

/// A refusal that says its reason as text becomes a problem, whoever has refused.
pub async fn refused_as_problem(response: Response) -> Response {
    /// A reason is a line.
    const MOST: usize = 4096;
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let status = response.status();
    let is_text = kind.is_empty() || kind.starts_with("text/plain");
    if !(status.is_client_error() || status.is_server_error()) || !is_text {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = axum::body::to_bytes(body, MOST).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let reason = if text.is_empty() { status.canonical_reason().unwrap_or("refused") } else { text.trim_end() };
    let mut problem = ApiError::new(status, reason).into_response();
    *problem.extensions_mut() = parts.extensions;
    // What is told beside the reason stays, such as `Allow` and `Retry-After`; not what is told about the text.
    let about_text = |name: &HeaderName| name.as_str().starts_with("content-");
    for (name, value) in parts.headers.iter().filter(|(name, _)| !about_text(name)) {
        problem.headers_mut().append(name, value.clone());
    }
    problem
}

/// How long a client may take for the body of a request.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A JSON body.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Body<T>, ApiError> {
        read_within(BODY_TIMEOUT, request, state).await.map(Body)
    }
}

async fn read_within<T: DeserializeOwned, S: Send + Sync>(
    timeout: Duration,
    request: Request,
    state: &S,
) -> Result<T, ApiError> {
    let late = |_| ApiError::new(StatusCode::REQUEST_TIMEOUT, "the body of the request has not come in time");
    let read = tokio::time::timeout(timeout, Json::<T>::from_request(request, state)).await.map_err(late)?;
    let refuse = |rejection: JsonRejection| ApiError::new(rejection.status(), rejection.body_text());
    read.map(|Json(body)| body).map_err(refuse)
}

/// Runs what reads files, or a long text, on a thread that may block: requests that come meanwhile are answered.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(ApiError::internal(error)))
}

/// The project that a path names.
pub struct Project(pub ProjectName);

impl<S: Send + Sync> FromRequestParts<S> for Project {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Project, ApiError> {
        let path = Path::<std::collections::HashMap<String, String>>::from_request_parts(parts, state).await;
        let path = path.map_err(|rejection| ApiError::new(rejection.status(), rejection.body_text()))?;
        let name = path.get("name").map_or("", String::as_str).parse::<ProjectName>();
        // An invalid name is that of no project.
        name.map(Project).map_err(|reason| ApiError::new(StatusCode::NOT_FOUND, reason))
    }
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt;

    use super::*;

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let begun = tokio_stream::once(Ok::<_, std::io::Error>("{\"toml\":")).chain(tokio_stream::pending());
        let request = Request::post("/").header(header::CONTENT_TYPE, "application/json");
        let request = request.body(axum::body::Body::from_stream(begun)).unwrap();
        let read = read_within::<serde_json::Value, ()>(Duration::from_millis(20), request, &());
        // Nobody waits for ever, not even this test.
        let read = tokio::time::timeout(Duration::from_secs(60), read).await.unwrap();
        assert_eq!(read.unwrap_err().into_response().status(), StatusCode::REQUEST_TIMEOUT);
    }

    #[tokio::test]
    async fn a_refusal_in_words_keeps_what_is_told_beside_them() {
        let refused = (
            StatusCode::METHOD_NOT_ALLOWED,
            [(header::ALLOW, "GET"), (header::CONTENT_TYPE, "text/plain"), (header::CONTENT_LENGTH, "3")],
            "no\n",
        );
        let problem = refused_as_problem(refused.into_response()).await;
        assert_eq!(problem.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(problem.headers()[header::ALLOW], "GET");
        assert_eq!(problem.headers().get_all(header::CONTENT_TYPE).iter().collect::<Vec<_>>(), [PROBLEM]);
        let body = axum::body::to_bytes(problem.into_body(), 1 << 16).await.unwrap();
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&body).unwrap()["detail"], "no");
    }
}
