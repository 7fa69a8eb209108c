//! The whole way over MQTT: the embedded broker, and Debian's mosquitto.

mod broker;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rumqttc::{Client, MqttOptions, QoS};
use tempfile::TempDir;

use broker::publish::publish;
use broker::{Mosquitto, Process, embedded, lines, numbered, rowmill, wait_until};

/// How often each row stands in a CSV file, whatever its message and number.
fn contents(path: &Path) -> HashMap<String, usize> {
    let mut rows = HashMap::new();
    for line in std::fs::read_to_string(path).unwrap_or_default().lines().skip(1) {
        let row = line.splitn(3, ',').nth(2).unwrap_or_default();
        *rows.entry(row.to_owned()).or_default() += 1;
    }
    rows
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
    let run = Process::subscribed(
        rowmill(&["run", "dataflows/weather.toml", "--source", &wildcard, "--delay", "1m", "-w", "2", "--sink"])
            .arg(&out)
            .args(chain)
            .args(["--report"])
            .arg(directory.path()),
    );
    let replay =
        rowmill(&["replay", "data/sample.csv", "--to", &topic, "--rate", "4000"]).stderr(Stdio::null()).status();
    assert!(replay.unwrap().success());
    wait_until("the dataflow", || lines(&out) == lines(&expected));
    run.drain();
    assert!(std::fs::read(&out).unwrap() == std::fs::read(&expected).unwrap());
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(directory.path().join("report.json")).unwrap()).unwrap();
    assert_eq!((report["rows_in"].as_u64(), report["dead_letters"].as_u64()), (Some(2000), Some(0)));
}

#[test]
fn over_the_embedded_broker() {
    let (port, _broker) = embedded();
    there_and_back(port);
}

#[test]
#[ignore = "needs mosquitto"]
fn over_mosquitto() {
    let directory = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(&directory, "allow_anonymous true\n");
    there_and_back(broker.port);
}

/// What carries rows as they are: no subtask but prepare and result.
fn carrier(directory: &TempDir) -> PathBuf {
    let path = directory.path().join("carrier.toml");
    let text = "schema = \"davis\"\n[source]\nurl = \"-\"\n[buffer]\nbucket_size = 50\ndelay = \"50ms\"\n[sink]\nurl = \"null\"\n";
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
#[ignore = "needs mosquitto"]
fn every_quality_of_service_behind_a_login() {
    let directory = tempfile::tempdir().unwrap();
    let passwords = directory.path().join("passwords");
    std::fs::write(&passwords, "station:rain\n").unwrap();
    let made = Command::new("mosquitto_passwd").arg("-U").arg(&passwords).status();
    assert!(made.unwrap().success());
    let options = format!("allow_anonymous false\npassword_file {}\n", passwords.display());
    let broker = Mosquitto::start(&directory, &options);
    let carrier = carrier(&directory);
    let login = |section: &str, password: &str, qos: u8| {
        let set = |key: &str, value: &str| ["--set".to_owned(), format!("{section}.{key}={value}")];
        [set("user", "\"station\""), set("password", &format!("\"{password}\"")), set("qos", &qos.to_string())].concat()
    };
    for qos in 0..=2 {
        let out = directory.path().join(format!("{qos}.csv"));
        let url = format!("mqtt://127.0.0.1:{}/weather/{qos}", broker.port);
        let mut run = rowmill(&["run"]);
        run.arg(&carrier).args(["--source", &url, "--sink"]).arg(&out).args(login("source", "rain", qos));
        let run = Process::subscribed(&mut run);
        let mut publish = rowmill(&["run"]);
        publish.arg(&carrier).args(["--source", "data/sample.csv", "--quiet", "--sink", &url]);
        assert!(publish.args(login("sink", "rain", qos)).status().unwrap().success());
        wait_until(&format!("quality of service {qos}"), || lines(&out) == 2001);
        run.drain();
        let mut reader = csv::Reader::from_path(&out).unwrap();
        let ids: Vec<u64> = reader.records().map(|row| row.unwrap()[1].parse().unwrap()).collect();
        assert!(ids.into_iter().eq(0..2000), "each row once, in order");
    }
    let url = format!("mqtt://127.0.0.1:{}/weather", broker.port);
    let mut refused = rowmill(&["run"]);
    refused.arg(&carrier).args(["--source", &url]).args(login("source", "snow", 1));
    let refused = refused.output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("refuses the login") && !said.contains("snow"), "{said}");
}

#[test]
#[ignore = "needs mosquitto"]
fn a_broker_that_comes_back_finds_its_session_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store/");
    std::fs::create_dir(&store).unwrap();
    let options = format!("allow_anonymous true\npersistence true\npersistence_location {}/\n", store.display());
    let mut broker = Mosquitto::start(&directory, &options);
    let url = format!("mqtt://127.0.0.1:{}/weather", broker.port);
    let out = directory.path().join("out.csv");
    let mut run = rowmill(&["run"]);
    run.arg(carrier(&directory)).args(["--source", &url, "--set", "source.client_id=\"mill\"", "--sink"]).arg(&out);
    let run = Process::subscribed(&mut run);
    let replay = || {
        let replay = rowmill(&["replay", "data/sample.csv", "--to", &url]).status();
        assert!(replay.unwrap().success());
    };
    replay();
    wait_until("the first half", || lines(&out) == 2001);
    let first = contents(&out);
    broker.restart();
    // The dataflow may still be waiting to connect: its session on the broker keeps the rows.
    replay();
    wait_until("the second half", || lines(&out) > 2 * 2000);
    run.drain();
    let twice: HashMap<String, usize> = first.into_iter().map(|(row, times)| (row, 2 * times)).collect();
    assert!(contents(&out) == twice, "what came again was known");
}

#[test]
fn garbage_goes_to_the_dead_letters_with_its_topic() {
    let (port, _broker) = embedded();
    let directory = tempfile::tempdir().unwrap();
    let (out, dead) = (directory.path().join("out.csv"), directory.path().join("dead.ndjson"));
    let mut run = rowmill(&["run"]);
    run.arg(carrier(&directory)).args(["--source", &format!("mqtt://127.0.0.1:{port}/station/#"), "--sink"]).arg(&out);
    run.args(["--set", "source.max_payload=200000", "--dead-letter"]).arg(&dead);
    let run = Process::subscribed(&mut run);
    let mut options = MqttOptions::new("garbage", "127.0.0.1", port);
    options.set_max_packet_size(4 << 20, 4 << 20);
    let (client, mut connection) = Client::new(options, 64);
    std::thread::spawn(move || connection.iter().take_while(Result::is_ok).for_each(drop));
    let long = vec![b'x'; 1 << 20];
    let payloads: [(&str, &[u8]); 9] = [
        ("station/a", b"{\"outTemp\": 1}"),
        ("station/a", b"{\"outTemp\": "),
        ("station/b", b"\xff\x00\xfe"),
        ("station/b", &long),
        ("station/c", b"{\"outTemp\": [1, 2]}"),
        ("station/c", b""),
        ("station/d", b"[{\"outTemp\": \"NaN\"}, {\"outTemp\": \"cold\"}, {\"outTemp_C\": \"2.5\"}]"),
        ("station/d", b"outTemp,station\n3,x\nwarm,y\n"),
        ("station/e", b"{\"outTemp\": 4}"),
    ];
    for (topic, payload) in payloads {
        client.publish(topic, QoS::AtLeastOnce, false, payload).unwrap();
    }
    wait_until("the good rows", || lines(&out) == 1 + 5);
    run.drain();
    let temperatures: Vec<String> = csv::Reader::from_path(&out)
        .unwrap()
        .deserialize::<HashMap<String, String>>()
        .map(|row| row.unwrap()["outTemp"].clone())
        .collect();
    assert_eq!(temperatures, ["1.0", "", "2.5", "3.0", "4.0"]);
    let letters = std::fs::read_to_string(&dead).unwrap();
    let letters: Vec<serde_json::Value> = letters.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let topics: Vec<&str> = letters.iter().map(|letter| letter["topic"].as_str().unwrap()).collect();
    let expected = ["a", "b", "b", "c", "c", "d", "d"].map(|station| format!("station/{station}"));
    assert_eq!(topics, expected);
    let reasons: Vec<&str> = letters.iter().map(|letter| letter["reason"].as_str().unwrap()).collect();
    let words = ["EOF", "neither JSON", "max_payload", "nested", "empty payload", "\"cold\" is not", "\"warm\" is not"];
    for (reason, word) in reasons.iter().zip(words) {
        assert!(reason.contains(word), "{reason}, not {word}");
    }
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

/// What a receiver by MQTT 5 sees beside the payloads of three rows.
fn properties_over(port: u16) -> Vec<Vec<(String, String)>> {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::{Client, Event, Incoming, MqttOptions};
    let (client, mut connection) = Client::new(MqttOptions::new("receiver", "127.0.0.1", port), 8);
    client.subscribe("results", QoS::AtLeastOnce).unwrap();
    assert!(connection.iter().any(|event| matches!(event, Ok(Event::Incoming(Incoming::SubAck(_))))));
    let directory = tempfile::tempdir().unwrap();
    let rows = directory.path().join("rows.csv");
    std::fs::write(&rows, "n\n1\n2\n3\n").unwrap();
    let mut run = rowmill(&["run", "--quiet", "--bucket-size", "2", "--source"]);
    run.arg(&rows).args(["--sink", &format!("mqtt://127.0.0.1:{port}/results")]).arg(numbered::carrier(&directory));
    run.args(["--set", "sink.properties=true"]);
    assert!(run.status().unwrap().success());
    let properties = connection.iter().filter_map(|event| match event.expect("the broker stays") {
        Event::Incoming(Incoming::Publish(publish)) => Some(publish.properties.unwrap_or_default().user_properties),
        _ => None,
    });
    properties.take(3).collect()
}

fn places() -> Vec<Vec<(String, String)>> {
    let place = |message: &str, row: &str| vec![("message".into(), message.into()), ("row".into(), row.into())];
    vec![place("0", "0"), place("0", "1"), place("1", "2")]
}

#[test]
fn a_result_carries_its_message_and_row_as_properties() {
    let (port, _broker) = embedded();
    assert_eq!(properties_over(port), places());
}

#[test]
#[ignore = "needs mosquitto"]
fn a_result_carries_its_message_and_row_as_properties_over_mosquitto() {
    let directory = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(&directory, "allow_anonymous true\n");
    assert_eq!(properties_over(broker.port), places());
}

#[test]
#[ignore = "needs mosquitto"]
fn a_topic_that_may_not_be_written_ends_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let access = directory.path().join("access");
    std::fs::write(&access, "topic read results\n").unwrap();
    let broker = Mosquitto::start(&directory, &format!("allow_anonymous true\nacl_file {}\n", access.display()));
    for qos in ["1", "2"] {
        let mut run = rowmill(&["run", "dataflows/weather.toml", "--quiet", "--source", "data/sample.csv", "--sink"]);
        run.arg(format!("mqtt://127.0.0.1:{}/results", broker.port)).args(["--set", &format!("sink.qos={qos}")]);
        let output = run.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("refuses what is published: NotAuthorized"), "{said}");
    }
}

/// Writes a dataflow file beside its results.
fn dataflow(directory: &TempDir, text: &str) -> PathBuf {
    let path = directory.path().join("flow.toml");
    std::fs::write(&path, text.replace("DIR", &directory.path().display().to_string())).unwrap();
    path
}

fn json_lines(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn values_of_topics_of_their_own_make_the_rows_of_their_stations() {
    let (port, _broker) = embedded();
    let directory = tempfile::tempdir().unwrap();
    let (out, dead) = (directory.path().join("out.ndjson"), directory.path().join("dead.ndjson"));
    let flow = format!(
        "schema = {{ number = [\"outTemp\", \"rain\"], text = [\"station\"] }}\nbuffer = {{ bucket_size = 1, delay = \"50ms\" }}\n\
         sink.url = \"DIR/out.ndjson\"\ndead_letter.url = \"DIR/dead.ndjson\"\n[source]\nurl = \"mqtt://127.0.0.1:{port}/w/#\"\n\
         topic = \"w/{{station}}/{{column}}\"\ncollect = \"1h\"\n"
    );
    let run = Process::subscribed(rowmill(&["run"]).arg(dataflow(&directory, &flow)));
    publish(
        port,
        &[
            ("w/n/outTemp", "4.5"),
            ("w/s/outTemp", "19.5"),
            ("w/n/rain", ""),
            ("w/n/rssi", "-60"),
            ("w/n/outTemp", "5"),
            ("w/n", "6"),
            ("w/s/rain", "0.2"),
            ("w/s/outTemp", "warm"),
            ("w/s/rain", "{\"a\": 1}"),
            ("w/s/outTemp", "20"),
            ("w/s/rain", "[1]"),
        ],
    );
    wait_until("the bad rows", || lines(&dead) == 3);
    run.drain();
    let rows: Vec<_> = json_lines(&out)
        .iter()
        .map(|row| (row["station"].clone(), row["outTemp"].clone(), row["rain"].clone()))
        .collect();
    let row = |station: &str, temperature: f64, rain: Option<f64>| (station.into(), temperature.into(), rain.into());
    assert_eq!(rows, [row("n", 4.5, None), row("s", 19.5, Some(0.2)), row("n", 5.0, None), row("s", 20.0, None)]);
    let letters: Vec<_> =
        json_lines(&dead).iter().map(|letter| (letter["topic"].clone(), letter["reason"].to_string())).collect();
    assert_eq!(letters.len(), 4);
    for ((topic, reason), (expected, word)) in
        letters.iter().zip([("w/n", "`topic`"), ("w/s/rain", "object"), ("w/s/rain", "array"), ("w/s/outTemp", "warm")])
    {
        assert!(topic == expected && reason.contains(word), "{letters:?}");
    }
}

#[test]
fn inferred_columns_are_those_of_several_topics() {
    let (port, _broker) = embedded();
    let directory = tempfile::tempdir().unwrap();
    let (out, dead) = (directory.path().join("out.ndjson"), directory.path().join("dead.ndjson"));
    let flow = format!(
        "schema = \"infer\"\nbuffer = {{ bucket_size = 1, delay = \"50ms\" }}\nsink.url = \"DIR/out.ndjson\"\n\
         dead_letter.url = \"DIR/dead.ndjson\"\n[source]\nurl = \"mqtt://127.0.0.1:{port}/w/#\"\n\
         topic = \"w/{{station}}/{{column}}\"\n"
    );
    let run = Process::subscribed(rowmill(&["run"]).arg(dataflow(&directory, &flow)));
    publish(port, &[("w/n/temp", "4.5"), ("w/n/hum", "50"), ("w/n/state", "on")]);
    wait_until("the rows", || lines(&out) + lines(&dead) == 3);
    run.drain();
    let rows = json_lines(&out);
    assert_eq!(rows.len(), 3, "{:?}", json_lines(&dead));
    assert_eq!((rows[1]["hum"].as_f64(), rows[2]["state"].as_str()), (Some(50.0), Some("on")));
}

#[test]
fn stations_under_a_wildcard_are_told_apart_and_a_lone_value_is_no_row() {
    let (port, _broker) = embedded();
    let directory = tempfile::tempdir().unwrap();
    let (out, dead) = (directory.path().join("out.ndjson"), directory.path().join("dead.ndjson"));
    let flow = format!(
        "schema = {{ number = [\"t\", \"floor\"], text = [\"station\"] }}\nbuffer = {{ bucket_size = 1, delay = \"50ms\" }}\n\
         sink.url = \"DIR/out.ndjson\"\ndead_letter.url = \"DIR/dead.ndjson\"\n[source]\n\
         url = \"mqtt://127.0.0.1:{port}/w/+/+/loop\"\ntopic = \"w/{{station}}/{{floor}}/loop\"\n"
    );
    let run = Process::subscribed(rowmill(&["run", "-w", "2"]).arg(dataflow(&directory, &flow)));
    publish(
        port,
        &[
            ("w/n/1/loop", "{\"t\": 4.5}"),
            ("w/s/2/loop", "[{\"t\": 19.5}, {\"t\": 20, \"station\": \"own\", \"floor\": null}]"),
            ("w/s/3/loop", "1.5"),
            ("w/s/cellar/loop", "{\"t\": 2}"),
            ("w/e/4/loop", "7,x\n8,y"),
            ("w/e/4/loop", "6.5\n7.5\n"),
        ],
    );
    wait_until("the rows", || lines(&out) == 5 && lines(&dead) == 4);
    run.drain();
    let rows: Vec<_> =
        json_lines(&out).iter().map(|row| (row["station"].clone(), row["floor"].clone(), row["t"].clone())).collect();
    let row = |station: &str, floor: f64, t: f64| (station.into(), floor.into(), t.into());
    assert_eq!(
        rows,
        [row("n", 1.0, 4.5), row("s", 2.0, 19.5), row("own", 2.0, 20.0), row("e", 4.0, 6.5), row("e", 4.0, 7.5)]
    );
    let reasons: Vec<_> = json_lines(&dead).iter().map(|letter| letter["reason"].to_string()).collect();
    for (reason, word) in reasons.iter().zip(["a lone value", "cellar", "2 cells", "2 cells"]) {
        assert!(reason.contains(word), "{reasons:?}");
    }
}

#[test]
fn rows_go_out_under_their_own_texts() {
    let (port, _broker) = embedded();
    let directory = tempfile::tempdir().unwrap();
    let topics = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let (client, mut connection) = Client::new(MqttOptions::new("reader", "127.0.0.1", port), 64);
    client.subscribe("out/#", QoS::AtLeastOnce).unwrap();
    let ready = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (read, subscribed) = (topics.clone(), ready.clone());
    std::thread::spawn(move || {
        for event in connection.iter().map_while(Result::ok) {
            match event {
                rumqttc::Event::Incoming(rumqttc::Incoming::SubAck(_)) => {
                    subscribed.store(true, std::sync::atomic::Ordering::SeqCst)
                }
                rumqttc::Event::Incoming(rumqttc::Incoming::Publish(publish)) => {
                    read.lock().unwrap().push(publish.topic)
                }
                _ => {}
            }
        }
    });
    wait_until("the subscription", || ready.load(std::sync::atomic::Ordering::SeqCst));
    let rows = "{\"t\": 1, \"station\": \"north\"}\n{\"t\": 2}\n{\"t\": 3, \"station\": \"a/b#\"}\n";
    std::fs::write(directory.path().join("in.ndjson"), rows).unwrap();
    let flow = format!(
        "schema = {{ number = [\"t\"], text = [\"station\"] }}\nsource.url = \"DIR/in.ndjson\"\n\
         sink.url = \"mqtt://127.0.0.1:{port}/out/{{station}}/t\"\ndead_letter.url = \"DIR/dead.ndjson\"\n"
    );
    let flow = dataflow(&directory, &flow);
    assert!(rowmill(&["run", "--quiet"]).arg(&flow).status().unwrap().success());
    wait_until("the rows", || topics.lock().unwrap().len() == 2);
    assert_eq!(*topics.lock().unwrap(), ["out/north/t", "out/a%2Fb%23/t"]);
    let letters = json_lines(&directory.path().join("dead.ndjson"));
    assert_eq!(letters.len(), 1);
    assert!(letters[0]["reason"].to_string().contains("no value for {station}"), "{letters:?}");
    let text = std::fs::read_to_string(&flow).unwrap();
    for wrong in ["{t}", "{sation}", "{station"] {
        std::fs::write(&flow, text.replace("{station}", wrong)).unwrap();
        let checked = rowmill(&["check"]).arg(&flow).output().unwrap();
        assert_eq!(checked.status.code(), Some(2), "{wrong}: {}", String::from_utf8_lossy(&checked.stderr));
    }
}

/// A relay before a broker, which refuses MQTT 5 as a broker of MQTT 3.1.1 does: in too few bytes for MQTT 5.
fn older_broker(port: u16) -> u16 {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let own = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut first = [0; 4096];
                let read = client.read(&mut first).unwrap_or(0);
                // The fixed header, its length in one or two bytes, the protocol's name, and its level.
                let at = if first[1] & 0x80 == 0 { 8 } else { 9 };
                if first[at] > 4 {
                    let _ = client.write_all(&[0x20, 2, 0, 1]);
                    return;
                }
                let mut broker = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
                broker.write_all(&first[..read]).unwrap();
                let (mut from, mut to) = (broker.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                let _ = std::io::copy(&mut client, &mut broker);
            });
        }
    });
    own
}

#[test]
fn a_broker_of_mqtt_3_is_found() {
    let (port, _broker) = embedded();
    let older = older_broker(port);
    for protocol in ["", "protocol = \"3.1.1\"\n"] {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out.ndjson");
        let flow = format!(
            "schema = {{ number = [\"t\"] }}\nbuffer = {{ bucket_size = 10, delay = \"50ms\" }}\nsink.url = \"DIR/out.ndjson\"\n\
             [source]\nurl = \"mqtt://127.0.0.1:{older}/w\"\nsession = true\nclient_id = \"mill-{}\"\n{protocol}",
            protocol.len()
        );
        let run = Process::subscribed(rowmill(&["run"]).arg(dataflow(&directory, &flow)));
        std::fs::write(
            directory.path().join("in.ndjson"),
            (0..200).map(|n| format!("{{\"t\": {n}}}\n")).collect::<String>(),
        )
        .unwrap();
        let back = format!(
            "schema = {{ number = [\"t\"] }}\nsource.url = \"DIR/in.ndjson\"\n[sink]\nurl = \"mqtt://127.0.0.1:{older}/w\"\n{protocol}"
        );
        let back_path = directory.path().join("back.toml");
        std::fs::write(&back_path, back.replace("DIR", &directory.path().display().to_string())).unwrap();
        assert!(rowmill(&["run", "--quiet"]).arg(&back_path).status().unwrap().success());
        wait_until("the rows", || lines(&out) == 200);
        run.drain();
        let rows: Vec<_> = json_lines(&out).iter().map(|row| row["t"].as_f64().unwrap()).collect();
        assert!(rows.into_iter().eq((0..200).map(f64::from)), "each row once, in order");
    }
    // What MQTT 3.1.1 does not have is refused: in the file where that says the version, else at the broker.
    let flow = |source: &str, sink: &str| {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("in.ndjson"), "{\"t\": 1}\n").unwrap();
        let text = format!("schema = {{ number = [\"t\"] }}\n[source]\n{source}\n[sink]\n{sink}\n");
        let path = dataflow(&directory, &text.replace("PORT", &older.to_string()));
        let run = rowmill(&["run", "--connect-timeout", "30s"]).arg(&path).output().unwrap();
        (run.status.code(), String::from_utf8_lossy(&run.stderr).into_owned())
    };
    for (said, code) in [("protocol = \"3.1.1\"", 2), ("", 1)] {
        let url = "url = \"mqtt://127.0.0.1:PORT/w\"\n";
        let many = format!("{url}session = true\nclient_id = \"mill-shared\"\nconnections = 2\n{said}");
        let (exit, told) = flow(&many, "url = \"null\"");
        assert!(exit == Some(code) && told.contains("shared subscriptions"), "{exit:?} {told}");
        let (exit, told) = flow("url = \"DIR/in.ndjson\"", &format!("{url}properties = true\n{said}"));
        assert!(exit == Some(code) && told.contains("no properties"), "{exit:?} {told}");
    }
    // Where MQTT 5 is asked for, the run says what is wrong.
    let directory = tempfile::tempdir().unwrap();
    let flow = format!(
        "schema = {{ number = [\"t\"] }}\nsink.url = \"null\"\n[source]\nurl = \"mqtt://127.0.0.1:{older}/w\"\nprotocol = \"5\"\n"
    );
    let flow = dataflow(&directory, &flow);
    let refused = rowmill(&["run", "--connect-timeout", "1s"]).arg(&flow).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && said.contains("leave out `protocol`"), "{said}");
}
