//! Entrances for the fuzz targets of `tests/fuzz`: whatever bytes come, nothing panics, and every row is accounted for.

use std::io::Cursor;
use std::sync::{Arc, LazyLock};

use crate::data::{Bucket, Decoder, Kind, Memory, Message, Origin, Schema, from_bytes};
use crate::dataflow::Dataflow;
use crate::engine::checkpoint::Checkpoint;
use crate::source::payload::each_row;
use crate::source::records::{FileKind, Records};
use crate::subtasks::{REGISTRY, Recent, Remembering, Streaming, Subtask};
use crate::tables::{Grouping, Keeper, Late, Rows, Summaries, Window};

const LONGEST: usize = 1 << 16;

/// One MQTT payload.
pub fn payload(bytes: &[u8]) {
    let mut bucket = Bucket::new(0, 0);
    each_row(bytes, LONGEST, None, |row| bucket.push(row, 0, origin()));
    decode(&bucket);
}

/// A file; the first byte says of which kind.
pub fn file(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let kind = [FileKind::Ndjson, FileKind::Csv, FileKind::WeatherLink][usize::from(kind % 3)];
    let Ok(mut records) = Records::new(Cursor::new(bytes), kind, kind == FileKind::Csv, LONGEST, None) else { return };
    let mut bucket = Bucket::new(0, 0);
    while let Ok(Some((row, _))) = records.next_row() {
        bucket.push(row, 0, origin());
    }
    decode(&bucket);
}

/// A dataflow file.
pub fn dataflow(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Dataflow::from_text("fuzz.toml", text, &[]) {
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

/// What steps and tables remember. The first byte says who, the second how long the key is. That a memory is taken does
/// not say that it makes sense: the checkpoint's checksums see to that.
pub fn memories(bytes: &[u8]) {
    let [who, key, rest @ ..] = bytes else { return };
    let (key, state) = rest.split_at(rest.len().min(usize::from(*key)));
    let memories = [Memory { key: key.to_vec(), state: state.to_vec() }];
    let restored = match usize::from(*who) % (REGISTRY.len() + 3) {
        0 => Rows::new(grouping(), true).restore(&memories, |_| true, &mut Vec::new()),
        1 => Summaries::new(grouping(), true).restore(&memories, |_| true, &mut Vec::new()),
        2 => Recent::new(3).restore(&memories),
        who => {
            let none = toml::de::ValueDeserializer::parse("{}").expect("an empty table");
            let Ok(subtask) = REGISTRY[who - 3].build(none) else { return };
            if subtask.learner().is_none() {
                return;
            }
            let subtask: Arc<dyn Subtask> = subtask.into();
            let new = move || subtask.learner().expect("it was asked before");
            let mut streaming = Streaming::new(Box::new(new), Some(0), 2);
            streaming.restore(&memories)
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
    static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("whole");
        drop(Checkpoint::open(&crate::disk::Machine, &path, &[]).expect("a new one"));
        std::fs::read(&path).expect("it was written")
    });
    let mut bytes = WHOLE.clone();
    for change in changes.chunks_exact(4) {
        let place = u32::from_le_bytes([change[0], change[1], change[2], 0]) as usize % bytes.len();
        bytes[place] = change[3];
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("changed");
    std::fs::write(&path, bytes).expect("it can be written");
    if let Err(reason) = Checkpoint::open(&crate::disk::Machine, &path, &[]) {
        assert!(reason.contains("changed"), "{reason}");
    }
}

fn origin() -> Origin {
    Origin { topic: "fuzz".into(), position: 1 }
}

/// Rows are in the message or bad, and all columns are as long.
fn decode(bucket: &Bucket) {
    let schema = Arc::new(Schema::new([("a", Kind::Number), ("b", Kind::Number), ("dateTime", Kind::Text)]));
    let (message, bad) = Decoder::new(schema).decode(bucket);
    assert_eq!(message.rows() + bad.len(), bucket.len());
    assert_eq!((message.column(1).len(), message.texts[0].len()), (message.rows(), message.rows()));
    assert!(bad.iter().all(|bad| !bad.reason.is_empty()));
}

fn grouping() -> Grouping {
    let schema = Schema::new([("t", Kind::Number), ("k", Kind::Text)]);
    let column = |name| schema.get(name).expect("it is there").clone();
    Grouping {
        input: 0,
        keys: vec![column("k")],
        window: Some(Window { time: column("t"), length: 10, hop: 5 }),
        upsert: vec![column("t")],
        delete: None,
        retention: Some(0),
        max_future: 0,
        late: Late::default(),
    }
}

#[cfg(test)]
mod tests {
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
        each("file", super::file);
        each("dataflow", super::dataflow);
        each("memories", super::memories);
        each("message", super::message);
        each("checkpoint", super::checkpoint);
        assert!(taken > 20, "{taken}");
    }
}
