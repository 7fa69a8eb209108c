//! A source of several connections, shared out among processes: what each reads, and how they end together.

mod broker;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use broker::numbered::{carrier, numbers, persistent, publish_to, run};
use broker::played::Played;
use broker::{Mosquitto, Process, free_port, wait_until};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rumqttc::QoS;
use tempfile::TempDir;

const TOPICS: &str = "source.connections=[\"north\", \"south\"]";
const ROWS: u64 = 10_000;

/// A run that reads the topics of both stations into a file.
fn both(directory: &TempDir, broker: &Mosquitto, out: &Path, flags: &[&str]) -> Command {
    let mut command = run(&carrier(directory), broker.port, 1, out, flags);
    command.args(["--set", TOPICS]);
    command
}

/// Publishes at both stations at once: odd hundreds of thousands are those of the south.
fn publish_at_both(port: u16, rows: u64) {
    let at = |topic, first: u64| {
        let random = &mut ChaCha8Rng::seed_from_u64(first);
        publish_to(port, topic, QoS::AtLeastOnce, first..first + rows, random);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| at("north", 0));
        at("south", 100_000);
    });
}

/// Every row came once, those of each station in the order they were published.
fn assert_in_order(out: &Path, rows: u64) {
    let (south, north): (Vec<u64>, Vec<u64>) = numbers(out).into_iter().partition(|number| *number >= 100_000);
    assert!(north.into_iter().eq(0..rows), "a row of the north is missing or out of order");
    assert!(south.into_iter().eq(100_000..100_000 + rows), "a row of the south is missing or out of order");
}

#[test]
#[ignore = "needs mosquitto"]
fn each_topic_keeps_its_order_whichever_process_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    for flags in [&["-w", "2"][..], &["-n", "2", "-w", "1"], &["-n", "3", "-w", "2"]] {
        let out = directory.path().join("out.csv");
        let report = directory.path().join("report");
        let report = ["--fresh", "--report", report.to_str().unwrap()];
        let process = Process::subscribed(&mut both(&directory, &broker, &out, &[flags, &report].concat()));
        publish_at_both(broker.port, ROWS);
        wait_until("all rows", || numbers(&out).len() as u64 >= 2 * ROWS);
        process.drain();
        assert_in_order(&out, ROWS);
        let report = std::fs::read(directory.path().join("report/report.json")).unwrap();
        let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
        let latency = &report["latency_ns"]["row"];
        // The clock of another process began to run at another time.
        assert_eq!(latency["count"], 2 * ROWS);
        assert!(latency["p50"].as_f64().unwrap() > 1e3 && latency["max"].as_f64().unwrap() < 5e9, "{latency}");
    }
}

#[test]
#[ignore = "needs mosquitto"]
fn rows_that_cannot_be_used_are_told_with_the_topic_they_came_by() {
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    let (out, dead) = (directory.path().join("out.csv"), directory.path().join("dead.ndjson"));
    let flags = ["-n", "2", "--dead-letter", dead.to_str().unwrap()];
    let process = Process::subscribed(&mut both(&directory, &broker, &out, &flags));
    for (topic, payload) in [("north", "garbage of the north"), ("south", "garbage of the south")] {
        let mut publish = Command::new("mosquitto_pub");
        publish.args(["-p", &broker.port.to_string(), "-q", "1", "-t", topic, "-m", payload]);
        assert!(publish.status().unwrap().success());
    }
    wait_until("both letters", || broker::lines(&dead) == 2);
    process.drain();
    let text = std::fs::read_to_string(&dead).unwrap();
    for line in text.lines() {
        let letter: serde_json::Value = serde_json::from_str(line).unwrap();
        let topic = letter["topic"].as_str().unwrap();
        assert_eq!(letter["raw"], format!("garbage of the {topic}"), "{letter}");
    }
    assert!(text.contains("\"north\"") && text.contains("\"south\""), "{text}");
}

#[test]
fn a_connection_that_fails_in_another_process_ends_the_run_with_its_reason() {
    let directory = tempfile::tempdir().unwrap();
    let (listener, port) = Played::listen();
    let mut command = run(&carrier(&directory), port, 1, &directory.path().join("out.csv"), &["-n", "2"]);
    let run = command.args(["--set", TOPICS]).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let _accepted = [(); 2].map(|()| Played::accept_but(&listener, false, Some("south")));
    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("/south: NotAuthorized"), "{said}");
}

#[test]
fn a_filter_that_mqtt_does_not_know_is_refused_before_a_connection_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out.csv");
    let mut command = run(&carrier(&directory), free_port(), 1, &out, &["-n", "2"]);
    command.args(["--set", "source.connections=[\"north\", \"south/#/x\"]"]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("south/#/x") && said.contains("is no filter of MQTT"), "{said}");
}

#[test]
#[ignore = "needs mosquitto"]
fn a_signal_to_one_of_two_hosts_drains_both() {
    for signalled in 0..2 {
        let directory = tempfile::tempdir().unwrap();
        let broker = persistent(&directory);
        let (out, hosts) = (directory.path().join("out.csv"), directory.path().join("hosts"));
        std::fs::write(&hosts, format!("127.0.0.1:{}\n127.0.0.1:{}\n", free_port(), free_port())).unwrap();
        let host = |process: &str| {
            let flags = ["-n", "2", "-p", process, "--hostfile", hosts.to_str().unwrap()];
            both(&directory, &broker, &out, &flags)
        };
        let other = Process(host("1").stderr(Stdio::null()).spawn().unwrap());
        let mut processes = vec![Process::subscribed(&mut host("0")), other];
        std::thread::scope(|scope| {
            scope.spawn(|| publish_at_both(broker.port, ROWS));
            std::thread::sleep(Duration::from_millis(200));
            processes.remove(signalled).drain();
            assert_eq!(processes.remove(0).code(), Some(0));
        });
        let rest = Process::subscribed(&mut both(&directory, &broker, &out, &[]));
        wait_until("all rows", || numbers(&out).len() as u64 >= 2 * ROWS);
        rest.drain();
        assert_in_order(&out, ROWS);
    }
}
