//! The labels of a classifier's classes.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use ordered_float::OrderedFloat;
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

/// A label as a number column has it: a flag is 1 or 0.
fn number(label: &Value) -> Option<f64> {
    match label {
        Value::Number(number) => number.as_f64().filter(|x| x.is_finite()),
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        _ => None,
    }
}

/// Whether a label is a whole number for which a number column has another.
fn is_rounded(label: &Value) -> bool {
    let Value::Number(whole) = label else { return false };
    let whole = whole.as_i64().map(i128::from).or(whole.as_u64().map(i128::from));
    whole.is_some_and(|whole| whole as f64 as i128 != whole)
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
    /// In words: none, one twice, one that no column can hold, or labels of several kinds.
    pub fn read(params: &Params<'_>) -> Result<Classes, String> {
        let Value::Array(labels) = params.value("classes_")? else { return Err("classes_ is not a list".into()) };
        if labels.is_empty() {
            return Err("classes_ is empty".into());
        }
        Classes::of(labels)
    }

    fn of(labels: &[Value]) -> Result<Classes, String> {
        let name = |label: &Value| label.as_str().map_or_else(|| label.to_string(), str::to_owned);
        let names: Vec<String> = labels.iter().map(name).collect();
        let mut known = HashSet::new();
        if let Some(place) = names.iter().position(|name| !known.insert(name.as_str())) {
            return Err(format!("classes_[{place}] is {:?} a second time", names[place]));
        }
        if let Some(place) = names.iter().position(String::is_empty) {
            return Err(format!("classes_[{place}] is an empty text, which stands for no value: give it a name"));
        }
        if labels.iter().all(Value::is_string) {
            return Ok(Classes { names: names.into(), numbers: None });
        }
        if let Some(place) = labels.iter().position(is_rounded) {
            return Err(format!("classes_[{place}] is {}, which no number column holds: make it a text", names[place]));
        }
        let numbers: Option<Vec<f64>> = labels.iter().map(number).collect();
        let numbers = numbers.ok_or("classes_ are neither all texts nor all numbers")?;
        // `1` and `1.0` are one class, and so are 0 and -0.
        let mut known = HashSet::new();
        if let Some(place) = numbers.iter().position(|number| !known.insert(OrderedFloat(*number))) {
            return Err(format!("classes_[{place}] is {} a second time", numbers[place]));
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

    #[test]
    fn labels_that_a_column_would_hold_as_others_are_refused() {
        let reason = |labels: Value| read(labels).err().unwrap_or_default();
        assert!(reason(json!(["", "wet"])).contains("classes_[0] is an empty text"));
        for rounded in [json!([5, (1_u64 << 53) + 1]), json!([5, -(1_i64 << 53) - 1]), json!([5, u64::MAX])] {
            assert!(reason(rounded).contains("classes_[1]"), "2^53 and above");
        }
        assert_eq!(reason(json!([1_u64 << 53, (1_u64 << 53) + 2, i64::MIN, 1_u64 << 63, 1e300])), "");
        assert!(serde_json::from_str::<Classes>(r#"["", "wet"]"#).is_err());
        assert!(serde_json::from_str::<Classes>("[0, 9007199254740993]").is_err());
        // -0.0 and 0.0 are one number.
        assert!(reason(json!([0.0, -0.0])).contains("a second time"));
    }

    #[test]
    fn many_classes_are_not_compared_with_each_other() {
        let mut many: Vec<u32> = (0..100_000).collect();
        assert_eq!(read(json!(many)).unwrap().count(), many.len());
        many.push(7);
        assert!(read(json!(many)).is_err_and(|reason| reason.contains("classes_[100000]")));
    }
}
