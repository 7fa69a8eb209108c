//! A model that learns over the stream, or was fitted before, as a subtask.

use std::borrow::Cow;
use std::sync::Arc;

use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Deserializer};

use super::empty_rows::without_empty;
use super::keyed_models::KeyedModels;
use super::online_model::OnlineModel;
use super::served::{self, Served};
use super::{Classes, Learning, Target};
use crate::data::{self, Kind, Message};
use crate::subtasks::{
    BatchSubtask, Fault, Fit, Flaw, Incremental, Learned, OnError, Refusal, Remembering, Scope, Subtask, Traits,
    Transform,
};

/// A model as a step of a dataflow that predicts, and then learns.
pub struct Online<L>(Arc<OnlineModel<L>>);

impl<'de, L: Learning> Deserialize<'de> for Online<L> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Online<L>, D::Error> {
        OnlineModel::deserialize(deserializer).map(|model| Online(Arc::new(model)))
    }
}

impl<L: Learning> JsonSchema for Online<L> {
    fn schema_name() -> Cow<'static, str> {
        std::any::type_name::<L>().into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (mut schema, own) = (served::schema::<L::Model>(), L::json_schema(generator));
        let all = schema.ensure_object()["properties"].as_object_mut().expect("a model has properties");
        let own = own.get("properties").and_then(serde_json::Value::as_object);
        all.extend(own.into_iter().flatten().map(|(name, property)| (name.clone(), property.clone())));
        schema
    }
}

/// The columns that a model learns from.
fn column_names(scope: &Scope) -> Vec<String> {
    scope.named().map(|(_, name)| name.to_owned()).collect()
}

impl<L: Learning> Subtask for Online<L> {
    const TRAITS: Traits<Online<L>> = Traits::by_message().fit().model().incremental(L::SUPERVISED);

    fn check(&self) -> Result<(), Refusal> {
        served::check_outputs::<L::Model>(&self.0.outputs())
    }
}

/// With params it is as every model; without them it learns, which [`Incremental`] does.
impl<L: Learning> BatchSubtask for Online<L> {
    fn apply(&self, _: &mut Message, _: &Scope) -> Result<(), Fault> {
        Err(Fault::new("The model learns over the stream: it has nothing to say of a message alone."))
    }

    fn says_of_empty(&self) -> bool {
        self.0.appended.skip_empty.is_none() && self.0.learning.accepted().missing
    }

    fn columns_after(&self, schema: &data::Schema, _: &Scope) -> data::Schema {
        schema.clone().with(self.0.known_columns())
    }

    fn check_scope(&self, scope: &Scope) -> Result<(), Refusal> {
        self.0.learning.check_columns(&column_names(scope))
    }

    fn check_schema(&self, schema: &data::Schema, _: &Scope) -> Result<(), Refusal> {
        let new = self.0.known_columns().into_iter().map(|(name, _)| name);
        Refusal::if_taken("prefix", new, schema, "give the new ones a prefix")
    }
}

impl<L: Learning> Fit for Online<L> {
    fn fit(&self, message: &Message, scope: &Scope) -> Result<Learned, Fault> {
        Served::<L::Model>::new(self.0.appended.clone()).fit(message, scope)
    }

    fn freeze(&self, learned: &Learned, columns: usize) -> Result<Transform, String> {
        Served::<L::Model>::new(self.0.appended.clone()).freeze(learned, columns)
    }
}

impl<L: Learning> Incremental for Online<L> {
    fn check_stream(&self) -> Result<(), Refusal> {
        if let Target::Class(None) = self.0.learning.target() {
            return Err(Refusal::new("classes", "name the classes, such as classes = [\"dry\", \"wet\"]"));
        }
        self.0.learning.check()?;
        self.0.new_columns().map(drop).map_err(|reason| Refusal::new("outputs", reason))
    }

    fn target(&self) -> Option<Kind> {
        match self.0.learning.target() {
            Target::None => None,
            Target::Number | Target::Class(None) => Some(Kind::Number),
            Target::Class(Some(classes)) => Some(classes.kind()),
        }
    }

    fn check_rows(&self, message: &Message, scope: &Scope) -> Result<(), Fault> {
        let skips = self.0.appended.skips_empty();
        match skips.then(|| without_empty(message, scope)).flatten() {
            Some((taken, places)) => self.check_all(&taken, scope).map_err(|fault| fault.at(&places)),
            None => self.check_all(message, scope),
        }
    }

    fn remembering(self: Arc<Self>, key: Option<usize>, scope: &Scope, on_error: OnError) -> Box<dyn Remembering> {
        Box::new(KeyedModels::new(self.0.clone(), key, column_names(scope), on_error))
    }
}

impl<L: Learning> Online<L> {
    /// Refuses rows, of which none is passed over.
    fn check_all(&self, message: &Message, scope: &Scope) -> Result<(), Fault> {
        self.0.learning.accepted().check(message, scope)?;
        let Some(column) = &scope.target else { return Ok(()) };
        let target = self.0.learning.target();
        let refused = |x: f64| if matches!(target, Target::Class(_)) { x.is_nan() } else { x.is_infinite() };
        let targets = self.0.targets(message, scope).into_iter().enumerate();
        let rows: Vec<usize> = targets.filter(|(_, x)| x.is_some_and(refused)).map(|(row, _)| row).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let reason = match target {
            Target::Class(classes) => {
                let known = classes.into_iter().flat_map(Classes::names).collect::<Vec<_>>().join(", ");
                format!("The target label does not exist in the initial classes [{known}].")
            }
            _ => "Input y contains infinity or a value too large for dtype('float64').".to_owned(),
        };
        Err(Flaw::of_rows(rows, reason).named(&column.name, &message.ids))
    }
}
