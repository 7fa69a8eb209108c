//! The file of users: names, roles and argon2 hashes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::owner_file::OwnerFile;
use crate::data::fingerprint;

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum UserRole {
    /// Look.
    Viewer,
    /// Change, start and stop as well.
    Admin,
}

impl std::fmt::Display for UserRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            UserRole::Viewer => "viewer",
            UserRole::Admin => "admin",
        })
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct User {
    role: UserRole,
    /// In PHC format.
    password: String,
}

/// Who may sign in.
#[derive(Clone, Debug)]
pub struct Users(OwnerFile<User>);

impl Users {
    /// The users of a file, which need not be there yet.
    pub fn new(path: PathBuf) -> Users {
        Users(OwnerFile::new(path))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Whether there is nobody.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn is_empty(&self) -> io::Result<bool> {
        Ok(self.0.read()?.is_empty())
    }

    /// Adds a user, or gives one another role and password. Only its owner can read the file.
    ///
    /// # Errors
    /// A file that can't be read or written.
    pub fn add(&self, name: &str, role: UserRole, password: &str) -> io::Result<()> {
        let mut users = self.0.read()?;
        let hash = Argon2::default().hash_password(password.as_bytes()).map_err(io::Error::other)?;
        users.insert(name.to_owned(), User { role, password: hash.to_string() });
        self.0.write(&users)
    }

    /// Takes a user out; false if there is no such one.
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
        Ok(self.0.read()?.into_iter().map(|(name, user)| (name, user.role)).collect())
    }

    /// The role of a user, and a text that changes with the password.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn current(&self, name: &str) -> io::Result<Option<(UserRole, String)>> {
        let version = |user: &User| format!("{:032x}", fingerprint(user.password.as_bytes()));
        Ok(self.0.read()?.get(name).map(|user| (user.role, version(user))))
    }

    /// The role of a user who knows the password. An unknown name takes as long: time reveals no name.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn verify(&self, name: &str, password: &str) -> io::Result<Option<UserRole>> {
        static NOBODY: LazyLock<String> = LazyLock::new(|| {
            Argon2::default().hash_password(b"nobody").map_or_else(|_| String::new(), |hash| hash.to_string())
        });
        let users = self.0.read()?;
        let user = users.get(name);
        let hash = user.map_or(NOBODY.as_str(), |user| user.password.as_str());
        let hash = PasswordHash::new(hash).map_err(|error| io::Error::other(format!("the hash of {name}: {error}")))?;
        let right = Argon2::default().verify_password(password.as_bytes(), &hash).is_ok();
        Ok(user.filter(|_| right).map(|user| user.role))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn users_are_known_by_their_passwords() {
        let directory = tempfile::tempdir().unwrap();
        let users = Users::new(directory.path().join("users.json"));
        assert!(users.is_empty().unwrap());
        users.add("anna", UserRole::Admin, "rain").unwrap();
        users.add("vera", UserRole::Viewer, "snow").unwrap();
        assert_eq!(users.verify("anna", "rain").unwrap(), Some(UserRole::Admin));
        assert_eq!(users.verify("vera", "snow").unwrap(), Some(UserRole::Viewer));
        for (name, password) in [("anna", "snow"), ("nora", "rain"), ("anna", "")] {
            assert_eq!(users.verify(name, password).unwrap(), None, "{name}");
        }
        assert!(users.remove("vera").unwrap() && !users.remove("vera").unwrap());
        let role = |name| users.current(name).unwrap().map(|(role, _)| role);
        assert_eq!((role("vera"), role("anna")), (None, Some(UserRole::Admin)));
        assert_eq!(users.list().unwrap(), [("anna".to_owned(), UserRole::Admin)]);
        let before = users.current("anna").unwrap();
        users.add("anna", UserRole::Admin, "hail").unwrap();
        assert_ne!(users.current("anna").unwrap(), before, "another password");
        users.add("anna", UserRole::Admin, "rain").unwrap();
        let text = fs::read_to_string(users.path()).unwrap();
        assert!(text.contains("$argon2id$") && !text.contains("rain"), "{text}");
        assert_eq!(fs::metadata(users.path()).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
