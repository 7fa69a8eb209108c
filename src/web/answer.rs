//! How requests are read and refused: always as JSON, with what to do.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::document::Problem;
use super::folder::Name;

/// Why a request is refused.
#[derive(Debug, Serialize, ToSchema)]
pub struct Refused {
    pub error: String,
    /// What is wrong with the dataflow file that came with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// A refusal with its status.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    body: Box<Refused>,
}

impl Refusal {
    pub fn new(status: StatusCode, error: impl Into<String>) -> Refusal {
        Refusal { status, body: Box::new(Refused { error: error.into(), problem: None }) }
    }

    pub fn internal(error: impl std::fmt::Display) -> Refusal {
        tracing::error!("a request failed: {error}");
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }

    /// A file that is not there, is there already, or can't be used.
    pub fn file(name: &Name, error: &std::io::Error) -> Refusal {
        match error.kind() {
            std::io::ErrorKind::NotFound => Refusal::new(StatusCode::NOT_FOUND, format!("there is no project {name}")),
            std::io::ErrorKind::AlreadyExists => {
                Refusal::new(StatusCode::CONFLICT, format!("there is a project {name} already"))
            }
            _ => Refusal::internal(format!("{name}: {error}")),
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Refusal {
        let body = Refused { error: problem.message.clone(), problem: Some(problem) };
        Refusal { status: StatusCode::UNPROCESSABLE_ENTITY, body: Box::new(body) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

/// A JSON body.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Body<T>, Refusal> {
        let read = Json::<T>::from_request(request, state).await;
        let refuse = |rejection: JsonRejection| Refusal::new(rejection.status(), rejection.body_text());
        read.map(|Json(body)| Body(body)).map_err(refuse)
    }
}

/// The project that a path names.
pub struct Project(pub Name);

impl<S: Send + Sync> FromRequestParts<S> for Project {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Project, Refusal> {
        let path = Path::<std::collections::HashMap<String, String>>::from_request_parts(parts, state).await;
        let path = path.map_err(|rejection| Refusal::new(rejection.status(), rejection.body_text()))?;
        let name = path.get("name").map_or("", String::as_str).parse::<Name>();
        // What can't be a name is none that is there.
        name.map(Project).map_err(|reason| Refusal::new(StatusCode::NOT_FOUND, reason))
    }
}
