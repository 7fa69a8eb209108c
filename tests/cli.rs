//! The command line as its users meet it: results, messages, exit codes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use rowmill::mqtt::free_port;
use tempfile::TempDir;

fn rowmill() -> Command {
    let mut command = Command::cargo_bin("rowmill").unwrap();
    command.current_dir(env!("CARGO_MANIFEST_DIR")).timeout(std::time::Duration::from_secs(60));
    command
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn report(directory: &Path) -> serde_json::Value {
    serde_json::from_str(&read(&directory.join("report.json"))).unwrap()
}

/// Rows in are rows out, dropped, or in dead letters.
fn assert_accounted(report: &serde_json::Value, rows_in: u64) {
    let dropped: u64 = report["rows_dropped"].as_object().unwrap().values().map(|rows| rows.as_u64().unwrap()).sum();
    let accounted = report["rows_out"].as_u64().unwrap() + dropped + report["dead_letters"].as_u64().unwrap();
    assert_eq!((report["rows_in"].as_u64(), accounted), (Some(rows_in), rows_in), "{report}");
}

#[test]
fn any_workers_processes_and_placement_give_the_same_bytes() {
    let directory = TempDir::new().unwrap();
    let run = |name: &str, flags: &[&str]| {
        let out = directory.path().join(name);
        rowmill()
            .args([
                "run",
                "dataflows/weather.toml",
                "--source",
                "data/sample.csv",
                "--bucket-size",
                "70",
                "--quiet",
                "--fresh",
            ])
            .arg("--sink")
            .arg(&out)
            .args(flags)
            .assert()
            .success();
        read(&out)
    };
    let expected = run("1.csv", &[]);
    assert_eq!(expected.lines().count(), 1 + 1992);
    let runs: [&[&str]; 5] = [
        &["--no-fuse"],
        &["-w", "2"],
        &["-w", "2", "--placement", "subtask"],
        &["-n", "2", "-w", "1"],
        &["-n", "2", "--placement", "subtask"],
    ];
    for flags in runs {
        assert!(run("2.csv", flags) == expected, "{flags:?}");
    }
}

#[test]
fn the_report_accounts_for_every_row() {
    let directory = TempDir::new().unwrap();
    rowmill()
        .args(["run", "dataflows/weather.toml", "--source", "data/sample.csv", "--sink", "null", "--report"])
        .arg(directory.path())
        .arg("--live")
        .arg(directory.path().join("live"))
        .assert()
        .success()
        .stderr(contains("rho").and(contains("power_transformer")));
    let report = report(directory.path());
    assert_accounted(&report, 2000);
    assert_eq!(report["rows_dropped"]["drop_duplicates"], 8);
    assert_eq!(report["latency_ns"]["row"]["count"], 2000);
    assert_eq!(report["service_ns"]["subtask"].as_object().unwrap().len(), 16);
    assert!(report["mu"].as_f64().unwrap() > 0.0 && report["peak_memory_bytes"].as_u64().unwrap() > 0);
    let log = read(&directory.path().join("latency-row.hlog"));
    assert!(log.contains("HIST"), "{log}");
    assert_eq!(self::report(&directory.path().join("live/report")), report);
}

#[test]
fn what_is_between_messages_counts_for_rho() {
    let directory = TempDir::new().unwrap();
    let flags =
        ["--bucket-size", "1", "--source", "generate:rows=3000,seed=1", "--sink", "null", "--quiet", "--report"];
    rowmill().args(["run", "dataflows/weather.toml"]).args(flags).arg(directory.path()).assert().success();
    let report = report(directory.path());
    let number = |pointer: &str| report.pointer(pointer).and_then(serde_json::Value::as_f64).unwrap();
    let of_service = number("/lambda") * number("/service_ns/row/mean") / 1e9;
    assert!(number("/rho") > 1.05 * of_service, "{} {of_service}", number("/rho"));
    let [busy, seconds, mu] = ["/busy_seconds", "/seconds", "/mu"].map(number);
    assert!((number("/rho") - busy / seconds).abs() < 1e-9 && (mu - 3000.0 / busy).abs() < 1e-6 * mu);
}

#[test]
fn bad_rows_go_to_the_dead_letters_and_the_others_on() {
    let directory = TempDir::new().unwrap();
    let (source, dead) = (directory.path().join("in.ndjson"), directory.path().join("dead.ndjson"));
    let long = format!("{{\"x\": \"{}\"}}", "y".repeat(1 << 20));
    let rows: [&[u8]; 6] = [
        b"{\"outTemp\": 1}",
        b"{\"outTemp\"",
        b"{\"outTemp\": \"warm\"}",
        b"\xff\xfe",
        long.as_bytes(),
        b"{\"outTemp\": \"NaN\"}",
    ];
    std::fs::write(&source, rows.join(&b'\n')).unwrap();
    rowmill()
        .args([
            "run",
            "dataflows/normalizer.toml",
            "--set",
            "subtask.0.use=replace",
            "--set",
            "source.max_payload=100000",
        ])
        .arg("--source")
        .arg(&source)
        .arg("--dead-letter")
        .arg(&dead)
        .args(["--sink", "-", "--report"])
        .arg(directory.path())
        .assert()
        .success()
        .stdout(contains("\"outTemp\":1.0").and(contains("\"row\":5")));
    assert_accounted(&report(directory.path()), 6);
    let letters: Vec<serde_json::Value> = read(&dead).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let positions: Vec<u64> = letters.iter().map(|letter| letter["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, [2, 3, 4, 5]);
    assert!(letters[1]["reason"].as_str().unwrap().contains("outTemp"));
    assert_eq!(letters[1]["raw"], "{\"outTemp\": \"warm\"}");
    assert_eq!(letters[2]["raw_base64"], "//4=");
    assert!(letters[3]["reason"].as_str().unwrap().contains("max_payload"));
}

#[test]
fn a_message_that_fails_goes_there_whole_with_the_subtask() {
    let directory = TempDir::new().unwrap();
    let (source, dead) = (directory.path().join("in.csv"), directory.path().join("dead.ndjson"));
    std::fs::write(&source, "outTemp,barometer,outHumidity,windSpeed\n1,2,3,4\n5,,7,8\n9,10,11,12\n").unwrap();
    rowmill()
        .args(["run", "dataflows/normalizer.toml", "--bucket-size", "2", "--sink", "-", "--quiet"])
        .args(["--set", "subtask.normalizer.on_error=message"])
        .arg("--source")
        .arg(&source)
        .arg("--dead-letter")
        .arg(&dead)
        .assert()
        .success()
        .stdout(contains("\"row\":2").and(contains("\"row\":0").not()));
    let letters = read(&dead);
    assert_eq!(letters.matches("\"subtask\":\"normalizer\"").count(), 2);
    assert!(letters.contains("Input X contains NaN. Column barometer, row 1."), "{letters}");
}

#[test]
fn rows_that_a_subtask_cannot_take_go_alone_and_the_others_on() {
    let directory = TempDir::new().unwrap();
    let [source, dead, out] = ["in.csv", "dead.ndjson", "out.csv"].map(|name| directory.path().join(name));
    let dataflow = directory.path().join("flow.toml");
    std::fs::write(&source, "s,a\nx,1\nx,inf\ny,3\ny,5\n").unwrap();
    let text = "schema = { number = [\"a\"], text = [\"s\"] }\n[buffer]\nbucket_size = 3\n[[subtask]]\nuse = \"max_abs_scaler\"\n";
    let run = |step: &str, flags: &[&str]| {
        std::fs::write(&dataflow, format!("{text}{step}\n")).unwrap();
        let mut command = rowmill();
        command.args(["run", "--quiet", "--fresh", "--report"]).arg(directory.path()).args(flags).arg(&dataflow);
        command.arg("--source").arg(&source).arg("--sink").arg(&out).arg("--dead-letter").arg(&dead);
        command.assert().success();
        assert_accounted(&report(directory.path()), 4);
        (read(&out), read(&dead))
    };
    // Message 0 as if row 1 had not been there; over the stream, the station y has had 3 before 5.
    for (step, expected) in [
        ("on_error = \"row\"", "0,0,0.3333333333333333,x\n0,2,1.0,y\n1,3,1.0,y\n"),
        ("on_error = \"row\"\nfit = \"stream\"\nkey = \"s\"", "0,0,1.0,x\n0,2,1.0,y\n1,3,1.0,y\n"),
    ] {
        for flags in [&[][..], &["-w", "3"], &["-n", "2"], &["--no-fuse"]] {
            let (out, dead) = run(step, flags);
            assert_eq!(out, format!("message,row,a,s\n{expected}"), "{step} {flags:?}");
            let letter: serde_json::Value = serde_json::from_str(&dead).unwrap();
            let reason = "Input X contains infinity or a value too large for dtype('float64'). Column a.";
            let told = (&letter["row"], &letter["subtask"], &letter["reason"], &letter["raw"]);
            assert_eq!(told, (&1.into(), &"max_abs_scaler".into(), &reason.into(), &"x,inf".into()));
        }
    }
    let (out, dead) = run("on_error = \"message\"", &[]);
    assert_eq!((out.as_str(), dead.lines().count()), ("message,row,a,s\n1,3,1.0,y\n", 3));
    std::fs::write(&dataflow, format!("{text}on_error = \"column\"")).unwrap();
    let mut command = rowmill();
    command.args(["run", "--source", "-", "--sink", "-"]).arg(&dataflow);
    command.assert().code(2).stderr(contains("flow.toml:6:12").and(contains("`message` or `row`")));
}

#[test]
fn columns_that_never_come_are_told_once() {
    let directory = TempDir::new().unwrap();
    let source = directory.path().join("in.csv");
    let dataflow = directory.path().join("flow.toml");
    std::fs::write(&source, format!("t,humidity,gone\n{}", "1,,\n".repeat(2500))).unwrap();
    let told = |number: &str, flags: &[&str]| {
        let text = format!("schema = {{ number = {number} }}\nsource.url = {source:?}\nsink.url = \"null\"\n");
        std::fs::write(&dataflow, format!("{text}buffer.bucket_size = 100")).unwrap();
        let run = rowmill().args(["run", "--quiet"]).args(flags).arg(&dataflow).assert().success();
        let stderr = String::from_utf8(run.get_output().stderr.clone()).unwrap();
        stderr.lines().filter(|line| line.contains("no value of")).map(str::to_owned).collect::<Vec<_>>()
    };
    for flags in [&[][..], &["-w", "2"], &["-n", "2"]] {
        let lines = told("[\"t\", \"humidity\", \"gone\"]", flags);
        assert!(
            matches!(&lines[..], [line] if line.contains("no value of humidity, gone in the first 1000 rows")),
            "{lines:?}"
        );
        assert!(told("[\"t\"]", flags).is_empty());
    }
}

#[test]
fn keys_without_a_column_are_told_once_and_rows_of_them_alone_are_dead_letters() {
    let directory = TempDir::new().unwrap();
    let [source, dead, dataflow] = ["in.ndjson", "dead.ndjson", "flow.toml"].map(|name| directory.path().join(name));
    let rows = "{\"t\":1,\"rssi\":-60}\n{\"state\":\"offline\"}\n{\"t\":null,\"rssi\":-61,\"mic\":\"CRC\"}\n";
    std::fs::write(&source, rows.repeat(40)).unwrap();
    for (ignore, flags) in [(false, &["-w", "2"][..]), (false, &["-n", "2"]), (true, &[])] {
        let unknown = if ignore { "unknown_keys = \"ignore\"\n" } else { "" };
        let text = format!("[schema]\nnumber = [\"t\"]\n{unknown}[source]\nurl = {source:?}\n[sink]\nurl = \"-\"\n");
        std::fs::write(&dataflow, format!("{text}[buffer]\nbucket_size = 7\n[dead_letter]\nurl = {dead:?}")).unwrap();
        let run = rowmill().args(["run", "--quiet", "--fresh"]).args(flags).arg(&dataflow).assert().success();
        let output = run.get_output();
        assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 80, "{flags:?}");
        let letters = read(&dead);
        assert_eq!(letters.matches("no column has a key of it: state").count(), 40, "{flags:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        for key in ["rssi", "state", "mic"] {
            assert_eq!(stderr.matches(key).count(), usize::from(!ignore), "{flags:?}: {stderr}");
        }
    }
}

#[test]
fn wrong_commands_and_files_exit_with_2_and_failed_runs_with_1() {
    let directory = TempDir::new().unwrap();
    let wrong = directory.path().join("wrong.toml");
    std::fs::write(&wrong, "[source]\nurl = \"-\"\n[buffer]\nbucketsize = 1\n[sink]\nurl = \"null\"\n").unwrap();
    rowmill()
        .arg("check")
        .arg(&wrong)
        .assert()
        .code(2)
        .stderr(contains("wrong.toml:4:1").and(contains("did you mean `bucket_size`?")));
    let run = || {
        let mut command = rowmill();
        command.args(["run", "dataflows/weather.toml", "--sink", "null"]);
        command
    };
    run().args(["--source", "x.xml"]).assert().code(2).stderr(contains("--source x.xml"));
    run().args(["--source", "missing.csv"]).assert().code(1).stderr(contains("missing.csv"));
    run()
        .args(["--connect-timeout", "300ms", "--source", "mqtt://127.0.0.1:9/t"])
        .assert()
        .code(1)
        .stderr(contains("no broker at 127.0.0.1:9").and(contains("subscribed").not()));
    run().args(["--source", "data/sample.csv", "--sink", "/nowhere/out.csv"]).assert().code(2);
    rowmill()
        .args(["run", "dataflows/weather.toml", "--source", "data/sample.csv", "--sink", "/nowhere/out.csv"])
        .assert()
        .code(1)
        .stderr(contains("/nowhere/out.csv"));
    rowmill().args(["run", "missing.toml"]).assert().code(2).stderr(contains("missing.toml"));
}

#[test]
fn empty_input_is_no_error() {
    let directory = TempDir::new().unwrap();
    let source = directory.path().join("empty.csv");
    std::fs::write(&source, "").unwrap();
    for dataflow in ["dataflows/weather.toml", "dataflows/weatherlink.toml"] {
        rowmill()
            .args(["run", dataflow, "--sink", "null"])
            .arg("--source")
            .arg(&source)
            .assert()
            .success()
            .stderr(contains("holds no rows"));
    }
}

#[test]
fn standard_input_and_output_are_source_and_sink() {
    rowmill()
        .args([
            "run",
            "dataflows/weatherlink.toml",
            "--source",
            "-",
            "--sink",
            "-",
            "--quiet",
            "--set",
            "subtask.dropna.thresh=0",
        ])
        .write_stdin("a,t\n1,x\n3,y\n")
        .assert()
        .success()
        .stdout(contains("\"t\":\"x\"").and(contains("\"row\":1")));
}

/// Dataflows for stations that send nested JSON, and how many of their payloads in data/payloads hold no rows.
const PAYLOADS: [(&str, usize); 5] =
    [("lorawan", 0), ("tasmota", 0), ("weatherlink-live", 1), ("sensor-community", 0), ("open-meteo", 0)];

#[test]
fn ready_dataflows_read_what_stations_send() {
    let directory = TempDir::new().unwrap();
    for (file, no_rows) in PAYLOADS {
        let path = |name: &str| directory.path().join(format!("{file}.{name}"));
        let (out, dead) = (path("ndjson"), path("dead.ndjson"));
        let source = format!("data/payloads/{file}.ndjson");
        let mut run = rowmill();
        run.args(["run", &format!("dataflows/{file}.toml"), "--source", &source, "--sink"]).arg(&out);
        run.arg("--dead-letter").arg(&dead).assert().success();
        let rows = |text: String| -> Vec<serde_json::Value> {
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        let mut read = rows(std::fs::read_to_string(out).unwrap());
        read.iter_mut()
            .for_each(|row| ["message", "row"].iter().for_each(|key| drop(row.as_object_mut().unwrap().remove(*key))));
        let expected = std::fs::read_to_string(format!("data/payloads/{file}.rows.ndjson")).unwrap();
        assert_eq!(read, rows(expected), "{file}");
        let dead = std::fs::read_to_string(dead).unwrap_or_default();
        assert_eq!((dead.lines().count(), dead.matches("there is no array").count()), (no_rows, no_rows), "{dead}");
    }
}

#[test]
fn ready_dataflows_are_valid() {
    let of_stations = PAYLOADS.map(|(file, _)| file);
    let others = [
        "weather",
        "postgres",
        "influxdb",
        "weatherlink",
        "normalizer",
        "hourly",
        "weewx",
        "logger",
        "expressions",
        "branches",
        "alerts",
        "sparkplug",
        "every-option",
    ];
    for file in others.into_iter().chain(of_stations) {
        rowmill().args(["check", &format!("dataflows/{file}.toml")]).assert().success().stdout(contains(": ok"));
    }
    rowmill().args(["check", "dataflows/weather.toml", "--dot"]).assert().success().stdout(contains("digraph"));
    let hourly = |flags: &[&str]| rowmill().args(["check", "dataflows/hourly.toml"]).args(flags).assert().success();
    hourly(&[]).stdout(contains("after replace  =>  table hourly  =>  sink hourly.ndjson"));
    hourly(&["--dot"]).stdout(contains("n3 -> t0_0 [label=exchange").and(contains("t0_0 -> t0_1")));
}

/// The rows that a ready dataflow makes of a payload file, as JSON.
fn rows_of(dataflow: &str, payloads: &str) -> Vec<serde_json::Value> {
    let directory = TempDir::new().unwrap();
    let (out, dead) = (directory.path().join("out.ndjson"), directory.path().join("dead.ndjson"));
    let (dataflow, payloads) = (format!("dataflows/{dataflow}.toml"), format!("data/payloads/{payloads}"));
    rowmill()
        .args(["run", &dataflow, "--source", &payloads, "--sink"])
        .arg(&out)
        .arg("--dead-letter")
        .arg(&dead)
        .assert()
        .success()
        .stderr(contains("two units").not());
    let lines = |path: &Path| if path.exists() { read(path) } else { String::new() };
    assert_eq!(lines(&dead), "");
    lines(&out).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn weewx_packets_of_two_systems_of_units_make_one_column() {
    let rows = rows_of("weewx", "weewx.ndjson");
    assert_eq!(rows.len(), 24);
    let of = |row: usize, column: &str| rows[row][column].as_f64().unwrap();
    // 51.26 degF and 29.885 inHg of the first packet, in degC and mbar; the last packet is in them.
    assert!((of(0, "outTemp") - 10.7).abs() < 1e-12 && of(23, "outTemp") == 10.68);
    assert!((of(0, "barometer") - 29.885 * 33.86389).abs() < 1e-9 && of(23, "barometer") == 1012.262);
    assert!(
        (0..24)
            .all(|row| (8.0..13.0).contains(&of(row, "outTemp")) && (1000.0..1030.0).contains(&of(row, "barometer")))
    );
    assert!((0..24).all(|row| rows[row]["dateTime"].is_string()));
}

#[test]
fn a_loggers_dialect_is_found_and_its_hour_that_stands_twice_told_apart() {
    let rows = rows_of("logger", "logger.csv");
    let times: Vec<&str> = rows.iter().map(|row| row["Zeit"].as_str().unwrap()).collect();
    let hour = |time: &str, offset: &str| format!("2016-10-30T{time}:00+0{offset}:00");
    let expected = [
        ("01:30", "2"),
        ("02:00", "2"),
        ("02:30", "2"),
        ("02:00", "1"),
        ("02:30", "1"),
        ("03:00", "1"),
        ("03:30", "1"),
    ];
    assert_eq!(times, expected.map(|(time, offset)| hour(time, offset)));
    let of = |column: &str| rows.iter().map(|row| row[column].as_f64()).collect::<Vec<_>>();
    assert_eq!(of("Druck"), [1021.3, 1021.4, 1021.4, 1021.6, 1021.7, 1021.7, 1021.9].map(Some));
    // Missing ones are interpolated within their messages of four rows.
    assert_eq!((of("Wind")[2], of("Feuchte")[4], of("Lufttemperatur")[6]), (Some(1.65), None, Some(9.1)));
}

#[test]
fn the_registry_is_printed() {
    rowmill().arg("subtasks").assert().success().stdout(contains("quantile_transformer"));
    rowmill().args(["subtasks", "fillna", "--json"]).assert().success().stdout(contains("\"method\""));
    rowmill().args(["subtasks", "nothing"]).assert().code(2);
}

#[test]
fn generated_rows_are_the_same_for_the_same_seed() {
    let directory = TempDir::new().unwrap();
    let sample = directory.path().join("sample.csv");
    rowmill().args(["generate", "--rows", "2000", "--seed", "7", "-o"]).arg(&sample).assert().success();
    assert!(read(&sample) == read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sample.csv")));
}

#[test]
fn a_chain_fitted_on_history_is_used_on_other_rows() {
    let directory = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let history = file("history.csv", "a,b\n1,10\n3,30\n");
    let fresh = file("fresh.csv", "a,b\n5,20\n");
    let fitted = directory.path().join("fit.json");
    let head = "schema = \"infer\"\n[source]\nurl = \"-\"\n[sink]\nurl = \"-\"\n";
    let step = "[[subtask]]\nuse = \"standard_scaler\"\n";
    let frozen = format!("fit = \"frozen\"\nparams = {:?}\n", fitted.display().to_string());
    let dataflow = file("flow.toml", &format!("{head}{step}{frozen}"));
    let run = || {
        let mut command = rowmill();
        command.args(["run", "--quiet", "--source"]).arg(&fresh).arg(&dataflow);
        command
    };
    run().assert().code(2).stderr(contains("flow.toml:9:10").and(contains("rowmill fit")));
    rowmill()
        .args(["fit", "-o"])
        .arg(&fitted)
        .arg("--source")
        .arg(&history)
        .arg(&dataflow)
        .assert()
        .success()
        .stderr(contains("1 steps fitted on 2 rows"));
    run().assert().success().stdout("{\"message\":0,\"row\":0,\"a\":3.0,\"b\":0.0}\n");
    // Fitted, each row stands for itself.
    std::fs::write(&fresh, "a,b\n5,20\ninf,20\n7,20\n").unwrap();
    let dead = directory.path().join("dead.ndjson");
    let rows = ["{\"message\":0,\"row\":0,\"a\":3.0,\"b\":0.0}\n", "{\"message\":0,\"row\":2,\"a\":5.0,\"b\":0.0}\n"];
    run().arg("--dead-letter").arg(&dead).assert().success().stdout(rows.concat());
    let letters = read(&dead);
    assert!(letters.lines().count() == 1 && letters.contains("\"raw\":\"inf,20\""), "{letters}");
    let whole = ["--set", "subtask.standard_scaler.on_error=message", "--fresh", "--dead-letter"];
    run().args(whole).arg(&dead).assert().success().stdout("");
    assert_eq!(read(&dead).lines().count(), 3);
    // What is learnt is of all rows: one that can't be taken ends it, unless the file says otherwise.
    let fit = |more: &str| {
        let flow = file("fit.toml", &format!("{head}{step}{frozen}{more}"));
        let infinite = file("infinite.csv", "a,b\n1,10\ninf,20\n3,30\n");
        let mut command = rowmill();
        command.arg("fit").arg("--source").arg(infinite).arg("-o").arg(directory.path().join("other.json")).arg(flow);
        command
    };
    fit("").assert().code(1).stderr(contains("Column a, row 1"));
    fit("on_error = \"row\"\n").assert().success().stderr(contains("1 rows are left out"));
    std::fs::write(&fresh, "b,c\n1,2\n").unwrap();
    run().assert().code(2).stderr(contains("was fitted on a, b, not on b, c"));
    let loose = file("loose.toml", &format!("{head}{step}params = \"x\"\n"));
    rowmill().arg("check").arg(&loose).assert().code(2).stderr(contains("params without fit"));
    rowmill().args(["fit", "-o", "x", "--source", "mqtt://h/t"]).arg(&dataflow).assert().code(2);
}

#[test]
fn a_step_that_learns_over_the_stream_gives_the_same_bytes_on_any_workers() {
    let directory = TempDir::new().unwrap();
    let dataflow = directory.path().join("flow.toml");
    let text = "[source]\nurl = \"-\"\n[buffer]\nbucket_size = 30\n[sink]\nurl = \"-\"\n[[subtask]]\nuse = \"fillna\"\nvalue = 0.0\n\
        [[subtask]]\nuse = \"standard_scaler\"\nfit = \"stream\"\nkey = \"station\"\n\
        [[subtask]]\nuse = \"binarizer\"\ncolumns = [\"rain\"]\n";
    std::fs::write(&dataflow, text).unwrap();
    let run = |flags: &[&str]| {
        let out = directory.path().join("out.csv");
        let mut command = rowmill();
        command
            .args(["run", "--quiet", "--fresh", "--source", "data/sample.csv", "--sink"])
            .arg(&out)
            .arg(&dataflow)
            .args(flags);
        command.assert().success();
        read(&out)
    };
    let expected = run(&[]);
    assert_eq!(expected.lines().count(), 2001);
    for flags in [&["-w", "3"][..], &["-n", "2", "-w", "2"], &["-w", "2", "--placement", "subtask"]] {
        assert!(run(flags) == expected, "{flags:?}");
    }
    let graph = contains("->  fillna\n  =>  standard_scaler\n  =>  binarizer\n  ->  result");
    rowmill().arg("check").arg(&dataflow).assert().success().stdout(graph);
    let wrong = |set: &str| {
        let mut command = rowmill();
        command.args(["run", "--sink", "null", "--source", "data/sample.csv", "--set", set]).arg(&dataflow);
        command.assert().code(2)
    };
    wrong("subtask.standard_scaler.key=\"sation\"").stderr(contains("did you mean `station`?"));
    wrong("subtask.standard_scaler.use=\"power_transformer\"").stderr(contains("cannot learn over the stream"));
}

/// Rows of three stations in turn, with gaps, times out of order within ten rows, and as `(station, value)`.
fn rows_with_gaps(path: &Path) -> Vec<(usize, Option<u64>)> {
    let value = |row: usize| (row * 7 % 5 < 2).then_some((row * 31 % 97) as u64);
    let rows: Vec<(usize, Option<u64>)> = (0..120).map(|row| (row * row % 3 + row / 2 % 2, value(row))).collect();
    let mut text = "station,at,t\n".to_owned();
    for (row, (station, value)) in rows.iter().enumerate() {
        let minutes = row / 10 * 10 + row * 7 % 10;
        let at = format!("2024-03-01T{:02}:{:02}:00Z", minutes / 60, minutes % 60);
        text.push_str(&format!("s{station},{at},{}\n", value.map_or_else(String::new, |value| value.to_string())));
    }
    std::fs::write(path, text).unwrap();
    rows
}

#[test]
fn gaps_are_filled_over_messages_with_the_same_bytes_on_any_workers() {
    let directory = TempDir::new().unwrap();
    let (source, out) = (directory.path().join("in.csv"), directory.path().join("out.csv"));
    let dataflow = directory.path().join("flow.toml");
    let rows = rows_with_gaps(&source);
    let run = |size: usize, step: &str, flags: &[&str]| {
        let text = format!(
            "[schema]\nnumber = [\"t\"]\ntext = [\"station\", \"at\"]\n[source]\nurl = {source:?}\n\
             [buffer]\nbucket_size = {size}\nsort = \"at\"\n[sink]\nurl = {out:?}\n\
             [[subtask]]\n{step}\nfit = \"stream\"\nkey = \"station\"\n"
        );
        std::fs::write(&dataflow, text).unwrap();
        rowmill().args(["run", "--quiet", "--fresh"]).args(flags).arg(&dataflow).assert().success();
        read(&out)
    };
    let cells = |text: &str, place: usize| -> Vec<String> {
        text.lines().skip(1).map(|line| line.split(',').nth(place).unwrap().to_owned()).collect()
    };
    // pandas' `groupby("station").ffill(limit=2)`, and behind the last value what interpolate can know.
    let mut last = [None::<(u64, usize)>; 4];
    let filled = rows.iter().map(|(station, value)| {
        let last = &mut last[*station];
        *last = match (value, *last) {
            (Some(value), _) => Some((*value, 0)),
            (None, last) => last.map(|(value, times)| (value, times + 1)),
        };
        last.filter(|(_, times)| *times <= 2).map_or_else(String::new, |(value, _)| format!("{value}.0"))
    });
    let filled: Vec<String> = filled.collect();
    for step in ["use = \"fillna\"\nmethod = \"ffill\"\nlimit = 2", "use = \"interpolate\"\nlimit = 2"] {
        assert_eq!(cells(&run(1, step, &[]), 2), filled, "{step}");
    }
    for step in [
        "use = \"fillna\"\nmethod = \"ffill\"",
        "use = \"interpolate\"",
        "use = \"interpolate\"\nmethod = \"time\"\ntime = \"at\"",
    ] {
        let expected = run(7, step, &[]);
        let times = cells(&expected, 4);
        assert!(times.chunks(7).all(|message| message.is_sorted()) && !times.is_sorted(), "{times:?}");
        assert!(!cells(&expected, 1).is_sorted_by_key(|row| row.parse::<u64>().unwrap()), "ids stay with their rows");
        for flags in [&["-w", "3"][..], &["-n", "2", "-w", "2"], &["-w", "2", "--placement", "subtask"]] {
            assert_eq!(run(7, step, flags), expected, "{step} {flags:?}");
        }
    }
    let wrong = |set: &str| {
        let mut command = rowmill();
        command.args(["run", "--set", set]).arg(&dataflow);
        command.assert().code(2)
    };
    wrong("buffer.sort=\"att\"").stderr(contains("did you mean `at`?"));
    wrong("subtask.interpolate.time=\"time\"").stderr(contains("no column `time` says when a row was measured"));
    wrong("subtask.interpolate.method=\"linear\"").stderr(contains("method = \"time\""));
}

#[test]
fn windows_and_differences_over_the_stream_take_infinity_as_within_a_message() {
    let directory = TempDir::new().unwrap();
    let (rows, out) = (directory.path().join("rows.csv"), directory.path().join("out.csv"));
    std::fs::write(&rows, "a\n1\n2\ninf\n4\n8\n").unwrap();
    for (step, expected) in [
        ("use = \"rolling\"\nmethod = \"sum\"\nwindow = 2\nmin_periods = 1\n", "1.0 3.0 2.0 4.0 12.0"),
        ("use = \"diff\"\n", " 1.0 Infinity -Infinity 4.0"),
    ] {
        for fit in ["message", "stream"] {
            let dataflow = directory.path().join("dataflow.toml");
            let text = format!(
                "schema = \"infer\"\n[source]\nurl = {rows:?}\n[buffer]\nbucket_size = 5\n[[subtask]]\n{step}fit = \"{fit}\"\n\
                 [sink]\nurl = {out:?}\ninfinity = \"text\"\n"
            );
            std::fs::write(&dataflow, text).unwrap();
            rowmill().args(["run", "--quiet", "--fresh"]).arg(&dataflow).assert().success();
            let cells: Vec<String> =
                read(&out).lines().skip(1).map(|line| line.split(',').nth(2).unwrap().into()).collect();
            assert_eq!(cells.join(" "), expected, "{step}{fit}");
        }
    }
}

#[test]
fn steps_may_change_the_columns() {
    let directory = TempDir::new().unwrap();
    let (source, dataflow) = (directory.path().join("in.csv"), directory.path().join("flow.toml"));
    std::fs::write(&source, "x,sky\n2,clear\n3,rain\n").unwrap();
    let text = "schema = \"infer\"\n[source]\nurl = \"-\"\n[sink]\nurl = \"out.csv\"\n\
        [[subtask]]\nuse = \"one_hot_encoder\"\ncategories = [[\"clear\", \"rain\"]]\n\
        [[subtask]]\nuse = \"polynomial_features\"\ncolumns = [\"x\"]\n\
        [[subtask]]\nuse = \"diff\"\ncolumns = [\"x^2\"]\n";
    std::fs::write(&dataflow, text).unwrap();
    let out = directory.path().join("out.csv");
    let run = |flags: &[&str]| {
        let mut command = rowmill();
        command
            .args(["run", "--quiet", "--fresh", "--source"])
            .arg(&source)
            .arg("--sink")
            .arg(&out)
            .arg(&dataflow)
            .args(flags);
        command.assert()
    };
    run(&[]).success();
    let expected = "message,row,x,sky_clear,sky_rain,1,x^2\n0,0,2.0,1.0,0.0,1.0,\n0,1,3.0,0.0,1.0,1.0,5.0\n";
    assert_eq!(read(&out), expected);
    run(&["-n", "2", "--placement", "subtask"]).success();
    assert_eq!(read(&out), expected);
    run(&["--set", "subtask.one_hot_encoder.categories=[]"]).code(2).stderr(contains("one list a text column"));
    run(&["--set", "subtask.diff.columns=[\"sky\"]"]).code(2).stderr(contains("no column `sky`"));
}

#[test]
fn a_process_that_is_killed_ends_the_run_with_1() {
    let directory = TempDir::new().unwrap();
    let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_rowmill"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["run", "dataflows/weather.toml", "--source", "generate:rows=100000000,seed=1", "-n", "2", "--sink"])
        .arg(directory.path().join("out.csv"))
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let written = || std::fs::metadata(directory.path().join("out.csv")).is_ok_and(|file| file.len() > 0);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !written() {
        assert!(std::time::Instant::now() < deadline, "no result");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let children = read(Path::new(&format!("/proc/{0}/task/{0}/children", run.id())));
    let children: Vec<&str> = children.split_whitespace().collect();
    assert_eq!(children.len(), 2);
    assert!(std::process::Command::new("kill").args(["-KILL", children[1]]).status().unwrap().success());
    assert_eq!(run.wait().unwrap().code(), Some(1));
    let said = std::io::read_to_string(run.stderr.take().unwrap()).unwrap();
    assert!(said.contains("process 1 failed (signal: 9"), "{said}");
    let alive = |pid: &&str| Path::new("/proc").join(pid).exists();
    assert!(!children.iter().any(alive), "a process outlives the run");
}

#[test]
#[ignore = "needs ../shared"]
fn real_weatherlink_exports_are_read_whole() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let directory = TempDir::new().unwrap();
    for (file, rows) in [("weatherlink-2016.txt", 15_085), ("weatherlink-2012-old-layout.txt", 18_909)] {
        assert!(shared.join(file).exists(), "{file} is not there: leave this test out, as .ci/run does");
        rowmill()
            .args(["run", "dataflows/weatherlink.toml", "--quiet", "--fresh", "--source"])
            .arg(shared.join(file))
            .arg("--sink")
            .arg(directory.path().join("out.parquet"))
            .arg("--report")
            .arg(directory.path())
            .assert()
            .success();
        let report = report(directory.path());
        assert_accounted(&report, rows);
        assert_eq!(report["dead_letters"], 0);
    }
}

/// A file with two free addresses.
fn host_file(directory: &TempDir) -> PathBuf {
    let path = directory.path().join("hosts");
    std::fs::write(&path, format!("{}\n{}\n", free_port().unwrap(), free_port().unwrap())).unwrap();
    path
}

#[test]
fn a_process_that_never_comes_is_named() {
    let directory = TempDir::new().unwrap();
    let mut run = rowmill();
    run.args(["run", "dataflows/weather.toml", "--source", "data/sample.csv", "--sink", "null", "-n", "2", "-p", "0"]);
    run.args(["--connect-timeout", "300ms", "--hostfile"]).arg(host_file(&directory));
    run.assert().code(1).stderr(contains("process").and(contains("1 at 127.0.0.1")).and(contains("within 300ms")));
}

#[test]
fn processes_with_different_dataflows_do_not_run_together() {
    let directory = TempDir::new().unwrap();
    let hosts = host_file(&directory);
    let start = |process: &str, bucket_size: &str| {
        std::process::Command::new(env!("CARGO_BIN_EXE_rowmill"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["run", "dataflows/weather.toml", "--source", "data/sample.csv", "--sink", "null", "--quiet"])
            .args(["-n", "2", "-p", process, "--bucket-size", bucket_size, "--hostfile"])
            .arg(&hosts)
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let (one, other) = (start("0", "10"), start("1", "11"));
    for run in [one, other] {
        let output = run.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("runs another dataflow (buffer.bucket_size"), "{said}");
    }
}

#[test]
fn a_full_disk_ends_the_run_with_the_file_that_could_not_be_written() {
    let directory = TempDir::new().unwrap();
    let full = directory.path().join("out.csv");
    std::os::unix::fs::symlink("/dev/full", &full).unwrap();
    let mut run = rowmill();
    run.args(["run", "dataflows/weather.toml", "--source", "data/sample.csv", "--quiet", "--sink"]).arg(&full);
    run.assert().code(1).stderr(contains("out.csv").and(contains("No space left")));
}

#[test]
fn a_signal_ends_the_wait_for_the_next_start() {
    use std::io::{BufRead, BufReader};
    let free = free_port().unwrap();
    let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_rowmill"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["run", "dataflows/weather.toml", "--sink", "null", "--restart", "on-failure"])
        .args(["--connect-timeout", "100ms", "--source", &format!("mqtt://{free}/t")])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(run.stderr.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("starting again in 1s")));
    assert!(std::process::Command::new("kill").args(["-TERM", &run.id().to_string()]).status().unwrap().success());
    assert_eq!(run.wait().unwrap().code(), Some(1));
}

#[test]
fn more_rows_than_the_workers_serve_are_warned_of() {
    let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_rowmill"));
    let source = "generate:rows=100000000,seed=1,rate=3000000";
    run.args(["run", "dataflows/weather.toml", "--sink", "null", "--quiet", "-w", "1", "--source", source]);
    let mut run = run.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(run.stderr.take().unwrap()).lines().map_while(Result::ok);
    let warning = lines.find(|line| line.contains("rho is"));
    run.kill().unwrap();
    run.wait().unwrap();
    let warning = warning.expect("a warning");
    assert!(warning.contains("3000000 rows/s arrive, 1 workers serve"), "{warning}");
    assert!(warning.contains("workers would do"), "{warning}");
}

#[test]
fn a_trace_tells_of_every_operator_on_every_worker() {
    let directory = TempDir::new().unwrap();
    let trace = |flags: &[&str], file: &str| -> Vec<serde_json::Value> {
        rowmill()
            .args(["run", "dataflows/weather.toml", "--source", "data/sample.csv", "--sink", "null", "--quiet"])
            .args(["--bucket-size", "100", "--trace"])
            .arg(directory.path().join("t.json"))
            .args(flags)
            .assert()
            .success();
        serde_json::from_str(&read(&directory.path().join(file))).unwrap()
    };
    let of_threads = trace(&["-w", "2"], "t.json");
    for worker in [0, 1] {
        for name in ["prepare", "power_transformer", "result"] {
            let spans = of_threads.iter().filter(|event| event["name"] == name && event["tid"] == worker + 1);
            assert!(spans.count() > 1, "{name} on worker {worker}");
        }
    }
    let sent = |event: &&serde_json::Value| event["name"] == "prepare to drop_duplicates";
    let records = of_threads.iter().filter(sent).map(|event| event["args"]["records"].as_u64().unwrap());
    assert_eq!(records.sum::<u64>(), 20, "one parcel a message");
    let of_process = trace(&["-n", "2"], "t.part-1.json");
    assert!(of_process.iter().any(|event| event["name"] == "robust_scaler" && event["pid"] == 2));
}

#[test]
fn a_quote_inside_of_a_cell_costs_no_row() {
    let directory = TempDir::new().unwrap();
    let dataflow = directory.path().join("pipes.toml");
    let text = "schema = { number = [\"n\"], text = [\"name\"] }\nsource.url = \"pipes.csv\"\nsink.url = \"out.ndjson\"\n\
                dead_letter.url = \"dead.ndjson\"\n";
    std::fs::write(dataflow, text).unwrap();
    let rows = "name,n\n5\" pipe,1\n\"a \"\"b\"\"\n c\",2\nNA,3\n\"never closed,4\nNone,5\nx,1e999\n";
    std::fs::write(directory.path().join("pipes.csv"), rows).unwrap();
    let mut run = rowmill();
    run.current_dir(directory.path()).args(["run", "pipes.toml", "--quiet", "--report", "report"]);
    run.assert().success().stderr(contains("column n holds an infinite number"));
    assert_accounted(&report(&directory.path().join("report")), 6);
    let out = read(&directory.path().join("out.ndjson"));
    let rows: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["5\" pipe", "a \"b\"\n c", "NA", "None", "x"]);
    let numbers: Vec<Option<f64>> = rows.iter().map(|row| row["n"].as_f64()).collect();
    assert_eq!(numbers, [Some(1.0), Some(2.0), Some(3.0), Some(5.0), None]);
    let dead: serde_json::Value = serde_json::from_str(&read(&directory.path().join("dead.ndjson"))).unwrap();
    assert_eq!((&dead["raw"], &dead["position"]), (&"\"never closed,4".into(), &6.into()));
}

#[test]
fn no_process_of_ours_shows_a_password() {
    let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_rowmill"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["run", "dataflows/weather.toml", "--source", "-", "--sink", "null", "-n", "2", "--quiet"])
        .args(["--set", "source.password=hunter2", "--set=dead_letter.password=\"hunter2\""])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let of = |pid: &str, what: &str| std::fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
    let launcher = run.id().to_string();
    let children = || {
        let children = read(Path::new(&format!("/proc/{launcher}/task/{launcher}/children")));
        children.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    // A process that has not begun yet has the command line of the launcher.
    let begun = |pid: &String| memchr::memmem::find(&of(pid, "cmdline"), b"--process").is_some();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while children().len() < 2 || !children().iter().all(begun) {
        assert!(std::time::Instant::now() < deadline, "the processes do not begin");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    for child in children() {
        let arguments = String::from_utf8(of(&child, "cmdline")).unwrap();
        assert!(!arguments.contains("hunter2") && arguments.contains("@ROWMILL_ARGUMENT_"), "{arguments:?}");
    }
    drop(run.stdin.take());
    assert_eq!(run.wait().unwrap().code(), Some(0), "the processes read what is hidden");
    let said = std::io::read_to_string(run.stderr.take().unwrap()).unwrap();
    assert!(said.contains("shows the password on the command line") && !said.contains("hunter2"), "{said}");
}

#[test]
fn nothing_that_is_said_shows_a_password() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("login.toml");
    let text = "source.url = \"mqtt://anna:hunter2@127.0.0.1:9/t\"\n\
                sink = { url = \"mqtt://anna:hunter2@127.0.0.1:9/out\" }\n\
                dead_letter.url = \"mqtt://127.0.0.1:9/dead\" # password = \"hunter2\"\n\
                [[table]]\nname = \"t\"\nsink = { url = \"mqtt://127.0.0.1:9/table\", user = \"anna\", password = \"hunter2\" }\n";
    std::fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    for (arguments, part) in [
        (&["check", &file][..], "mqtt://127.0.0.1:9/t"),
        (&["check", &file, "--dot"], "mqtt://127.0.0.1:9/out"),
        (&["run", &file, "--connect-timeout", "1s", "--live", "live", "--report", "report"], "127.0.0.1:9"),
        (&["run", &file, "--set", "sink.pasword=hunter2"], "did you mean `password`?"),
        (&["run", &file, "--source", "mqtt://anna:hunter2@host"], "names no topic"),
        (&["replay", "data/sample.csv", "--to", "mqtt://anna:hunter2@host"], "names no topic"),
    ] {
        let arguments: Vec<&str> = arguments.to_vec();
        let at = |name: &str| directory.path().join(name).display().to_string();
        let arguments = arguments.into_iter().map(|a| if ["live", "report"].contains(&a) { at(a) } else { a.into() });
        let done = rowmill().args(arguments.clone()).output().unwrap();
        let said = [done.stdout, done.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
        assert!(said.contains(part) && !said.contains("hunter2"), "{:?}: {said}", arguments.collect::<Vec<_>>());
    }
    let outcome = read(&directory.path().join("live/outcome.json"));
    assert!(outcome.contains("127.0.0.1:9") && !outcome.contains("hunter2"), "{outcome}");
}

#[test]
fn a_new_dataflow_file_reads_the_rows_it_was_made_from() {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name);
    let mut packed = flate2::write::GzEncoder::new(std::fs::File::create(path("w.lp.gz")).unwrap(), Default::default());
    std::io::Write::write_all(
        &mut packed,
        b"w,station=davis temp=54.5,hum=80i 1700000000000000000\nw temp=1\nw temp=\n",
    )
    .unwrap();
    packed.finish().unwrap();
    std::fs::copy("tests/formats/array.cbor", path("rows.cbor")).unwrap();
    std::fs::copy("data/sample.csv", path("sample.csv")).unwrap();
    for (source, rows_in, dead) in [("w.lp.gz", 3, 1), ("rows.cbor", 5, 0), ("sample.csv", 2000, 0)] {
        let new = format!("{source}.toml");
        let mut command = rowmill();
        command.current_dir(directory.path()).args(["new", "--source", source, "-o", &new]).assert().success();
        let text = read(&path(&new));
        rowmill().current_dir(directory.path()).args(["check", &new]).assert().success();
        let run = ["run", &new, "--sink", "null", "--dead-letter", "null", "--report", "report", "--quiet", "--fresh"];
        rowmill().current_dir(directory.path()).args(run).assert().success();
        let report = report(&path("report"));
        assert_eq!(
            (report["rows_in"].as_u64(), report["dead_letters"].as_u64()),
            (Some(rows_in), Some(dead)),
            "{text}"
        );
    }
    let again = ["new", "--source", "sample.csv", "-o", "sample.csv.toml"];
    rowmill().current_dir(directory.path()).args(again).assert().code(2).stderr(contains("exists"));
    rowmill().args(["new", "--source", "no-such.csv"]).assert().code(1).stderr(contains("no-such.csv"));
    rowmill().args(["new", "--source", "a.parquet"]).assert().code(2).stderr(contains(".msgpack"));
    let peek = |arguments: &[&str]| {
        let output = rowmill().current_dir(directory.path()).arg("peek").args(arguments).assert().success();
        String::from_utf8(output.get_output().stdout.clone()).unwrap()
    };
    let shown = peek(&["w.lp.gz"]);
    assert!(shown.contains("temp = 54.5, hum = 80") && shown.contains("station = \"davis\""), "{shown}");
    assert!(shown.contains("dead letter: not read as InfluxDB line protocol: at byte 8"), "{shown}");
    let shown = peek(&["sample.csv.toml", "--rows", "2"]);
    assert_eq!(shown.lines().count(), 4, "{shown}");
    let shown = peek(&["rows.cbor", "--set", "source.format=json"]);
    assert!(shown.contains("dead letter"), "{shown}");
}
