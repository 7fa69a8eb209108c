//! Sweeps and plans, as a user starts them.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use assert_cmd::cargo::CommandCargoExt;
use assert_cmd::prelude::OutputAssertExt;
use predicates::prelude::*;
use predicates::str::contains;

/// Held by those that load the machine, and alone by the one that needs a rate to be kept.
static MACHINE: RwLock<()> = RwLock::new(());

fn rowmill() -> Command {
    Command::cargo_bin("rowmill").unwrap()
}

fn report(directory: &Path) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(directory.join("report.json")).unwrap()).unwrap()
}

fn sweep(directory: &Path) -> Command {
    let mut command = rowmill();
    command.args(["bench", "sweep", "dataflows/weather.toml", "--rows", "2000", "--bucket-sizes", "50,500"]);
    command.args(["-w", "1,2", "--repeats", "1", "-o"]).arg(directory);
    command
}

#[test]
fn a_sweep_measures_every_case_once_and_goes_on_where_it_was() {
    let _shared = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    let raw = directory.path().join("raw.csv");
    sweep(directory.path()).assert().success();
    let first = fs::read_to_string(&raw).unwrap();
    assert_eq!(first.lines().count(), 1 + 4);
    let mut reader = csv::Reader::from_reader(first.as_bytes());
    for line in reader.deserialize() {
        let line: std::collections::HashMap<String, String> = line.unwrap();
        assert_eq!(line["rows"], "2000");
        assert!(line["rows_per_second"].parse::<f64>().unwrap() > 0.0);
        assert_eq!(line["messages"].parse::<u64>().unwrap() * line["bucket_size"].parse::<u64>().unwrap(), 2000);
    }
    let html = fs::read_to_string(directory.path().join("report.html")).unwrap();
    assert_eq!(html.matches("<svg").count(), 8);
    assert!(!html.contains("src=") && !html.contains("href="), "the page needs nothing else");
    let logs = directory.path().join("reports/file-n1-w1-message-b50-0/latency-row.hlog");
    assert!(logs.exists());

    let cut = first.lines().take(4).map(|line| format!("{line}\n")).collect::<String>();
    fs::write(&raw, &cut).unwrap();
    sweep(directory.path()).assert().success();
    let second = fs::read_to_string(&raw).unwrap();
    assert!(second.starts_with(&cut) && second.lines().count() == 1 + 4);
}

/// Regression: generated rows went to where the tables of the file go.
#[test]
fn what_is_measured_leaves_the_results_of_others_as_they_are() {
    let _shared = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let text = "name = \"t\"\nschema = \"davis\"\nsource.url = \"-\"\nsink.url = \"out.csv\"\ndead_letter.url = \"dead.ndjson\"\n\
                [[table]]\nname = \"t\"\nkey = [\"usUnits\"]\ncolumns = [\"outTemp\"]\nsink = { url = \"t.csv\" }\n";
    fs::write(at("t.toml"), text).unwrap();
    fs::write(at("t.csv"), "do,not,touch\n").unwrap();
    let swept =
        ["bench", "sweep", "t.toml", "--rows", "200", "-w", "1", "--bucket-sizes", "50", "--repeats", "1", "-o", "o"];
    rowmill().args(swept).current_dir(directory.path()).assert().success();
    assert_eq!(fs::read_to_string(at("t.csv")).unwrap(), "do,not,touch\n");
    assert!(!at("out.csv").exists() && !at("dead.ndjson").exists());
}

#[test]
#[ignore = "needs seconds"]
fn a_sweep_runs_over_mqtt_and_beside_peers_and_parts_alone() {
    let _shared = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    let peer = directory.path().join("peer.sh");
    let told = r#"echo "{\"rows\": $2, \"messages\": 40, \"seconds\": $4, \"service_message_mean\": 5e6}""#;
    fs::write(&peer, format!("{told}\n")).unwrap();
    let out = directory.path().join("out");
    let mut command = sweep(&out);
    command.args(["--over", "file,mqtt", "--time", "3s", "--baselines", "--peer-time", "30s", "--peer"]);
    command.arg(format!("another=sh {}", peer.display())).assert().success();
    let lines = |name: &str| {
        let mut reader = csv::Reader::from_path(out.join(name)).unwrap();
        let lines = reader.deserialize().map(|line| line.unwrap());
        lines.collect::<Vec<std::collections::HashMap<String, String>>>()
    };
    let cases = lines("raw.csv");
    assert_eq!(cases.len(), 8);
    // Over MQTT the rows of the file come again and again.
    assert!(cases.iter().all(|line| (line["over"] == "mqtt") == (line["rows"] != "2000")), "{cases:?}");
    let peers = lines("peers.csv");
    let names = ["another", "Rust loop, 1 thread", "parsing alone, 1 thread", "broker and client alone"];
    for (name, bucket_size) in names.iter().flat_map(|name| [(name, "50"), (name, "500")]) {
        let line = peers.iter().find(|line| line["peer"] == **name && line["bucket_size"] == bucket_size);
        let line = line.unwrap_or_else(|| panic!("{name} {bucket_size}: {peers:?}"));
        assert!(line["rows_per_second"].parse::<f64>().unwrap() > 0.0, "{line:?}");
        let rows: f64 = line["rows"].parse().unwrap();
        assert!(*name != "Rust loop, 1 thread" || rows == 2000.0, "{line:?}");
    }
    assert_eq!(peers.len(), 8);
    let summary = fs::read_to_string(out.join("summary.md")).unwrap();
    for title in ["## Medians", "## Side by side", "## Peers", "## COST", "| another | 50 | 1 |"] {
        assert!(summary.contains(title), "{title}: {summary}");
    }
    let html = fs::read_to_string(out.join("report.html")).unwrap();
    for title in ["Throughput over MQTT", "time goes", "Throughput, side by side", "Efficiency"] {
        assert!(html.contains(title), "{title}");
    }
}

#[test]
fn a_sweep_that_cannot_run_says_why() {
    let _shared = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    rowmill().args(["bench", "sweep", "nowhere.toml"]).assert().code(2).stderr(contains("nowhere.toml"));
    sweep(directory.path()).args(["--bucket-sizes", "0"]).assert().code(2).stderr(contains("whole number from 1"));
    sweep(directory.path()).args(["--peer", "alone"]).assert().code(2).stderr(contains("NAME=COMMAND"));
    let alone = |input: &str| {
        rowmill().args(["bench", "alone", "loop", "dataflows/weather.toml", input, "9", "9", "1"]).assert()
    };
    alone("-").code(1).stderr(contains("-: is no file of rows"));
    alone("nowhere.ndjson").code(1).stderr(contains("nowhere.ndjson"));
    let failing = "broken=sh -c exit";
    sweep(directory.path()).args(["--peer", failing]).assert().code(1).stderr(contains("broken, "));
    fs::write(directory.path().join("raw.csv"), "a,b\n1,2\n").unwrap();
    sweep(directory.path()).assert().code(1).stderr(contains("raw.csv"));
}

fn plan(directory: &Path, rate: f64) -> Command {
    let mut command = rowmill();
    command.args(["plan", "--rate", &rate.to_string(), "--report"]).arg(directory);
    command
}

/// What a row of a plan's table says: workers, served rows/s, mu, rho.
fn planned(stdout: &[u8], workers: usize) -> Vec<f64> {
    let text = std::str::from_utf8(stdout).unwrap();
    let mut lines = text.lines().map(|line| line.split_whitespace().map_while(|word| word.parse().ok()).collect());
    lines.find(|words: &Vec<f64>| words.first() == Some(&(workers as f64))).unwrap()
}

#[test]
fn a_plan_from_a_report_names_the_fewest_workers() {
    let _shared = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    // 8 ms of service a message, and 2 between two: 100 messages of 100 rows a second.
    let told = serde_json::json!({
        "rows_in": 20000, "messages": 200, "busy_seconds": 2.0,
        "service_ns": { "message": { "mean": 8e6, "stdev": 0.0 } },
    });
    fs::write(directory.path().join("report.json"), told.to_string()).unwrap();
    let plan = |rate| plan(directory.path(), rate);
    let one = plan(5000.0).assert().success().stdout(contains("-w 1 does.")).get_output().stdout.clone();
    assert_eq!(planned(&one, 1)[..4], [1.0, 10_000.0, 10_000.0, 0.5]);
    let three = plan(25_000.0).assert().success().stdout(contains("-w 3 does.").or(contains("3 workers do,")));
    three.stdout(contains("  the queue grows for ever"));
    plan(25_000.0).args(["-w", "2"]).assert().code(1).stdout(contains("2 workers do not serve this"));
    let three = plan(25_000.0).args(["-w", "3"]).assert().success().get_output().stdout.clone();
    assert_eq!(planned(&three, 3)[..4], [3.0, 30_000.0, 10_000.0, 0.833]);
    // Of 50 rows a message: half of the service, and as much between two.
    let half = plan(2500.0).args(["--bucket-size", "50"]).assert().success().get_output().stdout.clone();
    assert_eq!(planned(&half, 1)[..4], [1.0, 8333.0, 8333.0, 0.3]);
    plan(1.0).args(["--delay", "2s", "--p99", "1s"]).assert().code(1).stdout(contains("take fewer rows a message"));
    plan(-1.0).assert().code(2);
    rowmill().args(["plan", "--rate", "1", "--report", "nowhere"]).assert().code(2).stderr(contains("nowhere"));
}

#[test]
fn a_plan_takes_what_a_run_has_reported() {
    let _shared = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    let run = ["run", "dataflows/weather.toml", "--source", "generate:rows=2000,seed=1", "--sink", "null", "-q"];
    rowmill().args(run).args(["--bucket-size", "100", "--report"]).arg(directory.path()).assert().success();
    let report = report(directory.path());
    let number = |name: &str| report[name].as_f64().unwrap();
    let (mu, rho) = (number("mu"), number("rho"));
    assert!(0.0 < rho && rho <= 1.0 && (mu * number("busy_seconds") / 2000.0 - 1.0).abs() < 1e-9, "{report}");
    let one =
        plan(directory.path(), 0.5 * mu).assert().success().stdout(contains("-w 1 does.")).get_output().stdout.clone();
    let [_, serves, of_one, rho, ..] = planned(&one, 1)[..] else { panic!("no rho") };
    assert!((serves - mu).abs() <= 1.0 && (of_one - mu).abs() <= 1.0 && rho == 0.5, "{serves} {of_one} {rho} {mu}");
    let three = plan(directory.path(), 2.5 * mu).assert().success();
    three.stdout(contains("-w 3 does.").or(contains("3 workers do,")));
    plan(directory.path(), 2.5 * mu).args(["-w", "2"]).assert().code(1);
}

#[test]
#[ignore = "needs seconds"]
fn a_plan_is_measured_and_verified() {
    let _shared = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    let plan =
        ["plan", "--rate", "500", "--bucket-size", "10", "--burst", "10", "-w", "1", "--verify", "--duration", "3s"];
    rowmill().args(plan).assert().success().stdout(contains("-w 1 does.").and(contains("mean wait, message")));
}

#[test]
#[ignore = "needs seconds"]
fn a_plan_is_set_beside_many_rounds() {
    let _shared = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    let flags = ["--workers", "1", "--loads", "0.2,0.4", "--rounds", "1", "--duration", "300ms", "--bucket-size", "10"];
    let output = rowmill().args(["bench", "planner"]).args(flags).assert().success().get_output().stdout.clone();
    let table = String::from_utf8(output).unwrap();
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split('|').map(str::trim).collect()).collect();
    let met = lines.iter().skip(2).map(|cells| (cells[1], cells[2], cells[3])).collect::<Vec<_>>();
    assert_eq!(met, [("1", "0.2", "1"), ("1", "0.4", "1")], "{table}");
    let rho = |line: usize| lines[line][6].parse::<f64>().unwrap();
    // How busy it is depends on the machine; that it is for no longer than there is time, on nobody.
    assert!((2..4).all(|line| 0.0 < rho(line) && rho(line) <= 1.0), "{table}");
    rowmill().args(["bench", "planner", "--loads", "1.5"]).assert().code(2).stderr(contains("no share"));
}

#[test]
#[ignore = "needs seconds"]
fn latency_climbs_up_to_saturation() {
    let _shared = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    let mut command = rowmill();
    command.args([
        "bench",
        "latency",
        "--bucket-size",
        "10",
        "--burst",
        "10",
        "--duration",
        "300ms",
        "--p99",
        "10s",
        "-o",
    ]);
    command.arg(directory.path()).assert().success().stdout(contains("rows/s hold a p99 of 10s"));
    let csv = fs::read_to_string(directory.path().join("latency-w1-b10.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 10);
    let html = fs::read_to_string(directory.path().join("report.html")).unwrap();
    for title in ["p99 of the model", "Latency of rows by quantile", "99.99 %"] {
        assert!(html.contains(title), "{title}");
    }
    let never = ["bench", "latency", "--bucket-size", "10", "--duration", "100ms", "--p99", "1ns"];
    rowmill().args(never).assert().code(1).stdout(contains("no rate holds"));
}

#[test]
#[ignore = "needs seconds"]
fn a_stall_of_a_second_shows_up_as_one() {
    let _alone = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    let run = ["run", "dataflows/weather.toml", "--source", "generate:rows=5000,seed=1,rate=1000"];
    let mut command = rowmill();
    command.args(run).args(["-q", "--bucket-size", "1", "--report"]).arg(directory.path());
    command.arg("--sink").arg(directory.path().join("out.csv"));
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    let signal = |name: &str| {
        assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
    };
    let out = directory.path().join("out.csv");
    let deadline = Instant::now() + Duration::from_secs(60);
    while fs::metadata(&out).map_or(0, |file| file.len()) < 1000 {
        assert!(Instant::now() < deadline, "no rows");
        std::thread::sleep(Duration::from_millis(20));
    }
    signal("-STOP");
    std::thread::sleep(Duration::from_secs(1));
    signal("-CONT");
    assert!(child.wait().unwrap().success());
    let took = began.elapsed().as_secs_f64();
    let latency = report(directory.path())["latency_ns"]["row"].clone();
    let seconds = |name: &str| latency[name].as_f64().unwrap() / 1e9;
    assert_eq!(latency["count"], 5000);
    // A fifth of the rows were due in that second, and waited for what was left of it; what else the machine did adds.
    assert!(seconds("p999") > 0.9 && seconds("p90") > 0.2, "{latency}");
    assert!((0.98..took).contains(&seconds("max")), "{latency} {took}");
}
