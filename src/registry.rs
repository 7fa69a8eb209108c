//! What a program knows by name: what is built in, and what a guest adds.

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
}

impl Registry {
    /// All that is built in.
    pub fn builtin() -> Registry {
        Registry { subtasks: Subtasks::builtin() }
    }

    /// With one more subtask, which takes the place of one that had its name.
    pub fn subtask<T: Subtask>(mut self, name: &'static str) -> Registry {
        self.subtasks = self.subtasks.with::<T>(name);
        self
    }

    /// The subtasks.
    pub fn subtasks(&self) -> &Subtasks {
        &self.subtasks
    }
}
