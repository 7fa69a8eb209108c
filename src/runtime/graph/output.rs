//! The output session of operators.

use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::generic::OutputBuilderSession;

/// An operator's output during one activation.
pub(crate) type OutputSession<'a, D> = OutputBuilderSession<'a, u64, CapacityContainerBuilder<Vec<D>>>;
