//! What a run has written stays, whatever the next start finds: results, checkpoints, locks.

mod broker;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use broker::numbered::{carrier, numbers, parquet_numbers};
use broker::played::Played;
use broker::{Process, rowmill, wait_until};
use tempfile::TempDir;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The carrier on a broker that is played, with a session or without.
fn on(port: u16, directory: &TempDir, flags: &[&str]) -> Command {
    let mut command = rowmill(&["run"]);
    let source = format!("mqtt://127.0.0.1:{port}/rows");
    command.arg(carrier(directory)).args(["--source", &source]).args(flags).current_dir(directory.path());
    command.stderr(Stdio::null());
    command
}

fn batch(directory: &TempDir, sink: &str, flags: &[&str]) -> Output {
    let source = directory.path().join("in.ndjson");
    let rows: String = (0..5).map(|n| format!("{{\"n\": {n}}}\n")).collect();
    std::fs::write(&source, rows).unwrap();
    let mut command = rowmill(&["run"]);
    command.arg(carrier(directory)).args(["--source", "in.ndjson", "--sink", sink, "-q"]).args(flags);
    command.current_dir(directory.path()).output().unwrap()
}

#[test]
fn rows_at_quality_0_in_a_session_stay_over_stops_and_kills() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out.csv");
    let (listener, port) = Played::listen();
    let start = || Process(on(port, &directory, &["--sink", "out.csv"]).spawn().unwrap());
    let process = start();
    let mut broker = Played::accept(&listener, false);
    (0..5).for_each(|n| broker.publish_at_most_once(n));
    wait_until("five rows", || numbers(&out).len() == 5);
    process.drain();
    assert!(numbers(&out).into_iter().eq(0..5));
    let mut process = start();
    let mut broker = Played::accept(&listener, true);
    broker.publish(1, 5, false);
    assert_eq!(broker.acknowledged(), 1);
    for n in 6..40 {
        broker.publish_at_most_once(n);
    }
    wait_until("rows", || numbers(&out).len() > 6);
    process.kill();
    // What was in the file stays; half a line is none.
    let before = numbers(&out);
    let process = start();
    let mut broker = Played::accept(&listener, true);
    broker.publish(1, 5, true);
    assert_eq!(broker.acknowledged(), 1);
    broker.publish(2, 40, false);
    assert_eq!(broker.acknowledged(), 2);
    let after = numbers(&out);
    assert_eq!(after[..before.len()], before);
    assert_eq!(after[before.len()..], [40]);
    process.drain();
    let text = std::fs::read_to_string(&out).unwrap();
    let mut rows: Vec<&str> = text.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect();
    rows.dedup();
    assert_eq!(rows.len(), after.len(), "a number of its own for each row: {text}");
}

#[test]
fn the_hour_that_stands_twice_goes_on_over_a_stop_and_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out.csv");
    let (listener, port) = Played::listen();
    let text = format!(
        "schema = {{ text = [\"at\"], time = {{ column = \"at\", zone = \"Europe/Berlin\" }} }}\n[source]\nurl = \
         \"mqtt://127.0.0.1:{port}/rows\"\nclient_id = \"mill\"\n[buffer]\nbucket_size = 1\n[sink]\nurl = \"out.csv\"\n"
    );
    std::fs::write(directory.path().join("hour.toml"), text).unwrap();
    let start = || {
        let mut command = rowmill(&["run", "hour.toml"]);
        Process(command.current_dir(directory.path()).stderr(Stdio::null()).spawn().unwrap())
    };
    let parts = [&["01:30", "02:00", "02:30"][..], &["02:00"], &["02:30", "03:00"]];
    let mut id = 0;
    for (part, times) in parts.into_iter().enumerate() {
        let mut process = start();
        let mut broker = Played::accept(&listener, part > 0);
        for time in times {
            id += 1;
            broker.publish_payload(id, &format!("{{\"at\": \"2016-10-30 {time}\"}}"), false);
            assert_eq!(broker.acknowledged(), id);
        }
        if part == 0 { process.drain() } else { process.kill() }
    }
    let text = std::fs::read_to_string(&out).unwrap();
    let offsets: Vec<&str> = text.lines().skip(1).map(|line| &line[line.len() - 6..]).collect();
    assert_eq!(offsets, ["+02:00", "+02:00", "+02:00", "+01:00", "+01:00", "+01:00"], "{text}");
}

#[test]
fn rows_that_lack_values_go_on_behind_a_stop_as_behind_a_kill() {
    for kills in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out.csv");
        let (listener, port) = Played::listen();
        let text = format!(
            "schema = {{ number = [\"rows\"] }}\n[source]\nurl = \"mqtt://127.0.0.1:{port}/rows\"\nclient_id = \"mill\"\n\
             topic = \"{{column}}\"\ncollect = \"1h\"\n[buffer]\nbucket_size = 1\n[sink]\nurl = \"out.csv\"\n"
        );
        std::fs::write(directory.path().join("collect.toml"), text).unwrap();
        let start = || {
            let mut command = rowmill(&["run", "collect.toml"]);
            Process(command.current_dir(directory.path()).stderr(Stdio::null()).spawn().unwrap())
        };
        let rows = || std::fs::read_to_string(&out).unwrap_or_default().lines().skip(1).count();
        for (part, ids) in [1..=2, 3..=3].into_iter().enumerate() {
            let mut process = start();
            let mut broker = Played::accept(&listener, part > 0);
            for id in ids.clone() {
                broker.publish_payload(id, &id.to_string(), false);
                assert_eq!(broker.acknowledged(), id);
            }
            if kills {
                process.kill()
            } else {
                process.drain()
            }
            assert_eq!(rows(), part + 1, "the last value waits for others of its row");
        }
    }
}

#[test]
fn rows_of_a_source_without_a_session_stay_over_stops_and_kills() {
    for sink in ["out.csv", "out.ndjson"] {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join(sink);
        let dataflow = directory.path().join("loose.toml");
        std::fs::write(&dataflow, "schema = { number = [\"n\"] }\n[source]\nurl = \"-\"\n[sink]\nurl = \"null\"\n")
            .unwrap();
        let (listener, port) = Played::listen();
        let start = || {
            let mut command = rowmill(&["run"]);
            command.arg(&dataflow).args(["--source", &format!("mqtt://127.0.0.1:{port}/rows"), "--sink", sink]);
            command.args(["--delay", "20ms"]).current_dir(directory.path()).stderr(Stdio::null());
            Process(command.spawn().unwrap())
        };
        let lines =
            || std::fs::read_to_string(&out).unwrap_or_default().lines().filter(|line| line.contains("0")).count();
        for round in 0..3 {
            let mut process = start();
            let mut broker = Played::accept(&listener, false);
            (0..4).for_each(|n| broker.publish_at_most_once(100 + n));
            wait_until("four more rows", || lines() == 4 * (round + 1));
            if round == 1 { process.drain() } else { process.kill() }
        }
    }
}

#[test]
fn a_batch_replaces_what_one_has_finished_on_wish_only_and_what_was_interrupted_by_itself() {
    for sink in ["out.csv", "out.ndjson", "out.parquet"] {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join(sink);
        assert!(batch(&directory, sink, &[]).status.success());
        let first = std::fs::read(&out).unwrap();
        let again = batch(&directory, sink, &[]);
        assert_eq!(again.status.code(), Some(2), "{}", said(&again));
        assert!(said(&again).contains(sink) && said(&again).contains("--fresh"), "{}", said(&again));
        assert!(std::fs::read(&out).unwrap() == first);
        assert!(batch(&directory, sink, &["--fresh"]).status.success());
        assert!(std::fs::read(&out).unwrap() == first);
        let files = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(files, 3, "nothing but the dataflow, the source and the sink");
    }
    let directory = tempfile::tempdir().unwrap();
    let mut command = rowmill(&["run"]);
    command.arg(carrier(&directory)).args(["--source", "generate:rows=100000000,seed=1", "--sink", "out.csv", "-q"]);
    command.args(["--set", "schema.number=[\"outTemp\"]"]);
    let out = directory.path().join("out.csv");
    let mut process = Process(command.current_dir(directory.path()).spawn().unwrap());
    wait_until("rows", || std::fs::metadata(&out).is_ok_and(|file| file.len() > 1000));
    process.kill();
    assert!(batch(&directory, "out.csv", &[]).status.success(), "started again without a flag");
    assert!(numbers(&out).into_iter().eq(0..5));
    assert_eq!(batch(&directory, "out.csv", &[]).status.code(), Some(2));
}

#[test]
fn parts_and_dead_letters_stay() {
    let directory = tempfile::tempdir().unwrap();
    let flags = ["--set", "sink.parts=true", "-n", "2"];
    assert!(batch(&directory, "out.ndjson", &flags).status.success());
    let parts = || {
        (0..2)
            .map(|n| std::fs::read(directory.path().join(format!("out.part-{n}.ndjson"))).unwrap())
            .collect::<Vec<_>>()
    };
    let before = parts();
    assert_eq!(batch(&directory, "out.ndjson", &flags).status.code(), Some(2));
    assert!(parts() == before);
    let dead = directory.path().join("dead.ndjson");
    let source = directory.path().join("bad.ndjson");
    std::fs::write(&source, "{\"n\": \"x\"}\n").unwrap();
    for times in 1..=2 {
        let mut command = rowmill(&["run"]);
        command.arg(carrier(&directory)).args([
            "--source",
            "bad.ndjson",
            "--sink",
            "null",
            "--dead-letter",
            "dead.ndjson",
            "-q",
        ]);
        assert!(command.current_dir(directory.path()).status().unwrap().success());
        assert_eq!(std::fs::read_to_string(&dead).unwrap().lines().count(), times);
    }
}

#[test]
fn a_table_of_an_earlier_run_stays() {
    for (sink, lines) in [("t.csv", 2), ("t.ndjson", 1)] {
        let directory = tempfile::tempdir().unwrap();
        let path = carrier(&directory);
        let table = format!("[[table]]\nname = \"t\"\naggregates = [\"count\"]\nsink = {{ url = \"{sink}\" }}\n");
        std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + &table).unwrap();
        std::fs::write(directory.path().join("in.ndjson"), "{\"n\": 1}\n").unwrap();
        let run = |flags: &[&str]| {
            let mut command = rowmill(&["run"]);
            command.arg(&path).args(["--source", "in.ndjson", "--sink", "null", "-q"]).args(flags);
            command.current_dir(directory.path()).output().unwrap()
        };
        let first = run(&[]);
        assert!(first.status.success(), "{}", said(&first));
        let text = std::fs::read_to_string(directory.path().join(sink)).unwrap();
        assert_eq!(text.lines().count(), lines, "{text}");
        let again = run(&[]);
        assert_eq!(again.status.code(), Some(2), "{}", said(&again));
        assert!(said(&again).contains(sink), "{}", said(&again));
        assert!(run(&["--fresh"]).status.success());
    }
}

#[test]
fn a_run_is_started_again_whenever_it_was_killed() {
    let directory = tempfile::tempdir().unwrap();
    let (listener, port) = Played::listen();
    listener.set_nonblocking(true).unwrap();
    for round in 0..60_u64 {
        let mut process = Process(on(port, &directory, &["--sink", "out.csv"]).spawn().unwrap());
        std::thread::sleep(std::time::Duration::from_micros(500 * round));
        process.kill();
        while listener.accept().is_ok() {}
        if round % 7 == 6 {
            let _ = std::fs::remove_file(directory.path().join("out.csv.checkpoint"));
        }
    }
    let mut command = on(port, &directory, &["--sink", "out.csv"]);
    listener.set_nonblocking(false).unwrap();
    let process = Process(command.stderr(Stdio::inherit()).spawn().unwrap());
    let mut broker = Played::accept(&listener, false);
    broker.publish(1, 7, false);
    assert_eq!(broker.acknowledged(), 1);
    process.drain();
    assert_eq!(numbers(&directory.path().join("out.csv")), [7]);
}

#[test]
fn an_inferred_schema_is_that_of_the_first_run() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("infer.toml");
    std::fs::write(&path, "schema = \"infer\"\n[source]\nurl = \"-\"\nclient_id = \"mill\"\n[sink]\nurl = \"null\"\n")
        .unwrap();
    let (listener, port) = Played::listen();
    let start = || {
        let mut command = rowmill(&["run"]);
        command.arg(&path).args(["--source", &format!("mqtt://127.0.0.1:{port}/rows"), "--sink", "out.ndjson"]);
        command.args(["--delay", "20ms"]).current_dir(directory.path()).stderr(Stdio::null());
        Process(command.spawn().unwrap())
    };
    let process = start();
    let mut broker = Played::accept(&listener, false);
    broker.publish_payload(1, "{\"n\": 1, \"m\": 2}", false);
    assert_eq!(broker.acknowledged(), 1);
    process.drain();
    let process = start();
    let mut broker = Played::accept(&listener, true);
    broker.publish_payload(2, "{\"m\": 3, \"other\": 4}", false);
    assert_eq!(broker.acknowledged(), 2);
    process.drain();
    let text = std::fs::read_to_string(directory.path().join("out.ndjson")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].ends_with("\"n\":1.0,\"m\":2.0}"), "{text}");
    assert!(lines[1].ends_with("\"n\":null,\"m\":3.0}"), "{text}");
}

#[test]
fn two_runs_do_not_share_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let slow = |flags: &[&str]| {
        let mut command = rowmill(&["run"]);
        command.arg(carrier(&directory)).args(["--source", "generate:rows=1000000,seed=1,rate=100", "-q"]).args(flags);
        command.current_dir(directory.path()).stderr(Stdio::piped());
        command
    };
    for (mine, theirs, name) in [
        (&["--sink", "out.csv"][..], &["--sink", "./out.csv"][..], "out.csv"),
        (
            &["--sink", "null", "--dead-letter", "dead.ndjson"],
            &["--sink", "null", "--dead-letter", "dead.ndjson"],
            "dead.ndjson",
        ),
        (&["--sink", "null", "--live", "live"], &["--sink", "null", "--live", "live"], "live"),
        (&["--sink", "null", "--report", "report"], &["--sink", "null", "--report", "report"], "report"),
    ] {
        let first = Process(slow(mine).spawn().unwrap());
        wait_until("the first run's file", || directory.path().join(name).exists());
        std::thread::sleep(std::time::Duration::from_millis(300));
        let second = slow(theirs).arg("--fresh").output().unwrap();
        assert_eq!(second.status.code(), Some(1), "{name}: {}", said(&second));
        let pid = format!("process {}", first.0.id());
        assert!(said(&second).contains(&pid) && said(&second).contains(name), "{}", said(&second));
    }
}

#[test]
fn a_file_that_goes_away_is_told_or_followed_and_nothing_is_acknowledged_into_none() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out.csv");
    let (listener, port) = Played::listen();
    let start = || Process(on(port, &directory, &["--sink", "out.csv"]).stderr(Stdio::piped()).spawn().unwrap());
    // Moved away: both files together have every row once.
    let mut process = start();
    let mut broker = Played::accept(&listener, false);
    broker.publish(1, 0, false);
    assert_eq!(broker.acknowledged(), 1);
    let moved = directory.path().join("out.csv.1");
    std::fs::rename(&out, &moved).unwrap();
    broker.publish(2, 1, false);
    assert_eq!(broker.acknowledged(), 2);
    broker.publish(4, 2, false);
    assert_eq!(broker.acknowledged(), 4);
    assert!([numbers(&moved), numbers(&out)].concat().into_iter().eq(0..3));
    assert_eq!(numbers(&out).last(), Some(&2));
    process.kill();
    // SIGHUP looks for it at once; the checkpoint is that of the new file.
    let process = start();
    let mut broker = Played::accept(&listener, true);
    std::fs::rename(&out, directory.path().join("out.csv.2")).unwrap();
    wait_until("a new file", || {
        assert!(Command::new("kill").args(["-HUP", &process.0.id().to_string()]).status().unwrap().success());
        out.exists()
    });
    broker.publish(3, 3, false);
    assert_eq!(broker.acknowledged(), 3);
    assert_eq!(numbers(&out), [3]);
    drop(process);
    // Cut, deleted or replaced: the run ends, and what it had not acknowledged comes again.
    type Harm = fn(&Path);
    let harms: [(Harm, &str); 3] = [
        (|out| std::fs::File::options().write(true).open(out).unwrap().set_len(0).unwrap(), "was cut"),
        (|out| std::fs::remove_file(out).unwrap(), "was deleted"),
        (
            |out| {
                std::fs::write(out.with_extension("other"), "a diary\n".repeat(1000)).unwrap();
                std::fs::rename(out.with_extension("other"), out).unwrap();
            },
            "was deleted or replaced",
        ),
    ];
    for (harm, told) in harms {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out.csv");
        let start = || Process(on(port, &directory, &["--sink", "out.csv"]).stderr(Stdio::piped()).spawn().unwrap());
        let mut process = start();
        let mut broker = Played::accept(&listener, false);
        broker.publish(1, 0, false);
        assert_eq!(broker.acknowledged(), 1);
        harm(&out);
        broker.publish(2, 1, false);
        assert_eq!(process.code(), Some(1));
        let text = std::io::read_to_string(process.0.stderr.take().unwrap()).unwrap();
        assert!(text.contains(told) && text.contains("out.csv"), "{text}");
        // Nothing is destroyed by the next start: it tells what it found.
        let stands = std::fs::read(&out).ok();
        if stands.is_some() {
            let mut refused = start();
            assert_eq!(refused.code(), Some(1));
            let text = std::io::read_to_string(refused.0.stderr.take().unwrap()).unwrap();
            assert!(text.contains("out.csv") && text.contains("move the file away"), "{text}");
            assert_eq!(std::fs::read(&out).ok(), stands);
            std::fs::remove_file(&out).unwrap();
            // It may have called the broker before it looked at its file.
            listener.set_nonblocking(true).unwrap();
            while listener.accept().is_ok() {}
            listener.set_nonblocking(false).unwrap();
        }
        let process = start();
        let mut broker = Played::accept(&listener, true);
        broker.publish(2, 1, true);
        assert_eq!(broker.acknowledged(), 2);
        assert_eq!(numbers(&out), [1]);
        process.drain();
    }
}

#[test]
fn one_path_stands_for_one_thing() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let text = "n,t\n1,a\n2,b\n";
    std::fs::write(at("in.csv"), text).unwrap();
    std::fs::create_dir(at("real")).unwrap();
    symlink(at("real"), at("link")).unwrap();
    symlink(at("in.csv"), at("alias.csv")).unwrap();
    std::fs::hard_link(at("in.csv"), at("hard.csv")).unwrap();
    let run = |command: &str, flags: &[&str]| {
        let mut run = rowmill(&[command]);
        run.arg(carrier(&directory)).args(flags).current_dir(directory.path()).output().unwrap()
    };
    let table = |url: &str| format!("table=[{{name=\"t\", aggregates=[\"count\"], sink={{url=\"{url}\"}}}}]");
    for flags in [
        &["--source", "in.csv", "--sink", "in.csv"][..],
        &["--source", "in.csv", "--sink", "./in.csv"],
        &["--source", "in.csv", "--sink", "alias.csv"],
        &["--source", "in.csv", "--sink", "hard.csv"],
        &["--source", "in.csv", "--sink", "out.ndjson", "--dead-letter", "out.ndjson"],
        &["--source", "in.csv", "--sink", "real/out.ndjson", "--dead-letter", "link/out.ndjson"],
        &["--source", "in.csv", "--sink", "out.csv", "--set", &table("out.csv")],
        &["--source", "in.csv", "--sink", "null", "--set", &table("alias.csv")],
        &["--source", "in.csv", "--sink", "out.ndjson", "--trace", "out.ndjson"],
        &["--source", "in.csv", "--sink", "null", "--trace", "in.csv"],
    ] {
        let output = run("run", &[&["--fresh", "-q"], flags].concat());
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {}", said(&output));
        assert!(said(&output).contains("same file"), "{flags:?}: {}", said(&output));
        assert_eq!(std::fs::read_to_string(at("in.csv")).unwrap(), text);
    }
    let fine = run("run", &["-q", "--source", "in.csv", "--sink", "real/out.ndjson", "--dead-letter", "dead.ndjson"]);
    assert!(fine.status.success(), "{}", said(&fine));
}

#[test]
fn a_changed_dataflow_goes_on_where_that_is_harmless_or_wished() {
    const STEP: &str = "[[subtask]]\nuse = \"fillna\"\nvalue = ";
    let directory = tempfile::tempdir().unwrap();
    let (file, out) = (directory.path().join("changing.toml"), directory.path().join("out.csv"));
    let ((listener, port), (moved, other_port)) = (Played::listen(), Played::listen());
    let text = format!(
        "schema = {{ number = [\"n\"] }}\n[source]\nurl = \"mqtt://127.0.0.1:{port}/rows\"\nclient_id = \"mill\"\n\
         [buffer]\nbucket_size = 1\ndelay = \"20ms\"\n[sink]\nurl = \"out.csv\"\n\
         [[subtask]]\nuse = \"diff\"\nfit = \"stream\"\n{STEP}0\n"
    );
    let said = directory.path().join("said");
    let start = |text: &str, flags: &[&str]| {
        std::fs::write(&file, text).unwrap();
        let mut command = rowmill(&["run"]);
        command.arg(&file).args(flags).current_dir(directory.path());
        Process(command.stderr(std::fs::File::create(&said).unwrap()).spawn().unwrap())
    };
    let refused = |text: &str, key: &str| {
        assert_eq!(start(text, &[]).code(), Some(1));
        let said = std::fs::read_to_string(&said).unwrap();
        assert!(said.contains(key) && said.contains("--migrate") && said.contains("--fresh"), "{said}");
    };
    let mut expected = Vec::new();
    let mut goes_on = |process: Process, listener, n, becomes| {
        let mut broker = Played::accept(listener, !expected.is_empty());
        broker.publish(n as u16, n, false);
        assert_eq!(broker.acknowledged(), n as u16);
        process.drain();
        expected.push(becomes);
        assert_eq!(numbers(&out), expected);
        std::fs::read_to_string(&said).unwrap()
    };
    goes_on(start(&text, &[]), &listener, 5, 0);
    let harmless = text.replace("[buffer]", "# a comment\n[buffer]").replace("20ms", "30ms");
    goes_on(start(&harmless, &[]), &listener, 7, 2);
    let text = text.replace(&port.to_string(), &other_port.to_string());
    goes_on(start(&text, &[]), &moved, 10, 3);
    // What is remembered of an unchanged step goes with it to its new place.
    let text = text.replace("[[subtask]]\nuse = \"diff\"", &format!("{STEP}9\n[[subtask]]\nuse = \"diff\""));
    refused(&text, "subtask.0.");
    let told = goes_on(start(&text, &["--migrate"]), &moved, 14, 4);
    assert!(told.contains("stays: the state of step 1 (diff), which is step 2 now"), "{told}");
    goes_on(start(&text, &[]), &moved, 19, 5);
    // A CSV file cannot go on with other columns; what was is still there then.
    let columns = text.replace("[\"n\"]", "[\"n\", \"m\"]");
    assert_eq!(start(&columns, &["--migrate"]).code(), Some(1));
    assert!(std::fs::read_to_string(&said).unwrap().contains("has other columns"));
    // It may have been at the broker.
    moved.set_nonblocking(true).unwrap();
    while moved.accept().is_ok() {}
    moved.set_nonblocking(false).unwrap();
    goes_on(start(&text, &[]), &moved, 25, 6);
    let text = text.replace("fit = \"stream\"", "fit = \"stream\"\nperiods = 2");
    refused(&text, "subtask.1.periods");
    let told = goes_on(start(&text, &["--migrate"]), &moved, 30, 0);
    assert!(told.contains("goes: the state of step 2 (diff)"), "{told}");
}

/// All lines of the table came again at each start, and with `changes = "differences"` the sum was wrong.
#[test]
fn changes_of_a_table_are_told_once_over_kills() {
    let dataflow = |changes: &str| {
        format!(
            "schema = {{ number = [\"n\"], text = [\"s\"] }}\n[source]\nurl = \"-\"\nclient_id = \"mill\"\n\
             [buffer]\nbucket_size = 1\n[checkpoint]\nevery = \"1h\"\n[sink]\nurl = \"out.csv\"\n\
             [[table]]\nname = \"t\"\nkey = [\"s\"]\naggregates = [\"sum\"]\ncolumns = [\"n\"]\n\
             changes = \"{changes}\"\nsink = {{ url = \"t.ndjson\" }}\n"
        )
    };
    let payload = |n: u16| format!("{{\"n\": {n}, \"s\": \"{}\"}}", ["a", "b", "c"][usize::from(n) % 3]);
    let mut changes = Vec::new();
    for (kind, kills) in [("differences", [].as_slice()), ("differences", &[7, 8, 20]), ("upserts", &[5, 17])] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("t.toml"), dataflow(kind)).unwrap();
        let (listener, port) = Played::listen();
        let start = || {
            let mut command = rowmill(&["run", "t.toml", "--source", &format!("mqtt://127.0.0.1:{port}/rows")]);
            Process(command.current_dir(directory.path()).stderr(Stdio::null()).spawn().unwrap())
        };
        let text = || std::fs::read_to_string(directory.path().join("t.ndjson")).unwrap_or_default();
        let told = |n: u16| text().lines().filter(|line| line.starts_with(&format!("{{\"message\":{n},"))).count();
        let (mut process, mut broker) = (start(), Played::accept(&listener, false));
        let mut next = 1;
        for kill_behind in kills.iter().copied().chain([30]) {
            while next <= kill_behind {
                broker.publish_payload(next, &payload(next), false);
                next += 1;
            }
            wait_until("the changes of the last row", || told(kill_behind - 1) > 0);
            if kill_behind == 30 {
                break;
            }
            process.kill();
            (process, broker) = (start(), Played::accept(&listener, true));
            for n in 1..=kill_behind {
                broker.publish_payload(n, &payload(n), true);
            }
        }
        drop(broker);
        process.drain();
        changes.push(text());
        let mut sums = std::collections::BTreeMap::new();
        let mut lines = 0;
        for line in changes.last().unwrap().lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let (key, sum) = (line["s"].as_str().unwrap().to_owned(), line["n_sum"].as_f64().unwrap());
            match line["change"].as_str().unwrap() {
                "-" => assert_eq!(sums.remove(&key), Some(sum), "{line}"),
                "+" => assert_eq!(sums.insert(key, sum), None, "{line}"),
                _ => drop(sums.insert(key, sum)),
            }
            lines += 1;
        }
        assert_eq!(sums.into_values().collect::<Vec<f64>>(), [165.0, 145.0, 155.0], "{kind} {kills:?}");
        assert_eq!(lines, if kind == "upserts" { 30 } else { 57 }, "{kind} {kills:?}");
    }
    assert!(changes[0] == changes[1], "as if no run had been killed");
}

/// They were acknowledged before the file had its end: a kill lost all of them.
#[test]
fn rows_of_a_parquet_file_are_acknowledged_when_a_kill_cannot_take_them() {
    for parts in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(if parts { "out.part-0.parquet" } else { "out.parquet" });
        let (listener, port) = Played::listen();
        let start = || {
            let parts = format!("sink.parts={parts}");
            Process(on(port, &directory, &["--sink", "out.parquet", "--set", &parts]).spawn().unwrap())
        };
        for life in 0..3_u16 {
            let mut process = start();
            let mut broker = Played::accept(&listener, life > 0);
            for id in 5 * life + 1..=5 * life + 5 {
                broker.publish(id, id.into(), false);
            }
            for id in 5 * life + 1..=5 * life + 5 {
                assert_eq!(broker.acknowledged(), id);
            }
            if life < 2 {
                process.kill();
            } else {
                drop(broker);
                process.drain();
            }
        }
        let (found, own) = parquet_numbers(&file);
        assert!(found.iter().copied().eq(1..=15), "{found:?}");
        assert_eq!(own, 15, "a number of its own for each row");
        let left = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 2, "nothing but the dataflow and the result");
        let again = on(port, &directory, &["--sink", "out.parquet", "--set", &format!("sink.parts={parts}")]).status();
        assert_eq!((again.unwrap().code(), parquet_numbers(&file).0.len()), (Some(2), 15));
    }
}

#[test]
fn standard_output_and_null_get_every_row_at_least_once() {
    for sink in ["-", "null"] {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out.ndjson");
        let (listener, port) = Played::listen();
        let start = || {
            let file = std::fs::File::options().create(true).append(true).open(&out).unwrap();
            Process(on(port, &directory, &["--sink", sink, "-q"]).stdout(file).spawn().unwrap())
        };
        let found = || -> Vec<u64> {
            let text = std::fs::read_to_string(&out).unwrap();
            let line = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["n"].as_f64().unwrap();
            text.lines().map(|text| line(text) as u64).collect()
        };
        let mut process = start();
        let mut broker = Played::accept(&listener, false);
        (1..=5).for_each(|id| broker.publish(id, id.into(), false));
        for id in 1..=5 {
            assert_eq!(broker.acknowledged(), id);
            // What is acknowledged has been written.
            assert!(sink == "null" || found().contains(&id.into()), "{id}");
        }
        (6..=9).for_each(|id| broker.publish(id, id.into(), false));
        process.kill();
        let process = start();
        let mut broker = Played::accept(&listener, true);
        (6..=9).for_each(|id| broker.publish(id, id.into(), true));
        (6..=9).for_each(|id| assert_eq!(broker.acknowledged(), id));
        drop(broker);
        process.drain();
        let mut found = found();
        found.sort_unstable();
        found.dedup();
        let expected: Vec<u64> = if sink == "null" { Vec::new() } else { (1..=9).collect() };
        assert_eq!(found, expected);
    }
}

#[test]
fn files_of_parts_go_on_behind_what_they_hold() {
    for sink in ["out.csv", "out.ndjson"] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(sink.replace('.', ".part-0."));
        let (listener, port) = Played::listen();
        let found = || -> Vec<u64> {
            let text = std::fs::read_to_string(&file).unwrap();
            let number = |line: &str| line.trim_end_matches('}').rsplit([',', ':']).next()?.parse::<f64>().ok();
            text.lines().filter_map(number).map(|n| n as u64).collect()
        };
        for life in 0..3_u16 {
            let mut process =
                Process(on(port, &directory, &["--sink", sink, "--set", "sink.parts=true"]).spawn().unwrap());
            let mut broker = Played::accept(&listener, life > 0);
            (1..=5).for_each(|id| broker.publish(5 * life + id, (5 * life + id).into(), false));
            (1..=5).for_each(|id| assert_eq!(broker.acknowledged(), 5 * life + id));
            process.kill();
            // Half a line is none.
            let mut text = std::fs::read(&file).unwrap();
            text.extend(if sink == "out.csv" { &b"7,3"[..] } else { b"{\"mess" });
            std::fs::write(&file, text).unwrap();
        }
        let process = Process(on(port, &directory, &["--sink", sink, "--set", "sink.parts=true"]).spawn().unwrap());
        drop(Played::accept(&listener, true));
        process.drain();
        assert!(found().into_iter().eq(1..=15), "{:?}", found());
    }
}

/// What a broker still keeps for a session that is ended was lost without a word.
#[test]
fn what_a_changed_dataflow_ends_is_listed() {
    let directory = tempfile::tempdir().unwrap();
    let (listener, port) = Played::listen();
    let process = Process(on(port, &directory, &["--sink", "out.csv"]).spawn().unwrap());
    let mut broker = Played::accept(&listener, false);
    broker.publish(1, 1, false);
    assert_eq!(broker.acknowledged(), 1);
    drop(broker);
    process.drain();
    drop(listener);
    let migrate = |topic: &str, flags: &[&str]| {
        let mut command = rowmill(&["run", "--migrate", "--connect-timeout", "200ms", "--source"]);
        command.arg(format!("mqtt://127.0.0.1:{port}/{topic}")).args(flags).arg(carrier(&directory));
        let output = command.current_dir(directory.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "there is no broker: {}", said(&output));
        said(&output)
    };
    let told = migrate("rows", &["--sink", "other.csv"]);
    assert!(told.contains("other.csv.checkpoint: there is none: nothing is taken over"), "{told}");
    let told = migrate("others", &["--sink", "out.csv"]);
    assert!(told.contains("goes: the subscription of the session mill to rows"), "{told}");
    assert!(!told.contains("goes: the session"), "{told}");
    let told = migrate("rows", &["--sink", "out.csv", "--set", "source.connections=2"]);
    assert!(told.contains("goes: the subscription of the session mill to rows"), "{told}");
    // One that was begun for the second connection, which is no more.
    let told = migrate("rows", &["--sink", "out.csv"]);
    assert!(told.contains("goes: the session mill-"), "{told}");
    assert!(told.contains("with what its broker still keeps for it"), "{told}");
}

/// A run went on with what a step had learned since as if it were the same.
#[test]
fn other_params_are_another_dataflow() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("frozen.toml");
    let text = "schema = { number = [\"n\"] }\n[source]\nurl = \"mqtt://127.0.0.1:1/rows\"\nclient_id = \"mill\"\n\
                [sink]\nurl = \"out.csv\"\n[[subtask]]\nuse = \"max_abs_scaler\"\nfit = \"frozen\"\n\
                params = \"fit.json\"\n";
    std::fs::write(&file, text).unwrap();
    let fit = |rows: &str| {
        std::fs::write(directory.path().join("in.ndjson"), rows).unwrap();
        let mut command = rowmill(&["fit", "frozen.toml", "--source", "in.ndjson", "-o", "fit.json"]);
        let output = command.current_dir(directory.path()).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    };
    let run = |flags: &[&str]| {
        let mut command = rowmill(&["run", "frozen.toml", "--connect-timeout", "200ms"]);
        let output = command.args(flags).current_dir(directory.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "there is no broker: {}", said(&output));
        said(&output)
    };
    fit("{\"n\": 2}\n");
    assert!(run(&[]).contains("no broker at"));
    assert!(run(&[]).contains("no broker at"));
    fit("{\"n\": 4}\n");
    let told = run(&[]);
    assert!(told.contains("has changed since (subtask.0.params)") && told.contains("--migrate"), "{told}");
    assert!(run(&["--migrate"]).contains("no broker at"));
}

/// What all tables held went where the changes of one should go to another file.
#[test]
fn a_table_tells_all_it_holds_to_another_file() {
    let directory = tempfile::tempdir().unwrap();
    let (listener, port) = Played::listen();
    let start = |sink: &str, flags: &[&str]| {
        let text = format!(
            "schema = {{ number = [\"n\"], text = [\"s\"] }}\n[source]\nurl = \"mqtt://127.0.0.1:{port}/rows\"\n\
             client_id = \"mill\"\n[buffer]\nbucket_size = 1\n[sink]\nurl = \"out.csv\"\n[[table]]\nname = \"t\"\n\
             key = [\"s\"]\naggregates = [\"sum\"]\ncolumns = [\"n\"]\nchanges = \"upserts\"\n\
             sink = {{ url = \"{sink}\" }}\n"
        );
        std::fs::write(directory.path().join("t.toml"), text).unwrap();
        let mut command = rowmill(&["run", "t.toml"]);
        command.args(flags).current_dir(directory.path());
        command.stderr(std::fs::File::create(directory.path().join("said")).unwrap());
        Process(command.spawn().unwrap())
    };
    let publish = |broker: &mut Played, id: u16, key: &str| {
        broker.publish_payload(id, &format!("{{\"n\": {id}, \"s\": \"{key}\"}}"), false);
        assert_eq!(broker.acknowledged(), id);
    };
    let sums = |sink: &str| -> Vec<(String, f64)> {
        let text = std::fs::read_to_string(directory.path().join(sink)).unwrap();
        let line = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            (line["s"].as_str().unwrap().to_owned(), line["n_sum"].as_f64().unwrap())
        };
        text.lines().map(line).collect::<std::collections::BTreeMap<_, _>>().into_iter().collect()
    };
    let of = |sums: &[(&str, f64)]| sums.iter().map(|(key, sum)| ((*key).to_owned(), *sum)).collect::<Vec<_>>();
    let process = start("one.ndjson", &[]);
    let mut broker = Played::accept(&listener, false);
    [(1, "a"), (2, "b")].iter().for_each(|(id, key)| publish(&mut broker, *id, key));
    process.drain();
    let before = sums("one.ndjson");
    assert_eq!(before, of(&[("a", 1.0), ("b", 2.0)]));
    assert_eq!(start("other.ndjson", &[]).code(), Some(1), "it is not what the checkpoint knows");
    listener.set_nonblocking(true).unwrap();
    while listener.accept().is_ok() {}
    listener.set_nonblocking(false).unwrap();
    let process = start("other.ndjson", &["--migrate"]);
    let mut broker = Played::accept(&listener, true);
    publish(&mut broker, 3, "b");
    process.drain();
    let told = std::fs::read_to_string(directory.path().join("said")).unwrap();
    assert!(told.contains("stays: what the tables hold"), "{told}");
    assert_eq!(sums("other.ndjson"), of(&[("a", 1.0), ("b", 5.0)]));
    assert_eq!(sums("one.ndjson"), before);
}

/// The processes that a launcher has started, in their order.
fn children(launcher: &Process) -> Vec<String> {
    let pid = launcher.0.id();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn parts_of_two_processes_outlive_kills_of_one_and_of_all() {
    for sink in ["out.ndjson", "out.csv", "out.parquet"] {
        let directory = tempfile::tempdir().unwrap();
        let (listener, port) = Played::listen();
        let flags = ["--sink", sink, "--set", "sink.parts=true", "--set", "buffer.bucket_size=1", "-n", "2"];
        let start = || {
            let process = Process(on(port, &directory, &flags).spawn().unwrap());
            wait_until("two processes", || children(&process).len() == 2);
            process
        };
        let kill_by_pid = |pid: &str| assert!(Command::new("kill").args(["-KILL", pid]).status().unwrap().success());
        for life in 0..4_u16 {
            let mut launcher = start();
            let mut broker = Played::accept(&listener, life > 0);
            let ids = 10 * life + 1..=10 * life + 10;
            ids.clone().for_each(|id| broker.publish(id, id.into(), false));
            ids.for_each(|id| assert_eq!(broker.acknowledged(), id));
            let pids = children(&launcher);
            match life {
                // Both processes write; the source is read by the first.
                0 | 1 => {
                    kill_by_pid(&pids[usize::from(1 - life)]);
                    assert_eq!(launcher.code(), Some(1), "the other one ends, too");
                }
                2 => {
                    launcher.kill();
                    pids.iter().for_each(|pid| kill_by_pid(pid));
                }
                _ => {
                    drop(broker);
                    launcher.drain();
                }
            }
        }
        let found = |process: usize| -> Vec<u64> {
            let file = directory.path().join(sink.replace('.', &format!(".part-{process}.")));
            if sink == "out.parquet" {
                return parquet_numbers(&file).0;
            }
            let text = std::fs::read_to_string(&file).unwrap();
            let number = |line: &str| line.trim_end_matches('}').rsplit([',', ':']).next()?.parse::<f64>().ok();
            text.lines().filter_map(number).map(|n| n as u64).collect()
        };
        let (first, second) = (found(0), found(1));
        assert!(!first.is_empty() && !second.is_empty(), "both write");
        let mut all = [first, second].concat();
        all.sort_unstable();
        assert!(all.iter().copied().eq(1..=40), "{sink}: {all:?}");
    }
}

/// A broker sends no more than its window before they are acknowledged: a run whose rows show the schema waited for ever.
#[test]
fn publishes_without_rows_are_acknowledged_before_rows_show_the_schema() {
    let directory = tempfile::tempdir().unwrap();
    let (listener, port) = Played::listen();
    let text = format!(
        "schema = \"infer\"\n[source]\nurl = \"mqtt://127.0.0.1:{port}/rows\"\nclient_id = \"mill\"\n\
         [sink]\nurl = \"out.csv\"\n"
    );
    std::fs::write(directory.path().join("t.toml"), text).unwrap();
    let mut command = rowmill(&["run", "t.toml"]);
    let process = Process(command.current_dir(directory.path()).stderr(Stdio::null()).spawn().unwrap());
    let mut broker = Played::accept(&listener, false);
    (1..=3).for_each(|id| broker.publish_payload(id, "[]", false));
    (1..=3).for_each(|id| assert_eq!(broker.acknowledged(), id));
    broker.publish(4, 7, false);
    assert_eq!(broker.acknowledged(), 4);
    drop(broker);
    process.drain();
    assert_eq!(numbers(&directory.path().join("out.csv")), [7]);
}

/// Rows were acknowledged into a file that was deleted meanwhile, and the run ended as if all was well.
#[test]
fn rows_are_not_acknowledged_into_a_parquet_file_that_was_deleted() {
    for deleted in ["out.parquet", "out.parquet.log"] {
        let directory = tempfile::tempdir().unwrap();
        let (listener, port) = Played::listen();
        let start = || Process(on(port, &directory, &["--sink", "out.parquet"]).spawn().unwrap());
        let mut process = start();
        let mut broker = Played::accept(&listener, false);
        broker.publish(1, 1, false);
        assert_eq!(broker.acknowledged(), 1);
        std::fs::remove_file(directory.path().join(deleted)).unwrap();
        broker.publish(2, 2, false);
        assert_eq!(process.code(), Some(1), "{deleted}");
        if deleted == "out.parquet" {
            // The log has what was acknowledged.
            let process = start();
            let mut broker = Played::accept(&listener, true);
            broker.publish(3, 3, false);
            assert_eq!(broker.acknowledged(), 3);
            drop(broker);
            process.drain();
            let found = parquet_numbers(&directory.path().join("out.parquet")).0;
            assert!(found.first() == Some(&1) && found.last() == Some(&3), "{found:?}");
        }
    }
}
