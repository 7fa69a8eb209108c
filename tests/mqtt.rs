//! The whole way over MQTT: the embedded broker, and Debian's mosquitto.

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn rowmill(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rowmill"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments);
    command
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "{what} took too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn wait_for_port(port: u16) {
    wait_until("the broker", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).unwrap_or_default().lines().count()
}

/// Publishes data/sample.csv while a dataflow listens; SIGTERM then drains it. Its results equal those of the file.
fn there_and_back(port: u16) {
    let directory = tempfile::tempdir().unwrap();
    let (out, expected) = (directory.path().join("out.ndjson"), directory.path().join("expected.ndjson"));
    let chain = ["--set", "subtask.drop_duplicates.keep=last", "--bucket-size", "100"];
    let from_file = rowmill(&["run", "dataflows/weather.toml", "--source", "data/sample.csv", "--quiet", "--sink"])
        .arg(&expected)
        .args(chain)
        .status();
    assert!(from_file.unwrap().success());

    let topic = format!("mqtt://127.0.0.1:{port}/weather/one");
    let wildcard = format!("mqtt://127.0.0.1:{port}/weather/+");
    let run = rowmill(&["run", "dataflows/weather.toml", "--source", &wildcard, "--delay", "1m", "-w", "2", "--sink"])
        .arg(&out)
        .args(chain)
        .args(["--report"])
        .arg(directory.path())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut run = Process(run);
    // A dataflow that is not subscribed yet would miss rows: publish when the broker has its subscription.
    std::thread::sleep(Duration::from_millis(1500));
    let replay =
        rowmill(&["replay", "data/sample.csv", "--to", &topic, "--rate", "4000"]).stderr(Stdio::null()).status();
    assert!(replay.unwrap().success());
    wait_until("the dataflow", || lines(&out) == lines(&expected));
    assert!(Command::new("kill").args(["-TERM", &run.0.id().to_string()]).status().unwrap().success());
    assert!(run.0.wait().unwrap().success());
    assert!(std::fs::read(&out).unwrap() == std::fs::read(&expected).unwrap());
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(directory.path().join("report.json")).unwrap()).unwrap();
    assert_eq!((report["rows_in"].as_u64(), report["dead_letters"].as_u64()), (Some(2000), Some(0)));
}

#[test]
fn over_the_embedded_broker() {
    let port = free_port();
    let broker = rowmill(&["broker", "--listen", &format!("127.0.0.1:{port}")]).stderr(Stdio::null()).spawn().unwrap();
    let _broker = Process(broker);
    wait_for_port(port);
    there_and_back(port);
}

#[test]
#[ignore = "needs mosquitto"]
fn over_mosquitto() {
    let port = free_port();
    let mut config = tempfile::NamedTempFile::new().unwrap();
    writeln!(config, "listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 100000").unwrap();
    let program = if Path::new("/usr/sbin/mosquitto").exists() { "/usr/sbin/mosquitto" } else { "mosquitto" };
    let broker = Command::new(program).arg("-c").arg(config.path()).stderr(Stdio::null()).spawn().unwrap();
    let _broker = Process(broker);
    wait_for_port(port);
    there_and_back(port);
}

#[test]
fn the_demo_accounts_for_its_rows() {
    let directory = tempfile::tempdir().unwrap();
    let demo = rowmill(&["demo", "--rows", "3000", "--rate", "3000", "--report"])
        .arg(directory.path())
        .stderr(Stdio::null())
        .status();
    assert!(demo.unwrap().success());
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(directory.path().join("report.json")).unwrap()).unwrap();
    let count = |key: &str| report[key].as_u64().unwrap();
    let dropped = report["rows_dropped"]["drop_duplicates"].as_u64().unwrap();
    assert_eq!((count("rows_in"), count("rows_out") + dropped + count("dead_letters")), (3000, 3000));
}
