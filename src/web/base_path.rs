//! The path under which a proxy shows the page.

use std::str::FromStr;

use axum::http::Uri;

/// A path before all addresses of the page: empty, or names with a `/` before each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(String);

impl FromStr for BasePath {
    type Err = String;

    fn from_str(text: &str) -> Result<BasePath, String> {
        let path = text.trim_end_matches('/');
        let fits = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        let is_name = |part: &str| !matches!(part, "" | "." | "..") && part.chars().all(fits);
        if path.is_empty() || path.strip_prefix('/').is_some_and(|names| names.split('/').all(is_name)) {
            return Ok(BasePath(path.to_owned()));
        }
        Err(format!("{text:?} is no path: give / and letters, digits, -, ., _ and ~, such as /rowmill"))
    }
}

impl BasePath {
    /// The path, without a `/` at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An address as the routes have it. One without the path stays: a proxy may have taken it off.
    pub(super) fn strip(&self, uri: Uri) -> Uri {
        let inner = uri.path().strip_prefix(&self.0).filter(|inner| inner.is_empty() || inner.starts_with('/'));
        let Some(inner) = inner.filter(|_| !self.0.is_empty()) else { return uri };
        let path = if inner.is_empty() { "/" } else { inner };
        let target = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        target.parse().unwrap_or(uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_are_taken() {
        for (text, path) in [("", ""), ("/", ""), ("/rowmill", "/rowmill"), ("/a/b.c/", "/a/b.c")] {
            assert_eq!(text.parse::<BasePath>().unwrap().as_str(), path);
        }
        for wrong in ["rowmill", "/a//b", "/..", "/a/../b", "/a b", "/a\"", "/ä", "http://h/a"] {
            assert!(wrong.parse::<BasePath>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn it_is_taken_off_once_and_as_a_whole_name() {
        let base: BasePath = "/rowmill".parse().unwrap();
        for (from, to) in [
            ("/rowmill", "/"),
            ("/rowmill/", "/"),
            ("/rowmill/projects/a?x=/rowmill", "/projects/a?x=/rowmill"),
            ("/rowmill/rowmill/a", "/rowmill/a"),
            ("/rowmills", "/rowmills"),
            ("/projects/a", "/projects/a"),
        ] {
            assert_eq!(base.strip(from.parse().unwrap()), to, "{from}");
        }
        assert_eq!(BasePath::default().strip("/a?b".parse().unwrap()), "/a?b");
    }
}
