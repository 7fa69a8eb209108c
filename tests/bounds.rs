//! What waits is bounded in bytes and in time, whatever rows and times come.

mod broker;

use std::io::Write;
use std::process::Stdio;

use broker::{Process, rowmill, wait_until};
use rumqttc::{Client, Event, Incoming, MqttOptions, QoS};

/// Sends rows of a megabyte each into a run with these flags; its report.
fn large_rows(rows: usize, flags: &[&str]) -> serde_json::Value {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.toml");
    std::fs::write(&path, "schema = { number = [\"n\"] }\nsource.url = \"-\"\nsink.url = \"null\"\n").unwrap();
    let report = directory.path().join("report");
    let mut run = rowmill(&["run", "--quiet", "--bucket-size", "1000", "--delay", "1h"]);
    run.arg(&path).arg("--report").arg(&report).args(flags).stdin(Stdio::piped()).stderr(Stdio::null());
    let mut run = run.spawn().unwrap();
    let mut stdin = run.stdin.take().unwrap();
    let row = format!("{{\"n\": 1, \"rest\": \"{}\"}}\n", "x".repeat(1 << 20));
    (0..rows).for_each(|_| stdin.write_all(row.as_bytes()).unwrap());
    drop(stdin);
    assert!(run.wait().unwrap().success());
    serde_json::from_slice(&std::fs::read(report.join("report.json")).unwrap()).unwrap()
}

#[test]
#[ignore = "needs a minute"]
fn large_rows_do_not_fill_the_memory() {
    for (processes, flags) in [(1, ["-w", "1"]), (2, ["-n", "2"])] {
        let report = large_rows(400, &flags);
        assert_eq!((report["rows_in"].as_u64(), report["rows_out"].as_u64()), (Some(400), Some(400)));
        let peak = report["peak_memory_bytes"].as_u64().unwrap() >> 20;
        assert!(peak < 300 * processes, "{peak} MiB for 400 MiB of rows, {flags:?}");
    }
}

#[test]
fn times_that_no_clock_can_tell_end_in_a_sentence() {
    let long = "18446744073709551615s";
    for set in ["buffer.delay", "checkpoint.every", "source.connect_timeout", "source.reconnect_timeout"] {
        let set = format!("{set}=\"{long}\"");
        let arguments = ["run", "dataflows/every-option.toml", "--set", &set];
        let output = rowmill(&arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(2), "{set}: {said}");
        assert!(said.contains("at most 1000years"), "{set}: {said}");
    }
    for flag in ["--delay", "--connect-timeout"] {
        let output = rowmill(&["run", "dataflows/weather.toml", "--sink", "null", flag, long]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flag}: {said}");
        assert!(said.contains("at most 1000years") && !said.contains("panicked"), "{flag}: {said}");
    }
}

/// A publish of very many tiny rows: each costs more than its bytes until it is served.
#[test]
#[ignore = "needs a minute"]
fn many_rows_of_one_publish_do_not_fill_the_memory() {
    const ROWS: u64 = 2_000_000;
    let directory = tempfile::tempdir().unwrap();
    let (port, _broker) = broker::embedded();
    let path = directory.path().join("t.toml");
    let text = "schema = { number = [\"n\"] }\n[source]\nurl = \"-\"\nclient_id = \"many\"\n[sink]\nurl = \"null\"\n";
    std::fs::write(&path, text).unwrap();
    let (source, report) = (format!("mqtt://127.0.0.1:{port}/rows"), directory.path().join("report"));
    let mut run = rowmill(&["run", "--bucket-size", "1000", "--source", &source]);
    let run = Process::subscribed(run.arg(&path).arg("--report").arg(&report));
    let mut options = MqttOptions::new("station", "127.0.0.1", port);
    options.set_max_packet_size(32 << 20, 32 << 20);
    let (station, mut connection) = Client::new(options, 4);
    let payload = format!("[{}]", vec!["{\"n\":1}"; ROWS as usize].join(","));
    station.publish("rows", QoS::AtLeastOnce, false, payload).unwrap();
    assert!(connection.iter().any(|event| matches!(event, Ok(Event::Incoming(Incoming::PubAck(_))))));
    // Until it is there, the drain has nothing to serve.
    let threads = format!("/proc/{}/status", run.0.id());
    let resident = || {
        let status = std::fs::read_to_string(&threads).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    wait_until("the publish", || resident() > 64 << 10);
    run.drain();
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(report.join("report.json")).unwrap()).unwrap();
    assert_eq!((report["rows_in"].as_u64(), report["rows_out"].as_u64()), (Some(ROWS), Some(ROWS)));
    let peak = report["peak_memory_bytes"].as_u64().unwrap() >> 20;
    assert!(peak < 220, "{peak} MiB for {} MiB of rows", (ROWS * 8) >> 20);
}
