//! Numbered rows, a dataflow that carries them, and a broker that keeps them: lost and doubled rows show.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rumqttc::{Client, Event, Incoming, MqttOptions, QoS};
use tempfile::TempDir;

use super::{Mosquitto, Process, rowmill};

/// A dataflow that only carries the column `n`.
pub fn carrier(directory: &TempDir) -> PathBuf {
    let path = directory.path().join("carrier.toml");
    let text = "schema = { number = [\"n\"] }\n[source]\nurl = \"-\"\nclient_id = \"mill\"\n\
        [buffer]\nbucket_size = 64\ndelay = \"100ms\"\n[sink]\nurl = \"null\"\n";
    std::fs::write(&path, text).unwrap();
    path
}

pub fn run(carrier: &Path, port: u16, qos: u8, sink: &Path, flags: &[&str]) -> Command {
    let mut command = rowmill(&["run"]);
    command.arg(carrier).args(["--source", &format!("mqtt://127.0.0.1:{port}/rows"), "--sink"]).arg(sink);
    command.args(["--set", &format!("source.qos={qos}")]).args(flags);
    command
}

/// Publishes `numbers`, one to forty rows a payload, and waits until the broker has them all.
pub fn publish(port: u16, qos: QoS, numbers: std::ops::Range<u64>, random: &mut ChaCha8Rng) {
    publish_to(port, "rows", qos, numbers, random);
}

/// The same on a topic, by a station of its name.
pub fn publish_to(port: u16, topic: &'static str, qos: QoS, numbers: std::ops::Range<u64>, random: &mut ChaCha8Rng) {
    let mut options = MqttOptions::new(format!("station-{topic}"), "127.0.0.1", port);
    options.set_inflight(20);
    let (client, mut connection) = Client::new(options, 64);
    let (mut payloads, mut next) = (Vec::new(), numbers.start);
    while next < numbers.end {
        let end = (next + random.random_range(1..=40)).min(numbers.end);
        let rows: Vec<String> = (next..end).map(|n| format!("{{\"n\": {n}}}")).collect();
        payloads.push(format!("[{}]", rows.join(",")));
        next = end;
    }
    let count = payloads.len();
    let sender = std::thread::spawn(move || {
        for payload in payloads {
            client.publish(topic, qos, false, payload).unwrap();
            std::thread::sleep(Duration::from_micros(300));
        }
        client
    });
    let taken = connection.iter().filter(|event| {
        let event = event.as_ref().expect("the broker stays");
        matches!(event, Event::Incoming(Incoming::PubAck(_) | Incoming::PubComp(_)))
    });
    assert_eq!(taken.take(count).count(), count);
    drop(sender.join().unwrap());
}

/// The column `n` of complete lines, in the order of the file.
pub fn numbers(path: &Path) -> Vec<u64> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.split_inclusive('\n').skip(1).filter(|line| line.ends_with('\n'));
    let last = |line: &str| line.trim_end().rsplit(',').next().and_then(|n| n.parse::<f64>().ok());
    lines.map(|line| last(line).expect("a number") as u64).collect()
}

/// A broker that stores its sessions on disk.
pub fn persistent(directory: &TempDir) -> Mosquitto {
    persistent_with(directory, "")
}

pub fn persistent_with(directory: &TempDir, more: &str) -> Mosquitto {
    let store = directory.path().join("store");
    std::fs::create_dir(&store).unwrap();
    let location = store.display();
    let options = format!("allow_anonymous true\npersistence true\npersistence_location {location}/\n{more}");
    Mosquitto::start(directory, &options)
}

/// Publishes `rows` numbered rows for each of so many kills, which hit the run or the server that it writes to: then
/// `start` starts the run with other flags, or `restart` kills the server and starts it. The run that is left.
pub fn kill_either(
    port: u16,
    (kills, rows): (u64, u64),
    random: &mut ChaCha8Rng,
    start: impl Fn(&[&str]) -> Process,
    mut restart: impl FnMut(&mut ChaCha8Rng),
) -> Process {
    let flags: [&[&str]; 3] = [&["-w", "1"], &["-w", "2"], &["-n", "2", "-w", "1"]];
    let mut process = start(flags[0]);
    for kill in 0..kills {
        let sent = kill * rows;
        let publisher = std::thread::spawn(move || {
            publish(port, QoS::AtLeastOnce, sent..sent + rows, &mut ChaCha8Rng::seed_from_u64(kill))
        });
        std::thread::sleep(Duration::from_millis(random.random_range(0..300)));
        if random.random_bool(0.5) {
            restart(random);
        } else {
            process.kill();
            process = start(flags[random.random_range(0..flags.len())]);
        }
        publisher.join().unwrap();
    }
    process
}

/// The numbers of a Parquet file's rows, and how many of its rows have a number of their own.
pub fn parquet_numbers(path: &Path) -> (Vec<u64>, usize) {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
    let (own, numbers): (std::collections::BTreeSet<i64>, Vec<u64>) =
        rows.map(|row| (row.get_long(1).unwrap(), row.get_double(2).unwrap() as u64)).unzip();
    (numbers, own.len())
}
