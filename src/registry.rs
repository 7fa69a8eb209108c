//! What a program knows by name: what is built in, and what a guest adds.

use crate::sink::{SinkConfig, Sinks};
use crate::source::{SourceConfig, Sources};
use crate::subtasks::{Subtask, Subtasks};

/// The subtasks, sources and sinks that dataflow files can name.
///
/// ```
/// # use rowmill::subtasks::{ColumnSubtask, Flaw, Subtask, Traits};
/// # /// Doubles.
/// # #[derive(serde::Deserialize, schemars::JsonSchema)]
/// # struct Double {}
/// # impl Subtask for Double { const TRAITS: Traits<Double> = Traits::by_column(); }
/// # impl ColumnSubtask for Double {
/// #     fn apply_column(&self, _: usize, values: &mut [f64]) -> Result<(), Flaw> {
/// #         values.iter_mut().for_each(|x| *x *= 2.0);
/// #         Ok(())
/// #     }
/// # }
/// let registry = rowmill::Registry::builtin().subtask::<Double>("double");
/// let text = "source.url = 'generate:rows=5'\nsink.url = 'null'\n[[subtask]]\nuse = 'double'";
/// let dataflow = rowmill::Dataflow::from_text("double.toml", text, &[], &registry).unwrap();
/// assert_eq!(dataflow.labels(), ["prepare", "double", "result"]);
/// ```
#[derive(Clone, Debug)]
pub struct Registry {
    subtasks: Subtasks,
    sources: Sources,
    sinks: Sinks,
}

impl Registry {
    /// All that is built in.
    pub fn builtin() -> Registry {
        Registry { subtasks: Subtasks::builtin(), sources: Sources::builtin(), sinks: Sinks::builtin() }
    }

    /// With one more subtask, which takes the place of one that had its name.
    pub fn subtask<T: Subtask>(mut self, name: &'static str) -> Registry {
        self.subtasks = self.subtasks.with::<T>(name);
        self
    }

    /// With one more source, for addresses of this scheme, such as `modbus` for `modbus://host`.
    pub fn source<T: SourceConfig>(mut self, scheme: &'static str) -> Registry {
        self.sources = self.sources.with::<T>(scheme);
        self
    }

    /// With one more sink, for addresses of this scheme.
    pub fn sink<T: SinkConfig>(mut self, scheme: &'static str) -> Registry {
        self.sinks = self.sinks.with::<T>(scheme);
        self
    }

    /// The sources beside those that every program knows.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The sinks beside those that every program knows.
    pub fn sinks(&self) -> &Sinks {
        &self.sinks
    }

    /// The subtasks.
    pub fn subtasks(&self) -> &Subtasks {
        &self.subtasks
    }
}
