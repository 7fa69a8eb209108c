//! Publishes become rows of buckets, on the source's thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rumqttc::v5::mqttbytes::QoS;

use super::acknowledger::{Acknowledger, identity};
use super::event_loop::EventLoopOwner;
use super::incoming::{IncomingEvent, IncomingItem};
use crate::data::{Origin, fingerprint};
use crate::format::Framing;
use crate::measure::Clock;
use crate::source::acknowledge::Acknowledge;
use crate::source::buffer::UnreadPayload;
use crate::source::deliveries::NewDelivery;
use crate::source::retained::Retained;
use crate::source::{BucketBuffer, FilledBuckets, SourceSettings};

/// The fewest publishes that a broker of MQTT 3.1.1 sends before it waits for an acknowledgement, as mosquitto does.
const LEAST_WINDOW: usize = 20;

/// Takes in what arrives, on the source's thread.
pub(super) struct PublishIntake {
    pub(super) acknowledger: Acknowledger,
    /// Bytes of queued arrivals.
    pub(super) queued: Arc<AtomicUsize>,
    pub(super) framing: Arc<Framing>,
    pub(super) topic: Arc<str>,
    /// Publishes so far.
    publishes: u64,
    /// The last retained publishes, if they are taken.
    pub(super) retained: Option<Retained>,
    /// The ack window.
    pub(super) window: u16,
    /// Whether the broker speaks MQTT 3.1.1.
    is_v3: Arc<AtomicBool>,
}

impl PublishIntake {
    /// Takes in what `listener` hears, with an ack window of `window` publishes.
    pub(super) fn new(listener: &EventLoopOwner, settings: &SourceSettings, window: u16) -> PublishIntake {
        PublishIntake {
            acknowledger: listener.acknowledger.clone(),
            queued: listener.queued.clone(),
            framing: settings.framing.clone(),
            topic: "".into(),
            publishes: 0,
            retained: settings.retained.then(Retained::default),
            window,
            is_v3: listener.is_v3.clone(),
        }
    }

    /// Pushes the rows of an arrival into the buffer, and hands on the buckets they fill.
    pub(super) fn take(
        &mut self,
        buffer: &mut BucketBuffer,
        arrival: IncomingEvent,
        clock: Clock,
        filled: &mut FilledBuckets<'_>,
    ) {
        self.queued.fetch_sub(arrival.size(), Ordering::Relaxed);
        let IncomingEvent { what, connection, session, arrived } = arrival;
        let publish = match what {
            IncomingItem::Publish(publish) => publish,
            IncomingItem::Confirmed(count) => {
                if self.acknowledger.confirm(connection, count) {
                    buffer.tell(arrived);
                }
                return;
            }
            IncomingItem::Settled => {
                buffer.delivered(self.acknowledger.settle(connection), arrived, filled);
                filled.extend(buffer.close(clock));
                return;
            }
        };
        let new = match publish.qos {
            QoS::AtMostOnce => None,
            _ => match self.acknowledger.arrive(connection, &publish) {
                None => return,
                new => new,
            },
        };
        self.publishes += 1;
        if self.topic.as_bytes() != publish.topic {
            self.topic = String::from_utf8_lossy(&publish.topic).into();
        }
        let skip = new.map_or(0, |new| new.begun);
        if new.is_some() {
            buffer.begin_delivery(skip);
        }
        buffer.comes_once(publish.qos == QoS::AtMostOnce);
        // A broker of MQTT 3.1.1 marks what it has retained at each subscription, and nothing else: any publish may come
        // again so.
        let is_v3 = self.is_v3.load(Ordering::Relaxed);
        let of_earlier_time = match &mut self.retained {
            None => publish.retain,
            Some(retained) if publish.retain || is_v3 => {
                let (topic, all) = (fingerprint(&publish.topic) as u64, identity(&publish).hash);
                let session = if is_v3 { u64::MAX } else { session };
                retained.is_known(topic, all, connection, session) && publish.retain && skip == 0
            }
            Some(_) => false,
        };
        if !of_earlier_time {
            let (bytes, framing) = (&publish.payload[..], &*self.framing);
            let origin = &Origin { topic: self.topic.clone(), position: self.publishes };
            buffer.push_payload(UnreadPayload { bytes, arrived, origin, framing, skip }, clock, filled);
            self.acknowledger.ask_for_rebirth(&buffer.take_rebirth_requests());
            if self.acknowledger.waits() {
                buffer.tell_of_edge_nodes(arrived);
            }
        }
        if let Some(NewDelivery { number, .. }) = new.filter(|_| self.acknowledger.waits()) {
            buffer.delivered(number, arrived, filled);
            // How much a broker of MQTT 3.1.1 sends is not known: when nothing more waits, it may send no more.
            let waits = is_v3 && buffer.deliveries() >= LEAST_WINDOW && self.queued.load(Ordering::Relaxed) == 0;
            if waits || buffer.deliveries() >= self.window.into() {
                // The ack window is full: the broker sends no more.
                filled.extend(buffer.close(clock));
            }
        }
    }
}
