//! Columns as contiguous bytes, as they travel between processes, where they are read into this thread's pooled buffers.
//!
//! The bytes are those in memory: all processes of a run are one build of the program.

use bytemuck::{NoUninit, Pod};
use ndarray::Array2;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::message::Message;
use super::spare::{Buffers, spare_lines};

/// A message as it travels.
#[derive(Serialize, Deserialize)]
struct EncodedMessage<'a> {
    epoch: u64,
    columns: usize,
    #[serde(with = "serde_bytes")]
    ids: &'a [u8],
    #[serde(with = "serde_bytes")]
    numbers: &'a [u8],
    #[serde(borrow)]
    texts: Vec<EncodedTexts<'a>>,
}

#[derive(Serialize, Deserialize)]
struct EncodedTexts<'a> {
    bytes: &'a str,
    #[serde(with = "serde_bytes")]
    ends: &'a [u8],
    #[serde(with = "serde_bytes")]
    present: &'a [u8],
}

/// The bytes of values.
pub(super) fn bytes<T: NoUninit>(values: &[T]) -> &[u8] {
    bytemuck::cast_slice(values)
}

/// Values from their bytes.
///
/// # Errors
/// A part of a value at the end.
pub(super) fn values<T: Pod>(bytes: &[u8]) -> Result<Vec<T>, String> {
    let mut values = Vec::new();
    extend(&mut values, bytes)?;
    Ok(values)
}

fn extend<T: Pod>(values: &mut Vec<T>, bytes: &[u8]) -> Result<(), String> {
    if !bytes.len().is_multiple_of(size_of::<T>()) {
        return Err(format!("{} bytes are no whole values", bytes.len()));
    }
    let start = values.len();
    values.resize(start + bytes.len() / size_of::<T>(), T::zeroed());
    bytemuck::cast_slice_mut(&mut values[start..]).copy_from_slice(bytes);
    Ok(())
}

/// Of `#[serde(with)]` for a message.
pub fn serialize<S: Serializer>(message: &Message, serializer: S) -> Result<S::Ok, S::Error> {
    let texts = message.texts.iter().map(|text| {
        let (texts, ends, present) = text.parts();
        EncodedTexts { bytes: texts, ends: bytes(ends), present: bytes(present) }
    });
    EncodedMessage {
        epoch: message.epoch,
        columns: message.number_columns(),
        ids: bytes(&message.ids),
        numbers: bytes(message.flat()),
        texts: texts.collect(),
    }
    .serialize(serializer)
}

/// Of `#[serde(with)]` for a message.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Message, D::Error> {
    let encoded = EncodedMessage::deserialize(deserializer)?;
    decode(&encoded).map_err(serde::de::Error::custom)
}

fn decode(encoded: &EncodedMessage<'_>) -> Result<Message, String> {
    let Buffers { mut ids, mut numbers, mut texts } = Buffers::spare(encoded.texts.len());
    extend(&mut ids, encoded.ids)?;
    extend(&mut numbers, encoded.numbers)?;
    for (text, EncodedTexts { bytes, ends, present }) in texts.iter_mut().zip(&encoded.texts) {
        let (of_text, of_ends, of_present) = text.parts_mut();
        of_text.push_str(bytes);
        extend(of_ends, ends)?;
        of_present.extend(present.iter().map(|present| *present != 0));
    }
    let lengths = texts.iter().all(|text| text.len() == ids.len() && text.present().len() == ids.len());
    if !lengths {
        return Err("columns of several lengths".into());
    }
    let numbers = Array2::from_shape_vec((encoded.columns, ids.len()), numbers).map_err(|error| error.to_string())?;
    Ok(Message::new(encoded.epoch, ids, numbers, texts))
}

/// Of `#[serde(with)]` for encoded lines.
pub mod lines {
    use super::{Deserialize, Deserializer, Serializer, spare_lines};

    /// Of `#[serde(with)]` for encoded lines.
    pub fn serialize<S: Serializer>(lines: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(lines)
    }

    /// Of `#[serde(with)]` for encoded lines.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let bytes = <&[u8]>::deserialize(deserializer)?;
        let mut lines = spare_lines();
        lines.extend_from_slice(bytes);
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{TextColumn, from_bytes, to_bytes};

    #[derive(Serialize, Deserialize)]
    struct Carrier(#[serde(with = "super")] Message, #[serde(with = "super::lines")] Vec<u8>);

    #[test]
    fn columns_and_lines_come_as_they_were_into_used_buffers() {
        for texts in [&[Some("\u{e4}b"), None, Some("")][..], &[]] {
            let mut column = TextColumn::default();
            texts.iter().for_each(|text| column.push(*text));
            let rows = texts.len();
            let numbers: Vec<f64> = (0..2 * rows).map(|place| 1.5 - place as f64).collect();
            let numbers = Array2::from_shape_vec((2, rows), numbers).unwrap();
            let message = Message::new(7, (0..rows as u64).map(|id| id << 40).collect(), numbers, vec![column]);
            let sent = to_bytes(&Carrier(message.clone(), b"{}\n".to_vec()));
            for _ in 0..2 {
                let Carrier(there, lines) = from_bytes(&sent).unwrap();
                assert_eq!((&there, &lines[..]), (&message, &b"{}\n"[..]));
                there.recycle();
                crate::data::recycle_lines(lines);
            }
        }
    }

    #[test]
    fn parts_of_values_are_refused() {
        assert!(values::<u64>(&[0; 12]).is_err());
        let parts = |ids, numbers| EncodedMessage { epoch: 0, columns: 1, ids, numbers, texts: Vec::new() };
        assert!(decode(&parts(&[0; 16], &[0; 16])).is_ok());
        assert!(decode(&parts(&[0; 16], &[0; 8])).is_err());
    }
}
