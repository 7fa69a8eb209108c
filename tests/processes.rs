//! Processes that find each other or do not, and runs that come no further: what is said, and how it ends.

mod broker;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use broker::followed::Followed;
use broker::{free_port, rowmill, wait_until};
use tempfile::TempDir;

/// More rows than any of these tests waits for.
const ENDLESS: &str = "generate:rows=1000000000,seed=1,rate=2000";

fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

fn plain(directory: &TempDir) -> PathBuf {
    let file = directory.path().join("plain.toml");
    let text = "schema = \"davis\"\nsource.url = \"-\"\nsink.url = \"null\"\nbuffer.bucket_size = 100\n";
    if !file.exists() {
        std::fs::write(&file, text).unwrap();
    }
    file
}

/// A run of a file without steps; of endless rows, if no other source is given.
fn run(directory: &TempDir, flags: &[&str]) -> Command {
    let file = plain(directory);
    let mut command = rowmill(&["run", file.to_str().unwrap()]);
    if !flags.contains(&"--source") {
        command.args(["--source", ENDLESS]);
    }
    command.args(flags).stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

fn host_file(directory: &TempDir, hosts: [&str; 2]) -> PathBuf {
    let path = directory.path().join("hosts");
    std::fs::write(&path, hosts.map(|host| format!("{host}\n")).concat()).unwrap();
    path
}

/// Two addresses of this machine that are free.
fn free_hosts(directory: &TempDir) -> PathBuf {
    let [one, other] = [(); 2].map(|()| format!("127.0.0.1:{}", free_port()));
    host_file(directory, [&one, &other])
}

/// Process `process` of two.
fn one_of_two(directory: &TempDir, hosts: &Path, process: &str, flags: &[&str]) -> Command {
    let mut command = run(directory, flags);
    command.args(["-n", "2", "-p", process, "--hostfile"]).arg(hosts);
    command
}

fn children(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

#[test]
fn processes_of_two_builds_do_not_run_together() {
    let directory = TempDir::new().unwrap();
    let hosts = free_hosts(&directory);
    let other = directory.path().join("rowmill");
    std::fs::copy(env!("CARGO_BIN_EXE_rowmill"), &other).unwrap();
    std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o755)).unwrap();
    File::options().append(true).open(&other).unwrap().write_all(b"another build").unwrap();
    let one = Followed::start(&mut one_of_two(&directory, &hosts, "0", &[]));
    let arguments = one_of_two(&directory, &hosts, "1", &[]);
    let mut command = Command::new(&other);
    command.args(arguments.get_args()).stdin(Stdio::null()).stderr(Stdio::piped());
    for process in [one, Followed::start(&mut command)] {
        let (code, said) = process.end();
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("runs another build of rowmill"), "{said}");
    }
}

#[test]
fn processes_with_other_params_or_references_do_not_run_together() {
    let directory = TempDir::new().unwrap();
    let scaler =
        "[[subtask]]\nuse = \"standard_scaler\"\ncolumns = [\"outTemp\"]\nfit = \"frozen\"\nparams = \"fit.json\"\n";
    let table = "[[table]]\nname = \"t\"\nkey = [\"station\"]\ncolumns = [\"outTemp\"]\n\
        reference = { path = \"places.csv\", key = \"station\" }\n";
    let fit = |mean: f64| {
        serde_json::json!({"rowmill_fit": 1, "steps": [{"step": "standard_scaler", "columns": ["outTemp"],
            "learned": {"mean_": [mean], "scale_": [1.0], "var_": [1.0]}}]})
        .to_string()
    };
    let place = |name: &str| format!("station,name\na,{name}\n");
    let cases = [
        ("fit.json", scaler, fit(1.0), fit(2.0), "params of standard_scaler"),
        ("places.csv", table, place("here"), place("there"), "reference of the table t"),
    ];
    for (file, steps, one, other, what) in cases {
        let hosts = free_hosts(&directory);
        let text =
            "schema = { number = [\"outTemp\"], text = [\"station\"] }\nsource.url = \"-\"\nsink.url = \"null\"\n";
        let mut processes = Vec::new();
        for (process, contents) in [("0", one), ("1", other)] {
            // The same flags and dataflow in two folders.
            let folder = directory.path().join(format!("{file}-{process}"));
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join(file), contents).unwrap();
            std::fs::write(folder.join("flow.toml"), format!("{text}{steps}")).unwrap();
            let mut command = rowmill(&["run", "flow.toml", "--source", ENDLESS, "-n", "2", "-p", process]);
            command.arg("--hostfile").arg(&hosts).current_dir(&folder).stdin(Stdio::null()).stderr(Stdio::piped());
            processes.push(Followed::start(&mut command));
        }
        for process in processes {
            let (code, said) = process.end();
            assert_eq!(code, Some(1), "{said}");
            assert!(said.contains(file) && said.contains(what) && said.contains("the same file"), "{said}");
        }
    }
}

#[test]
fn processes_with_other_workers_say_so_and_one_report_is_enough() {
    let directory = TempDir::new().unwrap();
    let start = |hosts: &Path, process: &str, flags: &[&str]| {
        Followed::start(&mut one_of_two(&directory, hosts, process, flags))
    };
    let hosts = free_hosts(&directory);
    for process in [start(&hosts, "0", &["-w", "1"]), start(&hosts, "1", &["-w", "2"])] {
        let (code, said) = process.end();
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("was started with -w"), "{said}");
    }
    // The report asks for the time of each subtask, of one process: all build the same graph.
    let (hosts, report) = (free_hosts(&directory), directory.path().join("report"));
    let finite = ["--source", "generate:rows=2000,seed=1"];
    let steps = ["--set", "buffer.bucket_size=10"];
    let flags = [&finite[..], &steps, &["--report", report.to_str().unwrap()]].concat();
    let file = directory.path().join("steps.toml");
    std::fs::write(&file, "schema = \"davis\"\nsource.url = \"-\"\nsink.url = \"null\"\n[[subtask]]\nuse = \"fillna\"\nvalue = 0.0\n[[subtask]]\nuse = \"normalizer\"\n").unwrap();
    let start = |process: &str, flags: &[&str]| {
        let mut command = rowmill(&["run", file.to_str().unwrap(), "-n", "2", "-p", process]);
        command.arg("--hostfile").arg(&hosts).args(flags).stdin(Stdio::null()).stderr(Stdio::piped());
        Followed::start(&mut command)
    };
    for process in [start("0", &flags), start("1", &[&finite[..], &steps].concat())] {
        let (code, said) = process.end();
        assert_eq!(code, Some(0), "{said}");
    }
    let report = std::fs::read_to_string(report.join("report.json")).unwrap();
    assert!(report.contains("\"normalizer\""), "{report}");
}

#[test]
fn what_stands_at_a_process_address_is_told_within_the_timeout() {
    let directory = TempDir::new().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let web_at = web.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut stream in web.incoming().flatten() {
            let _ = stream.read(&mut [0; 1000]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let slow = TcpListener::bind("127.0.0.1:0").unwrap();
    let slow_at = slow.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut stream in slow.incoming().flatten() {
            std::thread::spawn(move || {
                for byte in b"rowmill2".iter().cycle() {
                    std::thread::sleep(Duration::from_millis(200));
                    if stream.write_all(&[*byte]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    let silent_at = silent.local_addr().unwrap().to_string();
    for (address, what) in
        [(&silent_at, "does not answer"), (&web_at, "is no process of rowmill"), (&slow_at, "does not answer")]
    {
        let hosts = host_file(&directory, [&format!("127.0.0.1:{}", free_port()), address]);
        let run = Followed::start(&mut one_of_two(&directory, &hosts, "0", &["--connect-timeout", "3s"]));
        let (code, said) = run.end();
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&format!("no process 1 at {address} (what is there {what}) within 3s")), "{said}");
    }
}

#[test]
fn strangers_at_a_port_hold_nobody_up() {
    let directory = TempDir::new().unwrap();
    let hosts = free_hosts(&directory);
    let finite = ["--source", "generate:rows=1000,seed=1"];
    let one = Followed::start(&mut one_of_two(&directory, &hosts, "1", &finite));
    let address = std::fs::read_to_string(&hosts).unwrap().lines().nth(1).unwrap().to_owned();
    wait_until("the port", || TcpStream::connect(&address).is_ok());
    let mut strangers: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(&address).unwrap()).collect();
    strangers[3].write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    strangers[4].write_all(b"row").unwrap();
    let zero = Followed::start(&mut one_of_two(&directory, &hosts, "0", &finite));
    for process in [zero, one] {
        let (code, said) = process.end();
        assert_eq!(code, Some(0), "{said}");
    }
}

#[test]
fn a_process_that_is_stopped_before_the_first_row_ends_the_wait_for_it() {
    let directory = TempDir::new().unwrap();
    let (hosts, source) = (free_hosts(&directory), directory.path().join("rows.ndjson"));
    assert!(Command::new("mkfifo").arg(&source).status().unwrap().success());
    for stopped in [1, 0] {
        let flags = ["--source", source.to_str().unwrap(), "--connect-timeout", "2s"];
        let start = |process: &str| Followed::start(&mut one_of_two(&directory, &hosts, process, &flags));
        let mut both = vec![start("0"), start("1")];
        let control = |process: &Followed| {
            let tasks = std::fs::read_dir(format!("/proc/{}/task", process.process.0.id())).unwrap().flatten();
            let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            tasks.map(name).any(|name| name.trim() == "control")
        };
        wait_until("both", || both.iter().all(control));
        signal(both[stopped].process.0.id(), "STOP");
        let (code, said) = both.remove(1 - stopped).end();
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&format!("process {stopped} at 127.0.0.1:")), "{said}");
        assert!(said.contains("has said nothing for") && said.contains("(--connect-timeout)"), "{said}");
    }
}

#[test]
fn processes_that_know_another_secret_are_kept_out() {
    let directory = TempDir::new().unwrap();
    let secret = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (one, same, other) =
        (secret("a", "0123456789abcdef\n"), secret("b", "0123456789abcdef"), secret("c", "abcdef0123456789"));
    let run = |secrets: [Option<&str>; 2]| {
        let hosts = free_hosts(&directory);
        let start = |process: &str, secret: Option<&str>| {
            let mut command = one_of_two(
                &directory,
                &hosts,
                process,
                &["--connect-timeout", "4s", "--source", "generate:rows=1000,seed=1"],
            );
            if let Some(secret) = secret {
                command.args(["--secret-file", secret]);
            }
            Followed::start(&mut command)
        };
        let both = [start("0", secrets[0]), start("1", secrets[1])];
        both.map(Followed::end)
    };
    for (code, said) in run([Some(&one), Some(&same)]) {
        assert_eq!(code, Some(0), "{said}");
    }
    for secrets in [[Some(&*one), Some(&*other)], [Some(&one), None], [None, Some(&one)]] {
        for (code, said) in run(secrets) {
            assert_eq!(code, Some(1), "{said}");
            assert!(said.contains("has another secret, or none"), "{said}");
        }
    }
    let short = secret("short", "1234");
    let (code, said) = Followed::start(&mut self::run(&directory, &["--secret-file", &short])).end();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("a secret of 4 bytes: it needs 16"), "{said}");
}

#[test]
fn addresses_that_others_reach_are_warned_of_without_a_secret() {
    let directory = TempDir::new().unwrap();
    let (open, here) = (format!("0.0.0.0:{}", free_port()), format!("127.0.0.1:{}", free_port()));
    for (address, warned) in [(&open, true), (&here, false)] {
        let hosts = host_file(&directory, ["127.0.0.1:1", address]);
        let flags = ["--connect-timeout", "200ms"];
        let (code, said) = Followed::start(&mut one_of_two(&directory, &hosts, "1", &flags)).end();
        assert_eq!((code, said.contains("--secret-file")), (Some(1), warned), "{said}");
    }
}

#[test]
fn a_process_that_stops_in_the_middle_ends_the_run_and_a_restart_goes_on() {
    for stopped in [1, 0] {
        let directory = TempDir::new().unwrap();
        let out = directory.path().join("out.csv");
        let flags = ["-n", "2", "--sink", out.to_str().unwrap(), "--stall-timeout", "3s", "--restart", "on-failure"];
        let run = Followed::start(&mut run(&directory, &flags));
        // Not only the header: the start is over.
        wait_until("rows", || length(&out) > 100_000);
        let pid = run.process.0.id();
        let first = children(pid);
        signal(first[stopped], "STOP");
        run.wait_for("starting again in 1s");
        std::fs::remove_file(&out).unwrap();
        let said = run.said();
        assert!(
            said.contains(&format!("process {stopped} at 127.0.0.1:")) && said.contains("(--stall-timeout)"),
            "{said}"
        );
        wait_until("other processes", || children(pid).iter().filter(|child| !first.contains(child)).count() == 2);
        wait_until("rows again", || length(&out) > 0);
        signal(pid, "TERM");
        let (code, said) = run.end();
        assert_eq!(code, Some(0), "{said}");
    }
}

#[test]
#[cfg_attr(not(feature = "broker"), ignore = "needs the feature `broker`")]
fn a_broker_that_takes_nothing_ends_the_run() {
    for flag in ["--sink", "--dead-letter"] {
        let directory = TempDir::new().unwrap();
        let (port, broker) = broker::embedded();
        let to = format!("mqtt://127.0.0.1:{port}/t");
        // Without the column nothing is a row.
        let schema = if flag == "--sink" { "schema=davis" } else { "schema={ number = [\"outTemp\"], id = \"none\" }" };
        let source = directory.path().join("rows.ndjson");
        assert!(Command::new("mkfifo").arg(&source).status().unwrap().success());
        let flags = [
            flag,
            &to,
            "--set",
            schema,
            "--source",
            source.to_str().unwrap(),
            "--stall-timeout",
            "3s",
            "--delay",
            "50ms",
        ];
        let run = Followed::start(&mut run(&directory, &flags[..]));
        let mut writer = File::options().read(true).write(true).open(&source).unwrap();
        let row = if flag == "--sink" { "{\"outTemp\": 1.5}\n" } else { "{\"outTemp\": \"warm\"}\n" };
        writer.write_all(row.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_secs(1));
        signal(broker.0.id(), "STOP");
        writer.write_all(row.repeat(5000).as_bytes()).unwrap();
        let (code, said) = run.end();
        assert_eq!(code, Some(1), "{said}");
        let what = if flag == "--sink" { "the sink mqtt://" } else { "the dead letters mqtt://" };
        assert!(said.contains("no row has come further for") && said.contains(what), "{said}");
    }
}

#[test]
fn a_reader_of_standard_output_that_waits_is_told_of_and_waited_for() {
    let directory = TempDir::new().unwrap();
    let mut run = Followed::start(run(&directory, &["--sink", "-", "--stall-timeout", "1s"]).stdout(Stdio::piped()));
    let mut out = run.process.0.stdout.take().unwrap();
    out.read_exact(&mut [0; 100]).unwrap();
    run.wait_for("the sink, standard output has taken nothing");
    std::thread::sleep(Duration::from_secs(2));
    assert!(run.is_alive(), "back-pressure is no failure");
    let reader = std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()).unwrap());
    signal(run.process.0.id(), "TERM");
    let (code, said) = run.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(reader.join().unwrap() > 100_000);
}

#[test]
fn a_slow_reader_and_a_source_that_rests_are_no_stall() {
    let directory = TempDir::new().unwrap();
    let flags = ["--sink", "-", "--stall-timeout", "3s", "--set", "buffer.bucket_size=10000"];
    let mut slow = Followed::start(run(&directory, &flags).stdout(Stdio::piped()));
    let mut out = slow.process.0.stdout.take().unwrap();
    let source = directory.path().join("rows.ndjson");
    assert!(Command::new("mkfifo").arg(&source).status().unwrap().success());
    let flags = ["--source", source.to_str().unwrap(), "--sink", "null", "--stall-timeout", "500ms", "-n", "2"];
    let mut idle = Followed::start(&mut run(&directory, &flags));
    let _writer = File::options().read(true).write(true).open(&source).unwrap();
    let until = Instant::now() + Duration::from_secs(8);
    while Instant::now() < until {
        out.read_exact(&mut [0; 8192]).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(slow.is_alive() && idle.is_alive());
    for run in [&slow, &idle] {
        assert!(!run.said().contains("no row has come further"), "{}", run.said());
    }
}
