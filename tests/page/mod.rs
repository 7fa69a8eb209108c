//! `rowmill serve` over a folder of its own, and calls of its API.
#![allow(dead_code, reason = "each test uses what it needs")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::broker::{Process, rowmill, wait_until};

/// A server of a folder.
pub struct Page {
    pub address: String,
    pub process: Process,
}

/// A status and the JSON that came with it, null if none did.
pub type Answer = (u16, Value);

/// A dataflow that serves generated rows for a long while.
pub const STEADY: &str = "source.url = \"generate:rows=100000000,seed=1,rate=2000\"\nbuffer.bucket_size = 100\n\
                          sink.url = \"null\"\n[[subtask]]\nuse = \"standard_scaler\"\n";

/// A table beside it.
pub const HOURLY: &str =
    "[[table]]\nname = \"hourly\"\nkey = [\"station\"]\nwindow = \"1h\"\ncolumns = [\"outTemp\"]\n";

/// A folder with one project, `steady`. Runs that a test leaves behind end with it.
pub struct Projects(pub TempDir);

impl Projects {
    pub fn new() -> Projects {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("steady.toml"), STEADY).unwrap();
        Projects(directory)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The names of the files in the folder that end so, sorted.
    pub fn files(&self, ending: &str) -> Vec<String> {
        let names = std::fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| name.ends_with(ending));
        names.sort();
        names
    }
}

impl Drop for Projects {
    fn drop(&mut self) {
        kill_runs(&self.path().join(".rowmill"));
    }
}

/// Kills the runs that a folder of states knows.
pub fn kill_runs(states: &Path) {
    for entry in std::fs::read_dir(states).into_iter().flatten().flatten() {
        let started = std::fs::read(entry.path().join("run.json")).unwrap_or_default();
        // 0 would be this test itself.
        let pid = serde_json::from_slice::<Value>(&started).ok().and_then(|run| run["pid"].as_u64());
        if let Some(pid) = pid.filter(|pid| *pid > 0) {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
        }
    }
}

impl Page {
    pub fn start(projects: &Projects) -> Page {
        Page::start_with(projects, &[])
    }

    /// A server with further options. Its address has the base path behind it.
    pub fn start_with(projects: &Projects, options: &[&str]) -> Page {
        let mut command = rowmill(&["serve", "--listen", "127.0.0.1:0", "--dir"]);
        command.arg(projects.path()).args(options);
        let mut process = Process(command.stderr(Stdio::piped()).spawn().unwrap());
        let mut lines = BufReader::new(process.0.stderr.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        let address = line.split_once("://").unwrap_or_else(|| panic!("{line}")).1.to_owned();
        std::thread::spawn(move || lines.for_each(drop));
        Page { address, process }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let agent = agent();
        let mut request = ureq::http::Request::builder().method(method).uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut answer = match body {
            Some(body) => agent.run(request.header("content-type", "application/json").body(body.to_string()).unwrap()),
            None => agent.run(request.body(()).unwrap()),
        }
        .unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, &[], None);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, &[], Some(&body))
    }

    pub fn state(&self, project: &str) -> String {
        self.get(&format!("/api/v1/projects/{project}/live"))["run"]["state"].as_str().unwrap().to_owned()
    }

    pub fn wait_for(&self, project: &str, state: &str) {
        wait_until(&format!("{project} {state}"), || self.state(project) == state);
    }

    /// Signs in as the page does: the status, and what a browser keeps.
    pub fn sign_in(&self, name: &str, password: &str) -> (u16, Session) {
        let given = serde_json::json!({ "name": name, "password": password });
        let mut answer = agent().post(self.url("/api/v1/login")).send_json(given).unwrap();
        let cookie = answer.headers().get("set-cookie").map_or("", |cookie| cookie.to_str().unwrap()).to_owned();
        let body: Value = answer.body_mut().read_json().unwrap();
        let csrf = body["csrf"].as_str().unwrap_or_default().to_owned();
        (answer.status().as_u16(), Session { cookie, csrf })
    }
}

/// A client for which a refusal is an answer, and none at all a failure.
fn agent() -> ureq::Agent {
    const TIMEOUT: Duration = Duration::from_secs(120);
    ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(TIMEOUT)).build().into()
}

/// What a browser keeps of a login.
pub struct Session {
    pub cookie: String,
    pub csrf: String,
}

impl Session {
    pub fn headers(&self) -> [(&str, &str); 2] {
        [("cookie", self.cookie.split(';').next().unwrap()), ("x-csrf-token", &self.csrf)]
    }
}

/// Adds a user, as a person does.
pub fn add_user(projects: &Projects, name: &str, role: &str, password: &str) {
    let mut command = rowmill(&["user", "add", name, "--role", role, "--dir"]);
    command.arg(projects.path()).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
    assert!(child.wait().unwrap().success());
}
