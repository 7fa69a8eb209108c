//! New fitted params for a run that goes on: every row is served by one version whole, all processes change at one message,
//! and what does not fit is refused.

mod broker;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use broker::followed::Followed;
use broker::{embedded, numbered, rowmill, wait_until};
use rumqttc::{Client, MqttOptions, QoS};
use tempfile::TempDir;

/// Publishes `{"n": i, "x": i}` for i from 0 on, until it is ended.
struct Station {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Station {
    fn start(port: u16) -> Station {
        let stop = Arc::<AtomicBool>::default();
        let ends = stop.clone();
        let mut options = MqttOptions::new("station", "127.0.0.1", port);
        options.set_inflight(20);
        let (client, mut connection) = Client::new(options, 64);
        let thread = std::thread::spawn(move || {
            let events = std::thread::spawn(move || connection.iter().take_while(Result::is_ok).for_each(drop));
            let mut n = 0;
            while !ends.load(Ordering::Relaxed) {
                client.publish("rows", QoS::AtLeastOnce, false, format!("{{\"n\": {n}, \"x\": {n}}}")).unwrap();
                n += 1;
                std::thread::sleep(Duration::from_millis(2));
            }
            client.disconnect().unwrap();
            events.join().unwrap();
            n
        });
        Station { stop, thread }
    }

    /// How many rows it has published.
    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// A version of a scaler and a model that tell their version in each row: `x - version`, and a million times the version
/// more than that.
fn params(version: u32) -> String {
    let (mean, intercept) = (f64::from(version), 1e6 * f64::from(version));
    serde_json::json!({
        "rowmill_fit": 1,
        "steps": [
            { "step": "standard_scaler", "columns": ["x"],
              "learned": { "mean_": [mean], "scale_": [1.0], "var_": [1.0], "n_samples_seen_": 2 } },
            { "step": "linear_regression", "columns": ["x"], "learned": { "coef_": [1.0], "intercept_": intercept } },
        ],
    })
    .to_string()
}

fn dataflow(directory: &Path, port: u16, more: &str) {
    let text = format!(
        "schema = {{ number = [\"n\", \"x\"] }}\n\
         [source]\nurl = \"mqtt://127.0.0.1:{port}/rows\"\nclient_id = \"mill\"\n\
         [buffer]\nbucket_size = 5\ndelay = \"20ms\"\n[checkpoint]\nevery = \"50ms\"\n\
         [[subtask]]\nuse = \"standard_scaler\"\ncolumns = [\"x\"]\nfit = \"frozen\"\nparams = \"m.json\"\n{more}\
         [[subtask]]\nuse = \"linear_regression\"\ncolumns = [\"x\"]\nparams = \"m.json\"\n{more}\
         [sink]\nurl = \"out.csv\"\n"
    );
    std::fs::write(directory.join("served.toml"), text).unwrap();
}

fn start(directory: &TempDir, flags: &[&str]) -> Followed {
    let mut command = rowmill(&["run", "served.toml", "--live", "live", "--report", "report"]);
    command.args(flags).current_dir(directory.path()).stdin(Stdio::null());
    Followed::start(&mut command)
}

fn drained(run: Followed) -> String {
    let pid = run.process.0.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let (code, said) = run.end();
    assert_eq!(code, Some(0), "{said}");
    said
}

/// A row of results.
#[derive(Clone, Copy, Debug)]
struct Row {
    message: u64,
    row: u64,
    n: u64,
    version: u32,
}

/// The complete rows, each served by one version whole.
fn rows(directory: &Path) -> Vec<Row> {
    let text = std::fs::read_to_string(directory.join("out.csv")).unwrap_or_default();
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n')).skip(1);
    let row = |line: &str| {
        let cells: Vec<f64> = line.trim_end().split(',').map(|cell| cell.parse().unwrap()).collect();
        let [message, row, n, x, prediction] = cells[..] else { panic!("{line}") };
        let version = n - x;
        assert_eq!(prediction, x + 1e6 * version, "two versions in one row: {line}");
        Row { message: message as u64, row: row as u64, n: n as u64, version: version as u32 }
    };
    lines.map(row).collect()
}

/// Each of the `count` rows is there once; each message is of one version; versions follow each other. The versions with
/// their first rows and messages.
fn assert_exact(directory: &Path, count: u64) -> Vec<Row> {
    let rows = rows(directory);
    let mut numbers: Vec<u64> = rows.iter().map(|row| row.n).collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..count), "{} rows of {count}", numbers.len());
    let mut firsts: Vec<Row> = Vec::new();
    for pair in rows.windows(2) {
        assert!(pair[0].row < pair[1].row && pair[0].version <= pair[1].version, "{pair:?}");
        assert!(pair[0].message < pair[1].message || pair[0].version == pair[1].version, "{pair:?}");
    }
    for row in rows {
        if firsts.last().is_none_or(|last| last.version != row.version) {
            firsts.push(row);
        }
    }
    firsts
}

fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, path).unwrap();
}

fn wait_for_version(directory: &Path, version: u32) {
    wait_until(&format!("version {version}"), || rows(directory).last().is_some_and(|row| row.version == version));
}

fn reload(directory: &Path) -> Output {
    rowmill(&["reload", "--live", "live"]).current_dir(directory).stdin(Stdio::null()).output().unwrap()
}

fn sha256(path: &Path) -> String {
    let output = std::process::Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn all_workers_and_processes_change_at_one_message() {
    let directory = tempfile::tempdir().unwrap();
    let (port, _broker) = embedded();
    let model: PathBuf = directory.path().join("m.json");
    std::fs::write(&model, params(0)).unwrap();
    dataflow(directory.path(), port, "reload = true\n");
    let run = start(&directory, &["-n", "2", "-w", "2"]);
    run.wait_for("subscribed to");
    let station = Station::start(port);
    wait_for_version(directory.path(), 0);
    let mut hashes = vec![sha256(&model)];
    // Replaced as a whole.
    replace(&model, &params(1));
    wait_for_version(directory.path(), 1);
    hashes.push(sha256(&model));
    // Written in place, and half there for a while.
    let text = params(2);
    let mut file = std::fs::File::create(&model).unwrap();
    file.write_all(&text.as_bytes()[..text.len() / 2]).unwrap();
    run.wait_for("new params are refused, and the old ones go on");
    assert_eq!(rows(directory.path()).last().unwrap().version, 1);
    file.write_all(&text.as_bytes()[text.len() / 2..]).unwrap();
    drop(file);
    wait_for_version(directory.path(), 2);
    hashes.push(sha256(&model));
    // What does not fit.
    replace(&model, &params(3).replace("\"x\"", "\"y\""));
    run.wait_for("was fitted on y, not on x");
    assert_eq!(rows(directory.path()).last().unwrap().version, 2);
    replace(&model, &params(4));
    wait_for_version(directory.path(), 4);
    hashes.push(sha256(&model));
    let count = station.end();
    wait_until("all rows", || rows(directory.path()).len() as u64 == count);
    let said = drained(run);
    let firsts = assert_exact(directory.path(), count);
    assert!(firsts.iter().map(|row| row.version).eq([0, 1, 2, 4]), "{firsts:?}");
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(directory.path().join("report/report.json")).unwrap()).unwrap();
    let served = report["models"].as_array().unwrap();
    assert_eq!(served.len(), 4, "{served:?}");
    for ((first, hash), served) in firsts.iter().zip(&hashes).zip(served) {
        assert_eq!((&served["file"], &served["sha256"]), (&"m.json".into(), &hash.as_str().into()));
        assert_eq!((&served["from_message"], &served["from_row"]), (&first.message.into(), &first.row.into()));
        let line = format!("m.json serves from row {} on (message {}): sha256 {hash}", first.row, first.message);
        assert!(first.version == 0 || said.contains(&line), "{line} is not in {said}");
    }
}

#[test]
fn a_run_reads_its_params_again_when_it_is_asked_to() {
    let directory = tempfile::tempdir().unwrap();
    let (port, _broker) = embedded();
    let model = directory.path().join("m.json");
    std::fs::write(&model, params(0)).unwrap();
    dataflow(directory.path(), port, "");
    assert_eq!(reload(directory.path()).status.code(), Some(1), "nothing runs");
    let run = start(&directory, &["-n", "2", "-w", "2"]);
    run.wait_for("subscribed to");
    let station = Station::start(port);
    wait_for_version(directory.path(), 0);
    let said = |output: &Output| String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    let same = reload(directory.path());
    assert_eq!((same.status.code(), said(&same).trim()), (Some(0), "no file of params has changed"));
    replace(&model, &params(1));
    let changed = reload(directory.path());
    assert_eq!(changed.status.code(), Some(0), "{}", said(&changed));
    assert!(said(&changed).contains("m.json serves from row ") && said(&changed).contains(&sha256(&model)));
    wait_for_version(directory.path(), 1);
    std::fs::write(&model, "{").unwrap();
    let refused = reload(directory.path());
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said(&refused).contains("the old params go on: ") && said(&refused).contains("m.json"),
        "{}",
        said(&refused)
    );
    // The checkpoint knows the params that serve: the next run takes them, and no others.
    replace(&model, &params(1));
    let count = station.end();
    wait_until("all rows", || rows(directory.path()).len() as u64 == count);
    drained(run);
    assert_eq!(assert_exact(directory.path(), count).len(), 2);
    let again = start(&directory, &[]);
    again.wait_for("subscribed to");
    drained(again);
    replace(&model, &params(2));
    let (code, said) = start(&directory, &[]).end();
    assert!(code == Some(1) && said.contains("subtask.0.params"), "{code:?} {said}");
}

#[test]
fn two_models_side_by_side_and_a_table_of_their_difference() {
    let directory = tempfile::tempdir().unwrap();
    let line = |slope: f64| {
        serde_json::json!({
            "rowmill_fit": 1,
            "steps": [{ "step": "linear_regression", "columns": ["x"], "learned": { "coef_": [slope], "intercept_": 0.0 } }],
        })
        .to_string()
    };
    std::fs::write(directory.path().join("m.json"), line(2.0)).unwrap();
    std::fs::write(directory.path().join("other.json"), line(2.5)).unwrap();
    std::fs::write(directory.path().join("rows.csv"), "k,x\na,1\na,3\na,-4\n").unwrap();
    let text = "schema = { number = [\"x\"], text = [\"k\"] }\nsource.url = \"rows.csv\"\nsink.url = \"out.csv\"\n\
        [[subtask]]\nuse = \"linear_regression\"\nparams = \"m.json\"\nshadow = \"other.json\"\n\
        [[table]]\nname = \"difference\"\nkey = [\"k\"]\ninput = \"linear_regression\"\n\
        score = { prediction = \"prediction_shadow\", label = \"prediction\", metrics = [\"mae\", \"rmse\"] }\n\
        sink = { url = \"difference.csv\" }\n";
    std::fs::write(directory.path().join("two.toml"), text).unwrap();
    let output = rowmill(&["run", "two.toml", "-q", "-w", "2"]).current_dir(directory.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!(
        read("out.csv"),
        "message,row,x,k,prediction,prediction_shadow\n0,0,1.0,a,2.0,2.5\n0,1,3.0,a,6.0,7.5\n0,2,-4.0,a,-8.0,-10.0\n"
    );
    let table = read("difference.csv");
    let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    let mut lines = table.lines();
    let (header, last) = (cells(lines.next().unwrap()), cells(lines.last().unwrap()));
    let of = |name: &str| last[header.iter().position(|other| other == name).unwrap()].parse::<f64>().unwrap();
    // |0.5|, |1.5|, |-2|.
    assert_eq!(of("prediction_shadow_mae"), 4.0 / 3.0, "{table}");
    assert_eq!(of("prediction_shadow_rmse"), (6.5_f64 / 3.0).sqrt(), "{table}");
}

#[test]
#[ignore = "needs mosquitto"]
fn kills_and_new_models_leave_no_mixture_and_lose_nothing() {
    const LIVES: u32 = 8;
    let directory = tempfile::tempdir().unwrap();
    let broker = numbered::persistent(&directory);
    let model = directory.path().join("m.json");
    std::fs::write(&model, params(0)).unwrap();
    dataflow(directory.path(), broker.port, "reload = true\n");
    let mut run = start(&directory, &["-n", "2", "-w", "2"]);
    run.wait_for("subscribed to");
    let station = Station::start(broker.port);
    let mut version = 0;
    for life in 0..LIVES {
        wait_for_version(directory.path(), version);
        version += 1;
        replace(&model, &params(version));
        // Before it is looked at, while it is made ready, and after it serves.
        std::thread::sleep(Duration::from_millis(u64::from(life) * 110));
        run.process.kill();
        run = start(&directory, &["-n", "2", "-w", "2"]);
        run.wait_for("subscribed to");
    }
    wait_for_version(directory.path(), version);
    let count = station.end();
    wait_until("all rows", || rows(directory.path()).len() as u64 >= count);
    drained(run);
    assert_exact(directory.path(), count);
}
