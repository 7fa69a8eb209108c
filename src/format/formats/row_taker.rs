//! What takes the rows of a payload.

use crate::data::{Broken, Malformed};

/// Takes the rows that a format finds in a payload.
pub(crate) trait RowTaker {
    /// A JSON text: an object is a row, an array holds rows.
    fn json(&mut self, text: &[u8]);

    /// Bytes that are no row.
    fn broken(&mut self, bytes: &[u8], reason: Broken);

    /// Bytes that are not of the format they should have.
    fn malformed(&mut self, bytes: &[u8], malformed: Malformed) {
        self.broken(bytes, Broken::Malformed(malformed));
    }
}

/// The rows of a payload as texts, with the reasons of those that are broken.
#[cfg(test)]
pub(super) fn rows_of(read: fn(&[u8], &mut dyn RowTaker), payload: &[u8]) -> Vec<String> {
    struct Texts(Vec<String>);
    impl RowTaker for Texts {
        fn json(&mut self, text: &[u8]) {
            // What a format writes is JSON, whatever it has read.
            assert!(serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok(), "{}", String::from_utf8_lossy(text));
            self.0.push(String::from_utf8(text.to_vec()).expect("JSON is UTF-8"));
        }

        fn broken(&mut self, _: &[u8], reason: Broken) {
            self.0.push(format!("broken: {reason}"));
        }
    }
    let mut texts = Texts(Vec::new());
    read(payload, &mut texts);
    texts.0
}
