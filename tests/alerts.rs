//! Sinks with `for` and `resolve`: one row when a condition has held for the time, one when it ends, none twice after a
//! kill, the same bytes for any number of workers and processes.

mod broker;

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use broker::numbered::{persistent, publish};
use broker::played::{Played, Redelivery};
use broker::{Process, collect, rowmill, wait_until};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

/// Threads and processes.
const SHAPES: [&[&str]; 3] = [&["-n", "1", "-w", "1"], &["-w", "3"], &["-n", "2", "-w", "1"]];

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn write(directory: &TempDir, text: &str) {
    std::fs::write(directory.path().join("alerts.toml"), text).unwrap();
}

fn run(directory: &TempDir, text: &str, flags: &[&str]) -> Output {
    write(directory, text);
    rowmill(&["run", "alerts.toml"]).args(flags).current_dir(directory.path()).output().unwrap()
}

fn read(directory: &TempDir, name: &str) -> String {
    std::fs::read_to_string(directory.path().join(name)).unwrap_or_default()
}

/// What an alert has heard of a key: the latest time, since when it is hot, whether it has fired.
#[derive(Default)]
struct Heard {
    latest: Option<f64>,
    since: Option<f64>,
    fired: bool,
}

impl Heard {
    /// What a row tells that was measured at `time`; `hot` says whether the condition is true.
    fn hears(&mut self, time: f64, hot: bool, seconds: f64) -> Option<&'static str> {
        if self.latest.is_some_and(|latest| latest > time) {
            return None;
        }
        self.latest = Some(time);
        if hot {
            let since = *self.since.get_or_insert(time);
            let begins = !self.fired && time - since >= seconds;
            self.fired |= begins;
            return begins.then_some("firing");
        }
        self.since = None;
        std::mem::take(&mut self.fired).then_some("resolved")
    }
}

/// A row of the file: temperature, station and time; each may be missing.
#[derive(Clone)]
struct Reading {
    temp: Option<i64>,
    station: Option<&'static str>,
    time: Option<i64>,
}

fn readings(rows: usize) -> Vec<Reading> {
    let (mut random, mut clock) = (ChaCha8Rng::seed_from_u64(4), 1_700_000_000);
    let mut reading = |_| {
        clock += [0, 1, 1, 2, 40, -2, -30][random.random_range(0..7)];
        Reading {
            temp: random.random_bool(0.95).then(|| random.random_range(8..32)),
            station: [Some("a"), Some("b"), Some("c"), None][random.random_range(0..4)],
            time: random.random_bool(0.95).then_some(clock),
        }
    };
    (0..rows).map(&mut reading).collect()
}

fn shown<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

/// In messages of 64 rows.
fn measured(directory: &TempDir, rows: &[Reading]) -> String {
    let line = |row: &Reading| format!("{},{},{}\n", shown(row.temp), shown(row.station), shown(row.time));
    let text: String = std::iter::once("temp,station,at\n".to_owned()).chain(rows.iter().map(line)).collect();
    std::fs::write(directory.path().join("in.csv"), text).unwrap();
    "[source]\nurl = \"in.csv\"\n[schema]\nnumber = [\"temp\", \"at\"]\ntext = [\"station\"]\ntime = { column = \"at\" }\n\
     [buffer]\nbucket_size = 64\n[[subtask]]\nuse = \"replace\"\nto_replace = [8.0]\n[[subtask]]\nuse = \"eval\"\n\
     expr = \"temp = temp * 2\"\n"
        .to_owned()
}

const SINKS: &str = "[[sink]]\nname = \"hot\"\nurl = \"hot.ndjson\"\nwhere = \"temp > 30\"\nfor = \"5s\"\nby = [\"station\"]\n\
    resolve = true\ncolumns = [\"station\", \"temp\"]\n\
    [[sink]]\nurl = \"all.csv\"\n\
    [[sink]]\nurl = \"raw.csv\"\nafter = \"raw\"\nwhere = \"temp > 10\"\nfor = \"1s\"\ncolumns = [\"alert\", \"at\"]\n\
    [[sink]]\nurl = \"once.csv\"\nafter = \"replace\"\nwhere = \"temp > 20\"\nresolve = true\nby = [\"station\"]\n\
    columns = [\"temp\"]\n";

/// What the three files of alerts must hold.
fn expected(rows: &[Reading]) -> BTreeMap<&'static str, String> {
    let mut files = BTreeMap::from([
        ("hot.ndjson", String::new()),
        ("raw.csv", "message,row,alert,at\n".to_owned()),
        ("once.csv", "message,row,temp,alert\n".to_owned()),
    ]);
    let (mut hot, mut once, mut raw) = (BTreeMap::new(), BTreeMap::new(), Heard::default());
    for (n, Reading { temp, station, time }) in rows.iter().enumerate() {
        let message = n / 64;
        // What `replace` leaves.
        let kept = temp.filter(|temp| *temp != 8);
        if let Some(time) = time {
            let heard: &mut Heard = hot.entry(*station).or_default();
            if let Some(word) = heard.hears(*time as f64, kept.is_some_and(|temp| temp * 2 > 30), 5.0) {
                let station = station.map_or("null".into(), |station| format!("\"{station}\""));
                let temp = kept.map_or("null".into(), |temp| format!("{}.0", temp * 2));
                files.get_mut("hot.ndjson").unwrap().push_str(&format!(
                    "{{\"message\":{message},\"row\":{n},\"station\":{station},\"temp\":{temp},\"alert\":\"{word}\"}}\n"
                ));
            }
            if let Some("firing") = raw.hears(*time as f64, temp.is_some_and(|temp| temp > 10), 1.0) {
                files.get_mut("raw.csv").unwrap().push_str(&format!("{message},{n},firing,{time}.0\n"));
            }
        }
        // Without `for`, the rows count as they come.
        let heard: &mut Heard = once.entry(*station).or_default();
        if let Some(word) = heard.hears(0.0, kept.is_some_and(|temp| temp > 20), 0.0) {
            let temp = kept.map_or(String::new(), |temp| format!("{temp}.0"));
            files.get_mut("once.csv").unwrap().push_str(&format!("{message},{n},{temp},{word}\n"));
        }
    }
    files
}

#[test]
fn a_row_when_it_has_held_and_one_when_it_ends_however_many_workers_there_are() {
    const ROWS: usize = 1500;
    let rows = readings(ROWS);
    let expected = expected(&rows);
    assert!(expected.values().all(|text| text.lines().count() > 20), "{expected:?}");
    let table = "[[table]]\nname = \"t\"\nkey = [\"station\"]\naggregates = [\"count\"]\nsink = { url = \"t.csv\" }\n";
    for (flags, more) in [
        (&["-n", "1", "-w", "1"][..], ""),
        (&["-w", "3"], table),
        (&["-n", "2"], ""),
        (&["-w", "2", "--placement", "subtask"], table),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let text = measured(&directory, &rows) + SINKS + more;
        let output = run(&directory, &text, &[flags, &["--report", "report"]].concat());
        assert!(output.status.success(), "{flags:?}: {}", said(&output));
        // It is told once of each of the two alerts that take times.
        let untimed = said(&output).matches("rows that do not tell their time change nothing").count();
        assert_eq!(untimed, 2, "{}", said(&output));
        for (name, text) in &expected {
            assert!(read(&directory, name) == *text, "{flags:?}: {name}:\n{}", read(&directory, name));
        }
        assert_eq!(read(&directory, "all.csv").lines().count(), ROWS + 1);
        let report: serde_json::Value = serde_json::from_str(&read(&directory, "report/report.json")).unwrap();
        assert_eq!((&report["rows_in"], &report["rows_out"]), (&ROWS.into(), &ROWS.into()));
        let hot = report["sinks"].as_array().unwrap().iter().find(|sink| sink["sink"] == "hot").unwrap();
        assert_eq!(hot["rows_out"], expected["hot.ndjson"].lines().count());
    }
}

#[test]
fn an_alert_may_be_the_only_sink_and_publish_by_topic() {
    let directory = tempfile::tempdir().unwrap();
    let rows = readings(600);
    let expected = &expected(&rows)["hot.ndjson"];
    let (port, _broker) = broker::embedded();
    let told = collect(port, "alerts/#");
    let text = measured(&directory, &rows)
        + &format!("[sink]\nurl = \"mqtt://127.0.0.1:{port}/alerts/{{alert}}\"\nwhere = \"temp > 30\"\nfor = \"5s\"\n")
        + "by = [\"station\"]\nresolve = true\ncolumns = [\"station\", \"temp\"]\n";
    let output = run(&directory, &text, &["-w", "2", "--live", "live"]);
    assert!(output.status.success(), "{}", said(&output));
    // The page draws it.
    let live: serde_json::Value = serde_json::from_str(&read(&directory, "live/live.json")).unwrap();
    let takes = "where temp > 30, for 5s, by station, resolve, columns station, temp";
    assert_eq!(live["branches"], serde_json::json!([{ "after": "eval", "takes": takes }]));
    let lines = || told.lock().unwrap().clone();
    wait_until("all alerts", || lines().len() >= expected.lines().count());
    let by_row = |rows: Vec<serde_json::Value>| {
        rows.into_iter().map(|row| (row["row"].as_u64().unwrap(), row)).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(by_row(lines()), by_row(expected.lines().map(|line| serde_json::from_str(line).unwrap()).collect()));
    assert_eq!(lines().len(), expected.lines().count());
}

#[test]
fn what_is_wrong_about_an_alert_is_told_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let head = measured(&directory, &readings(3)) + "[sink]\nurl = \"a.ndjson\"\n";
    let line = head.lines().count() + 1;
    let hot = "where = \"temp > 1\"\n";
    for (keys, place, part) in [
        ("for = \"5m\"\n".to_owned(), (line, 7), "add where"),
        ("resolve = true\n".into(), (line, 11), "add where"),
        ("by = [\"station\"]\n".into(), (line, 6), "without `for` or `resolve`"),
        ("max_future = \"1h\"\n".into(), (line, 14), "without `for` or `resolve`"),
        (format!("{hot}resolve = true\nmax_future = \"1h\"\n"), (line + 2, 14), "without `for`"),
        (format!("{hot}for = \"5m\"\nby = []\n"), (line + 2, 6), "no column is named"),
        (format!("{hot}for = \"5m\"\nby = [\"staton\"]\n"), (line + 2, 7), "did you mean `station`?"),
        (format!("{hot}for = \"5\"\n"), (line + 1, 7), "is not a duration"),
        (format!("{hot}for = \"0s\"\n"), (line + 1, 7), "between 1ms"),
        (format!("{hot}fo = \"5s\"\n"), (line + 1, 1), "did you mean `for`?"),
        ("where = \"alert == 'firing'\"\nfor = \"5s\"\n".into(), (line, 10), "no column `alert`"),
    ] {
        write(&directory, &(head.clone() + &keys));
        let output = rowmill(&["check", "alerts.toml"]).current_dir(directory.path()).output().unwrap();
        let place = format!(":{}:{}", place.0, place.1);
        assert_eq!(output.status.code(), Some(2), "{keys}: {}", said(&output));
        assert!(said(&output).contains(part) && said(&output).contains(&place), "{keys}: {place}\n{}", said(&output));
    }
    let check = |text: String| {
        write(&directory, &text);
        let output = rowmill(&["check", "alerts.toml"]).current_dir(directory.path()).output().unwrap();
        (output.status.code(), said(&output), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let alert = format!("{head}{hot}for = \"5m 30s\"\nby = [\"station\"]\nresolve = true\n");
    let (code, said, _) = check(alert.replace("time = { column = \"at\" }\n", ""));
    assert!(code == Some(2) && said.contains("[schema.time] column"), "{said}");
    let (code, said, _) = check(alert.replace("text = [\"station\"]", "text = [\"station\", \"alert\"]"));
    assert!(code == Some(2) && said.contains("a column is named `alert`"), "{said}");
    let (code, said, shown) = check(alert);
    assert_eq!(code, Some(0), "{said}");
    assert!(shown.contains("where temp > 1, for 5m 30s, by station, resolve"), "{shown}");
}

/// A dataflow over a session, with a sink of all rows and an alert of each of three keys.
fn live(port: u16, all: &str, alerts: &str) -> String {
    format!(
        "schema = {{ number = [\"n\"], time = {{ column = \"n\" }} }}\n[source]\nurl = \"mqtt://127.0.0.1:{port}/rows\"\n\
         client_id = \"mill\"\nsession = true\n[buffer]\nbucket_size = 2\ndelay = \"5ms\"\n[checkpoint]\nevery = \"1ms\"\n\
         [[subtask]]\nuse = \"eval\"\nexpr = \"k = n % 3\"\n{all}{alerts}"
    )
}

const ALL: &str = "[[sink]]\nurl = \"all.csv\"\n";
const ALERT: &str = "where = \"n % 24 < 15\"\nfor = \"6s\"\nresolve = true\nby = [\"k\"]\ncolumns = [\"k\"]\n";

/// What the alerts of [`ALERT`] tell of these rows: by number, in their order.
fn told(rows: impl IntoIterator<Item = u64>) -> Vec<(u64, &'static str)> {
    let mut heard: [Heard; 3] = Default::default();
    let word = |n: u64| Some((n, heard[n as usize % 3].hears(n as f64, n % 24 < 15, 6.0)?));
    rows.into_iter().filter_map(word).collect()
}

/// Row, number and the last cell of whole lines of CSV `message,row,NUMBER,...`.
fn cells(path: &Path) -> Vec<(u64, f64, String)> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let cells = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        Some((cells[1].parse().ok()?, cells[2].parse().ok()?, cells.last()?.to_string()))
    };
    whole.lines().filter_map(cells).collect()
}

/// Asserts that the alerts are those of the rows in all.csv, each once.
fn assert_told(directory: &TempDir, case: &str) -> usize {
    let all = cells(&directory.path().join("all.csv"));
    let rows: BTreeMap<u64, u64> = all.iter().map(|(row, n, _)| (*row, *n as u64)).collect();
    let found = cells(&directory.path().join("alerts.csv"));
    let found: Vec<(u64, &str)> = found.iter().map(|(row, _, word)| (rows[row], word.as_str())).collect();
    assert_eq!(found, told(all.iter().map(|(_, n, _)| *n as u64)), "{case}");
    found.len()
}

fn kill_group(mut process: Process) {
    let group = format!("-{}", process.0.id());
    let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
    process.kill();
}

#[test]
fn no_alert_is_told_twice_after_a_kill_and_with_other_workers() {
    let mut events = 0;
    for seed in 1..=3 {
        let directory = tempfile::tempdir().unwrap();
        let (listener, port) = Played::listen();
        write(&directory, &live(port, ALL, &format!("[[sink]]\nurl = \"alerts.csv\"\n{ALERT}")));
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut redelivery = Redelivery::default();
        const ROUNDS: usize = 7;
        for round in 0..ROUNDS {
            let mut command = rowmill(&["run", "alerts.toml", "-q"]);
            command.args(SHAPES[(round + seed as usize) % SHAPES.len()]).current_dir(directory.path());
            let process = Process(command.stderr(Stdio::inherit()).process_group(0).spawn().unwrap());
            let mut broker = Played::accept(&listener, round > 0);
            let (more, last) = (random.random_range(10..30), round == ROUNDS - 1);
            redelivery.serve(&mut broker, more, last, &mut random);
            if last {
                process.drain();
                break;
            }
            std::thread::sleep(std::time::Duration::from_micros(random.random_range(0..20_000)));
            kill_group(process);
        }
        let all = cells(&directory.path().join("all.csv"));
        assert!(all.iter().map(|(_, n, _)| *n as u64).eq(0..redelivery.published), "{seed}: every row once");
        events += assert_told(&directory, &format!("seed {seed}"));
    }
    assert!(events > 40, "{events}");
}

#[test]
fn an_alert_that_stands_elsewhere_in_the_file_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let (listener, port) = Played::listen();
    let alert = format!("[[sink]]\nurl = \"alerts.csv\"\n{ALERT}");
    let mut next = 0;
    let mut goes_on = |all: &str, alerts: &str, flags: &[&str]| {
        write(&directory, &live(port, all, alerts));
        let told = directory.path().join("said");
        let mut command = rowmill(&["run", "alerts.toml"]);
        command.args(flags).current_dir(directory.path()).stderr(std::fs::File::create(&told).unwrap());
        let process = Process(command.spawn().unwrap());
        let mut broker = Played::accept(&listener, next > 0);
        for _ in 0..8 {
            broker.publish(next as u16 + 1, next, false);
            assert_eq!(broker.acknowledged(), next as u16 + 1);
            next += 1;
        }
        process.drain();
        std::fs::read_to_string(&told).unwrap()
    };
    // Two keys are firing when the sinks change their places.
    goes_on(ALL, &alert, &[]);
    goes_on(ALL, &alert, &["-w", "2"]);
    let said = goes_on(&alert, ALL, &["--migrate"]);
    assert!(said.contains("stays: the alerts of the sink alerts.csv"), "{said}");
    assert_eq!(assert_told(&directory, "turned"), 6);
    let said = goes_on(&alert.replace("6s", "7s"), ALL, &["--migrate"]);
    assert!(said.contains("goes: the alerts of the sink alerts.csv"), "{said}");
}

#[test]
#[ignore = "needs mosquitto"]
fn a_topic_is_told_each_alert_under_one_row_over_kills() {
    const ROWS: u64 = 3000;
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    let port = broker.port;
    write(&directory, &live(port, ALL, &format!("[[sink]]\nurl = \"mqtt://127.0.0.1:{port}/alerts\"\n{ALERT}")));
    let alerts = collect(port, "alerts");
    let start = |shape: usize| {
        let mut command = rowmill(&["run", "alerts.toml"]);
        command.args(SHAPES[shape % SHAPES.len()]).process_group(0);
        Process::subscribed(command.current_dir(directory.path()))
    };
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut process = start(0);
    for part in 0..4 {
        let numbers = part * ROWS / 4..(part + 1) * ROWS / 4;
        let sender = std::thread::spawn({
            let mut random = ChaCha8Rng::seed_from_u64(part);
            move || publish(port, rumqttc::QoS::AtLeastOnce, numbers, &mut random)
        });
        std::thread::sleep(std::time::Duration::from_millis(random.random_range(20..200)));
        kill_group(process);
        process = start(part as usize + 1);
        sender.join().unwrap();
    }
    let all = directory.path().join("all.csv");
    wait_until("all rows", || cells(&all).len() >= ROWS as usize);
    let rows = cells(&all);
    let mut expected: Vec<(u64, &str)> = told(rows.iter().map(|(_, n, _)| *n as u64));
    expected.sort_unstable();
    let of_row: BTreeMap<u64, u64> = rows.iter().map(|(row, n, _)| (*row, *n as u64)).collect();
    // A broker gets an alert again that was not acknowledged when the process was killed, under the same number.
    let by_row = || {
        let alerts = alerts.lock().unwrap();
        let pair = |row: &serde_json::Value| (row["row"].as_u64().unwrap(), row["alert"].as_str().unwrap().to_owned());
        alerts.iter().map(pair).collect::<BTreeMap<u64, String>>()
    };
    wait_until("all alerts", || by_row().len() >= expected.len());
    let by_row = by_row();
    let mut found: Vec<(u64, &str)> = by_row.iter().map(|(row, word)| (of_row[row], word.as_str())).collect();
    found.sort_unstable();
    assert_eq!(found, expected);
    assert!(found.len() > 100, "{}", found.len());
    process.drain();
}
