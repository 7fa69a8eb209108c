//! Every subtask and the chain beside pandas and scikit-learn; `scripts/make_goldens.py` writes the cases.

mod comparison;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use comparison::{Table, differences, rounding};

/// Cases of subtasks that only move, choose or compare values.
const EXACT: [&str; 27] = [
    "binarizer",
    "clip-",
    "drop_duplicates",
    "dropna",
    "fillna_bfill",
    "fillna_ffill",
    "fillna_value",
    "k_bins",
    "one_hot",
    "ordinal",
    "replace",
    "rolling_max",
    "simple_imputer",
    "diff",
    "assign",
    "cumsum",
    "drop-",
    "eval",
    "filter",
    "mask",
    "pct_change",
    "query",
    "rank",
    "rename",
    "round",
    "shift",
    "where",
];

/// How near a case must come, by the design.
fn tolerance(name: &str) -> f64 {
    if EXACT.iter().any(|exact| format!("{name}-").starts_with(exact)) {
        0.0
    } else if name.contains("power") || name.contains("chain") {
        1e-6
    } else {
        1e-9
    }
}

/// What pandas and scikit-learn make of a case.
struct Golden {
    name: String,
    theirs: Table,
    /// The largest values of the columns that go in.
    inputs: BTreeMap<String, f64>,
}

impl Golden {
    fn read(directory: &Path, name: &str) -> Golden {
        let inputs = Table::read(&directory.join(format!("{name}.in.csv"))).largest();
        Golden { name: name.into(), theirs: Table::read(&directory.join(format!("{name}.out.csv"))), inputs }
    }

    fn differences(&self, ours: &Table) -> Vec<String> {
        differences(&self.name, ours, &self.theirs, tolerance(&self.name), &self.inputs)
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
        let golden = Golden::read(directory, &name);
        wrong.extend(golden.differences(&Table::read(&ours)));
    }
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

/// Runs a dataflow file over an input, and so the originals; the file of their results, and what differs.
fn run_both(dataflow: &Path, input: &Path, directory: &Path, relative: f64) -> (PathBuf, Vec<String>) {
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
    let wrong = differences(
        &input.display().to_string(),
        &Table::read(&ours),
        &Table::read(&theirs),
        relative,
        &BTreeMap::new(),
    );
    (theirs, wrong)
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
        assert!(export.exists(), "{} is not there: leave this test out, as .ci/run does", export.display());
        let (theirs, wrong) = run_both(&first, &export, directory, 1e-6);
        assert_eq!(wrong, [] as [String; 0]);
        let input = directory.join("input.csv");
        as_input(&theirs, &input);
        let (_, wrong) = run_both(&second, &input, directory, 1e-9);
        assert_eq!(wrong, [] as [String; 0]);
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

fn goldens() -> Vec<Golden> {
    let directory = root().join("tests/golden");
    let entries = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name());
    let names = entries.filter_map(|file| Some(file.to_str()?.strip_suffix(".out.csv")?.to_owned()));
    names.map(|name| Golden::read(&directory, &name)).collect()
}

/// Changes cells one after the other, and asserts that each change is found; returns how many there were.
fn plant(change: impl Fn(f64, &Table, usize) -> Option<f64>) -> usize {
    plant_by_case(|_, number, table, column| change(number, table, column))
}

/// The same, by the name of the case.
fn plant_by_case(change: impl Fn(&str, f64, &Table, usize) -> Option<f64>) -> usize {
    let mut planted = 0;
    for golden in goldens() {
        // A message alone: the whole case for each of its cells takes long.
        for rows in golden.theirs.rows.chunk_by(|row, next| row[0] == next[0]) {
            let theirs = Table { names: golden.theirs.names.clone(), rows: rows.to_vec() };
            let message = Golden { theirs, name: golden.name.clone(), inputs: golden.inputs.clone() };
            for (row, column) in
                (0..rows.len()).flat_map(|row| (2..message.theirs.names.len()).map(move |at| (row, at)))
            {
                let Ok(number) = rows[row][column].parse::<f64>() else { continue };
                let name = &message.theirs.names[column];
                let is_noise = number.abs() <= rounding(message.inputs.get(name).copied().unwrap_or(0.0));
                let planted_number = change(&golden.name, number, &message.theirs, column);
                let Some(planted_number) = planted_number.filter(|_| !is_noise) else {
                    continue;
                };
                let mut ours = message.theirs.clone();
                ours.rows[row][column] = format!("{planted_number:?}");
                let what = format!("{}: row {}, {name}: {number:?} as {planted_number:?}", golden.name, rows[row][1]);
                assert!(!message.differences(&ours).is_empty(), "{what}");
                planted += 1;
            }
        }
    }
    planted
}

#[test]
fn a_cell_that_becomes_zero_is_found() {
    assert!(plant(|x, _, _| (x != 0.0).then_some(0.0)) > 10_000);
}

#[test]
fn a_value_that_is_slightly_off_is_found() {
    // Where values are moved and compared, the last digit; elsewhere, a little more than the design lets through.
    let by_case = |name: &str, x: f64, deviation: f64| match tolerance(name) {
        0.0 => x.next_up(),
        1e-9 => x + 1e-6 * x.abs() + 2e-9 * deviation,
        relative => x + 3.0 * relative * (x.abs() + deviation),
    };
    let planted = plant_by_case(|name, x, table, column| {
        let deviation = comparison::deviation(&table.messages(column).into_values().next().unwrap());
        Some(by_case(name, x, deviation)).filter(|moved| *moved != x)
    });
    assert!(planted > 10_000, "{planted}");
}

#[test]
fn a_sign_and_a_number_for_a_gap_are_found() {
    assert!(plant(|x, _, _| (x != 0.0).then_some(-x)) > 10_000);
    let mut planted = 0;
    for golden in goldens() {
        for (row, column) in (0..golden.theirs.rows.len()).flat_map(|row| (2..5).map(move |column| (row, column))) {
            let Some(cell) = golden.theirs.rows[row].get(column) else { continue };
            if cell.is_empty() || cell.parse::<f64>().is_err() {
                for other in ["0.0", "another text"] {
                    let mut ours = golden.theirs.clone();
                    ours.rows[row][column] = other.into();
                    assert!(!golden.differences(&ours).is_empty(), "{}: row {row}, {cell:?} as {other}", golden.name);
                    planted += 1;
                }
            }
        }
    }
    assert!(planted > 500, "{planted}");
}

#[test]
fn an_infinity_is_found() {
    assert!(plant(|_, _, column| (column == 3).then_some(f64::INFINITY)) > 500);
    let cells = |ours: &str, theirs: &str| comparison::close(ours, theirs, 1e-6, 1e-6);
    assert!(cells("inf", "inf") && !cells("1.5", "inf") && !cells("inf", "-inf") && !cells("", "inf"));
}

#[test]
fn a_value_of_a_column_without_spread_is_found() {
    let constant = |table: &Table, column: usize| table.rows.iter().all(|row| row[column] == table.rows[0][column]);
    assert!(plant(|x, table, column| constant(table, column).then_some(x + 1e-5 * x.abs())) > 200);
}

#[test]
fn a_row_that_is_doubled_missing_or_elsewhere_is_found() {
    for golden in goldens() {
        let rows = &golden.theirs.rows;
        let found = |change: &dyn Fn(&mut Vec<Vec<String>>)| {
            let mut ours = golden.theirs.clone();
            change(&mut ours.rows);
            !golden.differences(&ours).is_empty()
        };
        assert!(!found(&|_| ()), "{}", golden.name);
        for row in 1..rows.len() {
            let what = format!("{}: row {row}", golden.name);
            assert!(found(&|ours| ours.insert(row, rows[row].clone())), "{what} doubled");
            assert!(found(&|ours| ours[row] = rows[row - 1].clone()), "{what} as the one before it");
            assert!(found(&|ours| ours.swap(row - 1, row)), "{what} before its time");
            assert!(found(&|ours| drop(ours.remove(row))), "{what} missing");
        }
    }
}
