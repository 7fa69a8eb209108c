//! Rows in Debian's PostgreSQL: their types and values, each row once whatever is killed, what is said where that
//! can't be.
#![cfg(feature = "postgres")]

mod broker;
mod database;

use std::ops::Range;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use broker::numbered::{kill_either, numbers, persistent, publish};
use broker::{Process, rowmill, wait_until};
use database::Database;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rumqttc::QoS;
use tempfile::TempDir;

const HEAD: &str = "schema = { number = [\"n\", \"temp\"], text = [\"station\", \"at\"], time = { column = \"at\", zone = \
                    \"Europe/Berlin\" } }\n[source]\nurl = \"rows.csv\"\n[buffer]\nbucket_size = 100\n[dead_letter]\n\
                    url = \"dead.ndjson\"\n[sink]\ntable = \"weather\"\n";

const NAMES: &str = "station,at,n,temp\n";

/// A folder with a dataflow `weather.toml` whose sink has these settings, too.
fn folder(database: &Database, more: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let text = format!("{HEAD}url = \"{}\"\n{more}", database.url());
    std::fs::write(directory.path().join("weather.toml"), text).unwrap();
    directory
}

/// The table, with a trigger that runs this body before an insert, for each ROW or STATEMENT.
fn create_with_trigger(database: &Database, each: &str, body: &str) {
    fires(database, body);
    database.ask(&format!(
        "CREATE TABLE weather (station text, at timestamptz, n double precision, temp double precision);
         CREATE TRIGGER fired BEFORE INSERT ON weather FOR EACH {each} EXECUTE FUNCTION fired()"
    ));
}

/// Lets the trigger run this body.
fn fires(database: &Database, body: &str) {
    database
        .ask(&format!("CREATE OR REPLACE FUNCTION fired() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$"));
}

/// Rows of one station with these numbers.
fn numbered(numbers: Range<usize>) -> String {
    numbers.map(|n| format!("hill,,{n},1\n")).collect()
}

fn rows(directory: &TempDir, text: &str) {
    std::fs::write(directory.path().join("rows.csv"), text).unwrap();
}

fn command(directory: &TempDir, flags: &[&str]) -> Command {
    let mut command = rowmill(&["run", "weather.toml", "-q"]);
    command.args(flags).current_dir(directory.path());
    command
}

fn run(directory: &TempDir, flags: &[&str]) -> Output {
    command(directory, flags).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeeds(directory: &TempDir, flags: &[&str]) -> String {
    let output = run(directory, flags);
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

fn dead_letters(directory: &TempDir) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(directory.path().join("dead.ndjson")).unwrap_or_default();
    let letters = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let text = |letter: &serde_json::Value, key: &str| letter[key].as_str().unwrap().to_owned();
    letters.map(|letter| (text(&letter, "raw"), text(&letter, "reason"))).collect()
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_table_is_created_and_a_file_goes_there_once() {
    let database = Database::started();
    database.create();
    let directory = folder(&database, "");
    rows(
        &directory,
        "station,at,n,temp\nhill,2024-07-01T12:00:00.25,1,0.1\n\"a \"\"b\"\", ä\",2024-01-01T12:00:00Z,2,\n,,3,-Infinity\n",
    );
    succeeds(&directory, &[]);
    let types = "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM \
                 pg_attribute WHERE attrelid = 'weather'::regclass AND attnum > 0";
    let expected = "station text, at timestamp with time zone, n double precision, temp double precision";
    let types = database.ask(types);
    let mut sorted: Vec<&str> = types.split(", ").collect();
    sorted.sort_unstable();
    let mut wanted: Vec<&str> = expected.split(", ").collect();
    wanted.sort_unstable();
    assert_eq!(sorted, wanted);
    // Berlin is two hours ahead of UTC in July.
    let all = "SELECT station, at, n, temp FROM weather ORDER BY n";
    assert_eq!(
        database.ask(all),
        "hill|2024-07-01 10:00:00.25+00|1|0.1\na \"b\", ä|2024-01-01 12:00:00+00|2|\n||3|-Infinity"
    );
    // The same file again: nothing is written twice, and that is said.
    let count = || database.ask("SELECT count(*) FROM weather").parse::<u64>().unwrap();
    assert!(succeeds(&directory, &[]).contains("first 3 rows of rows.csv"));
    assert_eq!(count(), 3);
    // A file that grew, another file, another file at the same path, and the same on wish.
    let text = std::fs::read_to_string(directory.path().join("rows.csv")).unwrap();
    rows(&directory, &format!("{text}hill,2024-07-01T12:00:00,4,1\n"));
    succeeds(&directory, &[]);
    assert_eq!(count(), 4);
    std::fs::write(directory.path().join("more.csv"), "station,at,n,temp\nhill,,5,1\n").unwrap();
    succeeds(&directory, &["--source", "more.csv"]);
    assert_eq!(count(), 5);
    rows(&directory, "station,at,n,temp\nhill,,6,1\nhill,,7,1\n");
    assert!(succeeds(&directory, &[]).contains("another file"));
    assert_eq!(count(), 7);
    succeeds(&directory, &["--fresh"]);
    assert_eq!(count(), 9);
    assert!(dead_letters(&directory).is_empty());
}

#[test]
#[ignore = "needs PostgreSQL"]
fn values_fit_the_columns_of_a_table_or_their_rows_are_dead_letters() {
    let database = Database::started();
    database.create();
    database.ask(
        "CREATE TABLE weather (id serial, station varchar(4) NOT NULL, at timestamp, n smallint CHECK (n <> 13), temp \
         numeric(5, 2), UNIQUE (station, n))",
    );
    let directory = folder(&database, "");
    let mut text = "station,at,n,temp\n".to_owned();
    for n in 0..1000 {
        // Of all columns, in the middle and at the ends of messages.
        text += &match n {
            13 => "hill,,13,1\n".to_owned(),
            100 => "hills,,100,1\n".to_owned(),
            199 => "hill,,40000,1\n".to_owned(),
            500 => ",,500,1\n".to_owned(),
            501 => "hill,,7,1\n".to_owned(),
            502 => "hill,,502,123456\n".to_owned(),
            503 => "h\u{0}l,,503,1\n".to_owned(),
            504 => "hill,,504.5,1\n".to_owned(),
            999 => "hill,,999,Infinity\n".to_owned(),
            n => format!("hill,2024-01-01T00:00:00Z,{n},1.006\n"),
        };
    }
    rows(&directory, &text);
    succeeds(&directory, &["--report", "report"]);
    let count = database.ask("SELECT count(*), count(DISTINCT n), min(temp), max(at) FROM weather");
    assert_eq!(count, "991|991|1.01|2024-01-01 00:00:00");
    let mut letters = dead_letters(&directory);
    letters.sort();
    let mut expected = [
        ("hill,,13,1", "check constraint"),
        ("hills,,100,1", "too long for type character varying(4)"),
        ("hill,,40000,1", "smallint out of range"),
        (",,500,1", "not-null constraint"),
        ("hill,,7,1", "duplicate key value"),
        ("hill,,502,123456", "numeric field overflow"),
        ("h\u{0}l,,503,1", "0x00"),
        ("hill,,999,Infinity", "numeric field overflow"),
        ("hill,,504.5,1", "n: 504.5 has a fraction, which the table's smallint cannot hold"),
    ];
    expected.sort_unstable();
    assert_eq!(letters.len(), expected.len(), "{letters:?}");
    for ((raw, reason), (row, words)) in letters.iter().zip(expected) {
        let is_refused = reason.contains("the database refuses it: ") || words.contains("has a fraction");
        assert!(raw == row && is_refused && reason.contains(words), "{raw}: {reason}");
    }
    let report = std::fs::read_to_string(directory.path().join("report/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!((report["rows_in"].as_u64(), report["rows_out"].as_u64()), (Some(1000), Some(991)));
    assert_eq!(report["dead_letters"].as_u64(), Some(9));
}

#[test]
#[ignore = "needs PostgreSQL"]
fn rows_that_no_conversion_needs_are_refused_one_by_one() {
    let database = Database::started();
    database.create();
    // What a constraint of the commit or a trigger refuses, too.
    database.ask(
        "CREATE TABLE names (station text PRIMARY KEY); INSERT INTO names VALUES ('hill');
         CREATE TABLE weather (station text REFERENCES names DEFERRABLE INITIALLY DEFERRED, at timestamptz, n double \
         precision, temp double precision);
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN IF NEW.n = 77 THEN RAISE 'no 77 here'; END IF; RETURN NEW; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON weather FOR EACH ROW EXECUTE FUNCTION refuse()",
    );
    let directory = folder(&database, "");
    let station = |n: u64| if n % 50 == 3 { "vale" } else { "hill" };
    let text: String = (0..300).map(|n| format!("{},,{n},1\n", station(n))).collect();
    rows(&directory, &format!("station,at,n,temp\n{text}"));
    succeeds(&directory, &[]);
    assert_eq!(database.ask("SELECT count(*), count(DISTINCT n) FROM weather"), "293|293");
    let letters = dead_letters(&directory);
    assert_eq!(letters.len(), 7);
    let reasons = |words: &str| letters.iter().filter(|(_, reason)| reason.contains(words)).count();
    assert_eq!((reasons("foreign key constraint"), reasons("no 77 here")), (6, 1), "{letters:?}");
}

/// Regression: they were counted as written, and nothing was told.
#[test]
#[ignore = "needs PostgreSQL"]
fn rows_that_a_trigger_drops_are_told() {
    let database = Database::started();
    database.create();
    create_with_trigger(&database, "ROW", "IF NEW.n = 7 THEN RETURN NULL; END IF; RETURN NEW;");
    let directory = folder(&database, "");
    rows(&directory, &format!("{NAMES}{}", numbered(0..20)));
    let output = run(&directory, &[]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(said(&output).matches("drops rows that it is given").count(), 1, "{}", said(&output));
    assert_eq!(database.ask("SELECT count(*) FROM weather"), "19");
}

/// What an extension fails at is found where other rows are taken; where none is, the run ends, and no row is lost.
#[test]
#[ignore = "needs PostgreSQL"]
fn a_row_at_which_the_database_fails_is_a_dead_letter_where_others_are_taken() {
    let database = Database::started();
    database.create();
    let fails = |condition: &str| {
        format!("IF {condition} THEN RAISE 'cache lookup failed' USING ERRCODE = 'XX000'; END IF; RETURN NEW;")
    };
    create_with_trigger(&database, "ROW", &fails("NEW.n IN (0, 77, 78)"));
    let directory = folder(&database, "");
    rows(&directory, &format!("{NAMES}{}", numbered(0..300)));
    succeeds(&directory, &[]);
    assert_eq!(database.ask("SELECT count(*), count(DISTINCT n) FROM weather"), "297|297");
    let letters = dead_letters(&directory);
    assert_eq!(
        letters.iter().map(|(raw, _)| raw.as_str()).collect::<Vec<_>>(),
        ["hill,,0,1", "hill,,77,1", "hill,,78,1"]
    );
    assert!(letters.iter().all(|(_, reason)| reason.contains("takes others: cache lookup failed")), "{letters:?}");
    database.ask("TRUNCATE weather");
    fires(&database, &fails("true"));
    let output = run(&directory, &["--fresh"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("cache lookup failed"), "{}", said(&output));
    // A run that begins anew empties them.
    assert_eq!(dead_letters(&directory).len(), 0);
}

/// Errors that are to pass are waited out, unless they are of a row: then the database takes others, or again one that it
/// took before. Regression: they held everything back for ever.
#[test]
#[ignore = "needs PostgreSQL"]
fn a_row_at_which_the_database_says_to_try_again_is_a_dead_letter_where_others_are_taken() {
    use std::io::Write;
    let database = Database::started();
    database.create();
    create_with_trigger(
        &database,
        "ROW",
        "IF NEW.n = 3 THEN RAISE 'not now' USING ERRCODE = '57014'; END IF;
         IF NEW.n IN (17, 20) THEN RAISE 'not now' USING ERRCODE = '40001'; END IF;
         RETURN NEW;",
    );
    let directory = folder(&database, "");
    let mut process = command(&directory, &["--source", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut rows = process.stdin.take().unwrap();
    let mut process = Process(process);
    let count = |count: &str| database.ask("SELECT count(*) FROM weather") == count;
    write!(rows, "{NAMES}{}", numbered(0..20)).unwrap();
    wait_until("those beside them", || count("18"));
    // Alone in its transaction.
    write!(rows, "{}", numbered(20..21)).unwrap();
    wait_until("the one alone", || dead_letters(&directory).len() == 3);
    write!(rows, "{}", numbered(21..23)).unwrap();
    wait_until("those behind it", || count("20"));
    // No room is no affair of a row, though some still fit: the source is held back.
    fires(&database, "IF NEW.n > 25 THEN RAISE 'not now' USING ERRCODE = '53100'; END IF; RETURN NEW;");
    write!(rows, "{}", numbered(23..30)).unwrap();
    std::thread::sleep(Duration::from_secs(20));
    assert_eq!(dead_letters(&directory).len(), 3);
    database.ask("DROP TRIGGER fired ON weather");
    wait_until("what was held back", || count("27"));
    drop(rows);
    assert_eq!(process.code(), Some(0));
    let letters = dead_letters(&directory);
    assert_eq!(letters.iter().map(|(raw, _)| &raw[6..]).collect::<Vec<_>>(), ["3,1", "17,1", "20,1"]);
    assert!(letters.iter().all(|(_, reason)| reason.contains("takes others: not now")), "{letters:?}");
}

/// Regression: a statement of the database held the dataflow up, and every other sink with it.
#[test]
#[ignore = "needs PostgreSQL"]
fn the_dataflow_goes_on_while_the_database_is_at_work() {
    let database = Database::started();
    database.create();
    create_with_trigger(&database, "STATEMENT", "PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL;");
    let mut command = Command::new("psql");
    let lock = "SELECT pg_advisory_lock(1); SELECT pg_sleep(1000)";
    command.args(["-h", "127.0.0.1", "-U", "owner", "-d", "weather", "-Xqc", lock]).stdout(Stdio::null());
    let mut holder = Process(command.env("PGPORT", database.port.to_string()).spawn().unwrap());
    let held = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    wait_until("the lock", || database.ask(held) == "1");
    let directory = tempfile::tempdir().unwrap();
    let (head, table) = HEAD.split_once("[sink]").unwrap();
    let url = database.url();
    let text = format!("{head}[[sink]]\nurl = \"out.csv\"\n[[sink]]{table}url = \"{url}\"\n");
    std::fs::write(directory.path().join("weather.toml"), text).unwrap();
    const ROWS: usize = 20_000;
    rows(&directory, &format!("{NAMES}{}", numbered(0..ROWS)));
    let mut process = Process(self::command(&directory, &[]).spawn().unwrap());
    wait_until("all rows in the file", || broker::lines(&directory.path().join("out.csv")) == ROWS + 1);
    assert_eq!(database.ask("SELECT count(*) FROM weather"), "0");
    database.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    holder.kill();
    assert_eq!(process.code(), Some(0));
    assert_eq!(database.ask("SELECT count(*), count(DISTINCT n) FROM weather"), format!("{ROWS}|{ROWS}"));
}

/// The file is wrong, which no database needs to be asked for.
#[test]
fn a_key_that_the_rows_lack_is_an_error_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let text = format!("{HEAD}url = \"postgres://127.0.0.1:1/rows\"\nkey = [\"statoin\"]\n");
    std::fs::write(directory.path().join("weather.toml"), text).unwrap();
    rows(&directory, "station,at,n,temp\nhill,,1,1\n");
    for output in
        [run(&directory, &[]), rowmill(&["check", "weather.toml"]).current_dir(directory.path()).output().unwrap()]
    {
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(
            said(&output).contains("key: the rows have no column statoin; did you mean `station`?"),
            "{}",
            said(&output)
        );
    }
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_key_replaces_rows() {
    let database = Database::started();
    database.create();
    let directory = folder(&database, "key = [\"station\", \"n\"]\n");
    rows(&directory, "station,at,n,temp\nhill,,1,1\nhill,,2,2\nvale,,1,3\nhill,,1,4\n,,1,5\n");
    succeeds(&directory, &[]);
    let all = || database.ask("SELECT station, n, temp FROM weather ORDER BY station, n");
    assert_eq!(all(), "hill|1|4\nhill|2|2\nvale|1|3");
    let letters = dead_letters(&directory);
    assert!(letters.len() == 1 && letters[0].1.contains("not-null constraint"), "{letters:?}");
    std::fs::write(directory.path().join("more.csv"), "station,at,n,temp\nvale,,1,\nvale,,7,8\n").unwrap();
    succeeds(&directory, &["--source", "more.csv"]);
    assert_eq!(all(), "hill|1|4\nhill|2|2\nvale|1|\nvale|7|8");
    // A table without such an index is refused, with what makes it.
    database.ask("DROP TABLE weather; CREATE TABLE weather (station text, at text, n float8, temp float8)");
    let output = run(&directory, &["--fresh"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("CREATE UNIQUE INDEX ON \"weather\" (\"station\", \"n\")"), "{}", said(&output));
}

#[test]
#[ignore = "needs PostgreSQL"]
fn columns_that_a_table_lacks_are_told_or_added() {
    let database = Database::started();
    database.create();
    database.ask("CREATE TABLE weather (station text, note text)");
    let directory = folder(&database, "");
    rows(&directory, "station,at,n,temp\nhill,2024-01-01T12:00:00Z,1,2\n");
    let output = run(&directory, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("ADD COLUMN IF NOT EXISTS \"temp\" double precision"), "{}", said(&output));
    succeeds(&directory, &["--set", "sink.add_columns=true"]);
    assert_eq!(database.ask("SELECT station, note, at, n, temp FROM weather"), "hill||2024-01-01 12:00:00+00|1|2");
    // Types of all kinds, where there is a way.
    database.ask("DROP TABLE weather; CREATE TABLE weather (station json, at date, n boolean, temp text)");
    rows(&directory, "station,at,n,temp\n[1],2024-01-01T23:59:59Z,1,2.5\nhill,,0,\n");
    succeeds(&directory, &["--fresh"]);
    assert_eq!(database.ask("SELECT station, at, n, temp FROM weather"), "[1]|2024-01-01|t|2.5");
    assert!(dead_letters(&directory)[0].1.contains("invalid input syntax for type json"));
    database.ask("DROP TABLE weather; CREATE TABLE weather (station text, at date, n point, temp text)");
    let output = run(&directory, &["--fresh"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("\"n\" is of type point"), "{}", said(&output));
    // Regression: it was to be added.
    for more in ["", "add_columns = true\n", "key = [\"station\"]\n"] {
        database.ask(
            "DROP TABLE weather; CREATE TABLE weather (station text PRIMARY KEY, at date, n double precision, temp double \
             precision GENERATED ALWAYS AS (n + 1) STORED)",
        );
        let directory = folder(&database, more);
        rows(&directory, "station,at,n,temp\nhill,,1,\n");
        let output = run(&directory, &["--fresh"]);
        assert_eq!(output.status.code(), Some(1));
        let told = "makes the values of its column temp itself (GENERATED ALWAYS): leave it out with columns";
        assert!(said(&output).contains(told), "{}", said(&output));
        succeeds(&directory, &["--fresh", "--set", "sink.columns=[\"station\",\"at\",\"n\"]"]);
        assert_eq!(database.ask("SELECT n, temp FROM weather"), "1|2");
    }
    // A number of its own makes no difference.
    database.ask(
        "DROP TABLE weather; CREATE TABLE weather (id bigint GENERATED ALWAYS AS IDENTITY, station text, at date, n double \
         precision, temp double precision)",
    );
    succeeds(&directory, &["--fresh"]);
    assert_eq!(database.ask("SELECT id, n FROM weather"), "1|1\n2|0");
}

#[test]
#[ignore = "needs PostgreSQL"]
fn an_absent_database_holds_the_source_back() {
    let mut database = Database::new();
    let directory = folder(&database, "");
    const ROWS: usize = 300_000;
    let text = numbered(0..ROWS);
    rows(&directory, &format!("station,at,n,temp\n{text}"));
    let stderr = std::fs::File::create(directory.path().join("said")).unwrap();
    let mut process = Process(command(&directory, &[]).stderr(stderr).spawn().unwrap());
    let told = |what: &str| std::fs::read_to_string(directory.path().join("said")).unwrap().contains(what);
    wait_until("what it waits for", || told("the source waits until the database is there"));
    database.start();
    // The database is there, but not its database: that does not come by itself.
    assert_eq!(process.code(), Some(1));
    assert!(told("database \"weather\" does not exist"));
    database.create();
    let out = |database: &Database| database.ask("SELECT count(*), count(DISTINCT n) FROM weather");
    // In the middle, and again at the end.
    let stderr = std::fs::File::create(directory.path().join("said")).unwrap();
    let mut process = Process(command(&directory, &[]).stderr(stderr).spawn().unwrap());
    wait_until("rows", || database.psql("weather", "SELECT 1 FROM weather LIMIT 1").is_ok_and(|rows| rows == "1"));
    database.kill();
    wait_until("what it waits for", || told("it is tried again") || process.0.try_wait().unwrap().is_some());
    std::thread::sleep(Duration::from_millis(300));
    database.start();
    assert_eq!(process.code(), Some(0), "{}", std::fs::read_to_string(directory.path().join("said")).unwrap());
    assert_eq!(out(&database), format!("{ROWS}|{ROWS}"));
    // A stop ends the wait for one that was never there.
    database.kill();
    let stderr = std::fs::File::create(directory.path().join("said")).unwrap();
    let mut process = Process(command(&directory, &["--source", "more.csv"]).stderr(stderr).spawn().unwrap());
    std::fs::write(directory.path().join("more.csv"), "station,at,n,temp\n").unwrap();
    wait_until("what it waits for", || told("the source waits") || process.0.try_wait().unwrap().is_some());
    assert!(Command::new("kill").args(["-TERM", &process.0.id().to_string()]).status().unwrap().success());
    assert!(process.code().is_some());
}

/// Kills the run or the database, so many times, while rows come from a broker that keeps them.
#[test]
#[ignore = "needs PostgreSQL and mosquitto"]
fn every_row_of_a_broker_is_there_once_after_kills_of_either_side() {
    const KILLS: u64 = 16;
    const ROWS: u64 = 1_000;
    let mut database = Database::started();
    database.create();
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    // A step that keeps state: it goes on where it was.
    let text = format!(
        "schema = {{ number = [\"n\", \"sum\"] }}\n[source]\nurl = \"mqtt://127.0.0.1:{}/rows\"\nclient_id = \"mill\"\n\
         [buffer]\nbucket_size = 64\ndelay = \"50ms\"\n[[subtask]]\nuse = \"eval\"\nexpr = \"sum = n * 0 + 1\"\n\
         [[subtask]]\nuse = \"cumsum\"\nfit = \"stream\"\ncolumns = [\"sum\"]\n[sink]\nurl = \"{}\"\ntable = \"weather\"\n",
        broker.port,
        database.url()
    );
    std::fs::write(directory.path().join("weather.toml"), text).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(7);
    // Its standard error says when it is subscribed.
    let start = |flags: &[&str]| {
        let mut command = rowmill(&["run", "weather.toml"]);
        Process::subscribed(command.args(flags).current_dir(directory.path()).stdout(Stdio::null()))
    };
    let process = kill_either(broker.port, (KILLS, ROWS), &mut random, start, |random| {
        database.kill();
        std::thread::sleep(Duration::from_millis(random.random_range(0..200)));
        database.start();
    });
    let all = KILLS * ROWS;
    let count = || database.ask("SELECT count(*) FROM weather").parse::<u64>().unwrap();
    wait_until("all rows", || count() >= all);
    process.drain();
    let expected = format!("{all}|{all}|0|{}|{all}", all - 1);
    assert_eq!(database.ask("SELECT count(*), count(DISTINCT n), min(n), max(n), max(sum) FROM weather"), expected);
    // A checkpoint that is gone is missed, and nothing is written.
    std::fs::remove_file(directory.path().join("weather.checkpoint")).unwrap();
    let output = run(&directory, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("--fresh"), "{}", said(&output));
}

#[test]
#[ignore = "needs PostgreSQL and mosquitto"]
fn an_alert_is_there_once_after_kills_of_either_side() {
    const KILLS: u64 = 8;
    const ROWS: u64 = 500;
    let mut database = Database::started();
    database.create();
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    let text = format!(
        "schema = {{ number = [\"n\"], time = {{ column = \"n\" }} }}\n[source]\nurl = \"mqtt://127.0.0.1:{}/rows\"\n\
         client_id = \"mill\"\n[buffer]\nbucket_size = 16\ndelay = \"20ms\"\n[[subtask]]\nuse = \"eval\"\n\
         expr = \"k = n % 3\"\n[[subtask]]\nuse = \"eval\"\nexpr = \"m = n * 1\"\n[[sink]]\nurl = \"all.csv\"\n\
         columns = [\"m\"]\n[[sink]]\nurl = \"{}\"\ntable = \"alerts\"\nwhere = \"n % 24 < 15\"\nfor = \"6s\"\n\
         resolve = true\nby = [\"k\"]\ncolumns = [\"m\"]\n",
        broker.port,
        database.url()
    );
    std::fs::write(directory.path().join("weather.toml"), text).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let start = |flags: &[&str]| {
        let mut command = rowmill(&["run", "weather.toml"]);
        Process::subscribed(command.args(flags).current_dir(directory.path()).stdout(Stdio::null()))
    };
    let process = kill_either(broker.port, (KILLS, ROWS), &mut random, start, |_| {
        database.kill();
        database.start();
    });
    let all = directory.path().join("all.csv");
    wait_until("all rows", || numbers(&all).len() >= (KILLS * ROWS) as usize);
    process.drain();
    // The rows in the order in which they were taken: an alert fires 6 seconds after the first hot row of its key, and
    // ends with the first that is not; a row that is older than the latest of its key changes nothing.
    let mut keys = [(0, None, false); 3];
    let mut expected: Vec<(u64, &str)> = Vec::new();
    for n in numbers(&all) {
        let (latest, since, fired) = &mut keys[n as usize % 3];
        if n < *latest {
            continue;
        }
        *latest = n;
        if n % 24 >= 15 {
            *since = None;
            expected.extend(std::mem::take(fired).then_some((n, "resolved")));
        } else if n - *since.get_or_insert(n) >= 6 && !std::mem::replace(fired, true) {
            expected.push((n, "firing"));
        }
    }
    expected.sort_unstable();
    let expected: Vec<String> = expected.into_iter().map(|(n, word)| format!("{n}|{word}")).collect();
    assert!(expected.len() > 300, "{}", expected.len());
    assert_eq!(database.ask("SELECT m, alert FROM alerts ORDER BY m, alert"), expected.join("\n"));
}

#[test]
#[ignore = "needs PostgreSQL"]
fn every_row_of_a_file_is_there_once_after_kills_of_either_side() {
    const ROWS: u64 = 400_000;
    let mut database = Database::started();
    database.create();
    let directory = folder(&database, "[checkpoint]\nevery = \"20ms\"\n");
    let text: String = (0..ROWS).map(|n| format!("hill,,{n},{}\n", if n % 1000 == 9 { "x" } else { "1" })).collect();
    rows(&directory, &format!("station,at,n,temp\n{text}"));
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut process = Process(command(&directory, &[]).spawn().unwrap());
    let (mut kills, mut done) = (0, false);
    while !done && kills < 40 {
        std::thread::sleep(Duration::from_millis(random.random_range(100..700)));
        done = process.0.try_wait().unwrap().is_some_and(|status| status.success());
        if done {
            break;
        }
        kills += 1;
        if kills % 3 == 0 {
            database.kill();
            database.start();
        } else {
            process.kill();
            process = Process(command(&directory, &[]).spawn().unwrap());
        }
    }
    if !done {
        assert_eq!(process.code(), Some(0));
    }
    assert!(kills >= 3, "{kills} kills");
    let good = ROWS - ROWS / 1000;
    assert_eq!(database.ask("SELECT count(*), count(DISTINCT n) FROM weather"), format!("{good}|{good}"));
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_second_run_of_the_same_name_ends_the_first() {
    let database = Database::started();
    database.create();
    let directory = folder(&database, "");
    rows(&directory, "");
    let source = "generate:rows=100000000,seed=1";
    let flags = ["--source", source, "--set", "schema=davis"];
    let stderr = std::fs::File::create(directory.path().join("said")).unwrap();
    let mut first = Process(command(&directory, &flags).stderr(stderr).spawn().unwrap());
    wait_until("rows", || database.psql("weather", "SELECT 1 FROM weather LIMIT 1").is_ok_and(|rows| rows == "1"));
    let second = Process(command(&directory, &flags).stderr(Stdio::null()).spawn().unwrap());
    assert_eq!(first.code(), Some(1));
    let said = std::fs::read_to_string(directory.path().join("said")).unwrap();
    assert!(said.contains("another run of the dataflow weather"), "{said}");
    drop(second);
}

/// Paths and contents that a server with TLS needs: an authority, and what it signs for a host.
fn certificates(host: &str) -> (String, String, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    (authority.pem(), certificate.pem(), key.serialize_pem())
}

#[test]
#[ignore = "needs PostgreSQL"]
fn logins_and_tls_are_as_libpq_has_them_and_no_password_is_shown() {
    let mut database = Database::new();
    let (ca, certificate, key) = certificates("elsewhere");
    let (certificate, key) = (database.private("server.pem", &certificate), database.private("server.key", &key));
    database.configure(&format!(
        "ssl = on\nssl_cert_file = '{}'\nssl_key_file = '{}'\npassword_encryption = 'scram-sha-256'\n",
        certificate.display(),
        key.display()
    ));
    database.allow("hostssl all anna all scram-sha-256\nhost all owner all trust\n");
    database.start();
    database.create();
    database.ask("CREATE ROLE anna LOGIN PASSWORD 'hunter2/@'; GRANT CREATE ON SCHEMA public TO anna");
    let directory = folder(&database, "");
    rows(&directory, "station,at,n,temp\nhill,,1,1\n");
    std::fs::write(directory.path().join("ca.pem"), ca).unwrap();
    let (_, stranger, _) = certificates("elsewhere");
    std::fs::write(directory.path().join("stranger.pem"), stranger).unwrap();
    let at = |login: &str, query: &str| format!("postgresql://{login}@127.0.0.1:{}/weather{query}", database.port);
    let good = "anna:hunter2%2F%40";
    let ca = ["--set", "sink.ca=ca.pem"];
    let works = |url: String, more: &[&str]| {
        let url = format!("sink.url={url}");
        let flags: Vec<&str> = ["--fresh", "--set", &url].into_iter().chain(more.iter().copied()).collect();
        let output = run(&directory, &flags);
        assert!(!said(&output).contains("hunter2"), "{}", said(&output));
        (output.status.code(), said(&output))
    };
    for (url, more) in [
        (at(good, ""), &[][..]),
        (at(good, "?sslmode=require"), &[]),
        (at(good, "?sslmode=verify-ca"), &ca),
        (at("anna", ""), &["--set", "sink.password=hunter2/@"]),
        (at("owner", ""), &["--set", "sink.user=anna", "--set", "sink.password={ env = \"WORD\" }"]),
    ] {
        let mut shown = url.clone();
        shown.truncate(40);
        if more.contains(&"sink.password={ env = \"WORD\" }") {
            let url = format!("sink.url={url}");
            let flags: Vec<&str> = ["--fresh", "--set", &url].into_iter().chain(more.iter().copied()).collect();
            let output = command(&directory, &flags).env("WORD", "hunter2/@").output().unwrap();
            assert!(output.status.success(), "{}", said(&output));
            continue;
        }
        let (code, said) = works(url, more);
        assert_eq!(code, Some(0), "{shown}: {said}");
    }
    assert_eq!(database.ask("SELECT count(*) FROM weather"), "5");
    for (url, more, words) in [
        (at("anna:hunter22", ""), &[][..], "password authentication failed"),
        (at(good, "?sslmode=disable"), &[], "no encryption"),
        (at(good, "?sslmode=verify-full"), &ca, "certificate"),
        (at(good, "?sslmode=verify-full"), &["--set", "sink.ca=stranger.pem"], "certificate"),
        (at(good, "?sslmode=verify-full"), &["--set", "sink.ca=weather.toml"], "weather.toml"),
        (at(good, "?sslmode=maybe"), &[], "verify-full"),
    ] {
        let (code, said) = works(url, more);
        assert!(matches!(code, Some(1 | 2)) && said.contains(words), "{words}: {said}");
    }
    assert_eq!(database.ask("SELECT count(*) FROM weather"), "5");
    let stored = std::fs::read_to_string(Path::new(directory.path()).join("weather.toml")).unwrap();
    assert!(!stored.contains("hunter2"));
}

/// Regression: a database that was set back was written to as if nothing were missing, and `--fresh` made a run that goes
/// on forget its progress.
#[test]
#[ignore = "needs PostgreSQL and mosquitto"]
fn a_database_that_was_set_back_is_told_and_a_run_keeps_its_progress() {
    let database = Database::started();
    database.create();
    let directory = tempfile::tempdir().unwrap();
    let broker = persistent(&directory);
    let text = format!(
        "schema = {{ number = [\"n\"] }}\n[source]\nurl = \"mqtt://127.0.0.1:{}/rows\"\nclient_id = \"mill\"\n[buffer]\n\
         bucket_size = 64\ndelay = \"20ms\"\n[sink]\nurl = \"{}\"\ntable = \"weather\"\n",
        broker.port,
        database.url()
    );
    std::fs::write(directory.path().join("weather.toml"), text).unwrap();
    let start = || {
        let mut command = rowmill(&["run", "weather.toml"]);
        Process::subscribed(command.current_dir(directory.path()).stdout(Stdio::null()))
    };
    let count = || database.ask("SELECT count(*) FROM weather").parse::<u64>().unwrap();
    let send = |numbers: std::ops::Range<u64>| {
        let end = numbers.end;
        publish(broker.port, QoS::AtLeastOnce, numbers, &mut ChaCha8Rng::seed_from_u64(1));
        wait_until("rows", || count() >= end);
    };
    let process = start();
    send(0..100);
    // Another run of the checkpoint is refused before it forgets anything.
    let output = run(&directory, &["--fresh"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_eq!(database.ask("SELECT count(*) FROM rowmill_progress"), "1");
    database.ask("CREATE TABLE saved AS SELECT * FROM rowmill_progress");
    send(100..200);
    process.drain();
    assert_eq!(count(), 200);
    let set_back = "DELETE FROM rowmill_progress; INSERT INTO rowmill_progress SELECT * FROM saved";
    for earlier in [set_back, "DELETE FROM rowmill_progress"] {
        database.ask("CREATE TABLE last AS SELECT * FROM rowmill_progress");
        database.ask(earlier);
        let output = run(&directory, &[]);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains("set back to an earlier state"), "{}", said(&output));
        database.ask("DELETE FROM rowmill_progress; INSERT INTO rowmill_progress SELECT * FROM last; DROP TABLE last");
    }
    // As it was, it goes on; under a run, too, it is noticed.
    let mut process = start();
    send(200..300);
    database.ask("UPDATE rowmill_progress SET transactions = 1");
    publish(broker.port, QoS::AtLeastOnce, 300..301, &mut ChaCha8Rng::seed_from_u64(1));
    assert_eq!(process.code(), Some(1));
    assert_eq!(count(), 300);
    // A fresh run begins anew.
    let mut command = rowmill(&["run", "weather.toml", "--fresh"]);
    let process = Process::subscribed(command.current_dir(directory.path()).stdout(Stdio::null()));
    send(300..301);
    process.drain();
}

/// Regression: a statement that takes longer than a limit of the role was cancelled and sent again for ever, and a row that
/// the session of a lost client has locked was waited for without a word.
#[test]
#[ignore = "needs PostgreSQL"]
fn a_long_statement_is_finished_and_a_locked_row_is_told() {
    let database = Database::started();
    database.create();
    let directory = folder(&database, "");
    rows(&directory, "station,at,n,temp\nhill,,1,1\n");
    succeeds(&directory, &[]);
    database.ask(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(2); RETURN NULL; END $$;
         CREATE TRIGGER slow AFTER INSERT ON weather FOR EACH STATEMENT EXECUTE FUNCTION slow()",
    );
    database.psql("postgres", "ALTER ROLE owner IN DATABASE weather SET statement_timeout = '1s'").unwrap();
    rows(&directory, "station,at,n,temp\nhill,,1,1\nhill,,2,1\n");
    succeeds(&directory, &[]);
    database.psql("postgres", "ALTER ROLE owner IN DATABASE weather RESET statement_timeout").unwrap();
    assert_eq!(database.ask("SELECT count(*) FROM weather"), "2");
    let mut command = Command::new("psql");
    let lock = "BEGIN; SELECT 1 FROM rowmill_progress FOR UPDATE; SELECT pg_sleep(1000)";
    command.args(["-h", "127.0.0.1", "-U", "owner", "-d", "weather", "-Xqc", lock]).stdout(Stdio::null());
    let mut holder = Process(command.env("PGPORT", database.port.to_string()).spawn().unwrap());
    let held = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    wait_until("the lock", || database.ask(held) == "1");
    rows(&directory, "station,at,n,temp\nhill,,1,1\nhill,,2,1\nhill,,3,1\n");
    let stderr = std::fs::File::create(directory.path().join("said")).unwrap();
    let mut process = Process(self::command(&directory, &[]).stderr(stderr).spawn().unwrap());
    let told = |what: &str| std::fs::read_to_string(directory.path().join("said")).unwrap().contains(what);
    wait_until("what it waits for", || told("lock timeout") || process.0.try_wait().unwrap().is_some());
    assert!(told("it is tried again"));
    database.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    holder.kill();
    assert_eq!(process.code(), Some(0));
    assert_eq!(database.ask("SELECT count(*) FROM weather"), "3");
}
