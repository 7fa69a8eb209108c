//! Holds what arrives until its epoch is complete, and hands it out epoch by epoch.

use std::collections::VecDeque;

use timely::communication::Pull;
use timely::dataflow::channels::Message;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::InputHandleCore;
use timely::progress::frontier::MutableAntichain;

/// Data of epochs that are not complete yet, with the capability to go on at each.
pub struct EpochQueue<D> {
    /// In the order of epochs.
    waiting: VecDeque<(Capability<u64>, Vec<D>)>,
}

impl<D> EpochQueue<D> {
    pub fn new() -> EpochQueue<D> {
        EpochQueue { waiting: VecDeque::new() }
    }

    /// Takes in what has arrived.
    pub fn take_in(&mut self, input: &mut InputHandleCore<u64, Vec<D>, impl Pull<Message<u64, Vec<D>>>>) {
        input.for_each(|capability, data| {
            let capability = capability.retain_least(0).expect("a batch has an epoch");
            self.hold(capability).append(data);
        });
    }

    /// What is held of the capability's epoch.
    pub fn hold(&mut self, capability: Capability<u64>) -> &mut Vec<D> {
        let epoch = *capability.time();
        let place = self.waiting.partition_point(|(held, _)| *held.time() < epoch);
        if self.waiting.get(place).is_none_or(|(held, _)| *held.time() != epoch) {
            self.waiting.insert(place, (capability, Vec::new()));
        }
        &mut self.waiting[place].1
    }

    /// The first epoch that the frontier has passed, if one is held.
    pub fn next_complete(&mut self, frontier: &MutableAntichain<u64>) -> Option<(Capability<u64>, Vec<D>)> {
        self.waiting.pop_front_if(|(held, _)| !frontier.less_equal(held.time()))
    }
}
