//! Every subtask and the chain beside pandas and scikit-learn; `scripts/make_goldens.py` writes the cases.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A table by row id: the cells of each row.
fn table(path: &Path) -> (Vec<String>, HashMap<String, Vec<String>>) {
    let mut reader = csv::Reader::from_path(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows = reader.records().map(|record| {
        let cells: Vec<String> = record.unwrap().iter().map(str::to_owned).collect();
        (cells[1].clone(), cells)
    });
    let rows = rows.collect();
    (names, rows)
}

/// Equal by the design's tolerances. Values that an optimiser or a rounding moves around zero are compared on
/// the scale of standardised data, 1.
fn close(ours: &str, theirs: &str, tolerance: f64) -> bool {
    match (ours.parse::<f64>(), theirs.parse::<f64>()) {
        (Ok(a), Ok(b)) => a == b || (a - b).abs() <= tolerance * a.abs().max(b.abs()).max(tolerance / 1e-6),
        _ => ours == theirs,
    }
}

/// Runs the dataflows of a directory, in it, and compares each with its golden.
fn compare(directory: &Path) -> Vec<String> {
    let mut cases: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    assert!(cases.len() > 30, "{} holds the cases", directory.display());
    let out = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for case in cases {
        let name = case.file_stem().unwrap().to_str().unwrap().to_owned();
        let ours = out.path().join(format!("{name}.csv"));
        let run = Command::new(env!("CARGO_BIN_EXE_rowmill"))
            .current_dir(directory)
            .args(["run", &format!("{name}.toml"), "--quiet", "--sink"])
            .arg(&ours)
            .output()
            .unwrap();
        assert!(run.status.success(), "{name}: {}", String::from_utf8_lossy(&run.stderr));
        let tolerance = if name.contains("power") || name.contains("chain") { 1e-6 } else { 1e-9 };
        wrong.extend(differences(&name, &ours, &directory.join(format!("{name}.out.csv")), tolerance));
    }
    wrong
}

fn differences(name: &str, ours: &Path, theirs: &Path, tolerance: f64) -> Vec<String> {
    let ((names, ours), (expected_names, theirs)) = (table(ours), table(theirs));
    if names != expected_names || ours.len() != theirs.len() {
        return vec![format!("{name}: {} rows, not {}; columns {names:?}", ours.len(), theirs.len())];
    }
    let mut wrong = Vec::new();
    for (row, expected) in &theirs {
        let Some(cells) = ours.get(row) else { return vec![format!("{name}: row {row} is missing")] };
        for ((column, cell), expected) in names.iter().zip(cells).zip(expected) {
            if !close(cell, expected, tolerance) {
                wrong.push(format!("{name}: row {row}, {column}: {cell}, not {expected}"));
            }
        }
    }
    wrong.truncate(3);
    wrong
}

fn python() -> Command {
    Command::new(std::env::var("ROWMILL_PYTHON").expect("ROWMILL_PYTHON names the Python with pandas"))
}

/// `dataflows/weatherlink.toml` in two parts, without its last step, which would hide differences behind 0 and 1.
///
/// The second part ranks: of values that a strong lambda leaves equal to within rounding, the last digit of lambda tells
/// which are. So it begins with the same numbers on both sides.
fn parts_of_the_chain(directory: &Path) -> [PathBuf; 2] {
    let chain = std::fs::read_to_string(root().join("dataflows/weatherlink.toml")).unwrap();
    let at = |text: &str| chain.find(text).unwrap();
    let (start, sink) = (at("[[subtask]]"), &chain[at("[sink]")..]);
    let (ranks, last) = (at("[[subtask]]\nuse = \"quantile_transformer\""), at("[[subtask]]\nuse = \"binarizer\""));
    let first = format!("{}{sink}", &chain[..ranks]);
    let second = format!("{}{}{sink}", &chain[..start], &chain[ranks..last]);
    [("first.toml", first), ("second.toml", second)].map(|(name, text)| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path
    })
}

/// Runs a dataflow file over an input, and so the originals: our results, and theirs.
fn run_both(dataflow: &Path, input: &Path, directory: &Path) -> (PathBuf, PathBuf) {
    let (ours, theirs) = (directory.join("ours.csv"), directory.join("theirs.csv"));
    let run = Command::new(env!("CARGO_BIN_EXE_rowmill"))
        .args(["run", "--quiet", "--fresh"])
        .arg(dataflow)
        .arg("--source")
        .arg(input)
        .arg("--sink")
        .arg(&ours)
        .status();
    assert!(run.unwrap().success());
    let oracle = python().arg(root().join("scripts/oracle.py")).args([dataflow, input, &theirs]).status();
    assert!(oracle.unwrap().success());
    (ours, theirs)
}

/// Results without the message and the place of each row: rows to begin with.
fn as_input(results: &Path, input: &Path) {
    let results = std::fs::read_to_string(results).unwrap();
    let rows = results.lines().map(|line| format!("{}\n", line.splitn(3, ',').nth(2).unwrap()));
    std::fs::write(input, rows.collect::<String>()).unwrap();
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
#[ignore = "needs the pinned pandas and scikit-learn in $ROWMILL_PYTHON, and ../shared"]
fn results_equal_pandas_and_scikit_learn_on_real_exports() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let [first, second] = parts_of_the_chain(directory);
    for file in ["weatherlink-2016.txt", "weatherlink-2012-old-layout.txt"] {
        let export = root().join("../shared/data").join(file);
        if !export.exists() {
            eprintln!("{} is not there: skipped", export.display());
            continue;
        }
        let (ours, theirs) = run_both(&first, &export, directory);
        assert_eq!(differences(file, &ours, &theirs, 1e-6), [] as [String; 0]);
        let input = directory.join("input.csv");
        as_input(&theirs, &input);
        let (ours, theirs) = run_both(&second, &input, directory);
        assert_eq!(differences(file, &ours, &theirs, 1e-9), [] as [String; 0]);
    }
}

#[test]
fn results_equal_pandas_and_scikit_learn() {
    let wrong = compare(&root().join("tests/golden"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs the pinned pandas and scikit-learn in $ROWMILL_PYTHON"]
fn results_equal_pandas_and_scikit_learn_on_new_rows() {
    let directory = tempfile::tempdir().unwrap();
    let script = root().join("scripts/make_goldens.py");
    let made = python().arg(script).arg(directory.path()).args(["2026", "6"]).status().unwrap();
    assert!(made.success());
    let wrong = compare(directory.path());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
