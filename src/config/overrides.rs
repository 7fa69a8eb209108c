//! Values from the command line that override those of the file.

use crate::mqtt::{is_secret, masked};

/// A key's parts, at most: each is a table within another.
const MOST_PARTS: usize = 16;

/// Refuses a key that no dataflow file has.
///
/// # Errors
/// A key of many parts.
pub fn check_key(key: &str) -> Result<(), String> {
    if key.split('.').count() > MOST_PARTS {
        return Err(format!("a key of more than {MOST_PARTS} parts is none of a dataflow file"));
    }
    Ok(())
}

/// One value: `--set buffer.bucket_size=10`, or a flag that means the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// As the user wrote it but for passwords, for diagnostics.
    pub shown: String,
    /// The key, its parts joined by dots; a subtask is named by its name or its number from 0.
    pub key: String,
    /// TOML, or else the text itself.
    pub value: String,
}

impl Override {
    /// From `KEY=VALUE`.
    ///
    /// ```
    /// use rowmill::config::Override;
    /// let set = Override::set("buffer.bucket_size = 100").unwrap();
    /// assert_eq!((&*set.key, &*set.value), ("buffer.bucket_size", "100"));
    /// // What is shown has no password.
    /// assert_eq!(Override::set("source.password=rain").unwrap().shown, "--set source.password=***");
    /// ```
    ///
    /// # Errors
    /// Without an equals sign, or with a key of many parts.
    pub fn set(text: &str) -> Result<Override, String> {
        let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, such as buffer.bucket_size=100")?;
        let (key, value) = (key.trim(), value.trim());
        check_key(key)?;
        let secret = key.rsplit('.').next().is_some_and(is_secret) && !value.starts_with('{');
        let shown = if secret { "***" } else { value };
        Ok(Override { shown: masked(&format!("--set {key}={shown}")), key: key.into(), value: value.into() })
    }

    /// From a flag whose value is a text.
    pub fn text(flag: &str, key: &str, value: &str) -> Override {
        let quoted = toml::Value::from(value).to_string();
        Override { shown: masked(&format!("{flag} {value}")), key: key.into(), value: quoted }
    }

    /// What puts null in place of a sink.
    pub fn null_sink(shown: &str, key: &str) -> Override {
        Override { shown: shown.into(), key: key.into(), value: "{ url = \"null\" }".into() }
    }

    /// From a flag whose value is a number.
    pub fn number(flag: &str, key: &str, value: u64) -> Override {
        Override { shown: format!("{flag} {value}"), key: key.into(), value: value.to_string() }
    }
}
