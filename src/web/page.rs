//! The page: files that the program carries with it.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum_extra::TypedHeader;
use axum_extra::headers::{ETag, IfNoneMatch};

use super::answer::ApiError;
use super::etag::etag;
use super::index_page::IndexPage;
use super::state::SharedState;

macro_rules! assets {
    ($($path:literal => $kind:expr),* $(,)?) => {
        [$(($path, $kind, include_bytes!(concat!("page", $path)).as_slice())),*]
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Path, type and bytes of every file.
static ASSETS: [(&str, &str, &[u8]); 17] = assets! {
    "/style.css" => STYLE,
    "/app.js" => SCRIPT,
    "/api.js" => SCRIPT,
    "/charts.js" => SCRIPT,
    "/details.js" => SCRIPT,
    "/editor.js" => SCRIPT,
    "/conflict.js" => SCRIPT,
    "/leave.js" => SCRIPT,
    "/login.js" => SCRIPT,
    "/overview.js" => SCRIPT,
    "/presentation.js" => SCRIPT,
    "/values.js" => SCRIPT,
    "/words.js" => SCRIPT,
    "/icon.svg" => "image/svg+xml",
    "/vendor/preact.js" => SCRIPT,
    "/vendor/uplot.js" => SCRIPT,
    "/vendor/uplot.css" => STYLE,
};

/// The tag of each file's version.
static TAGS: LazyLock<[ETag; ASSETS.len()]> = LazyLock::new(|| ASSETS.map(|(_, _, bytes)| etag(bytes)));

/// A file of the page, or the page itself for its own addresses. A version that the browser has is not sent again.
pub async fn page(State(shared): State<SharedState>, uri: Uri, known: Option<TypedHeader<IfNoneMatch>>) -> Response {
    let path = uri.path();
    let found = ASSETS.iter().position(|(name, _, _)| *name == path);
    let drawn = path == "/" || path == "/login" || path.starts_with("/projects/");
    let (tag, kind, bytes) = match found {
        Some(at) => (&TAGS[at], ASSETS[at].1, Bytes::from_static(ASSETS[at].2)),
        None if drawn => (&shared.index.tag, IndexPage::KIND, shared.index.text.clone()),
        None => return ApiError::new(StatusCode::NOT_FOUND, format!("there is no {path}")).into_response(),
    };
    let tag = TypedHeader(tag.clone());
    let cached = [(header::CACHE_CONTROL, "no-cache")];
    if known.is_some_and(|TypedHeader(known)| !known.precondition_passes(&tag)) {
        return (StatusCode::NOT_MODIFIED, tag, cached).into_response();
    }
    (tag, cached, [(header::CONTENT_TYPE, kind)], bytes).into_response()
}
