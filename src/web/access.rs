//! How sign-ins are checked.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::http::StatusCode;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use secrecy::{ExposeSecret, SecretString};

use super::answer::ApiError;
use super::users::{UserRole, Users};

/// How sign-ins are checked.
pub struct Access {
    /// Without users everybody on this machine may do all.
    pub(super) users: Option<Users>,
    attempts: DefaultKeyedRateLimiter<IpAddr>,
}

impl Access {
    /// Sign-ins of one address: so many at once, and then one in twelve seconds.
    const ATTEMPTS: NonZeroU32 = NonZeroU32::new(5).expect("not zero");

    pub fn new(users: Option<Users>) -> Access {
        Access { users, attempts: RateLimiter::keyed(Quota::per_minute(Access::ATTEMPTS)) }
    }

    /// The role of a user by name and password. The hash is slow on purpose, so it is computed on a thread of its own.
    pub(super) async fn verify(
        self: Arc<Access>,
        from: IpAddr,
        name: String,
        password: SecretString,
    ) -> Result<UserRole, ApiError> {
        if self.attempts.check_key(&from).is_err() {
            return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too many sign-ins: wait a minute"));
        }
        let verify = move || match &self.users {
            Some(users) => users.verify(&name, password.expose_secret()),
            None => Ok(None),
        };
        let role =
            tokio::task::spawn_blocking(verify).await.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
        role.ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED, "name or password is wrong"))
    }
}
