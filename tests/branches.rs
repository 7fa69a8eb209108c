//! Several sinks: each has its rows and columns of the chain, every row once over kills, and a place of its own in the
//! checkpoint.

mod broker;

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use broker::narrow::{Manner, Narrow};
use broker::numbered::{parquet_numbers, persistent, publish};
use broker::played::{Played, Redelivery};
use broker::{Process, collect, rowmill, wait_until};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

const STEPS: &str = "[[subtask]]\nuse = \"replace\"\nto_replace = [-1.0]\n[[subtask]]\nuse = \"dropna\"\n\
    [[subtask]]\nuse = \"eval\"\nexpr = \"temp = temp * 2\"\n";

/// The sinks behind the chain, behind a step, and before all of them.
const SINKS: &str = "[[sink]]\nurl = \"all.ndjson\"\n\
    [[sink]]\nname = \"hot\"\nurl = \"hot.csv\"\nwhere = \"temp > 60 and station != 'c'\"\ncolumns = [\"station\", \"temp\"]\n\
    [[sink]]\nurl = \"mid.ndjson\"\nafter = \"replace\"\ncolumns = [\"temp\"]\n\
    [[sink]]\nurl = \"raw.csv\"\nafter = \"raw\"\nwhere = \"station == 'b'\"\n";

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn run(directory: &TempDir, text: &str, flags: &[&str]) -> Output {
    std::fs::write(directory.path().join("branches.toml"), text).unwrap();
    rowmill(&["run", "branches.toml", "-q"]).args(flags).current_dir(directory.path()).output().unwrap()
}

fn read(directory: &TempDir, name: &str) -> String {
    std::fs::read_to_string(directory.path().join(name)).unwrap_or_default()
}

/// Temperature and station of a row; every seventh has no temperature.
fn row(n: u64) -> (i64, &'static str) {
    (if n % 7 == 3 { -1 } else { (n * 37 % 50) as i64 }, ["a", "b", "c"][(n % 3) as usize])
}

/// A file of rows, in messages of 64, and what reads it.
fn measured(directory: &TempDir, rows: u64) -> String {
    let line = |n| format!("{},{}\n", row(n).0, row(n).1);
    let text: String = std::iter::once("temp,station\n".to_owned()).chain((0..rows).map(line)).collect();
    std::fs::write(directory.path().join("in.csv"), text).unwrap();
    format!(
        "[source]\nurl = \"in.csv\"\n[schema]\nnumber = [\"temp\"]\ntext = [\"station\"]\n[buffer]\nbucket_size = 64\n{STEPS}"
    )
}

/// What the four files must hold.
fn expected(rows: u64) -> BTreeMap<&'static str, String> {
    let mut files = BTreeMap::from([
        ("hot.csv", "message,row,station,temp\n".to_owned()),
        ("raw.csv", "message,row,temp,station\n".to_owned()),
        ("all.ndjson", String::new()),
        ("mid.ndjson", String::new()),
    ]);
    for n in 0..rows {
        let (message, (temp, station)) = (n / 64, row(n));
        let mut add = |file, line: String| files.get_mut(file).unwrap().push_str(&line);
        let known = temp >= 0;
        let shown = if known { format!("{temp}.0") } else { "null".into() };
        add("mid.ndjson", format!("{{\"message\":{message},\"row\":{n},\"temp\":{shown}}}\n").replace(":0.0", ":0.0"));
        if station == "b" {
            add("raw.csv", format!("{message},{n},{temp}.0,{station}\n"));
        }
        if known {
            let place = format!("\"message\":{message},\"row\":{n}");
            add("all.ndjson", format!("{{{place},\"temp\":{}.0,\"station\":\"{station}\"}}\n", temp * 2));
        }
        if known && temp * 2 > 60 && station != "c" {
            add("hot.csv", format!("{message},{n},{station},{}.0\n", temp * 2));
        }
    }
    files
}

#[test]
fn each_sink_has_its_rows_and_columns_however_many_workers_there_are() {
    const ROWS: u64 = 1000;
    let expected = expected(ROWS);
    for flags in [
        &["-n", "1", "-w", "1"][..],
        &["-w", "3"],
        &["-n", "2"],
        &["-w", "2", "--placement", "subtask"],
        &[
            "-w",
            "2",
            "--set",
            "subtask.dropna.how=any",
            "--set",
            "buffer.sort=station",
            "--set",
            "buffer.bucket_size=1",
        ],
    ] {
        let directory = tempfile::tempdir().unwrap();
        let text = measured(&directory, ROWS) + SINKS;
        let report = ["--report", "report"];
        let output = run(&directory, &text, &[flags, &report].concat());
        assert!(output.status.success(), "{flags:?}: {}", said(&output));
        let one_row = flags.contains(&"buffer.bucket_size=1");
        for (name, text) in &expected {
            let found = read(&directory, name);
            // With one row a message, the number of the message is that of the row.
            let same = if one_row { found.lines().count() == text.lines().count() } else { found == *text };
            assert!(same, "{flags:?}: {name}:\n{}", found.lines().take(5).collect::<Vec<_>>().join("\n"));
        }
        let report: serde_json::Value =
            serde_json::from_str(&read(&directory, "report/report.json")).expect("a report");
        let rows = |name: &str, header: usize| expected[name].lines().count() - header;
        let of = |sink: &str, rows: usize| serde_json::json!({ "sink": sink, "rows_out": rows, "refused": 0 });
        assert_eq!(
            report["sinks"],
            serde_json::json!([
                of("all.ndjson", rows("all.ndjson", 0)),
                of("hot", rows("hot.csv", 1)),
                of("mid.ndjson", rows("mid.ndjson", 0)),
                of("raw.csv", rows("raw.csv", 1)),
            ])
        );
        assert_eq!(report["rows_out"], rows("all.ndjson", 0));
        assert_eq!(report["rows_in"], ROWS);
    }
}

#[test]
fn a_sink_behind_a_step_with_state_and_beside_a_table_has_its_rows() {
    for flags in [&["-w", "1"][..], &["-w", "3"], &["-n", "2"]] {
        let directory = tempfile::tempdir().unwrap();
        let text = measured(&directory, 500)
            + "[[subtask]]\nuse = \"diff\"\nfit = \"stream\"\nkey = \"station\"\n[[subtask]]\nuse = \"fillna\"\nvalue = 0\n\
               [[table]]\nname = \"t\"\nkey = [\"station\"]\naggregates = [\"count\"]\nsink = { url = \"t.csv\" }\n\
               [[sink]]\nurl = \"diff.csv\"\nafter = \"diff\"\ncolumns = [\"temp\"]\n[[sink]]\nurl = \"all.csv\"\n";
        let output = run(&directory, &text, flags);
        assert!(output.status.success(), "{}", said(&output));
        let (mut last, mut diff, mut all) = (BTreeMap::new(), Vec::new(), Vec::new());
        for n in (0..500).filter(|n| row(*n).0 >= 0) {
            let (temp, station) = row(n);
            let change = last.insert(station, temp * 2).map(|before: i64| temp * 2 - before);
            diff.push(format!("{n},{}", change.map_or(String::new(), |change| format!("{change}.0"))));
            all.push(format!("{n},{}.0,{station}", change.unwrap_or(0)));
        }
        for (name, lines) in [("diff.csv", diff), ("all.csv", all)] {
            let found = read(&directory, name);
            let found = found.lines().skip(1).map(|line| line.split_once(',').unwrap().1.to_owned());
            assert_eq!(found.collect::<Vec<_>>(), lines, "{flags:?} {name}");
        }
        assert_eq!(read(&directory, "t.csv").lines().count(), 4);
    }
}

#[test]
fn one_sink_has_a_condition_and_columns_too() {
    let directory = tempfile::tempdir().unwrap();
    let expected = &expected(200)["hot.csv"];
    let rows = measured(&directory, 200);
    for (file, sink) in [
        ("out.csv", "[sink]\nurl = \"out.csv\""),
        ("one.csv", "[[sink]]\nurl = \"one.csv\""),
        ("other.csv", "[sink]\nurl = \"other.csv\"\nafter = \"eval\""),
    ] {
        let text =
            format!("{rows}{sink}\nwhere = \"temp > 60 and station != 'c'\"\ncolumns = [\"station\", \"temp\"]\n");
        let output = run(&directory, &text, &["-w", "2"]);
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(read(&directory, file), *expected, "{sink}");
    }
    // Behind a step before the end, alone.
    let text = format!("{rows}[sink]\nurl = \"raw.ndjson\"\nafter = \"raw\"\ncolumns = [\"station\"]\n");
    assert!(run(&directory, &text, &[]).status.success());
    assert_eq!(read(&directory, "raw.ndjson").lines().nth(1), Some("{\"message\":0,\"row\":1,\"station\":\"b\"}"));
    assert_eq!(read(&directory, "raw.ndjson").lines().count(), 200);
    let listed = format!("{rows}[[sink]]\nurl = \"x.csv\"\n");
    assert!(run(&directory, &listed, &["--sink", "moved.ndjson"]).status.success());
    assert!(directory.path().join("moved.ndjson").exists() && !directory.path().join("x.csv").exists());
}

#[test]
fn what_is_wrong_about_sinks_is_told_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let rows = measured(&directory, 3);
    symlink("a.ndjson", directory.path().join("link.ndjson")).unwrap();
    let sinks = |first: &str, second: &str| {
        format!(
            "{rows}[[sink]]\nurl = \"a.ndjson\"\n{first}\n[[sink]]\n{second}\n[dead_letter]\nurl = \"dead.ndjson\"\n"
        )
    };
    let line = rows.lines().count() + 3;
    for (first, second, place, part) in [
        ("", "url = \"./a.ndjson\"", String::new(), "are the same file"),
        ("", "url = \"link.ndjson\"", String::new(), "are the same file"),
        ("", "url = \"in.csv\"", String::new(), "are the same file"),
        ("", "url = \"dead.ndjson\"", String::new(), "are the same file"),
        ("after = \"repace\"", "url = \"b.csv\"", format!(":{line}:9"), "did you mean `replace`?"),
        ("columns = [\"temp\", \"staton\"]", "url = \"b.csv\"", format!(":{line}:20"), "did you mean `station`?"),
        ("columns = [\"temp\", \"temp\"]", "url = \"b.csv\"", format!(":{line}:20"), "named twice"),
        ("columns = []", "url = \"b.csv\"", format!(":{line}:11"), "no column is named"),
        ("where = \"temp + 1\"", "url = \"b.csv\"", format!(":{line}:"), "where a condition must be"),
        ("where = \"tmp > 1\"", "url = \"b.csv\"", format!(":{line}:10"), "did you mean `temp`?"),
        ("wher = \"temp > 1\"", "url = \"b.csv\"", format!(":{line}:1"), "did you mean `where`?"),
        ("name = \"a b\"", "url = \"b.csv\"", format!(":{line}:8"), "letters"),
        ("name = \"x\"", "url = \"b.csv\"\nname = \"x\"", format!(":{}:8", line + 3), "two sinks are named `x`"),
        ("parts = true", "url = \"b.csv\"", format!(":{}:1", line + 1), "parts = true at one sink"),
        ("key = [\"station\"]", "url = \"b.csv\"", format!(":{line}:7"), "`key` names columns for tables"),
        ("key = \"station\"", "url = \"b.csv\"", String::new(), "a [[table]] with key and upsert"),
        ("", "url = \"b-{station}.csv\"", String::new(), "a topic has columns: mqtt://HOST/weather/{station}"),
        ("", "where = \"temp > 1\"", String::new(), "gives no sink.url"),
        (
            "columns = [\"temp\"]",
            "url = \"mqtt://h/{station}\"\ncolumns = [\"temp\"]",
            String::new(),
            "which `columns` of the sink leaves out",
        ),
        ("", "url = \"mqtt://h/{temp}\"", String::new(), "no text column `temp`"),
        ("", "url = \"a/{station}/b.parquet\"", String::new(), "a file's name has no columns"),
        ("", "url = \"postgres//h/db\"\ntable = \"t\"", String::new(), "\"postgres//h/db\" is no sink"),
        ("", "url = \"postgres//h/db\"\ntable = \"t\"", String::new(), "has :// behind its scheme"),
        ("", "url = \"b.csv\"\nfrom = 1", String::new(), "`key`, `name`, `where`, `after`, `columns`, `for`"),
        ("", "url = \"mqtt://h/a\u{9f}\"", String::new(), "brokers refuse a topic with the character U+009F"),
        ("", "url = \"http://anna:p@ss@h/write?db=x\"", String::new(), "write @ as %40"),
        ("", "url = \"postgres://anna:p@ss@h/x\"\ntable = \"t\"", String::new(), "write @ as %40"),
    ] {
        std::fs::write(directory.path().join("branches.toml"), sinks(first, second)).unwrap();
        let output = rowmill(&["check", "branches.toml"]).current_dir(directory.path()).output().unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{first} {second}: {said}");
        assert!(said.contains(part) && said.contains(&place), "{first} {second}: {place}\n{said}");
    }
    let letters = format!("{rows}[sink]\nurl = \"null\"\n[dead_letter]\nurl = \"d.ndjson\"\nwhere = \"temp > 1\"\n");
    assert!(said(&run(&directory, &letters, &[])).contains("unknown field `where`"));
    let unnamed = said(&run(&directory, &sinks("", "url = \"b.csv\""), &["--sink", "x.csv"]));
    assert!(unnamed.contains("several sinks") && unnamed.contains("sink.0.url"), "{unnamed}");
    std::fs::write(directory.path().join("branches.toml"), rows + SINKS).unwrap();
    let shown = rowmill(&["check", "branches.toml"]).current_dir(directory.path()).output().unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    for part in [
        "->  sink all.ndjson\n",
        "after result",
        "sink hot, hot.csv, where temp > 60",
        "after replace",
        "after prepare",
    ] {
        assert!(shown.replace("=>", "->").contains(part), "{part}:\n{shown}");
    }
}

#[test]
fn a_sink_that_fails_is_named_and_the_run_with_it() {
    let directory = tempfile::tempdir().unwrap();
    symlink("/dev/full", directory.path().join("full.ndjson")).unwrap();
    let text = measured(&directory, 1000) + "[[sink]]\nurl = \"good.csv\"\n[[sink]]\nurl = \"full.ndjson\"\n";
    let output = run(&directory, &text, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("full.ndjson"), "{}", said(&output));
    // What was written of an unfinished run is replaced by the next one.
    let good = text.replace("full.ndjson", "other.ndjson");
    let output = run(&directory, &good, &[]);
    assert!(output.status.success(), "{}", said(&output));
    for name in ["good.csv", "other.ndjson"] {
        assert!(read(&directory, name).lines().count() > 800, "{name}");
    }
}

#[test]
fn a_part_of_another_process_that_fails_ends_the_run_at_once_and_is_named() {
    let directory = tempfile::tempdir().unwrap();
    symlink("/dev/full", directory.path().join("out.part-1.ndjson")).unwrap();
    // It would take 14 hours.
    let text = "schema = { number = [\"outTemp\"] }\nsource.url = \"generate:rows=100000000,seed=1,rate=2000\"\n\
        buffer.bucket_size = 50\n[sink]\nurl = \"out.ndjson\"\nparts = true\n";
    std::fs::write(directory.path().join("branches.toml"), text).unwrap();
    let told = directory.path().join("said");
    let mut command = rowmill(&["run", "branches.toml", "-q", "-n", "2", "-w", "1"]);
    command.current_dir(directory.path()).stderr(std::fs::File::create(&told).unwrap());
    let mut process = Process(command.spawn().unwrap());
    wait_until("the end", || process.0.try_wait().unwrap().is_some());
    assert_eq!(process.code(), Some(1));
    let said = std::fs::read_to_string(&told).unwrap();
    assert!(said.contains("process 1: ") && said.contains("out.part-1.ndjson"), "{said}");
}

/// The column `n` of whole lines of CSV.
fn numbers(path: &Path) -> Vec<u64> {
    broker::numbered::numbers(path)
}

#[test]
fn a_file_is_read_again_into_all_sinks_after_a_kill() {
    const ROWS: u64 = 40_000;
    let directory = tempfile::tempdir().unwrap();
    let rows: String = (0..ROWS).map(|n| format!("{{\"n\": {n}}}\n")).collect();
    std::fs::write(directory.path().join("in.ndjson"), rows).unwrap();
    let text = "schema = { number = [\"n\"] }\nsource.url = \"in.ndjson\"\nbuffer.bucket_size = 10\n\
        [[subtask]]\nuse = \"clip\"\nlower = 5\n[[sink]]\nurl = \"all.csv\"\n\
        [[sink]]\nurl = \"odd.csv\"\nwhere = \"n % 2 == 1\"\nafter = \"raw\"\ncolumns = [\"n\"]\n";
    std::fs::write(directory.path().join("branches.toml"), text).unwrap();
    let (all, odd) = (directory.path().join("all.csv"), directory.path().join("odd.csv"));
    for flags in [&["-n", "1", "-w", "1"][..], &["-w", "3"], &["-n", "2"]] {
        let start = || {
            let mut command = rowmill(&["run", "branches.toml", "-q"]);
            command.args(flags).current_dir(directory.path()).stderr(Stdio::inherit()).process_group_of_its_own();
            Process(command.spawn().unwrap())
        };
        let mut process = start();
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        wait_until("rows in both files", || size(&all) > 1000 && size(&odd) > 1000);
        let group = format!("-{}", process.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        process.kill();
        let was_killed = numbers(&all).len() < ROWS as usize;
        if was_killed {
            assert_eq!(start().code(), Some(0), "started again without a flag");
        }
        assert!(numbers(&all).into_iter().eq((0..ROWS).map(|n| n.max(5))), "{flags:?}");
        assert!(numbers(&odd).into_iter().eq((1..ROWS).step_by(2)), "{flags:?}");
        for path in [&all, &odd] {
            std::fs::remove_file(path).unwrap();
        }
    }
}

trait ProcessGroup {
    /// Its processes can be killed together.
    fn process_group_of_its_own(&mut self) -> &mut Self;
}

impl ProcessGroup for Command {
    fn process_group_of_its_own(&mut self) -> &mut Command {
        std::os::unix::process::CommandExt::process_group(self, 0)
    }
}

/// A dataflow over a session, with a sink of all rows and one of those that a condition lets through.
fn live(port: u16, sinks: &str) -> String {
    format!(
        "schema = {{ number = [\"n\"] }}\n[source]\nurl = \"mqtt://127.0.0.1:{port}/rows\"\nclient_id = \"mill\"\n\
         session = true\n[buffer]\nbucket_size = 2\ndelay = \"5ms\"\n[checkpoint]\nevery = \"1ms\"\n\
         [[subtask]]\nuse = \"clip\"\nlower = 0\n{sinks}"
    )
}

const TWO: &str = "[[sink]]\nurl = \"all.csv\"\n[[sink]]\nurl = \"odd.csv\"\nwhere = \"n % 2 == 1\"\nafter = \"raw\"\n";

#[test]
fn each_sink_has_every_row_once_over_kills() {
    for (seed, flags) in [(1, &["-n", "1", "-w", "1"][..]), (2, &["-w", "3"]), (3, &["-n", "2"])] {
        let directory = tempfile::tempdir().unwrap();
        let (listener, port) = Played::listen();
        // Without a checkpoint beside it, a Parquet file has a row at least once.
        let sinks = format!("{TWO}[[sink]]\nurl = \"third.parquet\"\nwhere = \"n % 3 == 0\"\n");
        std::fs::write(directory.path().join("branches.toml"), live(port, &sinks)).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let start = || {
            let mut command = rowmill(&["run", "branches.toml", "-q"]);
            command.args(flags).current_dir(directory.path()).stderr(Stdio::inherit()).process_group_of_its_own();
            Process(command.spawn().unwrap())
        };
        let mut redelivery = Redelivery::default();
        for round in 0..6 {
            let mut process = start();
            let mut broker = Played::accept(&listener, round > 0);
            let (more, last) = (random.random_range(4..12), round == 5);
            redelivery.serve(&mut broker, more, last, &mut random);
            if last {
                process.drain();
                break;
            }
            std::thread::sleep(std::time::Duration::from_micros(random.random_range(0..20_000)));
            let group = format!("-{}", process.0.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
            process.kill();
        }
        let (all, odd) = (directory.path().join("all.csv"), directory.path().join("odd.csv"));
        assert!(numbers(&all).into_iter().eq(0..redelivery.published), "{flags:?}: {:?}", numbers(&all));
        assert!(numbers(&odd).into_iter().eq((1..redelivery.published).step_by(2)), "{flags:?}: {:?}", numbers(&odd));
        let (third, own) = parquet_numbers(&directory.path().join("third.parquet"));
        assert!(
            third.iter().copied().eq((0..redelivery.published).step_by(3)) && own == third.len(),
            "{flags:?}: {third:?}"
        );
        let rows = |path: &Path| {
            let text = std::fs::read_to_string(path).unwrap();
            let place = |line: &str| line.rsplit_once(',').map(|(place, n)| (n.to_owned(), place.to_owned()));
            text.lines().skip(1).filter_map(place).collect::<BTreeMap<_, _>>()
        };
        let all = rows(&all);
        assert!(rows(&odd).iter().all(|(n, place)| all.get(n) == Some(place)), "message and row are the same");
    }
}

#[test]
fn a_row_that_sinks_refuse_stays_in_the_others_and_counts_once() {
    let directory = tempfile::tempdir().unwrap();
    let brokers = [(); 3].map(|()| Narrow::start(Manner { most: 500, says: true, never: None }));
    let rows = (0..20).map(|n| format!("{{\"n\": {n}, \"note\": \"{}\"}}\n", "x".repeat(if n == 7 { 600 } else { 3 })));
    std::fs::write(directory.path().join("in.ndjson"), rows.collect::<String>()).unwrap();
    let topics: String = [("one", ""), ("two", ""), ("early", "after = \"raw\"\n")]
        .iter()
        .zip(&brokers)
        .map(|((name, after), broker)| {
            format!("[[sink]]\nname = \"{name}\"\nurl = \"mqtt://127.0.0.1:{}/{name}\"\n{after}", broker.port)
        })
        .collect();
    let text = format!(
        "schema = {{ number = [\"n\"], text = [\"note\"] }}\nsource.url = \"in.ndjson\"\nbuffer.bucket_size = 4\n\
         dead_letter.url = \"dead.ndjson\"\n[[subtask]]\nuse = \"clip\"\nlower = 0\n[[sink]]\nurl = \"all.ndjson\"\n{topics}"
    );
    let output = run(&directory, &text, &["--report", "report"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(read(&directory, "all.ndjson").lines().count(), 20);
    let letters = read(&directory, "dead.ndjson");
    let letters: Vec<serde_json::Value> = letters.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut by: Vec<&str> = letters.iter().map(|letter| letter["subtask"].as_str().unwrap()).collect();
    by.sort_unstable();
    assert_eq!(by, ["sink early", "sink one", "sink two"]);
    assert!(letters.iter().all(|letter| letter["row"] == 7 && letter["position"] == 8), "{letters:?}");
    let report: serde_json::Value = serde_json::from_str(&read(&directory, "report/report.json")).unwrap();
    let count = |key: &str| report[key].as_u64().unwrap();
    assert_eq!((count("rows_in"), count("rows_out"), count("dead_letters")), (20, 19, 1));
    for (sink, rows) in [("all.ndjson", (20, 0)), ("one", (19, 1)), ("two", (19, 1)), ("early", (19, 1))] {
        let own = report["sinks"].as_array().unwrap().iter().find(|own| own["sink"] == sink).unwrap();
        assert_eq!((own["rows_out"].as_u64(), own["refused"].as_u64()), (Some(rows.0), Some(rows.1)), "{sink}");
    }
}

#[test]
fn other_sinks_than_those_of_a_checkpoint_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let (listener, port) = Played::listen();
    let told = directory.path().join("said");
    let start = |sinks: &str, flags: &[&str]| {
        std::fs::write(directory.path().join("branches.toml"), live(port, sinks)).unwrap();
        let mut command = rowmill(&["run", "branches.toml"]);
        command.args(flags).current_dir(directory.path()).stderr(std::fs::File::create(&told).unwrap());
        Process(command.spawn().unwrap())
    };
    let mut next = 0;
    let mut goes_on = |sinks: &str, flags: &[&str]| {
        let process = start(sinks, flags);
        let mut broker = Played::accept(&listener, next > 0);
        for _ in 0..3 {
            broker.publish(next as u16 + 1, next, false);
            assert_eq!(broker.acknowledged(), next as u16 + 1);
            next += 1;
        }
        process.drain();
        std::fs::read_to_string(&told).unwrap()
    };
    let refused = |sinks: &str, flags: &[&str], parts: &[&str]| {
        assert_ne!(start(sinks, flags).code(), Some(0));
        let said = std::fs::read_to_string(&told).unwrap();
        assert!(parts.iter().all(|part| said.contains(part)), "{parts:?}: {said}");
    };
    let (all, odd) = (directory.path().join("all.csv"), directory.path().join("odd.csv"));
    let one = "[sink]\nurl = \"all.csv\"\n";
    goes_on(one, &[]);
    // The same sink, written as a list.
    goes_on("[[sink]]\nurl = \"all.csv\"\nname = \"first\"\n", &[]);
    refused(TWO, &[], &["sink.", "--migrate", "--fresh"]);
    // What another dataflow has left there is not replaced.
    std::fs::write(&odd, "message,row,n\n7,7,7.0\n").unwrap();
    refused(TWO, &["--migrate"], &["odd.csv"]);
    std::fs::remove_file(&odd).unwrap();
    // It may have been at the broker.
    listener.set_nonblocking(true).unwrap();
    while listener.accept().is_ok() {}
    listener.set_nonblocking(false).unwrap();
    let said = goes_on(TWO, &["--migrate"]);
    assert!(said.contains("new: the sink odd.csv"), "{said}");
    goes_on(TWO, &[]);
    assert!(numbers(&all).into_iter().eq(0..12), "{:?}", numbers(&all));
    assert!(numbers(&odd).into_iter().eq([7, 9, 11]), "{:?}", numbers(&odd));
    // Each goes on at its own end, in whatever order they stand.
    let (first, second) = TWO.split_at(TWO.rfind("[[sink]]").unwrap());
    let turned = format!("{second}{first}");
    refused(&turned, &[], &["--migrate"]);
    goes_on(&turned, &["--migrate"]);
    assert!(numbers(&all).into_iter().eq(0..15), "{:?}", numbers(&all));
    assert!(numbers(&odd).into_iter().eq([7, 9, 11, 13]), "{:?}", numbers(&odd));
    let said = goes_on(one, &["--migrate"]);
    assert!(said.contains("goes: the sink odd.csv"), "{said}");
    let said = goes_on(TWO, &["--migrate"]);
    assert!(said.contains("new: the sink odd.csv"), "{said}");
    assert!(numbers(&all).into_iter().eq(0..21), "{:?}", numbers(&all));
    assert!(numbers(&odd).into_iter().eq([7, 9, 11, 13, 19]), "{:?}", numbers(&odd));
}

#[test]
#[ignore = "needs mosquitto"]
fn a_topic_and_a_file_have_every_row_over_kills() {
    const ROWS: u64 = 4000;
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    let port = broker.port;
    let sinks = format!(
        "[[sink]]\nurl = \"all.csv\"\n\
         [[sink]]\nname = \"alerts\"\nurl = \"mqtt://127.0.0.1:{port}/alerts\"\nwhere = \"n % 4 == 1\"\nafter = \"raw\"\n"
    );
    std::fs::write(directory.path().join("branches.toml"), live(port, &sinks)).unwrap();
    let alerts = collect(port, "alerts");
    let start = || {
        let mut command = rowmill(&["run", "branches.toml"]);
        Process::subscribed(command.current_dir(directory.path()))
    };
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut process = start();
    for part in 0..4 {
        let numbers = part * ROWS / 4..(part + 1) * ROWS / 4;
        let sender = std::thread::spawn({
            let mut random = ChaCha8Rng::seed_from_u64(part);
            move || publish(port, rumqttc::QoS::AtLeastOnce, numbers, &mut random)
        });
        std::thread::sleep(std::time::Duration::from_millis(random.random_range(20..200)));
        process.kill();
        process = start();
        sender.join().unwrap();
    }
    let all = directory.path().join("all.csv");
    wait_until("all rows", || numbers(&all).len() >= ROWS as usize);
    let mut found = numbers(&all);
    found.sort_unstable();
    assert!(found.into_iter().eq(0..ROWS), "every row once in the file");
    // A broker gets a row again that was not acknowledged when the process was killed, under the same number.
    let by_row = || {
        let alerts = alerts.lock().unwrap();
        let pair = |row: &serde_json::Value| (row["row"].as_u64().unwrap(), row["n"].as_f64().unwrap() as u64);
        alerts.iter().map(pair).collect::<BTreeMap<_, _>>()
    };
    wait_until("all alerts", || by_row().len() >= ROWS as usize / 4);
    let mut alerted: Vec<u64> = by_row().into_values().collect();
    alerted.sort_unstable();
    assert!(alerted.into_iter().eq((0..ROWS).filter(|n| n % 4 == 1)));
    process.drain();
}
