//! Changes of a form to the text of a dataflow file: its comments stay.

use serde::Deserialize;
use serde_json::Value as Json;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, TableLike, Value};
use utoipa::ToSchema;

use crate::config::check_key;
use crate::mqtt::MqttUrl;

/// One change of a form.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Edit {
    /// Gives a key a value; its parts are joined by dots: `source.url`, `subtask.2.columns`. A number that JSON has no
    /// word for is `{"$float": "nan"}`, or `inf` or `-inf`.
    Set {
        /// The parts of its path, joined by dots.
        key: String,
        /// As JSON.
        value: Json,
    },
    /// Takes a key away.
    Unset {
        /// The parts of its path, joined by dots.
        key: String,
    },
    /// Adds a subtask before the one of that number, from 0.
    Insert {
        /// The number that it gets, from 0.
        index: usize,
        /// Its name.
        subtask: String,
    },
    /// Takes a subtask away.
    Remove {
        /// Its number, from 0.
        index: usize,
    },
    /// Moves a subtask to another place.
    Move {
        /// Its number before, from 0.
        from: usize,
        /// Its number behind, from 0.
        to: usize,
    },
    /// Adds a table of this name, behind the others.
    AddTable {
        /// The table's name.
        name: String,
    },
    /// Takes a table away.
    RemoveTable {
        /// Its number, from 0.
        index: usize,
    },
    /// Adds a source without rows, behind the others; all have names then.
    AddSource {},
    /// Takes a source away; one of several.
    RemoveSource {
        /// Its number, from 0.
        index: usize,
    },
    /// Adds a sink that keeps nothing, behind the others.
    AddSink {},
    /// Takes a sink away; one of several.
    RemoveSink {
        /// Its number, from 0.
        index: usize,
    },
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
            check_key(key)?;
            let value = toml_value(value).ok_or_else(|| format!("{key}: null is no value"))?;
            set(document.as_table_mut(), key, value)
        }
        Edit::Unset { key } => {
            check_key(key)?;
            unset(document.as_table_mut(), key, false);
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
        Edit::AddSource {} => {
            number(document, "source");
            rearrange(document, "source", |tables| {
                let mut table = Table::new();
                table.insert("url", toml_edit::value(url_beside(tables)));
                tables.push(table);
                name_all(tables, "source");
                Ok(())
            })
        }
        Edit::RemoveSource { index } => {
            number(document, "source");
            rearrange(document, "source", |tables| match tables.len() {
                ..2 => Err("the only source cannot be taken away".into()),
                _ => take_away(tables, "source", *index),
            })
        }
        Edit::AddSink {} => {
            let mut table = Table::new();
            table.insert("url", toml_edit::value("null"));
            number(document, "sink");
            rearrange(document, "sink", |tables| {
                tables.push(table);
                Ok(())
            })
        }
        Edit::RemoveSink { index } => {
            number(document, "sink");
            rearrange(document, "sink", |tables| match tables.len() {
                ..2 => Err("the only sink cannot be taken away".into()),
                _ => take_away(tables, "sink", *index),
            })
        }
    }
}

/// What a new source reads until somebody says it: another topic of the broker that the last one reads, for nothing else goes
/// beside a topic; else no rows.
fn url_beside(sources: &[Table]) -> String {
    let last = sources.last().and_then(|table| table.get("url")).and_then(Item::as_str).unwrap_or_default();
    if last.parse::<MqttUrl>().is_err() {
        return "generate:rows=0".into();
    }
    // Its scheme, nothing, and its host, between slashes.
    let server = last.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    format!("{server}/source-{}", sources.len() + 1)
}

/// Gives each table without a name one that no other has: that of the list, with a number from the second on.
fn name_all(tables: &mut [Table], list: &str) {
    let name = |table: &Table| table.get("name").and_then(Item::as_str).map(str::to_owned);
    let mut taken: Vec<String> = tables.iter().filter_map(name).collect();
    for table in tables.iter_mut().filter(|table| name(table).is_none()) {
        let numbered = (2..).map(|number| format!("{list}_{number}"));
        let free = std::iter::once(list.to_owned()).chain(numbered).find(|name| !taken.contains(name));
        let free = free.expect("numbers do not end");
        table.insert("name", toml_edit::value(free.as_str()));
        taken.push(free);
    }
}

/// Makes the only table of this name the first of several.
fn number(document: &mut DocumentMut, list: &str) {
    let Some(item) = document.get_mut(list).filter(|item| !item.is_array_of_tables()) else { return };
    let tables = std::mem::take(item).into_array_of_tables().unwrap_or_else(|one| {
        let mut tables = ArrayOfTables::new();
        if let Ok(mut table) = one.into_table() {
            table.set_dotted(false);
            table.set_implicit(false);
            tables.push(table);
        }
        tables
    });
    *item = Item::ArrayOfTables(tables);
}

fn take_away(tables: &mut Vec<Table>, list: &str, index: usize) -> Result<(), String> {
    if index >= tables.len() {
        return Err(format!("there is no {list} {index}"));
    }
    tables.remove(index);
    Ok(())
}

/// Changes the order of the subtasks or tables. toml_edit writes each in its old position, so all positions are set
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
        if let Some(position) = places.get(at).copied().or(last) {
            place(&mut table, position);
        }
        if table.decor().prefix().is_none() {
            table.decor_mut().set_prefix("\n");
        }
        array.push(table);
    }
    Ok(())
}

/// Puts a table at a position, and those within it behind it: each would go to whatever table stands before it then.
fn place(table: &mut Table, position: isize) {
    table.set_position(Some(position));
    for (_, item) in table.iter_mut() {
        match item {
            Item::Table(inner) => place(inner, position),
            Item::ArrayOfTables(tables) => tables.iter_mut().for_each(|inner| place(inner, position)),
            Item::None | Item::Value(_) => {}
        }
    }
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
    if inner.is_array_of_tables() {
        return Err(format!("there are several [[{first}]]: give its number, as in {first}.0.{rest}"));
    }
    if !inner.is_table_like() {
        let base =
            inner.as_str().filter(|_| first == "schema" && !matches!(rest, "number" | "text")).map(str::to_owned);
        *inner = Item::Table(Table::new());
        // `schema = "davis"` is short for its `base`.
        if let Some(base) = base {
            set(inner.as_table_like_mut().expect("it was made one"), "base", base.into())?;
        }
    }
    set(inner.as_table_like_mut().expect("it was made one"), rest, value)
}

/// Takes a key away, and the table that it leaves empty in a section: `nested` there.
fn unset(table: &mut dyn TableLike, key: &str, nested: bool) {
    let Some((first, rest)) = key.split_once('.') else {
        table.remove(key);
        return;
    };
    let Some(item) = table.get_mut(first) else { return };
    match item {
        Item::ArrayOfTables(tables) => {
            let Some((index, rest)) = rest.split_once('.') else { return };
            if let Some(inner) = index.parse().ok().and_then(|index| tables.get_mut(index)) {
                unset(inner, rest, true);
            }
        }
        item => {
            let Some(inner) = item.as_table_like_mut() else { return };
            unset(inner, rest, true);
            // `password = {}` says less than no password.
            if inner.is_empty() && nested {
                table.remove(first);
            }
        }
    }
}

/// The key of a number that JSON has no word for.
const FLOAT: &str = "$float";

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
        Json::Object(items) if items.len() == 1 && items.contains_key(FLOAT) => {
            let number: f64 = items[FLOAT].as_str()?.parse().ok()?;
            number.into()
        }
        Json::Object(items) => {
            let items = items.iter().map(|(key, value)| Some((key.as_str(), toml_value(value)?)));
            Value::InlineTable(items.collect::<Option<_>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;
    use crate::web::document::{checked, values};
    use crate::web::testing::TEXT;

    fn apply_all(edits: Json) -> String {
        edited(TEXT, &serde_json::from_value::<Vec<Edit>>(edits).unwrap()).unwrap()
    }

    #[test]
    fn each_of_several_sinks_is_edited_by_its_number() {
        let set = |key: &str| vec![Edit::Set { key: key.into(), value: "b.csv".into() }];
        let text = "[[sink]]\nurl = \"null\" # first\n[[sink]]\nurl = \"a.csv\"\n";
        assert_eq!(edited(text, &set("sink.1.url")).unwrap(), text.replace("a.csv", "b.csv"));
        let refused = edited(text, &set("sink.url")).unwrap_err();
        assert!(refused.contains("sink.0.url"), "{refused}");
    }

    #[test]
    fn sources_come_and_go_and_have_names() {
        let add = || vec![Edit::AddSource {}];
        let text = "schema = { number = [\"x\"] }\n[source]\nurl = \"a.csv\" # roof\n[source.csv]\nskip = 1\n\
                    [sink]\nurl = \"null\"\n";
        let two = edited(text, &add()).unwrap();
        assert_eq!(
            values(&two)["source"],
            serde_json::json!([
                { "url": "a.csv", "csv": { "skip": 1 }, "name": "source" },
                { "url": "generate:rows=0", "name": "source_2" },
            ]),
            "{two}"
        );
        assert!(two.contains("# roof"), "{two}");
        let registry = Registry::builtin();
        assert!(checked("x", &two, &registry).is_ok(), "{two}");
        let three = edited(&two, &add()).unwrap();
        assert_eq!(values(&three)["source"][2]["name"], "source_3", "{three}");
        assert!(checked("x", &three, &registry).is_ok(), "{three}");
        let other = edited(&three, &[Edit::RemoveSource { index: 0 }]).unwrap();
        assert!(!other.contains("a.csv") && other.contains("source_2") && other.contains("source_3"), "{other}");
        assert!(checked("x", &other, &registry).is_ok(), "{other}");
        let one = edited(&other, &[Edit::RemoveSource { index: 0 }]).unwrap();
        assert!(checked("x", &one, &registry).is_ok(), "{one}");
        assert!(edited(&one, &[Edit::RemoveSource { index: 0 }]).unwrap_err().contains("the only source"));
        let dotted = edited("schema = { number = [\"x\"] }\nsource.url = \"a.csv\"\nsink.url = \"null\"\n", &add());
        assert!(checked("x", dotted.as_ref().unwrap(), &registry).is_ok(), "{dotted:?}");
        let topic = "schema = { number = [\"x\"] }\nsource.url = \"mqtt://me@host:1884/a/#\"\nsink.url = \"null\"\n";
        let topics = edited(topic, &add()).unwrap();
        assert_eq!(values(&topics)["source"][1]["url"], "mqtt://me@host:1884/source-2", "{topics}");
        assert!(checked("x", &topics, &registry).is_ok(), "{topics}");
    }

    /// Regression: what stands in a table of its own below a subtask went to another one.
    #[test]
    fn tables_within_go_where_their_table_goes() {
        let text = "[[subtask]]\nuse = \"rename\"\n[subtask.columns]\na = \"b\"\n[[subtask]]\nuse = \"clip\"\n[sink]\n\
                    url = \"null\"\n[sink.password]\nenv = \"P\"\n";
        let renames = serde_json::json!({ "use": "rename", "columns": { "a": "b" } });
        let clips = serde_json::json!({ "use": "clip" });
        let steps = |edit: Edit| values(&edited(text, &[edit]).unwrap())["subtask"].clone();
        assert_eq!(steps(Edit::Move { from: 0, to: 1 }), serde_json::json!([clips, renames]));
        let inserted = steps(Edit::Insert { index: 1, subtask: "abs".into() });
        assert_eq!(inserted, serde_json::json!([renames, { "use": "abs" }, clips]));
        assert_eq!(steps(Edit::Remove { index: 1 }), serde_json::json!([renames]));
        let sinks = values(&edited(text, &[Edit::AddSink {}]).unwrap())["sink"].clone();
        assert_eq!(sinks, serde_json::json!([{ "url": "null", "password": { "env": "P" } }, { "url": "null" }]));
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
    fn numbers_without_a_word_in_json_come_and_go() {
        let text = apply_all(serde_json::json!([
            {"op": "set", "key": "subtask.0.upper", "value": {"$float": "inf"}},
            {"op": "set", "key": "subtask.1.to_replace", "value": [1.5, {"$float": "nan"}]},
        ]));
        assert!(text.contains("upper = inf # at most") && text.contains("to_replace = [1.5, nan]"), "{text}");
        let shown = &values(&text)["subtask"];
        assert_eq!((&shown[0]["upper"], &shown[1]["to_replace"]), (&"inf".into(), &serde_json::json!([1.5, "nan"])));
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
    fn sinks_are_added_and_removed() {
        let add = || Edit::AddSink {};
        for text in [
            "sink.url = \"a.csv\" # first\nsource.url = \"mqtt://h/t\"\n",
            "sink = { url = \"a.csv\" } # first\n[source]\nurl = \"mqtt://h/t\"\n",
            "[sink] # first\nurl = \"a.csv\"\n[source]\nurl = \"mqtt://h/t\"\n",
            "sink = [{ url = \"a.csv\" }]\nsource.url = \"mqtt://h/t\" # first\n",
        ] {
            let set = Edit::Set { key: "sink.1.url".into(), value: "b.csv".into() };
            let two = edited(text, &[add(), set]).unwrap();
            assert_eq!(values(&two)["sink"], serde_json::json!([{"url": "a.csv"}, {"url": "b.csv"}]), "{two}");
            assert_eq!(values(&two)["source"]["url"], "mqtt://h/t", "{two}");
            assert!(checked("w", &two, &Registry::builtin()).is_ok(), "{two}");
            let one = edited(&two, &[Edit::RemoveSink { index: 0 }]).unwrap();
            assert_eq!(values(&one)["sink"], serde_json::json!([{"url": "b.csv"}]), "{one}");
            assert!(edited(&one, &[Edit::RemoveSink { index: 0 }]).is_err(), "{one}");
        }
        let none = edited("source.url = \"mqtt://h/t\"\n", &[add()]).unwrap();
        assert_eq!(values(&none)["sink"], serde_json::json!([{"url": "null"}]), "{none}");
    }

    #[test]
    fn a_table_in_a_section_goes_with_its_last_key() {
        let unset = |key: &str| Edit::Unset { key: key.into() };
        let text = "source.password = { env = \"X\" }\n[sink]\nurl = \"null\"\n";
        let password = edited(text, &[unset("source.password.env"), unset("sink.url")]).unwrap();
        assert_eq!(values(&password), serde_json::json!({"sink": {}}), "{password}");
    }

    #[test]
    fn a_schema_of_columns_takes_the_place_of_a_named_one() {
        let set = |key: &str, value: Json| Edit::Set { key: key.into(), value };
        let text = format!("schema = \"davis\"\n{TEXT}");
        let columns = edited(&text, &[set("schema.number", serde_json::json!(["a", "b"]))]).unwrap();
        assert_eq!(values(&columns)["schema"], serde_json::json!({"number": ["a", "b"]}), "{columns}");
        let words = edited(&text, &[set("schema.missing", serde_json::json!(["unknown"]))]).unwrap();
        assert_eq!(values(&words)["schema"], serde_json::json!({"base": "davis", "missing": ["unknown"]}), "{words}");
        let back = edited(&columns, &[set("schema", "infer".into())]).unwrap();
        assert_eq!(values(&back)["schema"], "infer", "{back}");
        assert!(checked("w", &back, &Registry::builtin()).is_ok(), "{back}");
    }

    #[test]
    fn a_first_subtask_stands_in_its_own_table() {
        let text = edited("sink.url = \"null\"\n", &[Edit::Insert { index: 0, subtask: "clip".into() }]).unwrap();
        assert_eq!(values(&text)["subtask"][0]["use"], "clip", "{text}");
    }
}
