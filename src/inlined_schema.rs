//! JSON schemas that hold the schemas of nested types where these are used, so that a reader follows no reference.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};

/// Generates such schemas.
pub fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true).into_generator()
}

/// The schema of a type.
pub fn inlined_schema<T: JsonSchema>() -> Schema {
    generator().into_root_schema_for::<T>()
}
