//! What a broker's session holds for a source: what comes again is told from what is new, nothing is left behind, and
//! what becomes of a session is told.

mod broker;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use broker::followed::Followed;
use broker::numbered::{carrier, numbers, persistent, publish, publish_to, run};
use broker::played::Played;
use broker::proxy::Proxy;
use broker::{Mosquitto, Process, lines, rowmill, wait_until};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rumqttc::QoS;

#[test]
fn equal_readings_under_packet_ids_that_come_round_are_rows_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let (carrier, out) = (carrier(&directory), directory.path().join("out.csv"));
    let (listener, port) = Played::listen();
    let start = || Process(run(&carrier, port, 1, &out, &[]).stderr(Stdio::null()).spawn().unwrap());
    let mut process = start();
    let mut broker = Played::accept(&listener, false);
    (1..=3).for_each(|id| broker.publish(id, 7, false));
    (1..=3).for_each(|id| assert_eq!(broker.acknowledged(), id));
    drop(broker);
    // The last acknowledgement got lost; id 1, which was free, has been given to a reading that got lost, too.
    let mut broker = Played::accept(&listener, true);
    [3, 1].into_iter().for_each(|id| broker.publish(id, 7, true));
    [3, 1].into_iter().for_each(|id| assert_eq!(broker.acknowledged(), id));
    assert_eq!(numbers(&out), [7; 4]);
    // The same after a kill.
    process.kill();
    drop(broker);
    let process = start();
    let mut broker = Played::accept(&listener, true);
    [1, 3].into_iter().for_each(|id| broker.publish(id, 7, true));
    [1, 3].into_iter().for_each(|id| assert_eq!(broker.acknowledged(), id));
    assert_eq!(numbers(&out), [7; 5]);
    process.drain();
}

#[test]
fn a_new_session_knows_nothing_of_what_the_checkpoint_holds() {
    let directory = tempfile::tempdir().unwrap();
    let (carrier, out) = (carrier(&directory), directory.path().join("out.csv"));
    let (listener, port) = Played::listen();
    let start = || Followed::start(&mut run(&carrier, port, 1, &out, &[]));
    let mut first = start();
    let mut broker = Played::accept(&listener, false);
    (1..=3).for_each(|id| broker.publish(id, 7, false));
    (1..=3).for_each(|id| assert_eq!(broker.acknowledged(), id));
    first.process.kill();
    drop(broker);
    // The broker has forgotten everything; before a row comes the run dies once more. When it subscribes, the checkpoint
    // has forgotten it, too.
    let mut second = start();
    let broker = Played::accept(&listener, false);
    second.wait_for("the broker has lost the session mill");
    second.process.kill();
    drop(broker);
    let third = start();
    let mut broker = Played::accept(&listener, true);
    (1..=3).for_each(|id| broker.publish(id, 7, true));
    (1..=3).for_each(|id| assert_eq!(broker.acknowledged(), id));
    assert_eq!(numbers(&out), [7; 6]);
    assert!(!third.said().contains("has lost the session"));
    third.process.drain();
}

#[test]
fn publishes_without_rows_are_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let (carrier, out) = (carrier(&directory), directory.path().join("out.csv"));
    let (listener, port) = Played::listen();
    // No row comes, and one that came could wait long for the next.
    let mut command = run(&carrier, port, 1, &out, &["--delay", "1h"]);
    let process = Process(command.stderr(Stdio::null()).spawn().unwrap());
    let mut broker = Played::accept(&listener, false);
    for id in 1..=5_000 {
        broker.publish_payload(id, "[]", false);
    }
    (1..=5_000).for_each(|id| assert_eq!(broker.acknowledged(), id));
    process.drain();
    assert_eq!(numbers(&out), [] as [u64; 0]);
}

#[test]
fn a_bucket_that_the_brokers_window_cannot_fill_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    let (carrier, out) = (carrier(&directory), directory.path().join("out.csv"));
    let (listener, port) = Played::listen();
    let told = Followed::start(&mut run(&carrier, port, 1, &out, &["--delay", "1h", "--bucket-size", "100000"]));
    let mut broker = Played::accept(&listener, false);
    told.wait_for("sends 65535 publishes before it waits");
    (1..=65_535).for_each(|id| broker.publish(id, id.into(), false));
    assert_eq!(broker.acknowledged(), 1);
    told.process.drain();
}

#[test]
fn a_client_id_in_use_elsewhere_is_told_and_not_fought_for() {
    let directory = tempfile::tempdir().unwrap();
    let (carrier, out) = (carrier(&directory), directory.path().join("out.csv"));
    let (listener, port) = Played::listen();
    let told = Followed::start(&mut run(&carrier, port, 1, &out, &[]));
    let mut last = Instant::now();
    let waits: Vec<Duration> = (0..6)
        .map(|time| {
            Played::accept(&listener, time > 0).take_over();
            std::mem::replace(&mut last, Instant::now()).elapsed()
        })
        .collect();
    // Each takes half a second to be accepted.
    assert!(waits[5] > Duration::from_millis(500 + 1600), "{waits:?}");
    assert!(told.said().contains("client_id \"mill\", whose session another client has taken over"));
}

/// Publishes a retained row.
fn retain(broker: &Mosquitto, n: u64) {
    let payload = format!("{{\"n\": {n}}}");
    let mut publish = Command::new("mosquitto_pub");
    publish.args(["-p", &broker.port.to_string(), "-q", "1", "-r", "-t", "rows", "-m", &payload]);
    assert!(publish.status().unwrap().success());
}

#[test]
#[ignore = "needs mosquitto"]
fn a_retained_row_comes_once() {
    let connected = |told: &Followed, times: usize| {
        wait_until("a connection", || told.said().matches("connected again").count() == times);
    };
    for (session, retained) in [(true, true), (false, true), (true, false), (false, false)] {
        let directory = tempfile::tempdir().unwrap();
        let broker = persistent(&directory);
        let proxy = Proxy::start(broker.port);
        let (carrier, out) = (carrier(&directory), directory.path().join("out.csv"));
        if !session {
            let text = std::fs::read_to_string(&carrier).unwrap().replace("client_id = \"mill\"\n", "");
            std::fs::write(&carrier, text).unwrap();
        }
        let retained_key = format!("source.retained={retained}");
        let start = || Followed::start(run(&carrier, proxy.port, 1, &out, &[]).args(["--set", &retained_key]));
        retain(&broker, 1);
        let told = start();
        told.wait_for("subscribed to");
        let mut expected = if retained { vec![1] } else { vec![] };
        wait_until("the first row", || numbers(&out) == expected);
        retain(&broker, 2);
        expected.push(2);
        wait_until("a live row", || numbers(&out) == expected);
        for time in 1..=2 {
            proxy.cut();
            connected(&told, time);
        }
        // Equal readings are rows of their own.
        retain(&broker, 2);
        retain(&broker, 3);
        expected.extend([2, 3]);
        wait_until("what follows", || numbers(&out).last() == Some(&3));
        told.process.drain();
        assert_eq!(numbers(&out), expected, "session: {session}, retained: {retained}");
        if session {
            let told = start();
            told.wait_for("subscribed to");
            retain(&broker, 4);
            expected.push(4);
            wait_until("what follows a start", || numbers(&out).last() == Some(&4));
            told.process.drain();
            assert_eq!(numbers(&out), expected, "session: {session}, retained: {retained}, started again");
        }
    }
}

/// Starts a run with these flags, waits for its subscription and ends it.
fn pass(carrier: &Path, broker: &Mosquitto, out: &Path, flags: &[&str]) {
    Process::subscribed(&mut run(carrier, broker.port, 1, out, flags)).drain();
}

#[test]
#[ignore = "needs mosquitto"]
fn a_fresh_start_with_fewer_connections_or_another_topic_leaves_no_session_behind() {
    const ROWS: u64 = 2_000;
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    let (carrier, out) = (carrier(&directory), directory.path().join("out.csv"));
    pass(&carrier, &broker, &out, &["--set", "source.connections=3"]);
    for flags in [&["--fresh", "--set", "source.connections=2"][..], &["--fresh"]] {
        let process = Process::subscribed(&mut run(&carrier, broker.port, 1, &out, flags));
        publish(broker.port, QoS::AtLeastOnce, 0..ROWS, &mut ChaCha8Rng::seed_from_u64(1));
        wait_until("all rows", || numbers(&out).len() as u64 >= ROWS);
        process.drain();
        assert!(numbers(&out).into_iter().collect::<BTreeSet<u64>>().into_iter().eq(0..ROWS), "{flags:?}");
    }
    // What the session of the last run was subscribed to is published on, and what it has kept is not taken.
    publish(broker.port, QoS::AtLeastOnce, 0..100, &mut ChaCha8Rng::seed_from_u64(2));
    let other = format!("mqtt://127.0.0.1:{}/other", broker.port);
    let mut command = rowmill(&["run", "--fresh", "--source", &other]);
    let process = Process::subscribed(command.arg(&carrier).arg("--sink").arg(&out));
    publish(broker.port, QoS::AtLeastOnce, 0..100, &mut ChaCha8Rng::seed_from_u64(3));
    publish_to(broker.port, "other", QoS::AtLeastOnce, 1000..1100, &mut ChaCha8Rng::seed_from_u64(4));
    wait_until("the other rows", || numbers(&out).last() == Some(&1099));
    process.drain();
    assert!(numbers(&out).into_iter().eq(1000..1100));
}

#[test]
#[ignore = "needs mosquitto"]
fn a_changed_number_of_connections_and_another_topic_go_on_with_migrate() {
    const ROWS: u64 = 1_000;
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    let (carrier, out) = (carrier(&directory), directory.path().join("out.csv"));
    pass(&carrier, &broker, &out, &["--set", "source.connections=3"]);
    for (round, flags) in (0..).zip([&["--migrate", "--set", "source.connections=2"][..], &["--migrate"]]) {
        let process = Process::subscribed(&mut run(&carrier, broker.port, 1, &out, flags));
        publish(broker.port, QoS::AtLeastOnce, round * ROWS..(round + 1) * ROWS, &mut ChaCha8Rng::seed_from_u64(round));
        wait_until("all rows", || numbers(&out).len() as u64 >= (round + 1) * ROWS);
        process.drain();
        let mut all = numbers(&out);
        all.sort_unstable();
        assert!(all.into_iter().eq(0..(round + 1) * ROWS), "{flags:?}");
    }
    let other = format!("mqtt://127.0.0.1:{}/other", broker.port);
    let mut command = rowmill(&["run", "--migrate", "--source", &other]);
    command.args(["--set", "source.qos=1"]);
    let process = Process::subscribed(command.arg(&carrier).arg("--sink").arg(&out));
    publish_to(broker.port, "other", QoS::AtLeastOnce, 5000..5100, &mut ChaCha8Rng::seed_from_u64(4));
    wait_until("the other rows", || numbers(&out).last() == Some(&5099));
    // What nobody is subscribed to any more does not come.
    publish(broker.port, QoS::AtLeastOnce, 9000..9100, &mut ChaCha8Rng::seed_from_u64(5));
    publish_to(broker.port, "other", QoS::AtLeastOnce, 5100..5200, &mut ChaCha8Rng::seed_from_u64(6));
    wait_until("the last rows", || numbers(&out).last() == Some(&5199));
    process.drain();
    assert!(numbers(&out).into_iter().skip(2 * ROWS as usize).eq(5000..5200));
}

#[test]
#[ignore = "needs mosquitto"]
fn progress_inside_of_one_publish_survives_a_kill() {
    const ROWS: u64 = 300_000;
    let directory = tempfile::tempdir().unwrap();
    let mut broker = persistent(&directory);
    let (carrier, out) = (carrier(&directory), directory.path().join("out.csv"));
    let start = || Process::subscribed(&mut run(&carrier, broker.port, 1, &out, &[]));
    let mut process = start();
    let rows: Vec<String> = (0..ROWS).map(|n| format!("{{\"n\":{n}}}")).collect();
    let mut publisher = Command::new("mosquitto_pub");
    publisher.args(["-p", &broker.port.to_string(), "-q", "1", "-t", "rows", "-s"]).stdin(Stdio::piped());
    let mut publisher = publisher.spawn().unwrap();
    publisher.stdin.take().unwrap().write_all(format!("[{}]", rows.join(",")).as_bytes()).unwrap();
    assert!(publisher.wait().unwrap().success());
    let checkpoint: PathBuf = directory.path().join("out.csv.checkpoint");
    wait_until("rows", || lines(&out) > 100);
    // The first change may only say that rows come.
    for _ in 0..2 {
        let before = std::fs::read(&checkpoint).unwrap();
        wait_until("progress", || std::fs::read(&checkpoint).unwrap() != before);
    }
    process.kill();
    // A run that finds no broker keeps what counts of the file.
    broker.stop();
    let mut alone = run(&carrier, broker.port, 1, &out, &["--connect-timeout", "1s"]);
    assert_eq!(alone.stderr(Stdio::null()).status().unwrap().code(), Some(1));
    let kept = numbers(&out).len() as u64;
    assert!(0 < kept && kept < ROWS, "{kept} rows are kept");
    broker.start_again();
    let process = Process::subscribed(&mut run(&carrier, broker.port, 1, &out, &[]));
    wait_until("all rows", || numbers(&out).len() as u64 >= ROWS);
    process.drain();
    assert!(numbers(&out).into_iter().eq(0..ROWS), "{kept} rows were kept");
}
