//! The events of an MQTT client, for a thread that also looks up now and then.

use std::pin::pin;
use std::time::{Duration, Instant};

use rumqttc::Outgoing;
use rumqttc::v5::{Client, Connection, ConnectionError, Event, EventLoop, Incoming, MqttOptions};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use super::Endpoint;

/// How long a session may take to be ended.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// Ends the session of this client id at the endpoint's broker, with all that the broker keeps for it.
///
/// # Errors
/// In words: a broker that cannot be reached.
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

/// How often the thread looks up.
pub const LOOK_UP_INTERVAL: Duration = Duration::from_millis(100);

/// rumqttc's event loop.
pub struct MqttEvents {
    event_loop: EventLoop,
    runtime: Runtime,
}

impl MqttEvents {
    /// A client, and what happens to it. `requests` may wait for the event loop.
    pub fn of(options: MqttOptions, requests: usize) -> (Client, MqttEvents) {
        let (client, Connection { eventloop: event_loop, .. }) = Client::new(options, requests);
        let runtime =
            Builder::new_current_thread().enable_all().build().expect("a runtime needs no more than a thread");
        (client, MqttEvents { event_loop, runtime })
    }

    /// The next event; `None` once it is `over`, which is asked each time the thread looks up. An attempt to connect goes
    /// on meanwhile (rumqttc's own `recv_timeout` begins another): to a broker far away it takes longer.
    pub fn next(&mut self, over: impl FnMut() -> bool) -> Option<Result<Event, ConnectionError>> {
        self.next_or_woken(&Notify::new(), over)
    }

    /// As [`MqttEvents::next`]; the thread also looks up when it is woken.
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

    /// What has been received, and not been given as an event yet.
    pub fn received(&mut self) -> Option<Event> {
        self.event_loop.state.events.pop_front()
    }

    /// From now on a connection goes on with the session of the one before it.
    pub fn keep_session(&mut self) {
        self.event_loop.options.set_clean_start(false);
    }

    /// Drops acknowledgements that nobody has sent.
    pub fn forget_acknowledgements(&mut self) {
        self.event_loop.clean();
    }
}
