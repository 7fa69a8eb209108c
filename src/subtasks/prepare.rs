//! The first step: from the bytes of a bucket to a message.

use std::sync::Arc;

use schemars::JsonSchema;

use super::Entry;
use crate::data::{Bucket, Message, Schema};
use crate::format::{BadRow, Decoder, Decoding};

/// Reads rows by the schema: numbers in strings are numbers; `---`, empty, null and NaN are missing.
#[derive(JsonSchema)]
struct PrepareParameters {}

pub(super) const ENTRY: Entry = Entry::fixed::<PrepareParameters>("prepare");

/// Decodes bucket after bucket.
pub struct Prepare {
    decoder: Decoder,
}

impl Prepare {
    /// A decoder into messages of this schema.
    pub fn new(schema: Arc<Schema>, decoding: Arc<Decoding>) -> Prepare {
        Prepare { decoder: Decoder::new(schema, decoding) }
    }

    /// The message of a bucket, and the rows that can't be read.
    pub fn apply(&mut self, bucket: &Bucket) -> (Message, Vec<BadRow>) {
        self.decoder.decode(bucket)
    }
}
