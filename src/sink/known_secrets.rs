//! Logins that a server may say again: they are covered in its words.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};

use crate::mqtt::Password;

/// What must not be shown, in all forms in which a server may say it.
#[derive(Clone, Default)]
pub struct KnownSecrets(Vec<Password>);

impl KnownSecrets {
    /// A password or token by itself.
    pub fn add(&mut self, secret: &str) {
        let escaped = serde_json::Value::from(secret).to_string();
        let encoded = |byte: u8| match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        };
        let in_address: String = secret.bytes().map(encoded).collect();
        for form in [secret, &escaped[1..escaped.len() - 1], &in_address] {
            if !form.is_empty() && self.0.iter().all(|known| known.reveal() != form) {
                self.0.push(Password::plain(form.to_owned()));
            }
        }
        // One may be a part of another.
        self.0.sort_by_key(|known| std::cmp::Reverse(known.reveal().len()));
    }

    /// A password, and `user:password` as HTTP sends it.
    pub fn add_login(&mut self, user: &str, password: &str) {
        if password.is_empty() {
            return;
        }
        self.add(password);
        let both = format!("{user}:{password}");
        for encoded in [BASE64_STANDARD.encode(&both), BASE64_URL_SAFE.encode(&both)] {
            self.add(encoded.trim_end_matches('='));
        }
    }

    /// The words without them.
    pub fn masked(&self, words: &str) -> String {
        self.0.iter().fold(words.to_owned(), |words, known| match words.contains(known.reveal()) {
            true => words.replace(known.reveal(), "***"),
            false => words,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_covered_in_all_its_forms() {
        let mut secrets = KnownSecrets::default();
        secrets.add_login("anna", "s@cr\"t");
        for said in ["s@cr\"t", "{\"s@cr\\\"t\"}", "?p=s%40cr%22t&q", "Basic YW5uYTpzQGNyInQ="] {
            let masked = secrets.masked(said);
            assert!(masked.contains("***") && !masked.contains("cr") && !masked.contains("YW5"), "{masked}");
        }
        assert_eq!(secrets.masked("authorization failed"), "authorization failed");
        let mut none = KnownSecrets::default();
        none.add_login("anna", "");
        none.add("");
        assert_eq!(none.masked("a b"), "a b");
    }
}
