//! Peers: other programs that do the same job, measured on the same rows as a sweep.

use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The file with a line for each repeat of a peer.
pub const PEERS: &str = "peers.csv";

/// A command with the arguments `INPUT BUCKET_SIZE ROWS SECONDS`. It starts no new message after that many seconds, and
/// prints a [`PeerOutput`] as JSON in its last line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCommand {
    /// The peer's name.
    pub name: String,
    /// The program and its first arguments.
    pub command: Vec<String>,
}

/// The output of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerOutput {
    /// Rows of the messages it has processed.
    pub rows: u64,
    /// Messages that it has processed.
    pub messages: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Mean service time of a message in nanoseconds; 0 if not measured.
    pub service_message_mean: f64,
}

/// A line of `peers.csv`: one repeat of a peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    pub peer: String,
    pub bucket_size: usize,
    pub repeat: usize,
    pub rows: u64,
    pub messages: u64,
    pub seconds: f64,
    pub rows_per_second: f64,
    /// Mean service time of a message in nanoseconds; 0 if not measured.
    pub service_message_mean: f64,
}

impl FromStr for PeerCommand {
    type Err = String;

    fn from_str(text: &str) -> Result<PeerCommand, String> {
        let (name, command) = text.split_once('=').ok_or("a peer is NAME=COMMAND")?;
        let command: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        if command.is_empty() {
            Err("a peer is NAME=COMMAND".into())
        } else {
            Ok(PeerCommand { name: name.into(), command })
        }
    }
}

impl PeerCommand {
    /// Runs one repeat.
    ///
    /// # Errors
    /// A command that fails, or prints something else.
    pub fn run(
        &self,
        source: &Path,
        bucket_size: usize,
        rows: u64,
        time: Duration,
        repeat: usize,
    ) -> Result<Comparison, String> {
        let mut command = Command::new(&self.command[0]);
        // A peer uses its default number of threads, whatever the environment says.
        for name in ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"] {
            command.env_remove(name);
        }
        command.args(&self.command[1..]).arg(source);
        command.args([bucket_size.to_string(), rows.to_string(), time.as_secs_f64().to_string()]);
        let named = |reason: &dyn std::fmt::Display| format!("{}, {bucket_size} rows a message: {reason}", self.name);
        let output = command.stdin(Stdio::null()).output().map_err(|error| named(&error))?;
        if !output.status.success() {
            return Err(named(&String::from_utf8_lossy(&output.stderr).trim()));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let told = text.trim().lines().next_back().unwrap_or_default();
        let told: PeerOutput = serde_json::from_str(told).map_err(|error| named(&format!("{error}: {told:?}")))?;
        let PeerOutput { rows, messages, seconds, service_message_mean } = told;
        Ok(Comparison {
            peer: self.name.clone(),
            bucket_size,
            repeat,
            rows,
            messages,
            seconds,
            rows_per_second: rows as f64 / seconds,
            service_message_mean,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(told: &str) -> Result<Comparison, String> {
        // $0 is the input.
        let command = ["sh", "-c", told].map(str::to_owned).to_vec();
        PeerCommand { name: "a".into(), command }.run(Path::new("rows"), 10, 50, Duration::from_millis(2500), 1)
    }

    #[test]
    fn a_peer_is_told_its_load_and_tells_what_it_did() {
        let told =
            r#"echo noise; echo "{\"rows\": $2, \"messages\": $1, \"seconds\": $3, \"service_message_mean\": 7}""#;
        let line = run(told).unwrap();
        assert_eq!((line.rows, line.messages, line.seconds, line.rows_per_second), (50, 10, 2.5, 20.0));
        assert_eq!((line.peer.as_str(), line.bucket_size, line.repeat), ("a", 10, 1));
    }

    #[test]
    fn a_peer_that_fails_is_named() {
        assert_eq!(run("echo no such module >&2; exit 3").unwrap_err(), "a, 10 rows a message: no such module");
        assert!(run("echo 12").unwrap_err().contains("\"12\""));
        assert_eq!("x".parse::<PeerCommand>().unwrap_err(), "a peer is NAME=COMMAND");
    }
}
