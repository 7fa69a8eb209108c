//! Files of fitted params, each served by the steps that it names.

use std::fmt::Write;

use serde_json::Value;

use crate::config::{Dataflow, SchemaChoice};
use crate::data::{Kind, Message, Schema, TextColumn};
use crate::registry::Registry;

const ENDS: &str = "[source]\nurl = \"-\"\n[sink]\nurl = \"null\"\n";
const ROWS: usize = 3;

/// Asserts that a file is refused in words, or that its steps give the columns that they promise. Whether they served.
pub fn serve(file: &[u8]) -> bool {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fuzz.fit.json");
    std::fs::write(&path, file).expect("it can be written");
    let path = path.to_str().expect("it is UTF-8");
    let ridge = || format!("{ENDS}[[subtask]]\nuse = \"ridge\"\nparams = {path:?}\n");
    let text = of_steps(file, path).unwrap_or_else(ridge);
    let Ok(dataflow) = Dataflow::from_text("fuzz.toml", &text, &[], &Registry::builtin()) else { return false };
    let SchemaChoice::Known { schema, .. } = &dataflow.source().schema else { return false };
    match dataflow.chain(schema) {
        Err(refused) => {
            assert!(!refused.to_string().is_empty());
            false
        }
        Ok((chain, after)) => {
            let mut message = rows(schema);
            let served = chain.apply(&mut message, |_| ()).is_ok() && message.rows() > 0;
            if served {
                assert_eq!(message.flat().len(), after.number_count() * message.rows());
                assert_eq!(message.texts.len(), after.text_count());
            }
            served
        }
    }
}

/// A dataflow with the steps that a file has params for, and the columns that they are fitted on.
fn of_steps(file: &[u8], path: &str) -> Option<String> {
    let file: Value = serde_json::from_slice(file).ok()?;
    let (mut text, mut columns) = (String::new(), vec![("a".to_owned(), Kind::Number)]);
    for step in file.get("steps")?.as_array()? {
        let label = step.get("step")?.as_str()?;
        let name = label.trim_end_matches(|letter: char| letter.is_ascii_digit());
        let name = if name.len() < label.len() { name.strip_suffix('_')? } else { label };
        let kind = if name.ends_with("encoder") { Kind::Text } else { Kind::Number };
        let names: Vec<&str> = step.get("columns")?.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
        for name in &names {
            if !columns.iter().any(|(known, _)| known == name) {
                columns.push(((*name).to_owned(), kind));
            }
        }
        let names = serde_json::to_string(&names).ok()?;
        writeln!(text, "[[subtask]]\nuse = {name:?}\ncolumns = {names}\nfit = \"frozen\"\nparams = {path:?}").ok()?;
    }
    let of = |kind| {
        let names = columns.iter().filter(|(_, of)| *of == kind).map(|(name, _)| name);
        serde_json::to_string(&names.collect::<Vec<_>>()).ok()
    };
    Some(format!("[schema]\nnumber = {}\ntext = {}\n{ENDS}{text}", of(Kind::Number)?, of(Kind::Text)?))
}

fn rows(schema: &Schema) -> Message {
    let columns: Vec<Vec<f64>> = (0..schema.number_count()).map(|slot| vec![slot as f64, 0.5, -3.0]).collect();
    let mut message = Message::from_columns(&columns);
    for _ in 0..schema.text_count() {
        let mut text = TextColumn::default();
        (0..ROWS).for_each(|row| text.push((row > 0).then_some("north")));
        message.texts.push(text);
    }
    message
}

#[cfg(test)]
mod tests {
    /// Else the fuzzer would begin behind a wall.
    #[test]
    fn what_the_fuzzer_starts_from_is_served() {
        let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus/params");
        let paths = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let files: Vec<_> = paths.filter(|path| path.to_string_lossy().ends_with(".fit.json")).collect();
        let refused: Vec<_> = files.iter().filter(|path| !super::serve(&std::fs::read(path).unwrap())).collect();
        assert!(files.len() > 30, "{files:?}");
        // A file of several steps names columns that they make.
        assert!(refused.len() < 4, "{refused:?}");
    }
}
