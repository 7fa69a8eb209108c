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
