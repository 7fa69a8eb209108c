//! Answers of a running dataflow about its tables, over a socket in the run's directory.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::outlet::SharedContents;
use crate::data::{Message, Schema};
use crate::sink::{self, Existing};
use crate::subtasks::result::{Encoder, Encoding, Output};

/// The socket's name in its directory.
const SOCKET: &str = "query.sock";
/// Who asks and says nothing is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a snapshot is written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A JSON object a line.
    #[default]
    Json,
    Csv,
    Parquet,
}

/// A table at one epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub bytes: Vec<u8>,
    /// The last epoch that is in it, on all workers; `None` before the first is complete.
    pub epoch: Option<u64>,
    pub lines: usize,
}

#[derive(Serialize, Deserialize)]
struct Question {
    /// All names if not given.
    table: Option<String>,
    format: Format,
}

/// Precedes the bytes.
#[derive(Serialize, Deserialize)]
enum Answer {
    Names(Vec<String>),
    Snapshot { epoch: Option<u64>, lines: usize },
    Refusal(String),
}

/// Asks the run in a directory for one of its tables.
///
/// # Errors
/// If no run answers there, or it has no such table.
pub fn snapshot(directory: &Path, table: &str, format: Format) -> Result<Snapshot, String> {
    match ask(directory, &Question { table: Some(table.into()), format })? {
        (Answer::Snapshot { epoch, lines }, bytes) => Ok(Snapshot { bytes, epoch, lines }),
        (Answer::Refusal(reason), _) => Err(reason),
        (Answer::Names(_), _) => Err("the run answers another question".into()),
    }
}

/// Asks the run in a directory for the names of its tables.
///
/// # Errors
/// If no run answers there.
pub fn names(directory: &Path) -> Result<Vec<String>, String> {
    match ask(directory, &Question { table: None, format: Format::Json })? {
        (Answer::Names(names), _) => Ok(names),
        _ => Err("the run answers another question".into()),
    }
}

fn ask(directory: &Path, question: &Question) -> Result<(Answer, Vec<u8>), String> {
    let path = directory.join(SOCKET);
    let nobody = |error| format!("no run with tables answers at {}: {error}", path.display());
    let stream = UnixStream::connect(&path).map_err(nobody)?;
    converse(&stream, question).map_err(|error| format!("{}: {error}", path.display()))
}

fn converse(mut stream: &UnixStream, question: &Question) -> io::Result<(Answer, Vec<u8>)> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&line(question)?)?;
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

/// Answers until it is dropped.
pub struct Server {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens in a directory for questions about tables of these names.
    ///
    /// # Errors
    /// If the socket can't be made.
    pub fn start(directory: &Path, tables: Vec<(String, SharedContents)>) -> Result<Server, String> {
        let path = directory.join(SOCKET);
        // One that a killed run has left.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let stop = stop.clone();
            std::thread::Builder::new().name("query".into()).spawn(move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::Acquire) {
                        return;
                    }
                    // Who asks may go before the answer.
                    let _ = stream.and_then(|stream| answer(&stream, &tables));
                }
            })
        };
        Ok(Server { path, stop, thread: Some(thread.expect("a thread can be started")) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let woken = UnixStream::connect(&self.path).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

fn answer(mut stream: &UnixStream, tables: &[(String, SharedContents)]) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut asked = String::new();
    BufReader::new(stream).take(1 << 16).read_line(&mut asked)?;
    let names = || tables.iter().map(|(name, _)| name.clone()).collect::<Vec<String>>();
    let (answer, bytes) = match serde_json::from_str(&asked) {
        Err(error) => (Answer::Refusal(error.to_string()), Vec::new()),
        Ok(Question { table: None, .. }) => (Answer::Names(names()), Vec::new()),
        Ok(Question { table: Some(table), format }) => match tables.iter().find(|(name, _)| *name == table) {
            None => (Answer::Refusal(format!("no table `{table}`: there is {}", names().join(", "))), Vec::new()),
            Some((_, contents)) => read(contents, format)?,
        },
    };
    stream.write_all(&line(&answer)?)?;
    stream.write_all(&bytes)
}

fn read(contents: &SharedContents, format: Format) -> io::Result<(Answer, Vec<u8>)> {
    let (schema, epoch, snapshot) = {
        let contents = contents.lock().expect("no holder panics");
        (contents.schema.clone(), contents.epoch, contents.snapshot())
    };
    let lines = snapshot.rows();
    Ok((Answer::Snapshot { epoch, lines }, encode(&schema, snapshot, format)?))
}

fn encode(schema: &Arc<Schema>, snapshot: Message, format: Format) -> io::Result<Vec<u8>> {
    let lines = |encoding| match Encoder::new(schema.clone(), encoding).encode(snapshot.clone()) {
        Output::Lines(lines) => lines,
        Output::Columns(_) => Vec::new(),
    };
    Ok(match format {
        Format::Json => lines(Encoding::JsonLines),
        Format::Csv => [Encoder::csv_header(schema), lines(Encoding::Csv)].concat(),
        Format::Parquet => {
            let file = tempfile::NamedTempFile::new()?;
            let url = sink::Url::Parquet(file.path().to_owned());
            let settings = sink::Settings { url, parts: false, endpoint: None, connect_timeout: None };
            let written = settings.open(schema, 0, Existing::Replace).and_then(|mut sink| {
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
    use crate::tables::{Changes, Contents, Group};

    #[test]
    fn a_run_answers_and_is_gone_when_it_ends() {
        let schema = Schema::new([("station", Kind::Text), ("rows", Kind::Number)]);
        let mut contents = Contents::new(schema, Changes::default());
        let group = Group { keys: vec!["a".into()], window: None };
        contents.apply(7, vec![((group, vec![2.0.into()]), 1)]);
        let directory = tempfile::tempdir().unwrap();
        let tables = vec![("t".to_owned(), Arc::new(Mutex::new(contents)))];
        let server = Server::start(directory.path(), tables).unwrap();
        let found = snapshot(directory.path(), "t", Format::Json).unwrap();
        assert_eq!(found.bytes, b"{\"message\":7,\"row\":0,\"station\":\"a\",\"rows\":2.0}\n");
        assert_eq!((found.epoch, found.lines), (Some(7), 1));
        let csv = snapshot(directory.path(), "t", Format::Csv).unwrap().bytes;
        assert_eq!(csv, b"message,row,station,rows\n7,0,a,2.0\n");
        assert!(snapshot(directory.path(), "t", Format::Parquet).unwrap().bytes.starts_with(b"PAR1"));
        assert!(snapshot(directory.path(), "u", Format::Json).unwrap_err().contains("no table `u`: there is t"));
        assert_eq!(names(directory.path()), Ok(vec!["t".to_owned()]));
        drop(server);
        assert!(snapshot(directory.path(), "t", Format::Json).unwrap_err().contains("no run"));
    }
}
