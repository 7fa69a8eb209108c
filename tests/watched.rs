//! What page, API and Prometheus tell of runs: brokers that are gone, disks that are full, and all of it under load.

mod broker;
mod database;
mod page;

use std::fs::{File, create_dir};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use broker::proxy::Proxy;
use broker::{Process, free_port, rowmill, wait_for_port, wait_until};
use database::Database;
use database::influx::Influx;
use page::{Page, Projects, STEADY, add_user, kill_runs};
use rowmill::measure::{Histogram, RunOutcome, RunStatus};

fn embedded_broker(port: u16) -> Process {
    let listen = format!("127.0.0.1:{port}");
    let process = Process(rowmill(&["broker", "--listen", &listen]).stderr(Stdio::null()).spawn().unwrap());
    wait_for_port(port);
    process
}

fn wait_for_line(page: &Page, line: &str) {
    wait_until(line, || page.get("/metrics").as_str().unwrap().lines().any(|told| told == line));
}

fn start(page: &Page, project: &str) {
    let (status, told) = page.post(&format!("/api/v1/projects/{project}/start"), Value::Null);
    assert_eq!(status, 200, "{told}");
}

/// A broker that is away, comes, goes and comes again, as the API and Prometheus see it.
#[test]
fn a_broker_of_the_source_that_is_gone_shows() {
    let projects = Projects::new();
    let port = free_port();
    let toml = format!(
        "source = {{ url = \"mqtt://127.0.0.1:{port}/rows\", connect_timeout = \"2m\" }}\nschema.number = [\"a\"]\nsink.url = \"null\"\n"
    );
    std::fs::write(projects.path().join("station.toml"), toml).unwrap();
    let page = Page::start(&projects);
    start(&page, "station");
    page.wait_for("station", "connecting");
    let is_connected =
        |value: u8| wait_for_line(&page, &format!("rowmill_source_connected{{project=\"station\"}} {value}"));
    is_connected(0);
    let mut first = embedded_broker(port);
    page.wait_for("station", "running");
    is_connected(1);
    first.kill();
    page.wait_for("station", "disconnected");
    let run = &page.get("/api/v1/projects/station/live")["run"];
    assert!(run["since_ms"].as_u64() >= run["started_ms"].as_u64() && run["since_ms"].is_u64(), "{run}");
    assert_eq!(
        (&page.get("/api/v1/projects")[0]["run"]["state"], &run["sink"]),
        (&json!("disconnected"), &Value::Null)
    );
    is_connected(0);
    let _second = embedded_broker(port);
    page.wait_for("station", "running");
    assert_eq!(page.post("/api/v1/projects/station/stop", Value::Null).0, 200);
    page.wait_for("station", "done");
}

/// The same of a broker that results go to: meanwhile the run's first worker is blocked.
#[test]
fn a_broker_of_a_sink_that_is_gone_shows() {
    let projects = Projects::new();
    let port = free_port();
    let sink = format!("mqtt://127.0.0.1:{port}/out");
    std::fs::write(projects.path().join("steady.toml"), STEADY.replace("null", &sink)).unwrap();
    let page = Page::start(&projects);
    start(&page, "steady");
    let run = || page.get("/api/v1/projects/steady/live")["run"].clone();
    page.wait_for("steady", "connecting");
    assert_eq!(run()["sink"], *sink);
    let is_connected = |value: u8| {
        wait_for_line(&page, &format!("rowmill_sink_connected{{project=\"steady\",sink=\"{sink}\"}} {value}"));
    };
    is_connected(0);
    let mut first = embedded_broker(port);
    page.wait_for("steady", "running");
    is_connected(1);
    wait_until("rows", || page.get("/api/v1/projects/steady/live")["live"]["rows_done"].as_u64() > Some(0));
    first.kill();
    page.wait_for("steady", "disconnected");
    let lost = run();
    assert_eq!(lost["sink"], *sink, "{lost}");
    assert!(lost["since_ms"].as_u64() > lost["started_ms"].as_u64(), "{lost}");
    let listed = page.get("/api/v1/projects")[0]["run"].clone();
    assert_eq!((&listed["state"], &listed["sink"]), (&lost["state"], &lost["sink"]));
    is_connected(0);
    wait_for_line(&page, "rowmill_source_connected{project=\"steady\"} 1");
    // Of a second in which nothing came further, nothing is told.
    wait_until("no rows", || page.get("/api/v1/projects")[0]["figures"]["rows_per_second"] == 0.0);
    let _second = embedded_broker(port);
    page.wait_for("steady", "running");
    is_connected(1);
    assert_eq!(run()["sink"], Value::Null);
}

/// A broker of dead letters counts as well.
#[test]
fn a_broker_of_dead_letters_that_is_gone_shows() {
    let projects = Projects::new();
    let port = free_port();
    let mut broker = embedded_broker(port);
    let toml = format!("{STEADY}[dead_letter]\nurl = \"mqtt://127.0.0.1:{port}/dead\"\n");
    std::fs::write(projects.path().join("steady.toml"), toml).unwrap();
    let page = Page::start(&projects);
    start(&page, "steady");
    page.wait_for("steady", "running");
    wait_for_line(&page, "rowmill_sink_connected{project=\"steady\",sink=\"dead letters\"} 1");
    broker.kill();
    page.wait_for("steady", "disconnected");
    assert_eq!(page.get("/api/v1/projects")[0]["run"]["sink"], "dead letters");
}

/// A server that results go to, as a test starts and kills it.
trait Server {
    fn start(&mut self);
    fn kill(&mut self);
}

impl Server for Database {
    fn start(&mut self) {
        Database::start(self);
    }

    fn kill(&mut self) {
        Database::kill(self);
    }
}

impl Server for Influx {
    fn start(&mut self) {
        Influx::start(self);
    }

    fn kill(&mut self) {
        Influx::kill(self);
    }
}

/// A server of results that is away, comes, goes, comes again and then answers nothing any more, as API, list and
/// Prometheus tell it.
fn a_lost_server_shows(server: &mut impl Server, port: u16, settings: impl Fn(u16) -> String) {
    let proxy = Proxy::start(port);
    let projects = Projects::new();
    let toml = STEADY.replace("sink.url = \"null\"", &settings(proxy.port)).replace("rate=2000", "rate=200");
    std::fs::write(projects.path().join("steady.toml"), toml).unwrap();
    let page = Page::start(&projects);
    start(&page, "steady");
    let run = || page.get("/api/v1/projects/steady/live")["run"].clone();
    let listed = || page.get("/api/v1/projects")[0]["run"].clone();
    let is_connected = |value: u8| {
        wait_for_line(&page, &format!("rowmill_sink_connected{{project=\"steady\",sink=\"store\"}} {value}"))
    };
    page.wait_for("steady", "connecting");
    assert_eq!((&run()["sink"], &listed()["sink"]), (&json!("store"), &json!("store")));
    is_connected(0);
    server.start();
    page.wait_for("steady", "running");
    is_connected(1);
    wait_until("rows", || page.get("/api/v1/projects/steady/live")["live"]["rows_done"].as_u64() > Some(0));
    server.kill();
    page.wait_for("steady", "disconnected");
    let lost = run();
    assert!(lost["sink"] == "store" && lost["since_ms"].as_u64() > lost["started_ms"].as_u64(), "{lost}");
    assert_eq!(listed(), lost);
    is_connected(0);
    wait_for_line(&page, "rowmill_source_connected{project=\"steady\"} 1");
    server.start();
    page.wait_for("steady", "running");
    is_connected(1);
    assert_eq!(run()["sink"], Value::Null);
    // It takes what is sent, and answers nothing.
    proxy.stall(true);
    page.wait_for("steady", "stalled");
    let stalled = run();
    assert!(stalled["sink"] == "store" && stalled["since_ms"].is_u64(), "{stalled}");
    assert_eq!(listed(), stalled);
    wait_for_line(&page, "rowmill_stalled{project=\"steady\"} 1");
    proxy.stall(false);
    page.wait_for("steady", "running");
    wait_for_line(&page, "rowmill_stalled{project=\"steady\"} 0");
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_database_that_is_gone_shows() {
    let mut database = Database::started();
    database.create();
    database.kill();
    let port = database.port;
    a_lost_server_shows(&mut database, port, |port| {
        format!(
            "sink = {{ name = \"store\", url = \"postgresql://owner@127.0.0.1:{port}/weather\", table = \"weather\" }}"
        )
    });
}

#[test]
#[ignore = "needs influxd"]
fn an_influxdb_that_is_gone_shows() {
    let mut influx = Influx::started("");
    influx.create();
    influx.kill();
    let port = influx.port;
    a_lost_server_shows(&mut influx, port, |port| {
        let url = format!("http://127.0.0.1:{port}/write?db=weather");
        format!("sink = {{ name = \"store\", url = \"{url}\", measurement = \"weather\", time = \"dateTime\" }}")
    });
}

/// Rows wait for a reader of the results that takes none.
#[test]
fn rows_that_come_no_further_show() {
    let projects = Projects::new();
    let fifo = projects.path().join("out.ndjson");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut reader = File::options().read(true).write(true).open(&fifo).unwrap();
    std::fs::write(projects.path().join("steady.toml"), STEADY.replace("null", "out.ndjson")).unwrap();
    let page = Page::start(&projects);
    start(&page, "steady");
    page.wait_for("steady", "stalled");
    let run = &page.get("/api/v1/projects")[0]["run"];
    assert!(run["since_ms"].is_u64() && run["sink"] == "out.ndjson", "{run}");
    wait_for_line(&page, "rowmill_stalled{project=\"steady\"} 1");
    std::thread::spawn(move || {
        let mut bytes = vec![0; 1 << 16];
        while reader.read(&mut bytes).is_ok() {}
    });
    page.wait_for("steady", "running");
    wait_for_line(&page, "rowmill_stalled{project=\"steady\"} 0");
}

/// A small disk of its own; it goes with the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, size: &str) -> SmallDisk {
        create_dir(at).unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).status().unwrap();
        assert!(mounted.success(), "a disk can be mounted by root");
        SmallDisk(at.to_owned())
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut file = File::create(self.0.join("filler")).unwrap();
        for length in [1 << 16, 1] {
            while file.write_all(&vec![b'x'; length]).is_ok() {}
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        kill_runs(&self.0);
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
#[ignore = "needs root"]
fn a_full_disk_of_results_or_of_a_checkpoint_is_said() {
    let projects = Projects::new();
    let disk = SmallDisk::mount(&projects.path().join("small"), "1m");
    std::fs::write(projects.path().join("results.toml"), STEADY.replace("null", "small/out.ndjson")).unwrap();
    let letters = "source.url = \"rows.csv\"\nsink.url = \"null\"\ndead_letter.url = \"small/dead.ndjson\"\n";
    std::fs::write(projects.path().join("letters.toml"), letters).unwrap();
    std::fs::write(projects.path().join("rows.csv"), format!("outTemp\n{}", "warm\n".repeat(20_000))).unwrap();
    let page = Page::start(&projects);
    let reason = |project: &str| page.get(&format!("/api/v1/projects/{project}/live"))["run"]["reason"].clone();
    for (project, file) in [("results", "small/out.ndjson"), ("letters", "small/dead.ndjson")] {
        start(&page, project);
        page.wait_for(project, "failed");
        let said = reason(project);
        assert!(said.as_str().is_some_and(|said| said.contains("No space") && said.contains(file)), "{said}");
        std::fs::remove_file(projects.path().join(file)).unwrap();
    }
    // The results have room elsewhere; the checkpoint stands beside the place that a link names.
    let port = free_port();
    let _broker = embedded_broker(port);
    let toml = format!(
        "source = {{ url = \"mqtt://127.0.0.1:{port}/rows\", qos = 1, session = true, client_id = \"w\" }}\nschema.number = [\"a\"]\nsink.url = \"small/linked.ndjson\"\n"
    );
    std::fs::write(projects.path().join("checkpoint.toml"), toml).unwrap();
    std::fs::write(projects.path().join("roomy.ndjson"), "").unwrap();
    std::os::unix::fs::symlink(projects.path().join("roomy.ndjson"), disk.0.join("linked.ndjson")).unwrap();
    disk.fill();
    start(&page, "checkpoint");
    page.wait_for("checkpoint", "failed");
    let said = reason("checkpoint");
    let names = ["No space", "small/linked.ndjson.checkpoint"];
    assert!(names.iter().all(|name| said.as_str().unwrap().contains(name)), "{said}");
    let listed = page.get("/api/v1/projects");
    assert!(listed.as_array().unwrap().iter().any(|project| project["run"]["reason"] == said), "{listed}");
}

/// The disk with the state of the runs: a run goes on, and the page says why it knows nothing new of it.
#[test]
#[ignore = "needs root"]
fn a_full_disk_of_the_page_itself_is_said() {
    let projects = Projects::new();
    let disk = SmallDisk::mount(&projects.path().join(".rowmill"), "4m");
    std::fs::write(projects.path().join("other.toml"), STEADY).unwrap();
    let short = STEADY.replace("100000000", "30000");
    std::fs::write(projects.path().join("short.toml"), short).unwrap();
    let page = Page::start(&projects);
    for project in ["steady", "short"] {
        start(&page, project);
        page.wait_for(project, "running");
    }
    disk.fill();
    let run = |project: &str| page.get(&format!("/api/v1/projects/{project}/live"))["run"].clone();
    wait_until("the reason", || run("steady")["reason"].as_str().unwrap().contains("no space is left"));
    assert_eq!(run("steady")["state"], "running");
    let (status, refused) = page.post("/api/v1/projects/other/start", Value::Null);
    assert!(status == 409 && refused["detail"].as_str().unwrap().contains("No space left"), "{status} {refused}");
    assert!(["idle", "failed"].contains(&&*page.state("other")), "what was refused does not run");
    // All rows are served; the report has no room, and neither has what the run says of that.
    assert_eq!(page.post("/api/v1/projects/steady/stop", Value::Null).0, 200);
    for project in ["short", "steady"] {
        page.wait_for(project, "failed");
        let ended = run(project);
        assert!(ended["reason"].as_str().unwrap().contains("no space is left"), "{ended}");
        assert!(!ended["reason"].as_str().unwrap().contains("101"), "no panic: {ended}");
    }
    std::fs::remove_file(disk.0.join("filler")).unwrap();
    start(&page, "steady");
    page.wait_for("steady", "running");
    assert_eq!(run("steady")["reason"], "");
}

/// Connections that are half open or idle, and streams that are read.
struct Load {
    _waiting: Vec<TcpStream>,
}

impl Load {
    fn of(page: &Page, half: usize, idle: usize, streams: usize) -> Load {
        let connect = || {
            let stream = TcpStream::connect(&page.address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            stream
        };
        let mut waiting: Vec<TcpStream> = (0..half + idle).map(|_| connect()).collect();
        waiting
            .iter_mut()
            .take(half)
            .for_each(|stream| write!(stream, "GET /api/v1/projects HTTP/1.1\r\nhost: loc").unwrap());
        for number in 0..streams {
            let path = if number % 2 == 0 { "/api/v1/events" } else { "/api/v1/projects/steady/events" };
            let mut stream = connect();
            write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
            let mut first = [0; 15];
            stream.read_exact(&mut first).unwrap();
            assert_eq!(&first, b"HTTP/1.1 200 OK");
            let mut reading = stream.try_clone().unwrap();
            std::thread::spawn(move || std::io::copy(&mut reading, &mut std::io::sink()));
            waiting.push(stream);
        }
        Load { _waiting: waiting }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for stream in &self._waiting {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// `bench/page.py` measures the same in a release build: 100 ms. Here it may take longer, and must answer.
#[test]
fn the_list_answers_under_a_load_of_connections_and_streams() {
    const TIMEOUT: Duration = Duration::from_secs(3);
    let projects = Projects::new();
    for number in 0..200 {
        std::fs::write(projects.path().join(format!("p{number:03}.toml")), STEADY).unwrap();
    }
    let page = Page::start(&projects);
    start(&page, "steady");
    page.wait_for("steady", "running");
    assert_eq!(page.get("/api/v1/projects").as_array().unwrap().len(), 201);
    let _load = Load::of(&page, 500, 500, 200);
    let took = |_| {
        let asked = Instant::now();
        assert_eq!(page.get("/api/v1/projects").as_array().unwrap().len(), 201);
        asked.elapsed()
    };
    let mut times: Vec<Duration> = (0..9).map(took).collect();
    times.sort();
    assert!(times[4] < TIMEOUT, "{times:?}");
}

/// A run that has ended long ago, with latencies up to most of a minute.
fn slow_run(projects: &Projects) -> Histogram {
    let state = projects.path().join(".rowmill/slow");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(projects.path().join("slow.toml"), STEADY).unwrap();
    let mut latency = Histogram::default();
    for part in 1..=1000_u64 {
        latency.record(part * 55_000_000, 3);
    }
    let mut status = RunStatus { workers: 1, ..RunStatus::default() };
    status.set_latency(&latency, &latency);
    status.write(&state).unwrap();
    RunOutcome::now(0, String::new()).write(&state).unwrap();
    let started = json!({ "pid": 0, "ticks": 1, "started_ms": 5, "stopping": false });
    std::fs::write(state.join("run.json"), started.to_string()).unwrap();
    latency
}

/// What real Prometheus makes of the metrics: it scrapes them with a token, and every query of the dashboard has a
/// series.
#[test]
#[ignore = "needs prometheus"]
fn real_prometheus_reads_the_metrics_and_answers_the_dashboard() {
    let projects = Projects::new();
    let latency = slow_run(&projects);
    add_user(&projects, "anna", "admin", "rain-and-snow");
    let mut token = rowmill(&["token", "add", "prometheus", "--role", "admin", "--dir"]);
    let token = String::from_utf8(token.arg(projects.path()).output().unwrap().stdout).unwrap().trim().to_owned();
    let broker_port = free_port();
    let _broker = embedded_broker(broker_port);
    let sink = format!("mqtt://127.0.0.1:{broker_port}/out");
    std::fs::write(projects.path().join("steady.toml"), STEADY.replace("null", &sink)).unwrap();
    let page = Page::start(&projects);
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", &*bearer)];
    assert_eq!(page.call("POST", "/api/v1/projects/steady/start", &headers, None).0, 200);
    let metrics = || page.call("GET", "/metrics", &headers, None).1.as_str().unwrap().to_owned();
    wait_until("rows", || {
        let counted = |line: &str| line.starts_with("rowmill_rows_completed_total{project=\"steady\"} ");
        metrics().lines().any(|line| counted(line) && !line.ends_with(" 0"))
    });

    let mut promtool = Command::new("promtool");
    let promtool = promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut promtool = promtool.stderr(Stdio::piped()).spawn().expect("promtool");
    promtool.stdin.take().unwrap().write_all(metrics().as_bytes()).unwrap();
    let checked = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout) + String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success() && said.is_empty(), "{said}");

    let directory = tempfile::tempdir().unwrap();
    let config = format!(
        "global: {{ scrape_interval: 1s }}\nscrape_configs:\n- job_name: rowmill\n  authorization: {{ credentials: {token} }}\n  static_configs: [{{ targets: [\"{}\"] }}]\n",
        page.address
    );
    std::fs::write(directory.path().join("prometheus.yml"), config).unwrap();
    let port = free_port();
    let mut prometheus = Command::new("prometheus");
    prometheus.arg("--config.file=prometheus.yml").arg(format!("--web.listen-address=127.0.0.1:{port}"));
    prometheus.arg("--storage.tsdb.path=data").current_dir(directory.path());
    let _prometheus = Process(prometheus.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("prometheus"));
    wait_for_port(port);
    let query = |query: &str| -> Vec<Value> {
        let url = format!("http://127.0.0.1:{port}/api/v1/query");
        let Ok(mut answer) = ureq::get(url).query("query", query).call() else { return Vec::new() };
        let answer: Value = answer.body_mut().read_json().unwrap();
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        answer["data"]["result"].as_array().unwrap().clone()
    };
    wait_until("a scrape", || query("up{job=\"rowmill\"}").iter().any(|series| series["value"][1] == "1"));

    let dashboard = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/grafana.json")).unwrap();
    let dashboard: Value = serde_json::from_slice(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let queries = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap()).map(|target| {
        let query = target["expr"].as_str().unwrap();
        query.replace("$project", ".*").replace("$__rate_interval", "10s")
    });
    let queries: Vec<String> = queries.collect();
    assert!(queries.len() > 10, "{queries:?}");
    for asked in queries {
        assert!(!asked.contains('$'), "{asked}");
        wait_until(&asked, || !query(&asked).is_empty());
    }
    let quantile = |quantile: f64| -> f64 {
        let asked = format!("histogram_quantile({quantile}, rowmill_row_latency_seconds_bucket{{project=\"slow\"}})");
        query(&asked)[0]["value"][1].as_str().unwrap().parse().unwrap()
    };
    for each in [0.01, 0.1, 0.5, 0.9, 0.99] {
        let (truth, told) = (latency.inner().value_at_quantile(each) as f64 / 1e9, quantile(each));
        assert!((told / truth - 1.0).abs() <= 0.1, "{each}: {told} s of {truth} s");
    }
}
