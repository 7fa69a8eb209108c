//! Rows from an MQTT topic.
//!
//! One thread owns the client's event loop and only moves publishes into a bounded queue; the source's thread
//! splits them into rows. When the queue is full the event loop waits, TCP holds the broker back, and the
//! broker keeps the backlog.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, SendTimeoutError, Sender};
use rumqttc::{
    Client, Connection, ConnectionError, Event, Incoming, Outgoing, Publish, QoS, RecvTimeoutError, SubscribeReasonCode,
};

use super::{Buffer, Error, Outlet, Settings, Stop, payload};
use crate::data::{Clock, Origin};
use crate::mqtt::{Backoff, Endpoint};

/// Publishes that wait for the source's thread.
const QUEUE: usize = 1024;
/// Requests, acknowledgements among them, that wait for the event loop: more than can be on their way.
const REQUESTS: usize = 4 * QUEUE;
const LOOK_UP: Duration = Duration::from_millis(100);

struct Arrival {
    publish: Publish,
    arrived: u64,
}

/// Reads until told to stop, or until the broker stays away for too long.
pub fn read(
    settings: &Settings,
    mut buffer: Buffer,
    clock: Clock,
    outlet: &Outlet,
    ready: Sender<()>,
) -> Result<(), Error> {
    let endpoint = settings.endpoint.clone().expect("an MQTT source has an endpoint");
    let (client, arrivals, thread) = listen(endpoint, settings, clock, outlet.stop.clone(), ready);
    let mut topic: Arc<str> = "".into();
    let mut publishes = 0;
    let taken = super::buffer_until_closed(&arrivals, &mut buffer, clock, outlet, |buffer, arrival, full| {
        let publish = arrival.publish;
        publishes += 1;
        if *topic != *publish.topic {
            topic = publish.topic.as_str().into();
        }
        payload::each_row(&publish.payload, settings.max_payload, |row| {
            let origin = Origin { topic: topic.clone(), position: publishes };
            full.extend(buffer.push(row, arrival.arrived, origin, clock));
        });
        if publish.qos != QoS::AtMostOnce && client.try_ack(&publish).is_err() {
            tracing::warn!("publish {publishes} on {topic} could not be acknowledged: the broker will send it again");
        }
        Ok(())
    });
    outlet.stop.now();
    drop(arrivals);
    let listened = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    taken.and(listened)
}

type Listening = (Client, Receiver<Arrival>, std::thread::JoinHandle<Result<(), Error>>);

fn listen(endpoint: Endpoint, settings: &Settings, clock: Clock, stop: Stop, ready: Sender<()>) -> Listening {
    let mut options = endpoint.options("source");
    options.set_manual_acks(true);
    let (client, connection) = Client::new(options, REQUESTS);
    let (sender, arrivals) = crossbeam_channel::bounded(QUEUE);
    let listener = Listener {
        client: client.clone(),
        endpoint,
        arrivals: sender,
        clock,
        stop,
        ready,
        connect_timeout: settings.connect_timeout,
        reconnect_timeout: settings.reconnect_timeout,
        connected_once: false,
        lost: Some(Instant::now()),
        backoff: Backoff::default(),
    };
    let thread = std::thread::Builder::new().name("mqtt-source".into());
    let thread = thread.spawn(move || listener.run(connection)).expect("a thread can be started");
    (client, arrivals, thread)
}

/// The owner of the event loop.
struct Listener {
    client: Client,
    endpoint: Endpoint,
    arrivals: Sender<Arrival>,
    clock: Clock,
    stop: Stop,
    ready: Sender<()>,
    connect_timeout: Option<Duration>,
    reconnect_timeout: Option<Duration>,
    connected_once: bool,
    /// Since when there has been no connection.
    lost: Option<Instant>,
    backoff: Backoff,
}

impl Listener {
    fn run(mut self, mut connection: Connection) -> Result<(), Error> {
        connection
            .eventloop
            .network_options
            .set_connection_timeout(self.connect_timeout.map_or(5, |timeout| timeout.as_secs().clamp(1, 5)));
        while !self.stop.is_set() {
            match connection.recv_timeout(LOOK_UP) {
                Ok(Ok(Event::Incoming(packet))) => self.receive(packet)?,
                Ok(Ok(Event::Outgoing(_))) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Err(error)) => self.wait_after(&error)?,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            self.give_up()?;
        }
        self.leave(connection);
        Ok(())
    }

    fn receive(&mut self, packet: Incoming) -> Result<(), Error> {
        match packet {
            Incoming::ConnAck(_) => {
                // The session may be new: subscribe every time.
                let Endpoint { url, qos, .. } = &self.endpoint;
                if self.client.try_subscribe(&url.topic, qos.0).is_err() {
                    return Err(Error::Broker(format!("{url}: the topic cannot be subscribed to")));
                }
                if self.connected_once {
                    tracing::warn!("connected again to {}:{}", url.host, url.port);
                }
                self.connected_once = true;
                self.lost = None;
                self.backoff.reset();
            }
            Incoming::SubAck(ack) => {
                if ack.return_codes.contains(&SubscribeReasonCode::Failure) {
                    return Err(Error::Broker(format!("the broker refuses the subscription to {}", self.endpoint.url)));
                }
                let _ = self.ready.try_send(());
            }
            Incoming::Publish(publish) => self.queue(Arrival { publish, arrived: self.clock.now() }),
            _ => {}
        }
        Ok(())
    }

    /// Waits while the queue is full: the broker then keeps what follows.
    fn queue(&self, arrival: Arrival) {
        let mut arrival = arrival;
        while !self.stop.is_set() {
            match self.arrivals.send_timeout(arrival, LOOK_UP) {
                Ok(()) | Err(SendTimeoutError::Disconnected(_)) => return,
                Err(SendTimeoutError::Timeout(back)) => arrival = back,
            }
        }
    }

    fn wait_after(&mut self, error: &ConnectionError) -> Result<(), Error> {
        let Endpoint { url, .. } = &self.endpoint;
        if let ConnectionError::ConnectionRefused(code) = error
            && !self.connected_once
        {
            return Err(Error::Broker(format!("the broker at {}:{} refuses the login: {code:?}", url.host, url.port)));
        }
        self.lost.get_or_insert_with(Instant::now);
        let wait = self.backoff.next_wait();
        tracing::warn!("no connection to the broker at {}:{} ({error}); again in {wait:?}", url.host, url.port);
        let until = Instant::now() + wait;
        while Instant::now() < until && !self.stop.is_set() {
            self.give_up()?;
            std::thread::sleep(until.saturating_duration_since(Instant::now()).min(LOOK_UP));
        }
        Ok(())
    }

    /// Ends the source when the broker has been away for longer than allowed.
    fn give_up(&self) -> Result<(), Error> {
        let timeout = if self.connected_once { self.reconnect_timeout } else { self.connect_timeout };
        let (Some(timeout), Some(lost)) = (timeout, self.lost) else { return Ok(()) };
        if lost.elapsed() < timeout {
            return Ok(());
        }
        let Endpoint { url, .. } = &self.endpoint;
        Err(Error::Broker(format!(
            "no broker at {}:{} within {}: check the address, or start one with `rowmill broker`",
            url.host,
            url.port,
            humantime::format_duration(timeout)
        )))
    }

    /// Sends the acknowledgements that wait, and says good-bye.
    fn leave(&self, mut connection: Connection) {
        if self.lost.is_some() || self.client.try_disconnect().is_err() {
            return;
        }
        let deadline = Instant::now() + Duration::from_secs(1);
        while Instant::now() < deadline {
            match connection.recv_timeout(LOOK_UP) {
                Ok(Ok(Event::Outgoing(Outgoing::Disconnect))) | Ok(Err(_)) => return,
                _ => {}
            }
        }
    }
}
