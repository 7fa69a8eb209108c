//! The output session of operators, and the containers that travel between workers.

use timely::container::{CapacityContainerBuilder, ContainerBuilder, LengthPreservingContainerBuilder, PushInto};
use timely::dataflow::channels::pact::ExchangeCore;
use timely::dataflow::operators::generic::OutputBuilderSession;

/// An operator's output during one activation.
pub(crate) type OutputSession<'a, D> = OutputBuilderSession<'a, u64, CapacityContainerBuilder<Vec<D>>>;

/// Builds containers no larger than what they hold. An epoch is one message: timely's own builder would make room for
/// kilobytes of them, in a container that is freed on another thread.
pub struct SmallContainerBuilder<D> {
    current: Vec<D>,
    /// The container that was handed out; it comes back with its memory if it stays on this thread.
    ready: Vec<D>,
}

/// The most items of a container.
const ITEMS_MAX: usize = 256;

impl<D> Default for SmallContainerBuilder<D> {
    fn default() -> SmallContainerBuilder<D> {
        SmallContainerBuilder { current: Vec::new(), ready: Vec::new() }
    }
}

impl<D> SmallContainerBuilder<D> {
    fn hand_out(&mut self) -> Option<&mut Vec<D>> {
        self.ready = std::mem::take(&mut self.current);
        Some(&mut self.ready)
    }
}

impl<D> PushInto<D> for SmallContainerBuilder<D> {
    fn push_into(&mut self, item: D) {
        if self.current.capacity() == 0 {
            self.current = std::mem::take(&mut self.ready);
            self.current.clear();
            self.current.reserve_exact(1);
        }
        self.current.push(item);
    }
}

impl<D> ContainerBuilder for SmallContainerBuilder<D> {
    type Container = Vec<D>;

    fn extract(&mut self) -> Option<&mut Vec<D>> {
        if self.current.len() < ITEMS_MAX { None } else { self.hand_out() }
    }

    fn finish(&mut self) -> Option<&mut Vec<D>> {
        if self.current.is_empty() { None } else { self.hand_out() }
    }
}

impl<D> LengthPreservingContainerBuilder for SmallContainerBuilder<D> {}

/// Routes each item to the worker that `route` gives.
pub(crate) fn exchange<D: 'static, F>(route: F) -> ExchangeCore<SmallContainerBuilder<D>, F>
where
    F: FnMut(&D) -> u64 + 'static,
{
    ExchangeCore::<SmallContainerBuilder<D>, F>::new_core(route)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_hold_all_items_in_order_and_come_back_with_their_memory() {
        let mut builder = SmallContainerBuilder::default();
        let mut out = Vec::new();
        for item in 0..ITEMS_MAX + 3 {
            builder.push_into(item);
            while let Some(container) = builder.extract() {
                assert_eq!(container.len(), ITEMS_MAX);
                out.append(container);
            }
        }
        while let Some(container) = builder.finish() {
            out.append(container);
        }
        assert!(out.into_iter().eq(0..ITEMS_MAX + 3) && builder.finish().is_none());
        let place = |builder: &mut SmallContainerBuilder<usize>| {
            builder.push_into(7);
            builder.finish().map(|container| (container.as_ptr(), container.len()))
        };
        assert_eq!(place(&mut builder), place(&mut builder), "the same memory, with one item");
        let mut fresh = SmallContainerBuilder::default();
        fresh.push_into(1_u64);
        assert_eq!(fresh.finish().map(|container| container.capacity()), Some(1));
    }
}
