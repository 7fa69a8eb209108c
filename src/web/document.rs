//! The text of a dataflow file as a form sees it: values, edits that keep comments, problems at their fields.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use toml_edit::{ArrayOfTables, Document, DocumentMut, Item, Table, TableLike, Value};
use utoipa::ToSchema;

use super::folder::is_inside;
use crate::config::{Dataflow, Diagnostic};
use crate::mqtt::masked;
use crate::registry::Registry;

/// One change of a form.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Edit {
    /// Gives a key a value; its parts are joined by dots: `source.url`, `subtask.2.columns`.
    Set { key: String, value: Json },
    /// Takes a key away.
    Unset { key: String },
    /// Adds a subtask before the one of that number, from 0.
    Insert { index: usize, subtask: String },
    /// Takes a subtask away.
    Remove { index: usize },
    /// Moves a subtask to another place.
    Move { from: usize, to: usize },
    /// Adds a table of this name, behind the others.
    AddTable { name: String },
    /// Takes a table away.
    RemoveTable { index: usize },
}

/// What is wrong with a dataflow file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FileProblem {
    pub message: String,
    pub help: Option<String>,
    /// From 1; 0 if it has no place.
    pub line: usize,
    pub column: usize,
    /// The key it is about, if it is about one.
    pub field: Option<String>,
}

/// The text after some edits.
///
/// # Errors
/// Text that is no TOML, or an edit that does not fit it.
pub fn edited(text: &str, edits: &[Edit]) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
    edits.iter().try_for_each(|edit| apply(&mut document, edit))?;
    Ok(document.to_string())
}

fn apply(document: &mut DocumentMut, edit: &Edit) -> Result<(), String> {
    match edit {
        Edit::Set { key, value } => {
            let value = toml_value(value).ok_or_else(|| format!("{key}: null is no value"))?;
            set(document.as_table_mut(), key, value)
        }
        Edit::Unset { key } => {
            unset(document.as_table_mut(), key);
            Ok(())
        }
        Edit::Insert { index, subtask } => {
            let mut table = Table::new();
            table.insert("use", toml_edit::value(subtask.as_str()));
            rearrange(document, "subtask", |tables| {
                let index = (*index).min(tables.len());
                tables.insert(index, table);
                Ok(())
            })
        }
        Edit::Remove { index } => rearrange(document, "subtask", |tables| take_away(tables, "subtask", *index)),
        Edit::Move { from, to } => rearrange(document, "subtask", |tables| {
            if *from >= tables.len() || *to >= tables.len() {
                return Err(format!("no subtask can move from {from} to {to}"));
            }
            let table = tables.remove(*from);
            tables.insert(*to, table);
            Ok(())
        }),
        Edit::AddTable { name } => {
            let mut table = Table::new();
            table.insert("name", toml_edit::value(name.as_str()));
            rearrange(document, "table", |tables| {
                tables.push(table);
                Ok(())
            })
        }
        Edit::RemoveTable { index } => rearrange(document, "table", |tables| take_away(tables, "table", *index)),
    }
}

fn take_away(tables: &mut Vec<Table>, list: &str, index: usize) -> Result<(), String> {
    if index >= tables.len() {
        return Err(format!("there is no {list} {index}"));
    }
    tables.remove(index);
    Ok(())
}

/// Changes the order of the subtasks or tables: they are written where they stood, so all of them take their places
/// anew.
fn rearrange(
    document: &mut DocumentMut,
    list: &str,
    change: impl FnOnce(&mut Vec<Table>) -> Result<(), String>,
) -> Result<(), String> {
    let item = document.entry(list).or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    let Some(array) = item.as_array_of_tables_mut() else {
        return Err(format!("the {list}s are no [[{list}]] tables"));
    };
    let mut tables: Vec<Table> = std::mem::take(array).into_iter().collect();
    let places: Vec<_> = tables.iter().filter_map(Table::position).collect();
    change(&mut tables)?;
    let last = places.last().copied();
    for (at, mut table) in tables.into_iter().enumerate() {
        table.set_position(places.get(at).copied().or(last));
        if table.decor().prefix().is_none() {
            table.decor_mut().set_prefix("\n");
        }
        array.push(table);
    }
    Ok(())
}

fn set(table: &mut dyn TableLike, key: &str, value: Value) -> Result<(), String> {
    let Some((first, rest)) = key.split_once('.') else {
        match table.get_mut(key) {
            // The comments around a value stay.
            Some(Item::Value(old)) => {
                let decor = old.decor().clone();
                *old = value;
                *old.decor_mut() = decor;
            }
            _ => drop(table.insert(key, Item::Value(value))),
        }
        return Ok(());
    };
    if let Some((index, rest)) = rest.split_once('.').and_then(|(index, rest)| Some((index.parse().ok()?, rest))) {
        let tables = table.get_mut(first).and_then(Item::as_array_of_tables_mut);
        let inner = tables.and_then(|tables: &mut ArrayOfTables| tables.get_mut(index));
        return set(inner.ok_or_else(|| format!("there is no {first} {index}"))?, rest, value);
    }
    let inner = table.entry(first).or_insert_with(|| Item::Table(Table::new()));
    if !inner.is_table_like() {
        *inner = Item::Table(Table::new());
    }
    set(inner.as_table_like_mut().expect("it was made one"), rest, value)
}

fn unset(table: &mut dyn TableLike, key: &str) {
    let Some((first, rest)) = key.split_once('.') else {
        table.remove(key);
        return;
    };
    let Some(item) = table.get_mut(first) else { return };
    match item {
        Item::ArrayOfTables(tables) => {
            let Some((index, rest)) = rest.split_once('.') else { return };
            if let Some(inner) = index.parse().ok().and_then(|index| tables.get_mut(index)) {
                unset(inner, rest);
            }
        }
        item => {
            if let Some(inner) = item.as_table_like_mut() {
                unset(inner, rest);
            }
        }
    }
}

fn toml_value(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(value) => (*value).into(),
        Json::Number(number) => match number.as_i64() {
            Some(number) => number.into(),
            None => number.as_f64()?.into(),
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => Value::Array(items.iter().map(toml_value).collect::<Option<_>>()?),
        Json::Object(items) => {
            let items = items.iter().map(|(key, value)| Some((key.as_str(), toml_value(value)?)));
            Value::InlineTable(items.collect::<Option<_>>()?)
        }
    })
}

/// The text with its passwords covered; nothing of it if it is no TOML, for nobody knows where one stands then.
pub fn without_secrets(text: &str) -> String {
    let Ok(mut document) = text.parse::<DocumentMut>() else { return String::new() };
    cover(document.as_table_mut());
    // What is left stands in comments and addresses.
    masked(&document.to_string())
}

/// Covers the passwords of a table and of those in it.
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

/// The dataflow of a text that may come from anybody: paths are looked at before anything is read from them.
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

/// Keys whose values are files, with these.
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
        // `key` names a text column where it belongs to a subtask or a table: a column's name leads nowhere.
        "key" => true,
        _ => false,
    }
}

fn problem(text: &str, diagnostic: &Diagnostic) -> FileProblem {
    let span = diagnostic.span();
    let (line, column) = span.as_ref().map_or((0, 0), |span| place(text, span.start));
    let document = Document::parse(text).ok();
    let field = span.zip(document).and_then(|(span, document)| field_at(document.as_table(), span.start, ""));
    FileProblem {
        message: diagnostic.title().to_owned(),
        help: diagnostic.advice().map(str::to_owned),
        line,
        column,
        field,
    }
}

/// Line and column of a byte, from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(at)];
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// The key whose name or value stands at a byte.
fn field_at(table: &dyn TableLike, at: usize, prefix: &str) -> Option<String> {
    let holds = |span: Option<std::ops::Range<usize>>| span.is_some_and(|span| (span.start..=span.end).contains(&at));
    for (key, item) in table.iter() {
        let field = format!("{prefix}{key}");
        if let Item::ArrayOfTables(tables) = item {
            for (index, inner) in tables.iter().enumerate() {
                let own = format!("{field}.{index}");
                let deeper = field_at(inner, at, &format!("{own}."));
                if deeper.is_some() || holds(inner.span()) {
                    return deeper.or(Some(own));
                }
            }
        } else if let Some(inner) = item.as_table_like() {
            let deeper = field_at(inner, at, &format!("{field}."));
            if deeper.is_some() || holds(item.span()) {
                return deeper.or(Some(field));
            }
        } else if holds(item.span()) || holds(table.key(key).and_then(toml_edit::Key::span)) {
            return Some(field);
        }
    }
    None
}

fn span_of(table: &dyn TableLike, field: &str) -> Option<std::ops::Range<usize>> {
    let (first, rest) = field.split_once('.').map_or((field, None), |(first, rest)| (first, Some(rest)));
    let item = table.get(first)?;
    let Some(rest) = rest else { return item.span() };
    if let Item::ArrayOfTables(tables) = item {
        let (index, rest) = rest.split_once('.')?;
        return span_of(tables.get(index.parse().ok()?)?, rest);
    }
    span_of(item.as_table_like()?, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# Ours.
name = "w" # shown

[source]
url = "mqtt://h/t"

# The first step.
[[subtask]]
use = "clip"
upper = 1.0 # at most

[[subtask]]
use = "binarizer"

[sink]
url = "null"
"#;

    fn apply_all(edits: Json) -> String {
        edited(TEXT, &serde_json::from_value::<Vec<Edit>>(edits).unwrap()).unwrap()
    }

    #[test]
    fn edits_keep_comments() {
        let text = apply_all(serde_json::json!([
            {"op": "set", "key": "name", "value": "x"},
            {"op": "set", "key": "subtask.0.upper", "value": 2.5},
            {"op": "set", "key": "buffer.bucket_size", "value": 10},
            {"op": "set", "key": "source.password", "value": {"env": "SECRET"}},
        ]));
        assert!(text.starts_with("# Ours.\nname = \"x\" # shown\n"), "{text}");
        assert!(text.contains("# The first step.\n[[subtask]]\nuse = \"clip\"\nupper = 2.5 # at most\n"), "{text}");
        let dotted = edited(
            "# Ours.\nsource.url = \"a\" # there\n",
            &[Edit::Set { key: "source.url".into(), value: "b".into() }],
        );
        assert_eq!(dotted.unwrap(), "# Ours.\nsource.url = \"b\" # there\n");
        assert_eq!(values(&text)["buffer"]["bucket_size"], 10);
        assert_eq!(values(&text)["source"]["password"]["env"], "SECRET");
    }

    #[test]
    fn subtasks_are_added_moved_and_removed() {
        let names = |text: &str| {
            let values = values(text);
            values["subtask"].as_array().unwrap().iter().map(|step| step["use"].to_string()).collect::<Vec<_>>()
        };
        let insert = serde_json::json!({"op": "insert", "index": 1, "subtask": "fillna"});
        let text = apply_all(serde_json::json!([insert]));
        assert_eq!(names(&text), ["\"clip\"", "\"fillna\"", "\"binarizer\""]);
        let text = apply_all(serde_json::json!([insert, {"op": "move", "from": 0, "to": 2}]));
        assert_eq!(names(&text), ["\"fillna\"", "\"binarizer\"", "\"clip\""], "{text}");
        assert!(text.contains("# The first step.\n[[subtask]]\nuse = \"clip\""), "{text}");
        let text =
            apply_all(serde_json::json!([{"op": "remove", "index": 1}, {"op": "unset", "key": "subtask.0.upper"}]));
        assert_eq!(names(&text), ["\"clip\""]);
        assert!(!text.contains("upper"), "{text}");
        assert!(edited(TEXT, &[Edit::Remove { index: 2 }]).is_err());
    }

    #[test]
    fn tables_are_added_and_removed() {
        let add = serde_json::json!({"op": "add_table", "name": "hourly"});
        let fields = serde_json::json!([
            add, add,
            {"op": "set", "key": "table.1.window", "value": "1h"},
            {"op": "set", "key": "table.1.sink.url", "value": "t.csv"},
            {"op": "remove_table", "index": 0}
        ]);
        let text = apply_all(fields);
        let values = values(&text);
        assert_eq!(values["table"].as_array().map(Vec::len), Some(1), "{text}");
        assert_eq!(
            (&values["table"][0]["window"], &values["table"][0]["sink"]["url"]),
            (&"1h".into(), &"t.csv".into())
        );
        assert!(checked("w", &text, &Registry::builtin()).is_ok(), "{text}");
        assert!(edited(TEXT, &[Edit::RemoveTable { index: 0 }]).is_err());
    }

    #[test]
    fn a_schema_of_columns_takes_the_place_of_a_named_one() {
        let set = |key: &str, value: Json| Edit::Set { key: key.into(), value };
        let text = format!("schema = \"davis\"\n{TEXT}");
        let columns = edited(&text, &[set("schema.number", serde_json::json!(["a", "b"]))]).unwrap();
        assert_eq!(values(&columns)["schema"], serde_json::json!({"number": ["a", "b"]}), "{columns}");
        let back = edited(&columns, &[set("schema", "infer".into())]).unwrap();
        assert_eq!(values(&back)["schema"], "infer", "{back}");
        assert!(checked("w", &back, &Registry::builtin()).is_ok(), "{back}");
    }

    #[test]
    fn a_first_subtask_stands_in_its_own_table() {
        let text = edited("sink.url = \"null\"\n", &[Edit::Insert { index: 0, subtask: "clip".into() }]).unwrap();
        assert_eq!(values(&text)["subtask"][0]["use"], "clip", "{text}");
    }

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
