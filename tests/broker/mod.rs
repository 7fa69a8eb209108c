//! Brokers and processes for tests of the whole program.
//!
//! - Here: a process that ends with its test, and Mosquitto. `followed`: a process whose standard error is recorded.
//! - `publish`: payloads on topics. `numbered`: numbered rows, so that lost and doubled ones show.
//! - `played`, `narrow`: brokers of the tests themselves, packet by packet or with a bound on packets.
//! - `proxy`: closes or stalls the connections between client and broker.
//!
//! Never here: what a test expects.
#![allow(dead_code, reason = "each test uses what it needs")]

pub mod followed;
pub mod narrow;
pub mod numbered;
pub mod played;
pub mod proxy;
pub mod publish;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rumqttc::{Client, Event, Incoming, MqttOptions, QoS};
use tempfile::TempDir;

/// A process that ends with the test.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    /// Starts a dataflow and waits for its subscription: nothing that is published from now on is missed.
    pub fn subscribed(command: &mut Command) -> Process {
        let mut process = Process(command.stderr(Stdio::piped()).spawn().unwrap());
        let mut lines = BufReader::new(process.0.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let told = lines.by_ref().map_while(Result::ok).any(|line| {
            said.push(line);
            said[said.len() - 1].contains("subscribed to")
        });
        assert!(told, "the dataflow ended without a subscription: {said:?}");
        // Shown if the test fails.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("{line}")));
        process
    }

    /// Ends it by SIGTERM, which drains.
    pub fn drain(mut self) {
        assert!(Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap().success());
        assert!(self.0.wait().unwrap().success());
    }

    /// Kills it at once.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Its exit code, once it has ended.
    pub fn code(&mut self) -> Option<i32> {
        let mut status = None;
        wait_until("the end of a process", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        status.and_then(|status| status.code())
    }
}

pub fn rowmill(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rowmill"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments);
    command
}

pub fn free_port() -> u16 {
    rowmill::mqtt::free_port().unwrap().port()
}

pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "{what} took too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn wait_for_port(port: u16) {
    wait_until("the broker", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
}

pub fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).unwrap_or_default().lines().count()
}

pub fn embedded() -> (u16, Process) {
    let port = free_port();
    let broker = rowmill(&["broker", "--listen", &format!("127.0.0.1:{port}")]).stderr(Stdio::null()).spawn().unwrap();
    let broker = Process(broker);
    wait_for_port(port);
    (port, broker)
}

/// Collects what is published on a topic from now on, as JSON.
pub fn collect(port: u16, topic: &str) -> Arc<Mutex<Vec<serde_json::Value>>> {
    let mut options = MqttOptions::new("collector", "127.0.0.1", port);
    options.set_inflight(20);
    let (client, mut connection) = Client::new(options, 64);
    client.subscribe(topic, QoS::AtLeastOnce).unwrap();
    let subscribed = |event| matches!(event, Ok(Event::Incoming(Incoming::SubAck(_))));
    assert!(connection.iter().any(subscribed), "no answer to the subscription");
    let collected = Arc::<Mutex<Vec<serde_json::Value>>>::default();
    let into = collected.clone();
    std::thread::spawn(move || {
        let _subscribed = client;
        for event in connection.iter().map_while(Result::ok) {
            if let Event::Incoming(Incoming::Publish(publish)) = event {
                into.lock().unwrap().push(serde_json::from_slice(&publish.payload).unwrap());
            }
        }
    });
    collected
}

/// Debian's Mosquitto with a configuration of its own.
pub struct Mosquitto {
    pub port: u16,
    config: PathBuf,
    process: Process,
}

impl Mosquitto {
    pub fn start(directory: &TempDir, options: &str) -> Mosquitto {
        let port = free_port();
        let config = directory.path().join("mosquitto.conf");
        let fixed = format!("listener {port} 127.0.0.1\nuser root\nmax_queued_messages 100000\n");
        std::fs::write(&config, fixed + options).unwrap();
        let process = Mosquitto::spawn(&config);
        wait_for_port(port);
        Mosquitto { port, config, process }
    }

    fn spawn(config: &Path) -> Process {
        Process(Command::new(sbin("mosquitto")).arg("-c").arg(config).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Ends it by a signal, so that it saves its sessions, and starts it again.
    pub fn restart(&mut self) {
        self.stop();
        std::thread::sleep(Duration::from_millis(500));
        self.start_again();
    }

    /// Ends it by a signal, so that it saves its sessions.
    pub fn stop(&mut self) {
        let pid = self.process.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.process.0.wait().unwrap();
    }

    pub fn start_again(&mut self) {
        self.process = Mosquitto::spawn(&self.config);
        wait_for_port(self.port);
    }

    /// Kills it, and starts it again with what it has saved.
    pub fn kill(&mut self) {
        self.process.kill();
        self.process = Mosquitto::spawn(&self.config);
        wait_for_port(self.port);
    }
}

/// Debian keeps servers in folders that an ordinary PATH lacks.
fn sbin(program: &str) -> PathBuf {
    let path = Path::new("/usr/sbin").join(program);
    if path.exists() { path } else { program.into() }
}
