//! The page itself, as it is under the path that a proxy shows it at.

use axum::body::Bytes;
use axum_extra::headers::ETag;

use super::base_path::BasePath;
use super::etag::etag;

/// The page itself, which loads the other files.
pub struct IndexPage {
    pub text: Bytes,
    pub tag: ETag,
}

impl IndexPage {
    /// Its media type.
    pub const KIND: &'static str = "text/html; charset=utf-8";

    /// Its addresses stand under a path.
    pub fn under(base: &BasePath) -> IndexPage {
        let base = base.as_str();
        let text = include_str!("page/index.html").replace("=\"/", &format!("=\"{base}/"));
        let text = text.replace("data-base=\"\"", &format!("data-base=\"{base}\""));
        IndexPage { tag: etag(text.as_bytes()), text: text.into() }
    }
}
