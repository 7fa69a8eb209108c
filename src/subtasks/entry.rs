//! What is known of a subtask: a line of the registry, the table behind `rowmill subtasks`, the parser and the README.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use toml::de::ValueDeserializer;

use super::Subtask;

/// What of a message a subtask acts on, and so which parameter names its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// First or last in the chain, listed or not; takes no parameters.
    Fixed,
    /// Number columns, named by `columns`.
    Numbers,
    /// Text columns, named by `columns`.
    Texts,
    /// Whole rows, compared by the columns of `subset`.
    Rows,
}

type Build = fn(ValueDeserializer<'_>) -> Result<Box<dyn Subtask>, toml::de::Error>;

/// One line of the registry.
#[derive(Clone, Copy)]
pub struct Entry {
    pub name: &'static str,
    /// What its results equal.
    pub equals: &'static str,
    pub role: Role,
    /// Whether it learns from rows, so that `fit` can be given.
    pub fits: bool,
    pub(super) build: Build,
    pub(super) schema: fn() -> Schema,
}

/// A subtask as people and programs are told of it.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct Description {
    pub name: &'static str,
    /// What its results equal.
    pub equals: &'static str,
    pub summary: String,
    /// Whether it stands in every chain by itself.
    pub fixed: bool,
    pub parameters: Vec<Parameter>,
}

/// A parameter of a subtask.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct Parameter {
    pub name: String,
    /// The type as a person would write it, such as `number` or `"l1" | "l2" | "max"`.
    pub r#type: String,
    pub default: Value,
    pub help: String,
}

pub(super) const fn entry<T>(name: &'static str, equals: &'static str, role: Role) -> Entry
where
    T: Subtask + DeserializeOwned + JsonSchema + 'static,
{
    Entry {
        name,
        equals,
        role,
        fits: false,
        build: |parameters| Ok(Box::new(T::deserialize(parameters)?)),
        schema: || SchemaGenerator::default().into_root_schema_for::<T>(),
    }
}

/// A step that stands in every chain; its text is that of `T`.
pub(super) const fn fixed<T: JsonSchema>(name: &'static str, equals: &'static str) -> Entry {
    Entry {
        name,
        equals,
        role: Role::Fixed,
        fits: false,
        build: |_| Err(serde::de::Error::custom("stands in every chain and takes no parameters")),
        schema: || SchemaGenerator::default().into_root_schema_for::<T>(),
    }
}

impl Entry {
    /// This line for a subtask that learns from rows.
    pub(super) const fn fits(mut self) -> Entry {
        self.fits = true;
        self
    }

    /// Builds the subtask from the parameters in a dataflow file.
    ///
    /// # Errors
    /// An unknown parameter, or a value of the wrong type; the span is the file's.
    pub fn build(&self, parameters: ValueDeserializer<'_>) -> Result<Box<dyn Subtask>, toml::de::Error> {
        (self.build)(parameters)
    }

    /// All that is known of it.
    pub fn describe(&self) -> Description {
        Description {
            name: self.name,
            equals: self.equals,
            summary: self.summary(),
            fixed: self.role == Role::Fixed,
            parameters: self.parameters(),
        }
    }

    /// One sentence on what it does.
    pub fn summary(&self) -> String {
        text(self.schema_value().get("description"))
    }

    /// The parameter that names its columns, if it has one.
    pub fn columns_parameter(&self) -> Option<&'static str> {
        match self.role {
            Role::Fixed => None,
            Role::Numbers | Role::Texts => Some("columns"),
            Role::Rows => Some("subset"),
        }
    }

    /// All parameters, the one that names the columns first.
    pub fn parameters(&self) -> Vec<Parameter> {
        let columns = self.columns_parameter().map(|name| Parameter {
            name: name.into(),
            r#type: "list of column names".into(),
            default: Value::Null,
            help: match self.role {
                Role::Rows => "Columns that are looked at; all columns of the schema if not given.".into(),
                Role::Texts => "Columns that are replaced; every text column if not given.".into(),
                _ => "Columns that are changed; every number column if not given.".into(),
            },
        });
        let schema = self.schema_value();
        let own = schema.get("properties").and_then(Value::as_object);
        let own = own.into_iter().flatten().map(|(name, property)| Parameter {
            name: name.clone(),
            r#type: type_name(property, &schema),
            default: property.get("default").cloned().unwrap_or(Value::Null),
            help: text(property.get("description")),
        });
        let fitting = self.fits.then(fitting_parameters).into_iter().flatten();
        columns.into_iter().chain(own).chain(fitting).collect()
    }

    fn schema_value(&self) -> Value {
        (self.schema)().to_value()
    }
}

/// What every subtask that learns takes beside its own parameters.
fn fitting_parameters() -> [Parameter; 3] {
    let parameter = |name: &str, r#type: &str, default: Value, help: &str| Parameter {
        name: name.into(),
        r#type: r#type.into(),
        default,
        help: help.into(),
    };
    let from = "What it learns from: each `message` alone, all messages so far (`stream`: the scalers, \
                quantile_transformer, rolling, diff), or the rows of `rowmill fit` (`frozen`).";
    let key = "A text column, such as the station, whose values learn apart from each other, for `stream`.";
    [
        parameter("fit", "\"message\" | \"stream\" | \"frozen\"", "message".into(), from),
        parameter("key", "string", Value::Null, key),
        parameter("params", "string", Value::Null, "The file that `rowmill fit` wrote, for `frozen`."),
    ]
}

fn text(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().replace('\n', " ")
}

/// The type of a JSON-schema property in words.
fn type_name(property: &Value, root: &Value) -> String {
    if let Some(target) = property.get("$ref").and_then(Value::as_str) {
        return root.pointer(target.trim_start_matches('#')).map_or_else(String::new, |p| type_name(p, root));
    }
    let constant = |value: &Value| value.get("const").map(Value::to_string);
    if let Some(choices) = property.get("oneOf").or(property.get("anyOf")).and_then(Value::as_array) {
        let names = choices.iter().map(|choice| constant(choice).unwrap_or_else(|| type_name(choice, root)));
        return names.filter(|name| name != "null").collect::<Vec<_>>().join(" | ");
    }
    if let Some(choices) = property.get("enum").and_then(Value::as_array) {
        let names = choices.iter().filter(|choice| !choice.is_null()).map(Value::to_string);
        return names.collect::<Vec<_>>().join(" | ");
    }
    match property.get("type") {
        Some(Value::Array(names)) => {
            let names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            names.collect::<Vec<_>>().join(" | ")
        }
        Some(Value::String(name)) if name == "array" => {
            let fixed = property.get("prefixItems").and_then(Value::as_array).map(Vec::len);
            let items = property.get("items").map_or("number".into(), |items| type_name(items, root));
            fixed.map_or_else(|| format!("list of {}", plural(&items)), |count| format!("list of {count} numbers"))
        }
        Some(Value::String(name)) => name.clone(),
        _ => String::new(),
    }
}

/// The name of a type, for several of it.
fn plural(name: &str) -> String {
    match name.strip_prefix("list ") {
        Some(rest) => format!("lists {rest}"),
        None => format!("{name}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::{REGISTRY, find};

    #[test]
    fn every_parameter_has_a_type_and_a_help_text() {
        for entry in &REGISTRY {
            assert!(!entry.summary().is_empty(), "{}", entry.name);
            for parameter in entry.parameters() {
                let complete = !parameter.help.is_empty() && !parameter.r#type.is_empty();
                assert!(complete, "{}.{parameter:?}", entry.name);
            }
        }
    }

    #[test]
    fn names_are_unique() {
        for entry in &REGISTRY {
            assert_eq!(REGISTRY.iter().filter(|other| other.name == entry.name).count(), 1);
        }
    }

    #[test]
    fn types_read_as_a_person_would_write_them() {
        let parameters = find("normalizer").unwrap().parameters();
        assert_eq!(parameters[1].r#type, r#""l1" | "l2" | "max""#);
        assert_eq!(parameters[1].default, "l2");
        let parameters = find("interpolate").unwrap().parameters();
        let limit = parameters.iter().find(|parameter| parameter.name == "limit").unwrap();
        assert_eq!((limit.r#type.as_str(), &limit.default), ("integer", &Value::Null));
        let type_of = |subtask: &str, name: &str| {
            let parameters = find(subtask).unwrap().parameters();
            parameters.into_iter().find(|parameter| parameter.name == name).unwrap().r#type
        };
        assert_eq!(type_of("replace", "to_replace"), "list of numbers");
        assert_eq!(type_of("min_max_scaler", "feature_range"), "list of 2 numbers");
        assert_eq!(type_of("ordinal_encoder", "categories"), "list of lists of strings");
    }
}
