//! The page: files that the program carries with it.

use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

macro_rules! assets {
    ($($path:literal => $kind:expr),* $(,)?) => {
        [$(($path, $kind, include_bytes!(concat!("page", $path)).as_slice())),*]
    };
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Path, type and bytes of every file.
static ASSETS: [(&str, &str, &[u8]); 14] = assets! {
    "/index.html" => HTML,
    "/style.css" => STYLE,
    "/app.js" => SCRIPT,
    "/api.js" => SCRIPT,
    "/charts.js" => SCRIPT,
    "/details.js" => SCRIPT,
    "/editor.js" => SCRIPT,
    "/login.js" => SCRIPT,
    "/overview.js" => SCRIPT,
    "/words.js" => SCRIPT,
    "/icon.svg" => "image/svg+xml",
    "/vendor/preact.js" => SCRIPT,
    "/vendor/uplot.js" => SCRIPT,
    "/vendor/uplot.css" => STYLE,
};

/// A file of the page; the page itself for every address that it draws.
pub async fn page(uri: Uri) -> Response {
    let path = uri.path();
    let found = ASSETS.iter().find(|(name, _, _)| *name == path);
    let drawn = path == "/" || path == "/login" || path.starts_with("/projects/");
    match found.or(ASSETS.first().filter(|_| drawn)) {
        Some((_, kind, bytes)) => {
            ([(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, "no-cache")], *bytes).into_response()
        }
        None => (StatusCode::NOT_FOUND, "there is no such page\n").into_response(),
    }
}
