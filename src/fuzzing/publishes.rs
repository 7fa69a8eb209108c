//! Publishes as they come: packed payloads, and topics whose levels are columns.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::LazyLock;
use std::time::Duration;

use super::{decode, framing, rows};
use crate::config::Dataflow;
use crate::data::{Bucket, Format, Origin};
use crate::format::topic_payload::{self, TopicPayload, UnknownNames};
use crate::format::{Compression, Decoder, Framing};
use crate::measure::Clock;
use crate::registry::Registry;
use crate::source::{BucketBuffer, FilledBuckets, Limits, SourcePosition, SourceSettings, UnreadPayload};

type ShownRow = (String, Vec<u8>, Format);

fn shown(bucket: &Bucket) -> Vec<ShownRow> {
    let topics = bucket.raw.topics().flat_map(|(rows, topic)| rows.map(move |_| topic.to_owned()));
    let topics = topics.chain(std::iter::repeat(String::new()));
    bucket.raw.rows().zip(topics).map(|(row, topic)| (topic, row.bytes.to_vec(), row.format)).collect()
}

/// A payload and a file that may be packed, and both packed again: that changes no row.
pub fn packed(bytes: &[u8]) {
    const LONGEST: u64 = 1 << 20;
    for compression in [Compression::Auto, Compression::Gzip, Compression::Zstd] {
        decode(&rows(bytes, &Framing { compression, ..framing() }));
        if let Ok(unpacked) = compression.open(bytes) {
            // Damage is an error of the reader, wherever it is.
            let _ = unpacked.take(LONGEST).read_to_end(&mut Vec::new());
        }
    }
    let plain = shown(&rows(bytes, &Framing { compression: Compression::None, ..framing() }));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).expect("memory takes all");
    let zstd = ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
    for packed in [gzip.finish().expect("memory takes all"), zstd] {
        assert_eq!(shown(&rows(&packed, &framing())), plain);
        let (mut unpacked, mut opened) = (Vec::new(), Compression::Auto.open(&packed[..]).expect("memory is read"));
        opened.read_to_end(&mut unpacked).expect("it is whole");
        assert_eq!(unpacked, bytes);
    }
}

/// How topics are read: their pattern, and what collects values.
static TOPICS: LazyLock<Vec<SourceSettings>> = LazyLock::new(|| {
    let read = |rest: &str| {
        let text = format!(
            "schema = {{ number = [\"t\"], text = [\"station\", \"h\"] }}\nsink.url = \"null\"\n[source]\nurl = \"mqtt://h/#\"\n{rest}"
        );
        let mut dataflow =
            Dataflow::from_text("fuzz.toml", &text, &[], &Registry::builtin()).expect("the patterns are right");
        dataflow.sources.remove(0).settings
    };
    let all = [
        "topic = \"w/{station}/{column}\"\ncollect = \"1s\"",
        "topic = \"w/{station}/{column}\"",
        "topic = \"{column}/+/{station}\"\ncollect = \"1ms\"",
        "topic = \"+/{station}/{h}\"",
        "topic = \"w/{station}/#\"",
    ];
    all.into_iter().map(read).collect()
});

/// Publishes, one a line: how long after the one before it, its topic and, behind a space, the payload. The first byte
/// of all says how topics are read.
pub fn topics(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let settings = &TOPICS[usize::from(*which) % TOPICS.len()];
    let publish = |line: &'_ [u8]| {
        let (wait, line) = line.split_first()?;
        let end = line.iter().position(|byte| *byte == b' ')?;
        let topic = std::str::from_utf8(&line[..end]).ok()?.to_owned();
        Some((Duration::from_millis(u64::from(*wait) * 10), topic, line[end + 1..].to_vec()))
    };
    let publishes: Vec<(Duration, String, Vec<u8>)> = bytes.split(|byte| *byte == b'\n').filter_map(publish).collect();
    let buckets = taken(settings, &publishes, 7);
    let all: Vec<ShownRow> = buckets.iter().flat_map(shown).collect();
    let one_by_one: Vec<ShownRow> = taken(settings, &publishes, 1).iter().flat_map(shown).collect();
    assert_eq!(all, one_by_one, "rows do not depend on messages");
    let schema = settings.framing.columns.clone().expect("the schema is given");
    let mut decoder = Decoder::new(schema, settings.framing.decoding.clone());
    for bucket in &buckets {
        let (message, bad) = decoder.decode(bucket);
        assert_eq!(message.rows() + bad.len(), bucket.len());
    }
    // Every value is in one row, and every payload that is none is a row of its own.
    let (mut values, mut broken, mut unknown) = (0, 0, UnknownNames::default());
    for (_, topic, payload) in &publishes {
        match topic_payload::read(payload, topic, &settings.framing, &mut unknown) {
            TopicPayload::Value { .. } => values += 1,
            TopicPayload::Broken(_) => broken += 1,
            TopicPayload::Unknown => {}
            // Rows as they are without a topic.
            TopicPayload::Rows => return,
        }
    }
    let (others, rows): (Vec<&ShownRow>, Vec<&ShownRow>) =
        all.iter().partition(|(_, _, format)| matches!(format, Format::Broken(_)));
    assert_eq!(others.len(), broken);
    let cells = rows.iter().map(|(_, object, _)| {
        let cells = serde_json::from_slice::<BTreeMap<String, serde::de::IgnoredAny>>(object);
        cells.expect("a row is a JSON object").len()
    });
    assert_eq!(cells.sum::<usize>(), values);
}

fn taken(settings: &SourceSettings, publishes: &[(Duration, String, Vec<u8>)], bucket_size: usize) -> Vec<Bucket> {
    let (clock, framing) = (Clock::start(), &*settings.framing);
    let limits = Limits { bucket_size, delay: Duration::from_secs(1) };
    let mut buffer = BucketBuffer::new(limits, None).collecting(framing, &SourcePosition::default(), clock);
    let mut buckets = Vec::new();
    let mut hand_on = |bucket| {
        buckets.push(bucket);
        true
    };
    let mut filled = FilledBuckets::new(&mut hand_on);
    let mut now = Duration::ZERO;
    for ((wait, topic, bytes), position) in publishes.iter().zip(1..) {
        now += *wait;
        let arrived = now.as_nanos() as u64;
        let origin = &Origin { topic: topic.as_str().into(), position };
        buffer.push_payload(UnreadPayload { bytes, arrived, origin, framing, skip: 0 }, clock, &mut filled);
    }
    buffer.finish(clock, &mut filled);
    filled.finish();
    buckets
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// The fuzzer goes on from here.
    #[test]
    fn bytes_near_the_corpus_are_taken() {
        let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
        let random = &mut ChaCha8Rng::seed_from_u64(11);
        for (name, take) in [("packed", super::packed as fn(&[u8])), ("topics", super::topics)] {
            let files = std::fs::read_dir(corpus.join(name)).unwrap();
            let mut seeds: Vec<Vec<u8>> = files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
            seeds.sort();
            for round in 0..2_000 {
                let mut bytes = seeds[round % seeds.len()].clone();
                for _ in 0..random.random_range(1..4) {
                    let at = random.random_range(0..bytes.len());
                    match random.random_range(0..3) {
                        0 => bytes[at] = random.random(),
                        1 => bytes.insert(at, b"{}[],\"/ \n0x"[random.random_range(0..11)]),
                        _ => bytes.truncate(at.max(1)),
                    }
                }
                take(&bytes);
            }
        }
    }
}
