//! The text of a dataflow file as a form sees it: its values, and whether it may be run.

use serde_json::Value as Json;
use toml_edit::{Document, DocumentMut, Item, TableLike, Value};

use super::folder::is_inside;
use super::problem::{FileProblem, place, problem, span_of};
use crate::config::Dataflow;
use crate::mqtt::masked;
use crate::registry::Registry;

/// The text with its passwords masked; empty if the text is no TOML, in which passwords can't be found.
pub fn without_secrets(text: &str) -> String {
    let Ok(mut document) = text.parse::<DocumentMut>() else { return String::new() };
    cover(document.as_table_mut());
    // Passwords in comments and addresses.
    masked(&document.to_string())
}

/// Masks the passwords of a table and of those in it.
fn cover(table: &mut dyn TableLike) {
    for (key, item) in table.iter_mut() {
        if key == "password" && !item.is_table_like() {
            *item = toml_edit::value("***");
        } else if let Some(values) = item.as_array_mut() {
            values.iter_mut().filter_map(|value| value.as_inline_table_mut()).for_each(|table| cover(table));
        } else if let Some(tables) = item.as_array_of_tables_mut() {
            tables.iter_mut().for_each(|table| cover(table));
        } else if let Some(table) = item.as_table_like_mut() {
            cover(table);
        }
    }
}

/// All values as JSON; empty if the text is no TOML.
pub fn values(text: &str) -> Json {
    toml::from_str::<toml::Table>(text).ok().and_then(|table| serde_json::to_value(table).ok()).unwrap_or_default()
}

/// The dataflow of a text that anybody may have written: paths are checked before anything is read from them.
///
/// # Errors
/// What is wrong with it.
pub fn checked(name: &str, text: &str, registry: &Registry) -> Result<Dataflow, FileProblem> {
    if let Ok(document) = Document::parse(text)
        && let Some((field, path)) = paths(document.as_table(), "").into_iter().find(|(_, path)| !is_inside(path))
    {
        let span = span_of(document.as_table(), &field);
        let (line, column) = span.map_or((0, 0), |span| place(text, span.start));
        return Err(FileProblem {
            message: format!("{path} leads out of the folder of the projects"),
            help: Some("give a path inside of it; `rowmill run` on the command line takes any".into()),
            line,
            column,
            field: Some(field),
        });
    }
    Dataflow::from_text(&format!("{name}.toml"), text, &[], registry).map_err(|diagnostic| problem(text, &diagnostic))
}

/// The keys whose values are paths, with the paths.
fn paths(table: &dyn TableLike, prefix: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (key, item) in table.iter() {
        let field = format!("{prefix}{key}");
        match item {
            Item::ArrayOfTables(tables) => {
                for (index, inner) in tables.iter().enumerate() {
                    found.extend(paths(inner, &format!("{field}.{index}.")));
                }
            }
            Item::Value(Value::Array(items)) => {
                let tables =
                    items.iter().enumerate().filter_map(|(index, item)| Some((index, item.as_inline_table()?)));
                tables.for_each(|(index, inner)| found.extend(paths(inner, &format!("{field}.{index}."))));
            }
            item => {
                if let Some(inner) = item.as_table_like() {
                    found.extend(paths(inner, &format!("{field}.")));
                } else if let Some(text) = item.as_str().filter(|text| is_path(key, text)) {
                    found.push((field, text.to_owned()));
                }
            }
        }
    }
    found
}

/// Whether a text under such a key names a file.
fn is_path(key: &str, text: &str) -> bool {
    match key {
        "url" => text != "-" && text != "null" && !text.contains("://") && !text.starts_with("generate:"),
        "ca" | "certificate" | "params" | "file" | "path" => true,
        // The `key` of a subtask or a table is a column's name, which is no path out of the folder.
        "key" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::testing::TEXT;

    #[test]
    fn passwords_are_covered() {
        let text = TEXT
            .replace("[source]", "[source]\npassword = \"rain\"")
            .replace("[sink]", "[sink]\npassword = { env = \"X\" }");
        let covered = without_secrets(&text);
        assert!(
            !covered.contains("rain") && covered.contains("env = \"X\"") && covered.contains("# at most"),
            "{covered}"
        );
        assert_eq!(without_secrets("password = \"rain"), "");
        let table = "[[table]]\nname = \"t\"\nsink = { url = \"mqtt://h/t\", password = \"rain\" }\n";
        assert_eq!(without_secrets(table), table.replace("\"rain\"", "\"***\""));
        for text in [
            "table = [{ name = \"t\", sink = { url = \"mqtt://h/t\", password = \"rain\" } }]\n",
            "source.url = \"mqtt://anna:rain@h/t\" # password = \"rain\"\n",
            "source.password = [\"rain\"]\n",
        ] {
            let covered = without_secrets(text);
            assert!(!covered.contains("rain") && covered.contains("***") && !values(&covered).is_null(), "{covered}");
        }
    }

    fn problem_of(from: &str, to: &str) -> FileProblem {
        assert!(TEXT.contains(from));
        checked("w", &TEXT.replacen(from, to, 1), &Registry::builtin()).err().expect("a problem")
    }

    #[test]
    fn problems_stand_at_their_fields() {
        let problem = problem_of("upper = 1.0", "upper = \"x\"");
        assert_eq!((problem.line, problem.field.as_deref()), (10, Some("subtask.0.upper")));
        let problem = problem_of("mqtt://h/t", "mqtt://h");
        assert_eq!((problem.line, problem.field.as_deref()), (5, Some("source.url")));
        let problem = problem_of("\"binarizer\"", "\"binarzer\"");
        assert_eq!(problem.field.as_deref(), Some("subtask.1.use"));
        assert_eq!(problem.help.as_deref(), Some("did you mean `binarizer`?"));
        assert_eq!(problem_of("name = \"w\"", "name = ").line, 2);
        assert!(checked("w", TEXT, &Registry::builtin()).is_ok());
    }

    #[test]
    fn nothing_outside_of_the_folder_is_read() {
        for (from, to, field) in [
            ("mqtt://h/t", "/etc/passwd.csv", "source.url"),
            ("\"null\"", "\"../x.ndjson\"", "sink.url"),
            ("upper = 1.0", "params = \"/etc/shadow\"", "subtask.0.params"),
            (
                "url = \"mqtt://h/t\"",
                "url = \"mqtt://h/t\"\npassword = { file = \"/etc/shadow\" }",
                "source.password.file",
            ),
            ("url = \"mqtt://h/t\"", "url = \"mqtts://h/t\"\nca = \"/etc/ssl/x\"", "source.ca"),
        ] {
            let problem = problem_of(from, to);
            assert_eq!(problem.field.as_deref(), Some(field), "{problem:?}");
            assert!(problem.message.contains("leads out of the folder"), "{problem:?}");
        }
        let inline = TEXT
            .replace("[[subtask]]\nuse = \"clip\"\nupper = 1.0 # at most\n\n[[subtask]]\nuse = \"binarizer\"\n", "");
        let inline = format!("subtask = [{{ use = \"clip\", params = \"/x\" }}]\n{inline}");
        assert!(checked("w", &inline, &Registry::builtin()).err().unwrap().message.contains("leads out"));
    }
}
