//! State kept from message to message, as a checkpoint stores it.

use serde::{Deserialize, Serialize};

/// The state of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyedState {
    /// The key's bytes; empty where there is no key.
    pub key: Vec<u8>,
    /// Empty if the key's state is discarded.
    pub state: Vec<u8>,
}

/// A value as bytes.
pub fn to_bytes(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("a Vec takes everything")
}

/// A value from its bytes.
///
/// # Errors
/// Bytes of something else.
pub fn from_bytes<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    postcard::from_bytes(bytes).map_err(|error| error.to_string())
}
