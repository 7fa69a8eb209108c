//! An entry of the registry: what the parser, `rowmill subtasks`, the JSON schema and the reference know of a subtask.

use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::Value;
use toml::de::ValueDeserializer;

use super::subtask::{DynSubtask, Subtask};
use super::{OnError, Refusal, Role};
use crate::inlined_schema::inlined_schema;

type Build = fn(ValueDeserializer<'_>) -> Result<DynSubtask, BuildError>;

/// Why a subtask can't be built from its parameters.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An unknown parameter, or a value of the wrong type; the span is the file's.
    #[error("{0}")]
    Toml(toml::de::Error),
    /// A value that the subtask refuses.
    #[error("{0}")]
    Refused(Refusal),
}

/// An entry of the registry.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What `use` calls it.
    pub name: &'static str,
    /// The function of another library that its results equal.
    pub equals: &'static str,
    /// What of a message it acts on.
    pub role: Role,
    /// Whether it learns from rows, so that `fit` can be given.
    pub fits: bool,
    /// Whether it is a model: it does nothing without fitted params, on which its columns depend, or learns over the
    /// stream.
    pub model: bool,
    /// Whether it is a model that can learn over the stream.
    pub incremental: bool,
    /// Whether it then learns to predict a column.
    pub supervised: bool,
    /// What becomes of a message of which it can't take some rows, where the file says nothing and it is not frozen.
    pub on_error: OnError,
    build: Build,
    schema: fn() -> Schema,
}

/// A subtask as people and programs are told of it.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct Description {
    /// What `use` calls it.
    pub name: &'static str,
    /// What its results equal.
    pub equals: &'static str,
    /// What it does, in a sentence.
    pub summary: String,
    /// Whether it stands in every chain by itself.
    pub fixed: bool,
    /// What can be set.
    pub parameters: Vec<Parameter>,
}

/// A parameter of a subtask.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "web", derive(utoipa::ToSchema))]
pub struct Parameter {
    /// The key.
    pub name: String,
    /// The type as a person would write it, such as `number` or `"l1" | "l2" | "max"`.
    pub r#type: String,
    /// What holds where the file says nothing; `null` if it must.
    pub default: Value,
    /// What it sets.
    pub help: String,
}

impl Entry {
    /// The entry of a subtask.
    pub const fn of<T: Subtask>(name: &'static str) -> Entry {
        Entry {
            name,
            equals: T::EQUALS,
            role: T::ROLE,
            fits: T::TRAITS.learns(),
            model: T::TRAITS.is_model(),
            incremental: T::TRAITS.is_incremental(),
            supervised: T::TRAITS.is_supervised(),
            on_error: if T::TRAITS.is_by_row() { OnError::Row } else { OnError::Message },
            build: |parameters| {
                let subtask = T::deserialize(parameters).map_err(BuildError::Toml)?;
                subtask.check().map_err(BuildError::Refused)?;
                Ok(DynSubtask::new(subtask))
            },
            schema: inlined_schema::<T>,
        }
    }

    /// This entry, equal to something else.
    pub(super) fn equal_to(self, equals: &'static str) -> Entry {
        Entry { equals, ..self }
    }

    /// The entry of a step that is in every chain; `T` only carries its doc comment.
    pub(super) const fn fixed<T: JsonSchema>(name: &'static str) -> Entry {
        Entry {
            name,
            equals: "-",
            role: Role::Fixed,
            fits: false,
            model: false,
            incremental: false,
            supervised: false,
            on_error: OnError::Message,
            build: |_| {
                let reason = "stands in every chain and takes no parameters";
                Err(BuildError::Toml(serde::de::Error::custom(reason)))
            },
            schema: inlined_schema::<T>,
        }
    }

    /// Builds the subtask from the parameters in a dataflow file.
    ///
    /// # Errors
    /// Parameters that do not fit it.
    pub fn build(&self, parameters: ValueDeserializer<'_>) -> Result<DynSubtask, BuildError> {
        (self.build)(parameters)
    }

    /// The entry as `rowmill subtasks` and the API show it.
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
            Role::Fixed | Role::Named => None,
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
                Role::Numbers if self.model => {
                    "Columns that it is fitted on, or learns from; every number column if not given, but `target` and `train`.".into()
                }
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
        let fitting: Vec<Parameter> = match (self.fits, self.model) {
            (_, true) if self.incremental => incremental_parameters(self.supervised),
            (_, true) => frozen_parameters().into(),
            (true, _) => fitting_parameters().into(),
            _ => Vec::new(),
        };
        let on_error = (self.role != Role::Fixed).then(|| on_error_parameter(self.on_error, self.fits));
        columns.into_iter().chain(own).chain(fitting).chain(on_error).collect()
    }

    /// The JSON schema of its own parameters.
    pub fn schema_value(&self) -> Value {
        (self.schema)().to_value()
    }
}

/// What a model takes that can learn over the stream, beside its own parameters.
fn incremental_parameters(supervised: bool) -> Vec<Parameter> {
    let from = "It is fitted in Python (`frozen`), or predicts each message and then learns from it (`stream`).";
    let key = "A text column, such as the station, whose values have a model each, for `stream`.";
    let target = "The column that it learns to predict, for `stream`; a row without a value there is only predicted.";
    let train = "A number column, for `stream`: a row is only predicted where it is 0 or missing.";
    let target = supervised.then(|| parameter("target", "string", Value::Null, target));
    let [_, params, shadow, reload] = frozen_parameters();
    let fit = parameter("fit", "\"frozen\" | \"stream\"", "frozen".into(), from);
    let train = parameter("train", "string", Value::Null, train);
    let key = parameter("key", "string", Value::Null, key);
    [fit, params, shadow, reload, key, train].into_iter().chain(target).collect()
}

/// What every model takes beside its own parameters.
fn frozen_parameters() -> [Parameter; 4] {
    let from = "It is fitted in Python.";
    let params = "The file that `rowmill.export` wrote.";
    let shadow = "The file of a second model, which is served beside the first: its columns end in `_shadow`. Rows that it \
                  cannot take are missing there.";
    [
        parameter("fit", "\"frozen\"", "frozen".into(), from),
        parameter("params", "string", Value::Null, params),
        parameter("shadow", "string", Value::Null, shadow),
        reload_parameter(),
    ]
}

/// What every step takes that has a file of params.
fn reload_parameter() -> Parameter {
    let help = "A run follows the file: when it has changed, all steps with it change at one message. A file that does not \
                fit is refused, and what was there before goes on.";
    parameter("reload", "boolean", false.into(), help)
}

fn parameter(name: &str, r#type: &str, default: Value, help: &str) -> Parameter {
    Parameter { name: name.into(), r#type: r#type.into(), default, help: help.into() }
}

/// What every subtask that learns takes beside its own parameters.
fn fitting_parameters() -> [Parameter; 4] {
    let from = "What it learns from: each `message` alone, all messages so far (`stream`: the scalers, \
                quantile_transformer, rolling, ewm, diff, shift, cumsum, pct_change, interpolate, and fillna's `ffill`), or the rows of `rowmill fit` (`frozen`).";
    let key = "A text column, such as the station, whose values learn apart from each other, for `stream`.";
    [
        parameter("fit", "\"message\" | \"stream\" | \"frozen\"", "message".into(), from),
        parameter("key", "string", Value::Null, key),
        parameter("params", "string", Value::Null, "The file that `rowmill fit` wrote, for `frozen`."),
        reload_parameter(),
    ]
}

/// What every subtask takes that may refuse rows; `fits`: it may be fitted before.
fn on_error_parameter(default: OnError, fits: bool) -> Parameter {
    let help = "Where it can't take some rows: all rows of their `message` become dead letters, or those rows alone, and \
                the others go on as if they had not been there (`row`).";
    let frozen = " With `fit = \"frozen\"`, `row` is the default.";
    let frozen = if fits && default == OnError::Message { frozen } else { "" };
    Parameter {
        name: "on_error".into(),
        r#type: "\"message\" | \"row\"".into(),
        default: serde_json::to_value(default).expect("a name is a value"),
        help: format!("{help}{frozen}"),
    }
}

fn text(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().replace('\n', " ")
}

/// The type of a JSON-schema property in words, such as `number` or `"l1" | "l2" | "max"`.
pub fn type_name(property: &Value, root: &Value) -> String {
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
        None if name.ends_with('"') => name.to_owned(),
        None => format!("{name}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::Subtasks;

    #[test]
    fn every_parameter_has_a_type_and_a_help_text() {
        for entry in Subtasks::builtin().iter() {
            assert!(!entry.summary().is_empty(), "{}", entry.name);
            for parameter in entry.parameters() {
                let complete = !parameter.help.is_empty() && !parameter.r#type.is_empty();
                assert!(complete, "{}.{parameter:?}", entry.name);
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let all = Subtasks::builtin();
        for entry in all.iter() {
            assert_eq!(all.iter().filter(|other| other.name == entry.name).count(), 1);
        }
    }

    #[test]
    fn types_read_as_a_person_would_write_them() {
        let parameters = Subtasks::builtin().find("normalizer").unwrap().parameters();
        assert_eq!(parameters[1].r#type, r#""l1" | "l2" | "max""#);
        assert_eq!(parameters[1].default, "l2");
        let parameters = Subtasks::builtin().find("interpolate").unwrap().parameters();
        let limit = parameters.iter().find(|parameter| parameter.name == "limit").unwrap();
        assert_eq!((limit.r#type.as_str(), &limit.default), ("integer", &Value::Null));
        let type_of = |subtask: &str, name: &str| {
            let parameters = Subtasks::builtin().find(subtask).unwrap().parameters();
            parameters.into_iter().find(|parameter| parameter.name == name).unwrap().r#type
        };
        assert_eq!(type_of("replace", "to_replace"), "list of numbers");
        assert_eq!(type_of("min_max_scaler", "feature_range"), "list of 2 numbers");
        assert_eq!(type_of("ordinal_encoder", "categories"), "list of lists of strings");
    }
}
