//! The web application without a browser: its API, its runs, its logins.

mod broker;
mod page;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use broker::{Mosquitto, Process, free_port, rowmill, wait_for_port, wait_until};
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

#[test]
fn a_base_path_stands_before_every_address() {
    let projects = Projects::new();
    add_user(&projects, "anna", "admin", "rain-and-snow");
    let page = Page::start_with(&projects, &["--base-path", "/rowmill/"]);
    assert!(page.address.ends_with("/rowmill"), "{}", page.address);
    let index = page.get("/projects/steady");
    let index = index.as_str().unwrap();
    assert!(index.contains("data-base=\"/rowmill\"") && index.contains("src=\"/rowmill/app.js\""), "{index}");
    assert!(page.get("/app.js").as_str().unwrap().contains("preact"));
    let (status, anna) = page.sign_in("anna", "rain-and-snow");
    assert_eq!(status, 200);
    assert!(anna.cookie.contains("Path=/rowmill/"), "two servers of one host: {}", anna.cookie);
    assert_eq!(page.call("GET", "/api/v1/projects", &anna.headers(), None).0, 200);
    // A proxy may take the path off.
    let bare = page.url("/healthz").replace("/rowmill", "");
    assert_eq!(ureq::get(bare).call().unwrap().body_mut().read_to_string().unwrap(), "ok\n");
    let refused = rowmill(&["serve", "--base-path", "rowmill", "--dir"]).arg(projects.path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("such as /rowmill"));
}

#[test]
fn a_trusted_proxy_names_browser_scheme_and_host() {
    let projects = Projects::new();
    let refused = rowmill(&["serve", "--trusted-proxy", "127.0.0.1", "--dir"]).arg(projects.path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "others can reach it, and nobody has to sign in");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("rowmill user add"));
    // Without being told to trust, a server that needs no login serves no proxy.
    let page = Page::start(&projects);
    let other = [("x-forwarded-for", "203.0.113.7")];
    assert_eq!(page.call("GET", "/api/v1/projects", &other, None).0, 403);
    drop(page);

    add_user(&projects, "anna", "admin", "rain-and-snow");
    let page = Page::start_with(&projects, &["--trusted-proxy", "127.0.0.0/8"]);
    let sign_in = |headers: &[(&str, &str)], password: &str| {
        let given = json!({ "name": "anna", "password": password });
        let mut request = ureq::post(page.url("/api/v1/login")).config().http_status_as_error(false).build();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send_json(given).unwrap();
        let cookie = answer.headers().get("set-cookie").map_or("", |cookie| cookie.to_str().unwrap()).to_owned();
        (answer.status().as_u16(), cookie)
    };
    let from = |address| [("x-forwarded-for", address), ("x-forwarded-proto", "https")];
    let wrong: Vec<u16> = (0..6).map(|_| sign_in(&from("203.0.113.7"), "rain").0).collect();
    assert_eq!(wrong.last(), Some(&429));
    let (status, cookie) = sign_in(&from("203.0.113.8"), "rain-and-snow");
    assert_eq!(status, 200, "another browser behind the same proxy");
    assert!(cookie.contains("; Secure"), "{cookie}");
    let (status, cookie) = sign_in(&[], "rain-and-snow");
    assert!(status == 200 && !cookie.contains("Secure"), "{cookie}");

    let (_, anna) = page.sign_in("anna", "rain-and-snow");
    let [cookie, token] = anna.headers();
    let start = |origin| {
        let headers = [("x-forwarded-host", "w.example"), ("origin", origin), cookie, token];
        page.call("POST", "/api/v1/projects/steady/start", &headers, None).0
    };
    assert_eq!((start("https://evil.example"), start("https://w.example")), (403, 200));
}

#[test]
fn the_page_has_tls_of_its_own() {
    let projects = Projects::new();
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
    let file = |name: &str, text: String| {
        let path = projects.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (certificate, key) = (file("page.pem", cert.pem()), file("page.key", signing_key.serialize_pem()));
    let page = Page::start_with(&projects, &["--certificate", &certificate, "--key", &key]);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = std::sync::Arc::new(client.with_root_certificates(roots).with_no_client_auth());
    let connection = rustls::ClientConnection::new(client, "localhost".try_into().unwrap()).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, TcpStream::connect(&page.address).unwrap());
    write!(stream, "GET /api/v1/projects HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("steady"), "{answer}");

    // Its folder is free again.
    drop(page);
    let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for (certificate, key, why) in [
        (certificate.clone(), file("other.key", other), "page.pem and "),
        (key.clone(), key.clone(), "holds no certificate"),
        (certificate.clone(), certificate.clone(), "holds no private key"),
        (certificate.clone(), "nowhere.key".into(), "nowhere.key"),
    ] {
        let options = ["serve", "--listen", "127.0.0.1:0", "--certificate", &certificate, "--key", &key, "--dir"];
        let refused = rowmill(&options).arg(projects.path()).output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(2) && said.contains(why), "{said}");
    }
}

/// The blocks of the documented configuration in a language.
fn documented(language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/proxy.md");
    let text = std::fs::read_to_string(path).unwrap();
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

/// A proxy with its documented configuration, before a page.
fn proxy(kind: &str, block: &str, page: &Page, directory: &Path, port: u16) -> Process {
    let backend = page.address.split('/').next().unwrap();
    let block = block.replace("127.0.0.1:7878", backend).replace("listen 80", &format!("listen 127.0.0.1:{port}"));
    let block = block.replace("station.example", &format!("http://127.0.0.1:{port}"));
    assert!(block.contains(backend) && block.contains(&port.to_string()), "{block}");
    let configuration = directory.join(format!("{kind}.conf"));
    let mut command = Command::new(kind);
    if kind == "nginx" {
        let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let folders = folders.map(|name| format!("{name}_temp_path {}/{name};", directory.display())).concat();
        let text = format!(
            "user root; daemon off; master_process off; pid {}/pid; error_log stderr; events {{}} http {{ access_log off; {folders} {block} }}",
            directory.display()
        );
        std::fs::write(&configuration, text).unwrap();
        command.arg("-c").arg(&configuration);
    } else {
        std::fs::write(&configuration, format!("{{\n\tadmin off\n}}\n{block}")).unwrap();
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&configuration);
        command.env("XDG_DATA_HOME", directory).env("XDG_CONFIG_HOME", directory);
    }
    let process = Process(command.stderr(Stdio::null()).spawn().unwrap_or_else(|error| panic!("{kind}: {error}")));
    wait_for_port(port);
    process
}

#[test]
#[ignore = "needs nginx and caddy"]
fn behind_nginx_and_caddy_as_documented_all_works() {
    let under_path = ["--base-path", "/rowmill", "--trusted-proxy", "127.0.0.1"];
    for (kind, options) in
        [("nginx", &[] as &[&str]), ("nginx", &under_path[..]), ("caddy", &[] as &[&str]), ("caddy", &under_path[..])]
    {
        let blocks = documented(kind);
        assert_eq!(blocks.len(), 2, "{kind}");
        let projects = Projects::new();
        add_user(&projects, "anna", "admin", "rain-and-snow");
        let server = Page::start_with(&projects, options);
        let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
        let block = &blocks[usize::from(!options.is_empty())];
        let process = proxy(kind, block, &server, directory.path(), port);
        let base = if options.is_empty() { "" } else { "/rowmill" };
        let page = Page { address: format!("127.0.0.1:{port}{base}"), process };
        let origin = format!("http://127.0.0.1:{port}");
        assert!(page.get("/").as_str().unwrap().contains("app.js"));
        assert!(page.get("/vendor/preact.js").as_str().unwrap().len() > 1000);
        let (status, anna) = page.sign_in("anna", "rain-and-snow");
        assert_eq!(status, 200, "{kind} {base}");
        let [cookie, token] = anna.headers();
        let headers = [("origin", origin.as_str()), ("sec-fetch-site", "same-origin"), cookie, token];
        let call = |method: &str, path: &str, body: Option<Value>| page.call(method, path, &headers, body.as_ref());
        let short = STEADY.replace("100000000", "3000");
        assert_eq!(call("PUT", "/api/v1/projects/steady", Some(json!({ "toml": short }))).0, 200, "{kind} {base}");
        let mut stream = Watcher::of(&page, cookie.1);
        stream.read_until("\"state\":\"idle\"");
        assert_eq!(call("POST", "/api/v1/projects/steady/start", None).0, 200);
        stream.read_until("\"state\":\"running\"");
        stream.read_until("\"state\":\"done\"");
        let report = call("GET", "/api/v1/projects/steady/report/report.json", None);
        assert_eq!((report.0, &report.1["rows_in"]), (200, &json!(3000)), "{kind} {base}");
        let service = call("GET", "/api/v1/projects/steady/report/summary.csv", None);
        assert!(service.1.as_str().unwrap().contains("latency-row,3000,"), "{kind} {base}");
    }
}

/// A stream of events, read by hand.
struct Watcher(TcpStream, String);

impl Watcher {
    fn of(page: &Page, cookie: &str) -> Watcher {
        let (host, base) = page.address.split_at(page.address.find('/').unwrap_or(page.address.len()));
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(
            stream,
            "GET {base}/api/v1/events HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncookie: {cookie}\r\n\r\n"
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
        // A signal ends a read that has a timeout.
        let length = loop {
            match self.0.read(&mut part) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                length => break length.expect("something within 30 s"),
            }
        };
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
    for path in ["/api/v1/tables/%ff", "/api/v1/projects/steady/report/%ff", "/api/v1/tables/a?newest=x"] {
        let (status, problem) = page.call("GET", path, &[], None);
        assert!((400..500).contains(&status) && problem["detail"].is_string(), "{path}: {status} {problem}");
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

/// A pipe without a writer, a device without an end, a file that is too long, and one that is no text.
#[test]
fn what_is_no_dataflow_file_says_so_and_holds_nobody_up() {
    let projects = Projects::new();
    let at = |name: &str| projects.path().join(name);
    assert!(Command::new("mkfifo").arg(at("pipe.toml")).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", at("zero.toml")).unwrap();
    std::fs::create_dir(at("folder.toml")).unwrap();
    std::fs::write(at("long.toml"), vec![b'#'; 3 << 20]).unwrap();
    std::fs::write(at("bytes.toml"), b"name = \"\xff\"\n").unwrap();
    let page = Page::start(&projects);
    let listed = page.get("/api/v1/projects");
    let message = |name: &str| {
        let found = listed.as_array().unwrap().iter().find(|project| project["name"] == name);
        found.unwrap_or_else(|| panic!("{name}: {listed}"))["about"]["problem"]["message"].clone()
    };
    for (name, why) in [
        ("pipe", "not a regular file"),
        ("zero", "not a regular file"),
        ("folder", "Is a directory"),
        ("long", "more than"),
        ("bytes", "UTF-8"),
    ] {
        let told = message(name);
        let told = told.as_str().unwrap();
        assert!(told.contains(&format!("{name}.toml cannot be read")) && told.contains(why), "{told}");
        assert_eq!(page.call("GET", &format!("/api/v1/projects/{name}"), &[], None).0, 422, "{name}");
        assert_eq!(page.post(&format!("/api/v1/projects/{name}/start"), Value::Null).0, 422, "{name}");
    }
    assert_eq!(message("steady"), Value::Null);
}

#[test]
fn a_folder_that_is_gone_says_what_to_do() {
    let outside = tempfile::tempdir().unwrap();
    let inside = outside.path().join("projects");
    std::fs::create_dir(&inside).unwrap();
    let mut serve = rowmill(&["serve", "--listen", "127.0.0.1:0", "--dir"]);
    let mut process = Process(serve.arg(&inside).stderr(Stdio::piped()).spawn().unwrap());
    let line = BufReader::new(process.0.stderr.take().unwrap()).lines().next().unwrap().unwrap();
    let page = Page { address: line.split_once("://").unwrap().1.to_owned(), process };
    assert_eq!(page.get("/api/v1/projects"), json!([]));
    std::fs::remove_dir_all(&inside).unwrap();
    let (status, problem) = page.call("GET", "/api/v1/projects", &[], None);
    assert_eq!(status, 503, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("make it again, or start `rowmill serve`"), "{problem}");
}

/// Each kind of sink is checked where the page's own threads run.
#[test]
fn projects_of_every_kind_of_sink_are_listed_and_edited() {
    let projects = Projects::new();
    let page = Page::start(&projects);
    for (name, sink) in [
        ("broker", "{ url = \"mqtts://h/t\" }"),
        ("table", "{ url = \"postgresql://h/db\", table = \"weather\" }"),
        ("points", "{ url = \"https://h:8086/write?db=w\", measurement = \"weather\", time = \"dateTime\" }"),
        ("parquet", "{ url = \"a.parquet\" }"),
    ] {
        let toml = format!("source.url = \"generate:rows=10\"\nsink = {sink}\n");
        let (status, edited) = page.post("/api/v1/edit", json!({ "toml": toml }));
        assert_eq!((status, &edited["problem"]), (200, &Value::Null), "{name}: {edited}");
        assert_eq!(page.post("/api/v1/projects", json!({ "name": name, "toml": toml })).0, 201, "{name}");
    }
    let listed = page.get("/api/v1/projects");
    assert!(listed.as_array().unwrap().iter().all(|project| project["about"]["problem"].is_null()), "{listed}");
    assert_eq!(listed.as_array().unwrap().len(), 5);
}

/// One that asks for all streams leaves some to others.
#[test]
fn a_client_has_its_share_of_the_streams() {
    let projects = Projects::new();
    add_user(&projects, "anna", "admin", "rain-and-snow");
    let page = Page::start_with(&projects, &["--trusted-proxy", "127.0.0.1"]);
    let (_, anna) = page.sign_in("anna", "rain-and-snow");
    let begin = |address: &str| {
        let mut stream = TcpStream::connect(&page.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let cookie = anna.headers()[0].1;
        let head = format!("host: localhost\r\nx-forwarded-for: {address}\r\ncookie: {cookie}\r\n\r\n");
        write!(stream, "GET /api/v1/events HTTP/1.1\r\n{head}").unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        (stream, String::from_utf8(status.to_vec()).unwrap())
    };
    let mut open = Vec::new();
    let refused = (0..1024).find(|_| {
        let (stream, status) = begin("203.0.113.7");
        open.push(stream);
        status == "HTTP/1.1 503"
    });
    assert!(refused.is_some_and(|count| count >= 200), "{refused:?}");
    assert_eq!(begin("203.0.113.8").1, "HTTP/1.1 200");
    drop(open);
    wait_until("streams that are given back", || begin("203.0.113.7").1 == "HTTP/1.1 200");
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
fn a_token_is_for_scripts_until_it_is_removed() {
    let projects = Projects::new();
    add_user(&projects, "anna", "admin", "rain-and-snow");
    let token = |arguments: &[&str]| {
        let mut command = rowmill(&["token"]);
        command.args(arguments).arg("--dir").arg(projects.path()).output().unwrap()
    };
    let added = |name: &str, role: &str| {
        let output = token(&["add", name, "--role", role]);
        assert!(output.status.success(), "{output:?}");
        format!("Bearer {}", String::from_utf8(output.stdout).unwrap().trim())
    };
    let page = Page::start(&projects);
    let (viewer, admin) = (added("prometheus", "viewer"), added("deploy", "admin"));
    assert_eq!(token(&["add", "deploy"]).status.code(), Some(2), "the name is in use");
    assert_eq!(String::from_utf8_lossy(&token(&["list"]).stdout), "deploy admin\nprometheus viewer\n");
    let call = |method: &str, path: &str, token: &str| page.call(method, path, &[("authorization", token)], None).0;
    // As often as a script likes, and without a page's token.
    for _ in 0..20 {
        assert_eq!(call("GET", "/metrics", &viewer), 200);
    }
    assert_eq!(call("POST", "/api/v1/projects/steady/start", &viewer), 403);
    assert_eq!(call("POST", "/api/v1/projects/steady/start", &admin), 200);
    for _ in 0..20 {
        assert_eq!(call("GET", "/metrics", "Bearer rowmill_x"), 401);
    }
    assert_eq!(call("GET", "/metrics", &viewer), 200, "wrong tokens keep nobody out");
    let host = page.address.clone();
    let mut stream = TcpStream::connect(&host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "GET /api/v1/events HTTP/1.1\r\nhost: {host}\r\nauthorization: {viewer}\r\n\r\n").unwrap();
    let mut watcher = Watcher(stream, String::new());
    watcher.read_until("data:");
    assert!(token(&["remove", "prometheus"]).status.success());
    assert_eq!(token(&["remove", "prometheus"]).status.code(), Some(2));
    assert_eq!(call("GET", "/metrics", &viewer), 401);
    // A stream of chunks ends with an empty one.
    watcher.read_until("\r\n0\r\n\r\n");
}

#[test]
fn a_stream_of_a_project_that_is_deleted_ends() {
    let projects = Projects::new();
    let page = Page::start(&projects);
    let mut stream = TcpStream::connect(&page.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let request = "GET /api/v1/projects/steady/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut watcher = Watcher(stream, String::new());
    watcher.read_until("data:");
    assert_eq!(page.call("DELETE", "/api/v1/projects/steady", &[], None).0, 204);
    watcher.read_until("\r\n0\r\n\r\n");
}

#[test]
fn of_two_writers_the_second_learns_of_the_first() {
    let projects = Projects::new();
    let page = Page::start(&projects);
    let path = "/api/v1/projects/steady";
    let tag = |answer: &ureq::http::Response<ureq::Body>| answer.headers()["etag"].to_str().unwrap().to_owned();
    let seen = tag(&ureq::get(page.url(path)).call().unwrap());
    let put = |toml: &str, tag: &str| {
        let body = json!({ "toml": toml });
        page.call("PUT", path, &[("if-match", tag)], Some(&body))
    };
    let (theirs, mine) = (STEADY.replace("= 100\n", "= 200\n"), STEADY.replace("= 100\n", "= 300\n"));
    assert_eq!(put(&theirs, &seen).0, 200);
    let (status, refused) = put(&mine, &seen);
    assert_eq!((status, refused["current"].as_str()), (412, Some(theirs.as_str())), "{refused}");
    assert_eq!(std::fs::read_to_string(projects.path().join("steady.toml")).unwrap(), theirs);
    let now = tag(&ureq::get(page.url(path)).call().unwrap());
    assert_ne!(now, seen);
    assert_eq!(put(&mine, &format!("W/{now}")).0, 200, "a proxy that packs answers makes tags weak");
    // Many at once, all from one version: one is taken.
    let now = tag(&ureq::get(page.url(path)).call().unwrap());
    let results: Vec<u16> = std::thread::scope(|scope| {
        let one = |n: usize| STEADY.replace("= 100\n", &format!("= {}\n", 400 + n));
        let threads: Vec<_> = (0..8)
            .map(|n| {
                scope.spawn({
                    let (now, put) = (&now, &put);
                    move || put(&one(n), now).0
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|status| **status == 200).count(), 1, "{results:?}");
    assert!(results.iter().all(|status| matches!(status, 200 | 412)), "{results:?}");
}

#[test]
fn no_start_replaces_results_unless_it_is_told_to() {
    let projects = Projects::new();
    let toml = "source.url = \"generate:rows=50,seed=1\"\nsink.url = \"out.ndjson\"\n";
    std::fs::write(projects.path().join("files.toml"), toml).unwrap();
    let page = Page::start(&projects);
    let results = || -> Vec<(String, usize)> {
        let names = projects.files(".ndjson").into_iter();
        names.map(|name| (name.clone(), broker::lines(&projects.path().join(name)))).collect()
    };
    let start = |query: &str, state: &str| {
        assert_eq!(page.post(&format!("/api/v1/projects/files/start{query}"), Value::Null).0, 200);
        page.wait_for("files", state);
    };
    start("", "done");
    assert_eq!(results(), [("out.ndjson".to_owned(), 50)]);
    let report = page.get("/api/v1/projects/files/report");
    assert!(report.as_array().is_some_and(|files| !files.is_empty()), "{report}");
    let changed = toml.replace("rows=50", "rows=20");
    std::fs::write(projects.path().join("files.toml"), changed).unwrap();
    start("", "failed");
    assert_eq!(results(), [("out.ndjson".to_owned(), 50)], "the choice that is preset");
    assert_eq!(page.get("/api/v1/projects/files/report"), report, "a start that is refused takes nothing away");
    start("?results=new", "done");
    let both = results();
    assert_eq!((both.len(), both[0].1 + both[1].1), (2, 70), "{both:?}");
    assert!(both.iter().any(|(name, lines)| name.starts_with("out-20") && *lines == 20), "{both:?}");
    start("?results=replace", "done");
    assert_eq!(results().into_iter().find(|(name, _)| name == "out.ndjson").unwrap().1, 20);
    assert_eq!(page.post("/api/v1/projects/files/start?results=all", Value::Null).0, 400);
    // A name that begins as an option does is a name.
    std::fs::write(projects.path().join("files.toml"), toml.replace("out.ndjson", "--out.ndjson")).unwrap();
    start("?results=new", "done");
    assert!(results().iter().any(|(name, lines)| name.starts_with("--out-20") && *lines == 50), "{:?}", results());
    assert_eq!(page.post("/api/v1/projects/steady/start?results=new", Value::Null).0, 422, "null is no file");
    let table = "[[table]]\nname = \"t\"\naggregates = [\"count\"]\nsink.url = \"t.ndjson\"\n";
    std::fs::write(projects.path().join("files.toml"), format!("{toml}{table}")).unwrap();
    let (status, refused) = page.post("/api/v1/projects/files/start?results=new", Value::Null);
    assert_eq!(status, 422, "two runs would share the file of the table");
    assert!(refused["detail"].as_str().unwrap_or_default().contains("the table t"), "{refused}");
}

/// A run with a file of its own goes on in it when it is started again, unless its dataflow file names another place.
#[test]
fn a_restart_goes_on_where_the_run_wrote() {
    let projects = Projects::new();
    let toml = "source.url = \"generate:rows=100000,rate=200,seed=1\"\nsink.url = \"out.ndjson\"\n";
    std::fs::write(projects.path().join("endless.toml"), toml).unwrap();
    let page = Page::start(&projects);
    // What is being written of a file that begins anew ends otherwise.
    let written = || [projects.files(".ndjson"), projects.files(".unfinished")].concat();
    assert_eq!(page.post("/api/v1/projects/endless/start?results=new", Value::Null).0, 200);
    page.wait_for("endless", "running");
    // Without a row, the file would begin anew without a word.
    let has_rows = |name: &String| std::fs::metadata(projects.path().join(name)).is_ok_and(|file| file.len() > 0);
    wait_until("rows", || written().iter().any(has_rows));
    assert_eq!(page.post("/api/v1/projects/endless/restart", Value::Null).0, 200);
    assert!(written().iter().all(|name| name.starts_with("out-20")), "{:?}", written());
    page.wait_for("endless", "failed");
    let reason = page.get("/api/v1/projects/endless/live")["run"]["reason"].clone();
    assert!(reason.as_str().unwrap().contains("out-20"), "a generated run begins anew: {reason}");
    std::fs::write(projects.path().join("endless.toml"), toml.replace("out.", "other.")).unwrap();
    assert_eq!(page.post("/api/v1/projects/endless/restart", Value::Null).0, 200);
    page.wait_for("endless", "running");
    assert!(written().iter().any(|name| name.starts_with("other.")), "{:?}", written());
    assert_eq!(page.post("/api/v1/projects/endless/stop", Value::Null).0, 200);
    page.wait_for("endless", "done");
}

/// A run that is stopped before it waits for signals, one that is stopped twice, and one whose state is taken away.
#[test]
fn a_stop_at_any_time_and_a_state_that_goes_away_are_told_as_what_they_are() {
    let projects = Projects::new();
    let page = Page::start(&projects);
    for _ in 0..3 {
        assert_eq!(page.post("/api/v1/projects/steady/start", Value::Null).0, 200);
        assert_eq!(page.post("/api/v1/projects/steady/stop", Value::Null).0, 200);
        page.wait_for("steady", "done");
    }
    assert_eq!(page.post("/api/v1/projects/steady/start", Value::Null).0, 200);
    page.wait_for("steady", "running");
    let state = projects.path().join(".rowmill/steady");
    std::fs::rename(&state, projects.path().join("gone")).unwrap();
    page.wait_for("steady", "running");
    assert_eq!(page.call("DELETE", "/api/v1/projects/steady", &[], None).0, 409);
    assert_eq!(page.post("/api/v1/projects/steady/start", Value::Null).0, 409);
    assert_eq!(page.post("/api/v1/projects/steady/stop", Value::Null).0, 200);
    page.wait_for("steady", "done");
    // Rows that nobody takes hold the first stop up.
    let (port, broker) = broker::embedded();
    let toml = STEADY.replace("\"null\"", &format!("\"mqtt://127.0.0.1:{port}/t\"\nsink.qos = 1"));
    std::fs::write(projects.path().join("held.toml"), toml).unwrap();
    assert_eq!(page.post("/api/v1/projects/held/start", Value::Null).0, 200);
    page.wait_for("held", "running");
    drop(broker);
    page.wait_for("held", "disconnected");
    assert_eq!(page.post("/api/v1/projects/held/stop", Value::Null).0, 200);
    page.wait_for("held", "stopping");
    assert_eq!(page.post("/api/v1/projects/held/stop", Value::Null).0, 200);
    page.wait_for("held", "failed");
    let reason = page.get("/api/v1/projects/held/live")["run"]["reason"].clone();
    assert!(reason.as_str().unwrap().contains("a second time"), "{reason}");
}

/// What the form shows and what a start refuses: each file has one use, under whatever name.
#[test]
fn one_file_for_two_uses_is_refused_at_its_key() {
    let projects = Projects::new();
    std::fs::write(projects.path().join("rows.ndjson"), "{\"outTemp\": 1}\n").unwrap();
    std::os::unix::fs::symlink("rows.ndjson", projects.path().join("link.ndjson")).unwrap();
    let page = Page::start(&projects);
    let table = |sink: &str| format!("[[table]]\nname = \"t\"\nkey = [\"station\"]\nsink.url = \"{sink}\"\n");
    for (toml, field, both) in [
        ("source.url = \"rows.ndjson\"\nsink.url = \"./rows.ndjson\"\n".to_owned(), "sink.url", "the source"),
        ("source.url = \"rows.ndjson\"\nsink.url = \"link.ndjson\"\n".to_owned(), "sink.url", "the source"),
        (
            "source.url = \"rows.ndjson\"\n[[sink]]\nurl = \"a.csv\"\n[[sink]]\nurl = \"./a.csv\"\n".to_owned(),
            "sink.1.url",
            "the sink (a.csv)",
        ),
        (
            "source.url = \"rows.ndjson\"\nsink.url = \"new.ndjson\"\ndead_letter.url = \"./new.ndjson\"\n".to_owned(),
            "dead_letter.url",
            "the sink",
        ),
        (
            format!("source.url = \"rows.ndjson\"\nsink.url = \"a.csv\"\n{}", table("./a.csv")),
            "table.0.sink.url",
            "the sink",
        ),
    ] {
        let (status, edited) = page.post("/api/v1/edit", json!({ "toml": toml }));
        let problem = &edited["problem"];
        assert_eq!((status, problem["field"].as_str()), (200, Some(field)), "{toml}{edited}");
        let message = problem["message"].as_str().unwrap();
        assert!(message.contains("are the same file") && message.contains(both), "{message}");
        assert_eq!(page.post("/api/v1/projects", json!({ "name": "new", "toml": toml })).0, 422, "{toml}");
        assert_eq!(page.call("PUT", "/api/v1/projects/steady", &[], Some(&json!({ "toml": toml }))).0, 422, "{toml}");
        std::fs::write(projects.path().join("steady.toml"), &toml).unwrap();
        let (status, refused) = page.post("/api/v1/projects/steady/start", Value::Null);
        assert_eq!((status, refused["problem"]["field"].as_str()), (422, Some(field)), "{refused}");
    }
    assert_eq!(broker::lines(&projects.path().join("rows.ndjson")), 1);
}

#[test]
fn one_of_many_starts_starts_one_folder_has_one_server_and_a_copy_its_own_files() {
    let projects = Projects::new();
    let page = Page::start(&projects);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let start = || page.post("/api/v1/projects/steady/start", Value::Null).0;
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 409)), "{statuses:?}");

    let second = rowmill(&["serve", "--listen", "127.0.0.1:0", "--dir"]).arg(projects.path()).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    let first = format!("process {} ", page.process.0.id());
    assert!(second.status.code() == Some(2) && said.contains(&first), "{said}");

    let toml = "name = \"a\"\nsource = { url = \"mqtt://h/t\", client_id = \"a\" }\nsink.url = \"a.csv\"\n";
    assert_eq!(page.post("/api/v1/projects", json!({ "name": "a", "toml": toml })).0, 201);
    let (status, made) = page.post("/api/v1/projects/a/duplicate", json!({ "name": "b" }));
    let about = &made["about"];
    let told = (about["title"].as_str(), about["client_id"].as_str(), about["sink"].as_str());
    assert_eq!((status, told), (201, (Some("b"), Some("a-b"), Some("a-b.csv"))), "{made}");
}

#[test]
fn what_was_done_stands_in_the_audit_log() {
    let projects = Projects::new();
    add_user(&projects, "anna", "admin", "rain-and-snow");
    add_user(&projects, "vera", "viewer", "snowfall");
    let page = Page::start(&projects);
    assert_eq!(page.sign_in("anna", "wrong-password").0, 401);
    let (_, anna) = page.sign_in("anna", "rain-and-snow");
    let (_, vera) = page.sign_in("vera", "snowfall");
    let call = |who: &page::Session, method: &str, path: &str, body: Option<Value>| {
        page.call(method, path, &who.headers(), body.as_ref()).0
    };
    assert_eq!(call(&anna, "POST", "/api/v1/projects", Some(json!({ "name": "new" }))), 201);
    assert_eq!(call(&anna, "PUT", "/api/v1/projects/steady", Some(json!({ "toml": STEADY }))), 200);
    assert_eq!(call(&vera, "POST", "/api/v1/projects/steady/start", None), 403);
    assert_eq!(call(&anna, "POST", "/api/v1/projects/steady/start", None), 200);
    assert_eq!(call(&anna, "GET", "/api/v1/projects", None), 200);
    // As the server reads it: st%65ady is steady.
    assert_eq!(call(&anna, "POST", "/api/v1/projects/st%65ady/stop", None), 200);
    assert_eq!(call(&anna, "POST", "/api/v1/projects/steady/duplicate", Some(json!({ "name": "twin" }))), 201);
    assert_eq!(call(&anna, "POST", "/api/v1/preview", Some(json!({ "toml": STEADY }))), 200);
    let nobody = format!("mqtt://anna:rain@127.0.0.1:{}/t", free_port());
    let tried = json!({ "toml": STEADY.replace("generate:rows=100000000,seed=1,rate=2000", &nobody) });
    assert_eq!(call(&anna, "POST", "/api/v1/connect", Some(tried)), 422);
    assert_eq!(call(&anna, "POST", "/api/v1/logout", None), 204);
    // anna:rain
    assert_eq!(page.call("GET", "/metrics", &[("authorization", "Basic YW5uYTpyYWlu")], None).0, 401);
    let path = projects.path().join(".rowmill/audit.ndjson");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(path).unwrap();
    assert!(!text.contains("rain") && !text.contains("snowfall") && !text.contains("wrong-password"), "{text}");
    let entries: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = |entry: &Value| json!([entry["who"], entry["action"], entry["project"], entry["status"]]);
    let expected = [
        json!(["anna", "sign-in", null, 401]),
        json!(["anna", "sign-in", null, 200]),
        json!(["vera", "sign-in", null, 200]),
        json!(["anna", "create", "new", 201]),
        json!(["anna", "edit", "steady", 200]),
        json!(["vera", "start", "steady", 403]),
        json!(["anna", "start", "steady", 200]),
        json!(["anna", "stop", "steady", 200]),
        json!(["anna", "duplicate", "steady", 201]),
        json!(["anna", "preview", null, 200]),
        json!(["anna", "connect", null, 422]),
        json!(["anna", "sign-out", null, 204]),
        json!([null, "sign-in", null, 401]),
    ];
    assert_eq!(entries.iter().map(told).collect::<Vec<_>>(), expected);
    assert_eq!(
        (&entries[8]["copy"], &entries[9]["source"]),
        (&json!("twin"), &json!("generate:rows=100000000,seed=1,rate=2000"))
    );
    let tried = entries[10]["source"].as_str().unwrap();
    assert!(tried.starts_with("mqtt://") && tried.ends_with("/t"), "{tried}");
    assert!(entries.iter().all(|entry| entry["from"] == "127.0.0.1" && entry["at"].as_str().unwrap().ends_with('Z')));
}

#[test]
fn other_machines_need_a_login() {
    let projects = Projects::new();
    let output = rowmill(&["serve", "--listen", "0.0.0.0:0", "--dir"]).arg(projects.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("rowmill user add"));
    let output = rowmill(&["serve", "--dir", "no-such-folder"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no folder no-such-folder: make it, or name another one with --dir"), "{said}");
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
fn the_figures_of_a_run_stay_when_it_has_ended() {
    let projects = Projects::new();
    let short = STEADY.replace("100000000", "2000");
    std::fs::write(projects.path().join("steady.toml"), short).unwrap();
    let page = Page::start(&projects);
    let metrics = || page.get("/metrics").as_str().unwrap().to_owned();
    let version = format!("rowmill_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    let own = ["process_cpu_seconds_total ", "process_resident_memory_bytes ", "process_open_fds ", &version];
    let text = metrics();
    assert!(own.iter().all(|line| text.contains(line)), "{text}");
    assert!(!text.contains("rowmill_rows_completed_total"), "it has not begun");
    assert_eq!(page.post("/api/v1/projects/steady/start", Value::Null).0, 200);
    let is_counted = |text: &str| text.contains("rowmill_rows_completed_total{project=\"steady\"}");
    wait_until("the end", || {
        let (alive, text) = (page.state("steady") != "done", metrics());
        assert!(is_counted(&text), "a series has a gap: {text}");
        !alive
    });
    let text = metrics();
    for line in [
        "rowmill_project_up{project=\"steady\"} 0",
        "rowmill_rows_completed_total{project=\"steady\"} 2000",
        "rowmill_row_latency_seconds_count{project=\"steady\"} 2000",
        "rowmill_rows_per_second{project=\"steady\"} 0",
        "rowmill_workers{project=\"steady\"} 0",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn the_description_of_the_api_has_what_each_operation_needs() {
    let projects = Projects::new();
    let document = Page::start(&projects).get("/api/v1/openapi.json");
    let (mut ids, mut count) = (std::collections::BTreeSet::new(), 0);
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{method} {path}");
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert!(!response["description"].as_str().unwrap().is_empty(), "{method} {path} {status}");
                count += 1;
            }
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            for parameter in parameters.filter(|parameter| parameter["in"] == "path") {
                let name = parameter["name"].as_str().unwrap();
                assert!(path.contains(&format!("{{{name}}}")), "{method} {path}: {name}");
            }
        }
    }
    assert!(count > 60, "{count}");
}

#[test]
#[ignore = "needs openapi-spec-validator"]
fn the_description_of_the_api_is_valid() {
    let python = std::env::var("ROWMILL_PYTHON").expect("ROWMILL_PYTHON names the pinned Python; see .ci/run");
    let projects = Projects::new();
    let page = Page::start_with(&projects, &["--base-path", "/rowmill"]);
    let path = projects.path().join("openapi.json");
    std::fs::write(&path, page.get("/api/v1/openapi.json").to_string()).unwrap();
    let checked = Command::new(python).args(["-m", "openapi_spec_validator"]).arg(path).output().unwrap();
    assert!(
        checked.status.success(),
        "{}{}",
        String::from_utf8_lossy(&checked.stdout),
        String::from_utf8_lossy(&checked.stderr)
    );
}

/// A preview is of the source that is named, of the first if none is.
#[test]
fn a_preview_shows_the_rows_of_the_source_that_is_named() {
    let projects = Projects::new();
    let write = |name: &str, text: &str| std::fs::write(projects.path().join(name), text).unwrap();
    write("roof.csv", "x\n1\n2\n");
    write("cellar.csv", "y\n-5\n7\n9\n");
    let page = Page::start(&projects);
    let source = |name: &str, column: &str| {
        format!("[[source]]\nname = \"{name}\"\nurl = \"{name}.csv\"\nschema = {{ number = [\"{column}\"] }}\n")
    };
    let toml = source("roof", "x")
        + &source("cellar", "y")
        + "[[subtask]]\nuse = \"rename\"\ninput = \"cellar\"\ncolumns = { y = \"x\" }\n[[subtask]]\nuse = \"clip\"\n\
           lower = 0.0\n[sink]\nurl = \"null\"\n";
    let preview = |more: Value| {
        let mut asked = json!({ "toml": toml });
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        page.post("/api/v1/preview", asked)
    };
    for more in [json!({}), json!({ "source": "roof" })] {
        let (status, shown) = preview(more);
        let steps: Vec<&str> =
            shown["steps"].as_array().unwrap().iter().map(|step| step["label"].as_str().unwrap()).collect();
        assert_eq!((status, &steps[..]), (200, &["prepare", "clip"][..]), "{shown}");
        assert_eq!(shown["steps"][1]["after"]["rows"], json!([[1.0], [2.0]]));
    }
    let (status, shown) = preview(json!({ "source": "cellar" }));
    assert_eq!((status, &shown["rows_from"]), (200, &json!("source")), "{shown}");
    assert_eq!(shown["steps"][0]["after"]["columns"], json!(["y"]));
    assert_eq!(shown["steps"][2]["after"]["rows"], json!([[0.0], [7.0], [9.0]]));
    let (status, refused) = preview(json!({ "source": "celar" }));
    assert_eq!(status, 422);
    assert!(refused.to_string().contains("did you mean `cellar`?"), "{refused}");
}

/// A preview beside a group of readers: every row that is published goes to a reader of the group.
#[test]
#[ignore = "needs mosquitto"]
fn a_preview_takes_no_row_from_a_group() {
    use rumqttc::{Client, Event, Incoming, MqttOptions, QoS};
    let directory = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(&directory, "allow_anonymous true\n");
    let mut options = MqttOptions::new("member", "127.0.0.1", broker.port);
    options.set_inflight(20);
    let (client, mut connection) = Client::new(options, 64);
    client.subscribe("$share/group/rows", QoS::AtLeastOnce).unwrap();
    let subscribed = |event| matches!(event, Ok(Event::Incoming(Incoming::SubAck(_))));
    assert!(connection.iter().any(subscribed), "no answer to the subscription");
    let taken = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = taken.clone();
    std::thread::spawn(move || {
        let rows =
            connection.iter().map_while(Result::ok).filter(|e| matches!(e, Event::Incoming(Incoming::Publish(_))));
        rows.for_each(|_| _ = counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst));
    });
    let projects = Projects::new();
    let page = Page::start(&projects);
    for (topic, connections) in [("$share/group/rows", 1), ("rows", 3), ("$share/group/rows", 2)] {
        let toml = format!(
            "source = {{ url = \"mqtt://127.0.0.1:{}/{topic}\", connections = {connections}, client_id = \"group\" }}\n\
             schema.number = [\"a\"]\nsink.url = \"null\"\n",
            broker.port
        );
        let before = taken.load(std::sync::atomic::Ordering::SeqCst);
        let (done, is_done) = std::sync::mpsc::channel();
        let published = std::thread::scope(|scope| {
            let client = &client;
            let publisher = scope.spawn(move || {
                let mut published = 0;
                while is_done.recv_timeout(Duration::from_millis(20)).is_err() {
                    client.publish("rows", QoS::AtLeastOnce, false, "{\"a\": 1}").unwrap();
                    published += 1;
                }
                published
            });
            let (status, preview) = page.post("/api/v1/preview", json!({ "toml": toml }));
            assert_eq!((status, preview["rows_from"].as_str()), (200, Some("source")), "{preview}");
            done.send(()).unwrap();
            publisher.join().unwrap()
        });
        wait_until("every row at the group", || taken.load(std::sync::atomic::Ordering::SeqCst) - before == published);
    }
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
