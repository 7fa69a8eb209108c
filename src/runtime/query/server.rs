//! The query server of a running dataflow's tables, over a socket in the run's directory, and its client.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::data::{Message, Schema};
use crate::format::{Encoder, Encoding, Output};
use crate::proc;
use crate::runtime::graph::materialized::SharedContents;
use crate::sink::{self, Deadline, Existing};

/// The socket's name in its directory.
const SOCKET: &str = "query.sock";
/// How long a read or write of a request may take: a silent client must not block others.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The format of a table's snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotFormat {
    /// A JSON object a line.
    #[default]
    Json,
    /// Cells between commas, with a header.
    Csv,
    /// A Parquet file.
    Parquet,
}

/// A query of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableQuery {
    /// The table's name.
    pub table: String,
    /// The format of the answer.
    pub format: SnapshotFormat,
    /// At most this many lines, those of the newest windows; all if not given.
    pub newest: Option<usize>,
}

/// A table at one epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct TableSnapshot {
    /// The answer, in the format that was asked for.
    pub bytes: Vec<u8>,
    /// The last epoch that it contains, on all workers; `None` before the first is complete.
    pub epoch: Option<u64>,
    /// How many lines of the table it holds.
    pub lines: usize,
}

/// A request: one line of JSON.
#[derive(Serialize, Deserialize)]
enum QueryRequest {
    Names,
    Snapshot(TableQuery),
}

/// The head of a response: one line of JSON, followed by the bytes of a snapshot.
#[derive(Serialize, Deserialize)]
enum QueryResponse {
    Names(Vec<String>),
    Snapshot { epoch: Option<u64>, lines: usize },
    Refusal(String),
}

/// Asks the run in a directory for one of its tables.
///
/// # Errors
/// If no run answers there, or it has no such table.
pub fn snapshot(directory: &Path, question: &TableQuery) -> Result<TableSnapshot, String> {
    match ask(directory, &QueryRequest::Snapshot(question.clone()))? {
        (QueryResponse::Snapshot { epoch, lines }, bytes) => Ok(TableSnapshot { bytes, epoch, lines }),
        (QueryResponse::Refusal(reason), _) => Err(reason),
        (QueryResponse::Names(_), _) => Err("the run answers another question".into()),
    }
}

/// Asks the run in a directory for the names of its tables.
///
/// # Errors
/// If no run answers there.
pub fn names(directory: &Path) -> Result<Vec<String>, String> {
    match ask(directory, &QueryRequest::Names)? {
        (QueryResponse::Names(names), _) => Ok(names),
        _ => Err("the run answers another question".into()),
    }
}

fn ask(directory: &Path, request: &QueryRequest) -> Result<(QueryResponse, Vec<u8>), String> {
    let shown = directory.display();
    let nobody = |error| format!("no run with tables answers in {shown}: {error}");
    let place = SocketPath::of(directory).map_err(nobody)?;
    let stream = UnixStream::connect(&place.path).map_err(nobody)?;
    converse(&stream, request).map_err(|error| format!("{shown}: {error}"))
}

/// A short path to the socket, by the open directory: a socket address holds about a hundred bytes.
struct SocketPath {
    path: PathBuf,
    _directory: File,
}

impl SocketPath {
    fn of(directory: &Path) -> io::Result<SocketPath> {
        let open = File::open(directory)?;
        let path = proc::through(open.as_fd(), SOCKET);
        Ok(SocketPath { path, _directory: open })
    }
}

fn converse(mut stream: &UnixStream, request: &QueryRequest) -> io::Result<(QueryResponse, Vec<u8>)> {
    stream.set_read_timeout(Some(REQUEST_TIMEOUT))?;
    stream.write_all(&line(request)?)?;
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    Ok((serde_json::from_str(&first)?, bytes))
}

fn line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

/// Answers queries until it is dropped.
pub struct QueryServer {
    place: SocketPath,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl QueryServer {
    /// Listens in a directory for queries of these tables, by name.
    ///
    /// # Errors
    /// If the socket can't be made.
    pub fn start(directory: &Path, tables: Vec<(String, SharedContents)>) -> Result<QueryServer, String> {
        let failed = |error| format!("{}: {error}", directory.join(SOCKET).display());
        let place = SocketPath::of(directory).map_err(failed)?;
        // Left by a run that was killed.
        let _ = std::fs::remove_file(&place.path);
        let listener = UnixListener::bind(&place.path).map_err(failed)?;
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let stop = stop.clone();
            std::thread::Builder::new().name("query".into()).spawn(move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::Acquire) {
                        return;
                    }
                    // Errors are ignored: the client may be gone.
                    let _ = stream.and_then(|stream| answer(&stream, &tables));
                }
            })
        };
        Ok(QueryServer { place, stop, thread: Some(thread.expect("a thread can be started")) })
    }
}

impl Drop for QueryServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let woken = UnixStream::connect(&self.place.path).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.place.path);
    }
}

fn answer(mut stream: &UnixStream, tables: &[(String, SharedContents)]) -> io::Result<()> {
    stream.set_read_timeout(Some(REQUEST_TIMEOUT))?;
    stream.set_write_timeout(Some(REQUEST_TIMEOUT))?;
    let mut asked = String::new();
    BufReader::new(stream).take(1 << 16).read_line(&mut asked)?;
    let names = || tables.iter().map(|(name, _)| name.clone()).collect::<Vec<String>>();
    let (answer, bytes) = match serde_json::from_str(&asked) {
        Err(error) => (QueryResponse::Refusal(error.to_string()), Vec::new()),
        Ok(QueryRequest::Names) => (QueryResponse::Names(names()), Vec::new()),
        Ok(QueryRequest::Snapshot(question)) => match tables.iter().find(|(name, _)| *name == question.table) {
            Some((_, contents)) => read(contents, &question)?,
            None => {
                let refusal = format!("no table `{}`: there is {}", question.table, names().join(", "));
                (QueryResponse::Refusal(refusal), Vec::new())
            }
        },
    };
    stream.write_all(&line(&answer)?)?;
    stream.write_all(&bytes)
}

fn read(contents: &SharedContents, question: &TableQuery) -> io::Result<(QueryResponse, Vec<u8>)> {
    let (schema, epoch, snapshot) = {
        let contents = contents.lock().expect("no holder panics");
        (contents.schema.clone(), contents.epoch, contents.snapshot(question.newest))
    };
    let lines = snapshot.rows();
    Ok((QueryResponse::Snapshot { epoch, lines }, encode(&schema, snapshot, question.format)?))
}

fn encode(schema: &Arc<Schema>, snapshot: Message, format: SnapshotFormat) -> io::Result<Vec<u8>> {
    let lines = |encoding| match Encoder::new(schema.clone(), encoding).encode(snapshot.clone()) {
        Output::Lines(lines) => lines,
        Output::Columns(_) => Vec::new(),
    };
    Ok(match format {
        SnapshotFormat::Json => lines(Encoding::JsonLines),
        SnapshotFormat::Csv => [Encoder::csv_header(schema), lines(Encoding::Csv)].concat(),
        SnapshotFormat::Parquet => {
            let file = tempfile::NamedTempFile::new()?;
            let url = sink::SinkUrl::Parquet(file.path().to_owned());
            let settings = sink::SinkSettings::at(url);
            let written = settings.open(schema, 0, Existing::Replace, &Deadline::default()).and_then(|mut sink| {
                sink.write(Output::Columns(snapshot))?;
                sink.close()
            });
            written.map_err(io::Error::other)?;
            std::fs::read(file.path())?
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::data::Kind;
    use crate::tables::{ChangeFormat, Group, TableContents};

    #[test]
    fn a_run_answers_and_is_gone_when_it_ends() {
        let schema = Schema::new([("station", Kind::Text), ("rows", Kind::Number)]);
        let mut contents = TableContents::new(schema, ChangeFormat::default());
        let group = Group { keys: vec!["a".into()], window: None };
        contents.apply(7, vec![((group, vec![2.0.into()]), 1)]);
        let above = tempfile::tempdir().unwrap();
        let directory = above.path().join("a".repeat(200));
        std::fs::create_dir(&directory).unwrap();
        let ask = |table: &str, format| snapshot(&directory, &TableQuery { table: table.into(), format, newest: None });
        let tables = vec![("t".to_owned(), Arc::new(Mutex::new(contents)))];
        let server = QueryServer::start(&directory, tables).unwrap();
        let found = ask("t", SnapshotFormat::Json).unwrap();
        assert_eq!(found.bytes, b"{\"message\":7,\"row\":0,\"station\":\"a\",\"rows\":2.0}\n");
        assert_eq!((found.epoch, found.lines), (Some(7), 1));
        let csv = ask("t", SnapshotFormat::Csv).unwrap().bytes;
        assert_eq!(csv, b"message,row,station,rows\n7,0,a,2.0\n");
        assert!(ask("t", SnapshotFormat::Parquet).unwrap().bytes.starts_with(b"PAR1"));
        assert!(ask("u", SnapshotFormat::Json).unwrap_err().contains("no table `u`: there is t"));
        assert_eq!(names(&directory), Ok(vec!["t".to_owned()]));
        drop(server);
        assert!(ask("t", SnapshotFormat::Json).unwrap_err().contains("no run"));
    }
}
