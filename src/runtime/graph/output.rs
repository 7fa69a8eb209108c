//! How operators write.

use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::generic::OutputBuilderSession;

/// An operator's output in one call of it.
pub(crate) type OutputSession<'a, D> = OutputBuilderSession<'a, u64, CapacityContainerBuilder<Vec<D>>>;
