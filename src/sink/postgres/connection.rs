//! Connections to a database, and waiting for one that is absent.

use std::path::Path;
use std::time::{Duration, Instant};

use postgres::{Client, Config};

use super::address::Address;
use super::failure::{DatabaseFailure, words};
use super::table::TableProblem;
use super::tls::Tls;
use crate::mqtt::{Backoff, masked};
use crate::sink::known_secrets::KnownSecrets;
use crate::sink::opening::Opening;
use crate::sink::pause::pause;
use crate::sink::{Error, SinkProgress};

/// How long an attempt to connect may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// A server that acknowledges no byte for so long is lost.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);
/// Probes of a silent connection, and the time between them.
const PROBES: u32 = 3;
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
/// What a session of this program asks of the server.
///
/// A session whose client is gone holds its locks until the server notices: so it looks. Waiting for a lock ends, is told
/// and begins again. A statement takes as long as it takes: cancelled, it would be sent again for ever.
const SESSION: &str = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3; SET \
                       idle_in_transaction_session_timeout = '10min'; SET lock_timeout = '20s'; SET statement_timeout = 0";
/// How often it is told that the database is absent.
const TELL_INTERVAL: Duration = Duration::from_secs(60);

/// A database to connect to.
pub struct Database {
    /// The address without its password.
    pub shown: String,
    config: Config,
    tls: Tls,
    /// What the server's words must not show.
    secrets: KnownSecrets,
}

impl Database {
    /// # Errors
    /// In words: an authority that can't be read.
    pub fn new(url: &str, address: Address, ca: Option<&Path>) -> Result<Database, String> {
        let Address { mut config, verification } = address;
        config.connect_timeout(ATTEMPT_TIMEOUT).tcp_user_timeout(SILENCE_TIMEOUT).keepalives_idle(SILENCE_TIMEOUT);
        config.keepalives_interval(PROBE_INTERVAL).keepalives_retries(PROBES);
        if config.get_application_name().is_none() {
            config.application_name("rowmill");
        }
        let mut secrets = KnownSecrets::default();
        if let Some(password) = config.get_password() {
            secrets.add(&String::from_utf8_lossy(password));
        }
        Ok(Database { shown: masked(url), config, tls: Tls::new(verification, ca)?, secrets })
    }

    /// The words of an error, without the password.
    pub fn words(&self, error: &postgres::Error) -> String {
        self.secrets.masked(&words(error))
    }

    /// An error of the database as one of the sink.
    pub fn failed(&self, error: &postgres::Error) -> Error {
        self.refused(self.words(error))
    }

    /// An error of the sink.
    pub fn refused(&self, reason: String) -> Error {
        Error::Custom { url: self.shown.clone(), reason }
    }

    /// The first connection of a run, with what `act` finds by it. If the database goes away meanwhile, both are done
    /// again.
    ///
    /// # Errors
    /// As [`Database::connect`], and what is wrong with the table.
    pub fn begin<T>(
        &self,
        opening: &Opening,
        act: impl Fn(&mut Client) -> Result<T, TableProblem>,
    ) -> Result<(Client, T), Error> {
        let (since, deadline) = (Instant::now(), &opening.deadline);
        let late = || opening.connect_timeout.is_some_and(|timeout| since.elapsed() > timeout);
        let over = || late() || deadline.is_stopped() || deadline.has_passed();
        let (mut backoff, mut told) = (Backoff::default(), None::<Instant>);
        loop {
            let mut client = self.connect(&SinkProgress::default(), over)?;
            let problem = match act(&mut client) {
                Ok(found) => return Ok((client, found)),
                Err(problem) => problem,
            };
            let TableProblem::Database(error) = &problem else { return Err(self.unusable(problem)) };
            if DatabaseFailure::of(error).passes() && told.is_none_or(|told| told.elapsed() >= TELL_INTERVAL) {
                tracing::warn!("{}: {}: it is tried again", self.shown, self.words(error));
                told = Some(Instant::now());
            }
            if !DatabaseFailure::of(error).passes() || !pause(backoff.next_wait(), over) {
                return Err(self.unusable(problem));
            }
        }
    }

    /// What is wrong with a table, as an error of the sink.
    pub fn unusable(&self, problem: TableProblem) -> Error {
        match problem {
            TableProblem::Database(error) => self.failed(&error),
            TableProblem::Unfit(reason) => self.refused(reason),
        }
    }

    /// A later connection, unless the wait for it is `over`.
    ///
    /// # Errors
    /// As [`Database::connect`].
    pub fn again(&self, over: impl Fn() -> bool, progress: &SinkProgress) -> Result<Client, Error> {
        self.connect(progress, over)
    }

    /// Connects, and waits for an absent database until the wait is `over`.
    ///
    /// # Errors
    /// The end of the wait, or a database that refuses the login.
    fn connect(&self, progress: &SinkProgress, over: impl Fn() -> bool) -> Result<Client, Error> {
        let (mut backoff, mut told) = (Backoff::default(), None::<Instant>);
        loop {
            let connected = self.config.connect(self.tls.clone());
            let error = match connected.and_then(|mut client| client.batch_execute(SESSION).map(|()| client)) {
                Ok(client) => {
                    progress.connected();
                    if told.is_some() {
                        tracing::warn!("{}: the database is there again", self.shown);
                    }
                    return Ok(client);
                }
                Err(error) => error,
            };
            if !DatabaseFailure::of(&error).passes() {
                return Err(self.failed(&error));
            }
            // Whoever looks for the database is not stuck.
            progress.looks();
            progress.lost();
            if told.is_none_or(|told| told.elapsed() >= TELL_INTERVAL) {
                tracing::warn!("{}: {}: the source waits until the database is there", self.shown, self.words(&error));
                told = Some(Instant::now());
            }
            if !pause(backoff.next_wait(), &over) {
                return Err(self.refused(format!("no database: {}", self.words(&error))));
            }
        }
    }
}
