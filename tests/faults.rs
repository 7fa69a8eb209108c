//! Faults of machines: a link that is cut, a disk that is full, a clock that is set. Numbered rows show what is lost.

mod broker;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use broker::numbered::{carrier, numbers, persistent, publish, run};
use broker::{Process, free_port, wait_until};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rumqttc::QoS;

fn done(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
}

/// Two hosts as network namespaces, with a link between them.
struct Hosts {
    names: [String; 2],
}

const ADDRESSES: [&str; 2] = ["10.77.0.1", "10.77.0.2"];

impl Hosts {
    fn start() -> Hosts {
        let names = ["a", "b"].map(|host| format!("rowmill-{}-{host}", std::process::id()));
        let hosts = Hosts { names };
        let [a, b] = &hosts.names;
        done("ip", &["netns", "add", a]);
        done("ip", &["netns", "add", b]);
        done("ip", &["link", "add", "wire", "netns", a, "type", "veth", "peer", "name", "wire", "netns", b]);
        for (name, address) in hosts.names.iter().zip(ADDRESSES) {
            done("ip", &["-n", name, "address", "add", &format!("{address}/24"), "dev", "wire"]);
            done("ip", &["-n", name, "link", "set", "lo", "up"]);
        }
        hosts.link("up");
        hosts
    }

    fn link(&self, state: &str) {
        self.names.iter().for_each(|name| done("ip", &["-n", name, "link", "set", "wire", state]));
    }

    /// The command on a host.
    fn on(&self, host: usize, command: &Command) -> Command {
        let mut on = Command::new("ip");
        on.args(["netns", "exec", &self.names[host]]).arg(command.get_program()).args(command.get_args());
        on.current_dir(env!("CARGO_MANIFEST_DIR"));
        on
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

#[test]
#[ignore = "needs root, iproute2 and mosquitto"]
fn a_link_between_two_hosts_that_is_cut_ends_the_run_and_loses_nothing() {
    const ROWS: u64 = 20_000;
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let hosts = Hosts::start();
    let port = free_port();
    std::fs::create_dir(at("store")).unwrap();
    let options = format!(
        "listener {port} 127.0.0.1\nuser root\nallow_anonymous true\nmax_queued_messages 100000\npersistence true\n\
         persistence_location {}/\n",
        at("store").display()
    );
    std::fs::write(at("mosquitto.conf"), options).unwrap();
    let mut mosquitto = Command::new("/usr/sbin/mosquitto");
    mosquitto.arg("-c").arg(at("mosquitto.conf"));
    let _broker = Process(hosts.on(0, &mosquitto).stderr(Stdio::null()).spawn().unwrap());
    std::fs::write(at("hosts"), ADDRESSES.map(|address| format!("{address}:{port}\n")).concat()).unwrap();
    let (carrier, out) = (carrier(&directory), at("out.csv"));
    let start = || {
        let process = |host: &str| {
            let mut command = run(&carrier, port, 1, &out, &["-n", "2", "-w", "2", "-p", host, "--hostfile"]);
            command.arg(at("hosts"));
            command
        };
        let second = Process(hosts.on(1, &process("1")).stderr(Stdio::piped()).spawn().unwrap());
        (Process::subscribed(&mut hosts.on(0, &process("0"))), second)
    };
    let (mut first, mut second) = start();
    let rows: String = (0..ROWS).map(|n| format!("{{\"n\": {n}}}\n")).collect();
    std::fs::write(at("rows.ndjson"), rows).unwrap();
    let mut station = broker::rowmill(&["replay"]);
    station.arg(at("rows.ndjson")).args(["--rate", "5000", "--to", &format!("mqtt://127.0.0.1:{port}/rows")]);
    let mut station = Process(hosts.on(0, &station).stderr(Stdio::null()).spawn().unwrap());
    wait_until("the first rows", || numbers(&out).len() > 1000);
    hosts.link("down");
    assert_eq!((first.code(), second.code()), (Some(1), Some(1)));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut second.0.stderr.take().unwrap(), &mut said).unwrap();
    assert!(said.contains("the connection to another process is lost"), "{said}");
    hosts.link("up");
    let (first, mut second) = start();
    assert_eq!(station.code(), Some(0));
    wait_until("all rows", || numbers(&out).len() as u64 >= ROWS);
    first.drain();
    assert_eq!(second.code(), Some(0));
    assert!(numbers(&out).into_iter().eq(0..ROWS), "each once, in order");
}

/// A disk of its own for a directory.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path, size: &str) -> Disk {
        std::fs::create_dir(at).unwrap();
        done("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "none", &at.display().to_string()]);
        Disk(at.into())
    }

    fn resize(&self, size: &str) {
        done("mount", &["-o", &format!("remount,size={size}"), &self.0.display().to_string()]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l", &self.0.display().to_string()]).status();
    }
}

#[test]
#[ignore = "needs root and mosquitto"]
fn a_disk_that_is_full_ends_the_run_and_loses_nothing() {
    const ROWS: u64 = 200_000;
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    let disk = Disk::mount(&directory.path().join("disk"), "3m");
    let (carrier, out) = (carrier(&directory), disk.0.join("out.csv"));
    let mut start = run(&carrier, broker.port, 1, &out, &["-w", "2"]);
    let mut process = Process(start.stderr(Stdio::piped()).spawn().unwrap());
    wait_until("the header", || out.exists());
    let port = broker.port;
    let publisher = std::thread::spawn(move || {
        publish(port, QoS::AtLeastOnce, 0..ROWS, &mut ChaCha8Rng::seed_from_u64(12));
    });
    assert_eq!(process.code(), Some(1));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut process.0.stderr.take().unwrap(), &mut said).unwrap();
    assert!(said.contains("out.csv") && said.contains("No space left on device"), "{said}");
    publisher.join().unwrap();
    // Still full: it says so again, and takes nothing.
    let mut again = Process(start.stderr(Stdio::null()).spawn().unwrap());
    assert_eq!(again.code(), Some(1));
    disk.resize("64m");
    let process = Process::subscribed(&mut start);
    wait_until("all rows", || numbers(&out).len() as u64 >= ROWS);
    process.drain();
    assert!(numbers(&out).into_iter().eq(0..ROWS), "each once, in order");
}

#[test]
#[ignore = "needs mosquitto and faketime"]
fn a_clock_that_is_set_back_and_forth_changes_nothing() {
    const ROWS: u64 = 10_000;
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let broker = persistent(&directory);
    let (carrier, out) = (carrier(&directory), at("out.csv"));
    let set = |by: &str| std::fs::write(at("clock"), format!("{by}\n")).unwrap();
    set("+0");
    let library = format!("/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1", std::env::consts::ARCH);
    assert!(Path::new(&library).exists(), "{library}");
    let mut command = run(&carrier, broker.port, 1, &out, &["-w", "2", "--report"]);
    command.arg(at("report")).env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", at("clock"));
    // A clock that is set is that of the calendar.
    command.envs([("FAKETIME_NO_CACHE", "1"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")]);
    let process = Process::subscribed(&mut command);
    let port = broker.port;
    let publisher = std::thread::spawn(move || {
        publish(port, QoS::AtLeastOnce, 0..ROWS, &mut ChaCha8Rng::seed_from_u64(13));
    });
    for by in ["-3600", "+86400", "-1", "+0"] {
        set(by);
        std::thread::sleep(Duration::from_millis(60));
    }
    publisher.join().unwrap();
    wait_until("all rows", || numbers(&out).len() as u64 >= ROWS);
    process.drain();
    assert!(numbers(&out).into_iter().eq(0..ROWS), "each once, in order");
    let report = std::fs::read_to_string(at("report/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let longest = report["latency_ns"]["row"]["max"].as_f64().unwrap() / 1e9;
    assert!(longest < 60.0 && report["seconds"].as_f64().unwrap() < 60.0, "{report}");
}
