//! The settings of a source beside its address.

use std::sync::Arc;
use std::time::Duration;

use super::buffer::Limits;
use super::connections::Connections;
use super::polled::{CustomSource, Delivers};
use crate::format::Framing;
use crate::mqtt::Endpoint;

/// The settings of a source beside its address.
#[derive(Clone, Debug)]
pub struct SourceSettings {
    /// The broker, where rows come from one.
    pub endpoint: Option<Endpoint>,
    /// The connections that share the endpoint's topic.
    pub connections: Connections,
    /// When a bucket closes.
    pub limits: Limits,
    /// How the source's bytes are cut into rows.
    pub framing: Arc<Framing>,
    /// Whether retained publishes from before the subscription are taken.
    pub retained: bool,
    /// Whether the broker's session is discarded at the start.
    pub clean_start: bool,
    /// How long the first connection may take; unlimited if not given.
    pub connect_timeout: Option<Duration>,
    /// How long a lost connection may stay lost; unlimited if not given.
    pub reconnect_timeout: Option<Duration>,
    /// The source of the registry, if it is one.
    pub custom: Option<CustomSource>,
    /// End after so many rows.
    pub max_rows: Option<u64>,
    /// Whether all processes of the run have the same file of rows.
    pub shared_file: bool,
    /// Whether a later run goes on behind the rows that are complete, where the source is read from its beginning.
    pub resumes: bool,
}

impl SourceSettings {
    /// Whether the source redelivers what was not acknowledged, even to a later run.
    pub fn is_persistent(&self) -> bool {
        let session = self.endpoint.as_ref().is_some_and(|endpoint| endpoint.client_id.is_some());
        session || self.custom.as_ref().is_some_and(|source| source.delivers == Delivers::AtLeastOnce)
    }

    /// Whether rows arrive over time, and are not read again from the beginning as those of a file are.
    pub fn is_live(&self) -> bool {
        self.endpoint.is_some() || self.custom.is_some()
    }

    /// The ack window: publishes a broker may send before the first is acknowledged, enough for a few buckets of
    /// publishes of one row.
    pub(super) fn window(&self) -> u16 {
        const BUCKETS: usize = 4;
        const LEAST: usize = 4096;
        u16::try_from((BUCKETS * self.limits.bucket_size).max(LEAST)).unwrap_or(u16::MAX)
    }
}

impl SourceSettings {
    /// The topics that its connections subscribe to.
    pub fn topics(&self) -> Vec<&str> {
        match (&self.connections, &self.endpoint) {
            (Connections::Topics(topics), Some(_)) => topics.iter().map(String::as_str).collect(),
            (Connections::Shared(_), Some(endpoint)) => vec![&endpoint.url.topic],
            (_, None) => Vec::new(),
        }
    }

    /// Whether a broker hands out rows to several connections: a shared subscription.
    pub fn shares(&self) -> bool {
        let of_topic = || self.topics().iter().any(|filter| filter.starts_with("$share/"));
        self.endpoint.is_some() && (self.connections.mix() || of_topic())
    }

    /// How many connections the source has; one if it is no topic.
    pub fn connections(&self) -> usize {
        if self.endpoint.is_some() { self.connections.count() } else { 1 }
    }

    /// The settings of one of the connections: with its topic, and a session of its own.
    pub fn of_connection(&self, number: usize) -> SourceSettings {
        let mut settings = self.clone();
        if let Some(endpoint) = &mut settings.endpoint {
            let group = endpoint.client_id.clone().unwrap_or_default();
            endpoint.url.topic = self.connections.topic(&endpoint.url, &group, number);
            if number > 0 {
                endpoint.client_id = endpoint.client_id.take().map(|id| format!("{id}-{number}"));
            }
        }
        settings
    }
}
