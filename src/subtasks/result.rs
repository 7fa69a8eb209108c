//! The last step of every chain: only its name and help, for the encoder does its work.

use schemars::JsonSchema;

use super::Entry;

/// Writes the message's number, the row's place in the input and the schema's columns as the sink asks.
#[derive(JsonSchema)]
struct ResultParameters {}

pub(super) const ENTRY: Entry = Entry::fixed::<ResultParameters>("result");
