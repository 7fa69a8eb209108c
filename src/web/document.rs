//! The text of a dataflow file as a form sees it: its values, and whether it may be run.

use serde_json::Value as Json;
use toml_edit::{Document, DocumentMut, Item, TableLike, Value};

use super::folder::is_inside;
use super::problem::{FileProblem, place, problem, span_of};
use crate::config::Dataflow;
use crate::mqtt::{is_secret, masked};
use crate::registry::Registry;

/// The text with its passwords masked; empty if the text is no TOML, in which passwords can't be found.
pub fn without_secrets(text: &str) -> String {
    let Ok(mut document) = text.parse::<DocumentMut>() else { return String::new() };
    document.iter_mut().for_each(|(key, item)| cover_item(item, is_secret(&key)));
    // Passwords in comments.
    masked(&document.to_string())
}

const COVERED: &str = "***";

/// Masks the passwords of an item: all texts and numbers of a `secret` one, except where it only says its place.
fn cover_item(item: &mut Item, secret: bool) {
    match item {
        Item::None => {}
        Item::Value(value) => cover(value, secret),
        Item::Table(table) => table.iter_mut().for_each(|(key, item)| cover_item(item, is_hidden(&key, secret))),
        Item::ArrayOfTables(tables) => {
            let items = tables.iter_mut().flat_map(|table| table.iter_mut());
            items.for_each(|(key, item)| cover_item(item, is_hidden(&key, secret)));
        }
    }
}

fn cover(value: &mut Value, secret: bool) {
    match value {
        // It says where the password is.
        Value::InlineTable(table) if secret && table.iter().all(|(key, _)| is_place(key)) => {}
        value if secret => replace(value, COVERED),
        Value::Array(items) => items.iter_mut().for_each(|item| cover(item, false)),
        Value::InlineTable(table) => table.iter_mut().for_each(|(key, value)| cover(value, is_secret(&key))),
        Value::String(text) => {
            let shown = masked_text(text.value());
            if shown != *text.value() {
                replace(value, &shown);
            }
        }
        _ => {}
    }
}

/// A text without the passwords of addresses; in words of people, without what stands behind a word for a password.
pub fn masked_text(text: &str) -> String {
    if !text.contains(char::is_whitespace) {
        return masked(text);
    }
    let of_comment = |line: &str| masked(&format!("#{line}"))[1..].to_owned();
    text.split('\n').map(of_comment).collect::<Vec<_>>().join("\n")
}

fn is_place(key: &str) -> bool {
    matches!(key, "file" | "env")
}

/// Whether the value of a key is to be masked, in a table that is itself the value of a secret key or not.
fn is_hidden(key: &str, secret: bool) -> bool {
    if secret { !is_place(key) } else { is_secret(key) }
}

/// Gives a value another text; what stands around it stays.
pub(super) fn replace(value: &mut Value, text: &str) {
    let decor = value.decor().clone();
    *value = text.into();
    *value.decor_mut() = decor;
}

/// All values as JSON; empty if the text is no TOML. Numbers that JSON has no word for are texts, such as `nan`.
pub fn values(text: &str) -> Json {
    toml::from_str::<toml::Table>(text).map_or(Json::Null, |table| value(toml::Value::Table(table)))
}

fn value(of: toml::Value) -> Json {
    match of {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) if number.is_nan() => "nan".into(),
        toml::Value::Float(number) if number.is_infinite() => number.to_string().into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(value) => value.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(value).collect(),
        toml::Value::Table(items) => {
            items.into_iter().map(|(key, item)| (key, value(item))).collect::<serde_json::Map<_, _>>().into()
        }
    }
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
    let dataflow = Dataflow::from_text(&format!("{name}.toml"), text, &[], registry).and_then(|dataflow| {
        let processes = dataflow.processes.unwrap_or(1);
        dataflow.check_files(processes.into(), &[]).map(|()| dataflow)
    });
    dataflow.map_err(|diagnostic| problem(text, &diagnostic))
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
        "ca" | "certificate" | "params" | "shadow" | "file" | "path" => true,
        // The `key` of a subtask or a table is a column's name, which is no path out of the folder.
        "key" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::file_cache::FileSummary;
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

    /// A text as a value of TOML, in each of its notations.
    fn notations(text: &str) -> Vec<String> {
        let escaped: String = text.chars().map(|c| format!("\\u{:04X}", u32::from(c))).collect();
        let quoted = [("\"", text), ("'", text), ("\"\"\"", text), ("\'\'\'", text), ("\"", &escaped)];
        quoted.map(|(quote, text)| format!("{quote}{text}{quote}")).to_vec()
    }

    /// Files that hold a password somewhere.
    fn files_with(secret: &str) -> Vec<String> {
        let mut files = Vec::new();
        let keys = [
            "password",
            "\"password\"",
            "'password'",
            "\"pass\\u0077ord\"",
            "PASSWORD",
            "passwort",
            "passphrase",
            "secret",
            "token",
        ];
        for value in notations(secret) {
            let values = [
                value.clone(),
                format!("[{value}]"),
                format!("[[{value}]]"),
                format!("{{ value = {value} }}"),
                format!("{{ inner = {{ value = {value} }} }}"),
            ];
            for (key, value) in keys.iter().flat_map(|key| values.iter().map(move |value| (key, value))) {
                files.extend([
                    format!("[source]\nurl = \"mqtt://h/t\"\n{key} = {value} # shown\n"),
                    format!("source.{key} = {value}\n"),
                    format!("source = {{ url = \"mqtt://h/t\", {key} = {value} }}\n"),
                    format!("[source.{key}]\nvalue = {value}\n"),
                    format!("[[sink]]\nurl = \"null\"\n[[sink]]\n{key} = {value}\n"),
                    format!("sink = [{{ url = \"null\" }}, {{ {key} = {value} }}]\n"),
                    format!("dead_letter = {{ {key} = {value} }}\n"),
                    format!("[[table]]\nname = \"t\"\nsink = {{ {key} = {value} }}\n"),
                    format!("[[table]]\nname = \"t\"\n[table.sink]\n{key} = {value}\n"),
                    format!("more = [[{{ {key} = {value} }}]]\n"),
                ]);
            }
        }
        for address in [
            "mqtt://anna:S@h/t",
            "mqtts://anna:S@h:8883/t?a=b",
            "postgresql://anna:S@h/db",
            "http://anna:S@h",
            "http://h/write?db=w&p=S",
        ] {
            for value in notations(&address.replace('S', secret)) {
                files.extend([
                    format!("source.url = {value}\n"),
                    format!("sink = {{ url = {value} }}\n"),
                    format!("[[table]]\nsink.url = {value}\n"),
                    format!("source.connections = [{value}]\ndescription = {value}\n"),
                ]);
            }
            files.push(format!("# {}\nsink.url = \"null\"\n", address.replace('S', secret)));
        }
        for comment in [
            "password = \"S\"",
            "password: S",
            "the password was S",
            "--set source.password=S",
            "--set 'sink.password=\"S\"'",
        ] {
            let comment = comment.replace('S', secret);
            files.push(format!("# {comment}\nsink.url = \"null\" # {comment}\n"));
            files.push(format!("description = {:?}\n", format!("run with {comment}")));
        }
        files
    }

    fn texts(value: &Json) -> Vec<String> {
        match value {
            Json::String(text) => vec![text.clone()],
            Json::Array(items) => items.iter().flat_map(texts).collect(),
            Json::Object(items) => {
                items.iter().flat_map(|(key, value)| [vec![key.clone()], texts(value)].concat()).collect()
            }
            _ => Vec::new(),
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(8))]

        #[test]
        fn nobody_without_the_right_sees_a_password_in_any_notation(secret in "[A-Z][a-z0-9]{7,20}X") {
            for file in files_with(&secret) {
                assert!(file.parse::<DocumentMut>().is_ok(), "{file}");
                let covered = without_secrets(&file);
                assert!(!covered.contains(&secret), "{file}: {covered}");
                let told = values(&covered);
                assert!(!texts(&told).iter().any(|text| text.contains(&secret)), "{file}: {told}");
                let summary = serde_json::to_string(&FileSummary::of(&"w".parse().unwrap(), &file, &Registry::builtin())).unwrap();
                assert!(!summary.contains(&secret), "{file}: {summary}");
            }
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
