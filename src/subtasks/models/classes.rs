//! The labels of a classifier's classes.

use std::borrow::Cow;
use std::sync::Arc;

use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{OutputValues, Params};
use crate::data::{Kind, TextColumn};

/// The labels of a classifier's classes, in scikit-learn's order: numbers or texts.
#[derive(Clone)]
pub struct Classes {
    names: Arc<[String]>,
    /// `None` if they are texts.
    numbers: Option<Arc<[f64]>>,
}

impl<'de> Deserialize<'de> for Classes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Classes, D::Error> {
        let labels = Vec::<Value>::deserialize(deserializer)?;
        if labels.len() < 2 {
            return Err(D::Error::custom("name two classes or more"));
        }
        if labels.iter().filter_map(Value::as_f64).any(|label| label.fract() != 0.0) {
            return Err(D::Error::custom("Unknown label type: continuous. Numbers that name classes are whole"));
        }
        Classes::sorted(&labels).map_err(|reason| D::Error::custom(reason.replace("classes_", "classes")))
    }
}

impl JsonSchema for Classes {
    fn schema_name() -> Cow<'static, str> {
        "Classes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": { "type": ["number", "string", "boolean"] }, "minItems": 2 })
    }
}

impl Classes {
    /// Reads `classes_`.
    ///
    /// # Errors
    /// In words: none, one twice, or labels of several kinds.
    pub fn read(params: &Params<'_>) -> Result<Classes, String> {
        let Value::Array(labels) = params.value("classes_")? else { return Err("classes_ is not a list".into()) };
        if labels.is_empty() {
            return Err("classes_ is empty".into());
        }
        Classes::of(labels)
    }

    fn of(labels: &[Value]) -> Result<Classes, String> {
        let number = |label: &Value| match label {
            Value::Number(number) => number.as_f64().filter(|x| x.is_finite()),
            Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
            _ => None,
        };
        let name = |label: &Value| label.as_str().map_or_else(|| label.to_string(), str::to_owned);
        let names: Vec<String> = labels.iter().map(name).collect();
        if let Some(twice) = names.iter().enumerate().find(|(place, name)| names[..*place].contains(name)) {
            return Err(format!("classes_[{}] is {:?} a second time", twice.0, twice.1));
        }
        if labels.iter().all(Value::is_string) {
            return Ok(Classes { names: names.into(), numbers: None });
        }
        let numbers: Option<Vec<f64>> = labels.iter().map(number).collect();
        let numbers = numbers.ok_or("classes_ are neither all texts nor all numbers")?;
        // `1` and `1.0` are one class.
        if let Some(twice) = numbers.iter().enumerate().find(|(place, number)| numbers[..*place].contains(number)) {
            return Err(format!("classes_[{}] is {} a second time", twice.0, twice.1));
        }
        Ok(Classes { names: names.into(), numbers: Some(numbers.into()) })
    }

    /// In scikit-learn's order, of labels in any.
    fn sorted(labels: &[Value]) -> Result<Classes, String> {
        let Classes { names, numbers } = Classes::of(labels)?;
        let mut order: Vec<usize> = (0..names.len()).collect();
        match &numbers {
            Some(numbers) => order.sort_by(|one, other| numbers[*one].total_cmp(&numbers[*other])),
            None => order.sort_by_key(|place| &names[*place]),
        }
        let numbers = numbers.map(|numbers| order.iter().map(|place| numbers[*place]).collect());
        Ok(Classes { names: order.iter().map(|place| names[*place].clone()).collect(), numbers })
    }

    /// The number of the class with a label that is a number.
    pub fn of_number(&self, label: f64) -> Option<usize> {
        self.numbers.as_ref()?.iter().position(|number| *number == label)
    }

    /// The number of the class with a label that is a text.
    pub fn of_text(&self, label: &str) -> Option<usize> {
        let texts = self.numbers.is_none().then_some(&self.names)?;
        texts.iter().position(|name| name == label)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// The labels as column names have them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// What a column of labels holds.
    pub fn kind(&self) -> Kind {
        if self.numbers.is_some() { Kind::Number } else { Kind::Text }
    }

    /// The labels of rows, by the number of their class.
    pub fn labels(&self, classes: &[usize]) -> OutputValues {
        self.labels_or_gaps(classes.iter().copied().map(Some))
    }

    /// The labels of rows, by the number of their class; missing where there is none.
    pub fn labels_or_gaps(&self, classes: impl Iterator<Item = Option<usize>>) -> OutputValues {
        match &self.numbers {
            Some(numbers) => {
                OutputValues::Numbers(classes.map(|class| class.map_or(f64::NAN, |class| numbers[class])).collect())
            }
            None => {
                let mut texts = TextColumn::default();
                classes.for_each(|class| texts.push(class.map(|class| &*self.names[class])));
                OutputValues::Texts(texts)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::Learned;
    use serde_json::json;

    fn read(labels: Value) -> Result<Classes, String> {
        Classes::read(&Params::new(&Learned::default().with("classes_", labels), 1))
    }

    #[test]
    fn labels_are_numbers_or_texts() {
        let names = |classes: &Classes| classes.names().collect::<Vec<_>>().join(" ");
        let classes = read(json!([-1, 2])).unwrap();
        assert_eq!((names(&classes).as_str(), classes.kind()), ("-1 2", Kind::Number));
        let classes = read(json!(["rain", "sun"])).unwrap();
        assert_eq!((names(&classes).as_str(), classes.kind()), ("rain sun", Kind::Text));
        let OutputValues::Texts(texts) = classes.labels(&[1, 0]) else { panic!("they are texts") };
        assert_eq!((texts.get(0), texts.get(1)), (Some("sun"), Some("rain")));
        assert_eq!(names(&read(json!([false, true])).unwrap()), "false true");
    }

    #[test]
    fn a_file_names_them_in_any_order() {
        let named = |text: &str| serde_json::from_str::<Classes>(text);
        let texts = named(r#"["wet", "dry"]"#).unwrap();
        assert_eq!(texts.names().collect::<Vec<_>>(), ["dry", "wet"]);
        assert_eq!((texts.of_text("wet"), texts.of_text("x"), texts.of_number(1.0)), (Some(1), None, None));
        let numbers = named("[10, 9.0, -1]").unwrap();
        assert_eq!(numbers.names().collect::<Vec<_>>(), ["-1", "9.0", "10"]);
        assert_eq!((numbers.of_number(10.0), numbers.of_text("10")), (Some(2), None));
        for wrong in ["[]", "[1]", "[1, 1]", "[1, 1.0]", "[1, \"a\"]", "[1, 2.5]", "7"] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn labels_of_several_kinds_are_refused() {
        for labels in [json!([]), json!(7), json!([1, "a"]), json!([1, null]), json!([1, 1]), json!([[1], [2]])] {
            let shown = labels.to_string();
            assert!(read(labels).is_err_and(|reason| reason.contains("classes_")), "{shown}");
        }
    }
}
