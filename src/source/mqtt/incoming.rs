//! What the event loop hands to the source's thread.

use rumqttc::v5::mqttbytes::v5::Publish;

/// Bytes counted for a publish beside its payload.
const PUBLISH: usize = 256;

pub(super) struct IncomingEvent {
    pub(super) what: IncomingItem,
    pub(super) connection: u64,
    /// The first connection of its session.
    pub(super) session: u64,
    pub(super) arrived: u64,
}

#[expect(clippy::large_enum_variant, reason = "nearly all are publishes")]
pub(super) enum IncomingItem {
    Publish(Publish),
    /// The session is new: nothing from before it is redelivered. The checkpoint must record that before anything of
    /// the session arrives.
    Settled,
    /// The broker has so many acknowledgements of this connection. Redeliveries sent before it confirmed are to be
    /// taken in first: afterwards they would not be recognised.
    Confirmed(u64),
}

impl IncomingEvent {
    /// The bytes it holds.
    pub(super) fn size(&self) -> usize {
        match &self.what {
            IncomingItem::Publish(publish) => PUBLISH + publish.topic.len() + publish.payload.len(),
            IncomingItem::Settled | IncomingItem::Confirmed(_) => PUBLISH,
        }
    }
}
