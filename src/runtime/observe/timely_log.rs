//! timely's log of a run as a trace for Perfetto and chrome://tracing, in Chrome's JSON array format.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use timely::logging::{ParkEvent, StartStop, TimelyEvent, TimelyEventBuilder};
use timely::worker::Worker;

use crate::disk;

/// The trace file, shared by all workers of this process.
#[derive(Clone)]
pub struct TimelyTrace {
    file: Arc<Mutex<TraceFile>>,
    /// The process' number, from 1: viewers treat 0 as the idle process.
    pid: usize,
}

struct TraceFile {
    out: BufWriter<File>,
    /// The first failure; nothing is written after it.
    failed: Option<io::Error>,
}

impl TimelyTrace {
    /// Creates the file, or truncates one that no other run has locked.
    ///
    /// # Errors
    /// If it can't be created, or another run has locked it.
    pub fn create(path: &Path, process: usize) -> io::Result<TimelyTrace> {
        let file = File::options().write(true).create(true).truncate(false).open(path)?;
        disk::lock(&file)?;
        // A device or a pipe can't be truncated.
        if file.metadata()?.is_file() {
            file.set_len(0)?;
        }
        let mut out = BufWriter::new(file);
        let pid = process + 1;
        // Commas precede events: the file is valid JSON at the end, and viewers open it without its end, too.
        write!(out, "[\n{}", named("process_name", pid, 0, format!("process {process}")))?;
        Ok(TimelyTrace { file: Arc::new(Mutex::new(TraceFile { out, failed: None })), pid })
    }

    /// Logs a worker's events from now on.
    pub fn follow(&self, worker: &Worker) {
        let Some(mut register) = worker.log_register() else { return };
        let (trace, tid) = (self.clone(), worker.index() + 1);
        trace.write(&[named("thread_name", self.pid, tid, format!("worker {}", worker.index()))]);
        let mut log = WorkerTrace::new(self.pid, tid);
        register.insert::<TimelyEventBuilder, _>("timely", move |_, logged| {
            if let Some(logged) = logged {
                let events: Vec<Value> = logged.drain(..).filter_map(|(at, event)| log.event(at, event)).collect();
                trace.write(&events);
            }
        });
    }

    fn write(&self, events: &[Value]) {
        let mut file = self.file.lock().expect("no holder panics");
        if file.failed.is_none() {
            let written = events.iter().try_for_each(|event| write!(file.out, ",\n{event}"));
            file.failed = written.err();
        }
    }

    /// Ends the JSON array, after all workers have ended.
    ///
    /// # Errors
    /// The first write that failed.
    pub fn close(&self) -> io::Result<()> {
        let mut file = self.file.lock().expect("no holder panics");
        if let Some(error) = file.failed.take() {
            return Err(error);
        }
        file.out.write_all(b"\n]\n")?;
        file.out.flush()
    }
}

/// Names a process or a thread.
fn named(what: &str, pid: usize, tid: usize, name: String) -> Value {
    json!({"name": what, "ph": "M", "pid": pid, "tid": tid, "args": {"name": name}})
}

/// The events of one worker.
struct WorkerTrace {
    pid: usize,
    /// The worker's number, from 1.
    tid: usize,
    /// Microseconds since 1970 at the start of this worker's timely clock, about: it aligns the workers.
    zero: f64,
    /// Names by operator, and by the place in the graph.
    operators: HashMap<usize, String>,
    places: HashMap<Vec<usize>, String>,
    /// The places of both ends of each channel; a channel may be logged before its ends are named.
    channels: HashMap<usize, [Vec<usize>; 2]>,
    /// The stack of running operators, with their start times.
    running: Vec<(usize, Duration)>,
    parked: Option<Duration>,
}

impl WorkerTrace {
    fn new(pid: usize, tid: usize) -> WorkerTrace {
        let zero = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs_f64() * 1e6;
        let (operators, places, channels) = Default::default();
        WorkerTrace { pid, tid, zero, operators, places, channels, running: Vec::new(), parked: None }
    }

    fn event(&mut self, at: Duration, event: TimelyEvent) -> Option<Value> {
        match event {
            TimelyEvent::Operates(operator) => {
                self.places.insert(operator.addr, operator.name.clone());
                self.operators.insert(operator.id, operator.name);
                None
            }
            TimelyEvent::Channels(channel) => {
                let place = |index: usize| channel.scope_addr.iter().copied().chain([index]).collect();
                self.channels.insert(channel.id, [place(channel.source.0), place(channel.target.0)]);
                None
            }
            TimelyEvent::Schedule(schedule) => match schedule.start_stop {
                StartStop::Start => {
                    self.running.push((schedule.id, at));
                    None
                }
                StartStop::Stop => {
                    let (id, since) = self.running.pop()?;
                    let name = self.operators.get(&id).map_or("operator", String::as_str);
                    Some(self.span(name, "operator", since, at))
                }
            },
            TimelyEvent::Park(ParkEvent::Park(_)) => {
                self.parked = Some(at);
                None
            }
            TimelyEvent::Park(ParkEvent::Unpark) => {
                let since = self.parked.take()?;
                Some(self.span("parked", "worker", since, at))
            }
            TimelyEvent::Messages(message) if message.is_send => {
                let [from, to] = self.channels.get(&message.channel)?;
                let end = |place| self.places.get(place).map_or("outside", String::as_str);
                let name = format!("{} to {}", end(from), end(to));
                let args = json!({"records": message.record_count, "to worker": message.target});
                Some(json!({
                    "name": name, "cat": "messages", "ph": "i", "s": "t", "ts": self.time(at),
                    "pid": self.pid, "tid": self.tid, "args": args,
                }))
            }
            _ => None,
        }
    }

    /// Microseconds since 1970.
    fn time(&self, at: Duration) -> f64 {
        self.zero + at.as_secs_f64() * 1e6
    }

    fn span(&self, name: &str, category: &str, since: Duration, until: Duration) -> Value {
        let lasted = (until - since).as_secs_f64() * 1e6;
        json!({
            "name": name, "cat": category, "ph": "X", "ts": self.time(since), "dur": lasted,
            "pid": self.pid, "tid": self.tid,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use timely::logging::{ChannelsEvent, MessagesEvent, OperatesEvent, ScheduleEvent};

    #[test]
    fn operators_have_spans_and_messages_name_their_ends() {
        let mut log = WorkerTrace::new(1, 2);
        let mut event = |us, event| log.event(Duration::from_micros(us), event);
        for (id, index, name) in [(7, 1, "prepare"), (8, 2, "result")] {
            let operates = OperatesEvent { id, addr: vec![0, index], name: name.into() };
            assert_eq!(event(0, operates.into()), None);
        }
        let channel =
            ChannelsEvent { id: 3, scope_addr: vec![0], source: (1, 0), target: (2, 0), typ: "Parcel".into() };
        assert_eq!(event(1, channel.into()), None);
        assert_eq!(event(5, ScheduleEvent::start(7).into()), None);
        let message = MessagesEvent { is_send: true, channel: 3, source: 1, target: 0, seq_no: 0, record_count: 4 };
        let sent = event(6, message.into()).unwrap();
        assert_eq!((&sent["name"], &sent["args"]["records"]), (&json!("prepare to result"), &json!(4)));
        let span = event(9, ScheduleEvent::stop(7).into()).unwrap();
        assert_eq!((&span["name"], &span["ph"], &span["tid"]), (&json!("prepare"), &json!("X"), &json!(2)));
        assert!((span["dur"].as_f64().unwrap() - 4.0).abs() < 1e-6, "{span}");
        assert_eq!(event(10, ParkEvent::park(None).into()), None);
        assert_eq!(event(30, ParkEvent::unpark().into()).unwrap()["name"], "parked");
    }
}
