//! The file of API tokens, for scripts and Prometheus: names, roles and hashes.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::owner_file::OwnerFile;
use super::users::UserRole;

/// What stands before each token, so that one is known where it has leaked.
const PREFIX: &str = "rowmill_";

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ApiToken {
    role: UserRole,
    /// A token is random: nobody can guess it, however fast the hash is.
    sha256: String,
}

/// Tokens by name.
#[derive(Clone, Debug)]
pub struct Tokens(OwnerFile<ApiToken>);

impl Tokens {
    /// The tokens beside a file of users.
    pub fn beside(users: &Path) -> Tokens {
        let path: PathBuf = users.with_file_name("tokens.json");
        Tokens(OwnerFile::new(path))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A new token; `None` if there is one of that name. It is known to nobody else: only its hash is kept.
    ///
    /// # Errors
    /// A file that can't be read or written.
    pub fn add(&self, name: &str, role: UserRole) -> io::Result<Option<String>> {
        let mut tokens = self.0.read()?;
        if tokens.contains_key(name) {
            return Ok(None);
        }
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
        tokens.insert(name.to_owned(), ApiToken { role, sha256: hash(&token) });
        self.0.write(&tokens)?;
        Ok(Some(token))
    }

    /// Takes a token out; false if there is no such one.
    ///
    /// # Errors
    /// A file that can't be read or written.
    pub fn remove(&self, name: &str) -> io::Result<bool> {
        self.0.remove(name)
    }

    /// All names with their roles, by name.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn list(&self) -> io::Result<Vec<(String, UserRole)>> {
        Ok(self.0.read()?.into_iter().map(|(name, token)| (name, token.role)).collect())
    }

    /// The name of a token that is valid, with what is [current](Tokens::current) of it.
    ///
    /// # Errors
    /// A file that can't be read.
    pub(super) fn find(&self, token: &str) -> io::Result<Option<(String, (UserRole, String))>> {
        let hash = hash(token);
        let found = self.0.read()?.into_iter().find(|(_, known)| known.sha256 == hash);
        Ok(found.map(|(name, token)| (name, (token.role, token.sha256))))
    }

    /// The role of a token, and a text that is another one's if it was made anew.
    ///
    /// # Errors
    /// A file that can't be read.
    pub(super) fn current(&self, name: &str) -> io::Result<Option<(UserRole, String)>> {
        Ok(self.0.read()?.remove(name).map(|token| (token.role, token.sha256)))
    }
}

fn hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_until_it_is_taken_out() {
        let directory = tempfile::tempdir().unwrap();
        let tokens = Tokens::beside(&directory.path().join("users.json"));
        let token = tokens.add("prometheus", UserRole::Viewer).unwrap().unwrap();
        assert!(tokens.add("prometheus", UserRole::Admin).unwrap().is_none(), "it is in use");
        assert!(!std::fs::read_to_string(tokens.path()).unwrap().contains(&token));
        let name_of = |token: &str| tokens.find(token).unwrap().map(|(name, _)| name);
        assert_eq!(name_of(&token).as_deref(), Some("prometheus"));
        for wrong in ["", "rowmill_", &token[..token.len() - 1], &hash(&token)] {
            assert_eq!(name_of(wrong), None, "{wrong}");
        }
        let before = tokens.current("prometheus").unwrap();
        assert!(tokens.remove("prometheus").unwrap() && !tokens.remove("prometheus").unwrap());
        assert_eq!((name_of(&token), tokens.current("prometheus").unwrap()), (None, None));
        tokens.add("prometheus", UserRole::Viewer).unwrap().unwrap();
        assert_ne!(tokens.current("prometheus").unwrap(), before);
        assert_eq!(tokens.list().unwrap(), [("prometheus".to_owned(), UserRole::Viewer)]);
    }
}
