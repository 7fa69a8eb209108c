//! Values from the command line that stand over those of the file.

/// One value: `--set buffer.bucket_size=10`, or a flag that means the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// As the user wrote it, for diagnostics.
    pub shown: String,
    /// The key, its parts joined by dots; a subtask is named by its name or its number from 0.
    pub key: String,
    /// TOML, or else the text itself.
    pub value: String,
}

impl Override {
    /// From `KEY=VALUE`.
    ///
    /// # Errors
    /// Without an equals sign.
    pub fn set(text: &str) -> Result<Override, String> {
        let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, such as buffer.bucket_size=100")?;
        Ok(Override { shown: format!("--set {text}"), key: key.trim().into(), value: value.trim().into() })
    }

    /// From a flag whose value is a text.
    pub fn text(flag: &str, key: &str, value: &str) -> Override {
        let quoted = toml::Value::from(value).to_string();
        Override { shown: format!("{flag} {value}"), key: key.into(), value: quoted }
    }

    /// From a flag whose value is a number.
    pub fn number(flag: &str, key: &str, value: u64) -> Override {
        Override { shown: format!("{flag} {value}"), key: key.into(), value: value.to_string() }
    }
}
