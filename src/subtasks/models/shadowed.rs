//! Two models side by side: what the second one says of a row stands beside what the first one says.

use super::some_rows::append_of_some;
use crate::data::{Kind, Message, Schema};
use crate::subtasks::{BatchSubtask, Fault, Refusal, Scope, Transform, remove_refused};

/// What the names of the second model's columns end in.
const SUFFIX: &str = "_shadow";

/// A model, and one behind it that only watches: it refuses no row, and changes nothing that the first one says.
pub struct Shadowed {
    served: Transform,
    shadow: Transform,
    /// The columns in the order of the second model's fit.
    columns: Scope,
    /// The columns that the second model appends.
    new: Vec<(String, Kind)>,
}

impl Shadowed {
    /// Two models that append columns; `columns` are those of the second, in the order of its fit.
    pub fn new(served: Transform, shadow: Transform, columns: Scope) -> Shadowed {
        let none = Schema::new(Vec::<(String, Kind)>::new());
        let appended: Vec<(String, Kind)> = shadow.columns_after(&none, &columns).into();
        let new = appended.into_iter().map(|(name, kind)| (name + SUFFIX, kind)).collect();
        Shadowed { served, shadow, columns, new }
    }

    /// Asks the second model about the rows that it can take; the others have missing values.
    fn watch(&self, message: &mut Message) {
        // A model refuses a message before it changes anything of it.
        debug_assert!(self.shadow.refuses_first());
        let Err(mut fault) = self.shadow.apply(message, &self.columns) else { return };
        let mut taken = message.clone();
        loop {
            if fault.rows().is_empty() {
                taken.retain(&vec![false; taken.rows()]);
            } else {
                remove_refused(&mut taken, fault.rows());
            }
            if taken.rows() == 0 {
                break;
            }
            match self.shadow.apply(&mut taken, &self.columns) {
                Ok(()) => break,
                Err(next) => fault = next,
            }
        }
        append_of_some(message, &taken, &self.new);
    }
}

impl BatchSubtask for Shadowed {
    fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
        self.served.apply(message, scope)?;
        self.watch(message);
        Ok(())
    }

    fn refuses_first(&self) -> bool {
        self.served.refuses_first()
    }

    fn says_of_empty(&self) -> bool {
        self.served.says_of_empty() || self.shadow.says_of_empty()
    }

    fn columns_after(&self, schema: &Schema, scope: &Scope) -> Schema {
        self.served.columns_after(schema, scope).with(self.new.iter().cloned())
    }

    fn check_scope(&self, scope: &Scope) -> Result<(), Refusal> {
        self.served.check_scope(scope)
    }

    fn check_schema(&self, schema: &Schema, scope: &Scope) -> Result<(), Refusal> {
        self.served.check_schema(schema, scope)?;
        let beside = self.served.columns_after(schema, scope);
        let new = self.new.iter().map(|(name, _)| name.clone());
        Refusal::if_taken("prefix", new, &beside, "give the new ones a prefix")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::TextColumn;
    use crate::subtasks::models::{LinearRegressor, Regress, Served};
    use crate::subtasks::{Fit, Learned};
    use toml::de::ValueDeserializer;

    const N: f64 = f64::NAN;

    fn line(slopes: [f64; 2]) -> Transform {
        let parameters = ValueDeserializer::parse("{}").unwrap();
        let line: Served<Regress<LinearRegressor>> = serde::Deserialize::deserialize(parameters).unwrap();
        line.freeze(&Learned::default().with("coef_", slopes).with("intercept_", 0.0), 2).unwrap()
    }

    #[test]
    fn both_say_what_they_would_say_alone_whatever_the_order_of_their_columns() {
        let columns = Schema::new([("a", Kind::Number), ("b", Kind::Number)]);
        let scope = Scope::of(&columns, |_| true);
        let turned = scope.in_order(&["b".into(), "a".into()]);
        let both = Shadowed::new(line([1.0, 10.0]), line([1.0, 10.0]), turned);
        let mut message = Message::from_columns(&[vec![1.0, 2.0], vec![3.0, 4.0]]);
        both.apply(&mut message, &scope).unwrap();
        assert_eq!((message.column(2), message.column(3)), (&[31.0, 42.0][..], &[13.0, 24.0][..]));
        let after = both.columns_after(&columns, &scope);
        assert_eq!(after.names().collect::<Vec<_>>(), ["a", "b", "prediction", "prediction_shadow"]);
        assert!(both.check_schema(&columns, &scope).is_ok());
        let taken = columns.with([("prediction_shadow".to_owned(), Kind::Text)]);
        assert!(both.check_schema(&taken, &scope).unwrap_err().reason.contains("prediction_shadow"));
    }

    /// Takes rows whose first number is positive; appends a number and a text.
    struct Picky;

    impl BatchSubtask for Picky {
        fn apply(&self, message: &mut Message, _: &Scope) -> Result<(), Fault> {
            let bad: Vec<usize> = (0..message.rows()).filter(|row| message.column(0)[*row] <= 0.0).collect();
            if !bad.is_empty() {
                return Err(Fault::of_rows(bad, "not positive", 0));
            }
            let column = message.column(0).to_vec();
            message.texts.push(TextColumn::repeated("yes", column.len()));
            message.push_column(column);
            Ok(())
        }

        fn refuses_first(&self) -> bool {
            true
        }

        fn columns_after(&self, schema: &Schema, _: &Scope) -> Schema {
            schema.clone().with([("t".to_owned(), Kind::Text), ("n".to_owned(), Kind::Number)])
        }
    }

    #[test]
    fn the_second_model_refuses_no_row_that_the_first_one_takes() {
        let scope = Scope::numbers(2);
        let both = Shadowed::new(line([1.0, 1.0]), Transform::by_message(Picky), scope.clone());
        for (first, expected) in [
            (vec![1.0, -1.0, 3.0], vec![1.0, N, 3.0]),
            (vec![-1.0, -1.0, -3.0], vec![N, N, N]),
            (vec![1.0, 2.0, 3.0], vec![1.0, 2.0, 3.0]),
        ] {
            let mut message = Message::from_columns(&[first, vec![5.0; 3]]);
            both.apply(&mut message, &scope).unwrap();
            let said = message.column(3).iter().zip(&expected);
            assert!(said.clone().all(|(a, b)| a == b || (a.is_nan() && b.is_nan())), "{said:?}");
            assert_eq!(message.number_columns(), 4);
            let texts: Vec<Option<&str>> = (0..3).map(|row| message.texts[0].get(row)).collect();
            assert_eq!(texts, expected.iter().map(|value| (!value.is_nan()).then_some("yes")).collect::<Vec<_>>());
        }
    }
}
