//! Tags of versions, by which a browser knows what it has, and a writer what it changes.

use axum::http::{HeaderMap, header};
use axum_extra::headers::ETag;

use crate::data::fingerprint;

/// The tag of a text's version.
pub fn etag(bytes: &[u8]) -> ETag {
    format!("\"{:032x}\"", fingerprint(bytes)).parse().expect("digits in quotes are a tag")
}

/// Whether a change was made to another version than this one. A proxy that packs answers makes tags weak.
pub fn is_of_another(headers: &HeaderMap, bytes: &[u8]) -> bool {
    let Some(given) = headers.get(header::IF_MATCH).map(|given| given.to_str().unwrap_or_default()) else {
        return false;
    };
    let own = format!("\"{:032x}\"", fingerprint(bytes));
    let is_own = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == own;
    !given.split(',').any(|tag| is_own(tag.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_names_the_version_that_it_was_made_to() {
        let given = |tags: &str| [(header::IF_MATCH, tags.parse().unwrap())].into_iter().collect::<HeaderMap>();
        let own = format!("\"{:032x}\"", fingerprint(b"a"));
        for tags in [own.as_str(), "*", &format!("\"x\", W/{own}")] {
            assert!(!is_of_another(&given(tags), b"a"), "{tags}");
        }
        assert!(is_of_another(&given(&own), b"b") && is_of_another(&given(""), b"a"));
        assert!(!is_of_another(&HeaderMap::new(), b"a"));
    }
}
