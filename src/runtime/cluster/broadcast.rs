//! Broadcast from the first worker: all workers must build the same graph from the same values.

use std::cell::RefCell;
use std::rc::Rc;

use timely::ExchangeData;
use timely::dataflow::operators::vec::Broadcast;
use timely::dataflow::operators::{Input, Inspect};
use timely::worker::Worker;

/// Broadcasts the first worker's value to all workers and waits for it; `own` is ignored on the others.
pub fn tell<T: ExchangeData + Clone>(worker: &mut Worker, own: T) -> T {
    let told = Rc::new(RefCell::new(None));
    let seen = told.clone();
    let mut input = worker.dataflow::<u64, _, _>(|scope| {
        let (input, stream) = scope.new_input::<Vec<T>>();
        stream.broadcast().inspect(move |told| *seen.borrow_mut() = Some(told.clone()));
        input
    });
    if worker.index() == 0 {
        input.send(own);
    }
    input.close();
    worker.step_or_park_while(None, || told.borrow().is_none());
    told.take().expect("it was waited for")
}
