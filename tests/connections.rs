//! A source of several connections, shared out among processes: what each reads, and how they end together.

mod broker;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use broker::followed::Followed;
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
    // Not joined: where south comes first, the run ends before the other connection has subscribed.
    let broker = std::thread::spawn(move || {
        let _accepted = [(); 2].map(|()| Played::accept_but(&listener, false, Some("south")));
        std::thread::park_timeout(Duration::from_secs(60));
    });
    let output = run.wait_with_output().unwrap();
    broker.thread().unpark();
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

/// Rows of two connections through steps that move them between workers: each is there once, in its connection's order,
/// and what cannot be used is told with its own bytes by the process that has read it.
#[test]
fn rows_stay_with_the_process_that_reads_them_and_are_all_accounted_for() {
    const EACH: u16 = 30;
    let directory = tempfile::tempdir().unwrap();
    let steps = "[[subtask]]\nuse = \"diff\"\ncolumns = [\"d\"]\nfit = \"stream\"\nkey = \"k\"\n\
                 [[subtask]]\nuse = \"normalizer\"\ncolumns = [\"z\"]\n";
    let text = "schema = { number = [\"n\", \"d\", \"z\"], text = [\"k\"] }\n\
                [source]\nurl = \"-\"\nclient_id = \"mill\"\n[buffer]\nbucket_size = 4\ndelay = \"50ms\"\n\
                [sink]\nurl = \"null\"\n";
    for (placement, steps) in [("message", ""), ("message", steps), ("subtask", steps)] {
        let path = directory.path().join("moved.toml");
        std::fs::write(&path, format!("{text}{steps}")).unwrap();
        let (listener, port) = Played::listen();
        let (out, dead) = (directory.path().join("out.csv"), directory.path().join("dead.ndjson"));
        let _ = std::fs::remove_file(&dead);
        let flags = ["-n", "2", "-w", "2", "--fresh", "--placement", placement, "--set", TOPICS, "--dead-letter"];
        let mut command = run(&path, port, 1, &out, &flags);
        let process = Process(command.arg(&dead).stderr(Stdio::null()).spawn().unwrap());
        let mut brokers = [(); 2].map(|()| Played::accept(&listener, false));
        for id in 1..=EACH {
            for (station, broker) in (0..).zip(&mut brokers) {
                let (n, key) = (1000 * station + u32::from(id), ["a", "b"][station as usize]);
                let payload = match id % 10 {
                    3 => format!("garbage {n}"),
                    // A step that takes no infinity refuses this row.
                    7 => format!("{{\"n\":{n},\"d\":1,\"z\":\"inf\",\"k\":\"{key}\"}}"),
                    _ => format!("{{\"n\":{n},\"d\":{n},\"z\":1,\"k\":\"{key}\"}}"),
                };
                broker.publish_payload(id, &payload, false);
            }
        }
        for broker in &mut brokers {
            (1..=EACH).for_each(|id| assert_eq!(broker.acknowledged(), id));
        }
        drop(brokers);
        process.drain();
        let text = std::fs::read_to_string(&out).unwrap();
        let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
        let column = |name: &str| {
            let place = header.iter().position(|of| *of == name).unwrap();
            text.lines().skip(1).map(move |line| line.split(',').nth(place).unwrap().to_owned()).collect::<Vec<_>>()
        };
        let numbers: Vec<u32> = column("n").iter().map(|n| n.parse::<f64>().unwrap() as u32).collect();
        let refused = |id: u16| id % 10 == 3 || (id % 10 == 7 && !steps.is_empty());
        let expected =
            |station: u32| (1..=EACH).filter(|id| !refused(*id)).map(move |id| 1000 * station + u32::from(id));
        for station in 0..2 {
            let of_station = numbers.iter().copied().filter(|n| n / 1000 == station);
            assert!(of_station.eq(expected(station)), "{placement} {station}: {numbers:?}");
        }
        let letters: Vec<serde_json::Value> =
            std::fs::read_to_string(&dead).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut told: Vec<String> = letters.iter().map(|letter| letter["raw"].as_str().unwrap().to_owned()).collect();
        told.sort();
        let mut raws: Vec<String> = Vec::new();
        for (station, id) in (0..2_u32).flat_map(|station| (1..=EACH).map(move |id| (station, id))) {
            let (n, key) = (1000 * station + u32::from(id), ["a", "b"][station as usize]);
            if id % 10 == 3 {
                raws.push(format!("garbage {n}"));
            } else if refused(id) {
                raws.push(format!("{{\"n\":{n},\"d\":1,\"z\":\"inf\",\"k\":\"{key}\"}}"));
            }
        }
        raws.sort();
        assert_eq!(told, raws, "{placement}");
        assert!(letters.iter().all(|letter| letter["topic"] == "rows" && letter["position"].as_u64() >= Some(1)));
        // Each row has a number of its own, those of dead letters included.
        let of_letters = letters.iter().map(|letter| letter["row"].as_u64().unwrap());
        let rows: std::collections::BTreeSet<u64> =
            column("row").iter().map(|row| row.parse().unwrap()).chain(of_letters).collect();
        assert_eq!(rows.len(), 2 * usize::from(EACH));
    }
}

/// Each process publishes what it has made, and tells what the broker refuses with the bytes that came in.
#[test]
#[ignore = "needs mosquitto"]
fn results_that_a_broker_refuses_are_told_by_the_process_that_publishes_them() {
    let directory = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(&directory, "allow_anonymous true\nmax_packet_size 300\n");
    let path = directory.path().join("long.toml");
    let text = "schema = { number = [\"n\"], text = [\"k\"] }\n[source]\nurl = \"-\"\nclient_id = \"mill\"\n\
                [buffer]\nbucket_size = 2\ndelay = \"50ms\"\n[sink]\nurl = \"null\"\n";
    std::fs::write(&path, text).unwrap();
    let dead = directory.path().join("dead.ndjson");
    let sink = std::path::PathBuf::from(format!("mqtt://127.0.0.1:{}/results", broker.port));
    let collected = broker::collect(broker.port, "results");
    let mut command = run(&path, broker.port, 1, &sink, &["-n", "2", "--set", TOPICS, "--dead-letter"]);
    let process = Process::subscribed(command.arg(&dead).current_dir(directory.path()));
    let payload = |n: u64| {
        let text = if n.is_multiple_of(3) { "x".repeat(250) } else { "short".into() };
        format!("{{\"n\":{n},\"k\":\"{text}\"}}")
    };
    for n in 1..=12 {
        let topic = if n % 2 == 0 { "north" } else { "south" };
        let mut publish = Command::new("mosquitto_pub");
        publish.args(["-p", &broker.port.to_string(), "-q", "1", "-t", topic, "-m", &payload(n)]);
        assert!(publish.status().unwrap().success());
    }
    wait_until("all letters", || broker::lines(&dead) == 4);
    wait_until("all results", || collected.lock().unwrap().len() == 8);
    process.drain();
    let mut told = Vec::new();
    for line in std::fs::read_to_string(&dead).unwrap().lines() {
        let letter: serde_json::Value = serde_json::from_str(line).unwrap();
        let raw: serde_json::Value = serde_json::from_str(letter["raw"].as_str().unwrap()).unwrap();
        let n = raw["n"].as_u64().unwrap();
        assert_eq!((&letter["subtask"], &letter["raw"]), (&"sink".into(), &payload(n).into()));
        assert_eq!(letter["topic"], if n.is_multiple_of(2) { "north" } else { "south" });
        told.push(n);
    }
    told.sort_unstable();
    assert_eq!(told, [3, 6, 9, 12]);
    let mut rows: Vec<u64> = collected.lock().unwrap().iter().map(|row| row["row"].as_u64().unwrap()).collect();
    rows.sort_unstable();
    rows.dedup();
    assert_eq!(rows.len(), 8, "each result has a row of its own");
}

/// Two listeners of one broker look like two brokers: that is told, and the run ends at the first row of its own.
#[test]
#[ignore = "needs mosquitto"]
fn a_loop_over_two_listeners_ends_at_its_first_row() {
    let directory = tempfile::tempdir().unwrap();
    let web = free_port();
    let options =
        format!("allow_anonymous true\nlistener {web} 127.0.0.1\nprotocol websockets\nallow_anonymous true\n");
    let broker = Mosquitto::start(&directory, &options);
    let path = directory.path().join("loop.toml");
    let text = |more: &str, topic: &str| {
        format!(
            "schema = {{ number = [\"t\"] }}\n[source]\nurl = \"mqtt://127.0.0.1:{}/w/#\"\n{more}[buffer]\nbucket_size = 1\n\
             [sink]\nurl = \"ws://127.0.0.1:{web}/{topic}\"\n",
            broker.port
        )
    };
    let start = |more: &str, topic: &str| {
        std::fs::write(&path, text(more, topic)).unwrap();
        let check = broker::rowmill(&["check", path.to_str().unwrap()]).output().unwrap();
        assert!(check.status.success());
        let told = String::from_utf8(check.stderr).unwrap();
        let run = Followed::start(broker::rowmill(&["run", path.to_str().unwrap()]).current_dir(directory.path()));
        run.wait_for("subscribed to");
        let mut publish = Command::new("mosquitto_pub");
        publish.args(["-p", &broker.port.to_string(), "-q", "1", "-t", "w/a", "-m", "{\"t\":1}"]);
        assert!(publish.status().unwrap().success());
        (told, run)
    };
    let (told, run) = start("", "w/clean");
    assert!(told.contains("is the same broker") && told.contains("allow_loop = true"), "{told}");
    run.wait_for("takes it again, for ever");
    let (code, said) = run.end();
    assert!(code == Some(1) && said.contains("is the same broker"), "{code:?} {said}");
    let (told, mut run) = start("", "clean/w");
    std::thread::sleep(Duration::from_secs(1));
    assert!(told.is_empty() && run.is_alive(), "{told} {}", run.said());
    drop(run);
    // What an earlier run has left, or the same file publishes on another machine, is a row like others.
    let (_, mut run) = start("", "clean/w");
    let mut publish = Command::new("mosquitto_pub");
    let mark = format!("{:032x}-{:032x}", 1, 2);
    publish.args(["-V", "5", "-D", "publish", "user-property", "rowmill-dataflow", &mark]);
    publish.args(["-p", &broker.port.to_string(), "-q", "1", "-t", "w/b", "-m", "{\"t\":2}"]);
    assert!(publish.status().unwrap().success());
    std::thread::sleep(Duration::from_secs(1));
    assert!(run.is_alive(), "{}", run.said());
}
