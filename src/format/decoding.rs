//! How the cells of rows are read: `[schema]` of a dataflow file, and what `[source]` says of names.

use std::sync::Arc;

use crate::data::Schema;

/// How the cells of rows become values of columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoding {
    /// Whether a name may carry one of WeeWX's unit labels behind the column's name.
    pub units: bool,
}

impl Decoding {
    /// What the built-in schema `davis` asks for.
    pub fn davis() -> Arc<Decoding> {
        Arc::new(Decoding { units: true })
    }

    /// The place of the column that a name in a row stands for.
    pub(crate) fn place(&self, schema: &Schema, name: &str) -> Option<usize> {
        if self.units { super::weewx::place(schema, name) } else { schema.place(name) }
    }
}
