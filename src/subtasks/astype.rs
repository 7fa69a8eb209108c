//! Numbers as texts, and texts as numbers.

use std::collections::BTreeMap;
use std::fmt::Write;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::selection::{Selection, column_of};
use super::{BatchSubtask, Bind, Fault, Flaw, Refusal, Role, Scope, Subtask, Traits, Transform};
use crate::data::{Kind, Message, Schema, TextColumn};

/// Changes the kind of columns. A text that is no number is refused; missing stays missing.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Astype {
    /// What each column becomes, `number` or `text`: `{ usUnits = "number" }`.
    dtype: BTreeMap<String, ColumnKind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum ColumnKind {
    Number,
    Text,
}

impl Subtask for Astype {
    const EQUALS: &'static str = "pandas.DataFrame.astype";
    const ROLE: Role = Role::Named;
    const TRAITS: Traits<Astype> = Traits::by_names().by_row();
}

impl Bind for Astype {
    fn bind(&self, schema: &Schema) -> Result<Transform, Refusal> {
        for name in self.dtype.keys() {
            column_of(schema, "dtype", name)?;
        }
        let (mut to_number, mut to_text, mut columns) = (Vec::new(), Vec::new(), Vec::new());
        for column in schema.columns() {
            let column = match (self.dtype.get(&column.name), column.kind) {
                (Some(ColumnKind::Number), Kind::Text) => {
                    to_number.push((column.slot, column.name.clone()));
                    (column.name.as_str(), Kind::Number, schema.number_count() + to_number.len() - 1)
                }
                (Some(ColumnKind::Text), Kind::Number) => {
                    to_text.push(column.slot);
                    (column.name.as_str(), Kind::Text, schema.text_count() + to_text.len() - 1)
                }
                _ => (column.name.as_str(), column.kind, column.slot),
            };
            columns.push(column);
        }
        let before = (schema.number_count() + to_number.len(), schema.text_count() + to_text.len());
        let selection = Selection::new(columns, before);
        Ok(Transform::by_message(Cast { to_number, to_text, selection }))
    }
}

/// Columns that change their kind, and the order of all behind it.
struct Cast {
    /// Slots and names of text columns.
    to_number: Vec<(usize, String)>,
    /// Slots of number columns.
    to_text: Vec<usize>,
    selection: Selection,
}

impl BatchSubtask for Cast {
    fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
        let numbers = self
            .to_number
            .iter()
            .map(|(slot, name)| numbers_of(&message.texts[*slot]).map_err(|flaw| flaw.named(name, &message.ids)));
        let numbers: Vec<Vec<f64>> = numbers.collect::<Result<_, _>>()?;
        numbers.into_iter().for_each(|column| message.push_column(column));
        let mut text = String::new();
        for slot in &self.to_text {
            let mut texts = TextColumn::default();
            for x in message.column(*slot) {
                write_number(*x, &mut text);
                texts.push((!x.is_nan()).then_some(&text));
            }
            message.texts.push(texts);
        }
        self.selection.apply(message, scope)
    }

    fn refuses_first(&self) -> bool {
        true
    }

    fn columns_after(&self, schema: &Schema, scope: &Scope) -> Schema {
        self.selection.columns_after(schema, scope)
    }
}

/// The numbers that texts are; missing ones are NaN.
fn numbers_of(texts: &TextColumn) -> Result<Vec<f64>, Flaw> {
    let (mut numbers, mut bad) = (Vec::with_capacity(texts.len()), Vec::new());
    for row in 0..texts.len() {
        let number = texts.get(row).map_or(Some(f64::NAN), to_number);
        bad.extend(number.is_none().then_some(row));
        numbers.push(number.unwrap_or(f64::NAN));
    }
    let Some(first) = bad.first() else { return Ok(numbers) };
    let text = texts.get(*first).unwrap_or_default();
    let reason = format!("could not convert string to float: {text:?}.");
    Err(Flaw::of_rows(bad, reason))
}

/// A number as Python's `float` reads it.
fn to_number(text: &str) -> Option<f64> {
    let text = text.trim();
    if !text.contains('_') {
        return text.parse().ok();
    }
    let digit_beside = |at: usize| {
        let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
        at > 0 && digit(text.as_bytes().get(at - 1)) && digit(text.as_bytes().get(at + 1))
    };
    if text.match_indices('_').all(|(at, _)| digit_beside(at)) {
        return text.replace('_', "").parse().ok();
    }
    None
}

/// Makes `text` a number as Python writes it.
fn write_number(x: f64, text: &mut String) {
    text.clear();
    write!(text, "{x:?}").expect("a string takes all");
    if let Some(exponent) = text.find('e').map(|e| e + 1) {
        if !text[exponent..].starts_with('-') {
            text.insert(exponent, '+');
        }
        // A sign and two digits at least.
        if text.len() - exponent < 3 {
            text.insert(exponent + 1, '0');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python 3.13 says.
    #[test]
    fn numbers_are_written_and_read_as_python_does() {
        let mut written = String::new();
        for (x, text) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (123456789012345680.0, "1.2345678901234568e+17"),
            (9007199254740993.0, "9007199254740992.0"),
            (f64::NEG_INFINITY, "-inf"),
            (5e-324, "5e-324"),
        ] {
            write_number(x, &mut written);
            assert_eq!(written, text);
            assert_eq!(to_number(text), Some(x));
        }
        assert_eq!((to_number(" 1_000 "), to_number("+.5"), to_number("1e5")), (Some(1000.0), Some(0.5), Some(1e5)));
        assert!(to_number("nan").unwrap().is_nan());
        for wrong in ["", "x", "1_", "_1", "1__0", "1,5", "0x10"] {
            assert_eq!(to_number(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn columns_keep_their_places_and_a_text_that_is_no_number_names_its_row() {
        let schema = Schema::new([("s", Kind::Text), ("a", Kind::Number), ("t", Kind::Text), ("b", Kind::Number)]);
        let dtype = [("s", ColumnKind::Number), ("b", ColumnKind::Text), ("a", ColumnKind::Number)];
        let astype = Astype { dtype: dtype.map(|(name, kind)| (name.to_owned(), kind)).into() };
        let bound = astype.bind(&schema).unwrap();
        let after = bound.columns_after(&schema, &Scope::default());
        let kinds: Vec<_> = after.columns().iter().map(|column| (column.name.as_str(), column.kind)).collect();
        assert_eq!(kinds, [("s", Kind::Number), ("a", Kind::Number), ("t", Kind::Text), ("b", Kind::Text)]);
        let message = |first: &str| {
            let mut message = Message::from_columns(&[vec![1.0, 2.0], vec![0.5, f64::NAN]]);
            for texts in [[Some(first), None], [Some("p"), Some("q")]] {
                let mut column = TextColumn::default();
                texts.into_iter().for_each(|text| column.push(text));
                message.texts.push(column);
            }
            message
        };
        let mut good = message("7");
        bound.apply(&mut good, &Scope::default()).unwrap();
        assert_eq!(format!("{:?} {:?}", good.column(0), good.column(1)), "[7.0, NaN] [1.0, 2.0]");
        let texts: Vec<_> = good.texts.iter().map(|text| (text.get(0), text.get(1))).collect();
        assert_eq!(texts, [(Some("p"), Some("q")), (Some("0.5"), None)]);
        let mut refused = message("seven");
        let fault = bound.apply(&mut refused, &Scope::default()).unwrap_err();
        assert_eq!(format!("{refused:?}"), format!("{:?}", message("seven")), "it is refused first");
        assert!(fault.to_string().contains("\"seven\". Column s, row 0"), "{fault}");
        assert_eq!(fault.rows(), [0]);
        let unknown = Astype { dtype: [("bb".to_owned(), ColumnKind::Text)].into() };
        let refusal = unknown.bind(&schema).err().unwrap();
        assert_eq!((refusal.parameter, refusal.help.as_deref()), ("dtype", Some("did you mean `b`?")));
    }
}
