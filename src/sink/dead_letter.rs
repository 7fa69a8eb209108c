//! Rows that can't be read and messages that failed: written with the reason and the raw bytes.

use base64::Engine;
use serde::Serialize;

use super::{Error, Existing, Settings, Sink};
use crate::data::Schema;
use crate::subtasks::result::Output;

/// One row that did not become a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetter<'a> {
    /// The MQTT topic or the file's path.
    pub topic: &'a str,
    /// The line of the file, or the running number of the publish, from 1.
    pub position: u64,
    /// The message's epoch.
    pub message: u64,
    /// The row's place in the input, from 0.
    pub row: u64,
    /// The subtask that failed.
    pub subtask: &'a str,
    pub reason: &'a str,
    #[serde(flatten)]
    raw: Raw<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
enum Raw<'a> {
    #[serde(rename = "raw")]
    Text(&'a str),
    #[serde(rename = "raw_base64")]
    Bytes(String),
}

impl<'a> DeadLetter<'a> {
    pub fn new(
        topic: &'a str,
        position: u64,
        message: u64,
        row: u64,
        subtask: &'a str,
        reason: &'a str,
        raw: &'a [u8],
    ) -> DeadLetter<'a> {
        let raw = match std::str::from_utf8(raw) {
            Ok(text) => Raw::Text(text),
            Err(_) => Raw::Bytes(base64::engine::general_purpose::STANDARD.encode(raw)),
        };
        DeadLetter { topic, position, message, row, subtask, reason, raw }
    }

    /// As JSON, its raw bytes cut to what a person looks at.
    pub fn shown(&self) -> serde_json::Value {
        const MOST: usize = 2000;
        let mut json = serde_json::to_value(self).expect("a record of texts and numbers");
        for key in ["raw", "raw_base64"] {
            if let Some(serde_json::Value::String(text)) = json.get_mut(key) {
                text.truncate(text.floor_char_boundary(MOST));
            }
        }
        json
    }
}

/// Where dead letters go; without a sink they are shown as warnings.
pub struct DeadLetters {
    sink: Option<Box<dyn Sink>>,
    written: u64,
}

impl DeadLetters {
    /// How many are shown when there is no sink for them.
    const SHOWN: u64 = 10;

    /// Opens the sink for dead letters, if there is one.
    pub fn open(settings: Option<&Settings>, existing: Existing) -> Result<DeadLetters, Error> {
        let no_columns = Schema::new([] as [(String, crate::data::Kind); 0]);
        let sink = settings.map(|settings| settings.open(&no_columns, 0, existing)).transpose()?;
        Ok(DeadLetters { sink, written: 0 })
    }

    pub fn write(&mut self, letter: &DeadLetter<'_>) -> Result<(), Error> {
        self.written += 1;
        let Some(sink) = &mut self.sink else {
            if self.written <= Self::SHOWN {
                let DeadLetter { topic, position, subtask, reason, .. } = letter;
                tracing::warn!("{topic}:{position}: {subtask}: {reason}");
            } else if self.written == Self::SHOWN + 1 {
                tracing::warn!("more rows could not be used; --dead-letter FILE.ndjson keeps them all");
            }
            return Ok(());
        };
        let mut line = serde_json::to_vec(letter).expect("a record of texts and numbers");
        line.push(b'\n');
        sink.write(Output::Lines(line))
    }

    pub fn flush(&mut self) -> Result<(), Error> {
        self.sink.as_mut().map_or(Ok(()), |sink| sink.flush())
    }

    pub fn close(self) -> Result<(), Error> {
        self.sink.map_or(Ok(()), |sink| sink.close())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_bytes_are_kept_whatever_they_are() {
        let json = |raw| serde_json::to_value(DeadLetter::new("t", 4, 1, 2, "prepare", "bad", raw)).unwrap();
        assert_eq!(json(b"{x")["raw"], "{x");
        assert_eq!(json(&[0xff, 0x00])["raw_base64"], "/wA=");
        assert_eq!(json(b"")["reason"], "bad");
    }
}
