//! Publishes rows in a cycle, as fast as a broker takes them.

use std::fs::File;
use std::io::BufReader;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::program::program;
use crate::format::{Compression, FileKind, FileRecords, Framing};
use crate::mqtt::{self, Endpoint};
use crate::sink::{Deadline, Publisher};
use crate::source::Stop;

/// The most rows of the file that are published: few enough for memory, more than a usual message has.
const MOST_ROWS: usize = 1 << 15;

/// A publisher, and the broker it publishes to.
pub struct Feed {
    /// The topic that the rows are published to.
    pub url: mqtt::MqttUrl,
    stop: Stop,
    publisher: Option<JoinHandle<Result<(), String>>>,
    /// The feed's own broker: it is killed with the feed, and so are rows that were not read.
    broker: Option<Child>,
}

impl Feed {
    /// Publishes the first rows of a file to a topic, or to an embedded broker in a process of its own.
    ///
    /// # Errors
    /// A file that has no JSON rows, or a broker that does not start.
    pub fn start(file: &Path, to: Option<&mqtt::MqttUrl>) -> Result<Feed, String> {
        let rows = rows(file)?;
        let (url, broker) = match to {
            Some(url) => (url.clone(), None),
            None => {
                let address = mqtt::free_port().map_err(|error| format!("no free port: {error}"))?;
                let (host, port) = (address.ip().to_string(), address.port());
                let url = mqtt::MqttUrl { host, port, topic: "bench/rows".into(), tls: false, web: false, login: None };
                (url, Some(broker(address)?))
            }
        };
        let stop = Stop::default();
        let mut feed = Feed { url: url.clone(), stop: stop.clone(), publisher: None, broker };
        let publish = move || {
            let failed = |error: crate::sink::Error| error.to_string();
            let mut publisher = Publisher::start(Endpoint::anonymous(url), Some(BROKER_TIMEOUT), Deadline::default())
                .map_err(failed)?;
            for row in rows.iter().cycle() {
                if stop.is_set() {
                    break;
                }
                publisher.publish(row).map_err(failed)?;
            }
            Ok(())
        };
        let thread = std::thread::Builder::new().name("feed".into()).spawn(publish);
        feed.publisher = Some(thread.map_err(|error| format!("the feed's thread cannot start: {error}"))?);
        Ok(feed)
    }

    /// Stops publishing.
    ///
    /// # Errors
    /// The failure of the publisher.
    pub fn end(mut self) -> Result<(), String> {
        self.stop.now();
        let publisher = self.publisher.take().expect("a feed has one until its end");
        publisher.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop.now();
        if let Some(broker) = &mut self.broker {
            let _ = broker.kill();
            let _ = broker.wait();
        }
    }
}

/// How long a broker may take to start.
const BROKER_TIMEOUT: Duration = Duration::from_secs(10);

fn broker(address: SocketAddr) -> Result<Child, String> {
    let mut command = program()?;
    command.args(["broker", "--listen", &address.to_string()]).stdin(Stdio::null()).stderr(Stdio::null());
    let mut broker = command.spawn().map_err(|error| format!("the broker cannot be started: {error}"))?;
    let since = Instant::now();
    while TcpStream::connect(address).is_err() {
        if since.elapsed() > BROKER_TIMEOUT {
            let _ = broker.kill();
            return Err(format!("the broker on {address} did not start within {} s", BROKER_TIMEOUT.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(broker)
}

fn rows(file: &Path) -> Result<Vec<Vec<u8>>, String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let kind = FileKind::of(file).map_err(|error| named(&error))?;
    let unpacked = File::open(file).and_then(|file| Compression::Auto.open(file));
    let reader = BufReader::new(unpacked.map_err(|error| named(&error))?);
    let mut records = FileRecords::new(reader, kind, None, &Framing::default()).map_err(|error| named(&error))?;
    if kind != FileKind::Ndjson {
        return Err(named(&"rows over MQTT come from an .ndjson file"));
    }
    let mut rows = Vec::new();
    while let Some((row, _)) = records.next_row().map_err(|error| named(&error))?
        && rows.len() < MOST_ROWS
    {
        rows.push(row.bytes.to_vec());
    }
    if rows.is_empty() { Err(named(&"there are no rows in it")) } else { Ok(rows) }
}
