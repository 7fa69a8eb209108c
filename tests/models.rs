//! Fitted models beside scikit-learn's own predictions, and what becomes of damaged params; the cases are written by
//! `scripts/make_model_goldens.py`.

mod comparison;

use std::path::{Path, PathBuf};
use std::process::Command;

use comparison::{Table, close, rounding};
use rowmill::Registry;
use rowmill::config::{Dataflow, SchemaChoice};
use rowmill::data::{Message, TextColumn};
use rowmill::subtasks::{ChainEvent, RefusedRows, Subtasks};
use serde_json::{Value, json};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models")
}

/// The names of all cases.
fn cases() -> Vec<String> {
    let files = std::fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = files.filter_map(|file| file.strip_suffix(".toml").map(str::to_owned)).collect();
    names.sort();
    names
}

/// Of those with params: a model that only learns over the stream has none.
fn cases_with_params() -> Vec<String> {
    let has_params = |case: &String| directory().join(format!("{case}.fit.json")).exists();
    cases().into_iter().filter(has_params).collect()
}

#[test]
fn every_model_predicts_as_scikit_learn() {
    let cases = cases();
    let models = Subtasks::builtin();
    for model in models.iter().filter(|entry| entry.model) {
        assert!(cases.iter().any(|case| case == model.name), "{} has no case", model.name);
    }
    let out = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let result = out.path().join("out.csv");
        let run = Command::new(env!("CARGO_BIN_EXE_rowmill"))
            .current_dir(directory())
            .args(["run", &format!("{case}.toml"), "--quiet", "--fresh", "--sink"])
            .arg(&result)
            .output()
            .unwrap();
        assert!(run.status.success(), "{case}: {}", String::from_utf8_lossy(&run.stderr));
        let theirs = Table::read(&directory().join(format!("{case}.out.csv")));
        wrong.extend(differences(case, &Table::read(&result), &theirs));
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Cells that differ by more than 1e-9 and the rounding of values of the size of the column's.
fn differences(case: &str, ours: &Table, theirs: &Table) -> Vec<String> {
    if ours.rows.len() != theirs.rows.len() {
        return vec![format!("{case}: {} rows, not {}", ours.rows.len(), theirs.rows.len())];
    }
    let (largest, mut wrong) = (theirs.largest(), Vec::new());
    for (column, title) in theirs.names.iter().enumerate() {
        let Some(own) = ours.names.iter().position(|name| name == title) else {
            wrong.push(format!("{case}: no column {title} in {:?}", ours.names));
            continue;
        };
        let floor = rounding(largest[title].max(1.0));
        for (cells, expected) in ours.rows.iter().zip(&theirs.rows) {
            if !close(&cells[own], &expected[column], 1e-9, floor) {
                let (row, cell, expected) = (&expected[0], &cells[own], &expected[column]);
                wrong.push(format!("{case}: row {row}, {title}: {cell}, not {expected}"));
            }
        }
    }
    wrong
}

#[test]
fn a_planted_difference_is_found() {
    let theirs = Table::read(&directory().join("ridge.out.csv"));
    assert!(differences("ridge", &theirs, &theirs).is_empty());
    for row in 0..theirs.rows.len() {
        let mut planted = theirs.clone();
        let last = planted.rows[row].last_mut().unwrap();
        *last = (last.parse::<f64>().unwrap() * (1.0 + 1e-8) + 1e-12).to_string();
        assert_eq!(differences("ridge", &planted, &theirs).len(), 1);
    }
}

/// A dataflow of a case, with its params in `params`: what is wrong with it, or with a message that runs through it.
fn served(case: &str, params: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(directory().join(format!("{case}.toml"))).unwrap();
    let text = text.replace(&format!("{case}.fit.json"), &params.display().to_string());
    let dataflow =
        Dataflow::from_text("case.toml", &text, &[], &Registry::builtin()).map_err(|wrong| wrong.to_string())?;
    let SchemaChoice::Known { schema, .. } = &dataflow.source().schema else { panic!("the export names all columns") };
    let (chain, after) = dataflow.chain(schema).map_err(|wrong| wrong.to_string())?;
    let columns: Vec<Vec<f64>> = (0..schema.number_count()).map(|slot| vec![slot as f64, 0.5, -3.0]).collect();
    let mut message = Message::from_columns(&columns);
    for _ in 0..schema.text_count() {
        let mut text = TextColumn::default();
        (0..3).for_each(|_| text.push(Some("north")));
        message.texts.push(text);
    }
    chain.apply(&mut message, |_| ()).map_err(|(_, fault)| fault.to_string())?;
    if message.rows() == 0 {
        return Ok(());
    }
    // The message has the columns that were promised.
    assert_eq!(message.flat().len(), after.number_count() * message.rows(), "{case}");
    assert_eq!(message.texts.len(), after.text_count(), "{case}");
    Ok(())
}

/// What may stand where another value was.
fn others() -> Vec<Value> {
    let packed = |dtype: &str, base64: &str| json!({ "dtype": dtype, "base64": base64 });
    vec![
        Value::Null,
        json!(-1),
        json!(0),
        json!(4_294_967_295_u64),
        json!(1e300),
        json!("x"),
        json!(true),
        json!([]),
        json!([0]),
        json!([null]),
        json!([[1.0]]),
        json!([9, 9, 9, 9, 9, 9, 9, 9]),
        json!({}),
        packed("<f8", "AAAAAAAA+H8="),
        packed("<u4", "/////w=="),
        packed("<f8", "AAA"),
    ]
}

/// Each value of a JSON tree by its path.
fn places(value: &Value, path: &str, found: &mut Vec<String>) {
    found.push(path.to_owned());
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| places(item, &format!("{path}/{index}"), found))
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| places(field, &format!("{path}/{name}"), found))
        }
        _ => {}
    }
}

#[test]
fn damaged_params_are_errors_that_name_the_file_and_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.fit.json");
    let (mut refused, mut taken) = (0, 0);
    let mut try_case = |case: &str, content: &[u8]| {
        std::fs::write(&path, content).unwrap();
        let panicked = std::panic::catch_unwind(|| served(case, &path));
        let shown = || String::from_utf8_lossy(content).into_owned();
        match panicked.unwrap_or_else(|_| panic!("{case} panics on {}", shown())) {
            Ok(()) => taken += 1,
            Err(reason) if reason.contains("damaged.fit.json") => refused += 1,
            // A value of the rows that it does not take now.
            Err(reason) => assert!(reason.contains("Column") || reason.contains("categories"), "{case}: {reason}"),
        }
    };
    for case in cases_with_params() {
        let text = std::fs::read_to_string(directory().join(format!("{case}.fit.json"))).unwrap();
        try_case(&case, text.as_bytes());
        for cut in (0..text.len()).step_by(211) {
            try_case(&case, &text.as_bytes()[..cut]);
        }
        let whole: Value = serde_json::from_str(&text).unwrap();
        let mut all = Vec::new();
        places(&whole, "", &mut all);
        let few = all.len().div_ceil(12);
        // Fields whole, and some of the numbers within.
        for (number, place) in all.iter().enumerate().skip(1) {
            let within = place.rsplit('/').next().is_some_and(|last| last.parse::<usize>().is_ok());
            if within && number % few != 0 {
                continue;
            }
            for other in others() {
                let mut damaged = whole.clone();
                *damaged.pointer_mut(place).unwrap() = other;
                try_case(&case, damaged.to_string().as_bytes());
            }
            let mut damaged = whole.clone();
            let (parent, name) = place.rsplit_once('/').unwrap();
            match damaged.pointer_mut(parent).unwrap() {
                Value::Object(fields) => fields.remove(name).map(|_| ()),
                Value::Array(items) => Some(items.remove(name.parse::<usize>().unwrap())).map(|_| ()),
                _ => None,
            };
            try_case(&case, damaged.to_string().as_bytes());
        }
    }
    assert!(refused > 10 * taken && taken >= cases_with_params().len(), "{refused} refused, {taken} taken");
}

/// The error of a field names it.
#[test]
fn the_field_that_is_wrong_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrong.fit.json");
    for (case, field) in [
        ("ridge", "coef_"),
        ("random_forest_classifier", "left"),
        ("pca", "mean_"),
        ("k_means", "cluster_centers_"),
        ("gaussian_nb", "var_"),
        ("mlp_classifier", "layer_sizes"),
        ("isolation_forest", "values"),
        ("logistic_regression", "classes_"),
    ] {
        let text = std::fs::read_to_string(directory().join(format!("{case}.fit.json"))).unwrap();
        for wrong in [json!("x"), json!([]), json!({ "dtype": "<f2", "base64": "" })] {
            let mut params: Value = serde_json::from_str(&text).unwrap();
            let steps = params["steps"].as_array_mut().unwrap();
            steps.last_mut().unwrap()["learned"][field] = wrong;
            std::fs::write(&path, params.to_string()).unwrap();
            let reason = served(case, &path).unwrap_err();
            assert!(reason.contains(field) && reason.contains(case), "{case}, {field}: {reason}");
        }
    }
}

/// A dataflow over columns a and b with these steps; `PARAMS` in them is a file of a `ridge` over b and a.
fn of_steps(steps: &str) -> Result<Dataflow, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.fit.json");
    let step = |label: &str| {
        let learned = json!({ "coef_": [10.0, 1.0], "intercept_": 0.5 });
        json!({ "step": label, "columns": ["b", "a"], "learned": learned })
    };
    let params = json!({ "rowmill_fit": 1, "steps": [step("ridge"), step("ridge_2")] });
    std::fs::write(&path, params.to_string()).unwrap();
    let text = format!("source.url = '-'\nsink.url = '-'\nschema = {{ number = ['a', 'b', 'c'] }}\n{steps}");
    let text = text.replace("PARAMS", &path.display().to_string());
    Dataflow::from_text("f.toml", &text, &[], &Registry::builtin()).map_err(|wrong| wrong.to_string())
}

const RIDGE: &str = "[[subtask]]\nuse = 'ridge'\ncolumns = ['a', 'b']\nparams = 'PARAMS'\n";

fn predicted(dataflow: &Dataflow, columns: [Vec<f64>; 3]) -> (Message, Vec<RefusedRows>) {
    let SchemaChoice::Known { schema, .. } = &dataflow.source().schema else { panic!("the columns are named") };
    let mut message = Message::from_columns(&columns);
    let (chain, _) = dataflow.chain(schema).unwrap_or_else(|wrong| panic!("{wrong}"));
    let mut refused = Vec::new();
    let tell = |event: ChainEvent<'_>| {
        if let ChainEvent::Refused(rows) = event {
            refused.push(rows);
        }
    };
    chain.apply(&mut message, tell).unwrap_or_else(|(_, fault)| panic!("{fault}"));
    (message, refused)
}

/// A file of params names its columns: whatever order they have in the rows, each gets its own weight.
#[test]
fn columns_may_stand_in_any_order() {
    let dataflow = of_steps(RIDGE).unwrap();
    let (message, _) = predicted(&dataflow, [vec![1.0], vec![2.0], vec![f64::NAN]]);
    assert_eq!(message.column(3), [1.0 + 20.0 + 0.5]);
}

#[test]
fn a_gap_is_refused_with_column_row_and_remedy() {
    let dataflow = of_steps(RIDGE).unwrap();
    let (message, refused) = predicted(&dataflow, [vec![1.0, 1.0], vec![2.0, f64::NAN], vec![0.0; 2]]);
    assert_eq!((message.column(3), &refused[0].ids[..]), (&[21.5][..], &[1][..]));
    for part in ["Input X contains NaN.", "Column b", "simple_imputer", "dropna"] {
        assert!(refused[0].reason.contains(part), "{}", refused[0].reason);
    }
}

#[test]
fn what_is_wrong_with_a_model_is_said() {
    for (steps, said) in [
        ("[[subtask]]\nuse = 'ridge'\n".to_owned(), "rowmill.export"),
        (RIDGE.to_owned() + "fit = 'message'\n", "fitted in Python"),
        (RIDGE.replace("'a', 'b'", "'a', 'c'"), "was fitted on b, a, not on a, c"),
        (RIDGE.replace("use = 'ridge'", "use = 'lasso'"), "it holds nothing for lasso"),
        (RIDGE.replace("PARAMS", "nowhere.fit.json"), "nowhere.fit.json"),
        (RIDGE.to_owned() + "outputs = ['cluster']\n", "it has no cluster"),
        (RIDGE.to_owned() + RIDGE, "`prediction` already: give the new ones a prefix"),
    ] {
        let reason = of_steps(&steps).map(|_| ()).unwrap_err();
        assert!(reason.contains(said), "{reason}");
    }
    assert!(of_steps(&(RIDGE.to_owned() + RIDGE + "prefix = 'second_'\n")).is_ok());
}
