//! Some payloads of a source as they came, or the beginning of a file, before anything is known of them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use super::edge_nodes::EdgeNodes;
use super::file::{each_record, is_stream, with_decimal};
use crate::data::{Broken, Bucket, Format, Origin, PartialRow, Row};
use crate::format::sparkplug::SparkplugTopic;
use crate::format::topic_payload::{self, TopicPayload, UnknownNames};
use crate::format::{Compression, FileKind, FileRecord, Framing, PayloadFormat, TopicPattern, value};

/// How much of a file is looked at, in bytes; all of one that has no lines, as far as a payload may be long.
const FILE_HEAD: u64 = 1 << 20;

/// Some payloads of a source, or the beginning of a file.
#[derive(Clone, Debug)]
pub enum RawSample {
    /// Publishes in the order in which they came: topic and payload.
    Publishes(Vec<(String, Vec<u8>)>),
    /// The beginning of a file or a stream, unpacked.
    Beginning {
        /// Its name.
        name: String,
        /// What its name says of it.
        kind: Option<FileKind>,
        /// The bytes.
        bytes: Vec<u8>,
        /// How they were packed.
        packed: Option<Compression>,
    },
    /// Rows that could not be kept whole: generated ones, and those of a source of the registry.
    Rows(Box<Bucket>),
}

impl RawSample {
    /// The publishes of a bucket of verbatim payloads.
    pub fn publishes(bucket: &Bucket) -> RawSample {
        let publish = |(index, row): (usize, Row<'_>)| {
            let topic = bucket.metadata.origin(index).topic.to_string();
            (topic, row.bytes.to_vec())
        };
        RawSample::Publishes(bucket.raw.rows().enumerate().map(publish).collect())
    }

    /// The beginning of a file.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn file(path: &Path, kind: FileKind, framing: &Framing, within: Duration) -> io::Result<RawSample> {
        let (name, file) = (path.display().to_string(), File::open(path)?);
        match is_stream(path) {
            true => RawSample::stream(name, Some(kind), file, framing, within),
            false => RawSample::beginning(name, Some(kind), file, framing),
        }
    }

    /// The beginning of a stream, as far as it comes within a time.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn stream(
        name: String,
        kind: Option<FileKind>,
        mut input: impl Read + Send + 'static,
        framing: &Framing,
        within: Duration,
    ) -> io::Result<RawSample> {
        let (sender, pieces) = crossbeam_channel::bounded::<io::Result<Vec<u8>>>(1);
        // A blocking read can't be interrupted: the process ends without this thread.
        std::thread::spawn(move || {
            let mut piece = vec![0; 1 << 16];
            loop {
                let read = input.read(&mut piece).map(|length| piece[..length].to_vec());
                let ended = !matches!(&read, Ok(bytes) if !bytes.is_empty());
                if sender.send(read).is_err() || ended {
                    return;
                }
            }
        });
        let (until, mut bytes) = (Instant::now() + within, Vec::new());
        while (bytes.len() as u64) < FILE_HEAD
            && let Ok(piece) = pieces.recv_deadline(until)
        {
            bytes.extend(piece?);
        }
        RawSample::beginning(name, kind, bytes.as_slice(), framing)
    }

    fn beginning(
        name: String,
        kind: Option<FileKind>,
        mut input: impl Read,
        framing: &Framing,
    ) -> io::Result<RawSample> {
        let mut start = Vec::new();
        input.by_ref().take(4).read_to_end(&mut start)?;
        let packed = framing.compression.of(&start);
        let mut input = framing.compression.open(start.as_slice().chain(input))?;
        let mut bytes = Vec::new();
        input.by_ref().take(FILE_HEAD).read_to_end(&mut bytes)?;
        let format = match FileKind::of_format(framing.format).or(kind) {
            Some(FileKind::Payloads(format)) => Some(format),
            _ => None,
        };
        if format.is_some_and(PayloadFormat::is_whole_file) || !bytes.contains(&b'\n') {
            input.take((framing.max_payload as u64).saturating_sub(FILE_HEAD)).read_to_end(&mut bytes)?;
        } else if bytes.len() as u64 == FILE_HEAD {
            // The last line is a part of one.
            let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            bytes.truncate(end);
        }
        Ok(RawSample::Beginning { name, kind, bytes, packed })
    }

    /// Whether nothing has come.
    pub fn is_empty(&self) -> bool {
        match self {
            RawSample::Publishes(publishes) => publishes.is_empty(),
            RawSample::Beginning { bytes, .. } => bytes.is_empty(),
            RawSample::Rows(bucket) => bucket.is_empty(),
        }
    }

    /// Whether it has messages of Sparkplug B whose metrics no birth certificate among them names.
    pub fn lacks_births(&self) -> bool {
        let RawSample::Publishes(publishes) = self else { return false };
        if !publishes.iter().any(|(topic, _)| topic.starts_with("spBv1.0/")) {
            return false;
        }
        let mut nodes = EdgeNodes::default();
        publishes.iter().any(|(topic, payload)| {
            SparkplugTopic::read(topic).is_some() && nodes.take_in(topic, payload, |_| true, 0) == Err(Broken::NoBirth)
        })
    }

    /// At most so many rows of it, cut as `framing` says. Values whose topics name their columns are collected, however
    /// far apart they came.
    pub fn rows(&self, framing: &Framing, most: usize) -> Bucket {
        let mut bucket = Bucket::new(0, 0);
        let mut push = |row: Row<'_>, topic: &str, position: u64| {
            if bucket.len() < most {
                bucket.raw.begin_topic(topic);
                bucket.push(row, 0, Origin { topic: topic.into(), position });
            }
            bucket.len() < most
        };
        match self {
            RawSample::Publishes(publishes) => {
                let (mut unknown, mut nodes) = (UnknownNames::default(), EdgeNodes::default());
                if let Some(pattern) = framing.topic.as_ref().filter(|_| framing.collect.is_some()) {
                    for (topic, position, bytes, format) in collected(publishes, pattern, framing) {
                        push(Row { bytes: &bytes, format, header: None }, topic, position);
                    }
                    return bucket;
                }
                for (place, (topic, payload)) in publishes.iter().enumerate() {
                    let position = place as u64 + 1;
                    if framing.format.is_sparkplug() {
                        match nodes.take_in(topic, payload, |_| true, position) {
                            Ok(rows) => rows.iter().for_each(|bytes| {
                                push(Row { bytes, format: Format::Json, header: None }, topic, position);
                            }),
                            Err(reason) => {
                                push(
                                    Row { bytes: payload, format: Format::Broken(reason), header: None },
                                    topic,
                                    position,
                                );
                            }
                        }
                        continue;
                    }
                    topic_payload::each_row(payload, topic, framing, &mut unknown, |row| {
                        push(row, topic, position);
                    });
                }
            }
            RawSample::Beginning { name, kind, bytes, .. } => {
                let kind = FileKind::of_format(framing.format).or(*kind);
                let framing = &Framing { compression: Compression::None, ..framing.clone() };
                // As a run finds it in the file.
                let known = kind.and_then(|kind| with_decimal(|| Ok(bytes.as_slice()), kind, framing).ok());
                let framing = known.as_deref().unwrap_or(framing);
                let read = each_record(bytes.as_slice(), kind, None, framing, |FileRecord { row, line, .. }| {
                    push(row, name, line)
                });
                read.expect("bytes in memory are read");
            }
            RawSample::Rows(known) => return Bucket::clone(known),
        }
        bucket
    }
}

/// A row of collected values: the topic and number of its last publish, its bytes and their format.
type CollectedRow<'a> = (&'a str, u64, Vec<u8>, Format);

/// The rows whose values came on topics of their own, in the order in which they began; a row ends where a column comes
/// again.
fn collected<'a>(
    publishes: &'a [(String, Vec<u8>)],
    pattern: &TopicPattern,
    framing: &Framing,
) -> Vec<CollectedRow<'a>> {
    struct Collected<'a> {
        topic: &'a str,
        position: u64,
        row: PartialRow,
    }
    let mut rows: Vec<Result<Collected<'a>, CollectedRow<'a>>> = Vec::new();
    let mut open: HashMap<String, usize> = HashMap::new();
    let mut unknown = UnknownNames::default();
    for (place, (topic, payload)) in publishes.iter().enumerate() {
        let position = place as u64 + 1;
        match topic_payload::read(payload, topic, framing, &mut unknown) {
            TopicPayload::Value { name, cell, beside } => {
                let key = pattern.row_of(topic);
                let begun = open.get(&key).and_then(|row| rows[*row].as_mut().ok());
                match begun.filter(|begun| begun.row.cells.iter().all(|(known, _)| known != name)) {
                    Some(begun) => {
                        (begun.topic, begun.position) = (topic, position);
                        begun.row.take(name, cell, beside);
                    }
                    None => {
                        open.insert(key, rows.len());
                        let mut row = PartialRow::default();
                        row.take(name, cell, beside);
                        rows.push(Ok(Collected { topic, position, row }));
                    }
                }
            }
            TopicPayload::Broken(reason) => {
                rows.push(Err((topic, position, payload.clone(), Format::Broken(reason))));
            }
            TopicPayload::Unknown | TopicPayload::Rows => {}
        }
    }
    let whole = |Collected { topic, position, row }| (topic, position, value::object_of_row(&row), Format::Json);
    rows.into_iter().map(|row| row.map_or_else(|broken| broken, whole)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bucket: &Bucket) -> Vec<String> {
        let row = |row: Row<'_>| format!("{:?} {}", row.format, String::from_utf8_lossy(row.bytes));
        bucket.raw.rows().map(row).collect()
    }

    #[test]
    fn values_of_several_topics_are_rows() {
        let publish = |topic: &str, payload: &str| (topic.to_owned(), payload.as_bytes().to_vec());
        let sample = RawSample::Publishes(vec![
            publish("w/north/t", "1"),
            publish("w/south/t", "2"),
            publish("w/north/h", "50"),
            publish("w/north/t", "3"),
            publish("w/log", "x"),
        ]);
        let topic = Some(std::sync::Arc::new("w/{station}/{column}".parse().unwrap()));
        let framing = Framing { topic, collect: Some(Duration::from_secs(1)), ..Framing::default() };
        let expected = [r#"Json {"t":1,"h":50}"#, r#"Json {"t":2}"#, r#"Json {"t":3}"#, "Broken(OtherTopic) x"];
        assert_eq!(shown(&sample.rows(&framing, 10)), expected);
        assert_eq!(shown(&sample.rows(&Framing { collect: None, ..framing }, 2)), ["Json {\"t\":1}", "Json {\"t\":2}"]);
    }

    #[test]
    fn a_file_is_looked_at_as_far_as_its_lines_are_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.csv");
        let line = format!("{},1\n", "x".repeat(1000));
        std::fs::write(&path, format!("name,t\n{}", line.repeat(2000))).unwrap();
        let framing = Framing::default();
        let sample = RawSample::file(&path, FileKind::Csv, &framing, Duration::from_secs(1)).unwrap();
        let RawSample::Beginning { bytes, packed: None, .. } = &sample else { panic!("{sample:?}") };
        assert!(bytes.len() as u64 <= FILE_HEAD && bytes.ends_with(b",1\n"));
        assert_eq!(sample.rows(&framing, 3).len(), 3);
        let rows = sample.rows(&framing, 5000);
        assert!(rows.raw.rows().all(|row| row.bytes.len() == line.len() - 1));
    }

    #[test]
    fn a_stream_is_looked_at_until_the_time_is_over() {
        struct Slow(u8);
        impl Read for Slow {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if self.0 > 0 {
                    std::thread::sleep(Duration::from_secs(3600));
                }
                self.0 += 1;
                buffer[..8].copy_from_slice(b"{\"t\":1}\n");
                Ok(8)
            }
        }
        let sample = RawSample::stream("-".into(), None, Slow(0), &Framing::default(), Duration::from_millis(50));
        assert_eq!(shown(&sample.unwrap().rows(&Framing::default(), 5)), ["Json {\"t\":1}"]);
    }
}
