//! The way out over MQTT: links of the sink and of the dead letters are cut and stalled, their brokers started again.

mod broker;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker::narrow::{Manner, Narrow};
use broker::numbered::{carrier, persistent};
use broker::proxy::Proxy;
use broker::{Mosquitto, Process, embedded, rowmill, wait_until};
use rumqttc::{Client, Event, Incoming, MqttOptions, QoS};
use tempfile::TempDir;

const ROWS: u64 = 200;

/// What is published on these topics, whatever becomes of the broker meanwhile.
fn collect(port: u16, topic: &str) -> Arc<Mutex<Vec<serde_json::Value>>> {
    let mut options = MqttOptions::new(format!("collector-{topic}"), "127.0.0.1", port);
    options.set_clean_session(false).set_inflight(20);
    let (client, mut connection) = Client::new(options, 64);
    client.subscribe(topic, QoS::AtLeastOnce).unwrap();
    let subscribed = |event| matches!(event, Ok(Event::Incoming(Incoming::SubAck(_))));
    assert!(connection.iter().any(subscribed), "no answer to the subscription");
    let collected = Arc::<Mutex<Vec<serde_json::Value>>>::default();
    let into = collected.clone();
    std::thread::spawn(move || {
        let _subscribed = client;
        for event in connection.iter() {
            match event {
                Ok(Event::Incoming(Incoming::Publish(publish))) => {
                    into.lock().unwrap().push(serde_json::from_slice(&publish.payload).unwrap());
                }
                Ok(_) => {}
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    });
    collected
}

/// A run that reads rows from standard input.
struct Run {
    process: Process,
    rows: Option<ChildStdin>,
    next: u64,
}

impl Run {
    fn start(command: &mut Command) -> Run {
        let mut process = Process(command.stdin(Stdio::piped()).spawn().unwrap());
        let rows = process.0.stdin.take();
        Run { process, rows, next: 0 }
    }

    /// Gives it the next rows, made of their numbers.
    fn feed(&mut self, rows: u64, row: impl Fn(u64) -> String) {
        let text: String = (self.next..self.next + rows).map(|n| row(n) + "\n").collect();
        self.rows.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
        self.next += rows;
    }

    /// Gives it no more; it ends by itself.
    fn end(mut self) -> u64 {
        drop(self.rows.take());
        assert_eq!(self.process.code(), Some(0));
        self.next
    }
}

fn number(n: u64) -> String {
    format!("{{\"n\": {n}}}")
}

fn unreadable(n: u64) -> String {
    format!("{{\"n\": \"warm {n}\"}}")
}

fn mqtt(port: u16, topic: &str) -> PathBuf {
    format!("mqtt://127.0.0.1:{port}/{topic}").into()
}

/// A run with results at `sink` and dead letters at `dead`.
fn run(directory: &TempDir, sink: &Path, dead: &Path, set: &[String]) -> Run {
    let mut command = rowmill(&["run", "--quiet", "--source", "-"]);
    command.arg(carrier(directory)).arg("--sink").arg(sink).arg("--dead-letter").arg(dead);
    set.iter().for_each(|set| {
        command.args(["--set", set]);
    });
    Run::start(&mut command)
}

/// Results or dead letters, one each row.
#[derive(Clone, Copy)]
struct Way {
    section: &'static str,
    row: fn(u64) -> String,
}

const RESULTS: Way = Way { section: "sink", row: number };
const DEAD_LETTERS: Way = Way { section: "dead_letter", row: unreadable };

/// Rows go to `port` while faults come; all arrive on the broker at `heard`.
fn survives(way: Way, port: u16, heard: u16, set: &[&str], faults: usize, mut fault: impl FnMut(usize)) {
    let directory = tempfile::tempdir().unwrap();
    let collected = collect(heard, "out");
    let out = mqtt(port, "out");
    let null = PathBuf::from("null");
    let (sink, dead) = if way.section == "sink" { (&out, &null) } else { (&null, &out) };
    let set: Vec<String> = set.iter().map(|set| format!("{}.{set}", way.section)).collect();
    let mut run = run(&directory, sink, dead, &set);
    let rows = || collected.lock().unwrap().iter().map(|row| row["row"].as_u64().unwrap()).collect::<BTreeSet<_>>();
    for number in 0..faults {
        run.feed(ROWS, way.row);
        wait_until("some rows", || rows().len() as u64 > number as u64 * ROWS);
        fault(number);
    }
    run.feed(ROWS, way.row);
    let sent = run.end();
    wait_until("all rows", || rows().len() as u64 >= sent);
    assert!(rows().into_iter().eq(0..sent));
}

#[test]
#[cfg_attr(not(feature = "broker"), ignore = "needs the feature `broker`")]
fn results_survive_links_that_are_cut() {
    let (port, _broker) = embedded();
    let proxy = Proxy::start(port);
    survives(RESULTS, proxy.port, port, &["qos=1"], 4, |_| proxy.cut());
}

#[test]
#[cfg_attr(not(feature = "broker"), ignore = "needs the feature `broker`")]
fn dead_letters_survive_links_that_are_cut() {
    let (port, _broker) = embedded();
    let proxy = Proxy::start(port);
    survives(DEAD_LETTERS, proxy.port, port, &["qos=1"], 4, |_| proxy.cut());
}

#[test]
#[ignore = "needs mosquitto"]
fn all_survive_links_that_are_cut_at_every_quality_of_service() {
    for way in [RESULTS, DEAD_LETTERS] {
        for set in [
            ["qos=1", "user=\"a\""],
            ["qos=2", "user=\"a\""],
            ["qos=1", "client_id=\"out\""],
            ["qos=2", "client_id=\"out\""],
        ] {
            let directory = tempfile::tempdir().unwrap();
            let broker = persistent(&directory);
            let proxy = Proxy::start(broker.port);
            survives(way, proxy.port, broker.port, &set, 5, |_| proxy.cut());
        }
    }
}

#[test]
#[ignore = "needs mosquitto"]
fn all_survive_brokers_that_are_started_again() {
    for way in [RESULTS, DEAD_LETTERS] {
        for set in [["qos=1", "user=\"a\""], ["qos=2", "client_id=\"out\""]] {
            let directory = tempfile::tempdir().unwrap();
            let mut broker = persistent(&directory);
            let port = broker.port;
            survives(way, port, port, &set, 4, |_| broker.restart());
        }
    }
}

#[test]
#[ignore = "needs mosquitto"]
fn results_survive_a_link_that_stalls() {
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    let proxy = Proxy::start(broker.port);
    // For longer than a broker may be silent, and for shorter.
    survives(RESULTS, proxy.port, broker.port, &["qos=1"], 2, |number| {
        proxy.stall(true);
        std::thread::sleep(Duration::from_secs(if number == 0 { 15 } else { 1 }));
        proxy.stall(false);
    });
}

/// At QoS 2, what a killed run has begun does not fill the broker's window for the ones after it.
#[test]
#[ignore = "needs mosquitto"]
fn runs_that_were_killed_are_not_in_the_way() {
    let directory = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(&directory, "allow_anonymous true\nmax_inflight_messages 5\nmax_queued_messages 5\n");
    let collected = collect(broker.port, "out");
    let set = ["sink.qos=2".to_owned(), "sink.client_id=\"out\"".to_owned()];
    for _ in 0..6 {
        let before = collected.lock().unwrap().len();
        let mut run = run(&directory, &mqtt(broker.port, "out"), Path::new("null"), &set);
        run.feed(20_000, number);
        wait_until("some rows", || collected.lock().unwrap().len() > before + 100);
        run.process.kill();
    }
    let mut run = run(&directory, &mqtt(broker.port, "out"), Path::new("null"), &set);
    run.feed(ROWS, number);
    run.end();
}

/// A dataflow that carries a number and a text.
fn noted(directory: &TempDir) -> PathBuf {
    let path = directory.path().join("noted.toml");
    let text = "schema = { number = [\"n\"], text = [\"note\"] }\nsource.url = \"-\"\n\
        buffer = { bucket_size = 3, delay = \"50ms\" }\nsink.url = \"null\"\n";
    std::fs::write(&path, text).unwrap();
    path
}

fn letters(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Twenty rows, the eighth of which is longer than the broker at `port` takes: what the report counts, and the dead
/// letters.
fn one_is_too_large(port: u16, set: &str) -> (serde_json::Value, Vec<serde_json::Value>) {
    let directory = tempfile::tempdir().unwrap();
    let (rows, dead) = (directory.path().join("rows.ndjson"), directory.path().join("dead.ndjson"));
    let note = |n: u64| "x".repeat(if n == 7 { 2_000 } else { 10 });
    let text: String = (0..20).map(|n| format!("{{\"n\": {n}, \"note\": \"{}\"}}\n", note(n))).collect();
    std::fs::write(&rows, text).unwrap();
    let mut command = rowmill(&["run", "--quiet", "--source"]);
    command.arg(&rows).arg(noted(&directory)).arg("--sink").arg(mqtt(port, "out")).arg("--dead-letter").arg(&dead);
    command.args(["--set", set, "--report"]).arg(directory.path());
    assert_eq!(Process(command.spawn().unwrap()).code(), Some(0));
    let report = std::fs::read(directory.path().join("report.json")).unwrap();
    let letters = letters(&dead);
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["topic"].as_str(), rows.to_str());
    assert_eq!((letters[0]["position"].as_u64(), letters[0]["row"].as_u64()), (Some(8), Some(7)));
    assert!(letters[0]["raw"].as_str().unwrap().starts_with("{\"n\": 7, \"note\""));
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    let count = |key: &str| report[key].as_u64().unwrap();
    assert_eq!((count("rows_in"), count("rows_out"), count("dead_letters")), (20, 19, 1));
    (report, letters)
}

#[test]
fn a_result_larger_than_the_broker_takes_is_a_dead_letter() {
    for says in [true, false] {
        let broker = Narrow::start(Manner { most: 500, says, never: None });
        let (_, letters) = one_is_too_large(broker.port, "sink.qos=1");
        let reason = letters[0]["reason"].as_str().unwrap();
        let why = if says { "takes 500" } else { "closes the connection" };
        assert!(reason.contains("a publish of 20") && reason.contains(why), "{reason}");
        let taken: Vec<u64> = broker.taken().iter().map(|row| row["row"].as_u64().unwrap()).collect();
        assert!((0..20).filter(|row| *row != 7).all(|row| taken.contains(&row)) && !taken.contains(&7), "{taken:?}");
    }
}

/// A small one behind a larger one: its size is not the reason.
#[test]
fn a_result_at_which_the_broker_closes_the_connection_is_a_dead_letter_also_if_it_is_small() {
    let directory = tempfile::tempdir().unwrap();
    let broker = Narrow::start(Manner { most: usize::MAX, says: false, never: Some("bad") });
    let (rows, dead) = (directory.path().join("rows.ndjson"), directory.path().join("dead.ndjson"));
    let note = |n: u64| if n == 3 || n == 7 { "bad".to_owned() } else { "x".repeat(20 - n as usize) };
    let text: String = (0..8).map(|n| format!("{{\"n\": {n}, \"note\": \"{}\"}}\n", note(n))).collect();
    std::fs::write(&rows, text).unwrap();
    let mut command = rowmill(&["run", "--quiet", "--source"]);
    command
        .arg(&rows)
        .arg(noted(&directory))
        .arg("--sink")
        .arg(mqtt(broker.port, "out"))
        .arg("--dead-letter")
        .arg(&dead);
    assert_eq!(Process(command.args(["--set", "sink.qos=1"]).spawn().unwrap()).code(), Some(0));
    let letters = letters(&dead);
    let rows = letters.iter().map(|letter| letter["row"].as_u64()).collect::<Vec<_>>();
    assert_eq!(rows, [Some(3), Some(7)]);
    assert!(letters.iter().all(|letter| letter["reason"].as_str().unwrap().contains("closes the connection")));
    let taken: BTreeSet<u64> = broker.taken().iter().map(|row| row["row"].as_u64().unwrap()).collect();
    assert!(taken.into_iter().eq([0, 1, 2, 4, 5, 6]));
}

#[test]
#[ignore = "needs mosquitto"]
fn a_result_larger_than_mosquitto_takes_is_a_dead_letter() {
    for limit in ["max_packet_size 500", "message_size_limit 500"] {
        for qos in [1, 2] {
            let directory = tempfile::tempdir().unwrap();
            let broker = Mosquitto::start(&directory, &format!("allow_anonymous true\n{limit}\n"));
            let collected = collect(broker.port, "out");
            one_is_too_large(broker.port, &format!("sink.qos={qos}"));
            let taken =
                || collected.lock().unwrap().iter().map(|row| row["row"].as_u64().unwrap()).collect::<BTreeSet<_>>();
            wait_until("the others", || taken().len() == 19);
            assert!(!taken().contains(&7));
        }
    }
}

#[test]
fn a_dead_letter_larger_than_its_broker_takes_is_cut() {
    for says in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let broker = Narrow::start(Manner { most: 500, says, never: None });
        let mut run = run(&directory, Path::new("null"), &mqtt(broker.port, "dead"), &[]);
        run.feed(3, |n| if n == 1 { format!("{{\"n\": \"{}\"}}", "x".repeat(2_000)) } else { unreadable(n) });
        assert_eq!(run.end(), 3);
        let mut letters = broker.taken();
        letters.sort_by_key(|letter| letter["row"].as_u64());
        letters.dedup_by_key(|letter| letter["row"].as_u64());
        assert_eq!(letters.len(), 3, "{letters:?}");
        assert_eq!(letters[1]["raw_bytes"].as_u64(), Some(2_009));
        let raw = letters[1]["raw"].as_str().unwrap();
        assert!((30..400).contains(&raw.len()) && raw.starts_with("{\"n\": \"xxx"), "{raw}");
    }
}

/// Dead letters that their broker has not taken are not acknowledged at the source: they come again.
#[test]
#[ignore = "needs mosquitto"]
fn a_row_is_acknowledged_when_its_dead_letter_is_safe() {
    let directory = tempfile::tempdir().unwrap();
    let source = persistent(&directory);
    let dead = Narrow::start(Manner { most: usize::MAX, says: false, never: None });
    dead.mute.store(true, Ordering::Release);
    let dataflow = carrier(&directory);
    let start = || {
        let mut command = rowmill(&["run", "--sink"]);
        command
            .arg(directory.path().join("out.ndjson"))
            .arg(&dataflow)
            .arg("--dead-letter")
            .arg(mqtt(dead.port, "dead"));
        command.arg("--source").arg(mqtt(source.port, "rows")).args(["--set", "source.session=true"]);
        Process::subscribed(&mut command)
    };
    let mut first = start();
    let (station, mut connection) = Client::new(MqttOptions::new("station", "127.0.0.1", source.port), 1024);
    (0..ROWS).for_each(|n| station.publish("rows", QoS::AtLeastOnce, false, unreadable(n)).unwrap());
    let taken = connection.iter().filter(|event| matches!(event, Ok(Event::Incoming(Incoming::PubAck(_)))));
    assert_eq!(taken.take(ROWS as usize).count() as u64, ROWS);
    wait_until("dead letters on their way", || !dead.taken().is_empty());
    // For longer than it takes to write the checkpoint.
    std::thread::sleep(Duration::from_secs(1));
    first.kill();
    dead.clear();
    dead.mute.store(false, Ordering::Release);
    let second = start();
    let rows = || dead.taken().iter().map(|letter| letter["raw"].to_string()).collect::<BTreeSet<_>>();
    wait_until("all dead letters", || rows().len() as u64 == ROWS);
    second.drain();
}
