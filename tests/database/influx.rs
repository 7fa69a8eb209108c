//! Debian's InfluxDB with a folder of its own.

use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::broker::{Process, free_port, wait_until};

/// A server, which ends with the test.
pub struct Influx {
    pub port: u16,
    directory: TempDir,
    server: Option<Process>,
}

impl Influx {
    /// One that is not started yet.
    pub fn new(more: &str) -> Influx {
        let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
        let root = directory.path().display();
        let text = format!(
            "reporting-disabled = true\nbind-address = \"127.0.0.1:{}\"\n[meta]\ndir = \"{root}/meta\"\n[data]\ndir = \
             \"{root}/data\"\nwal-dir = \"{root}/wal\"\n[monitor]\nstore-enabled = false\n[subscriber]\nenabled = false\n\
             [http]\nbind-address = \"127.0.0.1:{port}\"\nlog-enabled = false\n{more}",
            free_port()
        );
        std::fs::write(directory.path().join("influxdb.conf"), text).unwrap();
        Influx { port, directory, server: None }
    }

    pub fn started(more: &str) -> Influx {
        let mut influx = Influx::new(more);
        influx.start();
        influx
    }

    /// Starts it, and waits until it answers.
    pub fn start(&mut self) {
        let mut command = Command::new("influxd");
        command.arg("-config").arg(self.directory.path().join("influxdb.conf"));
        self.server = Some(Process(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()));
        let address = format!("http://127.0.0.1:{}/ping", self.port);
        wait_until("InfluxDB", || ureq::get(&address).call().is_ok());
    }

    pub fn kill(&mut self) {
        self.server.take().into_iter().for_each(|mut server| server.kill());
    }

    /// What it answers to a question: the series of the first statement.
    pub fn ask(&self, question: &str) -> Value {
        let address = format!("http://127.0.0.1:{}/query", self.port);
        let request = ureq::post(&address).query("db", "weather").query("epoch", "ns").query("u", "owner");
        let mut answer = request.query("p", "hunter2").query("q", question).send_empty().unwrap();
        let mut answer: Value = answer.body_mut().read_json().unwrap();
        answer["results"][0]["series"].take()
    }

    pub fn create(&self) {
        self.ask("CREATE DATABASE weather");
    }

    /// The only number of the answer's second column.
    pub fn count(&self, question: &str) -> u64 {
        self.ask(question)[0]["values"][0][1].as_f64().unwrap_or_default() as u64
    }

    /// Where it takes points.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/write?db=weather", self.port)
    }
}

impl Drop for Influx {
    fn drop(&mut self) {
        self.kill();
    }
}
