//! Holds data until its epoch is complete, and releases it epoch by epoch.

use std::collections::VecDeque;

use timely::communication::Pull;
use timely::dataflow::channels::Message;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::InputHandleCore;
use timely::progress::frontier::MutableAntichain;

/// Data of epochs that are not complete yet, each with the capability to send at its epoch.
pub struct EpochQueue<D> {
    /// In the order of epochs.
    waiting: VecDeque<(Capability<u64>, Vec<D>)>,
}

impl<D> EpochQueue<D> {
    pub fn new() -> EpochQueue<D> {
        EpochQueue { waiting: VecDeque::new() }
    }

    /// Holds all data that has arrived at an input.
    pub fn take_in(&mut self, input: &mut InputHandleCore<u64, Vec<D>, impl Pull<Message<u64, Vec<D>>>>) {
        input.for_each(|capability, data| {
            let capability = capability.retain_least(0).expect("a batch has an epoch");
            self.hold(capability).append(data);
        });
    }

    /// The data held for the capability's epoch.
    pub fn hold(&mut self, capability: Capability<u64>) -> &mut Vec<D> {
        let epoch = *capability.time();
        let place = self.waiting.partition_point(|(held, _)| *held.time() < epoch);
        if self.waiting.get(place).is_none_or(|(held, _)| *held.time() != epoch) {
            self.waiting.insert(place, (capability, Vec::new()));
        }
        &mut self.waiting[place].1
    }

    /// Releases the first epoch if the frontier has passed it.
    pub fn next_complete(&mut self, frontier: &MutableAntichain<u64>) -> Option<(Capability<u64>, Vec<D>)> {
        self.waiting.pop_front_if(|(held, _)| !frontier.less_equal(held.time()))
    }
}
