//! Infers the schema from rows.

use super::error::Error;
use super::file;
use super::url::SourceUrl;
use crate::data::{Bucket, Schema};
use crate::format::{Framing, Inference, Inferred};

/// The schema of a source that can be read twice; `None` for any other.
pub fn infer(url: &SourceUrl, framing: &Framing) -> Result<Option<Inferred>, Error> {
    match url {
        SourceUrl::File { path, .. } if file::is_stream(path) => Ok(None),
        SourceUrl::File { path, kind } => file::infer(path, *kind, framing).map(Some),
        SourceUrl::Generate { .. } => Ok(Some(Schema::davis().into())),
        SourceUrl::Stdin | SourceUrl::Mqtt(_) | SourceUrl::Custom(_) => Ok(None),
    }
}

/// The schema of the rows of some buckets, and of the levels of their topics.
pub fn infer_buckets<'a>(buckets: impl Iterator<Item = &'a Bucket>, framing: &Framing) -> Inferred {
    let mut inference = Inference::by(framing);
    buckets.for_each(|bucket| bucket.raw.rows().for_each(|row| inference.observe(row)));
    let of_topic = framing.topic.iter().flat_map(|pattern| pattern.columns());
    of_topic.for_each(|name| inference.observe_level(name));
    inference.found()
}
