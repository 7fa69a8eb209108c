//! Entrances for the fuzz targets of `tests/fuzz`: whatever bytes come, nothing panics, and every row is accounted for.

mod others;
mod params;
mod paths;
mod publishes;

use std::io::Cursor;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use crate::config::{Dataflow, ParsedSettings};
use crate::data::{Bucket, KeyedState, Kind, Message, Origin, Schema, from_bytes};
use crate::disk::OsDisk;
use crate::format::payload::each_row;
use crate::format::{
    BadCell, CellRules, CsvOptions, Decoder, Decoding, FORMATS, FileKind, FileRecords, Framing, InnerRows, TimeColumn,
    TimeRules, TimeUnit, each_payload_row,
};
use crate::runtime::epochs::checkpoint::{Checkpoint, CheckpointOpening};
use crate::runtime::epochs::stored::{Progress, StoredCheckpoint};
use crate::runtime::graph::operator_state::OperatorState;
use crate::sink::FileEnd;
use crate::source::{DeliveryRange, EdgeNodes, TakenPublish};
use crate::subtasks::{OnError, Recent, Remembering, Scope, Subtasks};
use crate::tables::{Accumulators, Grouping, KeptRows, Late, TableState, Window};

pub use publishes::{packed, topics};

const LONGEST: usize = 1 << 16;

fn framing() -> Framing {
    Framing { max_payload: LONGEST, decoding: Decoding::davis(), ..Framing::default() }
}

/// Rules for cells, times and units.
fn rules() -> Arc<Decoding> {
    let time = TimeColumn {
        name: "dateTime".into(),
        from: vec!["Date".into(), "Time".into()],
        key: None,
        rules: TimeRules {
            unit: Some(TimeUnit::Ms),
            zone: jiff::tz::TimeZone::get("Europe/Berlin").ok(),
            order: None,
            format: None,
        },
    };
    let cells = CellRules::new(["-999".to_owned()], [("ON".to_owned(), 1.0)].into(), (None, None), BadCell::Missing);
    let unit = [("a".to_owned(), "degree_C".to_owned())].into();
    Arc::new(Decoding {
        time: Some(Arc::new(time)),
        cells: cells.map(Arc::new),
        unit,
        ..Decoding::clone(&Decoding::davis())
    })
}

/// One MQTT payload.
pub fn payload(bytes: &[u8]) {
    decode_by(&rows(bytes, &Framing { decoding: rules(), ..framing() }), rules());
    let (message, bad) = decode(&rows(bytes, &framing()));
    others::same_json(bytes, &message, bad);
}

/// One MQTT payload with rows inside, whose columns are paths.
pub fn nested(bytes: &[u8]) {
    let inner = InnerRows::parse(paths::ROWS).expect("it is a path");
    let bucket = rows(bytes, &Framing { rows: Some(inner), ..framing() });
    let (message, bad) = Decoder::new(Arc::new(paths::schema()), Arc::default()).decode(&bucket);
    assert_eq!(message.rows() + bad.len(), bucket.len());
    paths::same_rows(bytes, &message, bad.len());
    for holds in [paths::ROWS, ".", "d.{a}", "{a}"] {
        same_in_a_file(bytes, InnerRows::parse(holds).expect("it is a path"));
    }
}

/// Asserts that the rows inside of an object are JSON, and those of a file of it.
fn same_in_a_file(bytes: &[u8], inner: InnerRows) {
    if !serde_json::from_slice::<serde_json::Value>(bytes).is_ok_and(|value| value.is_object()) {
        return;
    }
    let framing = Framing { rows: Some(inner), ..framing() };
    let shown = |row: crate::data::Row<'_>| {
        let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(row.bytes).is_ok();
        assert!(is_json, "{}", String::from_utf8_lossy(row.bytes));
        (row.bytes.to_vec(), row.format, row.header.map(|header| header.names.to_vec()))
    };
    let (mut of_payload, mut of_file) = (Vec::new(), Vec::new());
    each_row(bytes, &framing, |row| of_payload.push(shown(row)));
    let records = FileRecords::new(Cursor::new(bytes), FileKind::Ndjson, None, &framing);
    let mut records = records.expect("bytes in memory can be read");
    while let Ok(Some((row, _))) = records.next_row() {
        of_file.push(shown(row));
    }
    assert_eq!(of_payload, of_file);
}

/// A payload of a format that the first byte says, and a file of it.
pub fn format(bytes: &[u8]) {
    let Some((format, bytes)) = bytes.split_first() else { return };
    let format = FORMATS[usize::from(*format) % FORMATS.len()];
    let framing = Framing { format, ..framing() };
    decode(&rows(bytes, &framing));
    let mut bucket = Bucket::new(0, 0);
    if let Some(FileKind::Payloads(format)) = FileKind::of_format(format) {
        let read = each_payload_row(Cursor::new(bytes), format, &framing, |row, _| {
            bucket.push(row, 0, origin());
            true
        });
        read.expect("bytes in memory can be read");
    }
    decode(&bucket);
}

/// Messages of Sparkplug B, each behind the number of its type and its length in two bytes.
pub fn sparkplug(mut bytes: &[u8]) {
    const TYPES: [&str; 6] = ["NBIRTH/n", "DBIRTH/n/d", "NDATA/n", "DDATA/n/d", "NDEATH/n", "DDEATH/n/d"];
    let mut nodes = EdgeNodes::default();
    let mut bucket = Bucket::new(0, 0);
    while let [kind, low, high, rest @ ..] = bytes {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (message, behind) = rest.split_at(length);
        let topic = format!("spBv1.0/g/{}", TYPES[usize::from(*kind) % TYPES.len()]);
        for row in nodes.take_in(&topic, message, |_| true, 0).unwrap_or_default() {
            let json = serde_json::from_slice::<serde::de::IgnoredAny>(&row);
            assert!(json.is_ok(), "{}", String::from_utf8_lossy(&row));
            bucket.push(crate::data::Row { bytes: &row, format: crate::data::Format::Json, header: None }, 0, origin());
        }
        bytes = behind;
    }
    decode(&bucket);
    // What is kept of them says the same in a later run.
    let known = nodes.take_changed();
    assert_eq!(from_bytes(&crate::data::to_bytes(&known)).ok(), Some(known.clone()));
    EdgeNodes::after(&known);
}

/// A file; the first byte says of which kind.
pub fn file(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let kind = [FileKind::Ndjson, FileKind::Csv, FileKind::WeatherLink][usize::from(kind % 3)];
    let read = |framing: &Framing| {
        let mut records = FileRecords::new(Cursor::new(bytes), kind, None, framing).ok()?;
        let mut bucket = Bucket::new(0, 0);
        while let Ok(Some((row, _))) = records.next_row() {
            bucket.push(row, 0, origin());
        }
        decode(&bucket);
        Some((records.header().map(|header| header.names.to_vec()), bucket))
    };
    read(&framing());
    if let Some((_, bucket)) = read(&Framing { decoding: rules(), ..framing() }) {
        decode_by(&bucket, rules());
    }
    if kind == FileKind::Csv
        && !bytes.starts_with(b"\xff\xfe")
        && !bytes.starts_with(b"\xfe\xff")
        && let Some((header, bucket)) = read(&Framing { csv: CsvOptions::plain(), ..framing() })
    {
        others::same_csv(bytes, header.as_deref(), &bucket);
    }
}

/// A dataflow file.
pub fn dataflow(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Dataflow::from_text("fuzz.toml", text, &[], &crate::registry::Registry::builtin()) {
        Err(diagnostic) => assert!(!diagnostic.to_string().is_empty()),
        Ok(dataflow) => {
            let schema = Schema::davis();
            if let Ok((steps, _)) = dataflow.steps(&schema) {
                assert_eq!(steps.len() + 2, dataflow.labels().len());
            }
            let _ = dataflow.tables(&schema);
        }
    }
}

/// A file of fitted params.
pub fn fitted_params(bytes: &[u8]) {
    let _ = params::serve(bytes);
}

/// What steps and tables remember. The first byte says who, the second how long the key is. That a keyed is taken does
/// not say that it makes sense: the checkpoint's checksums see to that.
pub fn states(bytes: &[u8]) {
    let [who, key, rest @ ..] = bytes else { return };
    let (key, state) = rest.split_at(rest.len().min(usize::from(*key)));
    let states = [KeyedState { key: key.to_vec(), state: state.to_vec() }];
    let subtasks = Subtasks::builtin();
    let restored = match usize::from(*who) % (subtasks.iter().count() + 3) {
        0 => KeptRows::new(grouping(), true).restore(&states, |_| true, &mut Vec::new()),
        1 => Accumulators::new(grouping(), true).restore(&states, |_| true, &mut Vec::new()),
        2 => Recent::new(3).restore(&states),
        who => {
            let none = toml::de::ValueDeserializer::parse("{}").expect("an empty table");
            let Ok(subtask) = subtasks.iter().nth(who - 3).expect("there are so many").build(none) else { return };
            if !subtask.can_stream() {
                return;
            }
            subtask.remembering(Some(0), &Scope::numbers(2), OnError::Row).restore(&states)
        }
    };
    assert!(restored.err().is_none_or(|reason| !reason.is_empty()));
}

/// A message as another process would send it.
pub fn message(bytes: &[u8]) {
    let _ = from_bytes::<Message>(bytes);
    let _ = from_bytes::<Bucket>(bytes);
}

/// A checkpoint with some bytes changed: three for the place, one to put there.
pub fn checkpoint(changes: &[u8]) {
    static WHOLE: LazyLock<(Vec<u8>, Vec<StoredCheckpoint>)> = LazyLock::new(|| {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("whole");
        let committed = [None, Some(1), Some(2)].map(|number| commit(&path, number)).to_vec();
        (std::fs::read(&path).expect("it was written"), committed)
    });
    let (whole, committed) = &*WHOLE;
    let mut bytes = whole.clone();
    for change in changes.chunks_exact(4) {
        let place = u32::from_le_bytes([change[0], change[1], change[2], 0]) as usize % bytes.len();
        bytes[place] = change[3];
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("changed");
    std::fs::write(&path, bytes).expect("it can be written");
    match Checkpoint::open(&OsDisk, &path, &ParsedSettings::default(), CheckpointOpening::Resume) {
        Ok((_, found)) => assert!(committed.contains(&found), "{found:?}"),
        Err(reason) => assert!(reason.contains("changed"), "{reason}"),
    }
}

/// Commits a state of this number; what is found afterwards, which is what was committed.
fn commit(path: &Path, number: Option<u16>) -> StoredCheckpoint {
    let (checkpoint, _) =
        Checkpoint::open(&OsDisk, path, &ParsedSettings::default(), CheckpointOpening::Resume).expect("it opens");
    let Some(number) = number else { return StoredCheckpoint::default() };
    let end = FileEnd { length: 100 * u64::from(number), fingerprint: 5 };
    let files = [("out.csv".to_owned(), end)].into();
    let progress = Progress { next_epoch: number.into(), next_row: 7, files, ..Progress::default() };
    let taken: Vec<(u64, TakenPublish)> = (0..40 * number)
        .map(|packet_id| (packet_id.into(), TakenPublish { packet_id, hash: u64::from(packet_id) * 77 }))
        .collect();
    let covered = DeliveryRange { delivered: taken.len() as u64, taken: taken.clone(), ..DeliveryRange::default() };
    let keyed = |key: u8| KeyedState { key: vec![key], state: vec![key; 300] };
    let states: Vec<OperatorState> =
        (0..number as u8).map(|key| OperatorState { operator: 3, keyed: keyed(key) }).collect();
    let told = states.iter().map(|of| ((of.operator, of.keyed.key.clone()), of.keyed.state.clone())).collect();
    checkpoint.commit(&progress, &[(0, covered)].into(), &told).expect("it is written");
    drop(checkpoint);
    let (_, found) =
        Checkpoint::open(&OsDisk, path, &ParsedSettings::default(), CheckpointOpening::Resume).expect("it opens");
    assert_eq!((&found.progress, &found.positions[0].taken), (&Some(progress), &taken));
    assert_eq!(found.states, states);
    found
}

fn origin() -> Origin {
    Origin { topic: "fuzz".into(), position: 1 }
}

/// The rows of a payload.
fn rows(bytes: &[u8], framing: &Framing) -> Bucket {
    let mut bucket = Bucket::new(0, 0);
    each_row(bytes, framing, |row| bucket.push(row, 0, origin()));
    bucket
}

/// Rows are in the message or bad, and all columns are as long; the message, and how many are bad.
fn decode(bucket: &Bucket) -> (Message, usize) {
    decode_by(bucket, Decoding::davis())
}

fn decode_by(bucket: &Bucket, decoding: Arc<Decoding>) -> (Message, usize) {
    let schema = Arc::new(Schema::new([("a", Kind::Number), ("b", Kind::Number), ("dateTime", Kind::Text)]));
    let (message, bad) = Decoder::new(schema, decoding).decode(bucket);
    assert_eq!(message.rows() + bad.len(), bucket.len());
    assert_eq!((message.column(1).len(), message.texts[0].len()), (message.rows(), message.rows()));
    assert!(bad.iter().all(|bad| !bad.reason.is_empty()));
    (message, bad.len())
}

fn grouping() -> Grouping {
    let schema = Schema::new([("t", Kind::Number), ("k", Kind::Text)]);
    let column = |name| schema.get(name).expect("it is there").clone();
    Grouping {
        input: 0,
        keys: vec![column("k")],
        window: Some(Window { time: column("t"), length: 10, hop: 5 }),
        upsert: vec![column("t")],
        combine_first: false,
        delete: None,
        retention: Some(0),
        max_future: 0,
        late: Late::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::{FileKind, FileRecords, framing};
    use crate::data::{Bucket, Format, Row};

    /// Rows as Python's csv module writes and reads them; `scripts/make_csv_corpus.py` wrote both.
    #[test]
    fn csv_rows_are_pythons() {
        let fuzz = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
        let rows = std::fs::read_to_string(fuzz.join("python_rows.json")).unwrap();
        let files: std::collections::BTreeMap<String, Vec<Vec<String>>> = serde_json::from_str(&rows).unwrap();
        assert!(files.len() >= 20);
        let plain = super::Framing { csv: super::CsvOptions::plain(), ..framing() };
        for (name, theirs) in files {
            let bytes = std::fs::read(fuzz.join("corpus/file").join(&name)).unwrap();
            let mut records = FileRecords::new(&bytes[1..], FileKind::Csv, None, &plain).unwrap();
            let mut ours = vec![String::from_utf8(records.header().unwrap().names.to_vec()).unwrap()];
            while let Some((row, _)) = records.next_row().unwrap() {
                ours.push(String::from_utf8(row.bytes.to_vec()).unwrap());
            }
            let cells = |record: &String| {
                let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(record.as_bytes());
                let cells = reader.records().next().unwrap().unwrap();
                cells.iter().map(str::to_owned).collect::<Vec<String>>()
            };
            assert_eq!(ours.iter().map(cells).collect::<Vec<_>>(), theirs, "{name}");
        }
    }

    /// Others must be heard, or the checks against them check nothing.
    #[test]
    fn what_others_see_otherwise_is_found() {
        let bucket = |rows: &[&str]| {
            let mut bucket = Bucket::new(0, 0);
            let row = |bytes: &'static str| Row { bytes: bytes.as_bytes(), format: Format::Csv, header: None };
            rows.iter().for_each(|bytes| {
                bucket.push(row(Box::leak((*bytes).to_owned().into_boxed_str())), 0, super::origin())
            });
            bucket
        };
        let fails = |check: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).is_err();
        let file = b"a,b\n1,\"x\ny\"\n2,z\n";
        let csv = |rows: &[&str]| fails(&|| super::others::same_csv(file, Some(b"a,b"), &bucket(rows)));
        assert!(!csv(&["1,\"x\ny\"", "2,z"]));
        assert!(csv(&["1,\"x", "y\"", "2,z"]) && csv(&["1,\"x\ny\""]) && csv(&["1,\"x\ny\"", "2,y"]));
        let json = |told: &str, payload: &str| {
            let mut bucket = Bucket::new(0, 0);
            let row = Row { bytes: told.as_bytes(), format: Format::Json, header: None };
            bucket.push(row, 0, super::origin());
            let (message, bad) = super::decode(&bucket);
            fails(&|| super::others::same_json(payload.as_bytes(), &message, bad))
        };
        let right = r#"{"a": 1.5, "b": null, "dateTime": "2016"}"#;
        assert!(!json(right, right));
        assert!(json(&right.replace("1.5", "1.25"), right) && json(&right.replace("2016", "2017"), right));
        assert!(json(&right.replace("1.5", "true"), right) && json(right, "[]"));
    }

    /// What the fuzzer starts from, and what it once found.
    #[test]
    fn the_corpus_is_taken() {
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
        let mut taken = 0;
        let mut each = |name: &str, take: fn(&[u8])| {
            for entry in std::fs::read_dir(directory.join(name)).unwrap() {
                take(&std::fs::read(entry.unwrap().path()).unwrap());
                taken += 1;
            }
        };
        each("payload", super::payload);
        each("nested", super::nested);
        each("format", super::format);
        each("sparkplug", super::sparkplug);
        each("packed", super::packed);
        each("topics", super::topics);
        each("file", super::file);
        each("dataflow", super::dataflow);
        each("params", super::fitted_params);
        each("states", super::states);
        each("message", super::message);
        each("checkpoint", super::checkpoint);
        assert!(taken > 20, "{taken}");
    }
}
