//! A fitted model as a subtask.

use std::borrow::Cow;
use std::marker::PhantomData;

use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema, json_schema};
use serde::{Deserialize, Deserializer};

use super::empty_rows::SkipsEmpty;
use super::split_parameters::Appended;
use super::{Features, Model, ModelOutput, OutputValues, Params};
use crate::data::{self, Kind, Message};
use crate::subtasks::{BatchSubtask, Fault, Fit, Learned, Refusal, Scope, Subtask, Traits, Transform};

/// A model as a step of a dataflow: what it appends to the rows, before its params are read.
pub struct Served<M> {
    appended: Appended,
    model: PhantomData<fn() -> M>,
}

impl<'de, M> Deserialize<'de> for Served<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Served<M>, D::Error> {
        Appended::deserialize(deserializer).map(Served::new)
    }
}

impl<M: Model> JsonSchema for Served<M> {
    fn schema_name() -> Cow<'static, str> {
        std::any::type_name::<M>().into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schema::<M>()
    }
}

/// The schema of what a model appends to the rows.
pub(super) fn schema<M: Model>() -> Schema {
    let names: Vec<&str> = M::OUTPUTS.iter().map(|output| output.name()).collect();
    json_schema!({
        "type": "object",
        "description": M::SUMMARY,
        "properties": {
            "outputs": {
                "type": "array", "items": { "enum": names }, "minItems": 1, "default": [names[0]],
                "description": "What is appended, each as a column of this name or, for several, `output_NAME`.",
            },
            "prefix": {
                "type": "string", "default": "",
                "description": "Stands before the names of the new columns, such as `forest_`.",
            },
            "skip_empty": {
                "type": "boolean", "default": false,
                "description": "Whether a row without a value in any of the model's columns is passed over: the new columns are missing there, and nothing is learnt from it. Else it is predicted, or refused, as scikit-learn does.",
            },
        },
        "additionalProperties": false,
    })
}

impl<M: Model> Subtask for Served<M> {
    const TRAITS: Traits<Served<M>> = Traits::by_message().fit().model();

    fn check(&self) -> Result<(), Refusal> {
        check_outputs::<M>(&self.appended.outputs::<M>())
    }
}

/// Refuses outputs that a model has not.
pub(super) fn check_outputs<M: Model>(outputs: &[ModelOutput]) -> Result<(), Refusal> {
    if outputs.is_empty() {
        return Err(Refusal::new("outputs", "leave it out for the first of them, or name one"));
    }
    for (place, output) in outputs.iter().enumerate() {
        if !M::OUTPUTS.contains(output) {
            let known: Vec<&str> = M::OUTPUTS.iter().map(|output| output.name()).collect();
            let reason = format!("it has no {}; it has {}", output.name(), known.join(", "));
            return Err(Refusal::new("outputs", reason));
        }
        if outputs[..place].contains(output) {
            return Err(Refusal::new("outputs", format!("{} stands there twice", output.name())));
        }
    }
    Ok(())
}

impl<M> Served<M> {
    /// The step that appends this.
    pub(super) fn new(appended: Appended) -> Served<M> {
        Served { appended, model: PhantomData }
    }
}

/// Without its params, which a step gets before it runs.
impl<M: Model> BatchSubtask for Served<M> {
    fn apply(&self, _: &mut Message, _: &Scope) -> Result<(), Fault> {
        Err(Fault::new("The model has no fitted params."))
    }
}

impl<M: Model> Fit for Served<M> {
    fn fit(&self, _: &Message, _: &Scope) -> Result<Learned, Fault> {
        Err(Fault::new("A model is fitted by scikit-learn: give the params that rowmill.export wrote."))
    }

    fn freeze(&self, learned: &Learned, columns: usize) -> Result<Transform, String> {
        let params = Params::new(learned, columns);
        let model = M::read(&params)?;
        params.check_known()?;
        let new = self.appended.columns::<M>(|output| model.columns(output))?;
        let (outputs, told) = (self.appended.outputs::<M>(), self.appended.skip_empty.is_some());
        let fitted = Transform::by_message(FittedModel { model, outputs, new: new.clone(), told });
        Ok(if self.appended.skips_empty() { Transform::by_message(SkipsEmpty::new(fitted, new)) } else { fitted })
    }
}

/// A model with its params.
struct FittedModel<M> {
    model: M,
    outputs: Vec<ModelOutput>,
    /// The columns that it appends.
    new: Vec<(String, Kind)>,
    /// Whether the file says what becomes of rows without a value.
    told: bool,
}

impl<M: Model> BatchSubtask for FittedModel<M> {
    fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
        self.model.accepted().check(message, scope)?;
        let columns = scope.numbers.iter().map(|slot| message.column(*slot)).collect();
        let values = self.model.evaluate(&Features { columns, rows: message.rows() }, &self.outputs);
        debug_assert_eq!(values.len(), self.new.len());
        for values in values {
            match values {
                OutputValues::Numbers(numbers) => message.push_column(numbers),
                OutputValues::Texts(texts) => message.texts.push(texts),
            }
        }
        Ok(())
    }

    fn refuses_first(&self) -> bool {
        true
    }

    fn says_of_empty(&self) -> bool {
        !self.told && self.model.accepted().missing
    }

    fn columns_after(&self, schema: &data::Schema, _: &Scope) -> data::Schema {
        schema.clone().with(self.new.iter().cloned())
    }

    fn check_schema(&self, schema: &data::Schema, _: &Scope) -> Result<(), Refusal> {
        let new = self.new.iter().map(|(name, _)| name.clone());
        Refusal::if_taken("prefix", new, schema, "give the new ones a prefix")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subtasks::models::{LinearRegressor, Regress};

    type FittedLine = Served<Regress<LinearRegressor>>;

    fn line(prefix: &str) -> FittedLine {
        Served::new(Appended { prefix: prefix.into(), ..Appended::default() })
    }

    #[test]
    fn predictions_stand_in_a_column_at_the_end() {
        let learned = Learned::default().with("coef_", [2.0, -1.0]).with("intercept_", 0.5);
        let transform = line("my_").freeze(&learned, 2).unwrap();
        let mut message = Message::from_columns(&[vec![1.0, 2.0], vec![3.0, 4.0]]);
        transform.apply(&mut message, &Scope::numbers(2)).unwrap();
        assert_eq!(message.column(2), [-0.5, 0.5]);
        let schema = data::Schema::new([("a", Kind::Number), ("my_prediction", Kind::Number)]);
        assert!(transform.check_schema(&schema, &Scope::numbers(2)).unwrap_err().reason.contains("my_prediction"));
        let schema = data::Schema::new([("a", Kind::Number), ("b", Kind::Number)]);
        assert!(transform.check_schema(&schema, &Scope::numbers(2)).is_ok());
        let after = transform.columns_after(&schema, &Scope::numbers(2));
        assert_eq!(after.names().collect::<Vec<_>>(), ["a", "b", "my_prediction"]);
    }

    #[test]
    fn empty_rows_are_passed_over_if_so_told() {
        const N: f64 = f64::NAN;
        let learned = Learned::default().with("coef_", [2.0, -1.0]).with("intercept_", 0.5);
        let skips = |skip_empty| {
            let line = FittedLine::new(Appended { skip_empty, ..Appended::default() });
            line.freeze(&learned, 2).unwrap()
        };
        let message = |columns: [Vec<f64>; 2]| Message::from_columns(&columns);
        let mut some = message([vec![N, 1.0, N, 2.0], vec![N, 3.0, N, 4.0]]);
        assert_eq!(skips(None).apply(&mut some.clone(), &Scope::numbers(2)).unwrap_err().rows(), [0, 2]);
        skips(Some(true)).apply(&mut some, &Scope::numbers(2)).unwrap();
        assert_eq!(some.column(2).iter().map(|x| x.to_bits()).collect::<Vec<_>>(), [N, -0.5, N, 0.5].map(f64::to_bits));
        let mut none = message([vec![N], vec![N]]);
        skips(Some(true)).apply(&mut none, &Scope::numbers(2)).unwrap();
        assert!(none.column(2)[0].is_nan());
        // A row with one gap is refused by its own place, behind those that are passed over.
        let mut gap = message([vec![N, 1.0, N, 2.0], vec![N, 3.0, N, N]]);
        let fault = skips(Some(true)).apply(&mut gap, &Scope::numbers(2)).unwrap_err();
        assert_eq!((fault.rows(), fault.to_string().contains("row 3.")), (&[3][..], true), "{fault}");
    }

    #[test]
    fn outputs_that_it_has_not_are_refused() {
        for outputs in [vec![], vec![ModelOutput::Cluster], vec![ModelOutput::Prediction; 2]] {
            let appended = Appended { outputs: Some(outputs), ..Appended::default() };
            let refused = FittedLine::new(appended).check().unwrap_err();
            assert_eq!(refused.parameter, "outputs");
        }
        assert!(line("").check().is_ok());
    }

    #[test]
    fn it_does_nothing_without_params() {
        let mut message = Message::from_columns(&[vec![1.0]]);
        assert!(line("").apply(&mut message, &Scope::numbers(1)).is_err());
        assert!(line("").fit(&message, &Scope::numbers(1)).unwrap_err().to_string().contains("rowmill.export"));
    }
}
