//! Several sources in one dataflow: each with its own columns and reading rules, each with its own place in the checkpoint.

mod broker;

use std::path::Path;
use std::process::Output;

use broker::numbered::{numbers, persistent, publish};
use broker::{Process, embedded, lines, rowmill, wait_until};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rumqttc::QoS;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A CSV file in degrees Fahrenheit, and NDJSON in degrees Celsius under other keys.
const SOURCES: &str = r#"
[[source]]
name = "roof"
url = "roof.csv"
csv = { separator = ";", decimal = "," }
[source.schema]
number = ["n", "fahrenheit"]
text = ["station"]
[[source]]
name = "cellar"
url = "cellar.ndjson"
[source.schema]
text = [{ name = "station", from = "device.id" }]
number = [{ name = "n", from = "count" }, "temp"]
[[subtask]]
use = "eval"
input = "roof"
expr = "fahrenheit = (fahrenheit - 32) / 1.8"
[[subtask]]
use = "rename"
input = "roof"
columns = { fahrenheit = "temp" }
[[subtask]]
use = "filter"
input = "cellar"
items = ["n", "temp", "station"]
[[subtask]]
use = "clip"
lower = 0.0
[buffer]
bucket_size = 7
[dead_letter]
url = "dead.ndjson"
"#;

const ROOF: u64 = 100;
const CELLAR: u64 = 40;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn write(directory: &TempDir, name: &str, text: &str) {
    std::fs::write(directory.path().join(name), text).unwrap();
}

fn read(directory: &TempDir, name: &str) -> String {
    std::fs::read_to_string(directory.path().join(name)).unwrap_or_default()
}

fn run(directory: &TempDir, text: &str, flags: &[&str]) -> Output {
    write(directory, "sources.toml", text);
    rowmill(&["run", "sources.toml", "-q"]).args(flags).current_dir(directory.path()).output().unwrap()
}

/// The rows of both stations; a row of each cannot be read.
fn measured(directory: &TempDir) {
    let roof = (0..ROOF).map(|n| format!("{n};{};north\n", if n == 50 { "warm".into() } else { format!("{n},5") }));
    write(directory, "roof.csv", &("n;fahrenheit;station\n".to_owned() + &roof.collect::<String>()));
    let cellar = (0..CELLAR).map(|n| match n {
        20 => "{\n".to_owned(),
        _ => format!("{{\"count\":{n},\"temp\":{},\"device\":{{\"id\":\"south\"}}}}\n", n as f64 - 5.0),
    });
    write(directory, "cellar.ndjson", &cellar.collect::<String>());
}

/// What becomes of them: number, temperature, station.
fn expected() -> Vec<(String, u64, f64)> {
    let roof = (0..ROOF).filter(|n| *n != 50).map(|n| ("north", n, ((n as f64 + 0.5 - 32.0) / 1.8).max(0.0)));
    let cellar = (0..CELLAR).filter(|n| *n != 20).map(|n| ("south", n, (n as f64 - 5.0).max(0.0)));
    let mut all: Vec<_> = roof.chain(cellar).map(|(station, n, temp)| (station.to_owned(), n, temp)).collect();
    all.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    all
}

fn found(text: &str) -> Vec<(String, u64, f64)> {
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        (row["station"].as_str().unwrap().to_owned(), row["n"].as_f64().unwrap() as u64, row["temp"].as_f64().unwrap())
    };
    let mut all: Vec<_> = text.lines().map(row).collect();
    all.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    all
}

#[test]
fn two_files_of_other_formats_come_together_the_same_whatever_runs_them() {
    let directory = tempfile::tempdir().unwrap();
    measured(&directory);
    let text = format!("{SOURCES}[sink]\nurl = \"out.ndjson\"\n");
    let mut first: Option<(String, String)> = None;
    for flags in [
        &["-w", "1"][..],
        &["-w", "3"],
        &["-n", "2", "-w", "2"],
        &["-w", "2", "--placement", "subtask"],
        &["-n", "2", "--placement", "subtask"],
    ] {
        let output = run(&directory, &text, &[flags, &["--fresh", "--report", "report"]].concat());
        assert!(output.status.success(), "{flags:?}: {}", said(&output));
        let results = (read(&directory, "out.ndjson"), read(&directory, "dead.ndjson"));
        assert_eq!(found(&results.0), expected(), "{flags:?}");
        // Files are read in turn: results are the same to the last byte.
        let first = first.get_or_insert_with(|| results.clone());
        assert!(*first == results, "{flags:?}: {}", results.0);
        let report: Value = serde_json::from_str(&read(&directory, "report/report.json")).unwrap();
        let of = |source: &str, rows: u64| json!({ "source": source, "rows_in": rows });
        assert_eq!(report["sources"], json!([of("roof", ROOF), of("cellar", CELLAR)]), "{flags:?}");
        assert_eq!((&report["rows_in"], &report["dead_letters"]), (&json!(ROOF + CELLAR), &json!(2)));
        let letters: Vec<Value> = results.1.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut letters: Vec<_> = letters.iter().map(|letter| (&letter["source"], &letter["position"])).collect();
        letters.sort_by_key(|(source, _)| source.as_str());
        assert_eq!(letters, [(&json!("cellar"), &json!(21)), (&json!("roof"), &json!(52))]);
        for name in ["out.ndjson", "dead.ndjson"] {
            std::fs::remove_file(directory.path().join(name)).unwrap();
        }
    }
}

#[test]
fn sources_with_the_schema_of_the_file_need_no_steps_and_may_list_columns_in_another_order() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory, "a.csv", "n,m,s\n1,10,x\n2,20,y\n");
    write(&directory, "b.ndjson", "{\"n\":3,\"s\":\"z\",\"m\":30}\n");
    // Without a header, the cells are in the order of the source's own columns.
    write(&directory, "b.csv", "30,3,z\n");
    for other in [
        "url = \"b.ndjson\"\n",
        "url = \"b.csv\"\ncsv = { header = false }\n[source.schema]\nnumber = [\"m\", \"n\"]\ntext = [\"s\"]\n",
    ] {
        let text = format!(
            "schema = {{ number = [\"n\", \"m\"], text = [\"s\"] }}\n[[source]]\nname = \"a\"\nurl = \"a.csv\"\n\
             [[source]]\nname = \"b\"\n{other}[sink]\nurl = \"out.csv\"\n"
        );
        let output = run(&directory, &text, &["--fresh"]);
        assert!(output.status.success(), "{}", said(&output));
        let expected = "message,row,n,m,s\n0,0,1.0,10.0,x\n0,1,2.0,20.0,y\n1,2,3.0,30.0,z\n";
        assert_eq!(read(&directory, "out.csv"), expected, "{other}");
    }
}

#[test]
fn a_table_takes_the_rows_of_all_sources() {
    let directory = tempfile::tempdir().unwrap();
    measured(&directory);
    let table = "[[table]]\nname = \"t\"\ninput = \"clip\"\nkey = [\"station\"]\ncolumns = [\"n\"]\n\
                 aggregates = [\"count\", \"sum\"]\nsink = { url = \"t.csv\" }\n[sink]\nurl = \"null\"\n";
    for flags in [&["-w", "1"][..], &["-w", "2"], &["-n", "2"]] {
        let output = run(&directory, &format!("{SOURCES}{table}"), &[flags, &["--fresh"]].concat());
        assert!(output.status.success(), "{flags:?}: {}", said(&output));
        let mut found: Vec<String> = read(&directory, "t.csv").lines().skip(1).map(str::to_owned).collect();
        found.sort();
        let sum = |rows: u64, without: u64| ((0..rows).sum::<u64>() - without) as f64;
        let of = |station: &str, rows: u64, sum: f64| format!("{station},{0:?},{0:?},{sum:?}", (rows - 1) as f64);
        let all = [of("north", ROOF, sum(ROOF, 50)), of("south", CELLAR, sum(CELLAR, 20))];
        assert!(found.iter().zip(&all).all(|(line, all)| line.contains(all.as_str())) && found.len() == 2, "{found:?}");
    }
}

#[test]
fn what_does_not_go_together_is_refused_with_its_place_and_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let sink = "[sink]\nurl = \"null\"\n";
    let source = |name: &str, url: &str, schema: &str| {
        format!("[[source]]\n{name}\nurl = \"{url}\"\n[source.schema]\n{schema}\n")
    };
    let roof = source("name = \"roof\"", "roof.csv", "number = [\"t\"]");
    let with = |other: &str| format!("{roof}{other}{sink}");
    let cellar = source("name = \"cellar\"", "x.ndjson", "number = [\"t\"]");
    let step = |lines: &str| with(&format!("{cellar}[[subtask]]\n{lines}\n"));
    let cases = [
        (
            with(&source("name = \"roof\"", "x.ndjson", "number = [\"t\"]")),
            "7:8",
            "two sources are named `roof`",
            "of its own",
        ),
        (with(&source("qos = 1", "x.ndjson", "number = [\"t\"]")), "6:1", "without a name", "name = \"roof\""),
        (with(&source("name = \"a b\"", "x.ndjson", "number = [\"t\"]")), "7:8", "letters, digits", "such as roof"),
        (with("[[source]]\nname = \"cellar\"\n"), "6:1", "without `url`", "add url"),
        (
            with(&source("name = \"cellar\"", "x.ndjson", "number = [\"temp\"]")),
            "6:1",
            "roof has the column `t`, which cellar lacks, and cellar has the column `temp`, which roof lacks",
            "input = \"cellar\"",
        ),
        (
            with(&source("name = \"cellar\"", "x.ndjson", "text = [\"t\"]")),
            "6:1",
            "`t` is a number column of roof and a text column of cellar",
            "give both the same columns",
        ),
        (
            source("name = \"a\"", "-", "number = [\"t\"]") + &source("name = \"b\"", "-", "number = [\"t\"]") + sink,
            "6:1",
            "two sources read -, where each row comes once",
            "another address",
        ),
        (
            with(&source("name = \"cellar\"", "x.ndjson", "base = \"infer\"")),
            "6:1",
            "cannot be inferred",
            "[source.schema]",
        ),
        (step("use = \"clip\"\ninput = \"celler\"\nlower = 0"), "13:9", "no source `celler`", "did you mean `cellar`?"),
        (
            step("use = \"clip\"\nlower = 0\n[[subtask]]\nuse = \"fillna\"\ninput = \"roof\"\nvalue = 0"),
            "16:9",
            "fillna takes the rows of one source, behind a step that takes those of all",
            "before the steps without `input`",
        ),
        (
            step("use = \"diff\"\ninput = \"roof\"\nfit = \"stream\""),
            "13:9",
            "diff keeps state",
            "behind the steps with `input`",
        ),
        (
            step("use = \"clip\"\ninput = \"roof\"\nlower = 0\n[[table]]\nname = \"t\"\nkey = []"),
            "16:8",
            "behind `raw`, the rows of the sources have not come together",
            "write \"clip\", or a later step",
        ),
        (with(&source("name = \"cellar\"", "x.ndjson", "number = [\"t\"]\ncolour = 1")), "11:1", "colour", ""),
        (
            with(&source("name = \"live\"", "mqtt://h/t", "number = [\"t\"]")).replace("\"roof.csv\"", "\"-\""),
            "1:1",
            "- begins anew in each run",
            "in a dataflow of its own",
        ),
    ];
    for (text, place, what, help) in cases {
        let output = run(&directory, &text, &[]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{text}: {said}");
        assert!(said.contains(&format!("sources.toml:{place}")), "{place}: {said}");
        assert!(said.contains(what) && said.contains(help), "{what}, {help}: {said}");
    }
    let output = run(&directory, &with(&cellar), &["--source", "other.csv"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("several sources: write source.NAME.url=VALUE"), "{}", said(&output));
    measured(&directory);
    let set = ["--fresh", "--set", "source.cellar.url=roof.csv", "--set", "source.cellar.schema={number=['t']}"];
    let output = run(&directory, &with(&cellar), &set);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn a_file_that_is_not_there_ends_the_run_with_its_name() {
    let directory = tempfile::tempdir().unwrap();
    measured(&directory);
    std::fs::remove_file(directory.path().join("cellar.ndjson")).unwrap();
    for flags in [&["-w", "1"][..], &["-n", "2"]] {
        let output = run(&directory, &format!("{SOURCES}[sink]\nurl = \"out.ndjson\"\n"), flags);
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains("cellar.ndjson"), "{}", said(&output));
    }
}

/// A file of the numbers from a million on, and a topic of the others.
fn beside_a_topic(directory: &TempDir, port: u16, rows: u64, sink: &str) {
    let file: String = (0..rows).map(|n| format!("{}\n", 1_000_000 + n)).collect();
    write(directory, "in.csv", &("n\n".to_owned() + &file));
    let text = format!(
        "schema = {{ number = [\"n\"] }}\n[[source]]\nname = \"archive\"\nurl = \"in.csv\"\n[[source]]\nname = \"live\"\n\
         url = \"mqtt://127.0.0.1:{port}/rows\"\nclient_id = \"mill\"\nsession = true\n[buffer]\nbucket_size = 64\n\
         delay = \"50ms\"\n[checkpoint]\nevery = \"10ms\"\n[[subtask]]\nuse = \"clip\"\nlower = 0\n[dead_letter]\n\
         url = \"dead.ndjson\"\n{sink}"
    );
    write(directory, "sources.toml", &text);
}

fn start(directory: &TempDir, flags: &[&str]) -> Process {
    let mut command = rowmill(&["run", "sources.toml"]);
    Process::subscribed(command.args(flags).current_dir(directory.path()))
}

#[test]
fn a_file_that_has_ended_holds_no_topic_back_and_ends_no_run() {
    let directory = tempfile::tempdir().unwrap();
    let (port, _broker) = embedded();
    beside_a_topic(&directory, port, 500, "[sink]\nurl = \"out.csv\"\n");
    let out = directory.path().join("out.csv");
    for flags in [&["-w", "2"][..], &["-n", "2"]] {
        let process = start(&directory, &[flags, &["--fresh", "--report", "report"]].concat());
        wait_until("the file", || numbers(&out).len() == 500);
        publish(port, QoS::AtLeastOnce, 0..300, &mut ChaCha8Rng::seed_from_u64(1));
        broker::publish::publish(port, &[("rows", "{\"n\": \"x\"}")]);
        wait_until("the topic", || numbers(&out).len() == 800 && lines(&directory.path().join("dead.ndjson")) == 1);
        process.drain();
        let mut all = numbers(&out);
        all.sort_unstable();
        assert!(all.into_iter().eq((0..300).chain(1_000_000..1_000_500)), "{flags:?}");
        let letter: Value = serde_json::from_str(&read(&directory, "dead.ndjson")).unwrap();
        assert_eq!((&letter["source"], &letter["topic"]), (&json!("live"), &json!("rows")), "{letter}");
        let report: Value = serde_json::from_str(&read(&directory, "report/report.json")).unwrap();
        assert_eq!(
            report["sources"],
            json!([{"source": "archive", "rows_in": 500}, {"source": "live", "rows_in": 301}])
        );
    }
}

/// What its rows hold is made while it is read, so a later run knows the file by its own bytes.
#[test]
fn a_file_with_times_relative_to_now_is_known_again() {
    let directory = tempfile::tempdir().unwrap();
    let (port, _broker) = embedded();
    write(&directory, "pack.senml", "[{\"n\":\"n\",\"v\":7,\"t\":-5}]\n");
    beside_a_topic(&directory, port, 0, "[sink]\nurl = \"out.csv\"\n");
    write(&directory, "sources.toml", &read(&directory, "sources.toml").replace("in.csv", "pack.senml"));
    let out = directory.path().join("out.csv");
    for topic in 0..2 {
        let process = start(&directory, &[]);
        wait_until("the file", || !numbers(&out).is_empty());
        publish(port, QoS::AtLeastOnce, topic..topic + 1, &mut ChaCha8Rng::seed_from_u64(1));
        wait_until("the topic", || numbers(&out).len() as u64 == topic + 2);
        process.drain();
    }
    let mut all = numbers(&out);
    all.sort_unstable();
    assert_eq!(all, [0, 1, 7]);
}

/// Kills the run at any time, while the file is read and the topic is published: every row is there once.
fn kills(sink: &str, all: impl Fn(&Path) -> Vec<u64>) {
    const ROWS: u64 = 60_000;
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    beside_a_topic(&directory, broker.port, ROWS, sink);
    let random = &mut ChaCha8Rng::seed_from_u64(7);
    let flags: [&[&str]; 3] = [&["-w", "1"], &["-w", "2"], &["-n", "2", "-w", "1"]];
    let mut process = start(&directory, flags[0]);
    for kill in 0..12 {
        let sent = kill * 500;
        let port = broker.port;
        let publisher = std::thread::spawn(move || {
            publish(port, QoS::AtLeastOnce, sent..sent + 500, &mut ChaCha8Rng::seed_from_u64(kill))
        });
        std::thread::sleep(std::time::Duration::from_millis(random.random_range(0..200)));
        process.kill();
        process = start(&directory, flags[random.random_range(0..flags.len())]);
        publisher.join().unwrap();
    }
    wait_until("all rows", || all(directory.path()).len() as u64 >= ROWS + 6000);
    process.drain();
    let mut found = all(directory.path());
    found.sort_unstable();
    assert!(found.into_iter().eq((0..6000).chain(1_000_000..1_000_000 + ROWS)), "a row is missing or there twice");
}

#[test]
#[ignore = "needs mosquitto"]
fn over_kills_each_row_of_file_and_topic_is_there_once() {
    kills("[sink]\nurl = \"out.csv\"\n", |directory| numbers(&directory.join("out.csv")));
}

#[test]
#[ignore = "needs mosquitto"]
fn a_file_that_was_replaced_is_told_and_not_read_from_the_middle() {
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    beside_a_topic(&directory, broker.port, 500, "[sink]\nurl = \"out.csv\"\n");
    let process = start(&directory, &[]);
    wait_until("the file", || numbers(&directory.path().join("out.csv")).len() == 500);
    process.drain();
    // A file that has grown goes on; another one does not.
    write(&directory, "in.csv", &(read(&directory, "in.csv") + "7\n8\n"));
    let process = start(&directory, &[]);
    wait_until("what has come", || numbers(&directory.path().join("out.csv")).len() == 502);
    process.drain();
    assert!(numbers(&directory.path().join("out.csv")).ends_with(&[7, 8]));
    for other in ["n\n5\n6\n", "n\n1000000\n"] {
        write(&directory, "in.csv", other);
        let output = rowmill(&["run", "sources.toml", "-q"]).current_dir(directory.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains("an earlier run has taken 502 rows of it"), "{}", said(&output));
    }
}

/// What is learnt of all rows together, and of those of one source, is what a run of those rows shows.
#[test]
fn a_chain_is_fitted_on_the_rows_of_its_sources() {
    let directory = tempfile::tempdir().unwrap();
    measured(&directory);
    let frozen = "fit = \"frozen\"\nparams = \"fit.json\"\n";
    let own = format!(
        "[[subtask]]\nuse = \"max_abs_scaler\"\ninput = \"roof\"\ncolumns = [\"fahrenheit\"]\n{frozen}[[subtask]]\n\
         use = \"rename\""
    );
    let text = SOURCES
        .replacen("[[subtask]]\nuse = \"rename\"", &own, 1)
        .replace("[buffer]", &format!("[[subtask]]\nuse = \"standard_scaler\"\ncolumns = [\"n\"]\n{frozen}[buffer]"))
        + "[sink]\nurl = \"out.ndjson\"\n";
    write(&directory, "sources.toml", &text);
    let command = |arguments: &[&str]| rowmill(arguments).current_dir(directory.path()).output().unwrap();
    let fitted = command(&["fit", "sources.toml", "-o", "fit.json"]);
    assert!(fitted.status.success(), "{}", said(&fitted));
    assert!(said(&fitted).contains("2 steps fitted on 138 rows") && said(&fitted).contains("roof: 1 rows"));
    let params: Value = serde_json::from_str(&read(&directory, "fit.json")).unwrap();
    // In degrees Celsius, behind the step of that source before it.
    let most = params["steps"][0]["learned"]["scale_"][0].as_f64().unwrap();
    assert!((most - (99.5 - 32.0) / 1.8).abs() < 1e-9, "{params}");
    let all: Vec<f64> = expected().iter().map(|(_, n, _)| *n as f64).collect();
    let mean = params["steps"][1]["learned"]["mean_"][0].as_f64().unwrap();
    assert!((mean - all.iter().sum::<f64>() / all.len() as f64).abs() < 1e-9, "{params}");
    let output = command(&["run", "sources.toml", "-q"]);
    assert!(output.status.success() && read(&directory, "out.ndjson").lines().count() == 138, "{}", said(&output));
    for (arguments, code, words) in [
        (&["--source", "roof.csv"][..], 2, "source.NAME.url"),
        (&["--set", "source.roof.url=mqtt://h/t"], 2, "--set source.roof.url=FILE"),
        (&["--set", "source.cellar.url=absent.csv"], 1, "absent.csv"),
    ] {
        let output = command(&[&["fit", "sources.toml", "-o", "other.json"], arguments].concat());
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(said(&output).contains(words), "{}", said(&output));
    }
}

#[test]
fn rows_of_each_source_are_peeked_at() {
    let directory = tempfile::tempdir().unwrap();
    measured(&directory);
    write(&directory, "sources.toml", &format!("{SOURCES}[sink]\nurl = \"null\"\n"));
    let peek = |more: &[&str]| {
        rowmill(&["peek", "sources.toml", "--rows", "1"]).args(more).current_dir(directory.path()).output().unwrap()
    };
    let shown = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let output = peek(&[]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(shown(&output).contains("fahrenheit = 0.5") && shown(&output).contains("cellar, cellar.ndjson"));
    assert!(shown(&output).contains("temp = -5, station = \"south\""), "{}", shown(&output));
    // One that has no rows is told behind the others.
    let output = peek(&["--set", "source.roof.url=absent.csv"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(shown(&output).contains("temp = -5") && said(&output).contains("absent.csv"), "{}", said(&output));
    let output = rowmill(&["bench", "sweep", "sources.toml"]).current_dir(directory.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("it has several sources"), "{}", said(&output));
}
