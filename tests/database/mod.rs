//! Debian's PostgreSQL with a cluster of its own; `influx`: its InfluxDB; `victoria`: its VictoriaMetrics.
#![allow(dead_code, reason = "each test uses what it needs")]

pub mod influx;
pub mod victoria;

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::broker::{Process, free_port, wait_until};

/// A server, which ends with the test.
pub struct Database {
    pub port: u16,
    directory: TempDir,
    server: Option<Process>,
}

/// The newest programs of PostgreSQL that are installed.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
    let number = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let versions = versions.map(|version| version.unwrap().path()).filter(|path| path.join("bin/postgres").exists());
    versions.max_by_key(number).expect("PostgreSQL is installed").join("bin")
}

/// The user and group of PostgreSQL's programs, which refuse to be run by root.
fn owner() -> Option<(u32, u32)> {
    if !rustix::process::getuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let user = users.lines().find(|line| line.starts_with("postgres:")).expect("a user postgres");
    let mut ids = user.split(':').skip(2).map(|id| id.parse().unwrap());
    Some((ids.next().unwrap(), ids.next().unwrap()))
}

fn own(command: &mut Command) -> &mut Command {
    match owner() {
        Some((user, group)) => command.uid(user).gid(group),
        None => command,
    }
}

fn give_away(path: &Path) {
    if let Some((user, group)) = owner() {
        std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
    }
}

impl Database {
    /// A cluster that is not started yet.
    pub fn new() -> Database {
        let directory = tempfile::tempdir().unwrap();
        give_away(directory.path());
        let mut command = Command::new(programs().join("initdb"));
        command.args(["--username=owner", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "-D"]);
        command.arg(directory.path().join("data")).current_dir(directory.path());
        let made = own(&mut command).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Database { port: free_port(), directory, server: None }
    }

    pub fn started() -> Database {
        let mut database = Database::new();
        database.start();
        database
    }

    /// Appends lines to its configuration.
    pub fn configure(&self, lines: &str) {
        use std::io::Write;
        let path = self.directory.path().join("data/postgresql.conf");
        std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(lines.as_bytes()).unwrap();
    }

    /// Replaces who may connect how.
    pub fn allow(&self, lines: &str) {
        std::fs::write(self.directory.path().join("data/pg_hba.conf"), lines).unwrap();
    }

    /// A file that only the server can read.
    pub fn private(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        give_away(&path);
        path
    }

    /// Starts it, as often as it takes: after a kill the processes of the last one may still be ending.
    pub fn start(&mut self) {
        let port = self.port.to_string();
        wait_until("the database", || {
            if self.psql("postgres", "SELECT 1").is_ok() {
                return true;
            }
            let ended = self.server.as_mut().is_none_or(|server| server.0.try_wait().unwrap().is_some());
            if ended {
                let mut command = Command::new(programs().join("postgres"));
                command.arg("-D").arg(self.directory.path().join("data")).args(["-p", &port]);
                // What a killed process has written stays: only a machine that fails would lose it.
                command.args(["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
                command.current_dir(self.directory.path()).stdout(Stdio::null()).stderr(Stdio::null());
                self.server = Some(Process(own(&mut command).spawn().unwrap()));
            }
            false
        });
    }

    /// Kills it and all its processes.
    pub fn kill(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let parent = server.0.id().to_string();
        let children = Command::new("pgrep").args(["-P", &parent]).output().unwrap().stdout;
        server.kill();
        let children = String::from_utf8(children).unwrap();
        let _ = Command::new("kill").arg("-9").args(children.lines()).stderr(Stdio::null()).status();
    }

    /// What psql answers: cells between bars, a row a line.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut command = Command::new("psql");
        command.args(["-h", "127.0.0.1", "-U", "owner", "-d", database, "-v", "ON_ERROR_STOP=1", "-XAtqc", sql]);
        let answer = command.env("PGPORT", self.port.to_string()).env("PGTZ", "UTC").output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if answer.status.success() { Ok(text(&answer.stdout)) } else { Err(text(&answer.stderr)) }
    }

    /// What psql answers, in the database `weather`.
    pub fn ask(&self, sql: &str) -> String {
        self.psql("weather", sql).unwrap()
    }

    pub fn create(&self) {
        self.psql("postgres", "CREATE DATABASE weather").unwrap();
    }

    pub fn url(&self) -> String {
        format!("postgresql://owner@127.0.0.1:{}/weather", self.port)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.kill();
    }
}
