//! Values that come one by one, over a connection whose process is killed: rows have the contents that they have
//! without it, and each is there once.

use std::sync::Arc;

use rumqttc::v5::Request;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Publish;

use crate::config::Dataflow;
use crate::measure::Clock;
use crate::registry::Registry;
use crate::runtime::epochs::numbering::Numbering;
use crate::runtime::ingest::connections::SourceConnections;
use crate::source::{DeliveryRange, SimulatedConnection, Source, SourcePosition, SourceSettings, Stop};

/// Topic and payload: stations overlap, values are missing, and one payload is no value.
const PUBLISHES: [(&str, &str); 14] = [
    ("w/n/t", "1"),
    ("w/s/t", "2"),
    ("w/s/h", "3"),
    ("w/s/t", "4"),
    ("w/n/h", ""),
    ("w/n/other", "9"),
    ("w/n/t", "5"),
    ("w/s/h", "[6]"),
    ("w/n/t", "7"),
    ("w/s/h", "ON"),
    ("w/e/t", "8"),
    ("w/n/h", "9"),
    ("w/s/t", "10"),
    ("w/n/t", "11"),
];

fn settings(bucket_size: usize) -> SourceSettings {
    let text = format!(
        "schema = {{ number = [\"t\"], text = [\"station\", \"h\"] }}\nsink.url = \"null\"\nbuffer.bucket_size = {bucket_size}\n\
         [source]\nurl = \"mqtt://h/w/+/+\"\nsession = true\ntopic = \"w/{{station}}/{{column}}\"\ncollect = \"1h\"\n"
    );
    Dataflow::from_text("f.toml", &text, &[], &Registry::builtin()).unwrap().sources.remove(0).settings
}

fn publish(number: usize, again: bool) -> Publish {
    let (topic, payload) = PUBLISHES[number];
    let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload.as_bytes(), None);
    (publish.pkid, publish.dup) = (number as u16 + 1, again);
    publish
}

/// The buckets so far: the rows of each, with their topics, and its delivery range.
fn buckets(source: &Source) -> Vec<(Vec<String>, DeliveryRange)> {
    let taken = std::iter::from_fn(|| source.try_next().ok());
    let shown = taken.map(|(bucket, range)| {
        let topics = bucket.raw.topics().flat_map(|(rows, topic)| rows.map(move |_| topic.to_owned()));
        let row = |(row, topic): (crate::data::Row<'_>, String)| {
            format!("{:?} {topic} {}", row.format, String::from_utf8_lossy(row.bytes))
        };
        (bucket.raw.rows().zip(topics).map(row).collect(), range)
    });
    shown.collect()
}

fn start(settings: &SourceSettings, position: &SourcePosition) -> (SimulatedConnection, Source) {
    let (mut connection, source) = SimulatedConnection::start(settings, position, 100, Clock::start(), Stop::default());
    connection.connected(true);
    (connection, source)
}

/// Takes in publishes; where `closes` says so, the delay is over behind one of them.
fn take(
    connection: &mut SimulatedConnection,
    publishes: impl Iterator<Item = (usize, bool)>,
    closes: impl Fn(usize) -> bool,
) {
    for (number, again) in publishes {
        connection.publish(publish(number, again));
        assert!(connection.read());
        if closes(number) {
            connection.close();
        }
    }
}

#[test]
fn collected_rows_survive_a_kill_with_their_contents() {
    let expected = [
        r#"Json w/n/h {"t":1,"h":null}"#,
        r#"Json w/s/h {"t":2,"h":3}"#,
        "Broken(NestedValue) w/s/h [6]",
        r#"Json w/s/h {"t":4,"h":"ON"}"#,
        r#"Json w/n/t {"t":5}"#,
        r#"Json w/n/h {"t":7,"h":9}"#,
        r#"Json w/e/t {"t":8}"#,
        r#"Json w/s/t {"t":10}"#,
        r#"Json w/n/t {"t":11}"#,
    ];
    for bucket_size in [1, 2, 100] {
        let settings = settings(bucket_size);
        for killed in 0..=PUBLISHES.len() {
            for every in 1..4 {
                let closes = |number: usize| number.is_multiple_of(every);
                let (mut connection, source) = start(&settings, &SourcePosition::default());
                take(&mut connection, (0..killed).map(|number| (number, false)), closes);
                let first = buckets(&source);
                // Any prefix of the buckets may be what the checkpoint holds.
                for committed in 0..=first.len() {
                    let (mut rows, mut covered) = (Vec::new(), DeliveryRange::default());
                    for (of_bucket, range) in &first[..committed] {
                        rows.extend(of_bucket.iter().cloned());
                        covered.extend(range.clone());
                    }
                    let DeliveryRange { taken, begun, partial, .. } = covered;
                    let partial: Vec<Arc<_>> = partial.unwrap_or_default();
                    let keeps_partial = true;
                    let position = SourcePosition { taken, begun, partial, keeps_partial, ..SourcePosition::default() };
                    let (mut connection, source) = start(&settings, &position);
                    // Nothing was acknowledged: all comes again.
                    take(&mut connection, (0..PUBLISHES.len()).map(|number| (number, number < killed)), closes);
                    // A run that ends keeps what lacks values; one that none follows hands it on.
                    connection.finish();
                    let mut left = DeliveryRange::default();
                    for (of_bucket, range) in buckets(&source) {
                        rows.extend(of_bucket);
                        left.extend(range);
                    }
                    let partial = left.partial.unwrap_or(position.partial);
                    let (mut connection, source) = start(&settings, &SourcePosition { partial, ..Default::default() });
                    connection.finish();
                    rows.extend(buckets(&source).into_iter().flat_map(|(of_bucket, _)| of_bucket));
                    assert_eq!(rows, expected, "{bucket_size} {killed} {every} {committed}");
                }
            }
        }
    }
}

/// The schema is found in the first row, whatever was delivered before it.
#[test]
fn values_of_a_row_that_waits_for_more_are_not_acknowledged_before_it_is_durable() {
    let (mut connection, source) = start(&settings(100), &SourcePosition::default());
    connection.publish(publish(0, false));
    assert!(connection.read());
    connection.close();
    assert_eq!(source.backlog().0, 1, "a bucket that carries the delivery alone");
    connection.finish();
    let mut sources = SourceConnections::simulated(vec![source], Stop::default());
    sources.number_from(Numbering::after(&[], 0, 1));
    let first = sources.first().expect("the row");
    assert_eq!((first.bucket.len(), first.delivery_range.delivered), (1, 1));
    let sent: Vec<Request> = std::iter::from_fn(|| connection.send()).collect();
    assert!(!sent.iter().any(|request| matches!(request, Request::PubAck(_))), "{sent:?}");
    sources.complete(0, 1);
    assert!(std::iter::from_fn(|| connection.send()).any(|request| matches!(request, Request::PubAck(_))));
}
