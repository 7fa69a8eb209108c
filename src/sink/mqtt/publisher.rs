//! Lines to an MQTT topic, by MQTT 5: one publish a line.
//!
//! A publish waits in the outbox until the broker has acknowledged it. rumqttc drops what was in flight when a broker
//! keeps no session, and resumes nothing of QoS 2 where it does: so each connection starts without a session, with an
//! event loop of its own, and sends in order what waits. The broker may then get twice what it received before the
//! loss.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rumqttc::v5::mqttbytes::v5::{Publish, PublishProperties};

use super::link::{self, Link, LinkShared};
use super::outbox::{self, RefusalReason};
use super::topic::SinkTopic;
use crate::data::recycle_lines;
use crate::mqtt::{Endpoint, MqttUrl, PublishMark};
use crate::sink::{Deadline, Error, RefusedLine, Sink, SinkProgress, Takes};

/// Timeout of the first attempt to connect once the run is stopped.
const FIRST_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// Publishes lines; its connections have a thread of their own.
pub struct Publisher {
    endpoint: Endpoint,
    properties: bool,
    /// The topic of each row, where it has columns.
    topic: Option<SinkTopic>,
    /// Lines without a topic since they were last taken.
    without_topic: Vec<RefusedLine>,
    deadline: Deadline,
    shared: Arc<LinkShared>,
    thread: Option<JoinHandle<()>>,
}

impl Publisher {
    /// Connects, and waits for the first connection for up to `connect_timeout` (without limit if not given), but no
    /// longer than the deadline, which also ends later waits for the broker. Once the run is stopped, only an attempt
    /// that is under way is waited for, briefly.
    ///
    /// # Errors
    /// No broker, or one that refuses the login.
    pub fn start(
        endpoint: Endpoint,
        connect_timeout: Option<Duration>,
        deadline: Deadline,
    ) -> Result<Publisher, Error> {
        let shared = Arc::new(LinkShared::default());
        let link = Link::new(&endpoint, shared.clone());
        let thread = std::thread::Builder::new().name("mqtt-sink".into()).spawn(move || link.run());
        let thread = Some(thread.expect("a thread can be started"));
        let publisher =
            Publisher { endpoint, properties: false, topic: None, without_topic: Vec::new(), deadline, shared, thread };
        let since = Instant::now();
        publisher.wait_until(
            |state| state.connected,
            |state| {
                let late = connect_timeout.is_some_and(|timeout| since.elapsed() > timeout);
                let hopeless = state.attempts > 0 || since.elapsed() > FIRST_ATTEMPT_TIMEOUT;
                late || publisher.deadline.has_passed() || (publisher.deadline.is_stopped() && hopeless)
            },
        )?;
        if !publisher.shared.lock().connected {
            let MqttUrl { host, port, .. } = &publisher.endpoint.url;
            let reason = &publisher.shared.lock().reason;
            let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
            let url = &publisher.endpoint.url;
            return Err(Error::Broker(format!("no broker at {host}:{port} for the sink {url}{reason}")));
        }
        Ok(publisher)
    }

    /// Adds message and row to each publish as user properties.
    ///
    /// # Errors
    /// A broker of MQTT 3.1.1, which has none.
    pub fn with_properties(mut self) -> Result<Publisher, Error> {
        if self.shared.lock().is_v3 {
            let MqttUrl { host, port, .. } = &self.endpoint.url;
            return Err(Error::Broker(format!(
                "the broker at {host}:{port} speaks MQTT 3.1.1, whose publishes have no properties: leave out `properties`"
            )));
        }
        self.properties = true;
        Ok(self)
    }

    /// Publishes each row under a topic of its own, instead of that of the address.
    pub fn with_topic(mut self, topic: Option<SinkTopic>) -> Publisher {
        self.topic = topic;
        self
    }

    /// Publishes one payload; waits while the outbox is full.
    ///
    /// # Errors
    /// A broker that refuses the publish, or that has acknowledged too few when the deadline passes.
    pub fn publish(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.publish_with(None, payload, PublishProperties::default())
    }

    /// Publishes under the topic of the address if none is given.
    fn publish_with(
        &mut self,
        topic: Option<&str>,
        payload: &[u8],
        properties: PublishProperties,
    ) -> Result<(), Error> {
        let Endpoint { url, qos, .. } = &self.endpoint;
        let mut publish = Publish::new(topic.unwrap_or(&url.topic), qos.v5(), payload.to_vec(), Some(properties));
        // The size is that of a packet with a packet id.
        publish.pkid = 1;
        let size = publish.size();
        self.wait_until(|shared| shared.outbox.has_room(), |_| self.deadline.has_passed())?;
        let mut state = self.shared.lock();
        if !state.outbox.has_room() {
            return Err(Error::Undelivered { url: url.to_string(), left: state.outbox.len() as u64 + 1 });
        }
        state.outbox.push(publish, size);
        self.shared.progress.owe(state.outbox.len() as u64);
        drop(state);
        self.shared.wake.notify_one();
        Ok(())
    }

    /// Waits until the broker has acknowledged or refused everything.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub fn drain(&self) -> Result<(), Error> {
        self.wait_until(|shared| shared.outbox.is_empty(), |_| self.deadline.has_passed())?;
        match self.shared.lock().outbox.len() as u64 {
            0 => Ok(()),
            left => Err(Error::Undelivered { url: self.endpoint.url.to_string(), left }),
        }
    }

    /// Publishes that the broker refused since the last call.
    pub fn take_refused(&mut self) -> Vec<RefusedLine> {
        let without_topic = std::mem::take(&mut self.without_topic);
        let refused = self.shared.lock().outbox.refused();
        let MqttUrl { host, port, .. } = &self.endpoint.url;
        let explain = |outbox::RefusedPublish { publish, size, why }: outbox::RefusedPublish<Publish>| {
            let (reason, limit) = match why {
                RefusalReason::Limit(limit) => (format!("the broker at {host}:{port} takes {limit}"), Some(limit)),
                RefusalReason::Closes => (format!("the broker at {host}:{port} closes the connection each time"), None),
                RefusalReason::Answer(answer) => (format!("the broker at {host}:{port} refuses it: {answer}"), None),
            };
            let reason = format!("a publish of {size} bytes: {reason}");
            RefusedLine {
                line: publish.payload.to_vec(),
                excess: limit.map(|limit| size.saturating_sub(limit)),
                reason,
            }
        };
        without_topic.into_iter().chain(refused.into_iter().map(explain)).collect()
    }

    /// Waits until `done`, or until the wait is `over`.
    fn wait_until(
        &self,
        mut done: impl FnMut(&link::LinkState) -> bool,
        mut over: impl FnMut(&link::LinkState) -> bool,
    ) -> Result<(), Error> {
        const LOOK_UP_INTERVAL: Duration = Duration::from_millis(20);
        let mut state = self.shared.lock();
        loop {
            if let Some(reason) = &state.failure {
                return Err(Error::Broker(reason.clone()));
            }
            if done(&state) || over(&state) {
                return Ok(());
            }
            let waited = self.shared.changed.wait_timeout(state, LOOK_UP_INTERVAL);
            state = waited.expect("no holder panics").0;
        }
    }
}

impl Takes<Vec<u8>> for Publisher {
    fn write(&mut self, lines: Vec<u8>) -> Result<(), Error> {
        for row in lines.split(|byte| *byte == b'\n').filter(|row| !row.is_empty()) {
            let mut user_properties = if self.properties { properties(row) } else { Vec::new() };
            user_properties.extend(self.endpoint.mark.as_ref().map(PublishMark::property));
            match self.topic.as_ref().map(|topic| topic.of(row)).transpose() {
                Ok(topic) => {
                    let properties = PublishProperties { user_properties, ..PublishProperties::default() };
                    self.publish_with(topic.as_deref(), row, properties)?;
                }
                Err(reason) => self.without_topic.push(RefusedLine { line: row.to_vec(), excess: None, reason }),
            }
        }
        recycle_lines(lines);
        Ok(())
    }
}

impl Sink for Publisher {
    fn flush(&mut self) -> Result<(), Error> {
        self.shared.lock().failure.clone().map_or(Ok(()), |reason| Err(Error::Broker(reason)))
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.drain()
    }

    fn settle(&mut self) -> Result<(), Error> {
        self.drain()
    }

    fn refused(&mut self) -> Vec<RefusedLine> {
        self.take_refused()
    }

    fn waits_from(&self) -> Option<u64> {
        let first = self.shared.lock().outbox.first().map(|publish| publish.payload.clone());
        first.map(|line| LinePosition::of(&line).map_or(0, |place| place.message))
    }

    fn progress(&self) -> Option<Arc<SinkProgress>> {
        Some(self.shared.progress.clone())
    }

    fn close(self: Box<Self>) -> Result<(), Error> {
        self.drain()
    }
}

/// Message and row of a line, by which a receiver recognises duplicates.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
pub struct LinePosition {
    /// The message's epoch.
    pub message: u64,
    /// The row's number.
    pub row: u64,
}

impl LinePosition {
    /// The position of an encoded line; `None` if it has none.
    pub fn of(line: &[u8]) -> Option<LinePosition> {
        serde_json::from_slice(line).ok()
    }
}

fn properties(line: &[u8]) -> Vec<(String, String)> {
    let place = LinePosition::of(line);
    let properties = |LinePosition { message, row }: LinePosition| {
        vec![("message".into(), message.to_string()), ("row".into(), row.to_string())]
    };
    place.map_or_else(Vec::new, properties)
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    /// A broker that accepts the connection and answers nothing more.
    fn mute() -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut client in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || {
                    let _ = client.write_all(&[0x20, 3, 0, 0, 0]);
                    let _ = std::io::copy(&mut client, &mut std::io::sink());
                });
            }
        });
        port
    }

    #[test]
    fn waits_for_a_broker_end_with_the_deadline() {
        let deadline = Deadline::default();
        let url = format!("mqtt://127.0.0.1:{}/t", mute()).parse().unwrap();
        let mut publisher = Publisher::start(Endpoint::anonymous(url), None, deadline.clone()).unwrap();
        (0..3).for_each(|_| publisher.publish(b"{}").unwrap());
        deadline.set(Instant::now() + Duration::from_millis(200));
        assert!(matches!(publisher.drain(), Err(Error::Undelivered { left: 3, .. })));
        drop(publisher);
        // A broker that was never reached is not waited for once the run is stopped.
        let stopped = Deadline::default();
        stopped.stop();
        let nobody = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let url: MqttUrl = format!("mqtt://127.0.0.1:{nobody}/t").parse().unwrap();
        assert!(Publisher::start(Endpoint::anonymous(url), None, stopped.clone()).is_err());
        // A broker that was reached is waited for: what was received meanwhile is processed.
        let url = format!("mqtt://127.0.0.1:{}/t", mute()).parse().unwrap();
        assert!(Publisher::start(Endpoint::anonymous(url), None, stopped).is_ok());
        // The wait for the first connection ends as well.
        let nobody = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let url = format!("mqtt://127.0.0.1:{nobody}/t").parse().unwrap();
        let error = Publisher::start(Endpoint::anonymous(url), None, deadline).err().unwrap().to_string();
        assert!(error.contains("no broker at 127.0.0.1"), "{error}");
    }
}
