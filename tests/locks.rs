//! What two runs at once would take from each other is held by one: the second is refused, and told who has it.

mod broker;

use std::path::Path;
use std::process::{Command, Stdio};

use broker::numbered::{carrier, run};
use broker::{Process, embedded, free_port, rowmill, wait_until};

/// What a run that is refused says.
fn refused(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

fn only_child(pid: u32) -> u32 {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_client_id_that_a_run_of_this_machine_uses_is_refused_with_its_pid() {
    let (port, _broker) = embedded();
    let directory = tempfile::tempdir().unwrap();
    let carrier = carrier(&directory);
    let out = |name: &str| directory.path().join(name);
    for processes in ["1", "2"] {
        let flags = ["-n", processes, "--set", "source.connections=2"];
        let first = || Process::subscribed(&mut run(&carrier, port, 1, &out("first.csv"), &flags));
        let mut running = first();
        let pid = if processes == "1" { running.0.id() } else { only_child(running.0.id()) };
        let said = refused(run(&carrier, port, 1, &out("second.csv"), &[]).args(["--set", "source.qos=0"]));
        assert!(said.contains(&format!("the source: process {pid} of this machine")), "{said}");
        assert!(said.contains("client_id \"mill\"") && !said.contains("subscribed"), "{said}");
        assert!(!out("second.csv").exists(), "nothing is begun");
        // The second connection has an id of its own, which another may not have either.
        let mut other = rowmill(&["run", "--source", &format!("mqtt://localhost:{port}/other"), "--sink"]);
        other.arg(out("second.csv")).arg(&carrier).args(["--set", "source.client_id=\"mill-1\""]);
        let said = refused(&mut other);
        assert!(said.contains("client_id \"mill-1\""), "{said}");
        // Another broker is another matter.
        let said = refused(&mut run(&carrier, free_port(), 1, &out("third.csv"), &["--connect-timeout", "1s"]));
        assert!(said.contains("no broker at") && !said.contains("of this machine"), "{said}");
        // A start right behind a kill is not locked out.
        running.kill();
        first().drain();
    }
}

#[test]
fn client_ids_of_sinks_and_dead_letters_are_held_too() {
    let (port, _broker) = embedded();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("t.toml");
    std::fs::write(&file, "schema = { number = [\"n\"] }\nsource.url = \"-\"\nsink.url = \"null\"\n").unwrap();
    let to = format!("mqtt://127.0.0.1:{port}/out");
    for (flag, key) in [("--sink", "sink"), ("--dead-letter", "dead_letter")] {
        let set = format!("{key}.client_id=\"out-{}\"", std::process::id());
        let start = || {
            let mut command = rowmill(&["run", file.to_str().unwrap(), flag, &to, "--set", &set]);
            command.stderr(Stdio::piped());
            command
        };
        let first = Process(start().stdin(Stdio::piped()).spawn().unwrap());
        // It has the id when its thread for the broker runs.
        let tasks = format!("/proc/{}/task", first.0.id());
        let named = |task: std::fs::DirEntry| {
            std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "mqtt-sink")
        };
        wait_until("a sink", || std::fs::read_dir(&tasks).unwrap().flatten().any(named));
        let said = refused(&mut start());
        assert!(said.contains(&format!("process {} of this machine uses", first.0.id())), "{said}");
    }
}

#[test]
fn a_trace_that_a_run_writes_is_not_emptied_by_another() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("t.toml");
    std::fs::write(&file, "schema = \"davis\"\nsource.url = \"-\"\nsink.url = \"null\"\n").unwrap();
    let trace = directory.path().join("trace.json");
    let start = || {
        let source = "generate:rows=1000000000,seed=1,rate=20000";
        rowmill(&["run", file.to_str().unwrap(), "--source", source, "--trace", trace.to_str().unwrap()])
    };
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
    let first = Process(start().stderr(Stdio::null()).spawn().unwrap());
    wait_until("a trace", || length(&trace) > 100_000);
    let said = refused(&mut start());
    assert!(said.contains(&format!("trace.json: process {} writes to it", first.0.id())), "{said}");
    assert!(length(&trace) > 100_000);
    first.drain();
    let text = std::fs::read_to_string(&trace).unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "the trace is whole");
}

/// Two at once wrote over each other's files.
#[test]
fn directories_of_demos_and_measurements_are_held() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("t.toml");
    std::fs::write(&file, "schema = { number = [\"n\"] }\nsource.url = \"-\"\nsink.url = \"null\"\n").unwrap();
    let place = directory.path().join("report");
    std::fs::create_dir(&place).unwrap();
    let held = std::fs::File::open(&place).unwrap();
    held.lock().unwrap();
    for (arguments, flag) in [
        (&["demo", "--rows", "1"][..], "--report"),
        (&["bench", "sweep", file.to_str().unwrap()], "-o"),
        (&["bench", "latency", file.to_str().unwrap()], "-o"),
    ] {
        let said = refused(rowmill(arguments).arg(flag).arg(&place));
        assert!(said.contains(&format!("{flag} {}: process {}", place.display(), std::process::id())), "{said}");
        assert_eq!(std::fs::read_dir(&place).unwrap().count(), 0, "nothing is written");
    }
}
