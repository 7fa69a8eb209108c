//! Tables beside pandas, on any workers, and asked for while they change; `scripts/check_tables.py` writes the cases.

mod broker;
mod comparison;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use broker::{Process, collect, embedded, rowmill, wait_until};
use tempfile::TempDir;

/// Figures by their names, by the cells of a line's keys and window.
type Lines = BTreeMap<Vec<String>, BTreeMap<String, String>>;

/// The lines of a table, without the cells that only we write.
fn lines(path: &Path) -> Lines {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let line = |record: csv::StringRecord| {
        let cells = names.iter().cloned().zip(record.iter().map(str::to_owned));
        let (mut key, mut figures) = (Vec::new(), BTreeMap::new());
        for (name, cell) in cells.filter(|(name, _)| name != "message" && name != "row") {
            if ["station", "window"].contains(&name.as_str()) {
                key.push(cell);
            } else {
                figures.insert(name, cell);
            }
        }
        (key, figures)
    };
    let mut lines = Lines::new();
    for record in reader.records() {
        let (key, figures) = line(record.unwrap());
        assert!(lines.insert(key.clone(), figures).is_none(), "{}: two lines for {key:?}", path.display());
    }
    lines
}

/// Whether a figure is pandas': a sketch answers within its error, sums are rounded at the size of their terms.
fn same(name: &str, ours: &str, theirs: &str, largest: f64) -> bool {
    let is_one_of = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    let (relative, floor) = match () {
        () if is_one_of(&["_p50"]) => (0.0101, 0.0),
        () if is_one_of(&["_sum", "_mean", "_std"]) => (1e-9, (1e-13 * largest).min(1e-9)),
        () if is_one_of(&["_median", "_p90"]) => (1e-9, (1e-13 * largest).min(1e-12)),
        () if is_one_of(&["_completeness"]) => (1e-9, 0.0),
        () => (0.0, 0.0),
    };
    comparison::close(ours, theirs, relative, floor)
}

/// The largest value of each column of the rows, without its sign.
fn largest(rows: &str) -> BTreeMap<String, f64> {
    let mut largest = BTreeMap::new();
    for row in rows.lines() {
        let row: BTreeMap<String, serde_json::Value> = serde_json::from_str(row).unwrap();
        for (name, value) in row {
            let most = largest.entry(name).or_insert(0.0_f64);
            *most = most.max(value.as_f64().unwrap_or(0.0).abs());
        }
    }
    largest
}

/// The first figure that differs.
fn difference(ours: &Lines, theirs: &Lines, largest: &BTreeMap<String, f64>) -> Option<String> {
    if !ours.keys().eq(theirs.keys()) {
        return Some(format!("lines {:?}, not {:?}", ours.keys(), theirs.keys()));
    }
    let figures =
        theirs.iter().flat_map(|(key, figures)| figures.iter().map(move |(name, theirs)| (key, name, theirs)));
    figures.filter(|(_, name, _)| !["message", "row"].contains(&name.as_str())).find_map(|(key, name, theirs)| {
        let largest = name.split_once('_').map_or(0.0, |(column, _)| largest.get(column).copied().unwrap_or(0.0));
        let ours = ours[key].get(name).map_or("no such column", String::as_str);
        (!same(name, ours, theirs, largest)).then(|| format!("{key:?} {name}: {ours}, not {theirs}"))
    })
}

/// The cases, each by its dataflow file.
fn cases() -> Vec<PathBuf> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tables");
    let mut dataflows: Vec<PathBuf> = std::fs::read_dir(&cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    dataflows.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    assert_eq!(dataflows.len(), 5);
    dataflows
}

#[test]
fn every_planted_error_is_found() {
    for case in cases() {
        let theirs = lines(&case.with_extension("pandas.csv"));
        let largest = largest(&std::fs::read_to_string(case.with_extension("rows.ndjson")).unwrap());
        assert_eq!(difference(&theirs, &theirs, &largest), None, "{}", case.display());
        for (key, figures) in &theirs {
            // A line alone: the whole table for each of its cells takes long.
            let line = Lines::from([(key.clone(), figures.clone())]);
            let put = |name: &str, cell: String| {
                let mut ours = line.clone();
                ours.get_mut(key).unwrap().insert(name.into(), cell);
                difference(&ours, &line, &largest).is_some()
            };
            for (name, cell) in figures {
                let what = format!("{} {key:?} {name}: {cell}", case.display());
                assert!(put(name, "inf".into()) && (cell.is_empty() || put(name, String::new())), "{what}");
                let Ok(number) = cell.parse::<f64>() else { continue };
                // A sum of values of a million that ends at 1e-10 is rounding.
                assert!(number == 0.0 || number.abs() < 1e-9 || put(name, "0.0".into()), "{what}");
                assert!(put(name, format!("{:?}", 1.02 * number + 1e-6)), "{what}");
            }
            let mut missing = theirs.clone();
            missing.remove(key);
            assert!(difference(&missing, &theirs, &largest).is_some(), "{} {key:?} missing", case.display());
        }
    }
}

#[test]
fn tables_equal_pandas_and_do_not_depend_on_workers() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tables");
    for dataflow in self::cases() {
        let run = |flags: &[&str]| {
            let out = tempfile::tempdir().unwrap();
            let path = out.path().join("t.csv");
            let sink = format!("table.t.sink.url={:?}", path.display().to_string());
            let mut command = rowmill(&["run"]);
            command.current_dir(&cases).arg(&dataflow).args(["--quiet", "--set", &sink]).args(flags);
            let done = command.output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            (std::fs::read(&path).unwrap(), lines(&path))
        };
        let (bytes, ours) = run(&["-w", "1"]);
        for flags in [&["-w", "2"][..], &["-n", "2"], &["-w", "3", "--placement", "subtask", "--bucket-size", "20"]] {
            assert_eq!(run(flags).0, bytes, "{} {flags:?}", dataflow.display());
        }
        // Case 19 ends with messages that change nothing: a table is as of the last one all the same.
        let rows = std::fs::read_to_string(dataflow.with_extension("rows.ndjson")).unwrap();
        let as_of = format!("{},", rows.lines().count().div_ceil(20) - 1);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.lines().skip(1).all(|line| line.starts_with(&as_of)), "{} {as_of}", dataflow.display());
        let theirs = lines(&dataflow.with_extension("pandas.csv"));
        assert_eq!(difference(&ours, &theirs, &largest(&rows)), None, "{}", dataflow.display());
    }
}

/// A station whose clock is ahead, one whose rows go on, and one that sends a row of long ago.
const CLOCKS: &str = r#"{"station": "a", "time": "2024-03-01T12:00:00Z", "t": 1}
{"station": "a", "time": "2024-03-01T12:05:00Z", "t": 3}
{"station": "b", "time": "2025-03-01T12:00:00Z", "t": 9}
{"station": "a", "time": "2024-03-01T12:10:00Z", "t": 5}
{"station": "c", "time": "2224-03-01T12:00:00Z", "t": 6}
{"station": "c", "time": "2024-03-01T12:00:00Z", "t": 6}
{"station": "a", "time": "2024-03-01T13:00:00Z", "t": 7}
{"station": "b", "time": "2025-03-01T12:00:01Z", "t": 9}
{"station": "b", "time": "2025-02-27T12:00:00Z", "t": 8}
{"station": "a", "time": null, "t": 4}
"#;

/// The table, the results, the reasons of the dead letters and the report of a run over these rows.
fn clocks(table: &str, flags: &[&str]) -> (String, String, Vec<String>, serde_json::Value) {
    let directory = tempfile::tempdir().unwrap();
    let text = format!(
        r#"
        schema = {{ number = ["t"], text = ["station", "time"] }}
        source.url = "rows.ndjson"
        sink.url = "out.ndjson"
        dead_letter.url = "dead.ndjson"
        [[table]]
        name = "hours"
        key = ["station"]
        time = "time"
        window = "1h"
        aggregates = ["mean"]
        columns = ["t"]
        retention = "1d"
        sink = {{ url = "hours.csv" }}
        {table}
        "#
    );
    std::fs::write(directory.path().join("t.toml"), text).unwrap();
    std::fs::write(directory.path().join("rows.ndjson"), CLOCKS).unwrap();
    let mut command = rowmill(&["run", "t.toml", "--quiet", "--report", "report"]);
    let done = command.args(flags).current_dir(directory.path()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    let reason = |line: &str| {
        let letter: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(letter["raw"].as_str().unwrap().contains("time"), "{letter}");
        letter["reason"].as_str().unwrap().to_owned()
    };
    let without_message = |line: &str| line.split_once(',').unwrap().1.to_owned();
    let (table, results) = (read("hours.csv"), read("out.ndjson"));
    let table: Vec<String> = table.lines().skip(1).map(|line| line.splitn(3, ',').nth(2).unwrap().to_owned()).collect();
    let results: Vec<String> = results.lines().map(without_message).collect();
    let report = serde_json::from_str(&read("report/report.json")).unwrap();
    (table.join("\n"), results.join("\n"), read("dead.ndjson").lines().map(reason).collect(), report)
}

/// A row from the future once emptied the table for all stations.
#[test]
fn no_clock_decides_about_the_rows_of_another_station() {
    let expected = "a,2024-03-01T12:00:00Z,3.0,3.0\na,2024-03-01T13:00:00Z,1.0,7.0\n\
                    b,2025-03-01T12:00:00Z,2.0,9.0\nc,2024-03-01T12:00:00Z,1.0,6.0";
    let future = "table hours: time is 2224-03-01T12:00:00Z: more than 10m ahead of this machine's clock (max_future)";
    let late = "table hours: time is 2025-02-27T12:00:00Z: its window went 1day after its end (retention)";
    let mut first = None;
    for upsert in ["", "upsert = [\"station\", \"time\"]"] {
        for flags in [
            &["-w", "1", "--bucket-size", "1"][..],
            &["-w", "2", "--bucket-size", "1"],
            &["-n", "2", "-w", "1", "--bucket-size", "4"],
            &["-w", "1", "--bucket-size", "10"],
        ] {
            let (table, results, dead, report) = clocks(upsert, flags);
            assert_eq!(table, expected, "{upsert} {flags:?}");
            assert_eq!(dead, [future, late], "{upsert} {flags:?}");
            let of = |name: &str| report[name].as_u64().unwrap();
            assert_eq!((of("rows_in"), of("rows_out"), of("dead_letters"), of("rows_too_late")), (10, 8, 2, 0));
            assert_eq!(*first.get_or_insert(results.clone()), results, "{upsert} {flags:?}");
        }
    }
}

#[test]
fn rows_that_are_too_late_are_counted_where_they_are_dropped() {
    for flags in [&["-w", "2", "--bucket-size", "1"][..], &["-w", "1"]] {
        let (_, results, dead, report) = clocks("late = \"drop\"\nmax_future = \"900years\"", flags);
        let of = |name: &str| report[name].as_u64().unwrap();
        // The clock of station c was ahead: only it suffers from that.
        assert_eq!((of("rows_in"), of("rows_out"), of("dead_letters"), of("rows_too_late")), (10, 8, 0, 2));
        assert_eq!((results.lines().count(), dead.len()), (8, 0));
    }
}

/// A run that takes rows from its standard input.
struct Run {
    directory: TempDir,
    process: Process,
}

impl Run {
    fn start(flags: &[&str]) -> Run {
        let directory = tempfile::tempdir().unwrap();
        let text = r#"
            name = "t"
            schema = { number = ["t", "x"], text = ["station"] }
            [source]
            url = "-"
            [buffer]
            bucket_size = 1
            delay = "10ms"
            [[table]]
            name = "minutes"
            key = ["station"]
            time = "t"
            window = "1m"
            upsert = ["station", "t"]
            aggregates = ["max"]
            columns = ["x"]
            reference = { path = "stations.csv", key = "station" }
            changes = "differences"
            sink = { url = "changes.ndjson" }
            [sink]
            url = "null"
        "#;
        std::fs::write(directory.path().join("t.toml"), text).unwrap();
        std::fs::write(directory.path().join("stations.csv"), "station,height\na,12\n").unwrap();
        let mut command = rowmill(&["run", "t.toml", "--quiet", "--live", "live"]);
        command.args(flags).current_dir(directory.path()).stdin(Stdio::piped());
        Run { process: Process(command.spawn().unwrap()), directory }
    }

    fn send(&mut self, row: &str) {
        writeln!(self.process.0.stdin.as_mut().unwrap(), "{row}").unwrap();
    }

    fn query(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rowmill"));
        command.current_dir(self.directory.path()).args(["query", "--live", "live"]).args(arguments).output().unwrap()
    }

    /// Waits until the table is this, as of an epoch.
    fn wait_for(&self, epoch: u64, lines: &[&str]) {
        let expected: Vec<String> =
            (0..).zip(lines).map(|(row, line)| format!("{{\"message\":{epoch},\"row\":{row},{line}}}")).collect();
        let mut last = String::new();
        wait_until(&format!("{expected:?}"), || {
            last = String::from_utf8(self.query(&["minutes"]).stdout).unwrap();
            last.lines().eq(expected.iter().map(String::as_str))
        });
    }
}

#[test]
fn a_running_dataflow_is_asked_for_a_table_as_of_an_epoch() {
    let mut run = Run::start(&["-w", "2"]);
    let line = |station: &str, rows: f64, most: f64, height: &str| {
        format!(
            "\"station\":\"{station}\",\"window\":\"1970-01-01T00:00:00Z\",\"rows\":{rows:?},\"x_max\":{most:?},\
             \"height\":{height}"
        )
    };
    run.send(r#"{"station": "a", "t": 5, "x": 1.5}"#);
    run.send(r#"{"station": "b", "t": 6, "x": 2.5}"#);
    run.wait_for(1, &[&line("a", 1.0, 1.5, "12.0"), &line("b", 1.0, 2.5, "null")]);
    // A correction, and a station that becomes known.
    run.send(r#"{"station": "a", "t": 5, "x": 0.5}"#);
    run.wait_for(2, &[&line("a", 1.0, 0.5, "12.0"), &line("b", 1.0, 2.5, "null")]);
    std::fs::write(run.directory.path().join("stations.csv"), "station,height\na,12\nb,800\n").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    run.send(r#"{"station": "a", "t": 7, "x": 3.5}"#);
    run.send(r#"{"station": "a", "t": 8, "x": 0.0}"#);
    run.wait_for(4, &[&line("a", 3.0, 3.5, "12.0"), &line("b", 1.0, 2.5, "800.0")]);
    // Other forms, and what is not there.
    let csv = run.query(&["minutes", "--format", "csv"]).stdout;
    assert!(String::from_utf8(csv).unwrap().starts_with("message,row,station,window,rows,x_max,height\n4,0,a,"));
    assert!(run.query(&["minutes", "--format", "parquet", "-o", "m.parquet"]).status.success());
    assert!(std::fs::read(run.directory.path().join("m.parquet")).unwrap().starts_with(b"PAR1"));
    assert_eq!(run.query(&[]).stdout, b"minutes\n");
    let unknown = run.query(&["hours"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8(unknown.stderr).unwrap().contains("no table `hours`: there is minutes"));
    drop(run.process.0.stdin.take());
    assert!(run.process.0.wait().unwrap().success());
    let over = run.query(&["minutes"]);
    assert!(!over.status.success() && String::from_utf8(over.stderr).unwrap().contains("no run with tables answers"));
    // The changes add up to the table.
    let changes = std::fs::read_to_string(run.directory.path().join("changes.ndjson")).unwrap();
    let mut lines: Vec<serde_json::Value> = Vec::new();
    for change in changes.lines() {
        let mut change: serde_json::Value = serde_json::from_str(change).unwrap();
        let object = change.as_object_mut().unwrap();
        let kind = ["message", "row", "change"].map(|name| object.remove(name).unwrap())[2].clone();
        match kind.as_str().unwrap() {
            "+" => lines.push(change),
            _ => drop(lines.remove(lines.iter().position(|line| *line == change).expect("a line that was there"))),
        }
    }
    let heights: Vec<f64> = lines.iter().map(|line| line["height"].as_f64().unwrap()).collect();
    assert_eq!(heights.len(), 2);
    assert!(heights.contains(&12.0) && heights.contains(&800.0), "{lines:?}");
}

#[test]
#[cfg_attr(not(feature = "broker"), ignore = "needs the feature `broker`")]
fn changes_that_are_published_add_up_to_the_table() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tables");
    let table = |sink: &str| {
        let sink = format!("table.t.sink.url={sink:?}");
        let mut command = rowmill(&["run", "28.toml", "--quiet", "-w", "2", "--set", &sink]);
        assert!(command.current_dir(&cases).status().unwrap().success());
    };
    let directory = tempfile::tempdir().unwrap();
    let whole = directory.path().join("t.csv");
    table(whole.to_str().unwrap());
    let (port, _broker) = embedded();
    let collected = collect(port, "tables/t");
    table(&format!("mqtt://127.0.0.1:{port}/tables/t"));
    let shown = |value: &serde_json::Value| match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let told = || {
        let mut lines = Lines::new();
        for change in collected.lock().unwrap().iter() {
            let mut figures = change.as_object().unwrap().clone();
            ["message", "row"].into_iter().for_each(|name| drop(figures.remove(name)));
            let deleted = figures.remove("change").unwrap() == "delete";
            let key = ["station", "window"].into_iter().filter_map(|name| figures.remove(name));
            let key: Vec<String> = key.map(|value| shown(&value)).collect();
            let figures = figures.into_iter().map(|(name, value)| (name, shown(&value))).collect();
            if deleted {
                lines.remove(&key)
            } else {
                lines.insert(key, figures)
            };
        }
        lines
    };
    wait_until("the table", || told() == lines(&whole));
    let changes = collected.lock().unwrap().iter().filter(|change| change["change"] == "delete").count();
    assert!(changes > 0, "no line was ever taken away");
}
