//! Nothing lost, nothing twice: numbered rows go through a broker that persists, while processes are killed.

mod broker;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use broker::numbered::{carrier, numbers, persistent, persistent_with, publish, run};
use broker::played::Played;
use broker::proxy::Proxy;
use broker::{Process, collect, rowmill, wait_until};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rumqttc::{Client, Event, Incoming, MqttOptions, QoS};
use tempfile::TempDir;

/// How many kills; more for a longer run.
fn kills() -> usize {
    std::env::var("ROWMILL_KILLS").map_or(6, |kills| kills.parse().expect("ROWMILL_KILLS is a number"))
}

/// Kills a process of the run, whichever: itself, or one that it started.
fn kill_one(run: &mut Child, random: &mut ChaCha8Rng) {
    let children = Command::new("pgrep").args(["-P", &run.id().to_string()]).output().unwrap().stdout;
    let mut pids: Vec<String> = String::from_utf8(children).unwrap().lines().map(str::to_owned).collect();
    pids.push(run.id().to_string());
    let pid = &pids[random.random_range(0..pids.len())];
    assert!(Command::new("kill").args(["-9", pid]).status().unwrap().success());
    wait_until("the end of the others", || run.try_wait().unwrap().is_some());
    assert!(!run.wait().unwrap().success());
}

/// Rows go through while the run is killed and started again with another number of workers and processes, over so many
/// connections.
fn survives_kills(qos: u8, connections: usize, seed: u64) {
    survives_kills_with("5", qos, connections, seed);
}

/// As [`survives_kills`], with this version of MQTT.
fn survives_kills_with(protocol: &str, qos: u8, connections: usize, seed: u64) {
    const ROWS: u64 = 5_000;
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    let (carrier, out) = (carrier(&directory), directory.path().join("out.csv"));
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let flags: [&[&str]; 4] = [&["-w", "1"], &["-w", "2"], &["-n", "2", "-w", "1"], &["-n", "2", "-w", "2"]];
    let connections = format!("source.connections={connections}");
    let protocol = format!("source.protocol={protocol:?}");
    let start = |flags: &[&str]| {
        let set = ["--set", &connections, "--set", &protocol];
        Process::subscribed(run(&carrier, broker.port, qos, &out, flags).args(set))
    };
    let mut process = start(flags[0]);
    let mut sent = 0;
    for kill in 0..kills() {
        let publisher = {
            let mut random = ChaCha8Rng::seed_from_u64(seed + kill as u64);
            let qos = rumqttc::qos(qos).unwrap();
            std::thread::spawn(move || publish(broker.port, qos, sent..sent + ROWS, &mut random))
        };
        sent += ROWS;
        std::thread::sleep(Duration::from_millis(random.random_range(0..400)));
        kill_one(&mut process.0, &mut random);
        let flags = flags[random.random_range(0..flags.len())];
        process = start(flags);
        publisher.join().unwrap();
    }
    wait_until("all rows", || numbers(&out).len() as u64 >= sent);
    process.drain();
    let mut numbers = numbers(&out);
    numbers.sort_unstable();
    let twice: Vec<u64> = numbers.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    assert!(numbers.into_iter().eq(0..sent), "seed {seed}: twice {twice:?}");
}

#[test]
#[ignore = "needs mosquitto"]
fn killed_processes_lose_nothing_and_repeat_nothing() {
    survives_kills(1, 1, 1);
    survives_kills(2, 1, 2);
}

#[test]
#[ignore = "needs mosquitto"]
fn killed_processes_lose_nothing_and_repeat_nothing_over_mqtt_3() {
    survives_kills_with("3.1.1", 1, 1, 5);
    survives_kills_with("3.1.1", 2, 1, 6);
}

/// The sink is closed before its last epochs are known to be complete everywhere, and commits go on meanwhile.
#[test]
#[ignore = "needs mosquitto"]
fn runs_that_are_told_to_end_among_rows_end_in_good_order() {
    const ROWS: u64 = 4_000;
    const ROUNDS: u64 = 6;
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    let (carrier, out) = (carrier(&directory), directory.path().join("out.csv"));
    let flags = ["-n", "2", "-w", "2", "--bucket-size", "3", "--set", "checkpoint.every=\"1ms\""];
    for round in 0..ROUNDS {
        let process = Process::subscribed(&mut run(&carrier, broker.port, 1, &out, &flags));
        let port = broker.port;
        let before = numbers(&out).len();
        let publisher = std::thread::spawn(move || {
            let rows = round * ROWS..(round + 1) * ROWS;
            publish(port, QoS::AtLeastOnce, rows, &mut ChaCha8Rng::seed_from_u64(round));
        });
        wait_until("some rows", || numbers(&out).len() > before + 100);
        process.drain();
        publisher.join().unwrap();
    }
    let process = Process::subscribed(&mut run(&carrier, broker.port, 1, &out, &flags));
    wait_until("all rows", || numbers(&out).len() as u64 >= ROUNDS * ROWS);
    process.drain();
    assert!(numbers(&out).into_iter().eq(0..ROUNDS * ROWS));
}

#[test]
#[ignore = "needs mosquitto"]
fn several_connections_lose_nothing_and_repeat_nothing() {
    survives_kills(1, 2, 3);
    survives_kills(1, 5, 4);
}

/// A dataflow that drops what came already.
fn single(directory: &TempDir) -> PathBuf {
    with_steps(directory, "single", "[[subtask]]\nuse = \"drop_duplicates\"\nhorizon = 100000\n")
}

/// The carrier with steps.
fn with_steps(directory: &TempDir, name: &str, steps: &str) -> PathBuf {
    let path = directory.path().join(format!("{name}.toml"));
    let text = std::fs::read_to_string(carrier(directory)).unwrap();
    std::fs::write(&path, text.replace("[sink]", &format!("{steps}[sink]"))).unwrap();
    path
}

/// A dataflow that tells how far each number is from the one before it, and drops what came already.
fn rememberer(directory: &TempDir) -> PathBuf {
    let steps = "[[subtask]]\nuse = \"drop_duplicates\"\nhorizon = 100000\n\
        [[subtask]]\nuse = \"diff\"\nfit = \"stream\"\n";
    with_steps(directory, "rememberer", steps)
}

/// Kills runs and starts others with other workers, while `rows` numbers a kill are published, and the first quarter of
/// them again: the last run, and how many numbers there were.
fn kill_while_rows_come_twice(port: u16, rows: u64, seed: u64, start: impl Fn(&[&str]) -> Process) -> (Process, u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let flags: [&[&str]; 3] = [&["-w", "1"], &["-w", "2"], &["-n", "2", "-w", "1"]];
    let mut process = start(flags[0]);
    let mut sent = 0;
    for kill in 0..kills() {
        let publisher = std::thread::spawn(move || {
            let mut random = ChaCha8Rng::seed_from_u64(kill as u64);
            publish(port, QoS::AtLeastOnce, sent..sent + rows, &mut random);
            publish(port, QoS::AtLeastOnce, sent..sent + rows / 4, &mut random);
        });
        sent += rows;
        std::thread::sleep(Duration::from_millis(random.random_range(0..400)));
        kill_one(&mut process.0, &mut random);
        process = start(flags[kill % 3]);
        publisher.join().unwrap();
    }
    (process, sent)
}

#[test]
#[ignore = "needs mosquitto"]
fn what_steps_remember_survives_kills() {
    const ROWS: u64 = 4_000;
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    let (dataflow, out) = (rememberer(&directory), directory.path().join("out.csv"));
    let start = |flags: &[&str]| Process::subscribed(&mut run(&dataflow, broker.port, 1, &out, flags));
    let (process, sent) = kill_while_rows_come_twice(broker.port, ROWS, 10, start);
    let lines = || std::fs::read_to_string(&out).unwrap_or_default().lines().count() as u64;
    wait_until("all rows", || lines() > sent);
    process.drain();
    let text = std::fs::read_to_string(&out).unwrap();
    let steps: Vec<&str> = text.lines().skip(1).map(|line| line.rsplit(',').next().unwrap()).collect();
    let wrong: Vec<_> = (0..).zip(&steps).filter(|(place, step)| *place > 0 && **step != "1.0").take(5).collect();
    assert_eq!((steps[0], steps.len() as u64), ("", sent));
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// A dataflow with a table of all rows, and one of the last hour in which rows replace each other; results go nowhere.
fn tabler(directory: &TempDir) -> PathBuf {
    let path = directory.path().join("tabler.toml");
    let tables = r#"
        [[table]]
        name = "all"
        aggregates = ["count", "sum"]
        sink = { url = "all.ndjson" }
        [[table]]
        name = "recent"
        time = "n"
        window = "10m"
        columns = ["n"]
        aggregates = ["count", "sum", "median"]
        upsert = ["n"]
        retention = "1h"
        sink = { url = "recent.csv" }
    "#;
    let text = std::fs::read_to_string(carrier(directory)).unwrap();
    std::fs::write(&path, text + tables).unwrap();
    path
}

#[test]
#[ignore = "needs mosquitto"]
fn what_tables_hold_survives_kills() {
    const ROWS: u64 = 2_000;
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    let dataflow = tabler(&directory);
    let start = |flags: &[&str]| {
        let sink = Path::new("null");
        Process::subscribed(run(&dataflow, broker.port, 1, sink, flags).current_dir(directory.path()))
    };
    let (process, sent) = kill_while_rows_come_twice(broker.port, ROWS, 11, start);
    let all = || std::fs::read_to_string(directory.path().join("all.ndjson")).unwrap_or_default();
    let rows = format!("\"rows\":{}.0,", sent + sent / 4);
    wait_until("all rows", || all().contains(&rows));
    process.drain();
    let sum: u64 = (0..sent).chain((0..sent).filter(|n| n % ROWS < ROWS / 4)).sum();
    let line = format!("{rows}\"n_count\":{}.0,\"n_sum\":{sum}.0}}\n", sent + sent / 4);
    assert!(all().ends_with(&line), "{} does not end with {line}", all());
    let recent = std::fs::read_to_string(directory.path().join("recent.csv")).unwrap();
    let figures = recent.lines().skip(1).map(|line| line.split(',').skip(3).collect::<Vec<_>>().join(","));
    let windows = (0..sent).step_by(600).filter(|start| start + 600 + 3600 > sent - 1);
    let expected = windows.map(|start| {
        let rows = start..(start + 600).min(sent);
        let (count, median) = (rows.end - rows.start, (rows.start + rows.end - 1) as f64 / 2.0);
        format!("{count}.0,{count}.0,{}.0,{median:?}", rows.sum::<u64>())
    });
    assert_eq!(figures.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

#[test]
#[ignore = "needs mosquitto"]
fn what_comes_twice_out_of_a_broker_has_the_same_row() {
    same_rows_have_same_numbers(1, &[&[]]);
}

#[test]
#[ignore = "needs mosquitto"]
fn what_comes_twice_has_the_same_row_whichever_connection_was_faster() {
    same_rows_have_same_numbers(3, &[&[]]);
}

/// Each process publishes the results of what it has read, and the next run has other processes.
#[test]
#[ignore = "needs mosquitto"]
fn what_comes_twice_has_the_same_row_whichever_process_publishes_it() {
    same_rows_have_same_numbers(3, &[&["-n", "2", "-w", "2"], &["-n", "3"], &["-w", "2"], &["-n", "2"]]);
}

/// Each row has one number, and each number one row, however often they come. The starts take the flags in turn.
fn same_rows_have_same_numbers(connections: u64, flags: &[&[&str]]) {
    const ROWS: u64 = 3_000;
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    let carrier = carrier(&directory);
    let sink = PathBuf::from(format!("mqtt://127.0.0.1:{}/results", broker.port));
    let collected = collect(broker.port, "results");
    let pairs = || {
        let pair = |row: &serde_json::Value| (row["row"].as_u64().unwrap(), row["n"].as_f64().unwrap() as u64);
        collected.lock().unwrap().iter().map(pair).collect::<Vec<(u64, u64)>>()
    };
    let connections_of = format!("source.connections={connections}");
    let mut turns = flags.iter().cycle();
    let mut start = || {
        let flags: &[&str] = turns.next().expect("there are flags");
        let mut run = run(&carrier, broker.port, 1, &sink, &[&["--set", &connections_of][..], flags].concat());
        Process::subscribed(run.current_dir(directory.path()))
    };
    let mut random = ChaCha8Rng::seed_from_u64(8);
    let mut process = start();
    for round in 0..kills() as u64 {
        let mut own = ChaCha8Rng::seed_from_u64(round);
        let port = broker.port;
        let numbers = round * ROWS..(round + 1) * ROWS;
        let publisher = std::thread::spawn(move || publish(port, QoS::AtLeastOnce, numbers, &mut own));
        std::thread::sleep(Duration::from_millis(random.random_range(0..150)));
        kill_one(&mut process.0, &mut random);
        process = start();
        publisher.join().unwrap();
    }
    let sent = kills() as u64 * ROWS;
    let distinct = || pairs().into_iter().collect::<BTreeMap<u64, u64>>();
    let rows = || pairs().into_iter().map(|(row, n)| (n, row)).collect::<BTreeMap<u64, u64>>();
    wait_until("all results", || rows().len() as u64 >= sent);
    process.drain();
    let (distinct, rows) = (distinct(), rows());
    assert!(rows.keys().copied().eq(0..sent));
    for (row, n) in pairs() {
        assert_eq!((distinct[&row], rows[&n]), (n, row), "a number of two rows, or a row of two numbers");
        assert!(connections > 1 || row == n);
    }
}

#[test]
#[ignore = "needs mosquitto"]
fn a_cluster_is_started_again_when_a_process_fails() {
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    let (carrier, out) = (carrier(&directory), directory.path().join("out.csv"));
    let flags = ["-n", "2", "--restart", "on-failure"];
    let process = Process::subscribed(&mut run(&carrier, broker.port, 1, &out, &flags));
    publish(broker.port, QoS::AtLeastOnce, 0..1000, &mut ChaCha8Rng::seed_from_u64(4));
    wait_until("the first rows", || numbers(&out).len() == 1000);
    let killed = Command::new("pkill").args(["-9", "-P", &process.0.id().to_string()]).status();
    assert!(killed.unwrap().success());
    publish(broker.port, QoS::AtLeastOnce, 1000..2000, &mut ChaCha8Rng::seed_from_u64(5));
    wait_until("the other rows", || numbers(&out).len() == 2000);
    process.drain();
    assert!(numbers(&out).into_iter().eq(0..2000));
}

#[test]
#[ignore = "needs mosquitto"]
fn connections_that_are_cut_and_held_up_lose_nothing_and_repeat_nothing() {
    const ROWS: u64 = 20_000;
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    let proxy = Proxy::start(broker.port);
    let (carrier, out) = (carrier(&directory), directory.path().join("out.csv"));
    let process = Process::subscribed(&mut run(&carrier, proxy.port, 1, &out, &["-w", "2"]));
    let port = broker.port;
    let publisher = std::thread::spawn(move || {
        publish(port, QoS::AtLeastOnce, 0..ROWS, &mut ChaCha8Rng::seed_from_u64(6));
    });
    let mut random = ChaCha8Rng::seed_from_u64(7);
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(random.random_range(0..150)));
        proxy.stall(true);
        std::thread::sleep(Duration::from_millis(random.random_range(0..50)));
        if random.random_bool(0.7) {
            proxy.cut();
        }
        proxy.stall(false);
    }
    publisher.join().unwrap();
    wait_until("all rows", || numbers(&out).len() as u64 >= ROWS);
    process.drain();
    assert!(numbers(&out).into_iter().eq(0..ROWS), "each once, in order");
}

#[test]
fn a_broker_that_answers_late_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let (carrier, out) = (carrier(&directory), directory.path().join("out.csv"));
    let (listener, port) = Played::listen();
    let process = Process(run(&carrier, port, 1, &out, &[]).stderr(Stdio::null()).spawn().unwrap());
    let mut broker = Played::accept(&listener, false);
    broker.publish(1, 7, false);
    assert_eq!(broker.acknowledged(), 1);
    assert_eq!(numbers(&out), [7]);
    process.drain();
}

#[test]
fn an_id_that_the_broker_is_known_to_have_back_is_another_row_s_after_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let (carrier, out) = (carrier(&directory), directory.path().join("out.csv"));
    let (listener, port) = Played::listen();
    let start = || Process(run(&carrier, port, 1, &out, &[]).stderr(Stdio::null()).spawn().unwrap());
    let mut process = start();
    let mut broker = Played::accept(&listener, false);
    broker.publish(1, 7, false);
    assert_eq!(broker.acknowledged(), 1);
    broker.answer();
    // Time to write down what the answer tells.
    std::thread::sleep(Duration::from_secs(2));
    // The next row has the same words and, as the lowest free one, the same id; the run dies before it reads it.
    process.kill();
    let process = start();
    let mut broker = Played::accept(&listener, true);
    broker.publish(1, 7, true);
    assert_eq!(broker.acknowledged(), 1);
    assert_eq!(numbers(&out), [7, 7]);
    process.drain();
}

#[test]
fn what_a_lost_connection_delivered_is_acknowledged_when_it_comes_again() {
    let directory = tempfile::tempdir().unwrap();
    let (carrier, out) = (carrier(&directory), directory.path().join("out.csv"));
    let (listener, port) = Played::listen();
    let mut command = run(&carrier, port, 1, &out, &["--delay", "1s"]);
    let process = Process(command.stderr(Stdio::null()).spawn().unwrap());
    let mut broker = Played::accept(&listener, false);
    (1..=8).for_each(|id| broker.publish(id, id.into(), false));
    // Time to read them, and then to write and to acknowledge them.
    std::thread::sleep(Duration::from_millis(300));
    drop(broker);
    wait_until("the rows", || numbers(&out).len() == 8);
    // It has lost half of them when it died, and gives an id of those to another row.
    let mut broker = Played::accept(&listener, true);
    (1..=4).for_each(|id| broker.publish(id, id.into(), true));
    broker.publish(5, 9, false);
    let acknowledged: Vec<u16> = (1..=5).map(|_| broker.acknowledged()).collect();
    assert_eq!(acknowledged, [1, 2, 3, 4, 5]);
    assert!(numbers(&out).into_iter().eq(1..=9), "the other row is written before it is acknowledged");
    process.drain();
}

/// A station that publishes numbers from 0 on, each when the one before it is acknowledged, `least` of them and until it
/// is told to stop; how many. mosquitto saves a row that it has handed on with the next acknowledgement only, but one
/// that it retains at once. After a lost connection the station publishes its last acknowledged row once more: the
/// broker may have died with it.
fn insist(port: u16, least: u64, stop: &AtomicBool) -> u64 {
    let mut next = 0_u64;
    loop {
        let (client, mut connection) = Client::new(MqttOptions::new("station", "127.0.0.1", port), 8);
        let publish = |n: u64| client.publish("rows", QoS::AtLeastOnce, true, format!("{{\"n\": {n}}}")).unwrap();
        for event in connection.iter() {
            match event {
                Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                    next = next.saturating_sub(1);
                    publish(next);
                }
                Ok(Event::Incoming(Incoming::PubAck(_))) => {
                    next += 1;
                    if next >= least && stop.load(Ordering::Acquire) {
                        return next;
                    }
                    publish(next);
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[ignore = "needs mosquitto"]
fn a_broker_that_is_killed_takes_no_row_with_it() {
    const ROWS: u64 = 8_000;
    const KILLS: usize = 10;
    let directory = tempfile::tempdir().unwrap();
    // It saves after every change, else it forgets the session.
    let mut broker = persistent_with(&directory, "autosave_on_changes true\nautosave_interval 1\n");
    let out = directory.path().join("out.csv");
    let process = Process::subscribed(&mut run(&single(&directory), broker.port, 1, &out, &["-w", "2"]));
    let (port, over) = (broker.port, Arc::<AtomicBool>::default());
    let publisher = {
        let over = over.clone();
        std::thread::spawn(move || insist(port, ROWS, &over))
    };
    let mut random = ChaCha8Rng::seed_from_u64(13);
    for _ in 0..KILLS {
        std::thread::sleep(Duration::from_millis(random.random_range(100..500)));
        broker.kill();
    }
    over.store(true, Ordering::Release);
    let sent = publisher.join().unwrap();
    wait_until("the last row", || numbers(&out).last() == Some(&(sent - 1)));
    process.drain();
    let numbers = numbers(&out);
    let steps: Vec<_> = numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1).collect();
    assert!(numbers.iter().copied().eq(0..sent), "{} rows of {sent}; out of order: {steps:?}", numbers.len());
}

#[test]
#[ignore = "needs mosquitto"]
fn what_a_broker_has_kept_is_taken_however_much_it_is() {
    const ROWS: u64 = 60_000;
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    let (carrier, out) = (carrier(&directory), directory.path().join("out.csv"));
    let start = || Process::subscribed(&mut run(&carrier, broker.port, 1, &out, &[]));
    start().drain();
    publish(broker.port, QoS::AtLeastOnce, 0..ROWS, &mut ChaCha8Rng::seed_from_u64(12));
    let process = start();
    wait_until("all rows", || numbers(&out).len() as u64 >= ROWS);
    process.drain();
    assert!(numbers(&out).into_iter().eq(0..ROWS));
}

#[test]
#[ignore = "needs mosquitto"]
fn results_without_their_checkpoint_are_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    let (carrier, out) = (carrier(&directory), directory.path().join("out.csv"));
    let refused = |flags: &[&str], code| {
        let output = run(&carrier, broker.port, 1, &out, flags).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        String::from_utf8(output.stderr).unwrap()
    };
    std::fs::write(&out, "message,row,n\n0,0,1.0\n").unwrap();
    assert!(refused(&[], 2).contains("--fresh"));
    Process::subscribed(&mut run(&carrier, broker.port, 1, &out, &["--fresh"])).drain();
    assert_eq!(numbers(&out), [] as [u64; 0]);
    let changed = refused(&["--bucket-size", "7"], 1);
    assert!(changed.contains("buffer.bucket_size") && changed.contains("has changed"), "{changed}");
    // Changes of a table that its checkpoint does not know: another run's.
    let tabler = tabler(&directory);
    std::fs::write(directory.path().join("all.ndjson"), "{\"count\":1}\n").unwrap();
    let mut of_table = run(&tabler, broker.port, 1, &directory.path().join("other.csv"), &[]);
    let output = of_table.current_dir(directory.path()).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && said.contains("all.ndjson") && said.contains("--fresh"), "{said}");
    assert_eq!(std::fs::read_to_string(directory.path().join("all.ndjson")).unwrap(), "{\"count\":1}\n");
    let checkpoint = directory.path().join("out.csv.checkpoint");
    std::fs::write(&checkpoint, "nonsense").unwrap();
    let broken = refused(&[], 1);
    assert!(broken.contains("out.csv.checkpoint") && broken.contains("--fresh"), "{broken}");
}

#[test]
#[ignore = "needs mosquitto"]
fn a_broker_with_its_usual_limits_fills_buckets_larger_than_them() {
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    let (carrier, out) = (carrier(&directory), directory.path().join("out.csv"));
    let flags = ["--bucket-size", "1500", "--delay", "10m"];
    let process = Process::subscribed(&mut run(&carrier, broker.port, 1, &out, &flags));
    publish(broker.port, QoS::AtLeastOnce, 0..3000, &mut ChaCha8Rng::seed_from_u64(3));
    wait_until("two full messages", || numbers(&out).len() == 3000);
    process.drain();
}

#[test]
#[ignore = "needs mosquitto"]
fn runs_of_one_group_share_a_topic_and_each_row_is_taken_by_one() {
    const ROWS: u64 = 10_000;
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    let carrier = carrier(&directory);
    let source = format!("mqtt://127.0.0.1:{}/$share/mill/rows", broker.port);
    let out = |run: usize| directory.path().join(format!("out-{run}.csv"));
    let start = |run: usize| {
        let mut command = rowmill(&["run"]);
        command.arg(&carrier).args(["--source", &source, "--sink"]).arg(out(run));
        command.args(["--set", &format!("source.client_id=\"mill-{run}\"")]);
        Process::subscribed(&mut command)
    };
    let (mut first, second) = (start(0), start(1));
    let port = broker.port;
    let publisher = std::thread::spawn(move || {
        publish(port, QoS::AtLeastOnce, 0..ROWS, &mut ChaCha8Rng::seed_from_u64(14));
    });
    wait_until("rows at both", || (0..2).all(|run| numbers(&out(run)).len() > 500));
    kill_one(&mut first.0, &mut ChaCha8Rng::seed_from_u64(15));
    let first = start(0);
    publisher.join().unwrap();
    let all = || [numbers(&out(0)), numbers(&out(1))].concat();
    wait_until("all rows", || all().len() as u64 >= ROWS);
    first.drain();
    second.drain();
    let mut all = all();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..ROWS));
}
