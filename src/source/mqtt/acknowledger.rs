//! Acknowledgements of publishes, once their rows are durable.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rumqttc::v5::Client;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Publish;

use crate::data::fingerprint;
use crate::format::sparkplug;
use crate::measure::{BrokerLink, now_ms};
use crate::source::acknowledge::Acknowledge;
use crate::source::deliveries::{Deliveries, Delivery, NewDelivery};
use crate::source::{DeliveryRange, SourcePosition, SourceSettings, TakenPublish};

/// What an acknowledgement needs: packet id and quality of service.
type Owed = (u16, QoS);

/// The client of a connection; replaced where the broker turns out to speak the other version of MQTT.
pub(super) type SharedClient = Arc<Mutex<Client>>;

/// Acknowledges publishes, from any thread.
#[derive(Clone)]
pub struct Acknowledger {
    pub(super) client: SharedClient,
    pub(super) deliveries: Arc<Mutex<Deliveries<Owed>>>,
    /// Whether acknowledgements wait until rows are durable: only a session that outlives its connection redelivers
    /// what was not acknowledged.
    pub(super) after_completion: bool,
    pub(super) finished: Arc<AtomicBool>,
    /// Since when there has been no subscription, in milliseconds since 1970; 0 while there is one.
    pub(super) without: Arc<AtomicU64>,
}

/// There has been no subscription yet.
const NEVER: u64 = u64::MAX;

impl Acknowledger {
    /// Of a source that starts at `position`, whose broker sends `window` publishes before it waits.
    pub(super) fn new(
        client: Client,
        settings: &SourceSettings,
        position: &SourcePosition,
        window: u16,
    ) -> Acknowledger {
        Acknowledger {
            client: Arc::new(Mutex::new(client)),
            deliveries: Arc::new(Mutex::new(Deliveries::after(position, window))),
            after_completion: settings.is_persistent(),
            finished: Arc::default(),
            without: Arc::new(AtomicU64::new(NEVER)),
        }
    }

    fn acknowledge(&self, deliveries: &mut Deliveries<Owed>) {
        let client = self.client.lock().expect("no holder panics");
        deliveries.acknowledge(|(packet_id, qos)| {
            let publish = Publish { pkid: *packet_id, qos: *qos, ..Publish::default() };
            client.try_ack(&publish).is_ok()
        });
    }

    /// Takes in a publish; `None` for a redelivery of which all rows were taken.
    pub(super) fn arrive(&self, connection: u64, publish: &Publish) -> Option<NewDelivery> {
        let TakenPublish { packet_id, hash } = identity(publish);
        let mut deliveries = self.deliveries.lock().expect("no holder panics");
        let new = deliveries.arrive(Delivery {
            connection,
            packet_id,
            again: publish.dup,
            hash,
            packet: (packet_id, publish.qos),
        });
        if let Some(NewDelivery { number, .. }) = new.filter(|_| !self.after_completion) {
            deliveries.complete(number);
            deliveries.cover(number, 0);
        }
        self.acknowledge(&mut deliveries);
        new
    }

    /// Asks edge nodes of Sparkplug B for their birth certificates; they are asked again if there is no room.
    pub(super) fn ask_for_rebirth(&self, topics: &[String]) {
        for topic in topics {
            let client = self.client.lock().expect("no holder panics");
            let _ = client.try_publish(topic, QoS::AtMostOnce, false, sparkplug::rebirth(now_ms()));
        }
    }

    /// As [`Deliveries::confirm`].
    pub(super) fn confirm(&self, connection: u64, count: u64) -> bool {
        self.deliveries.lock().expect("no holder panics").confirm(connection, count)
    }

    /// As [`Deliveries::settle`].
    pub(super) fn settle(&self, connection: u64) -> u64 {
        self.deliveries.lock().expect("no holder panics").settle(connection)
    }

    /// Whether the checkpoint names no publish of a lost session; always true where acknowledgements do not wait.
    pub(super) fn is_settled(&self) -> bool {
        !self.after_completion || self.deliveries.lock().expect("no holder panics").is_settled()
    }
}

impl Acknowledge for Acknowledger {
    fn waits(&self) -> bool {
        self.after_completion
    }

    fn cover(&self, delivered: u64, begun: u64) -> DeliveryRange {
        self.deliveries.lock().expect("no holder panics").cover(delivered, begun)
    }

    fn complete(&self, number: u64) {
        let mut deliveries = self.deliveries.lock().expect("no holder panics");
        deliveries.complete(number);
        self.acknowledge(&mut deliveries);
    }

    fn broker(&self) -> BrokerLink {
        match self.without.load(Ordering::Relaxed) {
            0 => BrokerLink::Up,
            NEVER => BrokerLink::Connecting,
            since_ms => BrokerLink::Lost { since_ms },
        }
    }

    /// The client may disconnect when it has sent what is due.
    fn finish(&self) {
        const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
        let since = Instant::now();
        loop {
            let mut deliveries = self.deliveries.lock().expect("no holder panics");
            self.acknowledge(&mut deliveries);
            if !deliveries.owes() || since.elapsed() > ANSWER_TIMEOUT {
                break;
            }
            drop(deliveries);
            std::thread::sleep(Duration::from_millis(5));
        }
        self.finished.store(true, Ordering::Release);
    }
}

/// Identifies a publish when it is redelivered.
pub(super) fn identity(publish: &Publish) -> TakenPublish {
    let length = publish.topic.len().to_le_bytes();
    let text = [&length, &*publish.topic, &*publish.payload].concat();
    TakenPublish { packet_id: publish.pkid, hash: fingerprint(&text) as u64 }
}
