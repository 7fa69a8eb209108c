//! Unreadable rows and rows of failed messages, written with the reason and the raw bytes.

use base64::Engine;
use serde::Serialize;

use super::{Deadline, Error, Existing, RefusedLine, SinkSettings, TypedSink};
use crate::data::Schema;
use crate::format::Output;

/// One row that did not become a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetter<'a> {
    /// The source, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
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
    /// Why the row is unusable.
    pub reason: &'a str,
    #[serde(flatten)]
    raw: RawBytes<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
enum RawBytes<'a> {
    #[serde(rename = "raw")]
    Text(&'a str),
    #[serde(rename = "raw_base64")]
    Bytes(String),
}

impl<'a> DeadLetter<'a> {
    /// A row as its source delivered it: its bytes, and their position in `topic`.
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
            Ok(text) => RawBytes::Text(text),
            Err(_) => RawBytes::Bytes(base64::engine::general_purpose::STANDARD.encode(raw)),
        };
        DeadLetter { source: None, topic, position, message, row, subtask, reason, raw }
    }

    /// The same, of one of several sources.
    pub fn of(self, source: Option<String>) -> DeadLetter<'a> {
        DeadLetter { source, ..self }
    }

    /// As JSON, its raw bytes cut to a readable length.
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

/// Where dead letters go; without a sink they are logged as warnings.
pub struct DeadLetters {
    sink: Option<TypedSink>,
    written: u64,
    /// Whether something was written since the last flush.
    unflushed: bool,
}

impl DeadLetters {
    /// How many are logged when there is no sink for them.
    const SHOWN: u64 = 10;

    /// Opens the sink for dead letters, if there is one.
    pub fn open(
        settings: Option<&SinkSettings>,
        existing: Existing,
        deadline: &Deadline,
    ) -> Result<DeadLetters, Error> {
        let no_columns = Schema::new([] as [(String, crate::data::Kind); 0]);
        let sink = settings.map(|settings| settings.open(&no_columns, 0, existing, deadline)).transpose()?;
        Ok(DeadLetters { sink, written: 0, unflushed: false })
    }

    /// Writes a dead letter.
    ///
    /// # Errors
    /// The sink cannot be written to.
    pub fn write(&mut self, letter: &DeadLetter<'_>) -> Result<(), Error> {
        self.written += 1;
        if !std::mem::replace(&mut self.unflushed, true) {
            self.follow()?;
        }
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
        sink.write(Output::Lines(line))?;
        shorten(sink).map(drop)
    }

    /// Waits until all that was written is durable, as far as the sink can promise it.
    pub fn sync(&mut self) -> Result<(), Error> {
        let Some(sink) = &mut self.sink else { return Ok(()) };
        sink.sync()?;
        while shorten(sink)? {
            sink.sync()?;
        }
        Ok(())
    }

    /// Continues in a new file if the file of the dead letters was moved away.
    ///
    /// # Errors
    /// If another file is at its path.
    pub fn follow(&mut self) -> Result<(), Error> {
        match &mut self.sink {
            Some(sink) if sink.is_moved() => {
                let length = sink.length();
                sink.follow(length)
            }
            _ => Ok(()),
        }
    }

    /// Flushes all that was written.
    ///
    /// # Errors
    /// The sink cannot be written to.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.unflushed = false;
        self.sink.as_mut().map_or(Ok(()), |sink| sink.flush())
    }

    /// As [`super::Sink::progress`].
    pub fn progress(&self) -> Option<std::sync::Arc<super::SinkProgress>> {
        self.sink.as_ref().and_then(|sink| sink.progress())
    }

    /// Makes everything durable, and closes the sink.
    pub fn close(mut self) -> Result<(), Error> {
        self.sync()?;
        self.sink.map_or(Ok(()), |sink| sink.close())
    }
}

/// Retries dead letters that the sink refused, with fewer of their raw bytes; whether there were any.
fn shorten(sink: &mut TypedSink) -> Result<bool, Error> {
    let refused = sink.refused();
    let any = !refused.is_empty();
    for RefusedLine { line, excess, reason } in refused {
        match shorter(&line, excess) {
            Some(line) => sink.write(Output::Lines(line))?,
            None => {
                let shown = String::from_utf8_lossy(&line[..line.len().min(200)]);
                tracing::error!("a dead letter is left out ({reason}): {shown}");
            }
        }
    }
    Ok(any)
}

/// A dead letter, shorter by `excess` bytes, or with a quarter of its raw bytes if that is not known; their full length
/// is added as `raw_bytes`. A long reason, which may repeat them, is cut first. `None` if nothing more can be left out.
fn shorter(line: &[u8], excess: Option<usize>) -> Option<Vec<u8>> {
    const REASON: usize = 200;
    let mut letter: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(line).ok()?;
    let key = ["raw", "raw_base64"].into_iter().find(|key| letter.contains_key(*key))?;
    let raw = letter.get(key)?.as_str()?.to_owned();
    let base64 = key == "raw_base64";
    let bytes = if base64 { raw.trim_end_matches('=').len() * 3 / 4 } else { raw.len() };
    letter.entry("raw_bytes").or_insert(bytes.into());
    let line = line.trim_ascii_end().len();
    if let Some(serde_json::Value::String(reason)) = letter.get_mut("reason") {
        reason.truncate(reason.floor_char_boundary(REASON));
    }
    let Some(excess) = excess else {
        let reason = letter.get("reason")?.as_str()?.to_owned();
        let (cut, from) = if raw.is_empty() { ("reason", reason) } else { (key, raw) };
        let unit = if base64 && cut == key { 4 } else { 1 };
        let keep = from.len() / 4 / unit * unit;
        letter.insert(cut.into(), from[..from.floor_char_boundary(keep)].into());
        return (!from.is_empty()).then(|| encoded(&letter));
    };
    let most = line.saturating_sub(excess);
    for (cut, unit) in [(key, if base64 { 4 } else { 1 }), ("reason", 1)] {
        let from = letter.get(cut)?.as_str()?.to_owned();
        let mut keep = from.len();
        loop {
            let shorter = encoded(&letter);
            let over = shorter.trim_ascii_end().len().saturating_sub(most);
            if over == 0 {
                return Some(shorter);
            }
            if keep == 0 {
                break;
            }
            // Escaped bytes are up to six times as long.
            keep = from.floor_char_boundary(keep.saturating_sub(over.div_ceil(6).max(unit))) / unit * unit;
            letter.insert(cut.into(), from[..from.floor_char_boundary(keep)].into());
        }
    }
    None
}

fn encoded(letter: &serde_json::Map<String, serde_json::Value>) -> Vec<u8> {
    let mut line = serde_json::to_vec(letter).expect("a record of texts and numbers");
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_cut_to_what_a_broker_takes() {
        let lines = "ä\n".repeat(500);
        let raws: [&[u8]; 4] = [&[b'x'; 1000], &[b'"'; 1000], lines.as_bytes(), &[0xff; 1000]];
        for raw in raws {
            let letter = DeadLetter::new("t", 4, 1, 2, "prepare", "bad", raw);
            let line = serde_json::to_vec(&letter).unwrap();
            for most in [150, 400, 900] {
                let shorter = shorter(&line, Some(line.len() - most)).unwrap();
                let size = shorter.trim_ascii_end().len();
                assert!(size <= most && size + 20 > most, "{size} of {most}");
                let json: serde_json::Value = serde_json::from_slice(&shorter).unwrap();
                assert_eq!(
                    (json["raw_bytes"].as_u64(), json["reason"].as_str()),
                    (Some(raw.len() as u64), Some("bad"))
                );
            }
            assert_eq!(shorter(&line, Some(line.len() - 50)), None);
            let reason = "y".repeat(1000);
            let letter = serde_json::to_vec(&DeadLetter::new("t", 4, 1, 2, "prepare", &reason, raw)).unwrap();
            let shorter_reason = shorter(&letter, Some(letter.len() - 400)).unwrap();
            assert!((350..=401).contains(&shorter_reason.len()), "{}", shorter_reason.len());
            let json: serde_json::Value = serde_json::from_slice(&shorter_reason).unwrap();
            assert_eq!(json["reason"].as_str().map(str::len), Some(200));
            // If the broker gives no limit, it is quartered until nothing more can be left out.
            let mut quartered = vec![line];
            while let Some(line) = shorter(&quartered[quartered.len() - 1], None) {
                quartered.push(line);
            }
            assert!((5..9).contains(&quartered.len()), "{}", quartered.len());
            let last: serde_json::Value = serde_json::from_slice(&quartered[quartered.len() - 1]).unwrap();
            assert_eq!(last["raw_bytes"].as_u64(), Some(raw.len() as u64));
        }
    }

    #[test]
    fn raw_bytes_are_kept_whatever_they_are() {
        let json = |raw| serde_json::to_value(DeadLetter::new("t", 4, 1, 2, "prepare", "bad", raw)).unwrap();
        assert_eq!(json(b"{x")["raw"], "{x");
        assert_eq!(json(&[0xff, 0x00])["raw_base64"], "/wA=");
        assert_eq!(json(b"")["reason"], "bad");
    }
}
