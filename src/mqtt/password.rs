//! Passwords, from the dataflow file, a file of their own or the environment; they are never shown.

use std::borrow::Cow;
use std::env::VarError;
use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::disk;

/// The most bytes of a password's file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A broker's password: overwritten in memory when dropped.
#[derive(Clone, Deserialize)]
#[serde(try_from = "PasswordSetting")]
pub struct Password(SecretString);

/// Reads a variable of the environment.
pub type Environment = fn(&str) -> Result<String, VarError>;

static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();

/// Allows dataflow files to name environment variables, read by `read`; before this is called none is read. Later calls
/// are ignored.
pub fn allow_environment(read: Environment) {
    let _ = ENVIRONMENT.set(read);
}

/// How it is given: `"secret"`, `{ file = "password.txt" }` or `{ env = "MQTT_PASSWORD" }`.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a text, { file = \"PATH\" } or { env = \"NAME\" } was expected")]
enum PasswordSetting {
    Plain(String),
    File {
        /// The file that holds it.
        file: PathBuf,
    },
    Environment {
        /// The environment's variable that holds it.
        env: String,
    },
}

impl JsonSchema for Password {
    fn schema_name() -> Cow<'static, str> {
        "Password".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        PasswordSetting::json_schema(generator)
    }
}

impl TryFrom<PasswordSetting> for Password {
    type Error = String;

    fn try_from(given: PasswordSetting) -> Result<Password, String> {
        match given {
            PasswordSetting::Plain(password) => Ok(Password::plain(password)),
            PasswordSetting::File { file } => {
                let read = disk::read_text_at_most(&file, FILE_BYTES_MAX);
                let text = read.map_err(|error| format!("the password file {}: {error}", file.display()))?;
                // Editors end the file with a line break.
                Ok(Password::plain(text.trim_end_matches(['\r', '\n']).into()))
            }
            PasswordSetting::Environment { env } => {
                let said = |reason: &dyn fmt::Display| format!("the password in the environment's {env}: {reason}");
                let read = ENVIRONMENT.get().ok_or_else(|| said(&"this program does not let files read it"))?;
                read(&env).map(Password::plain).map_err(|error| said(&error))
            }
        }
    }
}

impl Password {
    /// A password that is known.
    pub fn plain(password: String) -> Password {
        Password(password.into())
    }

    /// The password itself, to send to the broker only.
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Password) -> bool {
        self.reveal() == other.reveal()
    }
}

impl Eq for Password {}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Password, String> {
        #[derive(Deserialize)]
        struct Section {
            password: Password,
        }
        toml::from_str::<Section>(text).map(|section| section.password).map_err(|error| error.to_string())
    }

    #[test]
    fn from_text_file_and_environment() {
        assert_eq!(read("password = \"rain\"").unwrap().reveal(), "rain");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "sn ow \n").unwrap();
        let given = format!("password = {{ file = {:?} }}", file.path());
        assert_eq!(read(&given).unwrap().reveal(), "sn ow ");
        allow_environment(|name| std::env::var(name));
        let path = std::env::var("PATH").unwrap();
        assert_eq!(read("password = { env = \"PATH\" }").unwrap().reveal(), path);
    }

    #[test]
    fn what_is_not_there_is_named_and_nothing_is_shown() {
        assert!(read("password = { env = \"ROWMILL_NO_SUCH\" }").unwrap_err().contains("ROWMILL_NO_SUCH"));
        assert!(read("password = { file = \"/no/such\" }").unwrap_err().contains("/no/such"));
        assert!(read("password = 7").unwrap_err().contains("{ file = \"PATH\" }"));
        assert_eq!(format!("{:?}", read("password = \"rain\"").unwrap()), "Password");
    }
}
