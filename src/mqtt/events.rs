//! The events of an MQTT client, for a thread that also polls other conditions.

use std::pin::pin;
use std::time::{Duration, Instant};

use rumqttc::Outgoing;
use rumqttc::v5::{Client, Connection, ConnectionError, Event, EventLoop, Incoming, MqttOptions};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use super::Endpoint;
use super::protocol::{Protocol, is_refused_version};
use super::v3::{self, V3Events};

/// Timeout of ending a session.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// Ends the session of this client id at the endpoint's broker, which discards everything it keeps for it.
///
/// # Errors
/// A broker that cannot be reached.
pub fn end_session(endpoint: &Endpoint, client_id: &str, protocol: Protocol) -> Result<(), String> {
    let endpoint = Endpoint { client_id: Some(client_id.to_owned()), ..endpoint.clone() };
    let deadline = Instant::now() + END_TIMEOUT;
    end(endpoint.options("source", 1), protocol, || Instant::now() >= deadline).map_err(|unanswered| match unanswered {
        Unanswered::Failed(error) => error.to_string(),
        Unanswered::Over => "no answer".into(),
    })
}

/// Why a broker has not answered.
enum Unanswered {
    Failed(Box<ConnectionError>),
    /// It has not come in time, or nobody waits any more.
    Over,
}

/// Connects once, and leaves no session; `over` ends it.
fn end(mut options: MqttOptions, protocol: Protocol, over: impl Fn() -> bool) -> Result<(), Unanswered> {
    options.set_clean_start(true).set_session_expiry_interval(Some(0));
    let (client, mut events) = MqttEvents::of(options, 1, protocol);
    let mut wait_for = |wanted: fn(&Event) -> bool| loop {
        match events.next(&over) {
            Some(Ok(event)) if wanted(&event) => return Ok(()),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(Unanswered::Failed(error.into())),
            None => return Err(Unanswered::Over),
        }
    };
    wait_for(|event| matches!(event, Event::Incoming(Incoming::ConnAck(_))))?;
    client.try_disconnect().expect("it is the first request");
    wait_for(|event| matches!(event, Event::Outgoing(Outgoing::Disconnect)))
}

/// Whether the endpoint's broker answers in MQTT 3.1.1, and not in MQTT 5; false once `over` returns true.
pub fn is_older(endpoint: &Endpoint, over: impl Fn() -> bool) -> bool {
    // Each question has a client id of its own: of two connections under one id the broker ends the first.
    let guest = Endpoint { client_id: None, ..endpoint.clone() };
    let answer = |protocol| {
        let deadline = Instant::now() + END_TIMEOUT;
        end(guest.options("version", 1), protocol, || over() || Instant::now() >= deadline)
    };
    let answers = || answer(Protocol::V3).is_ok();
    // One that is gone refuses no version: between two answers it has been there.
    let refuses = || matches!(answer(Protocol::V5), Err(Unanswered::Failed(error)) if is_refused_version(&error));
    answers() && refuses() && answers()
}

/// How often the thread polls.
pub const LOOK_UP_INTERVAL: Duration = Duration::from_millis(100);

/// rumqttc's event loop.
pub struct MqttEvents {
    client: ClientEvents,
    runtime: Runtime,
}

/// The event loop of a client, by the version of MQTT that it speaks.
enum ClientEvents {
    V5(Box<EventLoop>),
    V3(Box<V3Events>),
}

impl MqttEvents {
    /// A client and its events. At most `requests` requests wait for the event loop.
    pub fn of(options: MqttOptions, requests: usize, protocol: Protocol) -> (Client, MqttEvents) {
        let (client, events) = match protocol {
            Protocol::V5 => {
                let (client, Connection { eventloop, .. }) = Client::new(options, requests);
                (client, ClientEvents::V5(Box::new(eventloop)))
            }
            Protocol::V3 => {
                let (client, events) = v3::client(&options, requests);
                (client, ClientEvents::V3(Box::new(events)))
            }
        };
        let runtime =
            Builder::new_current_thread().enable_all().build().expect("a runtime needs no more than a thread");
        (client, MqttEvents { client: events, runtime })
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
        let MqttEvents { client, runtime } = self;
        match client {
            ClientEvents::V5(event_loop) => runtime.block_on(async {
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
            }),
            ClientEvents::V3(events) => loop {
                let next = runtime.block_on(next_of_v3(events, wake, &mut over))?;
                match next {
                    Err(error) => return Some(Err(v3::error(error))),
                    Ok(event) => {
                        if let Some(event) = v3::event(event).filter(|event| !events.has_discarded(event)) {
                            return Some(Ok(event));
                        }
                    }
                }
            },
        }
    }

    /// An event that has been received and not returned yet.
    pub fn received(&mut self) -> Option<Event> {
        match &mut self.client {
            ClientEvents::V5(event_loop) => event_loop.state.events.pop_front(),
            ClientEvents::V3(events) => events.received(),
        }
    }

    /// From now on a connection resumes the session of the one before it.
    pub fn keep_session(&mut self) {
        // A session of MQTT 3.1.1 is kept from the first connection on.
        if let ClientEvents::V5(event_loop) = &mut self.client {
            event_loop.options.set_clean_start(false);
        }
    }

    /// Drops unsent acknowledgements.
    pub fn forget_acknowledgements(&mut self) {
        match &mut self.client {
            ClientEvents::V5(event_loop) => event_loop.clean(),
            ClientEvents::V3(events) => events.forget_acknowledgements(),
        }
    }
}

/// The next event of a client of MQTT 3.1.1, to which requests are handed on meanwhile.
async fn next_of_v3(
    V3Events { event_loop, forward, .. }: &mut V3Events,
    wake: &Notify,
    over: &mut impl FnMut() -> bool,
) -> Option<Result<rumqttc::Event, rumqttc::ConnectionError>> {
    let mut event = pin!(event_loop.poll());
    let mut requests = pin!(forward.run());
    loop {
        let woken = wake.notified();
        tokio::select! {
            event = &mut event => return Some(event),
            () = &mut requests => {}
            () = woken => {}
            () = tokio::time::sleep(LOOK_UP_INTERVAL) => {}
        }
        if over() {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// What a played broker does with a connection.
    #[derive(Clone, Copy, PartialEq)]
    enum Answer {
        /// It answers one of MQTT 3.1.1, and closes one of MQTT 5.
        Older,
        /// It closes it and answers no further one.
        Dies,
        /// It takes it and says nothing.
        Silent,
    }

    /// A broker that treats connections so, the last one over and over.
    fn played(answers: &'static [Answer]) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let mut kept: Vec<TcpStream> = Vec::new();
            for (number, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let answer = answers[number.min(answers.len() - 1)];
                let mut packet = [0; 256];
                let _ = stream.read(&mut packet);
                match answer {
                    Answer::Older if packet[8] == 4 => stream.write_all(&[0x20, 2, 0, 0]).unwrap(),
                    Answer::Older => continue,
                    Answer::Dies => return,
                    Answer::Silent => {}
                }
                kept.push(stream);
            }
        });
        Endpoint::anonymous(format!("mqtt://127.0.0.1:{port}/t").parse().unwrap())
    }

    #[test]
    fn a_broker_that_dies_between_two_questions_is_not_taken_for_an_older_one() {
        use Answer::{Dies, Older, Silent};
        assert!(is_older(&played(&[Older]), || false));
        assert!(!is_older(&played(&[Older, Dies]), || false));
        assert!(!is_older(&played(&[Dies]), || false));
        // Whoever waits no more gets no answer.
        let began = Instant::now();
        assert!(!is_older(&played(&[Silent]), || true));
        assert!(!is_older(&played(&[Older, Silent]), || began.elapsed() > Duration::from_millis(300)));
        assert!(began.elapsed() < END_TIMEOUT, "{:?}", began.elapsed());
    }
}
