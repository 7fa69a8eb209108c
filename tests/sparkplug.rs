//! Sparkplug B: the messages that pysparkplug writes (`scripts/make_sparkplug_goldens.py`), over brokers.

mod broker;

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use broker::publish::publish;
use broker::{Process, embedded, lines, numbered, rowmill, wait_until};
use rumqttc::{Client, Event, Incoming, MqttOptions, QoS};
use serde_json::Value;

fn messages() -> Vec<(String, Vec<u8>)> {
    let text = std::fs::read_to_string("data/payloads/sparkplug.ndjson").unwrap();
    let message = |line: &str| {
        let message: Value = serde_json::from_str(line).unwrap();
        let payload = STANDARD.decode(message["payload"].as_str().unwrap()).unwrap();
        (message["topic"].as_str().unwrap().to_owned(), payload)
    };
    text.lines().map(message).collect()
}

/// The rows of a file, without their numbers, and numbers as f64.
fn rows(path: &Path) -> Vec<Value> {
    let plain = |value: &mut Value| {
        if let Some(number) = value.as_f64() {
            *value = number.into();
        }
    };
    let text = std::fs::read_to_string(path).unwrap();
    let row = |line: &str| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        let cells = row.as_object_mut().unwrap();
        ["message", "row"].iter().for_each(|key| drop(cells.remove(*key)));
        cells.values_mut().for_each(plain);
        row
    };
    text.lines().map(row).collect()
}

fn expected() -> Vec<Value> {
    rows(Path::new("data/payloads/sparkplug.rows.ndjson"))
}

fn run(port: u16, directory: &Path) -> Command {
    let source = format!("mqtt://127.0.0.1:{port}/spBv1.0/roof/#");
    // The checkpoint is beside the dataflow file.
    let dataflow = directory.join("sparkplug.toml");
    std::fs::copy("dataflows/sparkplug.toml", &dataflow).unwrap();
    let mut command = rowmill(&["run"]);
    command.arg(dataflow).args(["--delay", "50ms", "--source", &source, "--sink"]).arg(directory.join("out.ndjson"));
    command.arg("--dead-letter").arg(directory.join("dead.ndjson"));
    command
}

#[test]
fn messages_of_an_edge_node_are_rows_and_one_unknown_is_asked_for_a_rebirth() {
    let (port, _broker) = embedded();
    let directory = tempfile::tempdir().unwrap();
    let (out, dead) = (directory.path().join("out.ndjson"), directory.path().join("dead.ndjson"));
    let mut options = MqttOptions::new("host", "127.0.0.1", port);
    options.set_inflight(20);
    let (client, mut connection) = Client::new(options, 16);
    client.subscribe("spBv1.0/roof/NCMD/+", QoS::AtLeastOnce).unwrap();
    let asked = Arc::<Mutex<Vec<(String, Vec<u8>)>>>::default();
    let into = asked.clone();
    std::thread::spawn(move || {
        let _subscribed = client;
        for event in connection.iter().map_while(Result::ok) {
            if let Event::Incoming(Incoming::Publish(publish)) = event {
                into.lock().unwrap().push((publish.topic, publish.payload.to_vec()));
            }
        }
    });
    let run = Process::subscribed(&mut run(port, directory.path()));
    let messages = messages();
    publish(port, &messages);
    wait_until("the rows", || lines(&out) >= expected().len());
    // A node whose birth nobody has heard, and a payload that is none.
    let of_another = |(topic, payload): &(String, Vec<u8>)| (topic.replace("north", "east"), payload.clone());
    let data: Vec<_> =
        messages.iter().filter(|(topic, _)| topic.contains("DDATA/north")).take(1).map(of_another).collect();
    publish(port, &data);
    publish(port, &[("spBv1.0/roof/NDATA/north", "{}")]);
    wait_until("the request", || !asked.lock().unwrap().is_empty());
    wait_until("the dead letters", || lines(&dead) == 2);
    run.drain();
    assert_eq!(rows(&out), expected());
    let asked = asked.lock().unwrap();
    assert!(asked.iter().all(|(topic, _)| topic == "spBv1.0/roof/NCMD/east"), "{asked:?}");
    assert!(asked[0].1.windows(20).any(|bytes| bytes == b"Node Control/Rebirth"));
    let told = std::fs::read_to_string(&dead).unwrap();
    assert!(told.contains("no birth certificate") && told.contains("not read as Sparkplug B"), "{told}");
}

#[test]
#[ignore = "needs mosquitto"]
fn what_nodes_have_said_outlives_kills() {
    let directory = tempfile::tempdir().unwrap();
    let broker = numbered::persistent(&directory);
    let out = directory.path().join("out.ndjson");
    let messages = messages();
    let mut process = Process::subscribed(&mut run(broker.port, directory.path()));
    // Killed behind each message: what has been said before is known, and no row is lost or doubled.
    for (place, message) in messages.iter().enumerate() {
        publish(broker.port, std::slice::from_ref(message));
        if place % 3 == 2 {
            process.kill();
            process = Process::subscribed(&mut run(broker.port, directory.path()));
        }
    }
    wait_until("the rows", || lines(&out) >= expected().len());
    process.drain();
    assert_eq!(rows(&out), expected());
    let dead = std::fs::read_to_string(directory.path().join("dead.ndjson")).unwrap_or_default();
    assert_eq!(dead, "");
}
