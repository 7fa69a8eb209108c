//! What the documents say of the tree: links, tests and pages that are there.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The documents for people: those at the root, of the book, and of the benches.
fn documents() -> Vec<PathBuf> {
    let of = |folder: &str| {
        let entries = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect::<Vec<_>>()
    };
    [of("."), of("docs/src"), of("bench")].concat()
}

/// The addresses of a document's links and pictures.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(address, _)| address)
}

#[test]
fn links_lead_somewhere() {
    let mut count = 0;
    for document in documents() {
        let text = read(&document);
        for link in links(&text).filter(|link| !link.starts_with("http") && !link.starts_with('#')) {
            let path = document.parent().unwrap().join(link.split('#').next().unwrap());
            assert!(path.exists(), "{}: {link} is not there", document.display());
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

#[test]
fn every_page_of_the_book_is_in_its_summary() {
    let summary = read("docs/src/SUMMARY.md");
    for document in documents().iter().filter(|document| document.starts_with(root().join("docs"))) {
        let name = document.file_name().unwrap().to_str().unwrap();
        assert!(name == "SUMMARY.md" || summary.contains(&format!("({name})")), "{name} is not in SUMMARY.md");
    }
}

#[test]
fn the_readme_is_short() {
    let text = read("README.md");
    assert!(text.lines().count() < 200);
    for line in text.lines().filter(|line| !line.starts_with('|')) {
        assert!(line.chars().count() <= 200, "{line}");
    }
}

#[test]
fn every_guarantee_names_a_test_that_is_there() {
    let table = |text: &str| text.lines().filter(|line| line.starts_with('|')).map(str::to_owned).collect::<Vec<_>>();
    let rows: Vec<String> = table(&read("docs/src/guarantees.md")).split_off(2);
    let readme = table(&read("README.md"));
    assert!(rows.len() >= 8 && rows.iter().all(|row| readme.contains(row)), "README.md has another table");
    for row in &rows {
        let cells: Vec<&str> = row.split('|').collect();
        let shown_by = cells[cells.len() - 2].trim();
        if shown_by == "no promise" {
            continue;
        }
        let mut file = None;
        for word in shown_by.split('`').skip(1).step_by(2) {
            if word.starts_with("tests/") {
                file = Some(read(word));
                continue;
            }
            let file = file.as_ref().unwrap_or_else(|| panic!("no file before {word}: {row}"));
            assert!(file.contains(&format!("fn {word}(")), "{word} is no test: {row}");
        }
        assert!(file.is_some(), "no test: {row}");
    }
}

#[test]
fn the_output_that_is_shown_is_that_of_a_run() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rowmill"));
        let output = command.current_dir(root()).arg("run").args(arguments).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap()
    };
    let (readme, hourly) = (read("README.md"), directory.path().join("hourly.csv"));
    let table = format!("table.hourly.sink.url={}", hourly.display());
    run(&["dataflows/hourly.toml", "--source", "data/sample.csv", "--sink", "null", "--set", &table]);
    for line in std::fs::read_to_string(hourly).unwrap().lines().take(3) {
        let cells: Vec<&str> = line.split(',').skip(2).take(7).collect();
        assert!(readme.contains(&cells.join(",")), "{cells:?}");
    }
    let out = directory.path().join("out.ndjson");
    let said = run(&["dataflows/weather.toml", "--source", "data/sample.csv", "--sink", out.to_str().unwrap()]);
    let counts = said.lines().find(|line| line.contains("rows in")).unwrap();
    assert!(readme.contains(counts.trim()), "{counts}");
}

#[test]
fn the_reference_is_what_the_program_says() {
    let output = Command::new(env!("CARGO_BIN_EXE_rowmill")).args(["schema", "--markdown"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said == read("docs/src/reference.md"), "write it anew: rowmill schema --markdown > docs/src/reference.md");
}
