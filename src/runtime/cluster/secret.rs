//! The secret that the processes of a run share.

use std::path::Path;
use std::sync::Arc;

use ring::hmac;
use secrecy::{ExposeSecret, SecretSlice};

use crate::disk;

/// The secret that the processes of a run share; empty if none was given.
#[derive(Clone, Default)]
pub struct Secret(Option<Arc<SecretSlice<u8>>>);

impl Secret {
    /// The least length of a secret in bytes.
    pub const BYTES_MIN: usize = 16;
    /// The most bytes of its file.
    const BYTES_MAX: u64 = 1 << 20;

    /// Reads a secret from a file; white space around it is ignored.
    ///
    /// # Errors
    /// In words: a file that can't be read, or holds too little.
    pub fn read(path: &Path) -> Result<Secret, String> {
        let bytes = disk::read_at_most(path, Secret::BYTES_MAX).map_err(|error| error.to_string())?;
        let secret = bytes.trim_ascii();
        if secret.len() < Secret::BYTES_MIN {
            let (found, least) = (secret.len(), Secret::BYTES_MIN);
            return Err(format!(
                "a secret of {found} bytes: it needs {least}, such as those of `openssl rand -hex 32`"
            ));
        }
        Ok(Secret(Some(Arc::new(secret.to_vec().into()))))
    }

    /// Whether there is no secret.
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.0.as_deref().map_or(&[], ExposeSecret::expose_secret))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_none() { "Secret(none)" } else { "Secret(given)" })
    }
}
