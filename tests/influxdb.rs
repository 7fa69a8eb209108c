//! Rows as points in Debian's InfluxDB and VictoriaMetrics: their types and values, each row once whatever is killed,
//! what is said where that can't be.
#![cfg(feature = "influxdb")]

mod broker;
mod database;

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use broker::numbered::{kill_either, persistent};
use broker::{Process, rowmill, wait_until};
use database::influx::Influx;
use database::victoria::Victoria;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tempfile::TempDir;

const HEAD: &str = "schema = { number = [\"n\", \"temp\"], text = [\"station\", \"at\", \"note\"], time = { column = \"at\", \
                    zone = \"Europe/Berlin\" } }\n[source]\nurl = \"rows.csv\"\n[buffer]\nbucket_size = 100\n\
                    [dead_letter]\nurl = \"dead.ndjson\"\n[sink]\nmeasurement = \"loop, of all\"\ntags = [\"station\"]\n";

/// A folder with a dataflow `weather.toml` whose sink has these settings, too, and rows.
fn folder(url: &str, more: &str, rows: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("weather.toml"), format!("{HEAD}url = \"{url}\"\n{more}")).unwrap();
    std::fs::write(directory.path().join("rows.csv"), format!("station,at,n,temp,note\n{rows}")).unwrap();
    directory
}

fn command(directory: &TempDir, arguments: &[&str]) -> Command {
    let mut command = rowmill(arguments);
    command.arg("weather.toml").current_dir(directory.path());
    command
}

fn run(directory: &TempDir) -> Output {
    command(directory, &["run", "-q"]).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The raw bytes and reasons of the dead letters.
fn dead_letters(directory: &TempDir) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(directory.path().join("dead.ndjson")).unwrap_or_default();
    let letters = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |letter: &Value, key: &str| letter[key].as_str().unwrap().to_owned();
    letters.map(|letter| (text(&letter, "raw"), text(&letter, "reason"))).collect()
}

#[test]
#[ignore = "needs influxd"]
fn values_are_what_the_rows_say_and_what_is_refused_is_a_dead_letter() {
    let influx = Influx::started("");
    influx.create();
    let rows = "hill,2024-07-01T12:00:00.000000001,1,0.1,\"a \"\"b\"\"\\, ä\"\n\"a b,c=d\",2024-01-01T12:00:00Z,2,,\n\
                ,1970-01-01T00:00:00Z,3,1e300,x\nhill,,4,1,no time\nhill,2024-01-01T12:00:00Z,0.5,1,no integer\n\
                \"a\\\",2024-01-01T12:00:00Z,6,1,no tag\nhill,2024-01-01T12:00:00Z,7,-Infinity,\n";
    let directory = folder(&influx.url(), "integers = [\"n\"]\n", rows);
    let output = run(&directory);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("infinite number"), "{}", said(&output));
    let all = || influx.ask("SELECT * FROM \"loop, of all\"")[0].clone();
    let values = json!([
        [0, 3, "x", null, 1e300],
        [1_704_110_400_000_000_000_u64, 2, null, "a b,c=d", null],
        [1_704_110_400_000_000_000_u64, 7, null, "hill", null],
        // Berlin is two hours ahead of UTC in July.
        [1_719_828_000_000_000_001_u64, 1, "a \"b\"\\, ä", "hill", 0.1],
    ]);
    let sorted = |rows: &Value| {
        let mut rows: Vec<String> = rows.as_array().unwrap().iter().map(Value::to_string).collect();
        rows.sort();
        rows
    };
    assert_eq!(all()["columns"], json!(["time", "n", "note", "station", "temp"]));
    assert_eq!(sorted(&all()["values"]), sorted(&values));
    let letters = dead_letters(&directory);
    for (row, words) in [("no time", "at: no time"), ("no integer", "n: 0.5 is no integer"), ("no tag", "is no tag")] {
        assert!(letters.iter().any(|(raw, reason)| raw.contains(row) && reason.contains(words)), "{row}: {letters:?}");
    }
    assert_eq!(letters.len(), 3);
    // The same rows again are the same points.
    assert!(run(&directory).status.success());
    assert_eq!(sorted(&all()["values"]), sorted(&values));
    // A field of another type: its rows are refused with the server's words, also among others.
    let rows: String =
        (0..1000).map(|n| format!("{},{n},{n},1,\n", if n % 100 == 7 { "vale" } else { "hill" })).collect();
    let directory = folder(&influx.url(), "", &rows);
    assert!(run(&directory).status.success());
    let letters = dead_letters(&directory);
    assert_eq!(letters.len(), 1000, "all have a float where an integer was");
    assert!(letters[0].1.contains("field type conflict"), "{}", letters[0].1);
    influx.ask("DROP MEASUREMENT \"loop, of all\"");
    influx.ask("CREATE RETENTION POLICY short ON weather DURATION 1h REPLICATION 1 DEFAULT");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let rows: String = (0..1000).map(|n| format!("hill,{},{n},1,\n", if n % 100 == 7 { 5 } else { now - n })).collect();
    let directory = folder(&influx.url(), "", &rows);
    assert!(run(&directory).status.success());
    let letters = dead_letters(&directory);
    assert_eq!(
        (letters.len(), influx.count("SELECT count(n) FROM \"loop, of all\"")),
        (10, 990),
        "{:?}",
        letters.first()
    );
    assert!(letters.iter().all(|(_, reason)| reason.contains("points beyond retention policy")), "{}", letters[0].1);
}

#[test]
#[ignore = "needs influxd"]
fn an_absent_server_is_waited_for_and_a_refusal_ends_the_run() {
    let mut influx = Influx::new("auth-enabled = true\n");
    let url = influx.url().replace("127.0.0.1", "owner:hunter2@127.0.0.1");
    let rows: String = (0..300_000).map(|n| format!("hill,{n},{n},1,\n")).collect();
    let directory = folder(&url, "", &rows);
    let started = || {
        let stderr = std::fs::File::create(directory.path().join("said")).unwrap();
        Process(command(&directory, &["run", "-q"]).stderr(stderr).spawn().unwrap())
    };
    let text = || std::fs::read_to_string(directory.path().join("said")).unwrap();
    let mut process = started();
    wait_until("what it waits for", || text().contains("the source waits until the server takes results"));
    influx.start();
    // The server is there, but not its database: that does not come by itself.
    assert_eq!(process.code(), Some(1), "{}", text());
    assert!(text().contains("database not found: \"weather\"") && !text().contains("hunter2"), "{}", text());
    influx.ask("CREATE USER owner WITH PASSWORD 'hunter2' WITH ALL PRIVILEGES");
    influx.create();
    let output = run(&folder(&url.replace("hunter2", "hunter3"), "", "hill,1,1,1,\n"));
    assert_eq!(output.status.code(), Some(1));
    let words = said(&output);
    assert!(words.contains("check `token`, or `user` and `password`") && !words.contains("hunter3"), "{words}");
    let mut process = started();
    let count = |influx: &Influx| influx.count("SELECT count(n) FROM \"loop, of all\"");
    wait_until("rows", || count(&influx) > 0);
    influx.kill();
    std::thread::sleep(Duration::from_millis(300));
    influx.start();
    assert_eq!(process.code(), Some(0), "{}", text());
    assert_eq!((count(&influx), dead_letters(&directory).len()), (300_000, 0));
    // A file that is wrong is told before anything connects.
    let other = folder(&influx.url(), "booleans = [\"note\"]\n", "");
    let output = command(&other, &["check"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("booleans: note is a column of texts"), "{}", said(&output));
}

#[test]
#[ignore = "needs victoria-metrics"]
fn victoria_metrics_takes_the_same_points() {
    let mut victoria = Victoria::started();
    const ROWS: u64 = 20_000;
    let begin = 1_704_110_400_u64;
    let station = |n: u64| if n.is_multiple_of(2) { "hill" } else { "a b,c=d" };
    let rows: String =
        (0..ROWS).map(|n| format!("\"{}\",{},{n},{},\n", station(n), begin + n, n as f64 / 8.0)).collect();
    let directory = folder(&victoria.url(), "", &rows);
    let checked = |victoria: &Victoria| {
        let series = victoria.series();
        let mut found: Vec<(String, String, usize)> = Vec::new();
        for one in &series {
            let (name, tag) = (one["metric"]["__name__"].as_str().unwrap(), one["metric"]["station"].as_str().unwrap());
            let (values, times) = (one["values"].as_array().unwrap(), one["timestamps"].as_array().unwrap());
            let divisor = if name.ends_with("_temp") { 8.0 } else { 1.0 };
            for (value, time) in values.iter().zip(times) {
                let n = time.as_u64().unwrap() / 1000 - begin;
                assert_eq!((value.as_f64(), station(n)), (Some(n as f64 / divisor), tag), "{name} {time}");
            }
            found.push((name.into(), tag.into(), values.len()));
        }
        found.sort();
        let half = ROWS as usize / 2;
        let series = |name: &str, tag: &str| (name.to_owned(), tag.to_owned(), half);
        let [n, temp] = ["loop, of all_n", "loop, of all_temp"];
        let expected = [series(n, "a b,c=d"), series(n, "hill"), series(temp, "a b,c=d"), series(temp, "hill")];
        assert_eq!(found, expected);
    };
    let output = run(&directory);
    assert!(output.status.success(), "{}", said(&output));
    checked(&victoria);
    // The same points anew, while the server is killed.
    victoria.clear();
    assert_eq!(victoria.series(), [] as [Value; 0]);
    let mut process = Process(command(&directory, &["run", "-q"]).spawn().unwrap());
    victoria.kill();
    std::thread::sleep(Duration::from_millis(300));
    victoria.start();
    assert_eq!(process.code(), Some(0));
    assert_eq!(dead_letters(&directory), []);
    let at = |one: &Value| one["timestamps"].as_array().unwrap().iter().filter_map(Value::as_u64).collect::<Vec<_>>();
    for mut times in victoria.series().iter().map(at) {
        times.sort_unstable();
        times.dedup();
        assert_eq!(times.len() as u64, ROWS / 2, "each row is there");
    }
}

/// Kills the run or the server, so many times, while rows come from a broker that keeps them.
#[test]
#[ignore = "needs influxd and mosquitto"]
fn every_row_of_a_broker_is_there_once_after_kills_of_either_side() {
    const KILLS: u64 = 12;
    const ROWS: u64 = 1_000;
    let mut influx = Influx::started("");
    influx.create();
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    // A step that keeps state: what comes again has the same sum.
    let text = format!(
        "schema = {{ number = [\"n\", \"at\", \"sum\"] }}\n[source]\nurl = \"mqtt://127.0.0.1:{}/rows\"\nclient_id = \
         \"mill\"\n[buffer]\nbucket_size = 64\ndelay = \"50ms\"\n[[subtask]]\nuse = \"eval\"\nexpr = \"at = n\"\n\
         [[subtask]]\nuse = \"eval\"\nexpr = \"sum = n * 0 + 1\"\n[[subtask]]\nuse = \"cumsum\"\nfit = \"stream\"\n\
         columns = [\"sum\"]\n[sink]\nurl = \"{}\"\nmeasurement = \"rows\"\ntime = \"at\"\n",
        broker.port,
        influx.url()
    );
    std::fs::write(directory.path().join("weather.toml"), text).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(7);
    // Its standard error says when it is subscribed.
    let start = |flags: &[&str]| {
        let mut command = command(&directory, &["run"]);
        Process::subscribed(command.args(flags).stdout(Stdio::null()))
    };
    let process = kill_either(broker.port, (KILLS, ROWS), &mut random, start, |random| {
        influx.kill();
        std::thread::sleep(Duration::from_millis(random.random_range(0..200)));
        influx.start();
    });
    const ALL: u64 = KILLS * ROWS;
    wait_until("all rows", || influx.count("SELECT count(n) FROM rows") >= ALL);
    process.drain();
    let of = |what: &str| influx.count(&format!("SELECT {what} FROM rows"));
    assert_eq!((of("count(n)"), of("sum(n)"), of("max(n)")), (ALL, ALL * (ALL - 1) / 2, ALL - 1));
    assert_eq!((of("max(sum)"), of("count(distinct(sum))")), (ALL, ALL));
}
