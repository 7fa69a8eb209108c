//! The last step, by name: its work is the encoder's.

use schemars::JsonSchema;

use super::Entry;

/// Writes the message's number, the row's place in the input and the schema's columns as the sink asks.
#[derive(JsonSchema)]
struct ResultParameters {}

pub(super) const ENTRY: Entry = Entry::fixed::<ResultParameters>("result");
