//! What is remembered from message to message, to be kept over the end of a run.

use serde::{Deserialize, Serialize};

/// What is remembered of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyedState {
    /// The key's bytes; empty where there is no key.
    pub key: Vec<u8>,
    /// Empty if there is nothing to remember any more.
    pub state: Vec<u8>,
}

/// The bytes of a value.
pub fn to_bytes(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("a Vec takes everything")
}

/// The value of bytes.
///
/// # Errors
/// Bytes of something else.
pub fn from_bytes<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    postcard::from_bytes(bytes).map_err(|error| error.to_string())
}
