//! What a subtask is: its parameters, and the small traits that say what it can do.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::models::Shadowed;
use super::transform::{BatchSubtask, Transform};
use super::{ColumnSubtask, Fault, Learned, Learner, OnError, Refusal, Remembering, Role, Scope, Streaming};
use crate::data::{Kind, Message, Schema};

/// A subtask: a struct of parameters as they stand in a dataflow file, and what it can do.
///
/// Its doc comment and those of its fields are what `rowmill subtasks`, the JSON schema and the reference say of it.
///
/// ```
/// use rowmill::subtasks::{ColumnSubtask, Flaw, Subtask, Traits};
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// /// Turns degrees Fahrenheit into degrees Celsius.
/// #[derive(Default, Deserialize, JsonSchema)]
/// #[serde(default, deny_unknown_fields)]
/// struct ToCelsius {
///     /// Added to the result, in degrees Celsius: the sensor's own error.
///     offset: f64,
/// }
///
/// impl Subtask for ToCelsius {
///     const TRAITS: Traits<ToCelsius> = Traits::by_column();
/// }
///
/// impl ColumnSubtask for ToCelsius {
///     fn apply_column(&self, _place: usize, values: &mut [f64]) -> Result<(), Flaw> {
///         values.iter_mut().for_each(|degrees| *degrees = (*degrees - 32.0) / 1.8 + self.offset);
///         Ok(())
///     }
/// }
///
/// let registry = rowmill::Registry::builtin().subtask::<ToCelsius>("to_celsius");
/// assert!(registry.subtasks().find("to_celsius").is_some());
/// ```
pub trait Subtask: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The function of another library that its results equal, if there is one.
    const EQUALS: &'static str = "-";
    /// What of a message it acts on.
    const ROLE: Role = Role::Numbers;
    /// Which of the other traits it implements.
    const TRAITS: Traits<Self>;

    /// Refuses parameters that do not go together, or that the original refuses.
    ///
    /// # Errors
    /// The parameter, and what it must be.
    fn check(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

/// A subtask that can learn from rows once, to be used on others: `fit = "frozen"`.
pub trait Fit: Send + Sync {
    /// The fitted params of a message.
    ///
    /// # Errors
    /// Where the original's `fit` raises.
    fn fit(&self, message: &Message, scope: &Scope) -> Result<Learned, Fault>;

    /// The transform with these fitted params, for so many columns.
    ///
    /// # Errors
    /// In words: params of another subtask, or of another number of columns.
    fn freeze(&self, learned: &Learned, columns: usize) -> Result<Transform, String>;
}

/// A subtask that can learn over the stream, message after message: `fit = "stream"`.
pub trait PartialFit: Send + Sync {
    /// The empty state of one column, for the rows of one key.
    fn learner(&self) -> Box<dyn Learner>;

    /// Refuses parameters that do not work with learning over the stream.
    ///
    /// # Errors
    /// The parameter, and why.
    fn check_stream(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

/// A subtask that can learn over the stream from whole rows, as a model does: `fit = "stream"`.
pub trait Incremental: Send + Sync {
    /// Refuses parameters that do not work with learning over the stream.
    ///
    /// # Errors
    /// The parameter, and why.
    fn check_stream(&self) -> Result<(), Refusal>;

    /// What the column holds that it learns to predict; `None` if there is none.
    fn target(&self) -> Option<Kind>;

    /// Refuses rows that it cannot learn from.
    ///
    /// # Errors
    /// Where the original raises.
    fn check_rows(&self, message: &Message, scope: &Scope) -> Result<(), Fault>;

    /// The empty state for these columns and each value of the text column in slot `key`; one for all without it.
    /// `on_error` says what becomes of a message of which it can't learn some rows.
    fn remembering(self: Arc<Self>, key: Option<usize>, scope: &Scope, on_error: OnError) -> Box<dyn Remembering>;
}

/// A subtask whose parameters name columns: what it does is known with the columns.
pub trait Bind: Send + Sync {
    /// What it does to messages of these columns.
    ///
    /// # Errors
    /// The parameter that does not fit the columns, and why.
    fn bind(&self, schema: &Schema) -> Result<Transform, Refusal>;
}

/// What a subtask does that is not bound.
struct Unbound;

impl BatchSubtask for Unbound {
    fn apply(&self, _: &mut Message, _: &Scope) -> Result<(), Fault> {
        Err(Fault::new("The columns that the step names are not known."))
    }
}

/// Refuses a message, or some of its rows.
pub type RowCheck = Box<dyn Fn(&Message, &Scope) -> Result<(), Fault>>;

/// A subtask that compares rows with each other.
pub trait Compares: Send + Sync {
    /// How many rows back in the stream rows are compared with; `None` if only within a message.
    fn horizon(&self) -> Option<u64>;
}

/// A subtask that may act by the event times of rows.
pub trait Timed: Send + Sync {
    /// Whether it does with its parameters.
    fn by_time(&self) -> bool;

    /// The column of event times that its parameters name.
    fn time_column(&self) -> Option<&str>;
}

type View<T, D> = fn(Arc<T>) -> Arc<D>;

/// Which of the small traits a subtask implements.
pub struct Traits<T> {
    transform: fn(Arc<T>) -> Transform,
    fit: Option<View<T, dyn Fit>>,
    partial_fit: Option<View<T, dyn PartialFit>>,
    incremental: Option<View<T, dyn Incremental>>,
    supervised: bool,
    compares: Option<View<T, dyn Compares>>,
    bind: Option<View<T, dyn Bind>>,
    model: bool,
    by_row: bool,
    timed: Option<View<T, dyn Timed>>,
}

impl<T: ColumnSubtask + 'static> Traits<T> {
    /// Those of a subtask that acts by column.
    pub const fn by_column() -> Traits<T> {
        Traits::of(|subtask| Transform::ByColumn(subtask))
    }
}

impl<T: BatchSubtask + 'static> Traits<T> {
    /// Those of a subtask that acts on a whole message.
    pub const fn by_message() -> Traits<T> {
        Traits::of(|subtask| Transform::ByMessage(subtask))
    }
}

impl<T: Bind + 'static> Traits<T> {
    /// Those of a subtask whose parameters name columns.
    pub const fn by_names() -> Traits<T> {
        let mut traits = Traits::of(|_: Arc<T>| Transform::by_message(Unbound));
        traits.bind = Some(|subtask| subtask);
        traits
    }
}

impl<T: ColumnSubtask + BatchSubtask + Timed + 'static> Traits<T> {
    /// Those of a subtask that acts by column, and on a whole message where it acts by time.
    pub(super) const fn by_column_or_time() -> Traits<T> {
        let mut traits =
            Traits::of(
                |subtask: Arc<T>| {
                    if subtask.by_time() { Transform::ByMessage(subtask) } else { Transform::ByColumn(subtask) }
                },
            );
        traits.timed = Some(|subtask| subtask);
        traits
    }
}

impl<T: Fit + 'static> Traits<T> {
    /// It can learn from rows once, too.
    pub const fn fit(mut self) -> Traits<T> {
        self.fit = Some(|subtask| subtask);
        self
    }
}

impl<T: Fit + BatchSubtask + 'static> Traits<T> {
    /// It is a model: it is fitted elsewhere or learns over the stream, and depends on what it has learnt.
    pub(super) const fn model(mut self) -> Traits<T> {
        (self.model, self.by_row) = (true, true);
        self
    }
}

impl<T: PartialFit + 'static> Traits<T> {
    /// It can learn over the stream, too.
    pub const fn partial_fit(mut self) -> Traits<T> {
        self.partial_fit = Some(|subtask| subtask);
        self
    }
}

impl<T: Incremental + 'static> Traits<T> {
    /// It can learn over the stream from whole rows, too; `supervised`: to predict a column.
    pub(super) const fn incremental(mut self, supervised: bool) -> Traits<T> {
        self.incremental = Some(|subtask| subtask);
        self.supervised = supervised;
        self
    }
}

impl<T: Compares + 'static> Traits<T> {
    pub(super) const fn compares(mut self) -> Traits<T> {
        self.compares = Some(|subtask| subtask);
        self
    }
}

impl<T> Traits<T> {
    const fn of(transform: fn(Arc<T>) -> Transform) -> Traits<T> {
        Traits {
            transform,
            fit: None,
            partial_fit: None,
            incremental: None,
            supervised: false,
            compares: None,
            bind: None,
            model: false,
            by_row: false,
            timed: None,
        }
    }

    /// What becomes of a row depends on this row alone: by default, a message goes on without the rows that it can't take.
    pub const fn by_row(mut self) -> Traits<T> {
        self.by_row = true;
        self
    }

    /// Whether what becomes of a row depends on this row alone.
    pub(super) const fn is_by_row(&self) -> bool {
        self.by_row
    }

    /// Whether it learns from rows, so that `fit` can be given.
    pub(super) const fn learns(&self) -> bool {
        self.fit.is_some() || self.partial_fit.is_some()
    }

    /// Whether it can learn over the stream from whole rows.
    pub(super) const fn is_incremental(&self) -> bool {
        self.incremental.is_some()
    }

    /// Whether it then learns to predict a column.
    pub(super) const fn is_supervised(&self) -> bool {
        self.supervised
    }

    /// Whether it is a model.
    pub(super) const fn is_model(&self) -> bool {
        self.model
    }
}

/// A subtask with its parameters, whatever its type.
#[derive(Clone)]
pub struct DynSubtask {
    transform: Transform,
    fit: Option<Arc<dyn Fit>>,
    partial_fit: Option<Arc<dyn PartialFit>>,
    incremental: Option<Arc<dyn Incremental>>,
    compares: Option<Arc<dyn Compares>>,
    bind: Option<Arc<dyn Bind>>,
    timed: Option<Arc<dyn Timed>>,
}

impl DynSubtask {
    /// A subtask whose parameters have been checked.
    pub fn new<T: Subtask>(subtask: T) -> DynSubtask {
        let (traits, subtask) = (T::TRAITS, Arc::new(subtask));
        DynSubtask {
            transform: (traits.transform)(subtask.clone()),
            fit: traits.fit.map(|fit| fit(subtask.clone())),
            partial_fit: traits.partial_fit.map(|partial_fit| partial_fit(subtask.clone())),
            incremental: traits.incremental.map(|incremental| incremental(subtask.clone())),
            compares: traits.compares.map(|compares| compares(subtask.clone())),
            bind: traits.bind.map(|bind| bind(subtask.clone())),
            timed: traits.timed.map(|timed| timed(subtask)),
        }
    }

    /// What it does to messages.
    pub fn transform(&self) -> &Transform {
        &self.transform
    }

    /// Changes the columns in scope.
    ///
    /// # Errors
    /// As [`Transform::apply`].
    pub fn apply(&self, message: &mut Message, scope: &Scope) -> Result<(), Fault> {
        self.transform.apply(message, scope)
    }

    /// The fitted params of a message; `None` if this subtask does not learn.
    ///
    /// # Errors
    /// As [`Fit::fit`].
    pub fn fit(&self, message: &Message, scope: &Scope) -> Result<Option<Learned>, Fault> {
        self.fit.as_ref().map(|subtask| subtask.fit(message, scope)).transpose()
    }

    /// This subtask with fitted params, which replace the fit to each message.
    ///
    /// # Errors
    /// As [`Fit::freeze`], or a subtask that does not learn.
    pub fn freeze(&self, learned: &Learned, columns: usize) -> Result<DynSubtask, String> {
        let transform = self.fit.as_ref().ok_or("there is nothing to learn")?.freeze(learned, columns)?;
        Ok(DynSubtask {
            transform,
            fit: None,
            partial_fit: None,
            incremental: None,
            compares: None,
            bind: None,
            timed: None,
        })
    }

    /// This fitted model with a second one beside it, which has `columns` in the order of its fit.
    pub fn with_shadow(self, shadow: &DynSubtask, columns: Scope) -> DynSubtask {
        let both = Shadowed::new(self.transform, shadow.transform.clone(), columns);
        DynSubtask { transform: Transform::by_message(both), ..self }
    }

    /// This subtask for messages of these columns.
    ///
    /// # Errors
    /// As [`Bind::bind`].
    pub fn bind(mut self, schema: &Schema) -> Result<DynSubtask, Refusal> {
        if let Some(subtask) = &self.bind {
            self.transform = subtask.bind(schema)?;
        }
        Ok(self)
    }

    /// The empty state of one column; `None` if this subtask can't learn over the stream.
    pub fn learner(&self) -> Option<Box<dyn Learner>> {
        self.partial_fit.as_ref().map(|subtask| subtask.learner())
    }

    /// This subtask as one that learns over the stream from whole rows; `None` if it can't.
    pub fn incremental(&self) -> Option<&Arc<dyn Incremental>> {
        self.incremental.as_ref()
    }

    /// Whether it can learn over the stream.
    pub fn can_stream(&self) -> bool {
        self.partial_fit.is_some() || self.incremental.is_some()
    }

    /// Refuses parameters that do not work with learning over the stream.
    ///
    /// # Errors
    /// As [`PartialFit::check_stream`].
    pub fn check_stream(&self) -> Result<(), Refusal> {
        self.partial_fit.as_ref().map_or(Ok(()), |subtask| subtask.check_stream())?;
        self.incremental.as_ref().map_or(Ok(()), |subtask| subtask.check_stream())
    }

    /// The empty keyed state of this subtask over the stream, by the values of the text column in slot `key`; `on_error`
    /// says what becomes of a message of which it can't learn some rows.
    ///
    /// # Panics
    /// If it can't learn over the stream, which the dataflow's reader refuses.
    pub fn remembering(&self, key: Option<usize>, scope: &Scope, on_error: OnError) -> Box<dyn Remembering> {
        if let Some(model) = self.incremental.clone() {
            return model.remembering(key, scope, on_error);
        }
        let subtask = self.partial_fit.clone().expect("only subtasks that learn are asked");
        Box::new(Streaming::new(Box::new(move || subtask.learner()), key, scope.numbers.len()))
    }

    /// What refuses a message that nothing can be learned from over the stream: [`Streaming::check`], or
    /// [`Incremental::check_rows`].
    pub fn row_check(&self) -> RowCheck {
        if let Some(model) = self.incremental.clone() {
            return Box::new(move |message: &Message, scope: &Scope| model.check_rows(message, scope));
        }
        let takes_infinity = self.learner().is_none_or(|learner| learner.takes_infinity());
        Box::new(move |message: &Message, scope: &Scope| Streaming::check(message, scope, takes_infinity))
    }

    /// How many rows back in the stream rows are compared with; `None` if only within a message.
    pub fn horizon(&self) -> Option<u64> {
        self.compares.as_ref().and_then(|subtask| subtask.horizon())
    }

    /// Whether it acts by the event times of rows.
    pub fn by_time(&self) -> bool {
        self.timed.as_ref().is_some_and(|subtask| subtask.by_time())
    }

    /// The column of event times that its parameters name.
    pub fn time_column(&self) -> Option<&str> {
        self.timed.as_ref().and_then(|subtask| subtask.time_column())
    }
}
