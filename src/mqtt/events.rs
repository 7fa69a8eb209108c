//! The events of an MQTT client, for a thread that also polls other conditions.

use std::pin::pin;
use std::time::{Duration, Instant};

use rumqttc::Outgoing;
use rumqttc::v5::{Client, Connection, ConnectionError, Event, EventLoop, Incoming, MqttOptions};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use super::Endpoint;

/// Timeout of ending a session.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// Ends the session of this client id at the endpoint's broker, which discards everything it keeps for it.
///
/// # Errors
/// A broker that cannot be reached.
pub fn end_session(endpoint: &Endpoint, client_id: &str) -> Result<(), String> {
    let endpoint = Endpoint { client_id: Some(client_id.to_owned()), ..endpoint.clone() };
    let mut options = endpoint.options("source", 1);
    options.set_clean_start(true).set_session_expiry_interval(Some(0));
    let (client, mut events) = MqttEvents::of(options, 1);
    let deadline = Instant::now() + END_TIMEOUT;
    let mut wait_for = |wanted: fn(&Event) -> bool| loop {
        match events.next(|| Instant::now() >= deadline) {
            Some(Ok(event)) if wanted(&event) => return Ok(()),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.to_string()),
            None => return Err("no answer".into()),
        }
    };
    wait_for(|event| matches!(event, Event::Incoming(Incoming::ConnAck(_))))?;
    client.try_disconnect().map_err(|error| error.to_string())?;
    wait_for(|event| matches!(event, Event::Outgoing(Outgoing::Disconnect)))
}

/// How often the thread polls.
pub const LOOK_UP_INTERVAL: Duration = Duration::from_millis(100);

/// rumqttc's event loop.
pub struct MqttEvents {
    event_loop: EventLoop,
    runtime: Runtime,
}

impl MqttEvents {
    /// A client and its events. At most `requests` requests wait for the event loop.
    pub fn of(options: MqttOptions, requests: usize) -> (Client, MqttEvents) {
        let (client, Connection { eventloop: event_loop, .. }) = Client::new(options, requests);
        let runtime =
            Builder::new_current_thread().enable_all().build().expect("a runtime needs no more than a thread");
        (client, MqttEvents { event_loop, runtime })
    }

    /// The next event; `None` once `over` returns true, which is called at each poll. An attempt to connect continues
    /// meanwhile, as it may take longer with a distant broker (rumqttc's own `recv_timeout` would start another).
    pub fn next(&mut self, over: impl FnMut() -> bool) -> Option<Result<Event, ConnectionError>> {
        self.next_or_woken(&Notify::new(), over)
    }

    /// As [`MqttEvents::next`]; waking the thread polls, too.
    pub fn next_or_woken(
        &mut self,
        wake: &Notify,
        mut over: impl FnMut() -> bool,
    ) -> Option<Result<Event, ConnectionError>> {
        let MqttEvents { event_loop, runtime } = self;
        runtime.block_on(async {
            let mut event = pin!(event_loop.poll());
            loop {
                let woken = wake.notified();
                tokio::select! {
                    event = &mut event => return Some(event),
                    () = woken => {}
                    () = tokio::time::sleep(LOOK_UP_INTERVAL) => {}
                }
                if over() {
                    return None;
                }
            }
        })
    }

    /// An event that has been received and not returned yet.
    pub fn received(&mut self) -> Option<Event> {
        self.event_loop.state.events.pop_front()
    }

    /// From now on a connection resumes the session of the one before it.
    pub fn keep_session(&mut self) {
        self.event_loop.options.set_clean_start(false);
    }

    /// Drops unsent acknowledgements.
    pub fn forget_acknowledgements(&mut self) {
        self.event_loop.clean();
    }
}
