//! The reference page of the book, from the JSON schema and the registry.

use serde_json::Value;

use crate::config::json_schema::json_schema;
use crate::registry::Registry;
use crate::subtasks::type_name;

const BEGINNING: &str = "# Reference

Made by `rowmill schema --markdown` from what the program itself reads; `rowmill schema` prints the JSON schema of a
dataflow file, for editors.

## Commands

`rowmill --help` lists the commands, `rowmill COMMAND --help` its flags. Exit code 0: done. 1: the run failed. 2: the
command or the dataflow file is wrong.

## API

`rowmill serve` answers JSON under `/api/v1`, described by `/api/v1/openapi.json`; `/api/v1/schema` is the JSON schema of
a dataflow file.

## Dataflow file

`dataflows/every-option.toml` shows every option with a comment. `--set KEY=VALUE` stands over the file.
";

const SUBTASKS: &str = "
## Subtasks

`rowmill subtasks NAME` prints the same; `--json` for programs. Where the original raises, the message goes to the dead
letters with the original's words. A message without rows passes.
";

/// The reference page, in Markdown.
pub fn reference(registry: &Registry) -> String {
    let schema = json_schema(registry);
    let mut text = BEGINNING.to_owned();
    text += "\n| key | type | default | |\n|---|---|---|---|\n";
    let properties = || schema["properties"].as_object().into_iter().flatten();
    properties().filter(|(_, property)| section(property).is_none()).for_each(|(key, property)| {
        text += &line(key, property);
    });
    for (key, property) in properties() {
        let Some(section) = section(property) else { continue };
        let brackets = if property["type"] == "array" { format!("[[{key}]]") } else { format!("[{key}]") };
        text += &format!("\n### {brackets}\n\n{}\n", said(property));
        if key == "subtask" {
            text += "\n`use` names the subtask; its parameters stand beside it.\n";
            continue;
        }
        text += "\n| key | type | default | |\n|---|---|---|---|\n";
        section.iter().for_each(|(key, property)| text += &line(key, property));
        if key == "sink" {
            text += &of_registry(property);
        }
        if key == "source" {
            text += &of_several(property);
        }
        for (inner, property) in section {
            if let Some(keys) = table_within(inner, property) {
                text += &format!("\n#### [{key}.{inner}]\n\n{}\n", said(property));
                text += "\n| key | type | default | |\n|---|---|---|---|\n";
                keys.iter().for_each(|(key, property)| text += &line(key, property));
            }
        }
    }
    text += SUBTASKS;
    text += "\n| subtask | equals |\n|---|---|\n";
    registry.subtasks().iter().for_each(|entry| text += &format!("| `{}` | {} |\n", entry.name, entry.equals));
    for entry in registry.subtasks().iter() {
        text += &format!("\n### `{}`\n\n{}\n", entry.name, entry.summary());
        let parameters = entry.parameters();
        if !parameters.is_empty() {
            text += "\n| parameter | type | default | |\n|---|---|---|---|\n";
        }
        for parameter in parameters {
            let default = shown(Some(&parameter.default));
            text += &row(&parameter.name, &parameter.r#type, &default, &parameter.help);
        }
    }
    text
}

/// The keys of a section; none of what is a value by itself.
fn section(property: &Value) -> Option<&serde_json::Map<String, Value>> {
    let made_of = property["anyOf"].as_array().into_iter().flatten();
    let mut places = [property, &property["items"]].into_iter().chain(made_of);
    if property["items"]["oneOf"].is_array() {
        return property["items"]["oneOf"][0]["properties"].as_object();
    }
    places.find_map(|schema| schema["properties"].as_object())
}

/// The keys of a table within a section, but for sinks, which have a section of their own.
fn table_within<'a>(key: &str, property: &'a Value) -> Option<&'a serde_json::Map<String, Value>> {
    /// A table of fewer keys is described with its own key.
    const FEWEST: usize = 4;
    section(property).filter(|keys| keys.len() >= FEWEST && key != "sink")
}

/// The sections of sinks that have settings of their own.
fn of_registry(property: &Value) -> String {
    let mut text = String::new();
    for own in property["anyOf"].as_array().into_iter().flatten() {
        let Some(keys) = own["properties"].as_object() else { continue };
        let Some(pattern) = keys["url"]["pattern"].as_str() else { continue };
        let schemes =
            pattern.trim_start_matches(['^', '(']).trim_end_matches([')', ':', '/']).replace('|', "://` or `");
        text += &format!("\n#### [sink] with `{schemes}://`\n\n{}\n", said(own));
        text += "\n| key | type | default | |\n|---|---|---|---|\n";
        keys.iter().for_each(|(key, property)| text += &line(key, property));
    }
    text
}

/// The keys that each of several sources has beside those of one alone.
fn of_several(property: &Value) -> String {
    let made_of = || property["anyOf"].as_array().into_iter().flatten();
    let alone = made_of().find_map(|schema| schema["properties"].as_object());
    let each = made_of().find_map(|schema| {
        let items = &schema["items"];
        [items, &items["anyOf"][0]].into_iter().find_map(|schema| schema["properties"].as_object())
    });
    let Some((alone, each)) = alone.zip(each) else { return String::new() };
    let mut text = "\n#### [[source]]\n\nEach of several sources has these keys, too.\n".to_owned();
    text += "\n| key | type | default | |\n|---|---|---|---|\n";
    each.iter().filter(|(key, _)| !alone.contains_key(*key)).for_each(|(key, property)| text += &line(key, property));
    text
}

/// The description of a section.
fn said(property: &Value) -> &str {
    property["description"].as_str().unwrap_or_default()
}

fn line(key: &str, property: &Value) -> String {
    row(key, &type_name(property, property), &shown(property.get("default")), said(property))
}

/// A default as it is written in the file; nothing if there is none.
fn shown(default: Option<&Value>) -> String {
    default.filter(|default| !default.is_null()).map(|default| format!("`{default}`")).unwrap_or_default()
}

fn row(key: &str, r#type: &str, default: &str, help: &str) -> String {
    let cell = |text: &str| text.replace('\n', " ").replace('|', "\\|");
    format!("| `{key}` | {} | {} | {} |\n", cell(r#type), cell(default), cell(help))
}
