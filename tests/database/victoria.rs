//! Debian's VictoriaMetrics with a folder of its own.

use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::broker::{Process, free_port, wait_until};

/// A server, which ends with the test.
pub struct Victoria {
    port: u16,
    directory: TempDir,
    server: Option<Process>,
}

impl Victoria {
    pub fn started() -> Victoria {
        let mut victoria = Victoria { port: free_port(), directory: tempfile::tempdir().unwrap(), server: None };
        victoria.start();
        victoria
    }

    /// Starts it, and waits until it answers.
    pub fn start(&mut self) {
        let mut command = Command::new("victoria-metrics");
        command.arg(format!("-storageDataPath={}", self.directory.path().join("data").display()));
        command.arg(format!("-httpListenAddr=127.0.0.1:{}", self.port)).arg("-retentionPeriod=100y");
        self.server = Some(Process(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()));
        wait_until("VictoriaMetrics", || ureq::get(self.address("/health")).call().is_ok());
    }

    pub fn kill(&mut self) {
        self.server.take().into_iter().for_each(|mut server| server.kill());
    }

    /// All series that it has: of each its labels, values, and times in milliseconds.
    pub fn series(&self) -> Vec<Value> {
        ureq::get(self.address("/internal/force_flush")).call().unwrap();
        let request = ureq::get(self.address("/api/v1/export")).query("match[]", "{__name__!=\"\"}");
        let text = request.query("start", "0").call().unwrap().body_mut().with_config().limit(1 << 30).read_to_string();
        text.unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Forgets all series.
    pub fn clear(&self) {
        let request = ureq::post(self.address("/api/v1/admin/tsdb/delete_series"));
        request.query("match[]", "{__name__!=\"\"}").send_empty().unwrap();
    }

    /// Where it takes points.
    pub fn url(&self) -> String {
        self.address("/write?db=weather")
    }

    fn address(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Victoria {
    fn drop(&mut self) {
        self.kill();
    }
}
