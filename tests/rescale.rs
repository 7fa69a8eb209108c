//! Other numbers of workers and processes for a run that goes on: nothing is lost, nothing comes twice, and what steps
//! and tables remember goes on.

mod broker;

use std::path::Path;
use std::process::{Command, Stdio};

use broker::played::Played;
use broker::{Process, lines, rowmill, wait_until};
use tempfile::TempDir;

/// A dataflow with keyed state: the difference to the row before of the same key, and a table of sums.
fn dataflow(directory: &Path, port: u16) {
    let text = format!(
        "schema = {{ number = [\"n\"], text = [\"k\"] }}\n\
         [source]\nurl = \"mqtt://127.0.0.1:{port}/rows\"\nclient_id = \"mill\"\n\
         [buffer]\nbucket_size = 3\ndelay = \"20ms\"\n[checkpoint]\nevery = \"0s\"\n\
         [[subtask]]\nuse = \"diff\"\ncolumns = [\"n\"]\nfit = \"stream\"\nkey = \"k\"\n\
         [[table]]\nname = \"sums\"\nkey = [\"k\"]\ncolumns = [\"n\"]\naggregates = [\"count\"]\n\
         sink = {{ url = \"sums.csv\" }}\n[sink]\nurl = \"out.csv\"\n"
    );
    std::fs::write(directory.join("keyed.toml"), text).unwrap();
}

fn start(directory: &TempDir, flags: &[&str]) -> Process {
    let mut command = rowmill(&["run", "keyed.toml", "-q", "--live", "live"]);
    command.args(flags).current_dir(directory.path()).stdin(Stdio::null());
    Process(command.spawn().unwrap())
}

const KEYS: [&str; 3] = ["a", "b", "c"];

/// Publishes rows of three keys in turn, and waits until each is acknowledged.
fn publish(broker: &mut Played, numbers: std::ops::Range<u16>) {
    for number in numbers.clone() {
        // Squares: the differences tell which row was the one before.
        let (n, key) = (u32::from(number) * u32::from(number), KEYS[usize::from(number % 3)]);
        broker.publish_payload(number, &format!("{{\"n\": {n}, \"k\": \"{key}\"}}"), false);
    }
    numbers.for_each(|number| assert_eq!(broker.acknowledged(), number));
}

/// Each row's difference to the one three before it, in the order they were published.
fn assert_exact(directory: &Path, numbers: std::ops::Range<u16>) {
    let text = std::fs::read_to_string(directory.join("out.csv")).unwrap();
    let mut rows = text.lines();
    let header: Vec<&str> = rows.next().unwrap().split(',').collect();
    let place = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let (of_row, of_n, of_k) = (place("row"), place("n"), place("k"));
    let found: Vec<(u64, Option<f64>, String)> = rows
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            (cells[of_row].parse().unwrap(), cells[of_n].parse().ok(), cells[of_k].to_owned())
        })
        .collect();
    let first = numbers.start;
    let expected = numbers.map(|number| {
        let square = |number: u16| f64::from(number) * f64::from(number);
        let before = (number >= first + 3).then(|| square(number) - square(number - 3));
        (u64::from(number - first), before, KEYS[usize::from(number % 3)].to_owned())
    });
    assert_eq!(found, expected.collect::<Vec<_>>());
}

#[test]
fn a_run_goes_on_exactly_with_any_other_numbers() {
    let directory = tempfile::tempdir().unwrap();
    let (listener, port) = Played::listen();
    dataflow(directory.path(), port);
    let all = [["-n", "2", "-w", "2"], ["-n", "1", "-w", "3"], ["-n", "3", "-w", "1"], ["-n", "1", "-w", "1"]];
    for (life, flags) in (0_u16..).zip(&all) {
        let process = start(&directory, flags);
        let mut broker = Played::accept(&listener, life > 0);
        publish(&mut broker, 10 * life + 1..10 * life + 11);
        // The connection outlives the run: it would connect again, and the next one would find that in its place.
        process.drain();
    }
    assert_exact(directory.path(), 1..41);
    let sums = std::fs::read_to_string(directory.path().join("sums.csv")).unwrap();
    let counts: Vec<f64> = sums.lines().skip(1).map(|line| line.rsplit(',').next().unwrap().parse().unwrap()).collect();
    assert_eq!((counts.len(), counts.iter().sum::<f64>()), (3, 40.0), "{sums}");
}

#[test]
fn a_running_dataflow_is_rescaled_under_its_process_id() {
    let directory = tempfile::tempdir().unwrap();
    let (listener, port) = Played::listen();
    dataflow(directory.path(), port);
    let mut process = start(&directory, &["-w", "1", "--fresh"]);
    let mut broker = Played::accept(&listener, false);
    publish(&mut broker, 1..11);
    let rescale = |flags: &[&str]| {
        let mut command = rowmill(&["rescale", "--live", "live"]);
        command.args(flags).current_dir(directory.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap().wait_with_output().unwrap()
    };
    let status = || -> serde_json::Value {
        let text = std::fs::read(directory.path().join("live/live.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    };
    let mut next = 11;
    for (flags, processes, workers) in [(&["-w", "2"][..], 1, 2), (&["-n", "2"], 2, 2), (&["-n", "1", "-w", "1"], 1, 1)]
    {
        let output = std::thread::scope(|scope| {
            let rescale = scope.spawn(|| rescale(flags));
            // The old connection ends; the new one finds its session.
            let again = Played::accept(&listener, true);
            broker = again;
            rescale.join().unwrap()
        });
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{said} {}", String::from_utf8_lossy(&output.stderr));
        assert!(said.starts_with(&format!("-n {processes} -w {workers}: no row was served for at most ")), "{said}");
        publish(&mut broker, next..next + 10);
        next += 10;
        wait_until("its status", || status()["workers"] == processes * workers);
        assert!(process.0.try_wait().unwrap().is_none(), "the same process");
    }
    process.drain();
    assert_exact(directory.path(), 1..next);
    let ended = rescale(&["-w", "2"]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("its run has ended"), "{ended:?}");
}

#[test]
fn a_run_that_would_begin_again_is_not_rescaled() {
    let directory = tempfile::tempdir().unwrap();
    let text = "schema = { number = [\"n\"] }\nsource.url = \"-\"\nsink.url = \"null\"\n";
    std::fs::write(directory.path().join("plain.toml"), text).unwrap();
    let mut command = rowmill(&["run", "plain.toml", "-q", "--live", "live"]);
    let mut process = Process(command.current_dir(directory.path()).stdin(Stdio::piped()).spawn().unwrap());
    wait_until("the run", || directory.path().join("live/identity.json").exists());
    let rescale = |flags: &[&str]| {
        let mut command: Command = rowmill(&["rescale", "--live", "live"]);
        command.args(flags).current_dir(directory.path()).stdin(Stdio::null()).output().unwrap()
    };
    let refused = rescale(&["-w", "2"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("its source is read to an end"), "{said}");
    assert_eq!(rescale(&[]).status.code(), Some(2), "no numbers");
    assert!(process.0.try_wait().unwrap().is_none(), "it is left alone");
    drop(process.0.stdin.take());
    assert_eq!(process.code(), Some(0));
    assert_eq!(lines(&directory.path().join("live/rescale.json")), 0);
}
