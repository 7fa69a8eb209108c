//! The hour that stands twice when clocks are set back.
//!
//! Rows of one station come in order: if a local time of that hour is not later than that of the row before it, the
//! clock was set back between them, as `pandas.tz_localize(ambiguous="infer")` sees it. This is decided here, where all
//! rows pass in order, whatever messages and workers they come to.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::civil::DateTime;

use crate::data::{Bucket, Kind, Schema};
use crate::format::{Decoder, Decoding, Framing, TimeColumn, TimeRules};

/// Marks the rows of the second pass.
pub struct ClockChanges {
    rules: TimeRules,
    /// Reads local times.
    decoder: Decoder,
    /// The slots of the time and of what tells stations apart.
    time: usize,
    key: Option<usize>,
    latest: HashMap<(Arc<str>, Option<String>), Latest>,
}

/// The last time of a station that stands twice.
struct Latest {
    local: DateTime,
    second: bool,
}

impl ClockChanges {
    /// Of the rows of a source; `None` if no local time stands twice.
    pub fn of(framing: &Framing) -> Option<ClockChanges> {
        let TimeColumn { name, from, key, rules } = framing.decoding.time.as_deref()?.clone();
        rules.zone.as_ref().filter(|zone| zone.to_fixed_offset().is_err())?;
        let alone = [&name].into_iter().chain(&key).map(|name| (name.clone(), Kind::Text));
        let schema = framing.columns.clone().unwrap_or_else(|| Arc::new(Schema::new(alone)));
        let slot = |name: &str| schema.get(name).filter(|column| column.kind == Kind::Text).map(|column| column.slot);
        let (time, key_slot) = (slot(&name)?, key.as_deref().and_then(slot));
        let local = TimeColumn { rules: TimeRules { zone: None, ..rules.clone() }, name, from, key };
        let decoding = Decoding { time: Some(Arc::new(local)), ..Decoding::clone(&framing.decoding) };
        let decoder = Decoder::new(schema, Arc::new(decoding));
        Some(ClockChanges { rules, decoder, time, key: key_slot, latest: HashMap::new() })
    }

    /// Marks the rows of a bucket; buckets come in order.
    pub fn mark(&mut self, bucket: &mut Bucket) {
        let (message, _) = self.decoder.decode(bucket);
        for (at, id) in message.ids.iter().enumerate() {
            let local = message.texts[self.time].get(at).and_then(|text| text.parse::<DateTime>().ok());
            let Some(local) = local.filter(|local| self.rules.stands_twice(*local)) else { continue };
            let row = (id - bucket.metadata.first_row) as usize;
            let key = self.key.and_then(|slot| message.texts[slot].get(at)).map(str::to_owned);
            let station = (bucket.metadata.origin(row).topic.clone(), key);
            let before = self.latest.get(&station).filter(|latest| latest.local.date() == local.date());
            let second = before.is_some_and(|latest| latest.second || local <= latest.local);
            self.latest.insert(station, Latest { local, second });
            if second {
                bucket.metadata.mark_second_pass(row);
            }
        }
        message.recycle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Format, Origin, Row};
    use jiff::tz::TimeZone;

    #[test]
    fn each_station_has_its_own_second_pass_over_buckets() {
        let zone = Some(TimeZone::get("Europe/Berlin").unwrap());
        let time = TimeColumn {
            name: "t".into(),
            from: Vec::new(),
            key: Some("station".into()),
            rules: TimeRules { zone, ..TimeRules::default() },
        };
        let decoding = Decoding { time: Some(Arc::new(time)), ..Decoding::default() };
        let framing = Framing { decoding: Arc::new(decoding), ..Framing::default() };
        let mut changes = ClockChanges::of(&framing).unwrap();
        let mut marked = Vec::new();
        for rows in [
            &[("a", "01:30"), ("a", "02:00"), ("b", "02:30"), ("a", "02:30")][..],
            &[("a", "02:00"), ("b", "02:45"), ("b", "02:45"), ("a", "02:30"), ("a", "03:00")],
        ] {
            let mut bucket = Bucket::new(0, 0);
            for (station, time) in rows {
                let bytes = format!(r#"{{"t": "2016-10-30T{time}:00", "station": "{station}"}}"#);
                let row = Row { bytes: bytes.as_bytes(), format: Format::Json, header: None };
                bucket.push(row, 0, Origin { topic: "x".into(), position: 1 });
            }
            changes.mark(&mut bucket);
            marked.push((0..rows.len()).map(|row| bucket.metadata.is_second_pass(row)).collect::<Vec<_>>());
        }
        assert_eq!(marked, [vec![false; 4], vec![true, false, true, true, false]]);
        let utc = Framing { decoding: Arc::default(), ..framing };
        assert!(ClockChanges::of(&utc).is_none());
    }
}
