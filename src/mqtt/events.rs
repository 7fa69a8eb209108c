//! The events of an MQTT client, for a thread that also looks up now and then.

use std::pin::pin;
use std::time::Duration;

use rumqttc::v5::{Client, Connection, ConnectionError, Event, EventLoop, MqttOptions};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

/// How often the thread looks up.
pub const LOOK_UP: Duration = Duration::from_millis(100);

/// rumqttc's event loop.
pub struct Events {
    event_loop: EventLoop,
    runtime: Runtime,
}

impl Events {
    /// A client, and what happens to it. `requests` may wait for the event loop.
    pub fn of(options: MqttOptions, requests: usize) -> (Client, Events) {
        let (client, Connection { eventloop: event_loop, .. }) = Client::new(options, requests);
        let runtime =
            Builder::new_current_thread().enable_all().build().expect("a runtime needs no more than a thread");
        (client, Events { event_loop, runtime })
    }

    /// The next event; `None` once it is `over`, which is asked each time the thread looks up. An attempt to connect goes
    /// on meanwhile (rumqttc's own `recv_timeout` begins another): to a broker far away it takes longer.
    pub fn next(&mut self, over: impl FnMut() -> bool) -> Option<Result<Event, ConnectionError>> {
        self.next_or_woken(&Notify::new(), over)
    }

    /// As [`Events::next`]; the thread also looks up when it is woken.
    pub fn next_or_woken(
        &mut self,
        wake: &Notify,
        mut over: impl FnMut() -> bool,
    ) -> Option<Result<Event, ConnectionError>> {
        let Events { event_loop, runtime } = self;
        runtime.block_on(async {
            let mut event = pin!(event_loop.poll());
            loop {
                let woken = wake.notified();
                tokio::select! {
                    event = &mut event => return Some(event),
                    () = woken => {}
                    () = tokio::time::sleep(LOOK_UP) => {}
                }
                if over() {
                    return None;
                }
            }
        })
    }

    /// Drops acknowledgements that nobody has sent.
    pub fn forget_acknowledgements(&mut self) {
        self.event_loop.clean();
    }
}
