//! The page in a real browser: Chromium, driven by chromedriver.

mod broker;
mod page;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::json;

use broker::{Process, embedded, free_port, rowmill, wait_until};
use page::{HOURLY, Page, Projects, STEADY, add_user};

/// A browser, and the driver that ends it.
struct Browser {
    client: Client,
    _driver: Process,
}

impl Browser {
    async fn open(language: &str) -> Browser {
        let port = free_port();
        let mut driver = Command::new("chromedriver");
        let driver = driver.arg(format!("--port={port}")).stdout(Stdio::null()).spawn().expect("chromedriver");
        let driver = Process(driver);
        wait_until("chromedriver", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        let accept = format!("--accept-lang={language}");
        let arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,1200", &accept];
        let capabilities = json!({ "goog:chromeOptions": { "args": arguments } });
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("a browser");
        Browser { client, _driver: driver }
    }

    async fn click(&self, css: &str) {
        self.client.wait().for_element(Locator::Css(css)).await.unwrap().click().await.unwrap();
    }

    async fn press(&self, text: &str) {
        let path = format!("//button[normalize-space()='{text}' or @aria-label='{text}']");
        self.client.wait().for_element(Locator::XPath(&path)).await.unwrap().click().await.unwrap();
    }

    async fn fill(&self, css: &str, text: &str) {
        let field = self.client.wait().for_element(Locator::Css(css)).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    async fn text(&self, css: &str) -> String {
        match self.client.find(Locator::Css(css)).await {
            Ok(element) => element.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    async fn wait_for(&self, css: &str, what: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let text = self.text(css).await;
            if what(&text) {
                return text;
            }
            assert!(Instant::now() < deadline, "{css} shows {text:?}; the page: {}", self.text("main").await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The pixels of the first chart.
    async fn chart(&self) -> String {
        let script = "return document.querySelector('.chart canvas')?.toDataURL() ?? ''";
        self.client.execute(script, Vec::new()).await.unwrap().as_str().unwrap().to_owned()
    }
}

#[tokio::test]
#[ignore = "needs Chromium and chromedriver"]
async fn a_project_is_made_started_watched_and_stopped() {
    let projects = Projects::new();
    let page = Page::start(&projects);
    let (port, _broker) = embedded();
    let browser = Browser::open("en").await;
    browser.client.goto(&page.url("/")).await.unwrap();

    browser.press("New project").await;
    browser.fill("input[name=name]", "station").await;
    browser.press("Create").await;
    browser.client.wait().for_url(&page.url("/projects/station/edit").parse().unwrap()).await.unwrap();

    let nobody = free_port();
    let set_url = async |url: &str| {
        browser.fill("#field-source-url", url).await;
        browser.click("#field-buffer-delay").await;
        let expected = url.to_owned();
        let script = "return document.querySelector('#toml').value";
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let toml = browser.client.execute(script, Vec::new()).await.unwrap();
            if toml.as_str().unwrap().contains(&expected) {
                break;
            }
            assert!(Instant::now() < deadline, "{toml}");
        }
    };
    set_url(&format!("mqtt://127.0.0.1:{nobody}/weather/one")).await;
    browser.press("Test the connection").await;
    browser.wait_for("#problem", |text| text.contains(&nobody.to_string())).await;

    set_url(&format!("mqtt://127.0.0.1:{port}/weather/one")).await;
    browser.press("Test the connection").await;
    browser.wait_for("#note", |text| text.contains("answered")).await;

    // By keyboard: the second subtask goes up.
    let up = browser.client.find(Locator::Css("[aria-label='Move up: standard_scaler']")).await.unwrap();
    up.send_keys("\u{e007}").await.unwrap();
    browser.wait_for(".step:first-child strong", |text| text == "1. standard_scaler").await;
    let add = browser.client.find(Locator::Css("#add")).await.unwrap();
    add.select_by_label("max_abs_scaler").await.unwrap();
    browser.wait_for(".step:nth-child(3) strong", |text| text == "3. max_abs_scaler").await;
    // By drag: the third goes to the front.
    let script = "const [from, to] = ['.step:nth-child(3) .step-head', '.step:first-child'].map((css) => document.querySelector(css));
        const dataTransfer = new DataTransfer();
        const send = (element, type) => element.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
        send(from, 'dragstart');
        requestAnimationFrame(() => requestAnimationFrame(() => { send(to, 'dragover'); send(to, 'drop'); }))";
    browser.client.execute(script, Vec::new()).await.unwrap();
    browser.wait_for(".step:first-child strong", |text| text == "1. max_abs_scaler").await;

    browser.press("Add a table").await;
    browser.fill("#field-table-0-name", "hourly").await;
    browser.fill("#field-table-0-window", "1 hourr").await;
    browser.click("#field-table-0-key").await;
    browser.wait_for("#edit-tables .error", |text| text.contains("duration")).await;
    // The answer to one field comes while the next one is being typed.
    let slow = "const real = window.fetch; window.fetch = (...asked) => new Promise((go) => setTimeout(go, 300)).then(() => real(...asked))";
    browser.client.execute(slow, Vec::new()).await.unwrap();
    browser.fill("#field-table-0-window", "1h").await;
    browser.fill("#field-table-0-key", "station").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    browser.fill("#field-table-0-columns", "outTemp").await;
    browser.click("#field-table-0-key").await;
    browser.wait_for("#problem", str::is_empty).await;

    let schema = browser.client.find(Locator::Css("#field-schema")).await.unwrap();
    schema.select_by_label("columns of its own").await.unwrap();
    browser.fill("#field-schema-number", "outTemp, barometer").await;
    browser.fill("#field-schema-text", "station, dateTime").await;
    browser.click("#field-schema-number").await;
    browser.wait_for("#problem", str::is_empty).await;

    browser.fill("#field-buffer-bucket_size", "-1").await;
    browser.click("#field-buffer-delay").await;
    browser.wait_for("#field-buffer-bucket_size-help", |text| text.contains("between 1 and")).await;
    browser.fill("#field-buffer-bucket_size", "50").await;
    browser.click("#field-buffer-delay").await;
    browser.wait_for("#problem", str::is_empty).await;

    browser.press("Save").await;
    browser.wait_for("#note", |text| text == "Saved.").await;
    let saved = std::fs::read_to_string(projects.path().join("station.toml")).unwrap();
    assert!(saved.contains(&port.to_string()) && saved.contains("bucket_size = 50"), "{saved}");
    assert!(saved.find("max_abs_scaler") < saved.find("standard_scaler"), "{saved}");
    assert!(saved.find("standard_scaler") < saved.find("interpolate"), "{saved}");
    assert!(saved.contains("key = [\"station\"]") && saved.contains("columns = [\"outTemp\"]"), "{saved}");
    assert!(saved.contains("[\"outTemp\", \"barometer\"]") && saved.contains("window = \"1h\""), "{saved}");

    browser.click("#preview").await;
    browser.wait_for("details[open] table.rows", |text| text.contains("outTemp")).await;

    browser.click("h1 a").await;
    browser.press("Start station").await;
    browser.wait_for(".head .state", |text| text.contains("running")).await;
    let topic = format!("mqtt://127.0.0.1:{port}/weather/one");
    let _station = Process(
        rowmill(&["replay", "data/sample.csv", "--to", &topic, "--rate", "100"]).stderr(Stdio::null()).spawn().unwrap(),
    );
    browser.wait_for("#rows-in", |text| text.replace(',', "").parse::<u64>().is_ok_and(|rows| rows >= 100)).await;
    let before = browser.chart().await;
    browser.wait_for("#rows-in", |text| text.replace(',', "").parse::<u64>().is_ok_and(|rows| rows >= 300)).await;
    assert!(!before.is_empty() && before != browser.chart().await, "the chart stands still");
    browser.wait_for("#tables", |text| text.contains("outTemp_mean") && text.contains("davis")).await;
    browser.wait_for("#dataflow .branch", |text| text.contains("hourly")).await;

    browser.press("Stop station").await;
    browser.wait_for(".head .state", |text| text.contains("done")).await;
    browser.wait_for("main", |text| text.contains("report.json")).await;
    browser.client.clone().close().await.unwrap();
}

#[tokio::test]
#[ignore = "needs Chromium and chromedriver"]
async fn a_viewer_signs_in_and_finds_no_buttons() {
    let projects = Projects::new();
    add_user(&projects, "vera", "viewer", "snowfall");
    let page = Page::start(&projects);
    let browser = Browser::open("de").await;
    browser.client.goto(&page.url("/projects/steady")).await.unwrap();
    browser.fill("input[name=name]", "vera").await;
    browser.fill("input[name=password]", "rain").await;
    browser.press("Anmelden").await;
    browser.wait_for("[role=alert]", |text| text.contains("wrong")).await;
    browser.fill("input[name=password]", "snowfall").await;
    browser.press("Anmelden").await;
    browser.wait_for("h1", |text| text == "Projekte" || text == "steady").await;
    browser.client.goto(&page.url("/")).await.unwrap();
    browser.wait_for("main", |text| text.contains("steady") && text.contains("nichts ändern")).await;
    assert!(!browser.text("main").await.contains("Starten"));
    // What the page does not offer is refused as well.
    let script = "const [done] = arguments; fetch('/api/v1/projects/steady/start', { method: 'POST' }).then((a) => done(a.status))";
    let status = browser.client.execute_async(script, Vec::new()).await.unwrap();
    assert_eq!(status, 403);
    browser.client.clone().close().await.unwrap();
}

#[tokio::test]
#[ignore = "needs Chromium, chromedriver and axe-core"]
async fn no_page_keeps_anybody_out() {
    let axe = std::env::var("ROWMILL_AXE").unwrap_or_else(|_| "src/web/page/node_modules/axe-core/axe.min.js".into());
    let axe = std::fs::read_to_string(&axe).unwrap_or_else(|error| panic!("{axe}: {error}; see .ci/run"));
    let projects = Projects::new();
    std::fs::write(projects.path().join("steady.toml"), format!("{STEADY}{HOURLY}")).unwrap();
    let page = Page::start(&projects);
    page.post("/api/v1/projects/steady/start", serde_json::Value::Null);
    page.wait_for("steady", "running");
    let browser = Browser::open("en").await;
    browser.client.goto(&page.url("/projects/steady")).await.unwrap();
    browser.wait_for("#tables", |text| text.contains("outTemp_mean") && text.contains("davis")).await;
    for path in ["/", "/projects/steady", "/projects/steady/edit", "/login"] {
        browser.client.goto(&page.url(path)).await.unwrap();
        browser.wait_for("h1", |text| !text.is_empty()).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        browser.client.execute(&axe, Vec::new()).await.unwrap();
        let script = "const done = arguments[arguments.length - 1]; axe.run().then((found) => done(found.violations
            .filter(({ impact }) => impact === 'serious' || impact === 'critical')
            .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)))";
        let violations = browser.client.execute_async(script, Vec::new()).await.unwrap();
        assert_eq!(violations, json!([]), "{path}");
    }
    browser.client.clone().close().await.unwrap();
}

/// schemathesis, beside the pinned Python.
#[test]
#[ignore = "needs schemathesis"]
fn the_api_is_as_its_document_says() {
    let python = std::env::var("ROWMILL_PYTHON").expect("ROWMILL_PYTHON names the pinned Python; see .ci/run");
    let schemathesis = std::path::Path::new(&python).with_file_name("st");
    let projects = Projects::new();
    let page = Page::start(&projects);
    let output = Command::new(schemathesis)
        .args(["--config-file", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis.toml"), "run"])
        .arg(page.url("/api/v1/openapi.json"))
        .args(["--checks", "all", "--max-examples", "20", "--seed", "11"])
        // Streams never end: tests/api.rs reads them.
        .args(["--exclude-path-regex", "events$"])
        .current_dir(projects.path())
        .output()
        .expect("schemathesis");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
