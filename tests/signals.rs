//! What a signal ends, and when: every process of a run, whatever it waits for.

mod broker;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use broker::{Process, free_port, rowmill, wait_until};
use memchr::memmem;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// More rows than any of these tests waits for.
const ENDLESS: &str = "generate:rows=1000000000,seed=1,rate=2000";

fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

/// A run of a file without steps.
fn run(directory: &TempDir, source: &str, flags: &[&str]) -> Command {
    let file = directory.path().join("plain.toml");
    std::fs::write(&file, "schema = \"davis\"\nsource.url = \"-\"\nsink.url = \"null\"\nbuffer.bucket_size = 100\n")
        .unwrap();
    let mut command = rowmill(&["run", file.to_str().unwrap(), "--source", source]);
    command.args(flags).stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

fn fifo(directory: &TempDir, name: &str) -> PathBuf {
    let path = directory.path().join(name);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

fn children(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn has_bytes(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.len() > 0)
}

/// Its exit code and what it said, once it has ended.
fn end(mut process: Process) -> (Option<i32>, String) {
    let mut stderr = process.0.stderr.take().unwrap();
    let said = std::thread::spawn(move || {
        let mut said = String::new();
        let _ = stderr.read_to_string(&mut said);
        said
    });
    let code = process.code();
    (code, said.join().unwrap())
}

/// Waits until a process minds SIGTERM, which would end it where it does not.
fn wait_for_handler(pid: u32) {
    wait_until("a handler of SIGTERM", || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() >> 14 & 1 == 1
    });
}

/// Waits until a pipe has taken nothing for a second, for it is full.
fn wait_until_full(pipe: impl AsFd) {
    let mut before = (0, Instant::now());
    wait_until("a full pipe", || {
        let held = rustix::io::ioctl_fionread(&pipe).unwrap();
        if held != before.0 {
            before = (held, Instant::now());
        }
        held > 32_768 && before.1.elapsed() > Duration::from_secs(1)
    });
}

/// Waits until a process, or one that it started, has a thread of this name.
fn wait_for_thread(pid: u32, name: &str) {
    let is_named = |task: std::fs::DirEntry| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name)
    };
    let has_thread =
        |pid: u32| std::fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|tasks| tasks.flatten().any(is_named));
    wait_until(name, || has_thread(pid) || children(pid).into_iter().any(has_thread));
}

#[test]
fn a_signal_to_any_process_drains_all_of_a_source_with_one_connection() {
    for signalled in 0..3 {
        let directory = TempDir::new().unwrap();
        let out = directory.path().join("out.csv");
        let flags = ["-n", "3", "--sink", out.to_str().unwrap(), "--quiet"];
        let launcher = Process(run(&directory, ENDLESS, &flags).spawn().unwrap());
        wait_until("rows", || has_bytes(&out));
        let children = children(launcher.0.id());
        assert_eq!(children.len(), 3);
        signal(children[signalled], "TERM");
        let (code, said) = end(launcher);
        assert_eq!(code, Some(0), "process {signalled}: {said}");
        let text = std::fs::read_to_string(&out).unwrap();
        assert!(text.ends_with('\n') && text.lines().count() > 100);
    }
}

/// Regression: it wrote what half of the rows had taught, over what all had.
#[test]
fn fit_that_is_interrupted_leaves_its_file_as_it_was() {
    let directory = TempDir::new().unwrap();
    let (file, params) = (directory.path().join("fit.toml"), directory.path().join("fit.json"));
    let step = "[[subtask]]\nuse = \"standard_scaler\"\ncolumns = [\"x\"]\nfit = \"frozen\"\nparams = \"fit.json\"\n";
    std::fs::write(&file, format!("schema.number = [\"x\"]\nsource.url = \"-\"\nsink.url = \"null\"\n{step}")).unwrap();
    std::fs::write(&params, "as it was").unwrap();
    let mut command = rowmill(&["fit", file.to_str().unwrap(), "--source", "-", "-o", params.to_str().unwrap()]);
    let mut process = Process(command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let mut rows = process.0.stdin.take().unwrap();
    rows.write_all(b"x\n1\n2\n").unwrap();
    wait_for_handler(process.0.id());
    signal(process.0.id(), "TERM");
    let (code, said) = end(process);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("interrupted"), "{said}");
    assert_eq!(std::fs::read_to_string(&params).unwrap(), "as it was");
}

#[test]
fn a_drain_ends_though_standard_output_takes_nothing() {
    for flags in [&["-n", "1"][..], &["-n", "2"], &["-n", "2", "-w", "2"]] {
        let directory = TempDir::new().unwrap();
        let all = [flags, &["--sink", "-", "--drain-timeout", "1s"]].concat();
        let mut process = Process(run(&directory, ENDLESS, &all).stdout(Stdio::piped()).spawn().unwrap());
        let mut out = process.0.stdout.take().unwrap();
        out.read_exact(&mut [0; 100]).unwrap();
        wait_until_full(&out);
        signal(process.0.id(), "TERM");
        let (code, said) = end(process);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("not drained within 1s (--drain-timeout): ") && said.contains("rows of"), "{said}");
        assert!(said.contains("the sink, standard output has taken nothing for"), "{said}");
    }
}

#[test]
fn a_drain_ends_though_standard_error_takes_nothing_either() {
    let directory = TempDir::new().unwrap();
    let (path, flags) = (fifo(&directory, "both"), ["--sink", "-", "--drain-timeout", "300ms"]);
    let both = File::options().read(true).write(true).open(&path).unwrap();
    let mut command = run(&directory, ENDLESS, &flags);
    command.stdout(both.try_clone().unwrap()).stderr(both.try_clone().unwrap());
    let mut process = Process(command.spawn().unwrap());
    wait_until_full(&both);
    signal(process.0.id(), "TERM");
    assert_eq!(process.code(), Some(1));
}

#[test]
fn a_second_signal_ends_at_once() {
    for flags in [&["-n", "1"][..], &["-n", "2"]] {
        let directory = TempDir::new().unwrap();
        let all = [flags, &["--sink", "-", "--drain-timeout", "10m"]].concat();
        let mut process = Process(run(&directory, ENDLESS, &all).stdout(Stdio::piped()).spawn().unwrap());
        let mut out = process.0.stdout.take().unwrap();
        out.read_exact(&mut [0; 100]).unwrap();
        wait_until_full(&out);
        let children = children(process.0.id());
        signal(process.0.id(), "TERM");
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(process.0.try_wait().unwrap(), None, "the first one drains");
        // A process that is stopped takes no signal.
        children.first().into_iter().for_each(|child| signal(*child, "STOP"));
        signal(process.0.id(), "TERM");
        assert_eq!(process.code(), Some(1));
        assert!(children.iter().all(|child| !Path::new(&format!("/proc/{child}")).exists()));
    }
}

#[test]
fn a_fifo_without_a_writer_ends_with_the_signal() {
    for flags in [&["-n", "1"][..], &["-n", "2"], &["--set", "schema=infer"]] {
        let directory = TempDir::new().unwrap();
        let source = fifo(&directory, "rows.csv");
        let process = Process(run(&directory, source.to_str().unwrap(), flags).spawn().unwrap());
        wait_for_thread(process.0.id(), "source");
        std::thread::sleep(Duration::from_millis(300));
        signal(process.0.id(), "TERM");
        let (code, said) = end(process);
        assert_eq!(code, Some(0), "{flags:?} {said}");
    }
}

#[test]
fn rows_of_a_fifo_come_as_they_are_written_and_all_of_them() {
    for schema in ["davis", "infer"] {
        let directory = TempDir::new().unwrap();
        let (source, out) = (fifo(&directory, "rows.ndjson"), directory.path().join("out.ndjson"));
        let schema = format!("schema={schema}");
        let flags = ["--sink", out.to_str().unwrap(), "--delay", "50ms", "--set", &schema];
        let process = Process(run(&directory, source.to_str().unwrap(), &flags).spawn().unwrap());
        let mut writer = File::options().write(true).open(&source).unwrap();
        writer.write_all(b"{\"outTemp\": 1.5}\n{\"outTemp\": 2.5}\n").unwrap();
        wait_until("the first rows", || broker::lines(&out) == 2);
        writer.write_all(b"{\"outTemp\": 3.5}\n").unwrap();
        drop(writer);
        let (code, said) = end(process);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(broker::lines(&out), 3);
    }
}

#[test]
fn a_sink_that_is_a_fifo_without_a_reader_is_named() {
    let directory = TempDir::new().unwrap();
    let sink = fifo(&directory, "out.csv");
    let flags = ["--sink", sink.to_str().unwrap(), "--drain-timeout", "500ms"];
    let process = Process(run(&directory, ENDLESS, &flags).spawn().unwrap());
    wait_for_thread(process.0.id(), "watchdog");
    std::thread::sleep(Duration::from_millis(500));
    signal(process.0.id(), "TERM");
    let (code, said) = end(process);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("not drained within 500ms") && said.contains("out.csv has taken nothing"), "{said}");
}

/// The address of a broker that is not there.
fn no_broker() -> String {
    format!("mqtt://127.0.0.1:{}/t", free_port())
}

#[test]
fn a_drain_ends_at_once_where_a_broker_was_never_reached() {
    for flag in ["--sink", "--dead-letter"] {
        let directory = TempDir::new().unwrap();
        let flags = [flag, &no_broker(), "--drain-timeout", "10m"];
        let mut process = Process(run(&directory, ENDLESS, &flags).spawn().unwrap());
        let mut said = BufReader::new(process.0.stderr.take().unwrap()).lines().map_while(Result::ok);
        assert!(said.any(|line| line.contains("no connection to the broker")));
        signal(process.0.id(), "INT");
        assert_eq!(process.code(), Some(1));
        let said: Vec<String> = said.collect();
        assert!(said.iter().any(|line| line.contains("no broker at")), "{said:?}");
    }
}

#[test]
fn a_signal_ends_the_wait_for_other_processes() {
    let directory = TempDir::new().unwrap();
    let hosts = directory.path().join("hosts");
    std::fs::write(&hosts, format!("127.0.0.1:{}\n127.0.0.1:{}\n", free_port(), free_port())).unwrap();
    for process in ["0", "1"] {
        let flags = ["-n", "2", "-p", process, "--hostfile", hosts.to_str().unwrap(), "--connect-timeout", "10m"];
        let process = Process(run(&directory, ENDLESS, &flags).spawn().unwrap());
        wait_for_thread(process.0.id(), "watchdog");
        std::thread::sleep(Duration::from_millis(300));
        signal(process.0.id(), "TERM");
        let (code, said) = end(process);
        assert_eq!(code, Some(0), "{said}");
    }
}

#[test]
fn a_stopped_process_does_not_keep_a_drain_from_ending() {
    for stopped in 0..2 {
        let directory = TempDir::new().unwrap();
        let out = directory.path().join("out.csv");
        let flags = ["-n", "2", "--sink", out.to_str().unwrap(), "--drain-timeout", "1s"];
        let launcher = Process(run(&directory, ENDLESS, &flags).spawn().unwrap());
        wait_until("rows", || has_bytes(&out));
        let children = children(launcher.0.id());
        signal(children[stopped], "STOP");
        signal(launcher.0.id(), "TERM");
        let (code, said) = end(launcher);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("not drained within 1s (--drain-timeout)"), "{said}");
        assert!(children.iter().all(|child| !Path::new(&format!("/proc/{child}")).exists()));
    }
}

#[test]
fn a_launcher_that_is_killed_takes_its_processes_with_it() {
    let directory = TempDir::new().unwrap();
    let out = directory.path().join("out.csv");
    let flags = ["-n", "2", "--sink", out.to_str().unwrap()];
    let mut launcher = Process(run(&directory, ENDLESS, &flags).spawn().unwrap());
    wait_until("rows", || has_bytes(&out));
    let children = children(launcher.0.id());
    signal(launcher.0.id(), "KILL");
    assert_eq!(launcher.code(), None);
    wait_until("the end of all", || children.iter().all(|child| !Path::new(&format!("/proc/{child}")).exists()));
}

#[test]
#[cfg_attr(not(feature = "broker"), ignore = "needs the feature `broker`")]
fn replay_generate_and_broker_end_with_a_signal() {
    let directory = TempDir::new().unwrap();
    let (broker, _broker) = broker::embedded();
    let to = format!("mqtt://127.0.0.1:{broker}/t");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("mqtt://{}/t", silent.local_addr().unwrap());
    let endless = fifo(&directory, "rows.ndjson");
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let cases: [(&[&str], Option<i32>); 5] = [
        // The next row is due in half an hour.
        (&["replay", "data/sample.csv", "--to", &to, "--rate", "0.0005"], Some(0)),
        (&["replay", "data/sample.csv", "--to", &silent, "--drain-timeout", "1s"], Some(1)),
        (&["replay", "data/sample.csv", "--to", &no_broker(), "--drain-timeout", "1s"], Some(1)),
        (&["generate", "--rows", "1000000000", "-o", endless.to_str().unwrap()], None),
        (&["broker", "--listen", &listen], Some(0)),
    ];
    for (arguments, code) in cases {
        let mut process = Process(rowmill(arguments).stderr(Stdio::null()).spawn().unwrap());
        if code.is_some() {
            wait_for_handler(process.0.id());
        }
        assert_eq!(process.0.try_wait().unwrap(), None, "{arguments:?}");
        signal(process.0.id(), "TERM");
        assert_eq!(process.code(), code, "{arguments:?}");
    }
}

/// Signals of the first 200 ms: before the program has begun, while it starts, among its rows.
#[test]
fn a_signal_at_any_instant_drains_or_comes_before_the_first_row() {
    const ROWS: &str = "generate:rows=1000000000,seed=1,rate=20000";
    let mut random = ChaCha8Rng::seed_from_u64(26);
    for case in 0..60 {
        let directory = TempDir::new().unwrap();
        let (out, report) = (directory.path().join("out.csv"), directory.path().join("report"));
        let processes = ["1", "2"][case % 2];
        let flags = ["-n", processes, "--sink", out.to_str().unwrap(), "--report", report.to_str().unwrap()];
        let mut process = Process(run(&directory, ROWS, &flags).spawn().unwrap());
        let wait = random.random_range(0..200_000);
        std::thread::sleep(Duration::from_micros(wait));
        signal(process.0.id(), if random.random_bool(0.5) { "TERM" } else { interrupt() });
        let mut stderr = process.0.stderr.take().unwrap();
        let said = std::thread::spawn(move || {
            let mut said = String::new();
            let _ = stderr.read_to_string(&mut said);
            said
        });
        wait_until("the end", || process.0.try_wait().unwrap().is_some());
        let status = process.0.wait().unwrap();
        let (said, said_when) = (said.join().unwrap(), format!("-n {processes}, after {wait} us"));
        if status.code().is_none() {
            assert!(matches!(status.signal(), Some(2 | 15)), "{said_when}: {status}: {said}");
            assert!(!out.exists(), "{said_when}: rows were taken in: {said}");
            continue;
        }
        assert_eq!(status.code(), Some(0), "{said_when}: {said}");
        let Ok(report) = std::fs::read(report.join("report.json")) else {
            assert!(broker::lines(&out) == 0, "{said_when}: rows without a report: {said}");
            continue;
        };
        let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
        assert_eq!(report["rows_in"], report["rows_out"], "{said_when}: {said}");
        assert_eq!(report["rows_out"].as_u64().unwrap(), broker::lines(&out).saturating_sub(1) as u64, "{said_when}");
    }
}

/// SIGINT; or SIGTERM in a background job of a shell, which ignores SIGINT until it has a handler of its own.
fn interrupt() -> &'static str {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    if u64::from_str_radix(ignored.trim(), 16).unwrap() & 2 == 0 { "INT" } else { "TERM" }
}

/// Waits until a process has the first of its handlers, and returns at once.
fn wait_for_first_handler(pid: u32) {
    let status = File::open(format!("/proc/{pid}/status")).unwrap();
    let (field, mut text) = (memmem::Finder::new(b"SigCgt:\t"), [0; 4096]);
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let length = status.read_at(&mut text, 0).unwrap();
        // The last of sixteen digits has the bits of signals 1 to 4; SIGINT is 2.
        let caught = field.find(&text[..length]).map(|field| text[field + 8 + 15]);
        if caught.is_some_and(|digit| b"2367abef".contains(&digit)) {
            return;
        }
        assert!(Instant::now() < deadline, "a handler of SIGINT took too long");
    }
}

/// The handlers of a process are installed one by one: a signal that comes meanwhile is not lost.
#[test]
fn a_signal_at_the_instant_of_its_first_handler_drains() {
    for case in 0..12 {
        let directory = TempDir::new().unwrap();
        let processes = ["1", "2"][case % 2];
        let process = Process(run(&directory, ENDLESS, &["-n", processes, "--quiet"]).spawn().unwrap());
        let pid = Pid::from_raw(process.0.id() as i32).unwrap();
        wait_for_first_handler(process.0.id());
        kill_process(pid, Signal::INT).unwrap();
        let (code, said) = end(process);
        assert_eq!(code, Some(0), "-n {processes}: {said}");
    }
}

/// A child takes its default action while it has no handler yet: that is no failure of the run.
#[test]
fn a_signal_to_a_process_that_has_not_begun_ends_all_in_good_order() {
    for wait in [0, 500, 1_000, 2_000, 4_000, 8_000, 16_000] {
        let directory = TempDir::new().unwrap();
        let out = directory.path().join("out.csv");
        let flags = ["-n", "2", "--sink", out.to_str().unwrap()];
        let launcher = Process(run(&directory, ENDLESS, &flags).spawn().unwrap());
        let mut child = None;
        wait_until("a process", || {
            child = children(launcher.0.id()).first().copied();
            child.is_some()
        });
        std::thread::sleep(Duration::from_micros(wait));
        signal(child.unwrap(), "TERM");
        let (code, said) = end(launcher);
        assert_eq!(code, Some(0), "after {wait} us: {said}");
    }
}

/// While nothing comes, so that no commit finds the move by itself.
#[test]
fn a_hangup_of_any_process_opens_results_and_dead_letters_anew() {
    const TO: [&str; 3] = ["the launcher", "process 0", "process 1"];
    for (place, to) in TO.into_iter().enumerate() {
        let directory = TempDir::new().unwrap();
        let [out, dead] = ["out.ndjson", "dead.ndjson"].map(|name| directory.path().join(name));
        let flags =
            ["-n", "2", "--delay", "50ms", "--sink", out.to_str().unwrap(), "--dead-letter", dead.to_str().unwrap()];
        let mut command = run(&directory, "-", &flags);
        let mut launcher = Process(command.stdin(Stdio::piped()).spawn().unwrap());
        let mut rows = launcher.0.stdin.take().unwrap();
        rows.write_all(b"{\"outTemp\": 1.5}\n{\"outTemp\": \"warm\"}\n").unwrap();
        wait_until("the first rows", || broker::lines(&out) == 1 && broker::lines(&dead) == 1);
        let (old_out, old_dead) = (directory.path().join("out.1"), directory.path().join("dead.1"));
        std::fs::rename(&out, &old_out).unwrap();
        std::fs::rename(&dead, &old_dead).unwrap();
        let pids: Vec<u32> = [launcher.0.id()].into_iter().chain(children(launcher.0.id())).collect();
        signal(pids[place], "HUP");
        wait_until(&format!("new files after a signal to {to}"), || out.exists() && dead.exists());
        rows.write_all(b"{\"outTemp\": 2.5}\n{\"outTemp\": \"cold\"}\n").unwrap();
        drop(rows);
        let (code, said) = end(launcher);
        assert_eq!(code, Some(0), "{to}: {said}");
        for (path, part) in [(&old_out, "1.5"), (&out, "2.5"), (&old_dead, "warm"), (&dead, "cold")] {
            let text = std::fs::read_to_string(path).unwrap();
            assert!(text.lines().count() == 1 && text.contains(part), "{to}: {}: {text}", path.display());
        }
    }
}

/// Each process writes its part, and only it can open that anew.
#[test]
fn a_hangup_opens_the_parts_of_all_processes_anew() {
    let directory = TempDir::new().unwrap();
    let out = directory.path().join("out.ndjson");
    let flags = ["-n", "2", "--delay", "50ms", "--bucket-size", "1", "--sink", out.to_str().unwrap()];
    let mut command = run(&directory, "-", &flags);
    let mut launcher = Process(command.args(["--set", "sink.parts=true"]).stdin(Stdio::piped()).spawn().unwrap());
    let mut rows = launcher.0.stdin.take().unwrap();
    let part = |number: usize| directory.path().join(format!("out.part-{number}.ndjson"));
    let lines = || [0, 1].map(|number| broker::lines(&part(number)));
    rows.write_all("{\"outTemp\": 1.5}\n".repeat(20).as_bytes()).unwrap();
    wait_until("the first rows", || lines().into_iter().sum::<usize>() == 20);
    let before = lines();
    for number in 0..2 {
        std::fs::rename(part(number), directory.path().join(format!("old-{number}"))).unwrap();
    }
    signal(children(launcher.0.id())[0], "HUP");
    wait_until("new files", || part(0).exists() && part(1).exists());
    rows.write_all("{\"outTemp\": 2.5}\n".repeat(20).as_bytes()).unwrap();
    drop(rows);
    let (code, said) = end(launcher);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(lines().into_iter().sum::<usize>(), 20);
    assert_eq!([0, 1].map(|number| broker::lines(&directory.path().join(format!("old-{number}")))), before);
}

#[test]
#[cfg_attr(not(all(feature = "web", feature = "broker")), ignore = "needs the features `web` and `broker`")]
fn the_demo_ends_with_a_signal() {
    let mut process = Process(rowmill(&["demo", "--rows", "100000000"]).stderr(Stdio::null()).spawn().unwrap());
    wait_for_handler(process.0.id());
    assert_eq!(process.0.try_wait().unwrap(), None);
    signal(process.0.id(), "TERM");
    assert_eq!(process.code(), Some(0));
}

/// The launcher asks the others where one has ended: to those that were told before, it is no second signal.
#[test]
fn the_launcher_s_word_is_no_second_signal() {
    let directory = TempDir::new().unwrap();
    let out = directory.path().join("out.csv");
    let launcher = Process(run(&directory, ENDLESS, &["-n", "2", "--sink", out.to_str().unwrap()]).spawn().unwrap());
    wait_until("rows", || broker::lines(&out) > 1);
    let child = *children(launcher.0.id()).last().unwrap();
    signal(child, "TERM");
    (0..3).for_each(|_| signal(child, "USR1"));
    let (code, said) = end(launcher);
    assert_eq!(code, Some(0), "{said}");
}
