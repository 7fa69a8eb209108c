//! Why a JSON object has no rows where `rows` of `[source]` says.

use serde::{Deserialize, Serialize};

/// How far the path of `rows` leads, and what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[error("there is no array where `rows` of [source] leads to, nor an object of arrays or rows: {}", self.found())]
pub struct NoRows {
    /// How many of the path's steps lead somewhere.
    pub steps: u8,
    /// What is there.
    pub stands: Standing,
}

/// What stands at a place of a JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Standing {
    /// An object that has no such key, or an object of values.
    Object,
    /// An object without keys.
    Empty,
    /// An array, where a key is looked for.
    Array,
    /// A text that is no JSON.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `null`.
    Null,
    /// Arrays within arrays, with more around them than is written.
    TooMuch,
}

impl NoRows {
    fn found(&self) -> String {
        let place = match self.steps {
            0 => "the payload is".to_owned(),
            steps => format!("its step {steps} leads to"),
        };
        match self.stands {
            Standing::Object => format!("{place} an object without the key that follows"),
            Standing::Empty => format!("{place} an object without keys"),
            Standing::Array => {
                format!("{place} an array: write [*] behind it, as in a[*].b, for the rows in each element")
            }
            Standing::Text => format!("{place} a text"),
            Standing::Number => format!("{place} a number"),
            Standing::Boolean => format!("{place} true or false"),
            Standing::Null => format!("{place} null"),
            Standing::TooMuch => "arrays within arrays have more than 1 GiB around them in all".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_stands_there() {
        let text = |steps, stands| NoRows { steps, stands }.to_string();
        assert!(text(1, Standing::Array).contains("step 1 leads to an array: write [*]"));
        assert!(text(0, Standing::Number).ends_with("the payload is a number"));
    }
}
