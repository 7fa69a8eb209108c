//! The JSON schema of a dataflow file, from the sections as serde reads them and from the registry.

use schemars::Schema;
use serde_json::{Map, Value, json};

use crate::config::parse::sections::{FileSections, SchemaSection, SinkSection, SourceSection};
use crate::config::sink_plan::BranchSection;
use crate::config::source_plan::NamedSourceSection;
use crate::config::table::TableSection;
use crate::inlined_schema::generator;
use crate::registry::Registry;
use crate::subtasks::{Entry, Parameter, Role};

/// The JSON schema of a dataflow file: every key of every section, and all subtasks of a registry.
pub fn json_schema(registry: &Registry) -> Value {
    let mut generator = generator();
    let (columns, table) = (generator.subschema_for::<SchemaSection>(), generator.subschema_for::<TableSection>());
    let sink = generator.subschema_for::<SinkSection>().to_value();
    let source = generator.subschema_for::<SourceSection>().to_value();
    let mut named = generator.subschema_for::<NamedSourceSection>().to_value();
    let branch = generator.subschema_for::<BranchSection>().to_value();
    let mut root = generator.into_root_schema_for::<FileSections>().to_value();
    root["title"] = "Rowmill dataflow".into();
    let known = json!({
        "enum": ["davis", "infer"],
        "description": "The columns of a Davis station, or those that the source turns out to have.",
    });
    let sources = registry.sources().iter().map(|entry| custom(entry.name, entry.pattern(), entry.schema(), true));
    let sources: Vec<Value> = [source].into_iter().chain(sources).collect();
    named["properties"]["schema"] = json!({
        "description": "The columns of the rows of one of several sources; those of the file's `schema` if not given.",
        "anyOf": [known, columns],
    });
    let several: Vec<Value> = sources.iter().map(|kind| with_keys(kind.clone(), &named)).collect();
    let one = if several.len() == 1 { several[0].clone() } else { json!({ "anyOf": several }) };
    let several = json!({ "type": "array", "minItems": 1, "items": one });
    root["properties"]["source"] = json!({
        "description": "Where rows come from: a topic of a broker, a file, standard input, or generated rows; several as \
                        `[[source]]`, each with its own columns and reading rules.",
        "anyOf": sources.into_iter().chain([several]).collect::<Vec<_>>(),
    });
    let custom_sinks = || {
        registry
            .sinks()
            .iter()
            .map(|entry| custom(entry.name, entry.pattern(), entry.schema(), false))
            .collect::<Vec<_>>()
    };
    add(&mut root["properties"]["dead_letter"], custom_sinks());
    let kinds: Vec<Value> = [sink].into_iter().chain(custom_sinks()).map(|kind| with_keys(kind, &branch)).collect();
    let one = if kinds.len() == 1 { kinds[0].clone() } else { json!({ "anyOf": &kinds }) };
    let several = json!({ "type": "array", "minItems": 1, "items": one });
    root["properties"]["sink"] = json!({
        "description": "Where results go; several as `[[sink]]`, each with its own rows and columns.",
        "anyOf": kinds.into_iter().chain([several]).collect::<Vec<_>>(),
    });
    root["properties"]["schema"] = json!({
        "description": "The columns of the rows; `davis` if not given.",
        "anyOf": [known, columns],
    });
    let subtasks: Vec<Value> = registry.subtasks().iter().map(step).collect();
    root["properties"]["subtask"] = json!({
        "type": "array",
        "description": "The steps of the chain, in order.",
        "items": { "type": "object", "required": ["use"], "oneOf": subtasks },
    });
    root["properties"]["table"] = json!({
        "type": "array",
        "description": "Tables beside the chain.",
        "items": table,
    });
    root
}

/// A section with the keys of another.
fn with_keys(mut section: Value, more: &Value) -> Value {
    let keys = more["properties"].as_object().cloned().unwrap_or_default();
    if let Some(properties) = section["properties"].as_object_mut() {
        properties.extend(keys);
    }
    section
}

/// Adds alternatives to a section.
fn add(section: &mut Value, others: Vec<Value>) {
    if others.is_empty() {
        return;
    }
    let description = section["description"].clone();
    let own = match section.take() {
        Value::Object(mut own) if own.contains_key("anyOf") => own.remove("anyOf").unwrap_or_default(),
        own => json!([own]),
    };
    let all: Vec<Value> = own.as_array().cloned().unwrap_or_default().into_iter().chain(others).collect();
    *section = json!({ "description": description, "anyOf": all });
}

/// The section of a source or a sink of the registry.
fn custom(scheme: &str, pattern: String, settings: Schema, is_source: bool) -> Value {
    let mut section = settings.to_value();
    section["title"] = scheme.into();
    let url = json!({ "type": "string", "pattern": pattern, "description": "The address." });
    let bound = json!({
        "type": "integer", "minimum": 1, "maximum": 1 << 30, "default": crate::format::MAX_PAYLOAD,
        "description": "The longest payload, in bytes; longer ones are dead letters.",
    });
    section["properties"]["url"] = url;
    if is_source {
        section["properties"]["max_payload"] = bound;
    }
    section
}

/// A step of one subtask.
fn step(entry: &Entry) -> Value {
    let mut properties = Map::new();
    properties.insert("use".into(), json!({ "const": entry.name }));
    if entry.role != Role::Fixed {
        let help = "Of several sources: the step takes the rows of this one alone, before all rows come together.";
        properties.insert("input".into(), json!({ "type": "string", "description": help }));
    }
    if let Some(columns) = entry.columns_parameter() {
        let of_strings = json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 });
        properties.insert(columns.into(), of_strings);
    }
    let own = entry.schema_value();
    properties.extend(own.get("properties").and_then(Value::as_object).cloned().unwrap_or_default());
    if entry.model {
        let fits = if entry.incremental { json!(["frozen", "stream"]) } else { json!(["frozen"]) };
        properties.insert("fit".into(), json!({ "enum": fits, "default": "frozen" }));
        let of_stream = [("key", entry.incremental), ("train", entry.incremental), ("target", entry.supervised)];
        for (name, _) in of_stream.into_iter().filter(|(_, takes)| *takes) {
            properties.insert(name.into(), json!({ "type": "string" }));
        }
        properties.insert("params".into(), json!({ "type": "string" }));
        properties.insert("shadow".into(), json!({ "type": "string" }));
        properties.insert("reload".into(), json!({ "type": "boolean", "default": false }));
    } else if entry.fits {
        properties.insert("fit".into(), json!({ "enum": ["message", "stream", "frozen"], "default": "message" }));
        properties.insert("key".into(), json!({ "type": "string" }));
        properties.insert("params".into(), json!({ "type": "string" }));
        properties.insert("reload".into(), json!({ "type": "boolean", "default": false }));
    }
    if entry.role != Role::Fixed {
        properties.insert("on_error".into(), json!({ "enum": ["message", "row"], "default": entry.on_error }));
    }
    for Parameter { name, help, .. } in entry.parameters() {
        properties[&name]["description"] = help.into();
    }
    let required: Vec<Value> = own.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let required: Vec<Value> = [Value::from("use")].into_iter().chain(required).collect();
    let equals = (entry.role != Role::Fixed && entry.equals != "-").then(|| format!(" Equals {}.", entry.equals));
    json!({
        "type": "object",
        "title": entry.name,
        "description": entry.summary() + &equals.unwrap_or_default(),
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Dataflow;

    /// Keys that stand in a dataflow file, with those of sections behind a dot.
    fn keys(table: &toml::Table, before: &str, found: &mut Vec<String>) {
        for (key, value) in table {
            let key = format!("{before}{key}");
            match value {
                toml::Value::Table(inner) => keys(inner, &format!("{key}."), found),
                toml::Value::Array(items) if items.iter().all(toml::Value::is_table) => items
                    .iter()
                    .filter_map(toml::Value::as_table)
                    .for_each(|item| keys(item, &format!("{key}."), found)),
                _ => {}
            }
            found.push(key);
        }
    }

    /// Whether a schema, or one of those it is made of, has a property at a path.
    fn has(schema: &Value, path: &str) -> bool {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        let here = schema.pointer(&format!("/properties/{first}"));
        let made_of = ["anyOf", "oneOf"].into_iter().filter_map(|kind| schema[kind].as_array()).flatten();
        // A table whose keys are the user's, such as words.
        let free = rest.is_empty() && schema["additionalProperties"].is_object();
        free || here.is_some_and(|found| rest.is_empty() || has(found, rest) || has(&found["items"], rest))
            || made_of.into_iter().any(|schema| has(schema, path))
    }

    #[test]
    fn every_key_of_every_option_is_in_the_schema() {
        let text = include_str!("../../dataflows/every-option.toml").replace("\n# ", "\n");
        let table: toml::Table = toml::from_str(&text).unwrap();
        let (schema, mut found) = (json_schema(&Registry::builtin()), Vec::new());
        keys(&table, "", &mut found);
        assert!(found.len() > 60, "{found:?}");
        for key in found {
            assert!(has(&schema, &key), "{key} is not in the schema");
        }
        assert!(!has(&schema, "source.colour") && !has(&schema, "subtask.colour"));
    }

    #[test]
    fn every_key_of_the_schema_is_a_key_that_the_parser_knows() {
        let (registry, schema) = (Registry::builtin(), json_schema(&Registry::builtin()));
        let refused = |text: String| match Dataflow::from_text("f.toml", &text, &[], &registry) {
            Err(diagnostic) => diagnostic.to_string().contains("unknown field"),
            Ok(_) => false,
        };
        for section in ["source", "sink", "dead_letter", "buffer", "checkpoint"] {
            let object = [&schema["properties"][section], &schema["properties"][section]["anyOf"][0]];
            let keys = object.into_iter().find_map(|schema| schema["properties"].as_object()).unwrap();
            for key in keys.keys() {
                assert!(!refused(format!("[{section}]\n{key} = []")), "{section}.{key}");
            }
            assert!(refused(format!("[{section}]\ncolour = []")), "{section}");
        }
        for step in schema["properties"]["subtask"]["items"]["oneOf"].as_array().unwrap() {
            let (name, properties) = (step["title"].as_str().unwrap(), step["properties"].as_object().unwrap());
            for key in properties.keys().filter(|key| *key != "use") {
                assert!(!refused(format!("[[subtask]]\nuse = '{name}'\n{key} = []")), "{name}.{key}");
            }
        }
    }

    #[test]
    fn bounds_and_defaults_are_those_of_the_parser() {
        let schema = json_schema(&Registry::builtin());
        let source = |key: &str| &schema["properties"]["source"]["anyOf"][0]["properties"][key];
        let buffer = &schema["properties"]["buffer"]["properties"];
        assert_eq!(buffer["bucket_size"]["maximum"], 10_000_000);
        assert_eq!((&buffer["bucket_size"]["default"], &buffer["delay"]["default"]), (&json!(1000), &json!("1s")));
        assert_eq!(schema["properties"]["checkpoint"]["properties"]["every"]["default"], "100ms");
        assert_eq!(source("max_payload")["default"], 16 << 20);
        assert!(source("connections")["anyOf"].is_array());
        assert!(!schema.to_string().contains("$ref"), "all stands where it is used");
    }
}
