//! The web application without a browser: its API, its runs, its logins.

mod broker;
mod page;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use broker::{Process, rowmill, wait_until};
use page::{HOURLY, Page, Projects, STEADY, add_user};

#[test]
fn a_project_is_made_run_watched_and_removed() {
    let projects = Projects::new();
    let page = Page::start(&projects);
    let (status, made) =
        page.post("/api/v1/projects", json!({ "name": "short", "toml": STEADY.replace("100000000", "8000") }));
    assert_eq!((status, made["run"]["state"].as_str()), (201, Some("idle")), "{made}");
    assert_eq!(page.post("/api/v1/projects", json!({ "name": "short" })).0, 409);
    assert_eq!(page.post("/api/v1/projects/short/start", Value::Null).0, 200);
    assert_eq!(page.post("/api/v1/projects/short/start", Value::Null).0, 409, "it runs already");
    assert_eq!(page.call("DELETE", "/api/v1/projects/short", &[], None).0, 409, "it runs");
    page.wait_for("short", "running");
    wait_until("the planner's advice", || {
        let told = page.get("/api/v1/projects/short/live");
        told["live"]["rows_in"].as_u64() > Some(0)
            && told["advice"]["outlook"][0]["rho"].as_f64().is_some_and(|rho| rho < 1.0)
    });
    page.wait_for("short", "done");
    let told = page.get("/api/v1/projects/short/live");
    assert_eq!(told["live"]["rows_done"], 8000);
    let files = page.get("/api/v1/projects/short/report");
    assert!(files.as_array().unwrap().contains(&json!("service-subtask.hlog")), "{files}");
    assert_eq!(page.get("/api/v1/projects/short/report/report.json")["rows_in"], 8000);
    assert!(page.get("/api/v1/projects/short/report/summary.csv").as_str().unwrap().contains("latency-row,8000,"));
    assert!(page.get("/api/v1/projects/short/log").as_str().unwrap().contains("rows in 8000"));

    assert_eq!(page.post("/api/v1/projects/short/duplicate", json!({ "name": "copy" })).0, 201);
    assert_eq!(page.call("DELETE", "/api/v1/projects/short", &[], None).0, 204);
    let names: Vec<Value> =
        page.get("/api/v1/projects").as_array().unwrap().iter().map(|project| project["name"].clone()).collect();
    assert_eq!(names, ["copy", "steady"]);
}

#[test]
fn a_file_that_was_changed_by_hand_shows_up() {
    let projects = Projects::new();
    let page = Page::start(&projects);
    let mut events = BufReader::new(TcpStream::connect(&page.address).unwrap());
    write!(events.get_mut(), "GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut event = || {
        let lines = events.by_ref().lines().map_while(Result::ok);
        let data = lines.filter_map(|line| line.strip_prefix("data: ").map(str::to_owned)).next().unwrap();
        serde_json::from_str::<Value>(&data).unwrap()
    };
    assert_eq!(event()[0]["about"]["bucket_size"], 100);
    std::fs::write(projects.path().join("steady.toml"), STEADY.replace("= 100\n", "= 250\n")).unwrap();
    assert_eq!(event()[0]["about"]["bucket_size"], 250);
    std::fs::write(projects.path().join("steady.toml"), STEADY.replace("bucket_size", "bucket_sise")).unwrap();
    let problem = &event()[0]["about"]["problem"];
    assert_eq!((problem["line"].as_u64(), problem["help"].as_str()), (Some(2), Some("did you mean `bucket_size`?")));
}

#[test]
fn killing_the_page_loses_no_run_and_killing_a_run_shows_why() {
    let projects = Projects::new();
    let mut page = Page::start(&projects);
    assert_eq!(page.post("/api/v1/projects/steady/start", Value::Null).0, 200);
    page.wait_for("steady", "running");
    let pid = page.get("/api/v1/projects/steady/live")["run"]["pid"].as_u64().unwrap();
    page.process.kill();

    let page = Page::start(&projects);
    let told = page.get("/api/v1/projects/steady/live");
    assert_eq!((told["run"]["state"].as_str(), told["run"]["pid"].as_u64()), (Some("running"), Some(pid)));
    let before = told["live"]["rows_done"].as_u64();
    wait_until("more rows", || page.get("/api/v1/projects/steady/live")["live"]["rows_done"].as_u64() > before);

    // It is no child of this page.
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
    page.wait_for("steady", "failed");
    let reason = page.get("/api/v1/projects/steady/live")["run"]["reason"].clone();
    assert!(reason.as_str().unwrap().contains("killed"), "{reason}");

    assert_eq!(page.post("/api/v1/projects/steady/restart", Value::Null).0, 200);
    page.wait_for("steady", "running");
    let pid = page.get("/api/v1/projects/steady/live")["run"]["pid"].as_u64().unwrap();
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
    page.wait_for("steady", "failed");
    assert_eq!(page.get("/api/v1/projects/steady/live")["run"]["reason"], "its process was ended by signal 9");
}

#[test]
fn a_run_that_fails_and_a_run_that_is_stopped_say_so() {
    let projects = Projects::new();
    let port = broker::free_port();
    let lost =
        format!("source.url = \"mqtt://127.0.0.1:{port}/t\"\nsource.connect_timeout = \"1s\"\nsink.url = \"null\"");
    std::fs::write(projects.path().join("lost.toml"), lost).unwrap();
    let page = Page::start(&projects);
    assert_eq!(page.post("/api/v1/projects/lost/start", Value::Null).0, 200);
    page.wait_for("lost", "failed");
    let reason = page.get("/api/v1/projects/lost/live")["run"]["reason"].clone();
    assert!(reason.as_str().unwrap().contains(&port.to_string()), "{reason}");

    assert_eq!(page.post("/api/v1/projects/steady/stop", Value::Null).0, 409, "it does not run");
    assert_eq!(page.post("/api/v1/projects/steady/start", Value::Null).0, 200);
    page.wait_for("steady", "running");
    assert_eq!(page.post("/api/v1/projects/steady/stop", Value::Null).0, 200);
    page.wait_for("steady", "done");
}

#[test]
fn workers_and_processes_are_those_of_the_file() {
    let projects = Projects::new();
    let toml = format!("workers = 2\nprocesses = 2\n{STEADY}");
    std::fs::write(projects.path().join("steady.toml"), toml).unwrap();
    let page = Page::start(&projects);
    assert_eq!(page.post("/api/v1/projects/steady/start", Value::Null).0, 200);
    page.wait_for("steady", "running");
    let live = page.get("/api/v1/projects/steady/live")["live"].clone();
    assert_eq!((live["workers"].as_u64(), live["processes"].as_u64()), (Some(4), Some(2)));
    assert_eq!(page.post("/api/v1/projects/steady/stop", Value::Null).0, 200);
    page.wait_for("steady", "done");
    assert_eq!(page.get("/api/v1/projects/steady/report/report.json")["workers"], 4);
}

#[test]
fn rows_before_and_after_and_dead_letters_are_shown() {
    let projects = Projects::new();
    let rows = "{\"outTemp\": 1}\n{\"outTemp\": 3}\nnonsense\n";
    std::fs::write(projects.path().join("rows.ndjson"), rows.repeat(2000)).unwrap();
    let toml = "source.url = \"rows.ndjson\"\nsink.url = \"null\"\n[[subtask]]\nuse = \"max_abs_scaler\"\n";
    std::fs::write(projects.path().join("file.toml"), toml).unwrap();
    let page = Page::start(&projects);
    assert_eq!(page.post("/api/v1/projects/file/start", Value::Null).0, 200);
    page.wait_for("file", "done");
    let live = page.get("/api/v1/projects/file/live")["live"].clone();
    assert_eq!((live["dead_letters"].as_u64(), live["letters"].as_array().unwrap().len()), (Some(2000), 20));
    assert_eq!(live["letters"][19]["raw"], "nonsense");

    let (status, preview) = page.post("/api/v1/preview", json!({ "toml": toml }));
    assert_eq!((status, preview["rows_from"].as_str()), (200, Some("source")), "{preview}");
    let steps = preview["steps"].as_array().unwrap();
    let place = steps[0]["after"]["columns"].as_array().unwrap().iter().position(|name| name == "outTemp").unwrap();
    let value = |step: usize| steps[step]["after"]["rows"][1][place].as_f64();
    assert_eq!((value(0), value(1)), (Some(3.0), Some(1.0)));
    assert_eq!(preview["rejected"][0]["row"], 2);
}

#[test]
fn edits_keep_comments_and_problems_stand_at_their_fields() {
    let projects = Projects::new();
    let page = Page::start(&projects);
    let toml = "# Ours.\nsource.url = \"mqtt://h/t\" # there\nsink.url = \"null\"\n";
    let edits = json!([{ "op": "set", "key": "source.url", "value": "mqtt://g/t" }, { "op": "insert", "index": 0, "subtask": "clip" },
        { "op": "set", "key": "subtask.0.upper", "value": "x" }]);
    let (status, edited) = page.post("/api/v1/edit", json!({ "toml": toml, "edits": edits }));
    assert_eq!(status, 200, "{edited}");
    let text = edited["toml"].as_str().unwrap();
    assert!(text.starts_with("# Ours.\nsource.url = \"mqtt://g/t\" # there\n"), "{text}");
    assert_eq!(edited["problem"]["field"], "subtask.0.upper");
    let saved = page.call("PUT", "/api/v1/projects/steady", &[], Some(&json!({ "toml": text })));
    assert_eq!((saved.0, saved.1["problem"]["field"].as_str()), (422, Some("subtask.0.upper")));
    let draft = page.call("PUT", "/api/v1/projects/steady", &[], Some(&json!({ "toml": text, "draft": true })));
    assert_eq!(draft.0, 200);
    assert_eq!(page.post("/api/v1/projects/steady/start", Value::Null).0, 422, "it has a problem");
}

#[test]
fn tables_of_running_projects_can_be_asked_for() {
    let projects = Projects::new();
    let page = Page::start(&projects);
    let toml = format!("{STEADY}{HOURLY}");
    let create = |name: &str| {
        assert_eq!(page.post("/api/v1/projects", json!({ "name": name, "toml": toml })).0, 201);
        assert_eq!(page.post(&format!("/api/v1/projects/{name}/start"), Value::Null).0, 200);
    };
    assert_eq!(page.get("/api/v1/tables"), json!([]));
    assert_eq!(page.call("GET", "/api/v1/tables/hourly", &[], None).0, 404);
    create("one");
    wait_until("the table", || page.get("/api/v1/tables") == json!([{ "project": "one", "table": "hourly" }]));
    wait_until("lines", || {
        let csv = page.get("/api/v1/tables/hourly?format=csv&newest=2");
        let lines: Vec<&str> = csv.as_str().unwrap().lines().collect();
        lines.len() == 3
            && lines[0] == "message,row,station,window,rows,outTemp_count,outTemp_mean,outTemp_min,outTemp_max"
            && lines[1].contains(",0,davis,20")
    });
    create("two");
    wait_until("both tables", || page.get("/api/v1/tables").as_array().unwrap().len() == 2);
    let (status, refused) = page.call("GET", "/api/v1/tables/hourly", &[], None);
    assert_eq!((status, refused["detail"].as_str().unwrap().contains("one, two")), (409, true), "{refused}");
    wait_until("a line", || page.get("/api/v1/tables/hourly?project=two&newest=1")["station"] == "davis");
    assert_eq!(page.call("GET", "/api/v1/tables/hourly?format=xml", &[], None).0, 400);
    let out = toml.replace("key =", "reference = { path = \"../s.csv\", key = \"station\" }\nkey =");
    let (status, refused) = page.post("/api/v1/edit", json!({ "toml": out, "edits": [] }));
    let problem = &refused["problem"];
    assert!(problem["message"].as_str().unwrap().contains("leads out of the folder"), "{status} {refused}");
    assert_eq!(problem["field"], "table.0.reference.path");
}

#[test]
fn nothing_outside_of_the_folder_can_be_reached() {
    let projects = Projects::new();
    let page = Page::start(&projects);
    for path in ["..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", ".rowmill", "a.b"] {
        assert_eq!(page.call("GET", &format!("/api/v1/projects/{path}"), &[], None).0, 404, "{path}");
    }
    assert_eq!(page.call("GET", "/api/v1/projects/steady/report/..%2Frun.json", &[], None).0, 404);
    for toml in ["source.url = \"/etc/hosts.csv\"\nsink.url = \"null\"", "source.url = \"-\"\nsink.url = \"../x.csv\""]
    {
        let (status, refused) = page.post("/api/v1/preview", json!({ "toml": toml }));
        assert_eq!(status, 422);
        assert!(refused["detail"].as_str().unwrap().contains("leads out of the folder"), "{refused}");
    }
}

#[test]
fn other_sites_are_kept_out() {
    let projects = Projects::new();
    let page = Page::start(&projects);
    let start = |headers: &[(&str, &str)]| page.call("POST", "/api/v1/projects/steady/start", headers, None).0;
    assert_eq!(start(&[("origin", "http://evil.example")]), 403);
    assert_eq!(start(&[("sec-fetch-site", "cross-site")]), 403);
    assert_eq!(page.call("GET", "/api/v1/projects", &[("host", "evil.example")], None).0, 403);
    let answer = ureq::get(page.url("/")).call().unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
}

/// A proxy that only passes requests on asks for another name than the browser did.
#[test]
fn behind_a_proxy_one_signs_in_and_a_stream_begins_at_once() {
    let projects = Projects::new();
    add_user(&projects, "anna", "admin", "rain-and-snow");
    let page = Page::start(&projects);
    let (_, anna) = page.sign_in("anna", "rain-and-snow");
    let [cookie, token] = anna.headers();
    let proxied = [("origin", "http://station.example"), ("host", "127.0.0.1:7878"), cookie, token];
    assert_eq!(page.call("POST", "/api/v1/projects/steady/start", &proxied, None).0, 200);
    assert_eq!(
        page.call("POST", "/api/v1/projects/steady/stop", &proxied[..3], None).0,
        403,
        "without the page's token"
    );
    let mut stream = Watcher::of(&page, cookie.1);
    let head = stream.read_until("data:");
    assert!(head.contains("x-accel-buffering: no"), "{head}");
}

/// A stream of events, read by hand.
struct Watcher(TcpStream, String);

impl Watcher {
    fn of(page: &Page, cookie: &str) -> Watcher {
        let mut stream = TcpStream::connect(&page.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(
            stream,
            "GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncookie: {cookie}\r\n\r\n"
        )
        .unwrap();
        Watcher(stream, String::new())
    }

    /// What has come, as soon as this is in it; panics if the stream ends before.
    fn read_until(&mut self, text: &str) -> String {
        while !self.1.contains(text) {
            assert!(self.read() > 0, "the stream has ended: {}", self.1);
        }
        self.1.clone()
    }

    fn read(&mut self) -> usize {
        let mut part = [0; 4096];
        let length = self.0.read(&mut part).expect("something within 30 s");
        self.1 += &String::from_utf8_lossy(&part[..length]);
        length
    }
}

#[test]
fn another_password_ends_sessions_and_streams_and_the_first_user_counts_at_once() {
    let projects = Projects::new();
    let page = Page::start(&projects);
    let list = |headers: &[(&str, &str)]| page.call("GET", "/api/v1/projects", headers, None).0;
    let mut stranger = Watcher::of(&page, "");
    stranger.read_until("data:");
    assert_eq!(list(&[]), 200);
    add_user(&projects, "anna", "admin", "rain-and-snow");
    assert_eq!(list(&[]), 401, "nobody gets in without a login from now on");
    while stranger.read() > 0 {}
    let (_, anna) = page.sign_in("anna", "rain-and-snow");
    let mut watcher = Watcher::of(&page, anna.headers()[0].1);
    watcher.read_until("data:");
    add_user(&projects, "anna", "admin", "hail-and-snow");
    assert_eq!(list(&anna.headers()), 401);
    while watcher.read() > 0 {}
    let remove = rowmill(&["user", "remove", "anna", "--dir"]).arg(projects.path()).status().unwrap();
    assert!(remove.success());
    assert_eq!(list(&[]), 401, "the last user's removal opens nothing");
}

#[test]
fn passwords_are_not_short_and_users_are_listed() {
    let projects = Projects::new();
    let mut command = rowmill(&["user", "add", "anna", "--dir"]);
    let mut child = command.arg(projects.path()).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "seven77").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("8 characters"));
    add_user(&projects, "vera", "viewer", "snowfall");
    let listed = rowmill(&["user", "list", "--dir"]).arg(projects.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&listed.stdout), "vera viewer\n");
}

#[test]
fn what_is_not_there_is_refused_as_a_problem() {
    let projects = Projects::new();
    let page = Page::start(&projects);
    for (method, path, status) in
        [("GET", "/api/v1/nothing", 404), ("DELETE", "/api/v1/projects", 405), ("GET", "/api/v1/projects/none", 404)]
    {
        let (told, problem) = page.call(method, path, &[], None);
        assert_eq!((told, &problem["status"]), (status, &json!(status)), "{path}");
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
    }
    let deep = vec!["a"; 5000].join(".");
    let toml = std::fs::read_to_string(projects.path().join("steady.toml")).unwrap();
    for edit in [json!({ "op": "set", "key": deep, "value": 1 }), json!({ "op": "unset", "key": deep })] {
        let (status, refused) = page.post("/api/v1/edit", json!({ "toml": toml, "edits": [edit] }));
        assert!((400..500).contains(&status), "{status} {refused}");
    }
    assert_eq!(page.post("/api/v1/projects", json!({ "name": "--fresh" })).0, 422);
}

#[test]
fn connections_that_only_wait_keep_nobody_out() {
    let projects = Projects::new();
    let page = Page::start(&projects);
    let half = |_| {
        let mut stream = TcpStream::connect(&page.address).unwrap();
        write!(stream, "GET /api/v1/projects HTTP/1.1\r\nhost: loc").unwrap();
        stream
    };
    let open: Vec<TcpStream> = (0..400).map(half).collect();
    assert_eq!(page.call("GET", "/api/v1/projects", &[], None).0, 200);
    drop(open);
}

#[test]
fn a_file_of_the_page_is_sent_once() {
    let projects = Projects::new();
    let page = Page::start(&projects);
    let tag = |path: &str| {
        let answer = ureq::get(page.url(path)).call().unwrap();
        answer.headers()["etag"].to_str().unwrap().to_owned()
    };
    let (script, style) = (tag("/app.js"), tag("/style.css"));
    assert_ne!(script, style);
    assert_eq!(tag("/"), tag("/projects/steady"), "one page");
    let known = |tag: &str| page.call("GET", "/app.js", &[("if-none-match", tag)], None);
    assert_eq!(known(&script), (304, Value::String(String::new())));
    assert_eq!(known(&style).0, 200);
    assert_eq!(known(&format!("{style}, {script}")).0, 304);
}

#[test]
fn a_viewer_looks_and_an_admin_acts() {
    let projects = Projects::new();
    add_user(&projects, "anna", "admin", "rain-and-snow");
    add_user(&projects, "vera", "viewer", "snowfall");
    let page = Page::start(&projects);
    let list = |headers: &[(&str, &str)]| page.call("GET", "/api/v1/projects", headers, None).0;
    let start = |headers: &[(&str, &str)]| page.call("POST", "/api/v1/projects/steady/start", headers, None).0;
    assert_eq!((list(&[]), start(&[])), (401, 401));
    assert_eq!(page.call("GET", "/metrics", &[], None).0, 401);
    let (status, vera) = page.sign_in("vera", "snowfall");
    assert_eq!(status, 200);
    for flag in ["HttpOnly", "SameSite=Strict"] {
        assert!(vera.cookie.contains(flag), "{}", vera.cookie);
    }
    assert_eq!((list(&vera.headers()), start(&vera.headers())), (200, 403));
    let secret = format!("source.password = \"rain\"\n{STEADY}");
    std::fs::write(projects.path().join("steady.toml"), secret).unwrap();
    let seen = page.call("GET", "/api/v1/projects/steady", &vera.headers(), None).1;
    assert!(!seen.to_string().contains("rain"), "{seen}");
    std::fs::write(projects.path().join("steady.toml"), STEADY).unwrap();
    let (_, anna) = page.sign_in("anna", "rain-and-snow");
    assert_eq!(start(&anna.headers()[..1]), 403, "without the page's token");
    assert_eq!(start(&anna.headers()), 200);
    assert_eq!(page.call("POST", "/api/v1/logout", &anna.headers(), None).0, 204);
    assert_eq!(list(&anna.headers()), 401, "signed out");
    // Scripts sign in with every request, as often as they like. vera:snowfall
    for _ in 0..12 {
        assert_eq!(list(&[("authorization", "Basic dmVyYTpzbm93ZmFsbA==")]), 200);
    }
    let remove = rowmill(&["user", "remove", "vera", "--dir"]).arg(projects.path()).output().unwrap();
    assert!(remove.status.success());
    assert_eq!(list(&vera.headers()), 401, "a session ends with its user");
    let wrong: Vec<u16> = (0..6).map(|_| page.sign_in("anna", "snow").0).collect();
    assert!(wrong.contains(&401) && wrong.last() == Some(&429), "{wrong:?}");
}

#[test]
fn other_machines_need_a_login() {
    let projects = Projects::new();
    let output = rowmill(&["serve", "--listen", "0.0.0.0:0", "--dir"]).arg(projects.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("rowmill user add"));
    let output = rowmill(&["serve", "--dir", "no-such-folder"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no-such-folder"));
}

#[test]
fn the_demo_shows_its_run_on_a_page_and_reports_at_the_end() {
    let mut demo = rowmill(&["demo", "--listen", "127.0.0.1:0", "--rate", "500"]);
    let mut demo = Process(demo.stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(demo.0.stderr.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.find(|line| line.starts_with("open http://")).unwrap();
    let address = line.trim_start_matches("open http://").trim_end_matches("/projects/weather").to_owned();
    let pid = demo.0.id();
    let page = Page { address, process: demo };
    wait_until("rows", || page.get("/api/v1/projects/weather/live")["live"]["rows_done"].as_u64() > Some(500));
    assert!(Command::new("kill").args(["-TERM", &pid.to_string()]).status().unwrap().success());
    assert!(lines.any(|line| line.contains("rows in") && line.contains("dead letters 0")));
}

#[test]
fn prometheus_reads_the_figures() {
    let projects = Projects::new();
    let page = Page::start(&projects);
    page.post("/api/v1/projects/steady/start", Value::Null);
    page.wait_for("steady", "running");
    let text = page.get("/metrics");
    let text = text.as_str().unwrap();
    for line in [
        "# TYPE rowmill_rows_completed_total counter",
        "# TYPE rowmill_row_latency_seconds histogram",
        "rowmill_project_up{project=\"steady\"} 1",
        "rowmill_row_latency_seconds_bucket{project=\"steady\",le=\"+Inf\"}",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert_eq!((page.get("/healthz"), page.get("/readyz")), (json!("ok\n"), json!("1 projects\n")));
    assert_eq!(page.get("/api/v1/openapi.json")["info"]["title"], "Rowmill");
}

#[test]
fn a_signal_ends_the_page_though_somebody_watches() {
    let projects = Projects::new();
    let page = Page::start(&projects);
    let mut watcher = TcpStream::connect(&page.address).unwrap();
    write!(watcher, "GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut process = page.process;
    assert!(Command::new("kill").args(["-TERM", &process.0.id().to_string()]).status().unwrap().success());
    assert_eq!(process.code(), Some(0));
}
