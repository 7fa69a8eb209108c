//! Messages between workers beside the graph: without epochs, in the order they were sent.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use timely::ExchangeData;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::operators::{Exchange, Input};
use timely::worker::Worker;

/// One worker's end: its outgoing messages, and its inbox.
pub struct IngestChannel<L: Clone + 'static> {
    input: InputHandle<u64, CapacityContainerBuilder<Vec<(u64, L)>>>,
    inbox: Rc<RefCell<VecDeque<L>>>,
}

impl<L: ExchangeData + Clone> IngestChannel<L> {
    /// Builds a dataflow of its own, on all workers in the same order. It ends when all have dropped their ends.
    pub fn build(worker: &mut Worker) -> IngestChannel<L> {
        let inbox = Rc::new(RefCell::new(VecDeque::new()));
        let delivered = inbox.clone();
        let input = worker.dataflow::<u64, _, _>(|scope| {
            let (input, messages) = scope.new_input::<Vec<(u64, L)>>();
            let messages = messages.exchange(|(to, _)| *to);
            messages.map(move |(_, message)| delivered.borrow_mut().push_back(message));
            input
        });
        IngestChannel { input, inbox }
    }

    /// Sends a message to a worker, at once.
    pub fn send(&mut self, to: u64, message: L) {
        self.input.send((to, message));
        // The input buffers messages until its time advances.
        self.input.advance_to(self.input.time() + 1);
    }

    /// The next message that has arrived.
    pub fn take(&self) -> Option<L> {
        self.inbox.borrow_mut().pop_front()
    }
}
