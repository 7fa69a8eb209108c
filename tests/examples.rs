//! The programs in `examples/`, which know only what is public: each is run as another's program would be.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// An example, which `cargo test` has built.
fn example(name: &str) -> Command {
    let tests: PathBuf = std::env::current_exe().unwrap();
    let path = tests.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is built by cargo test without --test, or by --examples", path.display());
    let mut command = Command::new(path);
    command.current_dir(root());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn succeeded(output: Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn a_subtask_of_ones_own_is_known_everywhere() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("celsius.toml");
    let write = |parameters: &str| {
        let text = format!(
            "source.url = '-'\nsink.url = '-'\nschema = {{ number = ['t', 'u'] }}\ndead_letter.url = '-'\n\
             [[subtask]]\nuse = 'to_celsius'\ncolumns = ['t']\n{parameters}"
        );
        std::fs::write(&file, text).unwrap();
    };
    let run = |rows: &str| {
        let rows_file = directory.path().join("rows.ndjson");
        std::fs::write(&rows_file, rows).unwrap();
        let mut command = example("own_subtask");
        command.arg("run").arg(&file).arg("--quiet").arg("--source").arg(&rows_file);
        command.output().unwrap()
    };
    write("offset = 0.5");
    let out = succeeded(run("{\"t\": 212, \"u\": 212}\n{\"t\": null}\n"));
    let expected =
        "{\"message\":0,\"row\":0,\"t\":100.5,\"u\":212.0}\n{\"message\":0,\"row\":1,\"t\":null,\"u\":null}\n";
    assert_eq!(out, expected);
    // What it refuses is a dead letter with its words, column and row.
    write("coldest = -90");
    let out = succeeded(run("{\"t\": 50}\n{\"t\": -999}\n"));
    assert!(out.contains("too cold. Column t, row 1."), "{out}");
    // A parameter that is refused is told with its place, as one that is unknown.
    for (parameters, told) in [("coldest = -300", "nothing is colder"), ("ofset = 1", "did you mean `offset`?")] {
        write(parameters);
        let output = example("own_subtask").arg("check").arg(&file).output().unwrap();
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(told) && said.contains("celsius.toml:8:"), "{said}");
    }
    let listed = succeeded(example("own_subtask").args(["subtasks", "to_celsius"]).output().unwrap());
    assert!(listed.contains("degrees Celsius") && listed.contains("offset (number; default 0.0)"), "{listed}");
    let schema = succeeded(example("own_subtask").arg("schema").output().unwrap());
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let steps = schema["properties"]["subtask"]["items"]["oneOf"].as_array().unwrap();
    let own = steps.iter().find(|step| step["title"] == "to_celsius").expect("a step of its own");
    assert_eq!(own["properties"]["coldest"]["description"].as_str().unwrap().split(' ').next(), Some("Colder"));
}

/// The numbers in column `n` of the lines of a file.
fn numbers(path: &Path) -> Vec<u64> {
    let lines = std::fs::read_to_string(path).unwrap_or_default();
    let whole = lines.rfind('\n').map_or("", |end| &lines[..end]);
    let number = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["n"].as_f64().unwrap() as u64;
    whole.lines().map(number).collect()
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = std::time::Instant::now();
    while !holds() {
        assert!(since.elapsed() < std::time::Duration::from_secs(120), "{what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_source_of_ones_own_that_is_killed_loses_nothing_and_doubles_nothing() {
    const ROWS: u64 = 25;
    let directory = tempfile::tempdir().unwrap();
    let (inbox, out) = (directory.path().join("inbox"), directory.path().join("out.ndjson"));
    std::fs::create_dir_all(&inbox).unwrap();
    let mut next = 0;
    // A file comes whole, under a name that sorts behind those before it.
    let mut put = |files: u64| {
        for _ in 0..files {
            let rows: String = (next * ROWS..(next + 1) * ROWS).map(|n| format!("{n},1\n")).collect();
            let aside = directory.path().join("aside");
            std::fs::write(&aside, format!("n,m\n{rows}")).unwrap();
            std::fs::rename(&aside, inbox.join(format!("{next:06}.csv"))).unwrap();
            next += 1;
        }
        next
    };
    let file = directory.path().join("folder.toml");
    let text = "source.url = 'folder://inbox'\nsink.url = 'out.ndjson'\ncheckpoint.every = '1ms'\n\
                schema = { number = ['n', 'm'] }\nbuffer = { bucket_size = 10, delay = '5ms' }\n\
                [[subtask]]\nuse = 'replace'";
    std::fs::write(&file, text).unwrap();
    let start = || {
        let mut command = example("own_source");
        command.current_dir(directory.path()).args(["run", "folder.toml", "--quiet"]);
        command.stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    for _ in 0..4 {
        let before = numbers(&out).len();
        let mut child = start();
        put(20);
        wait_until("nothing is written", || numbers(&out).len() > before + 60);
        // More comes while it runs: it dies in the middle of something.
        put(20);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let files = put(3);
    let last = start();
    let done = || std::fs::read_dir(inbox.join("done")).unwrap().count() as u64;
    wait_until("what is durable is not moved", || done() == files);
    Command::new("kill").args(["-TERM", &last.id().to_string()]).status().unwrap();
    let ended = last.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", text_of(&ended));
    let mut found = numbers(&out);
    found.sort_unstable();
    assert_eq!(found, (0..files * ROWS).collect::<Vec<_>>());
    let left = std::fs::read_dir(&inbox).unwrap().count();
    assert_eq!(left, 1, "only `done` is left");
}

fn text_of(output: &Output) -> String {
    text(&output.stderr)
}

#[test]
fn what_does_not_fit_a_source_of_ones_own_is_told_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("f.toml");
    std::fs::write(&file, "[source]\nurl = 'folder://inbox'\nonse = true\n[sink]\nurl = 'null'").unwrap();
    let output = example("own_source").arg("check").arg(&file).output().unwrap();
    let said = text_of(&output);
    assert!(output.status.code() == Some(2) && said.contains("f.toml:3:1") && said.contains("onse"), "{said}");
    // A program without that source does not know it.
    let output = example("own_subtask").arg("check").arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    // A folder that can't be made fails the run.
    std::fs::write(&file, "[source]\nurl = 'folder:///dev/null/x'\n[sink]\nurl = 'null'").unwrap();
    let output = example("own_source").args(["run", "--quiet"]).arg(&file).output().unwrap();
    let said = text_of(&output);
    assert!(output.status.code() == Some(1) && said.contains("folder:///dev/null/x: "), "{said}");
    let schema = succeeded(example("own_source").arg("schema").output().unwrap());
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let sources = schema["properties"]["source"]["anyOf"].as_array().unwrap();
    let own = sources.iter().find(|source| source["title"] == "folder").expect("a source of its own");
    assert_eq!(own["properties"]["url"]["pattern"], "^folder://");
    assert!(own["properties"]["once"]["description"].as_str().unwrap().starts_with("End when"));
}

#[test]
fn a_sink_of_ones_own_gets_what_its_type_says() {
    let directory = tempfile::tempdir().unwrap();
    let rows = directory.path().join("rows.ndjson");
    std::fs::write(&rows, "{\"a\": 1.5, \"b\": null}\n{\"a\": 2, \"b\": -3}\n").unwrap();
    let file = directory.path().join("f.toml");
    let write = |sink: &str| {
        let text = format!("source.url = 'rows.ndjson'\nschema = {{ number = ['a', 'b'] }}\n{sink}");
        std::fs::write(&file, text).unwrap();
        example("own_sink").current_dir(directory.path()).args(["run", "f.toml", "--quiet"]).output().unwrap()
    };
    succeeded(write("[sink]\nurl = 'influx://out.lp'\nmeasurement = 'w'"));
    let lines = std::fs::read_to_string(directory.path().join("out.lp")).unwrap();
    assert_eq!(lines, "w,row=0 a=1.5\nw,row=1 a=2,b=-3\n");
    let output = write("[sink]\nurl = 'influx://out.lp'\nmeasurement = 'a b'");
    assert!(output.status.code() == Some(2) && text_of(&output).contains("f.toml:4:7"), "{}", text_of(&output));
    // It takes columns: dead letters are lines.
    let output = write("sink.url = 'null'\ndead_letter.url = 'influx://out.lp'");
    assert!(output.status.code() == Some(2) && text_of(&output).contains("JSON lines"), "{}", text_of(&output));
}

#[test]
fn a_program_of_ones_own_runs_a_dataflow_and_a_chain() {
    let said = succeeded(example("embedded").output().unwrap());
    let expected = "1000 rows in, 1000 rows out\n[1.0, 0.0, 0.25]\nstep 1: Input X contains infinity or a value \
                    too large for dtype('float64'). Column temperature, row 1.\n";
    assert_eq!(said, expected);
}
