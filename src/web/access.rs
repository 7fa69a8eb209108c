//! Who gets in: the users, and whether they are asked.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::answer::ApiError;
use super::failures::Failures;
use super::tokens::Tokens;
use super::users::{UserRole, Users};

/// How sign-ins are checked.
pub struct Access {
    users: Users,
    tokens: Tokens,
    /// Whether there has been a user, or others can reach the server: nobody gets in without a login then.
    needed: AtomicBool,
    failures: Failures,
}

/// With what somebody has signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Credential {
    Password,
    /// A token of the API.
    Token,
}

/// Somebody who has signed in: as long as role and password are what they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    pub name: String,
    pub by: Credential,
    pub role: UserRole,
    /// Changes with the password or the token.
    pub version: String,
}

impl Access {
    /// Checks against a file of users. Where a login is not needed anyway, it is from the first user on.
    pub fn new(users: Users, needed: bool) -> Access {
        let tokens = Tokens::beside(users.path());
        Access { users, tokens, needed: AtomicBool::new(needed), failures: Failures::default() }
    }

    /// Whether one must sign in; without users everybody on this machine may do all.
    pub fn is_needed(&self) -> Result<bool, ApiError> {
        if self.needed.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let needed = !self.users.is_empty().map_err(ApiError::internal)?;
        // The last user's removal opens the server to nobody.
        self.needed.fetch_or(needed, Ordering::Relaxed);
        Ok(needed)
    }

    /// What a user or a token may do now; `None` for one that is gone.
    pub fn admitted(&self, name: &str, by: Credential) -> Result<Option<Admitted>, ApiError> {
        let found = match by {
            Credential::Password => self.users.current(name),
            Credential::Token => self.tokens.current(name),
        };
        let found = found.map_err(ApiError::internal)?;
        Ok(found.map(|(role, version)| Admitted { name: name.to_owned(), by, role, version }))
    }

    /// What a token allows. Attempts are not counted: none can be guessed.
    pub(super) fn with_token(&self, token: &str) -> Result<Admitted, ApiError> {
        let found = self.tokens.find(token).map_err(ApiError::internal)?;
        let admitted = found.map(|(name, (role, version))| Admitted { name, by: Credential::Token, role, version });
        admitted.ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED, "the token is unknown, or was removed"))
    }

    /// A user by name and password. The hash is slow on purpose, so it is computed on a thread of its own.
    pub(super) async fn verify(
        self: Arc<Access>,
        from: IpAddr,
        name: String,
        password: SecretString,
    ) -> Result<Admitted, ApiError> {
        if !self.failures.attempt(from, &name, Instant::now()) {
            return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too many sign-ins have failed: wait a minute"));
        }
        let verify = move || -> Result<Option<Admitted>, ApiError> {
            let right = self.users.verify(&name, password.expose_secret()).map_err(ApiError::internal)?;
            if right.is_none() {
                return Ok(None);
            }
            self.failures.succeeded(from, &name);
            self.admitted(&name, Credential::Password)
        };
        let admitted = tokio::task::spawn_blocking(verify).await.map_err(ApiError::internal)??;
        admitted.ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED, "name or password is wrong"))
    }
}
