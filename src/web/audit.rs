//! The audit log: who signed in, started, stopped and changed what, a JSON object a line.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::Serialize;

use super::access::Credential;

/// A log of what was done over the API.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    writes: Mutex<()>,
}

/// What only the handler of a request knows of it.
#[derive(Clone, Debug, Default)]
pub struct AuditSubject {
    /// Who tries to sign in.
    pub who: Option<String>,
    /// The project that a request adds.
    pub project: Option<String>,
    /// The name of a copy.
    pub copy: Option<String>,
    /// The source that is tried, without its password.
    pub source: Option<String>,
}

/// A line of the log.
#[derive(Serialize)]
pub struct AuditEntry<'a> {
    /// RFC 3339.
    pub at: String,
    pub who: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Credential>,
    pub from: Option<IpAddr>,
    pub action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'a str>,
    pub request: String,
    pub status: u16,
}

/// From so many bytes on a new file is begun; the one before is kept beside it.
const MOST: u64 = 16 << 20;

impl AuditLog {
    /// Its file's name, in the folder of the state.
    pub const FILE: &'static str = "audit.ndjson";

    pub fn new(path: PathBuf) -> AuditLog {
        AuditLog { path, writes: Mutex::new(()) }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a line.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn write(&self, entry: &AuditEntry<'_>) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let _one_at_a_time = self.writes.lock().expect("no holder panics");
        if fs::metadata(&self.path).is_ok_and(|file| file.len() >= MOST) {
            fs::rename(&self.path, self.path.with_extension("old.ndjson"))?;
        }
        // A write of one line to the end is whole, or not there.
        OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?.write_all(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_long_is_put_aside() {
        let directory = tempfile::tempdir().unwrap();
        let log = AuditLog::new(directory.path().join(AuditLog::FILE));
        let entry = AuditEntry {
            at: "t".into(),
            who: Some("anna"),
            by: Some(Credential::Token),
            from: None,
            action: "start",
            project: Some("a"),
            copy: None,
            source: None,
            request: "POST /".into(),
            status: 200,
        };
        log.write(&entry).unwrap();
        log.write(&entry).unwrap();
        let text = fs::read_to_string(&log.path).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(text.starts_with(r#"{"at":"t","who":"anna","by":"token","from":null,"action":"start""#), "{text}");
        OpenOptions::new().write(true).open(&log.path).unwrap().set_len(MOST).unwrap();
        log.write(&entry).unwrap();
        assert_eq!(fs::read_to_string(&log.path).unwrap().lines().count(), 1);
        assert_eq!(fs::metadata(directory.path().join("audit.old.ndjson")).unwrap().len(), MOST);
    }
}
