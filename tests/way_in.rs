//! The way in: `rowmill new` writes dataflow files that read what they were made from, and the page proposes the same.

mod broker;
mod page;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use broker::publish::publish;
use broker::{Process, embedded, lines, rowmill, wait_until};
use page::{Page, Projects};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A topic and a payload.
type Publish = (String, Vec<u8>);

/// Publishes again and again while `f` runs.
fn meanwhile<T>(port: u16, publishes: &[Publish], f: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                publish(port, publishes);
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let _ends = EndsWhenDropped(&done);
        f()
    })
}

/// Ends the publishing of [`meanwhile`], whatever becomes of what it is done for.
struct EndsWhenDropped<'a>(&'a AtomicBool);

impl Drop for EndsWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn texts(publishes: &[(&str, &str)]) -> Vec<Publish> {
    publishes.iter().map(|(topic, payload)| ((*topic).to_owned(), payload.as_bytes().to_vec())).collect()
}

/// The rows of a file without their numbers.
fn rows(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let row = |line: &str| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        ["message", "row"].iter().for_each(|key| drop(row.as_object_mut().unwrap().remove(*key)));
        row
    };
    text.lines().map(row).collect()
}

fn checked(file: &Path) {
    let check = rowmill(&["check"]).arg(file).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
}

/// The file that `new` writes for a source, while `meanwhile` is done again and again.
fn drafted(directory: &TempDir, name: &str, source: &str, rows: usize, meanwhile: impl Fn()) -> (PathBuf, String) {
    let file = directory.path().join(format!("{name}.toml"));
    let mut command = rowmill(&["new", "--wait", "30s", "--rows", &rows.to_string(), "--source", source, "-o"]);
    let mut process = Process(command.arg(&file).stderr(Stdio::piped()).spawn().unwrap());
    let status = loop {
        meanwhile();
        if let Some(status) = process.0.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let mut said = String::new();
    process.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(status.success(), "{source}: {said}");
    checked(&file);
    let text = std::fs::read_to_string(&file).unwrap();
    (file, text)
}

/// What `new` makes of the publishes of a filter, which has these lines; running it over them gives these rows.
fn of_topic(name: &str, filter: &str, publishes: &[Publish], says: &[&str], expected: &[Value]) {
    let directory = tempfile::tempdir().unwrap();
    let (port, _broker) = embedded();
    let source = format!("mqtt://127.0.0.1:{port}/{filter}");
    let (file, text) = drafted(&directory, name, &source, 3 * publishes.len(), || publish(port, publishes));
    for line in says {
        assert!(text.contains(line), "{name}: {line} is not in\n{text}");
    }
    // The rows come again to a broker that has none.
    let (fresh, _fresh_broker) = embedded();
    std::fs::write(&file, text.replace(&format!(":{port}/"), &format!(":{fresh}/"))).unwrap();
    let (out, dead) = (directory.path().join("out.ndjson"), directory.path().join("dead.ndjson"));
    let mut run = rowmill(&["run"]);
    run.arg(&file).args(["--delay", "50ms", "--sink"]).arg(&out).arg("--dead-letter").arg(&dead);
    let run = Process::subscribed(&mut run);
    publish(fresh, publishes);
    wait_until(&format!("{name}: the rows of {text}"), || lines(&out) >= expected.len());
    run.drain();
    let rows = rows(&out);
    assert_eq!(rows.len(), expected.len(), "{name}: {text}");
    for (row, expected) in rows.iter().zip(expected) {
        for (key, value) in expected.as_object().unwrap() {
            let same = match (value.as_f64(), row[key].as_f64()) {
                (Some(one), Some(other)) => one == other,
                _ => *value == row[key],
            };
            assert!(same, "{name}: {key} of {row}, not {value}:\n{text}");
        }
    }
    let letters = std::fs::read_to_string(&dead).unwrap_or_default();
    assert_eq!(letters, "", "{name}: {text}");
}

#[test]
fn values_on_topics_of_their_own_become_wide_rows() {
    let publishes = texts(&[
        ("w/north/temp", "20.5"),
        ("w/north/hum", "50"),
        ("w/north/state", "dry"),
        ("w/south/temp", "-1"),
        ("w/south/hum", "90.0"),
        ("w/south/state", "wet"),
    ]);
    let says = ["topic = \"w/{station}/{column}\"", "collect = \"2s\"", "/w/+/+\""];
    let row = |station: &str, temp: f64, hum: f64, state: &str| json!({"station": station, "temp": temp, "hum": hum, "state": state});
    let expected = [row("north", 20.5, 50.0, "dry"), row("south", -1.0, 90.0, "wet")];
    of_topic("values", "w/#", &publishes, &says, &expected);
    // Of Home Assistant's statestream.
    let states = texts(&[
        ("ha/sensor/temp/state", "21.5"),
        ("ha/sensor/hum/state", "50"),
        ("ha/sensor/temp/state", "unavailable"),
    ]);
    let says = ["topic = \"ha/sensor/{column}/state\"", "missing = [\"unavailable\"]"];
    let expected = [json!({"temp": 21.5, "hum": 50.0}), json!({"temp": null})];
    of_topic("states", "ha/sensor/+/state", &states, &says, &expected);
    // Of a Victron GX: each value stands in an object.
    let volts = texts(&[
        ("N/c06/battery/Dc/Voltage", r#"{"value": 12.62, "max": 14}"#),
        ("N/c06/battery/Dc/Current", r#"{"value": null}"#),
    ]);
    let says = ["topic = \"N/c06/battery/Dc/{column}\"", "value = \"value\""];
    of_topic("victron", "N/c06/battery/Dc/+", &volts, &says, &[json!({"Voltage": 12.62, "Current": null})]);
    // Of ioBroker: beside each value stands its time.
    let states = texts(&[
        ("ad/0/n/temp", r#"{"val": 20.5, "ts": 1709251200000, "ack": true}"#),
        ("ad/0/n/hum", r#"{"val": 50, "ts": 1709251200100, "ack": true}"#),
    ]);
    let says = ["topic = \"ad/0/n/{column}\"", "value = \"val\"", "column = \"ts\"", "unit = \"ms\""];
    of_topic("iobroker", "ad/0/n/+", &states, &says, &[json!({"temp": 20.5, "hum": 50.0, "ts": 1709251200.1})]);
    let alone = texts(&[("w/temp", "20,5")]);
    let says = ["format = \"value\"", "{ name = \"temp\", from = \"value\" }", "decimal = \",\""];
    of_topic("value", "w/temp", &alone, &says, &[json!({"temp": 20.5})]);
}

#[test]
fn nested_payloads_are_rows_or_paths() {
    let live = r#"{"data":{"did":"001D","ts":1531754005,"conditions":[{"lsid":1,"temp":62.7,"hum":48.1},{"lsid":2,"temp_in":78.0,"hum_in":41}]},"error":null}"#;
    let says = ["rows = \"data.conditions\"", "\"data.ts\"", "unit = \"s\"", "topic = \"live/{station}\""];
    let expected = [
        json!({"temp": 62.7, "temp_in": null, "data.did": "001D", "data.ts": 1_531_754_005.0, "station": "roof"}),
        json!({"temp": null, "temp_in": 78.0, "hum_in": 41.0, "data.did": "001D"}),
    ];
    of_topic("live", "live/+", &texts(&[("live/roof", live)]), &says, &expected);
    let uplink = |device: &str, temperature: f64| {
        json!({"end_device_ids": {"device_id": device}, "received_at": "2024-03-01T12:00:00.123Z", "uplink_message": {
            "f_port": 2, "f_cnt": 7, "decoded_payload": {"temperature": temperature, "humidity": 81, "battery": 3.05},
            "rx_metadata": [{"gateway_ids": {"gateway_id": "roof"}, "rssi": -97, "snr": 8.2}]}})
    };
    let publishes = ["a", "b"].map(|device| {
        (
            format!("v3/app@ttn/devices/{device}/up"),
            uplink(device, if device == "a" { 7.3 } else { -0.5 }).to_string().into_bytes(),
        )
    });
    let says = [
        "{ name = \"temperature\", from = \"uplink_message.decoded_payload.temperature\" }",
        "column = \"received_at\"",
        "/devices/{device}/up\"",
    ];
    let row = |device: &str, temperature: f64| {
        json!({"temperature": temperature, "rssi": -97.0, "end_device_ids.device_id": device, "device": device,
            "received_at": "2024-03-01T12:00:00.123Z"})
    };
    of_topic("lorawan", "v3/+/devices/+/up", &publishes, &says, &[row("a", 7.3), row("b", -0.5)]);
    let columns = r#"{"dev":"x","ts":[1700000000,1700000060],"temp":[20.5,21]}"#;
    let says = ["rows = \".\"", "column = \"ts\"\nunit = \"s\""];
    let expected = [json!({"ts": 1_700_000_000.0, "temp": 20.5, "dev": "x"}), json!({"temp": 21.0, "dev": "x"})];
    of_topic("columns", "c/x", &texts(&[("c/x", columns)]), &says, &expected);
    // Of a WeatherFlow Tempest: rows are arrays.
    let tempest = r#"{"serial_number":"ST-1","type":"obs_st","obs":[[1588948614,0.18,22.37],[1588948674,0.2,22.4]]}"#;
    let expected = [json!({"[0]": 1_588_948_614.0, "[2]": 22.37, "serial_number": "ST-1"}), json!({"[2]": 22.4})];
    of_topic("tempest", "t/x", &texts(&[("t/x", tempest)]), &["rows = \"obs\""], &expected);
    let list = [json!({"[0]": 21.5, "[1]": 48.0})];
    of_topic("list", "l/x", &texts(&[("l/x", "[21.5, 48]")]), &["\"[1]\""], &list);
    let pairs = r#"{"esp8266id":"12","sensordatavalues":[{"value_type":"SDS_P1","value":"12.30"},{"value_type":"signal","value":"-71"}]}"#;
    let says = ["{ name = \"SDS_P1\", from = \"sensordatavalues[value_type=SDS_P1].value\" }"];
    of_topic("pairs", "s/x", &texts(&[("s/x", pairs)]), &says, &[json!({"SDS_P1": 12.3, "signal": -71.0})]);
}

#[test]
fn other_formats_are_said() {
    let influx = texts(&[(
        "t/x",
        "w,station=davis temp=54.5,hum=80i 1700000000000000000\nw,station=roof temp=1,hum=2i 1700000001000000000",
    )]);
    let says = ["format = \"influx\"", "column = \"time\"", "unit = \"ns\""];
    let expected =
        [json!({"station": "davis", "temp": 54.5, "time": 1_700_000_000.0}), json!({"station": "roof", "temp": 1.0})];
    of_topic("influx", "t/x", &influx, &says, &expected);
    let form = texts(&[("e/x", "PASSKEY=AB&dateutc=2024-03-01+12:00:00&tempf=54.3&humidity=66")]);
    let says = ["format = \"form\"", "column = \"dateutc\"", "# zone"];
    of_topic(
        "form",
        "e/x",
        &form,
        &says,
        &[json!({"tempf": 54.3, "humidity": 66.0, "dateutc": "2024-03-01T12:00:00"})],
    );
    let senml = texts(&[("s/x", r#"[{"bn":"roof/","bt":1700000000,"n":"temp","v":20.5},{"n":"hum","v":50}]"#)]);
    of_topic(
        "senml",
        "s/x",
        &senml,
        &["format = \"senml\"", "column = \"time\""],
        &[json!({"temp": 20.5, "hum": 50.0})],
    );
    let pack = std::fs::read("tests/formats/pack.senmlc").unwrap();
    let expected = [json!({"temp": 23.5, "label": "Machine Room", "bn": "urn:dev:ow:1:"}), json!({"temp": 23.25})];
    of_topic("senmlc", "s/y", &[("s/y".to_owned(), pack)], &["format = \"senml\""], &expected);
    let csv = texts(&[("c/x", "time;temp;wind\n01.03.2024 12:00;20,5;1\n13.03.2024 12:10;21,5;---")]);
    let says = ["csv = { decimal = \",\", separator = \";\" }", "order = \"day-first\""];
    let expected = [
        json!({"time": "2024-03-01T12:00:00", "temp": 20.5, "wind": 1.0}),
        json!({"time": "2024-03-13T12:10:00", "temp": 21.5, "wind": null}),
    ];
    of_topic("csv", "c/x", &csv, &says, &expected);
    let nameless = texts(&[("n/x", "roof;20.5;dry;50")]);
    let expected = [json!({"column_1": "roof", "column_2": 20.5, "column_3": "dry", "column_4": 50.0})];
    of_topic("nameless", "n/x", &nameless, &["header = false", "use = \"astype\""], &expected);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), Default::default());
    packed.write_all(br#"{"ts": 1700000000123, "temp": 20.5}"#).unwrap();
    let packed = vec![("g/x".to_owned(), packed.finish().unwrap())];
    let says = ["compression = \"gzip\"", "unit = \"ms\""];
    of_topic("packed", "g/x", &packed, &says, &[json!({"temp": 20.5, "ts": 1_700_000_000.123})]);
    let cbor = vec![("b/x".to_owned(), vec![0xa2, 0x61, b't', 0xf9, 0x4d, 0x20, 0x61, b'h', 0x18, 50])];
    of_topic("cbor", "b/x", &cbor, &["format = \"cbor\""], &[json!({"t": 20.5, "h": 50.0})]);
    let msgpack =
        vec![("m/x".to_owned(), vec![0x82, 0xa1, b't', 0xcb, 0x40, 0x34, 0x80, 0, 0, 0, 0, 0, 0xa1, b'h', 0xcc, 200])];
    of_topic("msgpack", "m/x", &msgpack, &["format = \"msgpack\""], &[json!({"t": 20.5, "h": 200.0})]);
}

#[test]
fn sparkplug_is_known_by_its_topics_and_metrics_by_their_births() {
    let text = std::fs::read_to_string("tests/formats/sparkplug.ndjson").unwrap();
    let message = |line: &str| {
        let message: Value = serde_json::from_str(line).unwrap();
        let payload = STANDARD.decode(message["payload"].as_str().unwrap()).unwrap();
        (message["topic"].as_str().unwrap().to_owned(), payload)
    };
    let publishes: Vec<Publish> = text.lines().take(2).map(message).collect();
    let says = ["format = \"sparkplug\"", "\"temp\",  # -5", "column = \"timestamp\"\nunit = \"ms\""];
    let row = json!({"group": "roof", "node": "packed", "temp": -5.0, "timestamp": 1_709_294_400.001});
    of_topic("sparkplug", "spBv1.0/roof/#", &publishes, &says, &[row]);
}

/// Recorded payloads of stations, and files of other kinds: what `new` writes runs over them without a dead letter.
#[test]
fn files_are_read_by_what_is_written_for_them() {
    let directory = tempfile::tempdir().unwrap();
    let own = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let latin = b"Station Hill\n\nDatum;Zeit;Temperatur;Wind\n;;\xb0C;m/s\n30.03.2024;01:30;10,4;1\n31.03.2024;01:40;10,5;defekt\n31.03.2024;01:50;10,6;2\n31.03.2024;02:00;10,6;2\n31.03.2024;02:10;10,6;3\n";
    let array = r#"{"station":"x","hourly":[{"time":"2024-03-01T12:00","t":1.5},{"time":"2024-03-01T13:00","t":2.5}]}"#;
    let american = "Date,Temp\n3/14/24 1:00 PM,50.5\n3/1/24 1:00 PM,49.5\n";
    let cases = [
        ("data/payloads/lorawan.ndjson".into(), 2, vec!["column = \"received_at\""]),
        ("data/payloads/tasmota.ndjson".into(), 4, vec!["\"AM2301.Temperature\"", "column = \"Time\""]),
        ("data/payloads/open-meteo.ndjson".into(), 5, vec!["rows = \"hourly\"", "column = \"time\""]),
        ("data/payloads/sensor-community.ndjson".into(), 2, vec!["[value_type=BME280_temperature].value"]),
        // The last payload has no conditions.
        ("data/payloads/weatherlink-live.ndjson".into(), 5, vec!["rows = \"data.conditions\""]),
        (
            "data/payloads/weewx.ndjson".into(),
            24,
            vec!["\"outTemp\" = \"F\"", "units = true", "column = \"dateTime\"\nunit = \"s\""],
        ),
        (
            "data/payloads/logger.csv".into(),
            7,
            vec!["separator = \";\"", "skip = 3", "from = [\"Datum\", \"Uhrzeit\"]"],
        ),
        ("tests/formats/array.cbor".into(), 5, vec![]),
        ("tests/formats/single.msgpack".into(), 1, vec![]),
        (
            own("latin.csv", latin),
            5,
            vec!["encoding = \"windows-1252\"", "missing = [\"defekt\"]", "from = [\"Datum\", \"Zeit\"]"],
        ),
        (own("hourly.json", array.as_bytes()), 2, vec!["rows = \"hourly\"", "column = \"time\""]),
        (
            own(
                "dwd.csv",
                b"STATIONS_ID;MESS_DATUM;TT_TU;eor\n  433;2024030100;   4.1;eor\n  433;2024030123;-999;eor\n",
            ),
            2,
            vec!["format = \"%Y%m%d%H\"", "text = [\n    \"MESS_DATUM\""],
        ),
        (own("daily.csv", b"date,tavg\n2024-03-01,4.5\n2024-03-02,\n"), 2, vec!["column = \"date\""]),
        (own("american.csv", american.as_bytes()), 2, vec!["order = \"month-first\""]),
        (
            own("unsure.csv", b"Date,Temp\n3/2/24 1:00 PM,50.5\n3/1/24 1:00 PM,49.5\n"),
            2,
            vec!["may have the day or the month first"],
        ),
    ];
    for (source, count, says) in cases {
        let name = Path::new(&source).file_stem().unwrap().to_string_lossy().into_owned();
        let (file, text) = drafted(&directory, &name, &source, 100, || {});
        for line in says {
            assert!(text.contains(line), "{source}: {line} is not in\n{text}");
        }
        let (out, report) = (directory.path().join("out.ndjson"), directory.path().join("report"));
        let mut run = rowmill(&["run", "--quiet", "--fresh", "--dead-letter", "null", "--sink"]);
        let done = run.arg(&out).arg("--report").arg(&report).arg(&file).output().unwrap();
        assert!(done.status.success(), "{source}: {}\n{text}", String::from_utf8_lossy(&done.stderr));
        let report: Value = serde_json::from_slice(&std::fs::read(report.join("report.json")).unwrap()).unwrap();
        assert_eq!(
            (report["rows_in"].as_u64(), report["dead_letters"].as_u64()),
            (Some(count), Some(u64::from(name == "weatherlink-live"))),
            "{source}: {text}"
        );
        let written = rows(&out);
        match &*name {
            "latin" => assert_eq!(
                (&written[1]["Temperatur"], &written[1]["Wind"], &written[1]["dateTime"]),
                (&json!(10.5), &Value::Null, &json!("2024-03-31T01:40:00")),
                "{text}"
            ),
            "hourly" => assert_eq!((&written[1]["t"], &written[1]["station"]), (&json!(2.5), &json!("x")), "{text}"),
            "american" => assert_eq!(
                (&written[1]["Date"], &written[1]["Temp"]),
                (&json!("2024-03-01T13:00:00"), &json!(49.5)),
                "{text}"
            ),
            "dwd" => assert_eq!(written[1]["MESS_DATUM"], "2024-03-01T23:00:00", "{text}"),
            "daily" => assert_eq!(written[0]["date"], "2024-03-01T00:00:00", "{text}"),
            "weewx" => {
                assert!(written.iter().all(|row| row["outTemp"].as_f64().is_some_and(|temp| temp > 40.0)), "{text}")
            }
            "logger" => assert_eq!(written[3]["Lufttemperatur"], 9.5, "{text}"),
            "weatherlink-live" => assert_eq!(written[0]["temp"], 62.7, "{text}"),
            _ => {}
        }
    }
}

/// No value is lost on the way: a run of what `new` writes has each as it stands in the source, with what is told of it.
#[test]
fn no_value_is_lost_by_what_is_written_for_a_file() {
    const LONG: &str = r#"{"dev":1234567890123456789,"eui":"0004E30000010530","ts":1709294400000000001}"#;
    let words = "time,dir\n2024-03-01 12:00,90\n2024-03-01 12:05,VRB\n2024-03-01 12:10,>300\n2024-03-01 12:15,10\n\
                 2024-03-01 12:20,20\n2024-03-01 12:25,30\n2024-03-01 12:30,40\n2024-03-01 12:35,50\n";
    let off = "{\"power\":1,\"relay\":\"on\"}\n{\"power\":2,\"relay\":\"on\"}\n{\"power\":3,\"relay\":\"on\"}\n\
               {\"power\":4,\"relay\":\"on\"}\n{\"power\":\"off\",\"relay\":\"off\"}\n";
    let influx = "weather,station=a temp=1.5,hum=80i 1709294400000000000\n\
                  weather,station=b temp=2.5,hum=81i 1709294460000000000\n";
    let cases = [
        (
            "a.ndjson",
            "{\"id\":\"1001\"}\n{\"id\":\"1002\"}\n{\"id\":\"1003\"}\n{\"id\":\"1004\"}\n{\"id\":\"100a\"}\n",
            "id is a text: its numbers stand beside \"100a\"",
            json!([{"id": "1001"}, {"id": "1002"}, {"id": "1003"}, {"id": "1004"}, {"id": "100a"}]),
        ),
        (
            "b.csv",
            words,
            "dir is a text: its numbers stand beside \"VRB\", \">300\"",
            json!([{"dir": "90"}, {"dir": "VRB"}, {"dir": ">300"}, {"dir": "10"}]),
        ),
        (
            "c.ndjson",
            off,
            "power is a text",
            json!([{"power": "1", "relay": "on"}, {}, {}, {}, {"power": "off", "relay": "off"}]),
        ),
        (
            "d.ndjson",
            "{\"t\":1,\"s\":\"x\"}\n{\"t\":\"unavailable\",\"s\":\"y\"}\n",
            "missing = [\"unavailable\"]",
            json!([{"t": 1.0}, {"t": null, "s": "y"}]),
        ),
        // The word for no value is another text's value.
        (
            "e.ndjson",
            "{\"t\":1,\"s\":\"unknown\"}\n{\"t\":\"unknown\",\"s\":\"y\"}\n",
            "t is a text: unknown",
            json!([{"t": "1", "s": "unknown"}, {"t": "unknown", "s": "y"}]),
        ),
        (
            "f.ndjson",
            LONG,
            "unit = \"ns\"",
            json!([{"dev": "1234567890123456789", "eui": "0004E30000010530",
            "ts": "2024-03-01T12:00:00.000000001Z"}]),
        ),
        (
            "g.ndjson",
            "{\"id\":\"0012\",\"t\":\"12.5\"}\n",
            "id is a text: a number would lose the zeros of 0012",
            json!([{"id": "0012", "t": 12.5}]),
        ),
        (
            "h.csv",
            "plz,n,t\n01067,007,1\n10115,7,2\n",
            "plz is a text",
            json!([{"plz": "01067", "n": 7.0}, {"plz": "10115", "n": 7.0}]),
        ),
        (
            "i.csv",
            "t;p\n1.234,5;1.013\n2.234,5;1.014\n",
            "thousands = \".\"",
            json!([{"t": 1234.5, "p": 1013.0}, {"t": 2234.5, "p": 1014.0}]),
        ),
        ("j.csv", "t;p\n12,5;1.013\n13,5;1.014\n", "p is a text", json!([{"t": 12.5, "p": "1.013"}])),
        (
            "k.csv",
            "t,p\n\"1,234.5\",\"1,013\"\n2,7\n",
            "thousands = \",\"",
            json!([{"t": 1234.5, "p": 1013.0}, {"t": 2.0}]),
        ),
        (
            "l.ndjson",
            "{\"t\":\"12,5\",\"p\":\"1.013,2\"}\n{\"t\":\"13\",\"p\":\"1.014\"}\n",
            "decimal = \",\"",
            json!([{"t": 12.5, "p": 1013.2}, {"t": 13.0, "p": 1014.0}]),
        ),
        ("m.ndjson", "{\"t\":\"12,5\",\"p\":\"13.25\"}\n", "t is a text", json!([{"t": "12,5", "p": 13.25}])),
        ("n.txt", influx, "format = \"influx\"", json!([{"temp": 1.5, "station": "a"}, {"temp": 2.5, "hum": 81.0}])),
        (
            "o.json",
            r#"{"lat":1.5,"hourly":{"time":["2024-03-01T00:00","2024-03-01T01:00"],"t":[1,2]}}"#,
            "rows = \"hourly\"",
            json!([{"t": 1.0, "lat": 1.5}, {"t": 2.0, "lat": 1.5}]),
        ),
    ];
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes, says, expected) in cases {
        // As a user has it: the file is named after its rows, and stands beside them.
        std::fs::write(directory.path().join(name), bytes).unwrap();
        let stem = &name[..1];
        let done = |arguments: &[&str]| {
            let done = rowmill(arguments).current_dir(directory.path()).output().unwrap();
            assert!(done.status.success(), "{name}: {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        };
        let file = format!("{stem}.toml");
        done(&["new", "--source", name, "-o", &file]);
        let text = std::fs::read_to_string(directory.path().join(&file)).unwrap();
        assert!(text.contains(says), "{name}: {says} is not in\n{text}");
        done(&["check", &file]);
        done(&["run", "--quiet", &file]);
        let results = if name.ends_with(".ndjson") { format!("{stem}-out") } else { stem.to_owned() };
        let out = directory.path().join(format!("{results}.ndjson"));
        let dead = directory.path().join(format!("{results}-dead.ndjson"));
        assert_eq!(std::fs::read_to_string(dead).unwrap_or_default(), "", "{name}: {text}");
        let written = rows(&out);
        for (row, expected) in written.iter().zip(expected.as_array().unwrap()) {
            for (key, value) in expected.as_object().unwrap() {
                assert_eq!(&row[key], value, "{name}: {key} of {row}:\n{text}");
            }
        }
        assert!(written.len() >= expected.as_array().unwrap().len(), "{name}: {text}");
    }
}

/// What is written never writes into a file that is there, least of all into its own source, under whatever name.
#[test]
fn results_go_to_a_file_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::create_dir_all(at("else")).unwrap();
    std::fs::write(at("else/rows.ndjson"), "{\"t\":1}\n").unwrap();
    std::os::unix::fs::symlink("else/rows.ndjson", at("weather.ndjson")).unwrap();
    std::os::unix::fs::symlink("nowhere", at("weather-out-dead.ndjson")).unwrap();
    for (source, file, sink) in [
        ("weather.ndjson", "weather.toml", "weather-out-2.ndjson"),
        ("else/rows.ndjson", "else/weather.toml", "weather-out-2.ndjson"),
        ("-", "rows.toml", "rows.ndjson"),
        ("else/rows.ndjson", "else/other.toml", "other.ndjson"),
    ] {
        let rows = std::fs::File::open(at("else/rows.ndjson")).unwrap();
        let mut new = rowmill(&["new", "--source", source, "-o", file]);
        let done = new.current_dir(directory.path()).stdin(rows).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let text = std::fs::read_to_string(at(file)).unwrap();
        assert!(text.contains(&format!("[sink]\nurl = \"{sink}\"")), "{source} {file}: {text}");
        let check = rowmill(&["check", file]).current_dir(directory.path()).output().unwrap();
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    }
}

/// What a file shows is what a run of it makes, and what is not shown is told.
#[test]
fn a_file_is_shown_as_a_run_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let peek = |name: &str, text: &str| {
        std::fs::write(directory.path().join(name), text).unwrap();
        let shown = rowmill(&["peek", name, "--rows", "2"]).current_dir(directory.path()).output().unwrap();
        (String::from_utf8(shown.stdout).unwrap(), String::from_utf8(shown.stderr).unwrap())
    };
    let (shown, told) = peek("a.csv", "t;p\n1.234,5;1.013\n2,5;1.014\n");
    assert!(shown.contains("t = 1234.5, p = \"1.013\"") && told.contains("thousands = \".\""), "{shown}{told}");
    // The third row says what the column is.
    let nested =
        r#"{"s": [{"id": 7, "t": 3, "h": 50, "cells": [{"v": 3.1}]}, {"id": 8, "t": 4, "h": 60, "cells": []}]}"#;
    let (_, told) = peek("c.ndjson", nested);
    assert!(told.contains("s[*].cells is an array: rows = \"s[*].cells\""), "{told}");
    let nested =
        r#"{"s": [{"id": 7, "r": [{"t": 3, "h": 50}, {"t": 4, "h": 51}]}, {"id": 8, "r": [{"t": 5, "h": 52}]}]}"#;
    let (_, told) = peek("d.ndjson", nested);
    assert!(told.contains("rows = \"s[*].r\", with the columns h, t, id\n"), "{told}");
    let (shown, told) = peek("b.csv", "t\n1\n2\nx\n");
    assert!(shown.contains("t = \"1\"") && told.contains("beside \"x\""), "{shown}{told}");
    let (shown, told) =
        peek("c.json", r#"{"lat":1,"hourly":{"time":["2024-03-01T00:00","2024-03-01T01:00"],"t":[1,2]}}"#);
    assert!(shown.contains("lat = 1") && told.contains("rows = \"hourly\", with the columns t, time"), "{shown}{told}");
    let arrays = "{\"st\":\"a\",\"temps\":[{\"v\":1},{\"v\":2}],\"hums\":[{\"h\":5}]}\n\
                  {\"st\":\"b\",\"temps\":[{\"v\":3}],\"hums\":[{\"h\":6},{\"h\":7}]}\n";
    let (_, told) = peek("d.ndjson", arrays);
    assert!(told.contains("the columns hums[0].h, temps[0].v") && told.contains("rows = \"temps\""), "{told}");
    let (_, told) = peek("e.ndjson", "{\"t\":1}\n");
    assert_eq!(told, "");
}

/// Regression: values that came late were told as progress alone, and rows of a generator stood in their place.
#[test]
fn the_page_shows_no_generated_rows_for_values_that_came_late() {
    let projects = Projects::new();
    let page = Page::start(&projects);
    let (port, _broker) = embedded();
    let toml = format!(
        "schema = \"infer\"\n[source]\nurl = \"mqtt://127.0.0.1:{port}/w/+/+\"\ntopic = \"w/{{station}}/{{column}}\"\n\
         collect = \"30s\"\n[sink]\nurl = \"null\"\n"
    );
    let (status, answer) = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_secs(2));
            publish(port, &texts(&[("w/north/temp", "20.5"), ("w/north/hum", "50")]));
        });
        page.post("/api/v1/preview", json!({ "toml": toml }))
    });
    assert!(status == 200 && answer["rows_from"] == "source", "{answer}");
    assert_eq!(answer["steps"][0]["after"]["rows"].as_array().map(Vec::len), Some(1), "{answer}");
}

#[test]
fn payloads_are_shown_beside_the_rows_they_become() {
    let (port, _broker) = embedded();
    let publishes = texts(&[("w/north/temp", "20.5"), ("w/north/hum", "50"), ("w/north/list", "[1]")]);
    let mut peek = rowmill(&["peek", &format!("mqtt://127.0.0.1:{port}/w/#"), "--rows", "3", "--wait", "20s"]);
    peek.args(["--set", "source.topic=\"w/{station}/{column}\"", "--set", "source.collect=\"2s\""]);
    let shown = meanwhile(port, &publishes, || peek.output().unwrap());
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(
        text.contains("temp = 20.5") && text.contains("hum = 50"),
        "{text}{}",
        String::from_utf8_lossy(&shown.stderr)
    );
    assert_eq!(text.matches("station = \"north\"").count(), 1, "{text}");
    assert!(text.contains(": [1]\n    dead letter: "), "{text}");
}

#[test]
fn the_page_proposes_what_new_does() {
    let projects = Projects::new();
    let at = |name: &str| projects.path().join(name);
    let live =
        r#"{"data":{"ts":1531754005,"conditions":[{"lsid":1,"temp":62.7,"hum":48},{"lsid":2,"temp":78.0,"hum":41}]}}"#;
    std::fs::write(at("live.ndjson"), live).unwrap();
    std::fs::write(at("empty.csv"), "").unwrap();
    let page = Page::start(&projects);
    let of =
        |source: &str| format!("# Ours.\nschema = \"davis\"\n[source]\nurl = \"{source}\"\n[sink]\nurl = \"null\"\n");
    let (status, answer) = page.post("/api/v1/propose", json!({ "toml": of("live.ndjson") }));
    assert_eq!(status, 200, "{answer}");
    let text = answer["toml"].as_str().unwrap();
    assert!(text.starts_with("# Ours.") && text.contains("rows = \"data.conditions\""), "{text}");
    assert_eq!((&answer["rows"], &answer["problem"]), (&json!(2), &Value::Null), "{text}");
    assert_eq!(answer["values"]["schema"]["time"], json!({"column": "data.ts", "unit": "s"}), "{text}");
    assert_eq!(answer["values"]["schema"]["number"], json!(["hum", "lsid", "temp", "data.ts"]), "{text}");
    let (status, answer) = page.post("/api/v1/propose", json!({ "toml": of("empty.csv") }));
    assert!(status == 422 && answer["detail"].as_str().unwrap().contains("no row"), "{status} {answer}");
    let (status, answer) = page.post("/api/v1/propose", json!({ "toml": of("../outside.csv") }));
    assert!(status == 422, "{status} {answer}");
    let (port, _broker) = embedded();
    let publishes = texts(&[("w/north/temp", "20.5"), ("w/north/hum", "50"), ("w/south/temp", "19")]);
    let toml = of(&format!("mqtt://127.0.0.1:{port}/w/#"));
    let (status, answer) = meanwhile(port, &publishes, || page.post("/api/v1/propose", json!({ "toml": toml })));
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["values"]["source"]["topic"], "w/{station}/{column}", "{answer}");
    assert_eq!(answer["values"]["source"]["url"], format!("mqtt://127.0.0.1:{port}/w/+/+"), "{answer}");
}

/// Each thing is told once, whichever worker meets it, and counted in the report.
#[test]
fn what_is_told_is_told_once_for_all_workers() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let day = |place: usize| format!("2024-03-{:02}T12:00:00Z", 1 + place / 100);
    let row = |place: usize| match place % 2 {
        0 => json!({"temp": "warm", "out_F": 50, "new": 1, "at": day(place)}),
        _ => json!({"temp": 1, "out_C": 10, "at": "2999-01-01T00:00:00Z"}),
    };
    let rows: String = (0..400).map(|place| format!("{}\n", row(place))).collect();
    std::fs::write(at("rows.ndjson"), rows).unwrap();
    let dataflow = "[schema]\nnumber = [\"temp\", \"out\", \"never\"]\ntext = [\"at\"]\nbad_cell = \"missing\"\n\
        time = { column = \"at\" }\n[source]\nurl = \"rows.ndjson\"\nunits = true\n[buffer]\nbucket_size = 7\n\
        [sink]\nurl = \"null\"\n[[table]]\nname = \"days\"\nkey = []\nwindow = \"1d\"\ncolumns = [\"temp\"]\n\
        max_future = \"10m\"\nretention = \"1d\"\nlate = \"drop\"\naggregates = [\"mean\"]\nsink = { url = \"null\" }\n";
    std::fs::write(at("told.toml"), dataflow).unwrap();
    for workers in ["1", "2"] {
        let mut run = rowmill(&["run", "told.toml", "-w", workers, "--fresh", "--report", "report"]);
        let done = run.current_dir(directory.path()).output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success(), "{said}");
        for once in [
            "\"warm\" is not a number",
            "holds two units",
            "keys without a column: new",
            "no value of never",
            "compare the clocks",
        ] {
            assert_eq!(said.matches(once).count(), 1, "{once}, {workers} workers: {said}");
        }
        let report: Value = serde_json::from_slice(&std::fs::read(at("report/report.json")).unwrap()).unwrap();
        assert_eq!((&report["bad_cells"], &report["dead_letters"]), (&json!(200), &json!(200)), "{report}");
        assert!(said.contains("bad cells 200"), "{said}");
    }
}

/// Lines of a file and of publishes that are no rows are told once; those that may be rows are rows or dead letters.
#[test]
fn lines_of_csv_that_are_no_rows_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let run = |schema: &str, bytes: &[u8]| {
        std::fs::write(at("in.csv"), bytes).unwrap();
        let dataflow = format!(
            "{schema}\n[source]\nurl = \"in.csv\"\n[sink]\nurl = \"out.ndjson\"\n[dead_letter]\nurl = \"dead.ndjson\"\n"
        );
        std::fs::write(at("lines.toml"), dataflow).unwrap();
        let done = rowmill(&["run", "lines.toml", "--fresh"]).current_dir(directory.path()).output().unwrap();
        (done.status.code(), String::from_utf8(done.stderr).unwrap())
    };
    let (infer, known) = ("schema = \"infer\"", "[schema]\nnumber = [\"hum\", \"temp\"]");
    let logger = "Hill\n\ntime,temp\nUTC,\u{b0}C\n12:00,\"20,5\"\ntemp,time\n\"21,5\",12:05\n";
    let (code, said) = run(infer, logger.as_bytes());
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(
        rows(&at("out.ndjson")),
        [json!({"time": "12:00", "temp": 20.5}), json!({"time": "12:05", "temp": 21.5})]
    );
    for once in ["are not read: 1", "names units", "comes again"] {
        assert_eq!(said.matches(once).count(), 1, "{once}: {said}");
    }
    let (_, said) = run(infer, b"t,lux\n1,\"1,002\"\n");
    assert!(said.contains("column lux is text because of \"1,002\" in line 2"), "{said}");
    let (_, said) = run(infer, b"station,zone\nnorth,Asia/Tokyo\n#2,x\n");
    assert_eq!(rows(&at("out.ndjson")).len(), 2, "{said}");
    let spaced = b"#YY  MM WDIR WSPD\n#yr  mo degT m/s\n2024 03  190  5.0\n";
    let (_, said) = run(infer, spaced);
    assert_eq!(rows(&at("out.ndjson")), [json!({"YY": 2024.0, "MM": 3.0, "WDIR": 190.0, "WSPD": 5.0})], "{said}");
    let (_, said) = run(known, b"Temp,Hum\n20.5,50\n");
    assert_eq!(rows(&at("out.ndjson")), [json!({"temp": 20.5, "hum": 50.0})], "{said}");
    let (code, said) = run(known, b"temperature,humidity\n20.5,50\n");
    assert!(code == Some(1) && said.contains("in.csv: line 1") && said.contains("header = false"), "{said}");

    let (port, _broker) = embedded();
    let publishes = texts(&[
        ("w", "temp,hum\n21.5 \u{b0}C,50\n"),
        ("w", "temp,hum\n\u{b0}C,%\n20.5,50\n"),
        ("w", "temp,hum\n\u{b0}C,%\n20.6,50\n"),
        ("w", "#1,20\n"),
        ("w", "temperature,humidity\n20.5,50\n"),
    ]);
    let dataflow = format!(
        "{known}\n[source]\nurl = \"mqtt://127.0.0.1:{port}/w\"\n[buffer]\ndelay = \"50ms\"\n[sink]\nurl = \"live.ndjson\"\n\
         [dead_letter]\nurl = \"lost.ndjson\"\n"
    );
    std::fs::write(at("live.toml"), dataflow).unwrap();
    let mut live = rowmill(&["run", "live.toml"]);
    live.current_dir(directory.path()).stderr(std::fs::File::create(at("said")).unwrap());
    let _live = Process(live.spawn().unwrap());
    let said = || std::fs::read_to_string(at("said")).unwrap();
    wait_until("the subscription", || said().contains("subscribed to"));
    publish(port, &publishes);
    wait_until("rows and dead letters", || lines(&at("live.ndjson")) == 2 && lines(&at("lost.ndjson")) == 3);
    assert_eq!(said().matches("names units").count(), 1, "{}", said());
}

/// Arrays within arrays, units behind numbers, and numbers whose marks nobody said, as a run reads them.
#[test]
fn what_a_dataflow_file_says_of_rows_and_cells_holds_in_a_run() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let run = |schema: &str, source: &str, input: &str| {
        let name = if input.starts_with('{') { "in.ndjson" } else { "in.csv" };
        std::fs::write(at(name), input).unwrap();
        let text = format!(
            "{schema}\n[source]\nurl = \"{name}\"\n{source}\n[sink]\nurl = \"out.ndjson\"\n\
             [dead_letter]\nurl = \"dead.ndjson\"\n"
        );
        std::fs::write(at("run.toml"), text).unwrap();
        let done = rowmill(&["run", "run.toml", "--fresh"]).current_dir(directory.path()).output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.success(), "{said}");
        let cells = |mut row: Value| {
            ["message", "row"].iter().for_each(|key| _ = row.as_object_mut().unwrap().remove(*key));
            row
        };
        let dead = std::fs::read_to_string(at("dead.ndjson")).unwrap_or_default();
        (rows(&at("out.ndjson")).into_iter().map(cells).collect::<Vec<_>>(), said + &dead)
    };
    let (found, _) = run(
        "[schema]\nnumber = [\"t\", \"lsid\"]\ntext = [\"id\"]",
        "rows = \"sensors[*].data\"",
        r#"{"id": "u", "sensors": [{"lsid": 1, "data": [{"t": 1}, {"t": 2}]}, {"lsid": 2, "data": [{"t": 3}]}]}"#,
    );
    let row = |t: f64, lsid: f64| json!({"t": t, "lsid": lsid, "id": "u"});
    assert_eq!(found, [row(1.0, 1.0), row(2.0, 1.0), row(3.0, 2.0)]);
    let cells = "time,temp,hum\n12:00,50 \u{b0}F,50 %\n12:05,21.5\u{b0}C,51\n";
    let (found, _) = run("schema = { base = \"infer\", unit = { temp = \"degree_C\", hum = \"%\" } }", "", cells);
    let row = |time: &str, temp: f64, hum: f64| json!({"time": time, "temp": temp, "hum": hum});
    assert_eq!(found, [row("12:00", 10.0, 50.0), row("12:05", 21.5, 51.0)]);
    let (found, said) = run("schema = { number = [\"temp\", \"hum\"] }", "", cells);
    assert!(found.is_empty() && said.contains("say unit = { temp = "), "{said}");
    let (found, said) =
        run("schema = \"infer\"", "", "{\"a\": \"21,5\", \"b\": true}\n{\"a\": \"22,5\", \"b\": false}\n");
    assert!(said.contains("column a is text because of \"21,5\": say decimal = \",\""), "{said}");
    assert_eq!(found, [json!({"a": "21,5", "b": 1.0}), json!({"a": "22,5", "b": 0.0})]);
    // A decimal comma behind the rows that are looked at.
    let late: String = (0..1200).map(|row| format!("{row};1.{:03}\n", 100 + row % 900)).collect();
    let (found, said) = run("schema = { number = [\"lux\"] }", "", &format!("t;lux\n{late}1200;2,5\n"));
    assert_eq!(found, [json!({"lux": 2.5})]);
    assert!(said.contains("thousands = \\\".\\\""), "{said}");
}

/// A mark, a header and what stands behind it hold for all rows of a file, whichever worker reads them.
#[test]
fn marks_and_headers_of_csv_are_those_of_the_whole_file() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let run = |more: &str, flags: &[&str], input: &str| {
        std::fs::write(at("in.csv"), input).unwrap();
        let text = format!(
            "schema = {{ number = [\"temp\", \"hum\"], text = [\"name\"] }}\n[source]\nurl = \"in.csv\"\n{more}[buffer]\n\
             bucket_size = 7\n[sink]\nurl = \"out.ndjson\"\n[dead_letter]\nurl = \"dead.ndjson\"\n"
        );
        std::fs::write(at("run.toml"), text).unwrap();
        let done =
            rowmill(&["run", "run.toml", "--fresh", "--quiet"]).args(flags).current_dir(directory.path()).output();
        assert!(done.unwrap().status.success());
        let dead = std::fs::read_to_string(at("dead.ndjson")).unwrap_or_default().lines().count();
        (rows(&at("out.ndjson")).iter().map(|row| row["temp"].as_f64()).collect::<Vec<_>>(), dead)
    };
    // A comma in a text between quotes says nothing of numbers.
    let (found, dead) = run("", &[], "name,temp\nx,20\n\"1,5\",21\ny,20.5\n");
    assert_eq!((found, dead), (vec![Some(20.0), Some(21.0), Some(20.5)], 0));
    // The first number that tells may stand far behind.
    let late: String = (0..1000).map(|row| format!("s{row};{row}\n")).collect();
    let late = format!("name;temp\n{late}a;2,5\nb;1.234\nc;1.234\n");
    for workers in ["1", "2", "3"] {
        let (found, dead) = run("", &["-w", workers], &late);
        assert_eq!((found.len(), found[1000], dead), (1001, Some(2.5), 2), "{workers}");
    }
    // What is skipped behind a header is skipped once, and a header that comes again may be as short as the first.
    let (found, dead) = run("csv = { skip_after_header = 1 }\n", &[], "name,temp\nUTC,C\na,1\nname,temp\nb,2\n");
    assert_eq!((found, dead), (vec![Some(1.0), Some(2.0)], 0));
    let again = "name,temp,hum\na,1,50\nname,temp,hum,batt\nb,2,51,3\nname,hum,temp\nc,52,3\n";
    assert_eq!(run("", &[], again), (vec![Some(1.0), Some(2.0), Some(3.0)], 0));
}
