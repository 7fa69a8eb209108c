//! All workers must build the same graph: the first one tells the others the schema it found.

use std::cell::RefCell;
use std::rc::Rc;

use timely::dataflow::operators::vec::Broadcast;
use timely::dataflow::operators::{Input, Inspect};
use timely::worker::Worker;

use crate::data::Schema;

/// Sends `own` from the first worker to all; `None` if it found no schema.
pub fn agree(worker: &mut Worker, own: Option<&Schema>) -> Option<Schema> {
    let told = Rc::new(RefCell::new(None));
    let seen = told.clone();
    let mut input = worker.dataflow::<u64, _, _>(|scope| {
        let (input, stream) = scope.new_input::<Vec<Option<Schema>>>();
        stream.broadcast().inspect(move |schema| *seen.borrow_mut() = Some(schema.clone()));
        input
    });
    if worker.index() == 0 {
        input.send(own.cloned());
    }
    input.close();
    worker.step_or_park_while(None, || told.borrow().is_none());
    told.take().flatten()
}
