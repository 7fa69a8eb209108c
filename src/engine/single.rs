//! Containers of one record each. An epoch is one message: timely's usual buffers of 8 KiB would travel all but empty, and
//! be allocated and freed at every operator.

use std::collections::VecDeque;

use timely::container::{ContainerBuilder, LengthPreservingContainerBuilder, PushInto};
use timely::dataflow::channels::pact::ExchangeCore;
use timely::dataflow::operators::generic::OutputBuilderSession;

/// Puts every record into a container of its own, and keeps their order.
pub struct Single<D> {
    ready: VecDeque<Vec<D>>,
    /// What is being taken.
    given: Option<Vec<D>>,
}

/// What an operator gives single records to.
pub type Output<'a, D> = OutputBuilderSession<'a, u64, Single<D>>;

/// Sends each record alone to the worker that `route` names, modulo the workers.
pub fn exchange<D: 'static, F: FnMut(&D) -> u64 + 'static>(route: F) -> ExchangeCore<Single<D>, F> {
    ExchangeCore::<Single<D>, F>::new_core(route)
}

impl<D> Default for Single<D> {
    fn default() -> Single<D> {
        Single { ready: VecDeque::new(), given: None }
    }
}

impl<D> PushInto<D> for Single<D> {
    fn push_into(&mut self, record: D) {
        self.ready.push_back(vec![record]);
    }
}

impl<D: 'static> ContainerBuilder for Single<D> {
    type Container = Vec<D>;

    fn extract(&mut self) -> Option<&mut Vec<D>> {
        self.given = self.ready.pop_front();
        self.given.as_mut()
    }

    fn finish(&mut self) -> Option<&mut Vec<D>> {
        self.extract()
    }
}

impl<D: 'static> LengthPreservingContainerBuilder for Single<D> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_comes_alone_and_in_order() {
        let mut builder = Single::default();
        (0..3).for_each(|number| builder.push_into(number));
        let mut taken = Vec::new();
        while let Some(container) = builder.finish() {
            taken.push(std::mem::take(container));
        }
        assert_eq!(taken, [[0], [1], [2]]);
        assert!(builder.extract().is_none());
    }
}
