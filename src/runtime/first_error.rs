//! The first error of a worker.

use std::cell::RefCell;
use std::rc::Rc;

use crate::runtime::error::Error;

/// The first error on this worker, later ones are ignored; after it, the graph is only drained.
pub type FirstError = Rc<RefCell<Option<Error>>>;

pub fn fail(failure: &FirstError, error: impl Into<Error>) {
    failure.borrow_mut().get_or_insert(error.into());
}
