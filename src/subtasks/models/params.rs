//! The fitted params of a model, read field by field.

use std::cell::RefCell;
use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::data::did_you_mean;
use crate::subtasks::Learned;

/// The fitted params of a model. Long arrays are `{"dtype": "<f8", "base64": ...}`: the bytes of their numbers.
pub struct Params<'a> {
    learned: &'a Learned,
    /// The names that were asked for.
    known: RefCell<BTreeSet<String>>,
    /// How many columns it is fitted on.
    pub columns: usize,
}

impl<'a> Params<'a> {
    /// Those of a step that was fitted on so many columns.
    pub fn new(learned: &'a Learned, columns: usize) -> Params<'a> {
        Params { learned, known: RefCell::default(), columns }
    }

    /// Whether there is a field of this name.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_ok()
    }

    /// Lets fields of these names be there.
    pub fn allow(&self, names: &[&str]) {
        self.known.borrow_mut().extend(names.iter().map(|name| (*name).to_owned()));
    }

    /// Refuses fields that nobody has asked for: the model would not be the one that was fitted.
    ///
    /// # Errors
    /// The first of them.
    pub fn check_known(&self) -> Result<(), String> {
        let known = self.known.borrow();
        match self.learned.names().find(|name| !known.contains(*name)) {
            None => Ok(()),
            Some(name) => {
                let nearest = did_you_mean(name, known.iter().map(String::as_str));
                let hint = nearest.map(|nearest| format!(": {nearest}")).unwrap_or_default();
                Err(format!("{name} is no field of this model{hint}"))
            }
        }
    }

    /// The value of a field.
    ///
    /// # Errors
    /// If it is not there.
    pub fn value(&self, name: &str) -> Result<&'a Value, String> {
        self.allow(&[name]);
        self.learned.get(name)
    }

    /// A text.
    ///
    /// # Errors
    /// If it is not there, or no text.
    pub fn text(&self, name: &str) -> Result<&'a str, String> {
        self.value(name)?.as_str().ok_or_else(|| format!("{name} is not a text"))
    }

    /// A text that chooses among some.
    ///
    /// # Errors
    /// As [`Params::text`], or another text.
    pub fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<T, String> {
        let text = self.text(name)?;
        let found = choices.iter().find(|(choice, _)| *choice == text).map(|(_, value)| *value);
        found.ok_or_else(|| {
            let known: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
            format!("{name} is {text:?}, not one of {}", known.join(", "))
        })
    }

    /// Whether a flag is set.
    ///
    /// # Errors
    /// If it is not there, or no flag.
    pub fn flag(&self, name: &str) -> Result<bool, String> {
        self.value(name)?.as_bool().ok_or_else(|| format!("{name} is neither true nor false"))
    }

    /// A finite number.
    ///
    /// # Errors
    /// If it is not there, or none.
    pub fn number(&self, name: &str) -> Result<f64, String> {
        let number = self.value(name)?.as_f64().filter(|x| x.is_finite());
        number.ok_or_else(|| format!("{name} is not a finite number"))
    }

    /// A count.
    ///
    /// # Errors
    /// If it is not there, or none.
    pub fn count(&self, name: &str) -> Result<usize, String> {
        let count = self.value(name)?.as_u64().and_then(|count| usize::try_from(count).ok());
        count.ok_or_else(|| format!("{name} is not a count"))
    }

    /// Finite numbers, as many as they are.
    ///
    /// # Errors
    /// If they are not there, or one of them is no finite number.
    pub fn finite(&self, name: &str) -> Result<Vec<f64>, String> {
        let numbers = self.numbers(name)?;
        match numbers.iter().position(|x| !x.is_finite()) {
            Some(place) => Err(format!("{name}[{place}] is not a finite number")),
            None => Ok(numbers),
        }
    }

    /// So many finite numbers.
    ///
    /// # Errors
    /// As [`Params::finite`], or another number of them.
    pub fn exactly(&self, name: &str, count: usize) -> Result<Vec<f64>, String> {
        let numbers = self.finite(name)?;
        if numbers.len() == count { Ok(numbers) } else { Err(of_length(name, numbers.len(), count)) }
    }

    /// Rows of as many finite numbers as `width` says, one behind the other.
    ///
    /// # Errors
    /// As [`Params::finite`], or numbers that are no whole rows.
    pub fn flat_rows(&self, name: &str, width: usize) -> Result<Vec<f64>, String> {
        let numbers = self.finite(name)?;
        if width == 0 || numbers.is_empty() || !numbers.len().is_multiple_of(width) {
            return Err(format!("{name} has {} values, which are no rows of {width}", numbers.len()));
        }
        Ok(numbers)
    }

    /// Rows of as many finite numbers as `width` says.
    ///
    /// # Errors
    /// As [`Params::flat_rows`].
    pub fn rows(&self, name: &str, width: usize) -> Result<Vec<Vec<f64>>, String> {
        Ok(self.flat_rows(name, width)?.chunks(width).map(<[f64]>::to_vec).collect())
    }

    /// Numbers of any kind; null is NaN.
    ///
    /// # Errors
    /// If they are not there, or one is no number.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>, String> {
        let number = |value: &Value| if value.is_null() { Some(f64::NAN) } else { value.as_f64() };
        self.list(name, "a number", number, "<f8", f64::from_le_bytes)
    }

    /// Whole numbers from 0.
    ///
    /// # Errors
    /// If they are not there, or one is none.
    pub fn whole(&self, name: &str) -> Result<Vec<u32>, String> {
        let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
        self.list(name, "a whole number from 0", number, "<u4", u32::from_le_bytes)
    }

    /// Values that are `what`: those of a list, or packed ones of a dtype.
    fn list<T, const N: usize>(
        &self,
        name: &str,
        what: &str,
        of_value: impl Fn(&Value) -> Option<T>,
        dtype: &str,
        of_bytes: fn([u8; N]) -> T,
    ) -> Result<Vec<T>, String> {
        match self.value(name)? {
            Value::Array(list) => {
                let none = |place: usize| format!("{name}[{place}] is not {what}");
                let values = list.iter().enumerate();
                values.map(|(place, value)| of_value(value).ok_or_else(|| none(place))).collect()
            }
            packed => {
                let bytes = unpacked(name, packed, dtype)?;
                let (values, rest) = bytes.as_chunks::<N>();
                if !rest.is_empty() {
                    return Err(format!("{name}.base64 ends within a number"));
                }
                Ok(values.iter().map(|bytes| of_bytes(*bytes)).collect())
            }
        }
    }
}

/// The bytes of a packed array.
fn unpacked(name: &str, packed: &Value, expected: &str) -> Result<Vec<u8>, String> {
    let text = |key: &str| packed.get(key).and_then(Value::as_str);
    let (Some(dtype), Some(coded)) = (text("dtype"), text("base64")) else {
        return Err(format!("{name} is neither a list of numbers nor an object with dtype and base64"));
    };
    if dtype != expected {
        return Err(format!("{name}.dtype is {dtype:?}, not {expected:?}"));
    }
    STANDARD.decode(coded).map_err(|error| format!("{name}.base64: {error}"))
}

/// That a list has another length than it must.
pub(super) fn of_length(name: &str, has: usize, expected: usize) -> String {
    format!("{name} has {has} values, not {expected}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn learned(value: Value) -> Learned {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn packed_numbers_are_those_of_a_list() {
        let bytes: Vec<u8> = [0.1, -7.0].into_iter().flat_map(f64::to_le_bytes).collect();
        let learned = learned(json!({
            "list": [0.1, -7.0], "packed": { "dtype": "<f8", "base64": STANDARD.encode(&bytes) },
            "whole": { "dtype": "<u4", "base64": STANDARD.encode([7, 0, 0, 0]) },
        }));
        let params = Params::new(&learned, 2);
        assert_eq!((params.exactly("list", 2), params.numbers("packed")), (Ok(vec![0.1, -7.0]), Ok(vec![0.1, -7.0])));
        assert_eq!(params.whole("whole"), Ok(vec![7]));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_field() {
        let learned = learned(json!({
            "a": [1, "x"], "b": [1, null], "c": { "dtype": "<f4", "base64": "" },
            "d": { "dtype": "<f8", "base64": "AAA=" }, "e": { "dtype": "<f8", "base64": "?" }, "f": null, "g": [1.5], "h": "x",
        }));
        let params = Params::new(&learned, 2);
        assert_eq!(params.numbers("z").unwrap_err(), "z is missing");
        assert_eq!(params.numbers("a").unwrap_err(), "a[1] is not a number");
        assert_eq!(params.exactly("b", 2).unwrap_err(), "b[1] is not a finite number");
        assert_eq!(params.numbers("c").unwrap_err(), "c.dtype is \"<f4\", not \"<f8\"");
        assert_eq!(params.numbers("d").unwrap_err(), "d.base64 ends within a number");
        assert!(params.numbers("e").unwrap_err().starts_with("e.base64: "));
        assert_eq!(params.number("f").unwrap_err(), "f is not a finite number");
        assert_eq!(params.whole("g").unwrap_err(), "g[0] is not a whole number from 0");
        assert_eq!(params.choice("h", &[("y", 1)]).unwrap_err(), "h is \"x\", not one of y");
        assert_eq!(params.rows("g", 2).unwrap_err(), "g has 1 values, which are no rows of 2");
        assert_eq!(params.exactly("g", 2).unwrap_err(), "g has 1 values, not 2");
    }
}
